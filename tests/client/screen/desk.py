"""A person at a desk, all in this process: the real screen and session, on a terminal of cells."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pyte
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen.app import Screen
from chatservice.client.screen.editor import Editor
from chatservice.client.screen.output import Output
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.session import Listener, Session
from chatservice.client.stored.state import Memory
from tests.client.machine import Endpoint, Link, welcome
from tests.client.screen.tty import Cells

AT = "2026-03-03T14:02:00.000Z"


class _Glass:
    """What is written to is shown."""

    encoding = "utf-8"

    def __init__(self, stream: pyte.Stream) -> None:
        self._stream = stream
        self.broken = False

    def write(self, text: str) -> None:
        if self.broken:
            raise OSError(5, "there is no terminal")
        self._stream.feed(text)

    def flush(self) -> None:
        pass


class Desk:
    """A screen, a keyboard, and the server behind the connection.

    :ivar statuses: has the exit status, once there is one.
    """

    def __init__(
        self,
        case: TestCase,
        name: str | None = "ana",
        columns: int = 80,
        rows: int = 24,
        history: Path | None = None,
        room: str | None = None,
        remembered: Remembered | None = None,
        started: bool = True,
        together: bool = False,
    ) -> None:
        # prompt_toolkit wants to know of a changed size, which asyncio tells by way of this.
        before = signal.set_wakeup_fd(-1)
        case.addCleanup(signal.set_wakeup_fd, before)
        self._loop = asyncio.new_event_loop()
        case.addCleanup(self._loop.close)
        self._pipes = contextlib.ExitStack()
        case.addCleanup(self._pipes.close)
        self._keys = self._pipes.enter_context(create_pipe_input())
        self.cells = Cells(columns, rows, history=5000, ratio=0.5)
        self.glass = _Glass(pyte.Stream(self.cells))
        output = Output(self.glass, self._size, term="xterm-256color")  # type: ignore[arg-type]
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.settings = Memory(None, case.fail).settings
        self.settings.change(together=together)

        def sit(listener: Listener) -> Session:
            where = "chat.example"
            return Session(self.clock, self.endpoint, where, listener, name, remembered=remembered)

        self.editor = Editor(history, self._keys, output)
        self.screen = Screen(self.clock, "chat.example", self.settings, self.editor, sit, room)
        self.session = self.screen.session
        self.statuses: list[int] = []
        self.screen.done.addCallback(self._ended)
        self.id = 100
        if started:
            self.do(self.start)
        case.addCleanup(self._leave)

    def start(self) -> None:
        self.screen.start(self.editor.open)

    def _ended(self, status: int) -> int:
        self.statuses.append(status)
        return status

    def _size(self) -> Size:
        return Size(rows=self.cells.lines, columns=self.cells.columns)

    def _leave(self) -> None:
        if not self.statuses:
            self.glass.broken = False
            self.do(self.screen.stop)
        assert self.statuses, "it did not end"

    def do(self, act: Callable[[], object]) -> None:
        """Do something, and wait for all that comes of it at once."""

        async def done() -> None:
            act()
            for _ in range(4):
                for _ in range(15):
                    await asyncio.sleep(0)
                self.clock.advance(0.05)

        self._loop.run_until_complete(done())

    def wait(self, seconds: float) -> None:
        self.do(lambda: self.clock.pump([0.5] * round(2 * seconds)))

    # The person

    def type(self, text: str) -> None:
        self.do(lambda: self._keys.send_text(text))

    def paste(self, text: str) -> None:
        self.type(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, rows: int) -> None:
        self.cells.resize(rows, columns)
        self.do(lambda: signal.raise_signal(signal.SIGWINCH))

    @property
    def rows(self) -> list[str]:
        """All rows, but for the line that is typed, and what stands around it.

        Those above the first are empty: all begins at the foot of the terminal.
        """
        rows = [row.rstrip() for row in self.cells.display]
        return list(dropwhile(lambda row: not row, self.cells.past + rows[: self._input]))

    @property
    def page(self) -> list[str]:
        """What is on the screen above the line that is typed."""
        rows = [row.rstrip() for row in self.cells.display][: self._input]
        return list(dropwhile(lambda row: not row, rows))

    @property
    def _input(self) -> int:
        prompts = ("> ", "name: ", "send ", "… ", ">", "name:")
        starts = [y for y, row in enumerate(self.cells.display) if row.rstrip().startswith(prompts)]
        return min(starts, default=len(self.cells.display))

    @property
    def bottom(self) -> list[str]:
        """The line that is typed, and what stands around it."""
        return self.cells.rows[self._input :]

    # The server

    def connect(self) -> Link:
        self.link = self.endpoint.succeed()
        self.link.got()
        return self.link

    def says(self, *replies: messages.Reply) -> None:
        self.do(lambda: self.link.says(*replies))

    def got(self, *types: str) -> list[Any]:
        """Return what was sent since the last time, but for pings, which are answered."""
        requests = self.link.got()
        pings = [
            messages.Pong(ref=ping.ref) for ping in requests if isinstance(ping, messages.Ping)
        ]
        if pings:
            self.says(*pings)
        return [
            one for one in requests if one.type != "ping" and one.type in (types or (one.type,))
        ]

    def welcome(self, *rooms: messages.RoomSeen, name: str = "ana", **more: Any) -> None:
        plain = {"since": self.id, "longest": 200, "rate": 0, **more}
        self.says(welcome(name=name, rooms=list(rooms), **plain))

    def come_in(
        self, *people: str, name: str = "ana", past: tuple[messages.Event, ...] = ()
    ) -> None:
        """Connect, be welcomed in the lobby, and see who is there."""
        self.connect()
        lobby = messages.RoomSeen(room="lobby", people=len(people) + 1, topic="")
        self.welcome(lobby, name=name)
        self.answer(people=(name, *people), past=past)

    def resume(self, *missed: messages.Event) -> None:
        """Connect again, and be told what was missed."""
        self.connect()
        self.welcome(messages.RoomSeen(room="lobby", people=2), resumed=True)
        self.says(*missed, messages.Live())
        self.answer(("ana", "bob"))

    def answer(
        self, people: tuple[str, ...] = ("ana",), past: tuple[messages.Event, ...] = ()
    ) -> list[Any]:
        """Answer all questions; return what was sent besides."""
        rest = []
        while requests := self.got():
            for request in requests:
                reply = self._answer(request, people, past)
                if reply is None:
                    rest.append(request)
                else:
                    self.says(reply)
        return rest

    def _answer(
        self, request: Any, people: tuple[str, ...], past: tuple[messages.Event, ...]
    ) -> Any:
        if isinstance(request, messages.History):
            return messages.Past(
                room=request.room, events=list(past), more=False, gap=False, ref=request.ref
            )
        if isinstance(request, messages.Who):
            there = [messages.Person(name=name) for name in people]
            return messages.WhoIs(
                room=request.room, people=there, count=len(there), ref=request.ref
            )
        if isinstance(request, messages.Rooms):
            rooms = [messages.RoomSeen(room=name, people=2) for name in ("lobby", "dev")]
            return messages.RoomList(rooms=rooms, count=2, ref=request.ref)
        return None

    def event(self, type: str = "said", **values: Any) -> messages.Event:
        """Make the next event: in the lobby, unless it is of another room, or of none."""
        self.id += 1
        if type not in ("private", "renamed", "announced"):
            values.setdefault("room", "lobby")
        return messages.Event(type=type, id=self.id, at=values.pop("at", AT), **values)

    def store(self, at: str | None = AT) -> list[Any]:
        """Store all that was said; return it.

        :param at: when, as the server says; None for one that does not.
        """
        said = self.got("say", "do", "private", "topic")
        for request in said:
            self.id += 1
            self.says(messages.Ok(to=request.type, id=self.id, at=at, seq=request.seq))
        return said
