"""People: what is known of one, and of the server that they are on."""

from __future__ import annotations

from chatservice.core.actions.meant import somebody
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.permissions import hidden_room
from chatservice.messages import About, LookUp, Up, Uptime, moment
from chatservice.messages.shown import Profile


def whois(chat: Chat, member: Member, request: LookUp) -> Profile:
    """Tell about one person."""
    other = somebody(chat, request.name)
    term = chat.standing.muted(other.name) if member.operator else None
    hidden = hidden_room(member)
    about = About(
        name=other.name,
        rooms=[m.room.name for m in other.rooms() if m.room.name != hidden],
        since=moment(other.since),
        idle=int(chat.clock.seconds() - other.active),
        away=other.away,
        operator=other.operator or None,
        ref=request.ref,
    )
    return Profile(
        about=about,
        address=other.outlet.address if member.operator else None,
        muted=term.summary if term is not None else None,
    )


def uptime(chat: Chat, member: Member, request: Uptime) -> Up:
    """Tell since when the server runs."""
    up = int(chat.clock.seconds() - chat.started)
    return Up(seconds=up, since=moment(chat.began), ref=request.ref)
