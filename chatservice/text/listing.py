"""Names and numbers of people, as one would say them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from chatservice.text.directions import directed

NAMES_A_PAGE: Final = 100

DIGITS: Final = 20
"""Numbers in names that have no more digits are sorted by their size."""

_DIGITS: Final = re.compile(r"\d+")

FACES: Final = 20
"""So many names are shown where people come, go or are met; of the rest, the count."""


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
