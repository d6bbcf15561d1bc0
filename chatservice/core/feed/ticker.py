"""The tick: one commit of everything that waits, then its delivery.

There is one tick for all rooms, so there is one order of ids and one cursor for each member. A tick
costs (lines) + (members), not lines x members: its lines are one transaction, and one ``send()``
for each reader. So under load ticks grow by themselves and a delivered line gets cheaper.
:mod:`.pace` sets the time of a tick.

When the journal refuses (a full disk, a file that was moved), the batch is kept as it is and
retried every second; nothing of it was shown yet. Later drafts wait behind it, up to ``HELD_COUNT``
and ``HELD_SIZE``. Above that the chat is *clogged*, and no lines are read from members.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.clock import Timer
from chatservice.core.feed.batch import Batch, Presence, reworded
from chatservice.core.feed.pace import Pace
from chatservice.journal.events import Committed, Fact, Journal, JournalUnavailable

RETRY: Final = 1.0
LOOK_EVERY: Final = 1.0
"""Seconds between two checks whether the journal could store anything, while nobody speaks."""
HELD_COUNT: Final = 1000
HELD_SIZE: Final = 1 << 20
TIMED: Final = 1000
"""The number of ticks whose durations are kept."""

log = Logger()


class Ticker:
    """Commits the waiting batch, at its own pace, and has it delivered.

    :param origin: the origin of join and leave events.
    :param show: applies and delivers a commit, given its joins and leaves by ``seq``; it returns
        the number of sends to pay for.
    :param trouble: called when the journal begins to refuse, and when that is over.
    :ivar batch: the batch that is being filled.
    :ivar refusing: whether the journal refused the last batch, which waits for a retry.
    :ivar number: the number of the batch that is being filled; batches are numbered from 1.
    :ivar times: the durations of the last ticks, in seconds, the oldest first.
    :ivar committed: the number of the last batch that was committed.
    """

    def __init__(
        self,
        clock: IReactorTime,
        journal: Journal,
        origin: int,
        show: Callable[[Committed, dict[int, Presence]], int],
        trouble: Callable[[], None],
    ) -> None:
        self.origin = origin
        self.batch = Batch(origin)
        self.number = 1
        self.committed = 0
        self._clock = clock
        self._journal = journal
        self._show = show
        self._trouble = trouble
        self.refusing = False
        self.times: deque[float] = deque(maxlen=TIMED)
        self._committing: Batch | None = None
        self._trying = self._stalled = False
        self._began = 0.0
        self._pace = Pace(clock, lambda: self.batch.count, self.tick)
        self._waiting: list[Callable[[], None]] = []
        self._settling: Deferred[int] | None = None
        self._looking = Timer(clock, self.watch)

    def watch(self) -> None:
        """Check the journal now and each second, so that trouble shows without a commit, too."""
        self._looking.start(LOOK_EVERY)
        if self._committing is None and self._settling is None and self._journal.lost:
            self.tick()

    def wake(self) -> None:
        """See to it that a tick comes; call this after each change of :attr:`batch`."""
        if self._committing is None:
            self._pace.wake()

    def tick(self) -> None:
        """Commit the waiting batch, or retry the refused one; deliver it after the commit."""
        self._pace.stop()
        if self._committing is None:
            self._committing = self.batch
            self._committing.close()
            self.batch = Batch(self.origin, self._committing.seq)
            self.number += 1
        self._trying = True
        self._began = self._clock.seconds()
        maybeDeferred(
            self._journal.commit, self._committing.drafts, self._committing.facts
        ).addCallbacks(self._committed, self._refused)

    def _committed(self, committed: Committed) -> None:
        taken = self._committing
        assert taken is not None
        sends = self._show(committed, taken.presences)
        self._committing = None
        self._trying = False
        self.times.append(self._clock.seconds() - self._began)
        self._pace.spent(sends)
        if self.refusing:
            self.refusing = False
            log.info("the history takes what is said again")
            self._trouble()
        self.committed += 1
        for call in taken.then:
            with log.failuresHandled("a call after a commit failed"):
                call()
        self._attempted()
        if self._settling is not None:
            self._settle(self._settling)
        elif self.batch.count:
            self.wake()

    def _refused(self, failure: Failure) -> None:
        self._trying = False
        if not self.refusing:
            if not failure.check(JournalUnavailable):
                log.failure("the history failed", failure)
            if not self._stalled:
                # Else it is not the history: the stall was told where it was noticed.
                why = failure.getErrorMessage()
                log.critical("the history refuses what is said: {why}", why=why)
        if self._settling is None:
            self._pace.wait(RETRY)
        self._hold_up()

    def _hold_up(self) -> None:
        """Release everybody who waits for the commit in progress, because it may take long."""
        if not self.refusing:
            self.refusing = True
            self._trouble()
        if self._settling is not None:
            self._give_up(self._settling)
        else:
            self._attempted()

    def stall(self, why: str) -> None:
        """Note why the commit in progress may take long; ``""`` if the reason is over.

        Members are treated as after a refusal, but there is no retry: a shared journal may have the
        batch already, and finishes the commit by itself.
        """
        self._stalled = bool(why)
        if why and self._trying:
            self._hold_up()

    def _attempted(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def reword(self, origin: int, author: str) -> None:
        """Change the author's name in all uncommitted drafts of an origin."""
        self.batch.reword(origin, author)
        if self._committing is not None:
            drafts = self._committing.drafts
            drafts[:] = [reworded(d, author) if d.origin == origin else d for d in drafts]

    def settle(self) -> Deferred[int]:
        """Commit everything that waits now, before the stop. Add nothing after this.

        The Deferred fires with the number of events and facts that the journal did not take.
        """
        settled: Deferred[int] = Deferred()
        self._settling = settled
        if not self._trying:
            self._settle(settled)
        elif self._stalled:
            self._give_up(settled)
        return settled

    def _give_up(self, settled: Deferred[int]) -> None:
        """Fire the Deferred of :meth:`settle` with the number of things not committed."""
        if not settled.called:
            refused = len(self._committing.drafts) if self._committing is not None else 0
            settled.callback(refused + self.batch.count)

    def _settle(self, settled: Deferred[int]) -> None:
        if settled.called:
            return
        if self._committing is None and not self.batch.count:
            # A scheduled tick would have nothing to commit.
            self.stop()
            settled.callback(0)
        else:
            self.tick()

    @property
    def clogged(self) -> bool:
        """Whether so much waits that no lines should be read from members."""
        return self.full or (self._committing is not None and self._holds(HELD_SIZE))

    @property
    def full(self) -> bool:
        """Whether the batch has as much as one commit should have, if the journal has a limit."""
        return self._journal.largest is not None and self._holds(self._journal.largest)

    def _holds(self, size: int) -> bool:
        return self.batch.count >= HELD_COUNT or self.batch.size >= size

    def waiting(self) -> list[Fact]:
        """Return the facts that wait for their commit, except records."""
        taken = self._committing.held if self._committing is not None else ()
        return [*taken, *self.batch.held]

    def pending(self, number: int) -> bool:
        """Return whether the batch with a number is not committed yet, but will be soon."""
        return number > self.committed and not self.refusing

    def behind(self, call: Callable[[], None]) -> None:
        """Call ``call`` once, when everything that waits now is committed."""
        if self._committing is not None and not self.batch.count:
            self._committing.then.append(call)
        else:
            self.batch.then.append(call)
            self.wake()

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be committed."""
        return self._committing is None and not self.batch.count

    def after_attempt(self, call: Callable[[], None]) -> None:
        """Call ``call`` once, after the journal has next taken or refused a batch.

        A tick comes soon, even if there is nothing to commit.
        """
        self._waiting.append(call)
        self.wake()

    def stop(self) -> None:
        """Stop all timers: no more ticks."""
        self._pace.stop()
        self._looking.stop()
