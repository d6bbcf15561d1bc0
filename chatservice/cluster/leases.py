"""Leases: a boot that was silent for too long is adopted by another one."""

from __future__ import annotations

import random
from typing import Final

from twisted.internet.interfaces import IReactorTime

from chatservice.cluster.entries import ADOPT
from chatservice.cluster.registry import ENDED, Registry
from chatservice.journal.events import Fact

AT_ONCE: Final = 0.3
"""Seconds within which some node adopts a boot that has said goodbye."""


class Leases:
    """Keeps when each boot was heard of last, by the clock of this process.

    :param lease: seconds of silence after which a boot is taken for dead.
    """

    def __init__(self, clock: IReactorTime, lease: float) -> None:
        self._clock = clock
        self._lease = lease
        self._due: dict[tuple[str, str], float] = {}
        self._since = clock.seconds()

    def reached(self) -> None:
        """Count silence from now on: until now, this node itself may have been cut off."""
        self._since = self._clock.seconds()
        self._due.clear()

    def heard(self, boot: str) -> None:
        """Renew the lease of a boot, of which an entry was read."""
        self._due[boot, ""] = self._clock.seconds() + self._lease

    def over(self, registry: Registry, mine: str, node: str) -> list[Fact]:
        """Return the facts by which boots are to be adopted now.

        :param mine: the boot that asks.
        :param node: on which it is: what was there before is over.
        """
        now = self._clock.seconds()
        facts = []
        for boot, lease in registry.leases.items():
            if boot == mine or lease.heir not in ("", ENDED):
                continue
            why, due = lease.heir, self._since + self._lease
            if lease.heir == ENDED:
                due = now + random.random() * AT_ONCE
            elif lease.node == node:
                why, due = node, now
            if self._due.setdefault((boot, why), due) <= now:
                # If it is in vain, because somebody else was first, nothing more is to be done.
                self._due[boot, why] = now + self._lease
                facts.append(Fact(ADOPT, boot, str(lease.position)))
        return facts
