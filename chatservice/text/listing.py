"""Names and numbers of people, as one would say them among other words.

A terminal that knows scripts from right to left orders a line by its letters (UAX #9): text behind
a name in Hebrew that begins with a sign or a digit would be shown before the name, as if somebody
else had said it. So such a name has an invisible mark on either side, which counts as a letter from
left to right. Text that people type has none of these marks (:func:`.sanitising.safe`).
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
"""Numbers in names that have no more digits are sorted by their size."""

_DIGITS: Final = re.compile(r"\d+")

FACES: Final = 20
"""So many names are shown where people come, go or are met; of the rest, the count."""


@lru_cache(4096)
def directed(name: str) -> str:
    """Return a name of somebody as it is to be shown before or behind other words.

    Without a letter that is written from left to right, it needs marks.
    """
    plain = "L" in map(unicodedata.bidirectional, name)
    return name if plain else f"{MARK}{name}{MARK}"


@lru_cache(4096)
def directed_room(room: str) -> str:
    """Return the name of a room in the same way.

    A name always follows it, so digits alone need no marks.
    """
    plain = _FROM_RIGHT.isdisjoint(map(unicodedata.bidirectional, room))
    return room if plain else f"{MARK}{room}{MARK}"


def faces(names: Sequence[str], total: int = 0) -> str:
    """List names as one would say them: ``ana, bob and cleo``, or twenty ``and 17 more``.

    :param total: how many there are, if ``names`` are only some of them.
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
    """Return by what a name is sorted as one looks for it: ``Ana``, ``änne``, ``bob2``, ``bob10``.

    Capitals and marks make no difference, and numbers stand in their own order.
    """
    plain = name.casefold()
    if not plain.isascii():
        plain = "".join(
            one for one in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(one)
        )
    return _DIGITS.sub(lambda found: found[0].zfill(DIGITS), plain), name
