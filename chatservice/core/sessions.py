"""The sessions of programs: a name, rooms, and the events that are for the program.

A session is *here*, with a :class:`.Member`, while its program is connected and for a grace after
that. Then it has *left*, and is remembered until its token expires: a program that comes back with
the token gets the events that it missed. A session is a fact in the journal, stored in the same
commit as the events that change it, so they agree even after a ``kill -9``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple, Protocol

from msgspec import Meta, Struct
from msgspec.json import Decoder
from msgspec.structs import replace

from chatservice.journal.events import Fact, Integer, Natural, as_json

SESSION: Final = "session"
"""The kind of the facts that are sessions."""

PERIODS_MOST: Final = 64
"""The most periods, in rooms that it left, that a session keeps."""


UNSAFE: Final = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Characters that are unsafe to show, as in a character class of :mod:`re`: controls, line
separators, overrides of text direction, and surrogates."""

Shown = Annotated[str, Meta(pattern=rf"\A[^{UNSAFE}]*\Z")]
"""Text that is safe to show."""

Name = Annotated[str, Meta(pattern=rf"\A[^ {UNSAFE}]+\Z")]
"""A name that is safe to show. It has no blank."""

_ADDRESS: Final = re.compile("[0-9a-f]{1,16}")


def address_of(origin: int) -> str:
    """Return an origin in hex, as the address for private lines to a session.

    The address stays the same when the session's name changes. An origin is random, and good for
    nothing but writing to its session.
    """
    return f"{origin:x}"


def origin_at(address: str) -> int | None:
    """Return the origin of an address made by :func:`address_of`; None if the text is not one."""
    return int(address, 16) if _ADDRESS.fullmatch(address) else None


class Period(NamedTuple):
    """A stretch of a room's events, between two ids, during which a session was in the room."""

    room: Shown
    since: Integer
    until: Integer


class Reading(Struct, frozen=True):
    """The stretches of rooms whose events are for a session.

    :ivar rooms: for each room that the session is in, the id after which events are for it.
    :ivar periods: its periods in rooms that it left, the one that ended first in front.
    :ivar forgotten: the id at which the last forgotten period ended; 0 if none was forgotten.
    """

    rooms: dict[str, int] = {}
    periods: tuple[Period, ...] = ()
    forgotten: int = 0

    def joined(self, room: str, id: int) -> Reading:
        """Return the stretches after joining a room; no change if the session is in it already."""
        return self if room in self.rooms else replace(self, rooms={**self.rooms, room: id})

    def left(self, room: str, id: int) -> Reading:
        """Return the stretches after leaving a room."""
        if room not in self.rooms:
            return self
        rooms = {name: since for name, since in self.rooms.items() if name != room}
        periods = (*self.periods, Period(room, self.rooms[room], id))
        forgotten = self.forgotten
        if len(periods) > PERIODS_MOST:
            forgotten, periods = periods[0].until, periods[1:]
        return Reading(rooms, periods, forgotten)

    def called(self, rooms: Mapping[str, str]) -> Reading:
        """Return the stretches under new names of rooms.

        :param rooms: the new names, by the old ones.
        """
        return Reading(
            {rooms.get(room, room): since for room, since in self.rooms.items()},
            tuple(
                period._replace(room=rooms.get(period.room, period.room)) for period in self.periods
            ),
            self.forgotten,
        )


class StoredSession(Struct, frozen=True, omit_defaults=True):
    """The stored record of a program: see :class:`Session` and :class:`Reading`.

    :ivar boot: the boot of the node that has it, in a cluster; ``""`` if it has left.
    """

    origin: Natural
    name: Name
    rooms: dict[Shown, Integer]
    periods: tuple[Period, ...]
    forgotten: Integer
    seq: Natural
    seen: Integer
    here: bool
    heard: bool
    was: Shown = ""
    boot: str = ""


SESSIONS: Final = Decoder(StoredSession)
"""Reads the record of a program."""


class Record(Protocol):
    """The stored data of a person or program, committed with the events that change it.

    :ivar origin: the origin of all their events.
    :ivar reading: the stretches of rooms whose events are for them.
    :ivar here: whether they are here, and have not left.
    :ivar dropped: whether the record was forgotten and must not be stored again.
    """

    origin: int
    name: str
    reading: Reading
    here: bool
    dropped: bool

    def fact(self, reading: Reading, name: str = "", here: bool | None = None) -> Fact:
        """Return the record as a fact.

        :param reading: the stretches to store, which hold from this commit on.
        :param name: the name to store; ``""`` for the current one.
        :param here: the value to store; None for the current one.
        """


@dataclass(eq=False, slots=True)
class Session:
    """The session of a program: the :class:`Record` that its token opens.

    :ivar digest: the hash of the token; only the program knows the token itself.
    :ivar origin: the origin of all its events in the journal.
    :ivar seq: the highest number of its lines that is stored.
    :ivar noted: the highest number in the stored fact; higher ones are in the events only.
    :ivar unstored: its lines that wait for their commit, by number: kind, room and text.
    :ivar rooms: the rooms to join when it comes back: those it was in when it left, counting joins
        and leaves not stored by then. None if :attr:`reading` has them all.
    :ivar seen: the time at which it was last connected, in milliseconds since 1970.
    :ivar expires: the time at which the token of a session that has left expires, in seconds by
        the clock of this process.
    :ivar here: whether it is here, and has not left.
    :ivar dropped: whether it was forgotten.
    :ivar heard: whether its program has sent anything since its welcome, so surely has its token.
    :ivar site: the address of its last connection, as it is counted; ``""`` if it is not known.
    :ivar was: its name before the service had to rename it; ``""`` if it was not renamed.
    """

    digest: str
    origin: int
    name: str
    seen: int
    reading: Reading = field(default_factory=Reading)
    seq: int = 0
    noted: int = 0
    unstored: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    rooms: list[str] | None = None
    expires: float = math.inf
    here: bool = True
    dropped: bool = False
    heard: bool = False
    site: str = ""
    was: str = ""

    @property
    def highest(self) -> int:
        """The highest number that its program has used, stored or not."""
        return max(self.seq, *self.unstored) if self.unstored else self.seq

    def fact(self, reading: Reading, name: str = "", here: bool | None = None) -> Fact:
        """See :meth:`Record.fact`."""
        stored = StoredSession(
            origin=self.origin,
            name=name or self.name,
            rooms=reading.rooms,
            periods=reading.periods,
            forgotten=reading.forgotten,
            seq=self.seq,
            seen=self.seen,
            here=self.here if here is None else here,
            heard=self.heard,
            was=self.was,
        )
        self.noted = self.seq
        return Fact(SESSION, self.digest, as_json(stored))

    @classmethod
    def load(cls, fact: Fact) -> Session:
        """Return the session that a fact stores."""
        stored = SESSIONS.decode(fact.value)
        session = cls(fact.name, stored.origin, stored.name, stored.seen, here=stored.here)
        session.learn(stored)
        return session

    def learn(self, stored: StoredSession) -> None:
        """Take over a stored record, except whether the session is here."""
        self.name, self.was = stored.name, stored.was
        self.reading = Reading(stored.rooms, stored.periods, stored.forgotten)
        self.seen, self.heard, self.noted = stored.seen, stored.heard, stored.seq
        self.seq = max(self.seq, stored.seq)
