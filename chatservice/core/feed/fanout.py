"""A room: its members, and how a tick's events reach those at the head.

A room keeps its members at the head in groups by what they see. Each event is rendered once for a
group, the tick's events are joined into one blob, and every member of the group gets that same blob
in one send. The few who spoke get it without their own lines.

When a send falls short, the member leaves the head groups and is only a cursor (:mod:`.catchup`):
it holds no buffer, at most the rest of the line that was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain, compress
from operator import itemgetter

from twisted.logger import Logger

from chatservice.core.feed.catchup import Cursor, taken
from chatservice.core.members import Member
from chatservice.core.outlet import View
from chatservice.core.sessions import Reading
from chatservice.journal.events import JOINED, PERSONAL, Event

StepBack = Callable[[Member, int], None]
"""Makes a member a cursor that reads on after an id (:meth:`.House.step_back`)."""

log = Logger()


class Membership:
    """A member in a room, from one event to another.

    :ivar since: the id of the event that told of the joining; None while it waits for its commit.
    :ivar until: the id of the event that told of the leaving; None until then.
    :ivar leaving: the leaving waits for its commit.
    :ivar kept: who leaves does so with all rooms at once, and may come back to them.
    """

    __slots__ = ("kept", "leaving", "member", "room", "since", "until")

    def __init__(self, member: Member, room: Room) -> None:
        self.member = member
        self.room = room
        self.since: int | None = None
        self.until: int | None = None
        self.leaving = False
        self.kept = False

    def covers(self, event: Event) -> bool:
        """Tell whether an event happened in the room while the member was in it."""
        return (
            event.room == self.room.name
            and self.since is not None
            and self.since < event.id
            and (self.until is None or event.id < self.until)
        )

    def moved(self, kind: str, id: int, reading: Reading) -> Reading:
        """Return what is for a session once its joining or leaving is the event of that id."""
        if kind == JOINED:
            return reading.joined(self.room.name, id)
        return reading if self.kept else reading.left(self.room.name, id)

    def attach(self) -> None:
        """Enter the head group, if the joining is committed."""
        if self.since is not None:
            self.room.head.setdefault(self._group(), {})[self.member] = None

    def detach(self) -> None:
        """Leave the head group."""
        key = self._group()
        group = self.room.head.get(key)
        if group is not None and self.member in group:
            del group[self.member]
            if not group:
                del self.room.head[key]

    def _group(self) -> tuple[View, bool]:
        # Not whether this membership is the current one: somebody who left the room and came back
        # has two for a moment.
        current = self.member.current
        return self.member.view, current is not None and current.room is self.room


class Room:
    """Those who are in a room.

    :ivar members: who is in, in the order of their coming.
    :ivar head: those who read at the head, by view and by whether the room is their current one.
    :ivar population: how many are in, or about to be.
    :ivar made_from: the address that it counts for; ``""`` if for none.
    """

    __slots__ = ("head", "made_from", "members", "name", "population")

    def __init__(self, name: str, made_from: str = "") -> None:
        self.name = name
        self.made_from = made_from
        self.members: dict[Member, None] = {}
        self.head: dict[tuple[View, bool], dict[Member, None]] = {}
        self.population = 0

    def deliver(self, events: Sequence[Event], step_back: StepBack) -> int:
        """Give a tick's events of this room to everyone at the head; see :func:`deliver`."""
        groups = [(view, here, group) for (view, here), group in self.head.items()]
        return deliver(events, groups, step_back)


def over(member: Member, room: str, since: int, until: int) -> Membership:
    """Return what a member was in, and has left."""
    membership = Membership(member, Room(room))
    membership.since, membership.until, membership.leaving = since, until, True
    return membership


def reads(member: Member, room: str, until: int) -> bool:
    """Tell whether a member, that was connected already, still reads a period."""
    return any(m.room.name == room and m.until == until for m in member.memberships)


def deliver(
    events: Sequence[Event],
    groups: Iterable[tuple[View, bool, Collection[Member]]],
    step_back: StepBack,
) -> int:
    """Deliver a tick's events of one room to members at the head.

    What goes wrong for one group, or one member, is theirs alone: they step back to before the
    tick and read it as cursors.

    :param groups: who sees the same, each with its view and whether the room is their current one.
    :returns: the number of sends.
    """
    before = events[0].id - 1
    sends = 0
    short: list[tuple[Member, int]] = []
    astray: list[Member] = []
    for view, here, group in groups:
        personal: dict[int, list[_Span]] | None = None
        try:
            parts = [view.event(event, here) for event in events]
            blob = b"".join(parts)
            spans = _spans(events, parts)
        except Exception:
            log.failure("showing what happened failed")
            astray += group
            continue
        sends += len(group)
        for member in group:
            try:
                cut = spans.get(member.origin)
                if member.hidden:
                    if personal is None:
                        personal = _spans(events, parts, PERSONAL)
                    # Of those who spoke, which may be fewer than those whom one ignores.
                    hidden = (
                        [(start, end, ()) for start, end, _ in own]
                        for origin, own in personal.items()
                        if origin in member.hidden
                    )
                    cut = sorted(chain(cut or (), *hidden), key=itemgetter(0, 1))
                seen = _without(blob, cut, view) if cut else blob
                sent = member.outlet.send(seen)
                if sent < len(seen):
                    kept = [not member.hides(event) for event in events]
                    mine = [
                        view.own(event) if event.origin == member.origin else part
                        for event, part in zip(events, parts, strict=True)
                    ]
                    shown = list(compress(events, kept)), list(compress(mine, kept))
                    short.append((member, taken(member.outlet, *shown, sent, before)))
            except Exception:
                log.failure("showing somebody what happened failed")
                astray.append(member)
    for member, position in short:
        member.detach()
        member.cursor = Cursor(member, position)
    for member in astray:
        step_back(member, before)
    return sends


_Span = tuple[int, int, Sequence[Event]]
"""From where to where something is to be cut out of a blob, and the reader's own in its place."""


def _spans(
    events: Sequence[Event], parts: Sequence[bytes], kinds: Collection[str] = ()
) -> dict[int, list[_Span]]:
    """Tell where in the blob each author's lines are; those side by side are one span.

    :param kinds: of which they are; of any, if none are given.
    """
    spans: dict[int, list[_Span]] = {}
    end = 0
    for event, part in zip(events, parts, strict=True):
        start, end = end, end + len(part)
        if kinds and event.kind not in kinds:
            continue
        own = spans.setdefault(event.origin, [])
        mine = [event]
        if own and own[-1][1] == start:
            start, _, before = own.pop()
            mine = [*before, event]
        own.append((start, end, mine))
    return spans


def _without(blob: bytes, spans: Iterable[_Span], view: View) -> bytes:
    """Cut spans, of which each is behind the one before, out of a blob."""
    pieces = []
    at = 0
    for start, end, own in spans:
        pieces.append(blob[at:start])
        pieces += map(view.own, own)
        at = end
    pieces.append(blob[at:])
    return b"".join(pieces)
