"""The chat, as doors are given it: all that one can ask it for.

It is the state that its parts have in common (:mod:`.state`), and has these parts: coming and going
(:mod:`.presence`), rooms (:mod:`.rooms`), coming back (:mod:`.resume`), and what a commit changes
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
"""Seconds from one slice of forgetting to the next, while there is more to forget."""

_DAY: Final = 86_400_000

log = Logger()


class Chat(State):
    """A chat, made of its parts, and what one says in it.

    :param keep: days after which events are forgotten; 0 for never.
    :param clock_is_right: an operator has looked at the clock before the start.
    :param peers: makes what the chat is to ask of other processes, given the chat.
    :ivar places: the rooms there are.
    :ivar attendance: lets members come in and go.
    :ivar returns: how programs come in, and come back.
    :ivar commits: shows what was committed.
    :ivar answers: lets answers be given that cost more than a line.
    :ivar began: when that was, in milliseconds since 1970: to be shown.
    :ivar started: the same by the clock, in seconds: to be measured.
    :ivar called: the name of this process when people are told of it.
    :ivar connections: tells how many connections there are; set by who knows.
    :ivar shutdown: stops the service, for a reason or ``""``; set by who can.
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
        """Tick no more, and close the journal."""
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
        """Stop the service in so many seconds, whenever that was to be before."""
        self._reason = reason
        self._shutting_down.start(wait)

    def call_off(self) -> bool:
        """Let the service go on after all; tell whether it was to be stopped."""
        was_to_stop = self._shutting_down.running
        self._shutting_down.stop()
        return was_to_stop

    # Saying something, and looking back

    def be_away(self, member: Member, why: str | None) -> None:
        """Note that a member is away, or with None is not any more.

        :raises Refusal: if there are words, and others are to read nothing of the member.
        """
        if why:
            check_heard(self.standing, member.name)
        member.away = why
        member.told = frozenset()
        self.note(member)

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
            self.spend(member, room, text)
        if seq is not None and member.session is not None:
            member.session.unstored[seq] = kind, room, text
        self.ask(member)

    def look_back(self, member: Member, room: str, count: int) -> Deferred[None] | None:
        """Show a member the last things said or done in a room.

        The Deferred fires when it has been given all of them.
        """
        replay = Replay(room, count, self.past.head, asked=True)
        self.step_back(member, self.past.head)
        self.replay(member, replay)
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
