"""Lines that are too long for the terminal, by columns: with a hanging indent, between words.

So nothing that somebody wrote ever stands at the beginning of a row, where it could be taken for
a line of its own.
"""

from __future__ import annotations

import re
from typing import Final

from wcwidth import iter_graphemes

from chatservice.text.layout import width

Text = list[tuple[str, str]]
"""What is shown: parts of it, each behind its style."""

LEAST: Final = 8
"""Columns that a row has behind its indent, however narrow the terminal is."""

# An address is left whole, to be clicked and copied. It has no brackets and no spaces, so that it
# can't look like the beginning of a line either.
_ADDRESS: Final = re.compile(r"https?://[!#-;=?-Z\\^-z|~]+")


def wrap(fragments: Text, columns: int, indent: int) -> Text:
    """Lay a line out in rows.

    :param fragments: without an end of a line in them.
    :param columns: how wide the terminal is.
    :param indent: by how much all rows but the first are indented.
    :return: the same with ends of lines between the rows; a space there is gone.
    """
    text = "".join(part for _, part in fragments)
    if width(text) <= columns:
        return fragments
    indent = max(0, min(indent, columns - LEAST))
    starts = _starts(text, columns, indent)
    wrapped: Text = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        if wrapped:
            wrapped.append(("", "\n" + " " * indent))
        end = start + len(text[start:end].rstrip(" "))
        place = 0
        for style, part in fragments:
            if inside := part[max(0, start - place) : max(0, end - place)]:
                wrapped.append((style, inside))
            place += len(part)
    return wrapped


def _starts(text: str, columns: int, indent: int) -> list[int]:
    """Return where each row begins."""
    room = columns - indent
    starts = [0]
    used = place = 0
    for word in _words(text):
        # A word without room in a row of its own begins where it stands; an address is left whole.
        fits = width(word.rstrip(" ")) <= room or _ADDRESS.search(word)
        for part in [word] if fits else iter_graphemes(word):
            needed = width(part.rstrip(" "))
            if needed and used + needed > columns and place > starts[-1]:
                starts.append(place)
                used = indent
            used += width(part)
            place += len(part)
    return starts


def _words(text: str) -> list[str]:
    """Take a text apart where a row may end; it may behind an address, which may have no room."""
    spans = [found.span() for found in _ADDRESS.finditer(text)]
    within = {place for start, end in spans for place in range(start + 1, end)}
    behind = {end for _, end in spans}
    words = [""]
    before = ""
    place = 0
    for character in iter_graphemes(text):
        if place in behind or (before and place not in within and _may_break(before, character)):
            words.append("")
        words[-1] += character
        before = character
        place += len(character)
    return words


def _may_break(before: str, character: str) -> bool:
    if before == " " or (before == "-" and character.isalpha()):
        return True
    # Scripts whose characters are two columns wide have no spaces between words, mostly.
    return width(before) > 1 or (width(character) > 1 and character.isalpha())
