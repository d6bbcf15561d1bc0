"""The line that is typed: where it is when the size of the terminal has changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from twisted.trial.unittest import TestCase

from tests.client.screen.desk import Desk

TYPED = "long " * 30


class NarrowerTests(TestCase):
    def written(self, redraw: Callable[[Desk], object]) -> str:
        """Return what is written to a terminal that has got narrower, and folds its rows."""
        self.patch(os, "environ", {"TERM": "xterm-256color"})
        desk = Desk(self, columns=100)
        desk.type(TYPED)
        written: list[str] = []
        feed = desk.glass.write

        def write(text: str) -> None:
            written.append(text)
            feed(text)

        desk.cells.resize(desk.cells.lines, 80)
        desk.glass.write = write  # type: ignore[method-assign]
        desk.do(lambda: redraw(desk))
        return "".join(written)

    def test_it_is_found_whatever_draws_it_first(self) -> None:
        told = self.written(lambda _: signal.raise_signal(signal.SIGWINCH))
        untold = self.written(lambda desk: desk.screen._desk.refresh())
        # It had two rows, and the first of them has become two.
        for text in (told, untold):
            self.assertEqual(text.partition("A")[0][-3:], "\x1b[2")
            self.assertIn(TYPED[:60], text)
