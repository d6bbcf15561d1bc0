"""Repeated connecting, with growing pauses; the reason for a missing connection."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from typing import Any, Final

from twisted.application.internet import backoffPolicy
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, DNSLookupError, TimeoutError
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from chatservice.clock import Timer


class TalksTLS(Exception):
    """The failure of a connection without TLS to a server that talks TLS."""


FIRST_PAUSE: Final = 1.0
"""Seconds before the first retry, and up to one more; pauses grow from there …"""

LONGEST_PAUSE: Final = 60.0
"""… up to this, in seconds."""

SHORT_PAUSE: Final = (0.1, 1.0)
"""The range of the pause, in seconds, after the loss of a connection that was of use."""

_REASONS: Final = {
    ConnectionDone: "the server closed it",
    ConnectionLost: "it broke off",
    DNSLookupError: "there is no such host",
    TimeoutError: "no answer",
    TalksTLS: "it talks TLS",
}
"""The words for exceptions whose type alone tells the reason."""

_VERIFIERS: Final = ("OpenSSL", "service_identity")
"""The modules whose errors mean that a certificate, or TLS, is wrong."""

_NO_TLS: Final = re.compile(
    "wrong version number|packet length too long|http request|record layer failure"
    "|.*alert (handshake failure|protocol version|unexpected message)"
)
"""Messages of OpenSSL if the server talks no TLS; a port of this service answers with an alert."""

TLS_RECORDS: Final = (b"\x15\x03", b"\x16\x03")
"""The first bytes of an alert and of a handshake in TLS (RFC 8446, section 5.1)."""


class Dialler:
    """Makes connections to the server, one at a time, and backs off.

    The pause grows after each connection that fails or does not last. The shortest pause follows a
    connection that was of use, or lasted at least as long as the pause before it.

    :param make: makes the protocol of the next connection.
    :param failed: is called with the failure of an attempt to connect.
    :ivar was_of_use: whether this connection has moved the place of the session; the owner sets it.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        make: Callable[[], Any],
        failed: Callable[[Failure], None],
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._factory = Factory.forProtocol(make)
        self._factory.noisy = False
        self._failed = failed
        self._backoff = backoffPolicy(FIRST_PAUSE, LONGEST_PAUSE)
        self._failures = 0
        self._pause = 0.0
        self._welcomed_at: float | None = None
        self.was_of_use = False
        self._connecting: Deferred[IProtocol] | None = None
        self._later = Timer(reactor, self.dial)

    def dial(self) -> None:
        """Connect now, unless an attempt is under way."""
        if self._connecting is None:
            self._later.stop()
            self._connecting = connecting = self._endpoint.connect(self._factory)
            connecting.addCallbacks(self._reached, self._not_reached)

    def dial_later(self) -> float:
        """Schedule the next attempt, and return the pause before it in seconds."""
        since = self._welcomed_at
        lasted = since is not None and self._reactor.seconds() - since >= self._pause
        if self.was_of_use or lasted:
            self._failures = 0
            self._pause = random.uniform(*SHORT_PAUSE)
        else:
            self._pause = self._backoff(self._failures)
            self._failures += 1
        self.was_of_use, self._welcomed_at = False, None
        self._later.start(self._pause)
        return self._pause

    def welcomed(self) -> None:
        """Note the time of the welcome, from which the life of the connection counts."""
        self._welcomed_at = self._reactor.seconds()

    def stop(self) -> None:
        """Cancel the attempt that is under way, and the next one."""
        self._later.stop()
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()

    def _reached(self, protocol: IProtocol) -> None:
        self._connecting = None

    def _not_reached(self, failure: Failure) -> None:
        if self._connecting is not None:
            self._connecting = None
            self._failed(failure)


def wrong_with(failure: Failure) -> str | None:
    """Return the error in the use of TLS, or None; retrying does not help against it.

    :return: a verb and the rest of a sentence, to follow the address.
    """
    if failure.check(TalksTLS):
        return "talks TLS: write tls:HOST:PORT"
    if not _is_of_tls(failure):
        return None
    reason = _verdict(failure.value)
    if _NO_TLS.fullmatch(reason):
        return "talks no TLS: leave out tls:"
    return f"can't be trusted: {reason}"


def _is_of_tls(failure: Failure) -> bool:
    return failure.type is not None and failure.type.__module__.split(".")[0] in _VERIFIERS


def reason_of(failure: Failure, silent: bool = False) -> str:
    """Return in a few words why a connection failed or was lost.

    :param silent: whether the connection had no TLS and brought no byte. Some servers that talk
        TLS, this service among them, close such a connection without a word.
    """
    kind = failure.check(*_REASONS)
    if silent and kind in (ConnectionDone, ConnectionLost):
        return f"{_REASONS[kind]} without a word (if it talks TLS, write tls:HOST:PORT)"
    if kind is not None:
        return _REASONS[kind]
    if _is_of_tls(failure):
        return _verdict(failure.value)
    number = getattr(failure.value, "osError", None)
    return os.strerror(number) if isinstance(number, int) else failure.getErrorMessage()


def _verdict(error: Any) -> str:
    """Return the words of a verifier's error; OpenSSL puts them at the end of a triple."""
    try:
        return str(error.args[0][-1][-1])
    except (IndexError, KeyError, TypeError):
        return "its certificate is for another host"
