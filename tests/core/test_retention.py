from __future__ import annotations

import sqlite3

from chatservice.core.chat import PRUNE_EVERY, PRUNE_PAUSE
from chatservice.journal.sqlite import SqliteJournal
from tests.core.support import DAY, House, HouseTestCase


class PrunerTests(HouseTestCase):
    def count(self) -> int:
        with sqlite3.connect(self.path) as connection:
            count: int = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        connection.close()
        return count

    def test_nothing_is_forgotten_by_default(self) -> None:
        house = self.open(self.path)
        (ana,) = house.gather("ana")
        ana.tries("hi")
        before = self.count()
        house.tick(1000 * DAY)
        self.assertEqual(self.count(), before)

    def test_what_is_older_than_the_days_to_keep_is_forgotten(self) -> None:
        house = self.open(self.path, keep=2)
        (ana,) = house.gather("ana")
        ana.tries("old")
        house.tick(DAY)
        ana.tries("young")
        house.tick(DAY - 1)
        self.assertIn("[09:26] <ana> old", ana.tries("/history"))
        house.tick(PRUNE_EVERY)
        self.assertEqual(
            ana.tries("/history"),
            [
                "-- the last line of #lobby, times in UTC:",
                "-- Sunday, 15 March 2026:",
                "[09:26] <ana> young",
            ],
        )
        self.assertEqual(self.count(), 1)
        self.assertEqual(house.chat.past.floor, house.chat.past.head - 1)

    def test_much_is_forgotten_in_slices_with_pauses(self) -> None:
        house = self.open(self.path, keep=1)
        (ana,) = house.gather("ana")
        most = SqliteJournal.prune_most
        for _ in range(2 * most + 100):
            ana.type("x")
        house.tick()
        total = self.count()
        counts = []
        house.tick(2 * DAY)
        counts.append(self.count())
        for _ in range(4):
            house.tick(PRUNE_PAUSE)
            counts.append(self.count())
        self.assertEqual(
            counts,
            [total - most, total - 2 * most, 1, 1, 1],
        )

    def test_it_is_looked_for_at_the_start_too(self) -> None:
        house = House(self.path)
        (ana,) = house.gather("ana")
        ana.tries("old")
        house.tick(1)
        ana.tries("young")
        self.successResultOf(house.stop())
        self.open(self.path, keep=1, moment=house.now() + round(DAY * 1000))
        self.assertEqual(self.count(), 1)

    def test_who_was_too_slow_for_what_is_forgotten_is_told_so(self) -> None:
        house = self.open(self.path, keep=1, recent=3)
        ana, slow = house.gather("ana", "slow")
        slow.outlet.window = 0
        ana.tries("old")
        house.tick(2 * DAY)
        ana.tries("young")
        house.tick(PRUNE_EVERY)
        slow.outlet.drain()
        house.tick()
        self.assertEqual(
            slow.read(),
            [
                "-- some lines are missing here: they were forgotten before you could read them",
                "<ana> young",
            ],
        )
