"""Where the cursor is once the terminal has folded what was drawn."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.client.screen.reflow import folds, rows_above
from tests.profiles import examples


class ReflowTests(TestCase):
    def test_rows_that_fit_stay(self) -> None:
        self.assertEqual(rows_above([[1] * 5], 5, 80), 0)
        self.assertEqual(rows_above([[1] * 80, [], [1] * 3], 3, 80), 2)
        self.assertEqual(rows_above([[]], 0, 1), 0)

    def test_rows_that_do_not_fit_take_more(self) -> None:
        for columns, above in ((80, 1), (79, 2), (40, 2), (39, 3), (27, 3), (20, 4)):
            self.assertEqual(rows_above([[1] * 80, [1] * 3], 3, columns), above, columns)

    def test_the_cursor_is_where_its_character_is_or_at_the_end(self) -> None:
        row = [1] * 80
        for x, part in ((0, 0), (39, 0), (40, 1), (79, 1), (80, 1), (85, 1)):
            self.assertEqual(rows_above([row], x, 40), part, x)

    def test_a_wide_character_is_not_cut(self) -> None:
        self.assertEqual(rows_above([[2] * 40, []], 0, 40), 2)
        self.assertEqual(rows_above([[2] * 40, []], 0, 39), 3)
        self.assertEqual(rows_above([[2] * 40], 78, 39), 2)

    @settings(max_examples=examples(100))
    @given(st.lists(st.lists(st.sampled_from((1, 2)), max_size=30), min_size=1, max_size=5))
    def test_they_are_those_of_the_text_folded_by_hand(self, rows: list[list[int]]) -> None:
        for columns in range(2, 70):
            folded = 0
            for row in rows:
                parts = [0]
                for width in row:
                    if parts[-1] + width > columns:
                        parts.append(0)
                    parts[-1] += width
                folded += len(parts)
            self.assertEqual(rows_above(rows, sum(rows[-1]), columns), folded - 1)

    def test_which_terminals_fold(self) -> None:
        for environ, fold in (
            ({"TERM": "xterm-256color"}, True),
            ({"TERM": "xterm-kitty"}, True),
            ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, False),
            ({"TERM": "screen", "STY": "1.pts"}, False),
            ({"TERM": "screen-256color", "TMUX": "/tmp/x,1,0", "XTERM_VERSION": "x"}, True),
            ({"TERM": "linux"}, False),
            ({"TERM": "rxvt-unicode"}, False),
            ({}, True),
        ):
            self.assertEqual(folds(environ), fold, environ)
