"""The monotonic clock, by which all durations are measured, and a timer on it.

Twisted's reactors, including the asyncio one, use the wall clock (:func:`time.time`). When NTP or
an operator sets it, their timers fire too early or too late by that much. The wall clock is right
only for times that are shown or stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime


def go_by_monotonic(reactor: Any) -> None:
    """Make a reactor use :func:`time.monotonic`, which nobody can set.

    The reactor's time continues from the present wall-clock time, so timers that are already set
    fire when they should. This may be called at any moment, even while the reactor runs its timers.
    A reactor that does not use the wall clock, like a test clock, is left alone.

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
        # When a timer is reset later, it asks the clock that it was made with.
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
        if self._due is None:
            self._due = self._clock.callLater(seconds, self._over)
        else:
            self._due.reset(seconds)

    def stop(self) -> None:
        """Have the call not come."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _over(self) -> None:
        self._due = None
        self._call()
