"""The sessions that a member ignores, and the names under which it ignores them.

Sessions are ignored, so a change of name does not help; names are ignored, so a new connection
does not help. A session is hidden under one name, its last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chatservice.core.members import NONE_HIDDEN, Ignored, Member
from chatservice.text import names

MOST: Final = 100
"""The most names that one member may ignore."""

SESSIONS_MOST: Final = 100
"""The most sessions kept for one name. One more replaces all of them."""


def ignore(member: Member, other: Member) -> None:
    """Hide another member's session, under its current name, from a member."""
    _hide(member, names.key(other.name), other)


def heed(member: Member, name: str) -> str | None:
    """Stop ignoring a name, and all sessions that are hidden under it.

    :returns: the name as it was written when it was ignored; None if it was not ignored.
    """
    heeded = (member.ignored or {}).get(names.key(name))
    if heeded is None:
        return None
    for origin in list(heeded.sessions):
        _show(member, origin)
    return heeded.name


def recognise(member: Member, people: Iterable[Member]) -> None:
    """Hide a member with a new name from people who ignore that name, or the member's session.

    Other sessions that had the member's old name stay hidden under it.
    """
    key, origin = names.key(member.name), member.origin
    for other in people:
        if other.ignored and (key in other.ignored or origin in other.hidden):
            _hide(other, key, member)


def _hide(member: Member, key: str, other: Member) -> None:
    if member.ignored is None:
        member.ignored, member.hidden = {}, {}
    ignored, hidden, origin = member.ignored, member.hidden, other.origin
    member.hidings += 1
    before = hidden.get(origin)
    if key not in ignored and len(ignored) >= MOST and before is not None:
        # No further name fits, so the new one replaces the old one, for all its sessions.
        ignored[key] = ignored.pop(before)
        hidden.update(dict.fromkeys(ignored[key].sessions, key))
    elif before is not None and before != key:
        _show(member, origin)
    entry = ignored.setdefault(key, Ignored(other.name))
    if len(entry.sessions) >= SESSIONS_MOST and origin not in entry.sessions:
        for over in entry.sessions:
            del hidden[over]
        entry.sessions.clear()
    entry.name = other.name
    entry.sessions[origin] = None
    hidden[origin] = key
    member.ignored, member.hidden = ignored, hidden


def _show(member: Member, origin: int) -> None:
    """Stop hiding a session, and forget its name if no other session is hidden under it."""
    assert member.ignored is not None
    key = member.hidden.pop(origin)
    member.hidings += 1
    sessions = member.ignored[key].sessions
    del sessions[origin]
    if not sessions:
        del member.ignored[key]
    if not member.ignored:
        member.ignored, member.hidden = None, NONE_HIDDEN
