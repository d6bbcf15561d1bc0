"""Permissions: the one place that decides whether a member may do something.

Others read no new words of a muted member. Words are everything that others read: lines, topics,
away texts, parting words, new nicknames and the names of new rooms.
"""

from __future__ import annotations

from chatservice.core.members import Member
from chatservice.core.moderation import Standing
from chatservice.core.refusals import Refusal
from chatservice.core.state import OPERATORS
from chatservice.journal.events import ACTED, ANNOUNCED
from chatservice.messages import Code
from chatservice.text import wording


def check_heard(standing: Standing, name: str, kind: str = "") -> None:
    """Refuse new words of a member whom an operator has muted.

    :param kind: the kind of the event. Operators' acts and announcements are never refused.
    :raises Refusal: with the code ``muted``.
    """
    term = standing.muted(name)
    if term is not None and kind not in (ACTED, ANNOUNCED):
        raise Refusal(Code.MUTED, f"{wording.MUTED}{term.says}")


def hidden_room(member: Member) -> str:
    """Return the name of the room whose members are secret to a member; ``""`` if none is."""
    return "" if member.operator else OPERATORS


def check_operator(member: Member, command: str) -> None:
    """Refuse a command for operators to anybody else.

    :param command: the word of the command.
    :raises Refusal: with the code ``not_let_in``.
    """
    if not member.operator:
        raise Refusal(Code.NOT_LET_IN, f"/{command} is for operators")


def check_in_room(member: Member) -> str:
    """Return the name of the current room; refuse talk of a member in no room.

    :raises Refusal: with the code ``not_in_room``, if the member is in no room.
    """
    if member.current is None:
        raise Refusal(Code.NOT_IN_ROOM, wording.NOWHERE)
    return member.current.room.name
