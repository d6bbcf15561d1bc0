from __future__ import annotations

from collections.abc import Coroutine, Set
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from chatservice.core.feed import history
from chatservice.core.feed.history import Past, Search, Talk, talk_after, talk_before
from chatservice.journal import sqlite_reading
from chatservice.journal.events import (
    ACTED,
    DID,
    JOINED,
    PERSONAL,
    PRIVATE,
    SAID,
    TALK,
    Committed,
    Draft,
    Event,
    Found,
    Journal,
    Stretch,
    inbox,
)
from chatservice.journal.memory import MemoryJournal
from chatservice.journal.sqlite import SqliteJournal
from tests.journal.support import JournalTestCase, said
from tests.profiles import examples

ROOMS = ("a", "b")

_T = TypeVar("_T")

# What happens: some events after a while, or what is older than so long is forgotten, or the
# house starts again.
commits = st.tuples(
    st.integers(0, 9),
    st.lists(
        st.tuples(st.sampled_from(ROOMS), st.sampled_from([SAID, DID, JOINED])),
        min_size=1,
        max_size=12,
    ),
)
prunes = st.integers(0, 30)
happenings = st.lists(
    st.one_of(commits, commits, prunes, st.just("restart")), min_size=1, max_size=12
)


class PastTests(JournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(history, "READ_EVENTS", 4)
        self.patch(sqlite_reading, "READ_EVENTS", 3)

    def start(self, recent: int, stored: bool = True) -> None:
        self.journal_: Journal
        if stored:
            self.journal_ = SqliteJournal(self.path, lambda: self.now, self.thread)
            self.journal_.prune_most = 2
        else:
            self.journal_ = MemoryJournal(lambda: self.now)
        self.recent = recent
        self.journal_.start()
        self.load()

    def load(self) -> None:
        self.past = Past(self.journal_, self.recent)
        self.past.load()
        self.largest = 0

    def commit(self, *drafts: Draft) -> None:
        events = self.successResultOf(self.journal_.commit(drafts)).events
        self.told += events
        self.largest = max(self.largest, len(events))
        self.past.append(events)

    def happens(self, *events: tuple[str, str]) -> None:
        drafts = [
            said("hi", room, kind)._replace(origin=1 + (len(self.told) + number) % 3)
            for number, (room, kind) in enumerate(events)
        ]
        self.commit(*drafts)

    def test_an_old_one_among_new_ones_goes_alone(self) -> None:
        for stored in (True, False):
            self.fresh()
            self.start(40, stored)
            for self.now in (5000, 5001, 70, 5002, 80, 5003, 90):
                self.happens(("a", SAID), ("b", SAID))
            for _ in range(4):
                self.prune(before=1000)
            texts = [event.at for event in self.read(0, 14, "a", True)]
            # The very last event stays, whatever its time.
            self.assertEqual(texts, [5000, 5001, 5002, 5003])
            self.assertEqual([e.at for e in self.read(0, 14, "b", True)], [*texts, 90])
            self.assertEqual(self.search("a", 14, 3), ([11, 7, 3], 0))
            self.assertEqual((self.past.floor, self.past.head), (0, 14))
            self.successResultOf(self.journal_.stop())

    def test_what_has_happened_in_a_room_has_happened_under_its_new_name(self) -> None:
        self.start(0)
        drafts = [said("hi", "old")._replace(seq=5), said("hi", "new"), said("hi", "old")]
        self.commit(*drafts)
        self.past.call_rooms({"old": "new", "other": "another"})
        self.assertEqual([event.id for event in self.read(0, 3, "new", False)], [1, 2, 3])
        self.assertEqual(self.read(0, 3, "old", False), [])
        self.assertEqual(self.read(0, 3, "another", False), [])
        found = self.past.find(drafts[0].origin, 5)
        assert isinstance(found, Event)
        self.assertEqual(found.room, "new")

    def twenty(self) -> None:
        for _ in range(20):
            self.happens(("a", SAID))

    def prune(self, before: int) -> None:
        self.journal_.prune(before)
        self.past.prune(before)

    def result(self, answer: _T | Deferred[_T]) -> _T:
        return self.successResultOf(answer) if isinstance(answer, Deferred) else answer

    def search(
        self, room: str, upto: int, count: int, hidden: Set[int] = frozenset()
    ) -> tuple[list[int], int]:
        """Search step by step; returns what was found, the newest first, and what was passed."""
        search = Search(self.past, room, upto, count, hidden)
        while not search.done:
            seen = search.length + search.passed
            step = search.go_on()
            if step is not None:
                self.successResultOf(step)
            self.assertLessEqual(search.length + search.passed, seen + 4)
        ids: list[int] = []
        position = search.position()
        while position < upto:
            ids.insert(0, position + 1)
            position = search.position(position + 1)
        self.assertEqual(search.length, len(ids))
        return ids, search.passed

    def read(self, position: int, upto: int, room: str, talk: bool) -> list[Event]:
        """Read on and on, and keep what is wanted."""
        found: list[Event] = []
        while position < upto:
            stretch = self.result(self.past.read(position, [room], upto, talk))
            self.assertGreater(stretch.reached, position)
            self.assertLessEqual(len(stretch.events), 4)
            found += [event for event in stretch.events if event.room == room]
            position = stretch.reached
        return found

    @given(
        recent=st.sampled_from([0, 1, 5, 16, 40]),
        stored=st.booleans(),
        story=happenings,
        questions=st.lists(
            st.tuples(
                st.integers(0, 100), st.integers(0, 100), st.sampled_from(ROOMS), st.booleans()
            ),
            min_size=5,
            max_size=5,
        ),
    )
    @settings(max_examples=examples(60))
    def test_memory_and_journal_together_are_one_past(
        self,
        recent: int,
        stored: bool,
        story: list[tuple[int, list[tuple[str, str]]] | int | str],
        questions: list[tuple[int, int, str, bool]],
    ) -> None:
        self.fresh()
        self.now = 1000
        self.start(recent, stored)
        for happening in story:
            if isinstance(happening, tuple):
                pause, events = happening
                self.now += pause
                self.happens(*events)
            elif isinstance(happening, int):
                self.prune(self.now - happening)
            else:
                self.load()
            self.check(questions)
        self.successResultOf(self.journal_.stop())

    def check(self, questions: list[tuple[int, int, str, bool]]) -> None:
        head, start = len(self.told), self.past.start
        self.assertEqual(self.past.head, head)
        if self.recent:
            remembered = self.past.head - self.past.floor
            self.assertLessEqual(remembered, max(self.recent, self.largest) + self.recent // 16)
        for first, second, room, talk in questions:
            position, upto = sorted((min(start + first, head), min(start + second, head)))
            in_room = [e for e in self.told if e.room == room and start < e.id <= upto]
            talked = [event for event in in_room if event.kind in TALK]
            wanted = [event for event in (talked if talk else in_room) if event.id > position]
            self.assertEqual(self.read(position, upto, room, talk), wanted)
            hidden = {1, 2} if second % 3 == 0 else {second % 3}
            seen = [e.id for e in talked if e.origin not in hidden]
            found, _ = self.search(room, upto, first % 7, hidden)
            self.assertEqual(found, seen[::-1][: first % 7])

    def test_events_of_one_commit_are_remembered_until_the_next(self) -> None:
        self.start(recent=5)
        self.happens(*[("a", SAID)] * 20)
        self.assertEqual(self.past.floor, 0)
        self.happens(("a", SAID))
        self.assertEqual(self.past.floor, 16)

    def test_it_is_not_looked_for_behind_thousands_that_are_hidden(self) -> None:
        self.patch(history, "PASSED_MOST", 12)
        self.start(recent=5)
        self.twenty()
        found, passed = self.search("a", 20, 3, {event.origin for event in self.told})
        self.assertEqual(found, [])
        self.assertIn(passed, range(12, 16))

    def found(self, newest: int, reached: int) -> Found:
        talk = [(e.id, e.kind, e.origin) for e in reversed(self.told[reached:newest])]
        return Found(talk, reached)

    def test_what_is_recent_is_answered_at_once(self) -> None:
        self.start(recent=5)
        self.twenty()
        self.assertEqual(self.past.floor, 15)
        self.assertEqual(self.past.read(17, ["a"], 20), Stretch(self.told[17:], 20))
        self.assertEqual(self.past.locate("a", 20, 3), self.found(20, 17))

    def test_what_is_old_comes_from_the_journal(self) -> None:
        self.start(recent=5)
        self.twenty()
        self.thread.held = True
        reading = self.past.read(13, ["a"], 20)
        self.assertEqual(self.past.locate("a", 20, 8), self.found(20, 16))
        self.assertEqual(self.past.locate("a", 16, 4), self.found(16, 15))
        locating = self.past.locate("a", 15, 3)
        self.thread.run()
        assert isinstance(reading, Deferred) and isinstance(locating, Deferred)
        self.assertEqual(self.successResultOf(reading), Stretch(self.told[13:15], 15))
        self.assertEqual(self.successResultOf(locating), self.found(15, 12))

    def test_a_start_remembers_what_is_recent(self) -> None:
        self.start(recent=5)
        self.twenty()
        self.load()
        self.assertEqual((self.past.head, self.past.floor, self.past.start), (20, 15, 0))

    def test_where_nothing_was_said_yet_it_may_begin_at_any_id(self) -> None:
        self.start(recent=5)
        self.past.begin(1000)
        self.assertEqual((self.past.head, self.past.floor), (1000, 1000))
        self.past.begin(7)
        self.assertEqual(self.past.head, 1000)
        event = Event(1001, 1, "a", SAID, "ana", "hi", 1, 1)
        self.past.append([event])
        self.assertEqual((self.past.head, self.past.floor), (1001, 1000))
        self.assertEqual(self.past.read(1000, ["a"], 1001), Stretch([event], 1001))

    def test_without_a_limit_all_is_remembered(self) -> None:
        self.start(recent=0)
        self.twenty()
        self.assertEqual(self.past.floor, 0)
        self.load()
        self.assertEqual(self.past.floor, 0)

    def test_of_a_journal_that_keeps_nothing_memory_is_all_there_is(self) -> None:
        self.start(recent=5, stored=False)
        self.twenty()
        self.assertEqual(self.past.start, 15)
        self.assertEqual(self.search("a", 20, 8), ([20, 19, 18, 17, 16], 0))

    def test_only_what_is_older_is_forgotten(self) -> None:
        self.start(recent=5, stored=False)
        for self.now in (1000, 2000, 3000):
            self.happens(("a", SAID))
        self.prune(before=2000)
        self.assertEqual(self.past.start, 1)

    def test_the_last_event_is_never_forgotten(self) -> None:
        self.start(recent=5, stored=False)
        self.prune(before=5000)
        self.happens(("a", SAID), ("a", SAID))
        for _ in range(3):
            self.prune(before=5000)
        self.assertEqual((self.past.head, self.past.start), (2, 1))

    def private(self, to: int, text: str, author: int, seq: int = -1) -> Draft:
        return Draft(inbox(to), PRIVATE, "ana", text, author, seq)

    def test_what_a_session_has_numbered_is_found_in_memory_or_in_the_journal(self) -> None:
        self.start(recent=5)
        for seq in range(1, 21):
            self.commit(
                Draft("a", SAID, "bot", str(seq), 7, seq), Draft("a", SAID, "x", "", 8, seq)
            )
        self.assertEqual(self.past.find(7, 20), self.told[38])
        self.thread.held = True
        found = self.past.find(7, 3)
        missing = self.past.find(9, 3)
        self.thread.release()
        assert isinstance(found, Deferred) and isinstance(missing, Deferred)
        self.assertEqual(self.successResultOf(found), self.told[4])
        self.assertIsNone(self.successResultOf(missing))

    def test_what_memory_alone_would_know_is_answered_at_once(self) -> None:
        for stored in (True, False):
            self.told.clear()
            self.fresh()
            self.start(recent=0, stored=stored)
            self.commit(Draft("a", SAID, "bot", "x", 7, 1))
            self.assertEqual(self.past.find(7, 1), self.told[0])
            self.assertIsNone(self.past.find(7, 2))
            self.assertIsNone(self.past.find(8, 1))

    def test_a_private_line_is_with_whom_it_is_for_and_with_whoever_wrote_it(self) -> None:
        self.start(recent=16)
        self.commit(self.private(1, "one", 2), self.private(2, "two", 1), self.private(3, "x", 4))
        for origin in (1, 2):
            stretch = self.past.read(0, [], 3, addressed=[inbox(origin)])
            assert isinstance(stretch, Stretch)
            self.assertEqual([event.text for event in stretch.events], ["one", "two"])

    def test_private_lines_are_forgotten_with_all_else(self) -> None:
        self.start(recent=4)
        for number in range(40):
            self.commit(self.private(1, str(number), 2), Draft("a", SAID, "x", "", 3, -1))
            floor, head = self.past.floor, self.past.head
            for origin in (1, 2):
                stretch = self.past.read(floor, [], head, addressed=[inbox(origin)])
                assert isinstance(stretch, Stretch)
                expected = [e for e in self.told if e.kind == PRIVATE and e.id > floor]
                self.assertEqual(list(stretch.events), expected)
        self.now += 100
        self.happens(("a", SAID))
        self.prune(self.now)
        self.assertEqual(set(self.past._rooms), {"a"})

    def test_who_writes_to_itself_is_forgotten_once(self) -> None:
        self.start(recent=2)
        for number in range(10):
            self.commit(self.private(1, str(number), 1))
        stretch = self.past.read(self.past.floor, [], 10, addressed=[inbox(1)])
        assert isinstance(stretch, Stretch)
        self.assertEqual({event.text for event in stretch.events}, {"8", "9"})


class TalkTests(JournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(history, "READ_EVENTS", 4)
        self.patch(sqlite_reading, "READ_EVENTS", 3)
        self.begin()

    def begin(self, recent: int = 3) -> None:
        self.fresh()
        self.recent = recent
        self.kept = self.journal()
        self.kept.prune_most = 2
        self.kept.start()
        self.addCleanup(self.kept.stop)
        self.past = Past(self.kept, recent)
        self.past.load()

    def _committed(self, committed: Committed) -> None:
        super()._committed(committed)
        self.past.append(committed.events)

    def say(self, *texts: str, room: str = "a", kind: str = SAID) -> None:
        self.now += 1
        self.successResultOf(self.kept.commit([said(text, room, kind) for text in texts]))

    def prune(self, before: int) -> None:
        while self.kept.prune(before):
            pass
        self.past.prune(before)

    def read(self, reading: Coroutine[Any, Any, Talk]) -> Talk:
        """Read it to its end, as an answer does, and count the turns that others have meanwhile."""
        self.turns = 0
        while True:
            try:
                step = reading.send(None)
            except StopIteration as end:
                piece: Talk = end.value
                return piece
            self.assertEqual(step, b"")
            self.turns += 1

    def before(self, id: int, limit: int, hidden: Set[int] = frozenset()) -> Talk:
        return self.read(talk_before(self.past, "a", id, limit, hidden))

    def after(self, id: int, limit: int, hidden: Set[int] = frozenset()) -> Talk:
        return self.read(talk_after(self.past, "a", id, limit, hidden))

    def texts(self, piece: Talk) -> str:
        return " ".join(event.text for event in piece.events)

    def test_the_last_things_before_an_id(self) -> None:
        self.say(*"12345")
        self.say("elsewhere", room="b")
        self.say("ana", kind=JOINED)
        self.say(*"89")
        self.assertEqual(self.before(10, 3), Talk([*self.told[4:5], *self.told[7:]], True, False))
        self.assertEqual(self.texts(self.before(10, 7)), "1 2 3 4 5 8 9")
        self.assertFalse(self.before(10, 7).more)
        self.assertEqual(self.texts(self.before(3, 9)), "1 2")
        self.assertEqual(self.before(1, 9), Talk([], False, False))
        self.assertEqual(self.before(0, 9), Talk([], False, False))
        self.assertEqual(self.texts(self.before(10**12, 2)), "8 9")

    def test_the_first_things_after_an_id(self) -> None:
        self.say(*"12345")
        self.say("elsewhere", room="b")
        self.say(*"78")
        self.assertEqual(self.texts(self.after(0, 3)), "1 2 3")
        self.assertTrue(self.after(0, 3).more)
        self.assertEqual(self.texts(self.after(4, 3)), "5 7 8")
        self.assertFalse(self.after(4, 3).more)
        self.assertEqual(self.after(8, 3), Talk([], False, False))
        self.assertEqual(self.after(10**12, 3), Talk([], False, False))

    def test_a_piece_is_not_too_large_but_has_at_least_one(self) -> None:
        self.patch(history, "CHARACTERS_MOST", 25)
        self.say(*(str(number) * 10 for number in range(5)))
        self.say("x" * 100)
        self.assertEqual([e.id for e in self.before(7, 9).events], [6])
        self.assertTrue(self.before(7, 9).more)
        self.assertEqual([e.id for e in self.before(6, 9).events], [4, 5])
        self.assertEqual([e.id for e in self.after(0, 9).events], [1, 2])
        self.assertEqual([e.id for e in self.after(5, 9).events], [6])
        self.assertFalse(self.after(5, 9).more)

    def test_what_was_forgotten_is_told(self) -> None:
        self.say(*"12")
        self.now += 100
        self.say(*"3456")
        self.prune(self.now)
        self.assertEqual(self.past.start, 2)
        self.assertEqual((self.texts(self.before(7, 9)), self.before(7, 9).gap), ("3 4 5 6", True))
        self.assertEqual((self.texts(self.before(7, 2)), self.before(7, 2).gap), ("5 6", False))
        self.assertEqual((self.texts(self.after(0, 9)), self.after(0, 9).gap), ("3 4 5 6", True))
        self.assertEqual((self.texts(self.after(2, 9)), self.after(2, 9).gap), ("3 4 5 6", False))

    def test_others_have_their_turn_while_much_is_passed_over(self) -> None:
        self.begin(recent=0)
        self.say(*"12", kind=ACTED)
        for _ in range(40):
            self.say("hidden")
        self.assertEqual(self.texts(self.before(99, 9, {1})), "1 2")
        self.assertEqual(self.turns, 10)
        self.assertEqual(self.texts(self.after(0, 9, {1})), "1 2")
        self.assertEqual(self.turns, 10)
        self.before(99, 2)
        self.assertEqual(self.turns, 0)

    @given(
        st.lists(
            st.lists(
                st.tuples(
                    st.sampled_from("ab"), st.sampled_from([SAID, ACTED, JOINED]), st.integers(1, 3)
                ),
                min_size=1,
            ),
            max_size=8,
        ),
        st.integers(0, 30),
        st.integers(1, 8),
        st.integers(1, 6),
        st.sets(st.integers(1, 3)),
    )
    def test_it_is_what_a_list_of_all_would_give(
        self,
        commits: list[list[tuple[str, str, int]]],
        id: int,
        limit: int,
        recent: int,
        hidden: set[int],
    ) -> None:
        self.begin(recent)
        for commit in commits:
            drafts = [said("hi", room, kind)._replace(origin=by) for room, kind, by in commit]
            self.successResultOf(self.kept.commit(drafts))
        talked = [
            e
            for e in self.told
            if e.room == "a" and e.kind in TALK and not (e.kind in PERSONAL and e.origin in hidden)
        ]
        before = [e for e in talked if e.id < id]
        after = [e for e in talked if e.id > id]
        wanted = Talk(before[-limit:], len(before) > limit, False)
        self.assertEqual(self.before(id, limit, hidden), wanted)
        wanted = Talk(after[:limit], len(after) > limit, False)
        self.assertEqual(self.after(id, limit, hidden), wanted)
