"""Answers that may cost more than the line that asked: made piece by piece, in turns.

Who asks for a long list, or for much of the past, is given it as fast as it reads, and nobody else
waits for that: all answers together take at most ``SLICE`` of each turn of the reactor, and one
that its reader does not take is made no further. What it cost is counted against the rate of the
connection that asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from chatservice.core.outlet import Outlet, View
from chatservice.messages import Reply

SLICE: Final = 0.00005
"""Seconds."""
AT_ONCE: Final = 16
"""Pieces that are made in one step. An answer with no more pieces than this is sent at once."""
CHUNK: Final = 16 << 10
"""Bytes that are given to an outlet at once, give or take a piece."""
PIECES_A_LINE: Final = 100
BYTES_A_LINE: Final = 64 << 10
"""An answer is charged as one line for each so many pieces, or for each so many bytes."""

Pieces = Generator[bytes | Deferred[Any], Any, None]
"""Makes an answer: bytes to give, or a Deferred whose result is needed before it goes on. Nothing
(``b""``) says that what follows costs more than a piece, so it is done in a turn of its own."""


class Parts(NamedTuple):
    """An answer that is told in parts.

    :ivar reply: with nothing in its list.
    :ivar things: what is in the list, each made when it is its turn.
    """

    reply: Reply
    things: Iterable[Any]


Making = Generator[bytes | Deferred[Any], Any, Parts]
"""Makes an answer: as :data:`Pieces`, but for what the reader is to see of it."""


def told(view: View, making: Making) -> Pieces:
    """Make an answer, as somebody is to see it."""
    parts = yield from making
    yield from view.parts(*parts)


class Answer:
    """An answer that is being made.

    :ivar cost: what was made last, in lines.
    :ivar over: all of it was made.
    :ivar done: fires when it was given, or nobody is there to read it; fails with what its making
        raises.
    """

    __slots__ = (
        "_go_on",
        "_pieces",
        "_result",
        "_room",
        "_taking",
        "_waits",
        "cost",
        "done",
        "outlet",
        "over",
        "queued",
    )

    def __init__(self, outlet: Outlet, pieces: Pieces, go_on: Callable[[Answer], None]) -> None:
        self.outlet = outlet
        self.cost = 0.0
        self.over = False
        self.queued = False
        self.done: Deferred[None] = Deferred()
        self._pieces = pieces
        self._go_on = go_on
        self._result: Any = None
        self._room = True
        self._taking = False
        self._waits = False

    @property
    def ready(self) -> bool:
        """Whether the next pieces can be made, and there is room for them."""
        return self._room and not (self._waits or self.over)

    def take(self) -> bytes:
        """Make the next pieces; raises what the making raises."""
        made: list[bytes] = []
        size = 0
        self._taking = True
        try:
            while len(made) < AT_ONCE and size < CHUNK:
                piece = self._next()
                if isinstance(piece, Deferred):
                    self._waits = True
                    piece.addBoth(self._read)
                    if self._waits:
                        break
                elif piece:
                    made.append(piece)
                    size += len(piece)
                else:
                    break
        except StopIteration:
            self.over = True
        finally:
            self._taking = False
        self.cost = max(len(made) / PIECES_A_LINE, size / BYTES_A_LINE)
        return b"".join(made)

    def _next(self) -> bytes | Deferred[Any]:
        result, self._result = self._result, None
        if isinstance(result, Failure):
            piece: bytes | Deferred[Any] = result.throwExceptionIntoGenerator(self._pieces)
            return piece
        return self._pieces.send(result)

    def _read(self, result: Any) -> None:
        self._waits = False
        self._result = result
        if not self._taking:
            self._go_on(self)

    def give(self, data: bytes) -> None:
        """Give what was made."""
        self._room = self.outlet.give(data)
        self.outlet.charge(self.cost)

    def drained(self) -> None:
        """Go on: there is room again, or nobody is there any more."""
        self._room = True
        self._go_on(self)

    def drop(self) -> None:
        """Make it no further."""
        self._pieces.close()
        self.over = True
        self.done.callback(None)


class Answers:
    """Lets answers be given, in turns."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._queue: deque[Answer] = deque()
        self._due: IDelayedCall | None = None
        self._stopped = False

    def give(self, outlet: Outlet, pieces: Pieces) -> Deferred[None] | None:
        """Give an answer; raises what its making raises at once.

        :returns: a Deferred that fires when it was given, and fails with what its making raises;
            None if all of it was given at once.
        """
        answer = Answer(outlet, pieces, self._ready)
        first = answer.take()
        if outlet.closed:
            answer.drop()
            return None
        if answer.over:
            outlet.write(first)
            return None
        outlet.begin(answer.drained)
        answer.give(first)
        self._ready(answer)
        return answer.done

    def _ready(self, answer: Answer) -> None:
        if answer.queued or not answer.ready:
            return
        if self._stopped:
            answer.drop()
            return
        answer.queued = True
        self._queue.append(answer)
        if self._due is None:
            self._due = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._due = None
        end = self._clock.seconds() + SLICE
        while self._queue:
            self._step(self._queue.popleft())
            if self._clock.seconds() > end:
                break
        if self._queue and self._due is None:
            self._due = self._clock.callLater(0, self._turn)

    def _step(self, answer: Answer) -> None:
        answer.queued = False
        if answer.outlet.closed:
            answer.drop()
            return
        try:
            answer.give(answer.take())
        except Exception:
            answer.over = True
            failure = Failure()
            answer.outlet.end()
            answer.done.errback(failure)
            return
        if answer.over:
            answer.outlet.end()
            answer.done.callback(None)
        else:
            self._ready(answer)

    def stop(self) -> None:
        """Make nothing more."""
        self._stopped = True
        if self._due is not None:
            self._due.cancel()
            self._due = None
        while self._queue:
            self._queue.popleft().drop()
