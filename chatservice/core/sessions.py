"""What a program has that comes back: a name, rooms, and how far it is known what it read.

A session is here, with a :class:`.Member`, while its program is connected and for a grace after
that. Later it has left, and is only remembered until its token expires: whoever comes back with
that is told what it missed. A session is a fact of the journal, changed in the same commit as that
which changes it, so it is whole after a ``kill -9`` as well.
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
"""The kind of the fact."""

PERIODS_MOST: Final = 64
"""So many periods in rooms that it left are known of one session."""


UNSAFE: Final = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Characters that nobody may be shown, as in a class of :mod:`re`: controls, other ends of a line,
overrides of the direction in which a line is read, and surrogates."""

Shown = Annotated[str, Meta(pattern=rf"\A[^{UNSAFE}]*\Z")]
"""Text that is safe to show."""

Name = Annotated[str, Meta(pattern=rf"\A[^ {UNSAFE}]+\Z")]
"""A name that is safe to show. It has no blank."""

_ADDRESS: Final = re.compile("[0-9a-f]{1,16}")


def address_of(origin: int) -> str:
    """Write down where a session can be written to, whatever it is called by then.

    An origin is random, stays the same in all that a session does, and is good for nothing else
    that can be asked for.
    """
    return f"{origin:x}"


def origin_at(address: str) -> int | None:
    """Return the origin that :func:`address_of` has written down; None if that is none."""
    return int(address, 16) if _ADDRESS.fullmatch(address) else None


class Period(NamedTuple):
    """A session was in a room; what happened there between two ids is for it."""

    room: Shown
    since: Integer
    until: Integer


class Reading(Struct, frozen=True):
    """What is for a session.

    :ivar rooms: in which it is, by name: what happens there after this id.
    :ivar periods: in rooms that it left, the one that ended first in front.
    :ivar forgotten: a period that ended at this id is not known any more, nor are those before.
    """

    rooms: dict[str, int] = {}
    periods: tuple[Period, ...] = ()
    forgotten: int = 0

    def joined(self, room: str, id: int) -> Reading:
        """Return what is for it once it has joined a room; in which it may be, if it came back."""
        return self if room in self.rooms else replace(self, rooms={**self.rooms, room: id})

    def left(self, room: str, id: int) -> Reading:
        """Return what is for it once it has left a room."""
        if room not in self.rooms:
            return self
        rooms = {name: since for name, since in self.rooms.items() if name != room}
        periods = (*self.periods, Period(room, self.rooms[room], id))
        forgotten = self.forgotten
        if len(periods) > PERIODS_MOST:
            forgotten, periods = periods[0].until, periods[1:]
        return Reading(rooms, periods, forgotten)

    def called(self, rooms: Mapping[str, str]) -> Reading:
        """Return what is for it once rooms are called otherwise.

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

    :ivar boot: the boot that it is with, in a cluster; ``""`` if it has left.
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
    """What is stored of somebody who is here, and changed with the events that change it.

    :ivar origin: of all that they say.
    :ivar here: they have not left.
    :ivar dropped: nothing of them is stored any more.
    """

    origin: int
    name: str
    reading: Reading
    here: bool
    dropped: bool

    def fact(self, reading: Reading, name: str = "", here: bool | None = None) -> Fact:
        """Return the fact that it is, with what is for them from now on.

        :param name: if it is not that which they have by now; so ``here``.
        """


@dataclass(eq=False, slots=True)
class Session:
    """What is remembered for whoever has a token: the :class:`Record` of a program.

    :ivar digest: of the token, which itself is known to its program alone.
    :ivar origin: of all that the session says, in the journal.
    :ivar seq: the highest number of its own words that is stored.
    :ivar noted: the highest number that is in the fact; the journal has those after it.
    :ivar unstored: what waits to be committed, by number: its kind, room and text.
    :ivar rooms: in which it was when it left, and is to be when it comes back. What it had asked
        for then may still wait to be stored; None if :attr:`reading` knows all.
    :ivar seen: when it was connected last, in milliseconds since 1970.
    :ivar expires: when its token does, if it has left, by the clock of this process, in seconds.
    :ivar here: it has not left.
    :ivar dropped: it is not remembered any more.
    :ivar heard: its program has said something since it was told the token, so it has that.
    :ivar site: where it was connected from last, as it is counted; ``""`` if nobody knows.
    :ivar was: its name before the service had to give it another one; ``""`` if that was not so.
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
        """The highest number that is taken, stored or not."""
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
        """Return the session that a fact is."""
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
