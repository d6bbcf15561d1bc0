"""Servers forked from a process with the imports done, which makes their start cheap."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.at_end import at_end

TWISTD = Path(sys.executable).with_name("twistd")
FORKER = Path(__file__).with_name("forker.py")


class Forker:
    """The forking process, which runs :mod:`tests.integration.forker`."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, FORKER, str(theirs.fileno()), TWISTD],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )

    def ask(self, request: object, *files: int) -> int:
        """Send a request with files to the forker, and return its answer."""
        answer, theirs = os.pipe()
        with open(answer, "rb") as reading:
            try:
                socket.send_fds(self._requests, [json.dumps(request).encode()], [theirs, *files])
            finally:
                os.close(theirs)
            return int(reading.read())

    def end(self) -> None:
        """End the forker and all its forks."""
        self._requests.close()
        self.process.wait()


_shared: list[Forker] = []
_sharing = threading.Lock()


def forker() -> Forker:
    """Return the shared forker."""
    with _sharing:
        if not _shared:
            _shared.append(Forker())
            at_end(_shared[0].end)
        return _shared[0]


class Forked:
    """A forked twistd, with the needed part of the interface of ``subprocess.Popen``.

    :param arguments: the arguments of twistd.
    :param output: the file descriptor of its standard output.
    :param errors: the file descriptor of its standard error; ``output`` by default.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, output: int, errors: int | None = None
    ) -> None:
        self._forker = forker()
        self.returncode: int | None = None
        self._reaping = threading.Lock()
        asked: dict[str, Any] = {
            "words": [str(TWISTD), *arguments],
            "folder": str(folder),
            "environ": dict(os.environ),
        }
        self.pid = self._forker.ask(asked, output, output if errors is None else errors)
        # The forker reaps it only on request, so no other process can have its pid.
        self._handle = os.pidfd_open(self.pid)

    def send_signal(self, number: int) -> None:
        """Send the process a signal, if it has not ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def poll(self) -> int | None:
        """Return the status, negative for a signal, if the process has ended; else None."""
        return self._ended(0)

    def wait(self, patience: float) -> int:
        """Wait for the end of the process; return its status.

        :raises subprocess.TimeoutExpired: if it does not end within ``patience`` seconds.
        """
        status = self._ended(patience)
        if status is None:
            raise subprocess.TimeoutExpired("twistd", patience)
        return status

    def _ended(self, patience: float) -> int | None:
        with self._reaping:
            if self.returncode is None:
                poll = select.poll()
                poll.register(self._handle, select.POLLIN)
                if poll.poll(patience * 1000):
                    self.returncode = self._forker.ask(self.pid)
                    os.close(self._handle)
            return self.returncode
