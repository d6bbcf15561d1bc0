"""A terminal that a test looks at: a program in a pseudo-terminal, and a screen of cells."""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte
from twisted.trial.unittest import TestCase
from wcwidth import wcwidth

PATIENCE = 30.0
SCROLLBACK = 20_000


def seen(text: str) -> str:
    """Return what pyte keeps of a text: no joiners and selectors, and letters with their marks."""
    kept = [one for one in text if wcwidth(one) or unicodedata.combining(one)]
    return unicodedata.normalize("NFC", "".join(kept))


class Cells(pyte.HistoryScreen):
    """A screen with all that has scrolled out of it.

    :ivar bells: how often it rang.
    """

    bells = 0

    def draw(self, data: str) -> None:
        """Leave out what pyte takes for the end of the text."""
        super().draw(seen(data))

    def bell(self, *args: object) -> None:
        self.bells += 1

    @property
    def past(self) -> list[str]:
        """What has scrolled out of it."""
        return [
            "".join(row[x].data for x in range(self.columns)).rstrip() for row in self.history.top
        ]

    @property
    def rows(self) -> list[str]:
        """What is on it, without what is empty below."""
        rows = [row.rstrip() for row in self.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows


class Tty:
    """A program on a terminal."""

    def __init__(
        self,
        case: TestCase | None,
        command: Sequence[str | Path],
        columns: int = 80,
        rows: int = 24,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.cells = Cells(columns, rows, history=SCROLLBACK, ratio=0.5)
        self._stream = pyte.ByteStream(self.cells)
        self.written = b""
        first, *rest = map(str, command)
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PROMPT_TOOLKIT", "NO_COLOR", "COLORTERM"))
        }
        self.process = pexpect.spawn(
            first,
            rest,
            dimensions=(rows, columns),
            env={**plain, "TERM": "xterm-256color", "TZ": "UTC", **(environ or {})},
            cwd=None if folder is None else str(folder),
        )
        # It sleeps before it sends something, otherwise.
        self.process.delaybeforesend = None
        if case is not None:
            case.addCleanup(self.process.close, force=True)

    def look(self, seconds: float = 0.02) -> bool:
        """Take what comes in some time; returns whether there may be more."""
        try:
            data = self.process.read_nonblocking(1 << 16, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.written += data
        self._stream.feed(data)
        return True

    def until(self, seen: Callable[[], object], what: str = "it") -> None:
        """Look until something is to be seen."""
        deadline = time.monotonic() + PATIENCE
        while not seen():
            if not self.look() or time.monotonic() > deadline:
                if seen():
                    return
                shown = "\n".join(self.cells.rows)
                raise AssertionError(f"in vain waited for {what} on:\n{shown}")

    def until_shown(self, *texts: str) -> None:
        """Look until texts are on the screen, or scrolled out of it."""
        self.until(lambda: all(text in "\n".join(self.everything) for text in texts), repr(texts))

    def until_gone(self, text: str) -> None:
        """Look until a text is not on the screen any more."""
        self.until(lambda: text not in "\n".join(self.cells.rows), f"no {text!r}")

    def type(self, text: str) -> None:
        """Type."""
        self.process.send(text.encode())

    def paste(self, text: str) -> None:
        """Paste, as terminals do that tell what is pasted."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self.cells.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    @property
    def everything(self) -> list[str]:
        """All rows, from the first that scrolled out of it on."""
        return self.cells.past + self.cells.rows

    def status(self) -> int:
        """Wait for its end, and return the exit status."""
        while self.look(0.1):
            pass
        self.process.close()
        assert self.process.exitstatus is not None, self.process.signalstatus
        return int(self.process.exitstatus)
