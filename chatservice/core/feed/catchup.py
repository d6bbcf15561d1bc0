"""Catch-up: members behind the head are cursors, which read on when their outlets have room.

All members behind the head are treated alike, whether the cause is a slow connection, a room that
was just joined, or a look into the past. A cursor gives its member, chunk by chunk, first the past
that it asked for, then every event after the cursor's position that is for the member. Recent
events come from memory, older ones from the journal. The last step to the head is always from
memory, in the reactor's thread, so it can't race with a tick.

Cursors take turns, those near the head first. Together they take at most ``SLICE`` of each turn of
the reactor, so a long catch-up delays neither members at the head nor those just behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice.clock import Timer
from chatservice.core.answers import CHUNK, PIECES_A_LINE, SLICE, others_turn
from chatservice.core.feed.history import Past, Search
from chatservice.core.members import Cursor, Member, Replay
from chatservice.core.outlet import Outlet, View
from chatservice.journal.events import (
    HOUSE,
    PRIVATE,
    Event,
    JournalUnavailable,
    Stretch,
    inbox,
)
from chatservice.messages import Notice
from chatservice.messages.shown import LookBack
from chatservice.text import wording

NEAR: Final = 256
"""The distance from the head, in ids, up to which a cursor goes first."""
FAR_TURN: Final = 8
"""One in this many steps goes to a cursor farther away."""
RETRY: Final = 1.0

_T = TypeVar("_T")

log = Logger()


def taken(outlet: Outlet, shown: Iterable[tuple[Event, bytes]], sent: int, position: int) -> int:
    """Return the id of the last event that an outlet took, after a send that fell short.

    A cut event counts as taken: its rest is written to the outlet.

    :param shown: the events, each with its rendered bytes.
    :param sent: the number of bytes that the outlet took.
    :param position: the id to return if the outlet took nothing.
    """
    for event, part in shown:
        if sent <= 0:
            break
        position = event.id
        if sent < len(part):
            outlet.write(part[sent:])
        sent -= len(part)
    return position


class Readers:
    """Lets the members behind the head read on, in turns.

    :param now: returns the time, in milliseconds since 1970.
    """

    def __init__(self, clock: IReactorTime, past: Past, now: Callable[[], int]) -> None:
        self._clock = clock
        self._past = past
        self._now = now
        self._near: deque[Cursor] = deque()
        self._far: deque[Cursor] = deque()
        self._steps = 0
        self._told_of = 0
        self._timer = Timer(clock, self.turn)
        self._stopped = False

    def ready(self, cursor: Cursor) -> None:
        """Queue a cursor that may be able to read on."""
        if cursor.queued or self._stopped:
            return
        self._queue(cursor)
        if not self._timer.running:
            self._timer.start(0)

    def _queue(self, cursor: Cursor) -> None:
        cursor.queued = True
        (self._near if self._past.head - cursor.position <= NEAR else self._far).append(cursor)

    def turn(self) -> None:
        """Let the queued cursors read, for a slice of time."""
        # This is the one slice of this turn of the reactor.
        self._timer.stop()
        end = self._clock.seconds() + SLICE
        while cursor := self._next():
            cursor.queued = False
            try:
                if self._step(cursor):
                    self._queue(cursor)
            except Exception:
                log.failure("catching up failed")
                cursor.reading = None
                # The member would get nothing any more, so close its connection.
                cursor.member.outlet.finish()
            if self._clock.seconds() > end:
                break
        if self._near or self._far:
            self._timer.start(0)

    def _next(self) -> Cursor | None:
        self._steps += 1
        first, second = self._near, self._far
        if not self._steps % FAR_TURN:
            first, second = second, first
        line = first or second
        return line.popleft() if line else None

    def stop(self) -> None:
        """Stop all reading, and empty the queues."""
        self._stopped = True
        self._near.clear()
        self._far.clear()
        self._timer.stop()

    def _step(self, cursor: Cursor) -> bool:
        """Let a cursor read a chunk; return whether it can read the next one."""
        member = cursor.member
        if cursor.waits or member.outlet.blocked or member.lost or member.cursor is not cursor:
            return False
        if cursor.reading is None:
            cursor.reading = self._read(cursor)
        try:
            wanted = cursor.reading.send(None)
        except StopIteration:
            return False
        if isinstance(wanted, Deferred):
            cursor.waits = True
            wanted.addBoth(self._there, cursor)
        return not cursor.waits

    def _there(self, result: _T, cursor: Cursor) -> _T | None:
        """Queue a cursor again, whose events from the journal have arrived."""
        cursor.waits = False
        self.ready(cursor)
        return result if cursor.member.cursor is cursor else None

    async def _read(self, cursor: Cursor) -> None:
        """Give a member the past that it asked for, then all events up to the head."""
        member = cursor.member
        while cursor.replays or cursor.position < self._past.head:
            if cursor.replays:
                await self._look_back(member, cursor.replays[0])
                cursor.replays.popleft().done.callback(None)
                if not cursor.replays and not member.outlet.blocked:
                    # A newcomer is done in one step: thousands at once would each keep half a look.
                    continue
            else:
                await self._advance(cursor)
                if cursor.position == self._past.head and not member.outlet.blocked:
                    # Join the head now: by the next step, a crowd would be behind again.
                    break
            await others_turn()
        member.attach()
        if cursor.at_head is not None:
            cursor.at_head()
        if member.gone and not member.memberships and not member.lost:
            member.outlet.finish()

    async def _advance(self, cursor: Cursor) -> None:
        """Give a member a chunk of the events after its cursor."""
        member = cursor.member
        if cursor.position < self._past.start:
            member.reply(Notice(text=wording.FORGOTTEN, gap=True))
            cursor.position = self._past.start
        stretch = await self._soon(
            self._past.read(
                cursor.position,
                # Each room once: a member that left and came back has two memberships for a moment.
                list(dict.fromkeys(membership.room.name for membership in member.memberships)),
                self._past.head,
                addressed=(HOUSE, inbox(member.origin)),
            )
        )
        if stretch is None:
            return

        def show(event: Event) -> bytes:
            if event.origin == member.origin:
                return member.view.own(event)
            return member.view.event(event, member.here(event))

        rendered = (
            (event, self._shown(member.view, show, event))
            for event in stretch.events
            if member.sees(event)
        )
        cursor.position = self._give(member, rendered, cursor.position, stretch.reached)

    async def _look_back(self, member: Member, replay: Replay) -> None:
        """Give a member a look into the past; search again if its ignored sessions change first."""
        search: Search | None = None
        shown: int | None = None
        hidings = position = 0
        heading = b""
        while True:
            if search is None or (hidings != member.hidings and shown is None):
                search = Search(
                    self._past, replay.room, replay.upto, replay.count, frozenset(member.hidden)
                )
                hidings, position = member.hidings, -1
            if not search.done:
                await self._soon(search.go_on())
                if not search.done:
                    await others_turn()
                continue
            if position < 0:
                position = search.position()
                if replay.asked:
                    member.outlet.charge(search.length / PIECES_A_LINE)
                # The heading goes out with the first line, as other answers may come before that.
                heading = member.view.reply(LookBack(room=replay.room, count=search.length))
            if position >= replay.upto:
                break
            stretch = await self._soon(
                self._past.read(position, [replay.room], replay.upto, talk=True)
            )
            if stretch is None or (hidings != member.hidings and shown is None):
                continue
            before = self._now() if shown is None else shown
            reached, last = self._give_past(member, search, stretch, position, heading, before)
            position = search.position(reached)
            if last is not None:
                heading, shown = b"", last
            # No event outlives this line: what is kept while others have their turn is kept often.
            del stretch
            if position < replay.upto:
                await others_turn()
        if replay.asked and shown is None:
            member.tell(
                f"all recent talk in #{replay.room} is from people you ignore"
                if search.passed
                else f"nothing was said in #{replay.room} yet"
            )

    def _give_past(
        self,
        member: Member,
        search: Search,
        stretch: Stretch,
        position: int,
        above: bytes,
        before: int,
    ) -> tuple[int, int | None]:
        """Give a member a chunk of a look into the past.

        :param above: what goes out in front of the first event.
        :param before: the time of the event before the first, in milliseconds since 1970.
        :return: the new position, and the time of the last event given; None if none was.
        """
        events = [e for e in stretch.events if not (search.hides(e) or member.hides(e))]
        rendered = self._rendered_past(member.view, events, above, before)
        reached = self._give(member, rendered, position, stretch.reached)
        given = [event for event in events if event.id <= reached]
        return reached, given[-1].at if given else None

    async def _soon(self, result: _T | Deferred[_T]) -> _T | None:
        """Await a result of a read and return it; None after a failure and a pause, to retry."""
        if not isinstance(result, Deferred):
            return result
        try:
            return await result
        except JournalUnavailable as error:
            log.warn("the history can't be read: {why}", why=str(error))
        pause: Deferred[None] = Deferred()
        self._clock.callLater(RETRY, pause.callback, None)
        await pause
        return None

    def _rendered_past(
        self, view: View, events: Sequence[Event], above: bytes, before: int
    ) -> Iterator[tuple[Event, bytes]]:
        for event in events:
            yield event, above + self._shown(view, partial(view.past, before=before), event)
            above, before = b"", event.at

    def _shown(self, view: View, show: Callable[[Event], bytes], event: Event) -> bytes:
        """Render an event; if that fails, a notice that something is missing."""
        try:
            return show(event)
        except Exception:
            if event.id > self._told_of:  # Log it once for all readers.
                self._told_of = event.id
                log.failure("event {id} can't be shown", id=event.id)
            return view.reply(Notice(text=wording.FORGOTTEN, gap=True))

    def _give(
        self, member: Member, rendered: Iterator[tuple[Event, bytes]], position: int, reached: int
    ) -> int:
        """Give events to a member, at most a chunk; return the new position.

        :param rendered: the events with their bytes; rendered only as far as they are given.
        :param position: the result if nothing was taken.
        :param reached: the result if everything was taken.
        """
        shown: list[tuple[Event, bytes]] = []
        size = 0
        for event, part in rendered:
            shown.append((event, part))
            size += len(part)
            if size >= CHUNK:
                reached = event.id
                break
        outlet = member.outlet
        sent = outlet.send(b"".join(part for _, part in shown))
        if sent < size:
            reached = taken(outlet, shown, sent, position)
        for event, _ in shown:
            if event.kind == PRIVATE and event.id <= reached:
                member.correspondent = event.origin
        return reached
