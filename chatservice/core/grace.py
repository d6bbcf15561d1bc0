"""Programs that are away: nobody is told, for a grace."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from chatservice.core.deadlines import Deadlines
from chatservice.core.members import Member
from chatservice.core.networks import counted
from chatservice.limits import Limits


class Absences(Deadlines[Member]):
    """Members without a connection, each for a grace at most.

    There may be as many of them as there may be connections, in all and of one address, so nobody
    fills the house by hanging up. For one more, the one that has been away longest is over.

    :param over: called with each whose absence is over.
    """

    def __init__(self, clock: IReactorTime, limits: Limits, over: Callable[[Member], None]) -> None:
        super().__init__(clock, limits.grace, over)
        self._limits = limits
        self._addresses: dict[str, dict[Member, None]] = {}

    def add(self, member: Member) -> None:
        """Begin the absence of a member, which has lost its connection."""
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
        """End the absence of a member, which is back, or has left."""
        super().discard(member)
        address = counted(member.outlet.address)
        same = self._addresses.get(address, {})
        same.pop(member, None)
        if not same:
            self._addresses.pop(address, None)
