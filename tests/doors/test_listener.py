from __future__ import annotations

import os
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial import unittest

from chatservice.doors.listener import Listener, parted
from chatservice.doors.proxy import ProxyFactory
from tests.doors.support import House

ADDRESS = IPv4Address("TCP", "192.0.2.1", 50000)


class ListenerTests(unittest.TestCase):
    def test_options_follow_the_endpoint(self) -> None:
        for description, endpoint, telnet in (
            ("tcp:23", "tcp:23", False),
            ("tcp:23 telnet", "tcp:23", True),
            ("tcp:23   telnet ", "tcp:23", True),
            ("tcp:23 telnet telnet", "tcp:23", True),
            ("haproxy:tcp:23 telnet", "haproxy:tcp:23", True),
            ("unix:/a b/c", "unix:/a b/c", False),
            ("unix:/a b/c telnet", "unix:/a b/c", True),
            ("unix:/a telnet/c", "unix:/a telnet/c", False),
            ("unix:/a telnet:mode=600", "unix:/a telnet:mode=600", False),
            ("telnet", "telnet", False),
            ("", "", False),
        ):
            self.assertEqual(parted(description), (endpoint, telnet), description)

    def test_an_unknown_option_is_named(self) -> None:
        for description, unknown in (
            ("tcp:23 telent", "telent"),
            ("tcp:23 telent telnet", "telent"),
            ("tcp:23 telnet telent", "telent"),
            ("tcp:23  doors=web", "doors=web"),
            ("haproxy:tcp:23 TELNET", "TELNET"),
        ):
            with self.assertRaises(ValueError) as caught:
                Listener(None, description)
            self.assertEqual(
                str(caught.exception), f"'{unknown}' is no option of a listener: there is telnet"
            )

    def test_a_path_may_have_blanks(self) -> None:
        for description in ("unix:/a b/c", "unix:/a b/c telnet", "haproxy:unix:/a b/c telnet"):
            Listener(None, description)

    def test_tls_behind_a_proxy_is_of_one_kind(self) -> None:
        for description in ("haproxy:ssl:7008", "haproxy:ssl:7008 telnet"):
            with self.assertRaisesRegex(ValueError, "behind a proxy, TLS is 'tls:'"):
                Listener(None, description)

    def test_what_is_wrong_with_an_endpoint_is_still_told(self) -> None:
        for description in ("tcp:seven telnet", "tcp:seven of nine", "unix:/a b/c:mode=x"):
            with self.assertRaisesRegex(ValueError, "invalid literal for int"):
                Listener(None, description)


class ListeningTests(unittest.TestCase):
    def setUp(self) -> None:
        self.factory = House().factory

    def listening(self, description: str) -> Any:
        """Give the factory that listens."""
        reactor = MemoryReactorClock()
        Listener(reactor, description).listen(self.factory)
        return reactor.tcpServers[0][1]

    def test_without_options_the_chat_itself_listens(self) -> None:
        self.assertIs(self.listening("tcp:7007"), self.factory)

    def test_connections_of_a_telnet_listener_negotiate(self) -> None:
        for description in ("tcp:23 telnet", "haproxy:tcp:23 telnet"):
            protocol = self.listening(description).buildProtocol(ADDRESS)
            protocol = getattr(protocol, "wrappedProtocol", protocol)
            self.assertTrue(protocol.negotiates, description)
            self.assertIs(protocol.factory, self.factory)

    def test_a_header_comes_before_tls(self) -> None:
        folder = self.mktemp()
        os.mkdir(folder)
        outside = self.listening(f"haproxy:tls:{folder}:7008")
        self.assertIsInstance(outside, ProxyFactory)
        self.assertIsInstance(outside.wrappedFactory, TLSMemoryBIOFactory)
        self.assertIs(outside.wrappedFactory.wrappedFactory, self.factory)
