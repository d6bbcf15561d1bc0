"""A connection to the server, as a program sees it: lines of bytes, and what they are.

What comes is made safe to show, here and once; whether anybody is there is found out here too::

    reached ... told, heard, told, heard ... lost
"""

from __future__ import annotations

import contextlib
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, Protocol, TypeVar, cast

from twisted.internet.error import TimeoutError
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.client.connection import OWN, TalksTLS, begins_tls, reason_of, wrong_with
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


class Hearer(Protocol):
    """Who is behind the connections."""

    @property
    def unanswered(self) -> bool:
        """Whether there is something that the server has yet to answer."""

    def reached(self, lines: Lines) -> None:
        """There is a connection."""

    def heard(self, reply: messages.Reply) -> None:
        """The server said something; all of it is safe to show."""

    def told(self, text: str) -> None:
        """The server said something to people; it is safe to show."""

    def lost(self, why: str, wrong: str | None) -> None:
        """The connection is no more.

        :param wrong: see :func:`.wrong_with`.
        """


class Lines(LineReceiver):
    """A :class:`LineReceiver` that takes requests and gives replies.

    :ivar latency: seconds from the last ping to its pong; None before the first.
    """

    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: Any

    latency: float | None = None

    _hearer: Hearer | None
    _look: Any = None
    _longest_request: int | None = None
    _asked: float | None = None
    _pings = 0
    _pinged = 0.0
    _stopped = False
    _silent = True

    def __init__(self, reactor: Any, hearer: Hearer) -> None:
        self._reactor = reactor
        self._hearer = hearer
        self._heard_at = reactor.seconds()

    # What goes out

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
        return messages.Error(
            code=messages.Code.TOO_LONG.value,
            text=wording.TOO_LONG.format(most=self._longest_text),
            to=request.type,
            seq=request.seq if isinstance(request, messages.Talk) else None,
            ref=request.ref,
        )

    # What comes in

    def connectionMade(self) -> None:
        """Tell that there is a connection, and begin to look whether it lasts."""
        self._heard_at = self._reactor.seconds()
        self._look = self._reactor.callLater(LOOK, self._look_whether_it_lasts)
        if self._hearer is not None:
            self._hearer.reached(self)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes, whatever they are a part of: somebody is there."""
        self._heard_at = self._reactor.seconds()
        if self._silent and begins_tls(data):
            self._lose(Failure(TalksTLS()))
            return
        self._silent = False
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        """Give what a line says; one that is no message of a known type is ignored."""
        if self._hearer is None:
            return
        text = decode(line.removesuffix(b"\r"))
        if not line.startswith(messages.OPENING):
            if told := safe(text).removeprefix(OWN):
                self._hearer.told(told)
            return
        with contextlib.suppress(messages.BadMessage):
            reply = messages.reply(text)
            if reply is not None:
                self._take(_safe(reply))

    def _take(self, reply: messages.Reply) -> None:
        now = self._reactor.seconds()
        if isinstance(reply, messages.Pong):
            if reply.ref == f"ping {self._pings}":
                self.latency, self._asked = now - self._pinged, None
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
        if self._hearer is not None:
            self._hearer.heard(reply)

    def lineLengthExceeded(self, line: bytes) -> None:
        """End: that is no server."""
        self._lose(Failure(Exception("it sent a line without an end")))

    # Whether it lasts

    def _look_whether_it_lasts(self) -> None:
        now = self._reactor.seconds()
        self._look = self._reactor.callLater(LOOK, self._look_whether_it_lasts)
        if self._stopped or self._hearer is None:
            return
        if self._asked is not None:
            # Who says something else is there too, but may have much to read before the ping.
            if now - max(self._asked, self._heard_at) >= PATIENCE:
                self._lose(Failure(TimeoutError()))
        elif self._longest_request is not None and now - self._heard_at >= (
            LOOK if self._hearer.unanswered else IDLE
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
        hearer = self._let_go()
        if hearer is not None:
            silent = self._silent and not ISSLTransport.providedBy(self.transport)
            hearer.lost(reason_of(reason, silent), wrong_with(reason))

    def _let_go(self) -> Hearer | None:
        hearer, self._hearer = self._hearer, None
        if self._look is not None:
            self._look.cancel()
            self._look = None
        return hearer


class LinesFactory(Factory):
    """Makes connections, one after the other, for one hearer."""

    noisy = False

    def __init__(self, reactor: Any, hearer: Hearer) -> None:
        self._reactor = reactor
        self._hearer = hearer

    def buildProtocol(self, addr: object) -> Lines:
        """Make the next."""
        return Lines(self._reactor, self._hearer)


_Thing = TypeVar("_Thing")


def _safe(thing: _Thing) -> _Thing:
    """Return a message with all its text, at any depth, safe to show."""
    if isinstance(thing, str):
        return cast("_Thing", safe(thing))
    if isinstance(thing, list):
        return cast("_Thing", [_safe(one) for one in thing])
    if is_dataclass(thing) and not isinstance(thing, type):
        values = {field.name: _safe(getattr(thing, field.name)) for field in fields(thing)}
        return cast("_Thing", replace(thing, **values))
    return thing
