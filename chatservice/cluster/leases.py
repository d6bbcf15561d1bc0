"""The leases of boots: a boot that is silent for longer is adopted by another boot."""

from __future__ import annotations

import random
from typing import Final

from twisted.internet.interfaces import IReactorTime

from chatservice.cluster.entries import ADOPT
from chatservice.cluster.registry import ENDED, Registry
from chatservice.journal.events import Fact

AT_ONCE: Final = 0.3
"""Seconds within which another boot adopts a boot that has ended."""


class Leases:
    """Keeps the time at which each boot's lease is over, by the clock of this process.

    :param lease: seconds of silence after which a boot is taken for dead.
    """

    def __init__(self, clock: IReactorTime, lease: float) -> None:
        self._clock = clock
        self._lease = lease
        self._due: dict[tuple[str, str], float] = {}
        self._since = clock.seconds()

    def reached(self) -> None:
        """Start all leases anew, since this node may have been cut off until now."""
        self._since = self._clock.seconds()
        self._due.clear()

    def heard(self, boot: str) -> None:
        """Renew the lease of a boot that has published an entry."""
        self._due[boot, ""] = self._clock.seconds() + self._lease

    def over(self, registry: Registry, mine: str, node: str) -> list[Fact]:
        """Return the facts that adopt the boots whose leases are over.

        :param mine: the boot of this node.
        :param node: the name of this node, whose earlier boots are adopted at once.
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
                # The fact takes no effect if another boot was faster.
                self._due[boot, why] = now + self._lease
                facts.append(Fact(ADOPT, boot, str(lease.position)))
        return facts
