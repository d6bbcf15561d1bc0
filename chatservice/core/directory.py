"""Which rooms there are, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from chatservice.core.members import Room

MANY: Final = 200
"""Rooms from which on sorting them gets a turn of the reactor of its own."""


class Directory:
    """The rooms, the fullest first, and rooms that are as full by name.

    :param rooms: all there are, by name.
    """

    def __init__(self, rooms: Mapping[str, Room]) -> None:
        self._rooms = rooms
        self._order: list[Room] = []
        self._sorted = False

    def changed(self) -> None:
        """Take note that people came or went, or that there is another room, or one less."""
        self._sorted = False

    @property
    def dear(self) -> bool:
        """Whether it takes some time to tell the :meth:`first`."""
        return not self._sorted and len(self._rooms) > MANY

    def first(self, most: int, without: str = "") -> tuple[list[Room], int]:
        """Return the first ``most`` rooms, and how many there are.

        :param without: a room that counts as not there.
        """
        if not self._sorted:
            self._order = sorted(
                self._rooms.values(), key=lambda room: (-len(room.members), room.name)
            )
            self._sorted = True
        shown = (room for room in self._order if room.name != without)
        return list(islice(shown, most)), len(self._order) - (without in self._rooms)
