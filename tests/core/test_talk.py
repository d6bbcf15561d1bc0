from __future__ import annotations

from collections.abc import Coroutine, Set
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatservice.core import talk
from chatservice.core.feed import history
from chatservice.core.feed.history import Past
from chatservice.core.talk import Talk, talk_after, talk_before
from chatservice.journal import sqlite_reading
from chatservice.journal.events import ACTED, JOINED, PERSONAL, SAID, TALK, Committed
from tests.journal.support import JournalTestCase, said


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
        self.patch(talk, "CHARACTERS_MOST", 25)
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
