"""What programs ask for themselves."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred

from chatservice import messages
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.doors.json.requests.base import Asking, answer, one_line
from chatservice.messages import Code
from chatservice.text import names


def _nick(chat: Chat, member: Member, request: messages.Nick) -> Deferred[None] | None:
    name = names.nickname(request.name, chat.limits.max_name)
    ok = messages.Ok(to=request.type, name=name, ref=request.ref)
    if name == member.name:
        answer(member, ok)
        return None
    return chat.rename(member, name).addCallback(
        lambda _: chat.ticker.batch.then(lambda: answer(member, ok))
    )


def _away(chat: Chat, member: Member, request: messages.Away) -> None:
    text = one_line(chat, request.text)
    chat.be_away(member, text)
    answer(member, messages.Ok(to=request.type, ref=request.ref))


def _hello(chat: Chat, member: Member, request: messages.Hello) -> None:
    raise Refusal(Code.WELCOME_ALREADY, "you have been welcomed already")


def _ping(chat: Chat, member: Member, request: messages.Ping) -> None:
    answer(member, messages.Pong(ref=request.ref))


def _quit(chat: Chat, member: Member, request: messages.Quit) -> None:
    text = one_line(chat, request.text)
    words = chat.parting_words(member, text)
    answer(member, messages.Ok(to=request.type, ref=request.ref))
    chat.quit(member, words)


ONESELF: Final[dict[type[messages.Request], Asking]] = {
    messages.Hello: Asking(_hello),
    messages.Nick: Asking(_nick),
    messages.Away: Asking(_away),
    messages.Ping: Asking(_ping, settled=False),
    messages.Quit: Asking(_quit),
}
