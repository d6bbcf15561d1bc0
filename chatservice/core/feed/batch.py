"""A batch: all that waits for the next commit, room by room."""

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
    """Members who join, or leave, a room in one tick: one event for all of them.

    10,000 people who come back after a restart are then told of in one line, not in 10⁸.

    :ivar seq: the identity of the event, with the house as its origin.
    """

    kind: str
    room: str
    seq: int
    words: str = ""
    names: list[str] = field(default_factory=list)
    memberships: list[Membership] = field(default_factory=list)

    def add(self, membership: Membership) -> None:
        """Let a member join, or leave, with the others."""
        self.names.append(membership.member.name)
        self.memberships.append(membership)

    def split(self, event: Event) -> tuple[Presence, Presence | None]:
        """Return who is shown in the event that became of it, and who is not, if anybody is not."""
        if event.author == " ".join(self.names):
            return self, None
        shown = set(event.author.split(" "))
        there, missing = (Presence(self.kind, self.room, self.seq) for _ in range(2))
        for name, membership in zip(self.names, self.memberships, strict=True):
            (there if name in shown else missing).memberships.append(membership)
        return there, missing

    def draft(self, origin: int) -> Draft:
        """Return the event of all of them."""
        return Draft(self.room, self.kind, " ".join(self.names), self.words, origin, self.seq)


def reworded(draft: Draft, author: str) -> Draft:
    """Return what is told under another name. A change of name before that is void."""
    if draft.kind == RENAMED:
        return draft._replace(author=author, text=author)
    return draft._replace(author=author)


@dataclass(slots=True, eq=False)
class _RoomBatch:
    """The drafts of one room, with who joins at first and who leaves at last.

    So nobody speaks before they are shown to join, or after they are shown to leave. Where that
    order would lie (somebody comes back in the same tick, or somebody else under the same name),
    the batch is sealed: later drafts stay behind those that are there.

    :ivar left: the origins of the members in ``leaves``, and the keys of their names.
    """

    drafts: list[Draft | Presence] = field(default_factory=list)
    start: int = 0
    joins: Presence | None = None
    leaves: Presence | None = None
    left: set[int | str] = field(default_factory=set)

    def add_sealed(self, entry: Draft | Presence) -> None:
        """Add what stays behind all that is there, and in front of all that comes later."""
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
    """All that is committed together. It waits, and is closed when the commit begins.

    :ivar origin: the house itself, as the origin of who comes and goes.
    :ivar seq: the number of who came or went last; the next one is less by one.
    :ivar held: the facts that hold from then on, but for records.
    :ivar then: to be called when it is committed.
    :ivar count: how many things wait.
    :ivar size: how many characters they have.
    :ivar drafts: room by room, once it is closed.
    :ivar presences: those who come and go in the drafts, by ``seq``.
    :ivar records: those that have changed: their names then, and whether they are here. Should it
        be refused at first, what is asked for later is not to be stored before what tells of it.
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
        """Add what a member said or did."""
        self._room(draft.room, len(draft.text)).drafts.append(draft)

    def hold(self, *facts: Fact) -> None:
        """Add facts that hold once this is committed."""
        self.held += facts
        self.count += len(facts)
        self.size += sum(len(fact.value) for fact in facts)

    def note(self, record: Record) -> None:
        """Have a record stored as it will be then."""
        if record not in self._noted:
            self._noted[record] = None
            self.count += 1

    def rename(self, draft: Draft) -> None:
        """Add a change of name."""
        self._room(draft.room, len(draft.text)).add_sealed(draft)

    def reword(self, origin: int, author: str) -> None:
        """Have what somebody said, and waits, told under another name."""
        for room in self._rooms.values():
            room.drafts = [
                reworded(entry, author)
                if isinstance(entry, Draft) and entry.origin == origin
                else entry
                for entry in room.drafts
            ]

    def join(self, membership: Membership) -> None:
        """Add a member who comes into a room."""
        room = self._room(membership.room.name, 0)
        if room.left and not room.left.isdisjoint(_who(membership)):
            room.seal()
        if room.joins is None:
            room.joins = self._presence(JOINED, membership)
            room.drafts.insert(room.start, room.joins)
        room.joins.add(membership)

    def leave(self, membership: Membership, words: str = "") -> None:
        """Add a member who leaves a room; with parting words it is an event of its own."""
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
        # Numbers above 0 are those that a program gives to its own words.
        self.seq -= 1
        return Presence(kind, membership.room.name, self.seq, words)

    def close(self) -> None:
        """Make the drafts of what was added; nothing is added from now on."""
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
        """Return what holds once these are the events of the drafts."""
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
    # A session that left and came back is another member, with the same origin.
    member = membership.member
    return member.origin, names.key(member.name)
