from __future__ import annotations

from collections.abc import Sequence

import pyte
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.doors.line_editor import LineEditor

COLUMNS, ROWS = 30, 24


class Desk:
    """A terminal, a line that is typed on it, and what comes in.

    :ivar lines: what was entered.
    :ivar ended: the input was.
    """

    def __init__(self) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self._editor = LineEditor(lambda: COLUMNS)
        self.lines: list[str] = []
        self.ended = False
        self.written = b""

    def type(self, keys: str | bytes) -> None:
        for echo, line in self._editor.typed(keys if isinstance(keys, bytes) else keys.encode()):
            self._write(echo)
            if line:
                self.lines.append(line.decode())
            self.ended = self.ended or line == b""

    def show(self, data: str) -> None:
        self._write(self._editor.output(data.encode()))

    def _write(self, data: bytes) -> None:
        self.written += data
        # As a terminal does by itself, which still has that from us.
        self._stream.feed(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))

    @property
    def rows(self) -> Sequence[str]:
        """What is to be read, without what is empty at the end."""
        rows = [row.rstrip() for row in self.screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows


class LineEditorTests(TestCase):
    def setUp(self) -> None:
        self.desk = Desk()

    def test_what_comes_in_is_above_what_is_typed(self) -> None:
        self.desk.type("/ban bo")
        self.desk.show("<ana> hi\r\n<bob> hi\r\n")
        self.assertEqual(self.desk.rows, ["<ana> hi", "<bob> hi", "/ban bo"])
        self.desk.type("b 1h\n")
        self.desk.show("-- you banned bob\r\n")
        self.assertEqual(
            self.desk.rows, ["<ana> hi", "<bob> hi", "/ban bob 1h", "-- you banned bob"]
        )
        self.assertEqual(self.desk.lines, ["/ban bob 1h\n"])

    def test_where_nothing_is_typed_nothing_is_added(self) -> None:
        self.desk.type("hi\n")
        self.desk.show("<ana> hi\r\n")
        self.assertEqual(self.desk.written, b"hi\n<ana> hi\r\n")

    def test_a_line_that_comes_in_two_pieces_is_not_cut_either(self) -> None:
        self.desk.type("half")
        self.desk.show("<ana> one ")
        self.assertEqual(self.desk.rows, ["<ana> one"])
        self.desk.type(" typed")
        self.desk.show("two\r\n")
        self.assertEqual(self.desk.rows, ["<ana> one two", "half typed"])
        self.desk.type("\n")
        self.assertEqual(self.desk.lines, ["half typed\n"])

    def test_the_keys_that_edit(self) -> None:
        for keys, left in (
            ("helo\x7flo", "hello"),
            ("grüß\b\b", "gr"),
            ("e\u0301\x7f", ""),
            ("one two \x17three", "one three"),
            ("one two\x15", ""),
            ("\x7f\x17\x15", ""),
        ):
            desk = Desk()
            desk.type(keys)
            self.assertEqual(desk.rows, [left] if left else [], keys)
            desk.type("\r")
            self.assertEqual(desk.lines, [f"{left}\n"], keys)

    def test_keys_that_do_nothing_are_none_of_the_line(self) -> None:
        for keys in ("\x1b[A", "\x1b[1;5C", "\x1bOP", "\x1bx", "\t", "\0", "\x01", "\x1b[200~"):
            desk = Desk()
            desk.type(f"a{keys}b\n")
            self.assertEqual(desk.lines, ["ab\n"], keys)
            # However what it sends is cut.
            desk = Desk()
            for byte in f"a{keys}é\n".encode():
                desk.type(bytes([byte]))
            self.assertEqual((desk.lines, desk.rows), (["aé\n"], ["aé"]), keys)

    def test_bytes_that_are_no_text(self) -> None:
        self.desk.type(b"a\xff\n")
        self.assertEqual(self.desk.lines, ["a\ufffd\n"])

    def test_the_end_of_the_input_is_one_where_nothing_is_typed(self) -> None:
        self.desk.type("a\x04")
        self.assertFalse(self.desk.ended)
        self.desk.type("\x7f\x04")
        self.assertTrue(self.desk.ended)

    def test_of_a_long_line_the_end_is_shown_until_it_is_entered(self) -> None:
        words = " ".join(str(number) for number in range(30))
        self.desk.type(words)
        self.desk.show("<ana> hi\r\n")
        ana, shown = self.desk.rows
        self.assertEqual((ana, shown[0]), ("<ana> hi", "…"))
        self.assertTrue(words.endswith(shown[1:]))
        self.assertEqual(len(shown), COLUMNS - 1)
        self.desk.type("\n")
        self.assertEqual("".join(self.desk.screen.display[1:4]).rstrip(), words)
        self.assertEqual(self.desk.lines, [f"{words}\n"])

    def test_wide_characters_fill_two_columns(self) -> None:
        self.desk.type("漢" * COLUMNS)
        self.desk.show("<ana> hi\r\n")
        self.assertEqual(len(self.desk.rows), 2)

    @given(
        st.lists(
            st.one_of(
                st.text("ab /\x7f\x17é漢", min_size=1, max_size=12).map(lambda t: ("type", t)),
                st.text("xyz", min_size=1, max_size=20).map(lambda t: ("show", f"<{t}>\r\n")),
                st.text("xyz", min_size=1, max_size=5).map(lambda t: ("show", t)),
            ),
            max_size=15,
        )
    )
    def test_nothing_is_cut_whatever_happens(self, steps: list[tuple[str, str]]) -> None:
        """What came in stands there as if nobody typed; what is typed, in the last row."""
        desk, alone = Desk(), Desk()
        for what, text in steps:
            getattr(desk, what)(text)
            if what == "show":
                alone.show(text)
        alone.show("\r\n")
        desk.show("\r\n")
        cursor = alone.screen.cursor.y
        self.assertEqual(desk.screen.display[:cursor], alone.screen.display[:cursor])
        self.assertEqual(desk.screen.cursor.y, cursor)
        desk.type("\n")
        self.assertEqual(len(desk.lines), 1)
