"""The entries that a node has to publish: in order, one on its way at a time.

An entry is done when it comes back from the log. One that does not is published again, under the
same number, so that it counts once however often it arrives. One that is longer than the brokers
take at once is published in pieces, and of these again those that are not back.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from chatservice.cluster.entries import LEASE, BadEntry, Entry, cut
from chatservice.cluster.log import Log
from chatservice.core.feed.batch import reworded
from chatservice.journal.events import JOINED, LEFT, Committed, Draft, Event, Fact, Facts

MOST_FACTS: Final = 1500
"""So many facts, and what belongs to them, are said in one entry."""

FACTS_MOST: Final = 1 << 20
"""Characters of facts in one entry, about, at most, if its events do not need them."""


@dataclass(eq=False)
class Waiting:
    """Drafts and facts that become one entry.

    :ivar first: it is said in front of what waits, and is of no use to another boot.
    :ivar open: more facts may be added while it was not published.
    :ivar number: that of the entry; 0 while it was not published.
    :ivar since: when it was published first.
    :ivar done: to fire with whether each fact took effect.
    :ivar committed: to fire with what is stored of it, and with it; None if nobody waits for
        that.
    :ivar of: how many pieces it was cut into; :ivar came: the places of those that are back.
    """

    drafts: Sequence[Draft]
    facts: list[Fact]
    first: bool = False
    open: bool = False
    number: int = 0
    since: float = 0.0
    of: int = 0
    came: set[int] = field(default_factory=set)
    done: list[Deferred[Sequence[bool]]] = field(default_factory=list)
    committed: Deferred[Committed] | None = None


class Outgoing:
    """The entries that a node has to publish.

    :ivar reclaiming: only what is said first goes out.
    :ivar boots: what the node has been called since it started.
    :ivar boot: how it is called in the log: another name from each start, and each loss of its
        lease, on.
    :ivar mark: of the log, which entries tell.
    :param refused: told of what can't be published, and why.
    """

    def __init__(
        self,
        clock: IReactorTime,
        follow: Log,
        refused: Callable[[Waiting, str], None] = lambda waiting, why: None,
    ) -> None:
        self.boot = ""
        self.mark = ""
        self._refused = refused
        self.boots: set[str] = set()
        self._clock = clock
        self._log = follow
        self._queue: deque[Waiting] = deque()
        self._last = 0
        self.reclaiming = False

    def begin(self, node: str) -> None:
        """Begin another boot, which is published in front of all that waits.

        :param node: how the node is called in the logs.
        """
        self.boot = secrets.token_hex(8)
        self.boots.add(self.boot)
        self._last = 0
        self._queue = deque(waiting for waiting in self._queue if not waiting.first)
        for waiting in self._queue:
            waiting.number = 0
            waiting.came.clear()
        self._queue.appendleft(Waiting((), [Fact(LEASE, self.boot, node)], first=True, open=True))

    def reword(self, origin: int, author: str) -> None:
        """Put another name on the events of one author that still wait."""
        for waiting in self._queue:
            waiting.drafts = [
                reworded(draft, author) if draft.origin == origin else draft
                for draft in waiting.drafts
            ]

    def add(self, waiting: Waiting, first: bool = False) -> None:
        """Add an entry to those that are published.

        :param first: behind what else was said so, in front of all that waits; else behind that.
        """
        waiting.first = first
        self._queue.insert(self._place(first), waiting)
        self.publish()

    def _place(self, first: bool) -> int:
        """Return the place of a new entry; never in front of the one that is on its way."""
        if not first:
            return len(self._queue)
        ahead = takewhile(lambda waiting: waiting.first or waiting.number, self._queue)
        return len(list(ahead))

    def say(self, facts: Sequence[Fact], first: bool = False) -> Deferred[Sequence[bool]]:
        """Publish facts; the Deferred fires with whether each took effect.

        :param first: see :meth:`add`.
        """
        said: Deferred[Sequence[bool]] = Deferred()
        place = self._place(first)
        last = self._queue[place - 1] if place else None
        if (
            last is None
            or last.number
            or last.first != first
            or not last.open
            or len(last.facts) >= MOST_FACTS
        ):
            last = Waiting((), [], first, open=True)
            self._queue.insert(place, last)
        begin = len(last.facts)
        end = begin + len(facts)
        last.facts += facts
        last.done.append(said)
        self.publish()
        return said.addCallback(lambda effective: effective[begin:end])

    def publish(self) -> bool:
        """Publish the first entry unless it is on its way; return whether it was published."""
        if not self._queue or self._queue[0].number:
            return False
        if self.reclaiming and not self._queue[0].first:
            return False
        self._last += 1
        self._queue[0].number = self._last
        self._queue[0].since = self._clock.seconds()
        self.repeat(again=False)
        return True

    def repeat(self, again: bool = True) -> None:
        """Publish the entry that is on its way, or a beat if there is none.

        :param again: it was published before.
        """
        largest = self._log.largest
        if not largest:
            return
        waiting = self._queue[0] if self.since is not None else Waiting((), [])
        entry = Entry(self.boot, waiting.number, waiting.drafts, waiting.facts, self.mark)
        try:
            pieces = cut(entry, largest)
        except BadEntry as error:
            self._refused(waiting, str(error))
            self.back(waiting.number, [False] * len(waiting.facts))
            return
        if waiting.of != len(pieces):
            # It was not cut before, or the brokers take more or less at once by now.
            waiting.of = len(pieces)
            waiting.came.clear()
        for place, piece in enumerate(pieces):
            if place not in waiting.came:
                # No beat is one that was published before.
                self._log.publish(piece, again and waiting.number > 0)

    def came(self, number: int, place: int, of: int) -> bool:
        """Take note that a piece has come back; return whether it is a new one of the entry."""
        waiting = self._queue[0] if self._queue else None
        if waiting is None or waiting.number != number or place in waiting.came:
            return False
        if waiting.of != of:
            # A late one, of another cutting: for all who read it, that has begun anew.
            waiting.came.clear()
            return False
        waiting.came.add(place)
        waiting.since = self._clock.seconds()
        return True

    @property
    def since(self) -> float | None:
        """When the entry that is on its way was published first, or a piece of it came; or None."""
        return self._queue[0].since if self._queue and self._queue[0].number else None

    def committed(self, number: int) -> Deferred[Committed] | None:
        """Return the waiter for the stored events of an entry that has come back, or None."""
        waiting = self._queue[0] if self._queue else None
        return waiting.committed if waiting is not None and waiting.number == number else None

    def back(self, number: int, effective: Sequence[bool]) -> None:
        """Take note that an entry has come back; publish the next one."""
        if self._queue and self._queue[0].number == number:
            waiting = self._queue.popleft()
            self.publish()
            for done in waiting.done:
                done.callback(effective)


def awaited(drafts: Sequence[Draft], facts: Facts) -> list[Waiting]:
    """Return the entries of a commit; their facts tell ids by places in the entry.

    It is one entry, or more where there are many facts that tell of no event beside them.
    """
    events = [
        Event(-index, 0, *draft)
        for index, draft in enumerate(drafts, 1)
        if draft.kind in (JOINED, LEFT)  # All others are in nobody's record.
    ]
    found = facts(events)
    if events:
        return [Waiting(drafts, list(found))]
    entries = [Waiting(drafts, [])]
    size = 0
    for fact in found:
        size += len(fact.value)
        if size > FACTS_MOST and entries[-1].facts:
            entries.append(Waiting((), []))
            size = len(fact.value)
        entries[-1].facts.append(fact)
    return entries
