from __future__ import annotations

import fcntl
import socket
import struct
import termios
from array import array
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial import unittest

from chatservice.doors.liveness import NOTSENT, Progress, prepare, unacknowledged
from tests.doors.support import Folder, House, fill, reactor, until


class Silent(Protocol):
    """The server's end of a real connection, which says what the test lets it say."""


class Server(Factory):
    """Hands out the first connection."""

    def __init__(self) -> None:
        self.arrived: Deferred[Silent] = Deferred()

    def buildProtocol(self, address: IAddress) -> Protocol:
        return Arriving(self.arrived)


class Arriving(Silent):
    def __init__(self, arrived: Deferred[Silent]) -> None:
        self.arrived = arrived

    def connectionMade(self) -> None:
        self.arrived.callback(self)


class RealTestCase(unittest.TestCase):
    timeout = 120

    async def tcp(self, wrapped: bool = False) -> tuple[Any, socket.socket]:
        """Connect; return the server's protocol and the socket of its peer."""
        return await self.connected(socket.AF_INET, ("127.0.0.1", 0), wrapped)

    async def connected(
        self, family: socket.AddressFamily, address: Any, wrapped: bool = False
    ) -> tuple[Any, socket.socket]:
        server = Server()
        factory: Any = WrappingFactory(server) if wrapped else server
        if family == socket.AF_UNIX:
            port = reactor.listenUNIX(address, factory)
        else:
            port = reactor.listenTCP(0, factory, interface=address[0])
            address = (address[0], port.getHost().port)
        self.addCleanup(port.stopListening)
        peer = socket.socket(family)
        self.addCleanup(peer.close)
        peer.settimeout(10)
        peer.connect(address)
        protocol = await server.arrived
        self.addCleanup(protocol.transport.abortConnection)
        return protocol, peer

    async def unix(self) -> tuple[Any, socket.socket]:
        folder = Folder()
        self.addCleanup(folder.remove)
        return await self.connected(socket.AF_UNIX, folder.path("socket"))


def take(peer: socket.socket, most: int) -> int:
    taken = 0
    while taken < most:
        piece = len(peer.recv(min(65536, most - taken)))
        if not piece:
            raise ConnectionError("the connection ended")
        taken += piece
    return taken


def pause() -> Deferred[None]:
    """Let the kernel do what it has to do."""
    return deferLater(reactor, 0.02)


class ProgressTests(RealTestCase):
    async def test_who_has_nothing_to_read_has_not_stalled(self) -> None:
        for connect in (self.tcp, self.unix):
            protocol, peer = await connect()
            progress = Progress()
            for now in (0.0, 100.0):
                self.assertIsNone(progress.stalled(protocol, now))
            protocol.transport.socket.send(b"x" * 1000)
            take(peer, 1000)
            await until(lambda p=protocol, g=progress: g.stalled(p, 200) is None)

    async def test_who_reads_nothing_has_stalled_since_it_was_first_looked_at(self) -> None:
        for connect in (self.tcp, self.unix):
            protocol, _ = await connect()
            fill(protocol.transport.socket)
            progress = Progress()
            await until(lambda p=protocol, g=progress: g.stalled(p, 0) == 0)
            await self.still(protocol)
            measured = [progress.stalled(protocol, now) for now in (10.0, 11.0, 17.5, 100.0)]
            self.assertEqual(measured[0], measured[1] - 1)  # type: ignore[operator]
            self.assertEqual(measured[3], measured[2] + 82.5)  # type: ignore[operator]

    async def still(self, protocol: Any) -> None:
        """Wait until the kernel has moved to the peer what it can."""
        # On a busy machine it may get to that late.
        looks: list[int] = []
        while len(looks) < 5 or len(set(looks[-5:])) > 1:
            await pause()
            looks.append(unacknowledged(protocol.transport))

    async def test_who_reads_on_has_not_stalled(self) -> None:
        for connect in (self.tcp, self.unix):
            protocol, peer = await connect()
            written = fill(protocol.transport.socket)
            await self.still(protocol)
            progress = Progress()
            self.assertEqual(progress.stalled(protocol, 0), 0)
            self.assertEqual(progress.stalled(protocol, 60), 60)
            left = written
            while progress.stalled(protocol, 70) != 0:
                # How much has to be read before the kernel tells the sender, is its own affair.
                left -= take(peer, min(left - 1, 1 << 16))
                await pause()
            await self.still(protocol)
            progress.stalled(protocol, 70)
            self.assertEqual(progress.stalled(protocol, 75), 5)
            take(peer, left)
            await until(lambda p=protocol, g=progress: g.stalled(p, 80) is None)
            fill(protocol.transport.socket)
            self.assertEqual(progress.stalled(protocol, 100), 0)

    async def test_more_to_read_is_no_progress(self) -> None:
        protocol, _ = await self.unix()
        progress = Progress()
        for now in range(5):
            protocol.transport.socket.send(b"x" * 1000)
            self.assertEqual(progress.stalled(protocol, now), now)

    async def test_what_is_forgotten_is_measured_anew(self) -> None:
        protocol, _ = await self.unix()
        protocol.transport.socket.send(b"x" * 1000)
        progress = Progress()
        progress.stalled(protocol, 0)
        self.assertEqual(progress.stalled(protocol, 10), 10)
        progress.forget(protocol)
        progress.forget(protocol)
        self.assertEqual(progress.stalled(protocol, 20), 0)

    async def test_connections_are_measured_each_for_itself(self) -> None:
        one, _ = await self.unix()
        other, _ = await self.unix()
        progress = Progress()
        one.transport.socket.send(b"x")
        progress.stalled(one, 0)
        other.transport.socket.send(b"x")
        progress.stalled(other, 5)
        self.assertEqual([progress.stalled(it, 9) for it in (one, other)], [9, 4])

    async def test_the_socket_under_a_wrapper_is_measured(self) -> None:
        protocol, _ = await self.tcp(wrapped=True)
        self.assertIsInstance(protocol.transport, ProtocolWrapper)
        fill(protocol.transport.transport.socket)
        self.assertEqual(Progress().stalled(protocol, 0), 0)

    async def test_a_connection_that_is_no_more_has_not_stalled(self) -> None:
        protocol, peer = await self.tcp()
        lost: Deferred[object] = Deferred()
        protocol.connectionLost = lambda reason: lost.callback(None)
        fill(protocol.transport.socket)
        protocol.transport.abortConnection()
        await lost
        self.assertIsNone(Progress().stalled(protocol, 0))
        peer.close()

    def test_what_has_no_socket_has_not_stalled(self) -> None:
        protocol = Silent()
        protocol.makeConnection(StringTransport())
        self.assertIsNone(Progress().stalled(protocol, 0))

    def test_nor_has_a_socket_of_which_the_kernel_tells_nothing(self) -> None:
        class Transport:
            def __init__(self) -> None:
                self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

        protocol = Silent()
        protocol.transport = Transport()  # type: ignore[assignment]
        listening: socket.socket = protocol.transport.socket  # type: ignore[union-attr]
        self.addCleanup(listening.close)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        self.assertIsNone(Progress().stalled(protocol, 0))


class PrepareTests(RealTestCase):
    def option(self, transport: Any, name: str, level: int = socket.IPPROTO_TCP) -> int:
        value: int = transport.socket.getsockopt(level, getattr(socket, name))
        return value

    def check(self, transport: Any, idle: int, interval: int) -> None:
        self.assertTrue(self.option(transport, "TCP_NODELAY"))
        self.assertEqual(self.option(transport, "TCP_NOTSENT_LOWAT"), NOTSENT)
        self.assertTrue(self.option(transport, "SO_KEEPALIVE", socket.SOL_SOCKET))
        self.assertEqual(self.option(transport, "TCP_KEEPIDLE"), idle)
        self.assertEqual(self.option(transport, "TCP_KEEPINTVL"), interval)
        self.assertEqual(self.option(transport, "TCP_KEEPCNT"), 3)

    async def test_a_tcp_connection_sends_at_once_holds_little_and_is_probed(self) -> None:
        protocol, _ = await self.tcp()
        prepare(protocol.transport, 120)
        self.check(protocol.transport, 60, 20)

    async def test_so_does_one_of_ipv6(self) -> None:
        protocol, _ = await self.connected(socket.AF_INET6, ("::1", 0))
        prepare(protocol.transport, 120)
        self.check(protocol.transport, 60, 20)

    async def test_so_does_the_one_under_a_wrapper(self) -> None:
        protocol, _ = await self.tcp(wrapped=True)
        prepare(protocol.transport, 120)
        self.check(protocol.transport.transport, 60, 20)

    async def test_any_stall_timeout_makes_times_that_the_kernel_takes(self) -> None:
        for timeout in (1, 2, 7, 65_534, 65_536, 1_000_000, 2**40):
            protocol, _ = await self.tcp()
            prepare(protocol.transport, timeout)
            self.assertGreaterEqual(self.option(protocol.transport, "TCP_KEEPIDLE"), 1)
            self.assertGreaterEqual(self.option(protocol.transport, "TCP_KEEPINTVL"), 1)

    async def test_without_a_stall_timeout_nobody_is_probed(self) -> None:
        protocol, _ = await self.tcp()
        prepare(protocol.transport, 0)
        self.assertTrue(self.option(protocol.transport, "TCP_NODELAY"))
        self.assertFalse(self.option(protocol.transport, "SO_KEEPALIVE", socket.SOL_SOCKET))

    async def test_a_unix_socket_stays_as_it_is(self) -> None:
        protocol, peer = await self.unix()
        prepare(protocol.transport, 120)
        self.assertFalse(self.option(protocol.transport, "SO_KEEPALIVE", socket.SOL_SOCKET))
        protocol.transport.socket.send(b"hi")
        self.assertEqual(peer.recv(10), b"hi")

    def test_what_has_no_socket_stays_as_it_is(self) -> None:
        transport = StringTransport()
        before = dict(vars(transport))
        prepare(transport, 120)
        self.assertEqual(vars(transport), before)

    async def test_a_connection_that_was_reset_meanwhile_raises_nothing(self) -> None:
        protocol, peer = await self.tcp()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        prepare(protocol.transport, 120)
        self.assertTrue(self.option(protocol.transport, "TCP_NODELAY"))


class RefilledTests(RealTestCase):
    """Peers that take something, of whom no less waits afterwards."""

    def unread(self, protocol: Any) -> int:
        answer = array("i", [0])
        fcntl.ioctl(protocol.transport.socket, termios.TIOCOUTQ, answer)
        return answer[0]

    async def test_who_reads_on_while_as_much_is_written_has_not_stalled(self) -> None:
        protocol, peer = await self.tcp()
        fill(protocol.transport.socket)
        progress = Progress()
        await until(lambda: progress.stalled(protocol, 0) == 0)
        for now in (60, 120, 180):
            before = self.unread(protocol)
            take(peer, 1 << 20)
            await until(lambda before=before: self.unread(protocol) < before)
            fill(protocol.transport.socket)
            self.assertEqual(progress.stalled(protocol, now), 0)

    async def test_one_of_tcp_that_is_forgotten_is_measured_anew(self) -> None:
        protocol, _ = await self.tcp()
        fill(protocol.transport.socket)
        progress = Progress()
        await until(lambda: progress.stalled(protocol, 0) == 0)
        await until(lambda: bool(progress.stalled(protocol, 10)))
        progress.forget(protocol)
        self.assertEqual(progress.stalled(protocol, 20), 0)

    def test_who_has_taken_all_that_the_outbox_held_is_measured_anew(self) -> None:
        house = House()
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        ana = house.connect()
        ana.wire.socket = ours  # type: ignore[attr-defined]
        ours.send(b"x" * 1000)
        stalled = house.factory.progress.stalled
        self.assertEqual([stalled(ana.protocol, now) for now in (0, 60)], [0, 60])
        ana.stop_reading()
        self.assertEqual(stalled(ana.protocol, 70), 70)
        ana.read_on()
        self.assertEqual([stalled(ana.protocol, now) for now in (80, 90)], [0, 10])
