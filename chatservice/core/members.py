"""The data of delivery: members, the rooms that they are in, and how far they have read.

A member is a name with something to write to. At the head of the journal it is in a group of each
of its rooms; behind the head it is a cursor.
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
"""The :attr:`Member.hidden` of all members who ignore nobody. It stays empty."""


@dataclass(slots=True, eq=False)
class Ignored:
    """A name that a member does not want to see.

    :ivar name: as it was written last.
    :ivar sessions: those in which somebody was called so last, also such that are over.
    """

    name: str
    sessions: dict[int, None] = field(default_factory=dict)


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
    :ivar until: the id from which on a program that left is told nothing: events from there on, in
        any of its rooms, are for when it comes back.
    :ivar lost: it has no connection; not any more, or one that still waits to be welcomed.
    :ivar session: the one that its program may come back to; None of people at a plain socket.
    :ivar record: its session, if it has one, or another record that is stored while it is here;
        None if nothing is.
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
        self.told: frozenset[int] = frozenset()
        self.since = now
        self.came = self.active = active
        self.spoke = session is not None and session.seq > 0
        self.gone = False
        self.until: int | None = None
        self.lost = lost

    def reply(self, reply: Reply) -> None:
        """Tell this member alone something, if its view has anything for it."""
        told = self.view.reply(reply)
        if told:
            self.outlet.write(told)

    def tell(self, *lines: str) -> None:
        """Say something of the service's own to this member alone."""
        self.outlet.write(b"".join([self.view.reply(Notice(text=line)) for line in lines]))

    def refuse(self, code: Code, why: str) -> None:
        """Tell this member alone that something is not done, or is over."""
        self.reply(Error(code=code.value, text=why))

    def draft(self, room: str, kind: str, author: str, text: str, seq: int | None = None) -> Draft:
        """Make an event of what the member does.

        :param seq: the number that a program has given to it.
        """
        if seq is None:
            self.seq -= 1
            seq = self.seq
        return Draft(room, kind, author, text, self.origin, seq)

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
        are for a view that shows them.
        """
        if self.hides(event) or (self.until is not None and self.until <= event.id):
            return False
        if event.origin == self.origin and (event.kind == PRIVATE or not self.view.shows_own):
            return self.view.shows_own
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


@dataclass(slots=True, eq=False)
class Membership:
    """A member in a room, from one event to another.

    :ivar since: the id of the event that told of the joining; None while it waits for its commit.
    :ivar until: the id of the event that told of the leaving; None until then.
    :ivar leaving: the leaving waits for its commit.
    :ivar kept: the member leaves all rooms at once, and may come back to them.
    """

    member: Member
    room: Room
    since: int | None = None
    until: int | None = None
    leaving: bool = False
    kept: bool = False

    def covers(self, event: Event) -> bool:
        """Tell whether an event happened in the room while the member was in it."""
        return (
            event.room == self.room.name
            and self.since is not None
            and self.since < event.id
            and (self.until is None or event.id < self.until)
        )

    def moved(self, kind: str, id: int, reading: Reading) -> Reading:
        """Return what is for a session once its joining or leaving is the event of that id."""
        if kind == JOINED:
            return reading.joined(self.room.name, id)
        return reading if self.kept else reading.left(self.room.name, id)

    def attach(self) -> None:
        """Enter the head group, if the joining is committed."""
        if self.since is not None:
            self.room.head.setdefault(self._group(), {})[self.member] = None

    def detach(self) -> None:
        """Leave the head group."""
        key = self._group()
        group = self.room.head.get(key)
        if group is not None and self.member in group:
            del group[self.member]
            if not group:
                del self.room.head[key]

    def _group(self) -> tuple[View, bool]:
        # Not whether this membership is the current one: somebody who left the room and came back
        # has two for a moment.
        current = self.member.current
        return self.member.view, current is not None and current.room is self.room


@dataclass(slots=True, eq=False)
class Room:
    """Those who are in a room.

    :ivar members: those who are in, in the order of their coming.
    :ivar head: those who read at the head, by view and by whether the room is their current one.
    :ivar population: how many are in, or about to be.
    :ivar made_from: the address that it counts for; ``""`` if for none.
    """

    name: str
    made_from: str = ""
    members: dict[Member, None] = field(default_factory=dict)
    head: dict[tuple[View, bool], dict[Member, None]] = field(default_factory=dict)
    population: int = 0


@dataclass(slots=True, eq=False)
class Replay:
    """A look into the past of one room: the last ``count`` things said or done, up to an id.

    :param asked: somebody asked for it, and is told if there is nothing.
    :ivar done: fires when all of them were given, or the connection is lost.
    """

    room: str
    count: int
    upto: int
    asked: bool
    done: Deferred[None] = field(default_factory=Deferred)


@dataclass(slots=True, eq=False)
class Cursor:
    """How far a member behind the head has read.

    :ivar position: every event up to this id was given to the member, or was not for it.
    :ivar replays: looks into the past that come first.
    :ivar at_head: called once, when the member has been given all there is.
    :ivar queued: it is in line to read.
    :ivar waits: the next events are still to come from the store.
    :ivar reading: reads on, a chunk at each step; None until the first.
    """

    member: Member
    position: int
    replays: deque[Replay] = field(default_factory=deque)
    queued: bool = False
    waits: bool = False
    reading: Coroutine[Any, Any, None] | None = None
    at_head: Callable[[], None] | None = None
