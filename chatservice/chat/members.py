"""A person in the chat: a name, the rooms they are in, and what to write to."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from chatservice.chat.views import View
from chatservice.journal.events import HOUSE, Event, inbox

if TYPE_CHECKING:
    from chatservice.chat.cursors import Cursor
    from chatservice.chat.rooms import Membership


_NOBODY: Final[frozenset[int]] = frozenset()


class Outlet(Protocol):
    """What a member writes to. It keeps the order of what it is given, and never blocks.

    :ivar blocked: what was written earlier is not gone yet, so nothing more should be sent.
        Whoever gave the outlet is called when it no longer is.
    """

    blocked: bool

    @property
    def address(self) -> str:
        """Where the connection comes from: an IP address, or ``""`` if it has none."""

    def send(self, data: bytes) -> int:
        """Take as much as goes out now, and return how many bytes that is; 0 when blocked.

        When it is less than all, the outlet is blocked from then on.
        """

    def write(self, data: bytes) -> None:
        """Take all, whatever waits: for answers and for the rest of a line."""

    def finish(self) -> None:
        """Close, once what was written is gone."""


class Ignored(NamedTuple):
    """Somebody whom a member does not want to see.

    :ivar name: as it was written last.
    :ivar sessions: those in which somebody was called so, also such that are over.
    """

    name: str
    sessions: frozenset[int]


class Member:
    """Somebody with a name.

    At the head a member has no cursor of its own: it is in the head groups of its rooms and gets
    each tick as it comes. Behind the head, :attr:`cursor` says how far it has read.

    :ivar origin: names this session, at random; with :attr:`seq`, the identity of its events.
    :ivar asked: the number of the last batch with something of this member in it.
    :ivar memberships: the rooms it reads: those it is in, those it is about to be in or out of, and
        while it is behind the head those that it left.
    :ivar current: where its lines go; None if it is in no room.
    :ivar operator: it may do what the table of commands keeps for operators.
    :ivar hidden: the sessions whose events it does not want to see.
    :ivar ignored: whose these are, by key of the name (:func:`.names.key`).
    :ivar correspondent: the session whose private line it was shown last; 0 if there was none.
    :ivar away: why it is away; None if it is not.
    :ivar told: the sessions that were told so.
    :ivar since: when it came, in milliseconds since 1970.
    :ivar active: when it typed something last.
    :ivar gone: it leaves, and is to read what was there until then.
    :ivar lost: its connection is no more.
    """

    __slots__ = (
        "active",
        "asked",
        "away",
        "correspondent",
        "current",
        "cursor",
        "gone",
        "hidden",
        "ignored",
        "lost",
        "memberships",
        "name",
        "operator",
        "origin",
        "outlet",
        "seq",
        "since",
        "told",
        "view",
    )

    def __init__(
        self, name: str, outlet: Outlet, view: View, operator: bool = False, now: int = 0
    ) -> None:
        self.name = name
        self.operator = operator
        self.outlet = outlet
        self.view = view
        self.origin = secrets.randbits(63)
        self.seq = 0
        self.asked = 0
        self.memberships: list[Membership] = []
        self.current: Membership | None = None
        self.cursor: Cursor | None = None
        self.hidden: frozenset[int] = _NOBODY
        self.ignored: dict[str, Ignored] | None = None
        self.correspondent = 0
        self.away: str | None = None
        self.told: frozenset[int] = _NOBODY
        self.since = self.active = now
        self.gone = False
        self.lost = False

    def tell(self, *lines: str) -> None:
        """Say something of the service's own to this member alone."""
        self.outlet.write(self.view.notice(*lines))

    def rooms(self) -> list[Membership]:
        """List the rooms that the member is in, or is about to be in, oldest first."""
        return [m for m in self.memberships if not m.leaving]

    def membership(self, room: str) -> Membership | None:
        """Return the membership of a room that the member is in or is about to be in."""
        return next((m for m in self.rooms() if m.room.name == room), None)

    def sees(self, event: Event) -> bool:
        """Tell whether an event is for this member: of its rooms, while it is in, not its own.

        Also what is for everybody, or for it alone; nothing of who it ignores.
        """
        if event.origin == self.origin or event.origin in self.hidden:
            return False
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
