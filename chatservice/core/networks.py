"""IP addresses and networks, and which network holds an address.

An IPv4 address that is written as an IPv6 one (``::ffff:192.0.2.7``) is the IPv4 address
everywhere, and the zone of an address (``%eth0``) tells nothing about who is there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, Generic, TypeVar

WIDEST_V4: Final = 8
WIDEST_V6: Final = 19
"""The shortest prefixes: a registry gives out no larger network to one operator."""

_SITE: Final = 64
_PREFIX: Final = re.compile("[0-9]{1,3}")

Value = TypeVar("Value")

_Place = tuple[int, int, int]
"""Of a network: the version of IP, the length of the prefix, and its bits."""


class BadAddress(ValueError):
    """It is no address or network that can be used; ``str()`` says why."""


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Read an address, or a network like ``192.0.2.0/24``; bits behind the prefix may be set.

    :raises BadAddress: if it is neither, or a network that is too wide.
    """
    host, slash, prefix = text.partition("/")
    address = _read(host)
    if address is None or (slash and not _PREFIX.fullmatch(prefix)):
        raise BadAddress("that is no IP address or network")
    length = int(prefix) if slash else address.max_prefixlen
    if length > address.max_prefixlen:
        raise BadAddress(f"the prefix of that network is longer than /{address.max_prefixlen}")
    plain = _plain(address)
    # Of an IPv4 address that is written as an IPv6 one, the prefix counts the bits before it, too.
    length -= address.max_prefixlen - plain.max_prefixlen
    if length < (WIDEST_V4 if plain.version == 4 else WIDEST_V6):
        raise BadAddress("that is too many addresses")
    return ip_network((plain, length), strict=False)


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """Read an address as a socket names its peer.

    :return: None if it is no IP address.
    """
    address = _read(host)
    return None if address is None else _plain(address)


def written(host: str) -> str:
    """Write an address as it is shown everywhere, however its socket or a proxy writes it.

    :return: of an IPv4 address that is written as an IPv6 one, that; what is no IP address stays
        as it is.
    """
    # One of IPv4 has one form only.
    address = parse_address(host) if ":" in host else None
    return host if address is None else str(address)


@lru_cache(maxsize=1024)
def counted(host: str) -> str:
    """Tell under what the connections of a peer are counted.

    :return: its IPv4 address, or the /64 of an IPv6 one, all of which one person may have; what is
        no IP address stays as it is.
    """
    address = parse_address(host)
    if address is None:
        return host
    return str(address if address.version == 4 else ip_network((address, _SITE), strict=False))


class Networks(Generic[Value]):
    """Networks with a value each, which know at once which of them holds an address.

    The networks are those that :func:`parse_network` gives. An address is looked up once for each
    length of prefix that is in use, however many networks there are.
    """

    def __init__(self) -> None:
        self._held: dict[_Place, tuple[IPv4Network | IPv6Network, Value]] = {}
        self._lengths: Counter[tuple[int, int]] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, network: IPv4Network | IPv6Network, value: Value) -> None:
        """Add a network, or give one that is there another value."""
        place = _place(network.network_address, network.prefixlen)
        self._lengths[place[:2]] += place not in self._held
        self._held[place] = network, value

    def remove(self, network: IPv4Network | IPv6Network) -> None:
        """Remove a network, if it is there. Those within it and around it stay."""
        place = _place(network.network_address, network.prefixlen)
        if self._held.pop(place, None) is not None:
            self._lengths[place[:2]] -= 1

    def holding(self, address: IPv4Address | IPv6Address) -> Iterator[Value]:
        """Give the values of the networks that hold an address, the narrowest first.

        :param address: as :func:`parse_address` gives it.
        """
        lengths = (length for version, length in +self._lengths if version == address.version)
        for length in sorted(lengths, reverse=True):
            found = self._held.get(_place(address, length))
            if found is not None:
                yield found[1]

    def items(self) -> list[tuple[IPv4Network | IPv6Network, Value]]:
        """Give all networks with their values: IPv4 first, and a wider one before those in it."""
        return sorted(
            self._held.values(),
            key=lambda item: (item[0].version, int(item[0].network_address), item[0].prefixlen),
        )


def _read(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _place(address: IPv4Address | IPv6Address, length: int) -> _Place:
    return address.version, length, int(address) >> (address.max_prefixlen - length)
