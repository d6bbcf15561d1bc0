"""The list of rooms; joining and leaving them.

A room exists while it has a member, or somebody is about to join. Permanent rooms always exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from chatservice.core.members import Member, Membership, Room
from chatservice.core.permissions import check_heard
from chatservice.core.refusals import Refusal
from chatservice.core.state import OPERATORS, State
from chatservice.journal.events import TOPIC, Fact
from chatservice.limits import Limits
from chatservice.messages import Code, RoomSeen
from chatservice.messages.replies import joined

MANY: Final = 200
"""The number of rooms above which sorting them takes a turn of the reactor of its own."""


class Rooms:
    """All rooms, and the ways in and out of them.

    :ivar by_name: the rooms by their names.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.by_name = {name: Room(name) for name in state.permanent}
        self._order: list[Room] | None = None

    # Listing

    def changed(self) -> None:
        """Discard the sorted list, because members or rooms have come or gone."""
        self._order = None

    @property
    def dear(self) -> bool:
        """Whether :meth:`first` would take long, because many rooms have to be sorted."""
        return self._order is None and len(self.by_name) > MANY

    def first(self, most: int, without: str = "") -> tuple[list[Room], int]:
        """Return the first ``most`` rooms, the fullest first, and the number of all rooms.

        Equally full rooms are in the order of their names.

        :param without: the name of a room to leave out of both.
        """
        if self._order is None:
            self._order = sorted(
                self.by_name.values(), key=lambda room: (-len(room.members), room.name)
            )
        shown = (room for room in self._order if room.name != without)
        return list(islice(shown, most)), len(self._order) - (without in self.by_name)

    def seen(self, room: Room) -> RoomSeen:
        """Return the description of a room for replies: its name, size, topic and lock."""
        standing = self._state.standing
        return RoomSeen(
            room=room.name,
            people=len(room.members),
            topic=standing.topics.get(room.name, ""),
            locked=True if room.name in standing.locks else None,
        )

    def tell_joined(self, membership: Membership, ref: str | int | None = None) -> None:
        """Tell a member that the join that it asked for is done."""
        membership.member.reply(joined(self.seen(membership.room), ref))

    # Joining and leaving

    def room(self, name: str, made_from: str = "") -> Room:
        """Return the room with a name; create it if it does not exist.

        :param made_from: the address that a new room counts for.
        """
        if name not in self.by_name:
            self.by_name[name] = Room(name, made_from)
            self.changed()
        return self.by_name[name]

    def put(self, member: Member, name: str, since: int) -> None:
        """Put a member into a room, as of a join event that is already stored."""
        room = self.room(name)
        room.population += 1
        room.members[member] = None
        member.memberships.append(Membership(member, room, since))
        self.changed()

    def vacate(self, room: Room) -> None:
        """Count one member less in a room; if the room is forgotten, delete its topic, too."""
        if self.lose_one(room) and room.name in self._state.standing.topics:
            self._state.ticker.batch.hold(Fact(TOPIC, room.name, ""))
            self._state.ticker.wake()

    def lose_one(self, room: Room) -> bool:
        """Count one member less in a room; return whether that left it empty and forgotten."""
        self.changed()
        room.population -= 1
        if room.population or room.name in self._state.permanent:
            return False
        self.by_name.pop(room.name, None)
        if room.made_from:
            self._state.shares.room_gone(room.made_from)
        return True

    def call_otherwise(self, rooms: Mapping[str, str]) -> None:
        """Rename rooms; their members and their past stay with them.

        :param rooms: the new names, by the old ones.
        """
        self._state.past.call_rooms(rooms)
        for old, new in rooms.items():
            room = self.by_name.pop(old, None)
            # A room with the new name exists if a member is about to join it: keep that room.
            if room is not None and new not in self.by_name:
                room.name = new
                self.by_name[new] = room
            self.changed()
        for member in self._state.members:
            if member.record is not None:
                member.record.reading = member.record.reading.called(rooms)

    def join(self, member: Member, name: str) -> Membership:
        """Let a member join a room, which is created if needed, and make it the current one.

        :param name: the name as :func:`.names.room_name` returns it.
        :raises Refusal: if the room is locked or only for operators, if a limit is reached, or if
            the room would be new and the member is muted.
        """
        membership = member.membership(name)
        if membership is None:
            membership = self._new_membership(member, name)
            self._state.ticker.batch.join(membership)
            self._state.ask(member)
            if self._state.held_up:
                member.tell(f"nothing can be stored now: when it can, you are in #{name}")
        member.turn_to(membership)
        return membership

    def _new_membership(self, member: Member, name: str) -> Membership:
        limits = self._state.limits
        if member.operator:
            limits = Limits(max_rooms_per_member=0, max_rooms=0)
        elif name == OPERATORS:
            raise Refusal(Code.NOT_LET_IN, f"#{name} is for operators")
        elif name in self._state.standing.locks:
            raise Refusal(Code.NOT_LET_IN, f"#{name} is locked: nobody can come in now")
        if limits.max_rooms_per_member and len(member.rooms()) >= limits.max_rooms_per_member:
            raise Refusal(
                Code.NOT_LET_IN,
                f"you are in {limits.max_rooms_per_member} rooms already: /leave one first",
            )
        room = self.by_name.get(name)
        if room is None:
            check_heard(self._state.standing, member.name)
            if limits.max_rooms and len(self.by_name) >= limits.max_rooms:
                raise Refusal(Code.NOT_LET_IN, f"there are {limits.max_rooms:,} rooms already")
            site = "" if member.operator else member.outlet.site
            self._state.shares.new_room(site)
            room = self.room(name, site)
        room.population += 1
        membership = Membership(member, room)
        member.memberships.append(membership)
        return membership

    def leave(self, membership: Membership) -> None:
        """Let a member leave a room; if it was the current one, turn to the one joined last."""
        member = membership.member
        membership.leaving = True
        if member.current is membership:
            member.turn_to(next(reversed(member.rooms()), None))
        self._state.ticker.batch.leave(membership)
        self._state.ask(member)
        # Two lines: the leave event, and the join event if the member comes back.
        self._state.spend(member, membership.room.name, lines=2)
