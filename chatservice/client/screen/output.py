"""The terminal for prompt_toolkit: each change drawn at once, and in place after a resize.

Most terminals that get narrower fold rows that are too long, and move the cursor with them. So the
last drawing may have more rows now; erasing too few would leave its first rows on the screen.

prompt_toolkit folds the typed line at the edge. It loses a combining mark there, and it expects too
few rows if a wide character leaves a column empty. So such columns are filled with a space, which
is shown and not sent.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import BaseStyle, Style
from prompt_toolkit.utils import get_cwidth

QUIET: Final = "#767676"
"""A grey whose contrast is 4.5 to black and to white, for less important text."""

_CUTS: Final = ("XTERM_VERSION", "STY")
"""Environment variables of xterm and of GNU screen, which cut long rows instead."""

_CUTTING: Final = ("linux", "rxvt")
"""Beginnings of ``TERM`` for terminals that cut long rows, too."""


class Output(Vt100_Output):
    """A terminal that is never asked for the position of its cursor.

    All is drawn relative to the typed line, so the position is not needed. An answer that comes
    late, over a slow connection, would be taken for typed text.

    :ivar gone: is called once, when writing to the terminal fails.
    """

    gone: Callable[[], None] | None = None

    _held = False
    _lost = False

    @property
    def responds_to_cpr(self) -> bool:
        """Whether to ask for the position of the cursor: never."""
        return False

    def erase_down(self) -> None:
        """See :class:`Vt100_Output`.

        Erase from one column further on: in the first column of the screen, tmux takes this for
        erasing the whole screen, and keeps the old screen in its history.
        """
        self.write_raw("\x1b[K\x1b[C\x1b[J\x1b[D")

    def hold(self) -> None:
        """Hold all output until :meth:`release`, so that each change appears whole."""
        self._held = True

    def release(self) -> None:
        """Write the output that was held."""
        self._held = False
        self.flush()

    def flush(self) -> None:
        """See :class:`Vt100_Output`."""
        if self._held or self._lost:
            return
        try:
            super().flush()
        except OSError:
            self._lost = True
            if self.gone is not None:
                self.gone()


def standard_output() -> Output:
    output = Output.from_pty(sys.stdout, term=os.environ.get("TERM"))
    assert isinstance(output, Output)
    return output


def style_for(depth: ColorDepth) -> BaseStyle:
    """Return the look of each style class, for the colours of a terminal."""
    many = depth in (ColorDepth.DEPTH_8_BIT, ColorDepth.DEPTH_24_BIT)
    quiet = QUIET if many else "dim"
    bar = "bg:#3a3a3a #d0d0d0" if many else "reverse"
    chosen = "bg:#d0d0d0 #1c1c1c" if many else "noreverse bold"
    return Style(
        [
            ("quiet", quiet),
            ("me", "bold"),
            ("mention", "bold bg:#d7af5f #1c1c1c" if many else "bold reverse"),
            ("announced", "bold"),
            ("prompt", "bold"),
            ("unsent", quiet),
            ("status", bar),
            ("status.strong", "bold #ffffff" if many else "bold"),
            ("completion-toolbar", f"noinherit {bar}"),
            ("completion-toolbar.completion", f"noinherit {bar}"),
            ("completion-toolbar.completion.current", f"noinherit {chosen}"),
            ("completion-toolbar.arrow", f"noinherit {bar} bold"),
            ("search-toolbar", "noinherit"),
            ("search-toolbar.prompt", "bold"),
        ]
    )


class Drawing(Application[None]):
    """An application that erases its old drawing after a change of the terminal's size."""

    folded = False
    """Whether the terminal folds rows that are too long."""

    def erase(self) -> None:
        """Erase the last drawing, even if the terminal has folded its rows since."""
        screen = self.renderer.last_rendered_screen
        if self.folded and screen is not None:
            cursor = self.renderer._cursor_pos
            rows = [_widths(screen.data_buffer[y]) for y in range(cursor.y + 1)]
            above = rows_above(rows, cursor.x, self.output.get_size().columns)
            self.renderer._cursor_pos = Point(x=cursor.x, y=above)
        self.renderer.erase(leave_alternate_screen=False)

    def find(self) -> None:
        """Erase the last drawing if it was for another size of the terminal.

        A drawing may come before the signal of the new size.
        """
        if self.renderer._last_size not in (None, self.output.get_size()):
            self.erase()

    def _on_resize(self) -> None:
        self.erase()
        super()._on_resize()


def _widths(row: Mapping[int, Char]) -> list[int]:
    """List the width of each character of a row, up to the last drawn one."""
    drawn = [x for x, cell in row.items() if cell.char.strip() or cell.style]
    cells = (row.get(x) for x in range(max(drawn, default=-1) + 1))
    return [width for width in (1 if cell is None else cell.width for cell in cells) if width]


def folds(environ: Mapping[str, str]) -> bool:
    """Tell, from the environment, whether the terminal folds rows when it gets narrower."""
    if "TMUX" in environ:
        return True
    cuts = any(name in environ for name in _CUTS)
    return not cuts and not environ.get("TERM", "").startswith(_CUTTING)


def rows_above(rows: Sequence[Sequence[int]], x: int, columns: int) -> int:
    """Count the rows above the cursor after the terminal has folded them.

    :param rows: the width of each character, for each row down to that of the cursor.
    :param x: the column of the cursor in the last row.
    :param columns: the width of the terminal now.
    """
    *above, last = rows
    return sum(_row_of(row, sum(row), columns) + 1 for row in above) + _row_of(last, x, columns)


def _row_of(row: Sequence[int], x: int, columns: int) -> int:
    """Return which part of a folded row has the column ``x``, counted from 0.

    A column past the end counts as one of the last part.
    """
    part = used = place = 0
    for width in row:
        if used + width > columns:
            part, used = part + 1, 0
        used += width
        place += width
        if place > x:
            break
    return part


class Folding(Processor):
    """Fills with spaces the columns at the right edge that a wide character does not fit into.

    A character that has marks after it also moves to the next row from the last column.

    :param margin: the columns in front of each row.
    """

    def __init__(self, margin: int) -> None:
        self.margin = margin

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """See :class:`Processor`."""
        room = transformation_input.width - self.margin
        fragments = explode_text_fragments(transformation_input.fragments)
        shown: StyleAndTextTuples = []
        filled: list[int] = []  # The places of the characters that have a space before them.
        used = 0
        for place, fragment in enumerate(fragments):
            columns = get_cwidth(fragment[1])
            marked = place + 1 < len(fragments) and get_cwidth(fragments[place + 1][1]) == 0
            if (
                room > 2
                and columns
                and (used + columns > room or (used + columns == room and marked))
            ):
                while used < room:
                    shown.append(("", " "))
                    filled.append(place)
                    used += 1
                used = 0
            shown.append(fragment)
            used += columns
        return Transformation(
            shown,
            lambda source: source + bisect_right(filled, source),
            lambda display: self._source(filled, display),
        )

    @staticmethod
    def _source(filled: list[int], display: int) -> int:
        """Return the place in the line for a place in the shown text."""
        spaces = sum(place + number < display for number, place in enumerate(filled))
        return display - spaces
