"""A terminal that can do nothing but print: it has lines edited, and edits none itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.client.screen.editor import PROMPT, Host
from chatservice.text.sanitising import decode, edited


@implementer(IHalfCloseableProtocol)
class Plain(LineReceiver):
    """Lines from the standard input, and to the standard output, without a single escape.

    :param attach: joins it to the standard streams.
    """

    delimiter = b"\n"
    transport: Any
    columns: int | None = None
    echoes = True

    def __init__(
        self, host: Host, reactor: Any, attach: Callable[..., object] = StandardIO
    ) -> None:
        self._host = host
        self._reactor = reactor
        self._attach = attach
        self._closed: Deferred[None] = Deferred()
        self._closing = False

    def open(self) -> Deferred[None]:
        """Begin to read; fires when all is written."""
        self._attach(self, reactor=self._reactor)
        return self._closed

    def close(self) -> None:
        """Write what there is to write, and end."""
        if not self._closing:
            self._closing = True
            self.transport.loseConnection()

    def show(self, text: StyleAndTextTuples, ring: bool) -> None:
        """Print lines."""
        self.transport.write((fragment_list_to_text(text) + "\a" * ring).encode())

    def refresh(self) -> None:
        """Nothing stands around the line."""

    def prompt(self, words: str = PROMPT) -> None:
        """Ask for something other than what there is to say."""
        if words != PROMPT:
            self.transport.write(words.encode())

    def ask(self, question: str, answered: Callable[[bool], None]) -> None:
        """Nobody can tell what is pasted here, so there is nothing to ask."""

    def enter(self, text: str) -> None:
        """Nobody was asked about a paste, so none is to be taken."""

    def lineReceived(self, line: bytes) -> None:
        """Take a line."""
        self._host.typed(edited(decode(line.removesuffix(b"\r"))))

    def readConnectionLost(self) -> None:
        """Leave: that was Ctrl-D."""
        if not self._closing:
            self._host.left()

    def writeConnectionLost(self) -> None:
        """Nobody sees what is said any more."""
        self._host.hung_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """All is written."""
        self._closed.callback(None)
