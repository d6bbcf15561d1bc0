"""A piece of the talk in a room: the last things said before an id, or the first after one."""

from __future__ import annotations

from collections import deque
from collections.abc import Set
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred

from chatservice.core.answers import others_turn
from chatservice.core.feed.history import Past, Search
from chatservice.journal.events import Event, Stretch, is_hidden

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


async def talk_before(past: Past, room: str, before: int, limit: int, hidden: Set[int]) -> Talk:
    """Read the last ``limit`` things said in a room before an id, and not by who is hidden.

    It is read as a part of an answer (:data:`.answers.Making`): others have their turns between.

    :raises JournalUnavailable: if it can't be read now.
    """
    upto = min(before - 1, past.head)
    search = Search(past, room, upto, limit + 1, hidden)
    while not search.done:
        step = search.go_on()
        if step is not None:
            await step
        elif not search.done:
            await others_turn()
    kept: deque[Event] = deque()
    size = 0
    more = search.length > limit
    position = search.position()
    while position < upto:
        stretch = await _read(past, room, position, upto)
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
            await others_turn()
    return Talk(list(kept), more, gap=past.start > 0 and not more and len(kept) < limit)


async def talk_after(past: Past, room: str, after: int, limit: int, hidden: Set[int]) -> Talk:
    """Read the first ``limit`` things said in a room after an id, and not by who is hidden.

    It is read as :func:`talk_before` is.

    :raises JournalUnavailable: if it can't be read now.
    """
    start = past.start
    kept: list[Event] = []
    size = 0
    position, upto = max(after, start), past.head
    more = False
    while position < upto and not more:
        stretch = await _read(past, room, position, upto)
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
            await others_turn()
    return Talk(kept, more, gap=after < start)


async def _read(past: Past, room: str, position: int, upto: int) -> Stretch:
    stretch = past.read(position, [room], upto, talk=True)
    return await stretch if isinstance(stretch, Deferred) else stretch
