"""Overload by readers: too many of them, or readers that stop."""

from __future__ import annotations

import array
import fcntl
import mmap
import re
import shutil
import subprocess
import termios
import time
from pathlib import Path

from benchmarks.contestants import PATIENCE, Chatservice
from benchmarks.load import Load
from benchmarks.overload.rounds import MIB, Row, Scenario, at_99, crowd, kept, mib, p99, serving
from benchmarks.verify import Wrong


class FullRoom(Scenario):
    """A full room, for a while, on a server whose memory of recent lines is already full."""

    title = "10,000 members in one room, 20 lines a second, five minutes"
    members = 10_000
    rate = 20
    seconds = 300.0
    recent = 10_000
    most = 4 * MIB
    """Bytes by which the server's memory may grow."""

    def measure(self, scale: float) -> list[Row]:
        """See :meth:`.Scenario.measure`."""
        members, seconds = int(self.members * scale), self.seconds * scale
        contestant = Chatservice()
        with serving(contestant, Load) as (folder, load):
            said = self.fill(contestant, load)
            began = time.perf_counter()
            crowd(load, members, range(0, members, members // self.rate))
            took = time.perf_counter() - began
            load.every(len(load.speakers) / self.rate, list(load.speakers))
            load.run(seconds / 5)
            warm = load.server.memory()
            measured = load.run(seconds)
            end = load.server.memory()
            load.finish()
            load.said += said
            busy = measured.server_cpu / measured.seconds
            return [
                Row(
                    "members, and how long it took until all were in", f"{members:,}, {took:.1f} s"
                ),
                kept(folder, load),
                Row("memory after the warm-up", mib(warm)),
                Row(
                    f"memory after {seconds:.0f} s more",
                    mib(end),
                    f"≤ {mib(warm + self.most)}",
                    end <= warm + self.most,
                ),
                p99("of all lines", at_99(measured.latencies)),
                Row("processor time of the server", f"{busy:.0%} of a core"),
            ]

    def fill(self, contestant: Chatservice, load: Load) -> int:
        """Say as many lines as the server remembers; return the count."""
        before = Load(contestant, load.server)
        try:
            crowd(before, 2, [0])
            before.say(0, self.recent)
            before.finish()
        finally:
            before.close()
        return before.said


class StoppedReaders(Scenario):
    """Readers that stop, and read on later; their latencies are not taken.

    They are the first tenth of the members, of which a load samples none.
    """

    title = "100 of 1,000 readers stop, and read on later"
    members = 1_000
    rate = 800
    speakers = 20
    seconds = 10.0
    stopped = 30.0
    most = 64 * MIB
    """Bytes by which memory may grow, the server's own and its sockets' together."""

    def measure(self, scale: float) -> list[Row]:
        """See :meth:`.Scenario.measure`."""
        members = int(self.members * scale)
        asleep = range(members // 10)
        with serving(Chatservice(), Load) as (folder, load):
            crowd(load, members, range(members - self.speakers, members))
            load.every(self.speakers / self.rate, list(load.speakers))
            kernel = SocketMemory(load.server.port)
            load.run(1.0)

            latencies = talk(load, self.seconds * scale, kernel)
            usual = at_99(latencies)
            own, sockets = load.server.memory("VmHWM"), kernel.most

            load.ignore(asleep)
            began, latencies = time.perf_counter(), []
            backlog = buffered = 0
            while (took := time.perf_counter() - began) < PATIENCE * 2:
                if took >= self.stopped * scale and backlog > buffered:
                    break
                latencies += talk(load, 2.0, kernel)
                backlog = self.backlog(load, 0)
                unread_there = sum(unread(load, number) for number in asleep)
                buffered = (kernel.look() + unread_there) // len(asleep)
            rows = [
                p99("before", usual),
                p99(
                    f"of the others while they have stopped, {took:.0f} s", at_99(latencies), usual
                ),
                Row(
                    "what each does not read meanwhile",
                    f"{backlog / MIB:.2f} MiB",
                    f"> {buffered / MIB:.2f} MiB, all that is in the kernel",
                    backlog > buffered,
                ),
            ]

            load.listen(asleep)
            began, latencies = time.perf_counter(), []
            while max(self.backlog(load, n) for n in asleep) > self.rate * load.rooms[0].length:
                if time.perf_counter() - began > PATIENCE:
                    raise Wrong("those who had stopped do not catch up")
                latencies += talk(load, 0.5, kernel)
            took = time.perf_counter() - began
            rows.append(p99(f"while they catch up, {took:.1f} s", at_99(latencies), usual))
            load.finish()
            memory = load.server.memory("VmHWM")
            return [
                *rows,
                Row(
                    "the most memory until then, before",
                    f"{mib(own)} its own, {mib(sockets)} its sockets",
                ),
                Row(
                    "the most until they have caught up",
                    f"{mib(memory)} its own, {mib(kernel.most)} its sockets",
                    f"together ≤ {mib(self.most)} more",
                    memory + kernel.most <= own + sockets + self.most,
                ),
                kept(folder, load),
            ]

    @staticmethod
    def backlog(load: Load, member: int) -> int:
        """Return the bytes of lines that a member, not a speaker, has not read yet."""
        said = sum(len(speaker.said) for speaker in load.speakers.values())
        return said * load.rooms[0].length - load.connections[member].checked


def talk(load: Load, seconds: float, kernel: SocketMemory) -> list[float]:
    """Let the speakers talk; look at the kernel's memory only between measurements."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        latencies += load.run(min(left, 2.0)).latencies
        kernel.look()
        load.run(0.1)
    return latencies


class SocketMemory:
    """The kernel's memory for connections of a port, or of the whole machine without ``ss``.

    :ivar most: the peak so far, in bytes.
    """

    def __init__(self, port: int) -> None:
        self.most = 0
        self._port = port
        self.look()

    def look(self) -> int:
        """Return the memory in use now, in bytes."""
        if shutil.which("ss"):
            command = ["ss", "-tmnH", "state", "connected", f"sport = :{self._port}"]
            table = subprocess.run(command, capture_output=True, check=True).stdout
            # Memory of received bytes, of allocations ahead, and of bytes unsent or unacknowledged.
            sizes = re.findall(rb"skmem:\(r(\d+),.*?,f(\d+),w(\d+),", table)
            now = sum(sum(map(int, size)) for size in sizes)
        else:
            found = re.search(r"TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text())
            now = int(found[1]) * mmap.PAGESIZE if found else 0
        self.most = max(self.most, now)
        return now


def unread(load: Load, member: int) -> int:
    """Return the bytes that a member could read at once."""
    size = array.array("i", [0])
    fcntl.ioctl(load.connections[member].socket, termios.FIONREAD, size)
    return size[0]
