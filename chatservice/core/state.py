"""The state that all parts of a chat have in common."""

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
"""The room in which is told what operators do, and where only they can be."""


class State:
    """The members; the clocks, the journal and all that is made of it; the facts, and the limits.

    :param now: the time, in milliseconds since 1970.
    :param permanent: names of rooms that always exist; people land in the first.
    :param motd: lines that everyone is shown who comes in.
    :param show: shows what was committed; see :class:`.Ticker`.
    :ivar wall: the time of day, and whether anything may be deleted by it.
    :ivar sessions: the members, by origin.
    :ivar members: the same, as they are at any time.
    :ivar tokens: the sessions of programs, which can be taken up again.
    :ivar shares: the rates and shares of each address.
    :ivar talked: how many things were said and done since the start.
    :ivar stale: why it may not be true who is here; ``""`` if it is.
    :ivar ignorers: those who ignore anybody.
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
        """Return who is here under a name, however it is written."""
        holder = self.peers.claims.holder(name)
        return holder if isinstance(holder, Member) and not holder.gone else None

    def banned(self, host: str) -> str | None:
        """Return the sentence that turns an address away, or None if it is not banned."""
        term = self.standing.banned(host)
        return f"{wording.BANNED}{term.says}" if term is not None else None

    def unwanted(self, member: Member) -> str | None:
        """Return the sentence that sends a member away whose address is banned, or None.

        No ban is for operators, and each process looks after its own members.
        """
        return None if member.operator or member.remote else self.banned(member.outlet.address)

    @property
    def held_up(self) -> str:
        """The sentence that tells why nothing can be stored now, and what comes of what is said.

        ``""`` if it can.
        """
        return self._trouble.says if self._trouble is not None else ""

    def note_trouble(self) -> None:
        """Tell the members if it has changed why nothing can be stored."""
        before, self._trouble = self._trouble, self.peers.trouble(self.ticker.refusing)
        now = self._trouble or before
        if now is None or self._trouble == before:
            return
        for member in self.members:
            member.tell(now.says if self._trouble is not None else now.over)

    def settled(self, member: Member) -> Deferred[None] | None:
        """Wait until what a member asked for took effect; None if there is nothing to wait for.

        While the journal refuses, nobody is made to wait for it.
        """
        if not self.ticker.pending(member.asked):
            return None
        settled: Deferred[None] = Deferred()
        self.ticker.after_attempt(lambda: settled.callback(None))
        return settled.addCallback(lambda _: self.settled(member))

    def spend(self, member: Member, room: str, text: str = "", lines: float = 1.0) -> None:
        """Let a member's next line wait, if its address says too much."""
        due = self.shares.said(member.outlet.site, room, text, lines)
        if due:
            member.outlet.wait_until(due)

    def step_back(self, member: Member, position: int) -> None:
        """Make a member at the head a cursor, which reads on from a position when it can."""
        if member.lost:
            return
        if member.cursor is None:
            member.detach()
            member.cursor = Cursor(member, position)
        self.readers.ready(member.cursor)

    def replay(self, member: Member, replay: Replay) -> None:
        """Give a member behind the head a look into the past first."""
        if member.cursor is not None:
            member.cursor.replays.append(replay)

    def note(self, member: Member) -> None:
        """Have stored what is to be known of a member."""
        if member.record is not None:
            self.ticker.batch.note(member.record)
            self.ticker.wake()

    def ask(self, member: Member) -> None:
        """Let a member wait for the next commit: there is something of it in that."""
        member.asked = self.ticker.number
        self.ticker.wake()
