"""What a program says to the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final


@dataclass(frozen=True)
class Request:
    """What a program asks for.

    :ivar for_operators: only operators may ask for it.
    :ivar ref: comes back in the answer, whatever it is.
    """

    type: ClassVar[str]
    for_operators: ClassVar[bool] = False
    ref: str | int | None = None


@dataclass(frozen=True)
class Hello(Request):
    """Comes in, or comes back: before all else.

    :ivar name: to be called; not needed with a token.
    :ivar token: of an earlier ``welcome``: whose session is to go on.
    :ivar since: the last id that was received; what happened after it follows.
    :ivar journal: which journal that id is of.
    :ivar rooms: to be in, from the beginning of the session; without it, the first of the house.
    """

    type: ClassVar[str] = "hello"
    name: str | None = None
    token: str | None = None
    since: int | None = None
    journal: str | None = None
    rooms: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Talk(Request):
    """Something that is stored.

    :ivar text: one line.
    :ivar seq: rises with each in a session; the same again is the same, and stored once.
    """

    text: str
    seq: int | None = None


@dataclass(frozen=True, kw_only=True)
class Say(Talk):
    """Says something in a room."""

    type: ClassVar[str] = "say"
    room: str


@dataclass(frozen=True, kw_only=True)
class Do(Talk):
    """Does something in a room: ``* ana waves``."""

    type: ClassVar[str] = "do"
    room: str


@dataclass(frozen=True, kw_only=True)
class Private(Talk):
    """Writes to one person: to whoever has a name, or to the session that has written before.

    :ivar to: a name.
    :ivar session: of an earlier ``private`` from there. With both, it is to have that name.
    """

    type: ClassVar[str] = "private"
    to: str | None = None
    session: str | None = None


@dataclass(frozen=True, kw_only=True)
class Topic(Talk):
    """Gives a room a topic; an empty text takes it away."""

    type: ClassVar[str] = "topic"
    room: str


@dataclass(frozen=True, kw_only=True)
class Join(Request):
    """Goes into a room."""

    type: ClassVar[str] = "join"
    room: str


@dataclass(frozen=True, kw_only=True)
class Leave(Request):
    """Goes out of a room."""

    type: ClassVar[str] = "leave"
    room: str


@dataclass(frozen=True, kw_only=True)
class Nick(Request):
    """Takes another name."""

    type: ClassVar[str] = "nick"
    name: str


@dataclass(frozen=True, kw_only=True)
class Away(Request):
    """Is away, until it says something."""

    type: ClassVar[str] = "away"
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Who(Request):
    """Asks who is in a room."""

    type: ClassVar[str] = "who"
    room: str


@dataclass(frozen=True, kw_only=True)
class Names(Request):
    """Asks who is here, in whatever rooms, or in none: a page of it, from 1 on."""

    type: ClassVar[str] = "names"
    page: int = 1
    limit: int = 500


@dataclass(frozen=True, kw_only=True)
class Rooms(Request):
    """Asks which rooms there are."""

    type: ClassVar[str] = "rooms"


@dataclass(frozen=True, kw_only=True)
class History(Request):
    """Asks what was said in a room: the last before an id, or the first after one."""

    type: ClassVar[str] = "history"
    room: str
    before: int | None = None
    after: int | None = None
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class LookUp(Request):
    """Asks about one person."""

    type: ClassVar[str] = "whois"
    name: str


@dataclass(frozen=True, kw_only=True)
class Uptime(Request):
    """Asks since when the server runs."""

    type: ClassVar[str] = "uptime"


@dataclass(frozen=True, kw_only=True)
class Ping(Request):
    """Asks whether anybody is there."""

    type: ClassVar[str] = "ping"


@dataclass(frozen=True, kw_only=True)
class Quit(Request):
    """Leaves, and with it the grace."""

    type: ClassVar[str] = "quit"
    text: str = ""


REQUESTS: Final[dict[str, type[Request]]] = {
    kind.type: kind
    for kind in (
        Hello,
        Say,
        Do,
        Private,
        Topic,
        Join,
        Leave,
        Nick,
        Away,
        Who,
        Names,
        Rooms,
        History,
        LookUp,
        Uptime,
        Ping,
        Quit,
    )
}
