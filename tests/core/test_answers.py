from __future__ import annotations

from collections.abc import Iterable, Iterator

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial import unittest

from chatservice.core import answers
from chatservice.core.answers import AT_ONCE, CHUNK, Answers, Pieces
from tests.core.support import RecordingOutlet


class Slow(Clock):
    """A clock by which each look takes a millisecond: a slice is one step."""

    def seconds(self) -> float:
        self.rightNow += 0.001
        return super().seconds()

    def turn(self) -> None:
        """Let one turn of the reactor pass: what is called later in it is for the next."""
        due, self.calls = self.calls, []
        for call in due:
            call.called = 1
            call.func(*call.args, **call.kw)


def made(parts: Iterable[bytes]) -> Pieces:
    yield from parts


class AnswersTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Slow()
        self.answers = Answers(self.clock)
        self.outlet = RecordingOutlet()
        self.made = 0

    def numbers(self, count: int, size: int = 0) -> Iterator[bytes]:
        for number in range(count):
            self.made += 1
            yield b"%d\r\n" % number + b"x" * size

    def turns(self, most: int) -> int:
        """Let turns pass until nothing is due; return how many those were."""
        for turn in range(most):
            if not self.clock.getDelayedCalls():
                return turn
            self.clock.turn()
        raise AssertionError("it goes on for ever")

    def test_a_short_answer_is_given_at_once_and_costs_no_more_than_the_line(self) -> None:
        self.assertIsNone(self.answers.give(self.outlet, made(self.numbers(AT_ONCE - 1))))
        self.assertEqual(self.outlet.received, b"".join(self.numbers(AT_ONCE - 1)))
        self.assertEqual((self.outlet.charged, self.clock.getDelayedCalls()), (0, []))

    def test_a_long_one_takes_many_turns_and_counts_as_more_lines(self) -> None:
        done = self.answers.give(self.outlet, made(self.numbers(1000)))
        assert done is not None
        self.assertEqual(self.made, AT_ONCE)
        turns = self.turns(1000)
        self.assertGreater(turns, 1000 // AT_ONCE - 2)
        self.successResultOf(done)
        self.assertEqual(self.outlet.received, b"".join(self.numbers(1000)))
        self.assertAlmostEqual(self.outlet.charged, 1000 / answers.PIECES_A_LINE)

    def test_large_pieces_count_by_their_bytes(self) -> None:
        self.answers.give(self.outlet, made(self.numbers(100, size=8000)))
        self.turns(1000)
        self.assertAlmostEqual(
            self.outlet.charged, len(self.outlet.received) / answers.BYTES_A_LINE, 3
        )

    def test_several_take_turns(self) -> None:
        others = [RecordingOutlet() for _ in range(5)]
        for outlet in (self.outlet, *others):
            self.answers.give(outlet, made(b"%d\r\n" % n for n in range(200)))
        for _ in range(10):
            self.clock.turn()
            sizes = [len(outlet.received) for outlet in (self.outlet, *others)]
            self.assertLess(max(sizes) - min(sizes), 6 * AT_ONCE)
        self.turns(1000)
        self.assertEqual({bytes(o.received) for o in others}, {bytes(self.outlet.received)})

    def test_it_is_made_no_further_than_it_is_read(self) -> None:
        self.outlet.window = 3 * CHUNK
        done = self.answers.give(self.outlet, made(self.numbers(1000, size=1000)))
        assert done is not None
        self.turns(1000)
        self.assertLess(len(self.outlet.received), 5 * CHUNK)
        self.assertNoResult(done)
        self.outlet.drain()
        self.turns(1000)
        self.successResultOf(done)
        self.assertEqual(self.outlet.received, b"".join(self.numbers(1000, size=1000)))

    def test_nothing_else_goes_out_between_its_pieces(self) -> None:
        self.answers.give(self.outlet, made(self.numbers(100)))
        self.clock.turn()
        self.assertEqual(self.outlet.send(b"live"), 0)
        self.outlet.write(b"behind\r\n")
        self.turns(1000)
        self.assertEqual(self.outlet.received, b"".join(self.numbers(100)) + b"behind\r\n")
        self.assertEqual(self.outlet.send(b"live"), 4)

    def test_it_waits_for_what_it_needs_and_is_given_it(self) -> None:
        needed: Deferred[bytes] = Deferred()

        def pieces() -> Pieces:
            yield b"one "
            yield (yield from needed)

        done = self.answers.give(self.outlet, pieces())
        assert done is not None
        self.turns(10)
        self.assertEqual(self.outlet.received, b"one ")
        needed.callback(b"two")
        self.turns(10)
        self.successResultOf(done)
        self.assertEqual(self.outlet.received, b"one two")

    def test_what_is_there_already_is_not_waited_for(self) -> None:
        def pieces() -> Pieces:
            there: Deferred[bytes] = Deferred()
            there.callback(b"there")
            yield (yield from there)

        self.assertIsNone(self.answers.give(self.outlet, pieces()))
        self.assertEqual(self.outlet.received, b"there")

    def test_what_is_dear_has_a_turn_of_its_own(self) -> None:
        def pieces() -> Pieces:
            yield b""
            self.made += 1
            yield b"it"

        self.answers.give(self.outlet, pieces())
        self.assertEqual(self.made, 0)
        self.turns(10)
        self.assertEqual(self.outlet.received, b"it")

    def test_what_fails_at_once_is_raised(self) -> None:
        def pieces() -> Pieces:
            yield b"not seen"
            raise ValueError

        with self.assertRaises(ValueError):
            self.answers.give(self.outlet, pieces())
        self.assertEqual(self.outlet.received, b"")

    def test_what_fails_later_leaves_the_way_free(self) -> None:
        def pieces() -> Pieces:
            yield from self.numbers(AT_ONCE)
            yield b"half"
            raise ValueError

        done = self.answers.give(self.outlet, pieces())
        assert done is not None
        self.turns(10)
        self.failureResultOf(done, ValueError)
        self.assertEqual(self.outlet.send(b"live"), 4)

    def test_a_failure_of_what_it_needs_is_the_makers_to_handle(self) -> None:
        needed: Deferred[bytes] = Deferred()

        def pieces() -> Pieces:
            try:
                yield from needed
            except ValueError:
                yield b"handled"

        self.answers.give(self.outlet, pieces())
        needed.errback(ValueError())
        self.turns(10)
        self.assertEqual(self.outlet.received, b"handled")

    def test_who_is_gone_is_given_no_more(self) -> None:
        done = self.answers.give(self.outlet, made(self.numbers(1000)))
        assert done is not None
        self.clock.turn()
        self.outlet.lost = True
        so_far = self.made
        self.turns(10)
        self.successResultOf(done)
        self.assertEqual(self.made, so_far)
        self.assertIsNone(self.answers.give(self.outlet, made(self.numbers(1000))))

    def test_at_the_stop_nothing_more_is_made(self) -> None:
        done = self.answers.give(self.outlet, made(self.numbers(1000)))
        assert done is not None
        self.answers.stop()
        self.successResultOf(done)
        self.assertEqual((self.made, self.clock.getDelayedCalls()), (AT_ONCE, []))
