"""Fan-out: delivery of a tick's events to members at the head.

A room keeps its members at the head in groups with the same view (:class:`.Room`). Each event is
rendered once for a group, the tick's events are joined into one blob, and every member of the group
gets that blob in one send. The few authors get it without their own lines.

When a send falls short, the member leaves the head groups and becomes a cursor (:mod:`.catchup`).
It needs no buffer, except for the rest of the cut line.

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
"""Makes a member a cursor after an id (:meth:`.State.step_back`)."""

log = Logger()


def deliver(
    events: Sequence[Event],
    groups: Mapping[tuple[View, bool], Collection[Member]],
    step_back: StepBack,
) -> int:
    """Deliver a tick's events of one room to members at the head.

    An error with one group, or one member, affects no others: these members become cursors before
    the tick and read it again.

    :param groups: members with the same view, by view and by whether the room is their current one.
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
            log.failure("rendering events for a group failed")
            astray += group
            continue
        sends += len(group)
        for member in group:
            try:
                cut = spans.get(member.origin)
                if member.hidden:
                    if personal is None:
                        personal = _spans(events, parts, PERSONAL)
                    # Go through the authors, who may be fewer than the sessions it ignores.
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
                log.failure("delivering events to a member failed")
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
    """Deliver a tick's events of :data:`.HOUSE`, or of one inbox, to members at the head.

    :param here: all members, by origin.
    :returns: the number of sends.
    """
    if room == HOUSE:
        return _deliver_to(events, list(here.values()), step_back)
    sends = 0
    for origin in {event.origin for event in events}:
        author = here.get(origin)
        if author is not None and author.view.shows_own:
            # The author gets receipts of its own lines, and nothing that others wrote there.
            sends += _deliver_to([e for e in events if e.origin == origin], [author], step_back)
    member = here.get(int(room[1:], 16))
    if member is not None:
        sends += _deliver_to(events, [member], step_back)
        # A cut event counts as shown; the cursor shows the ones after it.
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
"""The start and end of a cut in a blob, and the reader's own events to put there instead."""


def _spans(
    events: Sequence[Event], parts: Sequence[bytes], kinds: Collection[str] = ()
) -> dict[int, list[_Span]]:
    """Return the spans of each author's events in the blob, by origin; adjacent ones are joined.

    :param kinds: the kinds of events to include; all, if empty.
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
    """Return a blob without some spans, which are in order, and with own events in their place."""
    pieces = []
    at = 0
    for start, end, own in spans:
        pieces.append(blob[at:start])
        pieces += map(view.own, own)
        at = end
    pieces.append(blob[at:])
    return b"".join(pieces)
