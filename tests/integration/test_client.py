"""The real client, started in each way there is, talks to a real server on terminals and pipes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pexpect
from twisted.trial.unittest import SkipTest, TestCase

from tests.integration.support import (
    LOOPBACK,
    PATIENCE,
    TWISTD,
    UNHURRIED,
    Certificate,
    Client,
    Program,
    Server,
    assert_lines,
    eventually,
    folder_for,
    memory_of,
    run,
)

COMMAND: tuple[str | Path, ...] = (Path(sys.executable).with_name("chat-client"),)
MODULE: tuple[str | Path, ...] = (sys.executable, "-m", "chatservice.client")
PLUGIN: tuple[str | Path, ...] = (TWISTD, "-n", "chat-client")


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(pipe: int) -> int:
    """Write lines to a pipe until it is full; return the number of bytes that it took."""
    size = 0
    try:
        while True:
            size += os.write(pipe, (b"x" * 99 + b"\n") * 40)
    except BlockingIOError:
        return size


class ClientTestCase(TestCase):
    """A server, and clients in a folder of their own."""

    way: Sequence[str | Path] = COMMAND

    def setUp(self) -> None:
        self.folder = folder_for(self)

    def serve(self, *options: str, listen: str = LOOPBACK) -> None:
        self.server = Server(self, *options, listen=(listen,))
        self.where = f"localhost:{self.server.port}"

    def sit_down(self, *arguments: str | Path, script: str = 'exec "$@"') -> pexpect.spawn:
        """Start the client on a terminal, by a script of the shell."""
        command, *rest = ("sh", "-c", script, "sh", *map(str, (*self.way, *arguments)))
        person = pexpect.spawn(
            command, rest, timeout=PATIENCE, encoding="utf-8", cwd=str(self.folder)
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
        return Program(self, "env", "-C", self.folder, *self.way, *arguments)

    def pipe(self, given: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the client on pipes."""
        return run(*self.way, *arguments, folder=self.folder, given=given)

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
        ana.expect_exact("-- welcome! what is your name?")
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
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?s)-- hello bot!.*-- goodbye, bot\n\Z")
        bob.read_until("<bot> hi\r\n<bot> last\r\n")

    def test_a_server_that_is_not_there(self):
        where = f"localhost:{free_port()}"
        why = f"{where} is not there: Connection refused"
        self.assertEqual(self.assert_fails(why, "--name", "bot", where), "")
        ana = self.sit_down(where)
        ana.expect(rf"chat-client: {why}; trying again in \d s\r\n")
        ana.sendeof()
        self.assert_exits(ana)

    def test_a_bad_endpoint(self):
        why = "carrier-pigeon:7:7: it is no host, no host with a port, and no endpoint"
        self.assertEqual(self.assert_fails(why, "carrier-pigeon:7:7"), "")

    def test_interrupts(self):
        self.serve()
        ana = self.come_in()
        ana.sendintr()
        self.assertEqual(self.assert_exits(ana).replace("^C", ""), "")
        bot = self.program("--name", "bot", self.where)
        bot.read_until("-- hello bot!")
        bot.process.send_signal(signal.SIGINT)
        self.assertNotIn("Traceback", bot.read_rest())
        self.assertEqual(bot.wait(), 130)

    def test_it_is_told_to_end(self):
        self.serve()
        bot = self.program("--name", "bot", self.where)
        bot.read_until(re.compile("-- you are in #lobby[^\n]*\n"))
        bot.process.send_signal(signal.SIGTERM)
        self.assertEqual(bot.read_rest(), "")
        self.assertNotEqual(bot.wait(), 0)

    def test_nobody_reads_its_output(self):
        self.serve()
        ana = self.sit_down("--name", "ana", self.where, script='"$@" | head -1')
        shown = self.assert_exits(ana)
        self.assertEqual(shown, "-- welcome! what is your name?\r\n")


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
        ana.expect_exact("another name, please?\r\n")
        ana.sendline("cleo")
        ana.expect_exact("-- hello cleo!")

    def test_it_comes_back_after_a_crash_of_the_server(self):
        self.serve()
        ana = self.come_in()
        ana.sendline("/nick anna")
        ana.expect_exact("-- you are anna now\r\n")
        self.server.kill()
        where = re.escape(self.where)
        ana.expect(
            rf"chat-client: the connection to {where} was lost: .*; trying again in \d s\r\n"
        )
        ana.sendline("anybody there?")
        ana.expect_exact("chat-client: there is no connection: that was not sent\r\n")
        ana.expect(rf"chat-client: {where} is not there: .*; trying again in \d s\r\n")

        again = Server(self, listen=(f"tcp:{self.server.port}:interface=127.0.0.1",))
        bob = Client(self, again.address, "bob")
        ana.expect_exact("-- hello anna!")
        bob.read_until("-- anna joined\r\n")
        ana.sendline("I am back")
        bob.read_until("<anna> I am back\r\n")
        bob.say("so you are")
        ana.expect_exact("<bob> so you are\r\n")
        ana.sendline("/quit")
        self.assert_exits(ana)

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
        ana = self.sit_down(f"127.0.0.1:{listening.getsockname()[1]}")
        server, _ = listening.accept()
        self.addCleanup(server.close)
        server.sendall(b"\x1b]0;owned\x07\x9b2J\xff\r\n")
        ana.expect_exact("\u241b]0;owned\u2407\ufffd2J\ufffd\r\n")


class PipeTests(ClientTestCase):
    def test_the_first_line_is_the_name(self):
        self.serve()
        done = self.pipe("bot\nhi", self.where)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("-- hello bot!", done.stdout)
        Client(self, self.server.address, "bob").ask("/history", until="<bot> hi\r\n")

    def test_files_and_nothing_at_all(self):
        self.serve()
        script = (self.folder / "script").resolve()
        script.write_text("hi\n/me waves")
        for given in (str(script), os.devnull):
            output = self.folder / "output"
            with open(given) as stdin, output.open("w") as stdout:
                status = subprocess.call(
                    [*self.way, "--name", "bot", self.where],
                    stdin=stdin,
                    stdout=stdout,
                    timeout=PATIENCE,
                )
            self.assertEqual(status, 0)
            self.assertRegex(output.read_text(), r"-- goodbye, bot\n\Z")
        Client(self, self.server.address, "bob").ask("/history", until="* bot waves\r\n")

    def test_a_name_that_is_taken(self):
        self.serve()
        Client(self, self.server.address, "bot")
        done = self.pipe("hi\n", "--name", "bot", self.where)
        self.assertEqual(done.returncode, 1)
        (line,) = done.stderr.splitlines()
        self.assertRegex(line, r"\Achat-client: the name was refused: .*taken")

    def test_a_line_that_is_refused(self):
        self.serve()
        done = self.pipe("/flyaway\nhi", "--name", "bot", self.where)
        self.assertEqual(done.returncode, 1)
        (line,) = done.stderr.splitlines()
        self.assertRegex(line, r"\Achat-client: the server did not take a line: there is no /fly")
        Client(self, self.server.address, "bob").ask("/history", until="<bot> hi\r\n")

    def test_a_server_that_goes_away(self):
        self.serve()
        bot = self.program("--name", "bot", self.where)
        bot.read_until("-- hello bot!")
        self.server.kill()
        rest = bot.read_rest()
        self.assertRegex(rest, rf"chat-client: the connection to {self.where} was lost: .*\n\Z")
        self.assertEqual(rest.count("chat-client: "), 1)
        self.assertEqual(bot.wait(), 1)

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
        """What is piped piles up at its source, and not in memory."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        where = f"127.0.0.1:{listening.getsockname()[1]}"
        bot = self.program("--name", "bot", where)
        server, _ = listening.accept()
        self.addCleanup(server.close)
        self.assertEqual(server.recv(100), b"bot\n")
        os.set_blocking(bot._keys, False)
        fill(bot._keys)
        self.assertEqual(fill(bot._keys), 0, "it reads before the server has greeted")
        before = memory_of(bot.process.pid)
        server.sendall(b"-- hello bot! /help shows what you can do\r\n")
        eventually(lambda: fill(bot._keys) > 0, "it to read")
        eventually(lambda: fill(bot._keys) == 0, "it to stop reading")
        self.assertLess(memory_of(bot.process.pid) - before, 10_000_000)


class PlaceTests(ClientTestCase):
    """The ways to say where the server is."""

    def assert_reaches(self, where: str) -> None:
        done = self.pipe("hi\n", "--name", "bot", where)
        self.assertEqual((done.returncode, done.stderr), (0, ""), where)

    def test_tcp(self):
        self.serve()
        for where in ("localhost:{}", "127.0.0.1:{}", "tcp:127.0.0.1:{}"):
            self.assert_reaches(where.format(self.server.port))

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
        bot.read_until("-- you are in #lobby")
        self.server.kill()
        lost = f"chat-client: the connection to {re.escape(self.where)} was lost: "
        ana.expect(rf"{lost}[^\n]*; trying again in \d s\r\n")
        self.assertRegex(bot.read_rest(), rf"\n{lost}[^\n]*\n\Z")

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
