"""The sessions that a member ignores, and the names by which it came to that.

It is by session, so it follows a change of name, and by name, so it outlives a new connection. A
session is hidden under one name: the last that it had.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chatservice.core.members import NONE_HIDDEN, Ignored, Member
from chatservice.text import names

MOST: Final = 100
"""The most names that one member may ignore."""

SESSIONS_MOST: Final = 100
"""The most sessions that are kept for one name. One more replaces all of them."""


def ignore(member: Member, other: Member) -> None:
    """Let a member see no more of another."""
    _hide(member, names.key(other.name), other)


def heed(member: Member, name: str) -> str | None:
    """Let a member see again who is, or was, called so.

    :returns: the name as it was ignored; None if it was not.
    """
    heeded = (member.ignored or {}).get(names.key(name))
    if heeded is None:
        return None
    for origin in list(heeded.sessions):
        _show(member, origin)
    return heeded.name


def recognise(member: Member, people: Iterable[Member]) -> None:
    """Hide somebody who has taken a name from those who ignore that name, or the session.

    Under the name before it is still ignored whoever else had that.
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
        # All who had the name before are hidden under the new one: there are no more names.
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
    """Hide a session no more, nor a name under which there is no other."""
    assert member.ignored is not None
    key = member.hidden.pop(origin)
    member.hidings += 1
    sessions = member.ignored[key].sessions
    del sessions[origin]
    if not sessions:
        del member.ignored[key]
    if not member.ignored:
        member.ignored, member.hidden = None, NONE_HIDDEN
