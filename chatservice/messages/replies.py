"""What the server says to a program."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import ClassVar, Final


def time_of(moment: str) -> datetime:
    """Read a time as :func:`.moment` writes it.

    :raises ValueError: if it is none.
    """
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server says."""

    type: ClassVar[str]

    def wire(self) -> Reply | None:
        """Return what a program is told instead of this; None if it is told nothing."""
        return self


@dataclass(frozen=True, kw_only=True)
class RoomSeen:
    """A room, as one looks at it from outside."""

    room: str
    people: int
    topic: str = ""
    locked: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Welcome(Reply):
    """A program is in.

    :ivar token: with it the session goes on after the connection was lost.
    :ivar journal: the identity of the journal; ids of another mean nothing here.
    :ivar since: everything after this id follows.
    :ivar seq: the highest that is stored of this session.
    :ivar rooms: in which it is, or is about to be.
    :ivar resumed: the session is one that was there before.
    :ivar gap: something after the id that was asked for can't be told any more.
    :ivar grace: seconds that it may be away before it is shown as left.
    :ivar longest: characters of a text.
    :ivar rate: lines a second that are read, after the first ``burst``; 0 for any number.
    """

    type: ClassVar[str] = "welcome"
    name: str
    token: str
    journal: str
    since: int
    seq: int
    rooms: list[RoomSeen]
    resumed: bool
    gap: bool
    grace: int
    longest: int
    rate: int
    burst: int
    ref: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class Ok(Reply):
    """Something was done.

    :ivar to: the type of what was asked for.
    :ivar id: of what was stored: the place of the program's own words in the one order.
    :ivar at: when that was, UTC (RFC 3339).
    :ivar seq: their number.
    :ivar room: that was joined or left.
    :ivar topic: of the room that was joined.
    :ivar people: how many are in it.
    :ivar name: which is the new one.
    """

    type: ClassVar[str] = "ok"
    to: str
    id: int | None = None
    at: str | None = None
    seq: int | None = None
    room: str | None = None
    topic: str | None = None
    people: int | None = None
    name: str | None = None
    ref: str | int | None = None


def joined(room: RoomSeen, ref: str | int | None) -> Ok:
    """Return the message that somebody is in a room, as they asked."""
    return Ok(to="join", room=room.room, topic=room.topic, people=room.people, ref=ref)


@dataclass(frozen=True, kw_only=True)
class Error(Reply):
    """Something was not done, or is over.

    :ivar code: one of :class:`Code`, or one that is newer than this client.
    :ivar text: a sentence.
    """

    type: ClassVar[str] = "error"
    code: str
    text: str
    to: str | None = None
    seq: int | None = None
    ref: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class Notice(Reply):
    """Something that the service has to say.

    :ivar gap: some events before this place were forgotten before they could be read.
    """

    type: ClassVar[str] = "notice"
    text: str
    gap: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Live(Reply):
    """All that happened while a program was away has been told; what follows is live."""

    type: ClassVar[str] = "live"


@dataclass(frozen=True, kw_only=True)
class Replaced(Reply):
    """Another connection has the session now: don't come back."""

    type: ClassVar[str] = "replaced"
    text: str


@dataclass(frozen=True, kw_only=True)
class Pong(Reply):
    """Somebody is there."""

    type: ClassVar[str] = "pong"
    ref: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who is in a room; ``away`` is why, if so."""

    name: str
    away: str | None = None


@dataclass(frozen=True, kw_only=True)
class WhoIs(Reply):
    """Who is in a room; ``count`` are, maybe more than are named."""

    type: ClassVar[str] = "who"
    room: str
    people: list[Person]
    count: int
    ref: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class NameList(Reply):
    """Who is here, in the order of the alphabet: one page of ``pages``; ``count`` are in all."""

    type: ClassVar[str] = "names"
    names: list[str]
    count: int
    page: int
    pages: int
    ref: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class RoomList(Reply):
    """Which rooms there are; ``count``, maybe more than are named."""

    type: ClassVar[str] = "rooms"
    rooms: list[RoomSeen]
    count: int
    ref: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class About(Reply):
    """What is known of one person.

    :ivar rooms: in which they are, but for those that only operators see.
    :ivar since: when they came, UTC (RFC 3339).
    :ivar idle: seconds since they said or asked something.
    :ivar away: why they are; None if they are not.
    :ivar operator: whether they are one.
    """

    type: ClassVar[str] = "whois"
    name: str
    rooms: list[str]
    since: str
    idle: int
    away: str | None = None
    operator: bool | None = None
    ref: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class Up(Reply):
    """Since when the server runs.

    :ivar seconds: for so long.
    :ivar since: when it was started, UTC (RFC 3339).
    """

    type: ClassVar[str] = "uptime"
    seconds: int
    since: str
    ref: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class Event(Reply):
    """Something that happened; each comes once, in the order of the ids.

    :ivar type: ``said``, ``did``, ``private``, ``topic``, ``joined``, ``left``, ``renamed``,
        ``announced``, ``acted``.
    :ivar at: when it was stored, UTC (RFC 3339).
    :ivar room: where; not of what is private, or for everybody.
    :ivar author: whose it is.
    :ivar text: what was said; parting words.
    :ivar names: who joined or left; the first of ``count``.
    :ivar name: the new one.
    :ivar session: of what is private: where an answer reaches its author, and nobody else.
    """

    type: str  # type: ignore[misc]
    id: int
    at: str
    room: str | None = None
    author: str | None = None
    text: str | None = None
    names: list[str] | None = None
    count: int | None = None
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


@dataclass(frozen=True, kw_only=True)
class Past(Reply):
    """What was said in a room, oldest first; ``more`` if there is more in that direction.

    :ivar gap: something that was asked for was forgotten.
    """

    type: ClassVar[str] = "history"
    room: str
    events: list[Event]
    more: bool
    gap: bool
    ref: str | int | None = None


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
