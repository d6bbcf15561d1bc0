"""Names that are written from right to left, among words that may not be.

A terminal that knows such scripts orders a line by its letters (UAX #9): what stands behind a name
in Hebrew and begins with a sign or a digit would be shown before it, as if somebody else had said
it. So such a name has an invisible mark on either side, which is like a letter that is written from
left to right. What people say has none of these marks (:func:`.sanitising.safe`).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

MARK: Final = "\u200e"

_FROM_RIGHT: Final = frozenset(("R", "AL", "AN"))


@lru_cache(4096)
def directed(name: str) -> str:
    """Return a name of somebody as it is to be shown before or behind other words.

    Without a letter that is written from left to right, it needs marks.
    """
    plain = any(unicodedata.bidirectional(character) == "L" for character in name)
    return name if plain else f"{MARK}{name}{MARK}"


@lru_cache(4096)
def directed_room(room: str) -> str:
    """Return the name of a room in the same way.

    A name always follows it, so digits alone need no marks.
    """
    plain = _FROM_RIGHT.isdisjoint(map(unicodedata.bidirectional, room))
    return room if plain else f"{MARK}{room}{MARK}"
