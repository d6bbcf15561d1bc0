"""Who is where, and who was heard last: as far as this client knows."""

from __future__ import annotations

from collections.abc import Iterable

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
