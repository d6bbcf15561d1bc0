"""A server from its start to its end, and the history that the next one finds."""

from __future__ import annotations

import re
import resource
import signal
import sqlite3
import stat
import time
from contextlib import closing

from twisted.trial.unittest import TestCase

from tests.integration.support import (
    CAP_SYS_RESOURCE,
    LOOPBACK,
    TWISTD,
    UNHURRIED,
    Client,
    Daemon,
    Server,
    assert_lines,
    eventually,
    folder_for,
    run,
    troubles_in,
    without,
)

GOODBYE = "-- the server is going down: goodbye\r\n"


class DaemonTests(TestCase):
    """In the background, as somebody without systemd runs it."""

    def test_it_runs_until_its_pid_is_told_to_stop(self):
        daemon = Daemon(self)
        ana, bob = Client(self, daemon.address, "ana"), Client(self, daemon.address, "bob")
        ana.say("hello")
        bob.read_until("<ana> hello\r\n")

        daemon.process.signal(signal.SIGTERM)
        for peer in (ana, bob):
            self.assertTrue(peer.read_rest().endswith(GOODBYE))
            peer.close()
        daemon.process.wait()

        eventually(lambda: not daemon.pid_file.exists(), "the pid file to go")
        self.assertEqual(troubles_in(daemon.log), [])
        self.assertIn("chatservice is down", daemon.log)

    def test_the_next_one_goes_on_with_the_history(self):
        first = Daemon(self)
        ana = Client(self, first.address, "ana")
        ana.say("written in the background")
        ana.ask("/who", until="  ana\r\n")
        ana.close()
        first.process.signal(signal.SIGTERM)
        first.process.wait()
        eventually(lambda: not first.pid_file.exists(), "the pid file to go")

        second = Daemon(self, folder=first.folder)
        Client(self, second.address, "bob").read_until("<ana> written in the background\r\n")

    def test_its_files_are_nobody_elses(self):
        daemon = Daemon(self)
        for path in daemon.folder.iterdir():
            mode = stat.S_IMODE(path.stat().st_mode)
            if path.name.startswith("chat.sqlite"):
                self.assertEqual(mode, 0o600, path)


class StoppingTests(TestCase):
    """Told to stop, it says so and ends; and nothing that anyone said is lost."""

    def stop_while_somebody_speaks(self, number: int) -> int:
        """Say something to a server that is told to stop before it could have read that."""
        server = Server(self)
        ana, bob = Client(self, server.address, "ana"), Client(self, server.address, "bob")
        nobody = Client(self, server.address)
        nobody.read_until("name?\r\n")
        server.signal(signal.SIGSTOP)
        ana.say("my last words")
        server.signal(number)
        server.signal(signal.SIGCONT)

        self.assertEqual(bob.read_rest(), f"<ana> my last words\r\n{GOODBYE}")
        self.assertEqual(nobody.read_rest(), GOODBYE)
        self.assertTrue(ana.read_rest().endswith(GOODBYE))
        for peer in (ana, bob, nobody):
            peer.close()
        status = server.wait()
        self.assertIn("chatservice is down", server.log)

        late = Client(self, Server(self, folder=server.folder).address, "late")
        late.read_until("<ana> my last words\r\n")
        return status

    def test_sigterm_drains_and_is_the_status(self):
        """Which a shell shows as 143, and systemd counts as clean."""
        self.assertEqual(self.stop_while_somebody_speaks(signal.SIGTERM), -signal.SIGTERM)

    def test_sigint_drains_as_well(self):
        self.assertEqual(self.stop_while_somebody_speaks(signal.SIGINT), -signal.SIGINT)

    def test_nobody_there_means_no_wait(self):
        server = Server(self)
        start = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - start, 4)

    def flooded(self) -> tuple[Server, Client, list[str]]:
        """Return a server, somebody who has not read for long, and what they missed."""
        server = Server(self, *UNHURRIED)
        behind = Client(self, server.address, "behind", window=4096)
        ana, bob = Client(self, server.address, "ana"), Client(self, server.address, "bob")
        lines = [f"{number:06} {'x' * 993}" for number in range(4000)]
        ana.say(*lines, "/quit")
        bob.read_until("-- ana left\r\n")
        bob.close()
        ana.close()
        return server, behind, lines

    def test_who_is_behind_still_gets_everything(self):
        server, behind, lines = self.flooded()
        server.signal(signal.SIGTERM)
        rest = behind.read_rest()
        assert_lines(self, re.findall(r"<ana> (.*)\r\n", rest), lines)
        self.assertEqual(rest.count(GOODBYE), 1)
        behind.close()
        self.assertEqual(server.wait(), -signal.SIGTERM)

    def test_who_does_not_read_is_cut_off_after_five_seconds(self):
        server, behind, _ = self.flooded()
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        eventually(lambda: "shutting down" in server.log, "the signal to be noticed")
        eventually(lambda: not self.accepts(server), "the port to be closed")
        self.assertEqual(server.wait(), -signal.SIGTERM)
        took = time.monotonic() - start
        self.assertGreater(took, 4)
        self.assertLess(took, 20)
        self.assertNotIn(GOODBYE, behind.read_rest())

    def accepts(self, server: Server) -> bool:
        try:
            Client(self, server.address).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return False
        return True


class HistoryTests(TestCase):
    """The file that keeps what was said."""

    def say(self, server: Server, *lines: str) -> None:
        """Say something, and see that it is stored."""
        ana = Client(self, server.address, "ana")
        ana.say(*lines)
        ana.ask("/who", until=re.compile(" ana\r\n"))
        ana.say("/quit")
        ana.read_rest()
        ana.close()

    def test_a_restart_shows_what_was_said(self):
        first = Server(self)
        self.say(first, "one", "/me waves", "//three", "grüße")
        first.stop()
        bob = Client(self, Server(self, folder=first.folder).address, "bob")

        self.assertEqual(bob.read_line(), "-- the last 4 lines of #lobby, times in UTC:")
        past = [bob.read_line() for _ in range(4)]
        self.assertEqual(
            [line.partition("] ")[2] for line in past],
            ["<ana> one", "* ana waves", "<ana> /three", "<ana> grüße"],
        )
        for line in past:
            self.assertRegex(line, r"^\[\d\d:\d\d\] ")

    def test_a_backup_made_while_it_runs_is_whole(self):
        server = Server(self)
        self.say(server, "one", "two")
        folder = folder_for(self)
        # What `.backup` of the program sqlite3 does.
        with (
            closing(sqlite3.connect(server.folder / "chat.sqlite")) as live,
            closing(sqlite3.connect(folder / "chat.sqlite")) as backup,
        ):
            live.backup(backup)
        self.say(server, "three")
        bob = Client(self, Server(self, folder=folder).address, "bob")

        self.assertEqual(bob.read_line(), "-- the last 2 lines of #lobby, times in UTC:")
        self.assertEqual(
            [bob.read_line().partition("] ")[2] for _ in range(2)], ["<ana> one", "<ana> two"]
        )

    def test_only_the_owner_may_read_it(self):
        server = Server(self, umask=0)
        self.say(server, "a secret")
        files = sorted(server.folder.glob("chat.sqlite*"))
        self.assertEqual(
            [file.name for file in files], ["chat.sqlite", "chat.sqlite-shm", "chat.sqlite-wal"]
        )
        for file in files:
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)

    def test_a_private_line_is_in_it_and_nowhere_else(self):
        server = Server(self)
        ana, bob, cleo = (Client(self, server.address, name) for name in ("ana", "bob", "cleo"))
        ana.say("/msg bob xyzzy", "an open word")
        bob.read_until("[ana -> you] xyzzy\r\n")
        self.assertNotIn("xyzzy", cleo.read_until("<ana> an open word\r\n"))
        for peer in (ana, bob, cleo):
            history = peer.ask("/history", until=re.compile(r"^\[.*an open word\r\n", re.M))
            self.assertNotIn("xyzzy", re.sub(r"^\[(you|ana) -> .*", "", history, flags=re.M))
        server.stop()
        with closing(sqlite3.connect(server.history)) as stored:
            rows = stored.execute("SELECT text FROM events WHERE text LIKE '%xyzzy%'").fetchall()
        self.assertEqual(rows, [("xyzzy",)])
        self.assertIn("listens on", server.log)
        for word in ("xyzzy", "an open word"):
            self.assertNotIn(word, server.log)

    def test_after_a_stop_it_is_one_file(self):
        server = Server(self)
        self.say(server, "hello")
        server.stop()
        self.assertEqual(list(server.folder.glob("chat.sqlite*")), [server.history])

    def test_it_belongs_to_one_process(self):
        server = Server(self)
        ana, bob = Client(self, server.address, "ana"), Client(self, server.address, "bob")
        done = run(TWISTD, "-n", "--pidfile=", "chat", "--listen", LOOPBACK, folder=server.folder)
        said = (done.stdout + done.stderr).splitlines()
        self.assertEqual(done.returncode, 1)
        self.assertTrue(
            said[-1].endswith("chat: the history 'chat.sqlite' is in use by another process"), done
        )
        self.assertNotIn("Traceback", done.stdout + done.stderr)

        ana.say("all is well")
        bob.read_until("<ana> all is well\r\n")

    def test_it_may_be_called_anything(self):
        server = Server(self, "--history", "what was said.db")
        self.say(server, "hello")
        self.assertTrue((server.folder / "what was said.db").is_file())
        self.assertFalse(server.history.exists())

    def test_none_keeps_nothing(self):
        first = Server(self, "--history", "none")
        self.say(first, "forget this")
        Client(self, first.address, "bob").read_until("<ana> forget this\r\n")
        self.assertEqual(first.stop(), -signal.SIGTERM)
        self.assertEqual(
            [path.name for path in first.folder.iterdir() if "output" not in path.name], []
        )

        second = Server(self, "--history", "none", folder=first.folder)
        cleo = Client(self, second.address, "cleo")
        self.assertIn("nothing was said", cleo.ask("/history", until="\n"))

    def test_what_is_older_than_one_keeps_is_gone(self):
        first = Server(self)
        self.say(first, "old news", "older than you")
        first.stop()
        age = 10 * 24 * 60 * 60 * 1000
        with closing(sqlite3.connect(first.history)) as history:
            history.execute("UPDATE events SET at = at - ?", (age,))
            history.commit()
        second = Server(self, folder=first.folder)
        self.say(second, "fresh news")
        second.stop()

        third = Server(self, "--keep", "5", "--clock-is-right", folder=first.folder)
        bob = Client(self, third.address, "bob")
        bob.read_until("-- the last line of #lobby, times in UTC:\r\n")
        self.assertIn("<ana> fresh news", bob.read_line())
        third.stop()
        with closing(sqlite3.connect(first.history)) as history:
            said = history.execute("SELECT text FROM events WHERE kind = 'said'").fetchall()
        self.assertEqual(said, [("fresh news",)])


class OptionsTests(TestCase):
    """What one is shown on coming in, and how many can."""

    def test_the_message_of_the_day_is_shown(self):
        folder = folder_for(self)
        (folder / "motd.txt").write_bytes(
            "Grüße!\n\nBe kind.\r\n\x1b[31mred\x1b[0m\n".encode() + b"\xfe\n"
        )
        server = Server(self, "--motd", "motd.txt", folder=folder)
        shown = Client(self, server.address, "ana").welcome
        self.assertEqual(
            shown,
            "-- welcome! what is your name?\r\n-- Grüße!\r\n--\r\n-- Be kind.\r\n"
            "-- \u241b[31mred\u241b[0m\r\n-- \ufffd\r\n"
            "-- hello ana! /help shows what you can do\r\n"
            "-- you are in #lobby: no one else yet\r\n",
        )

    def test_rooms_that_always_exist(self):
        server = Server(self, "--room", "Plaza", "--room", "#dev")
        ana = Client(self, server.address, "ana")
        self.assertIn("-- you are in #plaza:", ana.welcome)
        rooms = ana.ask("/rooms", until="#dev\r\n")
        self.assertIn("1  #plaza (you are here)\r\n", rooms)
        ana.say("/join tmp", "/leave tmp", "/leave plaza")
        ana.read_until("-- you left #plaza")
        self.assertNotIn("tmp", ana.ask("/rooms", until=re.compile("0  #dev\r\n.*#plaza\r\n")))

    def test_too_few_open_files_are_said_and_shared_out(self):
        few, spare = 160, 64
        drop = without(CAP_SYS_RESOURCE)

        def limit() -> None:
            drop()
            resource.setrlimit(resource.RLIMIT_NOFILE, (few // 2, few))

        server = Server(self, *UNHURRIED, preexec_fn=limit)
        self.assertIn(
            f"the system allows {few} open files: at most {few - spare} connections, not 10000",
            server.log,
        )
        people = [Client(self, server.address, f"p{number}") for number in range(few - spare)]
        refused = Client(self, server.address)
        self.assertEqual(
            refused.read_rest(),
            "-- too many people are connected: please try again later\r\n",
        )
        people[0].say("can all of you hear me?")
        for peer in people[1:]:
            peer.read_until("<p0> can all of you hear me?\r\n")

    def test_enough_open_files_are_not_worth_a_word(self):
        server = Server(self, "--max-connections", "50")
        self.assertNotIn("open files", server.log)
