"""What was said in a room, as one piece: the last things before an id, or the first after one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred

from chatservice.chat.past import Past
from chatservice.journal.base import Found, Stretch
from chatservice.journal.events import Event

CHARACTERS_MOST: Final = 256 << 10
"""A piece ends before it has more characters than this; but for one event it may."""


class Talk(NamedTuple):
    """A piece of what was said.

    :ivar events: in the order of their ids.
    :ivar more: there is more in the direction in which it was looked.
    :ivar gap: some of what was asked for was forgotten.
    """

    events: list[Event]
    more: bool
    gap: bool


@inlineCallbacks
def talk_before(
    past: Past, room: str, before: int, limit: int
) -> Generator[Deferred[Any], Any, Talk]:
    """Read the last ``limit`` things said in a room before an id.

    The Deferred fails with :exc:`.JournalUnavailable`.
    """
    upto = min(before - 1, past.head)
    found: Found = yield maybeDeferred(past.locate, room, upto, limit + 1)
    events: list[Event] = []
    if found.length:
        events = yield _read(past, room, max(found.position, past.start), upto, limit + 1)
    kept = events[-limit:]
    size = 0
    for count, event in enumerate(reversed(kept)):
        size += len(event.text)
        if size > CHARACTERS_MOST and count:
            kept = kept[-count:]
            break
    more = len(kept) < len(events)
    return Talk(kept, more, gap=past.start > 0 and not more and len(kept) < limit)


@inlineCallbacks
def talk_after(
    past: Past, room: str, after: int, limit: int
) -> Generator[Deferred[Any], Any, Talk]:
    """Read the first ``limit`` things said in a room after an id.

    The Deferred fails with :exc:`.JournalUnavailable`.
    """
    start = past.start
    events = yield _read(past, room, max(after, start), past.head, limit + 1)
    kept = events[:limit]
    size = 0
    for count, event in enumerate(kept):
        size += len(event.text)
        if size > CHARACTERS_MOST and count:
            kept = kept[:count]
            break
    return Talk(kept, more=len(kept) < len(events), gap=after < start)


@inlineCallbacks
def _read(
    past: Past, room: str, position: int, upto: int, limit: int
) -> Generator[Deferred[Any], Any, list[Event]]:
    events: list[Event] = []
    while position < upto and len(events) < limit:
        stretch: Stretch = yield maybeDeferred(past.read, position, [room], upto, True)
        events += stretch.events
        position = stretch.reached
    return events[:limit]
