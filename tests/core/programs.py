"""Programs in a house: they say hello, ask, lose their connection and come back."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from contextlib import closing
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.core.actions import not_done
from chatservice.core.members import Member
from chatservice.core.refusals import REFUSALS
from chatservice.core.resume import Arrival
from chatservice.doors.json.dialog import ProgramDialog
from chatservice.doors.json.view import JSON
from tests.core.support import House, HouseTestCase, RecordingOutlet

Said = dict[str, Any]
"""A message, as it goes over the wire."""


class Program:
    """One connection of a program. As at a real one, a line waits while another is being done.

    :ivar member: who it is, once it was welcomed.
    :ivar token: of its last welcome.
    :ivar since: the highest id that it received.
    """

    def __init__(self, house: House, address: str = "192.0.2.1") -> None:
        self.house = house
        self.outlet = RecordingOutlet()
        self.outlet.address = address
        self.outlet.drained = self._drained
        self.outlet.replaced = self._replaced
        self.member: Member | None = None
        self._dialog = ProgramDialog(house.chat, cast(Any, self.outlet))
        self.token = ""
        self.since = 0
        self._lines: deque[str] = deque()
        self._doing = False
        self._read = 0

    def hello(self, name: str | None = None, **fields: Any) -> None:
        """Say hello; no time passes."""
        request = messages.request(json.dumps({"type": "hello", "name": name, **fields}).encode())
        assert isinstance(request, messages.Hello)

        def refused(failure: Failure) -> None:
            failure.trap(*REFUSALS)
            assert isinstance(failure.value, Exception)
            self.outlet.write(JSON.reply(not_done(failure.value, request)))

        self._wait_for(
            self.house.chat.returns.enter(Arrival(request, self.outlet, JSON)).addCallbacks(
                self._named, refused
            )
        )

    def _named(self, member: Member) -> None:
        if not self.outlet.closed:
            self.member = member
        elif member.outlet is self.outlet:
            self.house.chat.attendance.give_up(member)

    def ask(self, type: str, **fields: Any) -> None:
        """Ask for something; no time passes."""
        self.line(json.dumps({"type": type, **fields}))

    def line(self, line: str) -> None:
        """Send a line."""
        self._lines.append(line)
        self._go_on()

    def _go_on(self) -> None:
        while self._lines and not self._doing and self.member and not self.member.gone:
            doing = self._dialog.inside(self.member, self._lines.popleft().encode())
            if doing is not None:
                self._wait_for(doing)

    def _wait_for(self, doing: Deferred[None]) -> None:
        self._doing = True
        doing.addErrback(self.house.failures.append).addCallback(lambda _: self._done())

    def _done(self) -> None:
        self._doing = False
        self._go_on()

    def _drained(self) -> None:
        if self.member is not None:
            self.house.chat.drained(self.member)

    def _replaced(self) -> None:
        self.member = None
        self._lines.clear()

    def lose(self) -> None:
        """Lose the connection; what was sent before is still done."""
        self.outlet.lost = True
        if self.member is not None:
            self.house.chat.attendance.disconnect(self.member)

    def read(self) -> list[Said]:
        """Return what came since the last call."""
        *lines, rest = bytes(self.outlet.received[self._read :]).split(b"\r\n")
        self._read = len(self.outlet.received) - len(rest)
        messages: list[Said] = [json.loads(line) for line in lines]
        for message in messages:
            if message["type"] == "welcome":
                self.token, self.since = message["token"], message["since"]
            self.since = max(self.since, message.get("id", 0))
        return messages

    def tries(self, type: str, **fields: Any) -> list[Said]:
        """Ask for something, let it be done, and return what came since the last call."""
        self.ask(type, **fields)
        self.house.tick()
        self.house.tick()
        return self.read()


class ProgramTestCase(HouseTestCase):
    """A test of programs in a house that keeps a history."""

    house: House

    def setUp(self) -> None:
        super().setUp()
        self.house = self.open(self.path)

    def program(self, name: str | None = None, address: str = "192.0.2.1", **hello: Any) -> Program:
        """Somebody who says hello; its welcome was not read yet."""
        program = Program(self.house, address)
        program.hello(name, **hello)
        self.house.tick()
        self.house.tick()
        return program

    def gather(self, *names: str, **hello: Any) -> list[Program]:
        """Let programs come in, and read what there is."""
        programs = [self.program(name, **hello) for name in names]
        for program in programs:
            program.read()
        return programs

    def back(self, before: Program, **hello: Any) -> Program:
        """Come back on a new connection; what comes was not read yet."""
        return self.program(**{"token": before.token, "since": before.since, **hello})

    def restart(self, **options: Any) -> None:
        """Stop the house, and open it again on the same file."""
        self.successResultOf(self.house.stop())
        self.house = self.open(self.path, **{"moment": self.house.now(), **options})

    def crash(self, **options: Any) -> None:
        """Let the house begin again with what is in the file, as after a ``kill -9``."""
        self.house.journal.stop()
        self.house.chat.ticker.stop()
        self.house.chat.readers.stop()
        self.house.chat.attendance.absences.stop()
        self.house.chat.returns.stop()
        self.house._stopped = Deferred()
        self.house._stopped.callback(None)
        self.house = self.open(self.path, **{"moment": self.house.now(), **options})

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the file of the history."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()

    def stored(self, kind: str = "said") -> list[str]:
        """List what was said, as it is stored."""
        return [
            text
            for (text,) in self.query(f"SELECT text FROM events WHERE kind = '{kind}' ORDER BY id")
        ]


def only(messages: list[Said], type: str) -> Said:
    """Return the one message of a type."""
    (message,) = [message for message in messages if message["type"] == type]
    return message


def brief(messages: list[Said]) -> list[str]:
    """Write messages shortly: an event by what it tells, all else by its type or code."""
    return [_brief(message) for message in messages]


def _brief(message: Said) -> str:
    type = message["type"]
    if type in ("said", "did", "private", "topic", "announced"):
        return f"{message['author']} {type} {message['text']}"
    if type in ("joined", "left"):
        return f"{' '.join(message['names'])} {type}"
    if type == "renamed":
        return f"{message['author']} is {message['name']}"
    if type == "ok":
        return f"ok {message['to']}" + (f" {message['seq']}" if "seq" in message else "")
    return f"error {message['code']}" if type == "error" else str(type)
