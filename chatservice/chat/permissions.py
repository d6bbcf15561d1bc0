"""Who may bring words of their own before others: the one place where that is decided.

A word is whatever others come to read: a line, a topic, why one is away, also the name that one
takes, or gives to a room.
"""

from __future__ import annotations

from chatservice import wording
from chatservice.chat.refusals import Refusal
from chatservice.chat.standing import Standing
from chatservice.journal.events import ACTED, ANNOUNCED
from chatservice.wire import Code


def is_heard(standing: Standing, name: str) -> bool:
    """Tell whether others are to read anything new of somebody."""
    return standing.muted(name) is None


def check_heard(standing: Standing, name: str, kind: str = "") -> None:
    """Let nobody bring anything new before others whom an operator has muted.

    :param kind: of the event that tells it; what operators do as such is told whoever they are.
    :raises Refusal: with the code ``muted``.
    """
    term = standing.muted(name)
    if term is not None and kind not in (ACTED, ANNOUNCED):
        raise Refusal(Code.MUTED, f"{wording.MUTED}{term.says}")
