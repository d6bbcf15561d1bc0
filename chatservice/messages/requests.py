"""What a program says to the server.

The tables of ``docs/protocol.md`` are made of the types and docstrings here, by
``tools/protocol_tables.py``.
"""

from __future__ import annotations

from typing import ClassVar, Final

from chatservice.messages.fields import Few, Message, Number, Ref, Short


class Request(Message, frozen=True, kw_only=True):
    """What a program asks for.

    :ivar for_operators: only operators may ask for it.
    :ivar ref: comes back in the answer
    """

    for_operators: ClassVar[bool] = False
    ref: Ref = None


class Hello(Request, frozen=True, tag="hello", kw_only=True):
    """Comes in, or comes back: before all else.

    :ivar name: how to be called. A session that has left may so come back under another name. One
        that is here keeps its name
    :ivar token: of an earlier ``welcome``: that session goes on. If it is not known any more and
        there is a ``name``, a new one begins
    :ivar since: the highest ``id`` that was received: what happened after it follows. Without it,
        what happens from now on
    :ivar journal: of the ``welcome`` that this id is from
    :ivar rooms: to be in, in a new session; at most 20 (``--max-rooms-per-member``). Without it,
        the first room of the house
    :ivar ref: comes back in the answer; at most 64 characters
    """

    name: Short | None = None
    token: Short | None = None
    since: Number | None = None
    journal: Short | None = None
    rooms: Few | None = None


class Talk(Request, frozen=True, kw_only=True):
    """Something that is stored.

    :ivar text: one line, in which there is something to see; of a ``topic``, an empty one takes the
        topic away
    :ivar seq: the number of this, 1 or more; rises with each in a session
    :ivar ref: comes back in an ``error``
    """

    text: str
    seq: Number | None = None


class Say(Talk, frozen=True, tag="say", kw_only=True):
    """Says something in a room.

    :ivar room: where; one has to be in it
    """

    room: Short


class Do(Talk, frozen=True, tag="do", kw_only=True):
    """Does something in a room: ``* ana waves``."""

    room: Short


class Private(Talk, frozen=True, tag="private", kw_only=True):
    """Writes to one person: to whoever has a name, or to the session that has written before.

    :ivar to: the name of who is to read it, who has to be here
    :ivar session: that of an earlier ``private``, which this answers
    """

    to: Short | None = None
    session: Short | None = None


class Topic(Talk, frozen=True, tag="topic", kw_only=True):
    """Gives a room a topic; an empty text takes it away."""

    room: Short


class Join(Request, frozen=True, tag="join", kw_only=True):
    """Goes into a room.

    :ivar room: which; it comes to be if there is none
    """

    room: Short


class Leave(Request, frozen=True, tag="leave", kw_only=True):
    """Goes out of a room.

    :ivar room: which
    """

    room: Short


class Nick(Request, frozen=True, tag="nick", kw_only=True):
    """Takes another name.

    :ivar name: which
    """

    name: Short


class Away(Request, frozen=True, tag="away", kw_only=True):
    """Is away, until it says something.

    :ivar text: why
    """

    text: str = ""


class Who(Request, frozen=True, tag="who", kw_only=True):
    """Asks who is in a room.

    :ivar room: which
    """

    room: Short


class Names(Request, frozen=True, tag="names", kw_only=True):
    """Asks who is here, in whatever rooms, or in none: a page of it, from 1 on.

    :ivar page: which
    :ivar limit: so many names a page, from 1 to 500; what is beyond counts as the nearest of these
    """

    page: Number = 1
    limit: Number = 500


class Rooms(Request, frozen=True, tag="rooms", kw_only=True):
    """Asks which rooms there are."""


class History(Request, frozen=True, tag="history", kw_only=True):
    """Asks what was said in a room: the last before an id, or the first after one.

    :ivar room: which
    :ivar before: the last things before this id. Without it and ``after``, the last of all
    :ivar after: the first things after this id; not beside ``before``
    :ivar limit: so many at most, from 1 to 1,000; what is beyond counts as the nearest of these
    """

    room: Short
    before: Number | None = None
    after: Number | None = None
    limit: Number = 50


class LookUp(Request, frozen=True, tag="whois", kw_only=True):
    """Asks about one person.

    :ivar name: who
    """

    name: Short


class Uptime(Request, frozen=True, tag="uptime", kw_only=True):
    """Asks since when the server runs."""


class Ping(Request, frozen=True, tag="ping", kw_only=True):
    """Asks whether anybody is there."""


class Quit(Request, frozen=True, tag="quit", kw_only=True):
    """Leaves, and with it the grace.

    :ivar text: parting words
    """

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
