"""A connection: a :class:`LineReceiver` that names its peer, then lets it chat.

The states of a connection are functions: those of a person's are in :mod:`.dialog`, those of a
program's in :mod:`.dialog`. Here is what they have in common, and the last one of both, closing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
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

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.outlet import View, notices
from chatservice.doors.json import dialog as program
from chatservice.doors.json.view import JSON
from chatservice.doors.outbox import outbox
from chatservice.doors.sniffing import RecognisingFramer
from chatservice.doors.text import dialog as person
from chatservice.doors.text.view import TEXT
from chatservice.doors.throttle import ASKING, UNREAD
from chatservice.messages import Code, Error
from chatservice.text import wording

UNNAMED_READ: Final = 4 << 10
"""Bytes that are read at once of who has no name yet; of others it is what Twisted reads."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class ChatProtocol(RecognisingFramer):
    """One connection. The state is a function, changed by assignment: see the table above."""

    member: Member | None = None
    view: View = TEXT
    """How the peer is told of what happens: a person, until it is known to be a program."""

    heard = False
    """Whether a line came that was not empty."""

    tries = 0
    """Names that were given and can't be had."""

    _finished = False
    _half_closed = False
    """Whether the peer can send nothing more, as its kernel tells."""

    # Coming

    def connectionMade(self) -> None:
        """Wait for the handshake, if there is one, and for the first byte, which decides."""
        self.MAX_LENGTH = self.factory.line_bytes
        # Little is read at once of who has no name yet: a flood costs little until it is held.
        self.transport.bufferSize = UNNAMED_READ
        self.outbox = outbox(self.transport, self)
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

    def be_machine(self) -> None:
        """Speak JSON from now on: the peer is a program. No greeting is sent, if none was."""
        self.view = JSON
        self.telnet = False
        self._state = program.hello
        self.MAX_LENGTH = program.longest(self.factory.limits.max_line)
        if not self._greeted:
            self._greeted = True
            self.factory.admit(self)

    # Lines

    def lineReceived(self, line: bytes) -> None:
        """Handle one line, and see how soon the next may follow."""
        try:
            self._state(self, line)
        except Exception:
            self._failed(Failure())
        if self._state is not ChatProtocol._closing:
            self.pace()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say that a line was too long; the connection lives."""
        if self._state is not ChatProtocol._closing:
            self.tell_too_long()
            self.pace()

    def tell_too_long(self) -> None:
        """Say that a line was too long."""
        why = wording.TOO_LONG.format(most=self.factory.limits.max_line)
        self.refuse(Code.TOO_LONG, why)

    def wait_for(self, doing: Deferred[None]) -> None:
        """Handle no other line until something is done."""
        self.hold(ASKING)
        doing.addErrback(self._failed).addCallback(lambda _: self.release(ASKING))

    def _failed(self, failure: Failure) -> None:
        self.factory.log.failure("a command failed", failure)
        self.refuse(Code.WENT_WRONG, wording.WENT_WRONG)

    def named(self, member: Member) -> None:
        """Somebody is in: this is their connection from now on."""
        if self._state is ChatProtocol._closing:
            if member.outlet is self.outbox:  # Else another connection has it already.
                self.factory.chat.give_up(member)
            return
        self.member = member
        del self.transport.bufferSize
        self.factory.named(self)
        self._state = person.chatting if member.session is None else program.ask

    def chat_with(
        self, do: Callable[[Chat, Member, str], Deferred[None] | None], text: str
    ) -> None:
        """Have done what a line of somebody who is in says."""
        assert self.member is not None
        if self.member.gone:  # The house has closed meanwhile.
            self._leave()
            return
        doing = do(self.factory.chat, self.member, text)
        if doing is not None:
            self.wait_for(doing.addCallback(lambda _: self._obeyed()))
        elif self.member.gone:
            self._leave()

    def _obeyed(self) -> None:
        if self.member is not None and self.member.gone:
            self._leave()

    def _closing(self, line: bytes) -> None:
        """Ignore what still comes."""

    # A function, not a bound method: one object less for each connection.
    _state: Callable[[ChatProtocol, bytes], None] = staticmethod(person.naming)

    # Going

    def tell(self, *lines: str) -> None:
        """Say something of the service's own."""
        self.outbox.write(notices(self.view, *lines))

    def refuse(self, code: Code, why: str) -> None:
        """Tell that something is not done, or is over."""
        self.outbox.write(self.view.reply(Error(code=code.value, text=why)))

    def part(self, *why: str, code: Code | None = None) -> None:
        """Say why, and close.

        :param code: the same for a program, if there is such.
        """
        for line in why:
            if code is None:
                self.tell(line)
            else:
                self.refuse(code, line)
        self.finish()

    def replaced(self, last: bytes) -> None:
        """Let go of the member, which has another connection now, and close with these words."""
        self.member = None
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
        if self.member is not None:
            self.factory.lingering.discard(self)
            self._leave()
            self.factory.chat.hang_up(self.member)
        else:
            self.finish()

    def _leave(self) -> None:
        """Ignore what a member still sends who is gone; it is finished when it has read all."""
        self._state = ChatProtocol._closing
        self._leaves = self._watched = True
        self.drop_lines()

    def finish(self) -> None:
        """Close our half; the rest follows when the peer has closed its own, or in time.

        If it were closed at once, a byte that we have not read would make the kernel throw away
        what the peer has not.
        """
        if self._finished:
            return
        self._finished = self._greeted = True
        self._leave()
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
        if self.member is None:
            self._leave()
            return
        self.factory.chat.disconnect(self.member)
        if self.outbox.broken or not reason.check(ConnectionDone):
            self.drop_unfinished()
        self.release(UNREAD)
        self.end_input()
        if self._holds and not self.member.gone:
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
        if self.member is not None:
            self.factory.chat.drained(self.member)
