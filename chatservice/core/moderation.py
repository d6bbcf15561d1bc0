"""Topics, locks, mutes and bans, which hold until they are changed.

Each is a fact in the journal, changed by a commit like events. So it is the same in every process
that reads the commit, and after a restart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Final, NamedTuple

from twisted.internet.interfaces import IReactorTime

from chatservice.core.networks import Networks, parse_address, parse_network
from chatservice.journal.events import TOPIC, Fact
from chatservice.text import names

LOCK: Final = "lock"
MUTE: Final = "mute"
BAN: Final = "ban"


class Term(NamedTuple):
    """The end of a ban or a mute, and the reason for it.

    :ivar name: the banned network, or the muted name as it was written.
    :ivar until: the end in milliseconds since 1970, to show and to measure over a restart; 0 for
        ever.
    :ivar reason: ``""`` if none was given.
    :ivar seconds: from beginning to end; 0 for ever, or if it was not stored.
    :ivar end: the end by the clock of this process, by which it is measured; not stored.
    """

    name: str
    until: int = 0
    reason: str = ""
    seconds: int = 0
    end: float = math.inf

    def fact(self, kind: str, name: str) -> Fact:
        """Return the fact that stores this term."""
        return Fact(kind, name, json.dumps(self[:4], ensure_ascii=False))

    def outlasts(self, other: Term) -> bool:
        """Return whether this term ends later than another, by their stored ends."""
        return (self.until or math.inf) > (other.until or math.inf)

    @property
    def says(self) -> str:
        """The time of the end and the reason, as the end of a sentence."""
        until = f" until {moment(self.until)}" if self.until else ""
        return until + because(self.reason)

    @property
    def summary(self) -> str:
        """The time of the end and the reason, as a cell of a table."""
        return self.says.strip(" :") or "for good"


def because(reason: str) -> str:
    """Return a reason as the end of a sentence; ``""`` if there is none."""
    return f": {reason}" if reason else ""


def moment(at: int) -> str:
    """Return a time, in milliseconds since 1970, as text in UTC."""
    return f"{datetime.fromtimestamp(at / 1000, timezone.utc):%Y-%m-%d %H:%M} UTC"


class Standing:
    """The topics, locks, mutes and bans that hold now.

    :param clock: the clock by which terms end while this process runs.
    :param now: returns the time, in milliseconds since 1970; after a restart it tells how long
        stored terms still last.
    :ivar topics: the topics by room.
    :ivar locks: the rooms that nobody may join.
    :ivar mutes: the mutes by key of the name (:func:`.names.key`).
    :ivar bans: the bans by network.
    """

    def __init__(self, clock: IReactorTime, now: Callable[[], int]) -> None:
        self._clock = clock
        self._now = now
        self.topics: dict[str, str] = {}
        self.locks: set[str] = set()
        self.mutes: dict[str, Term] = {}
        self.bans: Networks[Term] = Networks()

    def apply(self, facts: Iterable[Fact], just_now: bool = True) -> None:
        """Apply facts; kinds of other parts are ignored.

        :param just_now: whether they were stored just now, so terms last for their whole length.
        """
        for kind, name, value in facts:
            if kind == TOPIC:
                self.topics[name] = value
                if not value:
                    del self.topics[name]
            elif kind == LOCK:
                (self.locks.add if value else self.locks.discard)(name)
            elif kind == MUTE:
                self.mutes.pop(name, None)
                if value:
                    self.mutes[name] = self._term(value, just_now)
            elif kind == BAN:
                network = parse_network(name)
                self.bans.remove(network)
                if value:
                    self.bans.add(network, self._term(value, just_now))

    def _term(self, value: str, just_now: bool) -> Term:
        """Return a stored term, with its end by the clock of this process."""
        term = Term(*json.loads(value))
        if not term.until:
            return term
        left = (term.until - self._now()) / 1000
        if term.seconds:
            # The length is a limit even if the time of day was wrong then, or is wrong now.
            left = term.seconds if just_now else min(left, term.seconds)
        return term._replace(end=self._clock.seconds() + left)

    def _holds(self, term: Term) -> bool:
        """Return whether a term is not over."""
        return term.end > self._clock.seconds()

    def held_mutes(self) -> list[Term]:
        """Return the mutes that are not over."""
        return [term for term in self.mutes.values() if self._holds(term)]

    def held_bans(self) -> list[Term]:
        """Return the bans that are not over."""
        return [term for _, term in self.bans.items() if self._holds(term)]

    def muted(self, name: str) -> Term | None:
        """Return the mute of a name, or None if there is none or it is over."""
        if not self.mutes:
            return None
        term = self.mutes.get(names.key(name))
        return term if term is not None and self._holds(term) else None

    def banned(self, host: str) -> Term | None:
        """Return the narrowest ban of an address, or None if it is not banned.

        :param host: the address as a socket names its peer.
        """
        address = parse_address(host) if self.bans else None
        if address is None:
            return None
        return next(filter(self._holds, self.bans.holding(address)), None)

    def forget(self, waiting: Iterable[Fact] = ()) -> list[Fact]:
        """Forget the mutes and bans that are over; return the facts that delete them.

        :param waiting: facts that wait for their commit. Terms with such a fact are left alone,
            because it renews or deletes them.
        """
        terms = [(MUTE, name, term) for name, term in self.mutes.items()]
        terms += [(BAN, str(network), term) for network, term in self.bans.items()]
        kept = {(fact.kind, fact.name) for fact in waiting}
        over = [
            Fact(kind, name, "")
            for kind, name, term in terms
            if not self._holds(term) and (kind, name) not in kept
        ]
        self.apply(over)
        return over
