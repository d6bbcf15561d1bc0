"""Readers who stop reading cost nobody else anything, and miss nothing.

A real server, and people in processes of their own. So much is said while the readers stall
that most of it is neither in the memory of the server nor in a buffer of the kernel. At night it is
more, the figures are printed, and latencies are looked at too.

Time on a shared machine is noise, so latencies are compared with others of the same run, at their
median and their 90th percentile, and what is below a floor counts as nothing. They are compared
with those of a house in which the fifty are not, under the same load. (With those in which the
fifty read at once as it is said it would be easier, and prove less: what makes those who catch up
hold up the others does so there too.) What else runs on the machine can only make it look worse, so
one good round of a few is enough; memory, idleness and what is read have to be right in each.
"""

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from tests.integration.support import (
    LOOPBACK,
    UNHURRIED,
    Certificate,
    FreshServer,
    eventually,
    folder_for,
)
from tests.profiles import NIGHTLY, NOT_NIGHTLY, size

LOAD = Path(__file__).resolve().with_name("load.py")
LINE = 1900
"""Characters of a line, as `load.py` has it."""
MEGABYTES = size(8, 200)
"""Of lines, that are said while the readers stall."""
RATE = 5_000_000
"""Bytes of lines that are said in a second."""
SPEAKERS = ("ana", "bob", "cyd")
LISTENERS = 2
"""Whose latency is measured, on TCP; and as many on TLS."""
STALLED = 25
"""Readers who stop, on TCP; and as many on TLS."""
SIP = 1000
"""Bytes that they read now and then while they hardly read."""

MIB = 1 << 20
MOST_MEMORY = 32 * MIB
"""By how much more memory the server may take up, its own and the kernel's for it."""
MOST_LATENCY = 1.5
"""By which factor the latency may rise."""
FLOORS = {0.5: 1.0, 0.9: 5.0}
"""The shares of the probes at which latencies are compared, and the milliseconds that count as
nothing there."""
ROUNDS = size(1, 3)
"""How often it is tried until the latencies are as they should be."""
IDLE = 0.05
"""The most of a core that a server takes up who has nothing to do."""
HARDLY_BUSY = 0.15
"""The most that it takes up while fifty readers sip."""
PATIENCE = 200 + 2 * MEGABYTES
"""Seconds that a helper may take for anything."""
TICKS = os.sysconf("SC_CLK_TCK")

Latencies = dict[str, list[float]]
"""Of TCP and of TLS, in milliseconds, rising."""


def peak_memory(pid: int) -> int:
    """The most memory that a process ever had resident, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def cpu_time(pid: int) -> float:
    """The seconds of CPU that a process has taken."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


def socket_memory(ports: Sequence[int]) -> int:
    """The kernel's memory, in bytes, for the server's connections.

    Without `ss`: for all TCP connections of the machine.
    """
    if shutil.which("ss") is None:
        sockstat = Path("/proc/net/sockstat").read_text()
        found = re.search(r"TCP:.* mem (\d+)", sockstat)
        assert found is not None
        return int(found[1]) * os.sysconf("SC_PAGE_SIZE")
    wanted = " or ".join(f"sport = :{port}" for port in ports)
    table = subprocess.run(
        ["ss", "-tmnH", "state", "connected", f"( {wanted} )"], capture_output=True, check=True
    )
    # What was received, what is allocated ahead, what waits to be sent or to be acknowledged.
    return sum(
        int(r) + int(f) + int(w)
        for r, f, w in re.findall(rb"skmem:\(r(\d+),.*?,f(\d+),w(\d+),", table.stdout)
    )


class Helper:
    """A process of `load.py`, which does as it is told."""

    def __init__(self, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(LOAD), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.answer()

    def tell(self, *words: object) -> None:
        """Give it a command; its answer has to be waited for before the next."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def answer(self, meanwhile: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """What it answers to the last command, when it is done."""
        assert self._process.stdout is not None
        end = time.monotonic() + PATIENCE
        while not select.select([self._process.stdout], [], [], 0.5)[0]:
            meanwhile()
            if time.monotonic() > end:
                raise AssertionError(f"a helper does not answer within {PATIENCE:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"a helper ended: {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, *words: object) -> dict[str, Any]:
        """Give it a command, and wait for the answer."""
        self.tell(*words)
        return self.answer()

    def end(self) -> None:
        """End the process, if it has not ended."""
        with self._process:
            self._process.kill()


class House:
    """The server with those who talk and listen, and what is measured of it.

    :param recent: how many lines the server remembers.
    :param size: how many lines are said at a time.
    """

    def __init__(self, case: TestCase, recent: int, size: int) -> None:
        self._case = case
        self._size = size
        self._said = 0
        self._kernel = 0
        mine = Certificate(folder_for(case))
        tls = f"ssl:0:interface=127.0.0.1:privateKey={mine.key}:certKey={mine.file}"
        self.server = FreshServer(
            case,
            *UNHURRIED,
            "--stall-timeout=0",
            f"--recent={recent}",
            listen=(LOOPBACK, tls),
        )
        self.listeners = self.crowd("live", LISTENERS)
        self.speakers = self._helper("speakers", self.server.port, *SPEAKERS)
        self.listeners.ask("listen")

    def _helper(self, *arguments: object) -> Helper:
        helper = Helper(*arguments)
        self._case.addCleanup(helper.end)
        return helper

    def crowd(self, name: str, count: int) -> Helper:
        """Bring in as many people on TCP as on TLS."""
        return self._helper("crowd", *self.server.ports, name, count)

    def call(self, mark: str) -> None:
        """Let the start or the end be called of what is compared with what was said."""
        self.listeners.ask("call", mark)
        if mark == "start":
            self.speakers.ask("forget")

    def talk(self, phase: str) -> Latencies:
        """Let much be said, and everybody at the head hear it, and see how long that takes."""
        self.listeners.ask("probe")
        self.said = self.await_answer(self.speakers, "say", self._size, RATE)["sums"]
        self._said += self._size
        self.await_answer(self.listeners, "hear", self._said)
        latencies: Latencies = self.listeners.ask("hush")
        for kind, each in latencies.items():
            shown = [f"{share:.0%} {at(each, share):.2f}" for share in (0.5, 0.9, 0.99)]
            report(phase, kind, "latency, ms:", *shown, f"most {each[-1]:.2f}, of {len(each)}")
        return latencies

    def await_answer(self, helper: Helper, *words: object) -> dict[str, Any]:
        """Tell a helper something, and look at the kernel's memory until it has done it."""
        helper.tell(*words)
        return helper.answer(self._look)

    def _look(self) -> None:
        self._kernel = max(self._kernel, socket_memory(self.server.ports))

    def memory(self) -> int:
        """Return the most memory until now, the server's own and the kernel's for it."""
        self._look()
        own = peak_memory(self.server.pid)
        report("until now", f"memory, MiB: {own / MIB:.1f}, the kernel's {self._kernel / MIB:.1f}")
        return own + self._kernel

    def until_idle(self, phase: str) -> None:
        """See that the server takes up next to nothing, once it has done what it had to do."""
        eventually(lambda: self.busy(phase) < IDLE, f"the server to be idle ({phase})")

    def busy(self, phase: str) -> float:
        """Measure how much of a core the server takes up in two seconds."""
        before = cpu_time(self.server.pid)
        time.sleep(2)
        share = (cpu_time(self.server.pid) - before) / 2
        report(phase, f"CPU: {share:.1%}")
        return share


def at(rising: Sequence[float], share: float) -> float:
    """The value that so large a share of all are below."""
    return rising[int(len(rising) * share)]


def risen(phase: str, latencies: Latencies, usual: Latencies) -> list[str]:
    """Tell which latencies are too high, beside those that they are compared with."""
    return [
        f"{phase}, {kind}, {share:.0%}: {at(each, share):.2f} ms, not {at(usual[kind], share):.2f}"
        for kind, each in latencies.items()
        for share, floor in FLOORS.items()
        if at(each, share) > MOST_LATENCY * max(at(usual[kind], share), floor)
    ]


def report(phase: str, *what: object) -> None:
    """Print figures."""
    if NIGHTLY:
        print(f"{phase:12}", *what, flush=True)


class StalledReadersTests(TestCase):
    """Fifty readers stop, much is said, and they read on while as much is said again.

    :cvar alone: latencies mean little beside other tests; they are compared at night.
    """

    alone = NIGHTLY
    timeout = size(300, 3600)

    def test_they_read_on_from_the_history(self) -> None:
        self.check(recent=1000, size=MEGABYTES * 1_000_000 // LINE)

    def test_they_read_on_from_memory(self) -> None:
        self.check(recent=6500, size=5000)

    test_they_read_on_from_memory.skip = NOT_NIGHTLY  # type: ignore[attr-defined]

    def check(self, recent: int, size: int) -> None:
        """Let readers stall, and see that nobody else notices and that they miss nothing."""
        house = House(self, recent, size)
        for number in range(ROUNDS):
            slower = self.stall(house, f"stalled{number}", size)
            if not slower:
                break
            report("again:", *slower)
        if NIGHTLY:
            self.assertEqual(slower, [])

    def stall(self, house: House, name: str, size: int) -> list[str]:
        """Let new readers stall, read on, and go; returns which latencies rose."""
        without = house.talk("without")
        memory = house.memory() + MOST_MEMORY

        stalled = house.crowd(name, STALLED)
        house.call("start")
        beside = house.talk("stalled")
        self.assertLess(house.memory(), memory)

        house.until_idle("stalled")
        stalled.ask("sip", SIP)
        self.assertLess(house.busy("sipping"), HARDLY_BUSY)
        stalled.ask("sip", 0)

        began, cpu = time.monotonic(), cpu_time(house.server.pid)
        stalled.ask("listen")
        catching_up = house.talk("catching up")
        house.await_answer(stalled, "hear", 2 * size)
        took, cpu = time.monotonic() - began, cpu_time(house.server.pid) - cpu
        report("catching up", f"seconds: {took:.1f}, CPU {cpu:.1f}")
        self.assertLess(house.memory(), memory)
        house.until_idle("caught up")

        house.call("end")
        heard = house.listeners.ask("finish")["people"] + stalled.ask("finish")["people"]
        self.assertEqual(len(heard), 2 * (LISTENERS + STALLED))
        self.assertEqual(heard[0]["wrong"], [])
        self.assertEqual(heard[0]["sums"], house.said)
        for person in heard:
            self.assertEqual(person, heard[0])
        stalled.end()
        return risen("stalled", beside, without) + risen("catching up", catching_up, without)
