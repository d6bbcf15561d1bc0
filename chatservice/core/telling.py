"""What is told of rooms to who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatservice import messages
from chatservice.core.members import Membership, Room

if TYPE_CHECKING:
    from chatservice.core.chat import Chat


def seen(chat: Chat, room: Room) -> messages.RoomSeen:
    """Return how a room is told of."""
    return messages.RoomSeen(
        room=room.name,
        people=len(room.members),
        topic=chat.standing.topics.get(room.name, ""),
        locked=True if room.name in chat.standing.locks else None,
    )


def joined(chat: Chat, membership: Membership, ref: str | int | None = None) -> None:
    """Tell a member that it is in a room, as it asked."""
    room = seen(chat, membership.room)
    membership.member.reply(
        messages.Ok(to="join", room=room.room, topic=room.topic, people=room.people, ref=ref)
    )
