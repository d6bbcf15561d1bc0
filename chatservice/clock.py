"""The monotonic clock, by which all durations and timers are measured.

Twisted's reactors, including the asyncio one, use the wall clock (:func:`time.time`). When NTP or
an operator sets it, their timers fire too early or too late by that much. The wall clock is right
only for times that are shown or stored.
"""

from __future__ import annotations

import time
from typing import Any


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
