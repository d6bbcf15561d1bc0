"""A node's end of the log: publishes the commits of the node, and delivers what comes back.

Nothing has happened before it comes back from the log, in its place among the entries of all nodes.
Then it is stored in the node's own file, a replica, in one transaction with the position in the
log. So all nodes show the same events in the same order, even after a ``kill -9``. History and slow
readers are served from the file.

Entries that come back together are stored as one commit. It goes to the caller of :meth:`commit`
whose entry is among them, or else to the listener. So each commit is delivered once, and in order.

While the log is out of reach, commits wait. An entry that was published already is published again
until it comes back; later commits wait in the ticker, which tries again.

A node *takes no part* while entries that come back would be wrong or can't be stored: its file was
moved, or the log is another one than the file has followed, or is of a newer version. Then it
publishes nothing and stores nothing. Its file, and all that waits, stay as they are until the cause
is gone. If only another version of this program can help, the node ends.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, Protocol

from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice.clock import Timer
from chatservice.cluster.checks import sound
from chatservice.cluster.entries import BYE, LEASE, VERSIONED, Entry, Piece
from chatservice.cluster.following import Following, Read
from chatservice.cluster.leases import Leases
from chatservice.cluster.log import Log, LogError, NewerLog, Opening
from chatservice.cluster.outgoing import Outgoing, Waiting, awaited
from chatservice.cluster.records import Claim, Outcome
from chatservice.cluster.registry import Registry
from chatservice.core.rekeying import is_past
from chatservice.journal.events import (
    ROOM,
    Committed,
    Draft,
    Fact,
    Facts,
    JournalError,
    JournalUnavailable,
    no_facts,
)
from chatservice.journal.sqlite import SqliteJournal
from chatservice.text.names import RULES

LARGEST: Final = 100_000
"""The most characters of text in one entry, roughly; with its facts it has about 512 KiB."""

PATIENCE: Final = 3.0
"""Seconds without the return of an entry after which the log counts as out of reach."""

REPEAT: Final = 0.7
"""Seconds after which an entry that has not come back is published again."""

LOOK_EVERY: Final = 0.25

BEATS: Final = 3
"""The number of beats that an idle node publishes per lease, to show that it is alive."""

KEEP_EVERY: Final = 3600.0
"""Seconds, on average, after which all facts are kept at the brokers for nodes that begin."""

ROOMS_AT_ONCE: Final = 1000
"""The most rooms for which new names are asked for at once."""

log = Logger()


class Listener(Protocol):
    """The receiver of other nodes' commits and requests, and of the state of this node."""

    def happened(self, committed: Committed) -> None:
        """Deliver a commit for which no caller on this node waits."""

    def begun(self, floor: int) -> None:
        """Note that the log was found. Its events have ids above the floor."""

    def reached(self, why: str) -> None:
        """Note that the log is within reach (``""``), or why it is not."""

    def ended(self, why: str) -> None:
        """Note that this node takes no part any more, for good, and why."""

    def unpublished(self, drafts: Sequence[Draft], why: str) -> None:
        """Note that some drafts can't be published and are dropped, and why."""

    def deposed(self) -> None:
        """Bring the members back before all that waits, as this node was taken for dead."""

    def asked(self, fact: Fact) -> None:
        """Carry out another node's request about a member of this node."""


class ClusterJournal:
    """A :class:`.Journal` that many nodes share.

    :param lease: seconds of silence after which a node is taken for dead.
    :ivar listener: the receiver of other nodes' commits, and of the state of this node.
    :ivar outgoing: the queue of entries to publish; :ivar following: the reader of the log.
    :ivar unreachable: why the log can't be followed; ``""`` if it can.
    :ivar ended: whether this node takes no part any more, for good.
    :ivar refused_for: why the log at the brokers is not followed; ``""`` if it is.
    """

    largest: int | None = LARGEST
    listener: Listener

    def __init__(
        self, clock: IReactorTime, replica: SqliteJournal, follow: Log, lease: float
    ) -> None:
        self._replica = replica
        # Reads are served from the node's own file, without the other nodes.
        self.describe = replica.describe
        self.note = replica.note
        self.last_seq = replica.last_seq
        self.recent = replica.recent
        self.after = replica.after
        self.locate = replica.locate
        self.find = replica.find
        self.unreachable = "the brokers were not reached yet"
        self._clock = clock
        self._log = follow
        self._beat = lease / BEATS
        self.refused_for = ""
        self.outgoing = Outgoing(clock, follow, self._unpublished)
        self.following = Following(clock, replica, self._happened, self._done, self.refused)
        self.say = self.outgoing.say
        self.founding = self.following.founding
        self._leases = Leases(clock, lease)
        self._connected = self.ended = False
        self._next_keep = self._published = 0.0
        self._beating: float | None = None
        self._heard = clock.seconds()
        self._watch = Timer(clock, self._look)

    @property
    def boot(self) -> str:
        """The present boot of this node, its name in the log."""
        return self.outgoing.boot

    @property
    def registry(self) -> Registry:
        """The facts that all nodes agree on."""
        return self.following.registry

    def holds(self, claim: Claim) -> bool:
        """Return whether a claim belongs to this node."""
        return self.registry.owner(claim.boot) == self.boot

    def decides(self, origin: int) -> bool:
        """Return whether a person or session is with this node, which then decides about them."""
        return self.registry.owner_of(origin) == self.boot

    def start(self) -> None:
        """See :meth:`.Journal.start`. Open the replica; the log is not followed yet."""
        self._replica.start()
        try:
            self.following.load()
        except LogError as error:
            self._replica.stop()
            raise JournalError(str(error)) from None
        self.outgoing.begin(self.following.node)

    def follow(self) -> None:
        """Follow the log from now on, as soon as the brokers can be reached.

        :raises JournalError: if the log does not belong to this file, or can't be used.
        """
        try:
            self._log.open(self)
            if self.ended:
                raise LogError(self.unreachable)
        except LogError as error:
            self._replica.stop()
            raise JournalError(str(error)) from None
        self._watch.start(LOOK_EVERY)
        if not self._connected:
            self.listener.reached(self.unreachable)

    def stop(self) -> Deferred[None]:
        """See :meth:`.Journal.stop`. End the boot in the log, if the log is within reach."""

        def close(_: object) -> Deferred[None]:
            self._watch.stop()
            self.following.pace.stop()
            return self._log.close().addCallback(lambda _: self._replica.stop())

        if self.unreachable:
            return close(None)
        return self.say([Fact(BYE, self.boot, "")]).addTimeout(PATIENCE, self._clock).addBoth(close)

    @property
    def apart(self) -> str:
        """Why this node takes no part; ``""`` if it does, or is only cut off."""
        return self.lost or self.refused_for

    def facts(self) -> list[Fact]:
        """See :meth:`.Journal.facts`. Only usable facts are returned."""
        return sound(self._replica.facts())

    @property
    def identity(self) -> str:
        """See :class:`.Journal`."""
        return self._replica.identity

    @property
    def head(self) -> int:
        """See :class:`.Journal`."""
        return self._replica.head

    @property
    def size(self) -> int:
        """See :class:`.Journal`."""
        return self._replica.size

    @property
    def lost(self) -> str:
        """See :attr:`.Journal.lost`."""
        return self._replica.lost

    @property
    def last_at(self) -> int:
        """See :class:`.Journal`."""
        return self._replica.last_at

    # Publishing

    def commit(
        self, drafts: Sequence[Draft], facts: Facts = no_facts, first: bool = False
    ) -> Deferred[Committed]:
        """See :meth:`.Journal.commit`. The Deferred fails only if nothing was published.

        A commit that was published is stored sooner or later; then the Deferred fires.

        :param first: whether to publish it before all that waits, after the loss of the lease.
        """
        if self.unreachable and not first:
            return fail(JournalUnavailable(self.unreachable))
        committed: Deferred[Committed] = Deferred()
        entries = awaited(drafts, facts)
        entries[-1].committed = committed
        for waiting in entries:
            self.outgoing.add(waiting, first)
        return committed

    @property
    def floor(self) -> int:
        """See :class:`.Journal`."""
        return self.following.floor

    @property
    def unbroken(self) -> int:
        """See :class:`.Journal`."""
        return self.following.unbroken

    def prune(self, before: int) -> bool:
        """See :meth:`.Journal.prune`."""
        floor = self._replica.floor
        more = self._replica.prune(before)
        if self._replica.floor > floor:
            self.following.keep_floor(self._replica.floor)
        return more

    def reclaimed(self) -> None:
        """Publish the entries that waited until the members were brought back."""
        self.outgoing.reclaiming = False
        self.outgoing.publish()

    # Calls from the log

    @property
    def seen(self) -> int:
        """See :attr:`.Follower.seen`."""
        return self.following.seen

    def opened(self, opening: Opening) -> int:
        """See :meth:`.Follower.opened`."""
        again = bool(self.outgoing.mark)
        self.following.open(opening)
        if not again:
            self.outgoing.mark = self.following.mark
            wait = KEEP_EVERY * random.uniform(0.5, 1.5) if opening.state is not None else 0.0
            self._next_keep = self._clock.seconds() + wait
            self.listener.begun(self.following.begin)
        return self.following.position

    def connected(self) -> None:
        """See :meth:`.Follower.connected`."""
        if self.ended:
            return
        self.refused_for = ""
        self._connected = True
        self._heard = self._clock.seconds()
        self._repeat()

    def disconnected(self, why: str) -> None:
        """See :meth:`.Follower.disconnected`."""
        self._connected = False
        self._lose(why)

    def refused(self, error: LogError) -> None:
        """See :meth:`.Follower.refused`."""
        if self.ended or self.refused_for == str(error):
            return
        self._connected = False
        self.refused_for = self.unreachable = str(error)
        self.ended = isinstance(error, NewerLog)
        self.listener.reached(self.unreachable)
        if self.ended:
            self.listener.ended(str(error))

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        """See :meth:`.Follower.took`."""
        self._heard = self._clock.seconds()
        return self.following.took(position, at, data)

    def _happened(self, committed: Committed, read: Sequence[Read]) -> None:
        """Give a stored commit to the caller that waits for one of its entries, or the listener."""
        # This node has one entry on its way at a time, so at most one caller waits.
        for entry, outcome, *_ in read:
            if isinstance(entry, Entry) and entry.boot == self.boot and outcome.fresh:
                waits = self.outgoing.committed(entry.number)
                if waits is not None:
                    waits.callback(committed)
                    return
        self.listener.happened(committed)

    def _done(self, entry: Entry | Piece, outcome: Outcome) -> None:
        """Act on a stored entry: renew its boot's lease, pass on its requests, notice adoption."""
        self._leases.heard(entry.boot)
        for fact in outcome.asked:
            self.listener.asked(fact)
        if entry.boot == self.boot:
            self._back_from(entry, outcome)
        # The registry may be at a later entry already, so this looks at the facts of this one.
        if entry.boot != self.boot and any(f[:2] == (LEASE, self.boot) for f in outcome.facts):
            self.outgoing.begin(self.following.node)
            self.outgoing.reclaiming = True
            self.listener.deposed()
            self.outgoing.publish()

    def _back_from(self, entry: Entry | Piece, outcome: Outcome) -> None:
        """Note that an entry or a piece of this node has come back; publish the next entry."""
        self._beating = None
        if self.unreachable and self._connected:
            self.unreachable = ""
            self._leases.reached()
            self.listener.reached("")
        if any(fact.kind == VERSIONED for fact in outcome.facts):
            # The kept facts show the new version to a node of an older one before it reads the log.
            self._next_keep = 0.0
        if isinstance(entry, Piece):
            if self.outgoing.came(entry.number, entry.place, entry.of):
                self._published = self._clock.seconds()
        elif outcome.fresh:
            self.outgoing.back(entry.number, outcome.effective)
            if self.following.rules < RULES:
                self.following.rules = RULES
                self._ask_for_rooms()

    def _ask_for_rooms(self) -> None:
        """Ask for new names of rooms whose names are not valid any more.

        Only the events in this file mention these rooms; no fact in the log does.
        """
        rooms = [room for room in self._replica.rooms() if is_past(room)]
        said = [
            self.say([Fact(ROOM, room, "") for room in rooms[first : first + ROOMS_AT_ONCE]])
            for first in range(0, len(rooms), ROOMS_AT_ONCE)
        ]
        DeferredList(said).addCallback(lambda _: self.following.keep_rules())

    def _unpublished(self, waiting: Waiting, why: str) -> None:
        log.critical(
            "{drafts} events and {facts} facts can't be published: {why}",
            drafts=len(waiting.drafts),
            facts=len(waiting.facts),
            why=why,
        )
        self.listener.unpublished(waiting.drafts, why)
        if waiting.committed is not None:
            waiting.committed.callback(Committed((), ()))

    def _lose(self, why: str) -> None:
        if not self.unreachable:
            self.unreachable = why
            self.listener.reached(self.unreachable)

    # Periodic tasks

    def _look(self) -> None:
        now = self._clock.seconds()
        self._watch.start(LOOK_EVERY)
        if self.lost:
            # Entries that come back can't be stored or shown, though the brokers are fine.
            self._lose(self.lost)
            return
        if not self._connected:
            return
        on_its_way = [since for since in (self.outgoing.since, self._beating) if since is not None]
        if on_its_way:
            if now - min(on_its_way) > PATIENCE:
                self._lose("the brokers do not answer")
                if now - self._heard > PATIENCE:
                    self._heard = now
                    self._log.follow()
            if now - self._published > REPEAT:
                self._repeat()
        elif now - self._published >= self._beat:
            self._repeat()
        if self.unreachable:
            return
        over = self._leases.over(self.registry, self.boot, self.following.node)
        if over:
            self.say(over)
        if now >= self._next_keep:
            self._next_keep = now + KEEP_EVERY * random.uniform(0.5, 1.5)
            self.following.state().addCallbacks(self._log.keep, lambda _: None)

    def _repeat(self) -> None:
        """Publish the entry that is on its way again, or a beat."""
        self._published = self._clock.seconds()
        if self.outgoing.publish():
            return
        if self.outgoing.since is None and self._beating is None:
            self._beating = self._published
        self.outgoing.repeat()
