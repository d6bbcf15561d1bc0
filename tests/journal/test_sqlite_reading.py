from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chatservice.journal import sqlite_reading
from chatservice.journal.events import (
    ACTED,
    DID,
    JOINED,
    SAID,
    TALK,
    Event,
    JournalUnavailable,
    Stretch,
)
from chatservice.journal.sqlite_reading import KEPT
from tests.journal.support import JournalTestCase, said
from tests.profiles import examples


class ReadingTests(JournalTestCase):
    rooms = ("a", "b", "c")

    @given(
        events=st.lists(
            st.tuples(st.sampled_from(rooms), st.sampled_from([SAID, DID, JOINED]), st.text()),
            max_size=30,
        ),
        wanted=st.sets(st.sampled_from(rooms)),
        talk=st.booleans(),
        data=st.data(),
    )
    @settings(max_examples=examples(50))
    def test_reading_on_gives_each_wanted_event_once_in_order(
        self,
        events: list[tuple[str, str, str]],
        wanted: set[str],
        talk: bool,
        data: st.DataObject,
    ) -> None:
        self.patch(sqlite_reading, "READ_EVENTS", 4)
        self.patch(sqlite_reading, "READ_CHARACTERS", 20)
        self.fresh()
        journal = self.open()
        drafts = [said(text, room, kind) for room, kind, text in events]
        self.successResultOf(journal.commit(drafts))
        position = data.draw(st.integers(0, len(events)))
        upto = data.draw(st.integers(position, len(events)))
        model = [
            event
            for event in self.told
            if position < event.id <= upto
            and event.room in wanted
            and (event.kind in TALK or not talk)
        ]
        read: list[Event] = []
        while position < upto:
            stretch = self.successResultOf(journal.after(position, sorted(wanted), upto, talk))
            self.assertGreater(stretch.reached, position)
            self.assertLessEqual(len(stretch.events), 4)
            lengths = [len(event.text) + len(event.author) for event in stretch.events]
            self.assertLessEqual(sum(lengths[:-1]), 20)
            read += stretch.events
            position = stretch.reached
            self.assertEqual(read, [event for event in model if event.id <= position])
        self.assertEqual(position, upto)
        self.close(journal)

    def test_one_reading_gives_a_bounded_number_of_events(self) -> None:
        journal = self.open()
        self.commit(journal, *("x" for _ in range(600)))
        stretch = self.successResultOf(journal.after(10, ["lobby"], 600, talk=False))
        self.assertEqual(stretch, Stretch(self.told[10:522], 522))

    def test_one_reading_ends_past_a_number_of_characters(self) -> None:
        journal = self.open()
        self.commit(journal, *("x" * 1000 for _ in range(100)))
        stretch = self.successResultOf(journal.after(0, ["lobby"], 100, talk=True))
        self.assertEqual(stretch, Stretch(self.told[:66], 66))

    @given(
        events=st.lists(
            st.tuples(
                st.sampled_from(rooms),
                st.sampled_from([SAID, DID, ACTED, JOINED]),
                st.integers(1, 3),
            ),
            max_size=20,
        ),
        upto=st.integers(0, 20),
        most=st.integers(1, 4),
    )
    @settings(max_examples=examples(50))
    def test_the_last_talk_of_a_room_is_located_step_by_step(
        self, events: list[tuple[str, str, int]], upto: int, most: int
    ) -> None:
        self.fresh()
        journal = self.open()
        drafts = [said("x", room, kind)._replace(origin=origin) for room, kind, origin in events]
        self.successResultOf(journal.commit(drafts))
        upto = min(upto, journal.head)
        talk = [e for e in self.told if e.room == "a" and e.kind in TALK and e.id <= upto]
        located: list[tuple[int, str, int]] = []
        while upto:
            step = self.successResultOf(journal.locate("a", upto, most))
            self.assertLess(step.reached, upto)
            self.assertLessEqual(len(step.talk), most)
            located += step.talk
            upto = step.reached
        self.assertEqual(located, [(e.id, e.kind, e.origin) for e in reversed(talk)])
        self.close(journal)

    def test_talk_is_found_without_looking_at_what_is_not(self) -> None:
        journal = self.open()
        self.commit(journal, "a", "b")
        asked: list[str] = []
        journal._connection.set_trace_callback(asked.append)
        self.successResultOf(journal.locate("lobby", 2, 1))
        self.successResultOf(journal.after(0, ["lobby"], 2, talk=True))
        self.assertEqual(len(asked), 2)
        for query in asked:
            steps = self.meddler().execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            self.assertIn("INDEX talk (room=? AND id", str(steps))

    def test_what_else_happened_is_found_without_looking_at_what_is_not_wanted(self) -> None:
        journal = self.open()
        self.commit(journal, "a", "b")
        asked: list[str] = []
        journal._connection.set_trace_callback(asked.append)
        self.successResultOf(journal.after(0, ["lobby"], 2, talk=False))
        steps = [
            str(self.meddler().execute(f"EXPLAIN QUERY PLAN {query}").fetchall()) for query in asked
        ]
        wanted = (
            "INDEX addressed (id",
            "INDEX talk (room=? AND id",
            "INDEX rest (room=? AND id",
            "INTEGER PRIMARY KEY (rowid=?)",
        )
        for step, index in zip(steps, wanted, strict=True):
            self.assertIn(index, step)

    def test_recent_is_the_end_of_it(self) -> None:
        journal = self.open()
        self.commit(journal, "a", "b", "c")
        self.assertEqual(journal.recent(2), self.told[1:])
        self.assertEqual(journal.recent(9), self.told)
        self.assertEqual(journal.recent(0), self.told)

    def test_one_reading_runs_at_a_time(self) -> None:
        journal = self.open()
        self.commit(journal, "a")
        self.thread.held = True
        first = journal.after(0, ["lobby"], 1, talk=False)
        second = journal.locate("lobby", 1, 1)
        self.assertEqual(len(self.thread.waiting), 1)
        self.thread.run()
        self.assertEqual(self.successResultOf(first), Stretch(self.told, 1))
        self.assertEqual([id for id, _, _ in self.successResultOf(second).talk], [1])

    def test_who_looks_something_up_waits_for_few_who_read_on(self) -> None:
        journal = self.open()
        self.commit(journal, *"abcdefgh")
        self.thread.held = True
        done: list[str] = []
        for n in range(20):
            reading = journal.after(0, [f"room{n}"], 8, talk=False)
            reading.addCallback(lambda _: done.append("reads on"))
        for _ in range(4):
            journal.locate("lobby", 8, 1).addCallback(lambda _: done.append("looks up"))
        journal.after(0, ["lobby"], 8, talk=True).addCallback(lambda _: done.append("looks up"))
        while self.thread.waiting:
            self.thread.run()
        self.assertEqual((len(done), done.count("looks up")), (25, 5))
        self.assertLess(len(done) - done[::-1].index("looks up"), 9)
        self.assertIn("reads on", done[:5])

    def test_stopping_waits_for_a_reading(self) -> None:
        journal = self.open()
        self.commit(journal, "a")
        self.thread.held = True
        reading = journal.after(0, ["lobby"], 1, talk=False)
        journal.identity = ""
        stopping = journal.stop()
        self.assertNoResult(stopping)
        self.assertNotEqual(self.open_files(), [])
        self.thread.run()
        self.assertEqual(self.successResultOf(reading), Stretch(self.told, 1))
        self.successResultOf(stopping)
        self.assertEqual(self.open_files(), [])

    def test_what_cannot_be_read_is_unavailable(self) -> None:
        journal = self.open()
        self.commit(journal, "a")
        self.meddle("ALTER TABLE events RENAME TO mine")
        for reading in (
            journal.after(0, ["lobby"], 1, talk=True),
            journal.locate("lobby", 1, 1),
        ):
            failure = self.failureResultOf(reading, JournalUnavailable)
            self.assertEqual(failure.getErrorMessage(), "no such table: events")


class KeepingTests(JournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(sqlite_reading, "READ_EVENTS", 4)
        self.journal = self.open()
        self.commit(self.journal, *("x" for _ in range(100)))
        self.thread.held = True

    def read(self, position: int, upto: int = 100) -> Stretch:
        """Read on, and let the thread do it if it has to."""
        reading = self.journal.after(position, ["lobby"], upto, talk=False)
        self.thread.run()
        return self.successResultOf(reading)

    def test_what_was_read_for_one_is_there_for_the_next(self) -> None:
        self.read(0)
        again = self.journal.after(2, ["lobby"], 100, talk=False)
        self.assertEqual(self.successResultOf(again), Stretch(self.told[2:4], 4))
        self.assertEqual(len(self.thread.waiting), 0)

    def test_those_who_wait_for_the_same_are_answered_by_one_reading(self) -> None:
        readings = [self.journal.after(n % 3, ["lobby"], 100, talk=False) for n in range(1000)]
        result, read, arguments = self.thread.waiting.popleft()
        self.assertEqual(len(self.thread.waiting), 0)
        result.callback(read(*arguments))
        for n, reading in enumerate(readings):
            self.assertEqual(self.successResultOf(reading), Stretch(self.told[n % 3 : 4], 4))

    def test_nobody_is_given_more_than_they_asked_for(self) -> None:
        self.read(0)
        self.assertEqual(self.read(1, upto=3), Stretch(self.told[1:3], 3))

    def test_other_rooms_are_another_reading(self) -> None:
        self.read(0)
        other = self.journal.after(0, ["dev"], 100, talk=False)
        self.assertNoResult(other)
        talk = self.journal.after(0, ["lobby"], 100, talk=True)
        self.assertNoResult(talk)
        self.thread.run()
        self.thread.run()
        self.assertEqual(self.successResultOf(other), Stretch([], 100))
        self.assertEqual(self.successResultOf(talk), Stretch(self.told[:4], 4))

    def test_only_so_much_is_kept(self) -> None:
        for position in range(0, 4 * (KEPT + 1), 4):
            self.read(position)
        self.successResultOf(self.journal.after(4, ["lobby"], 100, talk=False))
        self.assertNoResult(self.journal.after(0, ["lobby"], 100, talk=False))
        self.thread.run()
