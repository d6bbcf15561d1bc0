"""Messages to lines and back: what is no message is told in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields
from datetime import datetime, timezone
from functools import cache, lru_cache
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

from chatservice.messages.codes import BadMessage, Code
from chatservice.messages.replies import REPLIES, Reply
from chatservice.messages.requests import REQUESTS, Request

OPENING: Final = b"{"
"""What a line begins with that is an object; no name of a person begins so."""

SEQ_MOST: Final = (1 << 53) - 1
"""The largest integer that every JSON reader keeps whole (RFC 8259, section 6)."""

REF_LONGEST: Final = 64
"""Characters of a ``ref``."""

FIELD_LONGEST: Final = 1024
"""Characters of what else a program gives, but for a ``text``."""

LIST_LONGEST: Final = 256
"""Items of a list that a program gives."""

LINE_OVERHEAD: Final = 4 << 10
BYTES_A_CHARACTER: Final = 12
"""A line has at most so many bytes beside its text, and for each character of that, which may be
written as two escapes of six."""

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(message: Request | Reply) -> bytes:
    """Write a message as its line, with its end."""
    line = _dumps({"type": message.type, **_plain(message)})
    # Half of a surrogate pair has no UTF-8; what stands for it instead is its escape in JSON too.
    return line.encode("utf-8", "backslashreplace") + b"\r\n"


def in_parts(message: Reply, name: str, things: Iterable[Any]) -> Iterator[bytes]:
    """Write a message as its line, in parts: each thing of a long list is made when it is its turn.

    :param name: the field that is the list; empty in ``message``.
    """
    # Nowhere else: within a string a quotation mark would have a backslash in front of it.
    begin, field, end = encode(message).partition(f'"{name}":['.encode())
    yield begin + field
    comma = ""
    for thing in things:
        yield (comma + _dumps(_value(thing))).encode("utf-8", "backslashreplace")
        comma = ","
    yield end


def _plain(thing: Any) -> dict[str, Any]:
    return {name: _value(value) for name, value in vars(thing).items() if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(one) for one in value]
    return _plain(value) if hasattr(value, "__dataclass_fields__") else value


@lru_cache(maxsize=16)
def moment(at: int) -> str:
    """Write a time, in milliseconds since 1970, as RFC 3339 has it."""
    # All that is stored together has one time, and each program is told it with its own words.
    seconds, thousandths = divmod(at, 1000)
    time = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{thousandths:03}Z"


def request(line: str) -> Request:
    """Read what a program says.

    :raises BadMessage: if it is none of :data:`REQUESTS`.
    """
    found = _object(line)
    kind = found.get("type")
    ref, seq = _if_fitting(found, "ref", str | int), _if_fitting(found, "seq", int)
    if not isinstance(kind, str) or kind not in REQUESTS:
        shown = f"{kind[:24]!r} is no type" if isinstance(kind, str) else "it has no type"
        raise BadMessage(Code.UNKNOWN_TYPE, f"{shown} of a message", None, ref)
    try:
        return _read(REQUESTS[kind], found, _bounded)
    except _Unfit as error:
        raise BadMessage(Code.BAD_FIELD, str(error), kind, ref, seq) from None


def reply(line: str) -> Reply | None:
    """Read what the server says.

    :return: None if it is a message of a type that is not known here, to be ignored.
    :raises BadMessage: if it is no message.
    """
    found = _object(line)
    name = found.get("type")
    kind = REPLIES.get(name) if isinstance(name, str) else None
    if kind is None:
        return None
    try:
        return _read(kind, found)
    except _Unfit as error:
        raise BadMessage(Code.BAD_FIELD, str(error), name) from None


class _Unfit(Exception):
    """A field is not what it has to be."""


_Kind = TypeVar("_Kind")


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise BadMessage(Code.NOT_JSON, "that is no JSON") from None
    if not isinstance(found, dict):
        raise BadMessage(Code.NOT_JSON, "that is no JSON object")
    return found


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name], f.default is MISSING) for f in fields(kind))


def _bounded(value: Any, name: str) -> None:
    """Look at how much a field holds, before anything is done with it."""
    if isinstance(value, str) and name != "text" and len(value) > FIELD_LONGEST:
        raise _Unfit(f"{name} has at most {FIELD_LONGEST:,} characters")
    if isinstance(value, list) and len(value) > LIST_LONGEST:
        raise _Unfit(f"{name} has at most {LIST_LONGEST} items")


def _any(value: Any, name: str) -> None:
    """Take a field of any length: the server is believed."""


def _read(
    kind: type[_Kind], found: dict[str, Any], check: Callable[[Any, str], None] = _any
) -> _Kind:
    values = {}
    for name, hint, needed in _fields(cast("Any", kind)):
        value = found.get(name)
        if value is not None:
            check(value, name)
            values[name] = _fitting(value, hint, name)
        elif needed:
            raise _Unfit(f"{name} is missing")
    return kind(**values)


def _if_fitting(found: dict[str, Any], name: str, hint: Any) -> Any:
    try:
        return _fitting(found.get(name), hint, name)
    except _Unfit:
        return None


def _fitting(value: Any, hint: Any, name: str) -> Any:
    """Return a value of a field, if it is one that its type allows."""
    if get_origin(hint) is list:
        (one,) = get_args(hint)
        if isinstance(value, list):
            return [_fitting(item, one, name) for item in value]
    elif hasattr(hint, "__dataclass_fields__"):
        if isinstance(value, dict):
            return _read(hint, value)
    else:
        for allowed in get_args(hint) or (hint,):
            # True is an int to Python, and not to anybody else.
            if allowed is int and type(value) is int:
                if 0 <= value <= SEQ_MOST:
                    return value
                raise _Unfit(f"{name} is a number from 0 to 2^53 - 1")
            if allowed in (str, bool) and type(value) is allowed:
                if allowed is str and name == "ref" and len(value) > REF_LONGEST:
                    raise _Unfit(f"ref has at most {REF_LONGEST} characters")
                return value
            if get_origin(allowed) is list or hasattr(allowed, "__dataclass_fields__"):
                return _fitting(value, allowed, name)
    raise _Unfit(f"{name} is not of the right type")
