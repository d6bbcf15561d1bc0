"""Connections from a proxy, which sends the peer's address in a header (HAProxy's PROXY protocol).

A connection's protocol is connected only once the header has come: only then is there an address to
count and ban by, and only then does silence tell anything about the peer. Twisted's own wrapper
connects its protocol at once, needs the first 16 bytes in one piece, and refuses the shortest
possible header.
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
"""Most bytes of a text header, with its line end (PROXY protocol, section 2.1)."""

BINARY_MOST: Final = 8192
"""Most bytes of a binary header. Addresses take at most 232; a certificate may be added to them."""

_TEXT: Final = b"PROXY "
_LENGTH_AT: Final = 14
_FIXED: Final = 16


class ProxyProtocol(HAProxyProtocolWrapper):
    """A proxy's connection, which connects the wrapped protocol after the PROXY header."""

    factory: Any  # a ProxyFactory
    transport: Any
    wrappedProtocol: Any

    _begun: bytes | None = b""
    """The part of the header that has come; None once the header is complete."""

    def makeConnection(self, transport: Any) -> None:
        """Register the connection, and wait for its header."""
        directlyProvides(self, providedBy(transport))
        Protocol.makeConnection(self, transport)
        self.factory.registerProtocol(self)
        self.factory.unannounced.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Take the header, in any number of pieces, and pass the bytes after it to the protocol."""
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
        """Tell the protocol that the connection is lost, if the protocol was ever connected."""
        self.factory.unannounced.discard(self)
        if self._begun is None:
            super().connectionLost(reason)  # type: ignore[no-untyped-call]
        else:
            self.factory.unregisterProtocol(self)
            self.wrappedProtocol = None


class ProxyFactory(WrappingFactory[ProxyProtocol]):
    """Makes a :class:`ProxyProtocol` in front of each connection.

    :param chat: has the clock, the limit of seconds for a header, and the log of closings.
    :param factory: makes the protocols behind the header.
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
        """Close a connection with no header or a wrong one, and log it. The peer gets no reason."""
        self.unannounced.discard(protocol)
        self._chat.closings.note("no PROXY header", protocol.transport.getPeer())
        protocol.transport.loseConnection()

    def stopFactory(self) -> None:
        """Close the connections whose header has not come."""
        for protocol in self.unannounced:
            protocol.transport.loseConnection()
        self.unannounced.stop()


def length(begun: bytes) -> int:
    """Return the header's length in bytes once all of it has come; 0 before.

    :raises InvalidProxyHeader: if the bytes can't become a header.
    """
    if V2Parser.PREFIX.startswith(begun[: len(V2Parser.PREFIX)]):
        # If the bytes end before the length field, the size still exceeds their number.
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
    """Parse a complete PROXY header.

    :raises InvalidProxyHeader: if the header or its address is invalid.
    :raises ValueError: if its port is invalid.
    """
    if header.startswith(_TEXT):
        # Twisted requires a blank after each word, but "PROXY UNKNOWN" may end without one.
        info = V1Parser.parse(header.removesuffix(b"\r\n") + b" ")
    else:
        info = V2Parser.parse(header)
    host = getattr(info.source, "host", None)
    if host is not None and parse_address(host) is None:
        raise InvalidProxyHeader()
    return info
