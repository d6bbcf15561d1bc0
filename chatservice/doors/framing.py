"""Splitting of bytes into lines, for any peer: telnet, nc, a pipe, a byte at a time."""

from __future__ import annotations

from typing import Any

from twisted.protocols.basic import LineReceiver

from chatservice.doors.telnet import LOST, UNFINISHED_MOST, Telnet


class LineFramer(LineReceiver):
    r"""A :class:`LineReceiver` that splits in one pass, and that can be held between two lines.

    A line ends with ``\n``, ``\r\n`` or telnet's ``\r\0``; lines sent end with ``\r\n``. A line
    that is too long is reported once, by :meth:`lineLengthExceeded`, and dropped up to its end, so
    its tail is no new line. Telnet commands are answered and taken out first.

    While the connection is held, nothing is read, and the bytes that wait stay unsplit. So they are
    at most as many as one read returns.
    """

    transport: Any  # one of many interfaces, some only behind wrappers

    telnet = True
    """Whether the peer may speak telnet. A program may not: a stray 0xFF would swallow its text."""

    _at = 0
    _telnet: Telnet | None = None
    _dropping = False
    _ended = False
    _end_told = False
    _busy = False
    _holds = 0

    def dataReceived(self, data: bytes) -> None:
        """Take bytes, and pass each line that they complete to :meth:`lineReceived`."""
        if self.telnet and (self._telnet is not None or b"\xff" in data):
            data = self._without_commands(data)
        self._buffer += data
        if b"\0" in data:
            self._buffer = self._buffer.replace(b"\r\0", b"\r\n")
        self._go_on()

    def _without_commands(self, data: bytes) -> bytes:
        if self._telnet is None:
            self._telnet = Telnet()
        elif self._telnet.idle and b"\xff" not in data:
            return data
        data, answer = self._telnet.feed(data, self._buffer[-UNFINISHED_MOST:])
        self.telnet_answer(answer)
        if self._telnet.ended and not self._ended:
            self.ending()
            # Reading goes on only to notice when the peer closes.
            self._read_on()
            self._ended = True
        return data

    def negotiate(self) -> None:
        """Negotiate telnet's options now, before any telnet command has come from the peer."""
        if self._telnet is None:
            self._telnet = Telnet()
        self.telnet_answer(self._telnet.negotiate())

    def echo(self, on: bool) -> None:
        """See :meth:`.Connection.echo`."""
        if self._telnet is not None:
            self.telnet_answer(self._telnet.echo(on))

    def telnet_answer(self, answer: bytes) -> None:
        """Send the answer to a telnet command."""
        self.transport.write(answer)

    def _go_on(self) -> None:
        """Handle the complete lines until the connection is held, then read on or end the input."""
        if self._busy:
            return
        self._busy = True
        try:
            while not self._holds and self._next_line():
                pass
        finally:
            self._busy = False
            self._keep(self._buffer[self._at :])
        if self._holds:
            return
        if not self._ended:
            self._read_on()
        elif not self._end_told:
            self._end_told = True
            self.input_ended()

    def _read_on(self) -> None:
        if self.paused:
            self.paused = False
            self.transport.resumeProducing()

    def _next_line(self) -> bool:
        """Handle one line, and return whether there was one."""
        buffer, at = self._buffer, self._at
        end = buffer.find(b"\n", at)
        if end >= 0:
            self._at = end + 1
            if self._dropping:
                self._dropping = False
            else:
                self._take(buffer[at:end])
            return True
        rest = buffer[at:]
        self._at = len(buffer)
        if self._ended and rest and not self._dropping:
            self._take(rest)
            return True
        if not self._dropping and len(rest) > self.MAX_LENGTH + 1:
            self._dropping = True
            self.lineLengthExceeded(rest)
        # A carriage return may be the first half of a dropped line's end.
        self._keep(rest[-1:] if self._dropping else rest)
        return False

    def _take(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        if len(line) > self.MAX_LENGTH:
            self.lineLengthExceeded(line)
        else:
            self.lineReceived(line)

    def _keep(self, rest: bytes) -> None:
        self._buffer = rest
        self._at = 0

    def lineReceived(self, line: bytes) -> None:
        """Handle a line, without its line end: to be overridden."""

    def lineLengthExceeded(self, line: bytes) -> None:
        """Handle a line that is too long, or only its beginning: to be overridden."""

    def hold(self, reason: int) -> None:
        """Stop handling lines and reading until this reason is released.

        :param reason: a bit; several reasons may hold at once.
        """
        self._holds |= reason
        if not self.paused and not self._ended:
            self.paused = True
            self.transport.pauseProducing()

    def release(self, reason: int) -> None:
        """Remove a reason to hold; after the last one, handle the lines that waited."""
        if self._holds & reason:
            self._holds &= ~reason
            self._go_on()

    def drop_lines(self) -> None:
        """Drop the lines that wait."""
        self._keep(b"")

    def drop_unfinished(self) -> None:
        """Drop the last line if its end did not come."""
        self._keep(self._buffer[: self._buffer.rfind(b"\n") + 1])

    def end_input(self) -> None:
        """End the input. An unfinished line at its end is handled too."""
        if not self._ended:
            self.ending()
            self._ended = True
            if self.telnet and self._telnet is not None and self._telnet.inside:
                self.telnet_answer(LOST)
            self._go_on()

    def ending(self) -> None:
        """Prepare for the end of the input, before its last line is handled: to be overridden."""

    def input_ended(self) -> None:
        """React to the end of the input, after all its lines were handled: to be overridden."""
