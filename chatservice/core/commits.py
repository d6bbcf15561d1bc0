"""The effect of a commit, and then its delivery.

Changes are requested elsewhere and become events or facts. They take effect here, once the journal
has stored them, so nothing is shown, and nobody is in a room, before that. There are two
exceptions: a member's current room, which concerns that member alone, and names, which are held
from their claim on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import Final

from twisted.logger import Logger

from chatservice.core.feed.batch import Presence
from chatservice.core.feed.fanout import deliver, deliver_addressed
from chatservice.core.members import Membership, Replay
from chatservice.core.moderation import BAN
from chatservice.core.presence import Attendance
from chatservice.core.rooms import Rooms
from chatservice.core.state import State
from chatservice.journal.events import HOUSE, JOINED, ROOM, TALK, Committed, Event, Fact
from chatservice.messages.shown import Entered
from chatservice.text.listing import FACES

HISTORY_ON_JOINING: Final = 20

log = Logger()


class Commits:
    """Applies commits to members, rooms and facts, and delivers their events."""

    def __init__(self, state: State, rooms: Rooms, attendance: Attendance) -> None:
        self._state = state
        self._rooms = rooms
        self._attendance = attendance

    def show(self, committed: Committed, presences: dict[int, Presence]) -> int:
        """Apply a commit, then deliver it; a step that fails does not stop the others.

        :param presences: the joins and leaves of the batch, by ``seq``; emptied by this.
        :return: the number of sends that delay the next commit.
        """
        state, origin = self._state, self._state.ticker.origin
        events, facts = committed
        before = state.past.head
        missing: list[Presence] = []
        # Check the clock at each commit, so that no unchecked time is stored.
        state.wall.now()
        state.past.append(events)
        state.talked += sum(event.kind in TALK for event in events)
        # Facts first, because joins and leaves below show topics, and may delete them.
        if facts:
            with log.failuresHandled("applying facts failed"):
                self._hold(facts)
        if state.tokens:
            with log.failuresHandled("noting stored numbers failed"):
                self._note_numbers(events)
        if presences:
            for event in events:
                if event.origin == origin:
                    with log.failuresHandled("applying a join or leave failed"):
                        presence, left_out = presences.pop(event.seq).split(event)
                        if left_out is not None:
                            missing.append(left_out)
                        self._moved(event, presence, before)
        sends = 0
        for name, happened in groupby(events, key=attrgetter("room")):
            with log.failuresHandled("delivering events failed"):
                sends += self._deliver(name, list(happened))
        state.readers.turn()
        return state.peers.shown(sends, [*missing, *presences.values()])

    def _deliver(self, name: str, events: Sequence[Event]) -> int:
        """Deliver events of one room, of everybody, or of one inbox to members at the head."""
        room = self._rooms.by_name.get(name)
        if room is not None:
            return deliver(events, room.head, self._state.step_back)
        if name.startswith(HOUSE):
            return deliver_addressed(self._state.sessions, name, events, self._state.step_back)
        return 0

    def _note_numbers(self, events: Sequence[Event]) -> None:
        """Mark the numbers of programs' events as stored, in their sessions."""
        for event in events:
            if event.seq > 0:
                session = self._state.tokens.of(event.origin)
                if session is not None:
                    session.seq = max(session.seq, event.seq)
                    session.unstored.pop(event.seq, None)

    def _hold(self, facts: Sequence[Fact]) -> None:
        called = {fact.name: fact.value for fact in facts if fact.kind == ROOM and fact.value}
        if called:
            self._rooms.call_otherwise(called)
        self._state.standing.apply(facts, just_now=not self._state.stale)
        if any(fact.kind == BAN and fact.value for fact in facts):
            for member in list(self._state.members):
                banned = self._state.unwanted(member)
                if banned is not None:
                    self._attendance.send_away(member, "banned", banned)
        self._state.peers.hold(facts)

    def _moved(self, event: Event, presence: Presence, before: int) -> None:
        """Apply a join or leave event: put members into a room, or take them out.

        A member that moves becomes a cursor before the tick and reads all of it, so it sees exactly
        the events of each room while it was there.
        """
        for membership in presence.memberships:
            record = membership.member.record
            if record is not None:
                record.reading = membership.moved(presence.kind, event.id, record.reading)
            if presence.kind == JOINED:
                membership.since = event.id
                if record is not None:
                    # A member that comes back reads on from its first join.
                    membership.since = record.reading.rooms[membership.room.name]
                membership.room.members[membership.member] = None
                self._rooms.changed()
            else:
                membership.until = membership.until or event.id
                if membership.kept:
                    membership.member.until = membership.member.until or event.id
                membership.room.members.pop(membership.member, None)
                self._rooms.vacate(membership.room)
        for membership in presence.memberships:
            member = membership.member
            # A member that was let go while the journal refused has nothing left to read.
            if not member.gone or member.memberships:
                self._state.step_back(member, before)
                new = membership.since == event.id and not member.gone
                if presence.kind == JOINED and new and member.view.greets:
                    self._welcome(membership, event.id)

    def _welcome(self, membership: Membership, upto: int) -> None:
        """Show a room, and a look into its past, to a member that has just joined it."""
        member, room = membership.member, membership.room
        if member.lost:
            return
        others = [o.name for o in islice(room.members, FACES + 2) if o is not member]
        member.reply(
            Entered(
                room=room.name,
                others=others[: FACES + 1],
                count=len(room.members) - 1,
                topic=self._state.standing.topics.get(room.name, ""),
            )
        )
        self._state.replay(member, Replay(room.name, HISTORY_ON_JOINING, upto, asked=False))
