"""The real client, started in each way there is, talks to a real server on terminals and pipes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pexpect
from twisted.trial.unittest import SkipTest, TestCase

from chatservice import messages
from tests.client.machine import welcome
from tests.client.screen.tty import Tty
from tests.integration.support import (
    LOOPBACK,
    PATIENCE,
    POLL,
    TWISTD,
    UNHURRIED,
    Certificate,
    Client,
    Program,
    Server,
    assert_lines,
    folder_for,
    lasting_ports,
    memory_of,
    run,
)

COMMAND: tuple[str | Path, ...] = (Path(sys.executable).with_name("chat-client"),)
MODULE: tuple[str | Path, ...] = (sys.executable, "-m", "chatservice.client")
PLUGIN: tuple[str | Path, ...] = (TWISTD, "-n", "chat-client")


def fill(pipe: int) -> int:
    """Write lines to a pipe until it is full; return the number of bytes that it took."""
    size = 0
    try:
        while True:
            size += os.write(pipe, (b"x" * 99 + b"\n") * 40)
    except BlockingIOError:
        return size


def eventually_full(pipe: int) -> int:
    """Write until nobody has read for a second; return the number of bytes that it took."""
    size, last = 0, time.monotonic()
    while time.monotonic() - last < 1:
        took = fill(pipe)
        if took:
            size, last = size + took, time.monotonic()
        time.sleep(POLL)
    return size


class ClientTestCase(TestCase):
    """A server, and clients in a folder of their own."""

    way: Sequence[str | Path] = COMMAND

    def setUp(self) -> None:
        self.folder = folder_for(self)
        self.state = folder_for(self)
        self.environ = {"TERM": "xterm", "XDG_STATE_HOME": str(self.state)}

    def serve(self, *options: str, listen: str = LOOPBACK) -> None:
        self.server = Server(self, *options, listen=(listen,))
        self.where = f"localhost:{self.server.port}"

    def sit_down(
        self, *arguments: str | Path, script: str = 'exec "$@"', plain: bool = True
    ) -> pexpect.spawn:
        """Start the client on a terminal, by a script of the shell."""
        words = (*self.way, *(["--plain"] if plain else []), *arguments)
        command, *rest = ("sh", "-c", script, "sh", *map(str, words))
        person = pexpect.spawn(
            command,
            rest,
            timeout=PATIENCE,
            encoding="utf-8",
            cwd=str(self.folder),
            env={**os.environ, **self.environ},
        )
        self.addCleanup(person.close, force=True)
        return person

    def come_in(self, name: str = "ana") -> pexpect.spawn:
        person = self.sit_down("--name", name, self.where)
        person.expect(f"-- hello {name}!.*\r\n-- you are in #lobby[^\n]*\r\n")
        return person

    def assert_exits(self, person: pexpect.spawn, status: int = 0) -> str:
        """See it end, and return what it showed at last."""
        person.expect(pexpect.EOF)
        shown = str(person.before)
        person.close()
        self.assertEqual((person.exitstatus, person.signalstatus), (status, None), shown)
        self.assertNotIn("Traceback", shown)
        return shown

    def program(self, *arguments: str | Path) -> Program:
        """Start the client on pipes."""
        environ = [f"{name}={value}" for name, value in self.environ.items()]
        return Program(self, "env", "-C", self.folder, *environ, *self.way, *arguments)

    def pipe(self, given: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the client on pipes."""
        words = (*self.way, *arguments)
        return run(*words, folder=self.folder, given=given, environ=self.environ)

    def see(self, name: str = "bob") -> Client:
        """Return somebody who sees what the client does."""
        return Client(self, self.server.address, name)

    def assert_fails(self, why: str, *arguments: str | Path, given: str = "hi\n") -> str:
        """See it fail for a reason that is one sentence; return its output."""
        done = self.pipe(given, *arguments)
        self.assertEqual((done.returncode, done.stderr), (1, f"chat-client: {why}\n"))
        return done.stdout


class EachWay:
    """What holds however the client is started."""

    def test_people_talk(self):
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.sit_down(self.where)
        ana.expect_exact("name: ")
        ana.sendline("ana")
        ana.expect("-- hello ana!.*\r\n-- you are in #lobby with bob\r\n")
        ana.sendline("hi bob")
        bob.read_until("<ana> hi bob\r\n")
        bob.say("hi ana")
        ana.expect_exact("<bob> hi ana\r\n")
        ana.sendline("/me waves")
        bob.read_until("* ana waves\r\n")
        ana.sendline("/quit tea time")
        ana.expect_exact("-- goodbye, ana\r\n")
        self.assertEqual(self.assert_exits(ana), "")
        bob.read_until("-- ana left (tea time)\r\n")

    def test_a_pipe_is_taken_up_to_its_last_line(self):
        self.serve()
        bob = Client(self, self.server.address, "bob")
        done = self.pipe("hi\nlast", "--name", "bot", self.where)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        bob.read_until("-- bot joined\r\n<bot> hi\r\n<bot> last\r\n-- bot left\r\n")

    def test_a_server_that_is_not_there(self):
        where = f"localhost:{lasting_ports(1)[0]}"
        why = f"{where} is not there: Connection refused"
        self.assertEqual(self.assert_fails(why, "--name", "bot", where), "")
        ana = self.sit_down("--name", "ana", where)
        ana.expect_exact(f"-- {why}\r\n")
        ana.sendeof()
        self.assert_exits(ana)

    def test_a_bad_endpoint(self):
        why = "carrier-pigeon:7:7: it is no host, no host with a port, and no endpoint"
        self.assertEqual(self.assert_fails(why, "carrier-pigeon:7:7"), "")

    def test_interrupts(self):
        self.serve()
        ana = self.come_in()
        ana.sendintr()
        self.assertEqual(self.assert_exits(ana).replace("^C", ""), "-- goodbye, ana\r\n")
        bob = self.see()
        bot = self.program("--name", "bot", self.where)
        bob.read_until("-- bot joined\r\n")
        bot.process.send_signal(signal.SIGINT)
        self.assertEqual(bot.read_rest(), "")
        self.assertEqual(bot.wait(), 130)

    def test_it_is_told_to_end(self):
        self.serve()
        bob = self.see()
        bot = self.program("--name", "bot", self.where)
        bob.read_until("-- bot joined\r\n")
        bot.process.send_signal(signal.SIGTERM)
        self.assertEqual(bot.read_rest(), "")
        self.assertNotEqual(bot.wait(), 0)

    def test_nobody_reads_its_output(self):
        self.serve()
        ana = self.sit_down("--name", "ana", self.where, script='"$@" | head -1')
        shown = self.assert_exits(ana)
        self.assertEqual(shown, "-- hello ana! /help shows the commands\r\n")


class CommandTests(EachWay, ClientTestCase):
    """``chat-client``"""

    way = COMMAND


class ModuleTests(EachWay, ClientTestCase):
    """``python -m chatservice.client``"""

    way = MODULE


class PluginTests(EachWay, ClientTestCase):
    """``twistd -n chat-client``"""

    way = PLUGIN

    def test_the_log_is_elsewhere(self):
        self.serve()
        self.pipe("hi\n", "--name", "bot", self.where)
        log = (self.folder / "chat-client.log").read_text()
        self.assertIn("Server Shut Down", log)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["chat-client.log"])

    def test_it_is_no_daemon(self):
        done = run(TWISTD, "chat-client", folder=self.folder)
        why = "chat-client: it talks on a terminal, so it can't be a daemon: twistd -n\n"
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", why))
        self.assertEqual(list(self.folder.iterdir()), [])


class TerminalTests(ClientTestCase):
    def test_ctrl_d_says_goodbye(self):
        self.serve()
        ana = self.come_in()
        ana.sendeof()
        self.assertIn("-- goodbye, ana\r\n", self.assert_exits(ana))

    def test_a_name_that_is_taken(self):
        self.serve()
        Client(self, self.server.address, "ana")
        ana = self.sit_down("--name", "ana", self.where)
        ana.expect_exact("-- the name ana is taken\r\nname: ")
        ana.sendline("cleo")
        ana.expect_exact("-- hello cleo!")

    def test_it_comes_back_after_a_crash_of_the_server(self):
        self.serve()
        ana = self.come_in()
        ana.sendline("/nick anna")
        ana.expect_exact("-- you are anna now\r\n")
        self.server.kill()
        ana.expect(rf"-- the connection to {re.escape(self.where)} was lost: .*\r\n")
        ana.sendline("anybody there?")
        again = Server(
            self,
            listen=(f"tcp:{self.server.port}:interface=127.0.0.1",),
            folder=self.server.folder,
        )
        bob = Client(self, again.address, "bob")
        ana.expect(r"\[\d\d:\d\d\] -- bob joined\r\n")
        bob.read_until("<anna> anybody there?\r\n")
        bob.say("I am")
        ana.expect_exact("<bob> I am\r\n")
        ana.sendline("/quit")
        self.assertIn("-- goodbye, anna\r\n", self.assert_exits(ana))

    def test_rooms_and_private_talks_are_in_one_view(self):
        self.serve()
        bob = self.see()
        bob.ask("/join dev", until="-- you are in #dev: no one else yet\r\n")
        ana = self.sit_down("--name", "ana", "--room", "lobby", "--room", "dev", self.where)
        ana.expect_exact("-- you are also in #dev\r\n")
        bob.say("hi", "/msg ana psst")
        ana.expect_exact("#dev <bob> hi\r\n")
        ana.expect_exact("[bob -> you] psst\r\n")
        for typed, told, text in (
            ("/go 2", "-- you are in #dev now", "<ana> hi bob"),
            ("/go bob", "-- you write to bob now", "[ana -> you] yes?"),
            ("/go lobby", "-- you are in #lobby now", "#lobby <ana> back"),
        ):
            ana.sendline(typed)
            ana.expect_exact(f"{told}\r\n")
            ana.sendline(text.split("> ")[-1].split("] ")[-1])
            bob.read_until(f"{text}\r\n")
        ana.sendeof()
        self.assert_exits(ana)

    def test_a_terminal_that_can_do_nothing_and_an_extra_that_is_missing_are_no_hindrance(self):
        self.serve()
        hidden = "import sys; sys.modules.update(prompt_toolkit=None, platformdirs=None)\n"
        main = "from chatservice.client.__main__ import main; main()"
        for way, term in ((COMMAND, "dumb"), ((sys.executable, "-c", hidden + main), "xterm")):
            self.way, self.environ["TERM"] = way, term
            ana = self.sit_down("--name", "ana", self.where, plain=False)
            ana.expect_exact("-- you are in #lobby: no one else yet\r\n")
            ana.sendline("/join #dev")
            ana.expect_exact("-- you are in #dev: no one else yet\r\n")
            ana.sendline("/quit")
            self.assertNotIn("\x1b", self.assert_exits(ana))

    def test_the_terminal_is_left_as_it_was(self):
        self.serve()
        script = (
            '"$@"; exec '
            + f"{sys.executable} -c "
            + ("'import os; print(\"blocks:\", *map(os.get_blocking, (0, 1, 2)))'")
        )
        ana = self.sit_down("--name", "ana", self.where, script=script)
        ana.expect_exact("-- hello ana!")
        ana.sendline("/quit")
        ana.expect_exact("blocks: True True True")

    def test_a_hostile_server_can_not_harm_the_terminal(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        where = f"127.0.0.1:{listening.getsockname()[1]}"
        ana = self.sit_down("--name", "ana", where)
        server, _ = listening.accept()
        self.addCleanup(server.close)
        server.sendall(b"\x1b]0;owned\x07\x9b2J\xff\r\n")
        ana.expect_exact("-- \u241b]0;owned\u2407\ufffd2J\ufffd\r\n")


class PipeTests(ClientTestCase):
    def test_the_name_is_that_of_the_login_and_never_the_text(self):
        self.serve()
        bob = self.see()
        self.environ["LOGNAME"] = "deploy"
        done = self.pipe("bot\nhi", self.where)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        bob.read_until("-- deploy joined\r\n<deploy> bot\r\n<deploy> hi\r\n-- deploy left\r\n")

    def test_or_that_which_a_person_had_last_whose_session_is_left_alone(self):
        self.serve()
        bob = self.see()
        ana = Tty(self, (*self.way, "--name", "ana", self.where), environ=self.environ)
        ana.until_shown("you are in #lobby with bob")
        done = self.pipe("hi", self.where)
        why = "the name was refused: the name ana is taken; give another with --name"
        self.assertEqual((done.returncode, done.stderr), (1, f"chat-client: {why}\n"))
        ana.type("\x04")
        self.assertEqual(ana.status(), 0)
        (session,) = (self.state / "chatservice").glob("session-*.json")
        remembered = session.read_bytes()
        bob.read_until("-- ana left\r\n")
        done = self.pipe("hi", self.where)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        bob.read_until("-- ana joined\r\n<ana> hi\r\n-- ana left\r\n")
        self.assertEqual(session.read_bytes(), remembered)

    def test_the_message_of_the_day_is_no_error(self):
        motd = self.folder / "motd"
        motd.write_text("welcome to the house\nbe kind\n")
        self.serve("--motd", str(motd))
        bob = self.see()
        for room in ((), ("--room", "lobby")):
            done = self.pipe("hi\n" * 30, "--name", "bot", *room, self.where)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            bob.read_until("-- bot left\r\n")

    def test_progress_is_said_as_it_is_seen(self):
        self.serve()
        bob = self.see()
        printed = (
            "remote: Counting objects:  50% (2/4)\rremote: Counting objects: 100% (4/4), done.\n"
            "\x1b[2K\r   \x1b[38;5;197m━━\x1b[0m 1.2 MB\r\x1b[2K   \x1b[32m━━━━\x1b[0m 2.4 MB\r\n"
            "\x1b[1;31merror:\x1b[0m it broke\r\n\x1b[0m\n"
        )
        done = self.pipe(printed, "--name", "bot", self.where)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        bob.read_until("-- bot joined\r\n")
        self.assertEqual(
            bob.read_until("-- bot left\r\n").splitlines()[:-1],
            [
                "<bot> remote: Counting objects: 100% (4/4), done.",
                "<bot>    ━━━━ 2.4 MB",
                "<bot> error: it broke",
            ],
        )

    def test_a_producer_is_not_held_up_by_the_rate_of_the_server(self):
        """It takes 200 s to say these lines at 5 a second, and as one line each only 3."""
        self.serve()
        bob = self.see()
        lines = [f"{number:03} " + "x" * 100 for number in range(1000)]
        bot = self.program("--name", "bot", "--batch", self.where)
        started = time.monotonic()
        bot.type("\n".join(lines))
        bot.end()
        self.assertLess(time.monotonic() - started, 5)
        self.assertEqual((bot.read_rest(), bot.wait()), ("", 0))
        bob.say("/quit")
        heard = [line for line in bob.read_rest().splitlines() if line.startswith("<bot> ")]
        self.assertLess(len(heard), 100)
        said = [line for one in heard for line in one.removeprefix("<bot> ").split(" ⏎ ")]
        assert_lines(self, said, lines)

    def test_the_last_lines_of_many(self):
        self.serve()
        bob = self.see()
        lines = "".join(f"line {number}\n" for number in range(100_000))
        done = self.pipe(lines, "--name", "bot", "--tail", "3", self.where)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        bob.read_until(
            "-- bot joined\r\n<bot> … 99,997 lines left out\r\n<bot> line 99997\r\n"
            "<bot> line 99998\r\n<bot> line 99999\r\n-- bot left\r\n"
        )

    def test_a_room_of_its_own(self):
        self.serve()
        bob = self.see()
        bob.ask("/join ops", until="-- you are in #ops: no one else yet\r\n")
        done = self.pipe("hi", "--name", "bot", "--room", "#ops", self.where)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        bob.read_until("-- bot joined\r\n<bot> hi\r\n-- bot left\r\n")

    def test_a_room_that_is_for_others(self):
        self.serve()
        where = ("--name", "bot", "--room", "operators", self.where)
        done = self.pipe("hi", *where)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Achat-client: .*operators.*\n\Z")

    def test_files_and_nothing_at_all(self):
        self.serve()
        bob = self.see()
        script = (self.folder / "script").resolve()
        script.write_text("hi\n\n/me waves")
        for given in (str(script), os.devnull):
            output = self.folder / "output"
            with open(given) as stdin, output.open("w") as stdout:
                status = subprocess.call(
                    [*self.way, "--name", "bot", self.where],
                    stdin=stdin,
                    stdout=stdout,
                    env={**os.environ, **self.environ},
                    timeout=PATIENCE,
                )
            self.assertEqual((status, output.read_text()), (0, ""))
        bob.read_until("<bot> hi\r\n<bot> /me waves\r\n-- bot left\r\n")

    def test_a_name_that_is_taken(self):
        self.serve()
        Client(self, self.server.address, "bot")
        done = self.pipe("hi\n", "--name", "bot", self.where)
        self.assertEqual(done.returncode, 1)
        (line,) = done.stderr.splitlines()
        self.assertRegex(line, r"\Achat-client: the name was refused: .*taken")

    def test_a_line_that_is_refused(self):
        self.serve()
        bob = self.see()
        done = self.pipe("x" * 2001 + "\nhi", "--name", "bot", self.where)
        why = "a line was not taken: that line was too long: at most 2,000 characters"
        self.assertEqual((done.returncode, done.stderr), (1, f"chat-client: {why}\n"))
        bob.read_until("-- bot joined\r\n<bot> hi\r\n")

    def test_a_server_that_goes_away_and_comes_back(self):
        self.serve()
        bob = self.see()
        bot = self.program("--name", "bot", self.where)
        bot.type("before\n")
        bob.read_until("<bot> before\r\n")
        self.server.kill()
        lost = f"chat-client: the connection to {self.where} was lost: "
        self.assertRegex(bot.read_line(), rf"\A{lost}.*; trying again\Z")
        bot.type("meanwhile\nafter")
        bot.end()
        port = f"tcp:{self.server.port}:interface=127.0.0.1"
        self.server = Server(self, listen=(port,), folder=self.server.folder)
        self.assertEqual((bot.read_rest(), bot.wait()), ("", 0))
        past = self.see().ask("/history", until="<bot> after\r\n")
        said = re.findall(r"\] <bot> (\w+)\r$", past, re.M)
        self.assertEqual(said[-3:], ["before", "meanwhile", "after"])

    def test_one_that_was_killed_gives_its_name_to_the_next(self):
        self.serve()
        bob = self.see()
        bot = self.program("--name", "bot", self.where)
        bot.type("one\n")
        bob.read_until("<bot> one\r\n")
        bot.process.kill()
        done = self.pipe("two\n", "--name", "bot", self.where)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(bob.read_until("left\r\n"), "<bot> two\r\n-- bot left\r\n")
        self.assertEqual(list((self.state / "chatservice").iterdir()), [])

    def test_thousands_of_lines_are_taken_in_order(self):
        self.serve(*UNHURRIED)
        bob = Client(self, self.server.address, "bob")
        lines = [f"line {number}" for number in range(3000)]
        done = self.pipe("\n".join(lines), "--name", "bot", self.where)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        bob.say("/quit")
        heard = [line for line in bob.read_rest().splitlines() if line.startswith("<bot> ")]
        assert_lines(self, heard, [f"<bot> {line}" for line in lines])

    def test_a_server_that_reads_slowly_is_waited_for(self):
        """Of what is piped, 16 MiB pile up in memory, and the rest at its source."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        where = f"127.0.0.1:{listening.getsockname()[1]}"
        bot = self.program("--name", "bot", where)
        server, _ = listening.accept()
        self.addCleanup(server.close)
        self.assertEqual(server.recv(100), b'{"type":"hello","name":"bot"}\r\n')
        os.set_blocking(bot._keys, False)
        before = memory_of(bot.process.pid)
        size = eventually_full(bot._keys)
        self.assertGreater(size, 16 << 20)
        self.assertLess(size, (16 << 20) + (1 << 20))
        room = messages.RoomSeen(room="lobby", people=1)
        server.sendall(messages.encode(welcome(name="bot", rooms=[room])))
        self.assertLess(eventually_full(bot._keys), 1 << 20)
        self.assertLess(memory_of(bot.process.pid) - before, 40_000_000)


class JsonTests(ClientTestCase):
    """``chat-client --json``"""

    def told(self, bot: Program, kind: str) -> dict[str, Any]:
        """Read up to the next object of a type, and return it."""
        while True:
            message: dict[str, Any] = json.loads(bot.read_line())
            if message["type"] == kind:
                return message

    def ask(self, bot: Program, **request: object) -> None:
        bot.type(json.dumps(request) + "\n")

    def test_it_gives_and_takes_objects(self):
        self.serve()
        bob = self.see()
        bot = self.program(
            "--json", "--name", "bot", "--room", "lobby", "--room", "ops", self.where
        )
        welcome = self.told(bot, "welcome")
        self.assertEqual((welcome["name"], welcome["resumed"]), ("bot", False))
        self.ask(bot, type="say", room="lobby", text="hi bob")
        bob.read_until("<bot> hi bob\r\n")
        said = self.told(bot, "ok")
        while said["to"] != "say":
            said = self.told(bot, "ok")
        self.assertEqual(said["seq"], 1)
        bob.say("hi bot")
        heard = self.told(bot, "said")
        self.assertEqual((heard["author"], heard["text"]), ("bob", "hi bot"))
        self.assertGreater(heard["id"], said["id"])
        self.ask(bot, type="who", room="lobby", ref="w")
        who = self.told(bot, "who")
        self.assertEqual((who["ref"], who["count"]), ("w", 2))
        self.ask(bot, type="say", room="lobby", text="bye")
        bot.end()
        rest = [json.loads(line) for line in bot.read_rest().splitlines()]
        self.assertEqual([(one["type"], one["seq"]) for one in rest if "seq" in one], [("ok", 2)])
        self.assertEqual(bot.wait(), 0)
        bob.read_until("<bot> bye\r\n-- bot left\r\n")

    def test_it_goes_on_where_it_was_killed(self):
        self.serve()
        bob = self.see()
        arguments = ("--json", "--name", "bot", self.where)
        bot = self.program(*arguments)
        self.told(bot, "welcome")
        bob.read_until("-- bot joined\r\n")
        for turn in range(3):
            bob.say(f"live {turn}")
            self.assertEqual(self.told(bot, "said")["text"], f"live {turn}")
            bot.process.send_signal(signal.SIGTERM)
            bot.read_rest()
            self.assertEqual(bot.wait(), 1)
            bob.say(f"missed {turn}")
            bob.ask("/who", until="bot")
            bot = self.program(*arguments)
            self.assertTrue(self.told(bot, "welcome")["resumed"])
            self.assertEqual(self.told(bot, "said")["text"], f"missed {turn}")

    def test_an_error_makes_the_status(self):
        self.serve()
        done = self.pipe(
            "hi\n" + '{"type":"leave","room":"ops"}', "--json", "--name", "bot", self.where
        )
        told = [json.loads(line) for line in done.stdout.splitlines()]
        codes = [one["code"] for one in told if one["type"] == "error"]
        self.assertEqual(codes, ["not_json", "not_in_room"])
        why = "chat-client: 2 lines were not taken: that is no JSON\n"
        self.assertEqual((done.returncode, done.stderr), (1, why))

    def test_nobody_reads_any_more(self):
        self.serve()
        script = '"$@" < "$0" | { read -r line; echo "$line"; }'
        fifo = self.folder / "input"
        os.mkfifo(fifo)
        words = (*self.way, "--json", "--name", "bot", self.where)
        command = ("bash", "-c", script, fifo, *words)
        environ = [f"{name}={value}" for name, value in self.environ.items()]
        shell = Program(self, "env", "-C", self.folder, *environ, *command)
        with fifo.open("w"):
            self.assertEqual(self.told(shell, "welcome")["name"], "bot")
            bob = self.see()
            bob.say("hi")
            why = "chat-client: nobody reads the standard output any more\n"
            self.assertEqual(shell.read_rest(), why)

    def test_the_token_is_in_one_file_alone(self):
        self.serve()
        bot = self.program("--json", "--name", "bot", self.where)
        self.assertNotIn("token", self.told(bot, "welcome"))
        bot.process.send_signal(signal.SIGTERM)
        bot.read_rest()
        bot.wait()
        (file,) = (self.state / "chatservice").iterdir()
        token = json.loads(file.read_text())["token"]
        self.assertEqual((file.stat().st_mode & 0o777, len(token) > 20), (0o600, True))
        self.assertNotIn(token, self.server.log)


class ScreenTests(ClientTestCase):
    """On a terminal, with all that it takes."""

    def setUp(self) -> None:
        super().setUp()
        self.serve()
        self.bob = self.see()

    def look(self, *arguments: str | Path) -> Tty:
        command = (*self.way, *arguments, self.where)
        return Tty(self, command, environ=self.environ, folder=self.folder)

    def come_in(self, name: str = "ana", *arguments: str | Path) -> Tty:
        person = self.look("--name", name, *arguments)
        self.bob.read_until(f"-- {name} joined\r\n")
        person.until_shown("#lobby")
        return person

    def leave(self, person: Tty, name: str = "ana") -> None:
        person.type("\x04")
        self.assertEqual(person.status(), 0, person.everything)
        self.bob.read_until(f"-- {name} left\r\n")

    def test_people_talk_and_come_back(self):
        ana = self.come_in()
        ana.type("hi bob\r")
        self.bob.read_until("<ana> hi bob\r\n")
        self.bob.say("hi ana")
        ana.until_shown("hi ana")
        self.leave(ana)
        self.bob.say("where is ana?")
        ana = self.look()
        self.bob.read_until("-- ana joined\r\n")
        ana.until_shown("where is ana?")
        self.leave(ana)

    def test_a_second_one_is_somebody_else(self):
        ana = self.come_in()
        cleo = self.look()
        cleo.until_shown(f"chat-client: another chat-client is ana at {self.where}", "name:")
        cleo.type("cleo\r")
        self.bob.read_until("-- cleo joined\r\n")
        cleo.until_shown("#lobby")
        self.leave(cleo, "cleo")
        self.leave(ana)

    def test_it_can_come_in_anew(self):
        self.leave(self.come_in())
        ana = self.look("--new")
        ana.until_shown("name:")
        ana.type("anna\r")
        self.bob.read_until("-- anna joined\r\n")
        ana.until_shown("#lobby")
        self.leave(ana, "anna")

    def test_it_can_be_in_other_rooms(self):
        ana = self.look("--name", "ana", "--room", "ops", "--room", "dev")
        ana.until_shown("also in #dev")
        self.bob.ask("/whois ana", until=re.compile("-- in +#ops, #dev\r\n"))
        ana.type("\x04")
        self.assertEqual(ana.status(), 0)

    def test_where_nothing_can_be_remembered_it_goes_on_without(self):
        (self.state / "chatservice").write_text("this is no folder")
        ana = self.come_in()
        sentence = f"nothing is remembered in {self.state}/chatservice: "
        ana.until(lambda: sentence in "".join(ana.everything), sentence)
        self.leave(ana)

    def test_under_twistd(self):
        self.way = PLUGIN
        ana = self.come_in()
        ana.type("hi bob\r")
        self.bob.read_until("<ana> hi bob\r\n")
        self.leave(ana)
        # With another reactor, there are lines.
        self.way = (TWISTD, "--reactor=poll", "-n", "chat-client")
        ana = self.look("--name", "ana")
        ana.until_shown("-- hello ana!")
        ana.type("/quit\r")
        self.assertEqual(ana.status(), 0)


class PlaceTests(ClientTestCase):
    """The ways to say where the server is."""

    def assert_reaches(self, *where: str) -> None:
        done = self.pipe("hi\n", "--name", "bot", *where)
        self.assertEqual((done.returncode, done.stderr), (0, ""), where)

    def test_tcp(self):
        self.serve()
        for where in ("localhost:{}", "127.0.0.1:{}", "tcp:127.0.0.1:{}"):
            self.assert_reaches(where.format(self.server.port))
        self.assert_reaches("localhost", str(self.server.port))

    def test_a_port_is_a_number(self):
        why = "localhost telnet: a port is a number from 1 to 65535"
        self.assert_fails(why, "localhost", "telnet")

    def test_a_zone(self):
        """Nobody is there; what is told is what connecting to that address comes to."""
        done = self.pipe("hi\n", "--name", "bot", "[fe80::1%nowhere]:7127")
        self.assertEqual(done.returncode, 1)
        self.assertIn("[fe80::1%nowhere]:7127 is not there: ", done.stderr)

    def test_ipv6(self):
        try:
            self.serve(listen="tcp6:0:interface=\\:\\:1")
        except AssertionError:
            raise SkipTest("this machine has no IPv6") from None
        self.assert_reaches(f"[::1]:{self.server.port}")

    def test_unix_sockets(self):
        self.serve(listen=f"unix:{self.folder}/chat.sock")
        self.assert_reaches(f"unix:{self.folder}/chat.sock")

    def test_tls_with_a_certificate_that_is_trusted(self):
        certificate = Certificate(self.folder)
        self.serve(listen=f"tls:{certificate.folder}:0:interface=127.0.0.1")
        roots = self.folder / "roots"
        roots.mkdir()
        (roots / "root.pem").write_bytes(certificate.file.read_bytes())
        self.where = f"tls:localhost:{self.server.port}:trustRoots={roots}"
        self.assert_reaches(self.where)
        ana = self.come_in()
        ana.sendline("/quit")
        self.assert_exits(ana)

    def test_tls_to_a_server_that_crashes(self):
        """That is no matter of trust."""
        certificate = Certificate(self.folder)
        self.serve(listen=f"tls:{certificate.folder}:0:interface=127.0.0.1")
        self.where = f"tls:localhost:{self.server.port}:trustRoots={certificate.folder}"
        ana = self.come_in()
        bot = self.program("--name", "bot", self.where)
        bot.type("hi\n")
        ana.expect_exact("<bot> hi\r\n")
        self.server.kill()
        lost = f"the connection to {re.escape(self.where)} was lost: "
        ana.expect(rf"-- {lost}[^\n]*\r\n")
        self.assertRegex(bot.read_line(), rf"\Achat-client: {lost}.*; trying again\Z")

    def test_a_port_of_the_other_kind_is_named(self):
        certificate = Certificate(self.folder)
        self.serve(
            "--handshake-timeout", "1", listen=f"tls:{certificate.folder}:0:interface=127.0.0.1"
        )
        done = self.pipe("hi\n", "--name", "bot", self.where)
        hint = "without a word (if it talks TLS, write tls:HOST:PORT)"
        self.assertRegex(done.stderr, rf"\Achat-client: [^\n]* {re.escape(hint)}\n\Z")
        for plain in (False, True):
            ana = self.sit_down("--name", "ana", self.where, plain=plain)
            ana.expect_exact("TLS")
        self.serve()
        where = f"tls:{self.where}"
        why = f"{where} talks no TLS: leave out tls:"
        self.assertEqual(self.assert_fails(why, "--name", "bot", where), "")
        for plain in (False, True):
            ana = self.sit_down("--name", "ana", where, plain=plain)
            ana.expect_exact(f"chat-client: {why}\r\n")
            self.assert_exits(ana, 1)

    def test_a_port_that_tells_in_tls_that_it_talks_tls(self):
        """As those do that are made with Go or GnuTLS."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        where = f"localhost:{listening.getsockname()[1]}"
        bot = self.program("--name", "bot", where)
        taken, _ = listening.accept()
        self.addCleanup(taken.close)
        taken.sendall(b"\x15\x03\x01\x00\x02\x02\x0a")
        why = f"chat-client: {where} talks TLS: write tls:HOST:PORT\n"
        self.assertEqual((bot.read_rest(), bot.wait()), (why, 1))

    def test_tls_with_a_certificate_that_is_not(self):
        certificate = Certificate(self.folder)
        self.serve(listen=f"tls:{certificate.folder}:0:interface=127.0.0.1")
        where = f"tls:localhost:{self.server.port}"
        why = f"{where} can't be trusted: certificate verify failed"
        self.assertEqual(self.assert_fails(why, "--name", "bot", where), "")
        ana = self.sit_down("--name", "ana", where)
        ana.expect_exact(f"chat-client: {why}\r\n")
        self.assert_exits(ana, 1)

    def test_tls_to_another_host(self):
        certificate = Certificate(self.folder)
        self.serve(listen=f"tls:{certificate.folder}:0:interface=127.0.0.1")
        where = f"tls:127.0.0.1:{self.server.port}:trustRoots={certificate.folder}"
        done = self.pipe("hi\n", "--name", "bot", where)
        self.assertEqual(done.returncode, 1)
        (line,) = done.stderr.splitlines()
        self.assertRegex(line, r"\Achat-client: .* can't be trusted: ")
