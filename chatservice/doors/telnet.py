"""The telnet command layer (RFC 854, RFC 855), for a server that wants one of telnet's options.

That one is BINARY (RFC 856): without it, common clients take some bytes of UTF-8 for keys. All
others are refused.

The byte 0xFF (IAC), with which every telnet command begins, never occurs in UTF-8: a chunk
without it has no need of this parser, unless a command began in an earlier chunk.
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import Final

REPEATS_ANSWERED: Final = 8
"""How often the same request for the same option is answered on one connection."""

HEADROOM: Final = 256
"""How many bytes all answers on one connection may exceed all bytes received, at any time."""

SUBNEGOTIATION_MOST: Final = 128
"""Bytes between ``IAC SB`` and its end; no option that is agreed on has a subnegotiation at all."""

UNFINISHED_MOST: Final = 3
"""Bytes of an unfinished character in UTF-8, at most."""

HERE: Final = b"-- yes, the chat is here\r\n"
"""The answer to "are you there"."""

LOST: Final = b"-- a telnet command had no end: some of what you sent was lost\r\n"
"""What is said of a subnegotiation that is too long; it is shorter than what was lost."""

_IAC: Final = b"\xff"
_EOF: Final = 236
_SUSP: Final = 237
_ABORT: Final = 238
_BRK: Final = 243
_IP: Final = 244
_AO: Final = 245
_AYT: Final = 246
_EC: Final = 247
_EL: Final = 248
_SB: Final = 250
_WILL: Final = 251
_WONT: Final = 252
_DO: Final = 253
_DONT: Final = 254
# Beneath EOF (RFC 1184) no command is defined.
_FIRST_COMMAND: Final = _EOF
_BINARY: Final = 0
_TIMING_MARK: Final = 6

_AGREEMENT: Final = {_WILL: _DO, _WONT: _DONT, _DO: _WILL, _DONT: _WONT}
_REFUSAL: Final = {_WILL: _DONT, _DO: _WONT}
_REQUEST: Final = bytes((255, _DO, _BINARY, 255, _WILL, _BINARY))

_KEYS: Final = {_EC: b"\x08", _EL: b"\x15"}
"""The commands that edit a line, as the keys that do: backspace and Ctrl-U."""

_TAKEN_FOR: Final = {
    _IP: b"\x83",
    _AO: b"\x8f",
    _SUSP: b"\x9a",
    _ABORT: b"\x9c",
    _BRK: b"\x9c",
}
"""The bytes that BSD's telnet and its kin (inetutils, netkit) take for these commands' keys.

Before BINARY is agreed on they compare only seven bits of a byte with Ctrl-C, Ctrl-O, Ctrl-Z and
Ctrl-backslash. The last one is BRK or ABORT, as the client was built.
"""


class Telnet:
    """Takes the commands out of one connection's bytes and answers those that want an answer.

    The first command is the sign that the peer speaks telnet: then BINARY is asked for, once, in
    both directions, each by the rules of RFC 1143, so there is no loop to fall into. Every other
    option is refused, so it stays in the state in which it began: of RFC 1143 only "refuse a
    request, do not answer a refusal" is left. A client that goes on asking for one option hears
    nothing new after :data:`REPEATS_ANSWERED` answers.

    Memory: 512 counters and at most two bytes of an unfinished command. Of a subnegotiation
    nothing is kept.

    :ivar ended: whether the peer said that its input ends (EOF, RFC 1184); what it sends after
        that is ignored.
    """

    __slots__ = ("_answered", "_asked", "_begun", "_binary", "_headroom", "_inside", "ended")

    def __init__(self) -> None:
        self.ended = False
        self._begun = b""
        # How many bytes a subnegotiation may still have; negative outside of one.
        self._inside = -1
        self._headroom = HEADROOM
        self._answered = bytearray(512)
        self._asked = False
        # For each direction whether it is agreed on; None while what was asked is not answered.
        self._binary: dict[int, bool | None] = {_WILL: None, _DO: None}

    @property
    def idle(self) -> bool:
        """Whether nothing is unfinished or over: a chunk without 0xFF need not pass through."""
        return not self._begun and not self.inside and not self.ended

    @property
    def inside(self) -> bool:
        """Whether a subnegotiation is unfinished: what came since it began is lost so far."""
        return self._inside >= 0

    def negotiate(self) -> bytes:
        """Return what asks for BINARY in both directions; nothing if that was asked before."""
        if self._asked:
            return b""
        self._asked = True
        self._headroom -= len(_REQUEST)
        return _REQUEST

    def feed(self, data: bytes, before: bytes = b"") -> tuple[bytes, bytes]:
        """Part text from commands. How the stream is cut into chunks makes no difference.

        ``IAC IAC`` is the one byte 0xFF, and so is an IAC before a byte that begins no command (a
        ``ÿ`` from a client that writes Latin-1): both bytes stay, lest a newline is lost. An IAC
        inside a subnegotiation that neither doubles nor ends it ends it too, as in BSD's telnetd.
        A subnegotiation that is too long ends where it is, and the peer is told (:data:`LOST`).

        Commands that edit the line (EC, EL) become the keys that do. Those that interrupt (IP, BRK,
        AO, SUSP, ABORT) are dropped; inside an unfinished character they are its missing byte, if
        it can have such a byte there.

        :param data: bytes as they came; any length.
        :param before: the text that came before, or the last :data:`UNFINISHED_MOST` bytes of it.
        :return: the text, and the bytes to answer. All answers together are never more than all
            bytes fed plus :data:`HEADROOM`.
        """
        self._headroom -= len(self._begun)
        data = self._begun + data
        text = bytearray(before[-UNFINISHED_MOST:])
        seen = len(text)
        answers: list[bytes] = []
        answered = 0
        at, end = 0, len(data)
        while at < end and not self.ended:
            mark = data.find(_IAC, at)
            if mark < 0:
                mark = end
            if self._inside < 0:
                text += data[at:mark]
            else:
                self._inside -= mark - at
                if self._inside < 0:
                    at = mark + self._inside
                    self._inside = -1
                    answers.append(LOST)
                    answered += len(LOST)
                    continue
            at = mark
            if at + 1 >= end:
                break
            command = data[at + 1]
            if command == _IAC[0] and self._inside >= 0:
                at += 2
                self._inside -= 1
                if self._inside < 0:
                    answers.append(LOST)
                    answered += len(LOST)
                continue
            option = 0
            if _WILL <= command <= _DONT:
                if at + 2 >= end:
                    break
                option = data[at + 2]
                at += 1
            at += 2
            self._inside = SUBNEGOTIATION_MOST if command == _SB else -1
            if command == _IAC[0]:
                text += _IAC
            elif command < _FIRST_COMMAND:
                text += data[at - 2 : at]
            else:
                answers.append(self.negotiate())
                answer = self._answer(command, option)
                # Who only asks whether we are there might ask more often than we can answer.
                if command != _AYT or answered + len(answer) <= self._headroom + at:
                    answers.append(answer)
                    answered += len(answer)
                if command in _TAKEN_FOR and _goes_on(text[-UNFINISHED_MOST:], _TAKEN_FOR[command]):
                    text += _TAKEN_FOR[command]
                text += _KEYS.get(command, b"")
                self.ended = command == _EOF
        self._begun = b"" if self.ended else data[at:]
        self._headroom += end - answered
        return bytes(text[seen:]), b"".join(answers)

    def _answer(self, command: int, option: int) -> bytes:
        """Return what to answer to a command.

        :param option: which one, if the command offers an option or asks for one.
        """
        if command == _AYT:
            return HERE
        if option == _BINARY and command in _AGREEMENT:
            return self._agreement(command)
        # After an interrupt, clients throw away all that they receive until this (RFC 860) is
        # answered: it is always.
        timing_mark = (command, option) == (_DO, _TIMING_MARK)
        if command in _REFUSAL and (timing_mark or self._may_answer(command, option)):
            return bytes((255, _REFUSAL[command], option))
        return b""

    def _agreement(self, verb: int) -> bytes:
        """Return what to answer when the peer begins or ends BINARY in one direction."""
        direction = _WILL if verb in (_WILL, _WONT) else _DO
        agreed = verb == direction
        before = self._binary[direction]
        if before is None:
            self._binary[direction] = agreed
        elif before != agreed and self._may_answer(direction, _BINARY):
            self._binary[direction] = agreed
            return bytes((255, _AGREEMENT[verb], _BINARY))
        return b""

    def _may_answer(self, direction: int, option: int) -> bool:
        """Count an answer; tell whether there were not too many of it."""
        counter = option if direction == _WILL else 256 + option
        if self._answered[counter] == REPEATS_ANSWERED:
            return False
        self._answered[counter] += 1
        return True


def _goes_on(text: bytes | bytearray, byte: bytes) -> bool:
    """Tell whether a text ends inside a character of UTF-8 that can have this byte next."""
    for start in range(len(text) - 1, -1, -1):
        begun = text[start:]
        if begun[0] & 0xC0 == 0x80:
            continue
        try:
            # Of what is unfinished, nothing is decoded.
            return not utf_8_decode(begun)[1] and utf_8_decode(begun + byte)[1] in (
                0,
                len(begun) + 1,
            )
        except UnicodeDecodeError:
            break
    return False
