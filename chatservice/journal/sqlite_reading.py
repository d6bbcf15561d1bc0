"""Reading a journal's SQLite file, in a thread, and what was read last.

Those who catch up are often near each other: they stopped together, or a room came back after a
restart. What was read for one is kept for a while, so the next who wants it does not go to the
file again.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar

from twisted.internet.defer import Deferred

from chatservice.journal.base import Found, JournalUnavailable, Stretch
from chatservice.journal.events import Event, Fact
from chatservice.journal.sqlite_schema import (
    ADDRESSED_ONLY,
    NUMBERED_ONLY,
    REST_ONLY,
    TALK_ONLY,
    facts_of,
)

READ_EVENTS: Final = 512
READ_CHARACTERS: Final = 64 << 10
"""One reading gives at most so many events, and ends past so many characters."""
LONG_TURN: Final = 4
"""One reading of so many is for who reads on, even while others look something up."""
KEPT: Final = 16
"""So many stretches that were read last are kept."""

_T = TypeVar("_T")
_id = attrgetter("id")

InThread = Callable[..., Deferred[Any]]
"""Runs a call in another thread: :func:`twisted.internet.threads.deferToThread`, or its like."""


class _Wanted(NamedTuple):
    rooms: tuple[str, ...]
    talk: bool


class _Kept(NamedTuple):
    wanted: _Wanted
    position: int
    stretch: Stretch


def _among(column: str, values: Sequence[object]) -> str:
    return f"{column} IN ({', '.join('?' * len(values))})"


class Reading:
    """Reads events on a connection of its own, one reading at a time.

    :param in_thread: where it runs.
    """

    def __init__(self, connection: sqlite3.Connection, in_thread: InThread) -> None:
        self._connection = connection
        self._in_thread = in_thread
        self._kept: deque[_Kept] = deque(maxlen=KEPT)
        self._quick: deque[Deferred[None]] = deque()
        self._long: deque[Deferred[None]] = deque()
        self._turns = 0
        self._busy = self._going_on = False

    def forget(self) -> None:
        """Keep nothing of what was read: it is another room's by now."""
        self._kept.clear()

    def recent(self, limit: int) -> list[Event]:
        """See :meth:`.Journal.recent`.

        :raises sqlite3.Error: if they can't be read.
        """
        rows = self._connection.execute(
            "SELECT * FROM events ORDER BY id DESC LIMIT ?", (limit or -1,)
        ).fetchall()
        return [Event(*row) for row in reversed(rows)]

    async def after(self, position: int, rooms: tuple[str, ...], upto: int, talk: bool) -> Stretch:
        """See :meth:`.Journal.after`."""
        wanted = _Wanted(rooms, talk)
        kept = self._keeps(wanted, position, upto)
        if kept is not None:
            return kept
        # Who reads on comes again and again; who looks something up waits for one answer.
        async with self._turn(self._quick if talk else self._long):
            # Whoever was in line before may have wanted the same.
            kept = self._keeps(wanted, position, upto)
            if kept is None:
                kept = await self._read(self._after, wanted, position, upto)
                self._kept.append(_Kept(wanted, position, kept))
        return kept

    def _keeps(self, wanted: _Wanted, position: int, upto: int) -> Stretch | None:
        for kept in self._kept:
            if kept.wanted == wanted and kept.position <= position < kept.stretch.reached:
                events, reached = kept.stretch
                first = bisect_right(events, position, key=_id)
                last = bisect_right(events, upto, key=_id)
                return Stretch(events[first:last], min(reached, upto))
        return None

    def _after(self, wanted: _Wanted, position: int, upto: int) -> Stretch:
        if wanted.talk:
            chosen = f"{_among('room', wanted.rooms)} AND {TALK_ONLY} AND id > ? AND id <= ?"
            values: Sequence[object] = (*wanted.rooms, position, upto)
        else:
            values = self._ids(wanted.rooms, position, upto)
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
        """Find the next events, at most as many as one reading gives, by indexes alone.

        However many others there are between them: no reading takes long, so the next in line does
        not wait for long.
        """
        # Whoever it is for: so that readers of the same rooms share a reading.
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

    async def locate(self, room: str, upto: int, most: int) -> Found:
        """See :meth:`.Journal.locate`."""
        async with self._turn(self._quick):
            return await self._read(self._locate, room, upto, most)

    def _locate(self, room: str, upto: int, most: int) -> Found:
        talk = self._connection.execute(
            "SELECT id, kind, origin FROM events WHERE room = ? AND id <= ? "
            f"AND {TALK_ONLY} ORDER BY id DESC LIMIT ?",
            (room, upto, most),
        ).fetchall()
        return Found(talk, 0 if len(talk) < most else talk[-1][0] - 1)

    async def facts(self) -> list[Fact]:
        """See :meth:`.SqliteJournal.facts_later`."""
        async with self._turn(self._quick):
            return await self._read(facts_of, self._connection)

    async def find(self, origin: int, seq: int) -> Event | None:
        """See :meth:`.Journal.find`."""
        async with self._turn(self._quick):
            return await self._read(self._find, origin, seq)

    def _find(self, origin: int, seq: int) -> Event | None:
        row = self._connection.execute(
            f"SELECT * FROM events WHERE origin = ? AND seq = ? AND {NUMBERED_ONLY}", (origin, seq)
        ).fetchone()
        return Event(*row) if row is not None else None

    async def idle(self) -> None:
        """Wait until what was asked for before has been read."""
        while self._busy or self._quick or self._long:
            async with self._turn(self._long):
                pass

    @asynccontextmanager
    async def _turn(self, line: deque[Deferred[None]]) -> AsyncIterator[None]:
        """Have the connection for oneself, when it is one's turn in a line."""
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
        """Let the next have its turn, and the next if that was over at once."""
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

    async def _read(self, reading: Callable[..., _T], *args: Any) -> _T:
        """Read something in the thread."""
        try:
            result: _T = await self._in_thread(reading, *args)
        except sqlite3.Error as error:
            raise JournalUnavailable(str(error)) from None
        return result
