"""Lines that are too long for the terminal, by columns: with a hanging indent, between words.

So nothing that somebody wrote ever stands at the beginning of a row, where it could be taken for
a line of its own.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from wcwidth import iter_graphemes

from chatservice.text.layout import width

Text = list[tuple[str, str]]
"""What is shown: parts of it, each behind its style."""

LEAST: Final = 8
"""Columns that a row has behind its indent, however narrow the terminal is."""

# An address is left whole, to be clicked and copied. It has no brackets and no spaces, so that it
# can't look like the beginning of a line either.
_ADDRESS: Final = re.compile(r"https?://[!#-;=?-Z\\^-z|~]+")


class _Piece(NamedTuple):
    """What the eye takes for one character."""

    text: str
    columns: int
    style: str
    whole: bool  # It belongs to what was before it.


def wrap(fragments: Text, columns: int, indent: int) -> Text:
    """Lay a line out in rows.

    :param fragments: without an end of a line in them.
    :param columns: how wide the terminal is.
    :param indent: by how much all rows but the first are indented.
    :return: the same with ends of lines between the rows; a space there is gone.
    """
    text = "".join(fragment[1] for fragment in fragments)
    if width(text) <= columns:
        return fragments
    indent = max(0, min(indent, columns - LEAST))
    rows = _rows(_pieces(fragments, text), columns, indent)
    margin = ("", "\n" + " " * indent)
    wrapped: Text = []
    for row in rows:
        if wrapped:
            wrapped.append(margin)
        wrapped += _joined(row)
    return wrapped


def _pieces(fragments: Text, text: str) -> list[_Piece]:
    kept = set[int]()
    for found in _ADDRESS.finditer(text):
        kept.update(range(found.start() + 1, found.end()))
    pieces = []
    place = 0
    for style, part in fragments:
        for character in iter_graphemes(part):
            pieces.append(_Piece(character, width(character), style, place in kept))
            place += len(character)
    return pieces


def _rows(pieces: list[_Piece], columns: int, indent: int) -> list[list[_Piece]]:
    rows = []
    start = place = 0
    used = 0
    best = 0  # The last place in this row where it may end; its start if there is none.
    folded = False
    while place < len(pieces):
        piece = pieces[place]
        if place > start and not piece.whole and _may_break(pieces[place - 1], piece):
            best = place
        end = None
        if folded and not piece.whole:
            end = place
        elif used + piece.columns > columns and place > start and piece.text != " ":
            if best > start and _fits(pieces, best, columns - indent):
                end = best
            elif piece.whole:
                folded, used = True, 0  # By the terminal.
            else:
                end = place
        if end is None:
            used += piece.columns
            place += 1
        else:
            rows.append(_trimmed(pieces[start:end]))
            while end < len(pieces) and pieces[end].text == " ":
                end += 1
            start = place = best = end
            used, folded = indent, False
    rows.append(_trimmed(pieces[start:]))
    return [row for row in rows if row]


def _fits(pieces: list[_Piece], start: int, columns: int) -> bool:
    """Tell whether a word has room in a row of its own; an address need not have."""
    used = 0
    for place in range(start, len(pieces)):
        piece = pieces[place]
        if place > start and not piece.whole and _may_break(pieces[place - 1], piece):
            break
        if piece.whole:
            return True
        if piece.text != " ":
            used += piece.columns
        if used > columns:
            return False
    return True


def _may_break(before: _Piece, piece: _Piece) -> bool:
    if before.text == " " or (before.text == "-" and piece.text.isalpha()):
        return True
    # Scripts whose characters are two columns wide have no spaces between words, mostly.
    return before.columns > 1 or (piece.columns > 1 and piece.text.isalpha())


def _trimmed(row: list[_Piece]) -> list[_Piece]:
    end = len(row)
    while end and row[end - 1].text == " ":
        end -= 1
    return row[:end]


def _joined(row: list[_Piece]) -> Text:
    joined: Text = []
    for piece in row:
        if joined and joined[-1][0] == piece.style:
            joined[-1] = (piece.style, joined[-1][1] + piece.text)
        else:
            joined.append((piece.style, piece.text))
    return joined
