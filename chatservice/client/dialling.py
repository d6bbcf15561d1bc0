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
        if self._was_of_use:
            pause = random.uniform(*SHORT_PAUSE)
        else:
            pause = self._backoff(self._failures)
            self._failures += 1
        self._was_of_use = False
        self._cancel_later()
        self._later = self._reactor.callLater(pause, self.dial)
        return pause

    def of_use(self) -> None:
        """Note that the connection is a good one: pauses are short again."""
        self._failures = 0
        self._was_of_use = True

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
