"""How a tick's events reach those at the head.

A room keeps its members at the head in groups by what they see (:class:`.Room`). Each event is
rendered once for a group, the tick's events are joined into one blob, and every member of the group
gets that same blob in one send. The few who spoke get it without their own lines.

When a send falls short, the member leaves the head groups and is only a cursor (:mod:`.catchup`):
it holds no buffer, at most the rest of the line that was cut.

Events for everybody, or for one session, are delivered in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter

from twisted.logger import Logger

from chatservice.core.feed.catchup import taken
from chatservice.core.members import Cursor, Member
from chatservice.core.outlet import View
from chatservice.journal.events import HOUSE, PERSONAL, Event

StepBack = Callable[[Member, int], None]
"""Makes a member a cursor that reads on after an id (:meth:`.State.step_back`)."""

log = Logger()


def deliver(
    events: Sequence[Event],
    groups: Mapping[tuple[View, bool], Collection[Member]],
    step_back: StepBack,
) -> int:
    """Deliver a tick's events of one room to members at the head.

    An error with one group, or one member, is theirs alone: they step back to before the tick and
    read it as cursors.

    :param groups: those who see the same, by their view and whether the room is their current one.
    :returns: the number of sends.
    """
    before = events[0].id - 1
    sends = 0
    short: list[tuple[Member, int]] = []
    astray: list[Member] = []
    for (view, here), group in list(groups.items()):
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
                    shown = [
                        (event, view.own(event) if event.origin == member.origin else part)
                        for event, part in zip(events, parts, strict=True)
                        if not member.hides(event)
                    ]
                    short.append((member, taken(member.outlet, shown, sent, before)))
            except Exception:
                log.failure("showing somebody what happened failed")
                astray.append(member)
    for member, position in short:
        member.detach()
        member.cursor = Cursor(member, position)
    for member in astray:
        step_back(member, before)
    return sends


def deliver_addressed(
    here: Mapping[int, Member], room: str, events: Sequence[Event], step_back: StepBack
) -> int:
    """Deliver a tick's events of :data:`.HOUSE`, or of one inbox, to those at the head.

    :param here: all members, by origin.
    :returns: the number of sends.
    """
    if room == HOUSE:
        return _deliver_to(events, list(here.values()), step_back)
    sends = 0
    for origin in {event.origin for event in events}:
        author = here.get(origin)
        if author is not None and author.view.shows_own:
            # It is told that what it wrote is stored; not what others wrote there.
            sends += _deliver_to([e for e in events if e.origin == origin], [author], step_back)
    member = here.get(int(room[1:], 16))
    if member is not None:
        sends += _deliver_to(events, [member], step_back)
        # An event that was cut counts as shown; those after it are shown by the cursor.
        upto = events[-1].id if member.cursor is None else member.cursor.position
        heard = [e.origin for e in events if e.id <= upto and not member.hides(e)]
        if heard:
            member.correspondent = heard[-1]
    return sends


def _deliver_to(events: Sequence[Event], people: Sequence[Member], step_back: StepBack) -> int:
    groups: dict[tuple[View, bool], list[Member]] = {}
    for member in people:
        if member.cursor is None and not member.lost:
            groups.setdefault((member.view, True), []).append(member)
    return deliver(events, groups, step_back)


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
