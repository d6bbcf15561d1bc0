"""What the load tells of what it has measured, and whom it takes for lost."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.contestants import Chatservice, Contestant
from benchmarks.load import Load, Measured
from benchmarks.selftest import Faulty
from benchmarks.verify import Wrong


class MeasuredTests(SynchronousTestCase):
    """Which latency so many are below."""

    def measured(self, count: int) -> Measured:
        """Give latencies of 0 and more seconds."""
        return Measured(1.0, count, 1.0, 1.0, [float(second) for second in range(count)])

    def test_none(self) -> None:
        self.assertTrue(math.isnan(self.measured(0).at(0.5)))

    def test_one(self) -> None:
        for share in (0.0, 0.5, 1.0):
            self.assertEqual(self.measured(1).at(share), 0.0)

    def test_edges(self) -> None:
        self.assertEqual(self.measured(100).at(0.0), 0.0)
        self.assertEqual(self.measured(100).at(1.0), 99.0)

    def test_so_many_are_below(self) -> None:
        self.assertEqual(self.measured(100).at(0.5), 50.0)
        self.assertEqual(self.measured(100).at(0.99), 99.0)
        self.assertEqual(self.measured(1000).at(0.999), 999.0)
        self.assertEqual(self.measured(3).at(0.5), 1.0)


class LoadTests(SynchronousTestCase):
    """What is missing is waited for, and no longer than need be."""

    def load(self, contestant: Contestant, patience: float) -> Load:
        """Start a server and give a load for it; both end with the test."""
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        server = contestant.start(Path(folder.name))
        self.addCleanup(server.kill)
        load = Load(contestant, server, patience)
        self.addCleanup(load.close)
        return load

    def test_speakers_may_hear_a_line_before_listeners(self) -> None:
        """In whichever of many rooms; what they heard is compared once the others have it."""
        load = self.load(Chatservice(), 5.0)
        rooms = {f"r{start}": range(start, start + 3) for start in (0, 3, 6)}
        load.enter({number: [room] for room, members in rooms.items() for number in members})
        load.gather(rooms, [number for members in rooms.values() for number in members[:2]])
        for number in load.speakers:
            load.say(number)
        load.finish()
        self.assertEqual(load.heard, len(rooms) * 4)

    def test_patience_ends(self) -> None:
        load = self.load(Faulty("none", 0, True), 0.1)
        began = time.monotonic()
        with self.assertRaisesRegex(Wrong, "^1 members wait in vain for nothing$"):
            load._await({0: b"nothing"}, "for nothing")
        self.assertLess(time.monotonic() - began, 10.0)
