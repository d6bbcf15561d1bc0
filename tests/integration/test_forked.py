"""Servers that are forked are like others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.environment import CHECKOUT
from tests.integration.forked import Forked
from tests.integration.support import (
    LOOPBACK,
    PATIENCE,
    Client,
    FreshServer,
    Process,
    Server,
    eventually,
    folder_for,
)

ASKING = """
import sys
from pathlib import Path
from tests.integration.forked import Forked, forker

words = ["-n", "--pidfile=", "chat", "--listen", sys.argv[1]]
print(Forked(words, Path(sys.argv[2]), 2).pid, forker().process.pid, flush=True)
sys.stdin.read()
"""


def inherited(server: Server) -> dict[str, object]:
    """Return what the kernel tells of a process that it may have of its parent."""
    process = Path(f"/proc/{server.pid}")
    status = (process / "status").read_text()
    files = {
        file.name: re.sub(r"\[\d+\]|output-\w+$", "", os.readlink(file))
        for file in (process / "fd").iterdir()
    }
    return {
        "status": re.findall(r"^((?:Sig(?!Q)|Umask|Cap|Groups|NoNewPrivs).*)$", status, re.M),
        "limits": (process / "limits").read_text(),
        "files": {n: link.replace(str(server.folder), "") for n, link in files.items()},
        "folder": os.readlink(process / "cwd") == str(server.folder),
        "session": os.getsid(server.pid),
        "group": os.getpgid(server.pid),
    }


class ForkedTests(TestCase):
    def start(self, listen: str = LOOPBACK) -> tuple[Forked, Path]:
        """Start a chat; return the file that it writes to, too."""
        output = folder_for(self) / "output"
        with output.open("wb") as file:
            words = ("-n", "--pidfile=", "chat", "--listen", listen)
            forked = Forked(words, output.parent, file.fileno())
        self.addCleanup(forked.wait, PATIENCE)
        self.addCleanup(forked.send_signal, signal.SIGKILL)
        return forked, output

    def test_it_is_like_one_that_was_started(self) -> None:
        forked, other = Server(self), FreshServer(self)
        self.assertIsInstance(forked._process, Forked)
        self.assertIsInstance(other._process, subprocess.Popen)
        for server in (forked, other):
            # It heeds signals, as it does for as long as it runs, when it lets somebody in.
            peer = Client(self, server.address, "ana")
            peer.say("/quit")
            peer.read_rest()
        found, wanted = inherited(forked), inherited(other)
        for what, one in wanted.items():
            self.assertEqual(found[what], one, what)

    def test_what_ends_by_itself_has_a_status(self) -> None:
        forked, output = self.start("nowhere")
        self.assertEqual(forked.wait(PATIENCE), 1)
        self.assertEqual((forked.poll(), forked.returncode), (1, 1))
        forked.send_signal(signal.SIGTERM)
        self.assertIn("chat: --listen nowhere: ", output.read_text())

    def test_what_a_signal_ends_has_its_number_as_status(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            forked, output = self.start()
            eventually(lambda output=output: "; history: " in output.read_text(), "it to be ready")
            self.assertEqual((forked.poll(), forked.returncode), (None, None))
            self.assertRaises(subprocess.TimeoutExpired, forked.wait, 0.01)
            forked.send_signal(number)
            self.assertEqual(forked.wait(PATIENCE), -number)
            self.assertEqual((forked.poll(), forked.returncode), (-number, -number))

    def test_it_has_the_environment_of_the_moment(self) -> None:
        for zone, offset in (("ONE-1:30", "+0130"), ("TWO+2", "-0200")):
            self.patch(os, "environ", {**os.environ, "TZ": zone})
            self.assertRegex(Server(self).log, rf"(?m)^\S+T\S+{re.escape(offset)} \[.* listens on ")

    def test_nothing_is_left_when_the_process_is_killed_that_asked(self) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", ASKING, LOOPBACK, folder_for(self)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as asking:
            self.addCleanup(asking.kill)
            assert asking.stdout is not None
            left = [Process(self, int(pid)) for pid in asking.stdout.readline().split()]
            self.assertEqual(len(left), 2)
            asking.kill()
        for process in left:
            process.wait()
