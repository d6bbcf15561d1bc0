"""What is told of rooms to who asks."""

from __future__ import annotations

from typing import Protocol

from chatservice import messages
from chatservice.core.members import Membership, Room
from chatservice.core.moderation import Standing
from chatservice.messages import replies


class Holds(Protocol):
    """Something that knows what holds."""

    standing: Standing


def seen(chat: Holds, room: Room) -> messages.RoomSeen:
    """Return how a room is told of."""
    return messages.RoomSeen(
        room=room.name,
        people=len(room.members),
        topic=chat.standing.topics.get(room.name, ""),
        locked=True if room.name in chat.standing.locks else None,
    )


def joined(chat: Holds, membership: Membership, ref: str | int | None = None) -> None:
    """Tell a member that it is in a room, as it asked."""
    membership.member.reply(replies.joined(seen(chat, membership.room), ref))
