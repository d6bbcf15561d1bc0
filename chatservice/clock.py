"""The clock by which everything that lasts is measured.

Twisted's reactors go by the wall clock (:func:`time.time`), that of asyncio as well. When it is
set, by NTP or by hand, their timers come too early or too late by as much. The wall clock is right
for what is shown and what is stored, and for nothing else.
"""

from __future__ import annotations

import time
from typing import Any


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
