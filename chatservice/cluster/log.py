"""What a node follows: a log of entries in one order, which many append to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from chatservice.journal.events import Fact


class Founding(NamedTuple):
    """What the first node of a cluster begins it with, if there is none yet.

    :ivar identity: of the journal.
    :ivar base: the last id that there was before.
    :ivar facts: all that holds.
    """

    identity: str
    base: int
    facts: Sequence[Fact]


class Opening(NamedTuple):
    """What a node learns of a log before it follows it.

    :ivar identity: of the journal that it is.
    :ivar base: the last id that there was before it.
    :ivar first: the position of the first entry that it still has.
    :ivar last: that of the last.
    :ivar state: all that held at some position; None if nobody has kept that.
    """

    identity: str
    base: int
    first: int
    last: int
    state: Sequence[Fact] | None


class LogError(Exception):
    """The log can't be used; ``str()`` says why in one sentence."""


class Follower(Protocol):
    """Who is told of a log."""

    def opened(self, opening: Opening) -> int:
        """Take note of the log, and return the position after which its entries are wanted.

        :raises LogError: if it is not the right one.
        """

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        """Take an entry. The next one may come when the Deferred, if there is one, has fired."""

    def connected(self) -> None:
        """From now on it can be followed; at first, or again."""

    def disconnected(self, why: str) -> None:
        """It can't be followed for now."""


class Log(Protocol):
    """Entries in one order. Positions rise from 1; there may be gaps."""

    def open(self, follower: Follower, founding: Callable[[], Founding]) -> None:
        """Begin to follow: at once if that is possible, else when it is.

        :raises LogError: if it never will be.
        """

    def publish(self, data: bytes, name: str) -> None:
        """Append an entry. Whether it got there is told by its coming back.

        :param name: the same if the same is published again.
        """

    def follow(self, position: int) -> None:
        """Begin to follow again, after a position: something may have got lost on the way."""

    def keep(self, state: Sequence[Fact]) -> None:
        """Keep what holds, for nodes that begin."""

    def close(self) -> Deferred[None]:
        """Follow no more."""
