"""Where connections and dialogs meet: all that either of them asks of the other.

A *connection* knows bytes and time: it finds lines in what comes, keeps their pace, sends, waits
for who reads slowly, and closes. A *dialog* knows what somebody says and is shown. Neither imports
the other. What passes is bytes, numbers, words, and whether something is so: all of it is in a
table in ``docs/architecture.md``. So the two could be in two processes, with a socket between them.
"""

from __future__ import annotations

from typing import Literal, Protocol

from chatservice.core.chat import Chat
from chatservice.core.outlet import Outlet
from chatservice.messages import Code

Cause = Literal[
    "no name in time",
    "5 bad names",
    "no TLS handshake in time",
    "no PROXY header",
    "stalled",
    "did not read its last lines in time",
    "banned",
    "too many connections",
    "too many connections from its address",
    "too many new connections from its address",
    "too many new names from its address",
    "an HTTP request",
    "a TLS hello on a port without TLS",
]
"""Why a connection was closed or refused by the service, as the log tells it."""


class Connection(Outlet, Protocol):
    """A connection, as its dialog sees it: a way out for bytes, and what it is told of the way in.

    What is sent ends where an event or an answer ends. How far the peer has taken it is what
    :meth:`.Outlet.send` returns, and :meth:`Dialog.drained` is that it has taken all.
    """

    @property
    def operator(self) -> bool:
        """Whether who has this connection may do what is for operators."""

    @property
    def certificate(self) -> str | None:
        """The SHA-256 of the certificate that the peer has shown by TLS, in hex; None without."""

    def place(self, instead: bool = False) -> bool:
        """Take a place among the connections of the same address.

        Who was greeted has one. All others need one before they come in.

        :param instead: it is to replace another one of them, and takes the place of that one.
        :returns: False if there was none: the connection is closed then, and the peer was told.
        """

    def entered(self) -> None:
        """Note that somebody is in: there is no hurry any more, and more is read at once."""

    def wait(self) -> None:
        """Keep the next line back: the one that was given last is not handled yet."""

    def handled(self, number: int) -> None:
        """Give the next line: the one of this number, and all before it, are handled."""

    def ignore(self) -> None:
        """Drop the lines that wait, and all that still come: none is given any more."""

    def echo(self, on: bool) -> None:
        """Have the peer's terminal show what is typed, or not: that is secret.

        Only telnet can be told, so nothing comes of it for others.
        """

    def finish(self, cause: Cause | None = None) -> None:
        """Send what was written, and close.

        :param cause: to be told to the log, if it is the service that has one.
        """


class Dialog(Protocol):
    """A dialog, as its connection sees it. None of this raises anything."""

    @property
    def longest(self) -> int:
        """The longest line that it takes, in bytes."""

    @property
    def telnet(self) -> bool:
        """Whether the peer may speak telnet: else, a stray 0xFF would swallow what follows."""

    def greet(self) -> None:
        """Say the first word: the peer was silent for a moment, or has just said something."""

    def line(self, number: int, line: bytes) -> None:
        """Take a line, without its end. It is handled then, unless the connection is to wait.

        :param number: counts the lines of this connection, from 1.
        """

    def too_long(self) -> None:
        """Hear that a line was too long; it is dropped, and has no number."""

    def ended(self) -> None:
        """Hear that nothing more comes: the input has ended, and its lines were all taken."""

    def drained(self) -> None:
        """Hear that all was taken that waited to be sent; this may be in the midst of sending."""

    def lost(self) -> None:
        """Hear that nothing can be sent any more; what came before is still given, as it waits.

        It is not, if that is told to be ignored now.
        """

    def replaced(self) -> None:
        """Let go of the member, who has another connection now."""

    def tell(self, *lines: str, code: Code | None = None) -> None:
        """Tell the peer what the connection has to say.

        :param code: the same in short, if something is not done, or is over.
        """


class Door(Protocol):
    """A way to take part in the chat, with a language of its own: a class of dialogs, say."""

    def recognises(self, first: bytes) -> bool | None:
        """Tell whether a peer speaks this language.

        :param first: the first bytes that it sent, behind blanks and empty lines.
        :returns: None if that takes more bytes.
        """

    def __call__(self, chat: Chat, connection: Connection) -> Dialog:
        """Begin a dialog on a connection."""
