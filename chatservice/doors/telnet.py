"""The parser of telnet commands, for a server that uses at most two of telnet's options.

One is BINARY (RFC 856): without it, common clients mistake some UTF-8 bytes for keys. The other is
ECHO (RFC 857), which hides a secret while it is typed. All others are refused.

Every telnet command begins with the byte 0xFF (IAC), which never occurs in UTF-8. So a chunk
without it needs no parsing, unless a command began in an earlier chunk.
"""

from __future__ import annotations

import re
from codecs import utf_8_decode
from typing import Final

from twisted.conch.telnet import (
    AO,
    AYT,
    BRK,
    DO,
    DONT,
    EC,
    ECHO,
    EL,
    IAC,
    IP,
    LINEMODE_ABORT,
    LINEMODE_EOF,
    LINEMODE_SUSP,
    SB,
    WILL,
    WONT,
)

REPEATS_ANSWERED: Final = 8
"""Most answers on one connection to the same request for the same option."""

HEADROOM: Final = 256
"""Most bytes by which all answers on one connection may exceed all bytes received."""

SUBNEGOTIATION_MOST: Final = 128
"""Most bytes between ``IAC SB`` and its end. No option agreed on needs a subnegotiation at all."""

UNFINISHED_MOST: Final = 3
"""Most bytes of an unfinished UTF-8 character."""

HERE: Final = b"-- yes, the chat is here\r\n"
"""The answer to "are you there"."""

LOST: Final = b"-- a telnet command had no end: some of what you sent was lost\r\n"
"""The message about a subnegotiation that is too long. It is shorter than the lost bytes."""

_BINARY: Final = b"\x00"
_TIMING_MARK: Final = b"\x06"
_REQUEST: Final = IAC + DO + _BINARY + IAC + WILL + _BINARY

_TOKEN: Final = re.compile(
    rb"(?P<text>[^\xff]+)|\xff(?:(?P<verb>[\xfb-\xfe])(?P<option>.)|(?P<command>[^\xfb-\xfe]))",
    re.DOTALL,
)
"""Text, or a whole command."""

_LAST: Final = re.compile(rb"[^\x80-\xbf][\x80-\xbf]*\Z")
"""The last UTF-8 character, complete or not."""

_AGREEMENT: Final = {WILL: DO, WONT: DONT, DO: WILL, DONT: WONT}
_REFUSAL: Final = {WILL: DONT, DO: WONT}

_LINE_END: Final = re.compile(rb"[\r\n]")

_ERASE: Final = b"\x15"

_KEYS: Final = {EC: b"\x08", EL: _ERASE}
"""The keys for the commands that edit a line: backspace and Ctrl-U."""

_TAKEN_FOR: Final = {
    IP: b"\x83",
    AO: b"\x8f",
    LINEMODE_SUSP: b"\x9a",
    LINEMODE_ABORT: b"\x9c",
    BRK: b"\x9c",
}
"""The bytes that BSD's telnet and its relatives (inetutils, netkit) turn into these commands.

Before BINARY is agreed on, they compare only seven bits of a byte with Ctrl-C, Ctrl-O, Ctrl-Z and
Ctrl-backslash. The last one becomes BRK or ABORT, depending on how the client was built.
"""


class Telnet:
    """Takes the telnet commands out of one connection's bytes, and answers them.

    The first command shows that the peer speaks telnet. Then BINARY is requested, once, in both
    directions, each by the rules of RFC 1143, which exclude endless loops. All other options except
    an offered ECHO are refused, so they keep their initial state. For them, RFC 1143 reduces to
    "refuse a request, do not answer a refusal". After :data:`REPEATS_ANSWERED` answers, further
    requests for the same option are not answered.

    Memory: 512 counters and at most two bytes of an unfinished command. The bytes of a
    subnegotiation are not kept.

    :ivar ended: whether the peer said that its input ends (EOF, RFC 1184). All bytes after that are
        ignored.
    """

    __slots__ = (
        *("_answered", "_asked", "_begun", "_headroom", "_inside", "_skipping", "_wanted"),
        "ended",
    )

    def __init__(self) -> None:
        self.ended = False
        self._begun = b""
        # Bytes that a subnegotiation may still have; negative outside of one.
        self._inside = -1
        self._skipping = False
        self._headroom = HEADROOM
        self._answered = bytearray(512)
        self._asked = False
        # For the peer's agreeing verb and each option that we want: whether the peer has agreed.
        # None until our request is answered.
        self._wanted: dict[bytes, bool | None] = {WILL + _BINARY: None, DO + _BINARY: None}

    @property
    def idle(self) -> bool:
        """Whether a chunk without 0xFF needs no parsing: nothing is unfinished, and no EOF came."""
        return not (self._begun or self.inside or self._skipping or self.ended)

    @property
    def inside(self) -> bool:
        """Whether a subnegotiation is unfinished; all bytes since its beginning are lost so far."""
        return self._inside >= 0

    def negotiate(self) -> bytes:
        """Return the request for BINARY in both directions, or nothing if it was sent before."""
        asked, self._asked = self._asked, True
        return b"" if asked else _REQUEST

    def echo(self, on: bool) -> bytes:
        """Return the command that turns the echo of the peer's terminal on or off (ECHO)."""
        if not on:
            self._wanted[DO + ECHO] = None
            return IAC + WILL + ECHO
        refused = self._wanted.pop(DO + ECHO, False) is False
        return b"" if refused else IAC + WONT + ECHO

    def feed(self, data: bytes, before: bytes = b"") -> tuple[bytes, bytes]:
        """Separate text from commands. The split of the stream into chunks makes no difference.

        ``IAC IAC`` is the one byte 0xFF. An IAC before a byte that begins no command (a ``ÿ`` from
        a client that writes Latin-1) is text too; both bytes stay, so that no newline is lost.
        Inside a subnegotiation, an IAC before any other byte than IAC ends it, as in BSD's telnetd.
        A subnegotiation that is too long ends with its line: that whole line is dropped, and the
        peer is told (:data:`LOST`).

        Commands that edit the line (EC, EL) become the corresponding keys. Commands that interrupt
        (IP, BRK, AO, SUSP, ABORT) are dropped. Inside an unfinished character, they become its
        missing byte, if that byte is possible there.

        :param data: bytes as they came; any length.
        :param before: the text that came before, or its last :data:`UNFINISHED_MOST` bytes.
        :return: the text, and the bytes to answer. All answers together are never longer than all
            bytes fed plus :data:`HEADROOM`.
        """
        self._headroom -= len(self._begun)
        data = self._begun + data
        text = bytearray(before[-UNFINISHED_MOST:])
        seen = len(text)
        answers = bytearray()
        at = 0
        token = _TOKEN.match(data)
        while token is not None and not self.ended:
            at = token.end()
            some, verb, option, command = token.groups()
            if self._inside >= 0 and (some or command == IAC):
                self._inside -= len(some or IAC)
                if self._inside < 0:
                    text += _ERASE
                    self._skipping = True
                    self._skip((some or b"")[self._inside :], text)
                    self._inside = -1
                    answers += LOST
            elif some and self._skipping:
                self._skip(some, text)
            elif some:
                text += some
            elif command == IAC:
                text += IAC
            else:
                self._inside = SUBNEGOTIATION_MOST if command == SB else -1
                # No command is defined below EOF (RFC 1184).
                if command and command < LINEMODE_EOF:
                    text += token[0]
                else:
                    answers += self.negotiate()
                    room = self._headroom + at - len(answers)
                    answers += self._answer(verb or command, option or b"", room)
                    text += _keyed(text[-UNFINISHED_MOST:], command or b"")
                    self.ended = command == LINEMODE_EOF
            token = _TOKEN.match(data, at)
        self._begun = b"" if self.ended else data[at:]
        self._headroom += len(data) - len(answers)
        return bytes(text[seen:]), bytes(answers)

    def _skip(self, some: bytes, text: bytearray) -> None:
        """Drop the rest of a line whose beginning was lost: it might be a part of a command."""
        found = _LINE_END.search(some)
        if found is not None:
            self._skipping = False
            text += some[found.start() :]

    def _answer(self, command: bytes, option: bytes, room: int) -> bytes:
        """Return the answer to a command; nothing if there is none.

        :param option: the option that the command offers or requests, if any.
        :param room: most bytes of an answer to "are you there", which a peer might send too often.
        """
        if command == AYT and len(HERE) <= room:
            return HERE
        agrees = WILL if command in (WILL, WONT) else DO
        if option and agrees + option in self._wanted:
            agreed = command == agrees
            before = self._wanted[agrees + option]
            self._wanted[agrees + option] = agreed
            if before is not None and before != agreed and self._may_answer(agrees, option):
                return IAC + _AGREEMENT[command] + option
        # After an interrupt, clients drop all that they receive until the timing mark (RFC 860) is
        # answered, so it is always answered.
        elif command in _REFUSAL and (
            command + option == DO + _TIMING_MARK or self._may_answer(command, option)
        ):
            return IAC + _REFUSAL[command] + option
        return b""

    def _may_answer(self, verb: bytes, option: bytes) -> bool:
        """Count an answer, and return whether it may be sent."""
        counter = option[0] if verb == WILL else 256 + option[0]
        if self._answered[counter] == REPEATS_ANSWERED:
            return False
        self._answered[counter] += 1
        return True


def _keyed(text: bytes | bytearray, command: bytes) -> bytes:
    """Return the bytes that replace a command, which depend on the end of the text before it."""
    key = _TAKEN_FOR.get(command)
    if key is not None and _goes_on(text, key):
        return key
    return _KEYS.get(command, b"")


def _goes_on(text: bytes | bytearray, byte: bytes) -> bool:
    """Return whether a text ends inside a UTF-8 character in which this byte can come next."""
    begun = _LAST.search(text)
    if begun is None:
        return False
    try:
        # An unfinished character decodes to nothing.
        whole = utf_8_decode(begun[0] + byte)[1] in (0, len(begun[0]) + 1)
        return whole and not utf_8_decode(begun[0])[1]
    except UnicodeDecodeError:
        return False
