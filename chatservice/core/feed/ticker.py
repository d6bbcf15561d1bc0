"""The tick: what waits is committed together, then shown.

One tick for the whole house, so there is one order of ids and one cursor a member. A tick costs
(lines) + (members), not lines x members: the lines of a tick are one transaction, and for each
reader one ``send()``. So under load ticks grow by themselves and a delivered line gets cheaper.
*When* one comes is a matter of :mod:`.pace`.

When the journal refuses (a full disk, a file that was moved), what was to be committed is kept as
it is and tried again every second; nothing of it was shown, so nothing of it is lost by saying so.
What comes meanwhile waits behind it, up to ``HELD_COUNT`` and ``HELD_SIZE``; then the house is
*clogged* and its members are not read from until it is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.core.feed.batch import Batch, Presence, Taken, reworded
from chatservice.core.feed.pace import Pace
from chatservice.journal.base import Journal, JournalUnavailable
from chatservice.journal.events import Fact

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
    :param trouble: told True when the journal starts to refuse, False when it is over.
    :ivar sends: to be counted by who delivers the events: how many sends the tick took.
    :ivar refusing: the journal refused the last batch, which waits.
    :ivar number: of the batch that is being filled; batches are numbered from 1.
    :ivar times: how long the last ticks took, each in seconds, the oldest first.
    :ivar committed: the number of the last batch that was committed.
    :ivar unshown: told of who comes or goes in a batch that was committed without them.
    """

    def __init__(
        self, clock: IReactorTime, journal: Journal, origin: int, trouble: Callable[[bool], None]
    ) -> None:
        self.origin = origin
        self.batch = Batch(origin)
        self.sends = 0
        self.number = 1
        self.committed = 0
        self.presences: dict[int, Presence] = {}
        self.unshown: Callable[[Presence], None] = lambda presence: None
        self._clock = clock
        self._journal = journal
        self._trouble = trouble
        self.refusing = False
        self.times: deque[float] = deque(maxlen=TIMED)
        self._committing: Taken | None = None
        self._trying = False
        self._began = 0.0
        self._pace = Pace(clock, lambda: self.batch.count, self.tick)
        self._waiting: list[Callable[[], None]] = []
        self._settling: Deferred[int] | None = None
        self._looking: IDelayedCall | None = None

    def watch(self) -> None:
        """From now on, notice that the journal refuses also if there is nothing to commit."""
        self._looking = self._clock.callLater(LOOK_EVERY, self.watch)
        if self._committing is None and self._settling is None and self._journal.lost:
            self.tick()

    def wake(self) -> None:
        """See to it that a tick comes: to be called after each change of :attr:`batch`."""
        if self._committing is None:
            self._pace.wake()

    def tick(self) -> None:
        """Commit what waits; the journal tells whom it concerns before this goes on."""
        self._pace.stop()
        if self._committing is None:
            self._committing = self.batch.take()
            self.presences.update(self._committing.presences)
            self.number += 1
        self.sends = 0
        self._trying = True
        self._began = self._clock.seconds()
        committing = maybeDeferred(
            self._journal.commit, self._committing.drafts, self._committing.facts
        )
        committing.addCallbacks(self._committed, self._refused)

    def _committed(self, _: None) -> None:
        taken, self._committing = self._committing, None
        self._trying = False
        self.times.append(self._clock.seconds() - self._began)
        self._pace.spent(self.sends)
        if self.refusing:
            self.refusing = False
            log.info("the history takes what is said again")
            self._trouble(False)
        self.committed += 1
        if taken is not None:
            self.pass_over(taken.presences)
        for call in taken.then if taken is not None else ():
            with log.failuresHandled("what follows a commit failed"):
                call()
        self._attempted()
        if self._settling is not None:
            self._settle(self._settling)
        elif self.batch.count:
            self.wake()

    def pass_over(self, seqs: Iterable[int]) -> None:
        """Tell of those who come and go under these numbers, and were not shown to.

        What they were to be shown in was committed. Others may be on their way in something else.
        """
        for seq in seqs:
            presence = self.presences.pop(seq, None)
            if presence is not None:
                self.unshown(presence)

    def _refused(self, failure: Failure) -> None:
        self._trying = False
        if not self.refusing:
            self.refusing = True
            if not failure.check(JournalUnavailable):
                log.failure("the history failed", failure)
            log.critical("the history refuses what is said: {why}", why=failure.getErrorMessage())
            self._trouble(True)
        if self._settling is not None:
            refused = len(self._committing.drafts) if self._committing is not None else 0
            self._settling.callback(refused + self.batch.count)
        else:
            self._pace.wait(RETRY)
            self._attempted()

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
        return settled

    def _settle(self, settled: Deferred[int]) -> None:
        if self._committing is None and not self.batch.count:
            # A tick that was to come has nothing to commit.
            self.stop()
            settled.callback(0)
        else:
            self.tick()

    @property
    def clogged(self) -> bool:
        """Whether so much waits, behind a commit or for one, that nobody should be read from."""
        count, size, largest = self.batch.count, self.batch.size, self._journal.largest
        if largest is not None and (count >= HELD_COUNT or size >= largest):
            return True
        return self._committing is not None and (count >= HELD_COUNT or size >= HELD_SIZE)

    def waiting(self) -> list[Fact]:
        """Return what is to hold, and waits to be stored; but for records."""
        taken = self._committing.held if self._committing is not None else ()
        return [*taken, *self.batch.held()]

    def pending(self, number: int) -> bool:
        """Tell whether the batch of that number is still to be committed, and soon."""
        return number > self.committed and not self.refusing

    def behind(self, call: Callable[[], None]) -> None:
        """Call ``call`` once, when all that waits by now is committed."""
        if self._committing is not None and not self.batch.count:
            self._committing.then.append(call)
        else:
            self.batch.then(call)
            self.wake()

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be committed."""
        return self._committing is None and not self.batch.count

    def after_attempt(self, call: Callable[[], None]) -> None:
        """Call ``call`` once, when the journal has next taken or refused a batch."""
        self._waiting.append(call)

    def stop(self) -> None:
        """Tick no more."""
        self._pace.stop()
        if self._looking is not None and self._looking.active():
            self._looking.cancel()
