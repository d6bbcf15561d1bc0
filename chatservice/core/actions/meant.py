"""The room, or the person, that typed words mean."""

from __future__ import annotations

from chatservice.core.chat import Chat
from chatservice.core.members import Member, Membership
from chatservice.core.refusals import Refusal
from chatservice.messages import Code
from chatservice.text import names
from chatservice.text.sanitising import safe


def current_room(member: Member) -> str:
    """Return the name of a member's current room; ``""`` if it is in no room."""
    return member.current.room.name if member.current is not None else ""


def room_name(chat: Chat, member: Member, typed: str) -> str:
    """Return a typed room name in its normal form; a name of the member's own rooms as it is.

    :raises BadName: if it can't be the name of a room.
    """
    if (typed and typed == current_room(member)) or member.membership(typed) is not None:
        return typed
    return names.room_name(typed, chat.limits.max_name)


def membership_in(chat: Chat, member: Member, typed: str) -> Membership:
    """Return the membership of a member in a room.

    :raises BadName: if the text can't be the name of a room.
    :raises Refusal: if the member is not in the room.
    """
    name = room_name(chat, member, typed)
    membership = member.membership(name)
    if membership is None:
        raise Refusal(Code.NOT_IN_ROOM, f"you are not in #{name}")
    return membership


def somebody(chat: Chat, name: str) -> Member:
    """Return the member with a name.

    :raises Refusal: if nobody here has it.
    """
    member = chat.find(name)
    if member is None:
        raise Refusal(Code.NOT_HERE, f"there is no {safe(name[:24])} here", "/who shows who is")
    return member
