"""Requests about oneself: another name, being away, leaving."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.messages import Away, Code, Hello, Nick, Ok, Ping, Pong, Quit, Reply
from chatservice.messages.shown import Goodbye, Named
from chatservice.text import names


def nick(chat: Chat, member: Member, request: Nick) -> Deferred[Reply] | Reply:
    """Give the member another name."""
    name = names.nickname(request.name, chat.limits.max_name)
    if name == member.name:
        return Named(name=name, already=True, ref=request.ref)

    def renamed(_: None) -> Reply:
        chat.ticker.batch.then.append(
            lambda: member.reply(Ok(to=request.type, name=name, ref=request.ref))
        )
        return Named(name=name)

    return chat.attendance.rename(member, name).addCallback(renamed)


def away(chat: Chat, member: Member, request: Away) -> Reply:
    """Mark the member as away until it speaks."""
    chat.be_away(member, request.text)
    return Ok(to=request.type, ref=request.ref)


def hello(chat: Chat, member: Member, request: Hello) -> Reply:
    """Refuse a second hello."""
    raise Refusal(Code.WELCOME_ALREADY, "you have been welcomed already")


def ping(chat: Chat, member: Member, request: Ping) -> Reply:
    """Answer with a pong."""
    return Pong(ref=request.ref)


def quit(chat: Chat, member: Member, request: Quit) -> None:
    """Say goodbye to the member, and let it leave."""
    words = chat.attendance.parting_words(member, request.text)
    member.reply(Goodbye(name=member.name, ref=request.ref))
    chat.attendance.quit(member, words)
