"""The interfaces between connections and dialogs.

A *connection* handles bytes and time: it splits input into lines, limits their rate, sends, waits
for slow readers, and closes. A *dialog* handles the meaning: what the peer asks for and is shown.
Neither imports the other. They exchange only bytes, numbers, words and booleans, all listed in a
table in ``docs/architecture.md``. So the two could run in two processes, joined by a socket.
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
"""The causes, as logged, for which the service closes or refuses a connection."""


class Connection(Outlet, Protocol):
    """A connection as its dialog sees it: an outlet for bytes, and control over the input.

    Sent bytes end where an event or an answer ends. :meth:`.Outlet.send` returns how many bytes
    went out, and :meth:`Dialog.drained` reports that all went out.
    """

    @property
    def operator(self) -> bool:
        """Whether the person on this connection is an operator."""

    @property
    def certificate(self) -> str | None:
        """The SHA-256 of the peer's TLS certificate, in hex; None if the peer showed none."""

    def place(self, instead: bool = False) -> bool:
        """Take a place among the connections of the same address.

        A greeted peer already has one. Every other peer needs one before it comes in.

        :param instead: whether this connection replaces another one of them and takes its place.
        :returns: False if no place was free; the peer was then told, and the connection closed.
        """

    def entered(self) -> None:
        """Note that the peer is in as a member: end the login timeout, and read larger chunks."""

    def wait(self) -> None:
        """Hold back the next line until the last one is handled."""

    def handled(self, number: int) -> None:
        """Pass on the next line, because the line with this number and all before it are handled.

        :param number: see :meth:`Dialog.line`.
        """

    def ignore(self) -> None:
        """Drop all lines that wait and all that still come."""

    def echo(self, on: bool) -> None:
        """Make the peer's terminal show typed text, or hide it while a secret is typed.

        This has an effect only on peers that speak telnet.
        """

    def finish(self, cause: Cause | None = None) -> None:
        """Send all that was written, and close the connection.

        :param cause: logged, if the service has a cause.
        """


class Dialog(Protocol):
    """A dialog as its connection sees it. None of the methods raises an exception."""

    @property
    def longest(self) -> int:
        """The length of the longest accepted line, in bytes."""

    @property
    def telnet(self) -> bool:
        """Whether the peer may speak telnet. If not, a 0xFF is no command but plain text."""

    def greet(self) -> None:
        """Greet the peer, which was silent for a moment or has just sent something."""

    def line(self, number: int, line: bytes) -> None:
        """Handle a line, without its line end, at once or after telling the connection to wait.

        :param number: counts the lines of this connection, from 1.
        """

    def too_long(self) -> None:
        """Tell the peer that a line was too long. That line is dropped, and has no number."""

    def ended(self) -> None:
        """React to the end of the input, after all its lines were handled."""

    def drained(self) -> None:
        """Send more, because all waiting bytes went out. This may be called within a send."""

    def lost(self) -> None:
        """React to the loss of the connection: nothing can be sent any more.

        Lines that came before and wait are still passed on, unless they are now ignored.
        """

    def replaced(self) -> None:
        """Let go of the member, which has another connection now."""

    def tell(self, *lines: str, code: Code | None = None) -> None:
        """Send the peer a message of the connection.

        :param code: a short form of the message, if it is an error.
        """


class Door(Protocol):
    """A way to take part in the chat, with its own language; usually a class of dialogs."""

    def recognises(self, first: bytes) -> bool | None:
        """Return whether a peer speaks the language of this door.

        :param first: the peer's first bytes, without blanks and empty lines before them.
        :returns: None if more bytes are needed.
        """

    def __call__(self, chat: Chat, connection: Connection) -> Dialog:
        """Begin a dialog on a connection."""
