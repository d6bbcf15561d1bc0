"""Bytes into lines, whatever the peer is: telnet, nc, a pipe, a single byte at a time."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.protocols.basic import LineReceiver

from chatservice.protocols.telnet import Telnet


class LineFramer(LineReceiver):
    r"""A :class:`LineReceiver` that splits in one pass, and that can be held between two lines.

    A line ends with ``\n``, ``\r\n`` or telnet's ``\r\0``; ``\r\n`` goes out. A line that is too
    long is reported once, by :meth:`lineLengthExceeded`, and dropped up to its end: its tail is no
    new line. Telnet commands are answered and taken out before.

    The lines that wait while the connection is held are bounded by what one read gives, for it is
    not read from meanwhile.
    """

    delimiter = b"\r\n"
    transport: Any  # one of many interfaces, some only behind wrappers

    _waiting: deque[bytes] | None = None
    _telnet: Telnet | None = None
    _dropping = False
    _ended = False
    _busy = False
    _holds = 0

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; each line that they complete goes to :meth:`lineReceived`."""
        if self._telnet is not None or b"\xff" in data:
            data = self._without_commands(data)
        data = self._buffer + data
        if b"\0" in data:
            data = data.replace(b"\r\0", b"\r\n")
        lines = data.split(b"\n")
        self._buffer = lines.pop()
        if self._dropping and lines:
            self._dropping = False
            del lines[0]
        if not self._dropping and len(self._buffer) > self.MAX_LENGTH + 1:
            lines.append(self._buffer)
            self._dropping = True
        if self._dropping:
            # A carriage return may be half of the line's end.
            self._buffer = self._buffer[-1:]
        if lines:
            self._handle(lines)

    def _without_commands(self, data: bytes) -> bytes:
        if self._telnet is None:
            self._telnet = Telnet()
        elif self._telnet.idle and b"\xff" not in data:
            return data
        data, answer = self._telnet.feed(data)
        if answer:
            self.telnet_answer(answer)
        return data

    def telnet_answer(self, answer: bytes) -> None:
        """Send the answer to a telnet command."""
        self.transport.write(answer)

    def _handle(self, lines: list[bytes]) -> None:
        if self._waiting is not None:
            self._waiting.extend(lines)
        else:
            self._waiting = deque(lines)
            self._go_on()

    def _go_on(self) -> None:
        """Handle the lines that wait until there are none, or the connection is held."""
        if self._busy or self._holds:
            return
        self._busy = True
        waiting = self._waiting
        while waiting and not self._holds:
            line = waiting.popleft()
            if line.endswith(b"\r"):
                line = line[:-1]
            if len(line) > self.MAX_LENGTH:
                self.lineLengthExceeded(line)
            else:
                self.lineReceived(line)
        self._busy = False
        if self._holds:
            return
        self._waiting = None
        if self._ended:
            self.input_ended()
        elif self.paused:
            self.paused = False
            self.transport.resumeProducing()

    def lineReceived(self, line: bytes) -> None:
        """Take a line without its end: to be overridden."""

    def lineLengthExceeded(self, line: bytes) -> None:
        """Take the beginning, at least, of a line that is too long: to be overridden."""

    def hold(self, reason: int) -> None:
        """Handle no line, and read nothing, until this reason is released.

        :param reason: a bit; there may be several reasons at once.
        """
        self._holds |= reason
        if not self.paused and not self._ended:
            self.paused = True
            self.transport.pauseProducing()

    def release(self, reason: int) -> None:
        """Take a reason back; with the last one, the lines that waited are handled."""
        if self._holds & reason:
            self._holds &= ~reason
            self._go_on()

    def drop_lines(self) -> None:
        """Forget the lines that wait."""
        self._buffer = b""
        if self._waiting is not None:
            self._waiting.clear()

    def end_input(self) -> None:
        """Take the end of the input; what it leaves unfinished is a line too."""
        if not self._ended:
            self._ended = True
            rest, self._buffer = self._buffer, b""
            self._handle([rest] if rest and not self._dropping else [])

    def input_ended(self) -> None:
        """The input has ended and its lines were handled: to be overridden."""
