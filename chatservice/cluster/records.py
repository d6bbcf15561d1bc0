"""What is known of boots, of names and of people; and what an entry does to that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from chatservice.cluster.entries import LEASE
from chatservice.journal.events import Draft, Fact


class Lease:
    """What is known of a boot.

    :ivar node: how its node is called in the logs.
    :ivar number: of its last entry.
    :ivar position: of the last thing that was heard of it.
    :ivar at: when that was, in milliseconds since 1970.
    :ivar heir: which boot has adopted who was here; ``""`` while this one is there.
    """

    __slots__ = ("at", "heir", "node", "number", "position")

    def __init__(
        self, node: str = "", number: int = 0, position: int = 0, at: int = 0, heir: str = ""
    ) -> None:
        self.node = node
        self.number = number
        self.position = position
        self.at = at
        self.heir = heir

    def fact(self, boot: str) -> Fact:
        """Return the fact that it is."""
        value = [self.node, self.number, self.position, self.at, self.heir]
        return Fact(LEASE, boot, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


class Claim(NamedTuple):
    """Who holds a name, and with which boot they are."""

    origin: int
    boot: str


class Known(NamedTuple):
    """Somebody who is here, or a session that can come back.

    :ivar boot: with which they are.
    :ivar name: the key of their name.
    :ivar fact: what is stored.
    """

    boot: str
    name: str
    fact: Fact


class Outcome(NamedTuple):
    """What an entry does.

    :ivar fresh: it is not void, and was not there before.
    :ivar drafts: those that become events, each with its index in the entry.
    :ivar facts: what holds from now on.
    :ivar asked: what the nodes of members are asked for.
    :ivar effective: of each fact of the entry, whether it took effect.
    :ivar raised: the log has a newer version from this entry on.
    """

    fresh: bool
    drafts: Sequence[tuple[int, Draft]] = ()
    facts: Sequence[Fact] = ()
    asked: Sequence[Fact] = ()
    effective: Sequence[bool] = ()
    raised: bool = False
