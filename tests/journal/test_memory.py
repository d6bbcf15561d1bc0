from __future__ import annotations

from twisted.trial.unittest import TestCase

from chatservice.journal.events import Committed, Event, Fact, Found, Stretch
from chatservice.journal.memory import MemoryJournal
from tests.journal.support import said


class MemoryJournalTests(TestCase):
    def setUp(self) -> None:
        self.now = 1000
        self.told: list[Event] = []
        self.journal = MemoryJournal(lambda: self.now)
        self.journal.start()

    def commit(self, *texts: str) -> None:
        committed = self.successResultOf(self.journal.commit([said(text) for text in texts]))
        self.told += committed.events

    def test_ids_rise_without_a_gap(self) -> None:
        self.commit("a", "b")
        self.commit("c")
        self.assertEqual([(e.id, e.text) for e in self.told], [(1, "a"), (2, "b"), (3, "c")])
        self.assertEqual(self.journal.head, 3)

    def test_a_commit_returns_what_it_committed(self) -> None:
        fact = Fact("topic", "lobby", "cake")
        committed = self.successResultOf(self.journal.commit([said("a")], lambda events: [fact]))
        self.assertEqual(committed, Committed([Event(1, 1000, *said("a"))], [fact]))

    def test_each_line_has_the_time_that_it_was(self) -> None:
        for self.now in (1000, 400, 1001):
            self.commit("a")
        self.assertEqual([event.at for event in self.told], [1000, 400, 1001])

    def test_nothing_can_be_read_again(self) -> None:
        self.commit("a", "b")
        journal = self.journal
        self.assertEqual(journal.floor, journal.head)
        self.assertEqual(journal.recent(0), [])
        read = self.successResultOf(journal.after(0, ["lobby"], 2, talk=False))
        self.assertEqual(read, Stretch((), 2))
        self.assertEqual(self.successResultOf(journal.locate("lobby", 2, 20)), Found((), 0))

    def test_there_is_nothing_to_forget(self) -> None:
        self.commit("a")
        self.assertFalse(self.journal.prune(before=5000))
        self.commit("b")
        self.assertEqual(self.told[-1].id, 2)

    def test_each_journal_is_another(self) -> None:
        self.assertNotEqual(self.journal.identity, MemoryJournal(lambda: 0).identity)

    def test_it_stops_at_once(self) -> None:
        self.successResultOf(self.journal.stop())
