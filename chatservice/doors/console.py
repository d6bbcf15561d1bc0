"""The terminal where the service runs, as one of its connections."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure

from chatservice.doors.connection import STOPPING, ChatProtocol
from chatservice.doors.factory import ChatFactory
from chatservice.doors.line_editor import LineEditor
from chatservice.doors.seam import Cause

USUAL_COLUMNS: Final = 80


class ConsoleProtocol(ChatProtocol):
    """Who sits at the terminal: somebody like all others, and an operator.

    When they leave, the service goes on.
    """

    operator = True
    heard = True  # Nobody there takes us for something else.
    files: tuple[int, ...] = ()

    def finish(self, cause: Cause | None = None) -> None:
        """Say that the service goes on, if it does, and close."""
        if not (self.closed or self._ended or self._holds & STOPPING):
            self.dialog.tell("the server goes on: Ctrl-C stops it")
        super().finish(cause)

    def writeConnectionLost(self) -> None:
        """End the connection: nothing can be shown any more, and no peer closes the other half."""
        self.transport.connectionLost(Failure(ConnectionDone()))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave, and leave the terminal as it was: others have it open as well."""
        super().connectionLost(reason)
        for file in self.files:
            with contextlib.suppress(OSError):
                os.set_blocking(file, True)


_StandardIO: Any = StandardIO  # It is another class on each system.


class Terminal(_StandardIO):  # type: ignore[misc]
    """Standard input and output that are a terminal: what comes in does not cut what is typed.

    The terminal leaves the keys to us, but for those that send signals, until the connection ends.
    """

    def __init__(self, protocol: IProtocol, stdin: int, stdout: int, reactor: Any) -> None:
        self._tty = os.dup(stdin)
        self._before = termios.tcgetattr(self._tty)
        # A terminal that does not know how wide it is says 0.
        self._editor = LineEditor(lambda: os.get_terminal_size(stdout).columns or USUAL_COLUMNS)
        self._take()
        self._continued = signal.signal(
            signal.SIGCONT, lambda number, frame: reactor.callFromThread(self._take)
        )
        super().__init__(protocol, stdin, stdout, reactor)

    def _take(self) -> None:
        """Have the keys; to be called again when a shell that had the terminal gives it back."""
        if self._tty >= 0:
            mode = termios.tcgetattr(self._tty)
            mode[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
            termios.tcsetattr(self._tty, termios.TCSANOW, mode)

    def write(self, data: bytes) -> None:
        """Show something above the line that is typed."""
        super().write(self._editor.output(data))

    def childDataReceived(self, fd: str, data: bytes) -> None:
        """Take what the keys sent."""
        for echo, line in self._editor.typed(data):
            super().write(echo)
            if line:
                super().childDataReceived(fd, line)
            elif line is not None and self._reader is not None:
                self._reader.connectionLost(Failure(ConnectionDone()))
            if self.protocol is None:
                return

    def connectionLost(self, reason: Failure) -> None:
        """Leave the terminal as it was."""
        if self._tty >= 0:
            with contextlib.suppress(termios.error):  # It may be gone.
                termios.tcsetattr(self._tty, termios.TCSANOW, self._before)
            signal.signal(signal.SIGCONT, self._continued)
            os.close(self._tty)
            self._tty = -1
        super().connectionLost(reason)


def open_console(reactor: Any, factory: ChatFactory, stdin: int = 0, stdout: int = 1) -> None:
    """Connect standard input and output. Files, which no reactor can wait for, do as well."""
    console = ConsoleProtocol()
    console.factory = factory
    console.files = (stdin, stdout)
    on_terminal = os.isatty(stdin) and os.isatty(stdout) and os.environ.get("TERM") != "dumb"
    (Terminal if on_terminal else _StandardIO)(console, stdin, stdout, reactor)
