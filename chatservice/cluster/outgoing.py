"""The queue of entries that a node publishes in order, one at a time.

An entry is done when it comes back from the log. An entry that does not come back is published
again under the same number, so it takes effect only once. An entry that is longer than the brokers
take at once is published in pieces; again, only those that did not come back are repeated.
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
"""The number of facts after which further facts go into another entry."""

FACTS_MOST: Final = 1 << 20
"""The most characters of facts in one entry, roughly; facts about events stay with these."""


@dataclass(eq=False)
class Waiting:
    """Drafts and facts that become one entry.

    :ivar first: whether the entry goes before those that wait, and is dropped with its boot.
    :ivar open: whether more facts may be added until it is published.
    :ivar number: the number of the entry; 0 until it is published.
    :ivar since: when the entry was published first, or a piece came back last.
    :ivar done: the Deferreds that fire with whether each fact took effect.
    :ivar committed: the Deferred that fires with the stored commit that includes the entry; None
        if nobody waits for it.
    :ivar of: how many pieces it was cut into; :ivar came: the places of the pieces that are back.
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
    """The queue of entries that a node publishes.

    :ivar reclaiming: whether only entries marked :attr:`~Waiting.first` are published.
    :ivar boots: the boots of this node since the process started.
    :ivar boot: the present boot: the node's name in the log, from a start or a lost lease to the
        next one.
    :ivar mark: the mark of the log, which entries contain.
    :param refused: called with an entry that can't be published, and the reason.
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
        """Begin another boot, whose record is published before all that waits.

        :param node: the name of the node in the logs.
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
        """Change the author's name on the waiting events of one origin."""
        for waiting in self._queue:
            waiting.drafts = [
                reworded(draft, author) if draft.origin == origin else draft
                for draft in waiting.drafts
            ]

    def add(self, waiting: Waiting, first: bool = False) -> None:
        """Add an entry to the queue.

        :param first: whether the entry goes behind earlier first ones, before all others.
        """
        waiting.first = first
        self._queue.insert(self._place(first), waiting)
        self.publish()

    def _place(self, first: bool) -> int:
        """Return the place of a new entry in the queue; never before the one on its way."""
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
        """Publish the first entry if it is its turn; return whether it was published."""
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

        :param again: whether the entry was published before.
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
            # The entry is cut for the first time, or the brokers' limit has changed since.
            waiting.of = len(pieces)
            waiting.came.clear()
        for place, piece in enumerate(pieces):
            if place not in waiting.came:
                # Each beat is a new one, so it never counts as repeated.
                self._log.publish(piece, again and waiting.number > 0)

    def came(self, number: int, place: int, of: int) -> bool:
        """Note that a piece has come back; return whether it is a new piece of the entry."""
        waiting = self._queue[0] if self._queue else None
        if waiting is None or waiting.number != number or place in waiting.came:
            return False
        if waiting.of != of:
            # A late piece of an earlier cut makes all nodes collect the entry from the start.
            waiting.came.clear()
            return False
        waiting.came.add(place)
        waiting.since = self._clock.seconds()
        return True

    @property
    def since(self) -> float | None:
        """When the entry on its way was published first, or a piece came back last; or None."""
        return self._queue[0].since if self._queue and self._queue[0].number else None

    def committed(self, number: int) -> Deferred[Committed] | None:
        """Return the Deferred for the commit of an entry that has come back, or None."""
        waiting = self._queue[0] if self._queue else None
        return waiting.committed if waiting is not None and waiting.number == number else None

    def back(self, number: int, effective: Sequence[bool]) -> None:
        """Remove an entry that has come back, publish the next one, and tell the waiters.

        :param effective: for each fact of the entry, whether it took effect.
        """
        if self._queue and self._queue[0].number == number:
            waiting = self._queue.popleft()
            self.publish()
            for done in waiting.done:
                done.callback(effective)


def awaited(drafts: Sequence[Draft], facts: Facts) -> list[Waiting]:
    """Return the entries of a commit; its facts get negative numbers in place of event ids.

    Facts that refer to events stay in one entry with these; other facts may need several.
    """
    events = [
        Event(-index, 0, *draft)
        for index, draft in enumerate(drafts, 1)
        if draft.kind in (JOINED, LEFT)  # Records contain the ids of no other events.
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
