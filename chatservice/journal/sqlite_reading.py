"""Reading a journal's SQLite file in a thread, with a cache of the last stretches read.

Readers that catch up are often near each other: they stopped together, or a room came back after a
restart. The cache serves the next reader of a stretch without reading the file again.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred

from chatservice.journal.events import Event, Fact, Found, JournalUnavailable, Stretch
from chatservice.journal.sqlite_schema import (
    ADDRESSED_ONLY,
    NUMBERED_ONLY,
    REST_ONLY,
    TALK_ONLY,
    facts_of,
)

READ_EVENTS: Final = 512
READ_CHARACTERS: Final = 64 << 10
"""The most events of one reading; it also ends once it has more characters than the second."""
LONG_TURN: Final = 4
"""One in this many readings goes to catch-up, even while look-ups wait."""
KEPT: Final = 16
"""The number of stretches in the cache."""

_T = TypeVar("_T")
_id = attrgetter("id")

InThread = Callable[..., Deferred[Any]]
"""Runs a call in another thread, like :func:`twisted.internet.threads.deferToThread`."""


def _among(column: str, values: Sequence[object]) -> str:
    return f"{column} IN ({', '.join('?' * len(values))})"


class SqliteReading:
    """The part of a :class:`.Journal` that reads its file, on a connection of its own.

    Readings run one at a time.

    :param in_thread: runs a reading in a thread.
    """

    _connection: sqlite3.Connection

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        # Rooms, whether only talk was read, the id before the stretch, and the stretch.
        self._kept: deque[tuple[tuple[str, ...], bool, int, Stretch]] = deque(maxlen=KEPT)
        self._quick: deque[Deferred[None]] = deque()
        self._long: deque[Deferred[None]] = deque()
        self._turns = 0
        self._busy = self._going_on = False

    def after(
        self, position: int, rooms: Sequence[str], upto: int, talk: bool
    ) -> Deferred[Stretch]:
        """See :meth:`.Journal.after`."""
        return Deferred.fromCoroutine(self._read_on(position, tuple(rooms), upto, talk))

    def locate(self, room: str, upto: int, most: int) -> Deferred[Found]:
        """See :meth:`.Journal.locate`."""
        return Deferred.fromCoroutine(self._look_up(self._locate, room, upto, most))

    def find(self, origin: int, seq: int) -> Deferred[Event | None]:
        """See :meth:`.Journal.find`."""
        return Deferred.fromCoroutine(self._look_up(self._find, origin, seq))

    def facts_later(self) -> Deferred[list[Fact]]:
        """Return all facts that hold, read in the thread."""
        return Deferred.fromCoroutine(self._look_up(facts_of, self._connection))

    async def _read_on(
        self, position: int, rooms: tuple[str, ...], upto: int, talk: bool
    ) -> Stretch:
        kept = self._keeps(position, rooms, upto, talk)
        if kept is not None:
            return kept
        # Catch-up takes many readings; a look-up waits for one answer.
        async with self._turn(self._quick if talk else self._long):
            # An earlier reader in the queue may have read the same stretch.
            kept = self._keeps(position, rooms, upto, talk)
            if kept is None:
                kept = await self._read(self._after, position, rooms, upto, talk)
                self._kept.append((rooms, talk, position, kept))
        return kept

    def _keeps(
        self, position: int, rooms: tuple[str, ...], upto: int, talk: bool
    ) -> Stretch | None:
        for *read, start, (events, reached) in self._kept:
            if read == [rooms, talk] and start <= position < reached:
                first = bisect_right(events, position, key=_id)
                last = bisect_right(events, upto, key=_id)
                return Stretch(events[first:last], min(reached, upto))
        return None

    def _after(self, position: int, rooms: tuple[str, ...], upto: int, talk: bool) -> Stretch:
        if talk:
            chosen = f"{_among('room', rooms)} AND {TALK_ONLY} AND id > ? AND id <= ?"
            values: Sequence[object] = (*rooms, position, upto)
        else:
            values = self._ids(rooms, position, upto)
            chosen = _among("id", values)
        cursor = self._connection.execute(
            f"SELECT * FROM events WHERE {chosen} ORDER BY id LIMIT {READ_EVENTS}", values
        )
        events: list[Event] = []
        reached = upto
        characters = 0
        for row in cursor:
            events.append(Event(*row))
            characters += len(events[-1].text) + len(events[-1].author)
            if characters > READ_CHARACTERS or len(events) == READ_EVENTS:
                cursor.close()
                reached = events[-1].id
                break
        return Stretch(events, reached)

    def _ids(self, rooms: Sequence[str], position: int, upto: int) -> list[int]:
        """Return the ids of the next events, at most :data:`READ_EVENTS`, by indexes alone.

        Indexes skip the events of other rooms. So a reading takes a short time, however many of
        them lie between, and the next reading need not wait long.
        """
        # Events for all sessions are included, so that readers of the same rooms share a reading.
        places: list[tuple[str, tuple[str, ...]]] = [(f"addressed WHERE {ADDRESSED_ONLY}", ())]
        places += [(f"talk WHERE room = ? AND {TALK_ONLY}", (room,)) for room in rooms]
        places += [(f"rest WHERE room = ? AND {REST_ONLY}", (room,)) for room in rooms]
        found: list[int] = []
        for place, values in places:
            rows = self._connection.execute(
                f"SELECT id FROM events INDEXED BY {place} AND id > ? AND id <= ? "
                f"ORDER BY id LIMIT {READ_EVENTS}",
                (*values, position, upto),
            )
            found = sorted([*found, *(id for (id,) in rows)])[:READ_EVENTS]
            if len(found) == READ_EVENTS:
                upto = found[-1]
        return found

    def _locate(self, room: str, upto: int, most: int) -> Found:
        talk = self._connection.execute(
            "SELECT id, kind, origin FROM events WHERE room = ? AND id <= ? "
            f"AND {TALK_ONLY} ORDER BY id DESC LIMIT ?",
            (room, upto, most),
        ).fetchall()
        return Found(talk, 0 if len(talk) < most else talk[-1][0] - 1)

    def _find(self, origin: int, seq: int) -> Event | None:
        row = self._connection.execute(
            f"SELECT * FROM events WHERE origin = ? AND seq = ? AND {NUMBERED_ONLY}", (origin, seq)
        ).fetchone()
        return Event(*row) if row is not None else None

    async def _all_read(self) -> None:
        """Wait until all readings requested so far are done."""
        while self._busy or self._quick or self._long:
            async with self._turn(self._long):
                pass

    @asynccontextmanager
    async def _turn(self, line: deque[Deferred[None]]) -> AsyncIterator[None]:
        """Wait for a turn in a queue, and hold the connection during the block."""
        turn: Deferred[None] = Deferred()
        line.append(turn)
        self._go_on()
        await turn
        try:
            yield
        finally:
            self._busy = False
            self._go_on()

    def _go_on(self) -> None:
        """Start the next waiting turn, and further ones while each ends at once."""
        if self._going_on:
            return
        self._going_on = True
        while (self._quick or self._long) and not self._busy:
            self._turns += 1
            first, second = self._quick, self._long
            if not self._turns % LONG_TURN:
                first, second = second, first
            self._busy = True
            (first or second).popleft().callback(None)
        self._going_on = False

    async def _look_up(self, reading: Callable[..., _T], *args: Any) -> _T:
        async with self._turn(self._quick):
            return await self._read(reading, *args)

    async def _read(self, reading: Callable[..., _T], *args: Any) -> _T:
        """Run a reading in the thread.

        :raises JournalUnavailable: if SQLite fails.
        """
        try:
            result: _T = await self._in_thread(reading, *args)
        except sqlite3.Error as error:
            raise JournalUnavailable(str(error)) from None
        return result
