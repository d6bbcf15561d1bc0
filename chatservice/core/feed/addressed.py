"""What is not said in a room: it is for everybody, or for one session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chatservice.core.feed.fanout import StepBack, deliver
from chatservice.core.members import Member
from chatservice.core.outlet import View
from chatservice.journal.events import HOUSE, Event


def deliver_addressed(
    here: Mapping[int, Member], room: str, events: Sequence[Event], step_back: StepBack
) -> int:
    """Deliver a tick's events of :data:`.HOUSE`, or of one inbox, to those at the head.

    :param here: all members, by origin.
    :returns: the number of sends.
    """
    if room == HOUSE:
        return _deliver(events, list(here.values()), step_back)
    sends = 0
    for origin in {event.origin for event in events}:
        author = here.get(origin)
        if author is not None and author.view.shows_own:
            # It is told that what it wrote is stored; not what others wrote there.
            written = [event for event in events if event.origin == origin]
            sends += _deliver(written, [author], step_back)
    member = here.get(int(room[1:], 16))
    if member is not None:
        sends += _deliver(events, [member], step_back)
        # What was cut counts as shown; what comes after it is shown by the cursor.
        upto = events[-1].id if member.cursor is None else member.cursor.position
        heard = [e.origin for e in events if e.id <= upto and not member.hides(e)]
        if heard:
            member.correspondent = heard[-1]
    return sends


def _deliver(events: Sequence[Event], people: Sequence[Member], step_back: StepBack) -> int:
    groups: dict[View, list[Member]] = {}
    for member in people:
        if member.cursor is None and not member.lost:
            groups.setdefault(member.view, []).append(member)
    return deliver(events, [(view, True, group) for view, group in groups.items()], step_back)
