"""Programs that come in, and come back: by name, or by token with nothing missed.

To come in is to come back: a member is made that has no connection, like one whose connection was
lost, and joins its rooms; once that is stored, it is *connected*: it is told the token and reads on
as a cursor from where it wants to. A session that had left is made a member again in the same way,
and one that is still here has but to be connected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.core import ignoring
from chatservice.core.members import Cursor, Member, over, reads
from chatservice.core.outlet import NOWHERE, UNSEEN, Outlet, View
from chatservice.core.permissions import check_heard
from chatservice.core.refusals import Refusal
from chatservice.core.sessions import Session
from chatservice.core.telling import joined, seen
from chatservice.journal.events import Fact
from chatservice.text import names

if TYPE_CHECKING:
    from chatservice.core.chat import Chat

TEND_EVERY: Final = 60.0
"""Seconds after which expired tokens are forgotten, and numbers noted."""

REPLACED: Final = messages.Replaced(text="another connection has your place now")
"""The last words to a connection whose place another one has."""


class Arrival(NamedTuple):
    """A program that says hello.

    :ivar outlet: what it is written to; ``view``: how.
    """

    hello: messages.Hello
    outlet: Outlet
    view: View


class _Coming(NamedTuple):
    """One that has said hello, and waits until it is stored that it is here.

    :ivar arrival: the last one.
    :ivar began: the last event there was then.
    :ivar welcomed: to fire, for each of its connections.
    """

    arrival: Arrival
    began: int
    welcomed: list[Deferred[Member]]


class Returns:
    """What programs that have a session ask the chat for: to come in, and to come back."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._coming: dict[Member, _Coming] = {}
        self._claiming: dict[int, Member] = {}
        self._due: IDelayedCall | None = None

    # Coming in

    def enter(self, arrival: Arrival) -> Deferred[Member]:
        """Let a program in, or back. The Deferred fires when it has been welcomed.

        It fails with :exc:`.Refusal`, :exc:`.BadName` or :exc:`.NameTaken`.
        """
        return maybeDeferred(self._enter, arrival)

    def _enter(self, arrival: Arrival) -> Deferred[Member]:
        chat = self._chat
        hello = arrival.hello
        banned = chat.banned(arrival.outlet.address)
        if banned is not None:
            raise Refusal(messages.Code.BANNED, banned)
        if hello.token is not None:
            taken = chat.peers.take(partial(chat.tokens.find, hello.token))
            return taken.addCallback(self._known, arrival)
        if hello.name is None:
            raise Refusal(messages.Code.BAD_FIELD, "name is missing")
        return self._come_in(arrival, hello.name)

    def _known(self, session: Session | None, arrival: Arrival) -> Deferred[Member]:
        if session is not None:
            return self._return(session, arrival)
        if arrival.hello.name is None:
            raise Refusal(messages.Code.UNKNOWN_TOKEN, "that token is unknown, or has expired")
        return self._come_in(arrival, arrival.hello.name)

    def _return(self, session: Session, arrival: Arrival) -> Deferred[Member]:
        """Let a program back to its session, which is a matter of this process now."""
        self.hear(session)
        member = self._chat.sessions.get(session.origin) or self._claiming.get(session.origin)
        if member is None:
            return self._come_back(session, arrival)
        if member in self._coming:
            return self._come_instead(member, arrival)
        self._connect(member, arrival, arrival.hello.token)
        return succeed(member)

    def _come_in(self, arrival: Arrival, typed: str) -> Deferred[Member]:
        chat = self._chat
        hello = arrival.hello
        name = names.nickname(typed, chat.limits.max_name)
        rooms = hello.rooms if hello.rooms is not None else chat.permanent[:1]
        most = chat.limits.max_rooms_per_member
        if 0 < most < len(rooms):
            raise Refusal(messages.Code.BAD_FIELD, f"rooms names {most} at most")
        rooms = [names.room_name(room, chat.limits.max_name) for room in rooms]
        token, session = chat.tokens.issue(name)

        return self._appear(session, name, rooms, arrival, token)

    def _come_back(self, session: Session, arrival: Arrival) -> Deferred[Member]:
        chat, hello = self._chat, arrival.hello
        name = session.name
        if hello.name is not None and hello.name != session.was:
            name = names.nickname(hello.name, chat.limits.max_name)
            if names.key(name) != names.key(session.name):
                check_heard(chat.standing, session.name)
        known = session.rooms if session.rooms is not None else session.reading.rooms
        rooms = list(known) or chat.permanent[:1]
        return self._appear(session, name, rooms, arrival, hello.token)

    def _come_instead(self, member: Member, arrival: Arrival) -> Deferred[Member]:
        """Wait on another connection.

        Before it is stored what it did when it was here before, nobody can tell what is for it.
        """
        welcomed: Deferred[Member] = Deferred()
        waiting = [*self._coming[member].welcomed, welcomed]
        self._coming[member] = _Coming(arrival, self._chat.past.head, waiting)
        member.outlet.replace(member.view.reply(REPLACED))
        member.outlet, member.view = arrival.outlet, arrival.view
        return welcomed

    def _appear(
        self,
        session: Session,
        name: str,
        rooms: Sequence[str],
        arrival: Arrival,
        token: str | None,
    ) -> Deferred[Member]:
        """Make a session a member that has no connection, and connect it once that is stored."""
        chat, outlet = self._chat, arrival.outlet
        new = token != arrival.hello.token or names.key(name) != names.key(session.name)
        if new:
            chat.shares.check_name(outlet.site)
        member = Member(
            name, outlet, arrival.view, now=chat.now(), session=session, active=chat.clock.seconds()
        )
        member.lost = True
        welcomed: Deferred[Member] = Deferred()
        began = chat.past.head

        def connect() -> None:
            coming = self._coming[member]
            if member.gone:
                member.outlet.finish()
            else:
                self._connect(member, coming.arrival, token, coming.began)

        def connected() -> None:
            for each in self._coming.pop(member).welcomed:
                each.callback(member)

        def granted(_: None) -> Deferred[Member]:
            if new:
                chat.shares.named(outlet.site)
            if session.name != name:
                session.name, session.was = name, ""
            chat.tokens.here(session)
            self._look_after()
            chat.sessions[member.origin] = member
            del self._claiming[member.origin]
            ignoring.recognise(member, chat.ignorers)
            chat.ticker.batch.note(session)
            chat.ticker.batch.then(connect)
            for room in dict.fromkeys(rooms):
                try:
                    membership = chat.join(member, room)
                except Refusal as error:
                    session.reading = session.reading.left(room, began)
                    chat.ticker.batch.then(partial(member.refuse, error.code, str(error)))
                else:
                    chat.ticker.batch.then(
                        lambda membership=membership: joined(chat, membership)  # type: ignore[misc]
                    )
            # Last: what is asked for behind the hello is answered behind what answers that.
            chat.ticker.batch.then(connected)
            chat.ticker.wake()
            return welcomed

        def refused(failure: Failure) -> Failure:
            del self._claiming[member.origin]
            for each in self._coming.pop(member).welcomed[1:]:
                each.errback(failure)
            return failure

        self._claiming[member.origin] = member
        self._coming[member] = _Coming(arrival, began, [welcomed])
        return chat.claim(name, member).addCallbacks(granted, refused)

    # Being connected

    def _connect(
        self,
        member: Member,
        arrival: Arrival,
        token: str | None,
        began: int | None = None,
    ) -> None:
        """Give a member a connection, on which it reads on from where it wants to."""
        chat, session = self._chat, member.session
        assert session is not None and token is not None
        hello, outlet, view = arrival
        resumed = hello.token == token
        if member.outlet is not outlet:
            member.outlet.replace(member.view.reply(REPLACED))
        chat.absences.discard(member)
        member.detach()
        member.outlet, member.view, member.lost = outlet, view, False
        session.site = outlet.site
        since, gap = self._since(session, hello, resumed, began)
        member.memberships += [
            over(member, period.room, period.since, period.until)
            for period in session.reading.periods
            if period.until > since and not reads(member, period.room, period.until)
        ]
        member.cursor = Cursor(member, since)
        if resumed:
            member.cursor.at_head = lambda: member.reply(messages.Live())
        limits = chat.limits
        member.reply(
            messages.Welcome(
                name=member.name,
                token=token,
                journal=chat.journal.identity,
                since=since,
                seq=session.seq,
                rooms=[seen(chat, membership.room) for membership in member.rooms()],
                resumed=resumed,
                gap=gap,
                grace=limits.grace,
                longest=limits.max_line,
                rate=limits.rate,
                burst=limits.burst,
                ref=hello.ref,
            )
        )
        member.tell(*(chat.motd if not resumed else ()))
        if session.was and hello.name != member.name:
            was = session.was
            member.tell(
                f"you are {member.name} now: {was} can't be your name any more, or is another's"
            )
        chat.readers.ready(member.cursor)

    def _since(
        self, session: Session, hello: messages.Hello, resumed: bool, began: int | None
    ) -> tuple[int, bool]:
        """Tell after which event a program reads on, and whether it misses any."""
        chat = self._chat
        head = chat.past.head
        if hello.since is None or not resumed:
            since = head if began is None else max(began, chat.past.start)
            return since, hello.since is not None
        other = hello.journal is not None and hello.journal != chat.journal.identity
        if other or hello.since > head:
            return head, True
        least = max(chat.past.start, session.reading.forgotten)
        missing = hello.since < max(least, chat.journal.unbroken)
        return max(hello.since, least), missing

    def hear(self, session: Session) -> None:
        """A program shows that it has its token: nobody else is to take its name."""
        if not session.heard:
            # Stored at once, so that this holds after a crash, too.
            session.heard = True
            self._chat.ticker.batch.note(session)
            self._chat.ticker.wake()

    # Being away

    def away(self, member: Member) -> None:
        """A program has lost its connection: nobody is told, for a grace."""
        session = member.session
        assert session is not None
        session.seen = self._chat.now()
        self._chat.ticker.batch.note(session)
        self._chat.ticker.wake()
        self._chat.absences.add(member)

    # Over a restart

    def start(self, facts: Iterable[Fact]) -> None:
        """Bring those back who were here when the service stopped; their grace begins.

        :raises JournalError: if the journal can't be read.
        """
        chat = self._chat
        here = chat.tokens.restore(facts)
        for session in chat.tokens.all():
            session.seq = max(session.seq, chat.journal.last_seq(session.origin))
        for session in here:
            member = Member(
                session.name,
                NOWHERE,
                UNSEEN,
                now=chat.now(),
                session=session,
                active=chat.clock.seconds(),
            )
            member.lost = True
            chat.sessions[member.origin] = member
            chat.claim(member.name, member)
            for name, since in session.reading.rooms.items():
                chat.put(member, name, since)
            member.current = next(iter(member.memberships), None)
            chat.absences.add(member)
        self._look_after()

    def _look_after(self) -> None:
        if self._due is None and self._chat.tokens:
            self._due = self._chat.clock.callLater(TEND_EVERY, self._tend)

    def _tend(self) -> None:
        """Forget expired tokens, and note which numbers are stored."""
        chat = self._chat
        self._due = None
        self._look_after()
        if chat.wall.believed:
            for fact in chat.tokens.forget_expired():
                chat.ticker.batch.hold(fact)
        # Before the events that tell them can be forgotten.
        for session in chat.tokens.unnoted():
            member = chat.sessions.get(session.origin)
            # Of one that has left, any process may.
            if member is None or not member.remote:
                chat.ticker.batch.note(session)
        if chat.ticker.batch.count:
            chat.ticker.wake()

    def stop(self) -> None:
        """Look after nothing any more."""
        if self._due is not None:
            self._due.cancel()
