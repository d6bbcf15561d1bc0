"""Layout of text in lines and columns that fit a narrow terminal, in every script.

A character may take two columns of a terminal, like an ideograph, or none, like a combining mark.
Everything here is measured in columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wcwidth import wcswidth, wcwidth

COLUMNS: Final = 40
"""The narrowest terminal supported, in columns."""

WIDTH: Final = COLUMNS - len("-- ")
"""Columns that are left for the text of a notice."""

LEFT_MOST: Final = 16
"""The widest left column of a table, in columns of the terminal."""

_BETWEEN: Final = "  "


def width(text: str) -> int:
    """Return the columns of a terminal that a text takes; a control character takes none."""
    columns = wcswidth(text)
    if columns < 0:
        return sum(max(0, wcwidth(character)) for character in text)
    return columns


def pad(text: str, columns: int) -> str:
    """Pad a text with spaces on the right, to a number of columns."""
    return text + " " * (columns - width(text))


def wrap(words: Sequence[str], first: str = "", indent: str = "  ") -> list[str]:
    """Wrap words into lines of at most :data:`WIDTH` columns, with a space between words.

    A word that is longer than a line is not cut, and has a line of its own.

    :param words: the words, each with its punctuation.
    :param first: the text before the first line.
    :param indent: the text before each other line.
    :return: the lines, without spaces at their ends; none if there is nothing to show.
    """
    lines = []
    line = first
    # A word that does not fit goes to the next line, unless that line has no more room.
    breakable = bool(first.strip()) and width(indent) < width(first)
    space = ""
    for word in filter(None, words):
        longer = f"{line}{space}{word}"
        if breakable and width(longer) > WIDTH:
            lines.append(line.rstrip())
            longer = indent + word
        line, space, breakable = longer, " ", True
    if line.strip():
        lines.append(line.rstrip())
    return lines


def listed(names: Sequence[str], first: str = "", indent: str = "  ") -> list[str]:
    """List names, ``ana, bob, cleo``, wrapped as by :func:`wrap`."""
    return wrap([*(f"{name}," for name in names[:-1]), *names[-1:]], first, indent)


def grid(entries: Sequence[str], first: str = "", room: int = WIDTH) -> list[str]:
    """Lay out entries line by line in as many columns as fit, each as wide as its widest entry.

    An entry that is wider than a line is not cut.

    :param first: the text before each line.
    :param room: the columns of the terminal that a line may take.
    :return: the lines, without spaces at their ends.
    """
    widths = [width(entry) for entry in entries]
    free = room - width(first) + len(_BETWEEN)
    columns = widths
    for count in range(min(len(entries), free // len(_BETWEEN)), 0, -1):
        columns = [max(widths[place::count]) for place in range(count)]
        if sum(columns) + count * len(_BETWEEN) <= free:
            break
    return [
        (first + _BETWEEN.join(map(pad, entries[start : start + len(columns)], columns))).rstrip()
        for start in range(0, len(entries), len(columns) or 1)
    ]


def table(rows: Sequence[tuple[str, str]], left: int | None = None) -> list[str]:
    """Lay out entries and their descriptions in two columns.

    An entry too wide for the left column has a line of its own; its description begins on the next.
    The same holds for a description with a word too wide for the right column, which then begins
    farther to the left. A long description continues below its beginning.

    :param rows: the entries, each with its description.
    :param left: the width of the left column, to make several tables alike; the width of the
        widest entry if not given; never more than :data:`LEFT_MOST`.
    :return: the lines, without spaces at their ends.
    """
    if left is None:
        left = max((width(entry) for entry, _ in rows), default=0)
    left = min(left, LEFT_MOST)
    column = " " * left + _BETWEEN
    lines = []
    for entry, description in rows:
        words = description.split()
        widest = max(map(width, words), default=0)
        below = width(column) + widest > WIDTH >= width(_BETWEEN) + widest
        indent = _BETWEEN if below else column
        if below or width(entry) > left:
            lines += wrap(entry.split())
            beside = indent
        else:
            beside = pad(entry, left) + _BETWEEN
        lines += wrap(words, beside, indent)
    return lines
