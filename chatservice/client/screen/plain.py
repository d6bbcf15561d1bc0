"""A terminal that only prints, where the system edits the typed line (``--plain``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.client.screen.app import Screen
from chatservice.client.screen.paper import PROMPT
from chatservice.client.screen.rendering import Text
from chatservice.text.sanitising import decode, edited


@implementer(IHalfCloseableProtocol)
class Plain(LineReceiver):
    """Reads lines from the standard input, and prints lines without escape sequences.

    While the output is full, nothing is read from the server.

    :param attach: connects the protocol to the standard streams.
    """

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20
    transport: Any
    columns: int | None = None
    echoes = True

    _screen: Screen
    _closing = False

    def __init__(self, reactor: Any, attach: Callable[..., object] = StandardIO) -> None:
        self._reactor = reactor
        self._attach = attach
        self._closed: Deferred[None] = Deferred()

    def open(self, screen: Screen) -> Deferred[None]:
        """Begin to read typed lines; fires at the end, when all output is written."""
        self._screen = screen
        self._attach(self, reactor=self._reactor)
        self.transport.registerProducer(screen.session, True)
        return self._closed

    def close(self) -> None:
        """Write the remaining output, and close the streams."""
        if not self._closing:
            self._closing = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def show(self, text: Text, ring: bool) -> None:
        """Print lines."""
        self.transport.write(("".join(part for _, part in text) + "\a" * ring).encode())

    def turn(self) -> None:
        """Do nothing: lines are only ever printed below the last one."""

    def refresh(self) -> None:
        """Do nothing: nothing is drawn around the typed line."""

    def prompt(self, words: str = PROMPT) -> None:
        """Print a prompt, unless it is the usual one."""
        if words != PROMPT:
            self.transport.write(words.encode())

    def lineReceived(self, line: bytes) -> None:
        """Pass a typed line to the screen."""
        self._screen.typed(edited(decode(line.removesuffix(b"\r"))))

    def lineLengthExceeded(self, line: bytes) -> None:
        """Tell the person that the line was too long, and drop it."""
        self._screen.tell("that line was too long, and is not said")

    def readConnectionLost(self) -> None:
        """Leave the chat, as Ctrl-D closed the input."""
        if not self._closing:
            self._screen.interrupt()

    def writeConnectionLost(self) -> None:
        """End the session, as the terminal is gone."""
        self._screen.hung_up()
        self.connectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report that all output is written."""
        if not self._closed.called:
            self._closed.callback(None)
