"""What doors are given: all that one can ask a chat for.

The parts of it are who is here (:mod:`.state`), coming and going (:mod:`.presence`), rooms
(:mod:`.rooms`), coming back (:mod:`.resume`), and what a commit changes (:mod:`.commits`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from chatservice.core.answers import Answers
from chatservice.core.commits import Commits
from chatservice.core.feed.retention import Pruner
from chatservice.core.members import Member, Membership, Replay, Room
from chatservice.core.outlet import Outlet, View
from chatservice.core.peers import Alone, Peers
from chatservice.core.permissions import check_heard
from chatservice.core.presence import Attendance
from chatservice.core.resume import Returns
from chatservice.core.rooms import Rooms
from chatservice.core.state import State
from chatservice.journal.base import Journal
from chatservice.journal.events import PRIVATE, TALK, TOPIC, Fact, inbox
from chatservice.limits import Limits

log = Logger()


class Chat:
    """A chat, made of its parts, and what one says in it.

    :param now: the time, in milliseconds since 1970.
    :param permanent: names of rooms that always exist; people land in the first.
    :param motd: lines that everyone is shown who comes in.
    :param keep: days after which events are forgotten; 0 for never.
    :param clock_is_right: an operator has looked at the clock before the start.
    :param peers: makes what the chat is to ask of other processes, given the chat.
    :ivar state: who is here, and what the parts have in common.
    :ivar places: the rooms there are.
    :ivar attendance: lets members come in and go.
    :ivar returns: how programs come in, and come back.
    :ivar commits: shows what was committed.
    :ivar answers: lets answers be given that cost more than a line.
    :ivar began: when that was, in milliseconds since 1970: to be shown.
    :ivar started: the same by the clock, in seconds: to be measured.
    :ivar called: what this process is called when people are told of it.
    :ivar connections: tells how many connections there are; set by who knows.
    :ivar shutdown: stops the service, for a reason or ``""``; set by who can.
    """

    _shutting_down: IDelayedCall | None = None

    def __init__(
        self,
        clock: IReactorTime,
        journal: Journal,
        now: Callable[[], int],
        limits: Limits,
        permanent: Sequence[str] = ("lobby",),
        motd: Sequence[str] = (),
        keep: int = 0,
        clock_is_right: bool = False,
        peers: Callable[[Chat], Peers] = lambda chat: Alone(),
    ) -> None:
        self._clock_is_right = clock_is_right
        self.state = state = State(
            clock, journal, now, limits, permanent, motd, lambda *what: self.commits.show(*what)
        )
        self.places = Rooms(state)
        self.attendance = Attendance(state, self.places)
        self.commits = Commits(state, self.places, self.attendance)
        self.returns = Returns(state, self.places, self.attendance)
        self.answers = Answers(clock)
        self.clock, self.limits, self.journal = clock, limits, journal
        self.permanent, self.motd = state.permanent, state.motd
        self.wall, self.now = state.wall, state.now
        self.began = self.now()
        self.started = clock.seconds()
        self.sessions, self.ignorers, self.tokens = state.sessions, state.ignorers, state.tokens
        self.standing, self.shares = state.standing, state.shares
        self.past, self.readers, self.ticker = state.past, state.readers, state.ticker
        self.rooms, self.directory = self.places.by_name, self.places.directory
        self.called = "the server"
        self.connections: Callable[[], int] = lambda: len(self.sessions)
        self.shutdown: Callable[[str], None] = lambda reason: None
        self._pruner = Pruner(clock, journal, state.past, state.wall, keep)
        self.absences = self.attendance.absences
        self.find, self.banned, self.settled = state.find, state.banned, state.settled
        self.peers: Peers = peers(self)
        self.claims, self.more_stats = self.peers.claims, self.peers.stats
        state.peers = self.peers

    @property
    def members(self) -> Collection[Member]:
        """All who are here."""
        return self.state.members

    @property
    def held_up(self) -> str:
        """See :attr:`.State.held_up`."""
        return self.state.held_up

    @property
    def stale(self) -> str:
        """Why it may not be true who is here; ``""`` if it is."""
        return self.state.stale

    def start(self) -> None:
        """Open the journal and remember its last events.

        Programs that were here at the last stop are here again.

        :raises JournalError: if it can't be opened.
        """
        self.journal.start()
        self.past.load()
        facts = self.journal.facts()
        self.wall.start(self.journal.last_at, facts)
        if self._clock_is_right:
            self.wall.believe()
        # Nothing has ended, and no token has expired, by a time that is in doubt.
        self.tokens.in_doubt = self.wall.doubt is not None
        self.standing.apply(facts, just_now=self.tokens.in_doubt)
        for name in self.standing.topics:
            # A topic is kept as long as its room, which outlives a restart.
            self.places.room(name)
        self._pruner.start()
        self.ticker.watch()
        self.returns.start(self.peers.restore(facts))
        self.peers.follow()

    def stop(self) -> Deferred[None]:
        """Tick no more, and close the journal."""
        self.call_off()
        self.returns.stop()
        self.ticker.stop()
        self.readers.stop()
        self.answers.stop()
        self.absences.stop()
        self._pruner.stop()
        self.wall.stop()
        return self.journal.stop()

    def shut_down(self, wait: float, reason: str) -> None:
        """Stop the service in so many seconds, whenever that was to be before."""
        self.call_off()
        self._shutting_down = self.clock.callLater(wait, self.shutdown, reason)

    def call_off(self) -> bool:
        """Let the service go on after all; tell whether it was to be stopped."""
        if self._shutting_down is None or not self._shutting_down.active():
            return False
        self._shutting_down.cancel()
        return True

    # Coming in, and going

    def enter(
        self, name: str, outlet: Outlet, view: View, operator: bool = False
    ) -> Deferred[Member]:
        """See :meth:`.Attendance.enter`."""
        return self.attendance.enter(name, outlet, view, operator)

    def rename(self, member: Member, name: str) -> Deferred[None]:
        """See :meth:`.Attendance.rename`."""
        return self.attendance.rename(member, name)

    def join(self, member: Member, name: str) -> Membership:
        """See :meth:`.Rooms.join`."""
        return self.places.join(member, name)

    def leave(self, membership: Membership) -> None:
        """See :meth:`.Rooms.leave`."""
        self.places.leave(membership)

    def parting_words(self, member: Member, words: str) -> str:
        """See :meth:`.Attendance.parting_words`."""
        return self.attendance.parting_words(member, words)

    def quit(self, member: Member, words: str = "") -> None:
        """See :meth:`.Attendance.quit`."""
        self.attendance.quit(member, words)

    def send_away(self, member: Member, cause: str, why: str, words: str = "") -> None:
        """See :meth:`.Attendance.send_away`."""
        self.attendance.send_away(member, cause, why, words)

    def disconnect(self, member: Member) -> None:
        """See :meth:`.Attendance.disconnect`."""
        self.attendance.disconnect(member)

    def give_up(self, member: Member) -> None:
        """See :meth:`.Attendance.give_up`."""
        self.attendance.give_up(member)

    def hang_up(self, member: Member) -> None:
        """See :meth:`.Attendance.hang_up`."""
        self.attendance.hang_up(member)

    # What one says, and looks at

    def write(self, member: Member, to: Member, text: str, seq: int | None = None) -> None:
        """Let a member write to another privately; see :meth:`say`."""
        self.say(member, inbox(to.origin), PRIVATE, text, seq)

    def be_away(self, member: Member, why: str | None) -> None:
        """Note that a member is away, or with None is not any more.

        :raises Refusal: if there are words, and others are to read nothing of the member.
        """
        if why:
            check_heard(self.standing, member.name)
        member.away = why
        member.told = frozenset()
        self.state.note(member)

    def set_topic(self, member: Member, room: Room, text: str, seq: int | None = None) -> None:
        """Give a room a topic; ``""`` takes it away. See :meth:`say`."""
        self.say(member, room.name, TOPIC, text, seq)
        self.ticker.batch.hold(Fact(TOPIC, room.name, text))

    def say(self, member: Member, room: str, kind: str, text: str, seq: int | None = None) -> None:
        """Let a member say or do something in a room, or for whom that stands for.

        Whoever speaks is not away any more.

        :param seq: the number, above 0, that a program has given to what it says.
        :raises Refusal: if others are to read nothing of the member.
        """
        check_heard(self.standing, member.name, kind)
        if member.away is not None:
            self.be_away(member, None)
            member.tell("you are back")
        if not member.spoke:
            member.spoke = kind in TALK
        self.ticker.batch.add(member.draft(room, kind, member.name, text, seq))
        if self.shares.counting:
            self.state.spend(member, room, text)
        if seq is not None and member.session is not None:
            member.session.unstored[seq] = kind, room, text
        self.state.ask(member)

    def look_back(self, member: Member, room: str, count: int) -> Deferred[None] | None:
        """Show a member the last things said or done in a room.

        The Deferred fires when it has been given all of them.
        """
        replay = Replay(room, count, self.past.head, asked=True)
        self.state.step_back(member, self.past.head)
        self.state.replay(member, replay)
        return None if member.lost else replay.done

    def drained(self, member: Member) -> None:
        """Let a member whose outlet is not blocked any more read on, if it is behind."""
        if member.cursor is not None:
            self.readers.ready(member.cursor)

    def close(self, *why: str) -> Deferred[int]:
        """Commit what was said, tell everyone why, and let each go who has read all.

        The Deferred fires with the number of things that the journal did not take.
        """

        def settled(refused: int) -> int:
            lines = why
            if refused:
                log.critical("{count} things that were said are not stored", count=refused)
                lines = (
                    f"the last {refused:,} things said could not be stored: they are lost",
                    *why,
                )
            for member in list(self.members):
                member.tell(*lines)
                member.gone = True
                self.attendance.see_off(member)
            self.sessions.clear()
            return refused

        return self.ticker.settle().addCallback(settled)
