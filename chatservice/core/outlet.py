"""The outlet and the view, the interfaces that a door implements for its members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

from chatservice.journal.events import Event
from chatservice.messages import Reply


class View(Protocol):
    """Renders events and replies for a reader. Readers with equal views share rendered bytes."""

    @property
    def shows_own(self) -> bool:
        """Whether the reader gets its own events at their place, as receipts."""

    @property
    def greets(self) -> bool:
        """Whether the reader is shown a room on joining it, without asking."""

    def event(self, event: Event, here: bool) -> bytes:
        """Render an event; ``here`` tells whether it is in the reader's current room."""

    def own(self, event: Event) -> bytes:
        """Render an event of the reader's own, for its place among the events."""

    def past(self, event: Event, before: int) -> bytes:
        """Render an event as part of a look into the past.

        :param before: the time of the event shown before, in milliseconds since 1970; for the
            first one, the current time.
        """

    def reply(self, reply: Reply) -> bytes:
        """Render a reply for the reader alone; ``b""`` if the view shows nothing for it."""

    def parts(self, reply: Reply, things: Iterable[Any]) -> Iterator[bytes]:
        """Render a long answer, piece by piece (:class:`.Parts`)."""


class Unseen:
    """The view of a member that this process shows nothing. Its only instance is :data:`UNSEEN`."""

    shows_own = greets = False

    def _nothing(self, *_: Any, **__: Any) -> bytes:
        return b""

    event = own = past = reply = _nothing

    def parts(self, reply: Reply, things: Iterable[Any]) -> Iterator[bytes]:
        """See :meth:`View.parts`."""
        return iter(())


UNSEEN: Final = Unseen()


class Outlet(Protocol):
    """The way out to a member. It keeps the order of its bytes, and never blocks.

    :ivar blocked: whether earlier bytes still wait, so that nothing more should be sent. When that
        ends, the member's door is called.
    """

    blocked: bool

    @property
    def closed(self) -> bool:
        """Whether nothing more goes out: the connection was lost, or is to be closed."""

    @property
    def address(self) -> str:
        """The IP address of the connection's peer; ``""`` if it has none."""

    @property
    def site(self) -> str:
        """The key under which the peer is counted (:func:`.networks.counted`); ``""`` if none."""

    def send(self, data: bytes) -> int:
        """Send as much as goes out now; return the number of bytes sent, 0 when blocked.

        If that is less than all, the outlet is blocked from then on.
        """

    def write(self, data: bytes) -> None:
        """Take all bytes, even if others wait: for answers, and for the rest of a cut line."""

    def begin(self, drained: Callable[[], None]) -> None:
        """Reserve the outlet for the pieces of one answer, until :meth:`end`.

        Until then the outlet is blocked, and other written bytes wait.

        :param drained: called when there is room for a piece again, or the outlet is closed.
        """

    def give(self, piece: bytes) -> bool:
        """Take a piece of the answer; return whether there is room for the next."""

    def end(self) -> None:
        """End the answer, and its last line if unfinished; send the bytes that waited for it."""

    def charge(self, lines: float) -> None:
        """Charge a number of lines to the peer's rate, as if the peer had sent them."""

    def wait_until(self, due: float) -> None:
        """Delay the peer's next line until a time by the clock."""

    def finish(self) -> None:
        """Close the connection once all written bytes are sent."""

    def replace(self, last: bytes) -> None:
        """Close now with last words, because another connection takes this one's place.

        Lines of the peer that were not handled are dropped, and no more are read.
        """


class Nowhere:
    """The outlet of a member that has never had a connection to this process.

    :param address: the IP address of its connection to another process.
    """

    blocked = True
    closed = True
    site = ""

    def __init__(self, address: str = "") -> None:
        self.address = address

    def send(self, data: bytes) -> int:
        """See :meth:`Outlet.send`."""
        return 0

    def give(self, piece: bytes) -> bool:
        """See :meth:`Outlet.give`."""
        return False

    def _nothing(self, *_: Any, **__: Any) -> None:
        """Do nothing: there is no connection."""

    write = begin = end = charge = wait_until = finish = replace = _nothing


NOWHERE: Final = Nowhere()
