"""Programs that are away: nobody is told, for a grace."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from chatservice.core.deadlines import Deadlines
from chatservice.core.members import Member
from chatservice.core.networks import counted
from chatservice.limits import Limits


class Absences:
    """Members without a connection, each for a grace at most.

    There may be as many of them as there may be connections, in all and of one address, so nobody
    fills the house by hanging up. For one more, the one that has been away longest is over.

    :param over: called with each whose absence is over.
    """

    def __init__(self, clock: IReactorTime, limits: Limits, over: Callable[[Member], None]) -> None:
        self._limits = limits
        self._over = over
        self._away = Deadlines[Member](clock, limits.grace, over)
        self._addresses: dict[str, dict[Member, None]] = {}

    def __contains__(self, member: Member) -> bool:
        return member in self._away

    def add(self, member: Member) -> None:
        """A member has lost its connection."""
        address = counted(member.outlet.address)
        self._away.add(member)
        same = self._addresses.setdefault(address, {})
        same[member] = None
        limits = self._limits
        if address and 0 < limits.max_per_address < len(same):
            self._end(next(iter(same)))
        if 0 < limits.max_connections < len(self._away):
            self._end(next(iter(self._away)))

    def _end(self, member: Member) -> None:
        self.discard(member)
        self._over(member)

    def discard(self, member: Member) -> None:
        """A member is back, or has left."""
        self._away.discard(member)
        address = counted(member.outlet.address)
        same = self._addresses.get(address, {})
        same.pop(member, None)
        if not same:
            self._addresses.pop(address, None)

    def stop(self) -> None:
        """Let nobody's absence be over any more."""
        self._away.stop()
        self._addresses.clear()
