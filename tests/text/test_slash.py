from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.text.sanitising import decode, safe
from chatservice.text.slash import LooksLikeCommand, from_slash

SECRET = b"/msg bob secret"

UNSEEN = {
    "nothing": b"",
    "Ctrl-C": b"\x03",
    "Ctrl-Z": b"\x1a",
    "Esc": b"\x1b",
    "Esc and a blank": b"\x1b ",
    "Esc and a bracket": b"\x1b[",
    "Esc, a bracket and a blank": b"\x1b[ ",
    "Esc twice": b"\x1b\x1b",
    "a backslash with Alt": b"\x1b\\",
    "a letter with Alt": b"\x1bb",
    "an arrow": b"\x1b[A",
    "an arrow in another mode": b"\x1bOA",
    "half an arrow": b"\x1bO",
    "an arrow with Ctrl": b"\x1b[1;5C",
    "half of that": b"\x1b[1;5",
    "Delete": b"\x1b[3~",
    "F1 of Linux": b"\x1b[[A",
    "a paste": b"\x1b[200~",
    "a click": b"\x1b[<0;10;20M",
    "what a terminal is": b"\x1b[?62;c",
    "many keys": b" \x03\t\x1b[A\x1b[B\x1bOP ",
    "NUL": b"\0",
    "CR": b"\r",
    "a stray byte": b"\xff",
    "half a character": b"\xe2\x82",
    "a C1 control": b"\xc2\x85",
    "a blank": b" ",
    "a tab": b"\t",
    "a no-break space": "\u00a0".encode(),
    "an ideographic space": "\u3000".encode(),
    "other blanks": "\u1680\u2003\u2009\u202f\u205f".encode(),
    "Braille without dots": "\u2800".encode(),
    "a byte order mark": "\ufeff".encode(),
    "what is invisible": "\u200b\u00ad\u2060\u200e\u202e\u3164".encode(),
    "a mark": "\u0301".encode(),
    "a mark on a blank": "\u00a0\u0301".encode(),
    "a selector on a blank": "\u2800\ufe0f".encode(),
    "a joiner between blanks": "\u2800\u200d\u2800".encode(),
}

LIKE_A_SLASH = "\uff0f\u2044\u2215\u29f8\u2571\u27cb\u2afd\u2e4a\u2cc6\U0001f67c"


def shown(typed: bytes) -> str | None:
    return from_slash(safe(decode(typed)))


class FromSlashTests(TestCase):
    def test_what_is_not_seen_does_not_hide_a_slash(self) -> None:
        for name, before in UNSEEN.items():
            self.assertEqual(shown(before + SECRET), SECRET.decode(), name)
            self.assertEqual(shown(before + b" " + SECRET), SECRET.decode(), name)
            self.assertEqual(shown(before + b"//x"), "//x", name)

    def test_words_are_words(self) -> None:
        for line in (
            "",
            "hi",
            "a/b",
            "1/2",
            "- /x",
            "<b>/",
            "\u044f/",
            "\u30ce/",
            "👍/x",
            "…/",
            ":/",
        ):
            self.assertIsNone(from_slash(line), line)
        for typed in (b"  hi /x", b"\x1b[Ahi", b"\x03hi", b"\xffa/", b"\x1b[1;5C1/2"):
            self.assertIsNone(shown(typed), typed)

    def test_what_is_drawn_like_a_slash_is_neither(self) -> None:
        for like in (*LIKE_A_SLASH, " \u0338", "\u00a0\u0337"):
            for before in ("", " ", "\x1b[A", "\ufeff"):
                self.assertRaises(LooksLikeCommand, shown, f"{before}{like}msg bob secret".encode())
                self.assertIsNone(shown(f"{before}a{like}b".encode()))

    @given(st.lists(st.sampled_from([b for b in UNSEEN.values() if b != b"\x1bb"]), max_size=8))
    @settings(deadline=None)
    def test_nor_do_many_of_it(self, before: list[bytes]) -> None:
        self.assertEqual(shown(b" ".join([*before, SECRET])), SECRET.decode())

    def test_a_line_that_is_nothing_else_takes_no_time(self) -> None:
        began = time.process_time()
        for line in ("\u241b[" * 4000, "\u241b[1" * 3000, " " * 8000, "\u00a0\u0301" * 4000):
            for _ in range(10):
                from_slash(line)
        self.assertLess(time.process_time() - began, 2)
