"""A disk that is full, a real one: nothing is shown that is not stored, and nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from tests.integration.support import (
    LOOPBACK,
    TWISTD,
    UNHURRIED,
    Client,
    Server,
    assert_lines,
    folder_for,
    run,
    troubles_in,
)

SIZE = 4 << 20

TROUBLE = "-- the history can't be written: what is said now waits, and is shown later\r\n"
OVER = re.compile(r"^-- the history is written again.*\r\n", re.M)
REFUSED = "the history refuses what is said: database or disk is full"
LOST = "things that were said are not stored"
CLOGGED = 1000
"""So many lines wait before people are not read from."""


class Disk:
    """A small file system of its own, that can be filled up."""

    def __init__(self, case: TestCase) -> None:
        self.path = folder_for(case) / "disk"
        self.path.mkdir()
        self._filler = self.path / "filler"
        mount = shutil.which("mount")
        if mount is None or os.geteuid() != 0:
            raise SkipTest("only root can mount a file system that is then filled up")
        command = [mount, "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "chat", str(self.path)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        if done.returncode != 0:
            raise AssertionError(f"root could not mount a tmpfs: {done.stderr}")
        case.addCleanup(self._unmount)

    def fill(self) -> None:
        """Leave no room for even a page."""
        with self._filler.open("ab", buffering=0) as filler:
            page = bytes(4096)
            while True:
                try:
                    filler.write(page)
                except OSError:
                    return

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    def make_read_only(self) -> None:
        """Take nothing more; nobody may have a file open to write."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)

    def _unmount(self) -> None:
        if subprocess.run(["umount", str(self.path)], capture_output=True).returncode != 0:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)


class FullDiskTests(TestCase):
    """The disk fills up while people talk, and then has room again."""

    def setUp(self) -> None:
        self.disk = Disk(self)
        self.history = self.disk.path / "chat.sqlite"
        self.server = Server(
            self,
            *UNHURRIED,
            "--history",
            str(self.history),
            troubles=f"{REFUSED}|{LOST}",
        )
        self.ana = self.come("ana")
        self.bob = self.come("bob")
        self.ana.say("before")
        self.bob.read_until("<ana> before\r\n")
        self.ana.read_until("-- bob joined\r\n")

    def come(self, name: str) -> Client:
        return Client(self, self.server.address, name)

    def stored(self) -> list[str]:
        """List what was said, as the history has it."""
        uri = f"file:{self.history}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute("SELECT text FROM events WHERE kind = 'said' ORDER BY id")
            return [text for (text,) in rows]

    def fill_and_say(self, *lines: str) -> None:
        """Fill the disk, and say something that is not stored."""
        self.disk.fill()
        self.ana.say(*lines)
        for peer in (self.ana, self.bob):
            self.assertEqual(peer.read_until(TROUBLE), TROUBLE)

    def test_what_is_said_waits_and_is_shown_when_it_is_stored(self):
        self.fill_and_say("one", "two")
        self.bob.say("three")
        # What two say at once has no order; with an answer, that was handled.
        self.assertNotIn(TROUBLE, self.bob.ask("/who", until="--   ana, bob\r\n"))
        self.ana.say("/me waits", "four")
        # Answers, so what was said before was handled; and all this works.
        for peer in (self.ana, self.bob):
            meanwhile = peer.ask("/who", until="--   ana, bob\r\n")
            meanwhile += peer.ask("/help", until="say /TEXT\r\n")
            meanwhile += peer.ask("/rooms", until="#lobby (you are here)\r\n")
            meanwhile += peer.ask("/history", until=re.compile(r"^\[.*<ana> before\r\n", re.M))
            self.assertNotRegex(meanwhile, "> (one|two|three|four)|waits")
            self.assertNotIn(TROUBLE, meanwhile, "it is told once")
        self.assertEqual(self.stored(), ["before"])

        self.disk.free()
        heard = self.bob.read_until("<ana> four\r\n")
        told = self.ana.read_until("<bob> three\r\n")
        self.assertEqual(
            re.findall(r"^[<*].*", heard, re.M),
            ["<ana> one\r", "<ana> two\r", "* ana waits\r", "<ana> four\r"],
        )
        for peer, before in ((self.bob, heard), (self.ana, told)):
            peer.say("/who")
            after = peer.read_until("--   ana, bob\r\n")
            self.assertEqual(len(OVER.findall(before + after)), 1, "it is told once")
            self.assertNotIn(TROUBLE, before + after)
            self.assertNotRegex(after, "> (one|two|three|four)|waits")

        self.assertEqual(self.stored(), ["before", "one", "two", "three", "four"])

    def test_service_is_back_by_itself_soon(self):
        self.fill_and_say("one")
        self.disk.free()
        self.bob.read_until("<ana> one\r\n", patience=10)
        self.ana.say("two")
        self.bob.read_until("<ana> two\r\n")

    def test_it_can_be_full_twice(self):
        for number in range(2):
            self.fill_and_say(f"in trouble {number}")
            self.disk.free()
            self.bob.read_until(f"<ana> in trouble {number}\r\n")
            for peer in (self.ana, self.bob):
                peer.read_until(OVER)

    def test_one_may_leave_and_come_back(self):
        self.fill_and_say("one")
        self.assertEqual(
            self.ana.ask("/quit", until="\n"), "-- goodbye, ana\r\n", "nobody is held back"
        )
        self.ana.close()
        cleo = Client(self, self.server.address)
        cleo.say("cleo", "hello")
        cleo.read_until("-- hello cleo!")
        self.disk.free()
        self.bob.read_until(re.compile(r"^<ana> one\r\n.*^<cleo> hello\r\n", re.M | re.S))

    def test_thousands_of_lines_wait_where_they_are(self):
        """Past a bound people are not read from, which is no reason to lose a line."""
        self.fill_and_say("one")
        lines = [f"line {number} {'x' * 50}" for number in range(4 * CLOGGED)]
        self.ana.say(*lines, "/quit")
        self.bob.ask("/help", until="say /TEXT\r\n")
        self.disk.free()

        heard = self.bob.read_until("-- ana left\r\n")
        assert_lines(self, re.findall(r"<ana> (.*)\r\n", heard), ["one", *lines])
        assert_lines(self, self.stored(), ["before", "one", *lines])

    def test_a_kill_while_it_is_full_loses_nothing_that_was_shown(self):
        self.fill_and_say("one")
        self.server.kill()
        self.assertEqual(self.bob.read_rest(), "")
        self.disk.free()
        again = Server(self, "--history", str(self.history))
        cleo = Client(self, again.address, "cleo")
        self.assertIn("<ana> before", cleo.ask("/history", until=re.compile(r"^\[.*\n", re.M)))
        self.assertEqual(self.stored(), ["before"])

    def test_a_stop_stores_what_waited_if_there_is_room_again(self):
        self.fill_and_say("one")
        self.bob.say("two")
        self.bob.ask("/who", until="--   ana, bob\r\n")
        self.disk.free()
        self.server.signal(signal.SIGTERM)
        self.assertIn("<ana> one\r\n", self.bob.read_rest())
        self.assertIn("<bob> two\r\n", self.ana.read_rest())
        for peer in (self.ana, self.bob):
            peer.close()
        self.server.wait()
        self.assertEqual(self.stored(), ["before", "one", "two"])

    def test_a_stop_while_it_is_full_says_what_was_not_stored(self):
        self.fill_and_say("one", "two")
        self.server.signal(signal.SIGTERM)
        told = self.bob.read_rest()
        self.assertEqual(
            told,
            "-- the last 2 things said could not be stored: they are lost\r\n"
            "-- the server is going down: goodbye\r\n",
        )
        for peer in (self.ana, self.bob):
            peer.close()
        self.assertEqual(self.server.wait(), -signal.SIGTERM)
        refused, lost = troubles_in(self.server.log)
        self.assertIn(REFUSED, refused)
        self.assertIn(f"2 {LOST}", lost)
        self.disk.free()
        self.assertEqual(self.stored(), ["before"])


class MovedTests(TestCase):
    """Somebody moves the history away under the service, and puts it back."""

    NOTICED = 2.0
    """Seconds within which people are told, and then some for a busy machine."""

    def setUp(self) -> None:
        self.folder = folder_for(self) / "data"
        self.folder.mkdir()
        self.server = Server(
            self, folder=self.folder, troubles=f"the history refuses what is said|{LOST}"
        )
        self.away = folder_for(self) / "away"
        self.ana, self.bob = (Client(self, self.server.address, name) for name in ("ana", "bob"))
        self.ana.say("before")
        self.bob.read_until("<ana> before\r\n")
        self.ana.read_until("-- bob joined\r\n")

    def stored(self) -> list[str]:
        with closing(sqlite3.connect(self.server.history)) as connection:
            rows = connection.execute("SELECT text FROM events WHERE kind = 'said' ORDER BY id")
            return [text for (text,) in rows]

    def noticed(self, path: Path, is_now: str = "was moved or deleted") -> None:
        """See that people and the log are told, though nobody speaks, and nothing is shown."""
        for peer in (self.ana, self.bob):
            self.assertEqual(peer.read_until(TROUBLE, patience=self.NOTICED + 5), TROUBLE)
        self.assertIn(f"the history refuses what is said: {path} {is_now}", self.server.log)
        self.ana.say("waits")
        meanwhile = self.bob.ask("/history", until=re.compile(r"^\[.*<ana> before\r\n", re.M))
        self.assertNotIn("waits", meanwhile)

    def goes_on(self) -> None:
        """See that it goes on where it was."""
        heard = self.bob.read_until("<ana> waits\r\n")
        heard += self.bob.read_until(OVER) if not OVER.search(heard) else ""
        self.assertEqual(self.stored(), ["before", "waits"])
        self.server.stop()
        cleo = Client(self, Server(self, folder=self.folder).address, "cleo")
        cleo.read_until("<ana> waits\r\n")

    def test_a_file_that_is_moved_and_put_back(self):
        for end in ("", "-wal"):
            self.server.history.with_name(f"chat.sqlite{end}").rename(self.away)
            self.noticed(self.server.history.with_name(f"chat.sqlite{end}"))
            self.away.rename(self.server.history.with_name(f"chat.sqlite{end}"))
            heard = self.bob.read_until(re.compile(r"^<ana> waits\r\n", re.M))
            self.assertRegex(heard, OVER)
            self.ana.read_until(OVER)
        self.assertEqual(self.stored(), ["before", "waits", "waits"])

    def test_all_of_its_files_are_moved_and_put_back(self):
        self.away.mkdir()
        files = list(self.folder.glob("chat.sqlite*"))
        self.assertEqual(len(files), 3)
        for file in files:
            file.rename(self.away / file.name)
        self.noticed(self.server.history)
        for file in files:
            (self.away / file.name).rename(file)
        self.goes_on()

    def test_its_folder_is_moved_and_put_back(self):
        self.folder.rename(self.away)
        for peer in (self.ana, self.bob):
            peer.read_until(TROUBLE)
        self.ana.say("waits")
        self.ana.ask("/who", until="ana, bob\r\n")
        self.away.rename(self.folder)
        self.goes_on()
        self.assertIn(f"{self.server.history} was moved or deleted", self.server.log)

    def test_another_file_is_put_in_its_place(self):
        self.server.history.rename(self.away)
        shutil.copyfile(self.away, self.server.history)
        self.noticed(self.server.history, "is another file now")
        os.replace(self.away, self.server.history)
        self.goes_on()

    def test_it_is_deleted_and_saved_from_the_process(self):
        files = [self.folder / "chat.sqlite", self.folder / "chat.sqlite-wal"]
        for file in files:
            file.unlink()
        self.noticed(self.server.history)
        self.away.mkdir()
        for link in Path(f"/proc/{self.server.pid}/fd").iterdir():
            for file in files:
                if os.readlink(link) == f"{file} (deleted)":
                    shutil.copyfile(link, self.away / file.name)

        self.server.signal(signal.SIGTERM)
        self.assertIn("-- the last 1 things said could not be stored", self.bob.read_rest())
        self.ana.close()
        self.bob.close()
        self.server.wait()
        self.assertIn("1 things that were said are not stored", self.server.log)
        for file in files:
            shutil.copyfile(self.away / file.name, file)
        file.with_name("chat.sqlite-shm").unlink(missing_ok=True)
        cleo = Client(self, Server(self, folder=self.folder).address, "cleo")
        cleo.read_until("<ana> before\r\n")


class StartingTests(TestCase):
    """On a disk that is of no use from the beginning."""

    def start(self, history: Path) -> str:
        """Start what can't start; return its last words."""
        done = run(
            TWISTD,
            *("-n", "--pidfile=", "chat", "--listen", LOOPBACK, "--history", str(history)),
            folder=folder_for(self),
        )
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 1, said)
        self.assertNotIn("Traceback", said)
        return said.splitlines()[-1]

    def test_a_read_only_disk_is_said_in_one_line(self):
        disk = Disk(self)
        disk.make_read_only()
        history = disk.path / "chat.sqlite"
        self.assertTrue(
            self.start(history).endswith(
                f"chat: the history '{history}' can't be opened: Read-only file system"
            )
        )

    def test_a_full_disk_is_said_in_one_line(self):
        disk = Disk(self)
        disk.fill()
        history = disk.path / "chat.sqlite"
        last = self.start(history)
        self.assertIn(f"chat: the history '{history}' can't be", last)
        self.assertIn("full", last)
