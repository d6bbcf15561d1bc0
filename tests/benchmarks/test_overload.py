"""The scenarios of an overload, each in small; how fast they are is not looked at here."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stdout

from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from benchmarks import overload
from benchmarks.overload.disk import StalledDisk
from benchmarks.overload.nuisances import LINE, SIZE, noise
from benchmarks.overload.readers import FullRoom, StoppedReaders
from benchmarks.overload.rounds import FLOOR, ROUNDS, Row, Scenario, at_99, p99
from benchmarks.overload.writers import Limited, Nuisances, Pipe
from benchmarks.verify import Wrong
from chatservice.limits import Limits
from chatservice.text.names import BadName, nickname
from chatservice.text.sanitising import decode, safe
from tests.profiles import NOT_NIGHTLY

FINE = Row("a", "1", "1")
SLOW = Row("a", "2", "1", False, noisy=True)
BROKEN = Row("b", "2", "1", False)


class Scripted(Scenario):
    """Gives what it was told to, round by round."""

    def __init__(self, *rounds: list[Row] | Wrong) -> None:
        self.title = "Scripted"
        self.rounds = list(rounds)

    def measure(self, scale: float) -> list[Row]:
        """Give the next."""
        found = self.rounds.pop(0)
        if isinstance(found, Wrong):
            raise found
        return found


class RoundsTests(SynchronousTestCase):
    """How often something is measured, and what is told of it."""

    def test_one_round_that_holds_is_enough(self) -> None:
        result = Scripted([FINE]).run(1)
        self.assertEqual((result.rows, result.held), ([FINE], True))

    def test_what_is_slow_is_tried_again(self) -> None:
        result = Scripted([SLOW], [FINE]).run(1)
        self.assertTrue(result.held)
        self.assertEqual([row.what for row in result.rows], ["*round 1*", "a", "*round 2*", "a"])

    def test_it_is_not_tried_for_ever(self) -> None:
        scenario = Scripted(*[[SLOW]] * (ROUNDS + 1))
        self.assertFalse(scenario.run(1).held)
        self.assertEqual(len(scenario.rounds), 1)

    def test_what_is_broken_is_not_tried_again(self) -> None:
        scenario = Scripted([SLOW, BROKEN], [FINE])
        self.assertFalse(scenario.run(1).held)
        self.assertEqual(len(scenario.rounds), 1)

    def test_a_line_that_is_lost_is_told(self) -> None:
        result = Scripted(Wrong("member 3 heard 4 of 5 lines")).run(1)
        self.assertFalse(result.held)
        self.assertIn("member 3 heard 4 of 5 lines", result.rows[0].value)

    def test_latencies_are_compared_above_a_floor(self) -> None:
        self.assertTrue(p99("it", 1.4 * FLOOR, FLOOR / 2).ok)
        self.assertFalse(p99("it", 1.6 * FLOOR, FLOOR / 2).ok)
        self.assertFalse(p99("it", 0.16, 0.1).ok)
        self.assertFalse(p99("it", at_99([]), 0.1).ok, "nothing was heard")
        self.assertEqual(at_99([float(n) for n in range(100, 0, -1)]), 100)

    def test_tables_are_printed(self) -> None:
        scenarios = (Scripted([FINE, Row("told", "3")]), Scripted([BROKEN]))
        scenarios[1].title = "Other"
        self.patch(overload, "SCENARIOS", scenarios)
        with redirect_stdout(io.StringIO()) as printed:
            self.assertTrue(overload.run(1, "script")[0])
            self.assertFalse(overload.run(1, "other")[0])
        self.assertEqual(
            printed.getvalue(),
            "### Scripted\n\n| what | value | limit | holds |\n|---|---|---|---|\n"
            "| a | 1 | 1 | yes |\n| told | 3 |  |  |\n\n"
            "### Other\n\n| what | value | limit | holds |\n|---|---|---|---|\n"
            "| b | 2 | 1 | **no** |\n\n",
        )


class NoiseTests(SynchronousTestCase):
    """What those send who have no name."""

    def test_it_is_the_same_for_a_seed(self) -> None:
        self.assertEqual(noise(1), noise(1))
        self.assertNotEqual(noise(1), noise(2))
        self.assertEqual(len(noise(1)), SIZE)

    def test_no_line_is_a_name(self) -> None:
        lines = noise(1).split(b"\n")
        self.assertEqual({len(line) for line in lines}, {LINE - 1, 0})
        for line in [*lines[:-1], b"?", b"?" * 20]:
            self.assertRaises(BadName, nickname, safe(decode(line)), Limits().max_name)


class ScenariosTests(TestCase):
    """Each with a real server."""

    skip = NOT_NIGHTLY
    alone = True

    def check(self, scenario: Scenario, scale: float) -> dict[str, str]:
        """Measure once; returns the values by what they are of."""
        rows = scenario.measure(scale)
        self.assertEqual([row for row in rows if not row.ok and not row.noisy], [])
        return {row.what: row.value for row in rows}

    def test_a_full_room(self) -> None:
        self.check(FullRoom(), 0.01)

    def test_readers_who_stop(self) -> None:
        scenario = StoppedReaders()
        # So that more is said in a moment than there is room for in the kernel.
        scenario.rate = 4000
        self.check(scenario, 0.05)

    def test_a_member_who_pipes(self) -> None:
        self.check(Pipe(), 0.05)

    def test_connections_without_a_name(self) -> None:
        self.check(Nuisances(), 0.02)

    def test_a_disk_that_stalls(self) -> None:
        if shutil.which("cc") is None:
            raise SkipTest("there is no C compiler")
        self.check(StalledDisk(), 0.1)

    def test_without_a_compiler_it_is_not_measured(self) -> None:
        self.patch(shutil, "which", lambda name: None)
        result = StalledDisk().run(1)
        self.assertTrue(result.held)
        self.assertEqual(len(result.rows), 1)

    def test_the_rate_is_the_default_one(self) -> None:
        self.assertNotIn("rate", Limited.lifted)
        self.assertEqual((Limits().rate, Limits().burst), (5, 20))
