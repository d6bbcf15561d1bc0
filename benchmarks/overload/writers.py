"""Overload by writers: a member that floods, and nuisance connections."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

from benchmarks.contestants import PATIENCE, Chatservice
from benchmarks.load import Connection, Load, name_of
from benchmarks.overload.rounds import (
    ROOM,
    Row,
    Scenario,
    at_99,
    crowd,
    kept,
    mib,
    p99,
    serving,
    stored,
)
from benchmarks.verify import WORDS, Wrong

RATE, BURST = 5, 20
"""Lines a second, and in a burst, that the server accepts from a member by default."""
MB = 1_000_000
GOLDEN = (5**0.5 - 1) / 2
"""The golden ratio: the fractional parts of its multiples are evenly spread."""


class Limited(Chatservice):
    """Our server with its rate limit, as a user would start it."""

    lifted = tuple(name for name in Chatservice.lifted if name != "rate")


class Piping(Load):
    """A load in which one member says lines as fast as the server reads them.

    Those lines have an infinite time of saying, so that their latencies can be left out.
    """

    piping: Connection | None = None
    number = 0
    taken = 0

    def pipe(self, number: int, lines: int) -> None:
        """Let a member begin to say a number of lines."""
        self.number, self.piping = number, self.connections[number]
        self.speakers[number].said.extend(array("d", repeat(float("inf"), lines)))
        self._lines = self._say(number, lines)
        self._flush(self.piping)

    def _say(self, number: int, lines: int) -> Iterator[bytes]:
        for start in range(0, lines, 1000):
            counts = range(start, min(start + 1000, lines))
            words = (WORDS % (number, count) for count in counts)
            yield b"".join(self.contestant.say(name_of(number), ROOM, each) for each in words)

    def _flush(self, connection: Connection) -> None:
        super()._flush(connection)
        while connection is self.piping and not connection.waiting:
            chunk = next(self._lines, b"")
            if not chunk:
                return
            self._send(connection, chunk)
            self.taken += len(chunk)

    def finish_all_but(self, stored: Callable[[], int]) -> None:
        """Wait until all have received the other speakers' lines and the piped lines stored."""
        self._due.clear()
        speaker = self.speakers[self.number]
        said = speaker.said
        deadline = time.perf_counter() + PATIENCE
        while True:
            self._turn(False)
            speaker.said = said[: stored()]
            lacking = next((who for room in self.rooms for who in room.lacking()), None)
            speaker.said = said
            if lacking is None:
                return
            if time.perf_counter() > deadline:
                raise Wrong(lacking)


class Pipe(Scenario):
    """One member pipes in a file while a few others talk."""

    title = "One member pipes in 100 MB of lines"
    megabytes = 100
    members = 100
    speakers = 20
    quiet = 20.0
    seconds = 30.0

    def measure(self, scale: float) -> list[Row]:
        """See :meth:`.Scenario.measure`."""
        pipe = self.members - 1
        lines = int(self.megabytes * MB * scale) // (len(WORDS % (0, 0)) + 1)
        with serving(Limited(), Piping) as (folder, load):

            def piped() -> int:
                return sum(name == name_of(pipe) for name, _ in stored(folder))

            crowd(load, self.members, [*range(self.speakers), pipe])
            before = piped()
            # Each has its own pace, so that lines coincide by chance, as people's lines do.
            for number in range(self.speakers):
                load.every(0.5 + number * GOLDEN % 1, [number])
            load.run(2.0)
            usual = at_99(load.run(self.quiet * scale).latencies)

            memory, began = load.server.memory("VmHWM"), time.perf_counter()
            load.pipe(pipe, lines)
            load.run(1.0)
            measured = load.run(self.seconds * scale)
            took = time.perf_counter() - began
            said = piped() - before
            most = int(RATE * took + BURST + 1)
            # Leave out the piped lines, whose time of saying is unknown.
            latencies = [latency for latency in measured.latencies if latency > 0]
            load.finish_all_but(lambda: piped() - before)
            more = load.server.memory("VmHWM") - memory
            return [
                Row("what it pipes in", f"{lines:,} lines"),
                Row("of it the kernel has taken", f"{load.taken / MB:.1f} MB"),
                Row(
                    f"of it was said in {took:.0f} s",
                    f"{said:,} lines",
                    f"{RATE} a second and {BURST}, or a little less: ≤ {most}, ≥ {most * 3 // 4}",
                    most * 3 // 4 <= said <= most,
                ),
                Row("memory that the server took meanwhile", mib(more), "≤ 8 MiB", more <= 8 << 20),
                p99("of the others' lines before", usual),
                p99("of the others' lines meanwhile", at_99(latencies), usual),
                Row("heard by all others in order: what they said, and what it said", "all", "all"),
            ]


@contextmanager
def nuisances(port: int, each: int, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run nuisance connections in a process of their own.

    When its input ends, the process writes figures, and ends.
    """
    command = [sys.executable, "-m", "benchmarks.overload.nuisances", *map(str, (port, each, seed))]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
    with process:
        try:
            yield process
        finally:
            process.kill()


class Nuisances(Scenario):
    """Connections of several kinds that never give a name, and reconnect when closed."""

    title = "500 say nothing, 500 a byte a second, 500 send noise and floods; none has a name"
    each = 500
    members = 100
    speakers = 50
    rate = 50
    quiet = 20.0
    seconds = 90.0
    """Longer than all need to connect, plus the time that the service waits for a name."""
    seed = 20_240_229

    def measure(self, scale: float) -> list[Row]:
        """See :meth:`.Scenario.measure`."""
        each = int(self.each * scale)
        with serving(Limited(), Load) as (folder, load):
            crowd(load, self.members, range(self.speakers))
            load.every(self.speakers / self.rate, range(self.speakers))
            load.run(1.0)
            measured = load.run(self.quiet * scale)
            usual, busy = at_99(measured.latencies), measured.server_cpu / measured.seconds
            with nuisances(load.server.port, each, self.seed) as process:
                assert process.stdin is not None and process.stdout is not None
                measured = load.run(self.seconds * scale)
                process.stdin.close()
                while not select.select([process.stdout], [], [], 0)[0]:
                    load.run(0.1)
                figures = json.loads(process.stdout.readline())
            load.finish()
            return [
                Row(
                    "they",
                    f"connected {figures['connected']:,} times, sent {figures['sent'] / MB:.1f} MB",
                    f"≥ {3 * each:,} times",
                    figures["connected"] >= 3 * each,
                ),
                Row("seed of the noise", str(self.seed)),
                p99("before", usual),
                p99("meanwhile", at_99(measured.latencies), usual),
                Row("processor time of the server before", f"{busy:.0%} of a core"),
                Row(
                    "processor time of the server meanwhile",
                    f"{measured.server_cpu / measured.seconds:.0%} of a core",
                ),
                Row("the most memory of the server", mib(load.server.memory("VmHWM"))),
                kept(folder, load),
            ]
