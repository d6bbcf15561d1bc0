"""Programs that enter by name, or resume by token with nothing missed.

Entering works like resuming. First a member without a connection is made, as if its connection had
been lost, and joins its rooms. Once that is stored, the member is *connected*: it is told its token
and reads on, as a cursor, from the requested event. A session that had left is made a member again
in the same way; a session that is still here is only connected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.clock import Timer
from chatservice.core import ignoring
from chatservice.core.members import Cursor, Member, Membership, Room
from chatservice.core.outlet import NOWHERE, UNSEEN, Outlet, View
from chatservice.core.permissions import check_heard
from chatservice.core.presence import Attendance
from chatservice.core.refusals import Refusal
from chatservice.core.rooms import Rooms
from chatservice.core.sessions import Session
from chatservice.core.state import State
from chatservice.journal.events import Fact
from chatservice.text import names

TEND_EVERY: Final = 60.0
"""Seconds between two rounds of forgetting expired tokens and noting numbers."""

REPLACED: Final = messages.Replaced(text="another connection has your place now")
"""The last message to a connection that another one replaces."""


class Arrival(NamedTuple):
    """A program that says hello, with its outlet and its view."""

    hello: messages.Hello
    outlet: Outlet
    view: View


class _Coming(NamedTuple):
    """A program that waits until its arrival is stored.

    :ivar arrival: its last hello; an earlier one was replaced.
    :ivar began: the id of the last event at the time of that hello.
    :ivar welcomed: the Deferreds to fire at the welcome, one for each of its connections.
    """

    arrival: Arrival
    began: int
    welcomed: list[Deferred[Member]]


class Returns:
    """Lets programs enter the chat, and resume their sessions."""

    def __init__(self, state: State, rooms: Rooms, attendance: Attendance) -> None:
        self._state = state
        self._rooms = rooms
        self._attendance = attendance
        self._coming: dict[Member, _Coming] = {}
        self._claiming: dict[int, Member] = {}
        self._tending = Timer(state.clock, self._tend)

    # Entering

    def enter(self, arrival: Arrival) -> Deferred[Member]:
        """Let a program enter or resume. The Deferred fires when the program was welcomed.

        It fails with :exc:`.Refusal`, :exc:`.BadName` or :exc:`.NameTaken`.
        """
        return Deferred.fromCoroutine(self._enter(arrival))

    async def _enter(self, arrival: Arrival) -> Member:
        state, hello = self._state, arrival.hello
        banned = state.banned(arrival.outlet.address)
        if banned is not None:
            raise Refusal(messages.Code.BANNED, banned)
        if hello.token is not None:
            session = await state.peers.take(partial(state.tokens.find, hello.token))
            if session is not None:
                return await self._return(session, arrival)
            if hello.name is None:
                raise Refusal(messages.Code.UNKNOWN_TOKEN, "that token is unknown, or has expired")
        if hello.name is None:
            raise Refusal(messages.Code.BAD_FIELD, "name is missing")
        return await self._come_in(arrival, hello.name)

    async def _return(self, session: Session, arrival: Arrival) -> Member:
        """Let a program resume a session that belongs to this process now."""
        self.hear(session)
        member = self._state.sessions.get(session.origin) or self._claiming.get(session.origin)
        if member is None:
            return await self._come_back(session, arrival)
        if member in self._coming:
            return await self._come_instead(member, arrival)
        self._connect(member, arrival, arrival.hello.token)
        return member

    async def _come_in(self, arrival: Arrival, typed: str) -> Member:
        state = self._state
        hello = arrival.hello
        name = names.nickname(typed, state.limits.max_name)
        rooms = hello.rooms if hello.rooms is not None else state.permanent[:1]
        most = state.limits.max_rooms_per_member
        if 0 < most < len(rooms):
            raise Refusal(messages.Code.BAD_FIELD, f"rooms names {most} at most")
        rooms = [names.room_name(room, state.limits.max_name) for room in rooms]
        token, session = state.tokens.issue(name)
        return await self._appear(session, name, rooms, arrival, token)

    async def _come_back(self, session: Session, arrival: Arrival) -> Member:
        state, hello = self._state, arrival.hello
        name = session.name
        if hello.name is not None and hello.name != session.was:
            name = names.nickname(hello.name, state.limits.max_name)
            if names.key(name) != names.key(session.name):
                check_heard(state.standing, session.name)
        known = session.rooms if session.rooms is not None else session.reading.rooms
        rooms = list(known) or state.permanent[:1]
        return await self._appear(session, name, rooms, arrival, hello.token)

    def _come_instead(self, member: Member, arrival: Arrival) -> Deferred[Member]:
        """Replace the connection of a member that still waits for its welcome, and wait as well.

        It can't be connected yet: the events that are for it are known only after the commit.
        """
        welcomed: Deferred[Member] = Deferred()
        self._coming[member] = _Coming(
            arrival, self._state.past.head, [*self._coming[member].welcomed, welcomed]
        )
        member.outlet.replace(member.view.reply(REPLACED))
        member.outlet, member.view = arrival.outlet, arrival.view
        return welcomed

    async def _appear(
        self,
        session: Session,
        name: str,
        rooms: Sequence[str],
        arrival: Arrival,
        token: str | None,
    ) -> Member:
        """Make a member of a session, without a connection; connect it once that is stored."""
        state, outlet = self._state, arrival.outlet
        new = token != arrival.hello.token or names.key(name) != names.key(session.name)
        if new:
            state.shares.check_name(outlet.site)
        member = Member(
            name,
            outlet,
            arrival.view,
            now=state.now(),
            session=session,
            active=state.clock.seconds(),
            lost=True,
        )
        welcomed: Deferred[Member] = Deferred()
        self._claiming[member.origin] = member
        self._coming[member] = coming = _Coming(arrival, state.past.head, [welcomed])
        try:
            await self._attendance.claim(name, member)
        except Exception:
            for each in self._coming.pop(member).welcomed[1:]:
                each.errback(Failure())
            raise
        finally:
            del self._claiming[member.origin]
        if new:
            state.shares.named(outlet.site)
        if session.name != name:
            session.name, session.was = name, ""
        state.tokens.here(session)
        state.sessions[member.origin] = member
        ignoring.recognise(member, state.ignorers)
        batch = state.ticker.batch
        batch.note(session)
        batch.then.append(partial(self._appeared, member, token))
        for room in dict.fromkeys(rooms):
            try:
                membership = self._rooms.join(member, room)
            except Refusal as error:
                session.reading = session.reading.left(room, coming.began)
                batch.then.append(partial(member.refuse, error.code, str(error)))
            else:
                batch.then.append(partial(self._rooms.tell_joined, membership))
        # Last, so that requests behind the hello are answered after the hello.
        batch.then.append(partial(self._welcomed, member))
        state.ticker.wake()
        return await welcomed

    def _appeared(self, member: Member, token: str | None) -> None:
        """Connect a member whose arrival is stored; close its connection if it has left since."""
        coming = self._coming[member]
        if member.gone:
            member.outlet.finish()
        else:
            self._connect(member, coming.arrival, token, coming.began)

    def _welcomed(self, member: Member) -> None:
        """Fire the Deferreds of a member that has got all answers to its hello."""
        for each in self._coming.pop(member).welcomed:
            each.callback(member)

    # Connecting

    def _connect(
        self,
        member: Member,
        arrival: Arrival,
        token: str | None,
        began: int | None = None,
    ) -> None:
        """Give a member a connection, welcome it, and let it read on from the requested event."""
        state, session = self._state, member.session
        assert session is not None and token is not None
        hello, outlet, view = arrival
        resumed = hello.token == token
        if member.outlet is not outlet:
            member.outlet.replace(member.view.reply(REPLACED))
        self._attendance.absences.discard(member)
        member.detach()
        member.outlet, member.view, member.lost = outlet, view, False
        session.site = outlet.site
        since, gap = self._since(session, hello, resumed, began)
        # After an earlier connection, the member may still be reading some of these periods.
        known = {(membership.room.name, membership.until) for membership in member.memberships}
        member.memberships += [
            Membership(member, Room(period.room), period.since, period.until, leaving=True)
            for period in session.reading.periods
            if period.until > since and (period.room, period.until) not in known
        ]
        member.cursor = Cursor(member, since)
        if resumed:
            member.cursor.at_head = lambda: member.reply(messages.Live())
        limits = state.limits
        member.reply(
            messages.Welcome(
                name=member.name,
                token=token,
                journal=state.journal.identity,
                since=since,
                seq=session.seq,
                rooms=[self._rooms.seen(membership.room) for membership in member.rooms()],
                resumed=resumed,
                gap=gap,
                grace=limits.grace,
                longest=limits.max_line,
                rate=limits.rate,
                burst=limits.burst,
                ref=hello.ref,
            )
        )
        member.tell(*(state.motd if not resumed else ()))
        if session.was and hello.name != member.name:
            member.tell(
                f"you are {member.name} now:"
                f" {session.was} can't be your name any more, or is another's"
            )
        state.readers.ready(member.cursor)

    def _since(
        self, session: Session, hello: messages.Hello, resumed: bool, began: int | None
    ) -> tuple[int, bool]:
        """Return the id after which a program reads on, and whether it misses events (a gap)."""
        state = self._state
        head = state.past.head
        if hello.since is None or not resumed:
            since = head if began is None else max(began, state.past.start)
            return since, hello.since is not None
        other = hello.journal is not None and hello.journal != state.journal.identity
        if other or hello.since > head:
            return head, True
        least = max(state.past.start, session.reading.forgotten)
        return max(hello.since, least), hello.since < max(least, state.journal.unbroken)

    def hear(self, session: Session) -> None:
        """Note that a program has its token, so that nobody else can take its name."""
        if not session.heard:
            # Store that at once, so that it holds after a crash, too.
            session.heard = True
            self._state.ticker.batch.note(session)
            self._state.ticker.wake()

    # Restarts

    def start(self, facts: Iterable[Fact]) -> None:
        """Make members of the sessions that were here at the last stop; begin their grace.

        :raises JournalError: if the journal can't be read.
        """
        state = self._state
        here = state.tokens.restore(facts)
        for session in state.tokens.all():
            session.seq = max(session.seq, state.journal.last_seq(session.origin))
        for session in here:
            member = Member(
                session.name,
                NOWHERE,
                UNSEEN,
                now=state.now(),
                session=session,
                active=state.clock.seconds(),
                lost=True,
            )
            state.sessions[member.origin] = member
            self._attendance.claim(member.name, member)
            for name, since in session.reading.rooms.items():
                self._rooms.put(member, name, since)
            member.current = next(iter(member.memberships), None)
            self._attendance.absences.add(member)
        self._tending.start(TEND_EVERY)

    def _tend(self) -> None:
        """Forget expired tokens, and store the highest numbers of sessions."""
        state = self._state
        self._tending.start(TEND_EVERY)
        if state.wall.believed:
            state.ticker.batch.hold(*state.tokens.forget_expired())
        # Numbers are stored before the events that have them can be forgotten.
        for session in state.tokens.unnoted():
            member = state.sessions.get(session.origin)
            # Any process may note the number of a session that has left.
            if member is None or not member.remote:
                state.ticker.batch.note(session)
        if state.ticker.batch.count:
            state.ticker.wake()

    def stop(self) -> None:
        """Stop forgetting tokens and noting numbers."""
        self._tending.stop()
