"""Which room, and whom, somebody means by what they typed."""

from __future__ import annotations

from chatservice.core.chat import Chat
from chatservice.core.members import Member, Membership
from chatservice.core.refusals import Refusal
from chatservice.messages import Code
from chatservice.text import names
from chatservice.text.sanitising import safe


def current_room(member: Member) -> str:
    """Name the room that a member's lines go to; ``""`` if it is in none."""
    return member.current.room.name if member.current is not None else ""


def room_name(chat: Chat, member: Member, typed: str) -> str:
    """Check the name of a room; that of one in which the member is, is known to be good.

    :raises BadName: if it can't be one.
    """
    if (typed and typed == current_room(member)) or member.membership(typed) is not None:
        return typed
    return names.room_name(typed, chat.limits.max_name)


def membership_in(chat: Chat, member: Member, typed: str) -> Membership:
    """Return how a member is in a room.

    :raises BadName: if it can't be a room.
    :raises Refusal: if the member is not in it.
    """
    name = room_name(chat, member, typed)
    membership = member.membership(name)
    if membership is None:
        raise Refusal(Code.NOT_IN_ROOM, f"you are not in #{name}")
    return membership


def somebody(chat: Chat, name: str) -> Member:
    """Find who is meant.

    :raises Refusal: if nobody is called so.
    """
    member = chat.find(name)
    if member is None:
        raise Refusal(Code.NOT_HERE, f"there is no {safe(name[:24])} here", "/who shows who is")
    return member
