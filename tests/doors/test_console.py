from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Callable

from twisted.trial import unittest

from chatservice.doors.console import ConsoleProtocol, open_console
from chatservice.limits import LOGIN_TRIES
from tests.doors.support import Folder, House, reactor, until
from tests.welcome import ALONE, GREETING, hello, in_room

NO_NAME = "-- a name has no spaces in it; another name, please?"


class ConsoleTests(unittest.TestCase):
    """The console on pipes and files; the house is on a clock."""

    timeout = 120

    def setUp(self) -> None:
        self.house = House()
        self.opened: set[int] = set()
        self.folder = Folder()
        self.addCleanup(self.folder.remove)

    def pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        for end in ends:
            self.addCleanup(self.close, end)
        self.opened.update(ends)
        return ends

    def close(self, file: int) -> None:
        if file in self.opened:
            self.opened.remove(file)
            os.close(file)

    def open(self, stdin: int | None = None, stdout: int | None = None) -> None:
        """Open a console, on pipes if on nothing else."""
        self.shown = b""
        theirs_in, self.keys = self.pipe()
        self.screen, theirs_out = self.pipe()
        os.set_blocking(self.screen, False)
        self.files = (
            theirs_in if stdin is None else stdin,
            theirs_out if stdout is None else stdout,
        )
        open_console(reactor, self.house.factory, *self.files)
        console = list(self.house.factory.connections)[-1]
        assert isinstance(console, ConsoleProtocol)
        self.addCleanup(self.end, console)
        self.console = console

    def end(self, console: ConsoleProtocol) -> None:
        if console in self.house.factory.connections:
            self.house.factory._abort(console)

    async def until(self, happened: Callable[[], object]) -> None:
        def look() -> bool:
            self.house.run(0.05)
            with contextlib.suppress(BlockingIOError):
                self.shown += os.read(self.screen, 65536)
            return bool(happened())

        await until(look)

    def lines(self) -> list[str]:
        return self.shown.decode().split("\r\n")[:-1]

    def gone(self) -> bool:
        return self.console not in self.house.factory.connections

    def type(self, *lines: str) -> None:
        os.write(self.keys, "".join(f"{line}\n" for line in lines).encode())

    def file(self, content: bytes) -> int:
        path = self.folder.path("stdin")
        with open(path, "wb") as file:
            file.write(content)
        opened = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, opened)
        return opened

    async def test_it_asks_for_the_name_of_an_operator(self) -> None:
        self.open()
        await self.until(lambda: self.lines() == [GREETING])
        self.type("ana")
        await self.until(lambda: ALONE in self.lines())
        self.assertEqual(self.lines()[:2], [GREETING, hello("ana")])
        (member,) = self.house.chat.members
        self.assertTrue(member.operator)

    async def test_others_are_no_operators(self) -> None:
        self.house.enter("bob")
        self.assertEqual([member.operator for member in self.house.chat.members], [False])

    async def test_it_speaks_and_hears(self) -> None:
        bob = self.house.enter("bob")
        self.open()
        self.type("ana", "hi")
        await self.until(lambda: in_room().encode() in self.shown)
        bob.say("hello")
        await self.until(lambda: "<bob> hello" in self.lines())
        self.assertIn("<ana> hi", bob.read())

    async def test_it_has_no_address_and_all_the_time_and_tries_it_needs(self) -> None:
        self.house = House(login_timeout=1, max_per_address=1, max_connections=1)
        self.open()
        self.type(*["a b"] * LOGIN_TRIES)
        await self.until(lambda: self.lines().count(NO_NAME) == LOGIN_TRIES)
        self.house.run(100, step=1)
        self.assertIsNone(self.console.counted_in)
        self.type("ana")
        await self.until(self.house.people)

    async def test_quitting_ends_it_and_leaves_the_terminal_as_it_was(self) -> None:
        self.open()
        self.assertEqual([os.get_blocking(file) for file in self.files], [False, False])
        self.type("ana", "/quit")
        await self.until(self.gone)
        self.assertEqual(
            self.lines()[-2:], ["-- goodbye, ana", "-- the server goes on: Ctrl-C stops it"]
        )
        self.assertEqual([os.get_blocking(file) for file in self.files], [True, True])

    async def test_when_its_input_ends_what_came_is_handled(self) -> None:
        bob = self.house.enter("bob")
        self.open()
        self.type("ana", "hi")
        self.close(self.keys)
        await self.until(self.gone)
        self.assertEqual(bob.read(), ["-- ana joined", "<ana> hi", "-- ana left"])

    async def test_when_nobody_can_read_it_it_ends(self) -> None:
        self.open()
        self.type("ana")
        await self.until(self.house.people)
        self.close(self.screen)
        self.screen, _ = self.pipe()
        os.set_blocking(self.screen, False)
        self.house.enter("bob").say("hello")
        await self.until(self.gone)
        self.assertEqual(self.house.people(), ["bob"])

    async def test_when_the_house_closes_it_is_told_and_closed(self) -> None:
        self.open()
        self.type("ana")
        await self.until(lambda: ALONE in self.lines())
        stopped: list[object] = []
        self.house.factory.stop("goodbye").addCallback(stopped.append)
        before = self.house.clock.seconds()
        await self.until(lambda: stopped)
        self.assertEqual(self.lines()[-1], "-- goodbye")
        self.assertLess(self.house.clock.seconds() - before, 1)

    async def test_input_may_be_a_file(self) -> None:
        """Which the reactor can't wait for."""
        bob = self.house.enter("bob")
        self.open(stdin=self.file(b"ana\nhi\n/quit see you\nnot any more"))
        await self.until(self.gone)
        self.assertEqual(bob.read(), ["-- ana joined", "<ana> hi", "-- ana left (see you)"])
        self.assertIn("-- goodbye, ana", self.lines())

    async def test_output_may_be_a_file(self) -> None:
        path = self.folder.path("stdout")
        opened = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.addCleanup(os.close, opened)
        self.open(stdout=opened)
        self.type("ana", "/quit")
        await self.until(self.gone)
        with open(path, encoding="utf-8") as file:
            self.assertIn("-- goodbye, ana\n", file.read())

    async def test_nothing_to_read_is_the_end_of_it(self) -> None:
        for empty in (self.file(b""), os.open(os.devnull, os.O_RDONLY)):
            self.open(stdin=empty)
            await self.until(self.gone)
            self.assertEqual(self.house.people(), [])
        os.close(empty)

    def terminal(self) -> int:
        """Open a console on a terminal; return its side of that."""
        ours, theirs = os.openpty()
        # As they are given to a process: two numbers of one terminal.
        stdout = os.dup(theirs)
        for end in (ours, theirs, stdout):
            self.addCleanup(os.close, end)
        self.open(theirs, stdout)
        self.screen = self.keys = os.dup(ours)
        self.opened.add(self.screen)
        self.addCleanup(self.close, self.screen)
        os.set_blocking(self.screen, False)
        return theirs

    def echoes(self, terminal: int) -> bool:
        return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)

    async def test_on_a_terminal_what_comes_in_is_above_what_is_typed(self) -> None:
        bob = self.house.enter("bob")
        terminal = self.terminal()
        self.type("ana")
        await self.until(lambda: in_room().encode() in self.shown)
        self.assertFalse(self.echoes(terminal))
        os.write(self.keys, b"/me wa")
        await self.until(lambda: b"/me wa" in self.shown)
        bob.say("hello")
        await self.until(lambda: b"\r\x1b[K<bob> hello\r\r\n/me wa" in self.shown)
        os.write(self.keys, b"ves\n/quit\n")
        await self.until(self.gone)
        self.assertIn("* ana waves", bob.read())
        self.assertTrue(self.echoes(terminal))

    async def test_on_a_terminal_a_key_is_the_end_of_the_input(self) -> None:
        terminal = self.terminal()
        self.type("ana")
        await self.until(self.house.people)
        os.write(self.keys, b"\x04and more\n")
        await self.until(self.gone)
        self.assertEqual(self.house.people(), [])
        self.assertTrue(self.echoes(terminal))

    async def test_a_terminal_that_edits_lines_by_itself(self) -> None:
        self.patch(os, "environ", {**os.environ, "TERM": "dumb"})
        self.assertTrue(self.echoes(self.terminal()))
