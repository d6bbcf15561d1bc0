"""What a peer is, found out once: by which door it comes, or that it takes us for something else.

The first bytes decide, and a silence: who says nothing for a moment is a person who waits for us to
speak. Who was greeted is still recognised by the first bytes, whenever they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from chatservice.doors.first_bytes import (
    PREAMBLE_MOST,
    after_preamble,
    answer_to_stranger,
    door_for,
)
from chatservice.doors.seam import Cause, Dialog, Door
from chatservice.doors.throttle import PacedFramer, Pacing
from chatservice.messages import Code


class Gate(Pacing, Protocol):
    """What decides about a connection that has just come: its factory.

    :ivar doors: in the order in which they are asked; the last one takes whoever is silent.
    """

    doors: Sequence[Door]

    def open(self, door: Door, protocol: RecognisingFramer) -> Dialog:
        """Begin the dialog of a connection."""

    def admit(self, protocol: RecognisingFramer) -> bool:
        """Let a connection on, or part with it."""

    def place(self, protocol: RecognisingFramer, instead: bool = False) -> bool:
        """Give a connection a place among those of its address, or part with it."""

    def typed(self, protocol: RecognisingFramer) -> None:
        """Take note of an empty line."""

    def met_stranger(self, protocol: RecognisingFramer, cause: Cause) -> None:
        """Take note of a peer that takes us for something else."""


class RecognisingFramer(PacedFramer):
    """The beginning of a :class:`.ChatProtocol`."""

    factory: Gate

    admitted = False
    """Whether its address may have it: this is found out once."""

    counted_in: Counter[str] | None = None
    """Where it is counted for its address: among those that wait for a place, or have one."""

    cause: Cause | None = None
    """Why it is closed, if the service has a cause."""

    operator = False
    """Whether who has this connection may do what is for operators; they are in no hurry."""

    heard = False
    """Whether a line came that was not empty: so it is none of a stranger."""

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
        doors = self.factory.doors
        door = door_for(telling, doors) if telling else None
        if door is None and len(first) <= PREAMBLE_MOST:
            blank = len(first) - len(telling)
            handled = first.rfind(b"\n", 0, blank) + 1 if self._greeted else 0
            self._preamble = first[handled:]
            if b"\n" in self._preamble:
                self.factory.typed(self)
            return first[:handled]
        self._preamble = None
        if self.is_stranger(telling):
            return b""
        if door is None or door is doors[-1] or self.operator:
            return first
        self.drop_lines()
        self.open(door)
        if not self._greeted:
            self._greeted = True
            self.factory.admit(self)
        return telling

    def open(self, door: Door) -> None:
        """Let the peer in by a door, in the place of the one it was at."""
        self.dialog = dialog = self.factory.open(door, self)
        self.MAX_LENGTH = dialog.longest
        if not dialog.telnet:
            self.telnet = False

    @property
    def silent(self) -> bool:
        """Whether not even an empty line has come that waits for the greeting."""
        return b"\n" not in (self._preamble or b"")

    def greet(self) -> None:
        """Let the dialog speak: the peer said something, or was silent for a moment."""
        if self._greeted:
            return
        self._greeted = True
        if self.factory.admit(self) and self.factory.place(self):
            if self.negotiates:
                self.negotiate()
            self.dialog.greet()
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

    def has_strange(self, line: bytes) -> bool:
        """Look at a line before any was heard; tell whether the peer was parted with for it."""
        if self._leaves or self.is_stranger(line):
            return True
        self.heard = bool(line.strip())
        return False

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

    def ignore(self) -> None:
        """See :meth:`.Connection.ignore`."""
        self._leaves = self._watched = True
        self.drop_lines()

    def place(self, instead: bool = False) -> bool:
        """See :meth:`.Connection.place`."""
        return self.factory.place(self, instead)

    def part(self, *why: str, code: Code | None = None) -> None:
        """Say why, and close.

        :param code: the same in short, if it is a refusal.
        """
        for line in why:
            if code is None:
                self.dialog.tell(line)
            else:
                self.dialog.refuse(code, line)
        self.finish()

    def entered(self) -> None:
        """See :meth:`.Connection.entered`: to be overridden."""

    def finish(self, cause: Cause | None = None) -> None:
        """Close: to be overridden."""
