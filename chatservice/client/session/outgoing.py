"""The queue of requests: talk and questions in one order, each until it is answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import messages

WINDOW: Final = 64
"""Requests that are sent before the first is answered; the others wait here, not in a buffer."""

OVER: Final = "over"
"""The code with which all fails that is never answered."""


class Refused(Exception):
    """The server did not do what it was asked for; ``str()`` is a sentence."""

    def __init__(self, error: messages.Error) -> None:
        super().__init__(error.text)
        self.error = error


def error_in(failure: Failure) -> messages.Error:
    """Return what the server said instead of an answer."""
    failure.trap(Refused)
    assert isinstance(failure.value, Refused)
    return failure.value.error


@dataclass(eq=False)
class Sent:
    """Own talk, or a question: kept until it is answered.

    :ivar request: talk has its ``seq``, which is final once the server has welcomed; a question has
        a ``ref`` of our own.
    :ivar answer: fires with the answer to a question; of talk, with this, once it is stored. It
        fails with :class:`Refused`.
    :ivar ref: that of whoever asked.
    :ivar again: the answer may have been lost, so it may be done already.
    :ivar id: of talk, its place in the one order, once it is stored.
    :ivar at: when that was, as the server says; None if it does not.
    """

    request: messages.Request
    answer: Deferred[Any]
    ref: str | int | None = None
    again: bool = False
    id: int | None = None
    at: str | None = None

    @property
    def text(self) -> str:
        """The words of talk."""
        return str(getattr(self.request, "text", ""))

    @property
    def seq(self) -> int:
        """The number of it in its session; 0 for a question."""
        return getattr(self.request, "seq", None) or 0

    @property
    def time(self) -> datetime | None:
        """The same as :attr:`at`; None if that can't be read."""
        try:
            return messages.time_of(self.at or "")
        except ValueError:
            return None

    @property
    def changes(self) -> str | None:
        """The room or the name that a question changes, if it changes one."""
        if isinstance(self.request, (messages.Join, messages.Leave)):
            return f"#{self.request.room}"
        return "name" if isinstance(self.request, messages.Nick) else None


class Outgoing:
    """A queue whose first are sent, and stay until they are answered.

    Answers to talk are known by its ``seq``, all others by the ``ref``.
    """

    def __init__(self) -> None:
        self._unstored: deque[Sent] = deque()
        self._waiting: deque[Sent] = deque()
        self._flight: list[Sent] = []
        self._refs = count(1)
        self._numbered = 0
        self._sent = 0

    @property
    def unstored(self) -> Sequence[Sent]:
        """Own talk that is not stored yet."""
        return self._unstored

    @property
    def in_flight(self) -> bool:
        """Whether something was sent and not answered."""
        return bool(self._flight)

    def __bool__(self) -> bool:
        """Tell whether anything is left to be answered."""
        return bool(self._flight or self._waiting)

    def talk(self, request: messages.Talk) -> Sent:
        """Append something to say, under the next number."""
        self._numbered += 1
        sent = Sent(replace(request, seq=self._numbered), Deferred())
        self._unstored.append(sent)
        self._waiting.append(sent)
        return sent

    def ask(self, request: messages.Request, first: bool = False) -> Deferred[Any]:
        """Append a question, or put it before all that waits.

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
        """Take what is to be sent now, if anything is.

        Of two changes of the same the second waits. Of one alone it is safe to ask for it again:
        who went in and out would do so twice.
        """
        if not self._waiting or len(self._flight) >= WINDOW:
            return None
        changes = self._waiting[0].changes
        if changes is not None and any(other.changes == changes for other in self._flight):
            return None
        item = self._waiting.popleft()
        self._flight.append(item)
        self._sent = max(self._sent, item.seq)
        return item.request

    def answered(self, seq: int | None, ref: str | int | None) -> Sent | None:
        """Take out what is answered, if it was sent.

        :param seq: the number of the talk that is answered.
        :param ref: of the question that is answered, if it is none of talk.
        """
        for item in self._flight:
            meant = item.seq == seq if item.seq else item.request.ref == ref
            if meant:
                self._flight.remove(item)
                if item.seq:
                    self._unstored.remove(item)
                return item
        return None

    def _drop(self, item: Sent) -> None:
        for queue in (self._flight, self._waiting, self._unstored):
            if item in queue:
                queue.remove(item)

    # Connections and sessions

    def lost(self) -> None:
        """Put what is unanswered back to the front: the connection is no more."""
        for item in self._flight:
            item.again = True
        self._waiting.extendleft(reversed(self._flight))
        self._flight.clear()

    def resumed(self, seq: int) -> None:
        """Go on in the same session: talk that the server has stored is not sent again.

        Its ``ok`` comes at its place among what was missed.

        :param seq: the highest that is stored.
        """
        stored = min(seq, self._sent)
        self._flight += [item for item in self._waiting if 0 < item.seq <= stored]
        self._waiting = deque(item for item in self._waiting if not 0 < item.seq <= stored)
        self._number_from(seq)

    def unsettled(self, seq: int) -> list[messages.Request]:
        """Give the talk up to a number that should have been answered by now, to be sent again.

        It may have been refused when the answer was lost, or be stored where nothing can be told
        of any more; the answer to the same once more says which.
        """
        return [item.request for item in self._flight if 0 < item.seq <= seq]

    def begin_again(self, seq: int, known: bool) -> list[Sent]:
        """Go on in another session.

        :param seq: the highest that is stored in that one.
        :param known: it is the same journal, so what was sent earlier may be stored there already.
        :return: what nobody can tell of whether it is stored; it is not sent again.
        """
        doubtful = [sent for sent in self._unstored if known and sent.seq <= self._sent]
        for sent in doubtful:
            self._drop(sent)
        self._sent = 0
        self._number_from(seq)
        return doubtful

    def _number_from(self, seq: int) -> None:
        """Number what was never sent in this session: behind what was, and what is stored."""
        self._numbered = max(seq, self._sent)
        for sent in self._unstored:
            if sent.seq > self._sent:
                self._numbered += 1
                sent.request = replace(sent.request, seq=self._numbered)

    def fail(self, error: messages.Error) -> None:
        """Fail all: there will be no answer. Unstored talk stays unstored."""
        items = [*self._flight, *self._waiting]
        self._flight.clear()
        self._waiting.clear()
        for item in items:
            if not item.answer.called:
                item.answer.errback(Refused(error))
