"""A wall clock that can be set, for a process that runs: that of the machine is left alone."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.support import folder_for, program

LIBRARIES = "*/faketime/libfaketimeMT.so.1"


class WallClock:
    """The wall clock of some processes: libfaketime is loaded into them.

    Their monotonic clock goes on as it is, as it does when the clock of a machine is set.

    :ivar environ: the environment of a process that goes by it.
    :ivar words: what that has of its own, as ``env`` takes it.
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
        """Set it, by so many seconds from where it is."""
        self._ahead += seconds
        self._write()

    def _write(self) -> None:
        # Whoever reads it finds all of it.
        whole = self._file.with_suffix(".new")
        whole.write_text(f"{self._ahead:+d}\n")
        whole.replace(self._file)
