"""Who does not want to see whom.

It is by session, so it follows a change of name, and by name, so it outlives a new connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chatservice.chat import names
from chatservice.chat.members import Member

MOST: Final = 100
"""So many people may be ignored by one."""


def ignore(member: Member, other: Member) -> None:
    """Let a member see no more of another."""
    member.ignored = {**(member.ignored or {}), names.key(other.name): other.name}
    member.hidden |= {other.origin}


def heed(member: Member, name: str, people: Iterable[Member]) -> str | None:
    """Let a member see again who is, or was, called so.

    :returns: the name as it was ignored; None if it was not.
    """
    key = names.key(name)
    ignored = dict(member.ignored or {})
    shown = ignored.pop(key, None)
    if shown is not None:
        member.ignored = ignored or None
        member.hidden -= {other.origin for other in people if names.key(other.name) == key}
    return shown


def recognise(member: Member, people: Iterable[Member]) -> None:
    """Hide somebody who comes, perhaps back, from those who ignore the name."""
    for other in people:
        if other.ignored and names.key(member.name) in other.ignored:
            other.hidden |= {member.origin}


def renamed(member: Member, old: str, people: Iterable[Member]) -> None:
    """Let those who ignore a member know it by its new name."""
    for other in people:
        if other.ignored and member.origin in other.hidden:
            kept = {key: name for key, name in other.ignored.items() if key != names.key(old)}
            other.ignored = {**kept, names.key(member.name): member.name}
