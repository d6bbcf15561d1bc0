"""A session that outlives its connections: no event is missed, no talk stored twice.

Two records make this sure: the last id given (:mod:`~chatservice.client.session.bookmark`), and
the requests without an answer (:mod:`~chatservice.client.session.outgoing`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import TimeoutError
from twisted.internet.interfaces import IPushProducer, ISSLTransport, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice import messages
from chatservice.client.session.bookmark import Bookmark, Remembered, RoomsSeen
from chatservice.client.session.dialling import (
    TLS_RECORDS,
    Dialler,
    TalksTLS,
    reason_of,
    wrong_with,
)
from chatservice.client.session.outgoing import OVER, Outgoing, Refused, Sent, error_in
from chatservice.clock import Timer
from chatservice.text import wording
from chatservice.text.sanitising import decode, safe

LONGEST: Final = 16 << 20
"""Bytes of a line at most; the past of a room takes some megabytes."""

LOOK: Final = 5.0
"""Seconds between two checks whether the server is alive."""

IDLE: Final = 15.0
"""Seconds of silence before a ping; with a request unanswered, ``LOOK`` seconds are enough."""

PATIENCE: Final = 20.0
"""Seconds of silence after a ping or a hello; then the connection counts as lost."""

_OWN: Final = "-- "
"""The mark that the server puts before each sentence to people."""

_NAME_CODES: Final = (messages.Code.BAD_NAME, messages.Code.NAME_TAKEN, messages.Code.MUTED)
_CLOSING_CODES: Final = (messages.Code.CROWDED, messages.Code.TOO_SLOW)

# Repeating the same hello would not help.
_HOPELESS_CODES: Final = (
    messages.Code.BAD_FIELD,
    messages.Code.TOO_LONG,
    messages.Code.UNKNOWN_TYPE,
    messages.Code.NOT_JSON,
)

_ANSWERS: Final[dict[type[messages.Request], type[messages.Reply]]] = {
    messages.Who: messages.WhoIs,
    messages.Names: messages.NameList,
    messages.Rooms: messages.RoomList,
    messages.History: messages.Past,
    messages.LookUp: messages.About,
    messages.Uptime: messages.Up,
    messages.Ping: messages.Pong,
}
"""The type of the answer to each question, if it is not ``ok``."""


class Listener:
    """The interface through which a session reports events, replies and losses, in order.

    All text is safe to show. A listener overrides only the methods that it needs.
    """

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Take the welcome of each new connection.

        If it resumes an earlier session (``resumed``), the missed events follow.
        """

    def caught_up(self) -> None:
        """Take the news that all missed events were given."""

    def happened(self, event: messages.Event) -> None:
        """Take an event; each comes once, in order."""

    def noticed(self, text: str) -> None:
        """Take a sentence from the server to people."""

    def gapped(self) -> None:
        """Take the news that events before this point are lost: the server forgot them."""

    def lost(self, why: str, pause: float) -> None:
        """Take the loss of a connection, or a failed attempt to connect.

        :param why: a sentence.
        :param pause: seconds until the next attempt.
        """

    def name_refused(self, why: str) -> None:
        """Take the refusal of the name; call :meth:`Session.introduce` to try another name."""

    def ended(self, why: str | None) -> None:
        """Take the end of the session, after which nothing is reported.

        :param why: a sentence; None after :meth:`Session.quit`.
        """


@implementer(IPushProducer)
class Session:
    """A place in the chat, under a name, which outlives its connections.

    It is a push producer of events and replies to the listener: while paused, the server waits.

    :param where: the server, in words.
    :param name: None if it is remembered, or given later (:meth:`introduce`).
    :param rooms: the rooms to be in at the beginning; without any, the server's first.
    :param keep: is called with the place to save for a later process, whenever it changes.
    :ivar rooms: the rooms that the session is in, by their names; kept up to date.
    :ivar rooms_heard_of: the names of all rooms in the last list from the server.
    :ivar connected: whether there is a connection, and the server has welcomed.
    :ivar latency: seconds to the server and back, at the last ping; None before the first.
    """

    latency: float | None = None

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        where: str,
        listener: Listener,
        name: str | None,
        rooms: Sequence[str] = (),
        remembered: Remembered | None = None,
        keep: Callable[[Remembered], object] = lambda remembered: None,
    ) -> None:
        self._where = where
        self._listener = listener
        self._bookmark = Bookmark(reactor, name, remembered, keep)
        self._rooms = RoomsSeen(rooms)
        self.rooms = self._rooms.seen
        self.rooms_heard_of = self._rooms.heard_of
        self._outgoing = Outgoing()
        self._dialler = Dialler(reactor, endpoint, lambda: Lines(reactor, self), self._not_there)
        self._lines: Lines | None = None
        self.connected = False
        self._nameless = self.name is None
        self._paused = False
        self._quitting: str | None = None
        self._left = False
        self._over = False
        self._stored_before = 0
        self._catching_up = False

    @property
    def name(self) -> str | None:
        """The name of the session, or the one to ask for."""
        return self._bookmark.name

    @property
    def unstored(self) -> Sequence[Sent]:
        """Own talk that is not stored yet."""
        return self._outgoing.unstored

    @property
    def unanswered(self) -> bool:
        """Whether a request was sent on this connection and has no answer yet."""
        return bool(self._outgoing.in_flight) or self._left

    # Requests

    def start(self) -> None:
        """Connect, and reconnect after each loss; without a name, wait for one."""
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
            self._say_hello(self._lines)

    def talk(self, request: messages.Talk) -> Sent:
        """Send talk now, or when there is a connection; the server stores it once.

        :param request: its ``seq`` is replaced.
        :return: its ``answer`` fires, in order with the events, when the talk is stored, or fails
            with :class:`Refused`.
        """
        sent = self._outgoing.talk(request)
        self._flush()
        return sent

    def ask(self, request: messages.Request) -> Deferred[Any]:
        """Send a question after all earlier requests, now or when there is a connection.

        It is sent again if the connection is lost before the answer.

        :param request: a join, a leave, or another that is safe to repeat.
        :return: fires with the answer, or fails with :class:`Refused`. It can be cancelled.
        """
        if self._over:
            return fail(Refused(_over(None)))
        answer = self._outgoing.ask(request)
        self._flush()
        return answer

    def quit(self, text: str = "") -> None:
        """Leave the chat once all earlier talk is stored or refused.

        End at once if there is no name, or neither a connection nor unstored talk. If a welcome is
        awaited, leave after it.
        """
        if self._over or self._quitting is not None:
            return
        self._quitting = text
        if self._nameless or (self._lines is None and not self.unstored):
            self._end(None)
        else:
            self._flush()

    def stop(self) -> None:
        """Hang up without leaving, and report no more; the server keeps the session a while."""
        if not self._over:
            self._shut(None)

    def keep_soon(self) -> None:
        """Call ``keep`` within a second, even if the place has not changed."""
        if not self._over:
            self._bookmark.keep_soon()

    def pauseProducing(self) -> None:
        """Stop reading, so that the server waits; unanswered requests wait too."""
        self._paused = True
        if self._lines is not None:
            self._lines.pauseProducing()

    def resumeProducing(self) -> None:
        """Read from the connection again, after :meth:`pauseProducing`."""
        self._paused = False
        if self._lines is not None:
            self._lines.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing: the session goes on without a consumer until :meth:`stop`."""

    # Connections

    def reached(self, lines: Lines) -> None:
        """Send the hello on a new connection."""
        if self._over:
            lines.hang_up()
            return
        self._lines = lines
        if self._paused:
            lines.pauseProducing()
        self._say_hello(lines)

    def _say_hello(self, lines: Lines) -> None:
        lines.send(self._bookmark.hello(self._rooms.to_be_in()))

    def _not_there(self, failure: Failure) -> None:
        wrong = wrong_with(failure)
        if wrong is not None:
            self._end(f"{self._where} {wrong}")
        else:
            self._dial_again(f"{self._where} is not there: {reason_of(failure)}")

    def lost(self, why: str, wrong: str | None) -> None:
        """Handle the loss of the connection: schedule another one, or end the session.

        :param wrong: see :func:`.wrong_with`.
        """
        welcomed = self.connected
        self._let_go()
        self._outgoing.lost()
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

    # Replies

    def heard(self, reply: messages.Reply) -> None:
        """Handle a message from the server, then send the requests that may go now."""
        if isinstance(reply, messages.Notice):
            self._noticed(reply)
        elif isinstance(reply, messages.Replaced) or (
            isinstance(reply, messages.Error) and reply.code in messages.FINAL_CODES
        ):
            self._end(reply.text)
        elif isinstance(reply, messages.Error) and reply.code in _CLOSING_CODES:
            self._hang_up(reply.text)
        elif self.connected:
            place = self._bookmark.place
            self._told(reply)
            if self._bookmark.place != place:
                self._dialler.was_of_use = True
        elif isinstance(reply, messages.Welcome) and self._lines is not None:
            self._welcomed(self._lines, reply)
        elif isinstance(reply, messages.Error):
            self._not_welcomed(reply)
        self._flush()

    def _noticed(self, notice: messages.Notice) -> None:
        """Handle a notice: pass a sentence for people on to the listener.

        A gap is passed on as such, and a sentence that sends the peer away ends the session. The
        question for a name is left out before the welcome, because the hello answers it.
        Over TLS, a ban comes as such a sentence, before the server knows that this is a program.
        """
        if notice.gap:
            self._listener.gapped()
        elif notice.text.startswith(wording.SENT_AWAY):
            self._end(notice.text)
        elif self.connected or notice.text != wording.ASK_NAME:
            self._listener.noticed(notice.text)

    def _welcomed(self, lines: Lines, welcome: messages.Welcome) -> None:
        """Resume the session, or begin the new one that the server gives."""
        self._dialler.welcomed()
        self.connected = True
        doubtful: list[Sent] = []
        if welcome.resumed:
            self._outgoing.resumed(welcome.seq)
        else:
            place = self._bookmark.place
            known = place is not None and welcome.journal == place.journal
            doubtful = self._outgoing.begin_again(welcome.seq, known)
        self._stored_before = welcome.seq
        self._bookmark.welcomed(welcome)
        for join in reversed(self._rooms.welcomed(welcome)):
            self._outgoing.ask(join, first=True).addErrback(self._not_let_in)
        lines.ping()
        self._catching_up = welcome.resumed
        self._listener.welcomed(welcome)
        if welcome.gap and self.connected:
            self._listener.gapped()
        for sent in doubtful:
            if self.connected:
                why = "the session is no more, and whether that was stored can't be told"
                doubt = messages.refusal(sent.request, messages.Code.SEQ_UNKNOWN, why)
                sent.answer.errback(Refused(doubt))

    def _not_let_in(self, failure: Failure) -> None:
        error = error_in(failure)
        if error.code != OVER:
            self._listener.noticed(error.text)

    def _not_welcomed(self, error: messages.Error) -> None:
        if error.code in _NAME_CODES and self._quitting is not None:
            self._end(error.text if self.unstored else None)
        elif error.code in _NAME_CODES:
            self._nameless = True
            self._listener.name_refused(error.text)
        elif error.code == messages.Code.UNKNOWN_TOKEN and self._bookmark.place is not None:
            self._bookmark.place = None
            if self._lines is not None:
                self._say_hello(self._lines)
        elif error.code in _HOPELESS_CODES:
            self._end(error.text)
        else:
            self._hang_up(error.text)

    def _told(self, reply: messages.Reply) -> None:
        """Handle a message that comes after the welcome."""
        if isinstance(reply, messages.Event):
            self._happened(reply)
        elif isinstance(reply, messages.Error):
            self._refused(reply)
        elif isinstance(reply, messages.Ok) and reply.seq is not None and reply.id is not None:
            self._stored(reply.seq, reply.id, reply.at)
        elif isinstance(reply, messages.Live):
            self._caught_up()
        else:
            self._answered(reply)

    def _happened(self, event: messages.Event) -> None:
        if self._bookmark.is_new(event.id):
            self._bookmark.reached(event.id)
            self._rooms.happened(event, self.name, not self._catching_up)
            self._listener.happened(event)

    def _stored(self, seq: int, number: int, at: str | None) -> None:
        # The ok of talk that was stored before this connection may come out of order.
        if seq > self._stored_before:
            self._bookmark.reached(number)
        sent = self._outgoing.answered(seq, None)
        if sent is not None:
            sent.id, sent.at = number, at
            self._rooms.stored(sent.request)
            sent.answer.callback(sent)

    def _refused(self, error: messages.Error) -> None:
        sent = self._outgoing.answered(error.seq, error.ref)
        if sent is None:
            self._listener.noticed(error.text)
        elif (
            sent.again
            and isinstance(sent.request, messages.Leave)
            and error.code == messages.Code.NOT_IN_ROOM
        ):
            # The first request was done, and its answer lost.
            done = messages.Ok(to=messages.Leave.type, room=sent.request.room, ref=sent.ref)
            sent.answer.callback(done)
        else:
            sent.answer.errback(Refused(replace(error, ref=sent.ref)))

    def _caught_up(self) -> None:
        """Repeat, after the missed events, talk that has no answer yet; then tell the listener."""
        if self._catching_up and self._lines is not None:
            self._catching_up = False
            for request in self._outgoing.unsettled(self._stored_before):
                self._lines.send(request)
            self._listener.caught_up()

    def _answered(self, reply: messages.Reply) -> None:
        if isinstance(reply, messages.Ok) and reply.to == messages.Nick.type and reply.name:
            self._bookmark.renamed(reply.name)
        self._rooms.answered(reply)
        asked = self._outgoing.answered(None, getattr(reply, "ref", None))
        if asked is None:
            return
        if isinstance(reply, _ANSWERS.get(type(asked.request), messages.Ok)):
            asked.answer.callback(replace(reply, ref=asked.ref))
        else:
            why = f"the answer to {asked.request.type} was {reply.type}"
            error = messages.refusal(asked.request, messages.Code.WENT_WRONG, why)
            asked.answer.errback(Refused(error))

    def _flush(self) -> None:
        """Send the requests that may go now; after the last answer, send the quit if wanted."""
        if self._left or not self.connected or self._lines is None:
            return
        while (request := self._outgoing.next()) is not None:
            self._lines.send(request)
        if self._quitting is not None and not self._outgoing:
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
        """Close the connection, save the place, and fail all unanswered requests."""
        self._over = True
        self._dialler.stop()
        if self._lines is not None:
            self._lines.hang_up()
        self._let_go()
        self._bookmark.close()
        self._outgoing.fail(_over(why))

    def _let_go(self) -> None:
        self._lines, self.connected = None, False


class Lines(LineReceiver):
    """One connection of a session: sends requests, receives replies, and pings the server.

    All text that comes in is made safe to show here, once.
    """

    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: Any

    _session: Session | None
    _longest: int | None = None
    _asked: float | None = None
    _pings = 0
    _pinged = 0.0
    _stopped = False
    _silent = True

    def __init__(self, reactor: Any, session: Session) -> None:
        self._reactor = reactor
        self._session = session
        self._look = Timer(reactor, self._look_whether_it_lasts)

    # Sending

    def send(self, request: messages.Request) -> None:
        """Send a request, or answer it with an error here if it is too long for the server."""
        line, most = messages.encode(request), self._longest
        if most is not None and len(line) > (
            messages.LINE_OVERHEAD + messages.BYTES_A_CHARACTER * most
        ):
            # The server would not read it, so its error could not name the request.
            why = wording.TOO_LONG.format(most=most)
            error = messages.refusal(request, messages.Code.TOO_LONG, why)
            self._reactor.callLater(0, self._give, error)
            return
        if isinstance(request, messages.Hello):
            self._asked = self._reactor.seconds()
        self.transport.write(line)

    def ping(self) -> None:
        """Send a ping, to learn whether the server is alive."""
        self._pings += 1
        self._asked = self._pinged = self._reactor.seconds()
        self.send(messages.Ping(ref=f"ping {self._pings}"))

    # Receiving

    def connectionMade(self) -> None:
        """Report the new connection to the session; begin to check that the server is alive."""
        self._heard_at = self._reactor.seconds()
        self._look.start(LOOK)
        if self._session is not None:
            self._session.reached(self)

    def dataReceived(self, data: bytes) -> None:
        """Note that the server is alive, and split bytes into lines; give up if it talks TLS."""
        self._heard_at = self._reactor.seconds()
        if self._silent and data.startswith(TLS_RECORDS):
            self._lose(Failure(TalksTLS()))
            return
        self._silent = False
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        """Pass the message of a line to the session.

        A line that is no JSON object is a sentence for people. An object that is no message of a
        known type is ignored.
        """
        if not line.startswith(messages.OPENING):
            if told := safe(decode(line.removesuffix(b"\r"))).removeprefix(_OWN):
                self._give(messages.Notice(text=told))
            return
        with contextlib.suppress(messages.BadMessage):
            reply = messages.reply(line)
            if reply is not None:
                self._take(_safe(reply))

    def _take(self, reply: messages.Reply) -> None:
        now = self._reactor.seconds()
        if isinstance(reply, messages.Pong):
            if reply.ref == f"ping {self._pings}":
                self._asked = None
                if self._session is not None:
                    self._session.latency = now - self._pinged
        elif isinstance(reply, messages.Welcome):
            self._asked = None
            self._longest = reply.longest
        elif isinstance(reply, messages.Error) and self._longest is None:
            # This error answers the hello, or comes in place of an answer.
            self._asked = None
        self._give(reply)

    def _give(self, reply: messages.Reply) -> None:
        if self._session is not None:
            self._session.heard(reply)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Drop the connection: a line without an end does not come from a chat server."""
        self._lose(Failure(Exception("it sent a line without an end")))

    # Whether the server is alive

    def _look_whether_it_lasts(self) -> None:
        now = self._reactor.seconds()
        self._look.start(LOOK)
        if self._stopped or self._session is None:
            return
        if self._asked is not None:
            # Any byte shows that the server is alive: it may read much before it reads the ping.
            if now - max(self._asked, self._heard_at) >= PATIENCE:
                self._lose(Failure(TimeoutError()))
        elif self._longest is not None and now - self._heard_at >= (
            LOOK if self._session.unanswered else IDLE
        ):
            self.ping()

    def pauseProducing(self) -> None:
        """Stop reading, and stop checking whether the server is alive, as it can't be heard."""
        self._stopped = True
        super().pauseProducing()  # type: ignore[no-untyped-call]

    def resumeProducing(self) -> None:
        """Read again, and count the silence of the server from now on."""
        self._stopped = False
        self._heard_at = self._reactor.seconds()
        super().resumeProducing()  # type: ignore[no-untyped-call]

    # The end

    def hang_up(self) -> None:
        """Close the connection once all is sent, and report nothing more to the session."""
        self._let_go()
        self.transport.loseConnection()

    def _lose(self, reason: Failure) -> None:
        self.connectionLost(reason)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the session that the connection is lost, and why."""
        session = self._let_go()
        if session is not None:
            silent = self._silent and not ISSLTransport.providedBy(self.transport)
            session.lost(reason_of(reason, silent), wrong_with(reason))

    def _let_go(self) -> Session | None:
        session, self._session = self._session, None
        self._look.stop()
        return session


def _safe(thing: Any) -> Any:
    """Return a copy of a message in which all text, at any depth, is safe to show."""
    if isinstance(thing, str):
        return safe(thing)
    if isinstance(thing, list):
        return [_safe(one) for one in thing]
    if isinstance(thing, Struct):
        values = {name: _safe(getattr(thing, name)) for name in thing.__struct_fields__}
        return replace(thing, **values)
    return thing


def _over(why: str | None) -> messages.Error:
    """Return the error for requests that the end of the session leaves unanswered."""
    return messages.Error(code=OVER, text=why or "the chat is over")
