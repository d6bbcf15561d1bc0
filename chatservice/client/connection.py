"""A connection to the server, as a program sees it: what it says, and what that means.

What matters of it is told to a :class:`Talker`, which decides what to send, and whether to connect
again::

    reached ... greeted ... heard, heard, ... parted ... lost
                   name_refused (and another name is sent)
"""

from __future__ import annotations

import os
import re
from typing import Any, Final, Protocol

from twisted.internet.error import ConnectionDone, ConnectionLost, DNSLookupError, TimeoutError
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from chatservice.text import wording
from chatservice.text.sanitising import decode, safe

OWN: Final = "-- "
"""What stands before all that is the service's own."""

QUIT: Final = "/quit"

LONGEST: Final = 1 << 20
"""Bytes of a line; the options of a server may allow for more than the usual 2,000 characters."""

_VERIFIERS: Final = ("OpenSSL", "service_identity")
"""The modules whose errors mean that a certificate, or TLS, is not what it should be."""

_NO_TLS: Final = re.compile(
    "wrong version number|packet length too long|http request|record layer failure"
    "|.*alert (handshake failure|protocol version|unexpected message)"
)
"""What OpenSSL says where the other side talks no TLS; a port of ours answers with an alert."""

_TLS_RECORDS: Final = (b"\x15\x03", b"\x16\x03")
"""How an alert and a handshake begin in TLS (RFC 8446, section 5.1)."""


def _pattern(words: str) -> re.Pattern[str]:
    before, _, behind = words.partition("{name}")
    return re.compile(rf"{re.escape(before)}(\S+){re.escape(behind)}")


_HELLO: Final = _pattern(wording.HELLO)
_GOODBYE: Final = _pattern(wording.GOODBYE)
_RENAMED: Final = _pattern(wording.RENAMED)


class TalksTLS(Exception):
    """The other side talks TLS, and this one does not."""

    def __init__(self) -> None:
        super().__init__("it talks TLS")


def begins_tls(data: bytes) -> bool:
    """Tell whether the first bytes of the other side are TLS."""
    return data.startswith(_TLS_RECORDS)


class Talker(Protocol):
    """Who talks through a connection."""

    def reached(self, connection: Connection) -> None:
        """There is a connection: time for a name."""

    def heard(self, text: str) -> None:
        """The server said a line; it is safe to show."""

    def greeted(self) -> None:
        """The server took the name: what is sent now is said."""

    def name_refused(self, why: str) -> None:
        """The server wants another name."""

    def parted(self) -> None:
        """The server said goodbye: all that was sent before ``/quit`` was taken."""

    def sent_away(self, why: str) -> None:
        """The server does not want this one."""

    def lost(self, failure: Failure) -> None:
        """The connection is no more."""


class Connection(LineReceiver):
    """A :class:`LineReceiver` that knows what the server means.

    :ivar name: under which the server knows this connection; None until it has greeted.
    :ivar asking: a name was sent, and not answered yet.
    :ivar silent: the server has not sent a byte yet.
    """

    delimiter = b"\n"
    MAX_LENGTH = LONGEST
    transport: Any

    name: str | None = None
    asking = False
    silent = True
    _tls = False

    def __init__(self, talker: Talker) -> None:
        self.talker = talker

    def connectionMade(self) -> None:
        """Tell that there is a connection."""
        self.talker.reached(self)

    def introduce(self, name: str) -> None:
        """Send a name."""
        self.asking = True
        self.send(name)

    def send(self, text: str) -> None:
        r"""Send one line. ``\r\0`` would end it for the server, so ``\0`` is shown instead."""
        self.transport.write(text.replace("\0", "\u2400").encode() + b"\n")

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; close if the server talks TLS."""
        if self.silent:
            self.silent = False
            self._tls = begins_tls(data)
            if self._tls:
                self.transport.abortConnection()
        if not self._tls:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def lineReceived(self, line: bytes) -> None:
        """Pass a line on, and tell what it means; not even the server may harm a terminal."""
        text = safe(decode(line.removesuffix(b"\r")))
        self.talker.heard(text)
        if not text.startswith(OWN):
            return
        said = text.removeprefix(OWN)
        if said.startswith(wording.SENT_AWAY):
            self.talker.sent_away(said)
        elif self.name is None:
            self._answered(said)
        elif renamed := _RENAMED.fullmatch(said):
            self.name = renamed[1]
        elif _GOODBYE.fullmatch(said):
            self.talker.parted()

    def _answered(self, said: str) -> None:
        if said == wording.ASK_NAME:  # It may still be on its way when the name is sent.
            return
        self.asking = False
        if hello := _HELLO.fullmatch(said):
            self.name = hello[1]
            self.talker.greeted()
        elif said.endswith(wording.ASK_AGAIN):
            self.talker.name_refused(said.removesuffix(wording.ASK_AGAIN).rstrip("; "))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell that it is over."""
        self.silent = self.silent and not ISSLTransport.providedBy(self.transport)
        self.talker.lost(Failure(TalksTLS()) if self._tls else reason)


class ConnectionFactory(Factory):
    """Makes connections that one talker talks through, one after the other."""

    noisy = False

    def __init__(self, talker: Talker) -> None:
        self.talker = talker

    def buildProtocol(self, addr: object) -> Connection:
        """Make the next."""
        return Connection(self.talker)


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
