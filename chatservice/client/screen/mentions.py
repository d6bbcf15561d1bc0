"""Mentions: finds a name, as a word, in somebody's text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from wcwidth import iter_graphemes

from chatservice.text import names
from chatservice.text.characters import scripts

_UNSPACED: Final = frozenset(
    ("Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Yiii")
)
"""Scripts without spaces between words, where a name counts anywhere in a text."""

_JOINS: Final = frozenset("-\u2010\u2011.@+~&=")
"""Signs that join the letters on both sides to one word, maybe another name."""

_ADDRESS: Final = re.compile(r"(?:[a-z]{2,12}://|www\.)[!-~]+", re.IGNORECASE)

_PARTICLES: Final = re.compile(
    "(?:이|님|씨|군|양|아|야|가|은|는|을|를|와|과|랑|의|도|만|에|에서|에게|에게서|께|께서|한테|한테서"
    "|로|으로|부터|까지|처럼|보다|밖에|마저|조차|라고|라도|나|하고|여|요|네|들){1,4}"
)
"""Endings that Korean writes onto a name: titles, and particles of grammar."""

_HANGUL_RUN: Final = re.compile("[가-힣]+")

_SYLLABLES_LEAST: Final = 2
"""Characters of a name, at least, for it to be recognised with a Korean ending."""


def mentions(text: str, name: str) -> list[tuple[int, int]]:
    """Find each place of a name in a text, as a word, regardless of case.

    :return: pairs of the beginning and the end of each place.
    """
    wanted = names.key(name)
    if not wanted or (len(text) <= names.KEYED_MOST and wanted not in names.key(text)):
        return []
    # Folded text may be longer or shorter, so the place of each character is kept.
    folded = ""
    places: list[int | None] = []
    place = 0
    for character in iter_graphemes(text):
        part = _key(character)
        if part:
            folded += part
            places += [place, *[None] * (len(part) - 1)]
        place += len(character)
    places.append(place)
    addresses = [place.span() for place in _ADDRESS.finditer(text)]
    found: list[tuple[int, int]] = []
    start = folded.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        first, last = places[start], places[end]
        if (
            first is not None
            and last is not None
            and _is_word(text, first, last)
            and not any(begin < last and first < stop for begin, stop in addresses)
        ):
            found.append((first, last))
            start = folded.find(wanted, end)
        else:
            start = folded.find(wanted, start + 1)
    return found


_key = lru_cache(maxsize=4096)(names.key)


def _is_word(text: str, start: int, end: int) -> bool:
    before, first = text[start - 2 : start] if start > 1 else text[:start], text[start]
    last, after = text[end - 1], text[end : end + 2]
    if _in_word(before[-1:], first) or _is_joined(before[::-1]):
        return False
    return not (_in_word(last, after[:1]) or _is_joined(after)) or _is_in_korean(text, start, end)


def _is_joined(beside: str) -> bool:
    """Return whether a word goes on into the two characters beside it, the nearer one first."""
    return len(beside) > 1 and beside[0] in _JOINS and _is_letter(beside[1])


def _is_in_korean(text: str, start: int, end: int) -> bool:
    """Return whether a name is followed by a Korean ending only."""
    written = _HANGUL_RUN.match(text, end)
    return (
        written is not None
        and end - start >= _SYLLABLES_LEAST
        and _PARTICLES.fullmatch(written[0]) is not None
        and not _is_joined(text[written.end() : written.end() + 2])
    )


def _in_word(one: str, other: str) -> bool:
    """Return whether two adjacent characters belong to one word."""
    if not (_is_letter(one) and _is_letter(other)):
        return False
    return scripts(one).isdisjoint(_UNSPACED) and scripts(other).isdisjoint(_UNSPACED)


def _is_letter(character: str) -> bool:
    return character.isalnum() or character == "_"
