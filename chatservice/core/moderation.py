"""Topics, locks, mutes and bans: each holds until it is changed.

Each is a fact in the journal. It is changed by a commit, as events are, so it is the same wherever
that commit is read, and after a restart.
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
    """For how long something holds, and why.

    :ivar name: whom it concerns, as it was written.
    :ivar until: in milliseconds since 1970; 0 for ever. It is shown, and measured over a restart.
    :ivar reason: ``""`` if none was given.
    :ivar seconds: from its beginning to its end; 0 for ever, or if that was not written down.
    :ivar end: by the clock of this process, which is what it is measured by; it is not stored.
    """

    name: str
    until: int = 0
    reason: str = ""
    seconds: int = 0
    end: float = math.inf

    def fact(self, kind: str, name: str) -> Fact:
        """Return the fact that it is."""
        return Fact(kind, name, json.dumps(self[:4], ensure_ascii=False))

    def outlasts(self, other: Term) -> bool:
        """Return whether it ends later than another, as both are written."""
        return (self.until or math.inf) > (other.until or math.inf)

    @property
    def says(self) -> str:
        """Until when, and why, as the end of a sentence."""
        until = f" until {moment(self.until)}" if self.until else ""
        return until + because(self.reason)

    @property
    def summary(self) -> str:
        """The same, as a cell of a table."""
        return self.says.strip(" :") or "for good"


def because(reason: str) -> str:
    """Give a reason as the end of a sentence; nothing if there is none."""
    return f": {reason}" if reason else ""


def moment(at: int) -> str:
    """Write a time out, UTC."""
    return f"{datetime.fromtimestamp(at / 1000, timezone.utc):%Y-%m-%d %H:%M} UTC"


class Standing:
    """The topics, locks, mutes and bans that hold now.

    :param clock: by which terms end while this process runs.
    :param now: the time, in milliseconds since 1970; by it is known what is left of them at first.
    :ivar topics: by room.
    :ivar locks: rooms that nobody may come into.
    :ivar mutes: by key of the name (:func:`.names.key`).
    :ivar bans: by network.
    """

    def __init__(self, clock: IReactorTime, now: Callable[[], int]) -> None:
        self._clock = clock
        self._now = now
        self.topics: dict[str, str] = {}
        self.locks: set[str] = set()
        self.mutes: dict[str, Term] = {}
        self.bans: Networks[Term] = Networks()

    def apply(self, facts: Iterable[Fact], just_now: bool = True) -> None:
        """Let facts hold.

        :param just_now: they were stored just now, so whole terms are left of them.
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
        """Return a term that was stored, with its end."""
        term = Term(*json.loads(value))
        if not term.until:
            return term
        left = (term.until - self._now()) / 1000
        if term.seconds:
            # Whatever the time of day was when it was said, or is by now, it is never longer.
            left = term.seconds if just_now else min(left, term.seconds)
        return term._replace(end=self._clock.seconds() + left)

    def _holds(self, term: Term) -> bool:
        """Tell whether a term is not over."""
        return term.end > self._clock.seconds()

    def held_mutes(self) -> list[Term]:
        """List the mutes that are not over."""
        return [term for term in self.mutes.values() if self._holds(term)]

    def held_bans(self) -> list[Term]:
        """List the bans that are not over."""
        return [term for _, term in self.bans.items() if self._holds(term)]

    def muted(self, name: str) -> Term | None:
        """Return for how long somebody may not speak, or None."""
        if not self.mutes:
            return None
        term = self.mutes.get(names.key(name))
        return term if term is not None and self._holds(term) else None

    def banned(self, host: str) -> Term | None:
        """Return for how long an address may not come in, or None.

        :param host: as a socket names its peer.
        """
        address = parse_address(host) if self.bans else None
        if address is None:
            return None
        return next(filter(self._holds, self.bans.holding(address)), None)

    def forget(self, waiting: Iterable[Fact] = ()) -> list[Fact]:
        """Forget what is over; return the facts by which the journal is to do the same.

        :param waiting: facts that wait to be stored: a term in one of these is to hold anew, or is
            forgotten by it.
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
