"""What the load finds of what programs are told wrongly; it finds nothing if all is right."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.programs import Events, Programs
from benchmarks.verify import BEFORE, WORDS, Speaker, Wrong

AT = "2026-03-14T09:26:52.535Z"


def said(id: int, who: int, count: int) -> bytes:
    """Write a line as others are told it."""
    words = (WORDS % (who, count)).decode()
    head = f'{{"type":"said","id":{id},"at":"{AT}","room":"lobby"'
    return f'{head},"author":"m{who:05}","text":"{words}"}}\r\n'.encode()


def stored(id: int, count: int | None) -> bytes:
    """Write the receipt of a line."""
    seq = "" if count is None else f',"seq":{count + 1}'
    return f'{{"type":"ok","to":"say","id":{id},"at":"{AT}"{seq}}}\r\n'.encode()


class EventsTests(SynchronousTestCase):
    """Members 0 and 1 speak, 2 and 3 listen."""

    def setUp(self) -> None:
        self.freed: list[int] = []
        speakers = {number: Speaker() for number in (0, 1)}
        for speaker in speakers.values():
            speaker.said.extend([0.0, 0.0])
        self.events = Events(
            lambda who, words: words, speakers, range(4), False, [3], self.freed.append
        )

    def hear(self, member: int, *data: bytes) -> None:
        """Let a member receive something in pieces of seven bytes."""
        every = b"".join(data)
        for start in range(0, len(every), 7):
            self.events.receive(member, every[start : start + 7], 1.0)

    def hear_all(self, lines: Iterable[tuple[int, int, int]], *members: int) -> None:
        """Let members receive lines, each as it is for them."""
        for member in members:
            self.hear(
                member, *(stored(i, n) if who == member else said(i, who, n) for i, who, n in lines)
            )

    def test_what_is_right_is_found_to_be(self) -> None:
        lines = [(7, 0, 0), (8, 1, 0), (9, 1, 1), (12, 0, 1)]
        self.hear_all(lines[:2], 2)
        self.hear_all(lines, 0, 3)
        self.hear_all(lines[2:], 2)
        self.assertEqual(len(list(self.events.lacking())), 1)
        self.hear_all(lines, 1)
        self.assertEqual(list(self.events.lacking()), [])
        self.assertEqual((self.events.heard_bytes, len(self.events.latencies)), (16, 4))
        self.assertEqual(self.freed, [0, 0, 1, 1])

    def test_what_is_wrong_is_found(self) -> None:
        for lines in (
            [(7, 0, 1)],
            [(7, 0, 0), (8, 0, 0)],
            [(7, 0, 0), (6, 1, 0)],
            [(7, 0, 0), (7, 1, 0)],
            [(7, 0, 0), (8, 0, 1), (9, 0, 2)],
        ):
            for member in (0, 2):
                self.setUp()
                with self.assertRaises(Wrong, msg=lines):
                    self.hear_all(lines, member)

    def test_so_is_what_others_were_told_otherwise(self) -> None:
        self.hear_all([(7, 0, 0), (8, 1, 0)], 2)
        for other in ([(7, 0, 0), (9, 1, 0)], [(8, 1, 0), (9, 0, 0)]):
            for member in (1, 3):
                with self.assertRaises(Wrong):
                    self.hear_all(other, member)

    def test_and_what_is_not_to_be_told_at_all(self) -> None:
        for line in (said(7, 0, 0), b'{"type":"live"}\r\n', stored(7, 0)[:-5] + b"\r\n"):
            self.setUp()
            with self.assertRaises(Wrong, msg=line):
                self.hear(0, line)

    def test_a_receipt_of_before_the_start_is_passed_over(self) -> None:
        self.events.receive(3, stored(5, None), 1.0)
        self.hear_all([(7, 0, 0)], 3)
        self.assertEqual(self.events.heard_bytes, 1)


class ProgramsTests(SynchronousTestCase):
    def test_each_line_has_its_number_but_for_those_before_the_start(self) -> None:
        said = Programs().say("m00001", "lobby", WORDS % (1, 4))
        self.assertIn(b'"seq":5', said)
        self.assertNotIn(b"seq", Programs().say("m00001", "lobby", WORDS % (1, BEFORE)))
