"""Entries that are longer than the brokers take at once, until the last piece has come.

Pieces are facts, so they are there after a restart, and for who begins in the midst.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

from chatservice.cluster.entries import EXPANDED_MOST, PART, BadEntry, Piece
from chatservice.journal.events import Fact


class _Held(NamedTuple):
    """Pieces of one entry.

    :ivar number: that of the entry; :ivar of: how many pieces it has.
    :ivar came: those that have come, by their place.
    """

    number: int
    of: int
    came: dict[int, bytes]


class Pieces:
    """Those of which others are still to come: of each boot, pieces of one entry."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def load(self, fact: Fact) -> None:
        """Take up what is stored of a piece."""
        boot, place = fact.name.rsplit(" ", 1)
        number, of, data = fact.value.split(" ")
        held = self._held.setdefault(boot, _Held(int(number), int(of), {}))
        held.came[int(place)] = base64.b64decode(data)

    def facts(self) -> list[Fact]:
        """Return what is stored of all of them."""
        return [
            self._fact(boot, held, place)
            for boot, held in self._held.items()
            for place in held.came
        ]

    def _fact(self, boot: str, held: _Held, place: int) -> Fact:
        data = base64.b64encode(held.came[place]).decode()
        return Fact(PART, f"{boot} {place}", f"{held.number} {held.of} {data}")

    def check(self, piece: Piece) -> None:
        """See to it that there is not too much of an entry.

        :raises BadEntry: if there would be with this piece.
        """
        came = {**self._of(piece).came, piece.place: piece.data}
        if sum(map(len, came.values())) > EXPANDED_MOST:
            raise BadEntry(f"its pieces have more than {EXPANDED_MOST:,} bytes")

    def _of(self, piece: Piece) -> _Held:
        """Return those that a piece belongs to."""
        held = self._held.get(piece.boot)
        if held is None or held[:2] != (piece.number, piece.of):
            # An entry before it never came to its end, or it was cut in another way.
            held = _Held(piece.number, piece.of, {})
        return held

    def add(self, piece: Piece) -> tuple[list[Fact], bytes]:
        """Take a piece; return what is stored for it, and the entry if it is the last one."""
        boot, held = piece.boot, self._of(piece)
        over = [] if self._held.get(boot) is held else self.drop(boot)
        held.came[piece.place] = piece.data
        self._held[boot] = held
        if len(held.came) < held.of:
            return [*over, self._fact(boot, held, piece.place)], b""
        return over + self.drop(boot), b"".join(held.came[place] for place in range(held.of))

    def drop(self, boot: str) -> list[Fact]:
        """Forget the pieces of a boot; return the facts by which that is stored."""
        held = self._held.pop(boot, None)
        return [] if held is None else [Fact(PART, f"{boot} {place}", "") for place in held.came]
