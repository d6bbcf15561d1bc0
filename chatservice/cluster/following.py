"""Follows the log: applies and stores each entry once, in the order of the log.

A node may begin with an empty file, or return when the log does not go back to its position any
more. Then it takes the facts that other nodes have kept for some position. Up to that position it
only collects events (with a registry that is thrown away); from there on it follows as usual.

The effect of an entry is decided when the entry comes. Entries that come soon after each other are
stored and shown together (:mod:`chatservice.core.feed.pace`): one transaction, and one send for
each reader, for the lines of several nodes. They stay in the order of the log.

All nodes skip an entry that is malformed, can't be used, is for another log, or has an older
version than the log. At an entry of a newer version than it knows, a node stops reading: it takes
no part any more.
"""

from __future__ import annotations

import secrets
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from chatservice.cluster.checks import check, sound
from chatservice.cluster.entries import (
    PART,
    TOLD,
    UNVERSIONED,
    VERSION,
    VERSIONED,
    BadEntry,
    Entry,
    NewerEntry,
    Piece,
    decode,
    event_id,
    mark_of,
)
from chatservice.cluster.log import Founding, LogError, NewerLog, Opening, OtherLog
from chatservice.cluster.records import Outcome
from chatservice.cluster.registry import Registry
from chatservice.core.feed.pace import Pace
from chatservice.core.rekeying import BASE, NODE, RULES_FACT, rules_of
from chatservice.journal.events import FILE, ROOM, Committed, Draft, Event, Fact
from chatservice.journal.sqlite import SqliteJournal
from chatservice.text.names import RULES

READ_MOST: Final = 1000
"""The number of lines after which the entries read so far are stored before more are read."""

RETRY: Final = 1.0
"""Seconds between two attempts to store entries."""

TOLD_EACH: Final = 10
"""The number of skipped entries that are logged one by one. Later ones are logged when their number
has doubled."""

_DRAFTS: Final = msgspec.json.Decoder(list[Draft])

_T = TypeVar("_T")

log = Logger()


class Read(NamedTuple):
    """An entry that was read, its outcome, its time (ms since 1970), and its first event's id."""

    entry: Entry | Piece
    outcome: Outcome
    at: int
    first: int


class Following:
    """Reads the entries of a log into a replica, and keeps the registry.

    :param happened: called with each stored commit and its entries.
    :param done: called with each entry and its outcome, after its commit.
    :param newer: called if the log goes on with an entry of a newer version.
    :ivar pace: decides when the entries that were read are stored; counts the sends they cause.
    :ivar node: the name of this node in the logs, which its file keeps.
    :ivar floor: the id up to which no event can be read.
    :ivar registry: the facts that all nodes agree on.
    :ivar position: the position of the last entry that was read.
    :ivar skipped: how many entries were skipped since the start.
    :ivar unbroken: the id after which the file has no gap.
    :ivar mark: the mark of the log (:func:`.mark_of`); ``""`` until the log is found.
    :ivar rules: the version of the rules that the names of all rooms in the file follow.
    """

    def __init__(
        self,
        clock: IReactorTime,
        replica: SqliteJournal,
        happened: Callable[[Committed, Sequence[Read]], None],
        done: Callable[[Entry | Piece, Outcome], None],
        newer: Callable[[NewerLog], None],
    ) -> None:
        self.registry = Registry()
        self.position = 0
        self.node = ""
        self.floor = 0
        self._clock: IReactorTime = clock
        self._replica = replica
        self._happened = happened
        self._done = done
        self._newer = newer
        self._stopped = False
        self.skipped = self._told_at = 0
        self.unbroken = 0
        self.mark = ""
        self._base: int | None = None
        self._version = VERSION
        self.rules = RULES
        self._first = 1
        self._scratch: Registry | None = None
        self._state: Sequence[Fact] = ()
        self._until = 0
        self._read: list[Read] = []
        self._lines = 0
        self._storing: Deferred[None] | None = None
        self.pace = Pace(clock, lambda: self._lines, self._store)

    def load(self) -> None:
        """Load the facts of the replica.

        :raises LogError: if the replica is of a log with a newer version.
        """
        facts = sound(self._replica.facts(), "the history")
        own = {fact.name: fact.value for fact in facts if fact.kind == FILE}
        self.node = own.get(NODE, "")
        self.floor = int(own.get("floor", self._replica.floor))
        self.unbroken = int(own.get("unbroken", 0))
        if BASE in own:
            self._base = int(own[BASE])
        self.rules = rules_of(facts)
        self.registry.load(facts)
        if self.node or self._base is not None:
            self._version = self.registry.version
        if not self.node:
            self.node = f"{socket.gethostname()}-{secrets.token_hex(2)}"
            self._replica.note(NODE, self.node)
        _check_version(self.registry)
        self.position = self.registry.last.position

    def facts(self) -> list[Fact]:
        """Return the facts that concern all nodes."""
        return _shared(self._replica.facts())

    def state(self) -> Deferred[list[Fact]]:
        """Return the facts that concern all nodes; read them in a thread."""
        return self._replica.facts_later().addCallback(_shared)

    def founding(self) -> Founding:
        """Return the contents with which this node begins a log.

        :raises LogError: if this history has followed a log, which must be found again.
        """
        replica = self._replica
        if self.position or self.mark:
            raise LogError(
                "the brokers have no log of this chat, but this history has followed one:"
                " were their disks lost?"
            )
        if self._base is not None:
            # Other nodes may have later events, whose ids are now given to new ones.
            replica.belong_to(uuid.uuid4().hex)
            self._base = None
        facts = [fact for fact in self.facts() if fact.kind not in (VERSIONED, PART, TOLD)]
        # Names in a log of older rules follow those rules, until an entry raises the version.
        facts.append(Fact(VERSIONED, "", str(self._version)))
        return Founding(replica.identity, replica.head, facts)

    def keep_rules(self) -> None:
        """Store that the names of all rooms in the file follow today's rules."""
        self._try(lambda: self._replica.note(RULES_FACT, str(RULES)))

    @property
    def seen(self) -> int:
        """The position of an entry that was read, to recognise the log; 0 if there is none."""
        return 0 if self._scratch is not None or self._state else self.registry.last.position

    def open(self, opening: Opening) -> None:
        """Check a log, at first and each time that it is found again, and prepare to follow it.

        :raises LogError: if this history has followed another log, or can't follow this one.
        """
        replica = self._replica
        again = bool(self.mark)
        if replica.identity != opening.identity:
            if again or replica.head or self.facts():
                raise LogError(f"the history {replica.path!r} is that of another chat")
            replica.belong_to(opening.identity)
        if self._base is not None and self._base != opening.base and (again or self.position):
            raise OtherLog("the log is another one than this history has followed")
        if self.position > opening.last:
            raise OtherLog("the log is older than the history: was it restored from a copy?")
        if self.seen and opening.at and opening.at != self.registry.last.at:
            raise OtherLog("the log is another one than this history has followed")
        kept = Registry()
        if opening.state is not None:
            state = sound(opening.state, "the store at the brokers")
            kept.load(state)
            _check_version(kept)
        self._first = opening.first
        if again:
            if self.position < opening.first - 1:
                raise LogError(
                    f"the log begins at {opening.first}, and was read up to {self.position}:"
                    " a start of this node is to begin there"
                )
            return
        if self._base != opening.base:
            self._base = opening.base
            self._try(lambda: replica.note(BASE, str(opening.base)))
        self.mark = mark_of(opening.identity, opening.base)
        if 0 < self.position >= opening.first - 1:
            return
        if opening.first > 1:
            log.warn(
                "the log begins at {first}: from {mine} on to there, this history has a gap",
                first=opening.first,
                mine=self.position + 1,
            )
        if not self.position:
            self.keep_floor(replica.floor if replica.head else self.begin)
        else:
            self.unbroken = self.begin
            self._try(lambda: replica.note("unbroken", str(self.unbroken)))
        self.position = opening.first - 1
        if opening.state is not None:
            self._state = state
            self._until = kept.last.position
            told = {int(f.name): _DRAFTS.decode(f.value) for f in state if f.kind == TOLD}
            self._scratch = Registry(lenient=opening.first > 1, told=told)
            self._scratch.version = UNVERSIONED
        elif not self.registry.leases:
            self.registry.version = UNVERSIONED

    def keep_floor(self, floor: int) -> None:
        """Store the id up to which no event can be read.

        The oldest event does not show this id, because ids have gaps.
        """
        self.floor = floor
        self._try(lambda: self._replica.note("floor", str(floor)))

    @property
    def begin(self) -> int:
        """The id before the first event that the log can still have."""
        return event_id(self._base or 0, self._first, -1)

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        """Apply an entry; see :meth:`.Follower.took`."""
        if position <= self.position or self._stopped:
            return None
        begins = self._scratch is not None and position > self._until
        if (begins or self._lines >= READ_MOST) and self._storing is None:
            self._store()
        if self._storing is not None:
            # Of its own, as the log may cancel the wait, and not the storing.
            stored: Deferred[None] = Deferred()
            self._storing.addCallback(lambda _: stored.callback(None))
            return stored.addCallback(lambda _: self.took(position, at, data))
        if begins:
            self._begin()
        self.position = position
        try:
            self._take(position, at, data)
        except BadEntry as error:
            self._skip(position, str(error))
        except NewerEntry as error:
            self._stopped = True
            log.warn("entry {at} is of version {version}", at=position, version=error.version)
            self._newer(NewerLog(error.version))
        return None

    def _take(self, position: int, at: int, data: bytes) -> None:
        """Apply an entry to the registry, and have it stored.

        :raises BadEntry: if the entry is to be skipped.
        :raises NewerEntry: if a newer version wrote the entry.
        """
        registry = self._scratch or self.registry
        try:
            entry = decode(data)
        except NewerEntry as error:
            self._check_mark(error.mark)
            raise
        self._check_mark(entry.mark)
        if entry.version < registry.version:
            raise BadEntry(f"it is of version {entry.version}, and the log of {registry.version}")
        if isinstance(entry, Piece):
            outcome, whole = registry.collect(entry, position, at)
            self._add(entry, outcome, at, 0)
            if not whole:
                return
            entry = _whole(entry, whole)
        check(entry)
        assert self._base is not None
        first = event_id(self._base, position, 0)
        self._add(entry, registry.interpret(entry, position, at, first), at, first)

    def _add(self, entry: Entry | Piece, outcome: Outcome, at: int, first: int) -> None:
        """Add an entry to those that are stored next, if anything of it is to be stored."""
        if outcome.fresh or outcome.facts:
            self._read.append(Read(entry, outcome, at, first))
            self._lines += len(outcome.drafts)
            self.pace.wake()

    def _check_mark(self, mark: str) -> None:
        if mark and mark != self.mark:
            raise BadEntry("it is for another log")

    def _skip(self, position: int, why: str) -> None:
        self.skipped += 1
        if self.skipped <= TOLD_EACH or self.skipped >= 2 * self._told_at:
            self._told_at = self.skipped
            log.critical(
                "entry {position} is skipped: {why} ({count} since the start)",
                position=position,
                why=why,
                count=self.skipped,
            )

    def _begin(self) -> None:
        """Replace all facts by those that others have kept, and go on from their position."""
        self._scratch = None
        self.registry = Registry()
        self.registry.load(self._state)
        held = {(fact.kind, fact.name) for fact in self._state}
        over = [f._replace(value="") for f in self.facts() if (f.kind, f.name) not in held]
        outcome = Outcome(False, facts=[*over, *self._state])
        self._read.append(Read(Entry("", 0, (), ()), outcome, 0, 0))
        self._state = ()

    def _store(self) -> None:
        """Store all entries that were read as one commit, and then show it."""
        self.pace.stop()
        if self._storing is not None or not self._read:
            return
        read, self._read, self._lines = self._read, [], 0
        # While this node only collects events, it stores no facts.
        facts = [fact for one in read if self._scratch is None for fact in one.outcome.facts]
        called = {fact.name: fact.value for fact in facts if fact.kind == ROOM}

        def stored(committed: Committed) -> None:
            with log.failuresHandled("a stored commit could not be shown"):
                self._happened(committed, read)
            done, self._storing = self._storing, None
            for one in read:
                with log.failuresHandled("the follow-up of an entry failed"):
                    self._done(one.entry, one.outcome)
            if self._read:
                self.pace.wake()
            if done is not None:
                done.callback(None)

        self._storing = Deferred()
        self._try(lambda: self._replica.store(list(self._events(read, called)), facts)).addCallback(
            stored
        )

    def _events(self, read: Sequence[Read], called: Mapping[str, str]) -> Iterator[Event]:
        """Yield the events of some entries, and each numbered line only once.

        :param called: the new names of rooms, by the names in the events.
        """
        has, head = self._replica.has, self._replica.head
        numbered: set[tuple[int, int]] = set()
        for one in read:
            for index, draft in one.outcome.drafts:
                # A node that was killed while it collected events has some of them already.
                if one.first + index <= head:
                    continue
                if draft.seq > 0:
                    identity = draft.origin, draft.seq
                    if identity in numbered or has(*identity):
                        continue
                    numbered.add(identity)
                if draft.room in called:
                    draft = draft._replace(room=called[draft.room])
                yield Event._make((one.first + index, one.at, *draft))

    def _try(self, attempt: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        """Run an attempt to store something until it succeeds."""
        return Deferred.fromCoroutine(self._insist(attempt))

    async def _insist(self, attempt: Callable[[], Deferred[_T]]) -> _T:
        told = ""
        while True:
            try:
                return await attempt()
            except Exception as error:
                if str(error) != told:
                    told = str(error)
                    log.critical("the history refuses: {why}", why=told)
            await deferLater(self._clock, RETRY)


def _shared(facts: Sequence[Fact]) -> list[Fact]:
    """Return the usable facts that concern all nodes: all but those of kind :data:`.FILE`."""
    return [fact for fact in sound(facts) if fact.kind != FILE]


def _check_version(registry: Registry) -> None:
    if registry.version > VERSION:
        raise NewerLog(registry.version)


def _whole(piece: Piece, data: bytes) -> Entry:
    """Return the entry in the joined bytes of its pieces.

    :param piece: the last piece that came.
    :raises BadEntry: if the bytes are no entry, or another one than the piece says.
    """
    entry = decode(data)
    if not isinstance(entry, Entry) or (entry.boot, entry.number) != (piece.boot, piece.number):
        raise BadEntry("its pieces are not those of one entry")
    return entry
