"""What passes between connections and dialogs, seen by a dialog that does nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial import unittest

from chatservice.core.chat import Chat
from chatservice.doors.factory import ChatFactory
from chatservice.doors.listener import Listener
from chatservice.doors.seam import Connection
from chatservice.journal.memory import MemoryJournal
from chatservice.limits import Limits
from chatservice.messages import Code
from tests.doors.support import NOON, Certificate, Collector, House, Peer, reactor

IAC, DO, DONT, NOP = b"\xff", b"\xfd", b"\xfe", b"\xf1"
HIDE, SHOW = b"\xff\xfb\x01", b"\xff\xfc\x01"


class Parrot:
    """A dialog that repeats each line behind its number, and does what some of them say."""

    longest = 20
    telnet = True

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.heard: list[tuple[int, bytes]] = []

    def greet(self) -> None:
        self.connection.write(b"hello\r\n")

    def line(self, number: int, line: bytes) -> None:
        self.heard.append((number, line))
        if line == b"wait":
            self.connection.wait()
        elif line in (b"hide", b"show"):
            self.connection.echo(line == b"show")
        self.connection.write(b"%d %s\r\n" % (number, line))

    def too_long(self) -> None:
        self.connection.write(b"too long\r\n")

    def ended(self) -> None:
        self.connection.finish()

    def drained(self) -> None:
        """Nothing waits here."""

    def lost(self) -> None:
        self.connection.ignore()

    def replaced(self) -> None:
        """Nobody is in here."""

    def tell(self, *lines: str, code: Code | None = None) -> None:
        self.connection.write("".join(f"{line}\r\n" for line in lines).encode())


class ParrotDoor:
    """Lets everybody in.

    :ivar opened: the dialogs that were begun.
    """

    def __init__(self) -> None:
        self.opened: list[Parrot] = []

    def recognises(self, first: bytes) -> bool:
        return True

    def __call__(self, chat: Chat, connection: Connection) -> Parrot:
        self.opened.append(Parrot(connection))
        return self.opened[-1]


class ParrotTestCase(unittest.TestCase):
    def connect(self, **limits: int) -> tuple[Peer, Parrot]:
        door = ParrotDoor()
        self.house = House(doors=(door,), **limits)
        peer = self.house.connect()
        self.assertEqual(peer.hear(), ["hello"])
        (parrot,) = door.opened
        return peer, parrot


class NumberTests(ParrotTestCase):
    def test_the_lines_of_a_connection_are_counted(self) -> None:
        peer, parrot = self.connect(rate=0)
        peer.send(b"a\nb\r\n\nc")
        peer.send(b"\n" + b"x" * 30 + b"\nd\n")
        peer.end()
        self.assertEqual(parrot.heard, [(1, b"a"), (2, b"b"), (3, b""), (4, b"c"), (5, b"d")])
        self.assertEqual(peer.read()[-2:], ["too long", "5 d"])

    def test_the_next_line_is_given_when_the_last_one_is_handled(self) -> None:
        peer, parrot = self.connect(rate=0)
        peer.say("a", "wait", "b", "wait", "c")
        self.assertEqual(parrot.heard[-1], (2, b"wait"))
        parrot.connection.handled(2)
        self.assertEqual(parrot.heard[-1], (4, b"wait"))
        parrot.connection.handled(4)
        self.assertEqual(parrot.heard[-1], (5, b"c"))

    def test_no_line_is_given_that_is_not_wanted(self) -> None:
        peer, parrot = self.connect(rate=0)
        peer.say("wait", "b")
        parrot.connection.ignore()
        parrot.connection.handled(1)
        peer.say("c")
        self.assertEqual(parrot.heard, [(1, b"wait")])

    def test_each_connection_has_its_own_numbers(self) -> None:
        peer, parrot = self.connect(rate=0)
        peer.say("a", "b")
        other = self.house.connect()
        other.say("c")
        self.assertEqual((parrot.heard[-1][0], other.read()), (2, ["hello", "1 c"]))


class EchoTests(ParrotTestCase):
    """Whether a terminal shows what is typed."""

    def said(self, peer: Peer) -> bytes:
        data = peer.wire.value()
        peer.wire.clear()
        return data

    def test_telnet_is_told(self) -> None:
        peer, _ = self.connect()
        peer.send(IAC + NOP)
        self.said(peer)
        peer.say("hide")
        self.assertEqual(self.said(peer), HIDE + b"1 hide\r\n")
        peer.send(IAC + DO + b"\x01")
        self.assertEqual(self.said(peer), b"")
        peer.say("show")
        self.assertEqual(self.said(peer), SHOW + b"2 show\r\n")
        peer.send(IAC + DONT + b"\x01")
        self.assertEqual(self.said(peer), b"")

    def test_who_speaks_no_telnet_is_not(self) -> None:
        peer, _ = self.connect()
        peer.say("hide", "show")
        self.assertEqual(peer.read(), ["1 hide", "2 show"])


class Terminal(ProcessProtocol):
    """A program on a terminal.

    :ivar shown: what the terminal shows.
    """

    def __init__(self) -> None:
        self.shown = b""
        self.ended: Deferred[None] = Deferred()
        self._wanted: tuple[bytes, Deferred[None]] | None = None

    def outReceived(self, data: bytes) -> None:
        self.shown += data
        if self._wanted is not None and self._wanted[0] in self.shown:
            self._wanted, (_, waiting) = None, self._wanted
            waiting.callback(None)

    def until(self, words: bytes) -> Deferred[None]:
        """Wait until something is shown."""
        waiting: Deferred[None] = Deferred()
        self._wanted = words, waiting
        self.outReceived(b"")
        return waiting

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(None)


class RealTests(unittest.TestCase):
    """With real connections."""

    timeout = 60

    def setUp(self) -> None:
        limits = Limits(rate=0)
        self.chat = Chat(reactor, MemoryJournal(lambda: NOON), lambda: NOON, limits)
        self.door = ParrotDoor()
        self.factory = ChatFactory(reactor, self.chat, limits, (self.door,))
        self.chat.start()
        self.factory.start()

    async def tearDown(self) -> None:
        await self.factory.stop("the server is going down")
        await self.chat.stop()

    async def test_telnet_hides_what_is_typed_and_shows_it_again(self) -> None:
        telnet = shutil.which("inetutils-telnet") or shutil.which("telnet")
        if telnet is None:
            raise unittest.SkipTest("there is no telnet")
        endpoint = Listener(reactor, "tcp:0:interface=127.0.0.1 telnet")
        port = await endpoint.listen(self.factory)
        self.addCleanup(port.stopListening)
        terminal = Terminal()
        words = [telnet, "127.0.0.1", str(port.getHost().port)]
        process = reactor.spawnProcess(terminal, telnet, words, usePTY=True)
        await terminal.until(b"hello")
        for number, (typed, seen) in enumerate(
            ((b"one", 2), (b"hide", 2), (b"secret", 1), (b"show", 1), (b"two", 2)), 1
        ):
            terminal.shown = b""
            process.write(typed + b"\n")
            await terminal.until(b"%d %s\r\n" % (number, typed))
            self.assertEqual(terminal.shown.count(typed), seen, typed)
        process.signalProcess("KILL")
        await terminal.ended

    async def certificate(self, make: Callable[[Certificate], Any]) -> str | None:
        """Connect by TLS; return what the dialog is told that was shown."""
        server = Certificate()
        port = reactor.listenSSL(0, self.factory, server.asking, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        tcp = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        peer = await connectProtocol(wrapClientTLS(make(server), tcp), Collector())
        peer.transport.write(b"hi\n")
        await peer.wait_for(lambda: b"1 hi" in peer.received)
        told = self.door.opened[-1].connection.certificate
        peer.transport.loseConnection()
        await peer.closed
        return told

    async def test_the_certificate_that_a_peer_shows_is_told(self) -> None:
        shown = Certificate()
        told = await self.certificate(lambda server: server.client_with(shown))
        self.assertEqual(told, shown.fingerprint)
        self.assertRegex(told or "", "^[0-9a-f]{64}$")

    async def test_who_shows_none_has_none(self) -> None:
        self.assertIsNone(await self.certificate(lambda server: server.client))

    async def test_who_comes_without_tls_has_none(self) -> None:
        port = await Listener(reactor, "tcp:0:interface=127.0.0.1").listen(self.factory)
        self.addCleanup(port.stopListening)
        tcp = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        peer = await connectProtocol(tcp, Collector())
        peer.transport.write(b"hi\n")
        await peer.wait_for(lambda: b"1 hi" in peer.received)
        self.assertIsNone(self.door.opened[-1].connection.certificate)
        peer.transport.loseConnection()
        await peer.closed
