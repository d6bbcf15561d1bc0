"""Rooms and private talks, each as one can look at it by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from chatservice.client.screen.rendering import Line, counted, rule
from chatservice.text import names
from chatservice.text.directions import directed

KEPT: Final = 500
"""So many lines of a view are kept."""

MOST: Final = 1000
"""So many views are known; the first is forgotten then."""

SHOWN: Final = 20
"""So many lines are shown of what was there before, and all that are unread."""


@dataclass(eq=False)
class View:
    """A room that one is in, or a talk with one person.

    :ivar label: as one would type it: ``#dev`` or ``bob``.
    :ivar session: where an answer reaches who wrote last, and nobody else; None if not known.
    :ivar by_name: one's own words go to whoever has the name.
    :ivar lines: the last ones of it.
    :ivar unread: how many of them were said and not seen.
    :ivar came_at: when the last of these came.
    :ivar entered: its past was asked for.
    """

    label: str
    session: str | None = None
    by_name: bool = False
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=KEPT))
    unread: int = 0
    came_at: float = 0.0
    entered: bool = False

    @property
    def room(self) -> str | None:
        """The name of the room; None if it is a private talk."""
        return self.label[1:] if self.label.startswith("#") else None

    @property
    def shown(self) -> str:
        """The label as it stands among other words."""
        return directed(self.label)

    @property
    def heading(self) -> Line:
        """The line above all others."""
        return rule(self.shown if self.room else f"private, with {self.shown}")

    def last(self) -> list[Line]:
        """Return the last lines, with a rule above those that are unread."""
        lines = list(self.lines)
        place, unread = len(lines), self.unread
        while unread and place:
            place -= 1
            unread -= bool(lines[place].weight)
        first = min(place, max(0, len(lines) - SHOWN))
        if not self.unread:
            return lines[first:]
        new = rule(counted(self.unread, "new line"))
        return [*lines[first:place], new, *lines[place:]]


class Views:
    """All views of one person: rooms first, then talks in the order in which they began."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}

    def of_room(self, room: str) -> View:
        """Return the view of a room."""
        return self._view(f"#{room}", f"#{room}")

    def with_person(self, name: str) -> View:
        """Return the talk with somebody, which begins if there is none yet."""
        return self._view(names.key(name), name)

    def _view(self, key: str, label: str) -> View:
        if key not in self._views:
            self._views[key] = View(label)
            if len(self._views) > MOST:
                del self._views[next(iter(self._views))]
        return self._views[key]

    def found(self, name: str) -> View | None:
        """Return the talk with somebody, if there is one."""
        return self._views.get(names.key(name))

    def renamed(self, old: str, new: str) -> None:
        """Note that somebody is called by another name."""
        view = self._views.get(names.key(old))
        if view is not None:
            view.label = new
            self._views = {
                names.key(new) if each is view else key: each for key, each in self._views.items()
            }

    def close(self, view: View) -> None:
        """Forget a view."""
        self._views = {key: each for key, each in self._views.items() if each is not view}

    def among(self, rooms: Iterable[str]) -> list[View]:
        """List the views there are.

        :param rooms: the rooms that one is in.
        """
        talks = [view for view in self._views.values() if view.room is None]
        return [*map(self.of_room, rooms), *talks]
