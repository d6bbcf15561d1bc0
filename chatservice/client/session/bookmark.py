"""What outlives a connection, and with a place to keep it, the process too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from chatservice import messages

PACE: Final = 1.0
"""Seconds between two times that it is kept only because more was received."""


class Remembered(NamedTuple):
    """What a session goes on with.

    :ivar name: under which one was known last.
    :ivar token: whose session it is: who has it, has the name.
    :ivar journal: which journal ``since`` is an id of.
    :ivar since: the last id that was given to whoever listens.
    """

    name: str
    token: str
    journal: str
    since: int


class Bookmark:
    """The session as it is now; whatever of it changes is kept, ``since`` a little later.

    :ivar token: None, as ``journal`` and ``since``, while there is no session.
    """

    def __init__(
        self,
        reactor: Any,
        name: str | None,
        remembered: Remembered | None,
        keep: Callable[[Remembered], object],
    ) -> None:
        self._reactor = reactor
        self._keep = keep
        self._kept = remembered
        self._later: Any = None
        self.name = name
        self.token: str | None = None
        self.journal: str | None = None
        self.since: int | None = None
        if remembered is not None:
            self.token, self.journal, self.since = remembered[1:]
            if name is None:
                self.name = remembered.name

    def hello(self, rooms: list[str] | None) -> messages.Hello:
        """Introduce oneself, with all that is known."""
        return messages.Hello(
            name=self.name, token=self.token, since=self.since, journal=self.journal, rooms=rooms
        )

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Note which session it is, and where its stream begins."""
        goes_on = welcome.resumed and not welcome.gap and self.journal == welcome.journal
        # After a gap, ids that were given once may be those of something else.
        self.since = max(self.since or 0, welcome.since) if goes_on else welcome.since
        self.name, self.token, self.journal = welcome.name, welcome.token, welcome.journal
        self._changed()

    def renamed(self, name: str) -> None:
        """Note the new name."""
        self.name = name
        self._changed()

    def forget(self) -> None:
        """Let go of a session that is no more."""
        self.token = self.journal = self.since = None

    def is_new(self, number: int) -> bool:
        """Tell whether an event was not given yet."""
        return self.since is None or number > self.since

    def reached(self, number: int) -> None:
        """Note the highest id that was received."""
        if self.is_new(number):
            self.since = number
            self.keep_soon()

    def keep_soon(self) -> None:
        """Keep what is known then, within a second."""
        if self._later is None:
            self._later = self._reactor.callLater(PACE, self._keep_now)

    def close(self) -> None:
        """Keep what is not kept yet."""
        if self._later is not None:
            self._keep_now()

    def _changed(self) -> None:
        now = self._remembered()
        if now is not None and now != self._kept:
            if self._kept is not None and self._kept[:3] == now[:3]:
                self.keep_soon()
            else:
                self._keep_now()

    def _keep_now(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
        now = self._remembered()
        if now is not None:
            self._kept = now
            self._keep(now)

    def _remembered(self) -> Remembered | None:
        if None in (self.name, self.token, self.journal, self.since):
            return None
        return Remembered(self.name, self.token, self.journal, self.since)  # type: ignore[arg-type]
