"""Lines that fit a narrow terminal, and columns that are straight in every script.

A character may take two columns of a terminal, like an ideograph, or none, like a combining mark.
Everything here is measured in columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wcwidth import wcswidth, wcwidth

COLUMNS: Final = 40
"""So narrow may a terminal be."""

WIDTH: Final = COLUMNS - len("-- ")
"""So many columns of it has the text of a notice."""

LEFT_MOST: Final = 16
"""So wide may the left column of a table be."""

_BETWEEN: Final = "  "


def width(text: str) -> int:
    """Tell how many columns of a terminal a text takes; a control character takes none."""
    columns = wcswidth(text)
    if columns < 0:
        return sum(max(0, wcwidth(character)) for character in text)
    return columns


def pad(text: str, columns: int) -> str:
    """Fill a text up with spaces on the right, to so many columns."""
    return text + " " * (columns - width(text))


def wrap(words: Sequence[str], first: str = "", indent: str = "  ") -> list[str]:
    """Lay words out in lines of at most :data:`WIDTH` columns, with a space between them.

    A word that is longer than a line is not cut, and has a line of its own.

    :param words: what is to be laid out, with its punctuation.
    :param first: what stands before the first line.
    :param indent: what stands before each other line.
    :return: the lines, without spaces at their ends; none if there is nothing to show.
    """
    lines = []
    line = first
    # A word that does not fit goes to the next line, unless it would find no more room there.
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
    """List names, ``ana, bob, cleo``, on as many lines as it takes: see :func:`wrap`."""
    return wrap([*(f"{name}," for name in names[:-1]), *names[-1:]], first, indent)


def grid(entries: Sequence[str], first: str = "", room: int = WIDTH) -> list[str]:
    """Lay entries out in as many columns as fit, line by line, each as wide as its widest entry.

    An entry that is wider than a line is not cut.

    :param first: what stands before each line.
    :param room: how many columns a line may have.
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

    An entry that is too wide for the left column has a line of its own, and its description begins
    on the next. So it is for a description with a word that is too wide for the right column, which
    then begins farther to the left. A description goes on below itself.

    :param rows: the entries, each with its description.
    :param left: how wide the left column is, for tables that are to look alike; as wide as the
        widest entry, if it is not given; in no case wider than :data:`LEFT_MOST`.
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
