"""Drafts, events and facts, and the interface by which every journal commits and reads them.

A commit puts drafts in one order and makes them events. A fact holds from its commit on.
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
"""The kinds that are hidden from people who ignore the author. Renames, topics and announcements
of an operator are shown to them, too."""

FILE: Final = "node"
"""The kind of facts about one file, unknown to the other nodes of a cluster: the name of the node
(``""``), the id up to which nothing can be read (``floor``), and the doubt about its clock
(``clock``)."""

ROOM: Final = "room"
"""The kind of facts that rename a room whose old name is invalid now: ``name`` is the old name,
``value`` the new one. The commit that stores such a fact moves the room's past events to the new
name."""

HOUSE: Final = "@"
"""The room of events that are for everybody."""


def inbox(origin: int) -> str:
    """Return the name of the room whose events are for one session alone.

    No room of people has a name that begins with ``@``.
    """
    return f"@{origin:x}"


def is_hidden(kind: str, origin: int, hidden: Container[int]) -> bool:
    """Return whether an event is hidden from a reader who ignores the sessions in ``hidden``."""
    return origin in hidden and kind in PERSONAL


class Fact(NamedTuple):
    """Something that holds until it is changed: a topic, a ban, a mute, a lock.

    :ivar kind: together with :attr:`name`, identifies the fact that this one replaces.
    :ivar name: the person or thing that the fact is about.
    :ivar value: ``""`` if the fact ends here.
    """

    kind: str
    name: str
    value: str


def as_json(value: object) -> str:
    """Return a value as JSON, as it is stored in facts."""
    return msgspec.json.encode(value).decode()


class Draft(NamedTuple):
    """An event before its commit, without an id or a time.

    ``(origin, seq)`` identifies it: the session that made it, and that session's own counter.
    """

    room: str
    kind: str
    author: str
    text: str
    origin: Integer
    seq: Integer


class Event(NamedTuple):
    """Something that happened in a room, committed and immutable.

    :ivar id: its place in the one order of all rooms; ids rise with each commit.
    :ivar at: the time of the commit, in milliseconds since 1970, UTC.
    :ivar room: the name of a room, :data:`HOUSE`, or an :func:`inbox`.
    :ivar author: the name as it was shown. For :data:`JOINED` and :data:`LEFT`, one or more names,
        separated by spaces (a name has none).
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
    """The events and facts that a commit stored.

    :ivar events: in the order of their ids.
    :ivar facts: the facts that hold from this commit on.
    """

    events: Sequence[Event]
    facts: Sequence[Fact]


Facts = Callable[[Sequence[Event]], Sequence[Fact]]
"""Returns the facts of a commit, given its events with their ids."""


def no_facts(events: Sequence[Event]) -> Sequence[Fact]:
    """Return no facts: the commit stores events only."""
    return ()


class Revision(NamedTuple):
    """The changes to a file that was written by older rules, made before anything is read from it.

    :ivar facts: the facts that hold from now on, with the new names of rooms (:data:`.ROOM`).
    :ivar drafts: the events that announce the changes.
    """

    facts: Sequence[Fact]
    drafts: Sequence[Draft]


Revise = Callable[[Sequence[Fact], Callable[[], Iterable[str]]], "Revision | None"]
"""Returns the changes that a file needs, or None. It is given all facts, and a function that finds
the rooms with events. It raises :exc:`JournalError` if the file can't be used."""


class JournalError(Exception):
    """The error of a journal that can't be opened; ``str()`` is the reason in one sentence."""


class JournalUnavailable(Exception):
    """The error of a journal that can't be written or read right now; a retry may help."""


class Found(NamedTuple):
    """Talk of a room (kinds in :data:`TALK`), found by going backwards from an id.

    :ivar talk: the ids, kinds and origins of the events, the newest first.
    :ivar reached: every event after this id was examined; 0 if there is no earlier one.
    """

    talk: Sequence[tuple[int, str, int]]
    reached: int


class Stretch(NamedTuple):
    """Events that were read, and the id up to which the reading came.

    :ivar events: in the order of their ids.
    :ivar reached: every wanted event up to and including this id is among ``events`` or was
        given before.
    """

    events: Sequence[Event]
    reached: int


class Journal(Protocol):
    """An append-only, totally ordered log of events.

    :ivar largest: about the most characters that one commit should have; None for no limit.
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
        """The time of the last event, in milliseconds since 1970; 0 if it is not known.

        Times need not rise with ids, because a clock may be set back.
        """

    @property
    def floor(self) -> int:
        """The id up to which (inclusive) events were forgotten, or never stored."""

    @property
    def unbroken(self) -> int:
        """The id before which events may be missing among others."""

    def start(self) -> None:
        """Open the journal.

        :raises JournalError: if it can't be opened.
        """

    def stop(self) -> Deferred[None]:
        """Close the journal. Commit nothing afterwards."""

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        """Store the drafts as the next events, in this order, and the facts: all or none.

        :param facts: makes the facts from the events; may be called more than once.

        Begin the next commit only after the Deferred of this one has fired. It fires with the
        stored events and facts; show these before anything that is stored later. It fails with
        :exc:`JournalUnavailable` if nothing was stored, nor will be.
        """

    def note(self, name: str, value: str) -> Deferred[None]:
        """Store a fact of the kind :data:`.FILE`, for this file only; the value ``""`` deletes it.

        The Deferred fails with :exc:`JournalUnavailable` if it was not stored.
        """

    def facts(self) -> list[Fact]:
        """Return all facts that hold. Blocks: for the start only.

        :raises JournalError: if they can't be read.
        """

    def last_seq(self, origin: int) -> int:
        """Return the highest number (``seq``) that a program gave to its events; 0 if none.

        Numbers of programs are above 0. Blocks: for the start only.

        :raises JournalError: if it can't be read.
        """

    @property
    def size(self) -> int:
        """The size of the journal on the disk, in bytes."""

    def describe(self) -> str:
        """Return the place of the journal and the amount in it. Blocks: for the start only.

        :raises JournalError: if it can't be read.
        """

    @property
    def lost(self) -> str:
        """The reason why nothing can be stored, if it shows without a commit; else ``""``.

        A commit would be refused for that reason, so ask only while there is no commit.
        """

    def recent(self, limit: int) -> list[Event]:
        """Return the last ``limit`` events that can still be read, oldest first.

        ``limit`` 0 means all. Blocks: for the start only.

        :raises JournalError: if they can't be read.
        """

    def after(
        self, position: int, rooms: Sequence[str], upto: int, talk: bool
    ) -> Deferred[Stretch]:
        """Read a bounded number of events of some rooms, with ``position < id <= upto``.

        The result also has all events for everybody, and all for single sessions, whichever.

        :param talk: read only talk (:data:`TALK`) of the rooms.
        """

    def locate(self, room: str, upto: int, most: int) -> Deferred[Found]:
        """Find the ids of the last ``most`` events of talk in a room, up to and including an id."""

    def find(self, origin: int, seq: int) -> Deferred[Event | None]:
        """Return the event to which a session gave the number ``seq`` (above 0), or None."""

    def prune(self, before: int) -> bool:
        """Forget a slice of the events older than ``before`` (milliseconds since 1970).

        Keep the newest event, so that ids go on rising. Return whether there is more to forget.
        """
