"""Following the log: each entry takes effect, and is stored, once and in its place.

A node that begins with an empty file, or was away for so long that the log does not go back to
where it was, takes what held at some position from what others have kept. Up to there it only
collects the events (with a registry that is thrown away), from there on it is like all others.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.cluster.entries import NODE, BadEntry, Entry, decode, event_id
from chatservice.cluster.log import LogError, Opening
from chatservice.cluster.registry import Outcome, Registry
from chatservice.journal.events import Event, Fact
from chatservice.journal.sqlite import SqliteJournal

RETRY: Final = 1.0
"""Seconds after which it is tried again to store an entry."""

log = Logger()


class Following:
    """Reads the entries of a log into a replica, and knows what holds.

    :param done: told of each entry that has taken effect, when that is stored.
    :ivar node: how this node is called in the logs, since its file was new.
    :ivar registry: what holds.
    :ivar position: of the last entry that was read.
    """

    def __init__(
        self, clock: IReactorTime, replica: SqliteJournal, done: Callable[[Entry, Outcome], None]
    ) -> None:
        self.registry = Registry()
        self.position = 0
        self.node = ""
        self._clock: IReactorTime = clock
        self._replica = replica
        self._done = done
        self._base = 0
        self._scratch: Registry | None = None
        self._state: Sequence[Fact] = ()
        self._until = 0

    def load(self) -> None:
        """Take up what the replica knows."""
        facts = self._replica.facts()
        self.node = next((fact.value for fact in facts if fact.kind == NODE), "")
        if not self.node:
            self.node = f"{socket.gethostname()}-{secrets.token_hex(2)}"
            self._replica.store((), [Fact(NODE, "", self.node)])
        self.registry.load(facts)
        self.position = self.registry.position

    def facts(self) -> list[Fact]:
        """Return all that holds, for others."""
        return [fact for fact in self._replica.facts() if fact.kind != NODE]

    def open(self, opening: Opening) -> None:
        """Take note of the log.

        :raises LogError: if the replica is one of something else.
        """
        replica = self._replica
        if replica.identity != opening.identity:
            if replica.head or self.facts():
                raise LogError(f"the history {replica.path!r} is that of another chat")
            replica.belong_to(opening.identity)
        self._base = opening.base
        if self.position > opening.last:
            raise LogError("the log is older than the history: was it restored from a copy?")
        if 0 < self.position >= opening.first - 1:
            return
        if opening.first > 1:
            log.warn(
                "the log begins at {first}: from {mine} on to there, this history has a gap",
                first=opening.first,
                mine=self.position + 1,
            )
        self.position = opening.first - 1
        if opening.state is not None:
            self._state = opening.state
            kept = Registry()
            kept.load(opening.state)
            self._until = kept.position
            self._scratch = Registry(lenient=opening.first > 1)

    @property
    def floor(self) -> int:
        """The id before the first event that can come."""
        return event_id(self._base, self.position + 1, -1)

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        """Take an entry; see :meth:`.Follower.took`."""
        if position <= self.position:
            return None
        if self._scratch is not None and position > self._until:
            return self._begin().addCallback(lambda _: self.took(position, at, data))
        self.position = position
        try:
            entry = decode(data)
        except BadEntry as error:
            log.critical("entry {position} is none: {why}", position=position, why=str(error))
            return None
        registry = self._scratch or self.registry
        at = max(at, self._replica.last_at)
        first = event_id(self._base, position, 0)
        outcome = registry.interpret(entry, position, at, first)
        if outcome.fresh or outcome.facts:
            return self._store(entry, outcome, at, first)
        return None

    def _begin(self) -> Deferred[None]:
        """Go on from what others have kept."""
        self._scratch = None
        self.registry = Registry()
        self.registry.load(self._state)
        held = {(fact.kind, fact.name) for fact in self._state}
        over = [f._replace(value="") for f in self.facts() if (f.kind, f.name) not in held]
        return self._try(lambda: self._replica.store((), [*over, *self._state]))

    def _store(self, entry: Entry, outcome: Outcome, at: int, first: int) -> Deferred[None] | None:
        facts = () if self._scratch is not None else outcome.facts

        def attempt() -> Deferred[None]:
            has, head = self._replica.has, self._replica.head
            events = [
                Event(first + index, at, *draft)
                for index, draft in outcome.drafts
                if first + index > head and not (draft.seq > 0 and has(draft.origin, draft.seq))
            ]
            return self._replica.store(events, facts)

        stored = self._try(attempt)
        stored.addCallback(lambda _: self._done(entry, outcome))
        return None if stored.called and not stored.paused else stored

    def _try(self, attempt: Callable[[], Deferred[None]]) -> Deferred[None]:
        """Store something, again and again until it is."""

        def failed(failure: Failure) -> Deferred[None]:
            log.critical("the history refuses: {why}", why=failure.getErrorMessage())
            again: Deferred[None] = deferLater(self._clock, RETRY, lambda: None)
            return again.addCallback(lambda _: attempt()).addErrback(failed)

        try:
            return attempt().addErrback(failed)
        except Exception:
            return failed(Failure())
