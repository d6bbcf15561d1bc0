"""What programs ask of rooms: to come and go, who is there, what was said."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from twisted.internet.defer import Deferred

from chatservice import messages
from chatservice.core.answers import Pieces, made
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.core.talk import talk_after, talk_before
from chatservice.core.telling import joined, seen
from chatservice.doors.json.requests.base import Asking, answer, membership_in, room_name
from chatservice.doors.json.view import told
from chatservice.doors.text.commands.rooms import HISTORY_MOST, hidden, is_shown
from chatservice.messages import Code

PEOPLE_TOLD: Final = 500
ROOMS_TOLD: Final = 500
HISTORY_SHORT: Final = 50
"""So much of the past is read at once, if it is in memory."""


def _join(chat: Chat, member: Member, request: messages.Join) -> None:
    name = room_name(chat, request.room)
    there = member.membership(name)
    membership = chat.join(member, name)
    if there is not None:
        joined(chat, membership, request.ref)
    else:
        chat.ticker.batch.then(lambda: joined(chat, membership, request.ref))


def _leave(chat: Chat, member: Member, request: messages.Leave) -> None:
    membership = membership_in(chat, member, request.room)
    chat.leave(membership)
    ok = messages.Ok(to=request.type, room=membership.room.name, ref=request.ref)
    chat.ticker.batch.then(lambda: answer(member, ok))


def _who(chat: Chat, member: Member, request: messages.Who) -> Deferred[None] | None:
    name = room_name(chat, request.room)
    room = chat.rooms.get(name)
    people: Iterable[Member] = room.members if room and is_shown(room, member) else ()
    there = list(islice(people, PEOPLE_TOLD))
    count = len(room.members) if there and room is not None else 0
    reply = messages.WhoIs(room=name, people=[], count=count, ref=request.ref)
    told = (messages.Person(name=p.name, away=p.away) for p in there)
    return chat.answers.give(member.outlet, made(messages.in_parts(reply, "people", told)))


def _rooms(chat: Chat, member: Member, request: messages.Rooms) -> Deferred[None] | None:
    def told() -> Pieces:
        if chat.directory.dear:
            yield b""
        shown, count = chat.directory.first(ROOMS_TOLD, hidden(member))
        reply = messages.RoomList(rooms=[], count=count, ref=request.ref)
        yield from messages.in_parts(reply, "rooms", (seen(chat, room) for room in shown))

    return chat.answers.give(member.outlet, told())


def _history(chat: Chat, member: Member, request: messages.History) -> Deferred[None] | None:
    if request.before is not None and request.after is not None:
        raise Refusal(Code.BAD_FIELD, "it is before an id or after one, not both")
    room = membership_in(chat, member, request.room).room.name
    limit = min(max(request.limit, 1), HISTORY_MOST)

    before = request.before if request.before is not None else chat.past.head + 1

    def given() -> Pieces:
        if limit > HISTORY_SHORT:
            yield b""
        unseen = frozenset(member.hidden)
        if request.after is not None:
            talk = yield from talk_after(chat.past, room, request.after, limit, unseen)
        else:
            talk = yield from talk_before(chat.past, room, before, limit, unseen)
        past = messages.Past(room=room, events=[], more=talk.more, gap=talk.gap, ref=request.ref)
        yield from messages.in_parts(past, "events", map(told, talk.events))

    return chat.answers.give(member.outlet, given())


ROOMS: Final[dict[type[messages.Request], Asking]] = {
    messages.Join: Asking(_join),
    messages.Leave: Asking(_leave),
    messages.Who: Asking(_who),
    messages.Rooms: Asking(_rooms),
    messages.History: Asking(_history),
}
