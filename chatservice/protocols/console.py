"""The terminal where the service runs, as one of its connections."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure

from chatservice.protocols.factory import ChatFactory
from chatservice.protocols.line import ChatProtocol
from chatservice.protocols.pacing import STOPPING


class ConsoleProtocol(ChatProtocol):
    """Who sits at the terminal: somebody like all others, and an operator.

    When they leave, the service goes on.
    """

    operator = True
    files: tuple[int, ...] = ()

    def finish(self) -> None:
        """Say that the service goes on, if it does, and close."""
        if not (self._finished or self._ended or self._holds & STOPPING):
            self.tell("the server goes on: Ctrl-C stops it")
        super().finish()

    def writeConnectionLost(self) -> None:
        """End the connection: nothing can be shown any more, and no peer closes the other half."""
        self.transport.connectionLost(Failure(ConnectionDone()))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave, and leave the terminal as it was: others have it open as well."""
        super().connectionLost(reason)
        for file in self.files:
            with contextlib.suppress(OSError):
                os.set_blocking(file, True)


def open_console(reactor: Any, factory: ChatFactory, stdin: int = 0, stdout: int = 1) -> None:
    """Connect standard input and output. Files, which no reactor can wait for, do as well."""
    console = ConsoleProtocol()
    console.factory = factory
    console.files = (stdin, stdout)
    StandardIO(console, stdin, stdout, reactor)  # type: ignore[call-arg]  # of Windows
