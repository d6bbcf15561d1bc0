"""The one way out of a connection: send now, else wait as a producer.

On plain TCP and unix sockets a write through the reactor costs several system calls and a trip
round the event loop for each reader; sending straight away while nothing is queued costs one. What
the kernel does not take is not kept here: the chat knows, by position, where the connection goes
on. So what waits in a connection is at most the rest of one line and the answers to its own
commands.

Everything else writes to its transport, which tells by ``pauseProducing`` when it has enough:
under TLS the socket must not be written to past the encryption, and a pull producer would spin. TLS
straight on a socket is still sent at once; TLS in something else, a PROXY wrapper and a transport
in a test go by the reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IPullProducer, IPushProducer, ISSLTransport
from zope.interface import implementer

from chatservice.core.networks import written

SLICE: Final = 32 << 10
"""Bytes that a transport is given before it is asked whether it has enough."""


class Owner(Protocol):
    """The connection that an outbox writes for."""

    def drained(self) -> None:
        """The outbox was blocked and no longer is; this may be told in the midst of ``send``."""

    def pace(self, lines: float) -> None:
        """The peer is to be charged for so many lines."""

    def wait_until(self, due: float) -> None:
        """The next line of the peer is to be handled at that time, and not before."""

    def finish(self) -> None:
        """The member has read all that it was to read."""

    def replaced(self, last: bytes) -> None:
        """The member has another connection now: close, with these words."""


def outbox(transport: Any, owner: Owner) -> Outbox:
    """Return the outbox for a transport."""
    if isinstance(transport, FileDescriptor) and not getattr(transport, "TLS", False):
        return DirectOutbox(transport, owner)
    if ISSLTransport.providedBy(transport):
        # Only with TLS, which not everybody has installed.
        from twisted.protocols.tls import TLSMemoryBIOProtocol

        if isinstance(transport, TLSMemoryBIOProtocol) and isinstance(
            transport.transport, FileDescriptor
        ):
            return TLSOutbox(transport, owner, TLSMemoryBIOProtocol.write)
    return Outbox(transport, owner)


class _Answer:
    """An answer that has the way out for itself.

    :ivar drained: to be called when there is room for a piece again, or the outlet is closed.
    :ivar full: the transport has enough.
    :ivar behind: what is written meanwhile, and waits.
    :ivar giving: a piece is being written.
    :ivar half: the last piece has no end of a line.
    """

    __slots__ = ("behind", "drained", "full", "giving", "half")

    def __init__(self, drained: Callable[[], None], full: bool) -> None:
        self.drained = drained
        self.full = full
        self.behind = b""
        self.giving = False
        self.half = False


@implementer(IPushProducer)
class Outbox:
    """Writes to any transport; an :class:`.Outlet`.

    :ivar unsent: bytes written that wait, as far as is known, since it was blocked.
    :ivar blocked: the transport has enough, or an answer has the way for itself.
    :ivar site: see :attr:`.Outlet.site`; to be set when it is known.
    :ivar broken: the connection was found to be lost. A socket tells that once: who reads it
        afterwards is told that the peer has ended its half.
    """

    __slots__ = (
        "_answer",
        "_owner",
        "_transport",
        "blocked",
        "broken",
        "closed",
        "site",
        "unsent",
    )

    def __init__(self, transport: Any, owner: Owner) -> None:
        self.site = ""
        self._transport = transport
        self._owner = owner
        self.blocked = False
        self.broken = False
        self.unsent = 0
        self.closed = False
        self._answer: _Answer | None = None
        self._register()

    def _register(self) -> None:
        self._transport.registerProducer(self, True)

    @property
    def address(self) -> str:
        """See :attr:`.Outlet.address`."""
        return written(getattr(self._transport.getPeer(), "host", None) or "")

    def send(self, data: bytes) -> int:
        """See :meth:`.Outlet.send`."""
        sent = 0
        while sent < len(data) and not self.blocked:
            self._write(data[sent : sent + SLICE])
            sent += SLICE
        return min(sent, len(data))

    def write(self, data: bytes) -> None:
        """See :meth:`.Outlet.write`."""
        answer = self._answer
        if answer is not None and not answer.giving:
            answer.behind += data
            self.unsent += len(data)
        elif not self.closed:
            self._write(data)
            if self.blocked:
                self.unsent += len(data)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)

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
        behind = (b"\r\n" if answer.half else b"") + answer.behind
        if behind:
            self.write(behind)
        if not self.blocked:
            self._owner.drained()

    def charge(self, lines: float) -> None:
        """See :meth:`.Outlet.charge`."""
        if not self.closed:
            self._owner.pace(lines)

    def wait_until(self, due: float) -> None:
        """See :meth:`.Outlet.wait_until`."""
        self._owner.wait_until(due)

    def finish(self) -> None:
        """See :meth:`.Outlet.finish`."""
        if not self.closed:
            self._owner.finish()

    def replace(self, last: bytes) -> None:
        """See :meth:`.Outlet.replace`."""
        self._owner.replaced(last)

    def close(self) -> None:
        """Take nothing more; what was written is still sent, if the connection lives."""
        if not self.closed:
            self.closed = self.blocked = True
            self.unsent = 0
            answer, self._answer = self._answer, None
            self._transport.unregisterProducer()
            if answer is not None:
                answer.drained()

    def pauseProducing(self) -> None:
        """The transport has enough."""
        self.blocked = True
        if self._answer is not None:
            self._answer.full = True

    def resumeProducing(self) -> None:
        """The transport can take more."""
        answer = self._answer
        if answer is None:
            self.unsent = 0
            self.blocked = False
            self._owner.drained()
            return
        self.unsent = len(answer.behind)
        answer.full = False
        if answer.giving:
            self.blocked = False
        else:
            answer.drained()

    def stopProducing(self) -> None:
        """The transport is gone; the owner's ``connectionLost`` is called as well."""


class TLSOutbox(Outbox):
    """Encrypts, and sends what the socket takes, at once: in the time of whoever writes.

    By itself the transport does the one in the next turn of the reactor and the other in the one
    after that, so a line would go out two turns later, and what that costs would be in no slice
    of time.

    :param encrypt: writes to the transport at once, as :class:`.TLSMemoryBIOProtocol` does and
        :class:`.BufferingTLSTransport`, which it is, does not.
    """

    __slots__ = ("_encrypt",)

    def __init__(
        self, transport: Any, owner: Owner, encrypt: Callable[[Any, bytes], object]
    ) -> None:
        self._encrypt = encrypt
        super().__init__(transport, owner)

    def _write(self, data: bytes) -> None:
        self._encrypt(self._transport, data)
        plain = self._transport.transport
        if plain.connected and not plain.disconnecting:
            # What it does not take, and what went wrong, the reactor finds when it writes.
            plain.doWrite()


@implementer(IPullProducer)
class DirectOutbox(Outbox):
    """Writes to the socket itself while nothing is queued."""

    __slots__ = ("_socket",)

    def _register(self) -> None:
        self._socket = self._transport.getHandle()

    def send(self, data: bytes) -> int:
        """See :meth:`.Outlet.send`."""
        if self.blocked:
            return 0
        try:
            sent: int = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            # The reactor finds out when it writes or reads.
            self.broken = True
            sent = 0
        if sent < len(data):
            self._block()
        return sent

    def _block(self) -> None:
        # A pull producer is called when it registers, and then when the transport is empty.
        self._transport.registerProducer(self, False)
        self.blocked = True
        self._transport.startWriting()

    def write(self, data: bytes) -> None:
        """See :meth:`.Outlet.write`."""
        if self._answer is not None and not self._answer.giving:
            super().write(data)
            return
        data = data[self.send(data) :]
        if data and not self.closed:
            self._transport.write(data)
            self.unsent += len(data)

    def resumeProducing(self) -> None:
        """The transport is empty."""
        if self.blocked:
            self._transport.unregisterProducer()
            super().resumeProducing()
