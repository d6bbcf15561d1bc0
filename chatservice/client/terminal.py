"""Talking on a terminal, line by line: the connection may come and go, the person stays."""

from __future__ import annotations

from typing import Final

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.client.connection import (
    QUIT,
    ConnectionFactory,
    reason_of,
)
from chatservice.client.stdio import StandardStreams

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

    :ivar name: the one that the server knew last, or that it is to know.
    """

    INTERRUPTED = 0

    _why = ""
    _failures = 0

    def connectionMade(self) -> None:
        """Connect, and again whenever the connection is lost, after pauses that grow."""
        self._backoff = backoffPolicy(FIRST_PAUSE, LONGEST_PAUSE)
        self._service = ClientService(
            _Dialled(self), ConnectionFactory(self), self._pause, self.reactor
        )
        self._service.startService()

    # Of the server

    def greeted(self) -> None:
        """The name is known: pauses are short again."""
        self._failures = 0

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
        if self.connection is not None and self.connection.name is not None:
            self.name = self.connection.name
        super().lost(failure)
        self._why = self.loss(failure)
        if self.distrusted:
            self.end(1, self._why)
        elif self._leaving:
            self.end(0)
        elif not self.ending:
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
        super().hang_up()
        self._service.stopService()

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
