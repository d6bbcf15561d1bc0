"""Requests of programs for facts about a person, or about the service."""

from __future__ import annotations

from typing import Final

from chatservice import messages
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.doors.json.requests.base import Asking, answer
from chatservice.doors.text.commands.rooms import is_shown
from chatservice.messages import Code
from chatservice.text.sanitising import safe


def _whois(chat: Chat, member: Member, request: messages.LookUp) -> None:
    other = chat.find(request.name)
    if other is None:
        raise Refusal(Code.NOT_HERE, f"there is no {safe(request.name[:24])} here")
    about = messages.About(
        name=other.name,
        rooms=[m.room.name for m in other.rooms() if is_shown(m.room, member)],
        since=messages.moment(other.since),
        idle=int(chat.clock.seconds() - other.active),
        away=other.away,
        operator=other.operator or None,
        ref=request.ref,
    )
    answer(member, about)


def _uptime(chat: Chat, member: Member, request: messages.Uptime) -> None:
    up = int(chat.clock.seconds() - chat.started)
    answer(member, messages.Up(seconds=up, since=messages.moment(chat.began), ref=request.ref))


PEOPLE: Final[dict[type[messages.Request], Asking]] = {
    messages.LookUp: Asking(_whois),
    messages.Uptime: Asking(_uptime),
}
