"""A node of a cluster, or its network, fails: nothing is lost, nothing doubled.

A run that failed is repeated, as nearly as that is possible, with ``CHAT_SEED`` set to the
number that it printed.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from chatservice import messages
from chatservice.cluster.peers import IN_REACH, OUT_OF_REACH, STALE
from chatservice.journal.events import JOINED, LEFT, SAID
from chatservice.text.wording import STORED_AGAIN, UNSTORED
from tests.integration.cluster import UNREACHED, Node, same_history
from tests.integration.company import ATTIC, ROOM, ClusterTestCase, Talk, all_of
from tests.integration.network import Network
from tests.integration.proxy import Way
from tests.integration.witness import Direct, Journal, Reader
from tests.profiles import NIGHTLY

HELD = 12


class NodeTests(ClusterTestCase):
    """A node is killed."""

    troubles = UNREACHED

    async def test_a_node_is_killed_in_the_midst_of_talk(self):
        nodes = await self.start(3)
        talk = Talk(self, [node.port for node in nodes], 6 if NIGHTLY else 3, self.choice)
        await talk.begin()
        ursula = await Reader.come(nodes[1].port, "ursula", [ROOM])
        rounds = 4 if NIGHTLY else 1
        for number in range(rounds):
            people = [await Reader.come(nodes[0].port, name, [ROOM]) for name in ("tess", "tom")]
            for one in people:
                one.say(*(f"{one.name}.{number}.{count}" for count in range(60)))
            await self.at_random(0, 0.3)
            await deferToThread(nodes[0].kill)
            thief = Reader("tess")
            await thief.reach(nodes[1].port)
            thief.say("tess")
            await thief.until(
                lambda thief=thief: thief.has("-- the name tess is taken"), "a refusal"
            )
            await talk.all_speak()
            await ursula.until(
                lambda number=number: all(
                    len(self.left(ursula, name)) == number + 1 for name in ("tess", "tom")
                ),
                "them to be shown as left",
            )
            await self.comes(thief, "tess")
            thief.say("/quit")
            await thief.gone
            nodes[0] = await deferToThread(nodes[0].again, self)
            await talk.all_speak()
        await talk.end()
        await same_history(self, nodes)
        self.check_sitters(nodes[2].history, talk.sitters)
        journal = Journal(nodes[0].history)
        for name in ("tess", "tom"):
            self.assertEqual(len(self.left(ursula, name)), rounds)
            said = [e.text for e in journal.events if e.kind == SAID and e.author == name]
            for number in range(rounds):
                got = [text for text in said if text.startswith(f"{name}.{number}.")]
                self.assertEqual(got, [f"{name}.{number}.{count}" for count in range(len(got))])
        await ursula.hang_up()

    async def test_a_node_stands_still_for_longer_than_its_lease(self):
        far, near = await self.start(2)
        bob = await Reader.come(near.port, "bob", [ROOM])
        talk = Talk(self, [far.port], 2, self.choice)
        await talk.begin()
        await talk.all_speak()
        ana = await Reader.come(far.port, "ana", [ROOM])
        carl = await Reader.come(far.port, "carl", [ROOM])
        await bob.until(lambda: bob.has("-- carl joined"), "them to come")
        begin = len(bob.shown)
        far.signal(signal.SIGSTOP)
        for one in (ana, carl):
            one.say(*(f"{one.name} {count}" for count in range(HELD)))
        gone = re.compile("-- (ana and carl|carl and ana) left")
        await bob.until(lambda: any(map(gone.match, bob.shown)), "the lease")
        thief = await Reader.come(near.port, "carl", [ROOM])
        thief.say("I am carl")
        far.signal(signal.SIGCONT)
        for name, said in (("ana", "ana"), ("carl2", "carl")):
            line = f"<{name}> {said} {HELD - 1}"
            await bob.until(lambda line=line: bob.has(line), line)
        await talk.end()
        events = await same_history(self, [far, near])
        self.check_sitters(near.history, talk.sitters)
        self.check_readers(near.history, [bob])
        shown = [line for line in bob.shown[begin:] if re.match(r"-- [^#]*\b(ana|carl)", line)]
        self.assertRegex("\n".join(shown), r"\A.* left\n-- carl joined\n(-- .*joined\n?)+\Z")
        for name, said in (("ana", "ana"), ("carl2", "carl")):
            own = [e.text for e in events if e.kind == SAID and e.author == name]
            self.assertEqual(own, [f"{said} {count}" for count in range(HELD)])
        self.assertEqual(
            [e.text for e in events if e.author == "carl" and e.kind == SAID], ["I am carl"]
        )
        for one in (ana, bob, carl, thief):
            await one.hang_up()

    def left(self, reader: Reader, name: str) -> list[str]:
        """List where somebody is shown to leave the current room."""
        names = rf"-- ([^#]*\b)?{name}\b[^:]* left"
        return [line for line in reader.shown if re.match(names, line)]

    async def comes(self, reader: Reader, name: str) -> None:
        """Ask for a name until it is given."""
        deadline = time.monotonic() + 20
        while not reader.has(f"-- hello {name}"):
            self.assertLess(time.monotonic(), deadline, reader.lines)
            answers = len(reader.lines)
            reader.say(name)
            await reader.until(lambda n=answers: len(reader.lines) > n, "an answer")
            await deferLater(reactor, 0.2)


class FileTests(ClusterTestCase):
    """A node's own file is not where it was."""

    troubles = UNREACHED

    async def test_a_file_is_moved_and_put_back(self):
        node, other = await self.start(2)
        ana = await Reader.come(node.port, "ana", [ROOM])
        bob = await Reader.come(other.port, "bob", [ROOM])
        away = node.folder / "away"
        for number in range(2):
            node.history.rename(away)
            begin = len(ana.lines)
            await ana.until(lambda b=begin: f"-- {UNSTORED}" in ana.lines[b:], "to be told")
            self.assertIn(f"{node.history} was moved or deleted: put it back", node.log)
            ana.say(f"waits {number}")
            bob.say(f"goes on {number}")
            away.rename(node.history)
            await ana.until(lambda n=number: ana.has(f"<bob> goes on {n}"), "what was said")
            await ana.until(lambda b=begin: f"-- {STORED_AGAIN}" in ana.lines[b:], "to be told")
            await bob.until(lambda n=number: bob.has(f"<ana> waits {n}"), "what waited")
        said = [e.text for e in await same_history(self, [node, other]) if e.kind == SAID]
        self.assertEqual(sorted(said), ["goes on 0", "goes on 1", "waits 0", "waits 1"])
        self.assertNotIn("can't be reached: /", node.log)
        for one in (ana, bob):
            await one.hang_up()


class NetworkTests(ClusterTestCase):
    """The network between a node and its brokers fails; the other node notices nothing."""

    troubles = UNREACHED

    def failures(self) -> list[tuple[str, ...]]:
        """List how it fails one time after the other: in all ways, or in one for the sample."""
        found = [("cut",), ("freeze",), ("freeze", "up"), ("freeze", "down")]
        return found if NIGHTLY else [self.choice.choice(found)]

    def fail_network(self, network: Network, how: str, *ways: str) -> None:
        """Let it fail."""
        print("the network:", how, *ways)
        getattr(network, how)(*map(Way, ways))

    async def nodes(self, lease: int) -> tuple[Network, Node, Node]:
        """Start a node whose network may fail, and another one."""
        network = Network(self, self.brokers)
        (far,) = await self.start(1, "--lease", str(lease), urls=network.urls)
        (near,) = await self.start(1, "--lease", str(lease))
        return network, far, near

    async def test_a_node_is_cut_off_for_less_than_its_lease(self):
        failures = self.failures()
        network, far, near = await self.nodes(30)
        ana = await Reader.come(far.port, "ana", [ROOM])
        bob = await Reader.come(near.port, "bob", [ROOM])
        talk = Talk(self, [far.port], 2, self.choice)
        await talk.begin()
        for number, fail in enumerate(failures):
            await talk.all_speak()
            bob.say(f"before {number}")
            await ana.until(lambda n=number: ana.has(f"<bob> before {n}"), "what was before")
            begin = len(ana.lines)
            self.fail_network(network, *fail)
            await ana.until(lambda b=begin: f"-- {OUT_OF_REACH}" in ana.lines[b:], "to be told")
            held = [f"held {number}.{count}" for count in range(HELD)]
            ana.say(*held)
            bob.say(*(f"elsewhere {number}.{count}" for count in range(HELD)))
            last = len(ana.lines)
            ana.say("/who", "/history 1000")
            await ana.until(
                lambda last=last: f"-- {STALE}" in ana.lines[last:], "to be told who may be there"
            )
            await ana.until(
                lambda last=last, n=number: any(
                    line.endswith(f"<bob> before {n}") for line in ana.lines[last:]
                ),
                "what was before",
            )
            self.assertFalse(bob.has("<ana> held " + str(number)))
            begin = len(ana.lines)
            network.mend()
            await ana.until(lambda b=begin: f"-- {IN_REACH}" in ana.lines[b:], "to be told again")
            await bob.until(lambda held=held: bob.has(f"<ana> {held[-1]}"), "what was held")
        await talk.end()
        events = await same_history(self, [far, near])
        self.check_sitters(far.history, talk.sitters)
        self.assertEqual([e for e in events if e.kind == LEFT and e.room != ATTIC], [])
        self.check_readers(near.history, [bob])
        said = [e.text for e in events if e.kind == SAID and e.author == "ana"]
        wanted = [
            f"held {number}.{count}" for number in range(len(failures)) for count in range(HELD)
        ]
        self.assertEqual(said, wanted)
        for one in (ana, bob):
            await one.hang_up()

    async def test_a_node_is_cut_off_for_longer_than_its_lease(self):
        failures = self.failures()
        network, far, near = await self.nodes(3)
        bob = await Reader.come(near.port, "bob", [ROOM])
        bot = await Direct.come(far.port, "bot", [ROOM])
        bot.say(ROOM, "bot 1")
        await bot.until(lambda: bot.saw("bot 1"), "its receipt")
        sitting = Talk(self, [far.port], 1, self.choice)
        await sitting.begin()
        await sitting.all_speak()
        for number, fail in enumerate(failures):
            names = [f"ana{number}x", f"carl{number}x"]
            ana, carl = people = [await Reader.come(far.port, name, [ROOM]) for name in names]
            await bob.until(lambda names=names: all(map(self.shown(bob, JOINED), names)), "them")
            self.fail_network(network, *fail)
            await all_of(people, lambda one: one.has(f"-- {OUT_OF_REACH}"), "to be told")
            for one in people:
                one.say(*(f"{one.name} {count}" for count in range(HELD)))
            if not number:
                bot.say(ROOM, "bot 2")
            await bob.until(lambda names=names: all(map(self.shown(bob, LEFT), names)), "the lease")
            thief = await Reader.come(near.port, carl.name, [ROOM])
            if not number:
                bot = await self.goes_on_at(near, bot)
            network.mend()
            await all_of(people, lambda one: one.has(f"-- {IN_REACH}"), "to be told again")
            other = f"{carl.name}2"
            await carl.until(
                lambda one=carl, other=other: any(other in x for x in one.lines), "a new name"
            )
            for name, said in ((ana.name, ana.name), (other, carl.name)):
                line = f"<{name}> {said} {HELD - 1}"
                await bob.until(lambda line=line: bob.has(line), line)
                came = self.shown(bob, JOINED)(name)
                self.assertTrue(came, name)
                first = bob.shown.index(f"<{name}> {said} 0")
                self.assertLess(bob.shown.index(came[-1]), first)
            for one in (*people, thief):
                one.say("/quit")
                await one.gone
        await sitting.end()
        events = await same_history(self, [far, near])
        self.check_sitters(near.history, sitting.sitters)
        self.check_readers(near.history, [bob])
        for number in range(len(failures)):
            for name, author in (("ana", f"ana{number}x"), ("carl", f"carl{number}x2")):
                said = [e.text for e in events if e.kind == SAID and e.author == author]
                self.assertEqual(said, [f"{name}{number}x {count}" for count in range(HELD)])
        said = [e.text for e in events if e.kind == SAID and e.author == "bot"]
        self.assertEqual(said, ["bot 1", "bot 2", "bot 3"])
        gone = [
            e for e in events if e.kind == LEFT for name in e.author.split(" ") if name == "bot"
        ]
        self.assertEqual(gone, [])
        for one in (bob, bot):
            await one.hang_up()

    def shown(self, reader: Reader, kind: str) -> Callable[[str], list[str]]:
        """Return what lists where somebody is shown to come or go."""

        def find(name: str) -> list[str]:
            return [
                line
                for line in reader.lines
                if line.startswith("-- ")
                and f" {kind}" in line
                and name in line.replace(",", "").split(" ")
            ]

        return find

    async def goes_on_at(self, node: Node, bot: Direct) -> Direct:
        """Have a program come back at another node, and say again what it has no receipt for."""
        again = Direct("bot", [ROOM], token=bot.welcome.token, since=bot.seen[-1].id)
        again._said = {2: "bot 2", 3: "bot 3"}
        await again.reach(node.port)
        await again.until(lambda: again.welcome, "a welcome")
        self.assertTrue(again.welcome.resumed)
        self.assertEqual(again.welcome.seq, 1)
        for seq, text in again._said.items():
            again.ask(messages.Say(room=ROOM, text=text, seq=seq))
        await again.until(lambda: again.saw("bot 3"), "its receipts")
        await bot.hang_up()
        return again
