"""A disk that stalls inside a commit, simulated by a preloaded library."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.contestants import HOST, PATIENCE, Chatservice, Server
from benchmarks.load import Load
from benchmarks.overload.rounds import ROOM, Row, Scenario, crowd, kept, serving, stored
from benchmarks.verify import Wrong

STALL = 2.0
WANTED, STALLING = "stall-wanted", "stalling"
"""Files in the server's folder: one asks for a stall, the other tells that it has begun."""

SHIM = rf"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Once it is wanted, stall behind the next write of the main thread to a write-ahead log: that is
   the first of several of a commit. */
static void stall(int file)
{{
    char link[40], path[4096];
    struct timespec left = {{{STALL:.0f}, 0}};
    int before = errno;
    ssize_t size;

    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    size = readlink(link, path, sizeof path);
    if (getpid() == gettid() && size > 4 && !memcmp(path + size - 4, "-wal", 4)
        && !unlink("{WANTED}")) {{
        close(open("{STALLING}", O_CREAT | O_WRONLY, 0600));
        while (nanosleep(&left, &left) < 0)
            ;
    }}
    errno = before;
}}

#define STALLED(name, offset) \
    ssize_t name(int file, const void *data, size_t size, offset at) \
    {{ \
        ssize_t (*next)(int, const void *, size_t, offset) = dlsym(RTLD_NEXT, #name); \
        ssize_t done = next(file, data, size, at); \
        stall(file); \
        return done; \
    }}

STALLED(pwrite, off_t)
STALLED(pwrite64, off64_t)
"""


class OnSlowDisk(Chatservice):
    """Our server with the library preloaded: a write stalls on demand."""

    def __init__(self, shim: Path) -> None:
        super().__init__()
        self._shim = shim

    def start(self, folder: Path) -> Server:
        """See :meth:`.Contestant.start`."""
        os.environ["LD_PRELOAD"] = str(self._shim)
        try:
            return super().start(folder)
        finally:
            del os.environ["LD_PRELOAD"]


class Witness:
    """A member with a socket of its own, which reads only on demand."""

    def __init__(self, name: str, port: int) -> None:
        self.received = b""
        self._socket = socket.create_connection((HOST, port), PATIENCE)
        self.say(name)
        self.read(b"-- you are in ")

    def say(self, *lines: str) -> None:
        """Send lines or commands."""
        self._socket.sendall("".join(line + "\n" for line in lines).encode())

    def read(self, until: bytes) -> None:
        """Read until some bytes have come."""
        while until not in self.received:
            if not self._read():
                raise Wrong(f"the server hung up, and never sent {until!r}")

    def read_all(self) -> None:
        """Read until the connection ends."""
        while self._read():
            pass

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionResetError:
            return b""
        self.received += data
        return data

    def said(self, after: bytes = b"") -> list[str]:
        """Return the said lines among those received, of the history too, without times."""
        lines = self.received.rpartition(after)[2].decode() if after else self.received.decode()
        return re.findall(r"^(?:\[\d\d:\d\d\] )?(<.*)\r$", lines, re.M)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class StalledDisk(Scenario):
    """The disk stalls and goes on; then it stalls again, and the server is killed meanwhile."""

    title = "The disk stalls for 2 seconds inside a commit"
    members = 100
    speakers = 10
    rate = 50
    seconds = 5.0

    def measure(self, scale: float) -> list[Row]:
        """See :meth:`.Scenario.measure`."""
        compiler = shutil.which("cc")
        if compiler is None:
            return [Row("not measured", "there is no C compiler, to make a disk stall with")]
        with tempfile.TemporaryDirectory(prefix="overload-") as name:
            source, shim = Path(name, "stall.c"), Path(name, "stall.so")
            source.write_text(SHIM)
            flags = ("-shared", "-fPIC", "-O2", "-ldl")
            subprocess.run([compiler, *flags, "-o", str(shim), str(source)], check=True)
            contestant = OnSlowDisk(shim)
            return [*self.survive(contestant, scale), *self.kill(contestant, scale)]

    def survive(self, contestant: Chatservice, scale: float) -> list[Row]:
        """Let the disk stall, and check that delivery waits and then goes on."""
        with serving(contestant, Load) as (folder, load):
            crowd(load, self.members, range(self.speakers))
            self.talk(load, scale)
            self.stall(folder, load)
            meanwhile = load.run(STALL / 2)
            after = load.run(STALL / 2 + 1 + self.seconds * scale)
            load.finish()
            longest = max(after.latencies)
            return [
                Row(
                    f"shown in {meanwhile.seconds:.1f} s of the stall",
                    f"{meanwhile.delivered:.0f} lines",
                    "0",
                    not meanwhile.delivered,
                ),
                Row(
                    "the longest that a line took",
                    f"{longest:.2f} s",
                    f"≥ {STALL - 0.2:.1f} s, so it stalled; ≤ {STALL + 1:.1f} s",
                    STALL - 0.2 <= longest <= STALL + 1,
                    noisy=True,
                ),
                kept(folder, load),
            ]

    def talk(self, load: Load, scale: float) -> None:
        """Let the speakers talk for a while, and leave them talking."""
        load.every(self.speakers / self.rate, range(self.speakers))
        load.run(self.seconds * scale)

    @staticmethod
    def stall(folder: Path, load: Load) -> None:
        """Let the disk stall, and read all lines sent before."""
        (folder / WANTED).touch()
        deadline = time.perf_counter() + PATIENCE
        while not (folder / STALLING).exists():
            if time.perf_counter() > deadline:
                raise Wrong("the disk does not stall")
            load.run(0.01)
        load.run(STALL / 10)

    def kill(self, contestant: Chatservice, scale: float) -> list[Row]:
        """Kill the server while the disk stalls, start it again, and compare the histories."""
        with ExitStack() as stack:
            folder, load = stack.enter_context(serving(contestant, Load))

            def witness(name: str, port: int) -> Witness:
                return stack.enter_context(closing(Witness(name, port)))

            everybody = range(self.members)
            both = [witness("first", load.server.port)]
            load.enter({number: [ROOM] for number in everybody})
            both.append(witness("last", load.server.port))
            load.gather({ROOM: everybody}, range(self.speakers))
            self.talk(load, scale)
            self.stall(folder, load)
            load.server.kill()
            for each in both:
                each.read_all()
            said, shown = load.said, [each.said() for each in both]
            there = [f"<{name}> {text}" for name, text in stored(folder)]

            server = contestant.start(folder)
            stack.callback(server.kill)
            reader = witness("reader", server.port)
            reader.say("/history 1000", "/uptime")
            reader.read(b"-- up ")
            again = reader.said(after=b"-- the last ")
            most = max(shown, key=len)
            fine = all(lines == there[: len(lines)] for lines in shown)
            return [
                Row(
                    "killed in the stall: what had been shown to two who hear all",
                    " and ".join(f"{len(lines):,} lines" for lines in shown),
                ),
                Row(
                    "of it in the history file then, once and in order",
                    f"{'all' if fine else 'not all'}; {len(there):,} lines are there",
                    "all",
                    fine,
                ),
                Row("said, and neither shown nor stored", f"{said - len(there):,} lines"),
                Row(
                    "shown by `/history 1000` of a server that is started again",
                    f"{len(again):,} lines",
                    "the last of them",
                    again[-len(most) :] == most[-len(again) :],
                ),
            ]
