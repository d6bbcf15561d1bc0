"""The journal: drafts, events and facts, and how every kind of it commits and reads them.

Drafts are committed in one order, and become events with that; facts hold from a commit on.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Annotated, Final, NamedTuple, Protocol

import msgspec
from twisted.internet.defer import Deferred

Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""An integer that SQLite can store."""
Natural = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]

SAID: Final = "said"
DID: Final = "did"
JOINED: Final = "joined"
LEFT: Final = "left"
RENAMED: Final = "renamed"
TOPIC: Final = "topic"
PRIVATE: Final = "private"
ANNOUNCED: Final = "announced"
ACTED: Final = "acted"

TALK: Final = (SAID, DID, ACTED)
"""The kinds that history shows: words and acts of people, not their coming and going."""

PERSONAL: Final = (SAID, DID, PRIVATE)
"""The kinds of which somebody sees nothing who ignores their author. A new name, a topic and what
an operator tells everybody are for them too."""

FILE: Final = "node"
"""The kind of the facts that concern one file alone, and no other node of a cluster: how the node
is called (``""``), the id up to which nothing can be read (``floor``), and whether its clock can be
believed (``clock``)."""

ROOM: Final = "room"
"""The kind of the facts by which a room is called otherwise, since its name can be none any more:
what it was called, and what it is called. Where one is stored, what has happened in the room is
from then on what has happened in it under the new name."""

HOUSE: Final = "@"
"""The room of events that are for everybody."""


def inbox(origin: int) -> str:
    """Name the room of events that are for one session alone.

    No room of people has a name that begins with ``@``.
    """
    return f"@{origin:x}"


def is_hidden(kind: str, origin: int, hidden: Container[int]) -> bool:
    """Tell whether somebody sees nothing of an event who ignores some sessions."""
    return origin in hidden and kind in PERSONAL


class Fact(NamedTuple):
    """Something that holds until it is changed: a topic, a ban, a mute, a lock.

    :ivar kind: with :attr:`name`, it tells which fact this one replaces.
    :ivar name: of whom or what.
    :ivar value: ``""`` if nothing holds any more.
    """

    kind: str
    name: str
    value: str


def as_json(value: object) -> str:
    """Return a value as the JSON in which facts are stored."""
    return msgspec.json.encode(value).decode()


class Draft(NamedTuple):
    """An event that was not committed yet, so it has neither an id nor a time.

    ``(origin, seq)`` is its identity: which session made it, and that session's own counter.
    """

    room: str
    kind: str
    author: str
    text: str
    origin: Integer
    seq: Integer


class Event(NamedTuple):
    """Something that happened in a room, committed and immutable.

    :ivar id: its place in the one order of the house; rises by commit.
    :ivar at: when it was committed, in milliseconds since 1970, UTC.
    :ivar room: where; or :data:`HOUSE`, or an :func:`inbox`.
    :ivar author: the name as it was shown. Of :data:`JOINED` and :data:`LEFT` these are one or
        more names, separated by spaces (a name has none).
    :ivar text: words, an act, parting words, or the new name; safe to show.
    """

    id: int
    at: int
    room: str
    kind: str
    author: str
    text: str
    origin: int
    seq: int


class Committed(NamedTuple):
    """All that a commit has stored.

    :ivar events: in the order of their ids.
    :ivar facts: they hold from then on.
    """

    events: Sequence[Event]
    facts: Sequence[Fact]


Facts = Callable[[Sequence[Event]], Sequence[Fact]]
"""Tells what holds from a commit on, given its events with their ids."""


def no_facts(events: Sequence[Event]) -> Sequence[Fact]:
    """Nothing changes but that the events happened."""
    return ()


class Revision(NamedTuple):
    """The changes to a file that was written by other rules, before anything is read of it.

    :ivar facts: they hold from now on; also the new names of rooms (:data:`.ROOM`).
    :ivar drafts: the events that tell of it.
    """

    facts: Sequence[Fact]
    drafts: Sequence[Draft]


Revise = Callable[[Sequence[Fact], Callable[[], Iterable[str]]], "Revision | None"]
"""Tells what has to change in a file, given all that holds and what finds the rooms in which
anything has happened; None if nothing has to. It raises :exc:`JournalError` if the file can't be
used."""


class JournalError(Exception):
    """The journal can't be opened; ``str()`` says why in one sentence."""


class JournalUnavailable(Exception):
    """The journal can't take or give events right now; trying again later may help."""


class Found(NamedTuple):
    """Things said and done in a room, as found from its end backwards.

    :ivar talk: the ids, kinds and origins of the events, the newest first.
    :ivar reached: every event after this id was looked at; 0 if there is none before it.
    """

    talk: Sequence[tuple[int, str, int]]
    reached: int


class Stretch(NamedTuple):
    """Events that were read, and how far the reading came.

    :ivar events: in the order of their ids.
    :ivar reached: every wanted event up to and including this id is among ``events`` or was
        given before.
    """

    events: Sequence[Event]
    reached: int


class Journal(Protocol):
    """An append-only, totally ordered log of events.

    :ivar largest: so many characters should one commit have, about, at most; None for any number.
    """

    largest: int | None

    @property
    def identity(self) -> str:
        """The name of this journal; ids of another journal mean nothing here."""

    @property
    def head(self) -> int:
        """The id of the last event; 0 if there was none yet."""

    @property
    def last_at(self) -> int:
        """When the last event was committed, in milliseconds since 1970; 0 if that is not known.

        Times need not rise with ids: a clock may be set.
        """

    @property
    def floor(self) -> int:
        """Events up to and including this id can't be read any more, or never were stored."""

    @property
    def unbroken(self) -> int:
        """Events before this id may be missing in the midst of others."""

    def start(self) -> None:
        """Open the journal.

        :raises JournalError: if it can't be opened.
        """

    def stop(self) -> Deferred[None]:
        """Close the journal. Nothing may be committed afterwards."""

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        """Store the drafts as the next events, in this order, and the facts: all or none.

        :param facts: called with the events, maybe more than once.

        One commit at a time: the next may begin when the Deferred of this one has fired. It fires
        with what was stored, which is to be shown before anything that is stored later. It fails
        with :exc:`JournalUnavailable` if nothing was stored, nor will be.
        """

    def note(self, name: str, value: str) -> Deferred[None]:
        """Keep a fact of the kind :data:`.FILE`, which no other node is told; ``""`` forgets it.

        The Deferred fails with :exc:`JournalUnavailable` if it was not stored.
        """

    def facts(self) -> list[Fact]:
        """Return all that holds. Blocks: for the start only.

        :raises JournalError: if they can't be read.
        """

    def last_seq(self, origin: int) -> int:
        """Return the highest number of one session's events; 0 if none has one.

        Only those above 0 are numbers that a program gave. Blocks: for the start only.

        :raises JournalError: if it can't be read.
        """

    @property
    def size(self) -> int:
        """The bytes that the journal takes up on the disk."""

    def describe(self) -> str:
        """Tell where it is and how much is in it. Blocks: for the start only.

        :raises JournalError: if it can't be read.
        """

    @property
    def lost(self) -> str:
        """The reason why nothing can be stored, as far as that shows without trying; else ``""``.

        A commit meanwhile is refused, so it need only be asked when there is none.
        """

    def recent(self, limit: int) -> list[Event]:
        """Return the last ``limit`` events that can still be read, oldest first.

        ``limit`` 0 means all. Blocks: for the start only.

        :raises JournalError: if they can't be read.
        """

    def after(
        self, position: int, rooms: Sequence[str], upto: int, talk: bool
    ) -> Deferred[Stretch]:
        """Read on in some rooms: a bounded number of events with ``position < id <= upto``.

        Events for everybody or for one session are given too, whoever it is for.

        :param talk: only what was said and done in the rooms.
        """

    def locate(self, room: str, upto: int, most: int) -> Deferred[Found]:
        """Look for the last ``most`` things said or done in a room, up to an id."""

    def find(self, origin: int, seq: int) -> Deferred[Event | None]:
        """Find the event that a session has given a number; ``seq`` is above 0."""

    def prune(self, before: int) -> bool:
        """Forget a slice of the events older than ``before`` (milliseconds since 1970).

        The newest event stays, so that ids go on rising. Returns whether there is more to forget.
        """
