"""A journal that assigns ids and times, and stores nothing (``--history none``)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed

from chatservice.journal.events import (
    Committed,
    Draft,
    Event,
    Fact,
    Facts,
    Found,
    Stretch,
    no_facts,
)


class MemoryJournal:
    """Orders events without storing them; only the chat's memory can be read back.

    :param now: the time, in milliseconds since 1970.
    """

    largest: int | None = None
    unbroken = 0
    lost = ""
    size = 0

    def __init__(self, now: Callable[[], int]) -> None:
        self.identity = uuid.uuid4().hex
        self.head = 0
        self.last_at = 0
        self._now = now

    def describe(self) -> str:
        """Return "none": nothing is stored."""
        return "none"

    @property
    def floor(self) -> int:
        """The head, since no event can be read from this journal."""
        return self.head

    def start(self) -> None:
        """See :meth:`.Journal.start`."""

    def stop(self) -> Deferred[None]:
        """See :meth:`.Journal.stop`."""
        return succeed(None)

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        """See :meth:`.Journal.commit`."""
        at = self._now()
        events = [Event(id, at, *draft) for id, draft in enumerate(drafts, self.head + 1)]
        self.head += len(events)
        return succeed(Committed(events, facts(events)))

    def note(self, name: str, value: str) -> Deferred[None]:
        """See :meth:`.Journal.note`."""
        return succeed(None)

    def facts(self) -> list[Fact]:
        """See :meth:`.Journal.facts`."""
        return []

    def last_seq(self, origin: int) -> int:
        """See :meth:`.Journal.last_seq`."""
        return 0

    def recent(self, limit: int) -> list[Event]:
        """See :meth:`.Journal.recent`."""
        return []

    def after(
        self, position: int, rooms: Sequence[str], upto: int, talk: bool
    ) -> Deferred[Stretch]:
        """See :meth:`.Journal.after`."""
        return succeed(Stretch((), upto))

    def locate(self, room: str, upto: int, most: int) -> Deferred[Found]:
        """See :meth:`.Journal.locate`."""
        return succeed(Found((), 0))

    def find(self, origin: int, seq: int) -> Deferred[Event | None]:
        """See :meth:`.Journal.find`."""
        return succeed(None)

    def prune(self, before: int) -> bool:
        """See :meth:`.Journal.prune`."""
        return False
