from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from chatservice.core.feed.batch import Presence
from chatservice.core.feed.pace import MANY
from chatservice.core.feed.ticker import HELD_COUNT, HELD_SIZE, Ticker
from chatservice.core.members import Member, Membership, Room
from chatservice.doors.text.view import TEXT
from chatservice.journal.events import (
    JOINED,
    LEFT,
    SAID,
    Committed,
    Draft,
    Facts,
    JournalUnavailable,
    no_facts,
)
from chatservice.journal.sqlite import SqliteJournal
from tests.core.support import RecordingOutlet
from tests.journal.support import JournalTestCase, said

QUIET = 0.002
"""As long as it is looked whether more lines come, at most."""


class TickerTestCase(JournalTestCase):
    """A ticker on a real journal.

    :ivar ticks: the texts that each commit had.
    :ivar sends: how many sends each tick takes.
    :ivar troubles: what was told of them.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.sends = 0
        self.ticks: list[list[str]] = []
        self.troubles: list[bool] = []
        self.store: SqliteJournal = self.journal()
        self.store.start()
        self.addCleanup(self.close, self.store)
        self.ticker = Ticker(self.clock, self.store, 7, self.show, self.trouble)
        self.other: sqlite3.Connection = self.meddler()

    def show(self, committed: Committed, presences: dict[int, Presence]) -> int:
        self.ticks.append([event.text for event in committed.events])
        return self.sends

    def trouble(self) -> None:
        self.troubles.append(self.ticker.refusing)

    def say(self, *texts: str) -> None:
        for text in texts:
            self.ticker.batch.add(said(text))
            self.ticker.wake()

    def refuse(self) -> None:
        """From now on the journal refuses: somebody else writes to its file."""
        self.other.execute("BEGIN IMMEDIATE")

    def accept(self) -> None:
        self.other.execute("ROLLBACK")

    def delay(self) -> None:
        """Let commits wait, until the thread has run."""
        self.thread.held = True
        self.store.truncate_at = 0
        self.say("delays")
        self.clock.advance(1)

    def result(self, deferred: Deferred[int]) -> int:
        return self.successResultOf(deferred)


class PaceTests(TickerTestCase):
    def test_a_quiet_house_ticks_at_once(self) -> None:
        self.say("a")
        self.clock.advance(0)
        self.assertEqual(self.ticks, [["a"]])

    def test_what_comes_in_one_turn_is_one_commit(self) -> None:
        self.say("a", "b")
        self.clock.advance(0)
        self.assertEqual(self.ticks, [["a", "b"]])

    def test_when_nothing_waits_nothing_ticks(self) -> None:
        self.say("a")
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_next_tick_waits_until_the_sends_are_paid_for(self) -> None:
        self.sends = 1000
        self.say("a")
        self.clock.advance(0)
        self.say("b")
        self.clock.advance(0.049)
        self.say("c")
        self.assertEqual(self.ticks, [["a"]])
        self.clock.advance(0.002)
        self.assertEqual(self.ticks, [["a"], ["b", "c"]])

    def test_the_pace_of_a_tick_is_its_own(self) -> None:
        self.sends = 1000
        self.say("a")
        self.clock.advance(0)
        self.sends = 0
        self.say("b")
        self.clock.advance(0.051)
        self.say("c")
        self.clock.advance(0)
        self.assertEqual(self.ticks, [["a"], ["b"], ["c"]])

    def test_nobody_waits_longer_than_a_moment(self) -> None:
        self.sends = 1_000_000
        self.say("a")
        self.clock.advance(0)
        self.say("b")
        self.clock.advance(0.099)
        self.assertEqual(len(self.ticks), 1)
        self.clock.advance(0.002)
        self.assertEqual(len(self.ticks), 2)

    def test_many_lines_do_not_wait(self) -> None:
        self.sends = 1_000_000
        self.say("a")
        self.clock.advance(0)
        self.say(*("b" for _ in range(MANY - 1)))
        self.clock.advance(0)
        self.assertEqual(len(self.ticks), 1)
        self.say("c")
        self.clock.pump([0, QUIET])
        self.assertEqual([len(tick) for tick in self.ticks], [1, MANY])

    def test_many_lines_to_few_wait_while_each_turn_brings_more(self) -> None:
        self.sends = 400
        self.say("a")
        self.clock.advance(0)
        self.say(*("b" for _ in range(MANY)))
        self.clock.callLater(0, self.say, "c")
        self.clock.callLater(0, lambda: self.clock.callLater(0, self.say, "d"))
        self.clock.advance(0)
        self.assertEqual(self.ticks[1:], [["b"] * MANY + ["c", "d"]])

    def test_many_lines_to_many_wait_while_each_moment_brings_more(self) -> None:
        self.sends = 2000
        self.say("a")
        self.clock.advance(0)
        self.say(*("b" for _ in range(MANY)))
        self.clock.pump([0, 0.001])
        self.say("c")
        self.clock.pump([0.001, 0.001])
        self.assertEqual(len(self.ticks), 1)
        self.clock.advance(0.001)
        self.assertEqual(self.ticks[1:], [["b"] * MANY + ["c"]])

    def test_lines_without_end_do_not_put_a_tick_off(self) -> None:
        class Turns(Clock):
            """A turn of the reactor takes a millisecond."""

            def callLater(self, delay: float, *call: Any, **named: Any) -> IDelayedCall:
                return super().callLater(max(delay, 0.001), *call, **named)

        self.ticker._clock = self.ticker._pace._clock = clock = Turns()
        self.sends = 1000
        self.say("a")
        clock.advance(0.001)
        self.say(*("b" for _ in range(MANY)))
        while len(self.ticks) < 2:
            self.say("c")
            clock.advance(0.001)
        self.assertAlmostEqual(clock.seconds(), 0.051, delta=0.002)
        self.assertEqual(self.ticks[1].count("c"), 50)

    def test_what_came_during_a_commit_follows_it(self) -> None:
        self.delay()
        self.say("a")
        self.clock.advance(0)
        self.say("b", "c")
        self.clock.advance(5)
        self.assertEqual(self.ticks, [["delays"]])
        self.thread.release()
        self.clock.advance(0)
        self.assertEqual(self.ticks, [["delays"], ["a"], ["b", "c"]])

    def test_many_that_came_during_a_commit_do_not_wait(self) -> None:
        self.delay()
        self.sends = 1_000_000
        self.say("a")
        self.clock.advance(0)
        self.say(*("b" for _ in range(MANY)))
        self.thread.release()
        self.clock.pump([0, QUIET])
        self.assertEqual([len(tick) for tick in self.ticks], [1, 1, MANY])

    def test_after_a_stop_nothing_ticks(self) -> None:
        self.say("a")
        self.ticker.stop()
        self.ticker.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(5)
        self.assertEqual(self.ticks, [])


class RefusalTests(TickerTestCase):
    def test_what_is_refused_is_kept_and_tried_again_every_second(self) -> None:
        self.refuse()
        self.say("a", "b")
        self.clock.pump([0, 1, 1, 0.9])
        self.accept()
        self.assertEqual(self.ticks, [])
        self.clock.advance(0.2)
        self.assertEqual(self.ticks, [["a", "b"]])
        self.clock.advance(60)
        self.assertEqual(self.ticks, [["a", "b"]])

    def test_a_file_that_was_moved_is_noticed_while_nobody_speaks(self) -> None:
        self.ticker.watch()
        self.clock.advance(10)
        self.assertEqual(self.troubles, [])
        os.rename(self.path, f"{self.path}.elsewhere")
        self.clock.pump([1, 1])
        self.assertEqual(self.troubles, [True])
        self.say("waits")
        self.clock.pump([1] * 5)
        self.assertEqual((self.troubles, self.ticks), ([True], []))
        os.rename(f"{self.path}.elsewhere", self.path)
        self.clock.pump([1, 1])
        self.assertEqual(self.troubles, [True, False])
        self.assertEqual(self.ticks[-1], ["waits"])

    def test_nothing_is_looked_for_any_more_once_it_is_stopped(self) -> None:
        self.ticker.watch()
        self.ticker.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_comes_meanwhile_waits_behind_it(self) -> None:
        self.refuse()
        self.say("a")
        self.clock.advance(0)
        self.say("b")
        self.clock.advance(1)
        self.say(*("c" for _ in range(MANY)))
        self.accept()
        self.clock.advance(0.9)
        self.assertEqual(self.ticks, [])
        self.clock.pump([0.1, 0])
        self.assertEqual(self.ticks, [["a"], ["b", *("c" for _ in range(MANY))]])

    def test_it_is_told_once_when_it_starts_and_once_when_it_ends(self) -> None:
        for _ in range(2):
            self.refuse()
            self.say("a")
            self.clock.pump([0, 1, 1])
            self.assertEqual(self.troubles, [True])
            self.accept()
            self.clock.advance(1)
            self.say("b")
            self.clock.advance(1)
            self.assertEqual(self.troubles, [True, False])
            self.troubles.clear()

    def test_a_batch_is_pending_until_it_is_committed(self) -> None:
        self.say("a")
        first = self.ticker.number
        self.assertTrue(self.ticker.pending(first))
        self.clock.advance(0)
        self.say("b")
        second = self.ticker.number
        self.assertEqual([self.ticker.pending(n) for n in (first, second)], [False, True])

    def test_while_the_journal_refuses_nothing_is_pending(self) -> None:
        self.refuse()
        self.say("a")
        number = self.ticker.number
        self.clock.advance(0)
        self.assertFalse(self.ticker.pending(number))

    def test_of_what_follows_a_commit_one_mistake_keeps_nothing_else_from_happening(self) -> None:
        done: list[str] = []
        self.say("a")
        self.ticker.batch.then.append(lambda: done.append("before"))
        self.ticker.batch.then.append(lambda: done.remove("nothing"))
        self.ticker.batch.then.append(lambda: done.append("behind"))
        self.ticker.after_attempt(lambda: done.append("attempted"))
        self.clock.advance(0)
        self.assertEqual(done, ["before", "behind", "attempted"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.say("b")
        self.clock.advance(0)
        self.assertEqual(self.ticks, [["a"], ["b"]])

    def test_after_an_attempt_whoever_waits_is_called_once(self) -> None:
        calls = []
        self.refuse()
        self.say("a")
        self.ticker.after_attempt(lambda: calls.append("refused"))
        self.assertEqual(calls, [])
        self.clock.advance(0)
        self.assertEqual(calls, ["refused"])
        self.ticker.after_attempt(lambda: calls.append("again"))
        self.clock.advance(1)
        self.accept()
        self.ticker.after_attempt(lambda: calls.append(f"taken {self.ticks}"))
        self.clock.advance(1)
        self.assertEqual(calls, ["refused", "again", "taken [['a']]"])

    def test_who_is_called_may_wait_again(self) -> None:
        calls: list[int] = []

        def attempted() -> None:
            calls.append(self.ticker.committed)
            self.say("b")
            if len(calls) < 3:
                self.ticker.after_attempt(attempted)

        self.ticker.after_attempt(attempted)
        self.say("a")
        self.clock.pump([0] * 5)
        self.assertEqual((calls, self.ticks), ([1, 2, 3], [["a"], ["b"], ["b"], ["b"]]))

    def test_it_is_clogged_when_too_much_waits_behind_a_commit(self) -> None:
        self.refuse()
        self.say("a")
        self.clock.advance(0)
        self.say(*("b" for _ in range(HELD_COUNT - 1)))
        self.assertFalse(self.ticker.clogged)
        self.say("c")
        self.assertTrue(self.ticker.clogged)
        self.accept()
        self.clock.pump([1, 0])
        self.assertFalse(self.ticker.clogged)
        self.assertEqual(sum(map(len, self.ticks)), HELD_COUNT + 1)

    def test_it_is_clogged_by_long_lines_too(self) -> None:
        self.refuse()
        self.say("a")
        self.clock.advance(0)
        self.say("b" * (HELD_SIZE - 1))
        self.assertFalse(self.ticker.clogged)
        self.say("c")
        self.assertTrue(self.ticker.clogged)

    def test_what_is_too_much_for_one_commit_clogs_before_it_is_one(self) -> None:
        self.store.largest = 1000
        self.say("b" * 999)
        self.assertFalse(self.ticker.clogged)
        self.say("c")
        self.assertTrue(self.ticker.clogged)
        self.clock.advance(0)
        self.assertFalse(self.ticker.clogged)
        self.say(*("a" for _ in range(HELD_COUNT - 1)))
        self.assertFalse(self.ticker.clogged)
        self.say("a")
        self.assertTrue(self.ticker.clogged)

    def test_what_waits_for_no_commit_does_not_clog(self) -> None:
        self.say(*("a" for _ in range(HELD_COUNT)))
        self.assertFalse(self.ticker.clogged)


class ShownTests(TickerTestCase):
    """What is shown is what was committed, with who comes and goes in it."""

    def setUp(self) -> None:
        super().setUp()
        self.shown: list[tuple[list[str], list[str]]] = []

    def show(self, committed: Committed, presences: dict[int, Presence]) -> int:
        moved = [f"{' '.join(presence.names)} {presence.kind}" for presence in presences.values()]
        self.shown.append(([event.kind for event in committed.events], moved))
        return super().show(committed, presences)

    def moves(self) -> None:
        ana, bob = (Member(name, RecordingOutlet(), TEXT) for name in ("ana", "bob"))
        self.ticker.batch.join(Membership(ana, Room("lobby")))
        self.ticker.batch.leave(Membership(bob, Room("lobby")))
        self.ticker.wake()

    def test_who_comes_and_goes_is_told_with_its_commit_and_with_no_other(self) -> None:
        self.moves()
        self.clock.advance(0)
        self.say("a")
        self.clock.advance(1)
        moved = ["ana joined", "bob left"]
        self.assertEqual(self.shown, [([JOINED, LEFT], moved), ([SAID], [])])

    def test_while_it_is_refused_nobody_is(self) -> None:
        self.refuse()
        self.moves()
        self.clock.pump([0, 1])
        self.assertEqual(self.shown, [])
        self.accept()
        self.clock.advance(1)
        self.assertEqual(self.shown, [([JOINED, LEFT], ["ana joined", "bob left"])])

    def test_it_is_shown_before_what_follows_the_commit(self) -> None:
        self.ticker.batch.then.append(lambda: self.shown.append(([], ["then"])))
        self.say("a")
        self.clock.advance(0)
        self.assertEqual(self.shown, [([SAID], []), ([], ["then"])])


class SlowJournal(SqliteJournal):
    """A journal that others share: what it has taken comes back when the test lets it.

    :ivar waiting: to fire with what was committed.
    """

    waiting: tuple[Deferred[Committed], Committed] | None = None

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        back: Deferred[Committed] = Deferred()

        def wait(committed: Committed) -> None:
            self.waiting = back, committed

        super().commit(drafts, facts).addCallback(wait)
        return back

    def come_back(self) -> None:
        assert self.waiting is not None
        back, committed = self.waiting
        self.waiting = None
        back.callback(committed)


class StalledTests(TickerTestCase):
    """Nobody knows how long it takes until what is being committed is back."""

    store: SlowJournal

    def journal(self, path: str | None = None) -> SqliteJournal:
        return SlowJournal(path or self.path, lambda: self.now, self.thread)

    def stall(self, *texts: str) -> None:
        self.say(*texts)
        self.clock.advance(0)
        self.ticker.stall("the cable")

    def test_it_is_as_if_it_was_refused_until_it_is_back(self) -> None:
        calls: list[str] = []
        self.ticker.after_attempt(lambda: calls.append("attempted"))
        number = self.ticker.number
        self.stall("a")
        self.assertEqual((self.troubles, calls), ([True], ["attempted"]))
        self.assertFalse(self.ticker.pending(number))
        self.ticker.stall("")
        self.assertTrue(self.ticker.refusing)
        self.store.come_back()
        self.assertEqual((self.troubles, self.ticks), ([True, False], [["a"]]))

    def test_it_is_not_committed_again(self) -> None:
        self.stall("a")
        self.clock.pump([1] * 5)
        self.store.come_back()
        self.clock.pump([1] * 5)
        self.assertEqual((self.ticks, self.store.waiting), ([["a"]], None))

    def test_what_comes_meanwhile_waits_behind_it(self) -> None:
        self.stall("a")
        self.say("b")
        self.clock.advance(5)
        self.store.come_back()
        self.clock.advance(0)
        self.store.come_back()
        self.assertEqual(self.ticks, [["a"], ["b"]])

    def test_where_nothing_is_being_committed_nobody_is_told(self) -> None:
        self.ticker.stall("the cable")
        self.assertEqual((self.troubles, self.ticker.refusing), ([], False))

    def test_the_log_does_not_tell_it_of_the_history(self) -> None:
        self.patch(self.store, "commit", lambda *_: fail(JournalUnavailable("the cable")))
        for why, told in (("the cable", []), ("", ["the history refuses what is said: the cable"])):
            self.ticker.refusing = False
            self.ticker.stall(why)
            self.say("a")
            with capturedLogs() as events:
                self.clock.advance(1)
            self.assertEqual([formatEvent(event) for event in events], told)

    def test_when_all_is_to_be_settled_it_is_counted_as_not_taken(self) -> None:
        self.stall("a", "b")
        self.say("c")
        self.assertEqual(self.result(self.ticker.settle()), 3)
        self.store.come_back()
        self.assertEqual(self.ticks, [["a", "b"]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_so_it_is_if_that_comes_while_it_is_to_be_settled(self) -> None:
        self.say("a")
        self.clock.advance(0)
        settling = self.ticker.settle()
        self.assertNoResult(settling)
        self.ticker.stall("the cable")
        self.assertEqual(self.result(settling), 1)

    def test_what_is_on_its_way_again_is_waited_for(self) -> None:
        self.stall("a")
        self.ticker.stall("")
        settling = self.ticker.settle()
        self.assertNoResult(settling)
        self.store.come_back()
        self.assertEqual(self.result(settling), 0)


class SettlingTests(TickerTestCase):
    def test_when_nothing_waits_it_is_settled(self) -> None:
        self.assertEqual(self.result(self.ticker.settle()), 0)
        self.assertEqual(self.ticks, [])

    def test_what_waits_is_committed_now(self) -> None:
        self.sends = 1000
        self.say("a")
        self.clock.advance(0)
        self.say("b")
        self.assertEqual(self.result(self.ticker.settle()), 0)
        self.assertEqual(self.ticks, [["a"], ["b"]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_commit_that_is_out_is_waited_for(self) -> None:
        self.delay()
        self.say("a")
        self.clock.advance(0)
        self.say("b")
        settling = self.ticker.settle()
        self.assertNoResult(settling)
        self.thread.release()
        self.assertEqual(self.result(settling), 0)
        self.assertEqual(self.ticks, [["delays"], ["a"], ["b"]])

    def test_a_journal_that_begins_to_refuse_is_not_waited_for(self) -> None:
        self.refuse()
        self.say("a", "b")
        self.assertEqual(self.result(self.ticker.settle()), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_journal_that_refuses_is_tried_once_more(self) -> None:
        self.refuse()
        self.say("a", "b")
        self.clock.advance(0)
        self.say("c")
        self.accept()
        self.assertEqual(self.result(self.ticker.settle()), 0)
        self.assertEqual(self.ticks, [["a", "b"], ["c"]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_a_journal_goes_on_to_refuse_is_counted(self) -> None:
        self.refuse()
        self.say("a", "b")
        self.clock.advance(0)
        self.say("c")
        self.assertEqual(self.result(self.ticker.settle()), 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_attempt_that_is_out_is_not_made_twice(self) -> None:
        self.say("old")
        self.clock.advance(0)
        self.now += 1000
        self.say("new")
        self.clock.advance(1)
        self.refuse()
        self.say("a")
        self.clock.advance(1)
        self.accept()
        # To forget something starts a checkpoint, for which the next attempt waits.
        self.thread.held = True
        self.store.truncate_at = 0
        self.store.prune(self.now)
        self.clock.advance(1)
        settling = self.ticker.settle()
        self.assertNoResult(settling)
        self.thread.release()
        self.assertEqual(self.result(settling), 0)
        self.assertEqual(self.ticks, [["old"], ["new"], ["a"]])


class FailingJournal(SqliteJournal):
    """A journal with a bug, for a time.

    :ivar fails: does what a commit does in place of committing.
    """

    fails: Callable[[], Deferred[Committed]] | None = None

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        if self.fails is not None:
            return self.fails()
        return super().commit(drafts, facts)


class Bug(Exception):
    """Nothing that a journal is known to fail with."""


def raises() -> Deferred[Committed]:
    raise Bug("oh no")


class FailureTests(TickerTestCase):
    """A journal that fails in a way that nobody thought of is like one that refuses."""

    store: FailingJournal

    def journal(self, path: str | None = None) -> SqliteJournal:
        return FailingJournal(path or self.path, lambda: self.now, self.thread)

    def check(self, fails: Callable[[], Deferred[Committed]]) -> None:
        self.store.fails = fails
        attempts: list[float] = []

        def attempted() -> None:
            attempts.append(self.clock.seconds())
            if self.store.fails is not None:
                self.ticker.after_attempt(attempted)

        self.ticker.after_attempt(attempted)
        self.say("a", "b")
        self.clock.advance(0)
        self.say("c")
        self.clock.pump([0.5] * 7)
        self.assertEqual(attempts, [0, 1, 2, 3])
        self.assertEqual((self.ticks, self.troubles), ([], [True]))
        self.assertTrue(self.ticker.refusing)
        self.assertEqual(len(self.flushLoggedErrors(Bug)), 1)
        self.store.fails = None
        self.clock.pump([0.5, 0, 60])
        self.assertEqual((self.ticks, self.troubles), ([["a", "b"], ["c"]], [True, False]))
        self.assertFalse(self.ticker.refusing)

    def test_one_that_raises_is_tried_again_every_second_and_told_of_once(self) -> None:
        self.check(raises)

    def test_so_is_one_that_fails_later(self) -> None:
        self.check(lambda: fail(Bug("oh no")))

    def test_when_all_is_to_be_settled_it_is_counted_what_it_did_not_take(self) -> None:
        self.store.fails = raises
        self.say("a", "b")
        self.assertEqual(self.result(self.ticker.settle()), 2)
        self.assertEqual(len(self.flushLoggedErrors(Bug)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
