"""Names and counts of people, as they stand in a sentence.

A terminal that supports right-to-left scripts orders a line by its letters (UAX #9). Text that
begins with a sign or a digit would be shown before a Hebrew name that it follows, as if somebody
else had said it. So such a name gets an invisible mark on either side, which counts as a
left-to-right letter. Typed text has no such marks (:func:`.sanitising.safe` removes them).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

MARK: Final = "\u200e"

_FROM_RIGHT: Final = frozenset(("R", "AL", "AN"))

NAMES_A_PAGE: Final = 100

DIGITS: Final = 20
"""Numbers in names are sorted by their value if they have at most this many digits."""

_DIGITS: Final = re.compile(r"\d+")

FACES: Final = 20
"""The most names shown where people come, go or are met; the rest are counted."""


@lru_cache(4096)
def directed(name: str) -> str:
    """Return a person's name in the form to show among other words.

    A name without any left-to-right letter gets a mark on either side.
    """
    plain = "L" in map(unicodedata.bidirectional, name)
    return name if plain else f"{MARK}{name}{MARK}"


@lru_cache(4096)
def directed_room(room: str) -> str:
    """Return a room's name in the form to show in front of a person's name.

    The person's name always follows, so a room name of digits alone needs no marks.
    """
    plain = _FROM_RIGHT.isdisjoint(map(unicodedata.bidirectional, room))
    return room if plain else f"{MARK}{room}{MARK}"


def faces(names: Sequence[str], total: int = 0) -> str:
    """List names as in a sentence: ``ana, bob and cleo``, or twenty ``and 17 more``.

    :param total: the number of people, if ``names`` are only some of them.
    """
    more = max(total, len(names)) - FACES
    shown = [directed(name) for name in names[:FACES]]
    if more > 0:
        return f"{', '.join(shown)} and {more:,} more"
    if len(shown) > 1:
        return f"{', '.join(shown[:-1])} and {shown[-1]}"
    return shown[0]


def people(count: int) -> str:
    """Count people: ``1 person``, ``3 people``."""
    return "1 person" if count == 1 else f"{count:,} people"


def alphabetical(name: str) -> tuple[str, str]:
    """Return the sort key of a name, for the order ``Ana``, ``änne``, ``bob2``, ``bob10``.

    Capitals and marks make no difference, and numbers are sorted by their value.
    """
    plain = name.casefold()
    if not plain.isascii():
        plain = "".join(
            one for one in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(one)
        )
    return _DIGITS.sub(lambda found: found[0].zfill(DIGITS), plain), name
