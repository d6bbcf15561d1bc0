"""Connecting again and again, after pauses that grow; and why there is no connection."""

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

FIRST_PAUSE: Final = 1.0
"""Seconds until it is tried again to connect, and up to one more; pauses grow from there …"""

LONGEST_PAUSE: Final = 60.0
"""… up to this, in seconds."""

SHORT_PAUSE: Final = (0.1, 1.0)
"""Seconds after a connection that was of use: it only has to be made again."""

_VERIFIERS: Final = ("OpenSSL", "service_identity")
"""The modules whose errors mean that a certificate, or TLS, is not what it should be."""

_NO_TLS: Final = re.compile(
    "wrong version number|packet length too long|http request|record layer failure"
    "|.*alert (handshake failure|protocol version|unexpected message)"
)
"""Messages of OpenSSL where the other side talks no TLS; a port of ours answers with an alert."""

_TLS_RECORDS: Final = (b"\x15\x03", b"\x16\x03")
"""The first bytes of an alert and of a handshake in TLS (RFC 8446, section 5.1)."""


class Dialler:
    """Makes connections, one at a time.

    Pauses grow whatever the cause is that a connection does not last. One was of use if something
    came of it, or if it lasted at least as long as the pause before it.

    :param make: makes the protocol of the next connection.
    :param failed: is told why there is no connection.
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
        self._was_of_use = False
        self._connecting: Deferred[IProtocol] | None = None
        self._later: Any = None

    def dial(self) -> None:
        """Connect now, if that is not being done anyway."""
        if self._connecting is not None:
            return
        self._cancel_later()
        self._connecting = connecting = self._endpoint.connect(self._factory)
        connecting.addCallbacks(self._reached, self._not_reached)

    def dial_later(self) -> float:
        """Connect after a pause; return its seconds."""
        if self._was_of_use or self._has_lasted():
            self._failures = 0
            self._pause = random.uniform(*SHORT_PAUSE)
        else:
            self._pause = self._backoff(self._failures)
            self._failures += 1
        self._was_of_use, self._welcomed_at = False, None
        self._cancel_later()
        self._later = self._reactor.callLater(self._pause, self.dial)
        return self._pause

    def welcomed(self) -> None:
        """Note that the server has let one in: from now on it counts how long that lasts."""
        self._welcomed_at = self._reactor.seconds()

    def of_use(self) -> None:
        """Note that something new came of the connection."""
        self._was_of_use = True

    def _has_lasted(self) -> bool:
        since = self._welcomed_at
        return since is not None and self._reactor.seconds() - since >= self._pause

    def stop(self) -> None:
        """Make no connection any more."""
        self._cancel_later()
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()

    def _cancel_later(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None

    def _reached(self, protocol: IProtocol) -> None:
        self._connecting = None

    def _not_reached(self, failure: Failure) -> None:
        if self._connecting is not None:
            self._connecting = None
            self._failed(failure)


class TalksTLS(Exception):
    """The other side talks TLS, and this one does not."""


def begins_tls(data: bytes) -> bool:
    """Tell whether the first bytes of the other side are TLS."""
    return data.startswith(_TLS_RECORDS)


def wrong_with(failure: Failure) -> str | None:
    """Tell what is wrong with a server, if that is TLS: at the beginning, it stays so.

    :return: a verb and the rest, to stand behind the address; None if nothing is wrong with it.
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
    """Say in a few words why there is no connection, or none any more.

    :param silent: it is without TLS, and the server has sent no byte. So do some that talk TLS,
        ours among them, when they are not met by TLS.
    """
    error: Any = failure.value
    if failure.check(ConnectionDone, ConnectionLost):
        hint = " without a word (if it talks TLS, write tls:HOST:PORT)" if silent else ""
        return ("the server closed it" if failure.check(ConnectionDone) else "it broke off") + hint
    if failure.check(DNSLookupError):
        return "there is no such host"
    if failure.check(TimeoutError):
        return "no answer"
    if failure.check(TalksTLS):
        return "it talks TLS"
    if _is_of_tls(failure):
        return _verdict(error)
    number = getattr(error, "osError", None)
    return os.strerror(number) if isinstance(number, int) else failure.getErrorMessage()


def _verdict(error: Any) -> str:
    """Say what a verifier found; OpenSSL does in a list of triples, at their ends."""
    try:
        return str(error.args[0][-1][-1])
    except (IndexError, KeyError, TypeError):
        return "its certificate is for another host"
