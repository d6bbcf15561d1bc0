from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.client.streams.printed import as_seen
from tests.profiles import examples


class SeenTests(TestCase):
    def test_what_one_would_see(self) -> None:
        for line, seen in (
            ("hi", "hi"),
            ("", ""),
            ("  indented\tby a tab", "  indented\tby a tab"),
            # git, pip, curl, apt, make, a spinner, man.
            ("Receiving objects:  50%\rReceiving objects: 100% (4/4), done.", None),
            ("\r\x1b[2K   \x1b[90m━━━━\x1b[0m 1.2 MB", "   ━━━━ 1.2 MB"),
            ("  0 1 0 0\r100 1 0 0\r", "100 1 0 0"),
            ("Working\r\x1b[Kdone", "done"),
            ("\x1b[31mError\x1b[0m: \x1b[38;5;196mno\x1b[m", "Error: no"),
            ("\x1b]8;;http://h/\x1b\\text\x1b]8;;\x1b\\", "text"),
            ("\x1b]0;a title\x07make", "make"),
            ("|\b/\b-\b\\\bok", "ok"),
            ("N\bNA\bAM\bME\bE  _\bx", "NAME  x"),
            ("\x1b(B\x1b=x\x07", "x"),
            ("\x9b31mx\x9bm", "x"),
            # What is drawn over nothing leaves it; what is erased is gone.
            ("100%\r\x1b[0m", "100%"),
            ("100%\r\x1b[K", ""),
            ("100%\r\x1b[2K\x1b[0m", ""),
            ("100%\r    ", "    "),
            # Cut off.
            ("x\x1b", "x"),
            ("x\x1b[31", "x"),
            ("x\x1b]0;title", "x"),
            ("\x1b[999999999;;;;m", ""),
        ):
            self.assertEqual(as_seen(line), seen if seen is not None else line.split("\r")[1])

    @settings(max_examples=examples(200))
    @given(st.text(alphabet="ab\r\b\x1b[]m;0K\\\x07\x9b é", max_size=60))
    def test_nothing_comes_to_a_line_and_nothing_that_draws_stays(self, line: str) -> None:
        seen = as_seen(line)
        self.assertTrue(set(seen) <= set(line) - {"\r", "\b", "\x07"}, (line, seen))
