"""Why connections are closed or refused, as the log tells it: a line for each, but not for many.

What people typed is never in it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatservice.core.deadlines import Deadlines
from chatservice.core.networks import written
from chatservice.doors.seam import Cause
from chatservice.text.sanitising import safe

MOST: Final = 10
"""Lines of one cause in a :data:`MINUTE`; then one that tells how many more there were."""

MINUTE: Final = 60.0

LONGEST_PEER: Final = 80
"""Characters of a peer's address that are shown: a PROXY header may say anything."""

log = Logger()


class Closings:
    """Logs which connections were closed for a cause; each cause has its own rate."""

    def __init__(self, clock: IReactorTime) -> None:
        self._minutes = Deadlines[Cause](clock, MINUTE, self._sum_up)
        self._counts: Counter[Cause] = Counter()

    def note(self, cause: Cause, peer: Any) -> None:
        """Log that a connection is closed, or count it if its cause was logged often just now.

        :param peer: the address of the connection.
        """
        if cause not in self._minutes:
            self._minutes.add(cause)
        self._counts[cause] += 1
        if self._counts[cause] <= MOST:
            log.info("closed ({cause}): {peer}", cause=cause, peer=shown(peer))

    def stop(self) -> None:
        """Log what was only counted."""
        for cause in self._minutes:
            self._sum_up(cause)
        self._minutes.stop()

    def _sum_up(self, cause: Cause) -> None:
        more = self._counts.pop(cause) - MOST
        if more > 0:
            log.info("closed ({cause}): {more} more", cause=cause, more=more)


def shown(address: Any) -> str:
    """Write an address as an operator would, in a line of the log."""
    host = getattr(address, "host", None)
    if host is not None:
        host = safe(written(str(host)))[:LONGEST_PEER]
        return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
    name = getattr(address, "name", None)
    if not name:
        return "somebody on this machine"
    return safe(name.decode(errors="replace") if isinstance(name, bytes) else str(name))
