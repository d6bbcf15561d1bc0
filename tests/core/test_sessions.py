from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.core.sessions import PERIODS_MOST, SESSION, Period, Reading, Session

rooms = st.sampled_from(["a", "b", "c", "naïve"])
unsafe = "".join(map(chr, (*range(0x2028, 0x202F), *range(0x2066, 0x206A))))
names = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs"], exclude_characters=unsafe),
    min_size=1,
    max_size=9,
)
moves = st.lists(st.tuples(st.booleans(), rooms), max_size=3 * PERIODS_MOST)


class ReadingTests(unittest.TestCase):
    def test_a_room_is_read_from_when_it_was_joined_at_first(self) -> None:
        reading = Reading().joined("dev", 3).joined("lobby", 5).joined("dev", 9)
        self.assertEqual(reading, Reading({"dev": 3, "lobby": 5}))

    def test_a_room_that_was_left_is_a_period(self) -> None:
        reading = Reading().joined("dev", 3).left("dev", 7).joined("dev", 9)
        self.assertEqual(reading, Reading({"dev": 9}, (Period("dev", 3, 7),)))
        self.assertEqual(reading.left("lobby", 11), reading)

    def test_nothing_of_what_was_before_is_changed(self) -> None:
        before = Reading().joined("dev", 3)
        before.joined("lobby", 5)
        before.left("dev", 7)
        self.assertEqual(before, Reading({"dev": 3}))

    def test_of_too_many_periods_the_oldest_are_forgotten_and_until_where_is_known(self) -> None:
        reading = Reading()
        for number in range(PERIODS_MOST + 2):
            reading = reading.joined("dev", 10 * number).left("dev", 10 * number + 5)
        self.assertEqual(len(reading.periods), PERIODS_MOST)
        self.assertEqual(reading.forgotten, 15)
        self.assertEqual(reading.periods[0], Period("dev", 20, 25))

    @given(moves)
    def test_every_id_is_in_a_room_in_a_period_or_was_forgotten(
        self, moves: list[tuple[bool, str]]
    ) -> None:
        reading, was_in = Reading(), dict[str, set[int]]()
        inside: dict[str, int] = {}
        for id, (joins, room) in enumerate(moves, 1):
            if joins:
                inside.setdefault(room, id)
                reading = reading.joined(room, id)
            elif room in inside:
                was_in.setdefault(room, set()).update(range(inside.pop(room) + 1, id))
                reading = reading.left(room, id)
        self.assertEqual(reading.rooms, inside)
        told: dict[str, set[int]] = {}
        for period in reading.periods:
            told.setdefault(period.room, set()).update(range(period.since + 1, period.until))
        for room, ids in was_in.items():
            missing = ids - told.get(room, set())
            self.assertTrue(all(id < reading.forgotten for id in missing))
        self.assertEqual(
            [p.until for p in reading.periods], sorted(p.until for p in reading.periods)
        )


class SessionTests(unittest.TestCase):
    def test_the_highest_number_is_one_that_is_stored_or_waits(self) -> None:
        session = Session("digest", 1, "bot", 0)
        self.assertEqual(session.highest, 0)
        session.seq = 3
        self.assertEqual(session.highest, 3)
        session.unstored[5] = "said", "lobby", "hi"
        self.assertEqual((session.highest, session.seq), (5, 3))

    @given(moves, names, st.integers(0, 1 << 53), st.booleans(), st.booleans())
    def test_it_is_the_same_when_it_was_stored_and_loaded(
        self, moves: list[tuple[bool, str]], name: str, seq: int, here: bool, heard: bool
    ) -> None:
        session = Session("digest", (1 << 63) - 1, name, 7)
        session.seq, session.here, session.heard = seq, here, heard
        reading = Reading()
        for id, (joins, room) in enumerate(moves, 1):
            reading = reading.joined(room, id) if joins else reading.left(room, id)
        fact = session.fact(reading)
        self.assertEqual((fact.kind, fact.name), (SESSION, "digest"))
        loaded = Session.load(fact)
        self.assertEqual(loaded.reading, reading)
        for field in ("digest", "origin", "name", "seq", "seen", "here", "heard"):
            self.assertEqual(getattr(loaded, field), getattr(session, field))
        self.assertEqual((session.noted, loaded.noted), (seq, seq))
        self.assertEqual(loaded.fact(loaded.reading), fact)
