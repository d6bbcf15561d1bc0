"""Names by other rules: what they are compared by anew, and who is called otherwise for it.

It is made of nothing but what holds, so all nodes come to the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final, NamedTuple

from chatservice.core.moderation import Term
from chatservice.journal.events import RENAMED, Draft, Fact
from chatservice.text import names

LONGEST: Final = 24
"""Characters of a name that is given, at most: the limit where nobody has set another one."""

NAMELESS: Final = "guest"
"""Whoever has a name of which nothing is left is called so, and by a number."""


class Settled(NamedTuple):
    """Somebody who is here, by the new rules.

    :ivar key: by which their name is compared.
    :ivar fact: what is stored of them: the same as before if they are still called the same; else
        it tells as ``was`` how they were called, for when they come back.
    :ivar drafts: by which others are told of another name.
    """

    origin: int
    key: str
    fact: Fact
    drafts: list[Draft]


def settle(known: Mapping[int, Fact]) -> list[Settled]:
    """Return under which name each goes who is here.

    Of several who have the same name by the new rules, it stays with who was in a room first.

    :param known: what is stored of each, by origin.
    """
    values = {origin: json.loads(fact.value) for origin, fact in known.items()}
    settled: list[Settled] = []
    taken: set[str] = set()

    def since(origin: int) -> tuple[float, int]:
        return min(values[origin]["rooms"].values(), default=float("inf")), origin

    later: list[int] = []
    for origin in sorted(values, key=since):
        name = values[origin]["name"]
        key = names.key(name)
        if key in taken or not _is_name(name):
            later.append(origin)
        else:
            taken.add(key)
            settled.append(Settled(origin, key, known[origin], []))
    # Nobody loses a name to who is given another one.
    for origin in later:
        value = values[origin]
        old = value["name"]
        name = next(n for n in _others(old) if names.key(n) not in taken and _is_name(n))
        taken.add(names.key(name))
        settled.append(
            Settled(
                origin,
                names.key(name),
                known[origin]._replace(value=_dumps({**value, "name": name, "was": old})),
                [Draft(room, RENAMED, old, name, origin, 0) for room in sorted(value["rooms"])],
            )
        )
    return settled


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_name(name: str) -> bool:
    try:
        # Some chats allow longer ones.
        return names.nickname(name, max(len(name), LONGEST)) == name
    except names.BadName:
        return False


def _others(name: str) -> Iterator[str]:
    """Give names like one."""
    kept = re.sub(r"[\W_]", "", name)
    for number in range(2, 100):
        for like in filter(None, (name, kept)):
            yield f"{like[: LONGEST - len(str(number))]}{number}"
    for number in count(2):
        yield f"{NAMELESS}{number}"


def mutes(held: Mapping[str, str]) -> dict[str, str]:
    """Return mutes under the keys of their names; of several under one, that which lasts longest.

    :param held: as they are stored, by key.
    """
    rekeyed: dict[str, str] = {}
    for _, value in sorted(held.items()):
        key = names.key(json.loads(value)[0])
        if key not in rekeyed or _term(value).outlasts(_term(rekeyed[key])):
            rekeyed[key] = value
    return rekeyed


def _term(value: str) -> Term:
    return Term(*json.loads(value))
