"""The backlog of a program: lines that were read from its output and not sent yet."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Final

from chatservice.text.sanitising import decode, edited, safe

LONGEST: Final = 1 << 20
"""Bytes of a line at most; a server may allow more than the usual 2,000 characters."""

TOO_LONG: Final = f"a line has more than {LONGEST:,} bytes"

MOST: Final = 16 << 20
"""Characters at most in the last lines that :class:`Tail` keeps."""

# Control sequences, strings (titles, links) and all other escapes (ECMA-48, sections 5.3 to 5.6);
# the bell. An escape that the end of the line cuts off counts, too.
_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*(?:[0-~]|$)"
    r"|\x07"
)

# EL and ED (ECMA-48, sections 8.3.41 and 8.3.39).
_ERASES: Final = re.compile(r"(?:\x1b\[|\x9b)[0-3]?[JK]")


class Backlog:
    """Splits bytes into lines, and keeps them unchanged until they are taken.

    :param refuse: is called with the reason when a line is left out because it is too long.
    """

    def __init__(self, refuse: Callable[[str], None]) -> None:
        self._refuse = refuse
        self._data = bytearray()
        self._looked = 0
        self._skipping = False
        self._ended = False

    @property
    def size(self) -> int:
        """The number of bytes that wait."""
        return len(self._data)

    def add(self, data: bytes) -> None:
        """Append bytes, wherever lines begin and end in them."""
        if self._skipping:
            _, end, data = data.partition(b"\n")
            self._skipping = not end
        self._data += data

    def end(self) -> None:
        """Note the end of the input: the last line may lack a newline."""
        self._ended = True

    def next(self) -> str | None:
        """Remove and return the next line; None if there is none now."""
        while (line := self._line()) is not None:
            if len(line) > LONGEST:
                line = self._shortened(line)
            if len(line) <= LONGEST:
                return decode(line.removesuffix(b"\r"))
            self._refuse(TOO_LONG)
        return None

    def _line(self) -> bytes | None:
        end = self._data.find(b"\n", self._looked)
        if end < 0 and not (self._ended and self._data):
            if len(self._data) > LONGEST:
                self._shorten()
            self._looked = len(self._data)
            return None
        self._looked = 0
        line = bytes(self._data[:end] if end >= 0 else self._data)
        del self._data[: len(line) + 1]
        return line

    def _shorten(self) -> None:
        """Drop the parts of a long, unfinished line that do not count; all if it is still long."""
        # Text after a final carriage return is drawn over the line.
        over = b"\r" * self._data.endswith(b"\r")
        self._data = bytearray(self._shortened(bytes(self._data)) + over)
        if len(self._data) > LONGEST:
            self._data.clear()
            self._skipping = True
            self._refuse(TOO_LONG)

    def _shortened(self, line: bytes) -> bytes:
        """Return the part of an overlong line that counts."""
        return line


class Printed(Backlog):
    """Keeps lines, and gives them as a terminal would show them, without the empty ones."""

    def next(self) -> str | None:
        """See :class:`Backlog`."""
        while (line := super().next()) is not None:
            text = as_seen(line)
            if safe(text):
                return text
        return None

    def _shortened(self, line: bytes) -> bytes:
        return line.rstrip(b"\r").rpartition(b"\r")[2]


class Tail(Printed):
    """Keeps the last lines until the input ends; gives the number of lines left out first.

    :param most: the number of lines to keep.
    """

    def __init__(self, refuse: Callable[[str], None], most: int) -> None:
        super().__init__(refuse)
        self._most = most
        self._kept: deque[str] = deque()
        self._size = 0
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """See :class:`Backlog`."""
        super().add(data)
        self._keep()

    def end(self) -> None:
        """See :class:`Backlog`. An unfinished last line is kept, too."""
        super().end()
        self._keep()

    def next(self) -> str | None:
        """See :class:`Backlog`."""
        if not self._ended:
            return None
        if self._left_out:
            count, self._left_out = self._left_out, 0
            return f"… {count:,} {'line' if count == 1 else 'lines'} left out"
        return self._kept.popleft() if self._kept else None

    def _keep(self) -> None:
        while (line := super().next()) is not None:
            self._kept.append(line)
            self._size += len(line)
            while len(self._kept) > self._most or self._size > MOST:
                self._size -= len(self._kept.popleft())
                self._left_out += 1


def as_seen(line: str) -> str:
    r"""Return the text that a terminal shows of a line in the end.

    This is the text after the last ``\r``, with which progress bars draw over themselves, without
    colours and without erased characters. If that is empty, the text before the ``\r`` still shows,
    unless it was erased.

    :param line: without its end; it is not safe to show yet.
    """
    if line.isprintable():
        return line
    for piece in reversed(line.split("\r")):
        shown = _ESCAPES.sub("", piece)
        if "\b" in shown:
            shown = edited(shown)
        if shown:
            return shown
        if _ERASES.search(piece):
            break
    return ""
