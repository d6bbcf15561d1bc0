"""The server's address: turns the words of the command line into an endpoint."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

from twisted.internet.endpoints import HostnameEndpoint, TCP6ClientEndpoint, clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint

from chatservice.options import why_no_endpoint

PORT: Final = 7007
"""The port on which the service listens by default."""

_PORTS: Final = "a port is a number from 1 to 65535"

_HOST: Final = r"[\w.-]+"

# A number after "unix:" is the name of a file.
_PLACE: Final = re.compile(
    rf"(?!unix:)(?P<host>{_HOST})(?::(?P<port>\d+))?|\[(?P<literal>[^\]]*)\](?::(?P<behind>\d+))?"
)


class BadAddress(ValueError):
    """An address that no server can have; ``str()`` says why, in one sentence."""


def endpoint_at(reactor: Any, address: str) -> IStreamClientEndpoint:
    """Return the endpoint of an address, without a lookup or a connection.

    :param address: ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT``, an IPv6 address, perhaps with a zone
        (``fe80::1%eth0``), or any endpoint that Twisted knows. Over TLS (``tls:HOST:PORT``) the
        certificate of the host is verified.
    :raises BadAddress: if it is none of these.
    """
    if _is_ipv6(address):
        return _at_host(reactor, address, PORT)
    place = _PLACE.fullmatch(address)
    if place is None:
        return _endpoint(reactor, address)
    if place["literal"] is not None and not _is_ipv6(place["literal"]):
        raise BadAddress(f"{address}: brackets are for an IPv6 address")
    port = int(place["port"] or place["behind"] or PORT)
    if not 0 < port < 1 << 16:
        raise BadAddress(f"{address}: {_PORTS}")
    return _at_host(reactor, place["host"] or place["literal"], port)


def joined(host: str, port: str) -> str:
    """Join a host and a port, given as two words, into one address.

    :raises BadAddress: if they are not a host and a port.
    """
    if _is_ipv6(host):
        host = f"[{host}]"
    if not re.fullmatch(rf"{_HOST}|\[[^\]]*\]", host):
        raise BadAddress(f"{host} {port}: a host comes before a port")
    if not re.fullmatch(r"[0-9]{1,5}", port):
        raise BadAddress(f"{host} {port}: {_PORTS}")
    return f"{host}:{port}"


def _at_host(reactor: Any, host: str, port: int) -> IStreamClientEndpoint:
    if "%" in host:
        # A lookup would lose the zone.
        return TCP6ClientEndpoint(reactor, host, port)
    endpoint = HostnameEndpoint(reactor, host, port)
    if "_" in host and host.isascii():
        # IDNA refuses "_", which no host name in the DNS has; the names of containers have it.
        endpoint._badHostname = False
    return endpoint


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _endpoint(reactor: Any, description: str) -> IStreamClientEndpoint:
    try:
        endpoint: IStreamClientEndpoint = clientFromString(reactor, description)
    except Exception as error:  # Each kind of endpoint raises its own.
        if str(error).startswith("Unknown endpoint type"):
            why = "it is no host, no host with a port, and no endpoint"
        else:
            why = why_no_endpoint(getattr(error, "originalException", error))
        raise BadAddress(f"{description}: {why}") from None
    if not 0 < getattr(endpoint, "_port", PORT) < 1 << 16:
        raise BadAddress(f"{description}: {_PORTS}")
    return endpoint
