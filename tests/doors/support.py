"""What the tests of the connections share: a house on a clock, connections in memory, real ones."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet import reactor as _reactor
from twisted.internet import ssl
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHalfCloseableDescriptor, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice.core.chat import Chat
from chatservice.doors.connection import ChatProtocol
from chatservice.doors.factory import ChatFactory
from chatservice.doors.seam import Door
from chatservice.doors.table import DOORS
from chatservice.journal.events import (
    Committed,
    Draft,
    Facts,
    Journal,
    JournalUnavailable,
    no_facts,
)
from chatservice.journal.memory import MemoryJournal
from chatservice.limits import Limits
from tests.welcome import hello

reactor: Any = _reactor

NOON = 1_700_000_000_000


class FullJournal(MemoryJournal):
    """A journal whose disk can be full."""

    full = False

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        if self.full:
            return fail(JournalUnavailable("the disk is full"))
        return super().commit(drafts, facts)


@implementer(IHalfCloseableDescriptor)
class Wire(StringTransport):
    """A connection in memory that, like one of TCP, is lost in a later turn and not at once.

    That is, unless it is half closed already.
    """

    aborted = False
    half_closed = False

    def __init__(self, clock: IReactorTime, peer: IAddress | None = None) -> None:
        super().__init__(peerAddress=peer, lenient=True)
        self.clock = clock

    def loseConnection(self) -> None:
        if self.half_closed:
            self.lose()
        elif not self.disconnecting:
            self.disconnecting = True
            self.clock.callLater(0, self.lose)

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def readConnectionLost(self, reason: Failure) -> None:
        self.protocol.readConnectionLost()

    def writeConnectionLost(self, reason: Failure) -> None:
        self.protocol.writeConnectionLost()

    def lose(self) -> None:
        if self.connected:
            self.connected = False
            self.protocol.connectionLost(Failure(ConnectionDone()))


class House:
    """A chat and its factory, on a clock of their own."""

    def __init__(
        self,
        journal: Journal | None = None,
        motd: Sequence[str] = (),
        start: bool = True,
        doors: Sequence[Door] = DOORS,
        **limits: int,
    ) -> None:
        self.clock = Clock()
        self.limits = Limits(**limits)
        self.journal = journal or MemoryJournal(self.now)
        self.chat = Chat(self.clock, self.journal, self.now, self.limits, motd=motd)
        self.factory = ChatFactory(self.clock, self.chat, self.limits, doors)
        if start:
            self.chat.start()
            self.factory.start()

    def now(self) -> int:
        return NOON + int(self.clock.seconds() * 1000)

    def connect(self, address: str | IAddress = "192.0.2.1") -> Peer:
        if isinstance(address, str):
            address = IPv4Address("TCP", address, 50000)
        return Peer(self, Wire(self.clock, address))

    def enter(self, name: str, address: str | IAddress = "192.0.2.1") -> Peer:
        """Connect somebody who gives a name, and let all that was said to them be read."""
        peer = self.connect(address)
        peer.say(name)
        self.run(1)
        assert hello(name) in peer.read()
        return peer

    def run(self, seconds: float = 0, step: float = 0.05) -> None:
        """Let time pass, in steps, so that what is due comes at its time."""
        end = self.clock.seconds() + seconds
        self.clock.advance(0)
        while self.clock.seconds() < end - 1e-9:
            self.clock.advance(min(step, end - self.clock.seconds()))

    def people(self) -> list[str]:
        return [member.name for member in self.chat.members]


class Peer:
    """Somebody at the other end of a connection in memory."""

    def __init__(self, house: House, wire: Wire) -> None:
        self.house = house
        self.wire = wire
        protocol = house.factory.buildProtocol(wire.getPeer())
        assert isinstance(protocol, ChatProtocol)
        self.protocol = protocol
        wire.protocol = protocol
        protocol.makeConnection(wire)

    def send(self, data: bytes) -> None:
        """Send bytes, also while the connection is paused, as TLS may deliver them."""
        self.protocol.dataReceived(data)

    def say(self, *lines: str) -> None:
        self.send("".join(f"{line}\n" for line in lines).encode())

    def read(self) -> list[str]:
        """Return the lines that came since the last time; there is no half of one."""
        data = self.wire.value()
        self.wire.clear()
        assert data.endswith(b"\r\n") or not data, data
        return [line.decode() for line in data.split(b"\r\n")[:-1]]

    def hear(self, seconds: float = 0.2) -> list[str]:
        """Let some time pass, and return the lines that came since the last time."""
        self.house.run(seconds)
        return self.read()

    @property
    def paused(self) -> bool:
        return self.wire.producerState == "paused"

    @property
    def connected(self) -> bool:
        return bool(self.wire.connected)

    def stop_reading(self) -> None:
        assert self.wire.producer is not None
        self.wire.producer.pauseProducing()

    def read_on(self) -> None:
        assert self.wire.producer is not None
        self.wire.producer.resumeProducing()

    def end(self) -> None:
        """Say that there is nothing more to come, and read on."""
        self.protocol.readConnectionLost()

    def lose(self) -> None:
        self.wire.lose()


class Collector(Protocol):
    """The other end of a real connection: reads, or does not, and can be waited for."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed: Deferred[None] = Deferred()
        self.connected_to_server: Deferred[None] = Deferred()
        self._wanted: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def connectionMade(self) -> None:
        self.connected_to_server.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._look()

    def _look(self) -> None:
        for wanted in list(self._wanted):
            if wanted[0]():
                self._wanted.remove(wanted)
                wanted[1].callback(None)

    def wait_for(self, happened: Callable[[], bool]) -> Deferred[None]:
        """Wait until what was received is what one waits for."""
        waiting: Deferred[None] = Deferred()
        self._wanted.append((happened, waiting))
        self._look()
        return waiting

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        self.closed.callback(None)


async def until(happened: Callable[[], bool]) -> None:
    """Let the reactor turn until something is so; the time limit of the test ends it."""
    while not happened():
        await deferLater(reactor, 0.001)


async def turns(count: int) -> None:
    """Let the reactor turn a number of times."""
    for _ in range(count):
        await deferLater(reactor, 0)


class Folder:
    """A folder whose path is short enough for a unix socket."""

    def __init__(self) -> None:
        self._name = tempfile.mkdtemp()

    def path(self, name: str) -> str:
        return os.path.join(self._name, name)

    def remove(self) -> None:
        shutil.rmtree(self._name)


def fill(sock: socket.socket, piece: int = 65536) -> int:
    """Write to a socket, piece by piece, until the kernel takes no more."""
    written = 0
    while True:
        try:
            written += sock.send(b"x" * piece)
        except BlockingIOError:
            return written


class Certificate:
    """A certificate for ``localhost``.

    :ivar server: what a TLS server needs; ``asking``: one that wants to be shown one, too.
    :ivar client: what a TLS client needs that trusts it.
    :ivar fingerprint: its SHA-256, in hex.
    """

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(timezone.utc)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256())
        )
        pem = made.public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.fingerprint = made.fingerprint(hashes.SHA256()).hex()
        self._own: Any = ssl.PrivateCertificate.loadPEM(pem + secret)
        self._trusted: Any = ssl.Certificate.loadPEM(pem)
        self.server: Any = self._own.options()
        self.asking: Any = self._own.options()
        self.asking.getContext().set_verify(SSL.VERIFY_PEER, lambda *about: True)
        self.client: Any = ssl.optionsForClientTLS("localhost", self._trusted)

    def client_with(self, shown: Certificate) -> Any:
        """Return what a TLS client needs that trusts this one, and shows another."""
        return ssl.optionsForClientTLS("localhost", self._trusted, shown._own)
