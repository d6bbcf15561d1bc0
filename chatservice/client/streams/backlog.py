"""What a program has written and is not said yet: its lines, one after the other.

A producer need not wait for the server: so many bytes of it may wait here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from chatservice.client.connection import LONGEST
from chatservice.client.streams.printed import as_seen
from chatservice.client.streams.stdio import TOO_LONG
from chatservice.text.sanitising import decode, safe

MOST: Final = 16 << 20
"""Bytes that may wait; then the producer has to."""


class Source(Protocol):
    """Lines that are to be said."""

    @property
    def full(self) -> bool:
        """Whether the producer is to wait."""

    def add(self, data: bytes) -> None:
        """Append some bytes, however they are cut."""

    def end(self) -> None:
        """Note that nothing more comes: what is there without an end is a line, too."""

    def next(self) -> str | None:
        """Take the next line in which there is something to see; None if there is none now."""


class Backlog:
    """A :class:`Source` of all lines.

    :param refuse: is called with the reason when a line is left out because it is too long.
    """

    def __init__(self, refuse: Callable[[str], None]) -> None:
        self._refuse = refuse
        self._data = bytearray()
        self._looked = 0
        self._skipping = False
        self._ended = False

    @property
    def full(self) -> bool:
        """See :class:`Source`."""
        return len(self._data) >= MOST

    def add(self, data: bytes) -> None:
        """See :class:`Source`."""
        if self._skipping:
            _, end, data = data.partition(b"\n")
            self._skipping = not end
        self._data += data

    def end(self) -> None:
        """See :class:`Source`."""
        self._ended = True

    def next(self) -> str | None:
        """See :class:`Source`."""
        while (line := self._line()) is not None:
            if len(line) > LONGEST:
                line = _last_drawn(line)
            if len(line) > LONGEST:
                self._refuse(TOO_LONG)
                continue
            text = as_seen(decode(line))
            if safe(text):
                return text
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
        """Forget of a line without an end what is drawn over; without that, all of it."""
        # What comes next is drawn over it if it ends so.
        over = b"\r" * self._data.endswith(b"\r")
        self._data = bytearray(_last_drawn(bytes(self._data)) + over)
        if len(self._data) > LONGEST:
            self._data.clear()
            self._skipping = True
            self._refuse(TOO_LONG)


class Tail:
    """A :class:`Source` of the last lines of another, once that has ended.

    Before them comes a line that tells how many are left out.

    :param most: so many lines.
    """

    def __init__(self, source: Source, most: int) -> None:
        self._source = source
        self._most = most
        self._kept: deque[str] = deque()
        self._size = 0
        self._left_out = 0
        self._ended = False

    @property
    def full(self) -> bool:
        """See :class:`Source`; what is not among the last waits for nothing."""
        return False

    def add(self, data: bytes) -> None:
        """See :class:`Source`."""
        self._source.add(data)
        self._keep()

    def end(self) -> None:
        """See :class:`Source`."""
        self._source.end()
        self._keep()
        self._ended = True

    def next(self) -> str | None:
        """See :class:`Source`."""
        if not self._ended:
            return None
        if self._left_out:
            count, self._left_out = self._left_out, 0
            return f"… {count:,} {'line' if count == 1 else 'lines'} left out"
        return self._kept.popleft() if self._kept else None

    def _keep(self) -> None:
        while (line := self._source.next()) is not None:
            self._kept.append(line)
            self._size += len(line)
            while len(self._kept) > self._most or self._size > MOST:
                self._size -= len(self._kept.popleft())
                self._left_out += 1


def _last_drawn(line: bytes) -> bytes:
    return line.rstrip(b"\r").rpartition(b"\r")[2]
