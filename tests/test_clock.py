from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import Clock, LoopingCall, deferLater
from twisted.internet.testing import MemoryReactor, MemoryReactorClock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from chatservice import clock
from chatservice.clock import go_by_monotonic


class TimersOnly(ReactorBase):
    """A real reactor, but for what has to do with files."""

    def installWaker(self) -> None:
        """Wake up nobody."""


class TimerTests(TestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.monotonic = lambda: self.now
        self.patch(clock, "time", SimpleNamespace(time=time.time, monotonic=self.monotonic))
        self.reactor: Any = TimersOnly()
        self.done: list[str] = []

    def later(self, seconds: float, name: str) -> Any:
        return self.reactor.callLater(seconds, self.done.append, name)

    def advance(self, seconds: float) -> list[str]:
        self.now += seconds
        self.reactor.timeout()
        self.reactor.runUntilCurrent()
        done, self.done[:] = self.done[:], []
        return done

    def test_timers_go_by_the_other_clock(self) -> None:
        go_by_monotonic(self.reactor)
        self.later(5, "a")
        self.assertEqual(self.advance(4.9), [])
        self.assertEqual(self.advance(0.2), ["a"])

    def test_it_counts_on_from_the_time_of_day(self) -> None:
        go_by_monotonic(self.reactor)
        self.assertApproximates(self.reactor.seconds(), time.time(), 1)
        before = self.reactor.seconds()
        self.now += 7
        self.assertAlmostEqual(self.reactor.seconds() - before, 7, 3)

    def test_timers_that_wait_keep_the_time_that_is_left(self) -> None:
        for seconds in (5, 1, 3):
            self.later(seconds, str(seconds))
        self.advance(0)
        self.later(2, "2")
        self.later(4, "4").cancel()
        go_by_monotonic(self.reactor)
        self.assertEqual(self.advance(0.9), [])
        self.assertEqual([self.advance(1)[:] for _ in range(5)], [["1"], ["2"], ["3"], [], ["5"]])

    def test_a_timer_that_waits_can_be_set_anew(self) -> None:
        sooner, later, delayed = (self.later(50, name) for name in ("sooner", "later", "delayed"))
        go_by_monotonic(self.reactor)
        self.now += 20
        sooner.reset(10)
        later.reset(60)
        delayed.delay(10)
        self.assertEqual(self.advance(9.9), [])
        self.assertEqual(self.advance(0.2), ["sooner"])
        self.assertEqual(self.advance(29.8), [])
        self.assertEqual(self.advance(0.2), ["delayed"])
        self.assertEqual(self.advance(19.8), [])
        self.assertEqual(self.advance(0.2), ["later"])

    def test_a_timer_may_do_it(self) -> None:
        """Which is how a bot may connect; what else waits is not due by that."""
        self.later(100, "other")
        self.reactor.callLater(0, go_by_monotonic, self.reactor)
        self.assertEqual(self.advance(0), [])
        self.assertEqual(self.advance(99.5), [])
        self.assertEqual(self.advance(1), ["other"])

    def test_a_call_that_repeats_itself_goes_on(self) -> None:
        loop = LoopingCall(self.done.append, "x")
        loop.clock = self.reactor
        loop.start(10)
        go_by_monotonic(self.reactor)
        self.assertEqual(self.advance(0), ["x"])
        self.assertEqual([len(self.advance(10)) for _ in range(3)], [1, 1, 1])

    def test_once_is_enough(self) -> None:
        go_by_monotonic(self.reactor)
        seconds = self.reactor.seconds
        go_by_monotonic(self.reactor)
        self.assertIs(self.reactor.seconds, seconds)

    def test_a_clock_for_tests_is_left_alone(self) -> None:
        for kind in (Clock, MemoryReactorClock, MemoryReactor):
            its = kind()
            go_by_monotonic(its)
            self.assertNotIn("seconds", vars(its))


class RealReactorTests(TestCase):
    """With the reactor that these tests run in, from its first test on."""

    timeout = 120

    def setUp(self) -> None:
        go_by_monotonic(reactor)

    def test_timers_come(self) -> Deferred[None]:
        began = time.monotonic()
        waited = deferLater(reactor, 0.05, time.monotonic)  # type: ignore[arg-type]
        return waited.addCallback(lambda ended: self.assertGreaterEqual(ended - began, 0.05))

    def test_threads_answer(self) -> Deferred[None]:
        return deferToThread(lambda: "x").addCallback(self.assertEqual, "x")

    def test_a_deadline_passes(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        waiting.addTimeout(0.05, reactor)  # type: ignore[arg-type]
        return self.assertFailure(waiting, TimeoutError).addCallback(lambda _: None)
