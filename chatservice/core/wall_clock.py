"""The time of day, and whether it can be trusted.

Events are forgotten by the time at which they happened. So one wrong reading could delete all of
them, for example on a machine that starts with its clock forty days ahead. Nothing is deleted while
the time is in doubt. Doubt begins with a jump of more than :data:`JUMP`, between two readings or
between the newest stored event and the start. It ends when the service has run for
:data:`PROBATION`, or when an operator says that the clock is right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice.clock import Timer
from chatservice.journal.events import FILE, Fact
from chatservice.text import durations

JUMP: Final = 86_400_000
"""Milliseconds by which a reading may differ from the expected time."""

PROBATION: Final = 86_400.0
"""Seconds that the service has to run, not counting downtime, until a doubt ends."""

LOOK_EVERY: Final = 60.0
"""Seconds between two notes in the file of how long the service has run in doubt."""

WIDER: Final = 2
"""The factor by which a gap must exceed the widest one before, to begin the probation anew. Else a
service that runs for an hour a day would begin it at each start."""

NOTE: Final = "clock"
"""The name under which the file keeps the doubt."""

log = Logger()


class Doubt(NamedTuple):
    """A doubt about the time of day, during which nothing may be deleted.

    :ivar ran: seconds that the service has run in doubt.
    :ivar gap: the widest gap between a newest event and a start, in milliseconds.
    """

    ran: float = 0.0
    gap: int = 0

    @property
    def left(self) -> float:
        """The seconds until the doubt ends."""
        return PROBATION - self.ran


class WallClock:
    """Reads the time of day, and compares each reading with the one before.

    :param clock: counts seconds, whatever the time of day is set to.
    :param read: returns the time of day, in milliseconds since 1970.
    :param note: stores a value in the journal's file (:meth:`.Journal.note`).
    :ivar doubt: the doubt about the time of day; None if it is trusted.
    """

    def __init__(
        self,
        clock: IReactorTime,
        read: Callable[[], int],
        note: Callable[[str, str], Deferred[None]],
    ) -> None:
        self.doubt: Doubt | None = None
        self._clock = clock
        self._read = read
        self._note = note
        self._last = read(), clock.seconds()
        self._timer = Timer(clock, self._run)
        self._ran_at = 0.0

    def now(self) -> int:
        """Return the time, in milliseconds since 1970; begin a doubt if it jumped."""
        (last, then), now, seconds = self._last, self._read(), self._clock.seconds()
        self._last = now, seconds
        jump = now - last - round((seconds - then) * 1000)
        if abs(jump) > JUMP:
            gap = self.doubt.gap if self.doubt is not None else 0
            way = "ahead" if jump > 0 else "back"
            self._begin(Doubt(gap=gap), f"it jumped {durations.say(abs(jump) / 1000)} {way}")
        return now

    @property
    def believed(self) -> bool:
        """Whether the time is trusted, so that old events and terms may be deleted by it."""
        self.now()
        return self.doubt is None

    def start(self, newest: int, facts: Iterable[Fact]) -> None:
        """Compare the time with that of the newest event, and begin or continue a doubt.

        :param newest: the time of that event, in milliseconds since 1970; 0 if there is none.
        :param facts: all facts of the journal, perhaps with a doubt from before the start.
        """
        kept = {fact.name: fact.value for fact in facts if fact.kind == FILE}.get(NOTE)
        before = Doubt(*json.loads(kept)) if kept else None
        gap = abs(self.now() - newest) if newest else 0
        if gap > JUMP and (before is None or gap > WIDER * before.gap):
            self._begin(
                Doubt(gap=gap),
                f"it is {durations.say(gap / 1000)} away from that of the last event",
            )
        elif before is not None:
            self._begin(before, "it jumped before the start")

    def stop(self) -> None:
        """Store how long the service has run in doubt, and stop the timer."""
        if self.doubt is not None:
            self._run()
        self._timer.stop()

    def believe(self) -> None:
        """End the doubt, because an operator has checked the clock."""
        self.now()
        if self.doubt is not None:
            self._end("an operator says so")

    def _begin(self, doubt: Doubt, why: str) -> None:
        log.warn(
            "the clock may be wrong: {why}; nothing old is deleted until the service has run for"
            " {left}, or an operator says that it is right",
            why=why,
            left=durations.say(doubt.left),
        )
        self._keep(doubt)

    def _keep(self, doubt: Doubt) -> None:
        """Store a doubt in the file, and start the timer until it is stored again."""
        self.doubt, self._ran_at = doubt, self._clock.seconds()
        self._store(json.dumps(doubt))
        self._timer.start(LOOK_EVERY)

    def _run(self) -> None:
        """Add the time since the last note to the doubt; end the doubt after the probation."""
        self.now()
        assert self.doubt is not None
        ran = self.doubt.ran + self._clock.seconds() - self._ran_at
        if ran >= PROBATION:
            self._end("the service has run long enough with it")
        else:
            self._keep(self.doubt._replace(ran=ran))

    def _end(self, why: str) -> None:
        self.doubt = None
        self._timer.stop()
        log.info("the clock is right: {why}", why=why)
        self._store("")

    def _store(self, value: str) -> None:
        self._note(NOTE, value).addErrback(
            lambda failure: log.warn(
                "the doubt about the clock can't be stored: {why}", why=failure.getErrorMessage()
            )
        )
