"""Rates and shares that each address has of the resources that all connections use together.

An address is what connections are counted under (:func:`.networks.counted`). One that has none, a
Unix socket or the terminal, is ``""`` and is not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from chatservice.core.refusals import Refusal
from chatservice.limits import Limits
from chatservice.messages import Code

STORED_AT_ONCE: Final = 16
"""Seconds of ``--stored-per-address`` that may be stored at once."""

BYTES_AN_EVENT: Final = 100
"""Bytes that an event takes in the history, beside its text."""

_TIDY_FROM: Final = 1024


class Rate:
    """Tells for many things how far each is ahead of the rate that all have.

    The generic cell rate algorithm (ITU-T I.371): one number each, and none for what is not ahead.

    :param a_second: so much may happen in a second; 0 for anything.
    :param at_once: so much may happen at once, after some quiet; 0 for anything.
    """

    def __init__(self, clock: IReactorTime, a_second: float, at_once: float) -> None:
        self._clock = clock
        self._interval = 1 / a_second if a_second and at_once else 0.0
        # Half of one more than is meant, so that no rounding decides.
        self._ahead = (at_once - 0.5) * self._interval
        self._ends: dict[Hashable, float] = {}
        self._tidy_at = _TIDY_FROM

    def __len__(self) -> int:
        """Count the things that are, or were just now, ahead."""
        return len(self._ends)

    def lift(self) -> None:
        """Let anything happen from now on."""
        self._interval = 0.0
        self._ends.clear()

    def allows(self, thing: Hashable) -> bool:
        """Return whether one more is within the rate now."""
        end = self._ends.get(thing)
        return end is None or end - self._clock.seconds() <= self._ahead

    def count(self, thing: Hashable, amount: float = 1.0) -> float:
        """Count that something happened.

        :returns: when the next may, by the clock; 0.0 if it may now.
        """
        if not self._interval:
            return 0.0
        now = self._clock.seconds()
        end = max(self._ends.get(thing, now), now) + amount * self._interval
        self._ends[thing] = end
        if len(self._ends) > self._tidy_at:
            self._ends = {thing: end for thing, end in self._ends.items() if end > now}
            self._tidy_at = max(_TIDY_FROM, 2 * len(self._ends))
        due = end - self._ahead
        return due if due > now else 0.0


class Shares:
    """The rates and shares of all addresses; of ``""`` nothing is counted.

    ``--max-per-address 0`` lifts all of them, ``--rate 0`` the rate of lines in a room.

    :ivar counting: anything is counted at all.
    :ivar connections: new connections.
    """

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        most = limits.max_per_address
        self.counting = most > 0

        def rate(a_second: float, at_once: float) -> Rate:
            return Rate(clock, a_second if self.counting else 0.0, at_once)

        # All who may be connected at once may also be back at once, and then some.
        self.connections = rate(
            limits.connects_per_address / 60, most + limits.connects_per_address
        )
        self._names = rate(limits.names_per_address / 60, most + limits.names_per_address)
        self._lines = rate(limits.room_rate if limits.rate else 0, limits.room_burst)
        stored = limits.stored_per_address << 10
        self._stored = rate(stored, STORED_AT_ONCE * stored)
        self._most_rooms = limits.rooms_per_address if self.counting else 0
        self._rooms: Counter[str] = Counter()

    def lift(self) -> None:
        """Make nobody wait any more."""
        for rate in (self.connections, self._names, self._lines, self._stored):
            rate.lift()

    def said(self, address: str, room: str, text: str = "", lines: float = 1.0) -> float:
        """Count what somebody brings before those in a room.

        :param text: the text that is stored; each event takes some bytes beside it.
        :param lines: lines that they are shown.
        :returns: when the next may be handled, by the clock; 0.0 if that is now.
        """
        if not (address and self.counting):
            return 0.0
        return max(
            self._lines.count((address, room), lines),
            self._stored.count(address, len(text.encode()) + lines * BYTES_AN_EVENT),
        )

    def check_name(self, address: str, code: Code = Code.CROWDED) -> None:
        """Refuse another name to an address that takes too many.

        :raises Refusal: with that code.
        """
        if address and not self._names.allows(address):
            raise Refusal(code, "too many new names from your address: please wait a minute")

    def named(self, address: str) -> None:
        """Count a name that was given."""
        if address:
            self._names.count(address)

    def new_room(self, address: str) -> None:
        """Count a room that is made.

        :raises Refusal: with the code ``not_let_in``, if the address has made too many of those
            that there are.
        """
        if address and self._most_rooms:
            if self._rooms[address] >= self._most_rooms:
                raise Refusal(
                    Code.NOT_LET_IN, f"there are {self._most_rooms:,} rooms of your address already"
                )
            self._rooms[address] += 1

    def room_gone(self, address: str) -> None:
        """Count a room no more."""
        self._rooms[address] -= 1
        if self._rooms[address] <= 0:
            del self._rooms[address]
