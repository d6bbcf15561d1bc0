"""What the tests of the client share: somebody at standard streams in memory, and a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from chatservice.client.session.dialling import LONGEST_PAUSE
from chatservice.client.stored.state import Entrance, Memory
from chatservice.client.streams.program import Program
from tests.client import machine


class Streams(StringTransport):
    """A transport that, like real ones, can be without a producer already."""

    def unregisterProducer(self) -> None:
        if self.producer is not None:
            super().unregisterProducer()


class ProgramDesk:
    """A program at its streams, and a server behind its connections.

    :param house: the server.
    :param folder: where it is remembered.
    :ivar complaints: what is on the standard error.
    :ivar statuses: has the exit status, once there is one.
    """

    def __init__(
        self,
        kind: Callable[..., Program],
        name: str | None = "bot",
        rooms: Sequence[str] = (),
        house: machine.House | None = None,
        folder: Path | None = None,
    ) -> None:
        self.clock = Clock()
        self.complaints: list[str] = []
        self.statuses: list[int] = []
        self.streams = Streams()
        self.house = house or machine.House()
        self.endpoint = machine.Endpoint()
        self.memory = Memory(folder, self.complaints.append)
        self.entrance = Entrance(self.clock, self.endpoint, "there", self.memory)
        self.talker = kind(self.entrance, name, rooms, self.complaints.append)
        self.talker.done.addCallback(self.statuses.append)
        self.talker.makeConnection(self.streams)

    def type(self, text: str | bytes) -> None:
        self.talker.dataReceived(text.encode() if isinstance(text, str) else text)

    def end_input(self) -> None:
        self.talker.readConnectionLost()

    def shown(self) -> list[str]:
        """Return the lines that were shown since the last time."""
        lines = self.streams.value().decode().splitlines()
        self.streams.clear()
        return lines

    def written(self) -> None:
        """Have the standard output take all that waits for it."""
        assert self.streams.disconnecting
        self.talker.connectionLost()

    @property
    def reads(self) -> bool:
        return self.streams.producerState == "producing"

    def connect(self) -> machine.Link:
        self.link = self.endpoint.succeed(self.house)
        return self.link

    def come_in(self) -> machine.Link:
        """Connect, and have the server welcome."""
        link = self.connect()
        self.settle()
        return link

    def settle(self) -> None:
        """Let all come that is under way, and be stored, until nothing is any more."""
        for _ in range(50):
            self.link.up()
            self.house.tick()
            self.link.down()

    def come_back(self) -> machine.Link:
        """Wait for the pause to be over, and have the server welcome again."""
        self.clock.advance(LONGEST_PAUSE)
        return self.come_in()
