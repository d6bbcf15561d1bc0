"""A connection: how its door is found, how fast it is read, and how it ends.

The first bytes decide the door, or a silence: a peer that sends nothing for a moment is a person
who waits for a greeting. After the greeting, the first bytes still decide, whenever they come. Then
lines go to the dialog, until the dialog or the peer closes the connection.

No line is dropped because the peer is too fast or the service can't keep up. Instead, the
connection is held, so its bytes wait in both kernels, and TCP makes the peer wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableDescriptor,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from chatservice.clock import Timer
from chatservice.core.deadlines import Deadlines
from chatservice.core.feed.ticker import Ticker
from chatservice.doors.first_bytes import (
    PREAMBLE_MOST,
    after_preamble,
    answer_to_stranger,
    door_for,
)
from chatservice.doors.framing import LineFramer
from chatservice.doors.liveness import Progress
from chatservice.doors.outbox import Outbox
from chatservice.doors.seam import Cause, Dialog, Door
from chatservice.messages import Code

UNNAMED_READ: Final = 4 << 10
"""Most bytes in one read from a peer that is no member yet. Later, Twisted's default applies."""

COMMANDS_A_LINE: Final = 64
"""Number of telnet commands that count as one line against the rate."""

UNSENT_MOST: Final = 64 << 10
"""Bytes of answers that may wait for a peer before reading from it stops."""

ASKING, PACE, UNREAD, CLOGGED, STOPPING, SHARE = (1 << bit for bit in range(6))
"""The reasons to hold a connection: a line is being handled, the peer is too fast, the peer does
not read, the journal refuses, the service stops, the address has used up its share."""

NOTICEABLE: Final = 0.3
"""Least wait of a line, in seconds, for which its author is told the reason."""

LASTING: Final = [
    "factory",
    "transport",
    "connected",
    "blocked",
    "_socket",
    "dialog",
    "MAX_LENGTH",
    "telnet",
    "admitted",
    "site",
    "counted_in",
    "_greeted",
    "_preamble",
    "heard",
    "_buffer",
    "_at",
    "_busy",
    "_holds",
    "paused",
    "given",
    "_next_line_at",
    "has_member",
    "unsent",
    "_telnet",
    "_share",
    "_told_to_wait",
    "_answer",
]
"""The attributes that are set on many connections during their life.

One that is not here costs a connection the sharing, once another has set one, too: a dictionary of
its own, of more than a kilobyte. No more than 30 can be shared.
"""


class Keeper(Protocol):
    """The factory as a connection sees it: it tracks each connection from beginning to end.

    :ivar interval: seconds for each line, from the rate; 0 for no rate.
    :ivar ahead: seconds by which a connection may be ahead of its rate.
    :ivar paced: the connections that are held because they are ahead of their rate.
    :ivar intake: takes the lines of all connections, unless it is clogged.
    :ivar doors: the doors, in the order in which they are asked; the last takes silent peers.
    :ivar lingering: the lost connections that still have lines to be handled.
    :ivar progress: tells which peers take the bytes they are sent.
    :ivar unnamed: the connections that have no member yet.
    """

    clock: IReactorTime
    interval: float
    ahead: float
    paced: Deadlines[ChatProtocol]
    intake: Ticker
    doors: Sequence[Door]
    lingering: Deadlines[ChatProtocol]
    progress: Progress
    unnamed: Deadlines[ChatProtocol]

    def open(self, door: Door, protocol: ChatProtocol) -> Dialog:
        """Begin the dialog of a connection."""

    def arrived(self, protocol: ChatProtocol, handshake: bool) -> None:
        """Take a new connection."""

    def shaken(self, protocol: ChatProtocol) -> None:
        """Note that a TLS handshake is done."""

    def typed(self, protocol: ChatProtocol) -> None:
        """Note an empty line from a peer that was not greeted yet."""

    def met_stranger(self, protocol: ChatProtocol) -> None:
        """Note a peer that speaks HTTP or TLS."""

    def admit(self, protocol: ChatProtocol) -> bool:
        """Admit a connection, or close it; return whether it was admitted."""

    def place(self, protocol: ChatProtocol, instead: bool = False) -> bool:
        """Give a connection a place among those of its address, or close it."""

    def closing(self, protocol: ChatProtocol) -> None:
        """Note that our half of a connection is closed."""

    def note(self, protocol: ChatProtocol, cause: Cause) -> None:
        """Log the cause for which a connection is closed."""

    def lost(self, protocol: ChatProtocol) -> None:
        """Forget a connection that was lost."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class ChatProtocol(Outbox, LineFramer):
    """One connection. Its dialog gives the lines their meaning (:mod:`.seam`).

    :ivar dialog: handles the peer's lines, and decides what the peer is shown.
    """

    factory: Keeper
    dialog: Dialog

    admitted = False
    """Whether the peer's address was checked already. It is checked only once."""

    counted_in: Counter[str] | None = None
    """The counts by address that include this connection: of those with a place, or without one."""

    cause: Cause | None = None
    """The cause for which the service closes the connection, if any."""

    operator = False
    """Whether the person on this connection is an operator; operators have no login timeout."""

    negotiates = False
    """Whether telnet's options are negotiated with the greeting, as the listener's option says."""

    has_member = False
    """Whether a member uses this connection."""

    heard = False
    """Whether a line came that was not empty. Only up to that line, HTTP and TLS are looked for."""

    given = 0
    """The number of lines passed to the dialog, which is the last line's number."""

    _preamble: bytes | None = b""
    """The blanks and empty lines before the first telling bytes; None once the door is decided."""

    _greeted = False

    _leaves = False
    """Whether further input is ignored."""

    _next_line_at = 0.0
    _share: Timer | None = None
    _told_to_wait = False

    _half_closed = False
    """Whether the peer has closed its half, so no more can come."""

    # Coming

    def connectionMade(self) -> None:
        """Wait for the TLS handshake, if there is one, and for the first bytes or a silence."""
        # Until a peer has a name, reads are small, so a flood costs little before it is held.
        self.transport.bufferSize = UNNAMED_READ
        self.open_outbox()
        self._open(self.factory.doors[-1])
        tls = ISSLTransport.providedBy(self.transport)
        if isinstance(self.transport, ProtocolWrapper) and not tls:
            # A wrapper passes data on, but not the half-closing of the connection.
            wrapper: Any = self.transport
            wrapper.readConnectionLost = self.readConnectionLost
            wrapper.writeConnectionLost = self.writeConnectionLost
            alsoProvides(wrapper, IHalfCloseableProtocol)
        self.factory.arrived(self, handshake=tls)

    def handshakeCompleted(self) -> None:
        """Note that the TLS handshake is done. A renegotiation calls this again."""
        self.factory.shaken(self)

    @property
    def certificate(self) -> str | None:
        """See :attr:`.Connection.certificate`."""
        tls = ISSLTransport.providedBy(self.transport)
        shown = self.transport.getPeerCertificate() if tls else None
        return shown.digest("sha256").replace(b":", b"").decode().lower() if shown else None

    def _open(self, door: Door) -> None:
        """Begin the dialog of a door, instead of the present dialog."""
        self.dialog = dialog = self.factory.open(door, self)
        self.MAX_LENGTH = dialog.longest
        self.telnet = dialog.telnet

    def dataReceived(self, data: bytes) -> None:
        """Take bytes. The first ones decide the door; telnet commands count against the rate."""
        if self._leaves or self._preamble is not None or not self._greeted:
            data = self._begin(data)
            if not data:
                return
        commands = data.count(b"\xff")
        if commands:
            self.pace(commands / COMMANDS_A_LINE)
        super().dataReceived(data)

    def _begin(self, data: bytes) -> bytes:
        """Examine bytes until the door is known and the peer greeted; return those to handle."""
        if self._leaves:
            return b""
        if self._preamble is not None:
            data = self._recognise(self._preamble + data)
        elif not self._greeted and b"\n" in data and self._is_stranger(self._buffer + data):
            return b""
        if not self._greeted and b"\n" in data:
            self.greet()
        return data

    def _recognise(self, first: bytes) -> bytes:
        """Find the peer's door by its first bytes; return the bytes to handle now.

        A peer that has sent only blanks may still be a program. Its blanks wait until the greeting;
        after that, its empty lines are handled as a person's.
        """
        telling = after_preamble(first)
        doors = self.factory.doors
        door = door_for(telling, doors) if telling else None
        if door is None and len(first) <= PREAMBLE_MOST:
            blank = len(first) - len(telling)
            handled = first.rfind(b"\n", 0, blank) + 1 if self._greeted else 0
            self._preamble = first[handled:]
            if b"\n" in self._preamble:
                self.factory.typed(self)
            return first[:handled]
        self._preamble = None
        if self._is_stranger(telling):
            return b""
        if door is None or door is doors[-1] or self.operator:
            return first
        self.drop_lines()
        self._open(door)
        if not self._greeted:
            self._greeted = True
            self.factory.admit(self)
        return telling

    @property
    def silent(self) -> bool:
        """Whether no empty line waits for the greeting."""
        return b"\n" not in (self._preamble or b"")

    def greet(self) -> None:
        """Greet the peer, unless that was done or its address may not connect."""
        if self._greeted:
            return
        self._greeted = True
        if self.factory.admit(self) and self.place():
            if self.negotiates:
                self.negotiate()
            self.dialog.greet()
        if self._preamble:
            self.dataReceived(b"")  # This handles the empty lines that waited.

    def _is_stranger(self, first: bytes) -> bool:
        """Return whether the peer speaks HTTP or TLS; if it does, answer and close."""
        stranger = answer_to_stranger(first)
        if stranger is not None:
            cause, answer = stranger
            self.factory.met_stranger(self)
            self.write(answer)
            self.finish(cause)
        return stranger is not None

    def place(self, instead: bool = False) -> bool:
        """See :meth:`.Connection.place`."""
        return self.factory.place(self, instead)

    def entered(self) -> None:
        """See :meth:`.Connection.entered`."""
        self.has_member = True
        del self.transport.bufferSize
        self.factory.unnamed.discard(self)

    # Lines

    def lineReceived(self, line: bytes) -> None:
        """Pass one line to the dialog, and count it against the rate."""
        if not self.heard:
            if self._leaves or self._is_stranger(line):
                return
            self.heard = bool(line.strip())
        self.given += 1
        self.dialog.line(self.given, line)
        if not self._leaves:
            self.pace()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Tell the peer that a line was too long, and count it against the rate."""
        if not self._leaves:
            self.dialog.too_long()
            self.pace()

    def wait(self) -> None:
        """See :meth:`.Connection.wait`."""
        self.hold(ASKING)

    def handled(self, number: int) -> None:
        """See :meth:`.Connection.handled`."""
        self.release(ASKING)

    def ignore(self) -> None:
        """See :meth:`.Connection.ignore`."""
        self._leaves = True
        self.drop_lines()

    def pace(self, lines: float = 1) -> None:
        """Count lines, and hold the connection if it is too fast or should not be read from now.

        This is the generic cell rate algorithm (ITU-T I.371): one number says how far the
        connection is ahead of its rate.
        """
        factory = self.factory
        if factory.interval:
            now = factory.clock.seconds()
            self._next_line_at = max(self._next_line_at, now) + lines * factory.interval
            if self._next_line_at - now > factory.ahead and not self._holds & PACE:
                self.hold(PACE)
                factory.paced.add(self)
        if self.unsent > UNSENT_MOST:
            self.hold(UNREAD)
        if factory.intake.clogged:
            self._clog()

    def keep_pace(self) -> None:
        """Release the connection, if it is no longer too far ahead of its rate."""
        if self._next_line_at - self.factory.clock.seconds() > self.factory.ahead:
            self.factory.paced.add(self)
        else:
            self.release(PACE)

    def _clog(self) -> None:
        """Hold the connection while the journal refuses lines, and check after each attempt."""
        if self.factory.intake.clogged:
            self.hold(CLOGGED)
            self.factory.intake.after_attempt(self._clog)
        else:
            self.release(CLOGGED)

    def charge(self, lines: float) -> None:
        """See :meth:`.Outlet.charge`."""
        if not self.closed:
            self.pace(lines)

    def wait_until(self, due: float) -> None:
        """See :meth:`.Outlet.wait_until`. The peer is told the reason once."""
        if self._share is None:
            self._share = Timer(self.factory.clock, self.wait_no_more)
        wait = max(0.0, due - self.factory.clock.seconds())
        if wait >= NOTICEABLE and not self._told_to_wait:
            self._told_to_wait = True
            self.dialog.tell("much is said from your address: what you say waits for its turn")
        self.hold(SHARE)
        self._share.start(wait)

    def wait_no_more(self) -> None:
        """Handle the next line now, regardless of the share of the peer's address."""
        if self._share is not None:
            self._share.stop()
            self._share = None
        self.release(SHARE)

    def telnet_answer(self, answer: bytes) -> None:
        """Write a telnet answer, and hold the connection if too many answers wait to be read."""
        if answer:
            self.write(answer)
            self.pace(0)

    def drained(self) -> None:
        """Handle further lines and send more, because all waiting bytes went out to the peer."""
        self.factory.progress.forget(self)
        self.release(UNREAD)
        self.dialog.drained()

    # Going

    def ending(self) -> None:
        """Greet a peer whose input ends, and handle the blanks and the rest that it sent before."""
        self.greet()
        if self._preamble:
            preamble, self._preamble = self._preamble, None
            super().dataReceived(preamble)

    def input_ended(self) -> None:
        """Leave, because all lines were handled. A member first reads all its events."""
        self.factory.lingering.discard(self)
        self.dialog.ended()

    def readConnectionLost(self) -> None:
        """End the input. The peer has closed its half, but may still read."""
        self._half_closed = True
        if self.closed:
            self.transport.loseConnection()
        else:
            if self.broken:
                self.drop_unfinished()
            self.end_input()

    def writeConnectionLost(self) -> None:
        """Do nothing: our half is closed, as :meth:`finish` requested."""

    def replace(self, last: bytes) -> None:
        """See :meth:`.Outlet.replace`."""
        self.dialog.replaced()
        self.has_member = False
        if not self.closed:
            self.write(last)
            self.finish()
        else:
            self.factory.lingering.discard(self)
            self.give_up()

    def part(self, *why: str, code: Code | None = None, cause: Cause | None = None) -> None:
        """Tell the peer why the connection is closed, and close it.

        :param code: a short form of the reason, if it is a refusal.
        :param cause: the cause for the log.
        """
        self.dialog.tell(*why, code=code)
        self.finish(cause)

    def finish(self, cause: Cause | None = None) -> None:
        """Close our half; the connection ends when the peer closes its half, or on a timeout.

        If both halves were closed at once, an unread byte from the peer would make the kernel throw
        away the bytes that the peer has not received yet.
        """
        if cause is not None:
            self.factory.note(self, cause)
        if self.closed:
            return
        self._greeted = True
        self.ignore()
        self.factory.closing(self)
        self.end()
        self.close()
        self.release(self._holds)
        tls = ISSLTransport.providedBy(self.transport)
        halves = IHalfCloseableDescriptor.providedBy(self.transport) and not tls
        if halves and not self._half_closed:
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Clean up. Lines that were read before are still handled, at the usual rate."""
        self._half_closed = True
        self.close()
        self.factory.lost(self)
        self.dialog.lost()
        if self._leaves:
            return
        if self.broken or not reason.check(ConnectionDone):
            self.drop_unfinished()
        self.release(UNREAD)
        self.end_input()
        if self._holds and not self._leaves:
            self.factory.lingering.add(self)

    def give_up(self) -> None:
        """Drop the lines that still wait from a lost connection."""
        self.drop_lines()
        self.wait_no_more()
        self.release(self._holds)


def _share_keys() -> None:
    """Make the dictionaries of all connections share their keys (PEP 412).

    Python learns the keys from the first thirty instances. If those connect all at once, Python
    learns only the keys that are set first. Each connection then gets a dictionary of its own,
    which is twice as large.
    """
    first = ChatProtocol()
    for key in LASTING:
        setattr(first, key, None)


_share_keys()
