"""The messages from the server to a program.

``tools/protocol_tables.py`` generates tables of ``docs/protocol.md`` from the types and docstrings.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

from msgspec import Struct, field

from chatservice.messages.codes import Code
from chatservice.messages.fields import Message, Number, Ref
from chatservice.messages.requests import Request, Talk


def time_of(moment: str) -> datetime:
    """Return the time in a string of the format of :func:`.moment`.

    :raises ValueError: if the string is not of this format.
    """
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


class Reply(Message, frozen=True):
    """A message from the server."""

    def wire(self) -> Reply | None:
        """Return the message that programs are sent in place of this one; None for nothing."""
        return self


class Answering(Reply, frozen=True, kw_only=True):
    """A message from the server that answers a request.

    :ivar ref: the ``ref`` of the request
    """

    ref: Ref = None


class RoomSeen(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A room, as others see it.

    :ivar room: its name
    :ivar people: how many people are in it
    :ivar topic: its topic; empty if it has none
    :ivar locked: true if nobody can join it; else missing
    """

    room: str
    people: Number
    topic: str = field(default_factory=str)  # A plain default would leave out an empty topic.
    locked: bool | None = None


class Welcome(Answering, frozen=True, tag="welcome"):
    """The session of a program has begun, or was resumed.

    :ivar name: the name of the program
    :ivar token: the secret that resumes the session after the connection is lost
    :ivar journal: the journal that the ids belong to; ids of another journal mean nothing here
    :ivar since: the id after which events are sent
    :ivar seq: the highest number of this session that is stored; 0 if there is none
    :ivar rooms: the rooms that the program is in, or is about to join
    :ivar resumed: true if the session existed before
    :ivar gap: true if some event after the ``since`` of the ``hello`` can't be delivered any
        more
    :ivar grace: seconds for which the program may be away unnoticed
    :ivar longest: the most characters that a text may have
    :ivar rate: lines per second that are read after the first ``burst``; 0 for no limit
    :ivar burst: lines that are read at once; 0 for no limit
    :ivar ref: the ``ref`` of the ``hello``
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
    """A request was fulfilled.

    :ivar to: the type of the request
    :ivar id: for ``say``, ``do``, ``private`` and ``topic``: the id of the line in the one
        order of events
    :ivar at: for these: when the line was stored, as in [events](#events)
    :ivar seq: for these: the number of the line, if it has one
    :ivar room: for ``join`` and ``leave``: the room
    :ivar topic: for ``join``: the topic of the room
    :ivar people: for ``join``: how many people are in the room, including the program
    :ivar name: for ``nick``: the new name
    :ivar ref: the ``ref`` of the request; missing beside an ``id``
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
    """Return the answer to a ``join`` of a room."""
    return Ok(to="join", room=room.room, topic=room.topic, people=room.people, ref=ref)


class Error(Answering, frozen=True, tag="error"):
    """A request was refused, or the session or connection is over.

    :ivar code: the reason: [see below](#codes)
    :ivar text: a sentence for people
    :ivar to: the type of the request that was refused, if it is known
    :ivar seq: the number of the line that was not stored
    """

    code: str
    text: str
    to: str | None = None
    seq: Number | None = None


def refusal(request: Request, code: Code, why: str) -> Error:
    """Return the error that refuses a request, with a code and a sentence for people."""
    seq = request.seq if isinstance(request, Talk) else None
    return Error(code=code.value, text=why, to=request.type, seq=seq, ref=request.ref)


class BadMessage(ValueError):
    """Raised for a line that is not a message; ``str()`` gives the reason in a sentence.

    :ivar error: the error that a program is sent for it.
    """

    def __init__(self, error: Error) -> None:
        super().__init__(error.text)
        self.error = error


class Notice(Reply, frozen=True, tag="notice"):
    """A message from the server for people.

    :ivar text: one line
    :ivar gap: true if some events before this place were deleted before they could be
        delivered; else missing
    """

    text: str
    gap: bool | None = None


class Live(Reply, frozen=True, tag="live"):
    """All events that a program missed were delivered; the following events are live."""


class Replaced(Reply, frozen=True, tag="replaced"):
    """Another connection has resumed the session: do not reconnect.

    :ivar text: a sentence for people
    """

    text: str


class Pong(Answering, frozen=True, tag="pong"):
    """A sign of life from the server.

    :ivar ref: the ``ref`` of the ``ping``
    """


class Person(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A person in a room.

    :ivar name: their name
    :ivar away: the reason why they are away; missing if they are not
    """

    name: str
    away: str | None = None


class WhoIs(Answering, frozen=True, tag="who"):
    """The people in a room.

    :ivar room: the room
    :ivar people: the first 500 people in it
    :ivar count: how many people are in it
    """

    room: str
    people: list[Person]
    count: Number


class NameList(Answering, frozen=True, tag="names"):
    """The names of the people here, in alphabetical order: one page.

    :ivar names: the names on the page; none after the last page
    :ivar count: how many people are here
    :ivar page: the number of the page
    :ivar pages: how many pages of this length there are
    """

    names: list[str]
    count: Number
    page: Number
    pages: Number


class RoomList(Answering, frozen=True, tag="rooms"):
    """The rooms.

    :ivar rooms: the 500 rooms with the most people
    :ivar count: how many rooms there are
    """

    rooms: list[RoomSeen]
    count: Number


class About(Answering, frozen=True, tag="whois"):
    """Details of one person.

    :ivar name: their name
    :ivar rooms: their rooms, except ``operators``
    :ivar since: when they came, as the ``at`` of [events](#events)
    :ivar idle: seconds since they said or asked something; a ``ping`` does not count
    :ivar away: the reason why they are away; missing if they are not
    :ivar operator: true for an operator; else missing
    """

    name: str
    rooms: list[str]
    since: str
    idle: Number
    away: str | None = None
    operator: bool | None = None


class Up(Answering, frozen=True, tag="uptime"):
    """The time for which the server has run.

    :ivar seconds: how many seconds it has run
    :ivar since: when it was started, as the ``at`` of [events](#events)
    """

    seconds: Number
    since: str


class Event(Reply, frozen=True, tag=False, kw_only=True):
    """An event. Each event is sent once, in the order of the ids.

    :ivar type: one of :data:`EVENTS`
    :ivar id: its place in the one order of events
    :ivar at: when it was stored
    :ivar room: the room
    :ivar author: the name of its author
    :ivar text: the text
    :ivar names: the names of the people who joined or left
    :ivar count: how many people joined or left
    :ivar name: the new name
    :ivar session: the session of its author, to which a ``private`` can answer
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
        """The time in :attr:`at`; None if it can't be read."""
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
    """Events of a room.

    :ivar room: the room
    :ivar events: the events, oldest first, including the program's own. At most 262,144
        characters of text, so there may be fewer than asked for
    :ivar more: true if there are more events in the direction asked for
    :ivar gap: true if some of the events asked for were deleted
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
