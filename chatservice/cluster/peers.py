"""The other nodes of a cluster, as the peers of a chat.

A node decides for its own members as a single chat does, but the decisions take effect when they
come back from the log. The order of the log decides about names (:mod:`.claims`). Members on other
nodes follow the log (:mod:`.neighbours`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatservice.cluster.claims import SharedClaims
from chatservice.cluster.entries import SEND_AWAY, TAKE
from chatservice.cluster.journal import ClusterJournal
from chatservice.cluster.lease_lost import Reclaiming
from chatservice.cluster.neighbours import Neighbours
from chatservice.cluster.records import Person
from chatservice.cluster.registry import NOBODY
from chatservice.core.chat import Chat
from chatservice.core.feed.batch import Presence
from chatservice.core.members import Member
from chatservice.core.peers import Trouble
from chatservice.core.refusals import Refusal
from chatservice.core.sessions import Session
from chatservice.journal.events import JOINED, LEFT, Committed, Draft, Fact, as_json
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

TRIES: Final = 4
"""The most attempts to take a session that moves from node to node meanwhile."""

log = Logger()


class Nodes:
    """The :class:`.Peers` of a chat on many nodes; the :class:`.Listener` of its journal."""

    def __init__(self, chat: Chat, journal: ClusterJournal) -> None:
        self._chat = chat
        self._journal = journal
        self.claims = SharedClaims(journal, chat.ticker, chat.sessions)
        self._neighbours = Neighbours(chat, journal)
        self._trouble: Trouble | None = None
        self.follow = journal.follow
        self.hold = self._neighbours.apply
        chat.stale = STALE
        journal.listener = self

    # Calls from the chat

    def restore(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """See :meth:`.Peers.restore`. Other nodes have adopted the members of the last boot."""
        self._chat.called = f"the node {self._journal.following.node}"
        self._neighbours.apply(facts)
        return ()

    def arrives(self, member: Member) -> None:
        """See :meth:`.Peers.arrives`."""
        member.record = Person(member)
        if self._journal.unreachable:
            member.tell(NOBODY_IN if self._journal.apart else WAIT)

    def leaves(self, member: Member) -> None:
        """See :meth:`.Peers.leaves`. A session is remembered until its token expires."""
        if isinstance(member.record, Person):
            self._chat.ticker.batch.hold(member.record.gone())

    def send_away(self, member: Member, cause: str, why: str, words: str) -> None:
        """See :meth:`.Peers.send_away`."""
        self._journal.say([Fact(SEND_AWAY, f"{member.origin:x}", as_json((cause, why, words)))])

    def take(self, find: Callable[[], Session | None]) -> Deferred[Session | None]:
        """See :meth:`.Peers.take`."""
        return Deferred.fromCoroutine(self._take(find))

    async def _take(self, find: Callable[[], Session | None]) -> Session | None:
        session = find()
        if session is None or not self._journal.decides(session.origin):
            # Entries that were not read yet may be about the session, so this waits for them.
            await self._journal.say(())
            session = find()
        if session is None:
            return None
        for _ in range(TRIES):
            member = self._chat.sessions.get(session.origin)
            if (member is None or member.remote) and not self._chat.ticker.idle:
                # Requests from when the session was here before are to be decided first.
                settled: Deferred[None] = Deferred()
                self._chat.ticker.behind(partial(settled.callback, None))
                await settled
            known = self._journal.registry.known.get(session.origin)
            # A session that was adopted is taken too, or the node that lost it would take it back.
            if known is None or known.who.boot in (self._journal.boot, NOBODY):
                return session
            await self._journal.say([Fact(TAKE, f"{session.origin:x}", known.who.boot)])
        raise Refusal(Code.WENT_WRONG, "that session moves between nodes: please try again")

    def shown(self, sends: int, missing: Sequence[Presence]) -> int:
        """See :meth:`.Peers.shown`. The sends delay the next storing of read entries."""
        self._journal.following.pace.spent(sends)
        for presence in missing:
            self._unshown(presence)
        return 0

    def _unshown(self, presence: Presence) -> None:
        """Undo or repeat the joins and leaves that the log did not show."""
        chat = self._chat
        for membership in presence.memberships:
            member = membership.member
            if member.remote:
                continue
            if presence.kind == JOINED:
                if not membership.leaving and self.claims.holder(member.name) is member:
                    chat.ticker.batch.join(membership)
                    chat.ask(member)
            elif (
                not member.gone
                and member in membership.room.members
                and self.claims.holder(member.name) is member
            ):
                # Its leaving was published under a name that it has lost: this uses the new one.
                chat.ticker.batch.leave(membership)
                chat.ask(member)
            elif member in membership.room.members or membership.since is None:
                membership.until = membership.until or chat.past.head
                membership.room.members.pop(member, None)
                chat.places.vacate(membership.room)
                if member.gone:
                    self._neighbours.reappear(member.origin)
                    chat.attendance.see_off(member)

    def trouble(self, refusing: bool) -> Trouble | None:
        """See :meth:`.Peers.trouble`. This is set by the last call of :meth:`reached`."""
        return self._trouble

    def _trouble_of(self, why: str) -> Trouble | None:
        """Return the trouble that members are told of, or None if ``why`` is empty."""
        journal = self._journal
        if not why:
            return None
        if journal.lost:
            return Trouble(UNSTORED, STORED_AGAIN)
        if journal.ended:
            return Trouble(ENDS, "")
        return Trouble(APART, TAKES_PART) if journal.apart else Trouble(OUT_OF_REACH, IN_REACH)

    def stats(self) -> list[tuple[str, str]]:
        """See :meth:`.Peers.stats`."""
        journal, registry = self._journal, self._journal.registry
        nodes = [lease.node for lease in registry.leases.values() if not lease.heir]
        return [
            ("node", journal.following.node),
            ("nodes", ", ".join(sorted(nodes))),
            ("members here", f"{sum(not member.remote for member in self._chat.members):,}"),
            ("log", journal.unreachable or f"read up to {registry.last.position:,}"),
            ("skipped", f"{journal.following.skipped:,} entries"),
        ]

    # Calls from the journal

    def happened(self, committed: Committed) -> None:
        """See :meth:`.Listener.happened`."""
        self._chat.commits.show(committed, {})

    def begun(self, floor: int) -> None:
        """See :meth:`.Listener.begun`."""
        if not self._chat.past.head:
            self._chat.past.begin(floor)

    def reached(self, why: str) -> None:
        """See :meth:`.Listener.reached`."""
        self._chat.stale = STALE if why else ""
        apart = self._journal.apart
        if why and apart:
            log.critical("this node takes no part: {why}", why=apart)
        elif why:
            log.critical("the other nodes can't be reached: {why}", why=why)
        else:
            log.info("this node is {node}, and reads along", node=self._journal.following.node)
        self._trouble = self._trouble_of(why)
        self._chat.note_trouble()
        self._chat.ticker.stall(why)

    def ended(self, why: str) -> None:
        """See :meth:`.Listener.ended`."""
        # The shutdown must not run within the reader of the log, or before the service started.
        over = f"this node takes no part any more: {why}"
        self._chat.clock.callLater(0, lambda: self._chat.shutdown(over))

    def unpublished(self, drafts: Sequence[Draft], why: str) -> None:
        """See :meth:`.Listener.unpublished`."""
        for origin in {draft.origin for draft in drafts if draft.kind not in (JOINED, LEFT)}:
            member = self._chat.sessions.get(origin)
            if member is not None:
                member.tell(UNPUBLISHED)

    def asked(self, fact: Fact) -> None:
        """See :meth:`.Listener.asked`."""
        member = self._chat.sessions.get(int(fact.name, 16))
        if member is not None and not member.remote:
            self._chat.attendance.send_away(member, *msgspec.json.decode(fact.value))

    def deposed(self) -> None:
        """See :meth:`.Listener.deposed`."""
        Deferred.fromCoroutine(Reclaiming(self._chat, self._journal, self.claims).run())
