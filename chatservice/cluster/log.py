"""The interface of the log, to which all nodes append entries, and of its follower, a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from chatservice.cluster.entries import VERSION
from chatservice.journal.events import Fact


class Founding(NamedTuple):
    """The contents with which the first node of a cluster begins the log.

    :ivar identity: the identity of the journal.
    :ivar base: the last id before the log.
    :ivar facts: all facts that hold.
    """

    identity: str
    base: int
    facts: Sequence[Fact]


class Opening(NamedTuple):
    """The description of a log, which a node gets before it follows the log.

    :ivar identity: the identity of the journal that the log holds.
    :ivar base: the last id before the log.
    :ivar first: the position of the first entry that is still in the log.
    :ivar last: the position of the last entry.
    :ivar state: all facts that held at some position; None if no node has kept them, or if they
        were not asked for.
    :ivar at: when the entry at :attr:`Follower.seen` was published, in milliseconds since 1970; 0
        if it is not in the log any more.
    """

    identity: str
    base: int
    first: int
    last: int
    state: Sequence[Fact] | None
    at: int = 0


class LogError(Exception):
    """The log can't be used; ``str()`` gives the reason in one sentence."""


class OtherLog(LogError):
    """The log is not the one that this node has followed, according to the brokers.

    A broker that was stopped may say so wrongly until it has caught up with the others.
    """


class NewerLog(LogError):
    """A newer version has written to the log, so this node can't follow it any further."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"the log is of version {version}, and this node knows {VERSION}:"
            " a newer chatservice is needed here"
        )


class Follower(Protocol):
    """The receiver of a log's entries, and of news about the connection to it.

    :ivar seen: the position of an entry by which the follower recognises the log; 0 if there is
        none.
    """

    @property
    def seen(self) -> int: ...

    def founding(self) -> Founding:
        """Return the contents for a new log, as the brokers have none.

        :raises LogError: if no log may be begun.
        """

    def opened(self, opening: Opening) -> int:
        """Check a log that was found; return the position after which its entries are wanted.

        This is called each time that the log is found again.

        :raises LogError: if it is not the right log.
        """

    def refused(self, error: LogError) -> None:
        """Note that the log at the brokers can't be followed. The log is tried again and again."""

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        """Apply an entry. If this returns a Deferred, the next entry waits until it fires.

        :param position: the position of the entry in the log.
        :param at: when it was published, in milliseconds since 1970.
        """

    def connected(self) -> None:
        """Note that the log can be followed from now on."""

    def disconnected(self, why: str) -> None:
        """Note that the log can't be followed for now, and why."""


class Log(Protocol):
    """Entries in one order. Positions rise from 1; there may be gaps."""

    @property
    def largest(self) -> int:
        """The most bytes that can be published at once; 0 while nothing can be published."""

    def open(self, follower: Follower) -> None:
        """Begin to follow the log as soon as it can be reached.

        :raises LogError: if it can never be followed.
        """

    def publish(self, data: bytes, again: bool) -> None:
        """Append an entry. It was appended if it comes back to the follower.

        :param again: whether it did not come back in time, so that the brokers are asked why.
        """

    def follow(self) -> None:
        """Find the log again and follow it on, since something may have been lost on the way."""

    def keep(self, state: Sequence[Fact]) -> None:
        """Keep all facts that hold, for nodes that begin."""

    def close(self) -> Deferred[None]:
        """Stop following."""
