"""Where the line that is typed stands after the terminal has got narrower.

Most terminals fold rows then that are too long for them, and take the cursor along. Whoever goes
up as many rows as were drawn misses the first of them, and leaves them there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_CUTS: Final = ("XTERM_VERSION", "STY")
"""What is in the environment of xterm and of GNU screen, which cut rows instead."""

_CUTTING: Final = ("linux", "rxvt")
"""How ``TERM`` begins where rows are cut, too."""


def folds(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal folds rows when it gets narrower, as far as one can know."""
    if "TMUX" in environ:
        return True
    cuts = any(name in environ for name in _CUTS)
    return not cuts and not environ.get("TERM", "").startswith(_CUTTING)


def rows_above(rows: Sequence[Sequence[int]], x: int, columns: int) -> int:
    """Count the rows above the cursor once all is folded.

    :param rows: how many columns each character has, in each row up to that of the cursor.
    :param x: in which column of the last of them the cursor is.
    :param columns: how wide the terminal is now.
    """
    *above, last = rows
    return sum(_row_of(row, sum(row), columns) + 1 for row in above) + _row_of(last, x, columns)


def _row_of(row: Sequence[int], x: int, columns: int) -> int:
    """Return in which of its parts a column of a row is; behind its end, it is the last part."""
    part = used = place = 0
    for width in row:
        if used + width > columns:
            part, used = part + 1, 0
        used += width
        place += width
        if place > x:
            break
    return part
