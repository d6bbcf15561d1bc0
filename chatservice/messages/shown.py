"""Replies with more for people than for programs, which get a shorter message, or none.

*The reader* is the person who sent the request.
"""

from __future__ import annotations

from chatservice.messages.replies import (
    About,
    Answering,
    Error,
    NameList,
    Ok,
    Reply,
    RoomList,
    RoomSeen,
    WhoIs,
    joined,
)


class Shown(Answering, frozen=True):
    """A reply for people. Programs get the message of :meth:`wire`, if there is one."""

    def wire(self) -> Reply | None:
        """See :meth:`.Reply.wire`."""
        return None


class Entered(Shown, frozen=True):
    """The room that the reader has entered.

    :ivar others: the names of the first others in the room.
    :ivar count: how many others are in the room.
    :ivar topic: the topic of the room; ``""`` if there is none.
    """

    room: str
    others: list[str]
    count: int
    topic: str = ""


class LookBack(Shown, frozen=True):
    """The heading of the last lines of a room, which follow.

    :ivar count: how many lines follow.
    """

    room: str
    count: int


class Sent(Shown, frozen=True):
    """The receipt of a private line that was stored.

    :ivar to: the name of the person it is for.
    """

    to: str
    text: str


class NotDone(Shown, frozen=True):
    """A refusal: an :class:`.Error`, with a hint for people who type.

    :ivar hint: a command or rule that helps; ``""`` if there is none.
    """

    error: Error
    hint: str

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return self.error


class Turned(Shown, frozen=True):
    """The reader turns to a room that they had joined before.

    :ivar already: whether it was the current room before.
    """

    room: RoomSeen
    already: bool

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return joined(self.room, self.ref)


class Left(Shown, frozen=True):
    """The reader is leaving a room. A program gets its answer when this is stored.

    :ivar now: the current room from now on; ``""`` if there is none.
    :ivar moved: whether another room was the current one before.
    """

    room: str
    now: str
    moved: bool


class Named(Shown, frozen=True):
    """The name that the reader asked for. A program gets its answer when the name is stored.

    :ivar already: whether the reader had this name before.
    """

    name: str
    already: bool = False

    def wire(self) -> Reply | None:
        """See :meth:`.Reply.wire`."""
        return Ok(to="nick", name=self.name, ref=self.ref) if self.already else None


class Goodbye(Shown, frozen=True):
    """The reader is leaving the chat, as they asked.

    :ivar name: the name of the reader.
    """

    name: str

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return Ok(to="quit", ref=self.ref)


class IsAway(Shown, frozen=True):
    """The person to whom the reader has written is away.

    :ivar name: the name of that person.
    :ivar why: the reason that they gave; may be empty.
    """

    name: str
    why: str


class TopicIs(Shown, frozen=True):
    """The topic of a room; ``""`` if there is none.

    :ivar new: whether the reader has just set it.
    """

    room: str
    topic: str
    new: bool


class Ignoring(Shown, frozen=True):
    """The names of the people whom the reader ignores."""

    names: list[str]


class Company(Shown, frozen=True):
    """The people in a room; the list follows in parts (:class:`.Person`).

    :ivar stale: why the list may be out of date; ``""`` if it is current.
    """

    room: str
    count: int
    stale: str

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return WhoIs(room=self.room, people=[], count=self.count, ref=self.ref)


class Crowd(Shown, frozen=True):
    """A page of the names of the people here; the names follow in parts.

    :ivar stale: why the list may be out of date; ``""`` if it is current.
    """

    count: int
    page: int
    pages: int
    stale: str

    def wire(self) -> NameList:
        """See :meth:`.Reply.wire`."""
        return NameList(names=[], count=self.count, page=self.page, pages=self.pages, ref=self.ref)


class Overview(Shown, frozen=True):
    """The rooms; the list follows in parts (:class:`.RoomSeen`).

    :ivar here: the current room of the reader; ``""`` if there is none.
    :ivar yours: the rooms that the reader is in.
    :ivar locked: the names of locked rooms that do not exist, for operators.
    """

    count: int
    here: str
    yours: list[str]
    locked: list[str]

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return RoomList(rooms=[], count=self.count, ref=self.ref)


class Profile(Shown, frozen=True):
    """Details of one person: an :class:`.About`, with more for operators.

    :ivar address: the address of their connection; None to hide it.
    :ivar muted: until when they are muted, and why; None if they are not, or to hide it.
    """

    about: About
    address: str | None
    muted: str | None

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return self.about


class Bans(Shown, frozen=True):
    """The list of bans.

    :ivar rows: the first bans: each a network, and until when and why it is banned.
    :ivar count: how many bans there are.
    """

    rows: list[tuple[str, str]]
    count: int


class TimeOfDay(Shown, frozen=True):
    """The time by the server's clock.

    :ivar doubted: seconds for which nothing is deleted by its age, as the clock may be wrong; None
        if the clock is trusted.
    """

    now: str
    doubted: float | None


class Figures(Shown, frozen=True):
    """The figures of the server: rows of a label and a value."""

    rows: list[tuple[str, str]]
