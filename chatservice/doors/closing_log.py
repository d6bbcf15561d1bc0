"""The log lines that say why connections were closed or refused, at a bounded rate for each cause.

They never contain text that people typed.
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
"""Lines logged for one cause in a :data:`MINUTE`. One more line then counts those left out."""

MINUTE: Final = 60.0

LONGEST_PEER: Final = 80
"""Most characters logged of a peer's address. A PROXY header may claim any length."""

log = Logger()


class Closings:
    """Logs each closed connection with its cause, and limits the rate of lines for each cause."""

    def __init__(self, clock: IReactorTime) -> None:
        self._minutes = Deadlines[Cause](clock, MINUTE, self._sum_up)
        self._counts: Counter[Cause] = Counter()

    def note(self, cause: Cause, peer: Any) -> None:
        """Log that a connection is closed, or only count it after many lines for the same cause.

        :param peer: the peer's address.
        """
        if cause not in self._minutes:
            self._minutes.add(cause)
        self._counts[cause] += 1
        if self._counts[cause] <= MOST:
            log.info("closed ({cause}): {peer}", cause=cause, peer=shown(peer))

    def stop(self) -> None:
        """Log the number of connections that were only counted, and stop the timer."""
        for cause in self._minutes:
            self._sum_up(cause)
        self._minutes.stop()

    def _sum_up(self, cause: Cause) -> None:
        more = self._counts.pop(cause) - MOST
        if more > 0:
            log.info("closed ({cause}): {more} more", cause=cause, more=more)


def shown(address: Any) -> str:
    """Return an address as the log shows it, safe to print."""
    host = getattr(address, "host", None)
    if host is not None:
        host = safe(written(str(host)))[:LONGEST_PEER]
        return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
    name = getattr(address, "name", None)
    if not name:
        return "somebody on this machine"
    return safe(name.decode(errors="replace") if isinstance(name, bytes) else str(name))
