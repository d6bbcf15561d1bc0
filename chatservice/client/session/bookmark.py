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

    :ivar name: the one that it has, or is to have.
    :ivar place: None while there is no session.
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
        self._later: Any = None
        self.name = name
        self.place = remembered
        if name is None and remembered is not None:
            self.name = remembered.name

    def hello(self, rooms: list[str] | None) -> messages.Hello:
        """Introduce oneself, with all that is known."""
        known = {} if self.place is None else self.place._asdict()
        return messages.Hello(**{**known, "name": self.name, "rooms": rooms})

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Note which session it is, and where its stream begins."""
        since, before = welcome.since, self.place
        if before is not None and before.journal == welcome.journal and welcome.resumed:
            # After a gap, ids that were given once may be those of something else.
            since = since if welcome.gap else max(since, before.since)
        self._change(Remembered(welcome.name, welcome.token, welcome.journal, since))

    def renamed(self, name: str) -> None:
        """Note the new name."""
        if self.place is not None:
            self._change(self.place._replace(name=name))

    def is_new(self, number: int) -> bool:
        """Tell whether an event was not given yet."""
        return self.place is None or number > self.place.since

    def reached(self, number: int) -> None:
        """Note the highest id that was received."""
        if self.place is not None and self.is_new(number):
            self._change(self.place._replace(since=number))

    def keep_soon(self) -> None:
        """Keep what is known then, within a second."""
        if self._later is None:
            self._later = self._reactor.callLater(PACE, self._keep_now)

    def close(self) -> None:
        """Keep what is not kept yet."""
        if self._later is not None:
            self._keep_now()

    def _change(self, now: Remembered) -> None:
        before, self.place, self.name = self.place, now, now.name
        if before is None or before[:3] != now[:3]:
            self._keep_now()
        elif before != now:
            self.keep_soon()

    def _keep_now(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
        if self.place is not None:
            self._keep(self.place)
