"""Talking through a pipe: each line is taken, or the exit status says that one was not."""

from __future__ import annotations

import signal
from typing import Final

from twisted.python.failure import Failure

from chatservice import wording
from chatservice.client.connection import OWN, QUIT, Connection, ConnectionFactory, reason_of
from chatservice.client.stdio import StandardStreams

_REFUSALS: Final = tuple(OWN + words for words in wording.REFUSALS)


class Pipe(StandardStreams):
    """A program: it waits until the server has greeted, sends all, and waits for the goodbye.

    The server says that when it has taken all that came before ``/quit``, so it is the receipt.
    After a ``/quit`` of the program's own nothing counts any more.
    """

    INTERRUPTED = 128 + signal.SIGINT

    _introduced = False
    _greeted = False
    _all_read = False
    _refusals = 0
    _first_refusal = ""

    def connectionMade(self) -> None:
        """Connect, once."""
        self.pauseProducing()
        self.endpoint.connect(ConnectionFactory(self)).addErrback(self._not_there)

    def _not_there(self, failure: Failure) -> None:
        self.end(1, f"{self.where} is not there: {reason_of(failure)}")

    # Of the server

    def reached(self, connection: Connection) -> None:
        """Give the name; if there is none, read it."""
        self._introduced = self.name is not None
        super().reached(connection)
        if not self._introduced:
            self.resumeProducing()

    def greeted(self) -> None:
        """Send what there is to send."""
        self._greeted = True
        if self._all_read:
            self._send(QUIT)
        else:
            self.resumeProducing()

    def name_refused(self, why: str) -> None:
        """End: there is nobody to think of another name."""
        self.end(1, f"the name was refused: {why}")

    def heard(self, text: str) -> None:
        """Show what the server says, and note what it did not take."""
        super().heard(text)
        if self._greeted and text.startswith(_REFUSALS):
            self._first_refusal = self._first_refusal or text.removeprefix(OWN)
            self._refusals += 1

    def parted(self) -> None:
        """All was read, if maybe not taken."""
        if self._refusals:
            lines = "a line" if self._refusals == 1 else f"{self._refusals:,} lines"
            self.end(1, f"the server did not take {lines}: {self._first_refusal}")
        else:
            self.end(0)

    def sent_away(self, why: str) -> None:
        """End: nothing more is taken."""
        self.end(1, why)

    def lost(self, failure: Failure) -> None:
        """End: what was taken is not known."""
        super().lost(failure)
        self.end(1, self.loss(failure))

    # Of the program

    def resumeProducing(self) -> None:
        """Read on, unless an answer to the name has to come first."""
        if self._greeted or not self._introduced:
            super().resumeProducing()

    def typed(self, text: str) -> None:
        """Send a line; the first one may be the name, and then the others wait."""
        if self._introduced:
            self._send(text)
        elif self.connection is not None:
            self._introduced = True
            self.pauseProducing()
            self.connection.introduce(text)

    def input_ended(self) -> None:
        """Take leave, if the name was granted, or as soon as it is."""
        self._all_read = True
        if not self._introduced:
            self.end(1, "there is no name: give one with --name, or as the first line")
        elif self._greeted:
            self._send(QUIT)

    def output_ended(self) -> None:
        """What is said could not be read."""
        self.end(1, "nobody reads the standard output any more")

    def _send(self, text: str) -> None:
        if self.connection is not None:
            self.connection.send(text)
