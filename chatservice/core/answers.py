"""Answers that may cost more than the line that asked: made piece by piece, in turns.

A member that asks for a long list, or for much of the past, is given it as fast as it reads, and
nobody else waits for that: all answers together take at most ``SLICE`` of each turn of the reactor,
and one that its reader does not take is made no further. Its cost is counted against the rate of
the connection that asked.
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
    :ivar things: the things of the list, each made when it is its turn.
    """

    reply: Reply
    things: Iterable[Any]


Making = Coroutine[Any, Any, Parts]
"""Makes an answer but for what the reader is to see of it. It may await Deferreds, and
:func:`others_turn`."""


@coroutine
def others_turn() -> Generator[bytes, None, None]:
    """Let others have their turn, before something that costs more than a piece of an answer."""
    yield b""


def told(view: View, making: Making) -> Pieces:
    """Make an answer, as somebody is to see it."""
    parts = yield from making.__await__()
    yield from view.parts(*parts)


class _Made(NamedTuple):
    """Pieces that were made in one step.

    :ivar cost: in lines.
    :ivar over: no other follows.
    :ivar wanted: the Deferred that the next one awaits.
    """

    data: bytes
    cost: float
    over: bool
    wanted: Deferred[Any] | None


def _make(pieces: Pieces) -> _Made:
    """Make the next pieces; raises what the making raises."""
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
    """Lets answers be given, in turns."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._line: deque[Deferred[None]] = deque()
        self._timer = Timer(clock, self._go_on)
        self._stopped = False

    def give(self, outlet: Outlet, pieces: Pieces) -> Deferred[None] | None:
        """Give an answer; raises what its making raises at once.

        :returns: a Deferred that fires when it was given, or nobody is there to read it, and fails
            with what its making raises; None if all of it was given at once.
        """
        first = _make(pieces)
        if first.over or outlet.closed:
            pieces.close()
            outlet.write(first.data)
            return None
        return Deferred.fromCoroutine(self._give(outlet, pieces, first))

    async def _give(self, outlet: Outlet, pieces: Pieces, made: _Made) -> None:
        """Give an answer step by step; nothing else goes out on that way meanwhile."""
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
        """Wait for a turn, of which there are no more after the end."""
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
        """Make nothing more."""
        self._stopped = True
        self._timer.stop()
        while self._line:
            self._line.popleft().callback(None)


def _there(wanted: Deferred[Any], outlet: Outlet) -> Deferred[None]:
    """Wait until something is there, and leave it to the making that awaits it."""
    there: Deferred[None] = Deferred()

    def arrived(result: Any) -> Any:
        there.callback(None)
        return None if outlet.closed else result

    wanted.addBoth(arrived)
    return there
