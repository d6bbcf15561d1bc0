"""Whom one does not want to see: what they say, do and write is not shown, also of the past."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chatservice import messages
from chatservice.text import names

MOST: Final = 100
"""So many people may be ignored."""

FORMER_MOST: Final = 20
"""So many names that somebody had before are known, by which they are ignored in the past."""

_PERSONAL: Final = ("said", "did", "private")

Former = Mapping[str, int]
"""Names that somebody had, each with the id of the event up to which that was."""


class Ignoring:
    """People, by their names; it follows a change of name, and lasts when they leave.

    :param ignored: their names, and those that each had before, from the times before.
    :param keep: is called with the same when that changes.
    """

    def __init__(
        self, ignored: Mapping[str, Former], keep: Callable[[dict[str, dict[str, int]]], None]
    ) -> None:
        self._people = {name: dict(former) for name, former in ignored.items()}
        self._keep = keep
        self._until: dict[str, float] = {}
        self._look_up()

    @property
    def names(self) -> Sequence[str]:
        """List them, as one would look for them."""
        return sorted(self._people, key=str.casefold)

    def ignore(self, name: str) -> bool:
        """Show no more of somebody; return whether that is possible."""
        if self._called(name) is None:
            if len(self._people) >= MOST:
                return False
            self._people[name] = {}
            self._changed()
        return True

    def heed(self, name: str) -> str | None:
        """Show somebody again; return the name that they have, None if they are not ignored."""
        heeded = self._called(name)
        if heeded is not None:
            del self._people[heeded]
            self._changed()
        return heeded

    def renamed(self, old: str, new: str, id: int) -> None:
        """Follow a change of name.

        :param id: of the event.
        """
        called = self._called(old)
        if called is not None:
            former = self._people.pop(called) | {called: id}
            while len(former) > FORMER_MOST:
                del former[next(iter(former))]
            self._people[new] = former
            self._changed()

    def hides(self, event: messages.Event) -> bool:
        """Tell whether an event is not to be seen."""
        if event.type not in _PERSONAL or not self._until:
            return False
        return event.id <= self._until.get(names.key(event.author or ""), 0)

    def _called(self, name: str) -> str | None:
        key = names.key(name)
        return next((called for called in self._people if names.key(called) == key), None)

    def _changed(self) -> None:
        self._look_up()
        self._keep({name: dict(former) for name, former in self._people.items()})

    def _look_up(self) -> None:
        """Note for each name up to which event it is ignored."""
        self._until.clear()
        for name, former in self._people.items():
            for called, until in (*former.items(), (name, math.inf)):
                key = names.key(called)
                self._until[key] = max(until, self._until.get(key, 0))
