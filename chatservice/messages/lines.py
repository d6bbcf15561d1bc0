"""Encodes messages as lines, and decodes lines.

msgspec decodes a request directly from its bytes. A line that msgspec refuses is decoded again in
steps: bytes that are not UTF-8 and unpaired surrogates become U+FFFD, and a null counts as a
missing field. A line that still can't be decoded is refused, with a sentence for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, Final, Union

import msgspec

from chatservice.messages.codes import Code
from chatservice.messages.fields import Message, Number, Ref
from chatservice.messages.replies import REPLIES, BadMessage, Error, Reply
from chatservice.messages.requests import REQUESTS, Request

OPENING: Final = b"{"
"""The first byte of a line with a JSON object. No name of a person begins with it."""

LINE_OVERHEAD: Final = 4 << 10
BYTES_A_CHARACTER: Final = 12
"""The most bytes of a line beside its text, and for each character of the text, which may be
written as two escapes of six bytes."""

_encode: Final = msgspec.json.Encoder().encode
_ANY: Any = Union[tuple(REQUESTS.values())]  # noqa: UP007
_requests: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(_ANY)

_SENTENCES: Final = (
    (re.compile(r"required field `(\w+)`"), "{} is missing"),
    (re.compile(r"`int` [<>]= -?\d+ - at `\$\.(\w+)"), "{} is a number from 0 to 2^53 - 1"),
    (re.compile(r"`str` of length <= (\d+) - at `\$\.(\w+)"), "{1} has at most {0:,} characters"),
    (re.compile(r"`array` of length <= (\d+) - at `\$\.(\w+)"), "{1} has at most {0} items"),
    (re.compile(r"at `\$\.(\w+)"), "{} is not of the right type"),
)
"""Patterns of the error messages of msgspec, and the sentence for each."""

_ESCAPE: Final = re.compile(
    r"(\\[^u]|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})|\\ud[89a-f][0-9a-f]{2}", re.IGNORECASE
)
"""Matches an escape. The group has it if it is valid; else it is half of a surrogate pair."""


def encode(message: Message) -> bytes:
    """Return the line of a message, with its line ending."""
    return _written(message) + b"\r\n"


def _written(thing: Any) -> bytes:
    try:
        return _encode(thing)
    except UnicodeEncodeError:
        # Half of a surrogate pair can't be encoded as UTF-8, but can be escaped.
        return json.dumps(msgspec.to_builtins(thing), separators=(",", ":")).encode()


def in_parts(message: Reply, things: Iterable[Any]) -> Iterator[bytes]:
    """Yield the line of a message in parts, so that a long list is encoded item by item.

    :param message: a message with an empty list.
    :param things: the items of that list.
    """
    # This matches only the list: within a string, a quotation mark follows a backslash.
    begin, field, end = encode(message).partition(b'":[')
    yield begin + field
    comma = b""
    for thing in things:
        yield comma + _written(thing)
        comma = b","
    yield end


@lru_cache(maxsize=16)
def moment(at: int) -> str:
    """Return a time, given in milliseconds since 1970, in the format of RFC 3339."""
    # The cache helps since all events of a commit have one time, which is encoded per program.
    seconds, thousandths = divmod(at, 1000)
    time = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{thousandths:03}Z"


def request(line: bytes) -> Request:
    """Return the request in a line.

    :raises BadMessage: if the line has none of :data:`REQUESTS`.
    """
    try:
        return _requests.decode(line)
    except (msgspec.DecodeError, RecursionError):
        pass
    found = _object(line)
    kind = found.get("type")
    ref, seq = _if_fitting(found.get("ref"), Ref), _if_fitting(found.get("seq"), Number)
    if not isinstance(kind, str) or kind not in REQUESTS:
        shown = f"{kind[:24]!r} is no type" if isinstance(kind, str) else "it has no type"
        raise _bad(Code.UNKNOWN_TYPE, f"{shown} of a message", ref=ref)
    try:
        return msgspec.convert(found, REQUESTS[kind])
    except msgspec.ValidationError as error:
        raise _bad(Code.BAD_FIELD, _sentence(str(error)), to=kind, ref=ref, seq=seq) from None


def reply(line: bytes) -> Reply | None:
    """Return the reply in a line.

    :return: None for a message of an unknown type, which the client ignores.
    :raises BadMessage: if the line is not a message.
    """
    found = _object(line)
    kind = found.get("type")
    if not isinstance(kind, str) or kind not in REPLIES:
        return None
    try:
        return msgspec.convert(found, REPLIES[kind])
    except msgspec.ValidationError as error:
        raise _bad(Code.BAD_FIELD, _sentence(str(error)), to=kind) from None


def _object(line: bytes) -> dict[str, Any]:
    """Return the JSON object in a line, without its nulls and with U+FFFD for invalid text."""
    text = _ESCAPE.sub(lambda escape: escape[1] or r"\ufffd", line.decode("utf-8", "replace"))
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise _bad(Code.NOT_JSON, "that is no JSON") from None
    if not isinstance(found, dict):
        raise _bad(Code.NOT_JSON, "that is no JSON object")
    return {name: value for name, value in found.items() if value is not None}


def _bad(code: Code, why: str, **about: Any) -> BadMessage:
    return BadMessage(Error(code=code.value, text=why, **about))


def _sentence(told: str) -> str:
    """Return the sentence for people that explains an error of msgspec."""
    for pattern, sentence in _SENTENCES:
        match = pattern.search(told)
        if match is not None:
            return sentence.format(*(int(one) if one.isdigit() else one for one in match.groups()))
    return "a field is not of the right type"


def _if_fitting(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
