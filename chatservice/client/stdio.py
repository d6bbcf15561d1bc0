"""The standard input and output: what talking on a terminal and through a pipe have in common."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.chat.text import decode
from chatservice.client.connection import LONGEST, Connection, is_distrusted, reason_of


def complain(sentence: str) -> None:
    """Write a sentence of the client's own to the standard error, if there is one."""
    # Not sys.stderr, which may be a log.
    if sys.__stderr__ is not None:
        with contextlib.suppress(OSError):
            print(f"chat-client: {sentence}", file=sys.__stderr__, flush=True)


@implementer(IHalfCloseableProtocol)
class StandardStreams(LineReceiver):
    """Lines from the standard input, and what is heard to the standard output.

    A full connection pauses the input, a full output the connection: nothing piles up between.

    :param endpoint: of the server.
    :param where: the same in words.
    :param name: to come in with; None to take the first line.
    :ivar distrusted: whether the last connection was lost because TLS was not what it should be.
    :ivar ended: fires with the exit status when there is nothing more to do.
    """

    INTERRUPTED: ClassVar[int]
    """The exit status when it is interrupted."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: Any

    connection: Connection | None = None
    ending = False
    distrusted = False
    _status = 1
    _writable = True

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        where: str,
        name: str | None,
        complain: Callable[[str], None] = complain,
    ) -> None:
        self.reactor = reactor
        self.endpoint = endpoint
        self.where = where
        self.name = name
        self.complain = complain
        self.ended: Deferred[int] = Deferred()

    # Of the server

    def reached(self, connection: Connection) -> None:
        """Join the connection to the streams, and give the name if there is one."""
        self.connection = connection
        if self.ending:
            self.hang_up()
            return
        connection.transport.registerProducer(self, True)
        self.transport.registerProducer(connection.transport, True)
        if self.name is not None:
            connection.introduce(self.name)

    def heard(self, text: str) -> None:
        """Show what the server says."""
        self.transport.write(text.encode() + b"\n")

    def lost(self, failure: Failure) -> None:
        """Let go of a connection that is no more."""
        known = self.connection is not None and self.connection.name is not None
        self.distrusted = is_distrusted(failure) and not known
        self.connection = None
        if not self.ending:
            self.transport.unregisterProducer()

    def loss(self, failure: Failure) -> str:
        """Say why the connection is no more."""
        if self.distrusted:
            return f"{self.where} can't be trusted: {reason_of(failure)}"
        return f"the connection to {self.where} was lost: {reason_of(failure)}"

    def hang_up(self) -> None:
        """Close the connection, if there is one."""
        if self.connection is not None:
            # As long as it has a producer, TLS would not close.
            self.connection.transport.unregisterProducer()
            self.connection.transport.loseConnection()

    # Of the standard streams

    def lineReceived(self, line: bytes) -> None:
        """Take a line of the input."""
        self.typed(decode(line.removesuffix(b"\r")))

    def lineLengthExceeded(self, line: bytes) -> None:
        """End: no server takes such a line."""
        self.end(1, f"a line has more than {self.MAX_LENGTH:,} bytes")

    def readConnectionLost(self) -> None:
        """The input ended, maybe within a line, which counts."""
        line: bytes = self.clearLineBuffer()  # type: ignore[no-untyped-call]
        if line and not self.ending:
            self.lineReceived(line)
        if not self.ending:
            self.input_ended()

    def writeConnectionLost(self) -> None:
        """Nobody reads any more."""
        self._writable = False
        self.output_ended()

    def typed(self, text: str) -> None:
        """Take one line of the input."""
        raise NotImplementedError

    def input_ended(self) -> None:
        """There is no more input."""
        raise NotImplementedError

    def output_ended(self) -> None:
        """There is nobody to write to."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """Read no more for now."""
        super().pauseProducing()  # type: ignore[no-untyped-call]

    def resumeProducing(self) -> None:
        """Read on."""
        super().resumeProducing()  # type: ignore[no-untyped-call]

    def stopProducing(self) -> None:
        """The connection was lost; the input is not."""

    # The end

    def end(self, status: int, why: str | None = None) -> None:
        """Hang up, and end when all is written; the first to say so decides the status.

        :param why: what is to be said on the standard error.
        """
        if self.ending:
            return
        self.ending = True
        self._status = status
        if why is not None:
            self.complain(why)
        self.hang_up()
        self.transport.unregisterProducer()
        if self._writable:
            self.transport.loseConnection()
        else:
            self._over()

    def interrupt(self) -> None:
        """End now, whatever is not written yet."""
        self.end(self.INTERRUPTED)
        self._over()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """All is written."""
        self._over()

    def _over(self) -> None:
        if not self.ended.called:
            self.ended.callback(self._status)
