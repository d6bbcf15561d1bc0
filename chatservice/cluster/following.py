"""Following the log: each entry takes effect, and is stored, once and in its place.

A node that begins with an empty file, or was away for so long that the log does not go back to
where it was, takes what held at some position from what others have kept. Up to there it only
collects the events (with a registry that is thrown away), from there on it is like all others.

What an entry does is decided when it comes. It is stored, and shown, together with those that come
soon after it (:mod:`chatservice.chat.pace`): one transaction, and one send for each reader, for
what several nodes said. The order stays that of the log.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.chat.pace import Pace
from chatservice.cluster.entries import BadEntry, Entry, decode, event_id
from chatservice.cluster.log import LogError, Opening
from chatservice.cluster.records import Outcome
from chatservice.cluster.registry import Registry
from chatservice.journal.events import FILE, Event, Fact
from chatservice.journal.sqlite import SqliteJournal

READ_MOST: Final = 1000
"""So many lines are read, at most, before what was read is stored."""

RETRY: Final = 1.0
"""Seconds after which it is tried again to store an entry."""

log = Logger()


class _Read(NamedTuple):
    """An entry that was read: what it does, when it was published, the id of its first event.

    :ivar holds: its facts hold, beside its events.
    """

    entry: Entry
    outcome: Outcome
    at: int
    first: int
    holds: bool


class Following:
    """Reads the entries of a log into a replica, and knows what holds.

    :param done: told of each entry that has taken effect, when that is stored.
    :ivar pace: when what was read is stored; to be told of the sends that it took.
    :ivar node: how this node is called in the logs, since its file was new.
    :ivar floor: the id up to which nothing can be read.
    :ivar registry: what holds.
    :ivar position: of the last entry that was read.
    """

    def __init__(
        self, clock: IReactorTime, replica: SqliteJournal, done: Callable[[Entry, Outcome], None]
    ) -> None:
        self.registry = Registry()
        self.position = 0
        self.node = ""
        self.floor = 0
        self._clock: IReactorTime = clock
        self._replica = replica
        self._done = done
        self._base = 0
        self._first = 1
        self._scratch: Registry | None = None
        self._state: Sequence[Fact] = ()
        self._until = 0
        self._read: list[_Read] = []
        self._lines = 0
        self._storing: Deferred[None] | None = None
        self.pace = Pace(clock, lambda: self._lines, self._store)

    def load(self) -> None:
        """Take up what the replica knows."""
        facts = self._replica.facts()
        own = {fact.name: fact.value for fact in facts if fact.kind == FILE}
        self.node = own.get("", "")
        self.floor = int(own.get("floor", self._replica.floor))
        if not self.node:
            self.node = f"{socket.gethostname()}-{secrets.token_hex(2)}"
            self._replica.note("", self.node)
        self.registry.load(facts)
        self.position = self.registry.position

    def facts(self) -> list[Fact]:
        """Return all that holds, for others."""
        return [fact for fact in self._replica.facts() if fact.kind != FILE]

    def state(self) -> Deferred[list[Fact]]:
        """Read all that holds, for others, in a thread."""
        return self._replica.facts_later().addCallback(
            lambda facts: [fact for fact in facts if fact.kind != FILE]
        )

    def open(self, opening: Opening) -> None:
        """Take note of the log.

        :raises LogError: if the replica is one of something else.
        """
        replica = self._replica
        if replica.identity != opening.identity:
            if replica.head or self.facts():
                raise LogError(f"the history {replica.path!r} is that of another chat")
            replica.belong_to(opening.identity)
        self._base, self._first = opening.base, opening.first
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
        if not self.position:
            floor = self._replica.floor if self._replica.head else self.begin
            self.keep_floor(floor)
        self.position = opening.first - 1
        if opening.state is not None:
            self._state = opening.state
            kept = Registry()
            kept.load(opening.state)
            self._until = kept.position
            self._scratch = Registry(lenient=opening.first > 1)

    def keep_floor(self, floor: int) -> None:
        """Keep up to which id nothing can be read. Ids have gaps, so the file does not tell it."""
        self.floor = floor
        self._try(lambda: self._replica.note("floor", str(floor)))

    @property
    def begin(self) -> int:
        """The id before the first event that the log can have."""
        return event_id(self._base, self._first, -1)

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        """Take an entry; see :meth:`.Follower.took`."""
        if position <= self.position:
            return None
        begins = self._scratch is not None and position > self._until
        if (begins or self._lines >= READ_MOST) and self._storing is None:
            self._store()
        if self._storing is not None:
            return self._after_storing().addCallback(lambda _: self.took(position, at, data))
        if begins:
            self._begin()
        self.position = position
        try:
            entry = decode(data)
        except BadEntry as error:
            log.critical("entry {position} is none: {why}", position=position, why=str(error))
            return None
        registry = self._scratch or self.registry
        first = event_id(self._base, position, 0)
        outcome = registry.interpret(entry, position, at, first)
        if outcome.fresh or outcome.facts:
            self._read.append(_Read(entry, outcome, at, first, self._scratch is None))
            self._lines += len(outcome.drafts)
            self.pace.wake()
        return None

    def _begin(self) -> None:
        """Go on from what others have kept."""
        self._scratch = None
        self.registry = Registry()
        self.registry.load(self._state)
        held = {(fact.kind, fact.name) for fact in self._state}
        over = [f._replace(value="") for f in self.facts() if (f.kind, f.name) not in held]
        outcome = Outcome(False, facts=[*over, *self._state])
        self._read.append(_Read(Entry("", 0, (), ()), outcome, 0, 0, True))
        self._state = ()

    def _after_storing(self) -> Deferred[None]:
        """Wait until what is being stored is."""
        assert self._storing is not None
        stored: Deferred[None] = Deferred()
        self._storing.addCallback(lambda _: stored.callback(None))
        return stored

    def _store(self) -> None:
        """Store all that was read, and show it."""
        self.pace.stop()
        if self._storing is not None or not self._read:
            return
        read, self._read, self._lines = self._read, [], 0
        facts = [fact for one in read if one.holds for fact in one.outcome.facts]

        def attempt() -> Deferred[None]:
            return self._replica.store(list(self._events(read)), facts)

        def stored(_: None) -> None:
            done, self._storing = self._storing, None
            for one in read:
                with log.failuresHandled("what follows an entry failed"):
                    self._done(one.entry, one.outcome)
            if self._read:
                self.pace.wake()
            if done is not None:
                done.callback(None)

        self._storing = Deferred()
        self._try(attempt).addCallback(stored)

    def _events(self, read: Sequence[_Read]) -> Iterator[Event]:
        """Give what has happened, each numbered line once."""
        has, head = self._replica.has, self._replica.head
        numbered: set[tuple[int, int]] = set()
        for one in read:
            for index, draft in one.outcome.drafts:
                # A node that was killed while it collected the events has them already.
                if one.first + index <= head:
                    continue
                if draft.seq > 0:
                    identity = draft.origin, draft.seq
                    if identity in numbered or has(*identity):
                        continue
                    numbered.add(identity)
                yield Event._make((one.first + index, one.at, *draft))

    def _try(self, attempt: Callable[[], Deferred[None]]) -> Deferred[None]:
        """Store something, again and again until it is."""

        told = ""

        def failed(failure: Failure) -> Deferred[None]:
            nonlocal told
            why = failure.getErrorMessage()
            if why != told:
                told = why
                log.critical("the history refuses: {why}", why=why)
            again: Deferred[None] = deferLater(self._clock, RETRY, lambda: None)
            return again.addCallback(lambda _: attempt()).addErrback(failed)

        try:
            return attempt().addErrback(failed)
        except Exception:
            return failed(Failure())

    def stop(self) -> None:
        """Store no more."""
        self.pace.stop()
