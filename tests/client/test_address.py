from __future__ import annotations

from typing import Any
from unittest.mock import Mock

from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import TestCase

from chatservice.client import address
from chatservice.client.address import BadAddress, endpoint_at, joined


class MemoryNames:
    """A resolver that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def resolveHostName(self, receiver: Any, hostName: str, portNumber: int) -> None:
        self.asked.append((hostName, portNumber))


class AddressTests(TestCase):
    def place(self, where: str) -> tuple[str, int]:
        """Return the host and the port that an address stands for."""
        endpoint: Any = endpoint_at(MemoryReactorClock(), where)
        self.assertIsInstance(endpoint, HostnameEndpoint)
        return endpoint._hostText, endpoint._port

    def test_hosts_and_ports(self) -> None:
        for where, place in (
            ("localhost", ("localhost", 7007)),
            ("chat.example", ("chat.example", 7007)),
            ("bücher.example:1", ("bücher.example", 1)),
            ("chat-2.example:65535", ("chat-2.example", 65535)),
            ("192.0.2.1", ("192.0.2.1", 7007)),
            ("192.0.2.1:7008", ("192.0.2.1", 7008)),
            ("::1", ("::1", 7007)),
            ("2001:db8::7:7008", ("2001:db8::7:7008", 7007)),
            ("[::1]", ("::1", 7007)),
            ("[::1]:7008", ("::1", 7008)),
            ("my_host:7127", ("my_host", 7127)),
            ("my_host", ("my_host", 7007)),
        ):
            self.assertEqual(self.place(where), place, where)

    def test_hosts_that_no_dns_has_are_looked_up_all_the_same(self) -> None:
        reactor = MemoryReactorClock()
        resolver = MemoryNames()
        reactor.nameResolver = resolver
        endpoint_at(reactor, "my_host:7127").connect(Factory())
        self.assertEqual(resolver.asked, [("my_host", 7127)])

    def test_a_zone_is_kept(self) -> None:
        for where, port in (("[fe80::1%eth0]:7127", 7127), ("fe80::1%eth0", 7007)):
            reactor = MemoryReactorClock()
            endpoint_at(reactor, where).connect(Factory())
            ((host, to, *_),) = reactor.tcpClients
            self.assertEqual((host, to), ("fe80::1%eth0", port))

    def test_two_words(self) -> None:
        for words, where in (
            (("localhost", "7127"), "localhost:7127"),
            (("my_host", "23"), "my_host:23"),
            (("::1", "7127"), "[::1]:7127"),
            (("[::1]", "7127"), "[::1]:7127"),
            (("fe80::1%eth0", "7127"), "[fe80::1%eth0]:7127"),
        ):
            self.assertEqual(joined(*words), where)
        no_port, no_host = "a port is a number from 1 to 65535", "a host comes before a port"
        for words, why in (
            (("localhost", "telnet"), no_port),
            (("localhost:7007", "7127"), no_host),
            (("tls:localhost:7007", "7127"), no_host),
        ):
            with self.assertRaises(BadAddress) as refusal:
                joined(*words)
            self.assertEqual(str(refusal.exception), f"{' '.join(words)}: {why}")

    def test_endpoints(self) -> None:
        reactor = MemoryReactorClock()
        self.assertIsInstance(endpoint_at(reactor, "unix:/run/chat.sock"), UNIXClientEndpoint)
        self.assertIsInstance(endpoint_at(reactor, "unix:7007"), UNIXClientEndpoint)
        for where in ("tcp:localhost:7007", "tls:localhost:7007", "tls:localhost:7007:timeout=3"):
            self.assertTrue(hasattr(endpoint_at(reactor, where), "connect"), where)

    def test_what_is_no_address(self) -> None:
        no_kind = "it is no host, no host with a port, and no endpoint"
        for where, why in (
            ("", no_kind),
            ("a b", no_kind),
            ("localhost:chat", no_kind),
            ("carrier-pigeon:7:7", no_kind),
            ("localhost:0", "a port is a number from 1 to 65535"),
            ("[::1]:65536", "a port is a number from 1 to 65535"),
            ("[localhost]:7007", "brackets are for an IPv6 address"),
            ("tcp:localhost:65536", "a port is a number from 1 to 65535"),
            ("tcp:localhost:chat", "a number is wanted where 'chat' is"),
            ("tcp:localhost", "it has a part too few or too many"),
            ("tls:localhost:7007:colour=red", "it has a part too few or too many"),
        ):
            with self.assertRaises(BadAddress) as refusal:
                endpoint_at(MemoryReactorClock(), where)
            self.assertEqual(str(refusal.exception), f"{where}: {why}")

    def test_tls_that_is_not_installed(self) -> None:
        missing = NameError("name 'optionsForClientTLS' is not defined")
        self.patch(address, "clientFromString", Mock(side_effect=missing))
        with self.assertRaises(BadAddress) as refusal:
            endpoint_at(MemoryReactorClock(), "tls:h:7")
        why = "tls:h:7: TLS needs what is not installed here: pip install 'chatservice[tls]'"
        self.assertEqual(str(refusal.exception), why)

    def test_certificates_that_can_not_be_read(self) -> None:
        for wanted in ("certificate=/nowhere:privateKey=/nowhere", "trustRoots=/nowhere"):
            with self.assertRaises(BadAddress) as refusal:
                endpoint_at(MemoryReactorClock(), f"tls:h:7:{wanted}")
            why = f"tls:h:7:{wanted}: /nowhere: No such file or directory"
            self.assertEqual(str(refusal.exception), why)
