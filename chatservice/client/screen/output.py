"""The terminal, as prompt_toolkit writes to it: all of a change at once, and in which colours.

These are readable on a light background and on a dark one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import BaseStyle, Style

QUIET: Final = "#767676"
"""A grey whose contrast is 4.5 to black and to white, for what is not to be read first."""


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
