"""A connection: a :class:`LineReceiver` whose lines go to a dialog, until one of them closes it."""

from __future__ import annotations

from typing import Any, Final, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableDescriptor,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ISSLTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from chatservice.core.deadlines import Deadlines
from chatservice.doors.liveness import Progress
from chatservice.doors.outbox import outbox
from chatservice.doors.seam import Cause
from chatservice.doors.sniffing import Gate, RecognisingFramer
from chatservice.doors.throttle import UNREAD

UNNAMED_READ: Final = 4 << 10
"""Bytes that are read at once of who has no name yet; of others it is what Twisted reads."""


class Keeper(Gate, Protocol):
    """What tracks a connection from its beginning to its end: its factory.

    :ivar connections: every protocol that is connected.
    :ivar lingering: those that are not, of which lines still wait.
    :ivar progress: tells who takes what they are sent.
    """

    connections: dict[ChatProtocol, None]
    lingering: Deadlines[ChatProtocol]
    progress: Progress

    def arrived(self, protocol: ChatProtocol, handshake: bool) -> None:
        """Take a new connection."""

    def shaken(self, protocol: ChatProtocol) -> None:
        """Take note that a TLS handshake is done."""

    def named(self, protocol: ChatProtocol) -> None:
        """Take note that somebody is in."""

    def closing(self, protocol: ChatProtocol) -> None:
        """Take note that our half is closed."""

    def note(self, protocol: ChatProtocol, cause: Cause) -> None:
        """Write down why a connection is closed."""

    def lost(self, protocol: ChatProtocol) -> None:
        """Forget a connection."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class ChatProtocol(RecognisingFramer):
    """One connection. What its lines mean is a matter of its dialog (:mod:`.seam`)."""

    factory: Keeper

    has_member = False
    """Whether somebody is in who has this connection."""

    _finished = False
    _half_closed = False
    """Whether the peer can send nothing more, as its kernel tells."""

    # Coming

    def connectionMade(self) -> None:
        """Wait for the handshake, if there is one, and for the first byte, which decides."""
        # Little is read at once of who has no name yet: a flood costs little until it is held.
        self.transport.bufferSize = UNNAMED_READ
        self.outbox = outbox(self.transport, self)
        self.open(self.factory.doors[-1])
        tls = ISSLTransport.providedBy(self.transport)
        if isinstance(self.transport, ProtocolWrapper) and not tls:
            # A wrapper passes data on, but not the end of it.
            wrapper: Any = self.transport
            wrapper.readConnectionLost = self.readConnectionLost
            wrapper.writeConnectionLost = self.writeConnectionLost
            alsoProvides(wrapper, IHalfCloseableProtocol)
        self.factory.arrived(self, handshake=tls)

    def handshakeCompleted(self) -> None:
        """TLS is up; this is also called whenever it is negotiated again."""
        self.factory.shaken(self)

    # Lines

    def lineReceived(self, line: bytes) -> None:
        """Handle one line, and see how soon the next may follow."""
        if not self.heard and self.has_strange(line):
            return
        self.dialog.line(line)
        if not self._leaves:
            self.pace()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say that a line was too long; the connection lives."""
        if not self._leaves:
            self.dialog.too_long()
            self.pace()

    def entered(self) -> None:
        """See :meth:`.Connection.entered`."""
        self.has_member = True
        del self.transport.bufferSize
        self.factory.named(self)

    # Going

    def replaced(self, last: bytes) -> None:
        """Let go of the member, which has another connection now, and close with these words."""
        self.dialog.replaced()
        self.has_member = False
        if self in self.factory.connections:
            self.outbox.write(last)
            self.finish()
        else:
            self._finished = True
            self.factory.lingering.discard(self)
            self.give_up()

    def readConnectionLost(self) -> None:
        """The peer has nothing more to say, but may still read."""
        self._half_closed = True
        if self._finished:
            self.transport.loseConnection()
        else:
            if self.outbox.broken:
                self.drop_unfinished()
            self.end_input()

    def writeConnectionLost(self) -> None:
        """Our half is closed, as :meth:`finish` wanted."""

    def input_ended(self) -> None:
        """Leave, once everything was handled; what there is to read is delivered first."""
        self.factory.lingering.discard(self)
        self.dialog.ended()

    def finish(self, cause: Cause | None = None) -> None:
        """Close our half; the rest follows when the peer has closed its own, or in time.

        If it were closed at once, a byte that we have not read would make the kernel throw away
        what the peer has not.
        """
        if cause is not None:
            self.factory.note(self, cause)
        if self._finished:
            return
        self._finished = self._greeted = True
        self.dialog.closing()
        self.ignore()
        self.factory.closing(self)
        self.outbox.end()
        self.outbox.close()
        self.release(self._holds)
        tls = ISSLTransport.providedBy(self.transport)
        halves = IHalfCloseableDescriptor.providedBy(self.transport) and not tls
        if halves and not self._half_closed:
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave; what was read of the peer before is still handled, at its pace."""
        self._half_closed = True
        self.outbox.close()
        self.factory.lost(self)
        self.dialog.lost()
        if self._leaves:
            return
        if self.outbox.broken or not reason.check(ConnectionDone):
            self.drop_unfinished()
        self.release(UNREAD)
        self.end_input()
        if self._holds and not self._leaves:
            self.factory.lingering.add(self)

    def give_up(self) -> None:
        """Drop what still waits to be handled of a peer that is no more."""
        self.drop_lines()
        self.wait_no_more()
        self.release(self._holds)

    # Called by the outbox

    def drained(self) -> None:
        """The peer has read what waited."""
        self.factory.progress.forget(self)
        self.release(UNREAD)
        self.dialog.drained()
