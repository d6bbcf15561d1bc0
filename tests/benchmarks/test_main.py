from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import __main__ as command
from benchmarks.__main__ import CONTESTANTS, QUICK, SWEEP, WORKLOADS
from benchmarks.contestants import Lines
from tests.profiles import NOT_NIGHTLY

CHECKOUT = Path(__file__).resolve().parents[2]
OF_OURS = "chatservice,programs,c,textbook,asyncio,bare"


class Absent(Lines):
    title = "absent"
    missing = "it is not installed"


class CommandTests(SynchronousTestCase):
    skip = NOT_NIGHTLY

    def test_small_loads_are_delivered_and_stored_as_they_should_be(self) -> None:
        words = ["--quick", "--rounds", "1", "--seconds", "0.2", "--servers", OF_OURS]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", *words],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for workload in QUICK.values():
            _, _, table = done.stdout.partition(f"### {workload.title}\n")
            ours = r"\| chatservice(, programs)? \| yes, stored \| "
            self.assertRegex(table.partition("###")[0], ours)
        self.assertNotIn("**no**", done.stdout)

    def test_a_server_that_is_missing_is_left_out(self) -> None:
        self.patch(command, "CONTESTANTS", {"chatservice": Absent()})
        self.patch(command.load, "prepare", lambda: None)
        told: list[str] = []
        self.patch(command, "_tell", told.append)
        self.assertEqual(command.main(["--quick", "--only", "100"]), 0)
        self.assertEqual(told, ["left out: absent: it is not installed"])

    def test_each_load_is_for_contestants_that_there_are(self) -> None:
        for workload in (*WORKLOADS.values(), *QUICK.values(), SWEEP):
            self.assertEqual(set(workload.contestants) - set(CONTESTANTS), set())
