"""A server from its start to its end, and the history that the next one finds."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import resource
import signal
import socket
import sqlite3
import stat
import subprocess
import termios
import time
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from tests.integration.support import (
    CAP_SYS_RESOURCE,
    LOOPBACK,
    TWISTD,
    UNHURRIED,
    Client,
    Daemon,
    FreshServer,
    assert_lines,
    eventually,
    folder_for,
    program,
    run,
    troubles_in,
    without,
)
from tests.welcome import GREETING, entered, hello

LOGROTATE = Path(__file__).parents[2] / "deploy" / "logrotate.conf"

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
        server = FreshServer(self)
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

        late = Client(self, FreshServer(self, folder=server.folder).address, "late")
        late.read_until("<ana> my last words\r\n")
        return status

    def test_sigterm_drains_and_is_the_status(self):
        """Which a shell shows as 143, and systemd counts as clean."""
        self.assertEqual(self.stop_while_somebody_speaks(signal.SIGTERM), -signal.SIGTERM)

    def test_sigint_drains_as_well(self):
        self.assertEqual(self.stop_while_somebody_speaks(signal.SIGINT), -signal.SIGINT)

    def test_nobody_there_means_no_wait(self):
        server = FreshServer(self)
        start = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - start, 4)

    def flooded(self) -> tuple[FreshServer, Client, list[str]]:
        """Return a server, somebody who has not read for long, and what they missed."""
        server = FreshServer(self, *UNHURRIED)
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

    def accepts(self, server: FreshServer) -> bool:
        try:
            Client(self, server.address).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return False
        return True


class LeftoverTests(TestCase):
    """What a ``kill -9`` leaves behind keeps nobody from starting, and who runs is left alone."""

    def test_a_pid_file_that_names_nobody_s_service(self):
        sleeping = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        self.addCleanup(sleeping.wait)
        self.addCleanup(sleeping.kill)
        for content in ("", "soon\n", str(sleeping.pid)):
            folder = folder_for(self)
            (folder / "twistd.pid").write_text(content)
            daemon = Daemon(self, folder=folder)
            self.assertEqual(int(daemon.pid_file.read_text()), daemon.process.pid)
            self.assertIn("twistd.pid: the service that wrote it is gone", daemon.log)
            daemon.process.signal(signal.SIGKILL)
            daemon.process.wait()

    def test_after_a_kill_it_starts_again(self):
        first = Daemon(self, "--listen", "unix:chat.sock")
        first.process.signal(signal.SIGKILL)
        first.process.wait()
        second = Daemon(self, "--listen", "unix:chat.sock", folder=first.folder)
        Client(self, second.address, "ana").close()

    def test_as_the_first_process_of_a_container_it_starts_again(self):
        """There, each one is number 1."""
        unshare = [program("unshare"), "--pid", "--fork", "--mount-proc", "--kill-child"]
        folder = folder_for(self)
        if run(*unshare, "true", folder=folder).returncode != 0:
            raise SkipTest("only root can make a container")
        for _ in range(2):
            server = FreshServer(
                self,
                listen=("unix:chat.sock",),
                folder=folder,
                command=(*unshare, TWISTD),
                pid=True,
            )
            self.assertEqual((folder / "twistd.pid").read_text(), "1")
            self.assertEqual(os.readlink(folder / "chat.sock.lock"), "1")
            with closing(socket.socket(socket.AF_UNIX)) as ana:
                ana.connect(str(folder / "chat.sock"))
                self.assertTrue(ana.recv(100))
            server.kill()
            eventually(lambda: self.is_free(folder / "chat.sqlite"), "the container to end")

    def is_free(self, history: Path) -> bool:
        with history.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def test_a_service_that_runs_keeps_its_pid_file_and_its_socket(self):
        daemon = Daemon(self, "--listen", "unix:chat.sock")
        # As after a clock that was set forward: the process seems younger than its file.
        os.utime(daemon.pid_file, (0, 0))
        done = run(TWISTD, "chat", "--history", "other", folder=daemon.folder)
        self.assertIn("Another twistd server is running", done.stderr)
        self.assertEqual(int(daemon.pid_file.read_text()), daemon.process.pid)

        listen = ("--history", "other", "--listen", "unix:chat.sock")
        done = run(TWISTD, "-n", "--pidfile=", "chat", *listen, folder=daemon.folder)
        self.assertEqual(
            done.stderr.splitlines()[-1],
            "chat: address already in use: can't listen on unix:chat.sock",
        )
        with closing(socket.socket(socket.AF_UNIX)) as ana:
            ana.connect(str(daemon.folder / "chat.sock"))
            self.assertTrue(ana.recv(100))

    def test_another_twistd_keeps_its_pid_file(self):
        folder = folder_for(self)
        other = subprocess.Popen(
            [TWISTD, "-n", "web", "--listen", LOOPBACK],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        pid_file = folder / "twistd.pid"
        eventually(lambda: pid_file.exists() and pid_file.read_text(), "its pid file")
        self.assertIn("Another twistd", run(TWISTD, "chat", folder=folder).stderr)
        self.assertEqual(int(pid_file.read_text()), other.pid)
        # Of one that was started later it can't be.
        os.utime(pid_file, (0, 0))
        Daemon(self, folder=folder)

    def test_what_is_no_pid_file_and_no_socket_is_left_alone(self):
        folder = folder_for(self)
        for name, arguments in (
            ("letter", ("--pidfile=letter", "chat")),
            ("chat.sock", ("--pidfile=", "chat", "--listen", "unix:chat.sock")),
        ):
            (folder / name).write_text("Dear Ana, " * 10)
            done = run(TWISTD, "-n", *arguments, folder=folder)
            self.assertEqual(done.returncode, 1)
            self.assertEqual((folder / name).read_text(), "Dear Ana, " * 10)


class HangupTests(TestCase):
    """The terminal goes, or the log was moved: SIGHUP tells of both."""

    def on_terminal(self, *command: str) -> tuple[FreshServer, int]:
        """Start a service on a terminal of its own, which is gone once the number is closed."""
        ours, theirs = pty.openpty()

        def take() -> None:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        server = FreshServer(self, command=(*command, TWISTD), preexec_fn=take)
        os.close(theirs)
        return server, ours

    def test_when_the_terminal_is_gone_it_stops_as_told(self):
        server, terminal = self.on_terminal()
        ana = Client(self, server.address, "ana")
        ana.say("my last words")
        os.close(terminal)
        self.assertTrue(ana.read_rest().endswith(GOODBYE))
        ana.close()
        self.assertEqual(server.wait(), -signal.SIGHUP)
        self.assertIn("the terminal is gone", server.log)
        self.assertIn("chatservice is down", server.log)
        bob = Client(self, FreshServer(self, folder=server.folder).address, "bob")
        bob.read_until("<ana> my last words\r\n")

    def test_nohup_holds(self):
        server, terminal = self.on_terminal("nohup")
        ana = Client(self, server.address, "ana")
        os.close(terminal)
        eventually(lambda: "SIGHUP" in server.log, "the signal to be noticed")
        ana.ask("/who", until=" ana\r\n")

    def test_with_its_terminal_or_none_it_goes_on(self):
        server, terminal = self.on_terminal()
        self.addCleanup(os.close, terminal)
        for one in (server, FreshServer(self)):
            for number in (signal.SIGHUP, signal.SIGUSR1):
                one.signal(number)
                told = f"{number.name}: the log is no file"
                eventually(lambda one=one, told=told: told in one.log, "the signal to be noticed")
            Client(self, one.address, "ana").ask("/who", until=" ana\r\n")

    def test_a_log_that_was_moved_is_opened_again(self):
        daemon = Daemon(self)
        path = daemon.folder / "twistd.log"
        moved = path.rename(daemon.folder / "moved.log")
        daemon.process.signal(signal.SIGHUP)
        eventually(lambda: path.exists() and "opened again" in daemon.log, "the new log")
        self.assertIn("listens on", moved.read_text())
        self.assertNotIn("listens on", daemon.log)
        Client(self, daemon.address, "ana").ask("/who", until=" ana\r\n")
        daemon.process.signal(signal.SIGTERM)
        daemon.process.wait()
        self.assertIn("chatservice is down", daemon.log)

    def test_a_new_log_is_begun_when_told_so(self):
        daemon = Daemon(self)
        daemon.process.signal(signal.SIGUSR1)
        old = daemon.folder / "twistd.log.1"
        eventually(old.exists, "the old log")
        self.assertIn("listens on", old.read_text())

    def test_logrotate_has_it_all(self):
        logrotate = program("logrotate")
        daemon = Daemon(self)
        mine = daemon.folder / "logrotate.conf"
        mine.write_text(LOGROTATE.read_text().replace("/srv/chat", str(daemon.folder)))
        mine.chmod(0o644)
        for _ in range(2):
            state = ("--state", str(daemon.folder / "state"))
            done = run(logrotate, "--force", *state, str(mine), folder=daemon.folder)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            eventually(lambda: "opened again" in daemon.log, "the new log")
            # Each has the second in its name.
            at = int(time.time())
            # The clock of time(2), by which logrotate goes, may be a tick behind.
            eventually(lambda at=at: time.time() > at + 1.1, "the next second")
        old = sorted(daemon.folder.glob("twistd.log-*"))
        self.assertEqual([path.suffix for path in old], [".gz", f".{old[1].suffix[1:]}"])

        daemon.process.signal(signal.SIGTERM)
        daemon.process.wait()

    def test_a_log_that_is_copied_and_emptied_has_no_holes(self):
        daemon = Daemon(self)
        os.truncate(daemon.folder / "twistd.log", 0)
        daemon.process.signal(signal.SIGTERM)
        daemon.process.wait()
        self.assertIn("chatservice is down", daemon.log)
        self.assertNotIn("\0", daemon.log)

    def test_a_log_that_can_not_be_is_said_in_one_line(self):
        for ways in (("-n",), ()):
            done = run(TWISTD, *ways, "--logfile=/nowhere/log", "chat", folder=folder_for(self))
            self.assertEqual(done.returncode, 1)
            self.assertEqual(
                done.stderr, "chat: --logfile /nowhere/log: No such file or directory\n"
            )


class HistoryTests(TestCase):
    """The file that keeps what was said."""

    def say(self, server: FreshServer, *lines: str) -> None:
        """Say something, and see that it is stored."""
        ana = Client(self, server.address, "ana")
        ana.say(*lines)
        ana.ask("/who", until=re.compile(" ana\r\n"))
        ana.say("/quit")
        ana.read_rest()
        ana.close()

    def test_a_restart_shows_what_was_said(self):
        first = FreshServer(self)
        self.say(first, "one", "/me waves", "//three", "grüße")
        first.stop()
        bob = Client(self, FreshServer(self, folder=first.folder).address, "bob")

        self.assertEqual(bob.read_line(), "-- the last 4 lines of #lobby, times in UTC:")
        past = [bob.read_line() for _ in range(4)]
        self.assertEqual(
            [line.partition("] ")[2] for line in past],
            ["<ana> one", "* ana waves", "<ana> /three", "<ana> grüße"],
        )
        for line in past:
            self.assertRegex(line, r"^\[\d\d:\d\d\] ")

    def test_the_log_says_which_file_it_is_and_how_much_is_in_it(self):
        """So who starts it in another folder sees why nothing of what was said is there."""
        first = FreshServer(self)
        self.say(first, "one", "two")
        first.stop()
        second = FreshServer(self, folder=first.folder)
        self.assertIn(f"; history: {first.history} (new: nothing is in it yet); ", first.log)
        self.assertRegex(
            second.log, rf"; history: {re.escape(str(first.history))} \([1-9] events, 0\.\d MB\); "
        )

    def test_a_backup_made_while_it_runs_is_whole(self):
        server = FreshServer(self)
        self.say(server, "one", "two")
        folder = folder_for(self)
        # What `.backup` of the program sqlite3 does.
        with (
            closing(sqlite3.connect(server.folder / "chat.sqlite")) as live,
            closing(sqlite3.connect(folder / "chat.sqlite")) as backup,
        ):
            live.backup(backup)
        self.say(server, "three")
        bob = Client(self, FreshServer(self, folder=folder).address, "bob")

        self.assertEqual(bob.read_line(), "-- the last 2 lines of #lobby, times in UTC:")
        self.assertEqual(
            [bob.read_line().partition("] ")[2] for _ in range(2)], ["<ana> one", "<ana> two"]
        )

    def test_only_the_owner_may_read_it(self):
        server = FreshServer(self, umask=0)
        self.say(server, "a secret")
        files = sorted(server.folder.glob("chat.sqlite*"))
        self.assertEqual(
            [file.name for file in files], ["chat.sqlite", "chat.sqlite-shm", "chat.sqlite-wal"]
        )
        for file in files:
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)

    def test_a_private_line_is_in_it_and_nowhere_else(self):
        server = FreshServer(self)
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
        server = FreshServer(self)
        self.say(server, "hello")
        server.stop()
        self.assertEqual(list(server.folder.glob("chat.sqlite*")), [server.history])

    def test_it_belongs_to_one_process(self):
        server = FreshServer(self)
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
        server = FreshServer(self, "--history", "what was said.db")
        self.say(server, "hello")
        self.assertTrue((server.folder / "what was said.db").is_file())
        self.assertFalse(server.history.exists())

    def test_none_keeps_nothing(self):
        first = FreshServer(self, "--history", "none")
        self.say(first, "forget this")
        Client(self, first.address, "bob").read_until("<ana> forget this\r\n")
        self.assertEqual(first.stop(), -signal.SIGTERM)
        self.assertEqual(
            [path.name for path in first.folder.iterdir() if "output" not in path.name], []
        )

        second = FreshServer(self, "--history", "none", folder=first.folder)
        cleo = Client(self, second.address, "cleo")
        self.assertIn("nothing was said", cleo.ask("/history", until="\n"))

    def test_what_is_older_than_one_keeps_is_gone(self):
        first = FreshServer(self)
        self.say(first, "old news", "older than you")
        first.stop()
        age = 10 * 24 * 60 * 60 * 1000
        with closing(sqlite3.connect(first.history)) as history:
            history.execute("UPDATE events SET at = at - ?", (age,))
            history.commit()
        second = FreshServer(self, folder=first.folder)
        self.say(second, "fresh news")
        second.stop()

        third = FreshServer(self, "--keep", "5", "--clock-is-right", folder=first.folder)
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
        server = FreshServer(self, "--motd", "motd.txt", folder=folder)
        shown = Client(self, server.address, "ana").welcome
        self.assertEqual(
            shown,
            f"{GREETING}\r\n-- Grüße!\r\n--\r\n-- Be kind.\r\n"
            "-- \u241b[31mred\u241b[0m\r\n-- \ufffd\r\n"
            f"{hello('ana')}\r\n"
            f"{entered()}\r\n",
        )

    def test_rooms_that_always_exist(self):
        server = FreshServer(self, "--room", "Plaza", "--room", "#dev")
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

        server = FreshServer(self, *UNHURRIED, preexec_fn=limit)
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
        server = FreshServer(self, "--max-connections", "50")
        self.assertNotIn("open files", server.log)
