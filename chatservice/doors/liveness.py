"""Which peers take what they are sent: progress is read off the kernel, once for all in a sweep.

``SIOCOUTQ`` tells how many bytes of a socket the peer has not acknowledged (of a unix socket: not
read). While there are any, the peer has to take some: of TCP, ``TCP_INFO`` counts what it has
acknowledged; of a unix socket, they become fewer. A dead peer and a stalled one are the same
to us: no byte and no acknowledgement for so long. (``TCP_USER_TIMEOUT`` would also end a peer that
lives and reads slowly, whose window is full at the wrong moment.)
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from typing import Any, Final

NOTSENT: Final = 128 << 10
"""Bytes that the kernel holds of what was not even sent; else it is megabytes a stalled reader."""

PROBES: Final = 3
_INT: Final = struct.Struct("i")
_TCP_INFO: Final = struct.Struct("120xQ")
"""``tcpi_bytes_acked`` of ``struct tcp_info`` (linux/tcp.h)."""
LONGEST: Final = 32767
"""Seconds that the kernel waits between probes, at most."""


def prepare(transport: Any, stall_timeout: int) -> None:
    """Set the options of a new connection's socket, if it has one of TCP.

    No delay (people who type see lines at once), little unsent data in the kernel, and probes that
    find a peer that vanished while nothing is sent.
    """
    handle = _socket(transport)
    if handle is None or handle.family not in (socket.AF_INET, socket.AF_INET6):
        return
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT)
    if stall_timeout and hasattr(socket, "TCP_KEEPIDLE"):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
        for option, share in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 2 * PROBES)):
            handle.setsockopt(
                socket.IPPROTO_TCP, option, min(max(1, stall_timeout // share), LONGEST)
            )


def _socket(transport: Any) -> socket.socket | None:
    # Under wrappers (TLS, PROXY) the socket is the innermost transport's.
    while hasattr(transport, "wrappedProtocol"):
        transport = transport.transport
    return getattr(transport, "socket", None)


class Progress:
    """How long each connection has not taken a byte of what waits for it."""

    def __init__(self) -> None:
        self._seen: dict[Any, tuple[int, float]] = {}

    def stalled(self, connection: Any, now: float) -> float | None:
        """Return for how many seconds a connection has taken nothing; None if nothing waits.

        It is measured from one call to the next, so it is to be called regularly.
        """
        handle = _socket(connection.transport)
        unread = unacknowledged(handle) if handle is not None else 0
        if handle is None or not unread:
            self._seen.pop(connection, None)
            return None
        taken = _taken(handle, unread)
        before, since = self._seen.get(connection, (taken, now))
        if taken > before:
            since = now
        self._seen[connection] = (taken, since)
        return now - since

    def forget(self, connection: Any) -> None:
        """Forget a connection: it is no more, or has just taken something."""
        self._seen.pop(connection, None)


def unacknowledged(handle: socket.socket) -> int:
    """Return how many bytes that were sent the peer of a socket has not taken."""
    try:
        return int(_INT.unpack(fcntl.ioctl(handle, termios.TIOCOUTQ, bytes(_INT.size)))[0])
    except OSError:
        return 0


def _taken(handle: socket.socket, unread: int) -> int:
    """Return a number that rises when the peer of a socket takes something.

    Of TCP it is how many bytes the peer has acknowledged so far.
    """
    try:
        info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        return int(_TCP_INFO.unpack(info)[0])
    except (OSError, struct.error):
        return -unread
