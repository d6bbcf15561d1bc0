"""Requests about people: lists, one person's profile, ignoring; and the server's uptime."""

from __future__ import annotations

from heapq import merge
from typing import Final

from chatservice.core import ignoring
from chatservice.core.actions.meant import somebody
from chatservice.core.answers import Parts, others_turn
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.permissions import hidden_room
from chatservice.core.refusals import Refusal
from chatservice.messages import About, Code, LookUp, Names, Ok, Up, Uptime, moment
from chatservice.messages.shown import Crowd, Ignoring, Profile
from chatservice.messages.typed import Ignore, Ignored, Unignore
from chatservice.text.listing import alphabetical

NAMES_TOLD: Final = 500
NAMES_AT_ONCE: Final = 100
"""The number of names that are sorted in one step."""
NAMES_A_LINE: Final = 1000
"""The number of names for which a search for a page is charged as one line."""


async def names(chat: Chat, member: Member, request: Names) -> Parts:
    """List a page of everybody's names, in any room or none, in alphabetical order."""
    if request.page < 1:
        raise Refusal(Code.BAD_FIELD, "page is 1 or more")
    limit = min(max(request.limit, 1), NAMES_TOLD)
    there = [other.name for other in chat.members]
    member.outlet.charge(len(there) / NAMES_A_LINE)
    runs = []
    for start in range(0, len(there), NAMES_AT_ONCE):
        if start:
            await others_turn()
        runs.append(sorted(map(alphabetical, there[start : start + NAMES_AT_ONCE])))
    page: list[str] = []
    before = (request.page - 1) * limit
    if before < len(there):
        for place, (_, name) in enumerate(merge(*runs)):
            if len(page) == limit:
                break
            if place and place % NAMES_AT_ONCE == 0:
                await others_turn()
            if place >= before:
                page.append(name)
    return Parts(
        Crowd(
            count=len(there),
            page=request.page,
            pages=-(-len(there) // limit),
            stale=chat.stale,
            ref=request.ref,
        ),
        page,
    )


def whois(chat: Chat, member: Member, request: LookUp) -> Profile:
    """Return the profile of one person; operators see more of it."""
    other = somebody(chat, request.name)
    term = chat.standing.muted(other.name) if member.operator else None
    hidden = hidden_room(member)
    return Profile(
        about=About(
            name=other.name,
            rooms=[m.room.name for m in other.rooms() if m.room.name != hidden],
            since=moment(other.since),
            idle=int(chat.clock.seconds() - other.active),
            away=other.away,
            operator=other.operator or None,
            ref=request.ref,
        ),
        address=other.outlet.address if member.operator else None,
        muted=term.summary if term is not None else None,
    )


def uptime(chat: Chat, member: Member, request: Uptime) -> Up:
    """Return how long, and since when, the server has been running."""
    return Up(
        seconds=int(chat.clock.seconds() - chat.started), since=moment(chat.began), ref=request.ref
    )


def ignore(chat: Chat, member: Member, request: Ignore) -> Ok:
    """Ignore somebody: their words are hidden from the member."""
    other = somebody(chat, request.name)
    if other is member:
        raise Refusal(Code.NOT_HERE, "that is you")
    if len(member.ignored or ()) >= ignoring.MOST:
        raise Refusal(Code.NOT_LET_IN, f"you ignore {ignoring.MOST} people already")
    ignoring.ignore(member, other)
    chat.ignorers[member] = None
    return Ok(to=request.type, name=other.name)


def unignore(chat: Chat, member: Member, request: Unignore) -> Ok:
    """Stop ignoring a name."""
    shown = ignoring.heed(member, request.name)
    if shown is None:
        raise Refusal(Code.NOT_HERE, f"you don't ignore {request.name[:24]}")
    if not member.ignored:
        del chat.ignorers[member]
    return Ok(to=request.type, name=shown)


def ignored(chat: Chat, member: Member, request: Ignored) -> Ignoring:
    """List the names that the member ignores."""
    return Ignoring(names=[one.name for one in (member.ignored or {}).values()])
