"""The messages from a program to the server.

``tools/protocol_tables.py`` generates tables of ``docs/protocol.md`` from the types and docstrings.
"""

from __future__ import annotations

from typing import ClassVar, Final

from chatservice.messages.fields import Few, Message, Number, Ref, Short


class Request(Message, frozen=True, kw_only=True):
    """A message from a program to the server.

    :ivar for_operators: whether only operators may send it
    :ivar ref: repeated in the answer
    """

    for_operators: ClassVar[bool] = False
    ref: Ref = None


class OfRoom(Request, frozen=True, kw_only=True):
    """A message about one room.

    :ivar room: the room
    """

    room: Short


class OfName(Request, frozen=True, kw_only=True):
    """A message about one name.

    :ivar name: the name of a person
    """

    name: Short


class Hello(Request, frozen=True, tag="hello", kw_only=True):
    """Begin or resume a session: the first message of a connection.

    :ivar name: the name to take. A session that has left may come back under another name; one
        that is still here keeps its own
    :ivar token: the token of an earlier ``welcome``, whose session is resumed. If the token is
        unknown and there is a ``name``, a new session begins
    :ivar since: the highest ``id`` received so far; the events after it are sent. Without it,
        only new events are sent
    :ivar journal: the ``journal`` of the ``welcome`` that this id belongs to
    :ivar rooms: the rooms of a new session; at most 20 (``--max-rooms-per-member``). Without
        it, the first room of the server
    :ivar ref: repeated in the answer; at most 64 characters
    """

    name: Short | None = None
    token: Short | None = None
    since: Number | None = None
    journal: Short | None = None
    rooms: Few | None = None


class Talk(Request, frozen=True, kw_only=True):
    """A message whose text is stored.

    :ivar text: one line with something visible in it; in a ``topic``, an empty text removes the
        topic
    :ivar seq: the number of this line, 1 or more; the numbers of a session rise
    :ivar ref: repeated in an ``error``
    """

    text: str
    seq: Number | None = None


class TalkIn(Talk, frozen=True, kw_only=True):
    """A message whose text is stored in a room.

    :ivar room: the room, which the program must be in
    """

    room: Short


class Say(TalkIn, frozen=True, tag="say", kw_only=True):
    """Say something in a room."""


class Do(TalkIn, frozen=True, tag="do", kw_only=True):
    """Do something in a room, shown as ``* ana waves``."""


class Private(Talk, frozen=True, tag="private", kw_only=True):
    """Write to one person: the holder of a name, or the session that sent an earlier line.

    :ivar to: the name of the reader, who must be here
    :ivar session: the ``session`` of an earlier ``private``, to answer its author
    """

    to: Short | None = None
    session: Short | None = None


class Topic(TalkIn, frozen=True, tag="topic", kw_only=True):
    """Set the topic of a room; an empty text removes it."""


class Join(OfRoom, frozen=True, tag="join", kw_only=True):
    """Join a room.

    :ivar room: the room, which is created if it does not exist
    """


class Leave(OfRoom, frozen=True, tag="leave", kw_only=True):
    """Leave a room."""


class Nick(OfName, frozen=True, tag="nick", kw_only=True):
    """Take another name.

    :ivar name: the new name
    """


class Away(Request, frozen=True, tag="away", kw_only=True):
    """Mark the program as away until it says something.

    :ivar text: the reason
    """

    text: str = ""


class Who(OfRoom, frozen=True, tag="who", kw_only=True):
    """Ask for the people in a room."""


class Names(Request, frozen=True, tag="names", kw_only=True):
    """Ask for the names of all people here, page by page.

    :ivar page: the number of the page, from 1
    :ivar limit: names on a page, from 1 to 500; a number outside counts as the nearest bound
    """

    page: Number = 1
    limit: Number = 500


class Rooms(Request, frozen=True, tag="rooms", kw_only=True):
    """Ask for the rooms."""


class History(OfRoom, frozen=True, tag="history", kw_only=True):
    """Ask for events of a room: the last ones before an id, or the first ones after an id.

    :ivar before: the id before which the last events are sent. Without ``before`` and
        ``after``, the newest events are sent
    :ivar after: the id after which the first events are sent; not together with ``before``
    :ivar limit: the most events to send, from 1 to 1,000; a number outside counts as the nearest
        bound
    """

    before: Number | None = None
    after: Number | None = None
    limit: Number = 50


class LookUp(OfName, frozen=True, tag="whois", kw_only=True):
    """Ask about one person.

    :ivar name: their name
    """


class Uptime(Request, frozen=True, tag="uptime", kw_only=True):
    """Ask how long the server has run."""


class Ping(Request, frozen=True, tag="ping", kw_only=True):
    """Ask the server for a sign of life."""


class Quit(Request, frozen=True, tag="quit", kw_only=True):
    """Leave at once, without a grace.

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
