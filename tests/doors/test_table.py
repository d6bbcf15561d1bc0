"""A door more: with a row in the table, its people talk with those of all others."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.python.failure import Failure
from twisted.trial import unittest

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.doors.dialog import MemberDialog
from chatservice.doors.factory import ChatFactory
from chatservice.doors.table import DOORS
from chatservice.journal.events import SAID, Event
from chatservice.journal.memory import MemoryJournal
from chatservice.limits import Limits
from chatservice.messages import Reply
from tests.doors.support import NOON, Collector, reactor


class BarsView:
    shows_own = greets = False

    def event(self, event: Event, here: bool) -> bytes:
        return f"{event.room}|{event.author}|{event.text}\r\n".encode()

    def own(self, event: Event) -> bytes:
        return b""

    def past(self, event: Event, before: int) -> bytes:
        return self.event(event, True)

    def reply(self, reply: Reply) -> bytes:
        return b""


class BarsDialog(MemberDialog):
    """A name behind ``>``, then lines that are said."""

    view = BarsView()
    longest = 100

    @staticmethod
    def recognises(first: bytes) -> bool:
        return first.startswith(b">")

    def outside(self, line: bytes) -> Deferred[None] | None:
        if not self._connection.place():
            return None
        entering = self._chat.attendance.enter(line[1:].decode(), self._connection, self.view)
        return self.come_in(entering, self._refused)

    def _refused(self, failure: Failure) -> None:
        self._connection.finish()

    def inside(self, member: Member, line: bytes) -> None:
        self._chat.say(member, "lobby", SAID, line.decode())


class ToyDoorTests(unittest.TestCase):
    timeout = 20

    async def setUp(self) -> None:
        limits = Limits(rate=0)
        self.chat = Chat(reactor, MemoryJournal(lambda: NOON), lambda: NOON, limits)
        # What a peer sends at once may take its time on a busy machine.
        self.factory = ChatFactory(reactor, self.chat, limits, (BarsDialog, *DOORS), silence=1.0)
        self.chat.start()
        self.factory.start()
        server = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.port = await server.listen(self.factory)

    async def tearDown(self) -> None:
        await self.port.stopListening()
        await self.factory.stop("the server is going down")
        await self.chat.stop()

    async def connect(self, first: bytes) -> Collector:
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        peer: Collector = await connectProtocol(client, Collector())
        peer.transport.write(first)
        return peer

    async def hears(self, peer: Collector, words: bytes) -> None:
        await peer.wait_for(lambda: words in peer.received)

    async def test_who_comes_by_it_talks_with_a_person_and_a_program(self) -> None:
        ana = await self.connect(b"ana\n")
        await self.hears(ana, b"you are in #lobby")
        bot = await self.connect(b'{"type":"hello","name":"bot"}\n')
        await self.hears(ana, b"bot joined")
        eve = await self.connect(b">eve\n")
        await self.hears(ana, b"eve joined")

        eve.transport.write(b"hello all\n")
        await self.hears(ana, b"<eve> hello all\r\n")
        await self.hears(bot, b'"text":"hello all"')
        ana.transport.write(b"hi eve\n")
        await self.hears(eve, b"ana|hi eve\r\n")
        bot.transport.write(b'{"type":"say","room":"lobby","text":"beep"}\n')
        await self.hears(eve, b"bot|beep\r\n")
        eve.transport.loseWriteConnection()
        await self.hears(ana, b"eve left")
        await eve.closed

        self.assertEqual(eve.received, b"lobby|ana|hi eve\r\nlobby|bot|beep\r\n")
        said = [json.loads(line) for line in bot.received.split(b"\r\n")[:-1]]
        self.assertEqual(
            [(one["author"], one["text"]) for one in said if one["type"] == "said"],
            [("eve", "hello all"), ("ana", "hi eve")],
        )
        for peer in (ana, bot):
            peer.transport.loseConnection()
            await peer.closed

    async def test_a_name_that_another_door_has_let_in_is_taken(self) -> None:
        ana = await self.connect(b"ana\n")
        await self.hears(ana, b"you are in #lobby")
        other = await self.connect(b">ana\n")
        await other.closed
        self.assertEqual(other.received, b"")
        ana.transport.loseConnection()
        await ana.closed
