"""What happens, in a queue, for a program that takes it one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.outgoing import OVER, error_in
from chatservice.client.session.session import Listener, Session

FULL: Final = 4096
"""Events that wait until nothing more is read …"""

HALF_EMPTY: Final = 2048
"""… before there are so few again."""


class ChatError(Exception):
    """Something was not done, or the chat is over; ``str()`` is a sentence.

    :ivar code: for a program, if it is the server that says so
        (:class:`chatservice.messages.Code`).
    """

    def __init__(self, sentence: str, code: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code


class Inbox(Listener):
    """What a program is told.

    While somebody waits for an answer, what comes before it is read, and waits here.

    :param keep: see :func:`~chatservice.client.library.connect`.
    :param patient: whether a server that is not there is waited for at the beginning.
    :ivar welcome: fires at the first welcome.
    :ivar gaps: how many times something could not be told any more.
    """

    session: Session
    log = Logger()

    def __init__(self, keep: Callable[[Remembered], None] | None, patient: bool) -> None:
        self._keep = keep
        self._patient = patient
        self.welcome: Deferred[None] = Deferred(lambda _: self.stop())
        self.gaps = 0
        self._events: deque[messages.Event] = deque()
        self._taken: messages.Event | None = None
        self._takers: deque[Deferred[messages.Event | None]] = deque()
        self._unanswered = 0
        self._quits: list[Deferred[None]] = []
        self._paused = False
        self._over = False
        self._why: str | None = None
        self._at_end: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    # The program

    def next(self) -> Deferred[messages.Event | None]:
        """Give the next event, when there is one; None when it is over."""
        if self._taken is not None:
            self._taken = None
            self.session.keep_soon()
        if self._events:
            event = self._taken = self._events.popleft()
            self._pause_or_resume()
            return succeed(event)
        if self._over:
            return succeed(None) if self._why is None else fail(self._closed())
        taker: Deferred[messages.Event | None] = Deferred(self._takers.remove)
        self._takers.append(taker)
        return taker

    def talk(self, request: messages.Talk) -> Deferred[int]:
        """Say something; fires with its id when it is stored."""
        if self._over:
            return fail(self._closed())
        return self._awaited(self.session.talk(request).answer).addCallback(lambda sent: sent.id)

    def ask(self, request: messages.Request) -> Deferred[Any]:
        """Ask something."""
        if self._over:
            return fail(self._closed())
        return self._awaited(self.session.ask(request))

    def _awaited(self, answer: Deferred[Any]) -> Deferred[Any]:
        self._unanswered += 1
        self._pause_or_resume()
        return answer.addBoth(self._answered).addErrback(_refusal)

    def _answered(self, answer: object) -> object:
        self._unanswered -= 1
        self._pause_or_resume()
        return answer

    def quit(self, text: str) -> Deferred[None]:
        """Leave; fires when that is done."""
        if self._over:
            return succeed(None)
        leaving: Deferred[None] = Deferred()
        self._quits.append(leaving)
        self._pause_or_resume()
        self.session.quit(text)
        return leaving

    def stop(self) -> None:
        """Hang up."""
        self._finish(None)

    def shut_down(self) -> None:
        """Hang up, as the reactor stops."""
        # A trigger that has fired is not to be removed.
        self._at_end.clear()
        self.stop()

    def call_at_end(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have something done when it is over."""
        self._at_end.append((call, arguments))

    def keep(self, remembered: Remembered) -> None:
        """Keep as received what the program has taken, and not what waits for it."""
        if self._keep is not None:
            first = self._taken or next(iter(self._events), None)
            if first is not None:
                remembered = remembered._replace(since=min(remembered.since, first.id - 1))
            self._keep(remembered)

    def _pause_or_resume(self) -> None:
        awaited = bool(self._unanswered or self._quits)
        most = HALF_EMPTY if self._paused else FULL
        paused = len(self._events) >= most and not awaited and not self._over
        if paused != self._paused:
            self._paused = paused
            if paused:
                self.session.pauseProducing()
            else:
                self.session.resumeProducing()

    # The session

    def welcomed(self, welcome: messages.Welcome, missed: bool) -> None:
        """There is a connection."""
        if not self.welcome.called:
            self.welcome.callback(None)

    def happened(self, event: messages.Event) -> None:
        """Give an event to who waits for it, or have it wait."""
        if self._takers:
            self._taken = event
            self._takers.popleft().callback(event)
        else:
            self._events.append(event)
            self._pause_or_resume()

    def noticed(self, text: str) -> None:
        """Log what is for people."""
        self.log.info("the server says: {text}", text=text)

    def gapped(self) -> None:
        """Count it."""
        self.gaps += 1
        self.log.warn("something that was missed can't be told any more")

    def lost(self, why: str, pause: float) -> None:
        """Log it; if there never was a connection, that may be all there is to say."""
        if self._patient or self.welcome.called:
            self.log.warn("{why}; trying again in {pause:.1f} s", why=why, pause=pause)
        else:
            self._finish(why)

    def name_refused(self, why: str) -> None:
        """End: there is nobody to think of another name."""
        self._finish(f"the name was refused: {why}")

    def ended(self, why: str | None) -> None:
        """End."""
        self._finish(why)

    # The end

    def _closed(self) -> ChatError:
        return ChatError(self._why or "the chat is over")

    def _finish(self, why: str | None) -> None:
        if self._over:
            return
        self._over, self._why = True, why
        self.session.stop()
        for call, arguments in self._at_end:
            call(*arguments)
        if not self.welcome.called:
            self.welcome.errback(self._closed())
        for leaving in self._quits:
            self._finish_one(leaving)
        while self._takers:
            self._finish_one(self._takers.popleft())

    def _finish_one(self, waiting: Deferred[Any]) -> None:
        if self._why is None:
            waiting.callback(None)
        else:
            waiting.errback(self._closed())


def _refusal(failure: Failure) -> Any:
    error = error_in(failure)
    raise ChatError(error.text, None if error.code == OVER else error.code) from None
