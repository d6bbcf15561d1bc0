"""What was said in a room, as one piece: the last things before an id, or the first after one."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Set
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred

from chatservice.core.feed.history import Past, Search
from chatservice.journal.base import Stretch
from chatservice.journal.events import Event, is_hidden

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


Reading = Generator[bytes | Deferred[Any], Any, Talk]
"""Reads a piece, as a part of an answer (:data:`.answers.Pieces`): with ``b""``, others have their
turn before it looks at more."""


def talk_before(past: Past, room: str, before: int, limit: int, hidden: Set[int]) -> Reading:
    """Read the last ``limit`` things said in a room before an id, and not by who is hidden.

    The reading fails with :exc:`.JournalUnavailable`.
    """
    upto = min(before - 1, past.head)
    search = Search(past, room, upto, limit + 1, hidden)
    while not search.done:
        step = search.go_on()
        if step is not None:
            yield step
        elif not search.done:
            yield b""
    kept: deque[Event] = deque()
    size = 0
    more = search.length > limit
    position = search.position()
    while position < upto:
        stretch = yield from _read(past, room, position, upto)
        for event in stretch.events:
            if not search.hides(event):
                kept.append(event)
                size += len(event.text)
        # At once: the rest of so much talk may be many times as long.
        while len(kept) > limit or (size > CHARACTERS_MOST and len(kept) > 1):
            size -= len(kept.popleft().text)
            more = True
        position = search.position(stretch.reached)
        if position < upto:
            yield b""
    return Talk(list(kept), more, gap=past.start > 0 and not more and len(kept) < limit)


def talk_after(past: Past, room: str, after: int, limit: int, hidden: Set[int]) -> Reading:
    """Read the first ``limit`` things said in a room after an id, and not by who is hidden.

    The reading fails with :exc:`.JournalUnavailable`.
    """
    start = past.start
    kept: list[Event] = []
    size = 0
    position, upto = max(after, start), past.head
    more = False
    while position < upto and not more:
        stretch = yield from _read(past, room, position, upto)
        for event in stretch.events:
            if is_hidden(event.kind, event.origin, hidden):
                continue
            size += len(event.text)
            more = len(kept) == limit or (size > CHARACTERS_MOST and bool(kept))
            if more:
                break
            kept.append(event)
        position = stretch.reached
        if position < upto and not more:
            yield b""
    return Talk(kept, more, gap=after < start)


def _read(
    past: Past, room: str, position: int, upto: int
) -> Generator[Deferred[Stretch], Any, Stretch]:
    stretch = past.read(position, [room], upto, talk=True)
    if isinstance(stretch, Deferred):
        read: Stretch = yield stretch
        return read
    return stretch
