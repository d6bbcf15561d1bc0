"""The commands about rooms: which there are, who is there, to come and go, what was said."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from twisted.internet.defer import Deferred

from chatservice.core.answers import AT_ONCE, Pieces, lines
from chatservice.core.chat import Chat
from chatservice.core.members import Member, Room
from chatservice.core.state import OPERATORS
from chatservice.doors.text.commands.base import Command, Refused, current, room_name
from chatservice.text.directions import directed
from chatservice.text.layout import listed, wrap
from chatservice.text.listing import people

HISTORY_MOST: Final = 1000
HISTORY_USUAL: Final = 20
NAMES_LISTED: Final = 500
ROOMS_LISTED: Final = 100


def is_shown(room: Room, member: Member) -> bool:
    """Tell whether a member may know who is in a room."""
    return room.name != hidden(member)


def hidden(member: Member) -> str:
    """Name the room of which a member may not know who is in it; ``""`` if there is none."""
    return "" if member.operator else OPERATORS


def _who(chat: Chat, member: Member, typed: str) -> Deferred[None] | None:
    if not typed and member.current is None:
        raise Refused("you are in no room: /who ROOM")
    name = room_name(chat, typed) if typed else current(member)
    room = chat.rooms.get(name)
    if room is None or not room.members or not is_shown(room, member):
        member.tell(f"nobody is in #{name}")
        return None
    there = list(islice(room.members, NAMES_LISTED))
    count = len(room.members)

    def told() -> Pieces:
        if count > AT_ONCE:
            yield b""
        yield from lines(member, _list_people(chat, name, there, count))

    return chat.answers.give(member.outlet, told())


def _list_people(chat: Chat, room: str, there: Sequence[Member], count: int) -> list[str]:
    shown = [directed(other.name) + ("" if other.away is None else " (away)") for other in there]
    more = [f"and {count - NAMES_LISTED:,} more"] if count > NAMES_LISTED else []
    heading = wrap(f"{people(count)} in #{room}:".split())
    told = [*heading, *listed(shown, "  "), *(f"  {line}" for line in more)]
    return [*told, chat.stale] if chat.stale else told


def _rooms(chat: Chat, member: Member) -> Deferred[None] | None:
    def told() -> Pieces:
        if chat.directory.dear:
            yield b""
        yield from lines(member, _list_rooms(chat, member))

    return chat.answers.give(member.outlet, told())


def _list_rooms(chat: Chat, member: Member) -> list[str]:
    shown, count = chat.directory.first(ROOMS_LISTED, hidden(member))
    yours = {
        m.room: " (you are here)" if m is member.current else " (yours)" for m in member.rooms()
    }
    columns = max(len(f"{len(shown[0].members):,}"), 1)
    rows = [
        f"{len(r.members):>{columns},}  #{r.name}{yours.get(r, '')}"
        + (" (locked)" if r.name in chat.standing.locks else "")
        for r in shown
    ]
    if member.operator:
        empty = sorted(chat.standing.locks - chat.rooms.keys())
        rows += [f"{0:>{columns}}  #{name} (locked)" for name in empty[:ROOMS_LISTED]]
    if count > ROOMS_LISTED:
        rows.append(f"and {count - ROOMS_LISTED:,} more")
    return rows


def _join(chat: Chat, member: Member, typed: str) -> None:
    name = room_name(chat, typed)
    if member.membership(name) is None:
        chat.join(member, name)
    elif name == current(member):
        member.tell(f"you are in #{name} already")
    else:
        chat.join(member, name)
        member.tell(f"you are in #{name} now")


def _leave(chat: Chat, member: Member, typed: str) -> None:
    if not typed and member.current is None:
        raise Refused("you are in no room")
    name = room_name(chat, typed) if typed else current(member)
    membership = member.membership(name)
    if membership is None:
        raise Refused(f"you are not in #{name}")
    moves = membership is member.current
    chat.leave(membership)
    now = current(member)
    if not now:
        member.tell(f"you left #{name}; /join another")
    else:
        member.tell(f"you left #{name}" + (f" and are in #{now} now" if moves else ""))


def _history(chat: Chat, member: Member, typed: str) -> Deferred[None] | None:
    if typed and not (typed.isascii() and typed.isdigit() and int(typed[:9])):
        raise Refused(f"usage: /history [N], N up to {HISTORY_MOST:,}")
    count = int(typed[:9]) if typed else HISTORY_USUAL
    return chat.look_back(member, current(member), min(count, HISTORY_MOST))


ROOMS = (
    Command("who", "[ROOM]", "who is in a room", "/who dev", _who),
    Command("rooms", "", "list the rooms", "/rooms", _rooms),
    Command("join", "ROOM", "go into a room", "/join dev", _join),
    Command("leave", "[ROOM]", "leave a room", "/leave dev", _leave),
    Command("history", "[N]", "what was said", "/history 100", _history, in_room=True),
)
