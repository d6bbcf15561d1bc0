"""The outlet and the view that a door brings with each of its members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

from chatservice.journal.events import Event
from chatservice.messages import Reply


class View(Protocol):
    """How a member is shown what happens, and what it is told; equal views share what is rendered.

    :ivar shows_own: its reader is shown its own words at their place among the events: a receipt.
    :ivar greets: its reader is shown a room on coming into it; another one asks.
    """

    @property
    def shows_own(self) -> bool:
        """See above."""

    @property
    def greets(self) -> bool:
        """See above."""

    def event(self, event: Event, here: bool) -> bytes:
        """Render an event as it happens, in the reader's current room (``here``) or in another."""

    def own(self, event: Event) -> bytes:
        """Render what the reader has said or done itself, at its place among the events."""

    def past(self, event: Event, before: int) -> bytes:
        """Render something that was said or done before, as a part of a look into the past.

        :param before: the time of what was shown last, in milliseconds since 1970; at first, now.
        """

    def reply(self, reply: Reply) -> bytes:
        """Render what the reader alone is told."""

    def parts(self, reply: Reply, things: Iterable[Any]) -> Iterator[bytes]:
        """Render a long answer, piece by piece (:class:`.Parts`)."""


class Unseen:
    """The view of a member that is shown nothing by this process. There is one: :data:`UNSEEN`."""

    shows_own = greets = False

    def _nothing(self, *_: Any, **__: Any) -> bytes:
        return b""

    event = own = past = reply = _nothing

    def parts(self, reply: Reply, things: Iterable[Any]) -> Iterator[bytes]:
        """See :meth:`View.parts`."""
        return iter(())


UNSEEN: Final = Unseen()


class Outlet(Protocol):
    """The way out to a member. It keeps the order of what it is given, and never blocks.

    :ivar blocked: bytes that were written earlier are not gone yet, so no more should be sent.
        Whoever gave the outlet is called when it no longer is.
    """

    blocked: bool

    @property
    def closed(self) -> bool:
        """Whether nothing more goes out: the connection was lost, or is to be closed."""

    @property
    def address(self) -> str:
        """Where the connection comes from: an IP address, or ``""`` if it has none."""

    @property
    def site(self) -> str:
        """Under what it is counted (:func:`.networks.counted`); ``""`` if it is not."""

    def send(self, data: bytes) -> int:
        """Take as much as goes out now, and return how many bytes that is; 0 when blocked.

        When it is less than all, the outlet is blocked from then on.
        """

    def write(self, data: bytes) -> None:
        """Take all, whatever waits: for answers and for the rest of a line."""

    def begin(self, drained: Callable[[], None]) -> None:
        """Keep the way for one answer, piece by piece: until :meth:`end` it is blocked, and what is
        written waits.

        :param drained: called when there is room for a piece again, or the outlet is closed.
        """

    def give(self, piece: bytes) -> bool:
        """Take a piece of the answer. Returns whether there is room for the next."""

    def end(self) -> None:
        """Let what was written meanwhile go, and all else again; an unfinished line is ended."""

    def charge(self, lines: float) -> None:
        """Count so many lines as if the peer had said them."""

    def wait_until(self, due: float) -> None:
        """Have the next line of the peer handled at that time by the clock, and not before."""

    def finish(self) -> None:
        """Close, once what was written is gone."""

    def replace(self, last: bytes) -> None:
        """Close now, with these last words: another connection has taken the place of this one.

        Lines of its peer that were not handled are dropped; nothing more is heard of it.
        """


class Nowhere:
    """The outlet of a member that has no connection in this process, and has had none.

    :param address: where it is connected from to another one.
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
        """Do nothing: nobody is there."""

    write = begin = end = charge = wait_until = finish = replace = _nothing


NOWHERE: Final = Nowhere()
