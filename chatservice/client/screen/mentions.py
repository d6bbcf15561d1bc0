"""Whether somebody's name is in what somebody else says, and where."""

from __future__ import annotations

from typing import Final

from wcwidth import iter_graphemes

from chatservice.chat import names
from chatservice.chat.characters import scripts

_UNSPACED: Final = frozenset(
    ("Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Yiii")
)
"""Scripts without spaces between words: a name may be anywhere in a text."""


def mentions(text: str, name: str) -> list[tuple[int, int]]:
    """Find a name in a text, as a word: compared as names are, whatever the case.

    :return: where it begins and ends, each time.
    """
    wanted = names.key(name)
    if not wanted or wanted not in names.key(text):
        return []
    # What was folded may be longer or shorter, so each character is noted with its place.
    folded = ""
    places: list[int | None] = []
    place = 0
    for character in iter_graphemes(text):
        part = names.key(character)
        if part:
            folded += part
            places += [place, *[None] * (len(part) - 1)]
        place += len(character)
    places.append(place)
    found: list[tuple[int, int]] = []
    start = folded.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        first, last = places[start], places[end]
        if first is not None and last is not None and _is_word(text, first, last):
            found.append((first, last))
            start = folded.find(wanted, end)
        else:
            start = folded.find(wanted, start + 1)
    return found


def _is_word(text: str, start: int, end: int) -> bool:
    before, first = text[start - 1 : start], text[start]
    last, after = text[end - 1], text[end : end + 1]
    return not (_in_word(before, first) or _in_word(last, after))


def _in_word(one: str, other: str) -> bool:
    """Tell whether two characters that stand together belong to one word."""
    if not (_is_letter(one) and _is_letter(other)):
        return False
    return scripts(one).isdisjoint(_UNSPACED) and scripts(other).isdisjoint(_UNSPACED)


def _is_letter(character: str) -> bool:
    return character.isalnum() or character == "_"
