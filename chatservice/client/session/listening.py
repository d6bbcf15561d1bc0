"""What is told to whoever has a seat in the chat."""

from __future__ import annotations

from typing import Protocol

from chatservice import messages
from chatservice.client.session.outgoing import Sent


class Listener(Protocol):
    """Is told, at once and in order, what happens; all of it is safe to show."""

    def welcomed(self, welcome: messages.Welcome, missed: bool) -> None:
        """There is a connection, and a name; this comes again after each loss.

        :param missed: it is an earlier session that goes on, so what was missed follows.
        """

    def caught_up(self, missed: int) -> None:
        """All that happened until the session went on was given, which were so many events."""

    def happened(self, event: messages.Event) -> None:
        """Something happened; each event is given once, in order."""

    def stored(self, sent: Sent, id: int) -> None:
        """Own talk is stored: this is its place among the events."""

    def refused(self, sent: Sent, error: messages.Error) -> None:
        """Own talk is not stored, and will not be."""

    def noticed(self, text: str) -> None:
        """The server has something to say to people."""

    def gapped(self) -> None:
        """Something that happened before this place can't be told any more."""

    def lost(self, why: str, pause: float) -> None:
        """There is no connection, or none any more; it is tried again in so many seconds."""

    def name_refused(self, why: str) -> None:
        """The name can't be had: another one, please (:meth:`Seat.introduce`)."""

    def ended(self, why: str | None) -> None:
        """It is over, and nothing more is told.

        :param why: a sentence; None if it was wanted.
        """
