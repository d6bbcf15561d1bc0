"""When lines are printed, and in which order."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from chatservice.client.screen import paper
from chatservice.client.screen.paper import PAUSE, Paper
from chatservice.client.screen.rendering import Line, Text, Weight, day, notice
from chatservice.client.stored.state import Memory


class Printer:
    echoes = False

    def __init__(self, columns: int | None = 80) -> None:
        self.columns = columns
        self.prints: list[list[str]] = []
        self.rings = 0

    def show(self, text: Text, ring: bool) -> None:
        self.prints.append(plain(text).split("\n")[:-1])
        self.rings += ring

    def turn(self) -> None:
        self.prints.append(["(a new page)"])

    def refresh(self) -> None:
        """Nothing is drawn."""

    def prompt(self, words: str = "") -> None:
        """Nothing is typed."""

    def close(self) -> None:
        """There is no terminal."""


def plain(text: Text) -> str:
    return "".join(part for _, part in text)


def line(text: str, at: datetime | None = None) -> Line:
    return Line([("", text)], at is not None, at)


class PaperTests(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.printer = Printer()
        self.settings = Memory(None, self.fail).settings
        self.settings.change(timestamps="off")
        self.paper = Paper(self.clock, self.printer, self.settings)

    def put(self, *texts: str) -> None:
        self.paper.put(*map(line, texts))

    def test_what_comes_together_is_printed_together(self) -> None:
        self.put("one")
        self.put("two", "three")
        self.assertEqual(self.printer.prints, [])
        self.clock.advance(0)
        self.assertEqual(self.printer.prints, [["one", "two", "three"]])

    def test_not_more_often_than_one_can_see(self) -> None:
        self.put("one")
        self.clock.advance(0)
        self.put("two")
        self.clock.advance(PAUSE / 2)
        self.assertEqual(len(self.printer.prints), 1)
        self.put("three")
        self.clock.advance(PAUSE / 2)
        self.assertEqual(self.printer.prints, [["one"], ["two", "three"]])

    def test_not_all_of_too_much_at_once(self) -> None:
        self.patch(paper, "AT_ONCE", 2)
        self.put("one", "two", "three")
        self.clock.advance(0)
        self.assertEqual(self.printer.prints, [["one", "two"], ["three"]])

    def test_lines_wait_for_what_comes_first(self) -> None:
        self.put("zero")
        self.paper.hold()
        self.put("two")
        self.paper.hold()
        self.put("three")
        self.clock.advance(1)
        self.assertEqual(self.printer.prints, [["zero"]])
        self.paper.release([line("one")])
        self.clock.advance(1)
        self.assertEqual(self.printer.prints, [["zero"], ["one", "two", "three"]])

    def test_too_many_do_not_wait(self) -> None:
        self.patch(paper, "HELD_MOST", 2)
        self.paper.hold()
        self.put("one", "two")
        self.clock.advance(1)
        self.assertEqual(self.printer.prints, [])
        self.put("three")
        self.clock.advance(1)
        self.put("four")
        self.clock.advance(1)
        self.assertEqual(self.printer.prints, [["one", "two", "three"], ["four"]])

    def test_all_is_printed_at_the_end(self) -> None:
        self.put("one")
        self.paper.hold()
        self.put("two")
        self.paper.flush()
        self.assertEqual(self.printer.prints, [["one", "two"]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_bell_rings_once(self) -> None:
        self.paper.call(Weight.MENTION)
        self.paper.call(Weight.MENTION)
        self.put("one", "two")
        self.clock.advance(1)
        self.paper.call(Weight.TALK)
        self.put("three")
        self.clock.advance(1)
        self.assertEqual(self.printer.rings, 1)
        self.paper.hold()
        self.paper.call(Weight.MENTION)
        self.put("four")
        self.clock.advance(1)
        self.assertEqual(self.printer.rings, 1)
        self.paper.release()
        self.clock.advance(1)
        self.assertEqual(self.printer.rings, 2)

    def test_it_rings_for_what_is_not_printed(self) -> None:
        self.paper.call(Weight.MENTION)
        self.clock.advance(1)
        self.assertEqual((self.printer.prints, self.printer.rings), ([[]], 1))
        self.paper.call(Weight.TALK)
        self.clock.advance(1)
        self.assertEqual((self.printer.prints, self.printer.rings), ([[]], 1))

    def test_a_new_page_begins_behind_all_that_waits(self) -> None:
        self.put("one")
        self.paper.hold()
        self.put("two")
        self.paper.turn()
        self.put("three")
        self.clock.advance(1)
        self.assertEqual(self.printer.prints, [["one", "two"], ["(a new page)"], ["three"]])

    def test_each_day_has_its_line(self) -> None:
        now = datetime.now().astimezone()
        before = now - timedelta(days=1)
        self.paper.put(line("a", at=before), notice("b"), line("c", at=before), line("d", at=now))
        self.clock.advance(0)
        days = [plain(day(at).fragments) for at in (before, now)]
        self.assertEqual(self.printer.prints, [[days[0], "a", "-- b", "c", days[1], "d"]])

    def test_the_time_stands_in_front_as_one_wants_it(self) -> None:
        at = datetime(2026, 3, 3, 14, 2, 59, tzinfo=timezone.utc)
        self.settings.change(zone="UTC")
        self.paper.put(line("x", at=at))
        self.clock.advance(1)
        for zone, timestamps, shown in (
            ("UTC", "off", "x"),
            ("UTC", "short", "[14:02] x"),
            ("Asia/Tokyo", "short", "[23:02] x"),
            ("America/New_York", "full", "[2026-03-03 09:02:59] x"),
            ("local", "short", f"[{at.astimezone():%H:%M}] x"),
        ):
            self.settings.change(zone=zone, timestamps=timestamps)
            self.paper.put(line("x", at=at), notice("y"))
            self.clock.advance(1)
            self.assertEqual(self.printer.prints[-1][-2:], [shown, "-- y"])

    def test_any_time_is_shown_somehow(self) -> None:
        self.settings.change(timestamps="short")
        for zone in ("local", "UTC", "Pacific/Auckland", "America/Los_Angeles"):
            self.settings.change(zone=zone)
            for at in (datetime.min, datetime.max):
                self.paper.put(line("x", at=at.replace(tzinfo=timezone.utc)))
                self.clock.advance(1)
                self.assertRegex(self.printer.prints[-1][-1], r"\A\[\d\d:\d\d\] x\Z")
        self.paper.put(Line([("", "x")], timed=True))
        self.clock.advance(1)
        self.assertEqual(self.printer.prints[-1], ["[--:--] x"])

    def test_today_needs_none_at_the_beginning(self) -> None:
        self.paper.put(line("a", at=datetime.now().astimezone()))
        self.clock.advance(0)
        self.assertEqual(self.printer.prints, [["a"]])

    def test_lines_are_folded_unless_the_terminal_does_it(self) -> None:
        self.printer.columns = 12
        self.put("one two three")
        self.clock.advance(1)
        self.printer.columns = None
        self.put("one two three")
        self.clock.advance(1)
        self.assertEqual(self.printer.prints, [["one two", "   three"], ["one two three"]])
