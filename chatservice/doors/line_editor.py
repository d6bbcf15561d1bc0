"""The editor of the line that is typed at the terminal, with output shown above that line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Final

from chatservice.text.layout import width
from chatservice.text.sanitising import edited, safe

_ERASE: Final = b"\r\x1b[K"
"""Goes to the beginning of the row and erases the row (ECMA-48: EL)."""

_CUT: Final = "…"
"""Stands for the beginning of a line that is longer than a row."""

_KEYS: Final = re.compile(
    r"(?P<run>[^\x00-\x1f\x7f]+)"
    # Control sequences of arrow keys and the like, and the beginning of one (ECMA-48, 5.4).
    r"|\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O\x00-\x1f])"
    r"|(?P<begun>\x1b(?:\[[0-?]*[ -/]*|O)?\Z)"
    r"|(?P<key>.)",
    re.DOTALL,
)

_END: Final = "\x04"
_EDITING: Final = "\b\x7f\x15\x17"


class LineEditor:
    """Keeps the typed line in the last row of a terminal that passes all keys on.

    The row shows the line, or as much of its end as fits. Output is written above the row.

    :param columns: returns the terminal's width in columns.
    """

    def __init__(self, columns: Callable[[], int]) -> None:
        self._columns = columns
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self._text = ""
        self._shown = ""
        self._free = True

    def output(self, data: bytes) -> bytes:
        """Return the bytes that make output appear above the typed line.

        The typed line is hidden while the last output does not end with a newline.
        """
        before = self._erased()
        self._free = data.endswith(b"\n")
        return before + data + self._drawn()

    def typed(self, data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """Handle the bytes of pressed keys.

        :returns: for each key, the bytes to write to the terminal, and one of: for Enter, the line
            with its line end; for Ctrl-D on an empty line, which ends the input, ``b""``; else
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
        # Show the whole line, because the row becomes part of the text above the next line.
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
        """Return as much of the line's end as fits in a row, whose last column stays free."""
        room = max(2, self._columns() - 1)
        text = safe(self._text[-4 * room :])
        if len(self._text) <= 4 * room and width(text) <= room:
            return text
        while width(text) >= room:
            text = text[1:]
        return _CUT + text
