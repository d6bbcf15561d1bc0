"""The commands with which one speaks: to a room, to one person; and who hears it."""

from __future__ import annotations

from chatservice.core import ignoring
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.doors.text.commands.base import Command, current, room_name, somebody
from chatservice.journal.events import DID, SAID
from chatservice.messages import Code
from chatservice.messages.shown import Sent
from chatservice.text import wording
from chatservice.text.directions import directed
from chatservice.text.layout import listed

NO_TOPIC = "-"


def _me(chat: Chat, member: Member, text: str) -> None:
    chat.say(member, current(member), DID, text)


def _say(chat: Chat, member: Member, room: str, text: str) -> None:
    name = room_name(chat, room)
    if member.membership(name) is None:
        raise Refusal(Code.NOT_IN_ROOM, f"you are not in #{name}: /join it first")
    chat.say(member, name, SAID, text)


def _msg(chat: Chat, member: Member, name: str, text: str) -> None:
    _write(chat, member, somebody(chat, name), text)


def _reply(chat: Chat, member: Member, text: str) -> None:
    if not member.correspondent:
        raise Refusal(Code.BAD_FIELD, "nobody wrote to you privately yet")
    to = chat.sessions.get(member.correspondent)
    if to is None:
        raise Refusal(Code.BAD_FIELD, wording.NOT_HERE_ANY_MORE)
    _write(chat, member, to, text)


def _write(chat: Chat, member: Member, to: Member, text: str) -> None:
    if to is member:
        raise Refusal(Code.BAD_FIELD, "that is you")
    chat.write(member, to, text)
    sent = Sent(to=to.name, text=text)
    chat.ticker.batch.then(lambda: member.reply(sent))
    if to.away is not None and member.origin not in to.told:
        to.told |= {member.origin}
        shown = directed(to.name)
        member.tell(f"{shown} is away: {to.away}" if to.away else f"{shown} is away")


def _topic(chat: Chat, member: Member, text: str) -> None:
    assert member.current is not None
    room = member.current.room
    topic = chat.standing.topics.get(room.name)
    if not text:
        member.tell(f"the topic: {topic}" if topic else f"#{room.name} has no topic")
        return
    gone = text == NO_TOPIC
    chat.set_topic(member, room, "" if gone else text)
    chat.ticker.batch.then(
        lambda: member.tell("the topic is gone" if gone else f"the topic: {text}")
    )


def _away(chat: Chat, member: Member, text: str) -> None:
    chat.be_away(member, text)
    member.tell("you are away until you speak")


def _ignore(chat: Chat, member: Member, name: str) -> None:
    other = somebody(chat, name)
    if other is member:
        raise Refusal(Code.BAD_FIELD, "that is you")
    if len(member.ignored or ()) >= ignoring.MOST:
        raise Refusal(Code.BAD_FIELD, f"you ignore {ignoring.MOST} people already")
    ignoring.ignore(member, other)
    chat.ignorers[member] = None
    member.tell(f"you see no more of {directed(other.name)}")


def _unignore(chat: Chat, member: Member, name: str) -> None:
    shown = ignoring.heed(member, name)
    if shown is None:
        raise Refusal(Code.NOT_HERE, f"you don't ignore {name[:24]}")
    if not member.ignored:
        del chat.ignorers[member]
    member.tell(f"you see {shown} again")


def _ignored(chat: Chat, member: Member) -> None:
    if not member.ignored:
        member.tell("you ignore nobody")
        return
    member.tell(
        "you ignore:", *listed(sorted(directed(i.name) for i in member.ignored.values()), "  ")
    )


TALKING = (
    Command("me", "TEXT", "say what you do", "/me waves", _me, in_room=True),
    Command("say", "ROOM TEXT", "say it in a room", "/say dev it works!", _say),
    Command("msg", "NAME TEXT", "write privately", "/msg ana lunch?", _msg),
    Command("reply", "TEXT", "answer privately", "/reply yes, at one", _reply),
    Command(
        "topic",
        "[TEXT]",
        "what a room is for",
        f"/topic the next release ({NO_TOPIC} for none)",
        _topic,
        in_room=True,
    ),
    Command("away", "[TEXT]", "say you are away", "/away out for lunch", _away),
    Command("ignore", "NAME", "hide what they say", "/ignore bob", _ignore),
    Command("unignore", "NAME", "see it again", "/unignore bob", _unignore),
    Command("ignored", "", "whom you ignore", "/ignored", _ignored),
)
