"""Requests about rooms: joining, leaving, lists of rooms and members, history, topics."""

from __future__ import annotations

from itertools import islice
from typing import Final

from chatservice.core.actions.meant import current_room, membership_in, room_name
from chatservice.core.answers import Parts, others_turn
from chatservice.core.chat import Chat
from chatservice.core.feed.history import talk_after, talk_before
from chatservice.core.members import Member
from chatservice.core.permissions import hidden_room
from chatservice.core.refusals import Refusal
from chatservice.messages import Code, History, Join, Leave, Ok, Past, Person, Reply, Rooms, Who
from chatservice.messages.shown import Company, Left, Overview, TopicIs, Turned
from chatservice.messages.typed import TopicOf

PEOPLE_TOLD: Final = 500
ROOMS_TOLD: Final = 500
HISTORY_MOST: Final = 1000
HISTORY_SHORT: Final = 50
"""The most events that are read from memory at once, without a turn of their own."""


def join(chat: Chat, member: Member, request: Join) -> Reply | None:
    """Join a room, or make a room that the member is in the current one."""
    name = room_name(chat, member, request.room)
    there, before = member.membership(name), member.current
    membership = chat.places.join(member, name)
    if there is not None:
        return Turned(
            room=chat.places.seen(membership.room),
            already=membership is before,
            ref=request.ref,
        )
    chat.ticker.batch.then.append(lambda: chat.places.tell_joined(membership, request.ref))
    return None


def leave(chat: Chat, member: Member, request: Leave) -> Reply:
    """Leave a room."""
    membership = membership_in(chat, member, request.room)
    before = member.current
    chat.places.leave(membership)
    room = membership.room.name
    chat.ticker.batch.then.append(
        lambda: member.reply(Ok(to=request.type, room=room, ref=request.ref))
    )
    return Left(room=room, now=current_room(member), moved=member.current is not before)


async def who(chat: Chat, member: Member, request: Who) -> Parts:
    """List the members of a room."""
    name = room_name(chat, member, request.room)
    room = chat.rooms.get(name)
    people = room.members if room is not None and name != hidden_room(member) else {}
    there = list(islice(people, PEOPLE_TOLD))
    return Parts(
        Company(room=name, count=len(people), stale=chat.stale, ref=request.ref),
        (Person(name=other.name, away=other.away) for other in there),
    )


async def rooms(chat: Chat, member: Member, request: Rooms) -> Parts:
    """List the rooms."""
    if chat.places.dear:
        await others_turn()
    shown, count = chat.places.first(ROOMS_TOLD, hidden_room(member))
    return Parts(
        Overview(
            count=count,
            here=current_room(member),
            yours=[membership.room.name for membership in member.rooms()],
            locked=sorted(chat.standing.locks - chat.rooms.keys()) if member.operator else [],
            ref=request.ref,
        ),
        map(chat.places.seen, shown),
    )


async def history(chat: Chat, member: Member, request: History) -> Parts:
    """Return talk of a room: the last events before an id, or the first after one."""
    if request.before is not None and request.after is not None:
        raise Refusal(Code.BAD_FIELD, "it is before an id or after one, not both")
    room = membership_in(chat, member, request.room).room.name
    limit = min(max(request.limit, 1), HISTORY_MOST)
    before = request.before if request.before is not None else chat.past.head + 1
    if limit > HISTORY_SHORT:
        await others_turn()
    unseen = frozenset(member.hidden)
    if request.after is not None:
        talk = await talk_after(chat.past, room, request.after, limit, unseen)
    else:
        talk = await talk_before(chat.past, room, before, limit, unseen)
    return Parts(
        Past(room=room, events=[], more=talk.more, gap=talk.gap, ref=request.ref), talk.events
    )


def topic(chat: Chat, member: Member, request: TopicOf) -> Reply:
    """Return the topic of a room."""
    room = membership_in(chat, member, request.room).room.name
    return TopicIs(room=room, topic=chat.standing.topics.get(room, ""), new=False)
