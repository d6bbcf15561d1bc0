"""The tick: all that waits is committed together, then shown.

One tick for the whole house, so there is one order of ids and one cursor a member. A tick costs
(lines) + (members), not lines x members: the lines of a tick are one transaction, and for each
reader one ``send()``. So under load ticks grow by themselves and a delivered line gets cheaper.
*When* one comes is a matter of :mod:`.pace`.

When the journal refuses (a full disk, a file that was moved), what was to be committed is kept as
it is and tried again every second; nothing of it was shown, so nothing of it is lost by saying so.
Drafts that come meanwhile wait behind it, up to ``HELD_COUNT`` and ``HELD_SIZE``; then the house is
*clogged* and its members are not read from until it is not.
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
"""Seconds after which it is looked whether the journal could store anything, if nobody speaks."""
HELD_COUNT: Final = 1000
HELD_SIZE: Final = 1 << 20
TIMED: Final = 1000
"""How long each of the last so many ticks took is known."""

log = Logger()


class Ticker:
    """Commits what waits, at its own pace.

    :param origin: of who comes and goes.
    :param show: shows what was committed, given who comes and goes in it, by ``seq``; it returns
        how many sends that took.
    :param trouble: called when the journal starts to refuse, and when that is over.
    :ivar refusing: the journal refused the last batch, which waits.
    :ivar number: of the batch that is being filled; batches are numbered from 1.
    :ivar times: how long the last ticks took, each in seconds, the oldest first.
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
        """From now on, notice that the journal refuses also if there is nothing to commit."""
        self._looking.start(LOOK_EVERY)
        if self._committing is None and self._settling is None and self._journal.lost:
            self.tick()

    def wake(self) -> None:
        """See to it that a tick comes: to be called after each change of :attr:`batch`."""
        if self._committing is None:
            self._pace.wake()

    def tick(self) -> None:
        """Commit what waits, and show it when that is done."""
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
            with log.failuresHandled("what follows a commit failed"):
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
            log.critical("the history refuses what is said: {why}", why=failure.getErrorMessage())
        if self._settling is None:
            self._pace.wait(RETRY)
        self._hold_up()

    def _hold_up(self) -> None:
        """Let nobody wait for what is being committed."""
        if not self.refusing:
            self.refusing = True
            self._trouble()
        if self._settling is not None:
            self._give_up(self._settling)
        else:
            self._attempted()

    def stall(self, why: str) -> None:
        """Note why it may take long until what is being committed is; ``""`` if it will not.

        It is as if it was refused, but not tried again: a journal that others share may have it
        already, and brings it back by itself.
        """
        self._stalled = bool(why)
        if why and self._trying:
            self._hold_up()

    def _attempted(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def reword(self, origin: int, author: str) -> None:
        """Have what somebody said, and waits, told under another name."""
        self.batch.reword(origin, author)
        if self._committing is not None:
            drafts = self._committing.drafts
            drafts[:] = [reworded(d, author) if d.origin == origin else d for d in drafts]

    def settle(self) -> Deferred[int]:
        """Commit what waits, now; nothing may be added any more.

        The Deferred fires with the number of things that the journal did not take.
        """
        settled: Deferred[int] = Deferred()
        self._settling = settled
        if not self._trying:
            self._settle(settled)
        elif self._stalled:
            self._give_up(settled)
        return settled

    def _give_up(self, settled: Deferred[int]) -> None:
        """Wait no more for what the journal has not taken."""
        if not settled.called:
            refused = len(self._committing.drafts) if self._committing is not None else 0
            settled.callback(refused + self.batch.count)

    def _settle(self, settled: Deferred[int]) -> None:
        if settled.called:
            return
        if self._committing is None and not self.batch.count:
            # A tick that was to come has nothing to commit.
            self.stop()
            settled.callback(0)
        else:
            self.tick()

    @property
    def clogged(self) -> bool:
        """Whether so much waits, behind a commit or for one, that nobody should be read from."""
        return self.full or (self._committing is not None and self._holds(HELD_SIZE))

    @property
    def full(self) -> bool:
        """Whether as much waits as one commit should have, where that is limited."""
        return self._journal.largest is not None and self._holds(self._journal.largest)

    def _holds(self, size: int) -> bool:
        return self.batch.count >= HELD_COUNT or self.batch.size >= size

    def waiting(self) -> list[Fact]:
        """Return what is to hold, and waits to be stored; but for records."""
        taken = self._committing.held if self._committing is not None else ()
        return [*taken, *self.batch.held]

    def pending(self, number: int) -> bool:
        """Tell whether the batch of that number is still to be committed, and soon."""
        return number > self.committed and not self.refusing

    def behind(self, call: Callable[[], None]) -> None:
        """Call ``call`` once, when all that waits by now is committed."""
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
        """Call ``call`` once, when the journal has next taken or refused a batch.

        That comes soon, also if the batch has nothing to commit.
        """
        self._waiting.append(call)
        self.wake()

    def stop(self) -> None:
        """Tick no more."""
        self._pace.stop()
        self._looking.stop()
