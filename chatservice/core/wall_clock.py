"""The time of day, and whether it can be believed.

An event has the time at which it happened, and is forgotten by that time. So one
wrong reading could delete all there is: a machine that starts with its clock forty days ahead, say.
Nothing is deleted while the time is in doubt: after a jump of more than a :data:`JUMP`, between two
looks or between the newest event in the file and the start, until the service has run for
:data:`PROBATION`, or until an operator says that the clock is right.
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
"""Milliseconds by which the time may be off what was expected."""

PROBATION: Final = 86_400.0
"""Seconds that the service runs, restarts left out, until a time in doubt is believed."""

LOOK_EVERY: Final = 60.0
"""Seconds after which it is stored how long the service has run in doubt."""

WIDER: Final = 2
"""A service that runs for an hour a day finds a day's gap at each start. So a gap begins the
probation anew only if it is so many times the widest one before."""

NOTE: Final = "clock"
"""Under which name the file keeps the doubt."""

log = Logger()


class Doubt(NamedTuple):
    """The reason why nothing may be deleted now.

    :ivar ran: seconds that the service has run since the time is in doubt.
    :ivar gap: milliseconds, the widest of those between a newest event and a start.
    """

    ran: float = 0.0
    gap: int = 0

    @property
    def left(self) -> float:
        """Seconds until it is over."""
        return PROBATION - self.ran


class WallClock:
    """Reads the time of day, and compares each reading with the one before.

    :param clock: the seconds that pass, whatever the time of day is set to.
    :param read: the time of day, in milliseconds since 1970.
    :param note: keeps something in the journal's file (:meth:`.Journal.note`).
    :ivar doubt: the reason to doubt the time of day; None if there is none.
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
        """Return the time, in milliseconds since 1970."""
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
        """Whether what is old by the time of now may be deleted."""
        self.now()
        return self.doubt is None

    def start(self, newest: int, facts: Iterable[Fact]) -> None:
        """Compare the time with that of the newest event.

        :param newest: when it was committed, in milliseconds since 1970; 0 if there is none.
        :param facts: all that the journal holds; a doubt from before the start may be among them.
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
        """Note how long the service has run."""
        if self.doubt is not None:
            self._run()
        self._timer.stop()

    def believe(self) -> None:
        """Take the time for right from now on, as somebody has looked at it."""
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
        """Note a doubt as it is now, and look again later."""
        self.doubt, self._ran_at = doubt, self._clock.seconds()
        self._store(json.dumps(doubt))
        self._timer.start(LOOK_EVERY)

    def _run(self) -> None:
        """Count how long the service has run in doubt."""
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
            lambda failure: log.warn("can't note it: {why}", why=failure.getErrorMessage())
        )
