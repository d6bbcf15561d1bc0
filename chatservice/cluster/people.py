"""People at plain sockets, as other nodes know them."""

from __future__ import annotations

from chatservice.cluster.entries import PERSON
from chatservice.cluster.records import StoredPerson
from chatservice.core.members import Member
from chatservice.core.sessions import Reading
from chatservice.journal.events import Fact, as_json


class Person:
    """What is stored of somebody without a token: a :class:`.Record`."""

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
        """Return the fact by which nothing is stored of them any more."""
        self.dropped = True
        return Fact(PERSON, f"{self.origin:x}", "")
