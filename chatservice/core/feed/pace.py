"""The time of the next tick: at once after quiet, else a little later, together with more lines.

After quiet a tick comes at once, since low latency is cheap then. The next tick waits until the
sends of the last one are paid for (``SEND_COST`` each), at most ``LONGEST_PACE``. With ``MANY``
lines waiting, each line is cheap to deliver, so the tick comes as soon as no more lines have come
for a ``QUIET_SHARE`` of that pause (in whole milliseconds, as the reactor counts them; 0 is one
turn of the reactor). Nobody can see the difference between 5 and 50 ms, and a busy room of 1,000
costs half.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from chatservice.clock import Timer

SEND_COST: Final = 50e-6
LONGEST_PACE: Final = 0.1
QUIET_SHARE: Final = 0.02
MANY: Final = 32


class Pace(Timer):
    """A timer for the next tick.

    :param waiting: returns the number of waiting lines.
    :param go: called when the tick is due.
    """

    def __init__(
        self, clock: IReactorTime, waiting: Callable[[], int], go: Callable[[], None]
    ) -> None:
        super().__init__(clock, self._unless_more)
        self._waiting = waiting
        self._go = go
        self._next = 0.0
        self._quiet = 0.0
        self._seen = 0

    def wake(self) -> None:
        """Start the timer if needed; call this after each addition to what waits."""
        if self._due is None:
            wait = self._next - self._clock.seconds()
            late = wait <= 0 or self._waiting() >= MANY
            self._seen = 0
            self.start(0 if late else wait)
        elif self._waiting() == MANY:
            self.start(0)

    def _unless_more(self) -> None:
        """Call ``go``, unless more lines came since the last look: then look again later."""
        waiting = self._waiting()
        if self._seen < waiting and self._clock.seconds() < self._next:
            self._seen = waiting
            self.start(self._quiet)
        else:
            self._go()

    def spent(self, sends: int) -> None:
        """Compute the next pause from the number of sends of a tick that has just ended."""
        pace = min(sends * SEND_COST, LONGEST_PACE)
        self._next = self._clock.seconds() + pace
        self._quiet = round(pace * QUIET_SHARE, 3)

    def wait(self, seconds: float) -> None:
        """Start the timer for a number of seconds, whatever else comes."""
        self._next = self._clock.seconds() + seconds
        self.start(seconds)
