"""The terminal where the service runs (``--console``), as one of the service's connections."""

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
    """The connection of the person at the terminal, who is an operator.

    The service continues when this person leaves.
    """

    operator = True
    heard = True  # The terminal needs no check for HTTP or TLS.
    files: tuple[int, ...] = ()

    def finish(self, cause: Cause | None = None) -> None:
        """Close the connection, and say that the service goes on, unless that stops too."""
        if not (self.closed or self._ended or self._holds & STOPPING):
            self.dialog.tell("the server goes on: Ctrl-C stops it")
        super().finish(cause)

    def writeConnectionLost(self) -> None:
        """End the connection, because no peer will close the other half."""
        self.transport.connectionLost(Failure(ConnectionDone()))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the chat, and make the terminal blocking again for the programs that share it."""
        super().connectionLost(reason)
        for file in self.files:
            with contextlib.suppress(OSError):
                os.set_blocking(file, True)


_StandardIO: Any = StandardIO  # A different class on each system.


class Terminal(_StandardIO):  # type: ignore[misc]
    """Standard input and output on a terminal, where output does not cut through the typed line.

    Until the connection ends, the terminal passes all keys on, except those that send signals.
    """

    def __init__(self, protocol: IProtocol, stdin: int, stdout: int, reactor: Any) -> None:
        self._tty = os.dup(stdin)
        self._before = termios.tcgetattr(self._tty)
        # A terminal that does not know its width reports 0.
        self._editor = LineEditor(lambda: os.get_terminal_size(stdout).columns or USUAL_COLUMNS)
        self._take()
        self._continued = signal.signal(
            signal.SIGCONT, lambda number, frame: reactor.callFromThread(self._take)
        )
        super().__init__(protocol, stdin, stdout, reactor)

    def _take(self) -> None:
        """Turn the terminal's line editing and echo off, again each time a stopped job resumes."""
        if self._tty >= 0:
            mode = termios.tcgetattr(self._tty)
            mode[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
            termios.tcsetattr(self._tty, termios.TCSANOW, mode)

    def write(self, data: bytes) -> None:
        """Show output above the typed line."""
        super().write(self._editor.output(data))

    def childDataReceived(self, fd: str, data: bytes) -> None:
        """Handle the bytes of pressed keys: echo them, and pass on each complete line."""
        for echo, line in self._editor.typed(data):
            super().write(echo)
            if line:
                super().childDataReceived(fd, line)
            elif line is not None and self._reader is not None:
                self._reader.connectionLost(Failure(ConnectionDone()))
            if self.protocol is None:
                return

    def connectionLost(self, reason: Failure) -> None:
        """Restore the terminal's mode, and end the connection."""
        if self._tty >= 0:
            with contextlib.suppress(termios.error):  # The terminal may be gone.
                termios.tcsetattr(self._tty, termios.TCSANOW, self._before)
            signal.signal(signal.SIGCONT, self._continued)
            os.close(self._tty)
            self._tty = -1
        super().connectionLost(reason)


def open_console(reactor: Any, factory: ChatFactory, stdin: int = 0, stdout: int = 1) -> None:
    """Connect standard input and output to the chat. Plain files work as well as a terminal."""
    console = ConsoleProtocol()
    console.factory = factory
    console.files = (stdin, stdout)
    on_terminal = os.isatty(stdin) and os.isatty(stdout) and os.environ.get("TERM") != "dumb"
    (Terminal if on_terminal else _StandardIO)(console, stdin, stdout, reactor)
