"""All sorts of clients talk at once, and all see the same, whatever happens to their connections.

There are two people at terminals, a client that is a part of the test, a bot that uses the library,
and somebody with telnet. All connections but that of telnet are dropped, again and again. A run
that failed is repeated, as nearly as that is possible, with ``CHAT_SEED`` set to the number that it
printed.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Sequence

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from chatservice.client import connect
from chatservice.journal.events import JOINED, LEFT, SAID
from tests.client.screen.tty import Tty
from tests.integration.proxy import HOST, How, Proxy, Way
from tests.integration.support import UNHURRIED, Server, folder_for
from tests.integration.test_client import COMMAND
from tests.integration.witness import (
    Bot,
    Journal,
    Sitter,
    Telnet,
    Watched,
    as_person,
    as_program,
    difference,
)
from tests.profiles import seed_of_run, size

DROPS = size(8, 100)
SECONDS = size(8.0, 300.0)
LINES = 150
"""Each says so many where nothing is dropped."""

ROOM = "lobby"

WELCOMED = {Way.UP: (180, 360), Way.DOWN: (400, 1200)}
"""Bytes of a connection after which a client is in again, usually."""


class AtTheTerminal:
    """Somebody who types and looks, in a thread.

    :ivar said: how many lines were typed.
    """

    def __init__(self, tty: Tty, name: str, seed: float, pace: float) -> None:
        self.name = name
        self.said = 0
        self._tty = tty
        self._pace = pace
        self._choice = random.Random(seed)
        self._over = threading.Event()

    def sit(self, ends: list[str]) -> None:
        """Talk until that is over, then look until all ends are to be seen."""
        due = time.monotonic()
        while not self._over.is_set() and self._tty.look(0.02):
            if time.monotonic() >= due:
                due += self._pace * self._choice.uniform(0.5, 1.5)
                self._tty.type(f"{self.name} {self.said}\r")
                self.said += 1
        self._tty.type(f"{self.name} ends\r")
        wanted = [f"> {end}" for end in ends]
        self._tty.until(lambda: all(end in "\n".join(self._above()) for end in wanted), str(wanted))

    def stop(self) -> None:
        """Say no more."""
        self._over.set()

    def shown(self) -> list[str]:
        """List what people said, as it stands on the screen and above."""
        found = [re.fullmatch(r"\[\d\d:\d\d\] (<\w+> \w+ \w+)", row) for row in self._above()]
        return [one[1] for one in found if one]

    def _above(self) -> list[str]:
        """List the rows above the prompt; none while that is not drawn."""
        rows = self._tty.everything
        prompts = [y for y, row in enumerate(rows) if row == ">" or row.startswith("> ")]
        return rows[: prompts[-1]] if prompts else []


class DropTests(TestCase):
    """A client, a bot, telnet and people at terminals in one room."""

    timeout = 240 + 2 * SECONDS

    def setUp(self) -> None:
        self.seed = seed_of_run()
        self.choice = random.Random(self.seed)
        self.server = Server(self, *UNHURRIED)

    async def sitter(self, name: str, proxy: Proxy | None = None) -> Sitter:
        """Take a seat."""
        endpoint = TCP4ClientEndpoint(reactor, HOST, self.server.port)
        sitter = Sitter(endpoint if proxy is None else proxy.endpoint, name, [ROOM])
        self.addCleanup(sitter.seat.stop)
        sitter.seat.start()
        await sitter.until(lambda: sitter.seat.connected, "a welcome")
        return sitter

    async def bot(self, name: str, proxy: Proxy | None = None) -> Bot:
        """Start a bot."""
        where = f"{HOST}:{self.server.port}" if proxy is None else proxy.address
        bot = Bot(await connect(where, name, rooms=[ROOM]))
        self.addCleanup(bot.stop)
        return bot

    def all_of(self, company: Sequence[Watched], ends: list[str]) -> Deferred[object]:
        """Wait until all have seen the ends."""
        return gatherResults(
            [
                one.until(lambda one=one, end=end: one.saw(end), repr(end))
                for one in company
                for end in ends
            ],
            consumeErrors=True,
        )

    def compare(self, *company: Sitter | Bot | Telnet) -> Journal:
        """Compare what all saw with what is stored, whose order is that of all."""
        journal = Journal(self.server.history)
        for one in company:
            self.assertEqual(one.wrong, [], one.name)
            origin = journal.origin_of(f"{one.name} ends")
            events = journal.seen_by(one.name, origin)
            if isinstance(one, Telnet):
                shown = [line for line in one.lines if line.startswith("<")]
                said = [event for event in events if event.kind == SAID]
                self.same(one.name, shown, as_person(said, origin, ROOM))
            else:
                self.same(one.name, one.seen, as_program(events, origin))
        return journal

    def same(self, what: str, got: list, wanted: list) -> None:
        """Compare two long lists."""
        if found := difference(got, wanted):
            self.fail(f"{what}, with CHAT_SEED={self.seed}: {found}")

    def said(self, journal: Journal, name: str, count: int) -> None:
        """Look whether all that somebody said is stored once, and in order."""
        texts = [e.text for e in journal.events if e.kind == SAID and e.author == name]
        self.same(f"said by {name}", texts, [f"{name} {n}" for n in (*range(count), "ends")])

    async def test_two_clients_a_bot_and_telnet_see_the_same_order(self):
        company = [
            await self.sitter("ana"),
            await self.sitter("bob"),
            await self.bot("deploy"),
            await Telnet.come(self, self.server.port, "tess"),
        ]
        for number in range(LINES):
            for one in company:
                one.say(ROOM, f"{one.name} {number}")
            if self.choice.random() < 0.3:
                # So there are many commits, and all talk in each.
                await deferLater(reactor, 0.01 * self.choice.random())
        for one in company:
            one.say(ROOM, f"{one.name} ends")
        await self.all_of(company, [f"{one.name} ends" for one in company])
        journal = self.compare(*company)
        for one in company:
            self.said(journal, one.name, LINES)

    async def test_each_line_is_on_each_screen_once_however_often_connections_drop(self):
        proxies = [Proxy(self, self.server.port) for _ in range(4)]
        tess = await Telnet.come(self, self.server.port, "tess")
        bob = await self.sitter("bob", proxies[0])
        deploy = await self.bot("deploy", proxies[1])
        company = [tess, bob, deploy]
        pace = 0.3 if SECONDS < 60 else 1.0
        people = []
        for name, proxy, window in (("ana", proxies[2], (80, 24)), ("dora", proxies[3], (40, 10))):
            folder = folder_for(self)
            environ = {"XDG_STATE_HOME": str(folder)}
            command = (*COMMAND, "--name", name, proxy.address)
            tty = Tty(self, command, *window, environ, folder)
            await deferToThread(tty.until_shown, "you are in #lobby")
            people.append(AtTheTerminal(tty, name, self.choice.random(), pace))
            self.addCleanup(people[-1].stop)

        ends = [f"{one.name} ends" for one in (*company, *people)]
        sitting = [deferToThread(person.sit, ends) for person in people]
        counts = dict.fromkeys((one.name for one in company), 0)

        def say() -> None:
            for one in company:
                if self.choice.random() < 0.7:
                    one.say(ROOM, f"{one.name} {counts[one.name]}")
                    counts[one.name] += 1

        talking = LoopingCall(say)
        talking.start(pace)
        self.addCleanup(lambda: talking.running and talking.stop())
        began = time.monotonic()
        await gatherResults([Deferred.fromCoroutine(self.drop(proxy)) for proxy in proxies])
        await deferLater(reactor, max(0, began + SECONDS - time.monotonic()))
        talking.stop()
        for person in people:
            person.stop()
        for one in company:
            one.say(ROOM, f"{one.name} ends")
        await self.all_of(company, ends)
        await gatherResults(sitting)

        journal = self.compare(*company)
        counts.update((person.name, person.said) for person in people)
        for name, count in counts.items():
            self.said(journal, name, count)
            self.assertEqual(len(journal.moves(JOINED, name)), 1, name)
            self.assertEqual(journal.moves(LEFT, name), [], name)
        lines = [f"<{e.author}> {e.text}" for e in journal.events if e.kind == SAID]
        for person in people:
            first = next(e.id for e in journal.moves(JOINED, person.name))
            before = sum(e.kind == SAID and e.id < first for e in journal.events)
            self.same(f"the screen of {person.name}", person.shown(), lines[before:])
        cuts = [proxy.cuts for proxy in proxies]
        print(
            f"{len(lines):,} lines, {cuts} drops in {time.monotonic() - began:.0f} s;"
            f" lost: {bob.losses} times"
        )
        self.assertEqual(cuts, [DROPS] * len(proxies))

    async def drop(self, proxy: Proxy) -> None:
        """Drop a connection again and again, at random bytes, in about the time that there is."""
        choice = random.Random(self.choice.random())
        end = time.monotonic() + SECONDS
        for number in range(DROPS):
            left = max(0.0, end - time.monotonic()) / (DROPS - number)
            await deferLater(reactor, left * choice.uniform(0.2, 1.2))
            way = choice.choice(list(Way))
            least, most = WELCOMED[way] if choice.random() < 0.85 else (0, 40)
            size = choice.randrange(least, most)
            await proxy.cut_after(way, size, choice.choice(list(How)))
