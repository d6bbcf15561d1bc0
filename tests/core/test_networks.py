from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.core.networks import (
    WIDEST_V4,
    WIDEST_V6,
    BadAddress,
    Networks,
    counted,
    parse_address,
    parse_network,
    written,
)

ADDRESSES = st.ip_addresses()


def network_of(address: IPv4Address | IPv6Address, bits: int) -> IPv4Network | IPv6Network:
    """Give the network around an address that leaves so many bits free, or the widest."""
    widest = WIDEST_V4 if address.version == 4 else WIDEST_V6
    return parse_network(f"{address}/{max(address.max_prefixlen - bits, widest)}")


# Few addresses, close to each other, so that networks hold one another.
NEAR = st.one_of(
    st.integers(0, 1023).map(lambda low: IPv4Address(0xC0000000 + low * 0x10001)),
    st.integers(0, 1023).map(lambda low: IPv6Address((0x20010DB8 << 96) + (low << 56) + low)),
)
NETWORKS = st.builds(network_of, NEAR, st.integers(0, 24) | st.integers(0, 128))


class WrittenTests(unittest.TestCase):
    def test_an_address_has_one_form(self) -> None:
        for host, shown in {
            "192.0.2.7": "192.0.2.7",
            "::ffff:192.0.2.7": "192.0.2.7",
            "::FFFF:c000:0207": "192.0.2.7",
            "2001:DB8:0::07": "2001:db8::7",
            "fe80::1%eth0": "fe80::1",
            "": "",
            "a:b": "a:b",
            "a host": "a host",
        }.items():
            self.assertEqual(written(host), shown)


class NetworkTests(unittest.TestCase):
    def test_networks(self) -> None:
        for text, network in {
            "192.0.2.7": "192.0.2.7/32",
            "192.0.2.7/24": "192.0.2.0/24",
            "10.1.2.3/8": "10.0.0.0/8",
            "192.0.2.7%eth0": "192.0.2.7/32",
            "2001:DB8::7": "2001:db8::7/128",
            "2001:db8::7/32": "2001:db8::/32",
            "2001:db8::/19": "2001::/19",
            "fe80::1%eth0": "fe80::1/128",
            "fe80::1%eth0/64": "fe80::/64",
            "::1": "::1/128",
            "::1/64": "::/64",
            "::ffff:192.0.2.7": "192.0.2.7/32",
            "::ffff:c000:207": "192.0.2.7/32",
            "::ffff:192.0.2.7%3": "192.0.2.7/32",
            "::ffff:192.0.2.7/120": "192.0.2.0/24",
            "::ffff:10.0.0.0/104": "10.0.0.0/8",
        }.items():
            self.assertEqual(parse_network(text), ip_network(network), text)

    def test_what_is_none(self) -> None:
        for text in (
            *("", "/", "/24", "ana", "192.0.2", "192.0.2.256", "192.0.2.07", "3221225991", ":::"),
            *("192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/ 24", "192.0.2.0/255.255.255.0", "%eth0"),
            *("192.0.2.0/24/24", "2001:db8::/٣٢", "2001:db8::/64%eth0", "١.2.3.4", "1.2.3.4\n"),
            *("192.0.2.0/" + "9" * 5000, "\x1b[31m", "é"),
        ):
            error = self.assertRaises(BadAddress, parse_network, text)
            self.assertEqual(str(error), "that is no IP address or network", text)

    def test_a_long_prefix(self) -> None:
        for text, longest in {"192.0.2.0/33": 32, "2001:db8::/129": 128}.items():
            error = self.assertRaises(BadAddress, parse_network, text)
            self.assertEqual(str(error), f"the prefix of that network is longer than /{longest}")

    def test_too_wide(self) -> None:
        for text in (
            *("0.0.0.0/0", "10.0.0.0/7", "::/0", "2001:db8::/18", "::ffff:10.0.0.0/103"),
            *("::ffff:0:0/96", "::ffff:192.0.2.7/64"),
        ):
            error = self.assertRaises(BadAddress, parse_network, text)
            self.assertEqual(str(error), "that is too many addresses", text)

    @given(st.text() | st.text("0123456789abcdef:./%", max_size=30))
    def test_anything_typed(self, text: str) -> None:
        try:
            network = parse_network(text)
        except BadAddress as error:
            self.assertTrue(str(error).isascii() and str(error).isprintable())
        else:
            self.assertEqual(parse_network(str(network)), network)


class AddressTests(unittest.TestCase):
    def test_addresses(self) -> None:
        for host, address in {
            "192.0.2.7": "192.0.2.7",
            "2001:DB8:0::7": "2001:db8::7",
            "fe80::1%eth0": "fe80::1",
            "::ffff:192.0.2.7": "192.0.2.7",
            "::ffff:192.0.2.7%2": "192.0.2.7",
        }.items():
            self.assertEqual(parse_address(host), ip_address(address), host)

    def test_what_is_none(self) -> None:
        for host in ("", "localhost", "192.0.2.0/24", "%eth0", "\ud800"):
            self.assertIsNone(parse_address(host), host)

    @given(ADDRESSES)
    def test_an_address_is_in_its_network(self, address: IPv4Address | IPv6Address) -> None:
        plain = parse_address(str(address))
        assert plain is not None
        self.assertEqual(ip_network(plain), parse_network(str(address)))

    def test_counted(self) -> None:
        for host, under in {
            "192.0.2.7": "192.0.2.7",
            "::ffff:192.0.2.7": "192.0.2.7",
            "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
            "fe80::1%eth0": "fe80::/64",
            "::1": "::/64",
            "localhost": "localhost",
            "a%b": "a%b",
            "": "",
        }.items():
            self.assertEqual(counted(host), under, host)

    @given(ADDRESSES)
    def test_what_is_counted_is_a_network(self, address: IPv4Address | IPv6Address) -> None:
        network = parse_network(counted(str(address)))
        self.assertIn(parse_address(str(address)), network)


class NetworksTests(unittest.TestCase):
    def setUp(self) -> None:
        self.networks: Networks[str] = Networks()

    def add(self, *texts: str) -> None:
        for text in texts:
            self.networks.add(parse_network(text), text)

    def find(self, host: str) -> str | None:
        address = parse_address(host)
        assert address is not None
        return next(self.networks.holding(address), None)

    def test_empty(self) -> None:
        self.assertEqual(len(self.networks), 0)
        self.assertEqual(self.networks.items(), [])
        self.assertIsNone(self.find("192.0.2.7"))
        self.networks.remove(IPv4Network("192.0.2.0/24"))

    def test_the_narrowest(self) -> None:
        self.add("192.0.2.0/24", "192.0.2.7", "192.0.0.0/16", "2001:db8::/32", "2001:db8::/64")
        self.assertEqual(self.find("192.0.2.7"), "192.0.2.7")
        self.assertEqual(self.find("192.0.2.8"), "192.0.2.0/24")
        self.assertEqual(self.find("192.0.3.8"), "192.0.0.0/16")
        self.assertIsNone(self.find("192.1.3.8"))
        self.assertEqual(self.find("2001:db8::1"), "2001:db8::/64")
        self.assertEqual(self.find("2001:db8:1::"), "2001:db8::/32")
        self.assertIsNone(self.find("2001:db9::"))

    def test_a_mapped_address(self) -> None:
        self.add("192.0.2.0/24", "::/64")
        self.assertEqual(self.find("::ffff:192.0.2.7"), "192.0.2.0/24")
        self.assertIsNone(self.find("::ffff:192.0.3.7"))
        self.assertEqual(self.find("::1"), "::/64")

    def test_another_value(self) -> None:
        self.add("192.0.2.0/24")
        self.networks.add(IPv4Network("192.0.2.0/24"), "other")
        self.assertEqual(len(self.networks), 1)
        self.assertEqual(self.find("192.0.2.7"), "other")

    def test_remove(self) -> None:
        self.add("192.0.2.0/24", "192.0.3.0/24", "192.0.0.0/16")
        self.networks.remove(IPv4Network("192.0.4.0/24"))
        self.networks.remove(IPv4Network("192.0.2.0/24"))
        self.networks.remove(IPv4Network("192.0.2.0/24"))
        self.assertEqual(self.find("192.0.2.7"), "192.0.0.0/16")
        self.assertEqual(self.find("192.0.3.7"), "192.0.3.0/24")
        self.networks.remove(IPv4Network("192.0.3.0/24"))
        self.assertEqual(self.find("192.0.3.7"), "192.0.0.0/16")
        self.assertEqual(len(self.networks), 1)

    def test_items(self) -> None:
        texts = [
            "9.0.0.0/8",
            "10.0.0.0/8",
            "10.0.0.0/16",
            "10.0.0.0/32",
            "2001:db8::/32",
            "fe80::/64",
        ]
        self.add(*reversed(texts))
        self.assertEqual(self.networks.items(), [(ip_network(text), text) for text in texts])

    @given(st.lists(st.tuples(st.booleans(), NETWORKS), max_size=40), st.lists(NEAR, min_size=1))
    def test_like_a_scan(
        self,
        changes: list[tuple[bool, IPv4Network | IPv6Network]],
        addresses: list[IPv4Address | IPv6Address],
    ) -> None:
        networks: Networks[int] = Networks()
        plain: dict[IPv4Network | IPv6Network, int] = {}
        for number, (adds, network) in enumerate(changes):
            if adds:
                networks.add(network, number)
                plain[network] = number
            else:
                networks.remove(network)
                plain.pop(network, None)
        self.assertEqual(len(networks), len(plain))
        self.assertEqual(dict(networks.items()), plain)
        inside = [network.network_address for _, network in changes]
        for address in addresses + inside:
            holding = [network for network in plain if address in network]
            holding.sort(key=lambda network: network.prefixlen, reverse=True)
            expected = [plain[network] for network in holding]
            self.assertEqual(list(networks.holding(address)), expected)
