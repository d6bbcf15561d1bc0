from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.client.connection import LONGEST
from chatservice.client.streams import backlog
from chatservice.client.streams.backlog import Backlog, Source, Tail
from chatservice.client.streams.stdio import TOO_LONG
from tests.profiles import examples


def all_of(source: Source) -> list[str]:
    lines = []
    while (line := source.next()) is not None:
        lines.append(line)
    return lines


class BacklogTests(TestCase):
    def setUp(self) -> None:
        self.refused: list[str] = []
        self.backlog = Backlog(self.refused.append)

    @settings(max_examples=examples(100))
    @given(st.lists(st.sampled_from(("a", "b\n", "\n", "c\r\n", "\rd", " \n", "é\n", "/x"))))
    def test_lines_are_those_that_were_written_however_they_are_cut(
        self, pieces: list[str]
    ) -> None:
        source = Backlog(self.refused.append)
        taken = []
        for piece in pieces:
            for byte in piece.encode():
                source.add(bytes([byte]))
                taken += all_of(source)
        source.end()
        taken += all_of(source)
        whole = [line.rstrip("\r").split("\r")[-1] for line in "".join(pieces).split("\n")]
        self.assertEqual(taken, [line for line in whole if line.strip()])

    def test_the_last_line_need_not_have_an_end(self) -> None:
        self.backlog.add(b"one\ntwo")
        self.assertEqual(all_of(self.backlog), ["one"])
        self.backlog.end()
        self.assertEqual(all_of(self.backlog), ["two"])

    def test_it_is_full_at_16_mib_and_takes_more_when_some_was_taken(self) -> None:
        line = b"x" * 1023 + b"\n"
        self.backlog.add(line * (16 * 1024 - 1))
        self.assertFalse(self.backlog.full)
        self.backlog.add(line)
        self.assertTrue(self.backlog.full)
        self.backlog.next()
        self.assertFalse(self.backlog.full)
        self.assertEqual(len(all_of(self.backlog)), 16 * 1024 - 1)

    def test_what_is_behind_a_line_that_is_too_long_counts(self) -> None:
        for data in (
            [b"x" * (LONGEST + 2), b"xx", b"x\nhi\nho"],
            [b"x" * (2 * LONGEST) + b"\nhi\nho"],
        ):
            self.setUp()
            taken = []
            for some in data:
                self.backlog.add(some)
                taken += all_of(self.backlog)
            self.backlog.end()
            taken += all_of(self.backlog)
            self.assertEqual((taken, self.refused), (["hi", "ho"], [TOO_LONG]))

    def test_progress_without_an_end_is_not_too_long(self) -> None:
        for _ in range(3 * LONGEST // 1000):
            self.backlog.add(b"%" * 999 + b"\r")
            self.assertIsNone(self.backlog.next())
            self.assertLess(len(self.backlog._data), 2 * LONGEST)
        self.backlog.add(b"done\nnext\n")
        self.assertEqual((all_of(self.backlog), self.refused), (["done", "next"], []))
        self.backlog.add(b"%\r" * LONGEST + b"done\n")
        self.assertEqual((all_of(self.backlog), self.refused), (["done"], []))


class TailTests(TestCase):
    def tail(self, most: int, *data: bytes) -> list[str]:
        self.refused: list[str] = []
        source = Tail(Backlog(self.refused.append), most)
        for some in data:
            source.add(some)
            self.assertFalse(source.full)
            self.assertIsNone(source.next())
        source.end()
        return all_of(source)

    def test_the_last_lines_behind_how_many_are_left_out(self) -> None:
        lines = [f"{number}\n\n".encode() for number in range(5000)]
        self.assertEqual(self.tail(2, *lines), ["… 4,998 lines left out", "4998", "4999"])
        self.assertEqual(self.tail(4, b"1\n2\n3", b"\n4\n5"), ["… 1 line left out", *"2345"])

    def test_all_if_there_are_no_more(self) -> None:
        self.assertEqual(self.tail(2, b"1\n2"), ["1", "2"])
        self.assertEqual(self.tail(2), [])

    def test_no_more_is_kept_than_may_wait(self) -> None:
        self.patch(backlog, "MOST", 100)
        told = self.tail(50, *[b"x" * 9 + b"\n"] * 40)
        self.assertEqual((told[0], len(told)), ("… 29 lines left out", 12))
