from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from chatservice.core.chat import PRUNE_EVERY
from chatservice.core.wall_clock import JUMP, LOOK_EVERY, NOTE, PROBATION, Doubt, WallClock
from chatservice.journal.events import FILE, Fact, JournalUnavailable
from tests.core.support import DAY, START, House, HouseTestCase, Person

HOUR = 3600.0


class WallClockTests(TestCase):
    """The clock alone, with a file that is a value."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.set_by = 0
        self.file = ""
        self.refuses = False
        self.wall = WallClock(self.clock, self.read, self.note)

    def read(self) -> int:
        return START + self.set_by + round(self.clock.seconds() * 1000)

    def note(self, name: str, value: str) -> Deferred[None]:
        self.assertEqual(name, NOTE)
        if self.refuses:
            return fail(JournalUnavailable("the disk is full"))
        self.file = value
        return succeed(None)

    def restart(self, pause: float, newest: int | None = None) -> None:
        """Stop, and start again after a pause in which something may have been said."""
        newest = self.read() if newest is None else newest
        self.wall.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(pause)
        self.wall = WallClock(self.clock, self.read, self.note)
        self.start(newest)

    def start(self, newest: int) -> None:
        facts = [Fact("topic", NOTE, "cake")]
        self.wall.start(newest, [*facts, Fact(FILE, NOTE, self.file)] if self.file else facts)

    def runs(self, seconds: float) -> None:
        self.clock.pump([LOOK_EVERY] * round(seconds / LOOK_EVERY))

    def test_a_time_that_goes_on_as_it_should_is_believed(self) -> None:
        self.start(0)
        self.clock.advance(1000 * DAY)
        self.assertEqual(self.wall.now(), START + 1000 * JUMP)
        self.assertTrue(self.wall.believed)
        self.assertEqual((self.file, self.clock.getDelayedCalls()), ("", []))

    def test_so_is_a_step_of_a_day(self) -> None:
        for self.set_by in (JUMP, 0, -JUMP, 0):
            self.assertTrue(self.wall.believed)

    def test_after_a_jump_of_more_it_is_not(self) -> None:
        for way in (JUMP + 1, -JUMP - 1):
            self.wall = WallClock(self.clock, self.read, self.note)
            self.set_by += way
            self.assertFalse(self.wall.believed)
            self.assertNotEqual(self.file, "")
            self.wall.stop()

    def test_nor_when_it_has_jumped_back(self) -> None:
        self.set_by = 40 * JUMP
        self.wall.now()
        self.clock.advance(60)
        self.set_by = 0
        self.assertFalse(self.wall.believed)
        self.runs(PROBATION - LOOK_EVERY)
        self.assertFalse(self.wall.believed)
        self.runs(LOOK_EVERY)
        self.assertTrue(self.wall.believed)
        self.assertEqual((self.file, self.clock.getDelayedCalls()), ("", []))

    def test_each_jump_begins_the_probation_anew(self) -> None:
        self.set_by = 2 * JUMP
        self.wall.now()
        self.runs(PROBATION / 2)
        self.set_by = 0
        self.runs(PROBATION - LOOK_EVERY)
        self.assertFalse(self.wall.believed)
        self.runs(2 * LOOK_EVERY)
        self.assertTrue(self.wall.believed)

    def test_the_time_since_the_newest_event_is_looked_at_too(self) -> None:
        for away, believed in ((0, True), (JUMP, True), (JUMP + 1, False), (-JUMP - 1, False)):
            self.file = ""
            self.restart(0.0, self.read() - away)
            self.assertEqual(self.wall.believed, believed, away)

    def test_a_file_without_events_speaks_against_nothing(self) -> None:
        self.start(0)
        self.assertTrue(self.wall.believed)

    def test_the_probation_adds_up_over_restarts(self) -> None:
        self.restart(5 * DAY)
        for _ in range(23):
            self.runs(HOUR)
            self.restart(23 * HOUR)
            self.assertFalse(self.wall.believed)
        self.runs(HOUR)
        self.assertTrue(self.wall.believed)
        self.restart(23 * HOUR)
        self.assertTrue(self.wall.believed)

    def test_who_runs_it_for_an_hour_now_and_then_comes_to_the_end_of_it(self) -> None:
        """Each start finds a gap of about a day, now more, now less."""
        ran, gaps = 0, (24.5, 23.9, 25.0, 47.0, 24.1)
        while not self.wall.believed or not ran:
            self.restart(gaps[ran % len(gaps)] * HOUR)
            self.runs(HOUR)
            ran += 1
            self.assertLess(ran, 60)
        self.assertGreater(ran, 23)

    def test_a_gap_that_is_much_wider_begins_it_anew(self) -> None:
        self.restart(2 * DAY)
        self.runs(23 * HOUR)
        self.restart(300 * DAY)
        self.runs(23 * HOUR)
        self.assertFalse(self.wall.believed)

    def test_a_clock_that_is_wrong_at_the_start_is_so_when_it_was_killed_and_starts_again(
        self,
    ) -> None:
        """Though its events are of the wrong time by then."""
        right = self.read()
        self.set_by = 40 * JUMP
        self.restart(0.0, right)
        self.assertFalse(self.wall.believed)
        killed, self.wall = self.wall, WallClock(self.clock, self.read, self.note)
        self.start(self.read())
        self.assertFalse(self.wall.believed)
        self.wall.stop()
        killed.stop()

    def test_an_operator_can_say_that_it_is_right(self) -> None:
        self.set_by = 2 * JUMP
        self.assertFalse(self.wall.believed)
        self.wall.believe()
        self.assertTrue(self.wall.believed)
        self.assertEqual((self.file, self.clock.getDelayedCalls()), ("", []))
        self.wall.believe()
        self.set_by = 0
        self.assertFalse(self.wall.believed)

    def test_what_can_not_be_noted_holds_all_the_same(self) -> None:
        self.refuses = True
        self.set_by = 2 * JUMP
        self.assertFalse(self.wall.believed)
        self.assertEqual(self.wall.doubt, Doubt())
        self.runs(PROBATION)
        self.assertTrue(self.wall.believed)

    def test_how_long_it_ran_is_stored_each_minute(self) -> None:
        self.restart(3 * DAY)
        self.runs(HOUR)
        self.assertEqual(json.loads(self.file), [HOUR, round(3 * DAY * 1000)])


class NothingIsDeletedTests(HouseTestCase):
    """A house whose clock is set."""

    def open(self, path: str | None = None, **options: object) -> House:
        return super().open(path or self.path, **options)

    def set_clock(self, house: House, days: float) -> None:
        house.moment += round(days * DAY * 1000)

    def texts(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT text FROM events WHERE kind = 'said' ORDER BY id")
            return [text for (text,) in rows]

    def gather(self, house: House) -> Person:
        (ana,) = house.gather("ana")
        return ana

    def test_forty_days_ahead_for_a_minute_delete_no_history(self) -> None:
        house = self.open(keep=30)
        ana = self.gather(house)
        ana.tries("one", "two")
        self.set_clock(house, 40)
        house.tick(PRUNE_EVERY)
        ana.tries("three")
        self.set_clock(house, -40)
        for _ in range(10):
            house.tick(PRUNE_EVERY)
        self.assertEqual(self.texts(), ["one", "two", "three"])
        self.assertIn("[09:26] <ana> one", ana.tries("/history"))

    def test_nor_do_they_at_the_start(self) -> None:
        house = self.open(keep=30)
        self.gather(house).tries("one", "two")
        now = house.now()
        self.successResultOf(house.stop())
        house = self.open(keep=30, moment=now + round(40 * DAY * 1000))
        self.gather(house).tries("three")
        for _ in range(10):
            house.tick(PRUNE_EVERY)
        self.assertEqual(self.texts(), ["one", "two", "three"])

    def test_after_a_day_it_is_deleted(self) -> None:
        house = self.open(keep=30)
        self.gather(house).tries("old")
        self.set_clock(house, 40)
        house.tick(PRUNE_EVERY)
        self.gather_again(house, "young")
        self.assertEqual(self.texts(), ["old", "young"])
        house.clock.pump([PRUNE_EVERY] * round(PROBATION / PRUNE_EVERY + 1))
        self.assertEqual(self.texts(), ["young"])

    def gather_again(self, house: House, text: str) -> None:
        (bob,) = house.gather("bob")
        bob.tries(text)

    def test_or_when_an_operator_says_so(self) -> None:
        house = self.open(keep=30)
        self.gather(house).tries("old")
        self.set_clock(house, 40)
        (eve,) = house.gather("eve", operator=True)
        house.tick(PRUNE_EVERY)
        self.assertEqual(
            eve.tries("/clock"),
            [
                "-- it is 2026-04-23 09:27 UTC, or so says the clock, which jumped",
                "-- nothing old is deleted in the next 23 hours and 58 minutes",
                "-- /clock right says that it is right",
            ],
        )
        self.assertEqual(eve.tries("/clock wrong"), ["-- usage: /clock [right]"])
        self.assertEqual(eve.tries("/clock right"), ["-- you said that the clock is right"])
        self.assertEqual(
            eve.tries("/clock right"),
            ["-- it is 2026-04-23 09:27 UTC, and nothing speaks against it"],
        )
        house.tick(PRUNE_EVERY)
        self.assertEqual(self.texts(), [])

    def test_or_when_that_was_said_at_the_start(self) -> None:
        house = self.open(keep=30)
        self.gather(house).tries("old")
        now = house.now()
        self.successResultOf(house.stop())
        house = self.open(keep=30, moment=now + round(40 * DAY * 1000), clock_is_right=True)
        self.gather_again(house, "young")
        house.tick(PRUNE_EVERY)
        self.assertEqual(self.texts(), ["young"])

    def test_one_line_of_1970_takes_nothing_with_it(self) -> None:
        house = self.open(keep=30)
        ana = self.gather(house)
        ana.tries("one")
        now = house.moment
        house.moment = 0
        ana.tries("two")
        house.moment = now
        ana.tries("three")
        house.clock.pump([PRUNE_EVERY] * 10)
        self.assertEqual(self.texts(), ["one", "two", "three"])
        house.clock.pump([PRUNE_EVERY] * round(PROBATION / PRUNE_EVERY))
        self.assertEqual(self.texts(), ["one", "three"])
        past = ana.tries("/history")
        self.assertEqual(past[0], "-- the last 2 lines of #lobby, times in UTC:")
        self.assertEqual([line[8:] for line in past[-2:]], ["<ana> one", "<ana> three"])

    def test_days_are_headed_where_times_do_not_rise(self) -> None:
        house = self.open()
        ana = self.gather(house)
        for days, text in ((0, "today"), (365, "ahead"), (-365, "again"), (0, "more")):
            self.set_clock(house, days)
            ana.tries(text)
        self.assertEqual(
            ana.tries("/history"),
            [
                "-- the last 4 lines of #lobby, times in UTC:",
                "[09:26] <ana> today",
                "-- Sunday, 14 March 2027:",
                "[09:26] <ana> ahead",
                "-- Saturday, 14 March 2026:",
                "[09:26] <ana> again",
                "[09:26] <ana> more",
            ],
        )

    def test_tokens_are_not_forgotten(self) -> None:
        house = self.open(token_life=7)
        self.set_clock(house, 40)
        self.assertFalse(house.chat.wall.believed)
        _, session = house.chat.tokens.issue("bot")
        house.chat.tokens.here(session)
        house.chat.tokens.left(session)
        session.seen -= round(50 * DAY * 1000)
        house.chat.returns._tend()
        self.assertIn(session, house.chat.tokens.all())

    def test_nor_are_bans(self) -> None:
        house = self.open()
        eve, _ = house.gather("eve", "bob", operator=True)
        eve.tries("/ban 203.0.113.7 2d", "/mute bob 2d")
        self.set_clock(house, 40)
        eve.tries("/ban 203.0.113.8 2d")
        self.set_clock(house, -40)
        self.assertIn("203.0.113.7", str(eve.tries("/bans")))
