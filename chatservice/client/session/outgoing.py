"""The queue of requests, talk and questions in one order; each stays until its answer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import messages

WINDOW: Final = 64
"""Requests that may be sent and unanswered; the others wait here, not in a socket buffer."""

OVER: Final = "over"
"""The error code of requests that the end of the session leaves unanswered."""


class Refused(Exception):
    """The error in answer to a request; ``str()`` is a sentence."""

    def __init__(self, error: messages.Error) -> None:
        super().__init__(error.text)
        self.error = error


def error_in(failure: Failure) -> messages.Error:
    """Return the error in a failure of :class:`Refused`."""
    failure.trap(Refused)
    assert isinstance(failure.value, Refused)
    return failure.value.error


@dataclass(eq=False)
class Sent:
    """A request in the queue: the session's own talk, or a question.

    :ivar request: talk has its ``seq``, which is final once the server has welcomed; a question has
        a ``ref`` of this client.
    :ivar answer: fires with the answer to a question; for talk, with this object once it is
        stored. It fails with :class:`Refused`.
    :ivar ref: the caller's own ``ref``.
    :ivar again: whether the request was sent on a lost connection, so it may be done already.
    :ivar id: the id of the event, for talk that is stored.
    :ivar at: the server's time of that event; None if the server gives none.
    """

    request: messages.Request
    answer: Deferred[Any]
    ref: str | int | None = None
    again: bool = False
    id: int | None = None
    at: str | None = None

    @property
    def text(self) -> str:
        """The text of talk; empty for most questions."""
        return str(getattr(self.request, "text", ""))

    @property
    def seq(self) -> int:
        """The number of the talk in its session; 0 for a question."""
        return getattr(self.request, "seq", None) or 0

    @property
    def time(self) -> datetime | None:
        """The time :attr:`at` as a datetime; None if it can't be read."""
        try:
            return messages.time_of(self.at or "")
        except ValueError:
            return None

    @property
    def changes(self) -> str | None:
        """The thing that a question changes: ``#ROOM``, ``name``, or None."""
        if isinstance(self.request, (messages.Join, messages.Leave)):
            return f"#{self.request.room}"
        return "name" if isinstance(self.request, messages.Nick) else None


class Outgoing:
    """The queue of requests; up to :data:`WINDOW` of them are sent and unanswered.

    The ``seq`` of an answer tells its talk; the ``ref`` tells its question.

    :ivar unstored: own talk that is not stored yet.
    :ivar in_flight: requests that were sent and are not answered.
    """

    def __init__(self) -> None:
        self.unstored: deque[Sent] = deque()
        self._waiting: deque[Sent] = deque()
        self.in_flight: list[Sent] = []
        self._refs = count(1)
        self._numbered = 0
        self._sent = 0

    def __bool__(self) -> bool:
        """Return whether any request still has no answer."""
        return bool(self.in_flight or self._waiting)

    def talk(self, request: messages.Talk) -> Sent:
        """Append talk, under the next number."""
        self._numbered += 1
        sent = Sent(replace(request, seq=self._numbered), Deferred())
        self.unstored.append(sent)
        self._waiting.append(sent)
        return sent

    def ask(self, request: messages.Request, first: bool = False) -> Deferred[Any]:
        """Append a question, or put it before all requests that wait.

        :return: fires with the answer, or fails with :class:`Refused`. It can be cancelled.
        """
        answer: Deferred[Any] = Deferred(lambda _: self._drop(asked))
        asked = Sent(replace(request, ref=next(self._refs)), answer, request.ref)
        if first:
            self._waiting.appendleft(asked)
        else:
            self._waiting.append(asked)
        return answer

    def next(self) -> messages.Request | None:
        """Return the next request to send; None if there is none to send now.

        A change of a room or of the name waits for the answer to an earlier change of the same: a
        lost connection repeats requests, and a join and a leave together would be done twice.
        """
        if not self._waiting or len(self.in_flight) >= WINDOW:
            return None
        changes = self._waiting[0].changes
        if changes is not None and any(other.changes == changes for other in self.in_flight):
            return None
        item = self._waiting.popleft()
        self.in_flight.append(item)
        self._sent = max(self._sent, item.seq)
        return item.request

    def answered(self, seq: int | None, ref: str | int | None) -> Sent | None:
        """Remove and return the request that is answered; None if none was sent that fits.

        :param seq: the number of the talk that is answered.
        :param ref: the ``ref`` of the question that is answered.
        """
        for item in self.in_flight:
            meant = item.seq == seq if item.seq else item.request.ref == ref
            if meant:
                self.in_flight.remove(item)
                if item.seq:
                    self.unstored.remove(item)
                return item
        return None

    def _drop(self, item: Sent) -> None:
        for queue in (self.in_flight, self._waiting, self.unstored):
            if item in queue:
                queue.remove(item)

    # Connections and sessions

    def lost(self) -> None:
        """Put the unanswered requests of a lost connection back to the front of the queue."""
        for item in self.in_flight:
            item.again = True
        self._waiting.extendleft(reversed(self.in_flight))
        self.in_flight.clear()

    def resumed(self, seq: int) -> None:
        """Continue in the same session, without sending again talk that the server has stored.

        The ``ok`` of such talk comes at its place among the missed events.

        :param seq: the highest number that is stored.
        """
        stored = min(seq, self._sent)
        self.in_flight += [item for item in self._waiting if 0 < item.seq <= stored]
        self._waiting = deque(item for item in self._waiting if not 0 < item.seq <= stored)
        self._number_from(seq)

    def unsettled(self, seq: int) -> list[messages.Request]:
        """Return sent talk up to a number that has no answer yet, to be sent again.

        It was refused and the answer lost, or it is stored among events that the server has
        forgotten. The answer to the repeated request tells which.
        """
        return [item.request for item in self.in_flight if 0 < item.seq <= seq]

    def begin_again(self, seq: int, known: bool) -> list[Sent]:
        """Continue in another session.

        :param seq: the highest number that is stored in that session.
        :param known: whether the journal is the same, so that talk sent earlier may be stored.
        :return: the talk that may be stored or not; it is not sent again.
        """
        doubtful = [sent for sent in self.unstored if known and sent.seq <= self._sent]
        for sent in doubtful:
            self._drop(sent)
        self._sent = 0
        self._number_from(seq)
        return doubtful

    def _number_from(self, seq: int) -> None:
        """Number the talk that was never sent, after all talk that was sent or is stored.

        :param seq: the highest number that is stored in the session.
        """
        self._numbered = max(seq, self._sent)
        for sent in self.unstored:
            if sent.seq > self._sent:
                self._numbered += 1
                sent.request = replace(sent.request, seq=self._numbered)

    def fail(self, error: messages.Error) -> None:
        """Fail all requests, as no answer will come; unstored talk stays in ``unstored``."""
        items = [*self.in_flight, *self._waiting]
        self.in_flight.clear()
        self._waiting.clear()
        for item in items:
            if not item.answer.called:
                item.answer.errback(Refused(error))
