"""Answers that may cost more than the line that asked: made piece by piece, in turns.

Who asks for a long list, or for much of the past, is given it as fast as it reads, and nobody else
waits for that: all answers together take at most ``SLICE`` of each turn of the reactor, and one
that its reader does not take is made no further. What it cost is counted against the rate of the
connection that asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass, field
from types import coroutine
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from chatservice.core.deadlines import Timer
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

Pieces = Generator[bytes | Deferred[Any], None, None]
"""Makes an answer: bytes to give, or a Deferred that is awaited before it goes on. Nothing
(``b""``) says that what follows costs more than a piece, so it is done in a turn of its own."""


class Parts(NamedTuple):
    """An answer that is told in parts.

    :ivar reply: with nothing in its list.
    :ivar things: what is in the list, each made when it is its turn.
    """

    reply: Reply
    things: Iterable[Any]


Making = Coroutine[Any, Any, Parts]
"""Makes an answer but for what the reader is to see of it. It may await Deferreds, and
:func:`others_turn`."""


@coroutine
def others_turn() -> Generator[bytes, None, None]:
    """Let others have their turn: what follows costs more than a piece of an answer."""
    yield b""


def told(view: View, making: Making) -> Pieces:
    """Make an answer, as somebody is to see it."""
    parts = yield from making.__await__()
    yield from view.parts(*parts)


@dataclass(slots=True, eq=False)
class Answer:
    """An answer that is being made.

    :ivar go_on: called when there may be more to give.
    :ivar cost: of the pieces that were made last, in lines.
    :ivar over: all of it was made.
    :ivar room: its reader takes more.
    :ivar waits: the next piece needs something that is not there yet.
    :ivar done: fires when it was given, or nobody is there to read it; fails with what its making
        raises.
    """

    outlet: Outlet
    pieces: Pieces
    go_on: Callable[[Answer], None]
    cost: float = 0.0
    over: bool = False
    queued: bool = False
    room: bool = True
    waits: bool = False
    done: Deferred[None] = field(default_factory=Deferred)

    def take(self) -> bytes:
        """Make the next pieces; raises what the making raises."""
        made: list[bytes] = []
        size = 0
        for piece in self.pieces:
            if isinstance(piece, Deferred):
                self.waits = True
                piece.addBoth(self._read)
                break
            if piece:
                made.append(piece)
                size += len(piece)
            if not piece or len(made) == AT_ONCE or size >= CHUNK:
                break
        else:
            self.over = True
        self.cost = max(len(made) / PIECES_A_LINE, size / BYTES_A_LINE)
        return b"".join(made)

    def _read(self, result: Any) -> Any:
        """Go on, and leave the result of a Deferred to the making, which awaits it."""
        self.waits = False
        self.go_on(self)
        return None if self.over else result

    def give(self, data: bytes) -> None:
        """Give what was made."""
        self.room = self.outlet.give(data)
        self.outlet.charge(self.cost)

    def drained(self) -> None:
        """Go on: there is room again, or nobody is there any more."""
        self.room = True
        self.go_on(self)

    def drop(self) -> None:
        """Make it no further."""
        self.pieces.close()
        self.over = True
        self.done.callback(None)


class Answers:
    """Lets answers be given, in turns."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._queue: deque[Answer] = deque()
        self._timer = Timer(clock, self._turn)
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
        if answer.queued or answer.waits or answer.over or not answer.room:
            return
        if self._stopped:
            answer.drop()
            return
        answer.queued = True
        self._queue.append(answer)
        if not self._timer.running:
            self._timer.start(0)

    def _turn(self) -> None:
        end = self._clock.seconds() + SLICE
        while self._queue:
            self._step(self._queue.popleft())
            if self._clock.seconds() > end:
                break
        if self._queue:
            self._timer.start(0)

    def _step(self, answer: Answer) -> None:
        answer.queued = False
        if answer.outlet.closed:
            answer.drop()
            return
        try:
            answer.give(answer.take())
        except Exception:
            answer.over = True
            answer.outlet.end()
            answer.done.errback()
            return
        if answer.over:
            answer.outlet.end()
            answer.done.callback(None)
        else:
            self._ready(answer)

    def stop(self) -> None:
        """Make nothing more."""
        self._stopped = True
        self._timer.stop()
        while self._queue:
            self._queue.popleft().drop()
