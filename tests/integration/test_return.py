"""Whoever has a seat comes back to it however suddenly the server ends, and nobody notices.

Mostly it is killed, as by ``kill -9``; at times it is stopped, and has the time to do that well.

The moments of the kills are random: a run that failed is repeated, as nearly as that is possible,
with ``CHAT_SEED`` set to the number that it printed.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.journal.events import JOINED, LEFT
from tests.integration.brokers import lasting_ports
from tests.integration.proxy import HOST
from tests.integration.support import UNHURRIED, Server, folder_for
from tests.integration.witness import (
    Direct,
    Journal,
    Reader,
    Sitter,
    as_person,
    as_program,
    difference,
)
from tests.profiles import seed_of_run, size

ROUNDS = size(3, 100)
ROOMS = ("den", "hall")
SITTERS = ("ana", "bob", "cleo", "dora", "emil")
PEOPLE = ("tess", "tom")
LONGEST_LIFE = 1.2
"""Seconds after which a server is killed at the latest."""

BEAT = 0.04
MOST_UNSTORED = 300
"""So much is said while there is no server, and then no more."""

PAST = re.compile(r"\[(\d\d:\d\d|\w+ -> \w+)\] |-- ")
"""How what is shown of the past begins, and what the service says."""


def start(case: TestCase, port: int, folder: Path) -> Deferred[Server]:
    """Start a server, while everybody goes on."""
    listen = (f"tcp:{port}:interface={HOST}",)
    return deferToThread(Server, case, *UNHURRIED, listen=listen, folder=folder)


class Talker:
    """Has somebody say numbered lines, in bursts, until told to stop."""

    def __init__(self, sitter: Sitter, seed: float) -> None:
        self._sitter = sitter
        self._choice = random.Random(seed)
        self._count = 0
        self._loop = LoopingCall(self._say_some)

    def start(self) -> None:
        """Talk from now on."""
        self._loop.start(BEAT * self._choice.uniform(0.7, 1.3), now=False)

    def stop(self) -> None:
        """Say no more."""
        if self._loop.running:
            self._loop.stop()

    def _say_some(self) -> None:
        choice, sitter = self._choice, self._sitter
        if len(sitter.seat.unstored) > MOST_UNSTORED:
            return
        for _ in range(choice.choice((0, 1, 1, 2, 9))):
            self._count += 1
            text = f"{sitter.name}.{self._count}" + choice.choice(("", " x", " " + "x" * 300))
            if choice.random() < 0.1:
                to = choice.choice([name for name in SITTERS if name != sitter.name])
                sitter.talk(messages.Private(to=to, text=text))
            else:
                sitter.say(choice.choice(ROOMS), text)


class ReturnTests(TestCase):
    """The server ends under those who have a seat and those who have none, and is back soon."""

    timeout = 120 + 15 * ROUNDS

    async def test_whoever_has_a_seat_misses_nothing(self):
        seed = seed_of_run()
        choice = random.Random(seed)
        folder, (port,) = folder_for(self), lasting_ports(1)
        server = await start(self, port, folder)
        endpoint = TCP4ClientEndpoint(reactor, HOST, port)
        sitters = [Sitter(endpoint, name, ROOMS) for name in SITTERS]
        talkers = [Talker(sitter, choice.random()) for sitter in sitters]
        for sitter in sitters:
            self.addCleanup(sitter.seat.stop)
            sitter.seat.start()
        # Before somebody is here, nobody can write to them.
        await self.all_of(sitters, lambda one: one.seat.connected, "a welcome")
        for talker in talkers:
            talker.start()
            self.addCleanup(talker.stop)

        lives: list[Reader] = []
        for number in range(ROUNDS):
            people = [await Reader.come(port, name, ROOMS) for name in PEOPLE]
            lives += people
            for person in people:
                person.say(*(f"{person.name}.{number}.{count}" for count in range(20)))
            if choice.random() < 0.7:
                await self.all_of(sitters, lambda one: one.seat.connected, "a welcome again")
            # Nothing is waited for: it is to die at a random moment.
            await deferLater(reactor, choice.uniform(0, LONGEST_LIFE))
            if choice.random() < 0.8:
                server.kill()
            else:
                # It waits for those who read; that is here.
                await deferToThread(server.stop)
            await gatherResults([person.gone for person in people])
            server = await start(self, port, folder)

        for talker in talkers:
            talker.stop()
        await self.all_of(sitters, lambda one: not one.seat.unstored, "all to be stored")
        for sitter in sitters:
            sitter.say(ROOMS[0], f"{sitter.name} ends")
        ends = [f"{name} ends" for name in SITTERS]
        await self.all_of(sitters, lambda one: all(map(one.saw, ends)), "the ends")
        journal = Journal(server.history)
        self.check_sitters(journal, sitters)
        self.check_people(journal, lives)
        print(
            f"{sum(len(one.said) for one in sitters):,} lines were stored and"
            f" {sum(len(one.seen) for one in sitters):,} things seen in {ROUNDS} rounds;"
            f" connections were lost {sum(one.losses for one in sitters)} times"
        )

    def all_of(self, sitters: list[Sitter], ready: Any, what: str) -> Deferred[Any]:
        """Wait until something is so for each."""
        return gatherResults([one.until(lambda one=one: ready(one), what) for one in sitters])

    def check_sitters(self, journal: Journal, sitters: list[Sitter]) -> None:
        """Compare what those who have a seat said and saw with what is stored."""
        for sitter in sitters:
            self.assertEqual(sitter.wrong, [], sitter.name)
            said = [sent.request.text for sent in sitter.said]
            wanted = sorted((sent.id or 0, sent.request.text) for sent in sitter.said)
            self.same(f"stored of {sitter.name}", journal.said(said), wanted)
            origin = journal.origin_of(f"{sitter.name} ends")
            told = as_program(journal.seen_by(sitter.name, origin), origin)
            self.same(f"told to {sitter.name}", sitter.seen, told)
            came = sorted(event.room for event in journal.moves(JOINED, sitter.name))
            self.assertEqual(came, sorted(ROOMS), f"{sitter.name} came")
            self.assertEqual(journal.moves(LEFT, sitter.name), [], f"{sitter.name} left")

    def check_people(self, journal: Journal, lives: list[Reader]) -> None:
        """Compare what people said and saw, up to the kill, with what is stored."""
        for number, reader in enumerate(lives):
            which = f"{reader.name}, life {number}"
            own = [e for e in journal.events if e.author == reader.name and e.room in ROOMS]
            texts = [e.text for e in own if e.text.startswith(f"{reader.name}.{number // 2}.")]
            said = [f"{reader.name}.{number // 2}.{count}" for count in range(20)]
            self.same(f"stored of {which}", texts, said[: len(texts)])

            # Nobody was shown to leave: a life ends where the next begins.
            came = [e.id for e in journal.moves(JOINED, reader.name) if e.room == ROOMS[0]]
            began, ended = [*came, 1 << 62][number // 2 : number // 2 + 2]
            events = journal.seen_by(reader.name, None, began - 1, ended - 1)
            others = [e for e in events if e.room in ROOMS and e.author != reader.name]
            lines = [x for x in as_person(others, 0, ROOMS[-1]) if not PAST.match(x)]
            shown = [line for line in reader.shown if not PAST.match(line)]
            if shown:
                first = lines.index(shown[0])
                self.same(f"shown to {which}", shown, lines[first : first + len(shown)])
            for line in reader.shown:
                self.assertNotRegex(line, rf"^-- .*\b({'|'.join(SITTERS)})\b.* (joined|left)")

    def same(self, what: str, got: list, wanted: list) -> None:
        """Compare two long lists."""
        if found := difference(got, wanted):
            self.fail(f"{what}: {found}")

    async def test_nobody_else_has_the_name_meanwhile(self):
        folder, (port,) = folder_for(self), lasting_ports(1)
        server = await start(self, port, folder)
        bot = await Direct.come(port, "bot", ["den"])
        bot.say("den", "I have my token")
        await bot.until(lambda: bot.saw("I have my token"), "its receipt")
        token, since = bot.welcome.token, bot.seen[-1].id
        server.kill()
        await bot.gone

        server = await start(self, port, folder)
        thief = Reader("bot")
        await thief.reach(port)
        thief.say("bot")
        await thief.until(lambda: thief.has("-- the name bot is taken"), "a refusal")
        await thief.hang_up()
        again = Direct("bot", ["den"], token=token, since=since)
        await again.reach(port)
        await again.until(lambda: again.welcome, "a welcome")
        self.assertTrue(again.welcome.resumed)
        again.say("den", "I am back")
        await again.until(lambda: again.saw("I am back"), "its receipt")
        await again.hang_up()
        self.assertEqual(Journal(server.history).moves(LEFT, "bot"), [])
