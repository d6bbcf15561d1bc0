"""Brings the members of a node back after the node was taken for dead.

The node was cut off for longer than its lease, so another node has adopted its members: it shows
them as left and frees their names, maybe not yet for all of them. Before anything that waits here
is published, this node takes each member back, if that is still possible. Else it claims the name
again, and the member joins its rooms again. A member whose name is taken by now gets another name.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Final

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from chatservice import messages
from chatservice.cluster.claims import SharedClaims
from chatservice.cluster.entries import NAME, TAKE
from chatservice.cluster.journal import ClusterJournal
from chatservice.core.chat import Chat
from chatservice.core.feed.batch import Batch
from chatservice.core.members import Member
from chatservice.core.moderation import MUTE
from chatservice.core.nicknames import NameTaken
from chatservice.journal.events import Fact
from chatservice.text import names

SAID_AT_ONCE: Final = 500
"""The number of members that one entry brings back."""

log = Logger()


class Reclaiming:
    """Brings the members of this node back, once, after the loss of its lease."""

    def __init__(self, chat: Chat, journal: ClusterJournal, claims: SharedClaims) -> None:
        self._chat = chat
        self._journal = journal
        self._claims = claims
        self._batch = Batch(chat.ticker.origin, -secrets.randbits(62))

    async def run(self) -> None:
        """Bring all members back, and only then publish the entries that wait."""
        chat = self._chat
        mine = [m for m in chat.members if not m.remote and m.record is not None]
        log.critical("this node was taken for dead: {count} members return", count=len(mine))
        said = [
            Deferred.fromCoroutine(self._say(mine[begin : begin + SAID_AT_ONCE]))
            for begin in range(0, max(1, len(mine)), SAID_AT_ONCE)
        ]
        await DeferredList(said)
        batch = self._batch
        batch.close()
        if batch.drafts or batch.records:
            back = self._journal.commit(batch.drafts, batch.facts, first=True)
            back.addCallback(chat.commits.show, batch.presences)
        self._journal.reclaimed()

    async def _say(self, mine: Sequence[Member]) -> None:
        """Take members back where that is possible; else have them join or be renamed."""
        facts: list[Fact] = []
        for member in mine:
            assert member.record is not None
            known = self._journal.registry.known.get(member.origin)
            origin = f"{member.origin:x}"
            facts += [
                Fact(TAKE, origin, known.who.boot if known is not None else ""),
                Fact(NAME, names.key(member.name), origin),
                member.record.fact(member.record.reading),
            ]
        effective = await self._journal.say(facts, first=True)
        renamed: list[Deferred[None]] = []
        for index, member in enumerate(mine):
            taken, named, _ = effective[3 * index : 3 * index + 3]
            if member.gone or member.remote:
                continue
            if not named:
                renamed.append(Deferred.fromCoroutine(self._rename(member)))
            elif not taken:
                self._rejoin(member)
        await DeferredList(renamed)

    def _rejoin(self, member: Member) -> None:
        """Show a member as joining again, after the others saw it leave."""
        # Lines that still wait may have an earlier name, if the others never saw the renaming.
        self._journal.outgoing.reword(member.origin, member.name)
        self._chat.ticker.reword(member.origin, member.name)
        for membership in member.memberships:
            # This includes a member that is about to leave: its leaving is shown after this.
            if membership.since is not None and membership.until is None:
                self._batch.join(membership)
        member.tell("the others saw you leave, as they could not be reached: you are back")

    async def _rename(self, member: Member) -> None:
        """Give a member another name: its own, with the first number that is not taken."""
        chat, old = self._chat, member.name
        for number in count(2):
            name = f"{old[: chat.limits.max_name - len(str(number))]}{number}"
            with suppress(NameTaken):
                await self._claims.say(name, member, first=True)
                break
        chat.attendance.call(member, name)
        if member.record is not None:
            self._batch.note(member.record)
        term = chat.standing.muted(old)
        if term is not None:
            # The mute is meant for this member, and not for the new holder of the name.
            self._batch.hold(term._replace(name=name).fact(MUTE, names.key(name)))
        member.tell(f"somebody else is {old} by now: you are {name}")
        member.reply(messages.Ok(to="nick", name=name))
        self._rejoin(member)
