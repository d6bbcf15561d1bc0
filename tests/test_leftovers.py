from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from chatservice import leftovers
from chatservice.leftovers import LONGEST, clear_pid_file, clear_socket, hold_pid_file
from tests.journal.support import folder_for


class LeftoversTestCase(TestCase):
    def setUp(self) -> None:
        self.folder = Path(folder_for(self))

    def run_as(self, name: str) -> int:
        """Start a process that does nothing, as a program of that name; return its number."""
        script = self.folder / name
        script.write_text("import sys; print(flush=True); sys.stdin.read()")
        process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None and process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdin.close)
        process.stdout.readline()
        return process.pid


class PidFileTests(LeftoversTestCase):
    def left(self, content: str | bytes, at: float | None = None) -> bool:
        """Return whether a pid file with that content is left where it is."""
        path = self.folder / "twistd.pid"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if at is not None:
            os.utime(path, (at, at))
        with capturedLogs() as events:
            clear_pid_file(str(path))
        self.assertEqual(len(events), not path.exists())
        return path.exists()

    def test_one_that_is_not_there(self) -> None:
        clear_pid_file(str(self.folder / "twistd.pid"))

    def test_no_number_is_nobody_s(self) -> None:
        for content in ("", "\n", b"\0\0\0\0", "soon", b"\xff", "-1", "0", "1.5", "9" * LONGEST):
            self.assertFalse(self.left(content), content)

    def test_what_is_too_long_is_something_else(self) -> None:
        self.assertTrue(self.left("9" * (LONGEST + 1)))

    def test_nobody_runs(self) -> None:
        with subprocess.Popen(["true"]) as process:
            pass
        self.assertFalse(self.left(str(process.pid)))

    def test_our_own_number_is_that_of_one_before_us(self) -> None:
        self.assertFalse(self.left(f"{os.getpid()}\n"))

    def test_a_process_of_another_kind(self) -> None:
        for name in ("sleeper", "twistd.log", "not twistd"):
            self.assertFalse(self.left(str(self.run_as(name))), name)

    def test_a_twistd(self) -> None:
        for name in ("twistd", "twistd3", "twistd.py"):
            self.assertTrue(self.left(str(self.run_as(name))), name)

    def test_a_twistd_that_is_younger_than_the_file(self) -> None:
        self.assertFalse(self.left(str(self.run_as("twistd")), at=0))

    def test_one_that_is_held_is_that_of_a_service_that_runs(self) -> None:
        path = self.folder / "twistd.pid"
        path.write_text("1")
        hold_pid_file(str(path))
        self.addCleanup(os.close, int(max(os.listdir("/proc/self/fd"), key=self.is_of(path))))
        clear_pid_file(str(path))
        self.assertTrue(path.exists())

    def is_of(self, path: Path) -> object:
        def is_of(fd: str) -> bool:
            try:
                return os.readlink(f"/proc/self/fd/{fd}") == str(path)
            except OSError:
                return False

        return is_of

    def test_one_of_which_nothing_more_is_known_is_left_alone(self) -> None:
        def unseen(path: Path) -> bytes:
            raise PermissionError(path)

        pid = str(self.run_as("sleeper"))
        self.patch(leftovers.Path, "read_bytes", unseen)
        path = self.folder / "twistd.pid"
        path.write_text(pid)
        clear_pid_file(str(path))
        self.assertTrue(path.exists())

    def test_a_file_system_without_locks(self) -> None:
        def unlocked(file: int, how: int) -> None:
            raise OSError("no locks")

        self.patch(fcntl, "flock", unlocked)
        self.assertFalse(self.left(""))

    def test_one_that_can_not_be_held_is_not(self) -> None:
        hold_pid_file(str(self.folder / "nowhere" / "twistd.pid"))


class SocketTests(LeftoversTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.folder / "chat.sock"
        self.lock = self.folder / "chat.sock.lock"

    def listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.path))
        listener.listen(0)
        return listener

    def test_nothing_is_there(self) -> None:
        clear_socket(str(self.path))
        clear_socket(str(self.folder / "nowhere" / "chat.sock"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_nobody_listens_any_more(self) -> None:
        for lock in ("1", "soon", None):
            self.listen().close()
            if lock is not None:
                self.lock.symlink_to(lock)
            clear_socket(str(self.path))
            self.assertEqual(os.listdir(self.folder), [])

    def test_a_lock_alone(self) -> None:
        self.lock.symlink_to("1")
        clear_socket(str(self.path))
        self.assertEqual(os.listdir(self.folder), [])

    def test_somebody_listens_and_is_busy_at_last(self) -> None:
        self.listen()
        self.lock.symlink_to("1")
        for _ in range(3):
            clear_socket(str(self.path))
            self.assertEqual(sorted(os.listdir(self.folder)), ["chat.sock", "chat.sock.lock"])
            busy = socket.socket(socket.AF_UNIX)
            self.addCleanup(busy.close)
            busy.setblocking(False)
            busy.connect_ex(str(self.path))

    def test_what_is_no_socket_is_left_alone(self) -> None:
        self.path.write_text("Dear Ana")
        self.lock.write_text("a lock of another kind")
        clear_socket(str(self.path))
        self.assertEqual(self.path.read_text(), "Dear Ana")
        self.assertTrue(self.lock.exists())

    def test_a_socket_of_another_kind_is_left_alone(self) -> None:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as other:
            other.bind(str(self.path))
            clear_socket(str(self.path))
        self.assertTrue(self.path.exists())
