"""A place in the chat that outlives its connections: nothing is missed and nothing doubled.

Here is when to connect, under which name, and when it is over; what is said in between is the
matter of :mod:`~chatservice.client.session.session`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeGuard

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IPushProducer, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice import messages
from chatservice.client.connection import reason_of, wrong_with
from chatservice.client.session.bookmark import Bookmark, Remembered
from chatservice.client.session.dialling import Dialler
from chatservice.client.session.lines import Lines, LinesFactory
from chatservice.client.session.listening import Listener
from chatservice.client.session.outgoing import Refused, Sent
from chatservice.client.session.rooms import RoomsSeen
from chatservice.client.session.session import Session, over
from chatservice.text import wording

__all__ = ["Listener", "Refused", "Remembered", "Seat", "Sent"]

_NAME_CODES: Final = (messages.Code.BAD_NAME, messages.Code.NAME_TAKEN, messages.Code.MUTED)
_CLOSING_CODES: Final = (messages.Code.CROWDED, messages.Code.TOO_SLOW)

# It is of no use to say the same hello again.
_HOPELESS_CODES: Final = (
    messages.Code.BAD_FIELD,
    messages.Code.TOO_LONG,
    messages.Code.UNKNOWN_TYPE,
    messages.Code.NOT_JSON,
)


def _keep_nothing(remembered: Remembered) -> None:
    """Let the session end with the process."""


@implementer(IPushProducer)
class Seat:
    """A place in the chat, under a name.

    It is a push producer of what it tells the listener: while it is paused, the server waits.

    :param where: the server, in words.
    :param name: None if it is remembered, or given later (:meth:`introduce`).
    :param rooms: to be in, from the beginning; without any, the first of the house.
    :param keep: is called with what has to outlive the process, whenever that changed.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        where: str,
        listener: Listener,
        name: str | None,
        rooms: Sequence[str] = (),
        remembered: Remembered | None = None,
        keep: Callable[[Remembered], None] = _keep_nothing,
    ) -> None:
        self._where = where
        self._listener = listener
        self._bookmark = Bookmark(reactor, name, remembered, keep)
        self._session = Session(listener, self._bookmark, RoomsSeen(rooms))
        self._dialler = Dialler(reactor, endpoint, LinesFactory(reactor, self), self._not_there)
        self._lines: Lines | None = None
        self._nameless = self.name is None
        self._paused = False
        self._quitting: str | None = None
        self._left = False
        self._over = False

    @property
    def name(self) -> str | None:
        """The name that it has, or is to have."""
        return self._bookmark.name

    @property
    def rooms(self) -> dict[str, messages.RoomSeen]:
        """The rooms that it is in, by their names; kept up to date."""
        return self._session.rooms.seen

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and the server has welcomed."""
        return self._session.connected

    @property
    def latency(self) -> float | None:
        """Seconds to the server and back, at the last ping; None before there was one."""
        return self._session.latency

    @property
    def unstored(self) -> Sequence[Sent]:
        """Own talk that is not stored yet."""
        return self._session.outgoing.unstored

    @property
    def unanswered(self) -> bool:
        """Whether something was sent on this connection and not answered yet."""
        return self._session.outgoing.in_flight or self._left

    # What it can be told

    def start(self) -> None:
        """Connect, and again whenever the connection is lost; without a name, wait for one."""
        if not self._nameless:
            self._dialler.dial()

    def introduce(self, name: str) -> None:
        """Give a name if there is none yet, or another one if it was refused."""
        if self._over or not self._nameless:
            return
        self._nameless = False
        self._bookmark.name = name
        if self._lines is None:
            self._dialler.dial()
        else:
            self._lines.send(self._session.hello())

    def talk(self, request: messages.Talk) -> Sent:
        """Say something: at once, or when there is a connection; it is stored once.

        :param request: its ``seq`` does not matter.
        """
        sent = self._session.outgoing.talk(request)
        self._flush()
        return sent

    def ask(self, request: messages.Request) -> Deferred[messages.Reply]:
        """Ask for something, at once or when there is a connection, behind what was said before.

        It is asked again if the connection is lost before the answer.

        :param request: to join, leave, or another that is safe to repeat.
        :return: fires with the answer, or fails with :class:`Refused`. It can be cancelled.
        """
        if self._over:
            return fail(Refused(over(None)))
        answer = self._session.outgoing.ask(request)
        self._flush()
        return answer

    def quit(self, text: str = "") -> None:
        """Leave when all that was said before is stored or refused.

        That is now if there is nothing unstored and no connection to say it on, or no name; behind
        the welcome, if that is on its way.
        """
        if self._over or self._quitting is not None:
            return
        self._quitting = text
        if self._nameless or (self._lines is None and not self.unstored):
            self._end(None)
        else:
            self._flush()

    def stop(self) -> None:
        """Hang up without a word, and tell nothing more: the server keeps the place for a while."""
        if not self._over:
            self._shut(None)

    def keep_soon(self) -> None:
        """Call ``keep`` within a second, though nothing has changed here."""
        if not self._over:
            self._bookmark.keep_soon()

    def pauseProducing(self) -> None:
        """Tell nothing for now: the server waits, and unanswered requests do too."""
        if not self._paused:
            self._paused = True
            if self._lines is not None:
                self._lines.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on."""
        if self._paused:
            self._paused = False
            if self._lines is not None:
                self._lines.resumeProducing()

    def stopProducing(self) -> None:
        """Whoever consumes it is gone; that is not the end of it, unless somebody says so."""

    # Connections

    def reached(self, lines: Lines) -> None:
        """There is a connection: say who comes."""
        if self._over:
            lines.hang_up()
            return
        self._lines = lines
        if self._paused:
            lines.pauseProducing()
        lines.send(self._session.hello())

    def _not_there(self, failure: Failure) -> None:
        wrong = wrong_with(failure)
        if wrong is not None:
            self._end(f"{self._where} {wrong}")
        else:
            self._dial_again(f"{self._where} is not there: {reason_of(failure)}")

    def lost(self, why: str, wrong: str | None) -> None:
        """The connection is no more: make another, if there is something to make it for."""
        welcomed, self._lines = self.connected, None
        self._session.lost()
        if self._left:
            self._end(None)
        elif wrong is not None and not welcomed:
            self._end(f"{self._where} {wrong}")
        elif not self._nameless:
            self._dial_again(f"the connection to {self._where} was lost: {why}")

    def _dial_again(self, why: str) -> None:
        if self._quitting is not None and not self.unstored:
            self._end(None)
        else:
            self._listener.lost(why, self._dialler.dial_later())

    # What the server says

    def told(self, text: str) -> None:
        """Pass on what is for people, but for the question that a hello has answered already.

        Over TLS, who is banned is told so before it is known that it is a program.
        """
        if text.startswith(wording.SENT_AWAY):
            self._end(text)
        elif self.connected or text != wording.ASK_NAME:
            self._listener.noticed(text)

    def heard(self, reply: messages.Reply) -> None:
        """Do what a message means, and send what has been waiting for it."""
        if isinstance(reply, messages.Notice):
            if reply.gap:
                self._listener.gapped()
            else:
                self._listener.noticed(reply.text)
        elif isinstance(reply, messages.Replaced) or _has_code(reply, messages.FINAL_CODES):
            self._end(reply.text)
        elif _has_code(reply, _CLOSING_CODES):
            self._hang_up(reply.text)
        elif self.connected:
            since = self._bookmark.since
            self._session.heard(reply)
            if self._bookmark.since != since:
                self._dialler.of_use()
        elif isinstance(reply, messages.Welcome) and self._lines is not None:
            self._dialler.welcomed()
            self._session.welcomed(self._lines, reply)
        elif isinstance(reply, messages.Error):
            self._not_welcomed(reply)
        self._flush()

    def _not_welcomed(self, error: messages.Error) -> None:
        if error.code in _NAME_CODES:
            self._name_refused(error.text)
        elif error.code == messages.Code.UNKNOWN_TOKEN and self._bookmark.token is not None:
            self._bookmark.forget()
            if self._lines is not None:
                self._lines.send(self._session.hello())
        elif error.code in _HOPELESS_CODES:
            self._end(error.text)
        else:
            self._hang_up(error.text)

    def _name_refused(self, why: str) -> None:
        if self._quitting is None:
            self._nameless = True
            self._listener.name_refused(why)
        else:
            self._end(why if self.unstored else None)

    def _flush(self) -> None:
        """Send what may be sent now, and take leave behind all else."""
        if self._left or not self.connected:
            return
        self._session.flush()
        if self._quitting is not None and self._lines is not None and not self._session.outgoing:
            self._left = True
            self._lines.send(messages.Quit(text=self._quitting))

    # The end

    def _hang_up(self, why: str) -> None:
        if self._lines is not None:
            self._lines.hang_up()
            self.lost(why, None)

    def _end(self, why: str | None) -> None:
        if not self._over:
            self._shut(why)
            self._listener.ended(why)

    def _shut(self, why: str | None) -> None:
        self._over = True
        self._dialler.stop()
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.hang_up()
        self._session.close(why)


def _has_code(reply: messages.Reply, codes: Sequence[messages.Code]) -> TypeGuard[messages.Error]:
    return isinstance(reply, messages.Error) and reply.code in codes
