"""Checks the contents of entries and of stored facts before they are used.

An entry with any part that no node would write is skipped as a whole. All nodes run the same checks
on the same entries, so all of them skip it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

from msgspec import Meta, Struct, convert
from msgspec.json import Decoder
from twisted.logger import Logger

from chatservice.cluster.entries import (
    ADOPT,
    BYE,
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
from chatservice.cluster.records import LEASES, PEOPLE
from chatservice.core.moderation import BAN, LOCK, MUTE
from chatservice.core.networks import BadAddress, parse_network
from chatservice.core.sessions import SESSION, SESSIONS, UNSAFE, Shown
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
    Draft,
    Fact,
    Natural,
)
from chatservice.messages import Code
from chatservice.text import names

log = Logger()

KINDS: Final = frozenset((SAID, DID, JOINED, LEFT, RENAMED, TOPIC, PRIVATE, ANNOUNCED, ACTED))
"""The kinds of events."""

_UNSAFE: Final = re.compile(f"[{UNSAFE}]")

_LATEST: Final = 253_402_300_799_999
"""The end of the year 9999 in milliseconds since 1970, the last time that a date can have."""


def _words(pattern: str) -> Any:
    return Annotated[str, Meta(pattern=rf"\A{pattern}\Z")]


_ORIGIN: Final = "[0-7]?[0-9a-f]{1,15}"
_NUMBER: Final = "[0-9]{1,18}"
_POSITIVE: Final = "[1-9][0-9]{0,17}"


class _Term(Struct, array_like=True, forbid_unknown_fields=True):
    """A stored :class:`.Term`. Older terms have fewer items."""

    name: Shown
    until: Annotated[int, Meta(ge=0, le=_LATEST)] = 0
    reason: Shown = ""
    seconds: Natural = 0


class _Form(NamedTuple):
    """The form of the facts of one kind.

    :ivar name: the type of the name.
    :ivar value: the type of the value, if the value is not JSON.
    :ivar json: the decoder of the value, if the value is JSON.
    :ivar ends: whether ``""`` may stand for a JSON value, to remove the fact.
    """

    name: Any = str
    value: Any = str
    json: Decoder[Any] | None = None
    ends: bool = True


_STANDING: Final = {
    TOPIC: _Form(Shown, Shown),
    LOCK: _Form(Shown, Shown),
    MUTE: _Form(json=Decoder(_Term)),
    BAN: _Form(json=Decoder(_Term)),
    PERSON: _Form(_words(_ORIGIN), json=PEOPLE),
    SESSION: _Form(json=SESSIONS),
}

_SAID: Final = {
    **_STANDING,
    NAME: _Form(Shown, _words(f"({_ORIGIN})?")),
    LEASE: _Form(),
    TAKE: _Form(_words(_ORIGIN)),
    ADOPT: _Form(),
    BYE: _Form(),
    SEND_AWAY: _Form(_words(_ORIGIN), json=Decoder(tuple[Code, Shown, Shown]), ends=False),
    # A node only asks for a new name of a room, so the value is empty.
    ROOM: _Form(Annotated[Shown, Meta(min_length=1, max_length=names.KEYED_MOST)], _words("")),
}
"""The forms of facts in entries, by kind."""

_STORED: Final = {
    **_STANDING,
    NAME: _Form(value=_words(f"{_ORIGIN} [^ ]*")),
    LEASE: _Form(json=LEASES, ends=False),
    PART: _Form(_words(f".* {_NUMBER}"), _words(f"{_NUMBER} {_NUMBER} [!-~]*")),
    VERSIONED: _Form(value=_words(_POSITIVE)),
    ROOM: _Form(Shown, Shown),
    TOLD: _Form(_words(_POSITIVE), json=Decoder(list[Draft]), ends=False),
    FILE: _Form(),
}
"""The forms of stored facts, by kind."""


def check(entry: Entry) -> None:
    """Check that every part of an entry can be used.

    :raises BadEntry: if some part can't be used.
    """
    wrong = _wrong_with(entry.drafts)
    if wrong:
        raise BadEntry(wrong)
    for fact in entry.facts:
        if not _passes(fact, _SAID):
            raise BadEntry(f"a fact of the kind {fact.kind[:20]!r} is not as a node writes it")


def sound(facts: Sequence[Fact], where: str = "") -> list[Fact]:
    """Return the stored facts that can be used.

    :param where: the place of the facts, for a log message about the others; ``""`` for no message.
    """
    good: list[Fact] = []
    bad: list[Fact] = []
    for fact in facts:
        (good if _passes(fact, _STORED) else bad).append(fact)
    if bad and where:
        kinds = ", ".join(sorted({fact.kind[:20] for fact in bad}))
        log.critical(
            "{where} has {count:,} facts ({kinds}) that can't be used",
            where=where,
            count=len(bad),
            kinds=kinds,
        )
    return good


def _wrong_with(drafts: Sequence[Draft]) -> str:
    """Return the reason why some drafts can't be used; ``""`` if they can."""
    strange = {draft.kind for draft in drafts} - KINDS
    if strange:
        return f"an event of the kind {min(strange)[:20]!r} is not as a node writes it"
    # One search in all texts joined costs a third of a search in each text.
    words = "".join([words for draft in drafts for words in draft[:4]])
    if not words.isprintable() and _UNSAFE.search(words):
        return "an event has a character that nobody may be shown"
    return ""


def _passes(fact: Fact, forms: Mapping[str, _Form]) -> bool:
    kind, name, value = fact
    try:
        form = forms[kind]
        convert(name, form.name)
        if kind == BAN:
            parse_network(name)
        if form.json is None:
            convert(value, form.value)
        elif value or not form.ends:
            told = form.json.decode(value)
            if kind == PERSON:
                return bool(int(name, 16) == told.origin)
            if kind == TOLD:
                return not _wrong_with(told)
    except (ValueError, KeyError, BadAddress, RecursionError):
        return False
    return True
