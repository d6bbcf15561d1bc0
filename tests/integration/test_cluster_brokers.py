"""The brokers of a cluster fail: nothing is lost, nothing doubled.

A run that failed is repeated, as nearly as that is possible, with ``CHAT_SEED`` set to the
number that it printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from chatservice import messages
from chatservice.cluster.peers import IN_REACH, OUT_OF_REACH, WAIT
from tests.integration.brokers import Brokers
from tests.integration.cluster import UNREACHED, same_history
from tests.integration.company import ROOM, ClusterTestCase, all_of
from tests.integration.support import folder_for
from tests.integration.witness import Direct, Reader
from tests.profiles import NIGHTLY
from tests.welcome import in_room

PATIENT = ("--lease", "30")
"""Longer than brokers take to have another one that leads, and nodes to find it."""

_F = TypeVar("_F", bound=Callable[..., object])


def one_does(test: _F) -> _F:
    """Let a test have one broker, which is back sooner than several, but in full size."""
    test.one_does = True  # type: ignore[attr-defined]
    return test


class BrokerTests(ClusterTestCase):
    """Brokers are killed, and stand still."""

    troubles = UNREACHED

    def its_brokers(self) -> Brokers:
        """Return brokers that may be harmed: one, where that does, else three."""
        one = not NIGHTLY and getattr(getattr(self, self._testMethodName), "one_does", False)
        return Brokers(self, folder_for(self), 1 if one else 3)

    async def test_a_broker_is_killed_and_then_the_one_that_leads(self):
        nodes = await self.start(3, *PATIENT)
        talk, readers = await self.company(nodes, 6 if NIGHTLY else 3)
        for _ in range(4 if NIGHTLY else 1):
            leader = await deferToThread(self.brokers.leader, self.chat)
            for index in ((leader + self.choice.choice((1, 2))) % 3, leader):
                await self.at_random(0, 0.5)
                await deferToThread(self.brokers.kill, index)
                await talk.all_speak()
                if NIGHTLY or index != leader:
                    await deferToThread(self.brokers.start, index)
                    await self.current()
                    await talk.all_speak()
        await self.compare(nodes, talk, readers)

    @one_does
    async def test_all_brokers_are_killed_at_once(self):
        nodes = await self.start(2, *PATIENT)
        talk, readers = await self.company(nodes, 2)
        for index in range(self.brokers.count):
            self.brokers.kill(index)
        await all_of(readers, lambda one: one.has(f"-- {OUT_OF_REACH}"), "to be told")
        await self.at_random(0, 1)
        await deferToThread(self.brokers.start_all)
        await all_of(readers, lambda one: one.has(f"-- {IN_REACH}"), "to be told again")
        await talk.all_speak()
        await self.compare(nodes, talk, readers)

    @one_does
    async def test_who_comes_to_a_node_that_has_no_brokers_yet_waits_for_a_name(self):
        (first,) = await self.start(1, *PATIENT)
        ana = await Reader.come(first.port, "ana", [ROOM])
        ana.say("before")
        for index in range(self.brokers.count):
            self.brokers.kill(index)
        (second,) = await self.start(1, *PATIENT)
        bob, bot = Reader("bob"), Direct("bot", [ROOM])
        for one in (bob, bot):
            await one.reach(second.port)
        bob.say("bob", f"/join {ROOM}")
        await bob.until(lambda: bob.has(f"-- {WAIT}"), "to be told")
        await bot.until(lambda: bot.lines, "to be told")
        self.assertEqual(
            bot.lines, [messages.encode(messages.Notice(text=OUT_OF_REACH)).decode().strip()]
        )
        bot.wrong.clear()
        await deferToThread(self.brokers.start_all)
        await bob.until(lambda: bob.has(in_room(ROOM)), "the room")
        await bot.until(lambda: ROOM in bot.joined, "the room")
        for one in (bob, ana):
            one.say(f"{one.name} ends")
            await bot.until(lambda one=one: bot.saw(f"{one.name} ends"), "the end")
        self.assertEqual(bot.wrong, [])
        self.assertFalse([line for line in bob.lines if "missing" in line], bob.lines)
        for one in (ana, bob, bot):
            await one.hang_up()
        await same_history(self, [first, second])

    async def test_the_broker_that_leads_stands_still_for_a_while(self):
        nodes = await self.start(3, *PATIENT)
        talk, readers = await self.company(nodes, 6 if NIGHTLY else 3)
        window = await deferToThread(self.brokers.duplicate_window, self.chat)
        for _ in range(5 if NIGHTLY else 1):
            leader = await deferToThread(self.brokers.leader, self.chat)
            self.brokers.stop_signal(leader)
            until = time.monotonic() + window + self.choice.uniform(0.5, 6)
            if not NIGHTLY or self.choice.random() < 0.5:
                # Somebody else leads by then, and does not know what the old one was told at last.
                other = await deferToThread(self.brokers.leader, self.chat)
                self.assertNotEqual(other, leader)
                await talk.all_speak()
            await deferLater(reactor, max(0, until - time.monotonic()))
            self.brokers.cont(leader)
            await talk.all_speak()
            await self.current()
        await self.compare(nodes, talk, readers)

    async def current(self) -> None:
        """Wait until each broker has all."""
        deadline = time.monotonic() + 30
        while not await deferToThread(self.brokers.current, self.chat):
            self.assertLess(time.monotonic(), deadline, "the brokers do not catch up")
            await deferLater(reactor, 0.1)
