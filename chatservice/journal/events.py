"""What can happen, and what holds: the values that the journal stores and the views show."""

from __future__ import annotations

from collections.abc import Container
from typing import Annotated, Final, NamedTuple

import msgspec

Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""An integer that SQLite can store."""
Natural = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]

SAID: Final = "said"
DID: Final = "did"
JOINED: Final = "joined"
LEFT: Final = "left"
RENAMED: Final = "renamed"
TOPIC: Final = "topic"
PRIVATE: Final = "private"
ANNOUNCED: Final = "announced"
ACTED: Final = "acted"

TALK: Final = (SAID, DID, ACTED)
"""The kinds that history shows: what people said and did, not their coming and going."""

PERSONAL: Final = (SAID, DID, PRIVATE)
"""The kinds of which somebody sees nothing who ignores their author. A new name, a topic and what
an operator tells everybody are for them too."""

FILE: Final = "node"
"""The kind of the facts that concern one file alone, and no other node of a cluster: how the node
is called (``""``), the id up to which nothing can be read (``floor``), and whether its clock can be
believed (``clock``)."""

ROOM: Final = "room"
"""The kind of the facts by which a room is called otherwise, since its name can be none any more:
what it was called, and what it is called. Where one is stored, what has happened in the room is
from then on what has happened in it under the new name."""

HOUSE: Final = "@"
"""The room of events that are for everybody."""


def inbox(origin: int) -> str:
    """Name the room of events that are for one session alone.

    No room of people has a name that begins with ``@``.
    """
    return f"@{origin:x}"


def is_hidden(kind: str, origin: int, hidden: Container[int]) -> bool:
    """Tell whether somebody sees nothing of an event who ignores some sessions."""
    return origin in hidden and kind in PERSONAL


_encoder: Final = msgspec.json.Encoder()


class Fact(NamedTuple):
    """Something that holds until it is changed: a topic, a ban, a mute, a lock.

    :ivar kind: what it is; with :attr:`name`, what it replaces.
    :ivar name: of whom or what.
    :ivar value: what holds; ``""`` if nothing does any more.
    """

    kind: str
    name: str
    value: str


def as_json(value: object) -> str:
    """Return a value as the JSON in which facts are stored."""
    return _encoder.encode(value).decode()


class Draft(NamedTuple):
    """An event that was not committed yet, so it has neither an id nor a time.

    ``(origin, seq)`` is its identity: which session made it, and that session's own counter.
    """

    room: str
    kind: str
    author: str
    text: str
    origin: Integer
    seq: Integer


class Event(NamedTuple):
    """Something that happened in a room, committed and immutable.

    :ivar id: its place in the one order of the house; rises by commit.
    :ivar at: when it was committed, in milliseconds since 1970, UTC.
    :ivar room: where; or :data:`HOUSE`, or an :func:`inbox`.
    :ivar author: the name as it was shown. Of :data:`JOINED` and :data:`LEFT` these are one or
        more names, separated by spaces (a name has none).
    :ivar text: what was said or done, parting words, or the new name; safe to show.
    """

    id: int
    at: int
    room: str
    kind: str
    author: str
    text: str
    origin: int
    seq: int
