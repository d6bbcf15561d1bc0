"""The views of a person: each room and each private talk has its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from chatservice.client.screen.rendering import Line, counted, rule
from chatservice.text import names
from chatservice.text.listing import directed

KEPT: Final = 500
"""The number of lines kept in a view."""

MOST: Final = 1000
"""The number of views kept; beyond that, the oldest is forgotten."""

SHOWN: Final = 20
"""The number of earlier lines shown in a view, besides all unread ones."""


@dataclass(eq=False)
class View:
    """The view of a room, or of a private talk with one person.

    :ivar label: the name as it is typed: ``#dev`` or ``bob``.
    :ivar session: the session of the person's last message, to answer it; None if not known.
    :ivar by_name: whether own words go to the holder of the name, and not to that session.
    :ivar lines: the last lines.
    :ivar unread: the number of unread lines that somebody said.
    :ivar came_at: the reactor's time of the last unread line.
    :ivar entered: whether the past of the room was asked for.
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
        """The label, made safe to show among other words of any direction."""
        return directed(self.label)

    @property
    def heading(self) -> Line:
        """The rule that begins the view on the screen."""
        return rule(self.shown if self.room else f"private, with {self.shown}")

    def last(self) -> list[Line]:
        """Return the last lines, with a rule above the unread ones."""
        lines = list(self.lines)
        place, unread = len(lines), self.unread
        while unread and place:
            place -= 1
            unread -= bool(lines[place].weight)
        first = min(place, max(0, len(lines) - SHOWN))
        if not self.unread:
            return lines[first:]
        return [*lines[first:place], rule(counted(self.unread, "new line")), *lines[place:]]


class Views:
    """All views of a person, rooms and private talks, in the order in which they began.

    :ivar here: the view to which typed lines go; None if there is none.
    """

    def __init__(self) -> None:
        self.here: View | None = None
        self._views: dict[str, View] = {}

    def of_room(self, room: str) -> View:
        """Return the view of a room."""
        return self._view(f"#{room}", f"#{room}")

    def with_person(self, name: str) -> View:
        """Return the talk with a person; begin one if there is none."""
        return self._view(names.key(name), name)

    def _view(self, key: str, label: str) -> View:
        if key not in self._views:
            self._views[key] = View(label)
            if len(self._views) > MOST:
                self._forget_a_talk()
        return self._views[key]

    def _forget_a_talk(self) -> None:
        """Forget the oldest talk, unless typed lines go there. Rooms are bounded by the server."""
        talks = (view for view in self._views.values() if view.room is None)
        oldest = next((view for view in talks if view is not self.here), None)
        if oldest is not None:
            self.close(oldest)

    def found(self, name: str) -> View | None:
        """Return the talk with a person; None if there is none."""
        return self._views.get(names.key(name))

    def renamed(self, old: str, new: str) -> None:
        """Give the talk with a person their new name.

        A talk with somebody who had that name before stays, but is not found by it any more.
        """
        view = self._views.get(names.key(old))
        if view is None:
            return
        view.label = new
        views, self._views = self._views, {}
        for key, each in views.items():
            if each is view:
                key = names.key(new)
            elif key == names.key(new):
                key = f"{key} {id(each)}"
            self._views[key] = each

    def close(self, view: View) -> None:
        """Forget a view."""
        self._views = {key: each for key, each in self._views.items() if each is not view}

    def among(self, rooms: Iterable[str]) -> list[View]:
        """List the views of some rooms, then all talks.

        :param rooms: the rooms that the person is in.
        """
        talks = [view for view in self._views.values() if view.room is None]
        return [*map(self.of_room, rooms), *talks]
