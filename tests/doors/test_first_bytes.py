from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.core.chat import Chat
from chatservice.doors.first_bytes import (
    after_preamble,
    door_for,
)
from chatservice.doors.seam import Connection, Dialog
from chatservice.doors.table import DOORS

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


class Marked:
    """A door whose peers begin with a mark of their own."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark

    def recognises(self, first: bytes) -> bool | None:
        if len(first) < len(self.mark) and self.mark.startswith(first):
            return None
        return first.startswith(self.mark)

    def __call__(self, chat: Chat, connection: Connection) -> Dialog:
        raise NotImplementedError


class DoorTests(unittest.TestCase):
    def test_the_first_one_that_recognises_a_peer_is_its_door(self) -> None:
        doors = one, two, everybody = Marked(b"ab"), Marked(b"a"), Marked(b"")
        self.assertIs(door_for(b"abc", doors), one)
        self.assertIs(door_for(b"acb", doors), two)
        self.assertIs(door_for(b"cab", doors), everybody)
        self.assertIs(door_for(b"ab", doors[1:]), two)

    def test_while_one_needs_more_bytes_those_behind_it_are_not_asked(self) -> None:
        doors = Marked(b"ab"), Marked(b"a"), Marked(b"")
        self.assertIsNone(door_for(b"a", doors))

    def test_there_may_be_none(self) -> None:
        self.assertIsNone(door_for(b"c", (Marked(b"ab"), Marked(b"a"))))

    def test_of_the_doors_that_there_are_programs_have_the_brace_and_people_all_else(self) -> None:
        program, person = DOORS
        for first, door in ((b"{", program), (b'{"type"', program), (b"a{", person)):
            self.assertIs(door_for(first, DOORS), door)
