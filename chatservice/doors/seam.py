"""Where connections and dialogs meet: all that either of them asks of the other.

A *connection* knows bytes and time: it finds lines in what comes, keeps their pace, sends, waits
for who reads slowly, and closes. A *dialog* knows what somebody says and is shown. Neither imports
the other::

    connection          says to its dialog            dialog
                  ──► open greet line too_long ──►
                      ended drained lost
                      closing replaced tell refuse
                        says to its connection
                  ◄── bytes (by its outbox) place ◄──
                      entered wait go_on ignore
                      finish

What passes is bytes, numbers, words, and whether something is so; the outbox, too, is told nothing
else. So the two could be in two processes, with a socket between them.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from chatservice.core.chat import Chat
from chatservice.core.outlet import Outlet
from chatservice.limits import LOGIN_TRIES
from chatservice.messages import Code


class Cause(Enum):
    """Why a connection was closed or refused by the service, as the log tells it."""

    NO_NAME = "no name in time"
    BAD_NAMES = f"{LOGIN_TRIES} bad names"
    NO_HANDSHAKE = "no TLS handshake in time"
    NO_HEADER = "no PROXY header"
    STALLED = "stalled"
    UNREAD = "did not read its last lines in time"
    BANNED = "banned"
    TOO_MANY = "too many connections"
    CROWDED = "too many connections from its address"
    HURRIED = "too many new connections from its address"
    NAMES = "too many new names from its address"
    HTTP = "an HTTP request"
    TLS = "a TLS hello on a port without TLS"


class Connection(Protocol):
    """A connection, as its dialog sees it."""

    @property
    def outbox(self) -> Outlet:
        """The way out: bytes, which end where an event or an answer ends."""

    @property
    def operator(self) -> bool:
        """Whether who has this connection may do what is for operators."""

    def place(self, instead: bool = False) -> bool:
        """Take a place among the connections of the same address.

        Who was greeted has one. All others need one before they come in.

        :param instead: it is to replace another one of them, and takes the place of that one.
        :returns: False if there was none: the connection is closed then, and the peer was told.
        """

    def entered(self) -> None:
        """Note that somebody is in: there is no hurry any more, and more is read at once."""

    def wait(self) -> None:
        """Keep the next line back, until :meth:`go_on`."""

    def go_on(self) -> None:
        """Give the next line."""

    def ignore(self) -> None:
        """Drop the lines that wait, and all that still come."""

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

    def line(self, line: bytes) -> None:
        """Take a line, without its end."""

    def too_long(self) -> None:
        """Hear that a line was too long; it is dropped."""

    def ended(self) -> None:
        """Hear that nothing more comes: the input has ended, and its lines were all taken."""

    def drained(self) -> None:
        """Hear that all was taken that waited to be sent; this may be in the midst of sending."""

    def lost(self) -> None:
        """Hear that nothing can be sent any more; what came before is still given, as it waits.

        It is not, if that is told to be ignored now.
        """

    def closing(self) -> None:
        """Hear that the connection is being closed, for whatever reason: no line counts now."""

    def replaced(self) -> None:
        """Let go of the member, who has another connection now."""

    def tell(self, *lines: str) -> None:
        """Tell the peer what the connection has to say."""

    def refuse(self, code: Code, why: str) -> None:
        """Tell the peer that something is not done, or is over."""


class Door(Protocol):
    """A way to take part in the chat, with a language of its own."""

    def recognises(self, first: bytes) -> bool | None:
        """Tell whether a peer speaks this language.

        :param first: the first bytes that it sent, behind blanks and empty lines.
        :returns: None if that takes more bytes.
        """

    def open(self, chat: Chat, connection: Connection) -> Dialog:
        """Begin a dialog on a connection."""
