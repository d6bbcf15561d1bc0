"""Forgetting what is older than it is to be kept, a slice at a time."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from chatservice.core.feed.history import Past
from chatservice.core.wall_clock import WallClock
from chatservice.journal.base import Journal

PRUNE_EVERY: Final = 60.0
PRUNE_PAUSE: Final = 0.05
"""Seconds from one slice to the next, while there is more to forget."""

_DAY: Final = 86_400_000


class Pruner:
    """Forgets old events, in the journal and in memory, unless the time is in doubt.

    :param keep: days that events are kept; 0 for ever.
    """

    def __init__(
        self, clock: IReactorTime, journal: Journal, past: Past, wall: WallClock, keep: int
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._past = past
        self._wall = wall
        self._keep = keep
        self._due: IDelayedCall | None = None

    def start(self) -> None:
        """Begin, if anything is to be forgotten at all."""
        if self._keep:
            self._prune()

    def stop(self) -> None:
        """Forget nothing more."""
        if self._due is not None:
            self._due.cancel()

    def _prune(self) -> None:
        more = False
        if self._wall.believed:
            before = self._wall.now() - self._keep * _DAY
            more = self._journal.prune(before)
            self._past.prune(before)
        self._due = self._clock.callLater(PRUNE_PAUSE if more else PRUNE_EVERY, self._prune)
