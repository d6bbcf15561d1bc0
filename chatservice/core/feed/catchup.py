"""Members who are behind the head: each is a position, and reads on when its outlet has room.

Being behind is one thing, whatever the cause: a slow connection, a room that was just joined, a
look into the past. A cursor gives, chunk by chunk, first what the member asked for of the past,
then every event after its position that the member is to see; from memory if recent, else from the
store. The last step to the head is always from memory, in the reactor's thread, so nothing races
with a tick.

Readers take turns, those who are near the head first, and together they take at most ``SLICE`` of
each turn of the reactor, so that those who catch up never hold up those who are at the head, or
only stumbled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.core.answers import PIECES_A_LINE
from chatservice.core.feed.history import Past, Search
from chatservice.core.members import Cursor, Member, Replay
from chatservice.core.outlet import Outlet, View
from chatservice.journal.base import JournalUnavailable, Stretch
from chatservice.journal.events import HOUSE, PRIVATE, Event, inbox
from chatservice.messages import Notice
from chatservice.messages.shown import LookBack
from chatservice.text import wording

SLICE: Final = 0.00005
"""Seconds."""
NEAR: Final = 256
"""Who is fewer events than this behind the head goes first."""
FAR_TURN: Final = 8
"""One step of so many is for who is farther, even then."""
CHUNK: Final = 16 << 10
"""Bytes that are given to an outlet at once, give or take a line."""
RETRY: Final = 1.0

_T = TypeVar("_T")

log = Logger()


def taken(
    outlet: Outlet, events: Sequence[Event], parts: Sequence[bytes], sent: int, position: int
) -> int:
    """Find the last event that an outlet took, when a send fell short.

    An event that was cut counts as taken: its rest is left to the outlet.

    :param parts: the events as rendered.
    :param sent: how many bytes of them the outlet took.
    :param position: what to return if it took none.
    """
    for event, part in zip(events, parts, strict=True):
        if sent <= 0:
            break
        position = event.id
        if sent < len(part):
            outlet.write(part[sent:])
        sent -= len(part)
    return position


class Readers:
    """Lets the members behind the head read on, in turns.

    :param now: the time, in milliseconds since 1970.
    """

    def __init__(self, clock: IReactorTime, past: Past, now: Callable[[], int]) -> None:
        self._clock = clock
        self._past = past
        self._now = now
        self._near: deque[Cursor] = deque()
        self._far: deque[Cursor] = deque()
        self._steps = 0
        self._told_of = 0
        self._due: IDelayedCall | None = None
        self._stopped = False

    def ready(self, cursor: Cursor) -> None:
        """Put a cursor in line that may be able to read on."""
        if cursor.queued or self._stopped:
            return
        self._queue(cursor)
        if self._due is None:
            self._due = self._clock.callLater(0, self._later)

    def _queue(self, cursor: Cursor) -> None:
        cursor.queued = True
        near = self._past.head - cursor.position <= NEAR
        (self._near if near else self._far).append(cursor)

    def _later(self) -> None:
        self._due = None
        self.turn()

    def turn(self) -> None:
        """Let those who are in line read, for a slice of time."""
        if self._due is not None:
            # One slice in a turn of the reactor: this is it.
            self._due.reset(0)
        end = self._clock.seconds() + SLICE
        while cursor := self._next():
            cursor.queued = False
            more = False
            try:
                more = self._step(cursor)
            except Exception:
                log.failure("reading on failed")
                # It would be silent for good; the others go on.
                cursor.member.outlet.finish()
            if more:
                self._queue(cursor)
            if self._clock.seconds() > end:
                break
        if (self._near or self._far) and self._due is None:
            self._due = self._clock.callLater(0, self._later)

    def _next(self) -> Cursor | None:
        self._steps += 1
        first, second = self._near, self._far
        if not self._steps % FAR_TURN:
            first, second = second, first
        line = first or second
        return line.popleft() if line else None

    def stop(self) -> None:
        """Let nobody read any more."""
        self._stopped = True
        self._near.clear()
        self._far.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _step(self, cursor: Cursor) -> bool:
        """Give one chunk. Returns whether the next may follow."""
        member = cursor.member
        if cursor.fetching or member.outlet.blocked or member.lost or member.cursor is not cursor:
            return False
        if cursor.fetched is not None:
            fetched, cursor.fetched = cursor.fetched, None
            fetched()
            return True
        if cursor.replays:
            return self._look_back(cursor, cursor.replays[0])
        if cursor.position < self._past.head:
            if not self._advance(cursor):
                return False
            if cursor.position < self._past.head or member.outlet.blocked:
                return True
        # At once, not in the next step: a crowd that catches up would be behind again by then.
        member.attach()
        if cursor.at_head is not None:
            cursor.at_head()
        if member.gone and not member.memberships and not member.lost:
            member.outlet.finish()
        return False

    def _advance(self, cursor: Cursor) -> bool:
        """Give what comes after the cursor. Returns False if it has to be fetched first."""
        member = cursor.member
        if cursor.position < self._past.start:
            member.reply(Notice(text=wording.FORGOTTEN, gap=True))
            cursor.position = self._past.start
        # Each once: who left a room and came back has two memberships in it for a moment.
        rooms = list(dict.fromkeys(membership.room.name for membership in member.memberships))
        addressed = (HOUSE, inbox(member.origin))
        stretch = self._past.read(cursor.position, rooms, self._past.head, addressed=addressed)
        return self._when(cursor, stretch, self._read_on)

    def _read_on(self, cursor: Cursor, stretch: Stretch) -> None:
        member = cursor.member
        view = member.view

        def show(event: Event) -> bytes:
            if event.origin == member.origin:
                return view.own(event)
            return view.event(event, member.here(event))

        rendered = (
            (event, self._shown(view, show, event))
            for event in stretch.events
            if member.sees(event)
        )
        cursor.position = self._give(cursor, rendered, cursor.position, stretch.reached)

    def _look_back(self, cursor: Cursor, replay: Replay) -> bool:
        search = self._search(cursor.member, replay)
        if not search.done:
            return self._when(cursor, search.go_on(), lambda *_: None)
        if not replay.found:
            self._found(cursor.member, replay, search)
        if replay.position >= replay.upto:
            cursor.replays.popleft()
            if replay.asked and replay.shown is None:
                cursor.member.tell(
                    f"all that was said last in #{replay.room} is by who you ignore"
                    if search.passed
                    else f"nothing was said in #{replay.room} yet"
                )
            replay.done.callback(None)
            return True
        stretch = self._past.read(replay.position, [replay.room], replay.upto, talk=True)
        return self._when(cursor, stretch, self._replay)

    def _search(self, member: Member, replay: Replay) -> Search:
        """Return what looks for the lines; anew if the member began to ignore others meanwhile."""
        search = replay.search
        if search is None or (replay.hidings != member.hidings and replay.shown is None):
            hidden = frozenset(member.hidden)
            search = Search(self._past, replay.room, replay.upto, replay.count, hidden)
            replay.search = search
            replay.hidings = member.hidings
            replay.found = False
        return search

    def _found(self, member: Member, replay: Replay, search: Search) -> None:
        replay.found = True
        replay.position = search.position()
        if replay.asked:
            member.outlet.charge(search.length / PIECES_A_LINE)
        # It goes out with the first line: answers to other commands may come before that.
        replay.heading = member.view.reply(LookBack(room=replay.room, count=search.length))

    def _replay(self, cursor: Cursor, stretch: Stretch) -> None:
        member, replay = cursor.member, cursor.replays[0]
        search = self._search(member, replay)
        if not replay.found:
            return
        events = [e for e in stretch.events if not (search.hides(e) or member.hides(e))]
        rendered = self._rendered_past(member.view, replay, events)
        reached = self._give(cursor, rendered, replay.position, stretch.reached)
        given = [event for event in events if event.id <= reached]
        replay.position = search.position(reached)
        if given:
            replay.heading = b""
            replay.shown = given[-1].at

    def _rendered_past(
        self, view: View, replay: Replay, events: Sequence[Event]
    ) -> Iterator[tuple[Event, bytes]]:
        before = self._now() if replay.shown is None else replay.shown
        above = replay.heading
        for event in events:
            yield event, above + self._shown(view, partial(view.past, before=before), event)
            above, before = b"", event.at

    def _shown(self, view: View, show: Callable[[Event], bytes], event: Event) -> bytes:
        """Render an event; in place of one that can't be, that something is missing."""
        try:
            return show(event)
        except Exception:
            if event.id > self._told_of:  # Once, for however many readers.
                self._told_of = event.id
                log.failure("event {id} can't be shown", id=event.id)
            return view.reply(Notice(text=wording.FORGOTTEN, gap=True))

    def _give(
        self, cursor: Cursor, rendered: Iterator[tuple[Event, bytes]], position: int, reached: int
    ) -> int:
        """Give events to a member, at most a chunk; returns the new position.

        :param rendered: the events as the member sees them; no more are rendered than are given.
        """
        events: list[Event] = []
        parts: list[bytes] = []
        size = 0
        for event, part in rendered:
            events.append(event)
            parts.append(part)
            size += len(part)
            if size >= CHUNK:
                reached = event.id
                break
        outlet = cursor.member.outlet
        sent = outlet.send(b"".join(parts))
        if sent < size:
            reached = taken(outlet, events, parts, sent, position)
        for event in events:
            if event.kind == PRIVATE and event.id <= reached:
                cursor.member.correspondent = event.origin
        return reached

    def _when(
        self, cursor: Cursor, result: _T | Deferred[_T], then: Callable[[Cursor, _T], None]
    ) -> bool:
        """Go on with what was read, now or when it is there. Returns whether it was now."""
        if not isinstance(result, Deferred):
            then(cursor, result)
            return True

        def read(result: _T) -> None:
            cursor.fetching = False
            cursor.fetched = partial(then, cursor, result)
            self.ready(cursor)

        def unavailable(failure: Failure) -> None:
            failure.trap(JournalUnavailable)
            log.warn("the history can't be read: {why}", why=failure.getErrorMessage())
            cursor.fetching = False
            self._clock.callLater(RETRY, self.ready, cursor)

        cursor.fetching = True
        result.addCallbacks(read, unavailable).addErrback(
            lambda failure: log.failure("reading on failed", failure)
        )
        return False
