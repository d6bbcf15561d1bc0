"""What an entry may hold, and what may hold in a file: looked at before anything of it is done.

All nodes read the same, so what one of them can't use none of them can: an entry of which a part is
not as a node writes it is skipped as a whole, by all alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from chatservice.cluster.entries import (
    ADOPT,
    BYE,
    INTEGERS,
    LEASE,
    NAME,
    PART,
    PERSON,
    SEND_AWAY,
    TAKE,
    TOLD,
    VERSIONED,
    BadEntry,
    Entry,
)
from chatservice.core.moderation import BAN, LOCK, MUTE, Term
from chatservice.core.networks import BadAddress, parse_network
from chatservice.core.sessions import SESSION
from chatservice.journal.events import (
    ACTED,
    ANNOUNCED,
    DID,
    FILE,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    ROOM,
    SAID,
    TOPIC,
    Fact,
)
from chatservice.messages import Code
from chatservice.text import names

KINDS: Final = frozenset((SAID, DID, JOINED, LEFT, RENAMED, TOPIC, PRIVATE, ANNOUNCED, ACTED))
"""Those of events."""

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no line has that anybody is shown."""

_ORIGIN: Final = re.compile("[0-9a-f]{1,16}")

_CODES: Final = frozenset(code.value for code in Code)


class _Bad(ValueError):
    """It is not as a node writes it."""


def check(entry: Entry) -> None:
    """See to it that all of an entry can be used.

    :raises BadEntry: if something can't.
    """
    for draft in entry.drafts:
        if draft.kind not in KINDS:
            raise BadEntry(f"an event of the kind {draft.kind[:20]!r} is not as a node writes it")
    # One look at all of them costs a third of one at each.
    if _UNSAFE.search("".join([words for draft in entry.drafts for words in draft[:4]])):
        raise BadEntry("an event has what nobody may be shown")
    for fact in entry.facts:
        if not _passes(fact, _SAID):
            raise BadEntry(f"a fact of the kind {fact.kind[:20]!r} is not as a node writes it")


def sound(facts: Iterable[Fact]) -> tuple[list[Fact], list[Fact]]:
    """Tell those facts that can be used, as a file or a copy of it has them, from the others."""
    good: list[Fact] = []
    bad: list[Fact] = []
    for fact in facts:
        (good if _passes(fact, _STORED) else bad).append(fact)
    return good, bad


_Check = Callable[[Fact], None]


def _passes(fact: Fact, checks: dict[str, _Check]) -> bool:
    try:
        checks[fact.kind](fact)
    except (ValueError, TypeError, KeyError, BadAddress, RecursionError):
        return False
    return True


def _need(condition: object) -> None:
    if not condition:
        raise _Bad


def _integer(value: object, least: int = -INTEGERS) -> None:
    _need(type(value) is int and least <= value < INTEGERS)


def _origin(text: str) -> None:
    _need(_ORIGIN.fullmatch(text) and int(text, 16) < INTEGERS)


def _shown(text: object) -> None:
    _need(isinstance(text, str) and not _UNSAFE.search(text))


def _anything(fact: Fact) -> None:
    pass


def _words(fact: Fact) -> None:
    _shown(fact.name)
    _shown(fact.value)


def _term(fact: Fact) -> None:
    if fact.value:
        values = json.loads(fact.value)
        _need(type(values) is list and len(values) <= 4)
        # Older ones tell less.
        name, until, reason, seconds, _ = Term(*values)
        _shown(name)
        _shown(reason)
        _integer(until, 0)
        _integer(seconds, 0)
        # It is shown as a date: there is none behind the year 9999.
        _need(until < 253_402_300_800_000)


def _ban(fact: Fact) -> None:
    parse_network(fact.name)
    _term(fact)


def _record(value: dict[str, Any]) -> None:
    """Look at what people and programs have in common."""
    _need(type(value) is dict)
    _integer(value["origin"], 0)
    name, rooms = value["name"], value["rooms"]
    _shown(name)
    _need(name and " " not in name and type(rooms) is dict)
    for room, since in rooms.items():
        _shown(room)
        _integer(since)
    _need(isinstance(value.get("boot", ""), str))


def _person(fact: Fact) -> None:
    _origin(fact.name)
    if fact.value:
        value = json.loads(fact.value)
        _record(value)
        _need(int(fact.name, 16) == value["origin"])
        _need(type(value["operator"]) is bool and isinstance(value["address"], str))
        _integer(value["since"])
        _shown(value["away"] or "")


def _session(fact: Fact) -> None:
    if fact.value:
        value = json.loads(fact.value)
        _record(value)
        for room, since, until in value["periods"]:
            _shown(room)
            _integer(since)
            _integer(until)
        for number in ("forgotten", "seen"):
            _integer(value[number])
        _integer(value["seq"], 0)
        _need(type(value["here"]) is type(value["heard"]) is bool)


def _claim(fact: Fact) -> None:
    _shown(fact.name)
    if fact.value:
        _origin(fact.value)


def _held(fact: Fact) -> None:
    origin, _ = fact.value.split(" ")
    _origin(origin)


def _lease(fact: Fact) -> None:
    node, number, position, at, heir = json.loads(fact.value)
    _need(isinstance(node, str) and isinstance(heir, str))
    for value in (number, position, at):
        _integer(value, 0)


def _take(fact: Fact) -> None:
    _origin(fact.name)


def _send_away(fact: Fact) -> None:
    _origin(fact.name)
    cause, why, words = json.loads(fact.value)
    _need(cause in _CODES)
    _shown(why)
    _shown(words)


def _part(fact: Fact) -> None:
    _, index = fact.name.rsplit(" ", 1)
    number, count, data = fact.value.split(" ")
    for text in (index, number, count):
        _integer(int(text), 0)
    _need(data.isascii())


def _room(fact: Fact) -> None:
    """It is but asked for what a room is called from now on."""
    _shown(fact.name)
    _need(0 < len(fact.name) <= names.KEYED_MOST and not fact.value)


def _told(fact: Fact) -> None:
    _integer(int(fact.name), 1)
    for room, kind, author, text, origin, seq in json.loads(fact.value):
        _need(kind in KINDS)
        for words in (room, author, text):
            _shown(words)
        _integer(origin)
        _integer(seq)


def _version(fact: Fact) -> None:
    _integer(int(fact.value), 1)


_STANDING: Final[dict[str, _Check]] = {
    TOPIC: _words,
    LOCK: _words,
    MUTE: _term,
    BAN: _ban,
    PERSON: _person,
    SESSION: _session,
}

_SAID: Final[dict[str, _Check]] = {
    **_STANDING,
    NAME: _claim,
    LEASE: _anything,
    TAKE: _take,
    ADOPT: _anything,
    BYE: _anything,
    SEND_AWAY: _send_away,
    ROOM: _room,
}
"""What is published."""

_STORED: Final[dict[str, _Check]] = {
    **_STANDING,
    NAME: _held,
    LEASE: _lease,
    PART: _part,
    VERSIONED: _version,
    ROOM: _words,
    TOLD: _told,
    FILE: _anything,
}
"""What holds, as it is stored."""


def unusable(facts: Sequence[Fact]) -> str:
    """Name some facts, for the log."""
    kinds = sorted({fact.kind[:20] for fact in facts})
    return f"{len(facts):,} facts ({', '.join(kinds)})"
