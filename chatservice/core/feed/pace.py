"""When what waits is done: at once if little was done before, else together with what comes soon.

A house that was quiet does it at once: latency is best when it is cheap. Then the next time waits
until the last one's sends are paid for (``SEND_COST`` each), at most ``LONGEST_PACE``. With
``MANY`` lines waiting a line is cheap to deliver: then it is done as soon as no more of them came
for a ``QUIET_SHARE`` of that time, in whole milliseconds as the reactor has them, or in one turn of
the reactor. Nobody can see the difference between 5 and 50 ms, and a busy room of 1,000 costs half.
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
    """Tells when it is time.

    :param waiting: returns how many lines wait.
    :param go: called when it is time.
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
        """See to it that the time comes: to be called after each change of what waits."""
        if self._due is None:
            wait = self._next - self._clock.seconds()
            late = wait <= 0 or self._waiting() >= MANY
            self._seen = 0
            self.start(0 if late else wait)
        elif self._waiting() == MANY:
            self.start(0)

    def _unless_more(self) -> None:
        """Let it be time, unless more lines came since the last look: then look again."""
        waiting = self._waiting()
        if self._seen < waiting and self._clock.seconds() < self._next:
            self._seen = waiting
            self.start(self._quiet)
        else:
            self._go()

    def spent(self, sends: int) -> None:
        """Note that it was done now, and took so many sends."""
        pace = min(sends * SEND_COST, LONGEST_PACE)
        self._next = self._clock.seconds() + pace
        self._quiet = round(pace * QUIET_SHARE, 3)

    def wait(self, seconds: float) -> None:
        """Let it be time in so many seconds, whatever comes."""
        self._next = self._clock.seconds() + seconds
        self.start(seconds)
