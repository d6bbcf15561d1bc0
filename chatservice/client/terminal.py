"""Talking on a terminal, line by line: the connection may come and go, the person stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.client.connection import (
    QUIT,
    Connection,
    ConnectionFactory,
    is_distrusted,
    reason_of,
)
from chatservice.client.stdio import StandardStreams, complain

JOIN: Final = "/join"

FIRST_PAUSE: Final = 1.0
"""Seconds until it is tried again to connect, and up to one more; pauses grow from there …"""

LONGEST_PAUSE: Final = 60.0
"""… up to this, in seconds."""


@implementer(IStreamClientEndpoint)
class _Dialled:
    """An endpoint that tells the terminal why it could not connect."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """See :class:`IStreamClientEndpoint`."""
        return self._terminal.endpoint.connect(factory).addErrback(self._terminal.not_there)


class Terminal(StandardStreams):
    """A person at a terminal, whose own line editing is all there is.

    A full connection pauses the input, a full output the connection: nothing piles up between.

    :param endpoint: of the server.
    :param where: the same in words.
    :param name: to come in with, if it is known.
    :param rooms: to be in, beside the first of the house.
    :ivar name: the one that the server knew last, or that it is to know.
    :ivar distrusted: whether the last connection was lost because TLS was not what it should be.
    """

    INTERRUPTED = 0

    connection: Connection | None = None
    distrusted = False
    _why = ""
    _failures = 0

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        where: str,
        name: str | None,
        rooms: Sequence[str] = (),
        complain: Callable[[str], None] = complain,
    ) -> None:
        super().__init__(complain)
        self.reactor = reactor
        self.endpoint = endpoint
        self.where = where
        self.name = name
        self._rooms = rooms

    def connectionMade(self) -> None:
        """Connect, and again whenever the connection is lost, after pauses that grow."""
        self._backoff = backoffPolicy(FIRST_PAUSE, LONGEST_PAUSE)
        self._service = ClientService(
            _Dialled(self), ConnectionFactory(self), self._pause, self.reactor
        )
        self._service.startService()

    # Of the server

    def reached(self, connection: Connection) -> None:
        """Join the connection to the streams, and give the name if there is one."""
        self.connection = connection
        if self.ending:
            self._close()
            return
        connection.transport.registerProducer(self, True)
        self.transport.registerProducer(connection.transport, True)
        if self.name is not None:
            connection.introduce(self.name)

    def heard(self, text: str) -> None:
        """Show what the server says."""
        self.show(text)

    def greeted(self) -> None:
        """The name is known: pauses are short again; go where one wants to be."""
        self._failures = 0
        for room in self._rooms:
            if self.connection is not None:
                self.connection.send(f"{JOIN} {room}")

    def name_refused(self, why: str) -> None:
        """The server has asked for another, and the person has read it."""

    def parted(self) -> None:
        """The server said goodbye."""
        self.end(0)

    def sent_away(self, why: str) -> None:
        """End, and don't come back by oneself; the person has read why."""
        self.end(1)

    def not_there(self, failure: Failure) -> Failure:
        """Note why there is no connection."""
        self._why = f"{self.where} is not there: {reason_of(failure)}"
        return failure

    def lost(self, failure: Failure) -> None:
        """Note why there is no connection any more; unless the person wanted that, say so."""
        known = self.connection is not None and self.connection.name is not None
        if self.connection is not None and known:
            self.name = self.connection.name
        self.connection = None
        self.distrusted = is_distrusted(failure) and not known
        if not self.ending:
            self.transport.unregisterProducer()
        if self.distrusted:
            self.end(1, f"{self.where} can't be trusted: {reason_of(failure)}")
        elif self._leaving:
            self.end(0)
        elif not self.ending:
            self._why = f"the connection to {self.where} was lost: {reason_of(failure)}"
            # It may have been paused because the connection was full.
            self.resumeProducing()

    def _pause(self, attempt: int) -> float:
        """Say that there is no connection, and return the seconds until there may be one.

        The attempts that count are those since the server last greeted: one that closes every
        connection at once is not there either.
        """
        seconds = self._backoff(self._failures)
        self._failures += 1
        self.complain(f"{self._why}; trying again in {seconds:.0f} s")
        return seconds

    def hang_up(self) -> None:
        """Close the connection, and make no other."""
        self._close()
        self._service.stopService()

    def _close(self) -> None:
        if self.connection is not None:
            # As long as it has a producer, TLS would not close.
            self.connection.transport.unregisterProducer()
            self.connection.transport.loseConnection()

    # Of the person

    _leaving = False

    def typed(self, text: str) -> None:
        """Send a line, if it is sure to be taken for what it is meant to be."""
        connection = self.connection
        if text.strip().partition(" ")[0].lower() == QUIT:
            self._leave(text)
        elif connection is None:
            self.complain("there is no connection: that was not sent")
        elif connection.asking:
            self.complain("the server has not answered to the name yet: that was not sent")
        elif connection.name is None:
            connection.introduce(text)
        else:
            connection.send(text)

    def input_ended(self) -> None:
        """Leave: that was Ctrl-D."""
        self._leave(QUIT)

    def _leave(self, line: str) -> None:
        self._leaving = True
        if self.connection is not None and self.connection.name is not None:
            self.connection.send(line)
        else:
            self.end(0)

    def output_ended(self) -> None:
        """Nobody sees what is said any more."""
        self.end(0)
