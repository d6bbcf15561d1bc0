"""The way out of a connection: send now, else wait as a producer.

On plain TCP and unix sockets a write through the reactor costs several system calls and a trip
round the event loop for each reader; sending straight away while nothing is queued costs one. What
the kernel does not take is not kept here: the chat knows, by position, where the connection goes
on. So what waits in a connection is at most the rest of one line and the answers to its own
commands.

Everything else writes to its transport, which tells by ``pauseProducing`` when it has enough:
under TLS the socket must not be written to past the encryption, and a pull producer would spin. TLS
straight on a socket is still sent at once, in the time of whoever writes: by itself it would go out
two turns of the reactor later, and what that costs would be in no slice of time. TLS in something
else, a PROXY wrapper and a transport in a test go by the reactor.
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
"""Bytes that a transport is given before it is asked whether it has enough."""


@dataclass(slots=True)
class _Answer:
    """An answer that has the way out for itself.

    :ivar drained: to be called when there is room for a piece again, or the outlet is closed.
    :ivar full: the transport has enough.
    :ivar behind: what is written meanwhile, and waits.
    :ivar giving: a piece is being written.
    :ivar half: the last piece has no end of a line.
    """

    drained: Callable[[], None]
    full: bool
    behind: bytes = b""
    giving: bool = False
    half: bool = False


@implementer(IPullProducer, IPushProducer)
class Outbox:
    """What a connection is made of that is an :class:`.Outlet`: it writes to its transport.

    :ivar unsent: bytes written that wait, as far as is known, since it was blocked.
    :ivar blocked: the transport has enough, or an answer has the way for itself.
    :ivar site: see :attr:`.Outlet.site`; to be set when it is known.
    :ivar broken: the connection was found to be lost. A socket tells that once: who reads it
        afterwards is told that the peer has ended its half.
    """

    transport: Any

    blocked = False
    broken = False
    closed = False
    site = ""
    unsent = 0

    _answer: _Answer | None = None

    _socket: socket.socket | None = None
    """What is sent to straight away."""

    _encrypt: Callable[[Any, bytes], object] | None = None
    """Writes to the transport at once, as :class:`.TLSMemoryBIOProtocol` does and
    :class:`.BufferingTLSTransport`, which it is, does not."""

    def open_outbox(self) -> None:
        """Find out how to write to the transport, which is there now."""
        transport = self.transport
        self.blocked = False  # Here it is found sooner than in the class.
        if isinstance(transport, FileDescriptor) and not getattr(transport, "TLS", False):
            self._socket = self.transport.getHandle()
            return
        if ISSLTransport.providedBy(transport):
            # Only with TLS, which not everybody has installed.
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
            # Of anything else the reactor finds out when it writes or reads.
            self.broken = self.broken or not isinstance(error, BlockingIOError)
        if sent < len(data):
            # A pull producer is called when it registers, and then when the transport is empty.
            self.transport.registerProducer(self, False)
            self.blocked = True
            self.transport.startWriting()
        return sent

    def write(self, data: bytes) -> None:
        """See :meth:`.Outlet.write`."""
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
        """Give something to the transport."""
        if self._encrypt is None:
            self.transport.write(data)
            return
        self._encrypt(self.transport, data)
        plain = self.transport.transport
        if plain.connected and not plain.disconnecting:
            # What it does not take, and what went wrong, the reactor finds when it writes.
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
        """Take nothing more; what was written is still sent, if the connection lives."""
        if not self.closed:
            self.closed = self.blocked = True
            self.unsent = 0
            answer, self._answer = self._answer, None
            self.transport.unregisterProducer()
            if answer is not None:
                answer.drained()

    def drained(self) -> None:
        """Go on, no longer blocked: to be overridden. It may be called in the midst of ``send``."""

    def pauseProducing(self) -> None:
        """The transport has enough."""
        self.blocked = True
        if self._answer is not None:
            self._answer.full = True

    def resumeProducing(self) -> None:
        """The transport can take more; one of a socket is empty, or is just registered with."""
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
        """The transport is gone; ``connectionLost`` is called as well."""
