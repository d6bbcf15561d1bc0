"""What programs ask for themselves."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred

from chatservice import wire
from chatservice.chat import names
from chatservice.chat.chat import Chat
from chatservice.chat.members import Member
from chatservice.chat.refusals import Refusal
from chatservice.chat.requests.base import Asking, answer, one_line
from chatservice.wire import Code


def _nick(chat: Chat, member: Member, request: wire.Nick) -> Deferred[None] | None:
    name = names.nickname(request.name, chat.limits.max_name)
    ok = wire.Ok(to=request.type, name=name, ref=request.ref)
    if name == member.name:
        answer(member, ok)
        return None
    return chat.rename(member, name).addCallback(
        lambda _: chat.ticker.batch.then(lambda: answer(member, ok))
    )


def _away(chat: Chat, member: Member, request: wire.Away) -> None:
    text = one_line(chat, request.text)
    chat.be_away(member, text)
    answer(member, wire.Ok(to=request.type, ref=request.ref))


def _hello(chat: Chat, member: Member, request: wire.Hello) -> None:
    raise Refusal(Code.WELCOME_ALREADY, "you have been welcomed already")


def _ping(chat: Chat, member: Member, request: wire.Ping) -> None:
    answer(member, wire.Pong(ref=request.ref))


def _quit(chat: Chat, member: Member, request: wire.Quit) -> None:
    text = one_line(chat, request.text)
    words = chat.parting_words(member, text)
    answer(member, wire.Ok(to=request.type, ref=request.ref))
    chat.quit(member, words)


ONESELF: Final[dict[type[wire.Request], Asking]] = {
    wire.Hello: Asking(_hello),
    wire.Nick: Asking(_nick),
    wire.Away: Asking(_away),
    wire.Ping: Asking(_ping, settled=False),
    wire.Quit: Asking(_quit),
}
