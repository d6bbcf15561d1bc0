"""Connecting again and again, after pauses that grow."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from twisted.application.internet import backoffPolicy
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure

FIRST_PAUSE: Final = 1.0
"""Seconds until it is tried again to connect, and up to one more; pauses grow from there …"""

LONGEST_PAUSE: Final = 60.0
"""… up to this, in seconds."""

SHORT_PAUSE: Final = (0.1, 1.0)
"""Seconds after a connection that was of use: it only has to be made again."""


class Dialler:
    """Makes connections, one at a time.

    Pauses grow whatever the cause is that a connection does not last. One was of use if something
    came of it, or if it lasted at least as long as the pause before it.

    :param failed: is told why there is no connection.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        factory: IProtocolFactory,
        failed: Callable[[Failure], None],
    ) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._factory = factory
        self._failed = failed
        self._backoff = backoffPolicy(FIRST_PAUSE, LONGEST_PAUSE)
        self._failures = 0
        self._pause = 0.0
        self._welcomed_at: float | None = None
        self._was_of_use = False
        self._connecting: Deferred[IProtocol] | None = None
        self._later: Any = None

    def dial(self) -> None:
        """Connect now, if that is not being done anyway."""
        if self._connecting is not None:
            return
        self._cancel_later()
        self._connecting = connecting = self._endpoint.connect(self._factory)
        connecting.addCallbacks(self._reached, self._not_reached)

    def dial_later(self) -> float:
        """Connect after a pause; return its seconds."""
        if self._was_of_use or self._has_lasted():
            self._failures = 0
            self._pause = random.uniform(*SHORT_PAUSE)
        else:
            self._pause = self._backoff(self._failures)
            self._failures += 1
        self._was_of_use, self._welcomed_at = False, None
        self._cancel_later()
        self._later = self._reactor.callLater(self._pause, self.dial)
        return self._pause

    def welcomed(self) -> None:
        """Note that the server has let one in: from now on it counts how long that lasts."""
        self._welcomed_at = self._reactor.seconds()

    def of_use(self) -> None:
        """Note that something new came of the connection."""
        self._was_of_use = True

    def _has_lasted(self) -> bool:
        since = self._welcomed_at
        return since is not None and self._reactor.seconds() - since >= self._pause

    def stop(self) -> None:
        """Make no connection any more."""
        self._cancel_later()
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()

    def _cancel_later(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None

    def _reached(self, protocol: IProtocol) -> None:
        self._connecting = None

    def _not_reached(self, failure: Failure) -> None:
        if self._connecting is not None:
            self._connecting = None
            self._failed(failure)
