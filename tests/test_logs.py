from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from chatservice.logs import KEPT, LogFile, log_file
from tests.journal.support import folder_for


class LogFileTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(folder_for(self))
        self.path = self.folder / "twistd.log"
        self.log = self.open()

    def open(self) -> LogFile:
        log = log_file({"logfile": str(self.path)})
        assert log is not None
        self.addCleanup(log.close)
        return log

    def test_it_goes_on_at_the_end_of_what_is_there(self) -> None:
        self.log.write(b"one\n")
        self.open().write(b"two\n")
        self.log.write(b"three\n")
        self.assertEqual(self.path.read_text(), "one\ntwo\nthree\n")

    def test_in_a_file_that_was_emptied_it_begins_at_the_beginning(self) -> None:
        self.log.write(b"x" * 999_999)
        os.truncate(self.path, 0)
        self.log.write(b"one\n")
        self.log.write(b"two\n")
        self.assertEqual(self.path.read_bytes(), b"one\ntwo\n")
        self.assertEqual(os.listdir(self.folder), ["twistd.log"], "it is not full")

    def test_opened_again_it_is_what_has_the_name_by_now(self) -> None:
        self.log.write(b"one\n")
        moved = self.path.rename(self.folder / "moved")
        self.log.write(b"two\n")
        self.log.reopen()
        self.log.write(b"three\n")
        self.assertEqual((moved.read_text(), self.path.read_text()), ("one\ntwo\n", "three\n"))

    def test_what_can_not_be_opened_again_goes_on(self) -> None:
        moved = self.folder.rename(f"{self.folder}.moved")
        self.addCleanup(moved.rename, self.folder)
        self.assertRaises(FileNotFoundError, self.log.reopen)
        self.log.write(b"one\n")
        self.assertEqual((moved / "twistd.log").read_text(), "one\n")

    def test_so_many_old_ones_are_kept(self) -> None:
        for number in range(KEPT + 5):
            self.log.write(b"%d\n" % number)
            self.log.rotate()  # type: ignore[no-untyped-call]
        old = sorted(self.folder.glob("twistd.log.*"), key=lambda path: int(path.suffix[1:]))
        self.assertEqual([path.suffix for path in old], [f".{n}" for n in range(1, KEPT + 1)])
        self.assertEqual(old[0].read_text(), f"{KEPT + 4}\n")
        self.assertEqual(old[-1].read_text(), "5\n")


class PlaceTests(TestCase):
    """Where the log is a file, by twistd's options."""

    def test_where_it_is_none(self) -> None:
        for twistd in (
            {"nodaemon": 1},
            {"debug": True, "logfile": None},
            {"logfile": "-", "nodaemon": 1},
            {"syslog": 1},
            {"logger": print, "logfile": "mine.log"},
        ):
            self.assertIsNone(log_file(twistd))

    def test_where_it_is_one(self) -> None:
        folder = folder_for(self)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)
        for twistd, name in (
            ({}, "twistd.log"),
            ({"logfile": "mine.log"}, "mine.log"),
            ({"logfile": "front.log", "nodaemon": 1}, "front.log"),
        ):
            file = log_file(twistd)
            assert file is not None
            self.assertEqual(file.path, f"{folder}/{name}")
            file.close()
