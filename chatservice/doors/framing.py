"""Bytes into lines, whatever the peer is: telnet, nc, a pipe, a single byte at a time."""

from __future__ import annotations

from typing import Any

from twisted.protocols.basic import LineReceiver

from chatservice.doors.telnet import LOST, UNFINISHED_MOST, Telnet


class LineFramer(LineReceiver):
    r"""A :class:`LineReceiver` that splits in one pass, and that can be held between two lines.

    A line ends with ``\n``, ``\r\n`` or telnet's ``\r\0``; ``\r\n`` goes out. A line that is too
    long is reported once, by :meth:`lineLengthExceeded`, and dropped up to its end: its tail is no
    new line. Telnet commands are answered and taken out before.

    What waits while the connection is held stays as it came, unsplit, and is bounded by what one
    read gives, for nothing is read meanwhile.
    """

    transport: Any  # one of many interfaces, some only behind wrappers

    telnet = True
    """Whether the peer may speak telnet; to a program, a stray 0xFF would swallow what follows."""

    _at = 0
    _telnet: Telnet | None = None
    _dropping = False
    _ended = False
    _end_told = False
    _busy = False
    _holds = 0

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; each line that they complete goes to :meth:`lineReceived`."""
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
            # Reading goes on, not for lines, but to see when the peer closes.
            self._read_on()
            self._ended = True
        return data

    def negotiate(self) -> None:
        """Ask for what telnet's options should be, without a sign that the peer speaks telnet."""
        if self._telnet is None:
            self._telnet = Telnet()
        self.telnet_answer(self._telnet.negotiate())

    def echo(self, on: bool) -> None:
        """See :meth:`.Connection.echo`: only telnet can be told."""
        if self._telnet is not None:
            self.telnet_answer(self._telnet.echo(on))

    def telnet_answer(self, answer: bytes) -> None:
        """Send the answer to a telnet command."""
        self.transport.write(answer)

    def _go_on(self) -> None:
        """Handle the lines that there are, until the connection is held."""
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
        """Handle one line. Returns whether there was one."""
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
        # A carriage return may be half of the end of a line that is dropped.
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
        self._keep(b"")

    def drop_unfinished(self) -> None:
        """Forget the line whose end did not come."""
        self._keep(self._buffer[: self._buffer.rfind(b"\n") + 1])

    def end_input(self) -> None:
        """Take the end of the input; what it leaves unfinished is a line too."""
        if not self._ended:
            self.ending()
            self._ended = True
            if self.telnet and self._telnet is not None and self._telnet.inside:
                self.telnet_answer(LOST)
            self._go_on()

    def ending(self) -> None:
        """The input is about to end, and its last line to be handled: to be overridden."""

    def input_ended(self) -> None:
        """The input has ended and its lines were handled: to be overridden."""
