"""What is read comes from a node's own file: nobody is asked."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from chatservice.journal.events import Event, Fact, Found, Stretch
from chatservice.journal.sqlite import SqliteJournal


class Replicated:
    """The part of a :class:`.Journal` that a replica does by itself."""

    def __init__(self, replica: SqliteJournal) -> None:
        self._replica = replica

    @property
    def identity(self) -> str:
        """See :class:`.Journal`."""
        return self._replica.identity

    @property
    def head(self) -> int:
        """See :class:`.Journal`."""
        return self._replica.head

    @property
    def size(self) -> int:
        """See :class:`.Journal`."""
        return self._replica.size

    def describe(self) -> str:
        """See :meth:`.Journal.describe`."""
        return self._replica.describe()

    @property
    def lost(self) -> str:
        """See :attr:`.Journal.lost`."""
        return self._replica.lost

    @property
    def last_at(self) -> int:
        """See :class:`.Journal`."""
        return self._replica.last_at

    def note(self, name: str, value: str) -> Deferred[None]:
        """See :meth:`.Journal.note`."""
        return self._replica.note(name, value)

    def facts(self) -> list[Fact]:
        """See :meth:`.Journal.facts`."""
        return self._replica.facts()

    def last_seq(self, origin: int) -> int:
        """See :meth:`.Journal.last_seq`."""
        return self._replica.last_seq(origin)

    def recent(self, limit: int) -> list[Event]:
        """See :meth:`.Journal.recent`."""
        return self._replica.recent(limit)

    def after(
        self, position: int, rooms: Sequence[str], upto: int, talk: bool
    ) -> Deferred[Stretch]:
        """See :meth:`.Journal.after`."""
        return self._replica.after(position, rooms, upto, talk)

    def locate(self, room: str, upto: int, most: int) -> Deferred[Found]:
        """See :meth:`.Journal.locate`."""
        return self._replica.locate(room, upto, most)

    def find(self, origin: int, seq: int) -> Deferred[Event | None]:
        """See :meth:`.Journal.find`."""
        return self._replica.find(origin, seq)
