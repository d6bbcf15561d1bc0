"""A wall clock that tests can set for a running process; the machine's own stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.support import folder_for, program

LIBRARIES = "*/faketime/libfaketimeMT.so.1"


class WallClock:
    """The wall clock of some processes, into which libfaketime is loaded.

    Their monotonic clock is unaffected, as when the clock of a machine is set.

    :ivar environ: the environment of a process with this clock.
    :ivar words: the additional variables in it, as ``env`` takes them.
    """

    def __init__(self, case: TestCase) -> None:
        program("faketime")
        (library,) = Path("/usr/lib").glob(LIBRARIES)
        self._file = folder_for(case) / "clock"
        self._ahead = 0
        self._write()
        self.words = (
            f"LD_PRELOAD={library}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "NO_FAKE_STAT=1",
        )
        self.environ = {**os.environ, **dict(word.split("=", 1) for word in self.words)}

    def step(self, seconds: int) -> None:
        """Move the clock by a number of seconds."""
        self._ahead += seconds
        self._write()

    def _write(self) -> None:
        # Replace the file whole, so that no reader finds a part of it.
        whole = self._file.with_suffix(".new")
        whole.write_text(f"{self._ahead:+d}\n")
        whole.replace(self._file)
