"""The terminal, as prompt_toolkit draws on it: all of a change at once, and where it is by now.

Most terminals fold rows that are too long for them when they get narrower, and take the cursor
along. Whoever goes up as many rows as were drawn misses the first of them, and leaves them there.

prompt_toolkit folds the line that is typed at the edge. There it loses a mark, and it expects fewer
rows than it needs if wide characters leave a column empty. So such columns are filled with a space,
which is shown and not sent.
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
"""A grey whose contrast is 4.5 to black and to white, for what is not to be read first."""

_CUTS: Final = ("XTERM_VERSION", "STY")
"""Variables of xterm and of GNU screen, which cut rows instead."""

_CUTTING: Final = ("linux", "rxvt")
"""Beginnings of ``TERM`` where rows are cut, too."""


class Output(Vt100_Output):
    """A terminal that is not asked where its cursor is.

    All is drawn relative to the line that is typed, so that need not be known; and an answer that
    comes late, over a slow connection, would be taken for something typed.

    :ivar gone: is called, once, when nothing can be written any more.
    """

    gone: Callable[[], None] | None = None

    _held = False
    _lost = False

    @property
    def responds_to_cpr(self) -> bool:
        """Tell that the cursor's position is not to be asked for."""
        return False

    def erase_down(self) -> None:
        """See :class:`Vt100_Output`.

        It is begun a column further on: tmux takes it for all of the screen in the first row, and
        keeps what was there among what has scrolled out.
        """
        self.write_raw("\x1b[K\x1b[C\x1b[J\x1b[D")

    def hold(self) -> None:
        """Write nothing until :meth:`release`, and then all of it: nobody sees it half done."""
        self._held = True

    def release(self) -> None:
        """Write what was held."""
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
    """Return what the classes look like, with so many colours."""
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
    """An application that finds itself again when the size of the terminal has changed."""

    folded = False
    """Whether the terminal folds what it has no room for."""

    def erase(self) -> None:
        """Take away what was drawn, wherever that is by now."""
        screen = self.renderer.last_rendered_screen
        if self.folded and screen is not None:
            cursor = self.renderer._cursor_pos
            rows = [_widths(screen.data_buffer[y]) for y in range(cursor.y + 1)]
            above = rows_above(rows, cursor.x, self.output.get_size().columns)
            self.renderer._cursor_pos = Point(x=cursor.x, y=above)
        self.renderer.erase(leave_alternate_screen=False)

    def find(self) -> None:
        """Erase what was drawn for another size of the terminal.

        Something else than the signal that tells of a new size may be the first to draw again.
        """
        if self.renderer._last_size not in (None, self.output.get_size()):
            self.erase()

    def _on_resize(self) -> None:
        self.erase()
        super()._on_resize()


def _widths(row: Mapping[int, Char]) -> list[int]:
    """List how many columns each character of a row has, up to the last that was drawn."""
    drawn = [x for x, cell in row.items() if cell.char.strip() or cell.style]
    cells = (row.get(x) for x in range(max(drawn, default=-1) + 1))
    return [width for width in (1 if cell is None else cell.width for cell in cells) if width]


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


class Folding(Processor):
    """Fills what would stay empty at the edge.

    :param margin: columns in front of each row.
    """

    def __init__(self, margin: int) -> None:
        self.margin = margin

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """See :class:`Processor`."""
        room = transformation_input.width - self.margin
        fragments = explode_text_fragments(transformation_input.fragments)
        shown: StyleAndTextTuples = []
        filled: list[int] = []  # Before which characters of the line there is a space.
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
        """Return the place in the line of a place in what is shown."""
        spaces = sum(place + number < display for number, place in enumerate(filled))
        return display - spaces
