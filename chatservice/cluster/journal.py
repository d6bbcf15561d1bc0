"""A node's end of the log: it publishes what it commits, and shows what comes back.

Nothing has happened before it comes back, in its place among what others have published; then it
is stored in the node's own file, a replica, in the same transaction as the position in the log. So
all nodes tell the same in the same order, also after a ``kill -9``, and history and slow readers
are served from the file.

What is committed while the log is out of reach waits: the first commit here, and what comes after
it with the ticker, which asks again.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from chatservice.cluster.entries import BYE, LEASE, Entry
from chatservice.cluster.following import Following
from chatservice.cluster.leases import Leases
from chatservice.cluster.log import Founding, Log, LogError, Opening
from chatservice.cluster.outgoing import Outgoing, Waiting, awaited
from chatservice.cluster.records import Outcome
from chatservice.cluster.registry import Registry
from chatservice.cluster.replica import Replicated
from chatservice.journal.base import (
    Committed,
    Facts,
    JournalError,
    JournalUnavailable,
    no_facts,
)
from chatservice.journal.events import Draft, Fact
from chatservice.journal.sqlite import SqliteJournal

LARGEST: Final = 100_000
"""Characters said in one entry, about: with what belongs to them, 512 KiB."""

PATIENCE: Final = 3.0
"""Seconds that something may take to come back, until the log is out of reach."""

REPEAT: Final = 0.7
"""Seconds after which what has not come back is published again."""

LOOK_EVERY: Final = 0.25

BEATS: Final = 3
"""So many times in a lease does a node show that it is there."""

KEEP_EVERY: Final = 3600.0
"""Seconds, about, after which what holds is kept for nodes that begin."""

log = Logger()


class Listener(Protocol):
    """Who is told what changes beside events."""

    def begun(self, floor: int) -> None:
        """The log was found; no event up to an id can come."""

    def reached(self, why: str) -> None:
        """The log is within reach (``""``), or is not any more, and why."""

    def deposed(self) -> None:
        """This node was taken for dead, and is back; nothing else is said before it has spoken."""

    def asked(self, fact: Fact) -> None:
        """Something is asked of the node of a member."""


class ClusterJournal(Replicated):
    """A journal that many nodes share. It is a :class:`.Journal`.

    :param lease: seconds of silence after which a node is taken for dead.
    :ivar unreachable: why the log can't be followed; ``""`` if it can.
    """

    largest: int | None = LARGEST

    def __init__(
        self, clock: IReactorTime, replica: SqliteJournal, follow: Log, lease: float
    ) -> None:
        super().__init__(replica)
        self.unreachable = "the brokers were not reached yet"
        self._clock = clock
        self._log = follow
        self._beat = lease / BEATS
        self._outgoing = Outgoing(clock, follow)
        self._following = Following(clock, replica, self._done)
        self._leases = Leases(clock, lease)
        self._held: Waiting | None = None
        self._told: Deferred[None] | None = None
        self._connected = False
        self._next_beat = self._next_keep = self._published = 0.0
        self._beating: float | None = None
        self._heard = clock.seconds()
        self._watch: IDelayedCall | None = None

    def listen(self, listener: Listener) -> None:
        """Tell somebody, from now on, what changes beside events."""
        self._listener = listener

    @property
    def boot(self) -> str:
        """How this node is called in the log, by now."""
        return self._outgoing.boot

    @property
    def boots(self) -> Collection[str]:
        """What it was called there since it started."""
        return self._outgoing.boots

    @property
    def node(self) -> str:
        """How this node is called in the logs."""
        return self._following.node

    @property
    def registry(self) -> Registry:
        """What all nodes agree on."""
        return self._following.registry

    def start(self, committed: Committed) -> None:
        """See :meth:`.Journal.start`: open the replica. Nothing comes of the log yet."""
        self._replica.start(committed)
        self._following.load()
        self._outgoing.begin(self._following.node)

    def follow(self) -> None:
        """Follow the log, from now on. Brokers that can't be reached are tried on and on.

        :raises JournalError: if the log can't be that of this file.
        """
        try:
            self._log.open(
                self, lambda: Founding(self.identity, self.head, self._following.facts())
            )
        except LogError as error:
            self._replica.stop()
            raise JournalError(str(error)) from None
        self._watch = self._clock.callLater(LOOK_EVERY, self._look)

    def stop(self) -> Deferred[None]:
        """See :meth:`.Journal.stop`. The node says goodbye, if it can."""

        def close(_: object) -> Deferred[None]:
            if self._watch is not None:
                self._watch.cancel()
            self._following.stop()
            return self._log.close().addCallback(lambda _: self._replica.stop())

        if self.unreachable:
            return close(None)
        said = self.say([Fact(BYE, self.boot, "")])
        late = self._clock.callLater(PATIENCE, said.cancel)

        def in_time(_: object) -> None:
            if late.active():
                late.cancel()

        return said.addBoth(in_time).addCallback(close)

    # Publishing

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[None]:
        """See :meth:`.Journal.commit`. After a failure, the same is to be committed again.

        It may have got into the log all the same; it is not published as something else.
        """
        if self._held is None:
            if self.unreachable:
                return fail(JournalUnavailable(self.unreachable))
            self._held = held = awaited(drafts, facts)
            back: Deferred[Sequence[bool]] = Deferred()
            back.addCallback(self._back)
            held.done.append(back)
            told: Deferred[None] = Deferred()
            self._told = told
            self._outgoing.add(held)
            return told
        if self._held.back:
            self._held = None
            return succeed(None)
        if self.unreachable:
            return fail(JournalUnavailable(self.unreachable))
        self._told = Deferred()
        return self._told

    def commit_first(self, drafts: Sequence[Draft], facts: Facts) -> None:
        """Publish something in front of all that waits; for who was deposed."""
        self._outgoing.add_first(awaited(drafts, facts))

    def _back(self, _: Sequence[bool]) -> None:
        told, self._told = self._told, None
        if told is not None:
            self._held = None
            told.callback(None)

    def spent(self, sends: int) -> None:
        """Note how many sends it took to show what was committed last."""
        self._following.pace.spent(sends)

    @property
    def floor(self) -> int:
        """See :class:`.Journal`."""
        return self._following.floor

    def prune(self, before: int) -> bool:
        """See :meth:`.Journal.prune`."""
        floor = self._replica.floor
        more = self._replica.prune(before)
        if self._replica.floor > floor:
            self._following.keep_floor(self._replica.floor)
        return more

    def say(self, facts: Sequence[Fact], first: bool = False) -> Deferred[Sequence[bool]]:
        """Publish facts; the Deferred fires with whether each took effect, when that is known.

        :param first: before all that waits; for who was deposed.
        """
        return self._outgoing.say(facts, first)

    def reword(self, origin: int, author: str) -> None:
        """Have what somebody said, and waits, told under another name."""
        self._outgoing.reword(origin, author)

    def reclaimed(self) -> None:
        """All has been said that is to be said first."""
        self._outgoing.reclaiming = False
        self._outgoing.publish()

    # What the log tells

    def opened(self, opening: Opening) -> int:
        """See :meth:`.Follower.opened`."""
        self._following.open(opening)
        wait = KEEP_EVERY * random.uniform(0.5, 1.5) if opening.state is not None else 0.0
        self._next_keep = self._clock.seconds() + wait
        self._listener.begun(self._following.begin)
        return self._following.position

    def connected(self) -> None:
        """See :meth:`.Follower.connected`."""
        self._connected = True
        self._heard = self._clock.seconds()
        self._repeat()

    def disconnected(self, why: str) -> None:
        """See :meth:`.Follower.disconnected`."""
        self._connected = False
        self._lose(why)

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        """See :meth:`.Follower.took`."""
        self._heard = self._clock.seconds()
        return self._following.took(position, at, data)

    def _done(self, entry: Entry, outcome: Outcome) -> None:
        """An entry has taken effect, and is stored."""
        self._leases.heard(entry.boot)
        for fact in outcome.asked:
            self._listener.asked(fact)
        if entry.boot == self.boot:
            self._beating = None
            if self.unreachable and self._connected:
                self.unreachable = ""
                self._leases.reached()
                self._listener.reached("")
            if outcome.fresh:
                self._outgoing.back(entry.number, outcome.effective)
        # The registry may know of later entries already; this is about what was stored until now.
        if entry.boot != self.boot and any(f[:2] == (LEASE, self.boot) for f in outcome.facts):
            self._outgoing.begin(self._following.node)
            self._outgoing.reclaiming = True
            self._listener.deposed()
            self._outgoing.publish()

    def _lose(self, why: str) -> None:
        if not self.unreachable:
            self.unreachable = why
            self._listener.reached(why)
            told, self._told = self._told, None
            if told is not None:
                told.errback(JournalUnavailable(why))

    # What is to be done now and then

    def _look(self) -> None:
        now = self._clock.seconds()
        self._watch = self._clock.callLater(LOOK_EVERY, self._look)
        if self.lost:
            # Nothing that comes back can be stored, so nothing is shown; the brokers are well.
            self._lose(self.lost)
            return
        if not self._connected:
            return
        on_its_way = [since for since in (self._outgoing.since, self._beating) if since is not None]
        if on_its_way:
            if now - min(on_its_way) > PATIENCE:
                self._lose("the brokers do not answer")
                if now - self._heard > PATIENCE:
                    self._heard = now
                    self._log.follow(self._following.position)
            if now - self._published > REPEAT:
                self._repeat()
        elif now >= self._next_beat:
            self._repeat()
        if self.unreachable:
            return
        over = self._leases.over(self.registry, self.boot, self._following.node)
        if over:
            self.say(over)
        if now >= self._next_keep:
            self._next_keep = now + KEEP_EVERY * random.uniform(0.5, 1.5)
            self._following.state().addCallbacks(self._log.keep, lambda _: None)

    def _repeat(self) -> None:
        """Publish what is on its way, or a beat."""
        self._published = self._clock.seconds()
        self._next_beat = self._published + self._beat
        if self._outgoing.publish():
            return
        if self._outgoing.since is None and self._beating is None:
            self._beating = self._published
        self._outgoing.repeat()
