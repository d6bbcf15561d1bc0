"""Long answers, made piece by piece, in turns.

A member that asks for a long list, or for much of the past, gets the answer as fast as it reads,
and nobody else has to wait: all answers together take at most ``SLICE`` of each turn of the
reactor, and an answer whose reader takes no bytes is not made any further. The cost of an answer is
charged to the rate of the connection that asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Generator, Iterable
from types import coroutine
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from chatservice.clock import Timer
from chatservice.core.outlet import Outlet, View
from chatservice.messages import Reply

SLICE: Final = 0.00005
"""Seconds of each turn of the reactor that all answers together take, at most."""
AT_ONCE: Final = 16
"""The most pieces made in one step. An answer that ends in the first step is sent at once."""
CHUNK: Final = 16 << 10
"""Bytes given to an outlet at once, give or take a piece."""
PIECES_A_LINE: Final = 100
BYTES_A_LINE: Final = 64 << 10
"""The pieces, or the bytes, of an answer that are charged as one line, whichever is more."""

Pieces = Generator[bytes | Deferred[Any], None, None]
"""Makes an answer: yields bytes to give, or a Deferred to wait for. An empty piece (``b""``) tells
that the next step costs more than a piece, so that step gets a turn of its own."""


class Parts(NamedTuple):
    """A long answer: a reply whose list is rendered in parts.

    :ivar reply: the reply with an empty list.
    :ivar things: the items of the list, each made in its turn.
    """

    reply: Reply
    things: Iterable[Any]


Making = Coroutine[Any, Any, Parts]
"""Makes a long answer before it is rendered. The coroutine may await Deferreds, and
:func:`others_turn`."""


@coroutine
def others_turn() -> Generator[bytes, None, None]:
    """Give way to others, before a step that costs more than a piece of an answer."""
    yield b""


def told(view: View, making: Making) -> Pieces:
    """Make a long answer, and yield its pieces as a view renders them."""
    parts = yield from making.__await__()
    yield from view.parts(*parts)


class _Made(NamedTuple):
    """The pieces of an answer that were made in one step.

    :ivar cost: the charge for them, in lines.
    :ivar over: whether the answer ends here.
    :ivar wanted: the Deferred that the next piece waits for, if any.
    """

    data: bytes
    cost: float
    over: bool
    wanted: Deferred[Any] | None


def _make(pieces: Pieces) -> _Made:
    """Make the next pieces of an answer; raise the errors of the making."""
    made: list[bytes] = []
    size = 0
    over = False
    wanted = None
    for piece in pieces:
        if isinstance(piece, Deferred):
            wanted = piece
            break
        if piece:
            made.append(piece)
            size += len(piece)
        if not piece or len(made) == AT_ONCE or size >= CHUNK:
            break
    else:
        over = True
    return _Made(b"".join(made), max(len(made) / PIECES_A_LINE, size / BYTES_A_LINE), over, wanted)


class Answers:
    """Gives long answers to members, in turns."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._line: deque[Deferred[None]] = deque()
        self._timer = Timer(clock, self._go_on)
        self._stopped = False

    def give(self, outlet: Outlet, pieces: Pieces) -> Deferred[None] | None:
        """Give an answer; raise the errors of its first step.

        :returns: None if all of it was given at once. Else a Deferred that fires when the answer
            was given or the outlet is closed, and fails with the errors of the making.
        """
        first = _make(pieces)
        if first.over or outlet.closed:
            pieces.close()
            outlet.write(first.data)
            return None
        return Deferred.fromCoroutine(self._give(outlet, pieces, first))

    async def _give(self, outlet: Outlet, pieces: Pieces, made: _Made) -> None:
        """Give an answer step by step; nothing else goes out on the outlet meanwhile."""
        drained: Deferred[None] = Deferred()

        def there_is_room() -> None:
            if not drained.called:
                drained.callback(None)

        outlet.begin(there_is_room)
        try:
            while True:
                drained = Deferred()
                room = outlet.give(made.data)
                outlet.charge(made.cost)
                if made.over:
                    break
                if made.wanted is not None:
                    await _there(made.wanted, outlet)
                if not room:
                    await drained
                await self._turn()
                if outlet.closed or self._stopped:
                    break
                made = _make(pieces)
        finally:
            pieces.close()
            if not outlet.closed:
                outlet.end()

    def _turn(self) -> Deferred[None]:
        """Return a Deferred for the next turn; after :meth:`stop` it fires at once."""
        turn: Deferred[None] = Deferred()
        self._line.append(turn)
        if self._stopped:
            self.stop()
        elif not self._timer.running:
            self._timer.start(0)
        return turn

    def _go_on(self) -> None:
        end = self._clock.seconds() + SLICE
        while self._line:
            self._line.popleft().callback(None)
            if self._clock.seconds() > end:
                break
        if self._line:
            self._timer.start(0)

    def stop(self) -> None:
        """Stop making answers; wake all that wait for a turn, so that they end."""
        self._stopped = True
        self._timer.stop()
        while self._line:
            self._line.popleft().callback(None)


def _there(wanted: Deferred[Any], outlet: Outlet) -> Deferred[None]:
    """Return a Deferred that fires when ``wanted`` does, and leaves the result to the making."""
    there: Deferred[None] = Deferred()

    def arrived(result: Any) -> Any:
        there.callback(None)
        return None if outlet.closed else result

    wanted.addBoth(arrived)
    return there
