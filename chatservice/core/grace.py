"""Programs that are away, during the grace before the others are told."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from chatservice.core.deadlines import Deadlines
from chatservice.core.members import Member
from chatservice.core.networks import counted
from chatservice.limits import Limits


class Absences(Deadlines[Member]):
    """Programs without a connection, each for a grace at most.

    Their number is limited like that of connections, in all and for one address, so nobody can fill
    the chat by hanging up. Above the limit, the longest absence is over.

    :param over: called with each member whose absence is over.
    """

    def __init__(self, clock: IReactorTime, limits: Limits, over: Callable[[Member], None]) -> None:
        super().__init__(clock, limits.grace, over)
        self._limits = limits
        self._addresses: dict[str, dict[Member, None]] = {}

    def add(self, member: Member) -> None:
        """Begin the absence of a member that has lost its connection."""
        super().add(member)
        address = counted(member.outlet.address)
        same = self._addresses.setdefault(address, {})
        same[member] = None
        if address and 0 < self._limits.max_per_address < len(same):
            self._end(next(iter(same)))
        if 0 < self._limits.max_connections < len(self):
            self._end(next(iter(self)))

    def _end(self, member: Member) -> None:
        self.discard(member)
        self._expired(member)

    def discard(self, member: Member) -> None:
        """End the absence of a member that is back, or has left."""
        super().discard(member)
        address = counted(member.outlet.address)
        same = self._addresses.get(address, {})
        same.pop(member, None)
        if not same:
            self._addresses.pop(address, None)
