"""The records of boots, names and people, and the outcome of an entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

from msgspec import Struct
from msgspec.json import Decoder
from msgspec.structs import replace

from chatservice.cluster.entries import LEASE, PERSON
from chatservice.core.members import Member
from chatservice.core.sessions import SESSIONS, Name, Period, Reading, Shown, StoredSession
from chatservice.journal.events import Draft, Fact, Integer, Natural, as_json


class StoredPerson(Struct, frozen=True, omit_defaults=True):
    """The stored record of a person at a plain socket.

    :ivar rooms: their rooms, each with the id of the event by which they joined.
    :ivar boot: the boot that they are with.
    """

    here: ClassVar[bool] = True
    origin: Natural
    name: Name
    rooms: dict[Shown, Integer]
    operator: bool
    away: Shown | None
    since: Integer
    address: str
    boot: str = ""


PEOPLE: Final = Decoder(StoredPerson)
"""Decodes the record of a person."""

Somebody = StoredPerson | StoredSession


def somebody(fact: Fact) -> Somebody:
    """Return the record of a person or a session that a fact holds."""
    return (PEOPLE if fact.kind == PERSON else SESSIONS).decode(fact.value)


def resolved(who: Somebody, first: int) -> Somebody:
    """Return a record with event ids in place of the negative numbers of its entry's events.

    :param first: the id of the first event of the entry.
    """

    def id_of(number: int) -> int:
        return number if number >= 0 else first - number - 1

    rooms = {room: id_of(since) for room, since in who.rooms.items()}
    if isinstance(who, StoredPerson):
        return replace(who, rooms=rooms)
    periods = tuple(Period(room, id_of(since), id_of(until)) for room, since, until in who.periods)
    return replace(who, rooms=rooms, periods=periods, forgotten=id_of(who.forgotten))


class Person:
    """The :class:`.Record` of a member without a token."""

    def __init__(self, member: Member) -> None:
        self.origin = member.origin
        self.name = member.name
        self.reading = Reading()
        self.here = True
        self.dropped = False
        self._member = member

    def fact(self, reading: Reading, name: str = "", here: bool | None = None) -> Fact:
        """See :meth:`.Record.fact`."""
        member = self._member
        stored = StoredPerson(
            origin=self.origin,
            name=name or self.name,
            rooms=reading.rooms,
            operator=member.operator,
            away=member.away,
            since=member.since,
            address=member.outlet.address,
        )
        return Fact(PERSON, f"{self.origin:x}", as_json(stored))

    def gone(self) -> Fact:
        """Mark the record as dropped; return the fact that removes it."""
        self.dropped = True
        return Fact(PERSON, f"{self.origin:x}", "")


class Lease(Struct, array_like=True, forbid_unknown_fields=True):
    """The record of a boot.

    :ivar node: the name of its node in the logs.
    :ivar number: the number of its last entry.
    :ivar position: the position of the last entry, piece or beat that came from it.
    :ivar at: when that was published, in milliseconds since 1970.
    :ivar heir: the boot that has adopted its members; ``""`` while this boot lives, ``-`` when it
        has ended and was not adopted yet.
    """

    node: str = ""
    number: Natural = 0
    position: Natural = 0
    at: Natural = 0
    heir: str = ""

    def fact(self, boot: str) -> Fact:
        """Return the fact that stores this record for a boot."""
        return Fact(LEASE, boot, as_json(self))


LEASES: Final = Decoder(Lease)


class Claim(NamedTuple):
    """The origin of the holder of a name, and the boot that they are with."""

    origin: int
    boot: str


class Known(NamedTuple):
    """A person who is here, or a session that is here or can come back.

    :ivar name: the key of their name.
    :ivar who: their record, decoded from :attr:`fact`.
    """

    name: str
    who: Somebody
    fact: Fact


class Outcome(NamedTuple):
    """The outcome of an entry.

    :ivar fresh: whether the entry took effect: it is neither void nor a repeated one.
    :ivar drafts: the drafts that become events, each with its index in the entry.
    :ivar facts: the facts that hold from now on.
    :ivar asked: the requests to the nodes of members.
    :ivar effective: for each fact of the entry, whether it took effect.
    """

    fresh: bool
    drafts: Sequence[tuple[int, Draft]] = ()
    facts: Sequence[Fact] = ()
    asked: Sequence[Fact] = ()
    effective: Sequence[bool] = ()
