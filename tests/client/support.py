"""What the tests of the client share: somebody at standard streams in memory, and a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.client.session.dialling import LONGEST_PAUSE
from chatservice.client.stored.entrance import Entrance
from chatservice.client.stored.state import Memory
from chatservice.client.streams.program import Program
from chatservice.client.streams.stdio import StandardStreams
from chatservice.client.terminal import Terminal
from tests.client import machine

ASK_NAME = "-- welcome! what is your name?"
TAKEN = "-- that name is taken; another name, please?"


def hello(name: str) -> str:
    return f"-- hello {name}! /help shows what you can do"


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Connects when a test says so."""

    def __init__(self) -> None:
        self.attempts: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connecting: Deferred[IProtocol] = Deferred()
        self.attempts.append((protocolFactory, connecting))
        return connecting

    def succeed(self) -> Wire:
        factory, connecting = self.attempts.pop()
        protocol = factory.buildProtocol(None)  # type: ignore[arg-type]
        wire = Wire(protocol)
        protocol.makeConnection(wire)
        connecting.callback(protocol)
        return wire

    def fail(self, error: Exception) -> None:
        self.attempts.pop()[1].errback(Failure(error))


class Streams(StringTransport):
    """A transport that, like real ones, can be without a producer already."""

    def unregisterProducer(self) -> None:
        if self.producer is not None:
            super().unregisterProducer()


class Wire(Streams):
    """The client's end of a connection, and what the server does to it."""

    def __init__(self, protocol: Any) -> None:
        super().__init__()
        self.protocol = protocol

    def says(self, *lines: str) -> None:
        """Have the server say something."""
        self.protocol.dataReceived("".join(f"{line}\r\n" for line in lines).encode())

    def got(self) -> list[str]:
        """Return the lines that the server got since the last time."""
        data = self.value().decode()
        self.clear()
        assert data.endswith("\n") or not data, data
        return data.split("\n")[:-1]

    def lose(self, error: Exception | None = None) -> None:
        """Lose it, as a real transport does."""
        if self.producer is not None:
            self.producer.stopProducing()
        self.unregisterProducer()
        self.protocol.connectionLost(Failure(error or ConnectionDone()))


class Desk:
    """Somebody at the standard streams.

    :ivar complaints: what is on the standard error.
    :ivar statuses: has the exit status, once there is one.
    """

    talker: StandardStreams

    def __init__(self) -> None:
        self.clock = Clock()
        self.complaints: list[str] = []
        self.statuses: list[int] = []
        self.streams = Streams()

    def sit_down(self, talker: StandardStreams) -> None:
        self.talker = talker
        talker.done.addCallback(self.statuses.append)
        talker.makeConnection(self.streams)

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


class TerminalDesk(Desk):
    """Somebody at the line-based client."""

    talker: Terminal

    def __init__(self, name: str | None = None, rooms: Sequence[str] = ()) -> None:
        super().__init__()
        self.endpoint = Endpoint()
        self.sit_down(
            Terminal(self.clock, self.endpoint, "there", name, rooms, self.complaints.append)
        )

    def come_in(self, name: str = "ana") -> Wire:
        """Connect, and have the server greet; what was sent and shown by then is forgotten."""
        wire = self.endpoint.succeed()
        wire.says(ASK_NAME, hello(name))
        wire.clear()
        self.streams.clear()
        return wire


class ProgramDesk(Desk):
    """A program at its streams, and a server behind its connections.

    :param house: the server.
    :param folder: where it is remembered.
    """

    talker: Program

    def __init__(
        self,
        kind: Callable[..., Program],
        name: str | None = "bot",
        rooms: Sequence[str] = (),
        house: machine.House | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__()
        self.house = house or machine.House()
        self.endpoint = machine.Endpoint()
        self.memory = Memory(folder, self.complaints.append)
        self.entrance = Entrance(self.clock, self.endpoint, "there", self.memory)
        self.sit_down(kind(self.entrance, name, rooms, self.complaints.append))

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
