"""Everything of a cluster fails at random, one thing after the other and several at once.

It takes minutes, so it runs only at night. A run that failed is repeated, as nearly as that is
possible, with ``CHAT_SEED`` set to the number that it printed.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from chatservice.journal.events import SAID, Event
from tests.integration.brokers import Brokers
from tests.integration.cluster import UNREACHED, Node
from tests.integration.company import ROOM, ClusterTestCase, Talk
from tests.integration.network import Network
from tests.integration.proxy import Way
from tests.integration.support import folder_for
from tests.integration.witness import Reader
from tests.profiles import NOT_NIGHTLY
from tests.welcome import in_room

ROUNDS = 25
LONGEST = 7.0
"""Seconds until what failed is there again; more than two leases."""


class Person:
    """Somebody on a plain socket who talks, and comes back under another name when it is closed.

    :param port: of the node where they are.
    :ivar lives: one for each connection.
    :ivar said: how many lines were said in each.
    """

    def __init__(self, port: int, name: str, seed: float) -> None:
        self._port = port
        self._name = name
        self._choice = random.Random(seed)
        self._over = False
        self.lives: list[Reader] = []
        self.said: list[int] = []

    async def live(self) -> None:
        """Be there until told to stop, and say a last line then."""
        while not self._over:
            reader = Reader(f"{self._name}x{len(self.lives)}")
            try:
                await reader.reach(self._port)
            except ConnectError:
                await deferLater(reactor, 0.2)
                continue
            self.lives.append(reader)
            self.said.append(0)
            reader.say(reader.name, f"/join {ROOM}")
            mark = in_room(ROOM)
            await reader.until(
                lambda one=reader, mark=mark: one.gone.called or one.has(mark), mark, 60
            )
            reader.begins = len(reader.lines)
            while not (reader.gone.called or self._over):
                self._say_some(reader)
                await deferLater(reactor, self._choice.uniform(0.05, 0.3))
        self._say(self.lives[-1])

    def stop(self) -> None:
        """Say no more."""
        self._over = True

    def _say(self, reader: Reader) -> None:
        reader.say(f"{reader.name}.{self.said[-1]}")
        self.said[-1] += 1

    def _say_some(self, reader: Reader) -> None:
        if self._choice.random() < 0.3:
            # All want these, and one can have each.
            reader.say(f"/nick {self._choice.choice(('gold', 'silver', reader.name))}")
        for _ in range(self._choice.choice((0, 1, 1, 3))):
            self._say(reader)


class ChaosTests(ClusterTestCase):
    """Programs talk all the time."""

    skip = NOT_NIGHTLY
    timeout = 300 + 40 * ROUNDS
    troubles = UNREACHED

    def its_brokers(self) -> Brokers:
        """Return brokers of its own."""
        return Brokers(self, folder_for(self))

    async def test_whatever_fails_nothing_is_lost_or_doubled(self):
        networks = [Network(self, self.brokers) for _ in range(3)]
        self.nodes: list[Node] = []
        for network in networks:
            self.nodes += await self.start(1, urls=network.urls)
        talk = Talk(self, [node.port for node in self.nodes], 5, self.choice)
        await talk.begin()
        people = [Person(n.port, f"p{i}", self.choice.random()) for i, n in enumerate(self.nodes)]
        living = [Deferred.fromCoroutine(person.live()) for person in people]
        for person in people:
            self.addCleanup(person.stop)
        for number in range(ROUNDS):
            await talk.all_speak()
            count = self.choice.choice((1, 1, 1, 2, 2, 3))
            chosen = self.choice.sample(range(9), count)
            print(f"round {number}:", end=" ")
            failing = [self.failure(which // 3, which % 3, networks) for which in chosen]
            print(flush=True)
            await gatherResults(
                [Deferred.fromCoroutine(self.fail_for_a_while(*one)) for one in failing],
                consumeErrors=True,
            )
        await talk.all_speak()
        for person in people:
            person.stop()
        await gatherResults(living, consumeErrors=True)
        last = [f"{one.lives[-1].name}.{one.said[-1] - 1}" for one in people]
        await talk.sitters[0].until(lambda: all(map(talk.sitters[0].saw, last)), "the last lines")
        events = await self.compare(self.nodes, talk, [])
        for person in people:
            self.check_person(events, person)
        print(
            f"{sum(len(one.said) for one in talk.sitters):,} lines were stored; connections were"
            f" lost {sum(one.losses for one in talk.sitters)} times"
        )

    def check_person(self, events: Sequence[Event], person: Person) -> None:
        """Compare what somebody said and saw, in all lives, with what is stored."""
        said = [e for e in events if e.kind == SAID and e.room == ROOM]
        for reader, count in zip(person.lives, person.said, strict=True):
            own = [e.text for e in said if e.text.startswith(f"{reader.name}.")]
            wanted = [f"{reader.name}.{number}" for number in range(count)]
            # Whose node was killed has said what the node came to.
            known = len(own) if reader.gone.called else count
            self.same(f"said by {reader.name}", own, wanted[:known])
            lines = [
                f"<{e.author}> {e.text}" for e in said if not e.text.startswith(f"{reader.name}.")
            ]
            shown = [line for line in reader.shown if line.startswith("<")]
            if shown:
                first = lines.index(shown[0])
                self.same(f"shown to {reader.name}", shown, lines[first : first + len(shown)])
        for reader in person.lives:
            reader.transport.abortConnection()

    async def fail_for_a_while(
        self, fail: Callable[[], Any], mend: Callable[[], Any], seconds: float
    ) -> None:
        """Let something fail, and be there again."""
        await deferToThread(fail)
        await self.at_random(seconds, seconds)
        await deferToThread(mend)

    def failure(
        self, what: int, index: int, networks: list[Network]
    ) -> tuple[Callable[[], Any], Callable[[], Any], float]:
        """Choose how something fails: how that begins, ends, and how long it takes."""
        seconds = self.choice.uniform(0, LONGEST)
        node, network, brokers = self.nodes[index], networks[index], self.brokers
        still = self.choice.random() < 0.4
        if what == 0:
            how = "stands still" if still else "is killed"
            print(f"node {index} {how} for {seconds:.1f} s;", end=" ")
            if still:
                return (
                    lambda: node.signal(signal.SIGSTOP),
                    lambda: node.signal(signal.SIGCONT),
                    seconds,
                )
            return node.kill, lambda: self.again(index), seconds
        if what == 1:
            how = "stands still" if still else "is killed"
            print(f"broker {index} {how} for {seconds:.1f} s;", end=" ")
            if still:
                return lambda: brokers.stop_signal(index), lambda: brokers.cont(index), seconds
            return lambda: brokers.kill(index), brokers.start_all, seconds
        ways = self.choice.choice(((), tuple(Way), (Way.UP,), (Way.DOWN,)))
        how = "is frozen" if ways else "is cut"
        print(f"network {index} {how}, {[w.value for w in ways]}, for {seconds:.1f} s;", end=" ")
        return (lambda: network.freeze(*ways)) if ways else network.cut, network.mend, seconds

    def again(self, index: int) -> None:
        """Start a node again."""
        self.nodes[index] = self.nodes[index].again(self)
