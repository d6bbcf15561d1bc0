"""What a peer is, by the first bytes that it sends: some take us for something else."""

from __future__ import annotations

import re
from typing import Final

from chatservice.protocols.closings import Cause

_HTTP: Final = re.compile(rb"[A-Z]{3,20} \S+ HTTP/\d")
_HTTP_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 68\r\n\r\n"
    b"This is a line-based chat, not a web site: try telnet to this port.\n"
)
_TLS_HANDSHAKE: Final = b"\x16"
_TLS_ALERT: Final = b"\x15\x03\x01\x00\x02\x02\x28"
"""A fatal ``handshake_failure`` (RFC 8446, section 6)."""


def answer_to_stranger(first: bytes) -> tuple[Cause, bytes] | None:
    """Return what a peer is that speaks HTTP or TLS, and what to tell it in its own tongue.

    :param first: the first bytes of a connection, or its first line.
    :returns: None if the peer may be one for a line-based chat.
    """
    if first.startswith(_TLS_HANDSHAKE):
        return Cause.TLS, _TLS_ALERT
    if _HTTP.match(first):
        return Cause.HTTP, _HTTP_ANSWER
    return None
