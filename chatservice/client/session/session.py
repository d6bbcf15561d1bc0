"""A place in the chat that outlives its connections: nothing is missed and nothing doubled.

What decides is small: the last id that was given (:mod:`~chatservice.client.session.bookmark`),
and what was sent and not answered (:mod:`~chatservice.client.session.outgoing`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeGuard, TypeVar, cast

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
    Dialler,
    TalksTLS,
    begins_tls,
    reason_of,
    wrong_with,
)
from chatservice.client.session.outgoing import OVER, Outgoing, Refused, Sent, error_in
from chatservice.text import wording
from chatservice.text.sanitising import decode, safe

LONGEST: Final = 16 << 20
"""Bytes of a line; with the history of a room it has some megabytes at most."""

LOOK: Final = 5.0
"""Seconds between two looks at whether the server is still there."""

IDLE: Final = 15.0
"""Seconds of silence before it is asked; with something unanswered, ``LOOK`` are enough."""

PATIENCE: Final = 20.0
"""Seconds of silence after a question; then the connection counts as lost."""

_OWN: Final = "-- "
"""The mark that the server puts before each sentence to people."""

_NAME_CODES: Final = (messages.Code.BAD_NAME, messages.Code.NAME_TAKEN, messages.Code.MUTED)
_CLOSING_CODES: Final = (messages.Code.CROWDED, messages.Code.TOO_SLOW)

# It is of no use to say the same hello again.
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
"""The answer to each question that is not answered with an ``ok``."""


class Listener:
    """Is told, at once and in order, what happens; all of it is safe to show.

    A listener leaves out the methods for which it has nothing to do.
    """

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Note that there is a connection, and a name; this comes again after each loss.

        If it is an earlier session that goes on (``resumed``), the missed events follow.
        """

    def caught_up(self) -> None:
        """Note that all missed events were given."""

    def happened(self, event: messages.Event) -> None:
        """Take an event; each is given once, in order."""

    def noticed(self, text: str) -> None:
        """Take a sentence of the server to people."""

    def gapped(self) -> None:
        """Note that events before this place can't be told any more."""

    def lost(self, why: str, pause: float) -> None:
        """Note that there is no connection; the session tries again in so many seconds."""

    def name_refused(self, why: str) -> None:
        """Give another name (:meth:`Session.introduce`): this one can't be had."""

    def ended(self, why: str | None) -> None:
        """Note that it is over, and nothing more is told.

        :param why: a sentence; None if it was wanted.
        """


@implementer(IPushProducer)
class Session:
    """A place in the chat, under a name.

    It is a push producer of what it tells the listener: while it is paused, the server waits.

    :param where: the server, in words.
    :param name: None if it is remembered, or given later (:meth:`introduce`).
    :param rooms: to be in, from the beginning; without any, the first of the house.
    :param keep: is called with what has to outlive the process, whenever that changed.
    :ivar connected: whether there is a connection, and the server has welcomed.
    :ivar latency: seconds to the server and back, at the last ping; None before there was one.
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
        """The name that it has, or is to have."""
        return self._bookmark.name

    @property
    def rooms(self) -> dict[str, messages.RoomSeen]:
        """The rooms that it is in, by their names; kept up to date."""
        return self._rooms.seen

    @property
    def rooms_heard_of(self) -> Sequence[str]:
        """The rooms that there were when that was asked last."""
        return self._rooms.heard_of

    @property
    def unstored(self) -> Sequence[Sent]:
        """Own talk that is not stored yet."""
        return self._outgoing.unstored

    @property
    def unanswered(self) -> bool:
        """Whether something was sent on this connection and not answered yet."""
        return self._outgoing.in_flight or self._left

    # Requests

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
            self._say_hello(self._lines)

    def talk(self, request: messages.Talk) -> Sent:
        """Say something: at once, or when there is a connection; it is stored once.

        :param request: its ``seq`` does not matter.
        :return: its ``answer`` fires, among the events, when it is stored, or fails with
            :class:`Refused`.
        """
        sent = self._outgoing.talk(request)
        self._flush()
        return sent

    def ask(self, request: messages.Request) -> Deferred[Any]:
        """Ask for something, at once or when there is a connection, behind what was said before.

        It is asked again if the connection is lost before the answer.

        :param request: to join, leave, or another that is safe to repeat.
        :return: fires with the answer, or fails with :class:`Refused`. It can be cancelled.
        """
        if self._over:
            return fail(Refused(_over(None)))
        answer = self._outgoing.ask(request)
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
        """Say hello on a new connection."""
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
        """The connection is no more: make another, if there is something to make it for.

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
        """Do what a message means, and send what has been waiting for it."""
        if isinstance(reply, messages.Notice):
            self._noticed(reply)
        elif isinstance(reply, messages.Replaced) or _has_code(reply, messages.FINAL_CODES):
            self._end(reply.text)
        elif _has_code(reply, _CLOSING_CODES):
            self._hang_up(reply.text)
        elif self.connected:
            place = self._bookmark.place
            self._told(reply)
            if self._bookmark.place != place:
                self._dialler.of_use()
        elif isinstance(reply, messages.Welcome) and self._lines is not None:
            self._welcomed(self._lines, reply)
        elif isinstance(reply, messages.Error):
            self._not_welcomed(reply)
        self._flush()

    def _noticed(self, notice: messages.Notice) -> None:
        """Pass on what is for people, but for the question that the hello has answered already.

        Over TLS, who is banned is told so before it is known that it is a program.
        """
        if notice.gap:
            self._listener.gapped()
        elif notice.text.startswith(wording.SENT_AWAY):
            self._end(notice.text)
        elif self.connected or notice.text != wording.ASK_NAME:
            self._listener.noticed(notice.text)

    def _welcomed(self, lines: Lines, welcome: messages.Welcome) -> None:
        """Go on, or begin again."""
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
        if error.code in _NAME_CODES:
            self._name_refused(error.text)
        elif error.code == messages.Code.UNKNOWN_TOKEN and self._bookmark.place is not None:
            self._bookmark.place = None
            if self._lines is not None:
                self._say_hello(self._lines)
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

    def _told(self, reply: messages.Reply) -> None:
        """Do what a message means once the server has welcomed."""
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
        if not self._bookmark.is_new(event.id):
            return
        self._bookmark.reached(event.id)
        self._rooms.happened(event, self.name, not self._catching_up)
        self._listener.happened(event)

    def _stored(self, seq: int, number: int, at: str | None) -> None:
        # Talk that was stored before the connection may be told of again, out of its place.
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
        elif sent.again and _is_done(sent.request, error):
            room = getattr(sent.request, "room", None)
            sent.answer.callback(messages.Ok(to=sent.request.type, room=room, ref=sent.ref))
        else:
            sent.answer.errback(Refused(replace(error, ref=sent.ref)))

    def _caught_up(self) -> None:
        """Ask, behind the missed events, for receipts of talk that is stored and still has none."""
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
            wrong = messages.refusal(asked.request, messages.Code.WENT_WRONG, why)
            asked.answer.errback(Refused(wrong))

    def _flush(self) -> None:
        """Send what may be sent now, and take leave behind all else."""
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
        """Keep what is to be kept; all that was asked fails now."""
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
    """A connection, as its session sees it: requests go out, replies come in.

    All text that comes in is made safe to show, here and once. Pings find out whether the server is
    still there.
    """

    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: Any

    _session: Session | None
    _look: Any = None
    _longest_request: int | None = None
    _asked: float | None = None
    _pings = 0
    _pinged = 0.0
    _stopped = False
    _silent = True

    def __init__(self, reactor: Any, session: Session) -> None:
        self._reactor = reactor
        self._session = session
        self._heard_at = reactor.seconds()

    # Sending

    def send(self, request: messages.Request) -> None:
        """Send a request; the server counts as lost if a ``hello`` is met by silence."""
        line = messages.encode(request)
        if self._longest_request is not None and len(line) > self._longest_request:
            # The server would not read it, and so could not say which one it was.
            self._reactor.callLater(0, self._give, self._too_long(request))
            return
        if isinstance(request, messages.Hello):
            self._asked = self._reactor.seconds()
        self.transport.write(line)

    def ping(self) -> None:
        """Ask whether the server is there."""
        self._pings += 1
        self._asked = self._pinged = self._reactor.seconds()
        self.send(messages.Ping(ref=f"ping {self._pings}"))

    def _too_long(self, request: messages.Request) -> messages.Error:
        why = wording.TOO_LONG.format(most=self._longest_text)
        return messages.refusal(request, messages.Code.TOO_LONG, why)

    # Receiving

    def connectionMade(self) -> None:
        """Tell that there is a connection, and begin to look whether it lasts."""
        self._heard_at = self._reactor.seconds()
        self._look = self._reactor.callLater(LOOK, self._look_whether_it_lasts)
        if self._session is not None:
            self._session.reached(self)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes, whatever they are a part of: somebody is there."""
        self._heard_at = self._reactor.seconds()
        if self._silent and begins_tls(data):
            self._lose(Failure(TalksTLS()))
            return
        self._silent = False
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        """Give what a line says.

        One that is no object is for people. One that is no message of a known type is ignored.
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
            self._longest_text = reply.longest
            self._longest_request = (
                messages.LINE_OVERHEAD + messages.BYTES_A_CHARACTER * reply.longest
            )
        elif isinstance(reply, messages.Error) and self._longest_request is None:
            # It is the answer to the hello, or comes instead of one.
            self._asked = None
        self._give(reply)

    def _give(self, reply: messages.Reply) -> None:
        if self._session is not None:
            self._session.heard(reply)

    def lineLengthExceeded(self, line: bytes) -> None:
        """End: that is no server."""
        self._lose(Failure(Exception("it sent a line without an end")))

    # Whether it lasts

    def _look_whether_it_lasts(self) -> None:
        now = self._reactor.seconds()
        self._look = self._reactor.callLater(LOOK, self._look_whether_it_lasts)
        if self._stopped or self._session is None:
            return
        if self._asked is not None:
            # A server that says something else is there too: it may read much before the ping.
            if now - max(self._asked, self._heard_at) >= PATIENCE:
                self._lose(Failure(TimeoutError()))
        elif self._longest_request is not None and now - self._heard_at >= (
            LOOK if self._session.unanswered else IDLE
        ):
            self.ping()

    def pauseProducing(self) -> None:
        """Read no more for now; whether the server is there can't be told then."""
        self._stopped = True
        super().pauseProducing()  # type: ignore[no-untyped-call]

    def resumeProducing(self) -> None:
        """Read on."""
        self._stopped = False
        self._heard_at = self._reactor.seconds()
        super().resumeProducing()  # type: ignore[no-untyped-call]

    # The end

    def hang_up(self) -> None:
        """Close the connection when all is sent; nothing of it is told any more."""
        self._let_go()
        self.transport.loseConnection()

    def _lose(self, reason: Failure) -> None:
        self.connectionLost(reason)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell that it is over."""
        session = self._let_go()
        if session is not None:
            silent = self._silent and not ISSLTransport.providedBy(self.transport)
            session.lost(reason_of(reason, silent), wrong_with(reason))

    def _let_go(self) -> Session | None:
        session, self._session = self._session, None
        if self._look is not None:
            self._look.cancel()
            self._look = None
        return session


_Thing = TypeVar("_Thing")


def _safe(thing: _Thing) -> _Thing:
    """Return a message with all its text, at any depth, safe to show."""
    if isinstance(thing, str):
        return cast("_Thing", safe(thing))
    if isinstance(thing, list):
        return cast("_Thing", [_safe(one) for one in thing])
    if isinstance(thing, Struct):
        values = {name: _safe(getattr(thing, name)) for name in thing.__struct_fields__}
        return cast("_Thing", replace(thing, **values))
    return thing


def _has_code(reply: messages.Reply, codes: Sequence[messages.Code]) -> TypeGuard[messages.Error]:
    return isinstance(reply, messages.Error) and reply.code in codes


def _over(why: str | None) -> messages.Error:
    """Say why a question has no answer."""
    return messages.Error(code=OVER, text=why or "the chat is over")


def _is_done(request: messages.Request, error: messages.Error) -> bool:
    """Tell whether what is asked for again was done the first time."""
    return isinstance(request, messages.Leave) and error.code == messages.Code.NOT_IN_ROOM
