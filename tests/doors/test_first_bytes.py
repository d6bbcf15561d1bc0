from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial import unittest

from chatservice.doors.first_bytes import (
    MOST_REMEMBERED,
    REMEMBERED,
    Strangers,
    after_preamble,
)

BOM = b"\xef\xbb\xbf"
preambles = st.lists(st.sampled_from([BOM, b" ", b"\t", b"\r\n", b"\n", b"\r\0"])).map(b"".join)


class PreambleTests(unittest.TestCase):
    @given(preambles, st.sampled_from([b"", b"\xef", b"\xef\xbb"]))
    def test_what_says_nothing_yet(self, preamble: bytes, half: bytes) -> None:
        self.assertEqual(after_preamble(preamble + half), b"")

    @given(
        preambles,
        st.sampled_from([b"{", b"ana ", b"\x16", "\ufefe".encode(), b"\xef\xbc", b"\xff"]),
    )
    def test_what_says_something(self, preamble: bytes, rest: bytes) -> None:
        self.assertEqual(after_preamble(preamble + rest), rest)


class StrangersTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.strangers = Strangers(self.clock)

    def test_they_are_remembered_for_a_while(self) -> None:
        self.strangers.add("192.0.2.1")
        self.assertIn("192.0.2.1", self.strangers)
        self.assertNotIn("192.0.2.2", self.strangers)
        self.assertNotIn(None, self.strangers)
        self.clock.advance(REMEMBERED - 1)
        self.assertIn("192.0.2.1", self.strangers)
        self.strangers.add("192.0.2.1")
        self.clock.advance(REMEMBERED - 1)
        self.assertIn("192.0.2.1", self.strangers)
        self.clock.advance(1)
        self.assertNotIn("192.0.2.1", self.strangers)

    def test_of_too_many_the_oldest_is_forgotten(self) -> None:
        for number in range(MOST_REMEMBERED):
            self.strangers.add(str(number))
        self.strangers.add("0")
        self.strangers.add("one more")
        self.assertIn("0", self.strangers)
        self.assertNotIn("1", self.strangers)
        self.assertIn("2", self.strangers)
