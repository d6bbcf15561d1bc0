"""Behind a proxy that says in a PROXY header who a connection is from (HAProxy's PROXY protocol).

Nobody is there before the header is: only then the connection has an address to be counted and
banned by, and only then a silence says anything about the peer. Twisted's own wrapper connects its
protocol at once, wants the first 16 bytes in one piece, and refuses the shortest header of all.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.protocols.haproxy._info import ProxyInfo
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

from chatservice.core.deadlines import Deadlines
from chatservice.core.networks import parse_address
from chatservice.doors.factory import ChatFactory

TEXT_MOST: Final = 107
"""Bytes of a header in text, with the end of its line (PROXY protocol, section 2.1)."""

BINARY_MOST: Final = 8192
"""Bytes of a binary header: addresses have 232 at most, and what is added may be a certificate."""

_TEXT: Final = b"PROXY "
_LENGTH_AT: Final = 14
_FIXED: Final = 16


class ProxyProtocol(HAProxyProtocolWrapper):
    """A connection from a proxy: connected to its protocol once its header has come."""

    factory: Any  # a ProxyFactory
    transport: Any
    wrappedProtocol: Any

    _begun: bytes | None = b""
    """What there is of the header; None once it is complete."""

    def makeConnection(self, transport: Any) -> None:
        """Wait for the header."""
        directlyProvides(self, providedBy(transport))
        Protocol.makeConnection(self, transport)
        self.factory.registerProtocol(self)
        self.factory.unannounced.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Take the header, in however many pieces it comes; what follows is the protocol's."""
        if self._begun is None:
            self.wrappedProtocol.dataReceived(data)
            return
        if self.transport.disconnecting:
            return
        self._begun += data
        try:
            end = length(self._begun)
            if not end:
                return
            self._proxyInfo = parse(self._begun[:end])
        except (InvalidProxyHeader, ValueError):
            self.factory.refuse(self)
            return
        rest = self._begun[end:]
        self._begun = None
        self.factory.unannounced.discard(self)
        self.wrappedProtocol.makeConnection(self)
        if rest:
            self.wrappedProtocol.dataReceived(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the protocol, if it ever was connected."""
        self.factory.unannounced.discard(self)
        if self._begun is None:
            super().connectionLost(reason)  # type: ignore[no-untyped-call]
        else:
            self.factory.unregisterProtocol(self)
            self.wrappedProtocol = None


class ProxyFactory(WrappingFactory[ProxyProtocol]):
    """Puts a :class:`ProxyProtocol` before each connection.

    :param chat: tells the time that a header may take, and has the log of what is closed.
    :param factory: makes the protocols behind it.
    """

    protocol = ProxyProtocol
    noisy = False

    def __init__(self, chat: ChatFactory, factory: IProtocolFactory) -> None:
        super().__init__(factory)  # type: ignore[no-untyped-call]
        self._chat = chat
        self.unannounced = Deadlines[ProxyProtocol](
            chat.clock, chat.limits.handshake_timeout, self.refuse
        )

    def refuse(self, protocol: ProxyProtocol) -> None:
        """Close a connection without a header, or with one that is none; nobody would read why."""
        self.unannounced.discard(protocol)
        self._chat.closings.note("no PROXY header", protocol.transport.getPeer())
        protocol.transport.loseConnection()

    def stopFactory(self) -> None:
        """Close the connections that nobody is behind yet."""
        for protocol in self.unannounced:
            protocol.transport.loseConnection()
        self.unannounced.stop()


def length(begun: bytes) -> int:
    """Return how many bytes a header has, once they are all there; 0 before.

    :raises InvalidProxyHeader: if it can't become a header.
    """
    if V2Parser.PREFIX.startswith(begun[: len(V2Parser.PREFIX)]):
        # Of what is too short to tell it, the size is more than there is.
        size = _FIXED + int.from_bytes(begun[_LENGTH_AT:_FIXED], "big")
        if size > BINARY_MOST:
            raise InvalidProxyHeader()
        return size if len(begun) >= size else 0
    if not _TEXT.startswith(begun[: len(_TEXT)]):
        raise InvalidProxyHeader()
    end = begun.find(b"\r\n", 0, TEXT_MOST)
    if end < 0 and len(begun) >= TEXT_MOST:
        raise InvalidProxyHeader()
    return end + 2 if end >= 0 else 0


def parse(header: bytes) -> ProxyInfo:
    """Read a whole header.

    :raises InvalidProxyHeader: if it is none, or its address is none.
    :raises ValueError: if its port is none.
    """
    if header.startswith(_TEXT):
        # Twisted wants a blank behind each word, and "PROXY UNKNOWN" may end there.
        info = V1Parser.parse(header.removesuffix(b"\r\n") + b" ")
    else:
        info = V2Parser.parse(header)
    host = getattr(info.source, "host", None)
    if host is not None and parse_address(host) is None:
        raise InvalidProxyHeader()
    return info
