"""The chat as doors see it.

The chat is the state that its parts share (:mod:`.state`). Its parts are entering and leaving
(:mod:`.presence`), rooms (:mod:`.rooms`), resuming (:mod:`.resume`), and the effect of commits
(:mod:`.commits`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice.clock import Timer
from chatservice.core.answers import Answers
from chatservice.core.commits import Commits
from chatservice.core.members import Member, Replay
from chatservice.core.peers import Alone, Peers
from chatservice.core.permissions import check_heard
from chatservice.core.presence import Attendance
from chatservice.core.resume import Returns
from chatservice.core.rooms import Rooms
from chatservice.core.state import State
from chatservice.journal.events import TALK, Journal
from chatservice.limits import Limits

PRUNE_EVERY: Final = 60.0
PRUNE_PAUSE: Final = 0.05
"""Seconds between two slices of forgetting, while there is more to forget."""

_DAY: Final = 86_400_000

log = Logger()


class Chat(State):
    """A chat, made of its parts; speaking, looking back and forgetting.

    :param keep: days after which events are forgotten; 0 for never.
    :param clock_is_right: whether an operator has checked the clock before the start.
    :param peers: makes the interface to other processes, given the chat.
    :ivar places: the rooms.
    :ivar attendance: lets members enter and leave.
    :ivar returns: lets programs enter and resume.
    :ivar commits: applies and delivers commits.
    :ivar answers: gives answers that cost more than a line.
    :ivar began: the time of the start, in milliseconds since 1970, to show.
    :ivar started: the same by the clock, in seconds, to measure with.
    :ivar called: the name of this process in messages to people.
    :ivar connections: returns the number of connections; set from outside.
    :ivar shutdown: stops the service, for a reason or ``""``; set from outside.
    """

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
        super().__init__(
            clock, journal, now, limits, permanent, motd, lambda *what: self.commits.show(*what)
        )
        self._clock_is_right = clock_is_right
        self._keep = keep
        self._pruning = Timer(clock, self._prune)
        self.places = Rooms(self)
        self.attendance = Attendance(self, self.places)
        self.commits = Commits(self, self.places, self.attendance)
        self.returns = Returns(self, self.places, self.attendance)
        self.answers = Answers(clock)
        self.rooms = self.places.by_name
        self.began = self.now()
        self.started = clock.seconds()
        self.called = "the server"
        self.connections: Callable[[], int] = lambda: len(self.sessions)
        self.shutdown: Callable[[str], None] = lambda reason: None
        self._shutting_down = Timer(clock, lambda: self.shutdown(self._reason))
        self.peers = peers(self)

    def start(self) -> None:
        """Open the journal and load its last events, its facts and its sessions.

        Programs that were here at the last stop are members again, and away.

        :raises JournalError: if the journal can't be opened.
        """
        self.journal.start()
        self.past.load()
        facts = self.journal.facts()
        self.wall.start(self.journal.last_at, facts)
        if self._clock_is_right:
            self.wall.believe()
        # While the time is in doubt, no term is over and no token expires by it.
        self.tokens.in_doubt = self.wall.doubt is not None
        self.standing.apply(facts, just_now=self.tokens.in_doubt)
        for name in self.standing.topics:
            # A room with a topic outlives a restart.
            self.places.room(name)
        if self._keep:
            self._prune()
        self.ticker.watch()
        self.returns.start(self.peers.restore(facts))
        self.peers.follow()

    def _prune(self) -> None:
        """Forget a slice of the old events, unless the time is in doubt."""
        more = False
        if self.wall.believed:
            before = self.now() - self._keep * _DAY
            more = self.journal.prune(before)
            self.past.prune(before)
        self._pruning.start(PRUNE_PAUSE if more else PRUNE_EVERY)

    def stop(self) -> Deferred[None]:
        """Stop all parts, and close the journal."""
        self.call_off()
        self.returns.stop()
        self.ticker.stop()
        self.readers.stop()
        self.answers.stop()
        self.attendance.absences.stop()
        self._pruning.stop()
        self.wall.stop()
        return self.journal.stop()

    def shut_down(self, wait: float, reason: str) -> None:
        """Stop the service after ``wait`` seconds; this replaces an earlier shutdown."""
        self._reason = reason
        self._shutting_down.start(wait)

    def call_off(self) -> bool:
        """Cancel the shutdown; return whether there was one."""
        was_to_stop = self._shutting_down.running
        self._shutting_down.stop()
        return was_to_stop

    # Speaking and looking back

    def be_away(self, member: Member, why: str | None) -> None:
        """Mark a member as away, for a reason or ``""``; None marks it as back.

        :raises Refusal: if there is a reason, and the member is muted.
        """
        if why:
            check_heard(self.standing, member.name)
        member.away = why
        member.told = frozenset()
        self.note(member)

    def say(self, member: Member, room: str, kind: str, text: str, seq: int | None = None) -> None:
        """Add an event by a member to the next commit; mark the member as back if it was away.

        :param room: a room, :data:`.HOUSE`, or an :func:`.inbox`.
        :param seq: the number, above 0, that a program has given to its line.
        :raises Refusal: if the member is muted.
        """
        check_heard(self.standing, member.name, kind)
        if member.away is not None:
            self.be_away(member, None)
            member.tell("you are back")
        if not member.spoke:
            member.spoke = kind in TALK
        self.ticker.batch.add(member.draft(room, kind, member.name, text, seq))
        if self.shares.counting:
            self.spend(member, room, text)
        if seq is not None and member.session is not None:
            member.session.unstored[seq] = kind, room, text
        self.ask(member)

    def look_back(self, member: Member, room: str, count: int) -> Deferred[None] | None:
        """Show a member the last ``count`` events of talk in a room.

        The Deferred fires when all were given; None if the member has no connection.
        """
        replay = Replay(room, count, self.past.head, asked=True)
        self.step_back(member, self.past.head)
        self.replay(member, replay)
        return None if member.lost else replay.done

    def drained(self, member: Member) -> None:
        """Let a member behind the head read on, now that its outlet is not blocked any more."""
        if member.cursor is not None:
            self.readers.ready(member.cursor)

    def close(self, *why: str) -> Deferred[int]:
        """Commit everything that waits, tell all members why, and close each that has read all.

        The Deferred fires with the number of events and facts that the journal did not take.
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
