"""What programs are told of rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatservice import wire
from chatservice.chat.rooms import Membership, Room

if TYPE_CHECKING:
    from chatservice.chat.chat import Chat


def seen(chat: Chat, room: Room) -> wire.RoomSeen:
    """Return how a room is told of."""
    return wire.RoomSeen(
        room=room.name,
        people=len(room.members),
        topic=chat.standing.topics.get(room.name, ""),
        locked=True if room.name in chat.standing.locks else None,
    )


def joined(chat: Chat, membership: Membership, ref: str | int | None = None) -> None:
    """Tell a program that it is in a room."""
    room = seen(chat, membership.room)
    membership.member.outlet.write(
        wire.encode(
            wire.Ok(to="join", room=room.room, topic=room.topic, people=room.people, ref=ref)
        )
    )
