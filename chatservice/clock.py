"""The clock by which everything that lasts is measured, and a timer on it.

Twisted's reactors go by the wall clock (:func:`time.time`), that of asyncio as well. When it is
set, by NTP or by hand, their timers come too early or too late by as much. The wall clock is right
for what is shown and what is stored, and for nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime


def go_by_monotonic(reactor: Any) -> None:
    """Let a reactor go by :func:`time.monotonic`, which nobody can set.

    It counts on from what the wall clock says now, so timers that wait already come when they
    should, and this can be called at any moment: while the reactor runs its timers, too. What does
    not go by the wall clock, like a clock for tests, is left alone.

    :param reactor: running or not.
    """
    if getattr(reactor, "seconds", None) is not time.time:
        return
    monotonic = time.monotonic
    began: float = time.time() - monotonic()

    def seconds() -> float:
        return began + monotonic()

    reactor.seconds = seconds
    for call in reactor.getDelayedCalls():
        # A timer that is reset later asks the clock that it was made with.
        call.seconds = seconds


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
        """Have the call come in so many seconds, whenever it was to come before."""
        if self._due is not None:
            self._due.cancel()
        self._due = self._clock.callLater(seconds, self._over)

    def stop(self) -> None:
        """Have the call not come."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _over(self) -> None:
        self._due = None
        self._call()
