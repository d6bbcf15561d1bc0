"""The log that a node follows: entries in one order, to which many nodes append."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from chatservice.cluster.entries import VERSION
from chatservice.journal.events import Fact


class Founding(NamedTuple):
    """The contents with which the first node of a cluster begins the log.

    :ivar identity: of the journal.
    :ivar base: the last id that there was before.
    :ivar facts: all that holds.
    """

    identity: str
    base: int
    facts: Sequence[Fact]


class Opening(NamedTuple):
    """The description of a log, which a node has before it follows the log.

    :ivar identity: of the journal that it is.
    :ivar base: the last id that there was before it.
    :ivar first: the position of the first entry that it still has.
    :ivar last: that of the last.
    :ivar state: all that held at some position; None if nobody has kept that, or if it was not
        asked for.
    :ivar at: when the entry was published that the follower has seen, in milliseconds since 1970; 0
        if it is not there any more.
    """

    identity: str
    base: int
    first: int
    last: int
    state: Sequence[Fact] | None
    at: int = 0


class LogError(Exception):
    """The log can't be used; ``str()`` says why in one sentence."""


class OtherLog(LogError):
    """The log is not the one that was followed, as the brokers say.

    One of them that stood still may say so until it has heard of the others.
    """


class NewerLog(LogError):
    """The log was written on by a newer version, so this node can't go on with it."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"the log is of version {version}, and this node knows {VERSION}:"
            " a newer chatservice is needed here"
        )


class Follower(Protocol):
    """The receiver of a log's entries and state.

    :ivar seen: the position of an entry by which the log can be told from others; 0 if there is
        none.
    """

    @property
    def seen(self) -> int: ...

    def founding(self) -> Founding:
        """Return what a log is begun with where there is none.

        :raises LogError: if it is not to be begun.
        """

    def opened(self, opening: Opening) -> int:
        """Take note of the log, and return the position after which its entries are wanted.

        It is asked again each time that the log is found again.

        :raises LogError: if it is not the right one.
        """

    def refused(self, error: LogError) -> None:
        """Take note that the present log can't be followed. It is looked for again and again."""

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        """Take an entry. The next one may come when the Deferred, if there is one, has fired."""

    def connected(self) -> None:
        """Take note that the log can be followed from now on."""

    def disconnected(self, why: str) -> None:
        """Take note that the log can't be followed for now."""


class Log(Protocol):
    """Entries in one order. Positions rise from 1; there may be gaps."""

    @property
    def largest(self) -> int:
        """So many bytes may be published at once, at most; 0 while nothing can be."""

    def open(self, follower: Follower) -> None:
        """Begin to follow: at once if that is possible, else when it is.

        :raises LogError: if it never will be.
        """

    def publish(self, data: bytes, again: bool) -> None:
        """Append an entry. Whether it got there is told by its coming back.

        :param again: it has not come back in time, so the brokers may have a reason to tell.
        """

    def follow(self) -> None:
        """Look for the log again, and follow it on: something may have got lost on the way."""

    def keep(self, state: Sequence[Fact]) -> None:
        """Keep all facts that hold, for nodes that begin."""

    def close(self) -> Deferred[None]:
        """Stop following."""
