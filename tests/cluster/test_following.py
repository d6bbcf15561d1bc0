from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from chatservice.cluster import following
from chatservice.cluster.entries import (
    LEASE,
    NAME,
    PART,
    PERSON,
    TOLD,
    UNVERSIONED,
    VERSION,
    VERSIONED,
    Entry,
    Piece,
    cut,
    encode,
    event_id,
    mark_of,
)
from chatservice.cluster.following import RETRY, Following, Read
from chatservice.cluster.log import LogError, NewerLog, Opening
from chatservice.cluster.records import Outcome
from chatservice.journal.events import (
    FILE,
    LEFT,
    SAID,
    Committed,
    Draft,
    Event,
    Fact,
    JournalUnavailable,
)
from chatservice.journal.sqlite import SqliteJournal
from tests.journal.support import JournalTestCase
from tests.profiles import examples

BASE = 1000
FORGET = "DELETE FROM facts WHERE kind IN ('lease', 'name', 'part', 'person', 'session')"
NEW = Fact(VERSIONED, "", str(VERSION))
EVE = Fact("ban", "192.0.2.7", '["192.0.2.7",0,"",0]')
CHAT = "the chat"


def said(text: str, origin: int = 1, seq: int = -1) -> Draft:
    return Draft("lobby", SAID, "ana", text, origin, seq)


def topic(value: str) -> Fact:
    return Fact("topic", "lobby", value)


def person(origin: int, name: str, **rooms: int) -> Fact:
    value = {"origin": origin, "name": name, "rooms": rooms, "operator": False, "away": None}
    value |= {"since": 0, "address": "192.0.2.1"}
    return Fact(PERSON, f"{origin:x}", json.dumps(value))


class FollowingTestCase(JournalTestCase):
    """A file that follows a log.

    :ivar log: the entries, at the positions from 1 on.
    :ivar done: what took effect and is stored.
    :ivar together: the texts of what is stored, by what was told together.
    """

    def setUp(self) -> None:
        super().setUp()
        self.log: list[bytes] = []
        self.done: list[tuple[Any, Outcome]] = []
        self.together: list[list[str]] = []
        self.start()

    def start(self) -> None:
        """Begin with the file, as a process does."""
        self.clock = Clock()
        self.newer: list[LogError] = []
        self.replica = SqliteJournal(self.path, lambda: self.now, self.thread)
        self.replica.start()
        self.addCleanup(self.close, self.replica)
        self.following = Following(
            self.clock, self.replica, self._happened, self._done, self.newer.append
        )
        self.following.load()

    def _happened(self, committed: Committed, read: Sequence[Read]) -> None:
        self.told += committed.events
        self.facts += committed.facts
        self.together.append([event.text for event in committed.events])

    def _done(self, entry: Entry | Piece, outcome: Outcome) -> None:
        if entry.boot:  # And not what others have kept.
            self.done.append((entry, outcome))

    def restart(self) -> None:
        self.close(self.replica)
        self.start()

    def begin(
        self, first: int = 1, state: Sequence[Fact] | None = (), last: int | None = None
    ) -> None:
        """Find the log."""
        self.first = first
        last = len(self.log) if last is None else last
        if state is not None:
            state = [NEW, *state]
        self.following.open(Opening(CHAT, BASE, first, last, state))

    def append(self, boot: str, number: int, *what: Draft | Fact) -> None:
        drafts = [one for one in what if isinstance(one, Draft)]
        facts = [one for one in what if isinstance(one, Fact)]
        self.log.append(encode(Entry(boot, number, drafts, facts)))

    def take(self, position: int, at: int = 0) -> Deferred[None] | None:
        """Take one entry; each second there is one."""
        return self.following.took(position, at or position * 1000, self.log[position - 1])

    def read(self, *positions: int) -> None:
        """Read entries, and let them be stored together."""
        for position in positions:
            self.take(position)
        self.clock.advance(0)

    def read_on(self) -> None:
        """Read all that the log has, as a broker would tell it, one by one."""
        for position in range(max(self.following.position + 1, self.first), len(self.log) + 1):
            self.read(position)

    def read_all(self, *what: Draft | Fact) -> None:
        """Read one entry for each."""
        for one in what:
            self.append("b1", len(self.log) + 1, one)
        self.read_on()

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.replica.recent(0)]

    def held(self) -> dict[tuple[str, str], Any]:
        """What holds, as the file has it."""
        return {
            (fact.kind, fact.name): fact.value
            for fact in self.following.facts()
            if fact.kind not in (LEASE, VERSIONED)
        }


class ReadingTests(FollowingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def test_what_is_said_is_stored_in_its_place(self) -> None:
        self.append("b1", 1, said("a"), said("b"))
        self.append("b2", 1, said("c"))
        self.read_on()
        events = [(e.id, e.at, e.text) for e in self.replica.recent(0)]
        first, second = event_id(BASE, 1, 0), event_id(BASE, 2, 0)
        wanted = [(first, 1000, "a"), (first + 1, 1000, "b"), (second, 2000, "c")]
        self.assertEqual(events, wanted)
        self.assertEqual(self.told, self.replica.recent(0))

    def test_it_is_told_when_it_is_stored(self) -> None:
        self.append("b1", 1, said("a"))
        self.assertIsNone(self.take(1))
        self.assertEqual((self.texts, self.done), ([], []))
        self.clock.advance(0)
        ((entry, outcome),) = self.done
        self.assertEqual((entry.boot, entry.number, outcome.fresh), ("b1", 1, True))

    def test_what_holds_is_stored_with_what_was_read(self) -> None:
        self.read_all(topic("cake"))
        self.assertEqual(self.held(), {("topic", "lobby"): "cake"})
        self.assertEqual(self.following.registry.last.position, 1)
        self.restart()
        self.assertEqual((self.following.position, self.following.registry.last.position), (1, 1))

    def test_what_was_read_is_not_read_again(self) -> None:
        self.read_all(said("a"), said("b"))
        self.read(1, 2)
        self.assertEqual(self.texts, ["a", "b"])
        self.restart()
        self.begin()
        self.read(2)
        self.read_all(said("c"))
        self.assertEqual(self.texts, ["a", "b", "c"])

    def test_an_entry_that_is_in_the_log_twice_is_stored_once(self) -> None:
        for _ in range(2):
            self.append("b1", 1, said("a"))
        self.read_on()
        self.assertEqual(self.texts, ["a"])
        self.assertEqual([outcome.fresh for _, outcome in self.done], [True, False])

    def test_what_a_program_has_numbered_is_stored_once_whoever_says_it(self) -> None:
        self.append("b1", 1, said("one", 7, 1), said("two", 7, 2))
        self.append("b2", 1, said("two", 7, 2), said("three", 7, 3), said("one of another", 8, 1))
        self.read_on()
        self.restart()
        self.begin()
        self.append("b3", 1, said("three", 7, 3), said("four", 7, 4))
        self.read_on()
        self.assertEqual(self.texts, ["one", "two", "three", "one of another", "four"])

    def test_that_one_was_stored_already_moves_no_id(self) -> None:
        self.append("b1", 1, said("one", 7, 1))
        self.append("b2", 1, said("one", 7, 1), said("x"))
        self.read_on()
        self.assertEqual(self.replica.head, event_id(BASE, 2, 1))

    def test_what_has_no_number_of_its_own_is_stored_each_time(self) -> None:
        self.read_all(said("a", seq=-1), said("a", seq=-1), said("a", seq=0))
        self.assertEqual(self.texts, ["a", "a", "a"])

    def test_each_line_has_the_time_that_the_brokers_give_it(self) -> None:
        for _ in range(4):
            self.append("b1", len(self.log) + 1, said("a"))
        for position, at in enumerate((5000, 3000, 5001, 20), 1):
            self.take(position, at)
            if position != 3:
                self.clock.advance(0)
        self.assertEqual([event.at for event in self.told], [5000, 3000, 5001, 20])
        self.assertEqual(self.following.registry.leases["b1"].at, 20)

    def test_what_is_no_entry_is_passed_over(self) -> None:
        self.append("b1", 1, said("a"))
        self.log.append(b"hello")
        self.append("b1", 2, said("b"))
        self.read_on()
        self.assertEqual((self.texts, self.following.position), (["a", "b"], 3))

    def test_so_is_what_a_boot_says_that_has_ended(self) -> None:
        self.read_all(Fact("bye", "b1", ""), said("a"))
        self.assertEqual((self.texts, len(self.done), self.following.position), ([], 1, 2))


class TogetherTests(FollowingTestCase):
    """What comes soon after one another is stored together."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    @property
    def stored(self) -> list[list[str]]:
        """What was stored together, but for facts alone."""
        return [texts for texts in self.together if texts]

    def test_what_several_nodes_say_at_once_is_one_transaction(self) -> None:
        for number in (1, 2, 3):
            self.append(f"b{number}", 1, said(str(number)), topic(str(number)))
        self.read(1, 2, 3)
        self.assertEqual(self.stored, [["1", "2", "3"]])
        self.assertEqual(self.held(), {("topic", "lobby"): "3"})
        ids = [event_id(BASE, position, 0) for position in (1, 2, 3)]
        self.assertEqual([event.id for event in self.told], ids)
        self.assertEqual([event.at for event in self.told], [1000, 2000, 3000])
        self.assertEqual([entry.boot for entry, _ in self.done], ["b1", "b2", "b3"])

    def test_a_house_that_was_quiet_stores_at_once(self) -> None:
        for text in "abc":
            self.read_all(said(text))
        self.assertEqual(self.stored, [["a"], ["b"], ["c"]])

    def test_the_next_waits_until_the_sends_of_the_last_are_paid_for(self) -> None:
        self.read_all(said("a"))
        self.following.pace.spent(1000)
        self.read_all(said("b"), said("c"))
        self.clock.advance(0.04)
        self.read_all(said("d"))
        self.assertEqual(self.stored, [["a"]])
        self.clock.pump([0.02, 0.02])
        self.assertEqual(self.stored, [["a"], ["b", "c", "d"]])

    def test_what_is_too_much_at_once_is_stored_at_once(self) -> None:
        self.patch(following, "READ_MOST", 3)
        for number in range(1, 6):
            self.append("b1", number, said(f"{number}a"), said(f"{number}b"))
        for number in range(1, 6):
            self.take(number)
        self.assertEqual(self.stored, [["1a", "1b", "2a", "2b"], ["3a", "3b", "4a", "4b"]])
        self.clock.advance(0)
        self.assertEqual(self.stored[2:], [["5a", "5b"]])

    def test_a_numbered_line_that_comes_twice_meanwhile_is_stored_once(self) -> None:
        self.append("b1", 1, said("one", 7, 1), said("other", 8, 1))
        self.append("b2", 1, said("one", 7, 1), said("two", 7, 2))
        self.read(1, 2)
        self.assertEqual(self.stored, [["one", "other", "two"]])
        self.assertEqual(self.told[-1].id, event_id(BASE, 2, 1))

    def test_what_has_just_happened_in_a_room_that_is_renamed_is_told_of_its_new_name(self) -> None:
        self.restart()
        self.following.open(Opening(CHAT, BASE, 1, 2, [Fact("topic", "a!b", "cake")]))
        older = said("a")._replace(room="a!b")
        self.log.append(encode(Entry("b1", 1, [older], [], version=UNVERSIONED)))
        self.append("b2", 1, said("b"))
        self.read(1, 2)
        rooms = [(event.room, event.text) for event in self.told]
        self.assertEqual(rooms[:2], [("a_b", "a"), ("lobby", "b")])
        self.assertEqual(self.replica.recent(0), self.told)

    def test_one_that_fails_when_it_is_told_keeps_no_other_from_it(self) -> None:
        def fails(entry: Entry | Piece, outcome: Outcome) -> None:
            self._done(entry, outcome)
            raise ValueError("oh no")

        self.following = Following(
            self.clock, self.replica, self._happened, fails, self.newer.append
        )
        self.following.load()
        self.begin()
        self.append("b1", 1, said("a"))
        self.append("b2", 1, said("b"))
        self.read(1, 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 3)
        self.assertEqual(([e.boot for e, _ in self.done], self.texts), (["b1", "b2"], ["a", "b"]))

    def test_after_a_stop_nothing_is_stored(self) -> None:
        self.append("b1", 1, said("a"))
        self.take(1)
        self.following.pace.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RefusingTests(FollowingTestCase):
    """The disk is full for a while."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()
        self.append("b1", 1, said("a"), topic("cake"))
        self.append("b1", 2, said("b"))
        self.append("b1", 3, said("c"))
        self.other = self.meddler()

    def refuse(self) -> None:
        self.other.execute("BEGIN IMMEDIATE")

    def accept(self) -> None:
        self.other.execute("ROLLBACK")

    def test_what_was_refused_is_tried_again_until_it_is_stored(self) -> None:
        self.refuse()
        self.read(1)
        self.clock.pump([RETRY] * 3)
        self.assertEqual((self.texts, self.done, self.told), ([], [], []))
        self.accept()
        self.clock.advance(RETRY)
        self.assertEqual((self.texts, len(self.done)), (["a"], 1))
        self.assertEqual(self.held(), {("topic", "lobby"): "cake"})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_until_then_the_next_waits(self) -> None:
        self.refuse()
        self.read(1)
        waiting = self.take(2)
        assert waiting is not None
        self.clock.pump([RETRY] * 3)
        self.assertNoResult(waiting)
        self.accept()
        self.clock.advance(RETRY)
        self.successResultOf(waiting)
        self.read(3)
        self.assertEqual(self.texts, ["a", "b", "c"])

    def test_whoever_waits_no_more_holds_up_no_other(self) -> None:
        self.refuse()
        self.read(1)
        waiting = self.take(2)
        assert waiting is not None
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        again = self.take(2)
        assert again is not None
        self.assertNoResult(again)
        self.accept()
        self.clock.pump([RETRY, 0])
        self.successResultOf(again)
        self.assertEqual(self.texts, ["a", "b"])

    def test_what_is_read_anew_meanwhile_is_stored_once_and_in_order(self) -> None:
        """The brokers were lost, and are back, before the file takes anything again."""
        self.refuse()
        self.read(1)
        old = self.take(2)
        new = [self.take(position) for position in (2, 3)]
        self.accept()
        self.clock.pump([RETRY, 0])
        for waiting in (old, *new):
            assert waiting is not None
            self.successResultOf(waiting)
        self.assertEqual(self.texts, ["a", "b", "c"])
        self.assertEqual([entry.number for entry, _ in self.done], [1, 2, 3])

    def test_so_is_what_could_not_be_compared_with_what_is_there(self) -> None:
        def fails(origin: int, seq: int) -> bool:
            raise JournalUnavailable("the disk is gone")

        self.append("b2", 1, said("numbered", 7, 1))
        refusing = self.patch(self.replica, "has", fails)
        self.read(1, 2, 3, 4)
        self.assertEqual(self.texts, [])
        refusing.restore()
        self.clock.advance(RETRY)
        self.assertEqual(self.texts, ["a", "b", "c", "numbered"])

    def test_a_node_that_is_killed_meanwhile_reads_it_again(self) -> None:
        self.refuse()
        self.read(1)
        self.accept()
        self.restart()
        self.begin()
        self.read_on()
        self.assertEqual(self.texts, ["a", "b", "c"])

    def test_while_the_file_is_checkpointed_the_next_waits(self) -> None:
        self.thread.held = True
        self.replica.truncate_at = 0
        self.read(1)
        self.read(2)
        self.assertEqual(self.texts, ["a"])
        waiting = self.take(3)
        assert waiting is not None
        self.assertNoResult(waiting)
        self.thread.release()
        self.successResultOf(waiting)
        self.clock.advance(0)
        self.assertEqual(self.texts, ["a", "b", "c"])


class NodeTests(FollowingTestCase):
    def test_a_node_is_called_the_same_as_long_as_it_has_its_file(self) -> None:
        node = self.following.node
        self.assertRegex(node, r"^.+-[0-9a-f]{4}$")
        self.restart()
        self.assertEqual(self.following.node, node)

    def test_a_log_of_older_rules_that_is_lost_is_begun_again_as_one(self) -> None:
        self.assertEqual(self.founded(), VERSION)
        self.restart()
        # What a node of before there were versions has, which has followed a log.
        self.replica.note("base", "0")
        self.assertEqual(self.founded(), UNVERSIONED)
        # So it is with a copy, which is to be another node.
        self.replica.note("", "")
        self.restart()
        self.assertEqual(self.founded(), UNVERSIONED)
        self.replica.store([], [NEW, Fact(TOLD, "7", "[]")])
        self.restart()
        self.assertEqual(self.founded(), VERSION)
        self.assertEqual(self.following.founding().facts, [NEW])

    def founded(self) -> int:
        """Return of which version a log is that is begun with the file."""
        (version,) = [f.value for f in self.following.founding().facts if f.kind == VERSIONED]
        return int(version)

    def test_that_is_nothing_that_others_are_to_know(self) -> None:
        self.assertEqual(self.following.facts(), [])
        self.assertEqual([fact.kind for fact in self.replica.facts()], [FILE])


class OpeningTests(FollowingTestCase):
    def refused(self, **opening: Any) -> str:
        with self.assertRaises(LogError) as refusal:
            self.begin(**opening)
        return str(refusal.exception)

    def test_an_empty_file_becomes_a_part_of_the_chat(self) -> None:
        self.begin()
        self.assertEqual(self.replica.identity, CHAT)
        self.restart()
        self.assertEqual(self.replica.identity, CHAT)

    def test_a_file_with_what_was_said_elsewhere_is_refused(self) -> None:
        self.commit(self.replica, "a")
        self.assertEqual(self.refused(), f"the history {self.path!r} is that of another chat")

    def test_so_is_one_in_which_something_holds(self) -> None:
        self.successResultOf(self.replica.commit([], lambda events: [topic("cake")]))
        self.assertEqual(self.refused(), f"the history {self.path!r} is that of another chat")
        self.assertNotEqual(self.replica.identity, CHAT)

    def test_so_is_one_with_another_beginning(self) -> None:
        self.begin()
        self.read_all(said("a"))
        wanted = "the log is another one than this history has followed"
        for restarted in (False, True):
            if restarted:
                self.restart()
            with self.assertRaises(LogError) as refusal:
                self.following.open(Opening(CHAT, BASE + 1, 1, 1, [NEW]))
            self.assertEqual(str(refusal.exception), wanted)

    def test_so_is_one_that_has_another_entry_in_the_same_place(self) -> None:
        self.begin()
        self.assertEqual(self.following.seen, 0)
        self.read_all(said("a"), said("b"))
        for restarted in (False, True):
            if restarted:
                self.restart()
            self.assertEqual(self.following.seen, 2)
            with self.assertRaises(LogError) as refusal:
                self.following.open(Opening(CHAT, BASE, 1, 9, None, at=2001))
            self.assertEqual(
                str(refusal.exception), "the log is another one than this history has followed"
            )
            # The same one, and one in which that is not there any more.
            for first, at in ((1, 2000), (3, 0)):
                self.following.open(Opening(CHAT, BASE, first, 9, None, at))
            self.assertEqual(self.following.position, 2)

    def test_one_that_was_trimmed_while_it_was_out_of_reach_is_for_the_next_start(self) -> None:
        self.begin()
        self.read_all(said("a"))
        self.assertEqual(
            self.refused(first=5, last=9),
            "the log begins at 5, and was read up to 1: a start of this node is to begin there",
        )
        self.restart()
        self.begin(first=5, last=9)

    def test_one_of_a_newer_version_is_refused(self) -> None:
        newer = Fact(VERSIONED, "", str(VERSION + 1))
        with self.assertRaises(NewerLog) as refusal:
            self.following.open(Opening(CHAT, BASE, 1, 0, [newer]))
        self.assertEqual(
            str(refusal.exception),
            f"the log is of version {VERSION + 1}, and this node knows {VERSION}:"
            " a newer chatservice is needed here",
        )
        self.successResultOf(self.replica.commit([], lambda events: [newer]))
        self.assertRaises(NewerLog, self.following.load)

    def test_what_others_have_kept_and_nobody_can_use_is_left_out(self) -> None:
        self.begin(state=[topic("cake"), Fact("ban", "no network", "[]")])
        self.read_all(said("new"))
        self.assertEqual(self.held(), {("topic", "lobby"): "cake"})

    def test_a_log_that_is_older_than_the_file_is_refused(self) -> None:
        self.begin()
        self.read_all(said("a"), said("b"))
        self.restart()
        self.assertEqual(
            self.refused(last=1), "the log is older than the history: was it restored from a copy?"
        )

    def test_what_the_founder_had_holds(self) -> None:
        self.successResultOf(self.replica.commit([said("old")], lambda events: [topic("cake")]))
        self.replica.belong_to(CHAT)
        self.begin(state=[topic("cake")])
        self.read_all(said("new"))
        self.assertEqual(self.texts, ["old", "new"])
        self.assertEqual(self.held(), {("topic", "lobby"): "cake"})

    def test_so_it_does_at_a_node_that_was_empty(self) -> None:
        self.begin(state=[topic("cake")])
        self.read_all(said("new"))
        self.assertEqual(self.held(), {("topic", "lobby"): "cake"})

    def test_the_log_has_no_event_up_to_the_floor(self) -> None:
        self.begin()
        for _ in range(2):
            self.assertEqual(self.following.begin, event_id(BASE, 1, 0) - 1)
            self.assertEqual(self.following.floor, event_id(BASE, 1, 0) - 1)
            self.read_all(said("a"))
        self.restart()
        self.begin(first=2)
        self.assertEqual(self.following.begin, event_id(BASE, 2, 0) - 1)
        # Its own file begins where it began.
        self.assertEqual(self.following.floor, event_id(BASE, 1, 0) - 1)

    def test_who_was_not_away_for_long_goes_on(self) -> None:
        self.begin()
        self.read_all(said("a"), said("b"), topic("mine"))
        self.restart()
        self.read_further(first=4)

    def test_who_has_more_than_the_log_goes_on_too(self) -> None:
        self.begin()
        self.read_all(said("a"), said("b"), topic("mine"))
        self.restart()
        self.read_further(first=2)

    def read_further(self, first: int) -> None:
        self.append("b1", 4, said("c"))
        self.begin(first=first, state=[topic("kept by others")])
        self.assertEqual(self.following.position, 3)
        self.read_on()
        self.assertEqual(self.texts, ["a", "b", "c"])
        self.assertEqual(self.held(), {("topic", "lobby"): "mine"})


class FoundingTests(FollowingTestCase):
    """Where there is no log, one is begun; but not in place of one that was lost."""

    GONE = (
        "the brokers have no log of this chat, but this history has followed one:"
        " were their disks lost?"
    )

    def test_a_log_is_begun_with_all_that_holds(self) -> None:
        self.successResultOf(self.replica.commit([said("old")], lambda events: [topic("cake")]))
        identity = self.replica.identity
        for _ in range(2):
            founding = self.following.founding()
            self.assertEqual(founding, (identity, 1, [topic("cake"), NEW]))

    def test_who_has_followed_one_begins_no_other(self) -> None:
        self.begin()
        for restarted in (False, False, True):
            if restarted:
                self.restart()
            with self.assertRaises(LogError) as refusal:
                self.following.founding()
            self.assertEqual(str(refusal.exception), self.GONE)
            if not restarted:
                self.read_all(said("a"))

    def test_where_all_brokers_are_lost_a_file_can_begin_another_one(self) -> None:
        """As an operator has it who forgets who was there; ids are of another journal then."""
        self.begin()
        self.read_all(said("a"), topic("cake"), person(5, "ana"))
        self.close(self.replica)
        with closing(sqlite3.connect(self.path)) as file, file:
            file.execute(FORGET)
        self.start()
        identity, base, facts = self.following.founding()
        self.assertNotEqual(identity, CHAT)
        self.assertEqual((base, facts), (event_id(BASE, 1, 0), [topic("cake"), NEW]))
        self.assertEqual(self.replica.identity, identity)
        self.following.open(Opening(identity, base, 1, 0, facts))
        self.append("b9", 1, said("b"))
        self.following.took(1, 1, self.log[-1])
        self.clock.advance(0)
        self.assertEqual(self.texts, ["a", "b"])

    def test_the_document_has_the_same_words_for_it(self) -> None:
        document = Path(__file__).parents[2] / "docs" / "operating.md"
        self.assertIn(f'sqlite3 chat.sqlite "{FORGET}"', document.read_text("utf-8"))


class SkippingTests(FollowingTestCase):
    """What can't be used is skipped, by all nodes alike."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()
        self.append("b1", 1, said("a"))

    def skips(self, *data: bytes) -> list[str]:
        """Read something, and something good behind it; return what was written down."""
        self.log += data
        self.append("b1", 2, said("b"))
        with capturedLogs() as logged:
            self.read_on()
        self.assertEqual(self.texts, ["a", "b"])
        self.assertEqual(self.following.skipped, len(data))
        told = [str(formatEvent(event)) for event in logged]
        return [line for line in told if " is skipped: " in line]

    def test_what_is_no_entry(self) -> None:
        (told,) = self.skips(b"[1")
        self.assertRegex(told, r"^entry 2 is skipped: .* \(1 since the start\)$")

    def test_what_no_node_writes(self) -> None:
        bad = Entry("b2", 1, [said("x")], [topic("cake"), Fact("ban", "no network", "[]")])
        self.skips(encode(bad))
        self.assertEqual(self.held(), {})
        self.assertNotIn("b2", self.following.registry.leases)

    def test_what_is_for_another_log(self) -> None:
        self.assertEqual(self.following.mark, mark_of(CHAT, BASE))
        entry = Entry("b2", 1, [said("x")], [], mark=mark_of(CHAT, BASE + 1))
        newer = b'[99,"another","b2",1,[],[]]'
        (told, _) = self.skips(encode(entry), newer)
        self.assertIn("it is for another log", told)
        self.assertEqual(self.newer, [])

    def test_what_is_of_an_older_version_than_the_log(self) -> None:
        old = b'["b2",1,[["lobby","said","eve","x",1,-1]],[]]'
        piece = cut(Entry("b2", 1, [said("x" * 200)], [], version=VERSION - 1), 120)[0]
        (told, _) = self.skips(old, piece)
        self.assertIn(f"it is of version 1, and the log of {VERSION}", told)

    def test_pieces_that_are_no_entry_together(self) -> None:
        inner = encode(Entry("b3", 1, [said("x" * 200)], []))
        head = b'+[%d,"","b2",1,%%d,2]\n' % VERSION
        self.log += [head % 0 + inner[:50]]
        self.read_on()
        (told,) = self.skips(head % 1 + inner[50:])
        self.assertIn("its pieces are not those of one entry", told)
        self.assertEqual([f for f in self.following.facts() if f.kind == PART], [])

    def test_many_are_not_written_down_one_by_one(self) -> None:
        told = self.skips(*[b"x"] * 100)
        counts = [int(line.split("(")[1].split(" ")[0]) for line in told]
        self.assertEqual(counts, [*range(1, 11), 20, 40, 80])

    def test_where_a_newer_one_comes_no_more_is_read(self) -> None:
        self.log.append(b'[%d,"",{}]' % (VERSION + 1))
        self.append("b1", 2, said("b"))
        with capturedLogs() as logged:
            self.read_on()
        told = [formatEvent(event) for event in logged]
        self.assertEqual(told, [f"entry 2 is of version {VERSION + 1}"])
        self.assertEqual(self.texts, ["a"])
        self.assertEqual([type(error) for error in self.newer], [NewerLog])


class PieceTests(FollowingTestCase):
    """An entry comes in pieces."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()
        self.text = "x" * 500
        self.log += cut(Entry("b1", 1, [said(self.text)], [topic("cake")]), 200)

    def test_it_takes_effect_where_the_last_one_is(self) -> None:
        self.append("b2", 1, said("between"))
        self.log[1], self.log[-1] = self.log[-1], self.log[1]
        self.read_on()
        ids = [(event.text, event.id) for event in self.replica.recent(0)]
        wanted = [("between", event_id(BASE, 2, 0)), (self.text, event_id(BASE, len(self.log), 0))]
        self.assertEqual(ids, wanted)
        self.assertEqual(self.held(), {("topic", "lobby"): "cake"})

    def test_so_it_does_after_a_start_in_the_midst(self) -> None:
        for position in range(1, len(self.log) + 1):
            self.read(position)
            self.restart()
            self.begin()
            self.assertEqual(self.following.position, position)
        self.assertEqual(self.texts, [self.text])
        self.assertEqual(self.held(), {("topic", "lobby"): "cake"})

    def test_so_it_does_for_who_begins_with_what_others_have_kept(self) -> None:
        self.read(1, 2)
        state = self.following.facts()
        self.close(self.replica)
        self.fresh()
        self.start()
        self.begin(first=3, state=[fact for fact in state if fact.kind != VERSIONED])
        self.read_on()
        self.assertEqual(self.texts, [self.text])

    def test_each_is_told_of(self) -> None:
        self.read_on()
        places = [entry.place for entry, _ in self.done if isinstance(entry, Piece)]
        self.assertEqual(places, list(range(len(self.log))))
        last, outcome = self.done[-1]
        self.assertEqual((last.number, outcome.fresh), (1, True))


class TrimmedTests(FollowingTestCase):
    """The log does not go back to its beginning; others have kept what held at some position."""

    def setUp(self) -> None:
        super().setUp()
        self.append("b1", 1, Fact(NAME, "ana", "a"), topic("one"))
        self.append("b1", 2, person(10, "ana"))
        self.append("b1", 3, said("a"), topic("two"))
        self.append("b1", 4, Draft("lobby", LEFT, "ana", "", 5, -1), Fact(PERSON, "a", ""))
        self.append("b1", 5, said("b"), EVE)
        self.append("b1", 6, said("c"), topic("three"))

    def state(self, upto: int) -> list[Fact]:
        """Return what another node has kept."""
        path, self.path = self.path, f"{self.path}-{upto}"
        replica = self.open()
        self.path = path
        clock = Clock()
        other = Following(clock, replica, lambda *_: None, lambda *_: None, self.newer.append)
        other.load()
        other.open(Opening(CHAT, BASE, 1, len(self.log), [NEW]))
        for position in range(1, upto + 1):
            other.took(position, position * 1000, self.log[position - 1])
        clock.advance(0)
        facts = other.facts()
        self.close(replica)
        self.told.clear()
        return facts

    def all_holds(self, upto: int = 6) -> None:
        wanted = self.state(upto)
        self.assertEqual(sorted(self.following.facts()), sorted(wanted))

    def test_a_new_node_has_what_was_said_since_and_all_that_holds(self) -> None:
        for first, upto in ((3, 2), (3, 3), (3, 5), (3, 6), (4, 4)):
            self.fresh()
            self.start()
            self.begin(first=first, state=self.state(upto))
            self.append("b2", 1, said("d"))
            self.read_on()
            texts = ["a", "", "b", "c", "d"][first - 3 :]
            self.assertEqual(self.texts, texts, (first, upto))
            ids = [event_id(BASE, position, 0) for position in range(first, 8)]
            self.assertEqual([e.id for e in self.replica.recent(0)], ids)
            self.all_holds(upto=7)
            self.assertEqual(self.following.registry.last.position, 7)
            self.log.pop()

    def test_what_holds_is_taken_up_when_that_place_is_reached(self) -> None:
        self.begin(first=3, state=self.state(4))
        for position in (3, 4):
            self.read(position)
            self.assertEqual(self.held(), {})
            self.assertEqual(self.following.registry.names, {})
        self.read(5)
        self.assertEqual(self.held()["topic", "lobby"], "two")
        self.assertEqual(self.held()[EVE[:2]], EVE.value)

    def test_what_took_effect_before_is_told_too(self) -> None:
        self.begin(first=3, state=self.state(4))
        self.read_on()
        self.assertEqual([entry.number for entry, _ in self.done], [3, 4, 5, 6])

    def test_it_is_reached_in_the_midst_of_what_is_stored_together(self) -> None:
        self.begin(first=3, state=self.state(4))
        self.read(3, 4, 5, 6)
        self.assertEqual(self.texts, ["a", "", "b", "c"])
        self.all_holds()

    def test_who_was_away_for_long_has_a_gap_and_all_that_holds(self) -> None:
        self.begin()
        self.read(1)
        self.restart()
        self.replica.store([], [EVE._replace(name="192.0.2.8")])
        self.begin(first=3, state=self.state(4))
        self.read_on()
        self.assertEqual(self.texts, ["a", "", "b", "c"])
        self.all_holds()
        self.assertNotIn(("ban", "192.0.2.8"), self.held())

    def test_it_is_still_called_the_same(self) -> None:
        node = self.following.node
        self.begin(first=3, state=self.state(4))
        self.read_on()
        self.restart()
        self.assertEqual(self.following.node, node)

    def test_a_node_that_is_killed_before_that_place_begins_again(self) -> None:
        state = self.state(5)
        self.begin(first=3, state=state)
        self.read(3)
        self.read(4)
        self.restart()
        self.assertEqual(self.following.position, 0)
        self.begin(first=3, state=state)
        self.read_on()
        self.assertEqual(self.texts, ["a", "", "b", "c"])
        self.all_holds()

    def test_a_file_that_refuses_what_holds_is_tried_again(self) -> None:
        state = self.state(4)
        other = self.meddler()
        self.begin(first=3, state=state)
        for position in (3, 4):
            self.read(position)
        other.execute("BEGIN IMMEDIATE")
        self.read(5)
        waiting = self.take(6)
        assert waiting is not None
        self.clock.advance(RETRY)
        self.assertNoResult(waiting)
        self.assertEqual(self.held(), {})
        other.execute("ROLLBACK")
        self.clock.advance(RETRY)
        self.successResultOf(waiting)
        self.clock.advance(0)
        self.all_holds()

    def test_where_nobody_has_kept_anything_what_the_log_has_is_all(self) -> None:
        self.begin(first=5, state=None)
        self.read_on()
        self.assertEqual(self.texts, ["b", "c"])
        self.assertEqual(self.held(), {("topic", "lobby"): "three", EVE[:2]: EVE.value})

    def test_to_find_the_log_twice_is_like_once(self) -> None:
        """The brokers were lost in between."""
        state = self.state(4)
        for _ in range(2):
            self.begin(first=3, state=state)
        self.read_on()
        self.assertEqual(self.texts, ["a", "", "b", "c"])
        self.all_holds()


steps = st.lists(
    st.sampled_from(("read", "read", "read", "store", "kill", "refuse", "accept")), max_size=20
)


class StoryTests(FollowingTestCase):
    def setUp(self) -> None:
        super().setUp()
        # Each number comes in two entries, from two boots, with one in between.
        for number in range(1, 11):
            seq = number - number % 2 * 2
            both = said(str(number)), said(f"#{seq}", 7, seq)
            self.append(f"b{number % 3}", number, *both, topic(str(number)))
        self.length = len(self.log)
        self.states = [(), *(self.whole(upto)[1] for upto in range(1, self.length + 1))]
        self.events = self.whole(self.length)[0]

    @given(steps, st.integers(1, 6), st.integers(0, 9))
    @settings(max_examples=examples(60))
    def test_whatever_happens_meanwhile_all_files_are_alike(
        self, steps: list[str], first: int, upto: int
    ) -> None:
        self.fresh()
        self.start()
        state = self.states[max(upto, first - 1)]
        self.begin(first, state)
        other = self.meddler()
        for step in steps:
            if step in ("kill", "accept") and other.in_transaction:
                other.execute("ROLLBACK")
            if step == "kill":
                self.restart()
                self.begin(first, state)
            elif step == "refuse" and not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")
            elif step == "store":
                self.clock.advance(RETRY)
            elif step == "read" and self.following.position < self.length:
                self.take(max(self.following.position + 1, first))
        if other.in_transaction:
            other.execute("ROLLBACK")
        self.clock.pump([RETRY, 0])
        self.read_on()
        before = event_id(BASE, first, -1)
        # Of what was numbered before the log begins, it is not known that it was there.
        wanted = [e for e in self.events if e.id > before and not self.early(e, first)]
        events = [e for e in self.replica.recent(0) if not self.early(e, first)]
        self.assertEqual(events, wanted)
        self.assertEqual(sorted(self.following.facts()), sorted(self.states[-1]))
        self.close(self.replica)
        other.close()

    def early(self, event: Event, first: int) -> bool:
        return first > 1 and 0 < event.seq < first + 2

    def whole(self, upto: int) -> tuple[list[Event], list[Fact]]:
        """Read the log from its start."""
        self.fresh()
        self.start()
        self.begin()
        self.read(*range(1, upto + 1))
        events, facts = self.replica.recent(0), self.following.facts()
        self.close(self.replica)
        return events, facts
