"""What was said in a room, as one piece: the last things before an id, or the first after one."""

from __future__ import annotations

from collections import deque
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
    kept: deque[Event] = deque()
    size = 0
    position = max(found.position, past.start) if found.length else upto
    more = found.length > limit
    while position < upto:
        stretch: Stretch = yield maybeDeferred(past.read, position, [room], upto, True)
        kept += stretch.events
        size += sum(len(event.text) for event in stretch.events)
        position = stretch.reached
        # At once: the rest of so much talk may be many times as long.
        while len(kept) > limit or (size > CHARACTERS_MOST and len(kept) > 1):
            size -= len(kept.popleft().text)
            more = True
    return Talk(list(kept), more, gap=past.start > 0 and not more and len(kept) < limit)


@inlineCallbacks
def talk_after(
    past: Past, room: str, after: int, limit: int
) -> Generator[Deferred[Any], Any, Talk]:
    """Read the first ``limit`` things said in a room after an id.

    The Deferred fails with :exc:`.JournalUnavailable`.
    """
    start = past.start
    kept: list[Event] = []
    size = 0
    position, upto = max(after, start), past.head
    more = False
    while position < upto and not more:
        stretch: Stretch = yield maybeDeferred(past.read, position, [room], upto, True)
        for event in stretch.events:
            size += len(event.text)
            more = len(kept) == limit or (size > CHARACTERS_MOST and bool(kept))
            if more:
                break
            kept.append(event)
        position = stretch.reached
    return Talk(kept, more, gap=after < start)
