"""What the README shows is replayed, character for character, by two people on real telnets."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.support import Server

README = Path(__file__).resolve().parents[2] / "README.md"
PATIENCE = 20.0
SHOWN = re.compile(r"-- |<|\* |\[|#|Trying |Connected |Escape |Connection ")
"""How a line begins that a person is shown, and does not type."""


class Terminal:
    """A telnet on a terminal of its own, at which somebody types what a transcript says."""

    def __init__(self, transcript: list[str]) -> None:
        command, *self.wanted = transcript
        self._fd, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command.removeprefix("$ ").split(), stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self._received = b""
        self._typed = 0

    @property
    def lines(self) -> list[str]:
        """The lines on the screen."""
        return self._received.decode(errors="ignore").splitlines()

    def go_on(self) -> None:
        """Look at what comes; when it is this person's turn, type the next line."""
        if select.select([self._fd], [], [], 0.01)[0]:
            try:
                self._received += os.read(self._fd, 65536)
            except OSError:  # so a terminal says that its program has ended
                self._process.wait(PATIENCE)
        lines = self.lines
        turn = len(lines)
        if not self._received.endswith(b"\n") or not self._typed < turn < len(self.wanted):
            return
        if lines == self.wanted[:turn] and not SHOWN.match(self.wanted[turn]):
            os.write(self._fd, self.wanted[turn].encode() + b"\n")
            self._typed = turn

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        os.close(self._fd)


class TranscriptTests(TestCase):
    """The README's two people."""

    def test_ana_and_bob_see_what_the_readme_shows(self) -> None:
        server = Server(self)
        ana, bob = (
            block.replace("7007", str(server.port)).splitlines()
            for block in re.findall(r"```console\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
        )
        people = [self.sit_down(ana)]
        end = time.monotonic() + PATIENCE
        while len(people) < 2 or any(person.lines != person.wanted for person in people):
            for person in people:
                person.go_on()
            if len(people) < 2 and people[0].lines == ana[1 : ana.index("-- bob joined")]:
                people.append(self.sit_down(bob))
            if time.monotonic() > end:
                break
        for person in people:
            self.assertEqual(person.lines, person.wanted)

    def sit_down(self, transcript: list[str]) -> Terminal:
        """Start somebody's telnet."""
        terminal = Terminal(transcript)
        self.addCleanup(terminal.close)
        return terminal
