"""A connection: by which door it comes, how fast it is read, and how it ends.

The first bytes decide by which door, and a silence: who says nothing for a moment is a person who
waits for us to speak. Who was greeted is still recognised by the first bytes, whenever they come.
Then there are lines, which go to a dialog, until one of the two closes the connection.

Nothing is dropped for being too fast, or while the house can't keep up. The connection is held, so
its bytes wait in the kernels of both sides, and TCP makes the peer wait.
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
"""Bytes that are read at once of who has no name yet; of others it is what Twisted reads."""

COMMANDS_A_LINE: Final = 64
"""Telnet commands that count as one line against the rate."""

UNSENT_MOST: Final = 64 << 10
"""Bytes of answers that may wait for a peer before it is no longer read from."""

ASKING, PACE, UNREAD, CLOGGED, STOPPING, SHARE = (1 << bit for bit in range(6))
"""Why a connection is held: an answer is awaited, it is too fast, it does not read, the journal
refuses, the house closes, its address has used up its share."""

NOTICEABLE: Final = 0.3
"""Seconds for which a line has to wait before its author is told why."""

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
]
"""What is set on nearly each connection while it lives."""


class Keeper(Protocol):
    """What tracks a connection from its beginning to its end: its factory.

    :ivar interval: seconds a line, from the rate; 0 for no rate.
    :ivar ahead: seconds by which a connection may be ahead of its rate.
    :ivar paced: the connections that are held for it.
    :ivar intake: takes the lines of all connections, and sometimes can't.
    :ivar doors: in the order in which they are asked; the last one takes whoever is silent.
    :ivar lingering: those that are connected no more, but of which lines still wait.
    :ivar progress: tells who takes what they are sent.
    :ivar unnamed: the connections that nobody is in yet.
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
        """Take note that a TLS handshake is done."""

    def typed(self, protocol: ChatProtocol) -> None:
        """Take note of an empty line."""

    def met_stranger(self, protocol: ChatProtocol) -> None:
        """Take note of a peer that takes us for something else."""

    def admit(self, protocol: ChatProtocol) -> bool:
        """Let a connection on, or part with it."""

    def place(self, protocol: ChatProtocol, instead: bool = False) -> bool:
        """Give a connection a place among those of its address, or part with it."""

    def closing(self, protocol: ChatProtocol) -> None:
        """Take note that our half is closed."""

    def note(self, protocol: ChatProtocol, cause: Cause) -> None:
        """Write down why a connection is closed."""

    def lost(self, protocol: ChatProtocol) -> None:
        """Forget a connection."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class ChatProtocol(Outbox, LineFramer):
    """One connection. What its lines mean is a matter of its dialog (:mod:`.seam`).

    :ivar dialog: what somebody says and is shown on it.
    """

    factory: Keeper
    dialog: Dialog

    admitted = False
    """Whether its address may have it: this is found out once."""

    counted_in: Counter[str] | None = None
    """Where it is counted for its address: among those that wait for a place, or have one."""

    cause: Cause | None = None
    """Why it is closed, if the service has a cause."""

    operator = False
    """Whether who has this connection may do what is for operators; they are in no hurry."""

    negotiates = False
    """Whether telnet's options are negotiated with the greeting: its listener was told so."""

    has_member = False
    """Whether somebody is in who has this connection."""

    heard = False
    """Whether a line came that was not empty: so it is none of a stranger."""

    given = 0
    """How many lines were given to the dialog: each has its number."""

    _preamble: bytes | None = b""
    """Blanks and the like that came before anything that tells what the peer is; then None."""

    _greeted = False

    _leaves = False
    """Whether what comes is not handled any more."""

    _next_line_at = 0.0
    _share: Timer | None = None
    _told_to_wait = False

    _half_closed = False
    """Whether the peer can send nothing more, as its kernel tells."""

    # Coming

    def connectionMade(self) -> None:
        """Wait for the handshake, if there is one, and for the first byte, which decides."""
        # Little is read at once of who has no name yet: a flood costs little until it is held.
        self.transport.bufferSize = UNNAMED_READ
        self.open_outbox()
        self._open(self.factory.doors[-1])
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

    @property
    def certificate(self) -> str | None:
        """See :attr:`.Connection.certificate`."""
        tls = ISSLTransport.providedBy(self.transport)
        shown = self.transport.getPeerCertificate() if tls else None
        return shown.digest("sha256").replace(b":", b"").decode().lower() if shown else None

    def _open(self, door: Door) -> None:
        """Let the peer in by a door, in the place of the one it was at."""
        self.dialog = dialog = self.factory.open(door, self)
        self.MAX_LENGTH = dialog.longest
        self.telnet = dialog.telnet

    def dataReceived(self, data: bytes) -> None:
        """Take bytes: the first decide what the peer is. Telnet commands have their price."""
        if self._leaves or self._preamble is not None or not self._greeted:
            data = self._begin(data)
            if not data:
                return
        commands = data.count(b"\xff")
        if commands:
            self.pace(commands / COMMANDS_A_LINE)
        super().dataReceived(data)

    def _begin(self, data: bytes) -> bytes:
        """Look at bytes before there are only lines to come; return what is to be handled now."""
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
        """Find out what the peer is; return what is to be handled now.

        While nothing but blanks came, it may be a program yet. Until the greeting they wait; after
        it, empty lines are a person's.
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
        """Whether not even an empty line has come that waits for the greeting."""
        return b"\n" not in (self._preamble or b"")

    def greet(self) -> None:
        """Let the dialog speak: the peer said something, or was silent for a moment."""
        if self._greeted:
            return
        self._greeted = True
        if self.factory.admit(self) and self.place():
            if self.negotiates:
                self.negotiate()
            self.dialog.greet()
        if self._preamble:
            self.dataReceived(b"")  # The empty lines that waited.

    def _is_stranger(self, first: bytes) -> bool:
        """Part with a peer that takes us for something else."""
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
        """Handle one line, and see how soon the next may follow."""
        if not self.heard:
            if self._leaves or self._is_stranger(line):
                return
            self.heard = bool(line.strip())
        self.given += 1
        self.dialog.line(self.given, line)
        if not self._leaves:
            self.pace()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say that a line was too long; the connection lives."""
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
        """Count lines, and hold the connection if it is too fast or should be read from no more.

        The generic cell rate algorithm (ITU-T I.371): one number says how far ahead of its rate the
        connection is.
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
        """Go on, if the connection is no longer ahead of its rate."""
        if self._next_line_at - self.factory.clock.seconds() > self.factory.ahead:
            self.factory.paced.add(self)
        else:
            self.release(PACE)

    def _clog(self) -> None:
        """Handle no line until the journal takes what was said."""
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
        """See :meth:`.Outlet.wait_until`; it is told why, once."""
        if self._share is None:
            self._share = Timer(self.factory.clock, self.wait_no_more)
        wait = max(0.0, due - self.factory.clock.seconds())
        if wait >= NOTICEABLE and not self._told_to_wait:
            self._told_to_wait = True
            self.dialog.tell("much is said from your address: what you say waits for its turn")
        self.hold(SHARE)
        self._share.start(wait)

    def wait_no_more(self) -> None:
        """Handle the next line, whatever the share of its address is."""
        if self._share is not None:
            self._share.stop()
        self.release(SHARE)

    def telnet_answer(self, answer: bytes) -> None:
        """Answer behind what was sent before; who reads no answers is not read from."""
        self.write(answer)
        self.pace(0)

    def drained(self) -> None:
        """Go on: the peer has read what waited."""
        self.factory.progress.forget(self)
        self.release(UNREAD)
        self.dialog.drained()

    # Going

    def ending(self) -> None:
        """Greet who was silent: what it left unfinished is handled then."""
        self.greet()
        if self._preamble:
            preamble, self._preamble = self._preamble, None
            super().dataReceived(preamble)

    def input_ended(self) -> None:
        """Leave, once everything was handled; what there is to read is delivered first."""
        self.factory.lingering.discard(self)
        self.dialog.ended()

    def readConnectionLost(self) -> None:
        """The peer has nothing more to say, but may still read."""
        self._half_closed = True
        if self.closed:
            self.transport.loseConnection()
        else:
            if self.broken:
                self.drop_unfinished()
            self.end_input()

    def writeConnectionLost(self) -> None:
        """Our half is closed, as :meth:`finish` wanted."""

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
        """Say why, and close.

        :param code: the same in short, if it is a refusal.
        :param cause: the same for the log.
        """
        self.dialog.tell(*why, code=code)
        self.finish(cause)

    def finish(self, cause: Cause | None = None) -> None:
        """Close our half; the rest follows when the peer has closed its own, or in time.

        If it were closed at once, a byte that we have not read would make the kernel throw away
        what the peer has not.
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
        """Leave; what was read of the peer before is still handled, at its pace."""
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
        """Drop what still waits to be handled of a peer that is no more."""
        self.drop_lines()
        self.wait_no_more()
        self.release(self._holds)


def _share_keys() -> None:
    """Have the dictionaries of all connections share their keys (PEP 412), whoever is first.

    Python learns the keys from the first thirty instances. If these come at once, it has learned
    only those of the very beginning, and each connection gets a dictionary of its own, which is
    twice as large.
    """
    first = ChatProtocol()
    for key in LASTING:
        setattr(first, key, None)


_share_keys()
