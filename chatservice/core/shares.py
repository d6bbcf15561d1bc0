"""The rates and shares that each address has of the resources that all connections share.

An address here is the key under which connections are counted (:func:`.networks.counted`). A Unix
socket or the terminal has none: its key is ``""``, and nothing is counted for it.
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
"""Seconds' worth of ``--stored-per-address`` that may be stored at once."""

BYTES_AN_EVENT: Final = 100
"""Bytes that an event takes in the history, besides its text."""

_TIDY_FROM: Final = 1024


class Rate:
    """One rate limit, counted for each of many things.

    The generic cell rate algorithm (ITU-T I.371): it keeps one number for each thing that is ahead
    of the rate, and none for the others.

    :param a_second: the amount allowed per second; 0 for no limit.
    :param at_once: the amount allowed at once after some quiet; 0 for no limit.
    """

    def __init__(self, clock: IReactorTime, a_second: float, at_once: float) -> None:
        self._clock = clock
        self._interval = 1 / a_second if a_second and at_once else 0.0
        # Allow half of one more than is meant, so that rounding decides nothing.
        self._ahead = (at_once - 0.5) * self._interval
        self._ends: dict[Hashable, float] = {}
        self._tidy_at = _TIDY_FROM

    def __len__(self) -> int:
        """Return the number of things that are ahead of the rate, or were until just now."""
        return len(self._ends)

    def lift(self) -> None:
        """Remove the limit from now on."""
        self._interval = 0.0
        self._ends.clear()

    def allows(self, thing: Hashable) -> bool:
        """Return whether one more event of a thing is within the rate now."""
        end = self._ends.get(thing)
        return end is None or end - self._clock.seconds() <= self._ahead

    def count(self, thing: Hashable, amount: float = 1.0) -> float:
        """Count an amount for a thing.

        :returns: the time by the clock from which the next is allowed; 0.0 if it is allowed now.
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
    """The rates and shares of all addresses; nothing is counted for ``""``.

    ``--max-per-address 0`` lifts all of them, ``--rate 0`` the rate of lines in a room.

    :ivar counting: whether anything is counted at all.
    :ivar connections: the rate of new connections.
    """

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        most = limits.max_per_address
        self.counting = most > 0

        def rate(a_second: float, at_once: float) -> Rate:
            return Rate(clock, a_second if self.counting else 0.0, at_once)

        # All connections that an address may have may also come back at once, and some more.
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
        """Remove all rate limits from now on."""
        for rate in (self.connections, self._names, self._lines, self._stored):
            rate.lift()

    def said(self, address: str, room: str, text: str = "", lines: float = 1.0) -> float:
        """Count lines that an address shows to a room.

        :param text: the text that is stored; each event takes some bytes besides it.
        :param lines: the number of lines that the room is shown.
        :returns: the time by the clock from which the next line may be handled; 0.0 for now.
        """
        if not (address and self.counting):
            return 0.0
        return max(
            self._lines.count((address, room), lines),
            self._stored.count(address, len(text.encode()) + lines * BYTES_AN_EVENT),
        )

    def check_name(self, address: str, code: Code = Code.CROWDED) -> None:
        """Refuse another name to an address that has taken too many.

        :raises Refusal: with the given code.
        """
        if address and not self._names.allows(address):
            raise Refusal(code, "too many new names from your address: please wait a minute")

    def named(self, address: str) -> None:
        """Count a name that was given to an address."""
        if address:
            self._names.count(address)

    def new_room(self, address: str) -> None:
        """Count a new room for the address that creates it.

        :raises Refusal: with the code ``not_let_in``, if too many existing rooms count for the
            address.
        """
        if address and self._most_rooms:
            if self._rooms[address] >= self._most_rooms:
                raise Refusal(
                    Code.NOT_LET_IN, f"there are {self._most_rooms:,} rooms of your address already"
                )
            self._rooms[address] += 1

    def room_gone(self, address: str) -> None:
        """Count one room less for an address."""
        self._rooms[address] -= 1
        if self._rooms[address] <= 0:
            del self._rooms[address]
