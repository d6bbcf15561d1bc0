"""Talking on a terminal, line by line: the connection may come and go, the person stays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure

from chatservice.client.connection import (
    QUIT,
    Connection,
    ConnectionFactory,
    reason_of,
    wrong_with,
)
from chatservice.client.session.dialling import Dialler
from chatservice.client.streams.stdio import StandardStreams, complain

JOIN: Final = "/join"


class Terminal(StandardStreams):
    """A person at a terminal, whose own line editing is all there is.

    A full connection pauses the input, a full output the connection: nothing piles up between.

    :param endpoint: of the server.
    :param where: the same in words.
    :param name: to come in with, if it is known.
    :param rooms: to be in, beside the first of the house.
    :ivar name: the one that the server knew last, or that it is to know.
    """

    INTERRUPTED = 0

    connection: Connection | None = None

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
        self._dialler = Dialler(reactor, endpoint, ConnectionFactory(self), self._not_there)
        self.where = where
        self.name = name
        self._rooms = rooms

    def connectionMade(self) -> None:
        """Connect, and again whenever the connection is lost, after pauses that grow."""
        self._dialler.dial()

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
        """The name is known: go where one wants to be."""
        self._dialler.welcomed()
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

    def _not_there(self, failure: Failure) -> None:
        wrong = wrong_with(failure)
        if wrong is not None:
            self.end(1, f"{self.where} {wrong}")
        else:
            self._dial_again(f"{self.where} is not there: {reason_of(failure)}")

    def lost(self, failure: Failure) -> None:
        """Connect again; unless the person wanted that, say why there is no connection any more."""
        connection, self.connection = self.connection, None
        assert connection is not None
        if not self.ending:
            self.transport.unregisterProducer()
        wrong = wrong_with(failure)
        if connection.name is not None:
            self.name = connection.name
        elif wrong is not None:
            self.end(1, f"{self.where} {wrong}")
        if self._leaving:
            self.end(0)
        elif not self.ending:
            why = reason_of(failure, connection.silent)
            self._dial_again(f"the connection to {self.where} was lost: {why}")
            # It may have been paused because the connection was full.
            self.resumeProducing()

    def _dial_again(self, why: str) -> None:
        seconds = math.ceil(self._dialler.dial_later())
        self.complain(f"{why}; trying again in {seconds} s")

    def hang_up(self) -> None:
        """Close the connection, and make no other."""
        self._close()
        self._dialler.stop()

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
