"""Detection of stalled peers: a regular sweep asks the kernel whether each peer takes bytes.

``SIOCOUTQ`` gives the number of bytes that the peer has not acknowledged (on a Unix socket: not
read). While there are any, the peer has to make progress: on TCP, ``TCP_INFO`` counts the bytes it
has acknowledged; on a Unix socket, the unread bytes become fewer. A dead peer and a stalled one are
treated the same: no progress for too long. (``TCP_USER_TIMEOUT`` would also end a live peer that
reads slowly, if its window is full at the wrong moment.)
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from typing import Any, Final

NOTSENT: Final = 128 << 10
"""Most unsent bytes in the kernel for a socket. Otherwise a stalled reader would hold megabytes."""

PROBES: Final = 3
"""Unanswered keepalive probes after which the kernel gives a peer up."""
_INT: Final = struct.Struct("i")
_TCP_INFO: Final = struct.Struct("120xQ")
"""``tcpi_bytes_acked`` of ``struct tcp_info`` (linux/tcp.h)."""
LONGEST: Final = 32767
"""Most seconds that the kernel waits between probes."""


def prepare(transport: Any, stall_timeout: int) -> None:
    """Set the socket options of a new connection, if it is on TCP.

    The options are: no delay, so that people see lines at once; little unsent data in the kernel;
    and keepalive probes, which find a peer that vanished while nothing is sent.
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
    # Below wrappers (TLS, PROXY), the innermost transport has the socket.
    while hasattr(transport, "wrappedProtocol"):
        transport = transport.transport
    return getattr(transport, "socket", None)


class Progress:
    """Tracks for how long each connection's peer has taken none of the bytes that wait for it."""

    def __init__(self) -> None:
        self._seen: dict[Any, tuple[int, float]] = {}

    def stalled(self, connection: Any, now: float) -> float | None:
        """Return for how many seconds a peer has taken no byte; None if no byte waits for it.

        The time is measured from call to call, so call this regularly.
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
        """Forget a connection that was lost, or whose peer has just taken bytes."""
        self._seen.pop(connection, None)


def unacknowledged(handle: socket.socket) -> int:
    """Return how many sent bytes the peer of a socket has not acknowledged or read."""
    try:
        return int(_INT.unpack(fcntl.ioctl(handle, termios.TIOCOUTQ, bytes(_INT.size)))[0])
    except OSError:
        return 0


def _taken(handle: socket.socket, unread: int) -> int:
    """Return a number that rises when the peer of a socket takes bytes.

    On TCP, this is the number of bytes that the peer has acknowledged so far.
    """
    try:
        info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        return int(_TCP_INFO.unpack(info)[0])
    except (OSError, struct.error):
        return -unread
