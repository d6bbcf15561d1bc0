"""The telnet command layer (RFC 854, RFC 855), for a server that wants none of telnet's options.

The byte 0xFF (IAC), with which every telnet command begins, never occurs in UTF-8: a chunk
without it has no need of this parser, unless a command began in an earlier chunk.
"""

from __future__ import annotations

from typing import Final

REPEATS_ANSWERED: Final = 8
"""How often the same request for the same option is refused on one connection."""

HEADROOM: Final = 256
"""How many bytes all answers on one connection may exceed all bytes received, at any time."""

HERE: Final = b"-- yes, the chat is here\r\n"
"""The answer to "are you there"."""

_IAC: Final = b"\xff"
_AYT: Final = 246
_SB: Final = 250
_WILL: Final = 251
_DO: Final = 253
_DONT: Final = 254
# Beneath EOF (RFC 1184) no command is defined.
_FIRST_COMMAND: Final = 236
_TIMING_MARK: Final = 6

_REFUSAL: Final = {_WILL: b"\xff\xfe", _DO: b"\xff\xfc"}


class Telnet:
    """Takes the commands out of one connection's bytes and answers those that want an answer.

    Every option is refused, so each stays in the state in which it began: of RFC 1143 only
    "refuse a request, do not answer a refusal" is left, and there is no loop to fall into. A
    client that goes on asking for one option hears nothing new after :data:`REPEATS_ANSWERED`
    refusals.

    Memory: 512 counters and at most two bytes of an unfinished command. Of a subnegotiation
    nothing is kept.
    """

    __slots__ = ("_begun", "_headroom", "_inside", "_refused")

    def __init__(self) -> None:
        self._begun = b""
        self._inside = False
        self._headroom = HEADROOM
        self._refused = bytearray(512)

    @property
    def idle(self) -> bool:
        """Whether no command is unfinished: a chunk without 0xFF need not pass through here."""
        return not self._begun and not self._inside

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Part text from commands. How the stream is cut into chunks makes no difference.

        ``IAC IAC`` is the one byte 0xFF, and so is an IAC before a byte that begins no command (a
        ``ÿ`` from a client that writes Latin-1): both bytes stay, lest a newline is lost. An IAC
        inside a subnegotiation that neither doubles nor ends it ends it too, as in BSD's telnetd.

        Commands that would edit the line (EC, EL) or interrupt (IP, BRK, AO) are dropped: a
        terminal in line mode has edited the line before it sends it.

        :param data: bytes as they came; any length.
        :return: the text, and the bytes to answer. All answers together are never more than all
            bytes fed plus :data:`HEADROOM`.
        """
        self._headroom -= len(self._begun)
        data = self._begun + data
        self._begun = b""
        text: list[bytes] = []
        answers: list[bytes] = []
        at, end = 0, len(data)
        answered = 0
        while at < end:
            mark = data.find(_IAC, at)
            if mark < 0:
                mark = end
            if not self._inside and mark > at:
                text.append(data[at:mark])
            at = mark
            if at + 1 >= end:
                break
            command = data[at + 1]
            if command == _IAC[0]:
                if not self._inside:
                    text.append(_IAC)
                at += 2
                continue
            self._inside = command == _SB
            if command < _FIRST_COMMAND:
                text.append(data[at : at + 2])
                at += 2
            elif _WILL <= command <= _DONT:
                if at + 2 >= end:
                    break
                answer = self._refusal(command, data[at + 2])
                at += 3
                if answer:
                    answers.append(answer)
                    answered += len(answer)
            else:
                at += 2
                if command == _AYT and answered + len(HERE) <= self._headroom + at:
                    answers.append(HERE)
                    answered += len(HERE)
        self._begun = data[at:]
        self._headroom += end - answered
        return b"".join(text), b"".join(answers)

    def _refusal(self, verb: int, option: int) -> bytes:
        """What to answer when the peer offers an option or asks for one.

        A request for a timing mark (RFC 860) is always answered: after an interrupt, clients
        throw away all that they receive until the answer comes.
        """
        if verb not in _REFUSAL:
            return b""
        if (verb, option) != (_DO, _TIMING_MARK):
            counter = option if verb == _WILL else 256 + option
            if self._refused[counter] == REPEATS_ANSWERED:
                return b""
            self._refused[counter] += 1
        return _REFUSAL[verb] + bytes((option,))
