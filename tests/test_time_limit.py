"""Tests that hang, in every way there is, under both runners."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.support import folder_for

CHECKOUT = Path(__file__).resolve().parents[1]
RUNNERS = (
    ("pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "test_hanging.py"),
    ("twisted.trial", "--temp-directory=temp", "test_hanging"),
)

HEAD = """
import time
from hypothesis import given, strategies
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from tests import time_limit

time_limit.AGAIN = 0.2
time_limit.LAST = 2.0


class AFirstTests(TestCase):
    def test_passes(self):
        pass


class HangingTests(TestCase):
    timeout = 0.5
"""

WAYS = """
    def test_loop(self):
        def stuck_in_a_loop():
            while True:
                pass

        stuck_in_a_loop()

    def test_call(self):
        def stuck_in_c():
            time.sleep(100)

        stuck_in_c()

    def test_retry(self):
        def stuck_in_trying():
            while True:
                try:
                    time.sleep(100)
                except Exception:
                    pass

        stuck_in_trying()

    @given(strategies.integers())
    def test_example(self, number):
        def stuck_in_an_example():
            while True:
                try:
                    time.sleep(100)
                except Exception:
                    raise AssertionError("half of it was done")

        stuck_in_an_example()

    def test_callback(self):
        def stuck_in_a_callback():
            while True:
                pass

        reactor.callLater(0, stuck_in_a_callback)
        return Deferred()

    def test_cleanup(self):
        def stuck_in_a_cleanup():
            while True:
                pass

        self.addCleanup(stuck_in_a_cleanup)

    def test_deaf_cleanup(self):
        def stuck_in_trying_a_cleanup():
            while True:
                try:
                    time.sleep(100)
                except Exception:
                    pass

        self.addCleanup(stuck_in_trying_a_cleanup)

    def test_deferred(self):
        return Deferred()
"""

DEAF = """
    def test_deaf(self):
        def stuck_for_good():
            while True:
                try:
                    time.sleep(100)
                except BaseException:
                    pass

        stuck_for_good()
"""


TAIL = """

class ZLastTests(TestCase):
    def test_passes(self):
        pass
"""


class TimeLimitTests(TestCase):
    def written(self, cases: str) -> Iterator[str]:
        """Run a module of tests by each runner, and tell what was written."""
        folder = folder_for(self)
        (folder / "test_hanging.py").write_text(HEAD + cases + TAIL)
        for runner in RUNNERS:
            done = subprocess.run(
                [sys.executable, "-m", *runner],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
            )
            self.assertNotEqual(done.returncode, 0, done.stdout)
            yield done.stdout

    def assert_shown(self, function: str, written: str) -> None:
        """Look whether there is the stack of what hung, as it was then."""
        stack = rf"most recent call first\):\n(?:  File .*\n)*?  File .* in {function}\n"
        self.assertRegex(written, stack)

    def test_whatever_a_test_does_it_ends_and_the_others_run(self) -> None:
        for written in self.written(WAYS):
            for test in re.findall(r"test_\w+", WAYS):
                self.assertIn(f"{test} took more than 0.5 s\n", written)
            for function in re.findall(r"def (stuck_\w+)", WAYS):
                self.assert_shown(function, written)
            # It is not taken for what the example shows, and tried again.
            fired = re.findall(r"^test_\S+\.test_example took more", written, re.M)
            self.assertEqual(len(fired), 1, written)
            # By trial, a test may have succeeded and its clean-up failed.
            self.assertRegex(written, r"\b8 failed, 2 passed\b|\bsuccesses=4\b")

    def test_what_heeds_nothing_ends_with_the_process(self) -> None:
        for written in self.written(DEAF):
            self.assertIn("Timeout (0:00:02.5", written)
            self.assert_shown("stuck_for_good", written)
