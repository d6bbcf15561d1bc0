from __future__ import annotations

import contextlib
import gc
import socket
import weakref
from itertools import pairwise

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.internet.testing import StringTransport
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial import unittest
from zope.interface import directlyProvides

from chatservice.core.chat import Chat
from chatservice.doors.connection import ChatProtocol
from chatservice.doors.factory import PARTING_MOST, ChatFactory
from chatservice.journal.memory import MemoryJournal
from chatservice.limits import CLOSING_TIMEOUT, Limits
from tests.doors.support import (
    NOON,
    Certificate,
    Collector,
    FullJournal,
    House,
    Peer,
    Wire,
    fill,
    reactor,
    until,
)
from tests.welcome import ALONE, GREETING, hello

FULL = "-- too many people are connected: please try again later"
CROWDED = "-- too many connections from your address"
HURRIED = "-- too many new connections from your address: please wait a minute"
GOING_DOWN = "-- the server is going down"
GOODBYE = "the server is going down: goodbye"


def six(host: str) -> IPv6Address:
    return IPv6Address("TCP", host, 50000)


class MostTests(unittest.TestCase):
    def test_who_is_one_too_many_is_told_and_closed(self) -> None:
        house = House(max_connections=2)
        ana, bob, cleo = (house.connect() for _ in range(3))
        self.assertEqual(cleo.read(), [FULL])
        self.assertTrue(cleo.wire.half_closed)
        cleo.say("cleo", "hi")
        self.assertEqual(cleo.hear(2), [])
        self.assertFalse(cleo.connected)
        self.assertFalse(cleo.wire.aborted)
        for peer in (ana, bob):
            self.assertEqual(peer.hear(), [GREETING])

    def test_there_is_room_again_when_somebody_has_left(self) -> None:
        house = House(max_connections=1)
        ana = house.connect()
        self.assertEqual(house.connect().read(), [FULL])
        house.run(2)
        ana.lose()
        self.assertEqual(house.connect().hear(), [GREETING])

    def test_who_is_refused_takes_a_place_only_until_it_is_gone(self) -> None:
        house = House(max_connections=1)
        refused = [house.connect() for _ in range(50)][1:]
        house.run(2)
        self.assertEqual(len(house.factory.connections), 1)
        self.assertFalse(any(peer.connected for peer in refused))

    def test_who_is_refused_is_not_counted_under_its_address(self) -> None:
        house = House(max_connections=1, max_per_address=1)
        ana = house.connect("192.0.2.1")
        refused = house.connect("192.0.2.2")
        refused.say("bob")
        ana.lose()
        house.factory.most = 2
        self.assertTrue(refused.connected)
        self.assertEqual(house.connect("192.0.2.2").hear(), [GREETING])

    def test_nought_is_any_number(self) -> None:
        house = House(max_connections=0, max_per_address=0)
        for _ in range(200):
            house.connect()
        house.run(0.1)
        self.assertEqual(len(house.factory.connections), 200)

    def test_the_number_can_be_lowered_later(self) -> None:
        house = House(max_connections=10)
        house.factory.most = 1
        house.connect()
        self.assertEqual(house.connect().read(), [FULL])


class PerAddressTests(unittest.TestCase):
    def check(self, together: list[IAddress], apart: list[IAddress]) -> None:
        house = House(max_per_address=len(together))
        peers = [house.connect(address) for address in together]
        for peer in peers:
            self.assertEqual(peer.hear(), [GREETING])
        for address in together:
            refused = house.connect(address)
            self.assertEqual(refused.hear(), [CROWDED], address)
            self.assertTrue(refused.wire.half_closed)
        for address in apart:
            self.assertEqual(house.connect(address).hear(), [GREETING], address)
        house.run(2)
        for address, peer in zip(reversed(together), peers, strict=True):
            self.assertEqual(house.connect(address).hear(), [CROWDED])
            peer.lose()
            self.assertEqual(house.connect(address).hear(), [GREETING])

    def test_connections_from_one_ipv4_address_are_counted_together(self) -> None:
        self.check(
            [IPv4Address("TCP", "192.0.2.1", 1), IPv4Address("TCP", "192.0.2.1", 2)],
            [IPv4Address("TCP", "192.0.2.2", 1), IPv4Address("TCP", "192.0.2.0", 1)],
        )

    def test_so_are_those_from_one_ipv6_network(self) -> None:
        self.check(
            [
                six("2001:db8:1:2::1"),
                six("2001:db8:1:2:ffff:ffff:ffff:ffff"),
                six("2001:db8:1:2::"),
            ],
            [six("2001:db8:1:3::1"), six("2001:db8:2:2::1")],
        )

    def test_an_ipv4_address_that_ipv6_wraps_is_the_ipv4_address(self) -> None:
        self.check(
            [six("::ffff:192.0.2.1"), IPv4Address("TCP", "192.0.2.1", 1)],
            [six("::ffff:192.0.2.2"), six("::1"), six("::c000:201")],
        )

    def test_the_interface_of_a_local_address_is_no_matter(self) -> None:
        self.check([six("fe80::1%eth0"), six("fe80::2%eth1")], [six("fe80:0:0:1::1%eth0")])

    def test_unix_sockets_are_not_counted(self) -> None:
        house = House(max_per_address=1)
        for _ in range(5):
            self.assertEqual(house.connect(UNIXAddress(b"/run/chat")).hear(), [GREETING])

    def test_what_is_no_address_is_counted_as_it_is_called(self) -> None:
        house = House(max_per_address=1)
        for name in ("somewhere", "elsewhere"):
            self.assertEqual(house.connect(name).hear(), [GREETING])
            self.assertEqual(house.connect(name).hear(), [CROWDED])

    def test_behind_a_proxy_the_address_that_it_tells_counts(self) -> None:
        house = House(max_per_address=1)
        factory = HAProxyWrappingFactory(house.factory)
        said = []
        for number in (1, 1, 2):
            wire = Wire(house.clock, IPv4Address("TCP", "127.0.0.1", 1))
            protocol = factory.buildProtocol(wire.getPeer())
            protocol.makeConnection(wire)
            protocol.dataReceived(b"PROXY TCP4 192.0.2.%d 192.0.2.9 1 7007\r\n" % number)
            house.run(0.1)
            said.append(wire.value().decode())
        self.assertEqual(said, [f"{line}\r\n" for line in (GREETING, CROWDED, GREETING)])

    def test_nought_is_any_number(self) -> None:
        house = House(max_per_address=0)
        for _ in range(100):
            self.assertEqual(house.connect().hear(0.03), [GREETING])

    def test_one_connection_too_many_takes_no_place_away(self) -> None:
        house = House(max_per_address=1)
        ana = house.connect()
        house.run(1)
        for _ in range(3):
            house.connect()
            house.run(3)
        ana.lose()
        self.assertEqual(house.connect().hear(), [GREETING])


class NewPerAddressTests(unittest.TestCase):
    """How many may come in a minute; and what is closed takes no place."""

    def test_they_have_a_rate(self) -> None:
        house = House(connects_per_address=6, max_per_address=4)
        for _ in range(10):
            peer = house.connect()
            self.assertEqual(peer.hear(), [GREETING])
            peer.lose()
        self.assertEqual(house.connect().hear(), [HURRIED])
        self.assertEqual(house.connect("192.0.2.2").hear(), [GREETING])
        house.run(10)
        again = house.connect()
        self.assertEqual(again.hear(), [GREETING])
        again.lose()
        self.assertEqual(house.connect().hear(), [HURRIED])

    def test_who_is_refused_does_not_make_it_longer(self) -> None:
        house = House(connects_per_address=6, max_per_address=1)
        for _ in range(7):
            house.connect().lose()
            house.run(0.1)
            peer = house.connect()
            house.run(0.1)
            peer.lose()
        house.run(11)
        self.assertEqual(house.connect().hear(), [GREETING])

    def test_after_a_restart_all_may_be_back_at_once(self) -> None:
        house = House(connects_per_address=1, max_per_address=50)
        peers = [house.connect() for _ in range(50)]
        self.assertEqual([peer.hear(0.05) for peer in peers], [[GREETING]] * 50)

    def test_nought_is_any_number(self) -> None:
        for limits in ({"connects_per_address": 0}, {"max_per_address": 0}):
            house = House(**limits)
            for _ in range(500):
                peer = house.connect()
                self.assertEqual(peer.hear(0.03), [GREETING])
                peer.lose()

    def test_a_flood_of_them_keeps_nobody_out(self) -> None:
        house = House(max_connections=100, connects_per_address=6, max_per_address=4)
        peers = [house.connect() for _ in range(90)]
        house.run(0.05)
        for _ in range(20):
            peers += [house.connect() for _ in range(90)]
            house.run(0.05)
        self.assertLessEqual(len(house.factory.connections), 4 + PARTING_MOST + 90)
        self.assertEqual(house.connect("192.0.2.2").hear(0.05), [GREETING])

    def test_nor_do_those_who_take_us_for_something_else(self) -> None:
        house = House(max_connections=50)
        for _ in range(200):
            peer = house.connect()
            peer.send(b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(house.connect("192.0.2.2").hear(0.05), [GREETING])
        self.assertLessEqual(len(house.factory.connections), PARTING_MOST + 1)

    def test_who_is_closed_takes_no_place_while_it_does_not_hang_up(self) -> None:
        house = House(max_per_address=1)
        ana = house.enter("ana")
        ana.say("/quit")
        self.assertEqual(ana.hear(0.15), ["-- goodbye, ana"])
        self.assertTrue(ana.connected)
        bob = house.connect()
        self.assertEqual(bob.hear(0.05), [GREETING])
        ana.lose()
        self.assertEqual(house.connect().hear(), [CROWDED])


class BannedTests(unittest.TestCase):
    """Who comes from an address that is banned is told so at the door."""

    SENTENCE = "you are banned from here: spam"

    def setUp(self) -> None:
        self.house = House(max_per_address=1)
        self.asked: list[str] = []

        def banned(host: str) -> str | None:
            self.asked.append(host)
            return self.SENTENCE if host in ("192.0.2.7", "2001:db8::7") else None

        self.patch(self.house.chat, "banned", banned)

    def test_they_are_told_and_closed(self) -> None:
        for address in ("192.0.2.7", six("2001:db8::7")):
            peer = self.house.connect(address)
            self.assertEqual(peer.hear(), [f"-- {self.SENTENCE}"])
            self.assertTrue(peer.wire.half_closed)
            peer.say("bob", "hi")
            self.assertEqual(peer.hear(2), [])
            self.assertFalse(peer.connected)

    def test_so_are_those_who_speak_first(self) -> None:
        peer = self.house.connect("192.0.2.7")
        peer.say("bob", "hi")
        self.assertEqual(peer.hear(), [f"-- {self.SENTENCE}"])
        self.assertEqual(self.house.people(), [])

    def test_they_are_not_counted(self) -> None:
        for _ in range(3):
            self.assertEqual(self.house.connect("192.0.2.7").hear(), [f"-- {self.SENTENCE}"])

    def test_it_is_the_address_that_is_asked_for_and_not_its_network(self) -> None:
        self.house.connect(six("2001:db8::8")).hear()
        self.assertEqual(self.asked, ["2001:db8::8"])

    def test_who_has_no_address_can_not_be(self) -> None:
        self.assertEqual(self.house.connect(UNIXAddress(b"/run/chat")).hear(), [GREETING])
        self.assertEqual(self.asked, [])

    def test_behind_a_proxy_the_address_that_it_tells_counts(self) -> None:
        factory = HAProxyWrappingFactory(self.house.factory)
        wire = Wire(self.house.clock, IPv4Address("TCP", "192.0.2.200", 1))
        proxy = factory.buildProtocol(wire.getPeer())
        wire.protocol = proxy
        proxy.makeConnection(wire)
        proxy.dataReceived(b"PROXY TCP4 192.0.2.7 192.0.2.1 1000 7007\r\n")
        self.house.run(0.2)
        self.assertEqual(wire.value().decode(), f"-- {self.SENTENCE}\r\n")


class LoginTimeoutTests(unittest.TestCase):
    def test_who_gives_no_name_in_time_is_told_and_closed(self) -> None:
        house = House(login_timeout=60)
        peer = house.connect()
        self.assertEqual(peer.hear(1), [GREETING])
        house.run(58, step=1)
        peer.say("x y")
        self.assertEqual(len(peer.hear(0.5)), 1)
        self.assertEqual(peer.hear(0.6), ["-- that took too long, goodbye"])
        self.assertTrue(peer.wire.half_closed)
        house.run(2)
        self.assertFalse(peer.connected)

    def test_who_has_one_may_be_silent_for_ever(self) -> None:
        house = House(login_timeout=60)
        ana = house.enter("ana")
        house.run(1000, step=10)
        self.assertTrue(ana.connected)
        self.assertFalse(ana.wire.half_closed)

    def test_a_renaming_is_no_naming(self) -> None:
        house = House(login_timeout=5)
        ana = house.enter("ana")
        ana.say("/nick bob")
        house.run(10)
        self.assertFalse(ana.wire.half_closed)

    def test_nought_is_for_ever(self) -> None:
        house = House(login_timeout=0)
        peer = house.connect()
        house.run(1000, step=10)
        self.assertFalse(peer.wire.half_closed)


class HandshakeTestCase(unittest.TestCase):
    """TLS, with both ends in memory."""

    def connect(self, house: House) -> tuple[TLSMemoryBIOProtocol, Wire]:
        factory = TLSMemoryBIOFactory(self.certificate.server, False, house.factory, house.clock)
        wire = Wire(house.clock, IPv4Address("TCP", "192.0.2.1", 1))
        server = factory.buildProtocol(wire.getPeer())
        wire.protocol = server
        server.makeConnection(wire)
        return server, wire

    def client(self, house: House) -> tuple[TLSMemoryBIOProtocol, StringTransport, Collector]:
        collector = Collector()
        factory = TLSMemoryBIOFactory(
            self.certificate.client, True, ClientFactoryOf(collector), house.clock
        )
        wire = StringTransport()
        client = factory.buildProtocol(wire.getPeer())
        client.makeConnection(wire)
        return client, wire, collector

    def setUp(self) -> None:
        self.certificate = Certificate()

    def pump(
        self,
        house: House,
        server: tuple[TLSMemoryBIOProtocol, Wire],
        client: tuple[TLSMemoryBIOProtocol, StringTransport, Collector],
    ) -> None:
        """Let them talk until both are silent."""
        while True:
            house.clock.advance(0)
            to_server, to_client = client[1].value(), server[1].value()
            client[1].clear()
            server[1].clear()
            if not to_server and not to_client:
                return
            if to_server:
                server[0].dataReceived(to_server)
            if to_client:
                client[0].dataReceived(to_client)


class HandshakeTests(HandshakeTestCase):
    def test_who_shakes_no_hands_is_cut_off(self) -> None:
        house = House(handshake_timeout=10)
        _, wire = self.connect(house)
        house.run(9.9)
        self.assertTrue(wire.connected)
        house.run(0.2)
        self.assertFalse(wire.connected)
        self.assertTrue(wire.aborted)
        self.assertEqual(house.factory.connections, {})

    def test_who_does_is_greeted_then_and_not_cut_off(self) -> None:
        house = House(handshake_timeout=10)
        server, client = self.connect(house), self.client(house)
        house.run(5)
        self.pump(house, server, client)
        self.assertEqual(client[2].received, b"")
        house.run(0.1)
        self.pump(house, server, client)
        self.assertEqual(bytes(client[2].received).decode(), GREETING + "\r\n")
        house.run(20)
        self.assertTrue(server[1].connected)
        client[0].write(b"ana\n")
        self.pump(house, server, client)
        house.run(1)
        self.pump(house, server, client)
        self.assertIn(hello("ana").encode(), client[2].received)

    def test_negotiating_again_greets_nobody_again(self) -> None:
        house = House()
        server, client = self.connect(house), self.client(house)
        self.pump(house, server, client)
        house.run(1)
        protocol = server[0].wrappedProtocol
        assert isinstance(protocol, ChatProtocol)
        protocol.handshakeCompleted()
        house.run(1)
        protocol.handshakeCompleted()
        house.run(1)
        self.pump(house, server, client)
        self.assertEqual(bytes(client[2].received).decode(), GREETING + "\r\n")

    def test_who_shakes_hands_when_the_house_is_full_is_told_so_only(self) -> None:
        house = House(max_connections=1)
        house.connect()
        server, client = self.connect(house), self.client(house)
        self.pump(house, server, client)
        house.run(0.1)
        self.pump(house, server, client)
        self.assertEqual(bytes(client[2].received).decode(), FULL + "\r\n")

    def test_who_answers_no_goodbye_is_cut_off(self) -> None:
        house = House()
        server, client = self.connect(house), self.client(house)
        self.pump(house, server, client)
        client[0].write(b"ana\n/quit\n")
        house.run()
        server[0].dataReceived(client[1].value())
        house.run(CLOSING_TIMEOUT - 1)
        self.assertTrue(server[1].connected)
        house.run(3)
        self.assertTrue(server[1].aborted)
        self.assertEqual(house.factory.connections, {})

    def test_nought_is_for_ever(self) -> None:
        house = House(handshake_timeout=0, login_timeout=0)
        _, wire = self.connect(house)
        house.run(1000, step=10)
        self.assertTrue(wire.connected)


class ClientFactoryOf:
    """Makes one protocol that there is."""

    def __init__(self, protocol: Collector) -> None:
        self.protocol = protocol

    def buildProtocol(self, address: IAddress) -> Collector:
        return self.protocol

    def doStart(self) -> None: ...

    def doStop(self) -> None: ...


class SweepTests(unittest.TestCase):
    def test_who_read_all_and_stays_is_closed(self) -> None:
        house = House()
        ana = house.enter("ana")
        ana.say("/quit")
        house.run(0.5)
        self.assertTrue(ana.wire.half_closed)
        self.assertTrue(ana.connected)
        house.run(2)
        self.assertFalse(ana.connected)
        self.assertFalse(ana.wire.aborted)

    def test_who_can_not_be_closed_is_cut_off(self) -> None:
        house = House()
        ana = house.enter("ana")
        ana.wire.loseConnection = lambda: None  # type: ignore[method-assign]
        ana.say("/quit")
        house.run(CLOSING_TIMEOUT - 0.5)
        self.assertFalse(ana.wire.aborted)
        house.run(2)
        self.assertTrue(ana.wire.aborted)

    def test_standard_input_and_output_end_without_being_cut_off(self) -> None:
        class Terminal(Wire):
            abortConnection = property()  # type: ignore[assignment]
            lost = False

            def loseConnection(self) -> None:
                """The other end reads no more."""

            def connectionLost(self, reason: object) -> None:
                self.lost = True
                self.lose()

        house = House()
        wire = Terminal(house.clock)
        protocol = house.factory.buildProtocol(wire.getPeer())
        wire.protocol = protocol
        protocol.makeConnection(wire)
        protocol.part("goodbye")
        house.run(CLOSING_TIMEOUT + 1.5)
        self.assertTrue(wire.lost)
        self.assertEqual(house.factory.connections, {})

    def test_it_goes_on_for_ever(self) -> None:
        house = House(login_timeout=1)
        calls = len(house.clock.getDelayedCalls())
        for _ in range(5):
            ana = house.enter("ana")
            ana.say("/quit")
            house.run(3)
            self.assertFalse(ana.connected)
            self.assertEqual(len(house.clock.getDelayedCalls()), calls)


class SocketSweepTests(unittest.TestCase):
    """On a clock, but with what the kernel says of a real socket."""

    def connect(self, house: House) -> tuple[Peer, socket.socket]:
        """Connect somebody, for whom much waits already."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        ours.setblocking(False)
        wire = Wire(house.clock, UNIXAddress(b"/run/chat"))
        wire.socket = ours  # type: ignore[attr-defined]
        peer = Peer(house, wire)
        fill(ours, piece=1000)
        return peer, theirs

    def test_who_is_told_to_go_and_takes_nothing_is_cut_off_after_five_seconds(self) -> None:
        house = House()
        peer, _ = self.connect(house)
        peer.protocol.part("go")
        house.run(CLOSING_TIMEOUT)
        self.assertTrue(peer.connected)
        house.run(2)
        self.assertTrue(peer.wire.aborted)

    def test_who_takes_something_now_and_then_is_not(self) -> None:
        house = House()
        peer, theirs = self.connect(house)
        peer.protocol.part("go")
        for _ in range(5):
            house.run(CLOSING_TIMEOUT - 2)
            theirs.recv(1000)
        self.assertTrue(peer.connected)
        theirs.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while theirs.recv(65536):
                pass
        house.run(2)
        self.assertFalse(peer.connected)
        self.assertFalse(peer.wire.aborted)

    def test_who_is_told_again_is_given_no_more_time(self) -> None:
        house = House()
        peer = house.connect()
        peer.protocol.part("go")
        peer.read()
        for _ in range(3):
            house.run(0.7)
            peer.protocol.part("go")
        self.assertEqual((peer.connected, peer.read()), (False, []))

    def test_who_takes_nothing_for_the_stall_timeout_is_cut_off_and_others_are_not(self) -> None:
        house = House(stall_timeout=60, login_timeout=0)
        stalled, _ = self.connect(house)
        slow, slow_end = self.connect(house)
        idle = house.connect()
        for _ in range(3):
            house.run(25, step=1)
            slow_end.recv(1000)
        self.assertTrue(stalled.wire.aborted)
        self.assertEqual((slow.connected, idle.connected), (True, True))
        house.run(80, step=1)
        self.assertEqual((slow.connected, idle.connected), (False, True))

    def test_nothing_holds_on_to_one_that_was_lost(self) -> None:
        house = House()
        peer, _ = self.connect(house)
        house.run(20)
        peer.lose()
        gone = weakref.ref(peer.protocol)
        del peer
        gc.collect()
        self.assertIsNone(gone())

    def test_without_a_stall_timeout_nobody_is(self) -> None:
        house = House(stall_timeout=0, login_timeout=0)
        peer, _ = self.connect(house)
        house.run(1000, step=1)
        self.assertTrue(peer.connected)


class RealSweepTests(unittest.TestCase):
    """On the real reactor: what the kernel says about a peer decides."""

    timeout = 120

    def setUp(self) -> None:
        self.limits = Limits(rate=0, max_per_address=0, stall_timeout=1)
        self.chat = Chat(reactor, MemoryJournal(lambda: NOON), lambda: NOON, self.limits)
        self.factory = ChatFactory(reactor, self.chat, self.limits)
        self.chat.start()
        self.factory.start()
        self.port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)

    async def tearDown(self) -> None:
        await self.factory.stop("the server is going down")
        await self.chat.stop()

    async def test_who_takes_nothing_for_too_long_is_cut_off_and_who_reads_is_not(self) -> None:
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        ana, bob = Collector(), Collector()
        for name, peer in (("ana", ana), ("bob", bob)):
            await connectProtocol(client, peer)
            peer.transport.write(f"{name}\n".encode())
            await peer.wait_for(lambda peer=peer: b"you are in" in peer.received)
        bob.transport.pauseProducing()
        line = b"x" * 1999 + b"\n"
        for _ in range(16):
            ana.transport.write(line * 250)
            ana.received.clear()
            ana.transport.write(b"/who\n")
            await ana.wait_for(lambda: b"in #lobby:" in ana.received)
        await ana.wait_for(lambda: b"-- bob left" in ana.received)
        self.assertEqual([member.name for member in self.chat.members], ["ana"])
        self.assertEqual(len(self.factory.connections), 1)
        bob.transport.abortConnection()
        ana.transport.loseConnection()
        await until(lambda: not self.factory.connections)


class StopTests(unittest.TestCase):
    def stop(self, house: House) -> list[None]:
        fired: list[None] = []
        house.factory.stop(GOODBYE).addCallback(fired.append)
        return fired

    def test_it_is_done_at_once_if_nobody_is_connected(self) -> None:
        house = House()
        self.assertEqual(self.stop(house), [None])
        house.chat.stop()
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_so_it_is_if_it_never_started(self) -> None:
        house = House(start=False)
        self.assertEqual(self.stop(house), [None])
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_everyone_is_told_and_closed_and_then_it_is_done(self) -> None:
        house = House()
        ana, nobody, silent = house.enter("ana"), house.connect(), house.connect()
        self.assertEqual(nobody.hear(), [GREETING])
        silent.read()
        fired = self.stop(house)
        for peer in (ana, nobody, silent):
            self.assertEqual(peer.hear(), [f"-- {GOODBYE}"])
            self.assertTrue(peer.wire.half_closed)
        self.assertEqual(fired, [])
        for peer in (ana, nobody, silent):
            peer.end()
        house.run()
        self.assertEqual(fired, [None])
        house.chat.stop()
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_what_was_said_before_is_shown_and_what_comes_after_is_not_heard(self) -> None:
        house = House(rate=0)
        ana, bob = house.enter("ana"), house.enter("bob")
        ana.read()
        ana.say("hi")
        ana.send(b"half a li")
        self.stop(house)
        ana.send(b"ne\n")
        bob.say("too late")
        house.run(1)
        self.assertEqual(bob.read(), ["<ana> hi", f"-- {GOODBYE}"])
        self.assertEqual(ana.read(), [f"-- {GOODBYE}"])

    def test_who_is_behind_reads_all_first(self) -> None:
        house = House(rate=0)
        ana, bob = house.enter("ana"), house.enter("bob")
        bob.stop_reading()
        ana.say(*"abc")
        house.run(1)
        fired = self.stop(house)
        house.run(2)
        self.assertFalse(bob.wire.half_closed)
        bob.read_on()
        house.run(0.1)
        self.assertEqual(sorted(bob.read()), [f"-- {GOODBYE}", "<ana> a", "<ana> b", "<ana> c"])
        self.assertTrue(bob.wire.half_closed)
        ana.end()
        bob.end()
        house.run()
        self.assertEqual(fired, [None])

    def test_who_does_not_read_is_waited_for_five_seconds(self) -> None:
        house = House(rate=0)
        ana, bob = house.enter("ana"), house.enter("bob")
        bob.stop_reading()
        ana.say("hi")
        house.run(1)
        fired = self.stop(house)
        ana.end()
        house.run(CLOSING_TIMEOUT - 0.1)
        self.assertEqual((fired, bob.connected), ([], True))
        house.run(0.2)
        self.assertTrue(bob.wire.aborted)
        self.assertEqual(fired, [None])
        house.chat.stop()
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_who_comes_meanwhile_is_told_and_closed(self) -> None:
        house = House()
        house.enter("ana").stop_reading()
        fired = self.stop(house)
        late = house.connect()
        self.assertEqual(late.read(), [GOING_DOWN])
        self.assertTrue(late.wire.half_closed)
        late.say("bob")
        self.assertEqual(late.hear(CLOSING_TIMEOUT + 1), [])
        self.assertEqual((fired, late.connected), ([None], False))

    def test_so_is_who_comes_when_all_are_gone(self) -> None:
        house = House()
        fired = self.stop(house)
        for _ in range(2):
            late = house.connect()
            self.assertEqual(late.read(), [GOING_DOWN])
            late.end()
            house.run()
            self.assertFalse(late.connected)
        self.assertEqual(fired, [None])
        house.run(1)
        tending = house.factory.chat.returns._tending._over
        left = [call for call in house.clock.getDelayedCalls() if call.func != tending]
        self.assertEqual(left, [])

    def test_connections_that_close_at_once_make_it_done_once(self) -> None:
        house = House()
        for _ in range(3):
            peer = house.connect()
            peer.wire.loseWriteConnection = peer.wire.lose  # type: ignore[method-assign]
        self.assertEqual(self.stop(house), [None])

    def test_who_was_closed_before_is_waited_for_but_not_told_again(self) -> None:
        house = House()
        ana, bob = house.enter("ana"), house.connect()
        ana.say("/quit")
        bob.protocol.part("go")
        house.run(0.2)
        ana.read()
        self.assertEqual(bob.read(), ["-- go"])
        fired = self.stop(house)
        self.assertEqual((ana.read(), bob.read(), ana.paused, bob.paused), ([], [], False, False))
        ana.end()
        bob.end()
        house.run()
        self.assertEqual(fired, [None])

    def test_who_waits_for_a_command_or_is_too_fast_is_closed_like_others(self) -> None:
        house = House(rate=1, burst=1)
        ana, bob = house.enter("ana"), house.enter("bob")
        house.run(5)
        ana.say(*"abc")
        bob.say("hi", "/who")
        fired = self.stop(house)
        house.run(0.1)
        for peer in (ana, bob):
            self.assertTrue(peer.wire.half_closed)
            peer.end()
        house.run(10)
        self.assertEqual(fired, [None])
        house.chat.stop()
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_lines_that_still_wait_of_who_was_lost_do_no_harm(self) -> None:
        house = House(rate=5, burst=1)
        ana, bob, cleo = (house.enter(name) for name in ("ana", "bob", "cleo"))
        house.run(5)
        ana.say(*"abcdefgh", "/history", "/nick al", "/join dev", "/leave", "/quit")
        ana.lose()
        cleo.say(*"ab")
        cleo.lose()
        bob.stop_reading()
        house.run(0.3)
        fired = self.stop(house)
        house.run(4)
        self.assertEqual(fired, [])
        head = house.journal.head
        house.run(10)
        self.assertEqual(fired, [None])
        self.assertEqual(house.journal.head, head)
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])
        house.chat.stop()
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_what_the_history_does_not_take_is_told(self) -> None:
        journal = FullJournal(lambda: NOON)
        house = House(journal, rate=0)
        ana, bob = house.enter("ana"), house.enter("bob")
        ana.read()
        journal.full = True
        ana.say("one", "two")
        house.run(0.1)
        ana.say("three")
        bob.read()
        self.stop(house)
        self.assertEqual(
            bob.hear()[-2:],
            ["-- the last 3 things said could not be stored: they are lost", f"-- {GOODBYE}"],
        )
        self.flushLoggedErrors()


class MakingTests(unittest.TestCase):
    def test_a_factory_that_is_not_stopping_greets(self) -> None:
        house = House()
        self.assertEqual(house.connect().hear(), [GREETING])

    def test_silence_over_tls_counts_from_the_handshake(self) -> None:
        house = House()
        wire = Wire(house.clock)
        directlyProvides(wire, ISSLTransport)
        protocol = house.factory.buildProtocol(wire.getPeer())
        protocol.makeConnection(wire)
        house.run(1)
        self.assertEqual(wire.value(), b"")
        protocol.handshakeCompleted()
        house.run(0.03)
        self.assertEqual(wire.value().decode(), GREETING + "\r\n")

    def test_many_connections_share_their_timers(self) -> None:
        house = House(max_per_address=0)
        counts = []
        for count in (1, 10, 100):
            for _ in range(count):
                house.connect()
            house.run(0.01)
            counts.append(len(house.clock.getDelayedCalls()))
        for fewer, more in pairwise(counts):
            self.assertEqual(fewer, more)

    def test_those_who_come_in_see_who_is_there(self) -> None:
        house = House()
        ana = house.connect()
        ana.say("ana")
        self.assertEqual(ana.hear(), [GREETING, hello("ana"), ALONE])


class HandshakePlacesTests(HandshakeTestCase):
    """A TLS handshake takes a place under its address, and none when the house closes."""

    def test_connections_in_their_handshake_count_under_their_address_at_once(self) -> None:
        house = House(max_per_address=2, handshake_timeout=10)
        for _ in range(2):
            self.connect(house)
        self.assertEqual(house.connect("192.0.2.1").hear(), [CROWDED])
        self.assertEqual(house.connect("192.0.2.2").hear(), [GREETING])
        house.run(12)
        self.assertEqual(house.connect("192.0.2.1").hear(), [GREETING])

    def test_who_has_shaken_hands_counts_once(self) -> None:
        house = House(max_per_address=2)
        server, client = self.connect(house), self.client(house)
        self.pump(house, server, client)
        house.run(0.1)
        self.pump(house, server, client)
        self.assertEqual(bytes(client[2].received).decode(), GREETING + "\r\n")
        self.assertEqual(house.connect("192.0.2.1").hear(), [GREETING])
        self.assertEqual(house.connect("192.0.2.1").hear(), [CROWDED])

    def test_who_is_one_too_many_is_told_when_it_has_shaken_hands(self) -> None:
        house = House(max_per_address=1)
        house.connect("192.0.2.1")
        house.run(0.1)
        server, client = self.connect(house), self.client(house)
        self.pump(house, server, client)
        house.run(0.1)
        self.pump(house, server, client)
        self.assertEqual(bytes(client[2].received).decode(), CROWDED + "\r\n")

    def test_who_is_in_a_handshake_when_the_house_closes_is_cut_off_at_once(self) -> None:
        house = House()
        _, wire = self.connect(house)
        fired: list[None] = []
        house.factory.stop(GOODBYE).addCallback(fired.append)
        self.assertTrue(wire.aborted)
        house.run()
        self.assertEqual(fired, [None])
        house.chat.stop()
        self.assertEqual(house.clock.getDelayedCalls(), [])


class StopWithLinesTests(unittest.TestCase):
    """What was read, and only waited for its pace, was said before the house closed."""

    def setUp(self) -> None:
        self.house = House(rate=5, burst=20)
        self.bob, self.ana = self.house.enter("bob"), self.house.enter("ana")
        self.house.run(10)
        self.bob.read()
        self.head = self.house.journal.head
        self.lines = [f"line {number}" for number in range(60)]

    def all_is_said(self) -> None:
        self.house.run(1)
        heard = self.bob.read()
        self.assertEqual(heard[:60], [f"<ana> {line}" for line in self.lines])
        self.assertEqual(heard[-1], f"-- {GOODBYE}")
        self.assertGreaterEqual(self.house.journal.head, self.head + 60)

    def test_a_paste_is_stored_and_shown_to_its_end_before_all_are_parted_with(self) -> None:
        self.ana.say(*self.lines)
        self.house.run(0.1)
        self.assertTrue(self.ana.paused)
        self.house.factory.stop(GOODBYE)
        self.all_is_said()
        self.assertEqual(self.house.journal.head, self.head + 60)

    def test_so_is_one_whose_sender_has_ended_its_input(self) -> None:
        self.ana.say(*self.lines)
        self.ana.end()
        self.house.run(0.1)
        self.house.factory.stop(GOODBYE)
        self.all_is_said()

    def test_so_is_one_whose_sender_has_gone(self) -> None:
        self.ana.say(*self.lines)
        self.ana.lose()
        self.house.run(0.1)
        self.house.factory.stop(GOODBYE)
        self.all_is_said()
