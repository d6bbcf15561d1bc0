from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable
from time import process_time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.interfaces import IAddress, IHandshakeListener, ISSLTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.trial import unittest
from zope.interface import directlyProvides, implementer

from chatservice.doors.outbox import SLICE, Outbox
from tests.doors.support import Certificate, Collector, Folder, reactor, turns, until

CHUNK = bytes(range(256)) * 256


def innermost(transport: Any) -> Any:
    while hasattr(transport, "wrappedProtocol"):
        transport = transport.transport
    return transport


def plain_socket(transport: Any) -> socket.socket:
    found: socket.socket = innermost(transport).socket
    return found


@implementer(IHandshakeListener)
class Owner(Outbox, Protocol):
    """The server's end of a connection, of which there is but the way out; counts what it is told.

    :ivar on_drained: what it does when it is told that it is not blocked any more.
    """

    def __init__(self) -> None:
        self.arrived: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self.drainings = 0
        self.on_drained: Callable[[], None] = lambda: None

    def connectionMade(self) -> None:
        self.open_outbox()
        if not ISSLTransport.providedBy(self.transport):
            self.arrived.callback(None)

    def handshakeCompleted(self) -> None:
        self.arrived.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.close()
        self.lost.callback(None)

    def drained(self) -> None:
        self.drainings += 1
        self.on_drained()


class OneOwner(Factory):
    noisy = False

    def __init__(self, owner: Owner) -> None:
        self.owner = owner

    def buildProtocol(self, address: IAddress) -> Protocol:
        return self.owner


class OutboxTestCase(unittest.TestCase):
    """What holds for an outbox over any real connection."""

    timeout = 120

    async def connect(self, factory: Factory, reader: Collector) -> None:
        raise NotImplementedError

    async def connected(self) -> tuple[Owner, Collector]:
        owner, reader = Owner(), Collector()
        await self.connect(OneOwner(owner), reader)
        await owner.arrived
        self.addCleanup(self.close, owner, reader)
        # So the kernel does not make its buffers larger and larger.
        plain_socket(owner.transport).setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        plain_socket(reader.transport).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        return owner, reader

    async def close(self, owner: Owner, reader: Collector) -> None:
        if not owner.lost.called:
            owner.transport.abortConnection()  # type: ignore[union-attr]
        if not reader.closed.called:
            reader.transport.abortConnection()  # type: ignore[union-attr]
        await owner.lost
        await reader.closed

    def send_until_blocked(self, owner: Owner) -> bytes:
        """Send until no more is taken; return what was."""
        taken = bytearray()
        while not owner.blocked:
            piece = CHUNK[: 1 + len(taken) % len(CHUNK)] if len(taken) < 300_000 else CHUNK
            sent = owner.send(piece)
            self.assertLessEqual(sent, len(piece))
            taken += piece[:sent]
            self.assertLess(len(taken), 100 << 20)
        return bytes(taken)


class AnyOutbox:
    """The tests of both kinds, against a reader that stops and goes on."""

    async def test_what_is_sent_and_written_arrives_in_order(self: Any) -> None:
        owner, reader = await self.connected()
        self.assertEqual(owner.send(b"one "), 4)
        owner.write(b"two ")
        self.assertEqual(owner.send(b""), 0)
        owner.write(b"")
        self.assertEqual(owner.send(b"three"), 5)
        self.assertFalse(owner.blocked)
        await reader.wait_for(lambda: len(reader.received) >= 13)
        self.assertEqual(reader.received, b"one two three")
        self.assertEqual((owner.unsent, owner.drainings), (0, 0))

    async def test_an_answer_has_the_way_for_itself(self: Any) -> None:
        owner, reader = await self.connected()
        owner.begin(lambda: None)
        self.assertTrue(owner.give(b"half "))
        self.assertEqual((owner.blocked, owner.send(b"live")), (True, 0))
        owner.write(b"behind\r\n")
        self.assertTrue(owner.give(b"a line\r\n"))
        self.assertEqual(owner.drainings, 0)
        owner.end()
        self.assertEqual((owner.blocked, owner.drainings), (False, 1))
        self.assertEqual(owner.send(b"live"), 4)
        await reader.wait_for(lambda: len(reader.received) >= 25)
        self.assertEqual(reader.received, b"half a line\r\nbehind\r\nlive")
        self.assertEqual(owner.unsent, 0)

    async def test_an_answer_that_ends_in_a_line_ends_the_line(self: Any) -> None:
        owner, reader = await self.connected()
        owner.begin(lambda: None)
        owner.give(b"half")
        owner.write(b"behind")
        owner.end()
        owner.end()
        await reader.wait_for(lambda: len(reader.received) >= 12)
        self.assertEqual(reader.received, b"half\r\nbehind")

    async def test_an_answer_goes_on_when_its_reader_does(self: Any) -> None:
        owner, reader = await self.connected()
        reader.transport.pauseProducing()
        drained: Deferred[None] = Deferred()
        given = b""
        owner.begin(lambda: drained.called or drained.callback(None))
        while owner.give(CHUNK):
            given += CHUNK
            self.assertLess(len(given), 100 << 20)
        given += CHUNK
        self.assertLessEqual(owner.unsent, len(CHUNK))
        owner.write(b"behind")
        self.assertEqual((owner.drainings, drained.called), (0, False))
        reader.transport.resumeProducing()
        await drained
        self.assertEqual((owner.drainings, owner.blocked), (0, True))
        owner.end()
        await reader.wait_for(lambda: len(reader.received) >= len(given) + 8)
        self.assertEqual(bytes(reader.received), given + b"\r\nbehind")
        self.assertFalse(owner.blocked)

    async def test_an_answer_is_told_that_it_is_closed(self: Any) -> None:
        owner, _ = await self.connected()
        told: list[bool] = []
        owner.begin(lambda: told.append(owner.closed))
        owner.write(b"behind")
        owner.close()
        self.assertEqual(told, [True])
        owner.end()
        self.assertTrue(owner.blocked)

    async def test_a_reader_that_stops_blocks_it_and_one_that_goes_on_drains_it(self: Any) -> None:
        owner, reader = await self.connected()
        for _ in range(3):
            reader.received.clear()
            reader.transport.pauseProducing()
            taken = await self.blocked(owner)
            before = owner.drainings
            self.assertEqual(owner.send(b"more"), 0)
            self.assertEqual(owner.unsent, 0)
            owner.write(b"an answer")
            owner.write(b", another")
            self.assertEqual(owner.unsent, 18)
            self.assertEqual(owner.send(b"more"), 0)
            await turns(5)
            self.assertEqual(owner.drainings, before)
            reader.transport.resumeProducing()
            await until(lambda before=before: owner.drainings > before)
            self.assertFalse(owner.blocked)
            self.assertEqual(owner.unsent, 0)
            owner.write(b"!")
            expected = taken + b"an answer, another!"
            await reader.wait_for(lambda all=expected: len(reader.received) >= len(all))
            self.assertEqual(len(reader.received), len(expected))
            self.assertTrue(reader.received == expected)
            await turns(5)
            self.assertEqual(owner.drainings, before + 1)

    async def blocked(self: Any, owner: Owner) -> bytes:
        """Send until it stays blocked, though the kernels may still move data about."""
        taken = self.send_until_blocked(owner)
        still = False
        while not still:
            taken += self.send_until_blocked(owner)
            await turns(20)
            if owner.blocked:
                await deferLater(reactor, 0.1)
                still = owner.blocked
        return bytes(taken)

    async def test_what_is_sent_as_it_drains_arrives_in_order(self: Any) -> None:
        owner, reader = await self.connected()
        total = 8 << 20
        data = CHUNK * (total // len(CHUNK))
        position = 0

        def read_on() -> None:
            nonlocal position
            while position < total and not owner.blocked:
                position += owner.send(data[position : position + 100_001])

        # Not at once: it may be in the midst of `send`.
        owner.on_drained = lambda: reactor.callLater(0, read_on)
        reader.transport.pauseProducing()
        while not owner.blocked:
            read_on()
            await turns(3)
        self.assertLess(position, total)
        while len(reader.received) < total:
            reader.transport.resumeProducing()
            goal = min(total, len(reader.received) + (1 << 20))
            await reader.wait_for(lambda goal=goal: len(reader.received) >= goal)
            reader.transport.pauseProducing()
            await turns(3)
        self.assertTrue(bytes(reader.received) == data)

    async def test_it_does_not_turn_while_its_reader_stands_still(self: Any) -> None:
        owner, reader = await self.connected()
        reader.transport.pauseProducing()
        await self.blocked(owner)
        transport = innermost(owner.transport)
        writes = 0
        do_write = transport.doWrite

        def counted() -> object:
            nonlocal writes
            writes += 1
            return do_write()

        transport.doWrite = counted
        drainings = owner.drainings
        started = process_time()
        await deferLater(reactor, 0.2)
        self.assertLess(writes, 5)
        self.assertLess(owner.drainings, drainings + 5)
        self.assertLess(process_time() - started, 0.1)

    async def test_after_it_is_closed_it_takes_nothing_and_delivers_what_it_had(self: Any) -> None:
        owner, reader = await self.connected()
        reader.transport.pauseProducing()
        taken = await self.blocked(owner)
        owner.write(b"the last answer")
        owner.close()
        owner.close()
        self.assertTrue(owner.blocked)
        self.assertEqual(owner.unsent, 0)
        self.assertEqual(owner.send(b"more"), 0)
        owner.write(b"more")
        self.assertEqual(owner.unsent, 0)
        owner.transport.loseConnection()
        drainings = owner.drainings
        reader.transport.resumeProducing()
        await reader.closed
        await owner.lost
        self.assertTrue(reader.received == taken + b"the last answer")
        self.assertEqual(owner.drainings, drainings)

    async def test_a_reader_that_is_gone_raises_nothing(self: Any) -> None:
        for write in ("send", "write"):
            for full in (False, True):
                owner, reader = await self.connected()
                if full:
                    reader.transport.pauseProducing()
                    await self.blocked(owner)
                reader.transport.abortConnection()
                await reader.closed
                while not owner.lost.called:
                    getattr(owner, write)(CHUNK)
                    await turns(1)
                self.assertEqual(owner.send(b"x"), 0)
                owner.write(b"x")
                self.assertTrue(owner.blocked)

    async def test_what_is_written_after_the_connection_was_lost_is_no_matter(self: Any) -> None:
        owner, reader = await self.connected()
        owner.transport.abortConnection()
        owner.send(CHUNK)
        owner.write(CHUNK)
        await owner.lost
        self.assertEqual(owner.send(CHUNK), 0)
        owner.write(CHUNK)
        await reader.closed


class TCPTests(AnyOutbox, OutboxTestCase):
    async def connect(self, factory: Factory, reader: Collector) -> None:
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        await connectProtocol(client, reader)

    async def test_what_it_sends_is_on_its_way_before_the_reactor_turns(self) -> None:
        owner = Owner()
        port = reactor.listenTCP(0, OneOwner(owner), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        with socket.create_connection(("127.0.0.1", port.getHost().port)) as peer:
            await owner.arrived
            peer.settimeout(10)
            owner.send(b"hi")
            self.assertEqual(peer.recv(10), b"hi")
            owner.write(b"you")
            self.assertEqual(peer.recv(10), b"you")
        await owner.lost

    async def test_a_write_that_does_not_fit_goes_on_by_itself(self) -> None:
        owner, reader = await self.connected()
        data = CHUNK * 160
        reader.transport.pauseProducing()
        owner.write(data)
        self.assertTrue(owner.blocked)
        self.assertGreater(owner.unsent, 0)
        self.assertLess(owner.unsent, len(data))
        reader.transport.resumeProducing()
        await reader.wait_for(lambda: len(reader.received) >= len(data))
        self.assertTrue(bytes(reader.received) == data)
        self.assertEqual(owner.drainings, 1)

    async def test_a_reset_that_nobody_noticed_yet_raises_nothing(self) -> None:
        for write in ("send", "write"):
            owner = Owner()
            port = reactor.listenTCP(0, OneOwner(owner), interface="127.0.0.1")
            self.addCleanup(port.stopListening)
            peer = socket.create_connection(("127.0.0.1", port.getHost().port))
            await owner.arrived
            assert owner.transport is not None
            owner.transport.pauseProducing()  # type: ignore[attr-defined]
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            for _ in range(3):
                getattr(owner, write)(CHUNK)
            self.assertTrue(owner.blocked)
            await owner.lost


class UNIXTests(AnyOutbox, OutboxTestCase):
    async def connect(self, factory: Factory, reader: Collector) -> None:
        folder = Folder()
        self.addCleanup(folder.remove)
        port = reactor.listenUNIX(folder.path("socket"), factory)
        self.addCleanup(port.stopListening)
        await connectProtocol(UNIXClientEndpoint(reactor, folder.path("socket")), reader)


class TLSTests(AnyOutbox, OutboxTestCase):
    async def connect(self, factory: Factory, reader: Collector) -> None:
        certificate = Certificate()
        port = reactor.listenSSL(0, factory, certificate.server, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        await connectProtocol(wrapClientTLS(certificate.client, client), reader)

    async def test_what_it_sends_is_on_its_way_before_the_reactor_turns(self) -> None:
        owner, reader = await self.connected()
        owner.send(b"hi")
        await reader.wait_for(lambda: reader.received == b"hi")
        peer = plain_socket(reader.transport)
        self.assertEqual(select.select([peer], [], [], 0)[0], [])
        owner.send(b"you")
        self.assertEqual(select.select([peer], [], [], 10)[0], [peer])
        await reader.wait_for(lambda: reader.received == b"hiyou")

    def test_tls_inside_of_something_else_is_written_to_as_that_wants(self) -> None:
        wire = StringTransport()
        wrapper = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
        directlyProvides(wire, ISSLTransport)
        wrapper.makeConnection(wire)
        self.assertTrue(ISSLTransport.providedBy(wrapper))
        owner = Owner()
        owner.arrived.callback(None)
        owner.makeConnection(wrapper)
        owner.write(b"hi")
        self.assertEqual(wire.value(), b"hi")


class AnyTransportTests(unittest.TestCase):
    """The outbox of a transport that is no socket."""

    def setUp(self) -> None:
        self.transport = StringTransport()
        self.outbox = Owner()
        self.outbox.makeConnection(self.transport)

    def test_it_stops_where_the_transport_has_enough(self) -> None:
        written: list[int] = []

        def write(data: bytes) -> None:
            written.append(len(data))
            if sum(written) >= 3 * SLICE:
                self.outbox.pauseProducing()

        self.transport.write = write  # type: ignore[method-assign]
        self.assertEqual(self.outbox.send(b"x" * (10 * SLICE)), 3 * SLICE)
        self.assertEqual(written, [SLICE] * 3)
        self.assertTrue(self.outbox.blocked)
        self.outbox.resumeProducing()
        self.assertEqual((self.outbox.blocked, self.outbox.drainings), (False, 1))

    def test_the_last_part_may_be_the_one_that_is_enough(self) -> None:
        self.transport.write = lambda data: self.outbox.pauseProducing()  # type: ignore[method-assign]
        self.assertEqual(self.outbox.send(b"x" * 10), 10)
        self.assertTrue(self.outbox.blocked)

    def test_what_is_written_counts_from_when_it_is_blocked(self) -> None:
        self.outbox.write(b"x" * 10)
        self.assertEqual(self.outbox.unsent, 0)
        self.outbox.pauseProducing()
        self.outbox.write(b"x" * 10)
        self.outbox.write(b"x" * 5)
        self.assertEqual(self.outbox.unsent, 15)
        self.outbox.resumeProducing()
        self.assertEqual(self.outbox.unsent, 0)
        self.assertEqual(self.transport.value(), b"x" * 25)

    def test_it_lets_go_of_the_transport_once(self) -> None:
        self.assertIs(self.transport.producer, self.outbox)
        self.outbox.close()
        self.assertIs(self.transport.producer, None)
        self.outbox.close()
        self.outbox.stopProducing()
        self.assertEqual(self.transport.value(), b"")
