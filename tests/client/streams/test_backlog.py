from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.client.streams import backlog
from chatservice.client.streams.backlog import LONGEST, TOO_LONG, Backlog, Printed, Tail, as_seen
from tests.profiles import examples


def all_of(source: Backlog) -> list[str]:
    lines = []
    while (line := source.next()) is not None:
        lines.append(line)
    return lines


class BacklogTests(TestCase):
    def setUp(self) -> None:
        self.refused: list[str] = []
        self.backlog = Printed(self.refused.append)

    @settings(max_examples=examples(100))
    @given(st.lists(st.sampled_from(("a", "b\n", "\n", "c\r\n", "\rd", " \n", "é\n", "/x"))))
    def test_lines_are_those_that_were_written_however_they_are_cut(
        self, pieces: list[str]
    ) -> None:
        source = Printed(self.refused.append)
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

    def test_it_tells_how_much_waits(self) -> None:
        self.backlog.add(b"x" * 1023 + b"\n" + b"yy")
        self.assertEqual(self.backlog.size, 1026)
        self.backlog.next()
        self.assertEqual(self.backlog.size, 2)

    def test_lines_that_are_not_seen_are_taken_as_they_are(self) -> None:
        source = Backlog(self.refused.append)
        source.add(b"\x1b[1m\rx \r\n\n \n" + b"\r" * (LONGEST + 1) + b"z\n")
        self.assertEqual(all_of(source), ["\x1b[1m\rx ", "", " "])
        self.assertEqual(self.refused, [TOO_LONG])

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
        source = Tail(self.refused.append, most)
        for some in data:
            source.add(some)
            self.assertLess(source.size, 10)
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
