"""Entries of the log: what one node says happened, as bytes and back.

An entry is a JSON array: the *boot* that publishes (a node from one start, or loss of its lease, to
the next), the number that the boot gives it, drafts, and facts. Long ones are compressed (zlib).
A beat, by which a node shows that it is there, is one with the number 0.

The ids of an entry's events are known when it is back from the log. Until then a fact that has to
name one says ``-1`` for the first event of its entry, ``-2`` for the second.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from chatservice.journal.events import Draft, Fact

NAME: Final = "name"
"""A name is held. A claim takes effect only if nobody else holds it."""

PERSON: Final = "person"
"""Somebody at a plain socket is here."""

LEASE: Final = "lease"
"""A boot is there, or was."""

TAKE: Final = "take"
"""Somebody is on another node now, if they still are where they are said to have been."""

ADOPT: Final = "adopt"
"""Who was with a boot is with another one now, if nothing was heard of that since."""

BYE: Final = "bye"
"""A boot ends."""

SEND_AWAY: Final = "send-away"
"""The node of a member is asked to let it go."""

OPERATIONS: Final = (TAKE, ADOPT, BYE, SEND_AWAY)
"""Kinds of facts that change something and are not stored themselves."""

INDEX_BITS: Final = 15
"""An entry has fewer than so many (2 to the power of this) events."""

COMPRESSED_FROM: Final = 4096

INTEGERS: Final = 1 << 63
"""Integers are less than that: SQLite stores no others."""


class BadEntry(ValueError):
    """What is in the log is no entry."""


class Entry(NamedTuple):
    """What one boot publishes at once."""

    boot: str
    number: int
    drafts: Sequence[Draft]
    facts: Sequence[Fact]


def encode(entry: Entry) -> bytes:
    """Return an entry as bytes."""
    data = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
    return zlib.compress(data, 1) if len(data) >= COMPRESSED_FROM else data


def decode(data: bytes) -> Entry:
    """Return the entry that bytes are.

    :raises BadEntry: if they are none.
    """
    try:
        if data[:1] != b"[":
            data = zlib.decompress(data)
        text = data.decode()
        boot, number, drafts, facts = parsed = json.loads(text)
        if "\\u" in text:  # There may be half of a character, which nobody could store.
            json.dumps(parsed, ensure_ascii=False).encode()
        entry = Entry(boot, number, [Draft(*draft) for draft in drafts], [Fact(*f) for f in facts])
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        raise BadEntry(str(error)) from None
    if not (isinstance(boot, str) and isinstance(number, int)):
        raise BadEntry("no boot and number")
    if not (all(map(_is_draft, entry.drafts)) and all(map(_is_fact, entry.facts))):
        raise BadEntry("no drafts and facts")
    return entry


def _is_draft(draft: Draft) -> bool:
    room, kind, author, text, origin, seq = draft
    return (
        type(room) is type(kind) is type(author) is type(text) is str
        and type(origin) is type(seq) is int
        and -INTEGERS <= origin < INTEGERS
        and -INTEGERS <= seq < INTEGERS
    )


def _is_fact(fact: Fact) -> bool:
    return type(fact.kind) is type(fact.name) is type(fact.value) is str


def event_id(base: int, position: int, index: int) -> int:
    """Return the id of an event.

    :param base: the last id there was before the log.
    :param position: of the entry in the log, from 1.
    :param index: of the event in the entry, from 0.
    """
    return base + (position << INDEX_BITS) + index + 1
