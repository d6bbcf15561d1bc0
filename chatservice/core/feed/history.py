"""The committed events, and the one way to read them, from memory or else from the journal."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence, Set
from itertools import chain, islice
from operator import attrgetter
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred

from chatservice.core.answers import others_turn
from chatservice.journal.events import (
    PRIVATE,
    TALK,
    Event,
    Found,
    Journal,
    Stretch,
    inbox,
    is_hidden,
)

PASSED_MOST: Final = 10_000
"""About the number of hidden events after which a look back ends."""

READ_EVENTS: Final = 512
"""The most events of one reading from memory."""

CHARACTERS_MOST: Final = 256 << 10
"""The most characters in a piece of talk, unless it is a single event."""

_id = attrgetter("id")


class Past:
    """The recent events of all rooms in memory, with the journal for the older ones.

    :param recent: the number of events to keep in memory; 0 for all.
    :ivar floor: the id after which every event is in memory.
    """

    def __init__(self, journal: Journal, recent: int) -> None:
        self._journal = journal
        self._recent = recent
        self._events: list[Event] = []
        self._rooms: defaultdict[str, list[Event]] = defaultdict(list)
        self._numbered: dict[tuple[int, int], Event] = {}
        self.floor = 0

    def load(self) -> None:
        """Load the last events of a journal that was just opened."""
        events = self._journal.recent(self._recent)
        self.floor = events[0].id - 1 if events else self._journal.head
        self.append(events)

    def begin(self, floor: int) -> None:
        """Raise the floor to an id that all later events will be above."""
        self.floor = max(self.floor, floor)

    @property
    def head(self) -> int:
        """The id of the last event that was committed."""
        return self._events[-1].id if self._events else self.floor

    @property
    def start(self) -> int:
        """The id after which all events can be read, from memory or the journal."""
        return min(self.floor, self._journal.floor)

    def append(self, events: Sequence[Event]) -> None:
        """Add committed events to memory, and drop the oldest above the limit."""
        self._events += events
        for event in events:
            self._rooms[event.room].append(event)
            if event.seq > 0:
                self._numbered[event.origin, event.seq] = event
            if event.kind == PRIVATE:
                # The author's inbox has it, too, because a program gets a receipt.
                self._rooms[inbox(event.origin)].append(event)
        excess = len(self._events) - max(self._recent, len(events))
        # Many at a time: moving the rest of a list costs as much for one as for many.
        if self._recent and excess > self._recent // 16:
            self._forget(excess)

    def call_rooms(self, rooms: Mapping[str, str]) -> None:
        """Move the events of renamed rooms to the new names.

        :param rooms: the new names, by the old ones.
        """

        self._begin_anew(
            [event._replace(room=rooms.get(event.room, event.room)) for event in self._events]
        )

    def prune(self, before: int) -> None:
        """Forget events older than ``before``, in milliseconds since 1970; never the last."""
        last = self.head
        self._forget(
            next((n for n, e in enumerate(self._events) if e.at >= before or e.id == last), 0)
        )
        # If the clock was set back, old events may stand among new ones.
        kept = [event for event in self._events if event.at >= before or event.id == last]
        if len(kept) < len(self._events):
            self._begin_anew(kept)

    def _begin_anew(self, events: Sequence[Event]) -> None:
        """Replace all events in memory by these."""
        self._events.clear()
        self._rooms.clear()
        self._numbered.clear()
        self.append(events)

    def _forget(self, count: int) -> None:
        """Drop the first ``count`` events from memory."""
        if count <= 0:
            return
        forgotten = self._events[:count]
        del self._events[:count]
        self.floor = forgotten[-1].id
        for event in forgotten:
            self._numbered.pop((event.origin, event.seq), None)
        rooms = Counter(event.room for event in forgotten)
        rooms.update(inbox(event.origin) for event in forgotten if event.kind == PRIVATE)
        for room, number in rooms.items():
            del self._rooms[room][:number]
            if not self._rooms[room]:
                del self._rooms[room]

    def read(
        self,
        position: int,
        rooms: Sequence[str],
        upto: int,
        talk: bool = False,
        addressed: Sequence[str] = (),
    ) -> Stretch | Deferred[Stretch]:
        """Read a bounded number of events of some rooms, with ``position < id <= upto``.

        Events in memory are returned at once, so that the last step to the head can't race.

        :param position: an id not below :attr:`start`.
        :param talk: read only talk.
        :param addressed: :data:`.HOUSE` and inboxes to read as well. The journal returns the events
            of all inboxes, whichever are given.
        """
        if position < self.floor:
            return self._journal.after(position, rooms, min(upto, self.floor), talk)
        events = sorted(
            chain(*(self._after(room, position, upto) for room in (*rooms, *addressed))), key=_id
        )[:READ_EVENTS]
        reached = events[-1].id if len(events) == READ_EVENTS else upto
        return Stretch([e for e in events if e.kind in TALK] if talk else events, reached)

    def _after(self, room: str, position: int, upto: int) -> list[Event]:
        events = self._rooms.get(room, [])
        first = bisect_right(events, position, key=_id)
        last = min(bisect_right(events, upto, key=_id), first + READ_EVENTS)
        return events[first:last]

    def locate(self, room: str, upto: int, most: int) -> Found | Deferred[Found]:
        """Find talk backwards, like :meth:`.Journal.locate`; one call may stop before the end."""
        if upto <= self.floor:
            return self._journal.locate(room, upto, most)
        events = self._rooms.get(room, [])
        end = bisect_right(events, upto, key=_id)
        first = max(0, end - READ_EVENTS)
        back = ((e.id, e.kind, e.origin) for e in reversed(events[first:end]) if e.kind in TALK)
        talk = list(islice(back, most))
        if len(talk) == most:
            return Found(talk, talk[-1][0] - 1)
        return Found(talk, events[first].id - 1 if first else self.floor)

    def find(self, origin: int, seq: int) -> Event | Deferred[Event | None] | None:
        """Return the event to which a session gave the number ``seq`` (above 0), or None."""
        event = self._numbered.get((origin, seq))
        if event is not None:
            return event
        return self._journal.find(origin, seq) if self.floor > self._journal.floor else None


class Search:
    """A search for the last ``count`` events of talk in a room, up to an id, for one reader.

    Each step examines a bounded number of events, and the search ends after about
    :data:`PASSED_MOST` hidden ones, so that nobody has to wait for a search through millions.

    :param hidden: the origins of the sessions whose talk is hidden from the reader.
    :ivar length: the number of events found.
    :ivar passed: the number of hidden events passed over.
    """

    __slots__ = (
        "_count",
        "_ids",
        "_past",
        "_reached",
        "hidden",
        "length",
        "passed",
        "room",
        "upto",
    )

    def __init__(self, past: Past, room: str, upto: int, count: int, hidden: Set[int]) -> None:
        self.room = room
        self.upto = upto
        self.hidden = hidden
        self.length = 0
        self.passed = 0
        self._past = past
        self._count = count
        self._ids: list[int] = []
        self._reached = upto

    @property
    def done(self) -> bool:
        """Whether the search is over: enough was found, too much was hidden, or nothing is left."""
        return (
            self.length >= self._count
            or self.passed >= PASSED_MOST
            or self._reached <= self._past.start
        )

    def go_on(self) -> Deferred[None] | None:
        """Take one step; return a Deferred for its end, or None if it is done already."""
        # The number of hidden events is unknown, so take a whole step.
        most = READ_EVENTS if self.hidden else min(self._count - self.length, READ_EVENTS)
        found = self._past.locate(self.room, self._reached, most)
        if isinstance(found, Deferred):
            return found.addCallback(self._add)
        self._add(found)
        return None

    def _add(self, found: Found) -> None:
        self._reached = found.reached
        for id, kind, origin in found.talk:
            if self.length == self._count:
                break
            if is_hidden(kind, origin, self.hidden):
                self.passed += 1
            else:
                self._ids.append(id)
                self.length += 1

    def position(self, given: int = 0) -> int:
        """Return the id before the first found event after ``given``; ``upto`` if there is none.

        Read on from there: events passed over before it need not be read.
        """
        while self._ids and self._ids[-1] <= given:
            self._ids.pop()
        return self._ids[-1] - 1 if self._ids else self.upto

    def hides(self, event: Event) -> bool:
        """Return whether an event is hidden from the reader of this search."""
        return is_hidden(event.kind, event.origin, self.hidden)


class Talk(NamedTuple):
    """A piece of a room's talk.

    :ivar events: in the order of their ids.
    :ivar more: whether there is more in the direction of the reading.
    :ivar gap: whether some of the requested events were forgotten.
    """

    events: list[Event]
    more: bool
    gap: bool


async def talk_before(past: Past, room: str, before: int, limit: int, hidden: Set[int]) -> Talk:
    """Read the last ``limit`` events of talk in a room before an id, without hidden ones.

    Await this in the making of an answer (:data:`.answers.Making`), which gives way to others.

    :raises JournalUnavailable: if the journal can't be read now.
    """
    upto = min(before - 1, past.head)
    search = Search(past, room, upto, limit + 1, hidden)
    while not search.done:
        step = search.go_on()
        if step is not None:
            await step
        elif not search.done:
            await others_turn()
    kept: deque[Event] = deque()
    size = 0
    more = search.length > limit
    position = search.position()
    while position < upto:
        stretch = await _read(past, room, position, upto)
        for event in stretch.events:
            if not search.hides(event):
                kept.append(event)
                size += len(event.text)
        # Drop the excess now, because the rest of the talk may be many times as long.
        while len(kept) > limit or (size > CHARACTERS_MOST and len(kept) > 1):
            size -= len(kept.popleft().text)
            more = True
        position = search.position(stretch.reached)
        if position < upto:
            await others_turn()
    return Talk(list(kept), more, gap=past.start > 0 and not more and len(kept) < limit)


async def talk_after(past: Past, room: str, after: int, limit: int, hidden: Set[int]) -> Talk:
    """Read the first ``limit`` events of talk in a room after an id, without hidden ones.

    Await this in the making of an answer, like :func:`talk_before`.

    :raises JournalUnavailable: if the journal can't be read now.
    """
    start = past.start
    kept: list[Event] = []
    size = 0
    position, upto = max(after, start), past.head
    more = False
    while position < upto and not more:
        stretch = await _read(past, room, position, upto)
        for event in stretch.events:
            if is_hidden(event.kind, event.origin, hidden):
                continue
            size += len(event.text)
            more = len(kept) == limit or (size > CHARACTERS_MOST and bool(kept))
            if more:
                break
            kept.append(event)
        position = stretch.reached
        if position < upto and not more:
            await others_turn()
    return Talk(kept, more, gap=after < start)


async def _read(past: Past, room: str, position: int, upto: int) -> Stretch:
    stretch = past.read(position, [room], upto, talk=True)
    return await stretch if isinstance(stretch, Deferred) else stretch
