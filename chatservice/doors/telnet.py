"""Telnet commands in a stream of bytes, for a server that wants two of telnet's options at most.

One is BINARY (RFC 856): without it, common clients take some bytes of UTF-8 for keys. The other one
is ECHO (RFC 857), while what is typed is not to be seen. All others are refused.

The byte 0xFF (IAC), with which every telnet command begins, never occurs in UTF-8: a chunk
without it has no need of this parser, unless a command began in an earlier chunk.
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

_BINARY: Final = b"\x00"
_TIMING_MARK: Final = b"\x06"
_REQUEST: Final = IAC + DO + _BINARY + IAC + WILL + _BINARY

_TOKEN: Final = re.compile(
    rb"(?P<text>[^\xff]+)|\xff(?:(?P<verb>[\xfb-\xfe])(?P<option>.)|(?P<command>[^\xfb-\xfe]))",
    re.DOTALL,
)
"""Text, or a whole command."""

_LAST: Final = re.compile(rb"[^\x80-\xbf][\x80-\xbf]*\Z")
"""The last character of UTF-8, or its beginning."""

_AGREEMENT: Final = {WILL: DO, WONT: DONT, DO: WILL, DONT: WONT}
_REFUSAL: Final = {WILL: DONT, DO: WONT}

_LINE_END: Final = re.compile(rb"[\r\n]")

_ERASE: Final = b"\x15"

_KEYS: Final = {EC: b"\x08", EL: _ERASE}
"""The commands that edit a line, as the keys that do: backspace and Ctrl-U."""

_TAKEN_FOR: Final = {
    IP: b"\x83",
    AO: b"\x8f",
    LINEMODE_SUSP: b"\x9a",
    LINEMODE_ABORT: b"\x9c",
    BRK: b"\x9c",
}
"""The bytes that BSD's telnet and its kin (inetutils, netkit) take for these commands' keys.

Before BINARY is agreed on they compare only seven bits of a byte with Ctrl-C, Ctrl-O, Ctrl-Z and
Ctrl-backslash. The last one is BRK or ABORT, as the client was built.
"""


class Telnet:
    """Takes the commands out of one connection's bytes and answers those that want an answer.

    The first command is the sign that the peer speaks telnet: then BINARY is asked for, once, in
    both directions, each by the rules of RFC 1143, so there is no loop to fall into. Every other
    option but an ECHO that we have offered is refused, so it stays in the state in which it began:
    of RFC 1143 only "refuse a request, do not answer a refusal" is left. A client that goes on
    asking for one option hears nothing new after :data:`REPEATS_ANSWERED` answers.

    Memory: 512 counters and at most two bytes of an unfinished command. Of a subnegotiation
    nothing is kept.

    :ivar ended: whether the peer said that its input ends (EOF, RFC 1184); what it sends after
        that is ignored.
    """

    __slots__ = (
        *("_answered", "_asked", "_begun", "_headroom", "_inside", "_skipping", "_wanted"),
        "ended",
    )

    def __init__(self) -> None:
        self.ended = False
        self._begun = b""
        # How many bytes a subnegotiation may still have; negative outside of one.
        self._inside = -1
        self._skipping = False
        self._headroom = HEADROOM
        self._answered = bytearray(512)
        self._asked = False
        # For each option that we want, behind the verb by which the peer agrees to it, whether it
        # has; None while what was asked is not answered.
        self._wanted: dict[bytes, bool | None] = {WILL + _BINARY: None, DO + _BINARY: None}

    @property
    def idle(self) -> bool:
        """Whether nothing is unfinished or over: a chunk without 0xFF need not pass through."""
        return not (self._begun or self.inside or self._skipping or self.ended)

    @property
    def inside(self) -> bool:
        """Whether a subnegotiation is unfinished: what came since it began is lost so far."""
        return self._inside >= 0

    def negotiate(self) -> bytes:
        """Return what asks for BINARY in both directions; nothing if that was asked before."""
        asked, self._asked = self._asked, True
        return b"" if asked else _REQUEST

    def echo(self, on: bool) -> bytes:
        """Return what has the peer's terminal show what is typed, or not: it leaves that to us."""
        if not on:
            self._wanted[DO + ECHO] = None
            return IAC + WILL + ECHO
        refused = self._wanted.pop(DO + ECHO, False) is False
        return b"" if refused else IAC + WONT + ECHO

    def feed(self, data: bytes, before: bytes = b"") -> tuple[bytes, bytes]:
        """Part text from commands. How the stream is cut into chunks makes no difference.

        ``IAC IAC`` is the one byte 0xFF, and so is an IAC before a byte that begins no command (a
        ``ÿ`` from a client that writes Latin-1): both bytes stay, lest a newline is lost. An IAC
        inside a subnegotiation that neither doubles nor ends it ends it too, as in BSD's telnetd.
        A subnegotiation that is too long ends with the line in which it is: the peer is told
        (:data:`LOST`), and of that line, before and behind it, nothing is taken.

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
                # Beneath EOF (RFC 1184) no command is defined.
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
        """Drop the rest of a line whose beginning was lost: it might be the end of a command."""
        found = _LINE_END.search(some)
        if found is not None:
            self._skipping = False
            text += some[found.start() :]

    def _answer(self, command: bytes, option: bytes, room: int) -> bytes:
        """Return what to answer to a command.

        :param option: which one, if the command offers an option or asks for one.
        :param room: how long the answer may be to who only asks whether we are there, and might
            ask more often than we can answer.
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
        # After an interrupt, clients throw away all that they receive until this (RFC 860) is
        # answered: it is always.
        elif command in _REFUSAL and (
            command + option == DO + _TIMING_MARK or self._may_answer(command, option)
        ):
            return IAC + _REFUSAL[command] + option
        return b""

    def _may_answer(self, verb: bytes, option: bytes) -> bool:
        """Count an answer; tell whether there were not too many of it."""
        counter = option[0] if verb == WILL else 256 + option[0]
        if self._answered[counter] == REPEATS_ANSWERED:
            return False
        self._answered[counter] += 1
        return True


def _keyed(text: bytes | bytearray, command: bytes) -> bytes:
    """Return what a command stands for in a text, of which the end is given."""
    key = _TAKEN_FOR.get(command)
    if key is not None and _goes_on(text, key):
        return key
    return _KEYS.get(command, b"")


def _goes_on(text: bytes | bytearray, byte: bytes) -> bool:
    """Tell whether a text ends inside a character of UTF-8 that can have this byte next."""
    begun = _LAST.search(text)
    if begun is None:
        return False
    try:
        # Of what is unfinished, nothing is decoded.
        whole = utf_8_decode(begun[0] + byte)[1] in (0, len(begun[0]) + 1)
        return whole and not utf_8_decode(begun[0])[1]
    except UnicodeDecodeError:
        return False
