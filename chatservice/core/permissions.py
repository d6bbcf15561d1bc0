"""Permissions: the one place that decides whether somebody may do something.

Others read no new words of a muted member. Words are everything that others read: lines, topics,
away texts, parting words, and also a new nickname and the name of a new room.
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
    """Name the room of which a member may not know who is in it; ``""`` if there is none."""
    return "" if member.operator else OPERATORS


def check_operator(member: Member, command: str) -> None:
    """Refuse what is for operators to who is none.

    :param command: the word for it.
    :raises Refusal: with the code ``not_let_in``.
    """
    if not member.operator:
        raise Refusal(Code.NOT_LET_IN, f"/{command} is for operators")


def check_in_room(member: Member) -> str:
    """Refuse what is said to nobody; return the name of the room in which it is said.

    :raises Refusal: with the code ``not_in_room``, if the member is in none.
    """
    if member.current is None:
        raise Refusal(Code.NOT_IN_ROOM, wording.NOWHERE)
    return member.current.room.name
