"""Who is where, who was heard last, and what was not read yet: as far as this client knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chatservice import messages
from chatservice.text import names

MOST_HEARD = 1000
"""So many people are remembered whose words were read."""


class People:
    """Whom one could mean, those first who were heard last."""

    def __init__(self) -> None:
        self._present: dict[str, dict[str, str]] = {}
        self._heard: dict[str, str] = {}

    def hear(self, event: messages.Event) -> None:
        """Take note of who did something."""
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
        """Note who is in a room."""
        there = self._present.setdefault(room, {})
        for name in people:
            there[names.key(name)] = name

    def went(self, room: str, people: Iterable[str]) -> None:
        """Note who is not there any more."""
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
        """Note exactly who is in a room."""
        self._present[room] = {}
        self.came(room, people)

    def left(self, room: str) -> None:
        """Forget who is in a room that one is not in any more."""
        self._present.pop(room, None)

    def knows(self, room: str) -> bool:
        """Tell whether it was told who is in a room."""
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


class Unread:
    """How much came that is not of the room one is in, until one looks there.

    What it is of is written as one would type it: ``#dev`` or ``bob``.

    :param seconds: tells the time.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.counts: dict[str, int] = {}
        self._seconds = seconds
        self._came_at: dict[str, float] = {}

    def came(self, event: messages.Event, here: str | None) -> None:
        """Count what was said."""
        if event.type in ("said", "did") and event.room and event.room != here:
            self._count(f"#{event.room}")
        elif event.type == "private" and event.author:
            self._count(event.author)
        elif event.type == "renamed" and event.author in self.counts and event.name:
            self.counts[event.name] = self.counts.pop(event.author)
            self._came_at[event.name] = self._came_at.pop(event.author)

    def _count(self, label: str) -> None:
        self.counts[label] = self.counts.get(label, 0) + 1
        self._came_at[label] = self._seconds()

    def read(self, label: str) -> None:
        """All of this was read."""
        wanted = names.key(label)
        for other in [other for other in self.counts if names.key(other) == wanted]:
            del self.counts[other], self._came_at[other]

    def read_until(self, then: float) -> None:
        """All that came up to a time was read; where something came later, nothing was."""
        for label in [label for label, at in self._came_at.items() if at <= then]:
            del self.counts[label], self._came_at[label]

    def read_all(self) -> None:
        """There is nothing that was not read."""
        self.counts.clear()
        self._came_at.clear()
