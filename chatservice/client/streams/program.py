"""What programs at the standard streams have in common: a seat, and an end that tells how it went.

The exit status is 0 if all was taken, 1 if something was not or there was no way to say it, with a
sentence on the standard error; 130 if it was interrupted.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Final

from chatservice import messages
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.seat import Seat, Sent
from chatservice.client.stored.entrance import Entrance
from chatservice.client.streams.stdio import StandardStreams, complain

MOST: Final = 64
"""Lines that may be unanswered."""


class Program(StandardStreams):
    """A program whose connection may come and go, once there was one.

    It is a :class:`~chatservice.client.session.seat.Listener`.

    :param name: to come in with; None if it is in the input.
    :param rooms: to be in.
    :ivar seat: that it has; None while there is no name.
    """

    INTERRUPTED = 128 + signal.SIGINT

    seat: Seat | None = None

    _welcomed = False
    _away = False
    _all_read = False
    _leaving = False
    _unanswered = 0
    _refusals = 0
    _first_refusal = ""
    _notice = ""

    def __init__(
        self,
        entrance: Entrance,
        name: str | None,
        rooms: Sequence[str] = (),
        complain: Callable[[str], None] = complain,
    ) -> None:
        super().__init__(complain)
        self.entrance = entrance
        self._name = name
        self._rooms = rooms

    def connectionMade(self) -> None:
        """Come in, if there is a name."""
        if self._name is not None:
            self.come_in(self._name, self._rooms)

    def come_in(
        self, name: str, rooms: Sequence[str], remembered: Remembered | None = None
    ) -> None:
        """Take a seat."""
        self.seat = self.entrance.seat(self, name, rooms, remembered)
        self.seat.start()
        self.go_on()

    def hang_up(self) -> None:
        """Close the connection; the server keeps the seat for a while."""
        if self.seat is not None:
            self.seat.stop()

    # What is read

    def input_ended(self) -> None:
        """Leave when all is answered."""
        self._all_read = True
        self.go_on()

    def asked(self) -> None:
        """Note that something was said or asked which will be answered."""
        self._unanswered += 1
        self.go_on()

    def answered(self) -> None:
        """Note that it was answered."""
        self._unanswered -= 1
        self.go_on()

    def refuse(self, why: str) -> None:
        """Note that something was not taken."""
        self._first_refusal = self._first_refusal or why
        self._refusals += 1

    def may_read(self) -> bool:
        """Tell whether it is time for more of the input."""
        raise NotImplementedError

    def is_done(self) -> bool:
        """Tell whether nothing of what was read is still to be answered."""
        return not self._unanswered

    def go_on(self) -> None:
        """Read on, wait, or leave."""
        if self.ending or self._leaving:
            return
        if self._all_read:
            if self.seat is not None and self._welcomed and self.is_done():
                self._leaving = True
                self.seat.quit()
        elif self.paused and self.may_read():
            self.resumeProducing()
        elif not self.paused and not self.may_read():
            self.pauseProducing()

    # What the seat tells

    def welcomed(self, welcome: messages.Welcome, missed: bool) -> None:
        """There is a connection, maybe again."""
        self._welcomed, self._away = True, False
        self.go_on()

    def caught_up(self, missed: int) -> None:
        """What was missed was given."""

    def happened(self, event: messages.Event) -> None:
        """Something happened."""

    def stored(self, sent: Sent, id: int) -> None:
        """Count it as answered."""
        self.answered()

    def refused(self, sent: Sent, error: messages.Error) -> None:
        """Count it as answered, and as not taken."""
        self.refuse(error.text)
        self.answered()

    def noticed(self, text: str) -> None:
        """The server has something to say to people: before it has welcomed, why it does not."""
        if not self._welcomed:
            self._notice = text

    def gapped(self) -> None:
        """Something that was missed can't be told."""

    def lost(self, why: str, pause: float) -> None:
        """End if the server was never there; else say once that it is not, and go on."""
        if not self._welcomed:
            self.end(1, self._notice or why)
        elif not self._away:
            self._away = True
            self.complain(f"{why}; trying again")

    def name_refused(self, why: str) -> None:
        """End: there is nobody to think of another name."""
        self.end(1, f"the name was refused: {why}")

    def ended(self, why: str | None) -> None:
        """End; the status says whether all was taken."""
        if why is not None:
            self.end(1, why)
        elif self._refusals:
            lines = "a line was" if self._refusals == 1 else f"{self._refusals:,} lines were"
            self.end(1, f"{lines} not taken: {self._first_refusal}")
        else:
            self.end(0)
