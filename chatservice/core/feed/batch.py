"""A batch: all drafts and facts that wait for the next commit, room by room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chatservice.core.members import Membership
from chatservice.core.sessions import Record
from chatservice.journal.events import JOINED, LEFT, RENAMED, Draft, Event, Fact
from chatservice.text import names


@dataclass(slots=True, eq=False)
class Presence:
    """Members who join, or leave, one room in one tick, with one event for all of them.

    So when 10,000 people return after a restart, each reads one line, not 10,000.

    :ivar seq: the number of the event; with the origin of the house, its identity.
    """

    kind: str
    room: str
    seq: int
    words: str = ""
    names: list[str] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)

    def add(self, membership: Membership) -> None:
        """Add a member that joins, or leaves, with the others."""
        self.names.append(membership.member.name)
        self.memberships.append(membership)

    def split(self, event: Event) -> tuple[Presence, Presence | None]:
        """Return the members that the committed event names, and those it leaves out, or None."""
        if event.author == " ".join(self.names):
            return self, None
        shown = set(event.author.split(" "))
        there, missing = (Presence(self.kind, self.room, self.seq) for _ in range(2))
        for name, membership in zip(self.names, self.memberships, strict=True):
            (there if name in shown else missing).memberships.append(membership)
        return there, missing

    def draft(self, origin: int) -> Draft:
        """Return the draft of one event for all of them."""
        return Draft(self.room, self.kind, " ".join(self.names), self.words, origin, self.seq)


def reworded(draft: Draft, author: str) -> Draft:
    """Return a draft under another author's name. A draft of a rename becomes void by this."""
    if draft.kind == RENAMED:
        return draft._replace(author=author, text=author)
    return draft._replace(author=author)


@dataclass(slots=True, eq=False)
class _RoomBatch:
    """The drafts of one room: joins first, then the others, then leaves.

    So nobody is shown speaking before they join, or after they leave. Where that order would be
    false (a member, or another one with its name, comes back in the same tick), the batch is
    *sealed*: later drafts stay behind the present ones.

    :ivar start: the index after the sealed drafts.
    :ivar left: the origins of the members in ``leaves``, and the keys of their names.
    """

    drafts: list[Draft | Presence] = field(default_factory=list)
    start: int = 0
    joins: Presence | None = None
    leaves: Presence | None = None
    left: set[int | str] = field(default_factory=set)

    def add_sealed(self, entry: Draft | Presence) -> None:
        """Add an entry behind all present ones and in front of all later ones."""
        self.seal()
        self.drafts.append(entry)
        self.seal()

    def seal(self) -> None:
        if self.leaves is not None:
            self.drafts.append(self.leaves)
        self.joins = self.leaves = None
        self.left.clear()
        self.start = len(self.drafts)


class Batch:
    """All drafts and facts of one commit. A batch is closed when its commit begins.

    :ivar origin: the origin of join and leave events.
    :ivar seq: the number of the last join or leave event; the next one is one less.
    :ivar held: the facts to commit, except records.
    :ivar then: functions to call after the commit.
    :ivar count: the number of drafts, joins, leaves, facts and records that wait.
    :ivar size: the number of their characters.
    :ivar drafts: the drafts, room by room, once the batch is closed.
    :ivar presences: the joins and leaves among the drafts, by ``seq``.
    :ivar records: the changed records, with name and ``here`` at closing. These are kept for
        retries, so that no later change is stored before its event.
    """

    def __init__(self, origin: int, seq: int = 0) -> None:
        self.origin = origin
        self.seq = seq
        self.held: list[Fact] = []
        self.then: list[Callable[[], None]] = []
        self.count = 0
        self.size = 0
        self.drafts: list[Draft] = []
        self.presences: dict[int, Presence] = {}
        self.records: dict[Record, tuple[str, bool]] = {}
        self._rooms: defaultdict[str, _RoomBatch] = defaultdict(_RoomBatch)
        self._noted: dict[Record, None] = {}

    def add(self, draft: Draft) -> None:
        """Add an event by a member."""
        self._room(draft.room, len(draft.text)).drafts.append(draft)

    def hold(self, *facts: Fact) -> None:
        """Add facts that hold after the commit."""
        self.held += facts
        self.count += len(facts)
        self.size += sum(len(fact.value) for fact in facts)

    def note(self, record: Record) -> None:
        """Add a record, to be stored as it is at the commit."""
        if record not in self._noted:
            self._noted[record] = None
            self.count += 1

    def rename(self, draft: Draft) -> None:
        """Add a rename event, which keeps its place among the drafts."""
        self._room(draft.room, len(draft.text)).add_sealed(draft)

    def reword(self, origin: int, author: str) -> None:
        """Change the author's name in the waiting drafts of an origin."""
        for room in self._rooms.values():
            room.drafts = [
                reworded(entry, author)
                if isinstance(entry, Draft) and entry.origin == origin
                else entry
                for entry in room.drafts
            ]

    def join(self, membership: Membership) -> None:
        """Add the join of a member."""
        room = self._room(membership.room.name, 0)
        if room.left and not room.left.isdisjoint(_who(membership)):
            room.seal()
        if room.joins is None:
            room.joins = self._presence(JOINED, membership)
            room.drafts.insert(room.start, room.joins)
        room.joins.add(membership)

    def leave(self, membership: Membership, words: str = "") -> None:
        """Add the leave of a member; with parting words it is an event of its own."""
        room = self._room(membership.room.name, len(words))
        if words:
            parting = self._presence(LEFT, membership, words)
            parting.add(membership)
            room.add_sealed(parting)
            return
        if room.leaves is None:
            room.leaves = self._presence(LEFT, membership)
        room.leaves.add(membership)
        room.left.update(_who(membership))

    def _room(self, name: str, size: int) -> _RoomBatch:
        self.count += 1
        self.size += size
        return self._rooms[name]

    def _presence(self, kind: str, membership: Membership, words: str = "") -> Presence:
        # Numbers above 0 are for lines that a program has numbered.
        self.seq -= 1
        return Presence(kind, membership.room.name, self.seq, words)

    def close(self) -> None:
        """Make the list of drafts. Add nothing after this."""
        for room in self._rooms.values():
            room.seal()
            for entry in room.drafts:
                if isinstance(entry, Presence):
                    self.presences[entry.seq] = entry
                    entry = entry.draft(self.origin)
                self.drafts.append(entry)
        for presence in self.presences.values():
            moving = (membership.member.record for membership in presence.memberships)
            self._noted |= {record: None for record in moving if record is not None}
        self.records = {r: (r.name, r.here) for r in self._noted if not r.dropped}

    def facts(self, events: Sequence[Event]) -> list[Fact]:
        """Return the facts of the commit, given the events that the drafts became."""
        changed = {record: record.reading for record in self.records}
        for event in events if self.presences else ():
            if event.origin == self.origin:
                presence = self.presences[event.seq]
                for membership in presence.memberships:
                    record = membership.member.record
                    if record is not None and record in changed:
                        changed[record] = membership.moved(presence.kind, event.id, changed[record])
        return self.held + [
            record.fact(reading, *self.records[record]) for record, reading in changed.items()
        ]


def _who(membership: Membership) -> tuple[int, str]:
    # A session that left and came back is a new member with the same origin.
    member = membership.member
    return member.origin, names.key(member.name)
