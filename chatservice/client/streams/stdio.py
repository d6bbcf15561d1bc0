"""The standard input and output: what all have in common that talk through them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.client.connection import LONGEST
from chatservice.text.sanitising import decode

TOO_LONG: Final = f"a line has more than {LONGEST:,} bytes"


def complain(sentence: str) -> None:
    """Write a sentence of the client's own to the standard error, if there is one."""
    # Not sys.stderr, which may be a log.
    if sys.__stderr__ is not None:
        with contextlib.suppress(OSError):
            print(f"chat-client: {sentence}", file=sys.__stderr__, flush=True)


@implementer(IHalfCloseableProtocol)
class StandardStreams(LineReceiver):
    """Lines from the standard input, and lines to the standard output, until an end.

    :ivar done: fires with the exit status when there is nothing more to do.
    """

    INTERRUPTED: ClassVar[int]
    """The exit status when it is interrupted."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: Any

    ending = False
    _status = 1
    _writable = True

    def __init__(self, complain: Callable[[str], None] = complain) -> None:
        self.complain = complain
        self.done: Deferred[int] = Deferred()

    def show(self, text: str) -> None:
        """Write a line to the standard output."""
        self.transport.write(text.encode() + b"\n")

    def lineReceived(self, line: bytes) -> None:
        """Take a line of the input."""
        self.typed(decode(line.removesuffix(b"\r")))

    def lineLengthExceeded(self, line: bytes) -> None:
        """End: no server takes such a line."""
        self.end(1, TOO_LONG)

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

    def hang_up(self) -> None:
        """Close the connection to the server, if there is one, and make no other."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """Read no more for now."""
        super().pauseProducing()  # type: ignore[no-untyped-call]

    def resumeProducing(self) -> None:
        """Read on."""
        super().resumeProducing()  # type: ignore[no-untyped-call]

    def stopProducing(self) -> None:
        """The connection was lost; the input is not."""

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

    def stop(self) -> None:
        """End, from without; what is not written or sent yet is not waited for."""
        self.end(1)

    def interrupt(self) -> None:
        """End now, whatever is not written yet."""
        self.end(self.INTERRUPTED)
        self._over()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """All is written."""
        self._over()

    def _over(self) -> None:
        if not self.done.called:
            self.done.callback(self._status)
