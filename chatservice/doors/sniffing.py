"""What a peer is, found out once: a program, a person, or one who takes us for something else.

The first bytes decide, and a silence: who says nothing for a moment is a person who waits for us to
speak. Who was greeted is still recognised by the first bytes, whenever they come.
"""

from __future__ import annotations

from collections import Counter

from chatservice.doors.closing_log import Cause
from chatservice.doors.first_bytes import PREAMBLE_MOST, after_preamble, answer_to_stranger
from chatservice.doors.throttle import PacedFramer
from chatservice.messages import OPENING, Code
from chatservice.text import wording


class RecognisingFramer(PacedFramer):
    """The beginning of a :class:`.ChatProtocol`."""

    admitted = False
    """Whether its address may have it: this is found out once."""

    counted_in: Counter[str] | None = None
    """Where it is counted for its address: among those that wait for a place, or have one."""

    cause: Cause | None = None
    """Why it is closed, if the service has a cause."""

    operator = False
    """Whether who has this connection may do what is for operators; they are in no hurry."""

    negotiates = False
    """Whether telnet's options are negotiated with the greeting: its listener was told so."""

    _preamble: bytes | None = b""
    """Blanks and the like that came before anything that tells what the peer is; then None."""

    _greeted = False
    _leaves = False
    _watched = True
    """Whether what comes is looked at first: it is the beginning, or is not handled any more."""

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; the first of all decide what the peer is."""
        if self._watched:
            data = self._begin(data)
            self._watched = self._leaves or self._preamble is not None or not self._greeted
            if not data:
                return
        super().dataReceived(data)

    def _begin(self, data: bytes) -> bytes:
        """Look at bytes before there are only lines to come; return what is to be handled now."""
        if self._leaves:
            return b""
        if self._preamble is not None:
            data = self._recognise(self._preamble + data)
        elif not self._greeted and b"\n" in data and self.is_stranger(self._buffer + data):
            return b""
        if not self._greeted and b"\n" in data:
            self.greet()
        return data

    def _recognise(self, first: bytes) -> bytes:
        """Find out what the peer is; return what is to be handled now.

        While nothing but blanks came, it may be a program yet. Until the greeting they wait; after
        it, empty lines are a person's.
        """
        telling = after_preamble(first)
        if not telling and len(first) <= PREAMBLE_MOST:
            handled = first.rfind(b"\n") + 1 if self._greeted else 0
            self._preamble = first[handled:]
            if b"\n" in self._preamble:
                self.factory.typed(self)
            return first[:handled]
        self._preamble = None
        if self.is_stranger(telling):
            return b""
        if telling.startswith(OPENING) and not self.operator:
            self.drop_lines()
            self.be_machine()
            return telling
        return first

    @property
    def silent(self) -> bool:
        """Whether not even an empty line has come that waits for the greeting."""
        return b"\n" not in (self._preamble or b"")

    def greet(self) -> None:
        """Ask for a name: the peer said something, or was silent for a moment."""
        if self._greeted:
            return
        self._greeted = True
        if self.factory.admit(self) and self.factory.place(self):
            if self.negotiates:
                self.negotiate()
            self.tell(wording.ASK_NAME)
        if self._preamble:
            self.dataReceived(b"")  # The empty lines that waited.

    def is_stranger(self, first: bytes) -> bool:
        """Part with a peer that takes us for something else."""
        stranger = answer_to_stranger(first)
        if stranger is None:
            return False
        cause, answer = stranger
        self.factory.met_stranger(self, cause)
        self.outbox.write(answer)
        self.finish()
        return True

    def telnet_ended(self) -> None:
        """Take the end of the input; who was silent is greeted."""
        self.greet()
        super().telnet_ended()

    def end_input(self) -> None:
        """Take the end of the input; who was silent is greeted."""
        self.greet()
        if self._preamble:
            preamble, self._preamble = self._preamble, None
            super().dataReceived(preamble)
        super().end_input()

    def be_machine(self) -> None:
        """Speak JSON from now on: to be overridden."""

    def part(self, *why: str, code: Code | None = None) -> None:
        """Say why, and close: to be overridden."""

    def finish(self) -> None:
        """Close: to be overridden."""
