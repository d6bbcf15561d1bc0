"""The line that is typed, when it is longer than a row, and when the terminal gets narrower."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.client.screen.output import folds, rows_above
from tests.client.screen.desk import Desk
from tests.client.screen.tty import seen
from tests.profiles import examples

CHARACTERS = ("x", "y", " ", "日", "本", "e\u0301", "👍", "é", "न\u094d")


class FoldingTests(TestCase):
    def assert_whole(self, desk: Desk, text: str) -> None:
        columns = desk.cells.columns
        rows = desk.bottom[:-1]
        self.assertTrue(rows[0].startswith(">"), rows)
        shown = "".join(row[2:] for row in rows)
        self.assertEqual(shown.replace(" ", ""), seen(text).replace(" ", ""), (columns, rows))

    def test_it_is_shown_whole_at_any_width(self) -> None:
        dice = random.Random(1)
        for columns in (20, 21, 39, 40):
            desk = Desk(self, columns=columns)
            desk.come_in("bob")
            for _ in range(25):
                text = "".join(dice.choices(CHARACTERS, k=dice.randrange(1, 5 * columns // 2)))
                desk.type(text)
                self.assert_whole(desk, text)
                desk.type("\r")
                (say,) = desk.store() or [None]
                self.assertEqual(say.text if say else "", text.rstrip() if text.strip() else "")

    def test_the_cursor_is_where_it_is_typed(self) -> None:
        desk = Desk(self, columns=21)
        desk.come_in("bob")
        text = "日" * 12 + "e\u0301" * 5
        desk.type(text)
        for place in range(len(text), 0, -1):
            desk.type("\x1b[D")
            y, x = desk.cells.cursor.y, desk.cells.cursor.x
            character = seen(text[place - 1 :])[0]
            if character != "\u0301":
                self.assertEqual(desk.cells.buffer[y][x].data[0], character[0], place)
        desk.type("x")
        self.assert_whole(desk, "x" + text)

    def test_it_takes_half_of_the_screen_at_most(self) -> None:
        desk = Desk(self, columns=20, rows=10)
        desk.come_in("bob")
        desk.type("word " * 50)
        rows = [row for row in desk.cells.rows if "word" in row]
        self.assertEqual(len(rows), 5)
        self.assertIn("#lobby", desk.cells.rows[-1])


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
