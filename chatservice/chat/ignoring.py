"""Who does not want to see whom.

It is by session, so it follows a change of name, and by name, so it outlives a new connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from chatservice.chat import names
from chatservice.chat.members import Ignored, Member

MOST: Final = 100
"""So many people may be ignored by one."""

SESSIONS_MOST: Final = 100
"""So many sessions of one of them are known; at the next, those before are forgotten."""


def ignore(member: Member, other: Member) -> None:
    """Let a member see no more of another."""
    _keep(member, _with(member.ignored or {}, other))


def heed(member: Member, name: str) -> str | None:
    """Let a member see again who is, or was, called so.

    :returns: the name as it was ignored; None if it was not.
    """
    ignored = dict(member.ignored or {})
    heeded = ignored.pop(names.key(name), None)
    if heeded is None:
        return None
    _keep(member, ignored)
    return heeded.name


def recognise(member: Member, people: Iterable[Member]) -> None:
    """Hide somebody who takes a name, perhaps again, from those who ignore it."""
    for other in people:
        if other.ignored and names.key(member.name) in other.ignored:
            _keep(other, _with(other.ignored, member))


def renamed(member: Member, old: str, people: Iterable[Member]) -> None:
    """Let those who ignore a member know it by its new name.

    Under the old one they still ignore whoever else had it.
    """
    for other in people:
        if other.ignored and member.origin in other.hidden:
            ignored = _with(other.ignored, member)
            if names.key(old) != names.key(member.name):
                was = ignored.pop(names.key(old))
                rest = was.sessions - {member.origin}
                if rest:
                    ignored[names.key(old)] = Ignored(was.name, rest)
            _keep(other, ignored)


def _with(ignored: Mapping[str, Ignored], other: Member) -> dict[str, Ignored]:
    key = names.key(other.name)
    sessions = ignored[key].sessions if key in ignored else frozenset()
    if len(sessions) >= SESSIONS_MOST:
        sessions = frozenset()
    return {**ignored, key: Ignored(other.name, sessions | {other.origin})}


def _keep(member: Member, ignored: dict[str, Ignored]) -> None:
    member.ignored = ignored or None
    member.hidden = frozenset().union(*(one.sessions for one in ignored.values()))
