"""The data of delivery: members, their rooms and memberships, and their cursors.

A member is a name with an outlet. At the head of the journal the member is in one group of each of
its rooms; behind the head it has a cursor.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.defer import Deferred

from chatservice.core.outlet import Outlet, View
from chatservice.core.sessions import Reading, Record, Session
from chatservice.journal.events import HOUSE, JOINED, PRIVATE, Draft, Event, inbox, is_hidden
from chatservice.messages import Code, Error, Notice, Reply

NONE_HIDDEN: Final[dict[int, str]] = {}
"""The :attr:`Member.hidden` of all members who ignore nobody. This dict stays empty."""


@dataclass(slots=True, eq=False)
class Ignored:
    """A name that a member ignores.

    :ivar name: the name as it was last written.
    :ivar sessions: the origins of sessions whose last name this is, ended ones too.
    """

    name: str
    sessions: dict[int, None] = field(default_factory=dict)


class Member:
    """A person or program in the chat, with a name.

    At the head a member has no cursor: it is in the head groups of its rooms and gets each tick as
    it comes. Behind the head, :attr:`cursor` keeps how far the member has read.

    :ivar origin: the random number of this session; with ``seq``, the identity of its events.
    :ivar seq: counts its events without a program's own number, downwards from 0.
    :ivar asked: the number of the last batch that has something of this member.
    :ivar memberships: the rooms that it reads: those it is in, or waits to join or leave, and
        while it is behind the head, those it has left.
    :ivar current: the room that its lines go to; None if it is in no room.
    :ivar operator: whether it may use the commands for operators.
    :ivar hidden: the origins of the sessions that it ignores, each with the key
        (:func:`.names.key`) of the session's last name.
    :ivar hidings: the number of changes of ``hidden``.
    :ivar ignored: the names that it ignores, by key; None if there are none.
    :ivar correspondent: the origin of the last private line that it was shown; 0 if none.
    :ivar away: the reason for being away; None if it is not away.
    :ivar told: the origins of the sessions that were told this reason.
    :ivar since: the time at which it came, in milliseconds since 1970.
    :ivar came: the same time by the clock of this process, in seconds.
    :ivar active: the time at which it last typed something, by that clock.
    :ivar spoke: whether this member, or its session before, has said something in a room.
    :ivar gone: whether it is leaving, and only reads the events until then.
    :ivar until: for a program that left, the id from which on events in all its rooms wait for its
        return.
    :ivar lost: whether it has no connection: the connection was lost, or waits for the welcome.
    :ivar session: the session that its program may resume; None for people at a plain socket.
    :ivar record: the session, or another record that is stored while it is here; None if nothing
        is stored.
    :ivar remote: whether it is connected to another process.
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
        lost: bool = False,
    ) -> None:
        self.name = name
        self.operator = operator
        self.outlet = outlet
        self.view = view
        self.session = session
        self.record: Record | None = session
        self.remote = False
        self.origin = secrets.randbits(63) if session is None else session.origin
        # After a restart, the last number of a resumed session is unknown: begin at a random one.
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
        self.told: frozenset[int] = frozenset()
        self.since = now
        self.came = self.active = active
        self.spoke = session is not None and session.seq > 0
        self.gone = False
        self.until: int | None = None
        self.lost = lost

    def reply(self, reply: Reply) -> None:
        """Send a reply to this member alone, unless its view shows nothing for it."""
        told = self.view.reply(reply)
        if told:
            self.outlet.write(told)

    def tell(self, *lines: str) -> None:
        """Send notices of the service to this member alone, one for each line."""
        self.outlet.write(b"".join([self.view.reply(Notice(text=line)) for line in lines]))

    def refuse(self, code: Code, why: str) -> None:
        """Send an error to this member alone."""
        self.reply(Error(code=code.value, text=why))

    def draft(self, room: str, kind: str, author: str, text: str, seq: int | None = None) -> Draft:
        """Return the draft of an event by this member.

        :param seq: the number that its program gave to the event; None to take the next own one.
        """
        if seq is None:
            self.seq -= 1
            seq = self.seq
        return Draft(room, kind, author, text, self.origin, seq)

    def rooms(self) -> list[Membership]:
        """Return the memberships of rooms that the member is in, or about to be, oldest first."""
        return [m for m in self.memberships if not m.leaving]

    def membership(self, room: str) -> Membership | None:
        """Return the membership of a room that the member is in, or about to be; else None."""
        return next((m for m in self.rooms() if m.room.name == room), None)

    def hides(self, event: Event) -> bool:
        """Return whether an event is hidden, because the member ignores its author."""
        return is_hidden(event.kind, event.origin, self.hidden)

    def sees(self, event: Event) -> bool:
        """Return whether an event is for this member.

        Events are for it that happened in its rooms while it was in them, that are for everybody,
        or for it alone. Events of people it ignores are not. Its own are if its view shows them.
        """
        if self.hides(event) or (self.until is not None and self.until <= event.id):
            return False
        if event.origin == self.origin and (event.kind == PRIVATE or not self.view.shows_own):
            return self.view.shows_own
        if event.room.startswith(HOUSE):
            return event.room in (HOUSE, inbox(self.origin))
        return any(m.covers(event) for m in self.memberships)

    def here(self, event: Event) -> bool:
        """Return whether an event happened in the member's current room."""
        return self.current is not None and self.current.room.name == event.room

    def attach(self) -> None:
        """Enter the head groups of all its rooms, to get each tick from now on."""
        if self.lost:
            return
        self.cursor = None
        self.memberships = [m for m in self.memberships if m.until is None]
        for membership in self.memberships:
            membership.attach()

    def detach(self) -> None:
        """Leave the head groups of all its rooms."""
        for membership in self.memberships:
            membership.detach()

    def turn_to(self, membership: Membership | None, view: View | None = None) -> None:
        """Make a room the current one, and change the view if one is given."""
        at_head = self.cursor is None
        if at_head:
            self.detach()
        self.current = membership
        self.view = view or self.view
        if at_head:
            self.attach()


@dataclass(slots=True, eq=False)
class Membership:
    """A member's stay in a room, from one event to another.

    :ivar since: the id of the join event; None until its commit.
    :ivar until: the id of the leave event; None until its commit.
    :ivar leaving: whether the leave event waits for its commit, or is committed.
    :ivar kept: whether the member leaves all rooms at once, and may come back to them.
    """

    member: Member
    room: Room
    since: int | None = None
    until: int | None = None
    leaving: bool = False
    kept: bool = False

    def covers(self, event: Event) -> bool:
        """Return whether an event happened in the room while the member was in it."""
        return (
            event.room == self.room.name
            and self.since is not None
            and self.since < event.id
            and (self.until is None or event.id < self.until)
        )

    def moved(self, kind: str, id: int, reading: Reading) -> Reading:
        """Return a session's reading after the join or leave event with an id."""
        if kind == JOINED:
            return reading.joined(self.room.name, id)
        return reading if self.kept else reading.left(self.room.name, id)

    def attach(self) -> None:
        """Enter the room's head group, if the join event is committed."""
        if self.since is not None:
            self.room.head.setdefault(self._group(), {})[self.member] = None

    def detach(self) -> None:
        """Leave the room's head group."""
        key = self._group()
        group = self.room.head.get(key)
        if group is not None and self.member in group:
            del group[self.member]
            if not group:
                del self.room.head[key]

    def _group(self) -> tuple[View, bool]:
        # Compare rooms, not memberships: a member that left and came back has two for a moment.
        current = self.member.current
        return self.member.view, current is not None and current.room is self.room


@dataclass(slots=True, eq=False)
class Room:
    """A room and its members.

    :ivar members: the members in the room, in the order in which they joined.
    :ivar head: the head groups: members at the head, by view and by whether the room is their
        current one.
    :ivar population: the number of members in the room, or about to be.
    :ivar made_from: the address that the room counts for; ``""`` for none.
    """

    name: str
    made_from: str = ""
    members: dict[Member, None] = field(default_factory=dict)
    head: dict[tuple[View, bool], dict[Member, None]] = field(default_factory=dict)
    population: int = 0


@dataclass(slots=True, eq=False)
class Replay:
    """A look into the past of one room: the last ``count`` events of talk, up to an id.

    :param asked: whether the member asked for it, and is told if nothing is found.
    :ivar done: fires when all events were given, or the connection is lost.
    """

    room: str
    count: int
    upto: int
    asked: bool
    done: Deferred[None] = field(default_factory=Deferred)


@dataclass(slots=True, eq=False)
class Cursor:
    """The position of a member behind the head.

    :ivar position: every event up to this id was given to the member, or was not for it.
    :ivar replays: looks into the past, given before the events after the position.
    :ivar at_head: called once, when the member has reached the head.
    :ivar queued: whether it is queued for a turn to read.
    :ivar waits: whether it waits for events from the journal.
    :ivar reading: the coroutine that reads on, a chunk at each step; None before the first.
    """

    member: Member
    position: int
    replays: deque[Replay] = field(default_factory=deque)
    queued: bool = False
    waits: bool = False
    reading: Coroutine[Any, Any, None] | None = None
    at_head: Callable[[], None] | None = None
