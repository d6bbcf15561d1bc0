"""The way to a seat at one server, with what is remembered of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IStreamClientEndpoint

from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.seat import Listener, Seat
from chatservice.client.stored.state import Memory, Place, server_at


class Entrance:
    """Has one seat, and its place in the memory.

    :param endpoint: of the server.
    :param where: the same in words.
    :param person: whether it is for one: their names are remembered.
    :param anew: whether to forget what is remembered of the seat.
    """

    _place: Place | None = None

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamClientEndpoint,
        where: str,
        memory: Memory,
        person: bool = False,
        anew: bool = False,
    ) -> None:
        self.where = where
        self.memory = memory
        self._reactor = reactor
        self._endpoint = endpoint
        self._person = person
        self._anew = anew

    def seat(
        self,
        listener: Listener,
        name: str | None,
        rooms: Sequence[str] = (),
        remembered: Remembered | None = None,
    ) -> Seat:
        """Take the seat that there was before, or a new one.

        :param name: None if it is to be the one that a person had last, if there is one.
        :param rooms: to be in.
        :param remembered: counts for more than what is remembered here.
        """
        server = server_at(self.where)
        if self._anew:
            self.memory.forget(server, name, self._person)
        place = self._place = self.memory.recall(server, name, self._person)
        if name is None and not self._anew and not place.taken and place.remembered is None:
            name = self.memory.settings.name
        return Seat(
            self._reactor,
            self._endpoint,
            self.where,
            listener,
            name,
            rooms,
            remembered or place.remembered,
            place.keep,
        )

    def forget(self) -> None:
        """Remember nothing of the seat: it is left for good."""
        if self._place is not None:
            self._place.forget()

    def close(self) -> None:
        """Let another client have what is remembered."""
        if self._place is not None:
            self._place.close()
