"""The way out of a connection: send at once, or wait as a producer until the peer has read.

On plain TCP and Unix sockets, a write through the reactor costs several system calls and a turn of
the event loop for each reader; a direct send while nothing is queued costs one call. Bytes that the
kernel does not take are not kept here, because the chat knows each reader's cursor. So at most the
rest of one line and the answers to the peer's own commands wait in a connection.

Every other connection writes to its transport, which calls ``pauseProducing`` when it has enough:
under TLS, a direct send would bypass the encryption, and a pull producer would spin. TLS directly
on a socket is still sent at once, in the caller's time. Left to itself, it would go out two turns
of the reactor later, and its cost would be in no slice of time. TLS inside another transport, a
PROXY wrapper and a transport in a test go through the reactor.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IPullProducer, IPushProducer, ISSLTransport
from zope.interface import implementer

from chatservice.core.networks import written

SLICE: Final = 32 << 10
"""Bytes that are written to a transport between two checks whether it has enough."""


@dataclass(slots=True)
class _Answer:
    """A long answer that is sent in pieces and holds back all other output.

    :ivar drained: called when there is room for another piece, or the outlet is closed.
    :ivar full: whether the transport has enough.
    :ivar behind: other bytes, written meanwhile, which wait for the end of the answer.
    :ivar giving: whether a piece is being written.
    :ivar half: whether the last piece ended within a line.
    """

    drained: Callable[[], None]
    full: bool
    behind: bytes = b""
    giving: bool = False
    half: bool = False


@implementer(IPullProducer, IPushProducer)
class Outbox:
    """The :class:`.Outlet` part of a connection, which writes to its transport.

    :ivar unsent: bytes known to wait, of those written since the outlet was blocked.
    :ivar blocked: whether the transport has enough, or a long answer holds back all other output.
    :ivar site: see :attr:`.Outlet.site`; set once it is known.
    :ivar broken: whether a send found the connection lost. A socket reports that error only once: a
        later read looks as if the peer had only ended its half.
    """

    transport: Any

    blocked = False
    broken = False
    closed = False
    site = ""
    unsent = 0

    _answer: _Answer | None = None

    _socket: socket.socket | None = None
    """The socket for direct sends; None if the transport does the sending."""

    _encrypt: Callable[[Any, bytes], object] | None = None
    """Encrypts and writes at once: the ``write`` of :class:`.TLSMemoryBIOProtocol`, because that of
    its subclass :class:`.BufferingTLSTransport` is delayed."""

    def open_outbox(self) -> None:
        """Find out how to write to the transport, once the connection is made."""
        transport = self.transport
        self.blocked = False  # An instance attribute is looked up faster than one of the class.
        if isinstance(transport, FileDescriptor) and not getattr(transport, "TLS", False):
            self._socket = self.transport.getHandle()
            return
        if ISSLTransport.providedBy(transport):
            # Imported only here, because the TLS packages may not be installed.
            from twisted.protocols.tls import TLSMemoryBIOProtocol

            if isinstance(transport, TLSMemoryBIOProtocol) and isinstance(
                transport.transport, FileDescriptor
            ):
                self._encrypt = TLSMemoryBIOProtocol.write
        transport.registerProducer(self, True)

    @property
    def address(self) -> str:
        """See :attr:`.Outlet.address`."""
        return written(getattr(self.transport.getPeer(), "host", None) or "")

    def send(self, data: bytes) -> int:
        """See :meth:`.Outlet.send`."""
        if self.blocked:
            return 0
        direct = self._socket
        if direct is None:
            sent = 0
            while sent < len(data) and not self.blocked:
                self._give(data[sent : sent + SLICE])
                sent += SLICE
            return min(sent, len(data))
        try:
            sent = direct.send(data)
        except OSError as error:
            sent = 0
            # The reactor handles the error when it writes or reads next.
            self.broken = self.broken or not isinstance(error, BlockingIOError)
        if sent < len(data):
            # A pull producer is called when it registers, and again once the transport is empty.
            self.transport.registerProducer(self, False)
            self.blocked = True
            self.transport.startWriting()
        return sent

    def write(self, data: bytes) -> None:
        """See :meth:`.Outlet.write`."""
        if not data:
            return
        answer = self._answer
        if answer is not None and not answer.giving:
            answer.behind += data
            self.unsent += len(data)
            return
        if self._socket is not None:
            data = data[self.send(data) :]
        if data and not self.closed:
            self._give(data)
            if self.blocked:
                self.unsent += len(data)

    def _give(self, data: bytes) -> None:
        """Write bytes to the transport."""
        if self._encrypt is None:
            self.transport.write(data)
            return
        self._encrypt(self.transport, data)
        plain = self.transport.transport
        if plain.connected and not plain.disconnecting:
            # The reactor writes the rest later, and handles errors then.
            plain.doWrite()

    def begin(self, drained: Callable[[], None]) -> None:
        """See :meth:`.Outlet.begin`."""
        self._answer = _Answer(drained, self.blocked)
        self.blocked = True

    def give(self, piece: bytes) -> bool:
        """See :meth:`.Outlet.give`."""
        answer = self._answer
        if answer is None:
            return False
        if piece:
            answer.half = not piece.endswith(b"\n")
            answer.giving, self.blocked = True, answer.full
            self.write(piece)
            answer.giving = False
            answer.full, self.blocked = self.blocked, True
        return not answer.full

    def end(self) -> None:
        """See :meth:`.Outlet.end`."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        self.unsent -= len(answer.behind)
        self.blocked = answer.full or self.closed
        self.write((b"\r\n" if answer.half else b"") + answer.behind)
        if not self.blocked:
            self.drained()

    def close(self) -> None:
        """Take no more bytes. Bytes already written are still sent if the connection lives."""
        if not self.closed:
            self.closed = self.blocked = True
            self.unsent = 0
            answer, self._answer = self._answer, None
            self.transport.unregisterProducer()
            if answer is not None:
                answer.drained()

    def drained(self) -> None:
        """Go on, because the outlet is no longer blocked: to be overridden.

        This may be called within :meth:`send`.
        """

    def pauseProducing(self) -> None:
        """Note that the transport has enough."""
        self.blocked = True
        if self._answer is not None:
            self._answer.full = True

    def resumeProducing(self) -> None:
        """Go on: the transport can take more, or has just registered this as a pull producer."""
        if self._socket is not None:
            if not self.blocked:
                return
            self.transport.unregisterProducer()
        answer = self._answer
        if answer is None:
            self.unsent = 0
            self.blocked = False
            self.drained()
            return
        self.unsent = len(answer.behind)
        answer.full = False
        if answer.giving:
            self.blocked = False
        else:
            answer.drained()

    def stopProducing(self) -> None:
        """Do nothing: the transport is gone, and ``connectionLost`` is called as well."""
