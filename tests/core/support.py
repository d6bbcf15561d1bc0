"""A house to test: the real chat on a real journal, a clock that is moved by hand, and people whose
connections take what the test lets them take.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any, Final

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial import unittest

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.outlet import View
from chatservice.doors.text.commands import obey
from chatservice.doors.text.view import TEXT
from chatservice.journal.events import Journal
from chatservice.journal.memory import MemoryJournal
from chatservice.journal.sqlite import SqliteJournal
from chatservice.limits import Limits

# Hundreds of files are made and closed, and a file system in memory need not wait for a disk.
FOLDER: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

START: Final = int(datetime(2026, 3, 14, 9, 26, tzinfo=timezone.utc).timestamp() * 1000)
"""When the clock begins, in milliseconds since 1970: a Saturday."""

DAY: Final = 86_400.0
PACE: Final = 0.1
"""After so many seconds the next tick is due, whatever the last one cost."""


class RecordingOutlet:
    """An :class:`.Outlet` that takes as many bytes as its window lets it.

    :ivar window: bytes that it takes until it is blocked; None for any number.
    :ivar received: every byte that it took, in order, or will send once it is drained.
    :ivar finished: it was told to close.
    :ivar charged: the lines that answers counted as.
    :ivar waits_until: when its next line may be handled, as it was told.
    :ivar lost: its peer is gone, so nobody should send to it.
    """

    def __init__(self) -> None:
        self.address = "192.0.2.1"
        self.site = ""
        self.waits_until = 0.0
        self.blocked = False
        self.window: int | None = None
        self.received = bytearray()
        self.sends = 0
        self.finished = False
        self.lost = False
        self.charged = 0.0
        self._answering: Callable[[], None] | None = None
        self._behind = b""
        self.drained: Callable[[], None] = lambda: None
        self.replaced: Callable[[], None] = lambda: None

    @property
    def closed(self) -> bool:
        return self.finished or self.lost

    def send(self, data: bytes) -> int:
        if self.lost or self.finished:
            raise AssertionError(f"sent to a closed outlet: {data!r}")
        self.sends += 1
        if self.blocked:
            return 0
        taken = len(data) if self.window is None else min(self.window, len(data))
        if self.window is not None:
            self.window -= taken
        self.blocked = taken < len(data)
        self.received += data[:taken]
        return taken

    def write(self, data: bytes) -> None:
        if self.lost or self.finished:
            return
        if self._answering is not None:
            self._behind += data
            return
        self.received += data
        if self.window is not None:
            self.window -= len(data)
            self.blocked = self.blocked or self.window < 0

    def begin(self, drained: Callable[[], None]) -> None:
        self._answering = drained
        self.blocked = True

    def give(self, piece: bytes) -> bool:
        answering, self._answering = self._answering, None
        self.blocked = False
        self.write(piece)
        full, self.blocked = self.blocked, True
        self._answering = answering
        return not full

    def end(self) -> None:
        behind, self._behind = self._behind, b""
        self._answering = None
        self.blocked = self.window is not None and self.window < 0
        self.write(behind)
        if not self.blocked:
            self.drained()

    def charge(self, lines: float) -> None:
        self.charged += lines

    def wait_until(self, due: float) -> None:
        self.waits_until = due

    def finish(self) -> None:
        if self.finished:
            raise AssertionError("finished twice")
        self.finished = self.blocked = True

    def replace(self, last: bytes) -> None:
        if not self.closed:
            self.write(last)
            self.finish()
        self.replaced()

    def drain(self, window: int | None = None) -> None:
        """Let the peer read all that waits, and then ``window`` bytes more."""
        self.window = window
        if self._answering is not None:
            self._answering()
        elif self.blocked and not self.finished:
            self.blocked = False
            self.drained()


def assert_rooms_are_listed(chat: Chat) -> None:
    """Check that nothing has changed of the rooms that their list has not taken note of."""
    listed, _ = chat.places.first(len(chat.rooms))
    assert listed == sorted(chat.rooms.values(), key=lambda r: (-len(r.members), r.name)), listed


class Readings:
    """Where a journal reads: at once, or, while it is :attr:`held`, when the test lets it."""

    def __init__(self) -> None:
        self.held = False
        self._waiting: deque[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = deque()

    def __call__(self, call: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if not self.held:
            return maybeDeferred(call, *args)
        reading: Deferred[Any] = Deferred()
        self._waiting.append((reading, call, args))
        return reading

    def __len__(self) -> int:
        return len(self._waiting)

    def finish(self) -> None:
        """Let the reading that has waited longest come to its end."""
        reading, call, args = self._waiting.popleft()
        maybeDeferred(call, *args).chainDeferred(reading)

    def release(self) -> None:
        """Let all readings come to their end, also those to come."""
        self.held = False
        while self._waiting:
            self.finish()


class Person:
    """Somebody at a connection.

    What is typed is handled line by line; as at a real connection, the next waits while one is
    being done.
    """

    member: Member

    def __init__(self, house: House, outlet: RecordingOutlet | None = None) -> None:
        self.house = house
        self.outlet = outlet or RecordingOutlet()
        self.outlet.drained = self._drained
        self._lines: deque[str | None] = deque()
        self._doing = False
        self._read = 0

    def enter(self, name: str, view: View = TEXT, operator: bool = False) -> Deferred[None]:
        """Come in; the Deferred fails if that is refused."""

        def entered(member: Member) -> None:
            self.member = member

        return self.house.chat.attendance.enter(name, self.outlet, view, operator).addCallback(
            entered
        )

    def type(self, *lines: str) -> None:
        """Type lines, as they are after they were made safe to show."""
        self._lines += lines
        self._go_on()

    def lose(self) -> None:
        """Lose the connection; what was typed before is still done, then the member leaves."""
        self.house.chat.attendance.disconnect(self.member)
        self.outlet.lost = True
        self._lines.append(None)
        self._go_on()

    @property
    def idle(self) -> bool:
        """Whether all that was typed is done."""
        return not self._doing

    def _go_on(self) -> None:
        while self._lines and not self._doing and not self.member.gone:
            line = self._lines.popleft()
            if line is None:
                self.house.chat.attendance.quit(self.member)
                continue
            doing = obey(self.house.chat, self.member, line)
            if doing is not None:
                self._doing = True
                doing.addCallback(self._done).addErrback(self.house.failures.append)

    def _done(self, _: None) -> None:
        self._doing = False
        self._go_on()

    def _drained(self) -> None:
        self.house.chat.drained(self.member)

    def read(self) -> list[str]:
        """Return the lines that came since the last call."""
        *lines, rest = self.outlet.received[self._read :].decode().split("\r\n")
        self._read = len(self.outlet.received) - len(rest.encode())
        return lines

    def tries(self, *lines: str) -> list[str]:
        """Type lines, wait until they are done, and return what came since the last reading."""
        self.type(*lines)
        for _ in lines:
            self.house.tick()
        return self.read()


def watch(part: Any, name: str, watcher: Callable[..., Any]) -> None:
    """Let a method of one object go through a watcher, which is given the method first."""
    setattr(part, name, partial(watcher, getattr(part, name)))


class House:
    """A chat on a :class:`Clock`.

    :param path: the file of the history; None for a house that keeps none.
    :param moment: what the time is when the clock begins.
    :param limits: those that are not as usual.
    :ivar readings: where the journal reads.
    :ivar failures: of commands; there should be none.
    """

    make_chat: type[Chat] = Chat
    make_journal: type[SqliteJournal] = SqliteJournal

    def __init__(
        self,
        path: str | None = None,
        *,
        moment: int = START,
        permanent: Sequence[str] = ("lobby",),
        motd: Sequence[str] = (),
        keep: int = 0,
        clock_is_right: bool = False,
        **limits: int,
    ) -> None:
        self.clock = Clock()
        self.moment = moment
        self.readings = Readings()
        self.failures: list[Failure] = []
        self.journal: Journal = (
            MemoryJournal(self.now)
            if path is None
            else self.make_journal(path, self.now, self.readings)
        )
        self.path = path
        self.chat = self.make_chat(
            self.clock,
            self.journal,
            self.now,
            Limits(**limits),
            permanent,
            motd,
            keep,
            clock_is_right,
        )
        self._blocker: sqlite3.Connection | None = None
        self._stopped: Deferred[None] | None = None
        self.chat.start()

    def now(self) -> int:
        return self.moment + round(self.clock.seconds() * 1000)

    def tick(self, seconds: float = PACE) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def arrive(self, name: str, operator: bool = False) -> Person:
        """Let somebody in; no time passes."""
        person = Person(self)
        person.enter(name, operator=operator)
        return person

    def gather(self, *names: str, room: str = "", operator: bool = False) -> list[Person]:
        """Let people in, into one more room if one is named, and let them read what there is."""
        people = [self.arrive(name, operator) for name in names]
        for person in people:
            if room:
                person.type(f"/join {room}")
        for _ in range(3):
            self.tick()
        for person in people:
            person.read()
        return people

    def refuse(self) -> None:
        """Let the journal refuse, as another connection to its file begins to write."""
        assert self.path is not None
        self._blocker = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        self._blocker.execute("BEGIN IMMEDIATE")

    @property
    def refusing(self) -> bool:
        return self._blocker is not None

    def accept(self) -> None:
        """Let the journal take events again."""
        if self._blocker is not None:
            self._blocker.execute("ROLLBACK")
            self._blocker.close()
            self._blocker = None

    def stop(self) -> Deferred[None]:
        """Close everything, once."""
        if self._stopped is None:
            self.accept()
            self.readings.release()
            self._stopped = self.chat.stop()
        return self._stopped

    @property
    def waiting(self) -> list[DelayedCall]:
        """What is to be done later, but for the looks at the journal and at the sessions.

        These are always there.
        """
        always = (self.chat.ticker._looking._over, self.chat.returns._tending._over)
        return [call for call in self.clock.calls if call.func not in always]


class HouseTestCase(unittest.TestCase):
    """A test that has houses, and a file for a history."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = f"{folder.name}/chat.sqlite"

    def open(self, path: str | None = None, **options: Any) -> House:
        """Open a house, which is closed after the test; its commands must not fail."""
        house = House(path, **options)
        self.addCleanup(house.stop)
        self.addCleanup(lambda: self.assertEqual(house.failures, []))
        return house
