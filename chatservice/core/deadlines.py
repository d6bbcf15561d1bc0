"""Timers: one call that comes later, and the timeouts of many things on one timer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_T = TypeVar("_T")

log = Logger()


class Timer:
    """One call that comes later, or does not come.

    :param call: called when the time has come; it may start the timer again.
    """

    __slots__ = ("_call", "_clock", "_due")

    def __init__(self, clock: IReactorTime, call: Callable[[], None]) -> None:
        self._clock = clock
        self._call = call
        self._due: IDelayedCall | None = None

    @property
    def running(self) -> bool:
        """Whether the call is still to come."""
        return self._due is not None

    def start(self, seconds: float) -> None:
        """Make the call in so many seconds, and not when it was due before."""
        self.stop()
        self._due = self._clock.callLater(seconds, self._over)

    def stop(self) -> None:
        """Cancel the call, if it is still to come."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _over(self) -> None:
        self._due = None
        self._call()


class Deadlines(Generic[_T]):
    """Things that each have the same time from when they were added.

    They run out in the order in which they came, so one timer, set for the oldest, serves all.

    :param delay: the time that each has, in seconds; 0 for ever.
    :param expired: called with each that ran out; it is then no longer among them.
    """

    def __init__(self, clock: IReactorTime, delay: float, expired: Callable[[_T], None]) -> None:
        self._clock = clock
        self._delay = delay
        self._expired = expired
        self._ends: dict[_T, float] = {}
        self._timer = Timer(clock, self._check)

    def add(self, thing: _T) -> None:
        """Start the time of something; if it runs, it starts anew."""
        if self._delay:
            self._ends.pop(thing, None)
            self._ends[thing] = self._clock.seconds() + self._delay
            if not self._timer.running:
                self._timer.start(self._delay)

    def __contains__(self, thing: _T) -> bool:
        """Tell whether the time of something runs."""
        return thing in self._ends

    def __len__(self) -> int:
        """Count the things whose time runs."""
        return len(self._ends)

    def __iter__(self) -> Iterator[_T]:
        """Go through the things whose time runs, the oldest first."""
        return iter(list(self._ends))

    def discard(self, thing: _T) -> None:
        """Stop the time of something, if it runs."""
        self._ends.pop(thing, None)

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
        """Stop the time of all."""
        self._ends.clear()
        self._timer.stop()
