"""IP addresses and networks, and the networks that contain an address.

An IPv4 address that is written as an IPv6 one (``::ffff:192.0.2.7``) is treated as the IPv4 address
everywhere. The zone of an address (``%eth0``) is ignored, since it does not identify a peer.
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
"""The shortest prefixes that are accepted: registries give no operator a larger network."""

_SITE: Final = 64
_PREFIX: Final = re.compile("[0-9]{1,3}")

Value = TypeVar("Value")

_Place = tuple[int, int, int]
"""The IP version of a network, the length of its prefix, and the bits of its prefix."""


class BadAddress(ValueError):
    """The error for a text that is no usable address or network; ``str()`` is the reason."""


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Parse an address, or a network like ``192.0.2.0/24``; bits behind the prefix may be set.

    :raises BadAddress: if the text is neither, or a network that is too wide.
    """
    host, slash, prefix = text.partition("/")
    address = _read(host)
    if address is None or (slash and not _PREFIX.fullmatch(prefix)):
        raise BadAddress("that is no IP address or network")
    length = int(prefix) if slash else address.max_prefixlen
    if length > address.max_prefixlen:
        raise BadAddress(f"the prefix of that network is longer than /{address.max_prefixlen}")
    plain = _plain(address)
    # For an IPv4 address written as an IPv6 one, the prefix includes the 96 bits before it.
    length -= address.max_prefixlen - plain.max_prefixlen
    if length < (WIDEST_V4 if plain.version == 4 else WIDEST_V6):
        raise BadAddress("that is too many addresses")
    return ip_network((plain, length), strict=False)


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """Parse an address as a socket names its peer.

    :return: the address; None if the text is no IP address.
    """
    address = _read(host)
    return None if address is None else _plain(address)


def written(host: str) -> str:
    """Return an address in its normal form, however its socket or a proxy writes it.

    :return: the IPv4 address, if it is written as an IPv6 one; a text that is no IP address is
        returned unchanged.
    """
    # IPv4 addresses have one form only.
    address = parse_address(host) if ":" in host else None
    return host if address is None else str(address)


@lru_cache(maxsize=1024)
def counted(host: str) -> str:
    """Return the key under which the connections of a peer are counted.

    :return: its IPv4 address, or the /64 network of its IPv6 address, as one person may have all
        of that; a text that is no IP address is returned unchanged.
    """
    address = parse_address(host)
    if address is None:
        return host
    return str(address if address.version == 4 else ip_network((address, _SITE), strict=False))


class Networks(Generic[Value]):
    """Networks with a value each, found quickly by an address.

    The networks come from :func:`parse_network`. A search takes one look-up for each length of
    prefix in use, however many networks there are.
    """

    def __init__(self) -> None:
        self._held: dict[_Place, tuple[IPv4Network | IPv6Network, Value]] = {}
        self._lengths: Counter[tuple[int, int]] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, network: IPv4Network | IPv6Network, value: Value) -> None:
        """Add a network, or replace the value of one that is there."""
        place = _place(network.network_address, network.prefixlen)
        self._lengths[place[:2]] += place not in self._held
        self._held[place] = network, value

    def remove(self, network: IPv4Network | IPv6Network) -> None:
        """Remove a network, if it is there. Networks inside and around it stay."""
        place = _place(network.network_address, network.prefixlen)
        if self._held.pop(place, None) is not None:
            self._lengths[place[:2]] -= 1

    def holding(self, address: IPv4Address | IPv6Address) -> Iterator[Value]:
        """Yield the values of the networks that contain an address, the narrowest first.

        :param address: an address from :func:`parse_address`.
        """
        lengths = (length for version, length in +self._lengths if version == address.version)
        for length in sorted(lengths, reverse=True):
            found = self._held.get(_place(address, length))
            if found is not None:
                yield found[1]

    def items(self) -> list[tuple[IPv4Network | IPv6Network, Value]]:
        """Return all networks with their values: IPv4 first, wider ones before those inside."""
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
