"""The committed events, and the one way to read them: recent ones from memory, else the journal."""

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
"""A look back passes over so many hidden things, about, and then goes back no further."""

READ_EVENTS: Final = 512
"""One reading from memory gives at most so many events."""

CHARACTERS_MOST: Final = 256 << 10
"""A piece ends before it has more characters than this; but for one event it may."""

_id = attrgetter("id")


class Past:
    """The recent events of the whole house, in memory, with the journal behind them.

    :param recent: how many events are kept in memory; 0 for all.
    :ivar floor: every event after this id is in memory.
    """

    def __init__(self, journal: Journal, recent: int) -> None:
        self._journal = journal
        self._recent = recent
        self._events: list[Event] = []
        self._rooms: defaultdict[str, list[Event]] = defaultdict(list)
        self._numbered: dict[tuple[int, int], Event] = {}
        self.floor = 0

    def load(self) -> None:
        """Remember the last events of the journal, as it has just been opened."""
        events = self._journal.recent(self._recent)
        self.floor = events[0].id - 1 if events else self._journal.head
        self.append(events)

    def begin(self, floor: int) -> None:
        """Begin at an id: nothing was committed yet, and nothing will be up to it."""
        self.floor = max(self.floor, floor)

    @property
    def head(self) -> int:
        """The id of the last event that was committed."""
        return self._events[-1].id if self._events else self.floor

    @property
    def start(self) -> int:
        """The id before the first event that can still be read at all."""
        return min(self.floor, self._journal.floor)

    def append(self, events: Sequence[Event]) -> None:
        """Remember events that were committed, and forget the oldest for them."""
        self._events += events
        for event in events:
            self._rooms[event.room].append(event)
            if event.seq > 0:
                self._numbered[event.origin, event.seq] = event
            if event.kind == PRIVATE:
                # Its author has it among its own: a program, for its receipt.
                self._rooms[inbox(event.origin)].append(event)
        excess = len(self._events) - max(self._recent, len(events))
        # Not one by one: moving the rest of a list up costs as much for one as for many.
        if self._recent and excess > self._recent // 16:
            self._forget(excess)

    def call_rooms(self, rooms: Mapping[str, str]) -> None:
        """Let what has happened in rooms have happened in them under other names.

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
        # Where the clock was set back, old ones may stand among new ones.
        kept = [event for event in self._events if event.at >= before or event.id == last]
        if len(kept) < len(self._events):
            self._begin_anew(kept)

    def _begin_anew(self, events: Sequence[Event]) -> None:
        """Remember these events, and no others."""
        self._events.clear()
        self._rooms.clear()
        self._numbered.clear()
        self.append(events)

    def _forget(self, count: int) -> None:
        """Forget the first events."""
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
        """Read on in some rooms: a bounded number of the events with ``position < id <= upto``.

        Events in memory are given at once, so that the last step to the head races with nothing.

        :param position: not before :attr:`start`.
        :param talk: only what was said and done.
        :param addressed: the rooms of what is for everybody, or for one session. The journal gives
            all such, whoever it is for.
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
        """Look back as :meth:`.Journal.locate`, and perhaps not all the way at once."""
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
        """Find the event to which a session has given a number, which is above 0."""
        event = self._numbered.get((origin, seq))
        if event is not None:
            return event
        return self._journal.find(origin, seq) if self.floor > self._journal.floor else None


class Search:
    """A look for the last ``count`` things said or done in a room, up to an id, that somebody sees.

    It goes step by step, each of which looks at a bounded number of events, and passes over
    :data:`PASSED_MOST` at most: nobody has to wait for a look through millions.

    :param hidden: the sessions of which nothing counts that they say and do.
    :ivar length: how many were found.
    :ivar passed: how many were passed over, since they are hidden.
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
        """Whether enough was found, or there is no more, or not near."""
        return (
            self.length >= self._count
            or self.passed >= PASSED_MOST
            or self._reached <= self._past.start
        )

    def go_on(self) -> Deferred[None] | None:
        """Take a step, which is done when the Deferred fires; at once if there is none."""
        # Of what is hidden, nobody knows how much there is.
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
        """Return the id after which the first is that was found, but for those up to an id.

        That is where to read on: whatever was passed over before it need not be read.
        """
        while self._ids and self._ids[-1] <= given:
            self._ids.pop()
        return self._ids[-1] - 1 if self._ids else self.upto

    def hides(self, event: Event) -> bool:
        """Return whether the search passed over an event."""
        return is_hidden(event.kind, event.origin, self.hidden)


class Talk(NamedTuple):
    """A piece of what was said.

    :ivar events: in the order of their ids.
    :ivar more: there is more in the direction in which it was looked.
    :ivar gap: some of what was asked for was forgotten.
    """

    events: list[Event]
    more: bool
    gap: bool


async def talk_before(past: Past, room: str, before: int, limit: int, hidden: Set[int]) -> Talk:
    """Read the last ``limit`` things said in a room before an id, and not by who is hidden.

    It is read as a part of an answer (:data:`.answers.Making`): others have their turns between.

    :raises JournalUnavailable: if it can't be read now.
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
        # At once: the rest of so much talk may be many times as long.
        while len(kept) > limit or (size > CHARACTERS_MOST and len(kept) > 1):
            size -= len(kept.popleft().text)
            more = True
        position = search.position(stretch.reached)
        if position < upto:
            await others_turn()
    return Talk(list(kept), more, gap=past.start > 0 and not more and len(kept) < limit)


async def talk_after(past: Past, room: str, after: int, limit: int, hidden: Set[int]) -> Talk:
    """Read the first ``limit`` things said in a room after an id, and not by who is hidden.

    It is read as :func:`talk_before` is.

    :raises JournalUnavailable: if it can't be read now.
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
