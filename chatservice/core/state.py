"""The state that all parts of a chat share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from chatservice.core.feed.batch import Presence
from chatservice.core.feed.catchup import Readers
from chatservice.core.feed.history import Past
from chatservice.core.feed.ticker import Ticker
from chatservice.core.members import Cursor, Member, Replay
from chatservice.core.moderation import Standing
from chatservice.core.peers import Peers, Trouble
from chatservice.core.shares import Shares
from chatservice.core.tokens import Tokens
from chatservice.core.wall_clock import WallClock
from chatservice.journal.events import Committed, Journal
from chatservice.limits import Limits
from chatservice.text import wording

OPERATORS: Final = "operators"
"""The room that shows the acts of operators, and that only operators can join."""


class State:
    """The members, clocks, journal, ticker, readers, facts and limits of a chat.

    :param now: returns the time, in milliseconds since 1970.
    :param permanent: the names of rooms that always exist; people enter the first.
    :param motd: the lines that are shown to everybody who enters.
    :param show: applies and delivers a commit; see :class:`.Ticker`.
    :ivar wall: the time of day, and whether it is trusted for deleting.
    :ivar sessions: the members by origin.
    :ivar members: a live view of all members.
    :ivar ignorers: the members who ignore somebody.
    :ivar standing: the topics, locks, mutes and bans.
    :ivar past: the committed events.
    :ivar readers: the members behind the head.
    :ivar tokens: the sessions of programs, which can be resumed.
    :ivar shares: the rates and shares of each address.
    :ivar talked: the number of events of talk since the start.
    :ivar stale: why the member list may be out of date; ``""`` if it is current.
    :ivar peers: the other processes; set by the chat.
    """

    peers: Peers

    def __init__(
        self,
        clock: IReactorTime,
        journal: Journal,
        now: Callable[[], int],
        limits: Limits,
        permanent: Sequence[str],
        motd: Sequence[str],
        show: Callable[[Committed, dict[int, Presence]], int],
    ) -> None:
        self.clock = clock
        self.journal = journal
        self.limits = limits
        self.permanent = tuple(permanent)
        self.motd = tuple(motd)
        self.wall = WallClock(clock, now, journal.note)
        self.now = now = self.wall.now
        self.sessions: dict[int, Member] = {}
        self.members: Collection[Member] = self.sessions.values()
        self.ignorers: dict[Member, None] = {}
        self.standing = Standing(clock, now)
        self.past = Past(journal, limits.recent)
        self.readers = Readers(clock, self.past, now)
        self.ticker = Ticker(clock, journal, secrets.randbits(63), show, self.note_trouble)
        self.shares = Shares(clock, limits)
        self.tokens = Tokens(clock, now, limits)
        self.talked = 0
        self.stale = ""
        self._trouble: Trouble | None = None

    def find(self, name: str) -> Member | None:
        """Return the member with a name, however the name is written, or None."""
        holder = self.peers.claims.holder(name)
        return holder if isinstance(holder, Member) and not holder.gone else None

    def banned(self, host: str) -> str | None:
        """Return the sentence that turns an address away, or None if it is not banned."""
        term = self.standing.banned(host)
        return f"{wording.BANNED}{term.says}" if term is not None else None

    def unwanted(self, member: Member) -> str | None:
        """Return the sentence for a member whose address is banned, or None.

        Bans do not apply to operators, and each process checks its own members only.
        """
        return None if member.operator or member.remote else self.banned(member.outlet.address)

    @property
    def held_up(self) -> str:
        """The sentence that tells why nothing can be stored now, and what happens to lines.

        ``""`` if the journal takes commits.
        """
        return self._trouble.says if self._trouble is not None else ""

    def note_trouble(self) -> None:
        """Update the reason why nothing can be stored; tell all members if it has changed."""
        before, self._trouble = self._trouble, self.peers.trouble(self.ticker.refusing)
        now = self._trouble or before
        if now is None or self._trouble == before:
            return
        for member in self.members:
            member.tell(now.says if self._trouble is not None else now.over)

    def settled(self, member: Member) -> Deferred[None] | None:
        """Return a Deferred for the commit of a member's last changes; None if nothing waits.

        While the journal refuses, the result is None, so that nobody has to wait for it.
        """
        if not self.ticker.pending(member.asked):
            return None
        settled: Deferred[None] = Deferred()
        self.ticker.after_attempt(lambda: settled.callback(None))
        return settled.addCallback(lambda _: self.settled(member))

    def spend(self, member: Member, room: str, text: str = "", lines: float = 1.0) -> None:
        """Count lines for a member's address; delay its next line if the address is over its rate.

        See :meth:`.Shares.said`.
        """
        due = self.shares.said(member.outlet.site, room, text, lines)
        if due:
            member.outlet.wait_until(due)

    def step_back(self, member: Member, position: int) -> None:
        """Give a member at the head a cursor at a position; let the cursor read when it can.

        A member that has a cursor already keeps its position.
        """
        if member.lost:
            return
        if member.cursor is None:
            member.detach()
            member.cursor = Cursor(member, position)
        self.readers.ready(member.cursor)

    def replay(self, member: Member, replay: Replay) -> None:
        """Queue a look into the past for a member behind the head, before the events to come."""
        if member.cursor is not None:
            member.cursor.replays.append(replay)

    def note(self, member: Member) -> None:
        """Store a member's record, if it has one, with the next commit."""
        if member.record is not None:
            self.ticker.batch.note(member.record)
            self.ticker.wake()

    def ask(self, member: Member) -> None:
        """Note that the next commit has something of a member; see to it that a tick comes."""
        member.asked = self.ticker.number
        self.ticker.wake()
