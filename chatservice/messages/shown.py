"""Replies that people see in another form than programs, which see less, or a receipt."""

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
    """A reply for people. Programs get :meth:`wire`, if there is one."""

    def wire(self) -> Reply | None:
        """See :meth:`.Reply.wire`."""
        return None


class Entered(Shown, frozen=True):
    """The room that somebody has entered.

    :ivar others: the names of the first who are there.
    :ivar count: how many others are.
    :ivar topic: ``""`` if there is none.
    """

    room: str
    others: list[str]
    count: int
    topic: str = ""


class LookBack(Shown, frozen=True):
    """The last things said or done in a room follow, so many."""

    room: str
    count: int


class Sent(Shown, frozen=True):
    """A private line to somebody was stored."""

    to: str
    text: str


class NotDone(Shown, frozen=True):
    """A refusal: an :class:`.Error`, with a hint for people who type.

    :ivar hint: ``""`` if there is no more to say.
    """

    error: Error
    hint: str

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return self.error


class Turned(Shown, frozen=True):
    """Somebody who was in a room before turns to it.

    :ivar already: it was the current one.
    """

    room: RoomSeen
    already: bool

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return joined(self.room, self.ref)


class Left(Shown, frozen=True):
    """Somebody leaves a room; a program is told when that is stored.

    :ivar now: the current room; ``""`` if there is none.
    :ivar moved: it was another one before.
    """

    room: str
    now: str
    moved: bool


class Named(Shown, frozen=True):
    """Somebody has another name; a program is told when that is stored.

    :ivar already: it is the one that they had.
    """

    name: str
    already: bool = False

    def wire(self) -> Reply | None:
        """See :meth:`.Reply.wire`."""
        return Ok(to="nick", name=self.name, ref=self.ref) if self.already else None


class Goodbye(Shown, frozen=True):
    """Somebody leaves, as they asked."""

    name: str

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return Ok(to="quit", ref=self.ref)


class IsAway(Shown, frozen=True):
    """Somebody who was written to is away; ``why`` may be empty."""

    name: str
    why: str


class TopicIs(Shown, frozen=True):
    """The topic of a room; ``""`` if there is none.

    :ivar new: they have just set it.
    """

    room: str
    topic: str
    new: bool


class Ignoring(Shown, frozen=True):
    """The names of the people whom somebody ignores."""

    names: list[str]


class Company(Shown, frozen=True):
    """The people in a room, an answer in parts (:class:`.Person`).

    :ivar stale: why the list may be out of date; ``""`` if it is current.
    """

    room: str
    count: int
    stale: str

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return WhoIs(room=self.room, people=[], count=self.count, ref=self.ref)


class Crowd(Shown, frozen=True):
    """The people here, a page of an answer in parts (names).

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
    """The rooms, an answer in parts (:class:`.RoomSeen`).

    :ivar here: the current room of the person who asks; ``""`` if there is none.
    :ivar yours: the rooms that they are in.
    :ivar locked: those that are locked and do not exist, for operators.
    """

    count: int
    here: str
    yours: list[str]
    locked: list[str]

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return RoomList(rooms=[], count=self.count, ref=self.ref)


class Profile(Shown, frozen=True):
    """One person: an :class:`.About`, with more for operators.

    :ivar address: where they come from; None if it is not to be told.
    :ivar muted: until when they are, and why; None if they are not, or it is not to be told.
    """

    about: About
    address: str | None
    muted: str | None

    def wire(self) -> Reply:
        """See :meth:`.Reply.wire`."""
        return self.about


class Bans(Shown, frozen=True):
    """The bans.

    :ivar rows: the first of them: a network, and until when and why.
    :ivar count: how many bans there are.
    """

    rows: list[tuple[str, str]]
    count: int


class TimeOfDay(Shown, frozen=True):
    """The time of day.

    :ivar doubted: for so many seconds nothing is deleted by it; None if nothing speaks against it.
    """

    now: str
    doubted: float | None


class Figures(Shown, frozen=True):
    """The figures of the server, row by row."""

    rows: list[tuple[str, str]]
