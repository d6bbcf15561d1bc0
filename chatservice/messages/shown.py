"""What only people are told: a program asks for it, or has a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chatservice.messages.replies import Reply


@dataclass(frozen=True, kw_only=True)
class Entered(Reply):
    """Somebody is in a room, and is to be shown it.

    :ivar others: the names of the first who are there.
    :ivar count: how many others are.
    :ivar topic: ``""`` if there is none.
    """

    type: ClassVar[str] = "entered"
    room: str
    others: list[str]
    count: int
    topic: str = ""


@dataclass(frozen=True, kw_only=True)
class LookBack(Reply):
    """The last things said or done in a room follow, so many."""

    type: ClassVar[str] = "look back"
    room: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Sent(Reply):
    """What was written to somebody privately is stored."""

    type: ClassVar[str] = "sent"
    to: str
    text: str
