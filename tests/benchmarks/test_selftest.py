"""The load finds each fault, by what it is, and nothing with a server that is right."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import selftest
from benchmarks.selftest import FAULTS, Fault, faults
from tests.profiles import NOT_NIGHTLY

GARBLED = "^garbled, or said by nobody: "
LACKING = r"^member \d+ (heard \d+ of \d+ lines|never heard line \d+ of \d+)$"


class FaultTests(SynchronousTestCase):
    """Each fault, for each victim, with and without one order for all."""

    skip = NOT_NIGHTLY

    def find(self, name: str, pattern: str) -> None:
        """Let a fault be committed, and see what is found."""
        for fault in faults():
            if fault.name == name:
                found = fault.find()
                self.assertEqual(bool(found), fault.is_wrong, f"{fault}: {found}")
                if found:
                    self.assertRegex(found, pattern, str(fault))

    def test_none(self) -> None:
        self.find("none", "")

    def test_lost(self) -> None:
        self.find("lost", "that was lost, or is late$")

    def test_doubled(self) -> None:
        self.find("doubled", "it was doubled, or is late$")

    def test_swapped(self) -> None:
        self.find("swapped", "that was lost, or is late$")

    def test_crossed(self) -> None:
        self.find("crossed", "in different orders$")

    def test_garbled(self) -> None:
        self.find("garbled", GARBLED)

    def test_cut(self) -> None:
        self.find("cut", GARBLED)

    def test_joined(self) -> None:
        self.find("joined", GARBLED)

    def test_echoed(self) -> None:
        self.find("echoed", r"^member 8 heard line \d+ of its own$")

    def test_hung_up(self) -> None:
        self.find("hung up", "^the server hung up on member [68]$|^member 8: (Connection|Broken)")

    def test_deaf(self) -> None:
        self.find("deaf", LACKING)

    def test_silent(self) -> None:
        self.find("silent", LACKING)

    def test_each_is_tested(self) -> None:
        for name in FAULTS:
            self.assertTrue(hasattr(self, "test_" + name.replace(" ", "_")), name)


class RunTests(SynchronousTestCase):
    """What is printed, and returned."""

    def run_with(self, *some: Fault) -> tuple[bool, str]:
        """Run it with some faults alone; returns its answer, and what it prints."""
        self.patch(selftest, "faults", lambda: iter(some))
        output = io.StringIO()
        with redirect_stdout(output):
            good = selftest.run()
        return good, output.getvalue()

    def test_all_is_as_it_should_be(self) -> None:
        good, output = self.run_with(
            Fault("none", "everybody", True), Fault("lost", "a listener", False)
        )
        self.assertTrue(good)
        self.assertRegex(
            output,
            r"\Aok: nothing wrong, everybody, one order: nothing found\n"
            r"ok: a line lost, a listener, each line: member 6 .* lost, or is late\n\Z",
        )

    def test_a_fault_that_is_not_found(self) -> None:
        self.patch(Fault, "find", lambda fault: "")
        good, output = self.run_with(
            Fault("lost", "a listener", True), Fault("none", "everybody", True)
        )
        self.assertFalse(good)
        self.assertRegex(output, r"\ANOT OK: a line lost, .*: nothing found\nok: ")

    def test_a_false_alarm(self) -> None:
        self.patch(Fault, "find", lambda fault: "something")
        good, output = self.run_with(
            Fault("none", "everybody", True), Fault("crossed", "a speaker", False)
        )
        self.assertFalse(good)
        self.assertEqual(output.count("NOT OK: "), 2)

    def test_a_fault_that_is_not_committed(self) -> None:
        """A listener says nothing, so nothing of it can be told to it."""
        self.patch(selftest, "PATIENCE", 0.5)
        good, output = self.run_with(Fault("echoed", "a listener", True))
        self.assertFalse(good)
        self.assertRegex(output, r"\ANOT OK: .*: not committed")
