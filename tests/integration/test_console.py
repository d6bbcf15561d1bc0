"""The terminal where the service runs: somebody like all others, and an operator."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pyte
from twisted.trial.unittest import TestCase

from tests.integration.support import (
    LOOPBACK,
    TWISTD,
    UNHURRIED,
    Client,
    Program,
    Server,
    eventually,
    folder_for,
    run,
    troubles_in,
)
from tests.welcome import GREETING, in_room

GOODBYE = "-- the server is going down: goodbye\r\n"
COMMAND = (TWISTD, "-n", "--pidfile=", "chat", "--console", "--listen", LOOPBACK)


def log_in(folder: Path) -> str:
    log = folder / "twistd.log"
    return log.read_text(encoding="utf-8") if log.exists() else ""


def address_in(folder: Path) -> tuple[str, int]:
    """Wait for the service in a folder, and tell where it listens."""
    pattern = re.compile(r" listens on 127\.0\.0\.1:(\d+); history: ")
    found = eventually(lambda: pattern.search(log_in(folder)), "the server to be ready")
    return "127.0.0.1", int(found[1])


class ConsoleTestCase(TestCase):
    """A service that is started with a console, in a folder of its own."""

    def setUp(self):
        self.folder = folder_for(self)
        self.addCleanup(self.assert_no_trouble)

    def assert_no_trouble(self):
        self.assertEqual(troubles_in(log_in(self.folder)), [])

    def start(self, *options: str, terminal: bool) -> Program:
        program = Program(self, *COMMAND, *options, terminal=terminal, folder=self.folder)
        self.address = address_in(self.folder)
        program.read_until(GREETING)
        return program

    def enter(self, console: Program, name: str) -> None:
        console.type(f"{name}\n")
        console.read_until(f"-- hello {name}!")
        console.read_until(in_room())

    def assert_alive(self) -> None:
        """Somebody can come in, and does not see who was at the console."""
        late = Client(self, self.address, "late")
        late.say("/who")
        late.read_until("-- 1 person in #lobby")
        late.close()


class TerminalTests(ConsoleTestCase):
    """On a terminal, as whoever started it sees it."""

    def test_it_talks_with_others_and_the_log_is_elsewhere(self):
        console = self.start(terminal=True)
        self.enter(console, "ana")
        bob = Client(self, self.address, "bob")
        console.read_until("-- bob joined")
        bob.say("hi ana")
        console.read_until("<bob> hi ana")
        console.type("hi bob\n")
        bob.read_until("<ana> hi bob\r\n")

        console.type("\x03")
        shown = console.read_rest()
        self.assertIn(GOODBYE.rstrip(), shown)
        self.assertNotIn("SIGINT", shown)
        self.assertTrue(bob.read_rest().endswith(GOODBYE))
        bob.close()
        self.assertEqual(console.wait(), -signal.SIGINT)
        self.assertIn("Received SIGINT, shutting down.", log_in(self.folder))
        self.assertIn("chatservice is down", log_in(self.folder))

    def test_what_comes_in_does_not_cut_what_is_typed(self):
        console = self.start(terminal=True)
        self.enter(console, "eve")
        bob = Client(self, self.address, "bob")
        shown = console.read_until("-- bob joined\r\r\n")
        console.type("/mute bo")
        shown += console.read_until("/mute bo")
        bob.say("one", "two")
        shown += console.read_until(re.compile("two.*/mute bo$", re.S))
        console.type("x\x7fb 10m caps\n")
        shown += console.read_until("-- you muted bob for 10 minutes: caps\r\r\n")
        screen = pyte.Screen(80, 24)
        pyte.Stream(screen).feed(shown)
        rows = [row.rstrip() for row in screen.display]
        begin = rows.index("-- bob joined")
        self.assertEqual(
            rows[begin + 1 : begin + 5],
            [
                "<bob> one",
                "<bob> two",
                "/mute bob 10m caps",
                "-- you muted bob for 10 minutes: caps",
            ],
        )

    def test_the_terminal_is_left_as_it_was(self):
        console = self.start(terminal=True)
        self.enter(console, "eve")
        self.assertFalse(console.echoes())
        console.type("/quit\n")
        console.read_until("the server goes on")
        eventually(console.echoes, "the terminal to be as it was")

    def test_it_takes_the_keys_again_when_it_goes_on(self):
        console = self.start(terminal=True)
        self.enter(console, "eve")
        console.process.send_signal(signal.SIGSTOP)
        console.be_sane()
        console.process.send_signal(signal.SIGCONT)
        eventually(lambda: not console.echoes(), "the keys to be taken")
        console.type("/mute")
        console.read_until("/mute")

    def test_it_is_an_operator_who_can_stop_the_service(self):
        console = self.start(terminal=True)
        self.enter(console, "ana")
        bob = Client(self, self.address, "bob")
        bob.say("/shutdown 0 mine")
        bob.read_until("-- /shutdown is for operators\r\n")
        console.type("/shutdown 0 new disk\n")
        last = "-- the server is going down: new disk"
        console.read_until(last)
        self.assertTrue(bob.read_rest().endswith(f"{last}\r\n"))
        bob.close()
        self.assertEqual(console.wait(), 0)

    def test_quitting_leaves_the_service_running(self):
        console = self.start(terminal=True)
        self.enter(console, "ana")
        console.type("/quit\n")
        console.read_until("-- goodbye, ana")
        self.assert_alive()
        console.type("\x03")
        self.assertEqual(console.wait(), -signal.SIGINT)

    def test_so_does_the_end_of_its_input(self):
        console = self.start(terminal=True)
        self.enter(console, "ana")
        bob = Client(self, self.address, "bob")
        console.type("\x04")
        bob.read_until("-- ana left\r\n")
        bob.close()
        self.assert_alive()

    def test_a_service_that_can_not_start_says_so_on_it(self):
        console = Program(self, *COMMAND, "--history", "/", terminal=True, folder=self.folder)
        why = "the history '/' can't be opened: Is a directory"
        self.assertEqual(console.read_rest(), f"chat: {why}\r\n")
        self.assertEqual(console.wait(), 1)
        log = (self.folder / "twistd.log").rename(self.folder / "failed.log")
        self.assertIn(f"the chat can't start: {why}\n", log.read_text())


class PipeTests(ConsoleTestCase):
    """On what is no terminal."""

    def test_a_pipe_talks_and_its_end_leaves_the_service_running(self):
        console = self.start(terminal=False)
        self.enter(console, "ana")
        bob = Client(self, self.address, "bob")
        console.type("hi bob\n")
        bob.read_until("<ana> hi bob\r\n")
        bob.say("hi ana")
        console.read_until("<bob> hi ana\r\n")
        console.end()
        bob.read_until("-- ana left\r\n")
        bob.close()
        self.assert_alive()
        console.process.send_signal(signal.SIGTERM)
        self.assertEqual(console.wait(), -signal.SIGTERM)

    def start_with(self, stdin: int | Path) -> subprocess.Popen[bytes]:
        with open(self.folder / "output", "wb") as output:
            process = subprocess.Popen(
                COMMAND, cwd=self.folder, stdin=stdin, stdout=output, stderr=output
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.address = address_in(self.folder)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> str:
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), -signal.SIGTERM)
        return (self.folder / "output").read_text()

    def test_without_any_input_the_service_runs(self):
        process = self.start_with(subprocess.DEVNULL)
        self.assert_alive()
        self.assertEqual(self.stop(process), f"{GREETING}\n")

    def test_a_file_is_read_to_its_end(self):
        script = self.folder / "script"
        script.write_text("ana\nhi all\n")
        with open(script) as stdin:
            process = self.start_with(stdin.fileno())
        bob = Client(self, self.address, "bob")
        bob.ask("/history", until="<ana> hi all\r\n")
        bob.say("/quit")
        bob.read_rest()
        bob.close()
        self.assert_alive()
        self.assertIn("-- hello ana!", self.stop(process))

    def test_a_daemon_has_no_console(self):
        done = run(TWISTD, "chat", "--console", "--listen", LOOPBACK, folder=self.folder)
        why = "chat: --console: a daemon has no terminal: twistd needs -n\n"
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", why))
        self.assertEqual(list(self.folder.iterdir()), [])


class SecondSignalTests(TestCase):
    """Who is impatient does no harm."""

    def test_a_second_signal_while_it_stops_is_no_error(self):
        server = Server(self, *UNHURRIED)
        behind = Client(self, server.address, "behind", window=4096)
        ana = Client(self, server.address, "ana")
        ana.say(*["x" * 1000] * 4000, "/quit")
        ana.read_rest()
        ana.close()
        server.signal(signal.SIGINT)
        eventually(lambda: "Port" in server.log and " Closed" in server.log, "it to stop")
        server.signal(signal.SIGINT)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), -signal.SIGINT)
        behind.close()
