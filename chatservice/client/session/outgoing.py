"""What is to be said and asked: in one order, until it is answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Final

from twisted.internet.defer import Deferred

from chatservice import messages

WINDOW: Final = 64
"""How much is sent before something of it is answered; all else waits here, and not in a buffer."""


OVER: Final = "over"
"""The code with which questions fail that are never answered."""


class Refused(Exception):
    """The server did not do what it was asked for; ``str()`` is a sentence."""

    def __init__(self, error: messages.Error) -> None:
        super().__init__(error.text)
        self.error = error


@dataclass(eq=False)
class Sent:
    """Own talk: kept until it is stored or refused.

    :ivar request: with its ``seq``, which is final once the server has welcomed.
    :ivar id: its place in the one order, once it is stored.
    :ivar at: when that was, as the server says; None if it does not.
    """

    request: messages.Talk
    id: int | None = None
    at: str | None = None

    @property
    def time(self) -> datetime | None:
        """The same as :attr:`at`; None if that can't be read."""
        if self.at is None:
            return None
        try:
            return messages.time_of(self.at)
        except ValueError:
            return None

    @property
    def seq(self) -> int:
        """The number of it in its session."""
        assert self.request.seq is not None
        return self.request.seq


@dataclass(eq=False)
class Asked:
    """A question, under a ``ref`` of our own.

    :ivar ref: that of whoever asked.
    :ivar again: the answer may have been lost, so it may be done already.
    """

    request: messages.Request
    ref: str | int | None
    answer: Deferred[messages.Reply]
    again: bool = False

    @property
    def changes(self) -> str | None:
        """What the answer to another question about the same would make untrue."""
        if isinstance(self.request, (messages.Join, messages.Leave)):
            return f"#{self.request.room}"
        return "name" if isinstance(self.request, messages.Nick) else None


class Outgoing:
    """A queue whose first are sent, and stay until they are answered.

    Answers to talk are known by its ``seq``, all others by the ``ref``.
    """

    def __init__(self) -> None:
        self._unstored: deque[Sent] = deque()
        self._waiting: deque[Sent | Asked] = deque()
        self._flight: list[Sent | Asked] = []
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
        sent = Sent(replace(request, seq=self._numbered))
        self._unstored.append(sent)
        self._waiting.append(sent)
        return sent

    def ask(self, request: messages.Request, first: bool = False) -> Deferred[messages.Reply]:
        """Append a question, or put it before all that waits.

        :return: fires with the answer, or fails with :class:`Refused`. It can be cancelled.
        """
        answer: Deferred[messages.Reply] = Deferred(lambda _: self._drop(asked))
        asked = Asked(replace(request, ref=next(self._refs)), request.ref, answer)
        if first:
            self._waiting.appendleft(asked)
        else:
            self._waiting.append(asked)
        return answer

    def next(self) -> messages.Request | None:
        """Take what is to be sent now, if anything is."""
        if not self._waiting or len(self._flight) >= WINDOW or self._must_wait(self._waiting[0]):
            return None
        item = self._waiting.popleft()
        self._flight.append(item)
        if isinstance(item, Sent):
            self._sent = max(self._sent, item.seq)
        return item.request

    def _must_wait(self, item: Sent | Asked) -> bool:
        """Tell whether another change of the same comes first.

        Of one alone it is safe to ask for it again: who went in and out would do so twice.
        """
        changed = item.changes if isinstance(item, Asked) else None
        return changed is not None and any(
            isinstance(other, Asked) and other.changes == changed for other in self._flight
        )

    # Answers

    def answered_talk(self, seq: int | None) -> Sent | None:
        """Take out the talk that is answered, if it was sent."""
        for item in self._flight:
            if isinstance(item, Sent) and item.seq == seq:
                self._flight.remove(item)
                self._unstored.remove(item)
                return item
        return None

    def answered(self, ref: str | int | None) -> Asked | None:
        """Take out the question that is answered, if it was asked."""
        for item in self._flight:
            if isinstance(item, Asked) and item.request.ref == ref:
                self._flight.remove(item)
                return item
        return None

    def _drop(self, asked: Asked) -> None:
        for queue in (self._flight, self._waiting):
            if asked in queue:
                queue.remove(asked)

    # Connections and sessions

    def lost(self) -> None:
        """Put what is unanswered back to the front: the connection is no more."""
        for item in self._flight:
            if isinstance(item, Asked):
                item.again = True
        self._waiting.extendleft(reversed(self._flight))
        self._flight.clear()

    def resumed(self, seq: int) -> None:
        """Go on in the same session: what the server has stored is not sent again.

        Its ``ok`` comes at its place among what was missed.

        :param seq: the highest that is stored.
        """
        stored = min(seq, self._sent)
        waiting = deque(self._waiting)
        self._waiting.clear()
        for item in waiting:
            if isinstance(item, Sent) and item.seq <= stored:
                self._flight.append(item)
            else:
                self._waiting.append(item)
        self._number_from(seq)

    def unsettled(self, seq: int) -> list[messages.Request]:
        """Give the talk up to a number that should have been answered by now, to be sent again.

        It may have been refused when the answer was lost, or be stored where nothing can be told
        of any more; the answer to the same once more says which.
        """
        return [item.request for item in self._flight if isinstance(item, Sent) and item.seq <= seq]

    def begin_again(self, seq: int, known: bool) -> list[Sent]:
        """Go on in another session.

        :param seq: the highest that is stored in that one.
        :param known: it is the same journal, so what was sent earlier may be stored there already.
        :return: what nobody can tell of whether it is stored; it is not sent again.
        """
        doubtful = [sent for sent in self._unstored if known and sent.seq <= self._sent]
        for sent in doubtful:
            self._unstored.remove(sent)
            self._waiting.remove(sent)
        self._sent = 0
        self._number_from(seq)
        return doubtful

    def _number_from(self, seq: int) -> None:
        """Number what was never sent in this session: behind what was, and what is stored."""
        number = max(seq, self._sent)
        for sent in self._unstored:
            if sent.seq > self._sent:
                number += 1
                if sent.seq != number:
                    sent.request = replace(sent.request, seq=number)
        self._numbered = number

    def fail(self, error: messages.Error) -> None:
        """Fail all questions: there will be no answer."""
        items = [*self._flight, *self._waiting]
        self._flight = [item for item in self._flight if isinstance(item, Sent)]
        self._waiting = deque(item for item in self._waiting if isinstance(item, Sent))
        for item in items:
            if isinstance(item, Asked) and not item.answer.called:
                item.answer.errback(Refused(error))
