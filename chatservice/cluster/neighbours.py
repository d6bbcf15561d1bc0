"""The members who are on other nodes, as this node shows them.

Such a member has no connection here, like a program that is away. So it is in its rooms, is found
by its name, and gets private lines like any other member. All changes to it are read from the log;
this node decides nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted.logger import Logger

from chatservice.cluster.entries import LEASE, PERSON
from chatservice.cluster.journal import ClusterJournal
from chatservice.cluster.records import LEASES, Person, Somebody, StoredPerson, somebody
from chatservice.core import ignoring
from chatservice.core.chat import Chat
from chatservice.core.members import Member, Membership
from chatservice.core.outlet import NOWHERE, UNSEEN, Nowhere
from chatservice.core.resume import REPLACED
from chatservice.core.sessions import SESSION, Session, StoredSession
from chatservice.journal.events import Fact

SEEN_OFF_AT_ONCE: Final = 1000

log = Logger()


class Neighbours:
    """Keeps the members of other nodes up to date with the log."""

    def __init__(self, chat: Chat, journal: ClusterJournal) -> None:
        self._chat = chat
        self._journal = journal

    def apply(self, facts: Iterable[Fact]) -> None:
        """Bring the members of other nodes up to date with facts that were stored.

        Members who moved from or to this node are given up or taken over.
        """
        for fact in facts:
            if fact.kind == LEASE and self._journal.boot in fact.value:
                lease = LEASES.decode(fact.value)
                if lease.heir == self._journal.boot:
                    self._adopt(lease.node)
            elif fact.kind in (PERSON, SESSION):
                if fact.value:
                    self._know(fact, somebody(fact))
                else:
                    self._forget(fact)

    def _know(self, fact: Fact, who: Somebody) -> None:
        here = who.here and bool(who.boot)
        # The fact may be outdated by now; then a later fact corrects it.
        mine = here and who.boot in self._journal.outgoing.boots
        member = self._chat.sessions.get(who.origin)
        if mine:
            if member is not None and member.remote:
                self._bring(member)
            return
        if member is not None and not member.remote:
            if not here:
                return  # The member had left, and is about to come back here.
            self._give_up(member)
        self._come(fact, who, here)

    def reappear(self, origin: int) -> None:
        """Show a member again who has left here, but is on another node by now."""
        known = self._journal.registry.known.get(origin)
        if known is not None and known.who.boot and not self._journal.decides(origin):
            self._come(known.fact, known.who, True)

    def _come(self, fact: Fact, who: Somebody, here: bool) -> None:
        """Add or update a member who is on another node, or remove them if they have left."""
        chat, origin = self._chat, who.origin
        member = chat.sessions.get(origin)
        session = None
        if fact.kind == SESSION:
            session = chat.tokens.learn(fact, here, just_now=not chat.stale)
            if not session.seq:
                session.seq = self._journal.last_seq(origin)
        if not here:
            if member is not None and member.remote:
                self._remove(member)
            return
        if member is None:
            member = self._appear(who, session)
        self._update(member, who)

    def _appear(self, who: Somebody, session: Session | None) -> Member:
        chat = self._chat
        outlet, operator, since = NOWHERE, False, chat.now()
        active = chat.clock.seconds()
        if isinstance(who, StoredPerson):
            outlet, operator = Nowhere(who.address), who.operator
            # The time is by another machine's clock, too inexact for somebody who came just now.
            active -= max(0, since - who.since) / 1000 if chat.stale else 0.0
            since = who.since
        member = Member(who.name, outlet, UNSEEN, operator, since, session, active)
        member.origin = who.origin
        if session is None:
            member.record = Person(member)
        member.lost = member.remote = True
        chat.sessions[member.origin] = member
        ignoring.recognise(member, chat.ignorers)
        return member

    def _update(self, member: Member, who: Somebody) -> None:
        chat = self._chat
        if member.name != who.name:
            chat.attendance.call(member, who.name)
            if member.session is not None and isinstance(who, StoredSession):
                member.session.was = who.was
        member.away = who.away if isinstance(who, StoredPerson) else None
        for membership in list(member.memberships):
            if membership.room.name not in who.rooms:
                self._leave(membership)
        there = {membership.room.name: membership for membership in member.memberships}
        for name, since in who.rooms.items():
            if name in there:
                there[name].since = since
            else:
                chat.places.put(member, name, since)
        member.current = next(iter(member.memberships), None)

    def _leave(self, membership: Membership) -> None:
        room = membership.room
        membership.member.memberships.remove(membership)
        if membership.member in room.members:
            del room.members[membership.member]
            self._chat.places.lose_one(room)

    def _remove(self, member: Member) -> None:
        member.gone = True
        del self._chat.sessions[member.origin]
        for membership in list(member.memberships):
            self._leave(membership)

    def _forget(self, fact: Fact) -> None:
        chat = self._chat
        session = chat.tokens.drop(fact.name) if fact.kind == SESSION else None
        origin = int(fact.name, 16) if fact.kind == PERSON else session.origin if session else 0
        member = chat.sessions.get(origin)
        if member is not None and member.remote:
            self._remove(member)

    # From one node to another

    def _bring(self, member: Member) -> None:
        """Take over a member from another node."""
        member.remote = False
        if member.session is not None:
            self._chat.attendance.absences.add(member)

    def _give_up(self, member: Member) -> None:
        """Hand a member over to the node to which its program has connected."""
        chat = self._chat
        chat.attendance.absences.discard(member)
        chat.attendance.unplug(member)
        member.outlet.replace(member.view.reply(REPLACED))
        member.outlet = NOWHERE
        member.remote = True
        for membership in list(member.memberships):
            if membership.until is not None:
                member.memberships.remove(membership)
            elif membership.since is None:
                # The member was about to join, which is void now.
                member.memberships.remove(membership)
                chat.places.vacate(membership.room)
            membership.leaving = membership.kept = False
        if member.session is not None:
            member.session.unstored.clear()

    def _adopt(self, node: str) -> None:
        """Take over the members of a boot of a node that has ended."""
        chat, journal = self._chat, self._journal
        adopted = [m for m in chat.sessions.values() if m.remote and journal.decides(m.origin)]
        people = [member for member in adopted if member.session is None]
        log.info(
            "{node} is gone: {people} people leave, {programs} programs have their grace",
            node=node,
            people=len(people),
            programs=len(adopted) - len(people),
        )
        for member in adopted:
            self._bring(member)
        self._see_off(people)
        for name, claim in journal.registry.names.items():
            known = journal.registry.known.get(claim.origin)
            if (
                (known is None or not known.who.boot or known.name != name)
                and journal.holds(claim)
                and claim.boot not in journal.outgoing.boots
            ):
                # The name was claimed, but nobody came in under it.
                chat.peers.claims.release(name)

    def _see_off(self, people: list[Member]) -> None:
        """Show people as left, at most :data:`SEEN_OFF_AT_ONCE` with each commit."""
        for member in people[:SEEN_OFF_AT_ONCE]:
            self._chat.attendance.quit(member)
        if people[SEEN_OFF_AT_ONCE:]:
            self._chat.ticker.batch.then.append(lambda: self._see_off(people[SEEN_OFF_AT_ONCE:]))
