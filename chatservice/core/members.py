"""A person in the chat: a name, the rooms they are in, and what to write to."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from chatservice.doors.text.view import View
from chatservice.journal.events import HOUSE, PRIVATE, Event, inbox, is_hidden
from chatservice.messages import Code

if TYPE_CHECKING:
    from chatservice.core.feed.catchup import Cursor
    from chatservice.core.feed.fanout import Membership
    from chatservice.core.sessions import Record, Session


_NOBODY: Final[frozenset[int]] = frozenset()
NONE_HIDDEN: Final[dict[int, str]] = {}
"""The :attr:`Member.hidden` of all members who ignore nobody. It stays empty."""


class Outlet(Protocol):
    """What a member writes to. It keeps the order of what it is given, and never blocks.

    :ivar blocked: what was written earlier is not gone yet, so nothing more should be sent.
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

        What its peer said and was not handled is dropped; nothing more is heard of it.
        """


class Nowhere:
    """The outlet of a member that has no connection, and has had none since the start."""

    blocked = True
    closed = True
    address = site = ""

    def send(self, data: bytes) -> int:
        """See :meth:`Outlet.send`."""
        return 0

    def write(self, data: bytes) -> None:
        """See :meth:`Outlet.write`."""

    def begin(self, drained: Callable[[], None]) -> None:
        """See :meth:`Outlet.begin`."""

    def give(self, piece: bytes) -> bool:
        """See :meth:`Outlet.give`."""
        return False

    def end(self) -> None:
        """See :meth:`Outlet.end`."""

    def charge(self, lines: float) -> None:
        """See :meth:`Outlet.charge`."""

    def wait_until(self, due: float) -> None:
        """See :meth:`Outlet.wait_until`."""

    def finish(self) -> None:
        """See :meth:`Outlet.finish`."""

    def replace(self, last: bytes) -> None:
        """See :meth:`Outlet.replace`."""


NOWHERE: Final = Nowhere()


class Ignored:
    """A name that a member does not want to see.

    :ivar name: as it was written last.
    :ivar sessions: those in which somebody was called so last, also such that are over.
    """

    __slots__ = ("name", "sessions")

    def __init__(self, name: str) -> None:
        self.name = name
        self.sessions: dict[int, None] = {}


class Member:
    """Somebody with a name.

    At the head a member has no cursor of its own: it is in the head groups of its rooms and gets
    each tick as it comes. Behind the head, :attr:`cursor` says how far it has read.

    :ivar origin: names this session, at random; with a number, the identity of its events.
    :ivar seq: counts those that have no number of a program's own, downwards from 0.
    :ivar asked: the number of the last batch with something of this member in it.
    :ivar memberships: the rooms it reads: those it is in, those it is about to be in or out of, and
        while it is behind the head those that it left.
    :ivar current: where its lines go; None if it is in no room.
    :ivar operator: it may do what the table of commands keeps for operators.
    :ivar hidden: the sessions of which it does not want to see what they say, each with the key
        (:func:`.names.key`) of the name that they had last.
    :ivar hidings: how often that has changed.
    :ivar ignored: the names, by key; None if there are none.
    :ivar correspondent: the session whose private line it was shown last; 0 if there was none.
    :ivar away: why it is away; None if it is not.
    :ivar told: the sessions that were told so.
    :ivar since: when it came, in milliseconds since 1970.
    :ivar came: the same by the clock of this process, in seconds.
    :ivar active: when it typed something last, by that clock.
    :ivar spoke: it, or the session, has said something in a room.
    :ivar gone: it leaves, and is to read what was there until then.
    :ivar until: the id from which on a program that left is told nothing: what comes there, in any
        of its rooms, is for when it comes back.
    :ivar lost: it has no connection; not any more, or one that still waits to be welcomed.
    :ivar session: what its program may come back to; None of people at a plain socket.
    :ivar record: what is stored of it while it is here: its session, if it has one; None if
        nothing is.
    :ivar remote: it is here by way of another process.
    """

    __slots__ = (
        "active",
        "asked",
        "away",
        "came",
        "correspondent",
        "current",
        "cursor",
        "gone",
        "hidden",
        "hidings",
        "ignored",
        "lost",
        "memberships",
        "name",
        "operator",
        "origin",
        "outlet",
        "record",
        "remote",
        "seq",
        "session",
        "since",
        "spoke",
        "told",
        "until",
        "view",
    )

    def __init__(
        self,
        name: str,
        outlet: Outlet,
        view: View,
        operator: bool = False,
        now: int = 0,
        session: Session | None = None,
        active: float = 0.0,
    ) -> None:
        self.name = name
        self.operator = operator
        self.outlet = outlet
        self.view = view
        self.session = session
        self.record: Record | None = session
        self.remote = False
        self.origin = secrets.randbits(63) if session is None else session.origin
        # Of a session that goes on after a restart, nobody knows how far it had counted.
        self.seq = 0 if session is None else -secrets.randbits(62)
        self.asked = 0
        self.memberships: list[Membership] = []
        self.current: Membership | None = None
        self.cursor: Cursor | None = None
        self.hidden = NONE_HIDDEN
        self.hidings = 0
        self.ignored: dict[str, Ignored] | None = None
        self.correspondent = 0
        self.away: str | None = None
        self.told: frozenset[int] = _NOBODY
        self.since = now
        self.came = self.active = active
        self.spoke = session is not None and session.seq > 0
        self.gone = False
        self.until: int | None = None
        self.lost = False

    def tell(self, *lines: str) -> None:
        """Say something of the service's own to this member alone."""
        self.outlet.write(self.view.notice(*lines))

    def refuse(self, code: Code, why: str) -> None:
        """Tell this member alone that something is not done, or is over."""
        self.outlet.write(self.view.refusal(code, why))

    def rooms(self) -> list[Membership]:
        """List the rooms that the member is in, or is about to be in, oldest first."""
        return [m for m in self.memberships if not m.leaving]

    def membership(self, room: str) -> Membership | None:
        """Return the membership of a room that the member is in or is about to be in."""
        return next((m for m in self.rooms() if m.room.name == room), None)

    def hides(self, event: Event) -> bool:
        """Tell whether the member ignores the author of an event, and so does not see it."""
        return is_hidden(event.kind, event.origin, self.hidden)

    def sees(self, event: Event) -> bool:
        """Tell whether an event is for this member: of its rooms, while it is in.

        Also what is for everybody, or for it alone; nothing that is said by who it ignores. Its own
        are for a program, which gets its receipts so.
        """
        if self.hides(event) or (self.until is not None and self.until <= event.id):
            return False
        if event.origin == self.origin and (self.session is None or event.kind == PRIVATE):
            return self.session is not None
        if event.room.startswith(HOUSE):
            return event.room in (HOUSE, inbox(self.origin))
        return any(m.covers(event) for m in self.memberships)

    def here(self, event: Event) -> bool:
        """Tell whether an event is of the member's current room."""
        return self.current is not None and self.current.room.name == event.room

    def attach(self) -> None:
        """Enter the head groups of all rooms: from now on each tick comes by itself."""
        if self.lost:
            return
        self.cursor = None
        self.memberships = [m for m in self.memberships if m.until is None]
        for membership in self.memberships:
            membership.attach()

    def detach(self) -> None:
        """Leave the head groups of all rooms."""
        for membership in self.memberships:
            membership.detach()

    def turn_to(self, membership: Membership | None, view: View | None = None) -> None:
        """Make a room the current one, and perhaps see it in another way."""
        at_head = self.cursor is None
        if at_head:
            self.detach()
        self.current = membership
        self.view = view or self.view
        if at_head:
            self.attach()
