"""The people one could mean, as far as this client knows, and those one does not want to see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from chatservice import messages
from chatservice.text import names

MOST_HEARD: Final = 1000
"""So many people are remembered whose words were read."""


IGNORED_MOST: Final = 100
"""So many people may be ignored."""

FORMER_MOST: Final = 20
"""So many names that somebody had before are known, by which they are ignored in the past."""

_PERSONAL: Final = ("said", "did", "private")

Former = Mapping[str, int]
"""Names that somebody had, each with the id of the event up to which that was."""


class People:
    """The people one could mean, those first who were heard last."""

    def __init__(self) -> None:
        self._present: dict[str, dict[str, str]] = {}
        self._heard: dict[str, str] = {}

    def hear(self, event: messages.Event) -> None:
        """Note the people of an event."""
        room = event.room or ""
        if event.type in ("said", "did", "private", "topic") and event.author:
            self.heard(event.author)
            if event.type != "private":
                self.came(room, [event.author])
        elif event.type == "joined":
            self.came(room, event.names or ())
        elif event.type == "left":
            self.went(room, event.names or ())
        elif event.type == "renamed" and event.author and event.name:
            self.renamed(event.author, event.name)

    def heard(self, name: str) -> None:
        """Put somebody first."""
        key = names.key(name)
        self._heard.pop(key, None)
        self._heard[key] = name
        if len(self._heard) > MOST_HEARD:
            del self._heard[next(iter(self._heard))]

    def came(self, room: str, people: Iterable[str]) -> None:
        """Note people who are in a room."""
        there = self._present.setdefault(room, {})
        for name in people:
            there[names.key(name)] = name

    def went(self, room: str, people: Iterable[str]) -> None:
        """Note people who are not there any more."""
        there = self._present.get(room, {})
        for name in people:
            there.pop(names.key(name), None)

    def renamed(self, old: str, new: str) -> None:
        """Note that somebody is called by another name, wherever they are."""
        key = names.key(old)
        for there in self._present.values():
            if there.pop(key, None) is not None:
                there[names.key(new)] = new
        if self._heard.pop(key, None) is not None:
            self.heard(new)

    def all_in(self, room: str, people: Iterable[str]) -> None:
        """Note that these people are in a room, and no others."""
        self._present[room] = {}
        self.came(room, people)

    def left(self, room: str) -> None:
        """Forget the people of a room that one is not in any more."""
        self._present.pop(room, None)

    def knows(self, room: str) -> bool:
        """Tell whether the people of a room are known."""
        return room in self._present

    def there(self, room: str | None) -> list[str]:
        """List whom one could speak to in a room: those who were heard last come first."""
        present = self._present.get(room or "", {})
        spoke = [name for key, name in reversed(self._heard.items()) if key in present]
        silent = [name for key, name in present.items() if key not in self._heard]
        return spoke + sorted(silent, key=str.casefold)

    def known(self, room: str | None) -> list[str]:
        """List whom one could write to: those of a room first, then those of others."""
        here = self.there(room)
        seen = set(map(names.key, here))
        others = dict(reversed(self._heard.items()))
        for there in self._present.values():
            others |= there
        return here + [name for key, name in others.items() if key not in seen]


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
            if len(self._people) >= IGNORED_MOST:
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
