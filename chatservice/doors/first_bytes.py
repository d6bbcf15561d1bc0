"""Recognition of a peer by its first bytes: which door it needs, or that it speaks HTTP or TLS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from chatservice.doors.seam import Cause, Door

PREAMBLE_MOST: Final = 1024
"""Bytes of blanks and empty lines after which a peer counts as a person."""

_HTTP: Final = re.compile(rb"[A-Z]{3,20} \S+ HTTP/\d")
_HTTP_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 68\r\n\r\n"
    b"This is a line-based chat, not a web site: try telnet to this port.\n"
)
_PREAMBLE: Final = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n\0])*")
_TLS_ALERT: Final = b"\x15\x03\x01\x00\x02\x02\x28"
"""A fatal ``handshake_failure`` (RFC 8446, section 6)."""


def answer_to_stranger(first: bytes) -> tuple[Cause, bytes] | None:
    """Return the cause for closing a peer that speaks HTTP or TLS, and an answer in its protocol.

    :param first: the first bytes of a connection, or its first line.
    :returns: None if the peer may speak a language of this chat.
    """
    if first.startswith(b"\x16"):  # A TLS handshake record.
        return "a TLS hello on a port without TLS", _TLS_ALERT
    if _HTTP.match(first):
        return "an HTTP request", _HTTP_ANSWER
    return None


def after_preamble(first: bytes) -> bytes:
    """Return the first bytes without leading blanks, empty lines and byte order marks.

    Some programs send these by themselves, so they do not tell what a peer is.

    :param first: all bytes of a connection so far.
    :returns: nothing if no other bytes came yet, or only a part of a byte order mark.
    """
    rest = _PREAMBLE.sub(b"", first, count=1)
    return b"" if rest in (b"\xef", b"\xef\xbb") else rest


def door_for(first: bytes, doors: Sequence[Door]) -> Door | None:
    """Find the door whose language a peer speaks.

    :param first: the peer's first bytes, without blanks and empty lines before them.
    :param doors: the doors, in the order in which they are asked.
    :returns: None if more bytes are needed.
    """
    for door in doors:
        recognised = door.recognises(first)
        if recognised is not False:
            return door if recognised else None
    return None
