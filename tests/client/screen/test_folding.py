"""The line that is typed, when it is longer than a row."""

from __future__ import annotations

import random

from twisted.trial.unittest import TestCase

from tests.client.screen.desk import Desk
from tests.client.screen.tty import seen

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
