"""Equal timeouts of many things, on one timer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice.clock import Timer

_T = TypeVar("_T")

log = Logger()


class Deadlines(Generic[_T]):
    """Things that all expire after the same delay.

    They expire in the order in which they were added, so one timer, set for the oldest, is enough.

    :param delay: seconds from adding a thing to its expiry; 0 for never.
    :param expired: called with each thing that expires, after its removal.
    """

    def __init__(self, clock: IReactorTime, delay: float, expired: Callable[[_T], None]) -> None:
        self._clock = clock
        self._delay = delay
        self._expired = expired
        self._ends: dict[_T, float] = {}
        self._timer = Timer(clock, self._check)

    def add(self, thing: _T) -> None:
        """Add a thing; if it is there already, restart its delay."""
        if self._delay:
            self._ends.pop(thing, None)
            self._ends[thing] = self._clock.seconds() + self._delay
            if not self._timer.running:
                self._timer.start(self._delay)

    def __contains__(self, thing: _T) -> bool:
        """Return whether a thing is waiting to expire."""
        return thing in self._ends

    def __len__(self) -> int:
        """Count the things that are waiting to expire."""
        return len(self._ends)

    def __iter__(self) -> Iterator[_T]:
        """Iterate over the things that are waiting to expire, the oldest first."""
        return iter(list(self._ends))

    def discard(self, thing: _T) -> None:
        """Remove a thing, if it is there; it does not expire."""
        self._ends.pop(thing, None)

    def discard_oldest(self) -> None:
        """Remove the oldest thing; it does not expire."""
        del self._ends[next(iter(self._ends))]

    def _check(self) -> None:
        now = self._clock.seconds()
        while self._ends:
            thing, end = next(iter(self._ends.items()))
            if end > now:
                self._timer.start(end - now)
                return
            del self._ends[thing]
            with log.failuresHandled("a timeout failed"):
                self._expired(thing)

    def stop(self) -> None:
        """Remove all things and stop the timer."""
        self._ends.clear()
        self._timer.stop()
