"""The people that this client knows of, and the people that its user ignores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from chatservice import messages
from chatservice.text import names

MOST_HEARD: Final = 1000
"""The number of people remembered as heard."""


IGNORED_MOST: Final = 100
"""The number of people who may be ignored."""

FORMER_MOST: Final = 20
"""The number of former names kept for an ignored person, to hide their past lines."""

_PERSONAL: Final = ("said", "did", "private")

Former = Mapping[str, int]
"""The former names of a person, each with the id of the event that ended it."""


class People:
    """The people known in each room, and the people heard, in the order of their last words."""

    def __init__(self) -> None:
        self._present: dict[str, dict[str, str]] = {}
        self._heard: dict[str, str] = {}

    def hear(self, event: messages.Event) -> None:
        """Update the people from an event."""
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
        """Put a person first among the people heard."""
        key = names.key(name)
        self._heard.pop(key, None)
        self._heard[key] = name
        if len(self._heard) > MOST_HEARD:
            del self._heard[next(iter(self._heard))]

    def came(self, room: str, people: Iterable[str]) -> None:
        """Add people to a room."""
        self._present.setdefault(room, {}).update((names.key(name), name) for name in people)

    def went(self, room: str, people: Iterable[str]) -> None:
        """Remove people from a room."""
        there = self._present.get(room, {})
        for name in people:
            there.pop(names.key(name), None)

    def renamed(self, old: str, new: str) -> None:
        """Change the name of a person, in all rooms."""
        key = names.key(old)
        for there in self._present.values():
            if there.pop(key, None) is not None:
                there[names.key(new)] = new
        if self._heard.pop(key, None) is not None:
            self.heard(new)

    def all_in(self, room: str, people: Iterable[str]) -> None:
        """Replace the people of a room by these."""
        self._present[room] = {names.key(name): name for name in people}

    def left(self, room: str) -> None:
        """Forget the people of a room that the user has left."""
        self._present.pop(room, None)

    def knows(self, room: str) -> bool:
        """Return whether the people of a room are known."""
        return room in self._present

    def there(self, room: str | None) -> list[str]:
        """List the people in a room: those heard, last first, then the others by name."""
        present = self._present.get(room or "", {})
        spoke = [name for key, name in reversed(self._heard.items()) if key in present]
        silent = [name for key, name in present.items() if key not in self._heard]
        return spoke + sorted(silent, key=str.casefold)

    def known(self, room: str | None) -> list[str]:
        """List all people known: those in a room first, then all others."""
        here = self.there(room)
        seen = set(map(names.key, here))
        others = dict(reversed(self._heard.items()))
        for there in self._present.values():
            others |= there
        return here + [name for key, name in others.items() if key not in seen]


class Ignoring:
    """The ignored people, by name; an ignore follows a change of name, and outlasts a leave.

    :param ignored: the people ignored in earlier runs, with their former names.
    :param keep: is called with the ignored people when they change.
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
        """The names of the ignored people, in alphabetical order."""
        return sorted(self._people, key=str.casefold)

    def ignore(self, name: str) -> bool:
        """Ignore a person; return False if too many are ignored already."""
        if self._called(name) is None:
            if len(self._people) >= IGNORED_MOST:
                return False
            self._people[name] = {}
            self._changed()
        return True

    def heed(self, name: str) -> str | None:
        """Stop ignoring a person; return their name, or None if they were not ignored."""
        heeded = self._called(name)
        if heeded is not None:
            del self._people[heeded]
            self._changed()
        return heeded

    def renamed(self, old: str, new: str, id: int) -> None:
        """Follow an ignored person to a new name.

        :param id: the id of the event of the change.
        """
        called = self._called(old)
        if called is not None:
            former = self._people.pop(called) | {called: id}
            while len(former) > FORMER_MOST:
                del former[next(iter(former))]
            self._people[new] = former
            self._changed()

    def hides(self, event: messages.Event) -> bool:
        """Return whether an event is by an ignored person, and so is not shown."""
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
        """Compute, for each name, the id of the last event in which it is ignored."""
        self._until.clear()
        for name, former in self._people.items():
            for called, until in (*former.items(), (name, math.inf)):
                key = names.key(called)
                self._until[key] = max(until, self._until.get(key, 0))
