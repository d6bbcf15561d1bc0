"""The common part of programs at the standard streams.

Each has a session and an exit status: 0 if the server took all lines; 1 if not, or if there was no
connection, with a sentence on the standard error; 130 if the program was interrupted.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice import messages
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.outgoing import error_in
from chatservice.client.session.session import Listener, Session
from chatservice.client.stored.state import Entrance
from chatservice.client.streams.backlog import Backlog

MOST: Final = 64
"""Lines that may be sent and unanswered."""

INTERRUPTED: Final = 128 + signal.SIGINT


def complain(sentence: str) -> None:
    """Write a sentence of the client's own to the standard error, if there is one."""
    # Not sys.stderr, which may be a log.
    if sys.__stderr__ is not None:
        with contextlib.suppress(OSError):
            print(f"chat-client: {sentence}", file=sys.__stderr__, flush=True)


@implementer(IHalfCloseableProtocol)
class Program(Protocol, Listener):
    """A program that talks through the standard streams, even if its connection is lost.

    Lines of the input wait in a backlog until they are taken. Reading pauses while the backlog is
    full.

    :param name: the name to come in with; None if it is in the input.
    :param rooms: the rooms to be in.
    :param backlog: the lines that were read and not taken yet.
    :param take: is called with each line, to send it.
    :ivar done: fires with the exit status at the end.
    :ivar session: None while there is no name.
    :ivar ready: whether lines may be taken.
    """

    transport: Any

    session: Session | None = None
    ready = False
    ending = False

    _window = MOST
    _may_wait = 0
    _welcomed = False
    _away = False
    _paused = False
    _all_read = False
    _leaving = False
    _unanswered = 0
    _refusals = 0
    _first_refusal = ""
    _notice = ""
    _status = 1
    _writable = True

    def __init__(
        self,
        entrance: Entrance,
        name: str | None,
        rooms: Sequence[str],
        complain: Callable[[str], None],
        backlog: Backlog,
        take: Callable[[str], None],
    ) -> None:
        self.entrance = entrance
        self.complain = complain
        self.done: Deferred[int] = Deferred()
        self._name = name
        self._rooms = rooms
        self._backlog = backlog
        self._take = take

    def connectionMade(self) -> None:
        """Begin a session if there is a name."""
        if self._name is not None:
            self.come_in(self._name, self._rooms)

    def come_in(
        self, name: str, rooms: Sequence[str], remembered: Remembered | None = None
    ) -> None:
        """Begin a session, or resume one."""
        self.session = self.entrance.session(self, name, rooms, remembered)
        self.ready = False
        self.session.start()
        self.go_on()

    # Reading

    def dataReceived(self, data: bytes) -> None:
        """Add input to the backlog, and send the lines that may go."""
        self._backlog.add(data)
        self.go_on()

    def readConnectionLost(self) -> None:
        """Leave when all is answered: the input ended."""
        if not self.ending:
            self._backlog.end()
            self._all_read = True
            self.go_on()

    def awaited(
        self,
        answer: Deferred[Any],
        done: Callable[[Any], object],
        refused: Callable[[messages.Error], object],
    ) -> None:
        """Count a request as unanswered until its answer comes, and count its refusal.

        :param done: is called with the answer.
        :param refused: is called with the error, unless the program is ending.
        """
        self._unanswered += 1
        answer.addCallbacks(done, self._refused, errbackArgs=(refused,))
        answer.addCallback(lambda _: self._answered())

    def _refused(self, failure: Failure, refused: Callable[[messages.Error], object]) -> None:
        error = error_in(failure)
        if not self.ending:
            self.refuse(error.text)
            refused(error)

    def _answered(self) -> None:
        self._unanswered -= 1
        self.go_on()

    def refuse(self, why: str) -> None:
        """Count a line that was not taken, and keep the first reason."""
        self._first_refusal = self._first_refusal or why
        self._refusals += 1

    def next_line(self) -> str | None:
        """Remove and return the next line of the backlog; None if there is none now."""
        return self._backlog.next()

    def go_on(self) -> None:
        """Take the lines that may be taken now; then read, pause reading, or leave."""
        emptied = False
        while (
            self.ready
            and self._unanswered < self._window
            and not (self.ending or self._leaving or emptied)
        ):
            line = self.next_line()
            if line is None:
                emptied = True
            else:
                self._take(line)
        if self.ending or self._leaving:
            return
        if self._all_read:
            if emptied and self._welcomed and not self._unanswered and self.session is not None:
                self._leaving = True
                self.session.quit()
        else:
            self._pause_or_resume(not emptied and self._backlog.size >= self._may_wait)

    def _pause_or_resume(self, pause: bool) -> None:
        if pause != self._paused:
            self._paused = pause
            if pause:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    # Replies: see Listener

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Note the connection, and send the lines that may go."""
        self._welcomed, self._away = True, False
        self.go_on()

    def noticed(self, text: str) -> None:
        """Keep a sentence that comes before the welcome: it may tell why none comes."""
        if not self._welcomed:
            self._notice = text

    def lost(self, why: str, pause: float) -> None:
        """End if there was no welcome yet; else report the loss once, and go on."""
        if not self._welcomed:
            self.end(1, self._notice or why)
        elif not self._away:
            self._away = True
            self.complain(f"{why}; trying again")

    def name_refused(self, why: str) -> None:
        """End the program, as it has no other name to give."""
        self.end(1, f"the name was refused: {why}")

    def ended(self, why: str | None) -> None:
        """End the program, with status 0 if all lines were taken, else 1."""
        if why is not None:
            self.end(1, why)
        elif self._refusals:
            lines = "a line was" if self._refusals == 1 else f"{self._refusals:,} lines were"
            self.end(1, f"{lines} not taken: {self._first_refusal}")
        else:
            self.end(0)

    # The end

    def end(self, status: int, why: str | None = None) -> None:
        """Hang up, and end when all output is written; the first call decides the status.

        The server keeps the session for a while.

        :param why: a sentence for the standard error.
        """
        if self.ending:
            return
        self.ending = True
        self._status = status
        if why is not None:
            self.complain(why)
        if self.session is not None:
            self.session.stop()
        self.transport.unregisterProducer()
        if self._writable:
            self.transport.loseConnection()
        else:
            self._over()

    def stop(self) -> None:
        """End the program with status 1, without waiting for answers."""
        self.end(1)

    def interrupt(self) -> None:
        """End the program at once with status 130, even if output is not written."""
        self.end(INTERRUPTED)
        self._over()

    def writeConnectionLost(self) -> None:
        """Note that the output is closed."""
        self._writable = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fire ``done``, as all output is written."""
        self._over()

    def _over(self) -> None:
        if not self.done.called:
            self.done.callback(self._status)
