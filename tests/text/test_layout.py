from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.text.layout import COLUMNS, LEFT_MOST, WIDTH, grid, listed, pad, table, width, wrap
from chatservice.text.sanitising import safe

NAMES = ["ana", "bob", "cleo", "dora", "emil", "fritz", "greta", "hans", "ida"]

WORDS = st.lists(st.text("ab漢字e\u0301😀и", min_size=1, max_size=12), max_size=30)
SHOWN = st.text(max_size=60).map(safe)


class WidthTests(unittest.TestCase):
    def test_columns(self) -> None:
        for text, columns in {
            "": 0,
            "ana": 3,
            "漢字": 4,
            "ｱ": 1,
            "한국": 4,
            "e\u0301": 1,
            "שָׁלוֹם": 4,
            "😀": 2,
            "👩\u200d🚀": 2,
        }.items():
            self.assertEqual(width(text), columns, ascii(text))

    def test_control_characters_take_none(self) -> None:
        self.assertEqual(width("a\x07漢\x1b"), 3)

    def test_a_notice_fits_the_terminal(self) -> None:
        self.assertEqual(len("-- ") + WIDTH, COLUMNS)

    def test_pad(self) -> None:
        self.assertEqual(pad("ana", 5), "ana  ")
        self.assertEqual(pad("漢字", 5), "漢字 ")
        self.assertEqual(pad("zoe\u0308", 5), "zoe\u0308  ")

    def test_what_is_wide_enough_is_not_padded(self) -> None:
        self.assertEqual(pad("漢字", 4), "漢字")
        self.assertEqual(pad("漢字", 3), "漢字")

    @given(SHOWN, st.integers(0, 80))
    def test_padded(self, text: str, columns: int) -> None:
        self.assertEqual(width(pad(text, columns)), max(columns, width(text)))


class WrapTests(unittest.TestCase):
    def test_nothing(self) -> None:
        self.assertEqual(wrap([]), [])
        self.assertEqual(wrap([], "  "), [])
        self.assertEqual(wrap([""], "here: "), ["here:"])

    def test_one_line(self) -> None:
        self.assertEqual(wrap(["a", "", "b"], "here: "), ["here: a b"])

    def test_lines(self) -> None:
        self.assertEqual(
            wrap(["1234567890"] * 7, "first: ", "    "),
            [
                "first: 1234567890 1234567890",
                "    1234567890 1234567890 1234567890",
                "    1234567890 1234567890",
            ],
        )

    def test_a_line_may_be_full(self) -> None:
        self.assertEqual(wrap(["a" * 18, "b" * 18]), ["a" * 18 + " " + "b" * 18])
        self.assertEqual(wrap(["a" * 18, "b" * 19]), ["a" * 18, "  " + "b" * 19])

    def test_wide_characters(self) -> None:
        self.assertEqual(wrap(["漢" * 9, "字" * 9]), ["漢" * 9 + " " + "字" * 9])
        self.assertEqual(wrap(["漢" * 9, "字" * 10]), ["漢" * 9, "  " + "字" * 10])

    def test_a_long_word_has_its_own_line(self) -> None:
        long = "x" * 50
        self.assertEqual(wrap(["a", long, "b"]), ["a", "  " + long, "  b"])
        self.assertEqual(wrap([long, "b"]), [long, "  b"])
        self.assertEqual(wrap([long], "first: "), ["first:", "  " + long])

    def test_no_line_is_broken_for_no_gain(self) -> None:
        long = "x" * 50
        self.assertEqual(wrap([long], "a ", "  "), ["a " + long])
        self.assertEqual(wrap([long], "    ", "  "), ["    " + long])

    def test_listed(self) -> None:
        self.assertEqual(listed([]), [])
        self.assertEqual(listed(["ana"]), ["ana"])
        self.assertEqual(
            listed(NAMES, "here are ", " "),
            ["here are ana, bob, cleo, dora, emil,", " fritz, greta, hans, ida"],
        )

    @given(WORDS, st.sampled_from(["", "in #lobby: ", "    "]), st.sampled_from(["", "  "]))
    def test_lines_fit_and_words_stay(self, words: list[str], first: str, indent: str) -> None:
        lines = wrap(words, first, indent)
        self.assertEqual(" ".join(lines).split(), (first + " ".join(words)).split())
        for line in lines:
            self.assertEqual(line, line.rstrip())
            self.assertTrue(width(line) <= WIDTH, line)
        for line, following in pairwise(lines):
            self.assertTrue(following.startswith(indent))
            self.assertGreater(width(f"{line} {following.split()[0]}"), WIDTH)


class TableTests(unittest.TestCase):
    def test_columns(self) -> None:
        self.assertEqual(table([]), [])
        self.assertEqual(
            table([("ana", "at home"), ("漢字", "away"), ("zoe\u0308", ""), ("", "more")]),
            ["ana   at home", "漢字  away", "zoe\u0308", "      more"],
        )

    def test_a_wide_entry(self) -> None:
        self.assertEqual(
            table(
                [("/me TEXT", "do something"), ("/password OLD NEW", "change it"), ("x" * 17, "")]
            ),
            [
                "/me TEXT          do something",
                "/password OLD NEW",
                " " * LEFT_MOST + "  change it",
                "x" * 17,
            ],
        )

    def test_the_widest_entry_that_stands_beside(self) -> None:
        self.assertEqual(table([("x" * LEFT_MOST, "y")]), ["x" * LEFT_MOST + "  y"])

    def test_an_entry_wider_than_a_line(self) -> None:
        entry = "/command " + "ARGUMENT " * 5
        self.assertEqual(
            table([(entry, "does it")], 4),
            ["/command ARGUMENT ARGUMENT ARGUMENT", "  ARGUMENT ARGUMENT", "      does it"],
        )

    def test_a_long_description(self) -> None:
        self.assertEqual(
            table([("/who", "shows who is in the room that you are in, and away")]),
            ["/who  shows who is in the room that", "      you are in, and away"],
        )
        self.assertEqual(table([("漢字", "y" * 40)]), ["漢字  " + "y" * 40])

    def test_a_word_that_is_too_wide_for_its_column_stands_below(self) -> None:
        self.assertEqual(
            table([("timestamps", "off"), ("zone", "x" * 26 + " it is"), ("joins", "y" * 25)]),
            ["timestamps  off", "zone", "  " + "x" * 26 + " it is", "joins       " + "y" * 25],
        )
        self.assertEqual(table([("zone", "x" * 34)]), ["zone", "  " + "x" * 34])
        self.assertEqual(table([("zone", "x" * 36)]), ["zone  " + "x" * 36])

    def test_the_left_column_as_given(self) -> None:
        self.assertEqual(table([("a", "b")], 4), ["a     b"])
        self.assertEqual(table([("abcdef", "b")], 4), ["abcdef", "      b"])
        self.assertEqual(table([("a", "b")], 99), ["a" + " " * 17 + "b"])

    @given(st.lists(st.tuples(st.text("ab漢e\u0301", max_size=20), WORDS.map(" ".join))))
    def test_all_of_it_fits(self, rows: list[tuple[str, str]]) -> None:
        lines = table(rows)
        told = " ".join(f"{entry} {description}" for entry, description in rows)
        self.assertEqual(" ".join(lines).split(), told.split())
        for line in lines:
            self.assertEqual(line, line.rstrip())
            words = line.split()
            self.assertTrue(width(line) <= WIDTH or len(words) == 1 or width(words[-1]) > 19, line)


class GridTests(unittest.TestCase):
    def test_nothing(self) -> None:
        self.assertEqual(grid([]), [])

    def test_as_many_columns_as_fit_each_as_wide_as_its_widest(self) -> None:
        entries = [f"{letter * size}" for size in (4, 1, 6) for letter in "abcd"]
        self.assertEqual(
            grid(entries, "  ", 32),
            [
                "  aaaa    bbbb    cccc    dddd",
                "  a       b       c       d",
                "  aaaaaa  bbbbbb  cccccc  dddddd",
            ],
        )
        self.assertEqual(grid(["a", "b", "c"], "", 7), ["a  b  c"])
        self.assertEqual(grid(["a", "b", "c"], "", 6), ["a  b", "c"])

    def test_wide_characters_stand_in_their_columns(self) -> None:
        self.assertEqual(
            grid(["小林", "bo", "ana", "渡辺さん"], "", 14), ["小林  bo", "ana   渡辺さん"]
        )

    def test_what_is_too_wide_has_a_line_of_its_own(self) -> None:
        self.assertEqual(grid(["a" * 50, "b"], "  "), [f"  {'a' * 50}", "  b"])

    @given(WORDS, st.sampled_from((37, 77)))
    def test_all_of_it_is_there_and_fits(self, entries: list[str], room: int) -> None:
        rows = grid(entries, "  ", room)
        self.assertEqual(" ".join(rows).split(), entries)
        widest = max(map(width, entries), default=0)
        for row in rows:
            self.assertLessEqual(width(row), max(room, 2 + widest))
