"""Requests of programs for facts about a person, or about the service."""

from __future__ import annotations

from typing import Final

from chatservice import wire
from chatservice.chat.chat import Chat
from chatservice.chat.commands.rooms import is_shown
from chatservice.chat.members import Member
from chatservice.chat.refusals import Refusal
from chatservice.chat.requests.base import Asking, answer
from chatservice.chat.text import safe
from chatservice.wire import Code


def _whois(chat: Chat, member: Member, request: wire.LookUp) -> None:
    other = chat.find(request.name)
    if other is None:
        raise Refusal(Code.NOT_HERE, f"there is no {safe(request.name[:24])} here")
    about = wire.About(
        name=other.name,
        rooms=[m.room.name for m in other.rooms() if is_shown(m.room, member)],
        since=wire.moment(other.since),
        idle=int(chat.clock.seconds() - other.active),
        away=other.away,
        operator=other.operator or None,
        ref=request.ref,
    )
    answer(member, about)


def _uptime(chat: Chat, member: Member, request: wire.Uptime) -> None:
    up = int(chat.clock.seconds() - chat.started)
    answer(member, wire.Up(seconds=up, since=wire.moment(chat.began), ref=request.ref))


PEOPLE: Final[dict[type[wire.Request], Asking]] = {
    wire.LookUp: Asking(_whois),
    wire.Uptime: Asking(_uptime),
}
