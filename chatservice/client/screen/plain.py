"""A terminal that can do nothing but print: it has lines edited, and edits none itself."""

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
    """Lines from the standard input, and to the standard output, without a single escape.

    While the output is full, nothing more is read from the server.

    :param attach: joins it to the standard streams.
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
        """Begin to read; fires when all is written."""
        self._screen = screen
        self._attach(self, reactor=self._reactor)
        self.transport.registerProducer(screen.session, True)
        return self._closed

    def close(self) -> None:
        """Write what there is to write, and end."""
        if not self._closing:
            self._closing = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def show(self, text: Text, ring: bool) -> None:
        """Print lines."""
        words = "".join(part for _, part in text)
        self.transport.write((words + "\a" * ring).encode())

    def turn(self) -> None:
        """Go on below: there is no other page."""

    def refresh(self) -> None:
        """Draw nothing: nothing stands around the line."""

    def prompt(self, words: str = PROMPT) -> None:
        """Ask for something other than what there is to say."""
        if words != PROMPT:
            self.transport.write(words.encode())

    def lineReceived(self, line: bytes) -> None:
        """Take a line."""
        self._screen.typed(edited(decode(line.removesuffix(b"\r"))))

    def lineLengthExceeded(self, line: bytes) -> None:
        """Take nothing of it: no server would."""
        self._screen.tell("that line was too long, and is not said")

    def readConnectionLost(self) -> None:
        """Leave: that was Ctrl-D."""
        if not self._closing:
            self._screen.interrupt()

    def writeConnectionLost(self) -> None:
        """End: nobody reads any more."""
        self._screen.hung_up()
        self.connectionLost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note that all is written."""
        if not self._closed.called:
            self._closed.callback(None)
