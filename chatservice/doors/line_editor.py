"""The line that is typed at a terminal, and what is shown above it meanwhile."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Final

from chatservice.text.layout import width
from chatservice.text.sanitising import edited, safe

_ERASE: Final = b"\r\x1b[K"
"""To the beginning of the row, and nothing in it any more (ECMA-48: EL)."""

_CUT: Final = "…"
"""Stands for the beginning of a line that is longer than a row."""

_KEYS: Final = re.compile(
    r"(?P<run>[^\x00-\x1f\x7f]+)"
    # What arrows and the like send, and the beginning of that (ECMA-48, 5.4).
    r"|\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O\x00-\x1f])"
    r"|(?P<begun>\x1b(?:\[[0-?]*[ -/]*|O)?\Z)"
    r"|(?P<key>.)",
    re.DOTALL,
)

_END: Final = "\x04"
_EDITING: Final = "\b\x7f\x15\x17"


class LineEditor:
    """A line in the last row of a terminal that leaves the keys to us.

    What is typed stands there, or as much of its end as fits; what comes in is written above it.

    :param columns: tells how wide the terminal is.
    """

    def __init__(self, columns: Callable[[], int]) -> None:
        self._columns = columns
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self._text = ""
        self._shown = ""
        self._free = True

    def output(self, data: bytes) -> bytes:
        """Return what is to be written so that something appears above the line.

        As long as it does not end with a line of its own, the line that is typed is not shown.
        """
        before = self._erased()
        self._free = data.endswith(b"\n")
        return before + data + self._drawn()

    def typed(self, data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """Take the bytes that keys sent.

        :returns: for each key the bytes to write to the terminal, and the line with its end if the
            key was Enter; ``b""`` if it was Ctrl-D with nothing typed, which ends the input; else
            None.
        """
        keys = self._begun + self._decoder.decode(data)
        self._begun = ""
        for found in _KEYS.finditer(keys):
            key = found["key"]
            if found["run"]:
                yield self._changed(self._text + found["run"]), None
            elif found["begun"]:
                self._begun = found["begun"]
            elif key in ("\r", "\n"):
                yield self._entered()
            elif key == _END and not self._text:
                yield b"", b""
            elif key and key in _EDITING:
                yield self._changed(edited(self._text + key)), None

    def _changed(self, text: str) -> bytes:
        self._text = text
        before = self._shown
        shown = self._fitting()
        if self._free and before and shown.startswith(before):
            self._shown = shown
            return shown[len(before) :].encode()
        return self._erased() + self._drawn()

    def _entered(self) -> tuple[bytes, bytes]:
        text, self._text = self._text, ""
        # All of it, so that what was said can be read: it is text above the line from now on.
        before = b"" if self._shown == safe(text) else self._erased() + safe(text).encode()
        self._shown = ""
        self._free = True
        return before + b"\n", text.encode() + b"\n"

    def _erased(self) -> bytes:
        shown, self._shown = self._shown, ""
        return _ERASE if shown else b""

    def _drawn(self) -> bytes:
        self._shown = self._fitting() if self._free else ""
        return self._shown.encode()

    def _fitting(self) -> str:
        """Return the end of the line that fits in a row, of which the last column stays free."""
        room = max(2, self._columns() - 1)
        text = safe(self._text[-4 * room :])
        if len(self._text) <= 4 * room and width(text) <= room:
            return text
        while width(text) >= room:
            text = text[1:]
        return _CUT + text
