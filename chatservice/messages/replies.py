"""What the server says to a program.

The tables of ``docs/protocol.md`` are made of the types and docstrings here, by
``tools/protocol_tables.py``.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

from msgspec import Struct, field

from chatservice.messages.codes import Code
from chatservice.messages.fields import Message, Number, Ref
from chatservice.messages.requests import Request, Talk


def time_of(moment: str) -> datetime:
    """Read a time as :func:`.moment` writes it.

    :raises ValueError: if it is none.
    """
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


class Reply(Message, frozen=True):
    """What the server says."""

    def wire(self) -> Reply | None:
        """Return what a program is told instead of this; None if it is told nothing."""
        return self


class Answering(Reply, frozen=True, kw_only=True):
    """What the server says to who has asked.

    :ivar ref: that of the request
    """

    ref: Ref = None


class RoomSeen(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A room, as one looks at it from outside.

    :ivar room: its name
    :ivar people: how many are in it
    :ivar topic: what it is for; empty for nothing
    :ivar locked: if true: it takes nobody in
    """

    room: str
    people: Number
    topic: str = field(default_factory=str)  # Else an empty one would be left out.
    locked: bool | None = None


class Welcome(Answering, frozen=True, tag="welcome"):
    """A program is in.

    :ivar name: how it is called
    :ivar token: with it the session goes on after the connection is lost
    :ivar journal: which journal the ids are of; those of another mean nothing here
    :ivar since: what happens after this id follows
    :ivar seq: the highest of this session that is stored; 0 for none
    :ivar rooms: those that it is in, or comes into now
    :ivar resumed: the session is one that was there before
    :ivar gap: something after the ``since`` of the ``hello`` can't be told any more
    :ivar grace: seconds that it may be away unnoticed
    :ivar longest: characters that a text may have
    :ivar rate: lines a second that are read when ``burst`` were read at once; 0 for any number
    :ivar burst: lines that are read at once; 0 for any number
    :ivar ref: that of the ``hello``
    """

    name: str
    token: str
    journal: str
    since: Number
    seq: Number
    rooms: list[RoomSeen]
    resumed: bool
    gap: bool
    grace: Number
    longest: Number
    rate: Number
    burst: Number


class Ok(Answering, frozen=True, tag="ok"):
    """Something was done.

    :ivar to: the type of what was asked for
    :ivar id: of ``say``, ``do``, ``private`` and ``topic``: the place of what was said, in the one
        order
    :ivar at: of these: when it was stored, as in [events](#events)
    :ivar seq: of these: the number that it has, if it has one
    :ivar room: of ``join`` and ``leave``: which
    :ivar topic: of ``join``: what the room is for
    :ivar people: of ``join``: how many are in it, with oneself
    :ivar name: of ``nick``: the new one
    :ivar ref: that of the request; not of what has an ``id``
    """

    to: str
    id: Number | None = None
    at: str | None = None
    seq: Number | None = None
    room: str | None = None
    topic: str | None = None
    people: Number | None = None
    name: str | None = None


def joined(room: RoomSeen, ref: str | int | None) -> Ok:
    """Return the message that somebody is in a room, as they asked."""
    return Ok(to="join", room=room.room, topic=room.topic, people=room.people, ref=ref)


class Error(Answering, frozen=True, tag="error"):
    """Something was not done, or is over.

    :ivar code: why: [see below](#codes)
    :ivar text: a sentence for people
    :ivar to: the type of what was asked for, if it is known and was not done
    :ivar seq: that of what was not stored
    """

    code: str
    text: str
    to: str | None = None
    seq: Number | None = None


def refusal(request: Request, code: Code, why: str) -> Error:
    """Return the message that what somebody asked for is not done."""
    seq = request.seq if isinstance(request, Talk) else None
    return Error(code=code.value, text=why, to=request.type, seq=seq, ref=request.ref)


class BadMessage(ValueError):
    """A line is no message; ``str()`` is a sentence that says why.

    :ivar error: the same, for a program.
    """

    def __init__(self, error: Error) -> None:
        super().__init__(error.text)
        self.error = error


class Notice(Reply, frozen=True, tag="notice"):
    """Something that the service has to say.

    :ivar text: one line
    :ivar gap: if true: some of the events before this place were forgotten before they could be
        told
    """

    text: str
    gap: bool | None = None


class Live(Reply, frozen=True, tag="live"):
    """All that happened while a program was away has been told; what follows is live."""


class Replaced(Reply, frozen=True, tag="replaced"):
    """Another connection has the session now: don't come back.

    :ivar text: a sentence for people
    """

    text: str


class Pong(Answering, frozen=True, tag="pong"):
    """Somebody is there.

    :ivar ref: that of the ``ping``
    """


class Person(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody who is in a room.

    :ivar name: how they are called
    :ivar away: if it is there, they are away, and it is why
    """

    name: str
    away: str | None = None


class WhoIs(Answering, frozen=True, tag="who"):
    """Who is in a room.

    :ivar room: which
    :ivar people: the first 500 who are in it
    :ivar count: how many are in it
    """

    room: str
    people: list[Person]
    count: Number


class NameList(Answering, frozen=True, tag="names"):
    """Who is here, in the order of the alphabet: one page of it.

    :ivar names: those on the page; none behind the last one
    :ivar count: how many are here
    :ivar page: which page it is
    :ivar pages: how many there are, with so many names
    """

    names: list[str]
    count: Number
    page: Number
    pages: Number


class RoomList(Answering, frozen=True, tag="rooms"):
    """Which rooms there are.

    :ivar rooms: the 500 with the most people in them
    :ivar count: how many there are
    """

    rooms: list[RoomSeen]
    count: Number


class About(Answering, frozen=True, tag="whois"):
    """What is known of one person.

    :ivar name: who
    :ivar rooms: in which they are, but for ``operators``
    :ivar since: when they came, as the ``at`` of [events](#events)
    :ivar idle: seconds since they said or asked something, a ``ping`` apart
    :ivar away: if they are away: why
    :ivar operator: if true: they are one
    """

    name: str
    rooms: list[str]
    since: str
    idle: Number
    away: str | None = None
    operator: bool | None = None


class Up(Answering, frozen=True, tag="uptime"):
    """Since when the server runs.

    :ivar seconds: for so long the server has run
    :ivar since: when it was started, as the ``at`` of [events](#events)
    """

    seconds: Number
    since: str


class Event(Reply, frozen=True, tag=False, kw_only=True):
    """Something that happened; each comes once, in the order of the ids.

    :ivar type: one of :data:`EVENTS`
    :ivar id: its place in the one order
    :ivar at: when it was stored
    :ivar room: where
    :ivar author: whose it is
    :ivar text: what was said
    :ivar names: who came or went
    :ivar count: how many
    :ivar name: the new one
    :ivar session: where its author can be written to
    """

    type: str  # type: ignore[misc]
    id: Number
    at: str
    room: str | None = None
    author: str | None = None
    text: str | None = None
    names: list[str] | None = None
    count: Number | None = None
    name: str | None = None
    session: str | None = None

    @property
    def time(self) -> datetime | None:
        """The same as :attr:`at`; None if that can't be read."""
        try:
            return time_of(self.at)
        except ValueError:
            return None


EVENTS: Final = (
    "said",
    "did",
    "private",
    "topic",
    "joined",
    "left",
    "renamed",
    "announced",
    "acted",
)


class Past(Answering, frozen=True, tag="history"):
    """What was said in a room.

    :ivar room: which
    :ivar events: what was said and done, the oldest first; one's own too. At most 262,144
        characters of text, so there may be fewer than asked for
    :ivar more: there is more in the direction in which was asked
    :ivar gap: some of what was asked for was forgotten
    """

    room: str
    events: list[Event]
    more: bool
    gap: bool


REPLIES: Final[dict[str, type[Reply]]] = {
    **{
        kind.type: kind
        for kind in (
            Welcome,
            Live,
            Ok,
            Error,
            Notice,
            Replaced,
            Pong,
            WhoIs,
            NameList,
            RoomList,
            Past,
            About,
            Up,
        )
    },
    **dict.fromkeys(EVENTS, Event),
}
