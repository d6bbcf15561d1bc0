"""The servers that are measured: how each is started, and its protocol."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.verify import Transcript

SERVERS = Path(__file__).parent / "servers"
HOST = "127.0.0.1"
PATIENCE = 30.0
"""Seconds after which a short wait counts as failed."""
POLL = 0.01

PROCESSORS = sorted(os.sched_getaffinity(0))
"""The processors of this process. The server has the first alone, if there is one more."""


class Contestant(Protocol):
    """A kind of server.

    :ivar title: its name in tables.
    :ivar missing: a sentence on software that must be installed first; ``""`` if none.
    :ivar echoes: whether a speaker receives its own lines too.
    :ivar one_order: whether all members of a room must receive its lines in one order.
    :ivar at_once: the most connections that may enter at once.
    :ivar settling: seconds after entering until the server sends a member only lines.
    :ivar transcript: the class that checks the bytes received by members of a room.
    """

    title: str
    echoes: bool
    one_order: bool
    at_once: int
    settling: float
    transcript: type[Transcript]

    @property
    def missing(self) -> str: ...

    def start(self, folder: Path) -> Server:
        """Start the server, in a folder of its own."""

    def enter(self, name: str, rooms: Sequence[str]) -> bytes:
        """Return the bytes a member sends to enter, under a name and into rooms."""

    def entered(self, name: str, rooms: Sequence[str]) -> bytes:
        """Return bytes near the end of the answer to :meth:`enter`."""

    def say(self, name: str, room: str, words: bytes) -> bytes:
        """Return the bytes a member sends to say a line."""

    def heard(self, name: str, room: str, words: bytes) -> bytes:
        """Return the bytes every other member of the room receives for a line."""

    def elsewhere(self, name: str, room: str, words: bytes) -> bytes:
        """Return the bytes for a member of the room whose current room is another."""

    def told(self, data: bytes) -> int:
        """Count the people whom whole lines report as entering a room, or as present."""


class Server:
    """A server process that runs on the first processor alone."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._output = folder / "output"
        with open(self._output, "wb") as file:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.sched_setaffinity(0, PROCESSORS[:1]),
            )
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        """The output of the process so far."""
        return self._output.read_text(errors="replace")

    def await_port(self, pattern: str) -> Server:
        """Wait until the output names the port; ``pattern`` captures it."""

        def told() -> bool:
            found = re.search(pattern, self.output, re.M)
            self.port = int(found[1]) if found else 0
            return bool(found)

        self._await(told)
        return self

    def await_listening(self, port: int) -> Server:
        """Wait until the process listens on a port."""

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((HOST, port)) == 0

        self.port = port
        self._await(listens)
        return self

    def _await(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the server did not start: {self.output}")
            time.sleep(POLL)

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the process if it still runs, and wait for its end."""
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
        self._process.wait()

    @property
    def cpu(self) -> float:
        """Seconds of processor time used so far, of all threads (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def memory(self, what: str = "VmRSS") -> int:
        """Return the bytes of memory in use (proc(5)); ``VmHWM`` is the peak so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{what}:\s+(\d+) kB$", status, re.M)[1]) * 1024  # type: ignore[index]


class Lines:
    """The common part of line-based chats: the name is the first line, then each line is said."""

    echoes = False
    one_order = True
    at_once = 256
    settling = 0.0
    transcript: type[Transcript] = Transcript

    @property
    def missing(self) -> str:
        """See :attr:`Contestant.missing`."""
        return ""

    def enter(self, name: str, rooms: Sequence[str]) -> bytes:
        """See :meth:`Contestant.enter`."""
        return f"{name}\n".encode()

    def entered(self, name: str, rooms: Sequence[str]) -> bytes:
        """See :meth:`Contestant.entered`."""
        return f"-- hello {name}\r\n".encode()

    def say(self, name: str, room: str, words: bytes) -> bytes:
        """See :meth:`Contestant.say`."""
        return words + b"\n"

    def heard(self, name: str, room: str, words: bytes) -> bytes:
        """See :meth:`Contestant.heard`."""
        return b"<%s> %s\r\n" % (name.encode(), words)

    def elsewhere(self, name: str, room: str, words: bytes) -> bytes:
        """See :meth:`Contestant.elsewhere`."""
        return b"#%s %s" % (room.encode(), self.heard(name, room, words))

    def told(self, data: bytes) -> int:
        """See :meth:`Contestant.told`."""
        return data.count(b" joined\r\n")


class Chatservice(Lines):
    """Our server as a user would start it, with its history, but with its limits lifted."""

    title = "chatservice"
    lifted: tuple[str, ...] = (
        "rate",
        "max-connections",
        "max-per-address",
        "max-rooms",
        "max-rooms-per-member",
    )

    def __init__(self, *options: str) -> None:
        self._options = options

    def start(self, folder: Path) -> Server:
        """See :meth:`Contestant.start`."""
        twistd = Path(sys.executable).with_name("twistd")
        command: list[str | Path] = [
            twistd,
            "-n",
            "--pidfile=",
            "chat",
            "--listen",
            f"tcp:0:interface={HOST}",
        ]
        options = [f"--{name}=0" for name in self.lifted]
        server = Server([*command, *options, *self._options], folder)
        return server.await_port(r"listens on 127\.0\.0\.1:(\d+)")

    def enter(self, name: str, rooms: Sequence[str]) -> bytes:
        """See :meth:`Contestant.enter`."""
        joins = "".join(f"/join {room}\n" for room in rooms if room != "lobby")
        return f"{name}\n{joins}".encode()

    def entered(self, name: str, rooms: Sequence[str]) -> bytes:
        """See :meth:`Contestant.entered`."""
        return f"-- you are in #{rooms[-1]}".encode()

    def told(self, data: bytes) -> int:
        """See :meth:`Contestant.told`."""
        count = 0
        for line in data.decode().splitlines():
            found = re.fullmatch(r"-- (?:you are in #\w+ with (.*)|(.*) joined)", line)
            if found:
                names = (found[1] or found[2]).replace(" and ", ", ").split(", ")
                more = re.fullmatch(r"([\d,]+) more", names[-1])
                count += len(names) + (int(more[1].replace(",", "")) - 1 if more else 0)
        return count


class Script(Lines):
    """A Python server from the folder ``servers``."""

    def __init__(self, title: str, file: str, one_order: bool = True) -> None:
        self.title = title
        self.one_order = one_order
        self._file = file

    def start(self, folder: Path) -> Server:
        """See :meth:`Contestant.start`."""
        return Server([sys.executable, SERVERS / self._file], folder).await_port(r"^(\d+)$")


class Compiled(Lines):
    """The bare server in C: the limit of one thread."""

    title = "bare C epoll"

    @property
    def missing(self) -> str:
        """See :attr:`Contestant.missing`."""
        return "" if shutil.which("cc") else "there is no C compiler"

    def start(self, folder: Path) -> Server:
        """See :meth:`Contestant.start`."""
        program = folder / "epoll"
        subprocess.run(["cc", "-O2", "-o", program, SERVERS / "epoll.c"], check=True)
        return Server([program], folder).await_port(r"^(\d+)$")
