"""A chat in which some members are on other nodes.

What one node decides, for its own members, is like in a chat that is alone; it takes effect when it
comes back from the log. Names are decided by the log itself (:mod:`.nicknames`). Members on other
nodes are as the log tells (:mod:`.neighbours`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice.cluster.claims import SharedClaims
from chatservice.cluster.entries import SEND_AWAY, TAKE
from chatservice.cluster.journal import ClusterJournal
from chatservice.cluster.lease_lost import Reclaiming
from chatservice.cluster.neighbours import Neighbours
from chatservice.cluster.people import Person
from chatservice.cluster.records import Claim
from chatservice.cluster.registry import NOBODY, Registry
from chatservice.core.chat import Chat
from chatservice.core.feed.batch import Presence
from chatservice.core.grace import Absences
from chatservice.core.house import House
from chatservice.core.members import Member
from chatservice.core.outlet import Outlet, View
from chatservice.core.refusals import Refusal
from chatservice.core.sessions import Session
from chatservice.journal.base import Committed
from chatservice.journal.events import JOINED, LEFT, Draft, Event, Fact
from chatservice.messages import Code
from chatservice.text.wording import STORED_AGAIN, UNSTORED

OUT_OF_REACH: Final = "the other nodes can't be reached: what is said now waits, and is shown later"
IN_REACH: Final = "the other nodes can be reached again: what waited is shown now"
APART: Final = "this node takes no part in the chat for now: what is said here waits"
TAKES_PART: Final = "this node takes part again: what waited is shown now"
ENDS: Final = "this node takes no part in the chat any more: please connect to another one"
STALE: Final = "the other nodes can't be reached: who is there may have changed"
WAIT: Final = "one moment: names are given out when the other nodes can be reached again"
NOBODY_IN: Final = "nobody can come in here for now: please try another node, or wait"
UNPUBLISHED: Final = "what you said last is too much for the other nodes: it is lost"

_OVER: Final = {OUT_OF_REACH: IN_REACH, UNSTORED: STORED_AGAIN, APART: TAKES_PART}
"""What is said when it is over."""

LET_GO_AT_ONCE: Final = 1000
"""Things that are committed together when the grace of many is over, about, at most."""

TRIES: Final = 4
"""So often is a session asked for that moves from node to node meanwhile."""

log = Logger()


class ClusterChat(Chat):
    """A chat on many nodes; the arguments are those of :class:`.Chat`."""

    journal: ClusterJournal
    claims: SharedClaims  # type: ignore[assignment]

    def __init__(
        self, clock: IReactorTime, journal: ClusterJournal, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(clock, journal, *args, **kwargs)
        self.claims = SharedClaims(journal, self.ticker, self.sessions)
        self.absences = Absences(clock, self.limits, self._over)
        self._neighbours = Neighbours(self)
        self._told = ""
        self.stale = STALE
        journal.listen(self)

    @property
    def registry(self) -> Registry:
        """What all nodes agree on."""
        return self.journal.registry

    @property
    def boots(self) -> Collection[str]:
        """What it was called there since it started."""
        return self.journal.boots

    @property
    def boot(self) -> str:
        """How this node is called in the log, by now."""
        return self.journal.boot

    @property
    def held_up(self) -> str:
        """See :attr:`.Chat.held_up`: what members were told, if it is not over."""
        return self._told

    def _trouble_of(self, why: str) -> str:
        """Return the sentence that members are told where the log can't be followed."""
        if not why:
            return ""
        if self.journal.lost:
            return UNSTORED
        if self.journal.ended:
            return ENDS
        return APART if self.journal.apart else OUT_OF_REACH

    def holds(self, claim: Claim) -> bool:
        """Tell whether a name is held by way of this node."""
        return self.registry.owner(claim.boot) == self.boot

    def decides(self, origin: int) -> bool:
        """Tell whether somebody is a matter of this node."""
        return self.registry.owner_of(origin) == self.boot

    def start(self) -> None:
        """See :meth:`.Chat.start`. Who was here at the last stop is a matter of others by now.

        :raises JournalError: if the log can't be that of this node's file.
        """
        House.start(self)
        self.called = f"the node {self.journal.node}"
        self._neighbours.apply(self.journal.facts())
        self.returns.start(())
        self.journal.follow()

    # What concerns this node's own members

    def claim(self, name: str, member: Member) -> Deferred[None]:
        """See :meth:`.House.claim`."""
        if member.record is None:
            member.record = Person(member)
            if self.journal.unreachable:
                member.tell(NOBODY_IN if self.journal.apart else WAIT)
        return super().claim(name, member)

    def enter(
        self, name: str, outlet: Outlet, view: View, operator: bool = False
    ) -> Deferred[Member]:
        """See :meth:`.Chat.enter`."""
        return super().enter(name, outlet, view, operator).addCallback(self._noted)

    def _noted(self, member: Member) -> Member:
        if member.record is not None and not member.record.dropped:
            self.ticker.batch.note(member.record)
            self.ticker.wake()
        return member

    def be_away(self, member: Member, why: str | None) -> None:
        """See :meth:`.Chat.be_away`."""
        super().be_away(member, why)
        self._noted(member)

    def quit(self, member: Member, words: str = "") -> None:
        """See :meth:`.House.quit`; only a member's own node lets it go."""
        if member.remote or member.gone:
            return
        if isinstance(member.record, Person):
            self.ticker.batch.hold(member.record.gone())
        super().quit(member, words)
        self.ticker.wake()

    def _over(self, member: Member) -> None:
        """Let a member go whose grace is over: of many, so many with each commit."""
        if member.gone or member.remote or not member.lost:
            return  # It has come back while it waited for its turn.
        if self.ticker.batch.count >= LET_GO_AT_ONCE:
            self.ticker.batch.then(lambda: self._over(member))
        else:
            self.quit(member)

    def send_away(self, member: Member, cause: str, why: str, words: str = "") -> None:
        """See :meth:`.House.send_away`; a member's own node is asked to do it."""
        if not member.remote:
            super().send_away(member, cause, why, words)
        else:
            what = json.dumps([cause, why, words], ensure_ascii=False)
            self.journal.say([Fact(SEND_AWAY, f"{member.origin:x}", what)])

    def unwanted(self, member: Member) -> str | None:
        """See :meth:`.House.unwanted`; each node looks after its own."""
        return None if member.remote else super().unwanted(member)

    def session_of(self, token: str) -> Deferred[Session | None]:
        """See :meth:`.Chat.session_of`.

        Of one that is not a matter of this node, there may be more in what was not read yet.
        """
        session = self.tokens.find(token)
        if session is not None and self.decides(session.origin):
            return succeed(session)
        return self.journal.say(()).addCallback(lambda _: self.tokens.find(token))

    @inlineCallbacks
    def own(self, session: Session) -> Generator[Deferred[Any], Any, None]:
        """See :meth:`.Chat.own`: take the session over, if it is with another node."""
        for _ in range(TRIES):
            member = self.sessions.get(session.origin)
            if (member is None or member.remote) and not self.ticker.idle:
                # What it asked for when it was here before is to take its effect, or none, before.
                settled: Deferred[None] = Deferred()
                self.ticker.behind(lambda settled=settled: settled.callback(None))  # type: ignore[misc]
                yield settled
            known = self.registry.known.get(session.origin)
            # Of who was adopted it is said anew, or the node that lost them would take them back.
            if known is None or known.boot in (self.boot, NOBODY):
                return
            yield self.journal.say([Fact(TAKE, f"{session.origin:x}", known.boot)])
        raise Refusal(Code.WENT_WRONG, "that session moves about: please try again")

    def more_stats(self) -> list[tuple[str, str]]:
        """See :meth:`.Chat.more_stats`."""
        nodes = [lease.node for lease in self.registry.leases.values() if not lease.heir]
        return [
            ("node", self.journal.node),
            ("nodes", ", ".join(sorted(nodes))),
            ("members here", f"{sum(not member.remote for member in self.members):,}"),
            ("log", self.journal.unreachable or f"read up to {self.registry.position:,}"),
            ("skipped", f"{self.journal.skipped:,} entries"),
        ]

    def looks_after(self, session: Session) -> bool:
        """See :meth:`.Chat.looks_after`; of one that has left, any node may."""
        return self.registry.owner_of(session.origin) in (self.boot, NOBODY)

    def _moved(self, event: Event, presence: Presence, before: int) -> None:
        """See :meth:`.House`; who is not among those who are shown is not moved."""
        shown = set(event.author.split(" "))
        there, missing = (Presence(presence.kind, presence.room, presence.seq) for _ in range(2))
        for name, membership in zip(presence.names, presence.memberships, strict=True):
            (there if name in shown else missing).memberships.append(membership)
        super()._moved(event, there, before)
        self._unshown(missing)

    def _unshown(self, presence: Presence) -> None:
        """What somebody was to be shown to do was not: they were elsewhere by then."""
        for membership in presence.memberships:
            member = membership.member
            if member.remote:
                continue
            if presence.kind == JOINED:
                if not membership.leaving and self.claims.holder(member.name) is member:
                    self.ticker.batch.join(membership)
                    self.ask(member)
            elif (
                not member.gone
                and member in membership.room.members
                and self.claims.holder(member.name) is member
            ):
                # It was told under a name that it has lost since: it leaves under the other one.
                self.ticker.batch.leave(membership)
                self.ask(member)
            elif member in membership.room.members or membership.since is None:
                membership.until = membership.until or self.past.head
                membership.room.members.pop(member, None)
                self.vacate(membership.room)
                if member.gone:
                    self._neighbours.reappear(member.origin)
                    self._see_off(member)

    def _trouble(self, refusing: bool) -> None:
        """See :meth:`.House`; the members are told by :meth:`reached`."""

    def show(self, committed: Committed, presences: dict[int, Presence]) -> int:
        """See :meth:`.House.show`; who was to be shown and is not is not moved."""
        # The pace is that at which the log is read, whoever said what is in it.
        self.journal.spent(super().show(committed, presences))
        for presence in presences.values():
            self._unshown(presence)
        return 0

    def _hold(self, facts: Sequence[Fact]) -> None:
        super()._hold(facts)
        self._neighbours.apply(facts)

    # What the journal tells

    def happened(self, committed: Committed) -> None:
        """See :meth:`.Listener.happened`."""
        self.show(committed, {})

    def begun(self, floor: int) -> None:
        """See :meth:`.Listener.begun`."""
        if not self.past.head:
            self.past.begin(floor)

    def reached(self, why: str) -> None:
        """See :meth:`.Listener.reached`."""
        self.stale = STALE if why else ""
        apart = self.journal.apart
        if why and apart:
            log.critical("this node takes no part: {why}", why=apart)
        elif why:
            log.critical("the other nodes can't be reached: {why}", why=why)
        else:
            log.info("this node is {node}, and reads along", node=self.journal.node)
        before, self._told = self._told, self._trouble_of(why)
        if self._told != before:
            for member in self.members:
                member.tell(self._told or _OVER[before])
        self.ticker.stall(why)

    def ended(self, why: str) -> None:
        """See :meth:`.Listener.ended`."""
        # Not from within what reads the log, and not before the service has started.
        self.clock.callLater(0, self.shutdown, f"this node takes no part any more: {why}")

    def unpublished(self, drafts: Sequence[Draft], why: str) -> None:
        """See :meth:`.Listener.unpublished`."""
        for origin in {draft.origin for draft in drafts if draft.kind not in (JOINED, LEFT)}:
            member = self.sessions.get(origin)
            if member is not None:
                member.tell(UNPUBLISHED)

    def asked(self, fact: Fact) -> None:
        """See :meth:`.Listener.asked`."""
        member = self.sessions.get(int(fact.name, 16))
        if member is not None and not member.remote:
            super().send_away(member, *json.loads(fact.value))

    def deposed(self) -> None:
        """See :meth:`.Listener.deposed`."""
        Reclaiming(self).begin()
