"""Requests of somebody for themselves: another name, to be away, to leave."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.messages import Away, Code, Hello, Nick, Ok, Ping, Pong, Quit, Reply
from chatservice.messages.shown import Goodbye, Named
from chatservice.text import names


def nick(chat: Chat, member: Member, request: Nick) -> Deferred[Reply] | Reply:
    """Take another name."""
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
    """Be away, until one speaks."""
    chat.be_away(member, request.text)
    return Ok(to=request.type, ref=request.ref)


def hello(chat: Chat, member: Member, request: Hello) -> Reply:
    """Refuse to welcome somebody again."""
    raise Refusal(Code.WELCOME_ALREADY, "you have been welcomed already")


def ping(chat: Chat, member: Member, request: Ping) -> Reply:
    """Tell that somebody is there."""
    return Pong(ref=request.ref)


def quit(chat: Chat, member: Member, request: Quit) -> None:
    """Leave."""
    words = chat.attendance.parting_words(member, request.text)
    member.reply(Goodbye(name=member.name, ref=request.ref))
    chat.attendance.quit(member, words)
