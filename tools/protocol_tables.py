"""Write the tables of fields in docs/protocol.md, from the types of the messages.

Run it after a change of chatservice/messages:

    .venv/bin/python tools/protocol_tables.py

The description of a field comes from the docstring of its message, or of a base of that. The text
around the tables is written by hand.
"""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Any

import msgspec

from chatservice import messages
from chatservice.messages.replies import REPLIES
from chatservice.messages.requests import Request

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/protocol.md"

NAMES = {
    str: "string",
    int: "integer",
    bool: "boolean",
    messages.RoomSeen: "room",
    messages.Person: "person",
    messages.Event: "event",
}
MANY = {"string": "strings", "room": "rooms", "person": "people", "event": "events"}

OTHERS = {"A room": messages.RoomSeen, "A person": messages.Person, "Events": messages.Event}
"""The classes of headings that name no type of message."""

Kind = type[msgspec.Struct]


def kinds_under(heading: str) -> list[Kind]:
    """Return the message classes that a heading describes."""
    if heading in OTHERS:
        return [OTHERS[heading]]
    found = re.findall(r"`(\w+)`", heading)
    if heading.endswith(" (answer)"):
        return [REPLIES[found[0]]]
    return [messages.REQUESTS.get(name) or REPLIES[name] for name in found]


def type_of(hint: Any) -> str:
    """Return the type of a field in words, from its type hint."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_of(one) for one in arguments if one is not types.NoneType)
    if origin is list:
        return f"list of {MANY[type_of(arguments[0])]}"
    return NAMES[hint]


def there(field: msgspec.structs.FieldInfo, asked: bool) -> str:
    """Return the cell that tells whether a field is needed or always there, or its default."""
    if field.required or field.default_factory is not msgspec.NODEFAULT:
        return "yes"
    if field.default is None:
        return "no"
    return (str(field.default) or "empty") if asked else "yes"


def meaning(kind: Kind, name: str) -> str:
    """Return the description of a field, from the docstring of a message."""
    for one in kind.__mro__:
        text = " ".join((one.__doc__ or "").split())
        said = re.search(rf":ivar {name}: (.*?)(?= :ivar |$)", text)
        if said is not None:
            return said[1].replace("``", "`")
    raise ValueError(f"{kind.__name__} does not tell what {name} is")


def rows_of(kinds: list[Kind]) -> list[str]:
    """Return the table rows of some kinds of messages: one for each field."""
    rows: dict[str, str] = {}
    for kind in kinds:
        hints = typing.get_type_hints(kind)
        for field in msgspec.structs.fields(kind):
            having = [one for one in kinds if field.name in one.__struct_fields__]
            told = meaning(having[0], field.name)
            if len(having) < len(kinds):
                told = f"in {', '.join(f'`{one.type}`' for one in having)}: {told}"
            cells = (
                f"`{field.name}`",
                type_of(hints[field.name]),
                there(field, issubclass(kind, Request)),
                told,
            )
            rows.setdefault(field.name, f"| {' | '.join(cells)} |")
    if kinds == [messages.Event]:
        del rows["type"]
    last = [rows.pop("ref")] if "ref" in rows else []
    return [*rows.values(), *last]


def table_of(kinds: list[Kind]) -> str:
    """Return the Markdown table of the fields of some kinds of messages."""
    head = f"| field | type | {'needed' if issubclass(kinds[0], Request) else 'always'} | is |"
    return "\n".join([head, "|---|---|---|---|", *rows_of(kinds)]) + "\n"


def written(document: str) -> str:
    """Return the document with all its tables rebuilt."""
    parts = re.split(r"(?m)^(### .*\n)", document)
    for at in range(1, len(parts), 2):
        if "\n| field |" in parts[at + 1]:
            table = table_of(kinds_under(parts[at].removeprefix("### ").strip()))
            parts[at + 1] = re.sub(
                r"(?m)^\| field \|.*\n(\|.*\n)+", lambda _, new=table: new, parts[at + 1]
            )
    return "".join(parts)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8")), "utf-8")
