from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial import unittest

from chatservice.core.deadlines import Deadlines
from tests.profiles import examples


class DeadlinesTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.expired: list[tuple[str, float]] = []

    def deadlines(self, delay: float = 10) -> Deadlines[str]:
        return Deadlines(self.clock, delay, self.expire)

    def expire(self, thing: str) -> None:
        self.expired.append((thing, self.clock.seconds()))

    def test_each_runs_out_after_its_own_time_in_the_order_of_their_coming(self) -> None:
        deadlines = self.deadlines(10)
        for thing in "abc":
            deadlines.add(thing)
            self.clock.advance(3)
        self.clock.pump([0.5] * 40)
        self.assertEqual(self.expired, [("a", 10), ("b", 13), ("c", 16)])

    def test_one_timer_serves_all(self) -> None:
        deadlines = self.deadlines(10)
        for thing in "abcdefgh":
            deadlines.add(thing)
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.clock.advance(1)
        self.clock.advance(2)
        self.assertEqual(self.expired, [("a", 10)])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_no_timer_runs_when_nothing_is_left(self) -> None:
        deadlines = self.deadlines(10)
        deadlines.add("a")
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_is_discarded_does_not_run_out(self) -> None:
        deadlines = self.deadlines(10)
        for thing in "abc":
            deadlines.add(thing)
        deadlines.discard("a")
        deadlines.discard("c")
        deadlines.discard("nobody knows it")
        self.clock.advance(10)
        self.assertEqual(self.expired, [("b", 10)])

    def test_the_oldest_can_be_discarded(self) -> None:
        deadlines = self.deadlines()
        for thing in "ab":
            deadlines.add(thing)
        deadlines.discard_oldest()
        self.clock.advance(10)
        self.assertEqual(self.expired, [("b", 10)])

    def test_it_goes_on_after_all_were_discarded(self) -> None:
        deadlines = self.deadlines(10)
        deadlines.add("a")
        deadlines.discard("a")
        self.clock.advance(5)
        deadlines.add("b")
        self.clock.advance(5)
        self.assertEqual(self.expired, [])
        self.clock.advance(5)
        self.assertEqual(self.expired, [("b", 15)])
        deadlines.add("c")
        self.clock.advance(10)
        self.assertEqual(self.expired, [("b", 15), ("c", 25)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_is_added_again_starts_anew_and_does_not_hold_up_the_others(self) -> None:
        deadlines = self.deadlines(10)
        deadlines.add("a")
        self.clock.advance(2)
        deadlines.add("b")
        self.clock.advance(6)
        deadlines.add("a")
        self.clock.pump([1] * 20)
        self.assertEqual(self.expired, [("b", 12), ("a", 18)])

    def test_what_runs_out_may_be_added_again_at_that_moment(self) -> None:
        def again(thing: str) -> None:
            self.expire(thing)
            deadlines.add(thing)

        deadlines: Deadlines[str] = Deadlines(self.clock, 10, again)
        deadlines.add("a")
        deadlines.add("b")
        self.clock.pump([1] * 35)
        self.assertEqual([thing for thing, _ in self.expired], ["a", "b"] * 3)
        self.assertEqual([at for _, at in self.expired], [10, 10, 20, 20, 30, 30])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_another_may_be_discarded_while_one_runs_out(self) -> None:
        def expire(thing: str) -> None:
            self.expire(thing)
            deadlines.discard("b")

        deadlines: Deadlines[str] = Deadlines(self.clock, 10, expire)
        for thing in "abc":
            deadlines.add(thing)
        self.clock.advance(10)
        self.assertEqual([thing for thing, _ in self.expired], ["a", "c"])

    def test_all_may_be_stopped_while_one_runs_out(self) -> None:
        def expire(thing: str) -> None:
            self.expire(thing)
            deadlines.stop()

        deadlines: Deadlines[str] = Deadlines(self.clock, 10, expire)
        deadlines.add("a")
        deadlines.add("b")
        self.clock.advance(10)
        self.assertEqual([thing for thing, _ in self.expired], ["a"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_error_over_one_leaves_the_others_their_time(self) -> None:
        def expire(thing: str) -> None:
            self.expire(thing)
            if thing == "a":
                raise ZeroDivisionError

        deadlines: Deadlines[str] = Deadlines(self.clock, 10, expire)
        for thing in "abc":
            deadlines.add(thing)
            self.clock.advance(1)
        self.clock.pump([1] * 20)
        deadlines.add("d")
        self.clock.pump([1] * 20)
        self.assertEqual([thing for thing, _ in self.expired], ["a", "b", "c", "d"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stopping_takes_the_timer_along(self) -> None:
        deadlines = self.deadlines(10)
        deadlines.stop()
        deadlines.add("a")
        deadlines.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(20)
        self.assertEqual(self.expired, [])

    def test_it_can_be_used_again_after_it_was_stopped(self) -> None:
        deadlines = self.deadlines(10)
        deadlines.add("a")
        deadlines.stop()
        deadlines.add("b")
        self.clock.advance(10)
        self.assertEqual(self.expired, [("b", 10)])

    def test_a_time_of_nought_is_for_ever(self) -> None:
        deadlines = self.deadlines(0)
        deadlines.add("a")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        deadlines.discard("a")
        deadlines.stop()
        self.clock.advance(1e9)
        self.assertEqual(self.expired, [])

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("add"), st.sampled_from("abcde")),
                st.tuples(st.just("discard"), st.sampled_from("abcde")),
                st.tuples(st.just("wait"), st.integers(min_value=0, max_value=12)),
                st.tuples(st.just("stop"), st.just("")),
            ),
            max_size=40,
        )
    )
    @settings(max_examples=examples(300))
    def test_whatever_is_done_each_runs_out_at_its_time_and_nothing_else_does(
        self, steps: list[tuple[str, str | int]]
    ) -> None:
        clock = Clock()
        expired: list[tuple[str, float]] = []
        deadlines: Deadlines[str] = Deadlines(
            clock, 5, lambda thing: expired.append((thing, clock.seconds()))
        )
        running: dict[str, float] = {}
        expected: list[tuple[str, float]] = []
        for step, value in [*steps, ("wait", 12)]:
            if step == "add":
                assert isinstance(value, str)
                running.pop(value, None)
                running[value] = clock.seconds() + 5
                deadlines.add(value)
            elif step == "discard":
                assert isinstance(value, str)
                running.pop(value, None)
                deadlines.discard(value)
            elif step == "stop":
                running.clear()
                deadlines.stop()
            else:
                for _ in range(int(value)):
                    clock.advance(1)
                    now = clock.seconds()
                    expected += [(thing, now) for thing, end in running.items() if end <= now]
                    running = {thing: end for thing, end in running.items() if end > now}
            self.assertLessEqual(len(clock.getDelayedCalls()), 1)
        self.assertEqual(expired, expected)
        self.assertEqual(clock.getDelayedCalls(), [])
