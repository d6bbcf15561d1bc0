from __future__ import annotations

import struct
from ipaddress import ip_address
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.trial import unittest

from chatservice.core.networks import counted
from chatservice.doors.proxy import BINARY_MOST, TEXT_MOST, ProxyFactory, length, parse
from tests.doors.support import House, Wire
from tests.welcome import ALONE, GREETING, hello

PREFIX = b"\r\n\r\n\0\r\nQUIT\n"
PROXY = IPv4Address("TCP", "198.51.100.1", 40000)


def text(source: str) -> bytes:
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {source} 50000 7007\r\n".encode()


def binary(source: str, extra: int = 0) -> bytes:
    address = ip_address(source)
    family = 0x21 if address.version == 6 else 0x11
    body = address.packed * 2 + struct.pack("!HH", 50000, 7007) + b"x" * extra
    return PREFIX + bytes((0x21, family)) + struct.pack("!H", len(body)) + body


LOCAL = PREFIX + b"\x20\0\0\0"
UNSPECIFIED = PREFIX + b"\x21\0\0\0"
OF_A_UNIX_SOCKET = PREFIX + b"\x21\x31\0\xd8" + b"/run/x".ljust(108, b"\0") * 2

# A header, and the address that it names.
HEADERS: dict[bytes, str | None] = {
    text("192.0.2.1"): "192.0.2.1",
    text("2001:db8::1"): "2001:db8::1",
    binary("192.0.2.1"): "192.0.2.1",
    binary("2001:db8::1", extra=300): "2001:db8:0:0:0:0:0:1",
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff:f::f ffff:f::f 65535 65535\r\n": None,
    b"PROXY UNKNOWN " + b"x" * (TEXT_MOST - 16) + b"\r\n": None,
    LOCAL: None,
    UNSPECIFIED: None,
    OF_A_UNIX_SOCKET: None,
}

NO_HEADERS = (
    *(b"a", b"PROXIES", b"proxy UNKNOWN\r\n", b"PROXY\r\n", b"\n", b"\r\n\r\n\0\r\nQUIT\r"),
    *(b"PROXY UNKNOWN " + b"x" * TEXT_MOST, b"PROXY UNKNOWN " + b"x" * (TEXT_MOST - 15) + b"\r\n"),
    *(
        b"PROXY TCP4 192.0.2.1\r\n",
        b"PROXY TCP4 x y 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.1 a b\r\n",
    ),
    *(b"PROXY TCP4 \xff \xff 1 2\r\n", b"PROXY UDP4 192.0.2.1 192.0.2.1 1 2\r\n", b"PROXY  \r\n"),
    PREFIX + b"\x31\x11\0\0",
    PREFIX + b"\x22\x11\0\0",
    PREFIX + b"\x21\x11\0\x04abcd",
    PREFIX + b"\x21\x41\0\0",
    PREFIX + b"\x21\x11" + struct.pack("!H", BINARY_MOST),
)


class HeaderTests(unittest.TestCase):
    def test_what_is_one(self) -> None:
        for header, host in HEADERS.items():
            for size in range(len(header)):
                self.assertEqual(length(header[:size]), 0, (header, size))
            self.assertEqual(length(header), len(header))
            self.assertEqual(length(header + b"\r\nhi"), len(header))
            self.assertEqual(getattr(parse(header).source, "host", None), host)

    def test_what_is_none(self) -> None:
        for header in NO_HEADERS:
            with self.assertRaises((InvalidProxyHeader, ValueError), msg=header):
                size = length(header)
                self.assertNotEqual(size, 0, header)
                parse(header[:size])

    @given(
        st.sampled_from(sorted(HEADERS)),
        st.lists(st.tuples(st.integers(0, 250), st.binary(max_size=3))),
    )
    @settings(deadline=None)
    def test_nothing_else_ever_happens(
        self, header: bytes, changes: list[tuple[int, bytes]]
    ) -> None:
        for at, change in changes:
            header = header[:at] + change + header[at + len(change) :]
        try:
            size = length(header)
            if size:
                parse(header[:size])
        except (InvalidProxyHeader, ValueError):
            pass


class Behind:
    """Somebody behind a proxy."""

    def __init__(self, house: House, factory: ProxyFactory, peer: IAddress = PROXY) -> None:
        self.house = house
        self.wire = Wire(house.clock, peer)
        protocol: Any = factory.buildProtocol(peer)
        self.protocol = protocol
        self.wire.protocol = protocol
        protocol.makeConnection(self.wire)

    def hear(self, seconds: float = 0.2) -> list[str]:
        self.house.run(seconds)
        data = self.wire.value()
        self.wire.clear()
        return data.decode().split("\r\n")[:-1]


class ProxyTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.begin()

    def begin(self, **limits: int) -> None:
        self.house = House(**limits)
        self.factory = ProxyFactory(self.house.factory, self.house.factory)

    def connect(self, peer: IAddress = PROXY) -> Behind:
        return Behind(self.house, self.factory, peer)

    @property
    def addresses(self) -> list[str]:
        return [protocol.site for protocol in self.house.factory.connections]


class ConnectingTests(ProxyTestCase):
    @given(st.sampled_from(sorted(HEADERS)), st.lists(st.integers(0, 300), max_size=10))
    @settings(deadline=None)
    def test_the_address_counts_however_the_header_comes(
        self, header: bytes, cuts: list[int]
    ) -> None:
        self.begin()
        ana = self.connect()
        stream = header + b"ana\n"
        places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        for start, end in pairwise(places):
            ana.protocol.dataReceived(stream[start:end])
        self.assertEqual(ana.hear(), [GREETING, hello("ana"), ALONE])
        host = HEADERS[header]
        known = "" if header == OF_A_UNIX_SOCKET else counted(host or PROXY.host)
        self.assertEqual(self.addresses, [known])

    def test_nobody_is_there_before_the_header(self) -> None:
        for header, host in HEADERS.items():
            self.begin(handshake_timeout=60)
            peer = self.connect()
            for byte in header:
                self.assertEqual(peer.hear(0.035), [])
                self.assertEqual(len(self.house.factory.connections), 0)
                peer.protocol.dataReceived(bytes((byte,)))
            self.assertEqual(peer.hear(), [GREETING])
            self.assertEqual(len(self.house.factory.connections), 1, host)

    def test_of_an_unknown_peer_on_a_unix_socket_there_is_no_address(self) -> None:
        for header in (b"PROXY UNKNOWN\r\n", LOCAL):
            self.begin(max_per_address=1)
            for _ in range(3):
                peer = self.connect(UNIXAddress(None))
                peer.protocol.dataReceived(header)
                self.assertEqual(peer.hear(), [GREETING])

    def test_who_sends_no_header_is_closed_in_time(self) -> None:
        self.begin(handshake_timeout=3)
        for begun in (b"", b"PROXY", PREFIX, PREFIX + b"\x21\x11\0\x0cabc"):
            peer = self.connect()
            peer.protocol.dataReceived(begun)
            self.house.run(2.9)
            self.assertTrue(peer.wire.connected)
            self.assertEqual(peer.hear(0.2), [])
            self.assertFalse(peer.wire.connected, begun)

    def test_who_sends_none_is_closed_at_once(self) -> None:
        for header in NO_HEADERS:
            peer = self.connect()
            peer.protocol.dataReceived(header)
            peer.protocol.dataReceived(text("192.0.2.1"))
            self.assertEqual(peer.hear(), [])
            self.assertFalse(peer.wire.connected, header)
        self.assertEqual(len(self.factory.protocols), 0)

    def test_it_may_be_lost_before_the_header(self) -> None:
        peer = self.connect()
        peer.protocol.dataReceived(b"PROXY ")
        peer.wire.lose()
        self.assertEqual(peer.hear(100), [])
        self.assertEqual(len(self.factory.protocols), 0)

    def test_who_waits_when_the_service_stops_is_closed(self) -> None:
        peer = self.connect()
        come = self.connect()
        come.protocol.dataReceived(text("192.0.2.1"))
        self.factory.doStart()
        self.factory.doStop()
        self.house.run(0.1)
        self.assertFalse(peer.wire.connected)
        self.assertTrue(come.wire.connected)

    def test_the_end_of_the_input_passes(self) -> None:
        peer = self.connect()
        self.assertFalse(IHalfCloseableProtocol.providedBy(peer.protocol))
        peer.protocol.dataReceived(text("192.0.2.1") + b"ana\n/who")
        self.assertTrue(IHalfCloseableProtocol.providedBy(peer.protocol))
        peer.protocol.readConnectionLost()
        self.assertRegex("\n".join(peer.hear()), "(?s)hello ana.*#lobby.*ana")
        self.assertFalse(peer.wire.connected)

    def test_what_a_stalled_peer_takes_is_measured(self) -> None:
        peer = self.connect()
        peer.protocol.dataReceived(text("192.0.2.1"))
        (protocol,) = self.house.factory.connections
        self.assertIsNone(self.house.factory.progress.stalled(protocol, 0))
        self.assertIs(protocol.transport, peer.protocol)
