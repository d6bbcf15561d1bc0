"""Many nodes are one chat: the same people, names and rooms, and everything in the same order.

Nothing fails here but what is stopped on purpose.
A run that failed is repeated, as nearly as that is possible, with ``CHAT_SEED`` set to the
number that it printed.
"""

from __future__ import annotations

import re

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from chatservice import messages
from chatservice.journal.events import JOINED, LEFT, SAID
from tests.integration.cluster import same_history, stored
from tests.integration.company import ROOM, ClusterTestCase, all_of
from tests.integration.support import (
    LOOPBACK,
    TWISTD,
    UNHURRIED,
    Client,
    Server,
    eventually,
    run,
)
from tests.integration.witness import OWN, Direct, Reader
from tests.profiles import NIGHTLY
from tests.welcome import in_room

MEMBERS = 60 if NIGHTLY else 12
LINES = 40 if NIGHTLY else 12
CLAIMS = 100


class OrderTests(ClusterTestCase):
    """Who speaks anywhere is heard everywhere."""

    async def test_all_members_on_all_nodes_see_the_same_and_so_do_the_files(self):
        nodes = await self.start(3)
        directs: list[Direct] = []
        readers: list[Reader] = []
        for number in range(MEMBERS):
            port = nodes[number % 3].port
            if number // 3 % 2:
                directs.append(await Direct.come(port, f"d{number}", [ROOM]))
            else:
                readers.append(await Reader.come(port, f"r{number}", [ROOM]))
        for reader in readers:
            reader.begins = len(reader.lines)
        for number in range(LINES):
            for direct in directs:
                direct.say(ROOM, f"{direct.name} {number}")
            for reader in readers:
                reader.say(f"{reader.name} {number}")
            if self.choice.random() < 0.5:
                # So there are many entries, and all talk in each.
                await deferLater(reactor, 0.02 * self.choice.random())
        company = [*directs, *readers]
        for one in company:
            end = f"{one.name} ends"
            one.say(ROOM, end) if isinstance(one, Direct) else one.say(end)
        wanted = MEMBERS * (LINES + 1)
        await gatherResults([self.all_said(one, wanted) for one in company], consumeErrors=True)

        events = [e for e in await same_history(self, nodes) if e.kind == SAID]
        self.assertEqual((len(events), len({e.text for e in events})), (wanted, wanted))
        talk = [(e.id, e.author, e.text) for e in events]
        for direct in directs:
            self.assertEqual(direct.wrong, [])
            seen = [
                (s.id, s.author or direct.name, s.text)
                for s in direct.seen
                if s.kind in (SAID, OWN)
            ]
            self.assertEqual(seen, talk, direct.name)
        self.check_readers(nodes[0].history, readers)
        for one in company:
            own = [e.text for e in events if e.author == one.name]
            said = [f"{one.name} {number}" for number in (*range(LINES), "ends")]
            self.assertEqual(own, said)
            await one.hang_up()

    def all_said(self, one: Direct | Reader, wanted: int) -> Deferred[None]:
        """Wait until somebody has seen so much talk, own words with it."""
        looked = count = 0
        if isinstance(one, Reader):
            count = LINES + 1

        def ready() -> bool:
            nonlocal looked, count
            if isinstance(one, Direct):
                count += sum(s.kind in (SAID, OWN) for s in one.seen[looked:])
                looked = len(one.seen)
            else:
                count += sum(line.startswith("<") for line in one.shown[looked:])
                looked = len(one.shown)
            return count >= wanted

        return one.until(ready, f"{wanted} lines")


class ClaimTests(ClusterTestCase):
    """Many want one name at once."""

    async def test_one_name_is_given_to_one_of_many_who_claim_it_anywhere(self):
        nodes = await self.start(3)
        for name, words in (("gold", "gold\n"), ("silver", None), ("iron", None)):
            # Of iron, people and programs have their share.
            hello = messages.encode(messages.Hello(name=name))
            claims = [words.encode() if words else hello for _ in range(CLAIMS)]
            if name == "iron":
                claims = [b"iron\n" if number % 2 else hello for number in range(CLAIMS)]
            peers = [Reader(f"{name}{number}") for number in range(CLAIMS)]
            for number, peer in enumerate(peers):
                await peer.reach(nodes[number % 3].port)
            for peer, claim in zip(peers, claims, strict=True):
                peer.transport.write(claim)
            won, lost = re.compile(r"-- hello|.*welcome\""), re.compile(r".*( is taken|name_taken)")
            await all_of(
                peers,
                lambda one, won=won, lost=lost: any(
                    won.match(x) or lost.match(x) for x in one.lines
                ),
                f"an answer to {name}",
            )
            winners = [one.name for one in peers if any(won.match(x) for x in one.lines)]
            self.assertEqual(len(winners), 1, winners)
            for one in peers:
                await one.hang_up()
        for name in ("gold", "silver", "iron"):
            events = await same_history(self, nodes)
            came = [e for e in events if e.kind == JOINED and name in e.author.split(" ")]
            self.assertEqual(len(came), 1, name)


class BeginningTests(ClusterTestCase):
    """Nodes that begin with nothing, with a history, and with that of another chat."""

    async def test_a_node_with_an_empty_disk_tells_what_was_before_it(self):
        first, second = await self.start(2)
        ana = await Reader.come(first.port, "ana", [ROOM])
        bob = await Reader.come(second.port, "bob", [ROOM])
        ana.say("/topic of old times", *(f"ana {number}" for number in range(30)))
        bob.say(*(f"bob {number}" for number in range(30)))
        for one, end in ((ana, "<bob> bob 29"), (bob, "<ana> ana 29")):
            await one.until(lambda one=one, end=end: one.has(end), end)

        (third,) = await self.start(1)
        cleo = await Reader.come(third.port, "cleo", [ROOM])
        cleo.say("/topic", "/history 100")
        await cleo.until(lambda: any("of old times" in x for x in cleo.shown), "the topic")
        await cleo.until(lambda: cleo.has("-- the last 60 lines of #den"), "what was said")
        cleo.say("that was all")
        await bob.until(lambda: bob.has("<cleo> that was all"), "the next line")
        (begin,) = (n for n, x in enumerate(cleo.shown) if x.startswith("-- the last 60 "))
        past = [x.partition(" ")[2] for x in cleo.shown[begin + 1 :]]
        events = await same_history(self, [first, second, third])
        said = [f"<{e.author}> {e.text}" for e in events if e.kind == SAID]
        self.assertEqual([line for line in past if line.startswith("<")], said[:-1])
        cleo.say("I am new")
        await ana.until(lambda: ana.has("<cleo> I am new"), "the new one")
        for one in (ana, bob, cleo):
            await one.hang_up()
        await same_history(self, [first, second, third])

    def test_a_chat_that_was_alone_becomes_the_first_of_a_cluster(self):
        alone = Server(self, *UNHURRIED)
        ana = Client(self, alone.address, "ana")
        ana.say("/topic all alone", *(f"alone {number}" for number in range(50)))
        ana.ask("/who", until="  ana\r\n")
        ana.close()
        eventually(lambda: any(e.kind == LEFT for e in stored(alone.history)), "the end")
        alone.stop()
        before = stored(alone.history)

        first = self.node(folder=alone.folder)
        second = self.node()
        bob = Client(self, second.address, "bob")
        bob.ask("/topic", until="all alone")
        cleo = Client(self, first.address, "cleo")
        cleo.say("not alone any more")
        bob.read_until("<cleo> not alone any more\r\n")
        # Each node is told by the log, and may be the first one that is.
        cleo.ask("/who", until="bob")
        events = stored(first.history)
        self.assertEqual(events[: len(before)], before)
        self.assertGreater(events[len(before)].id, before[-1].id)
        (said,) = [e for e in stored(second.history) if e.text == "not alone any more"]
        eventually(lambda: said in stored(first.history), "the same on the first node")
        self.refused(alone_again=Server(self, *UNHURRIED))

    def refused(self, alone_again: Server) -> None:
        """A file with another history is that of another chat."""
        dora = Client(self, alone_again.address, "dora")
        dora.say("this is another chat")
        dora.ask("/who", until="  dora\r\n")
        dora.close()
        alone_again.stop()
        options = ("--cluster", self.brokers.urls, "--cluster-name", self.chat)
        chat = ("-n", "--pidfile=", "chat", "--listen", LOOPBACK, *options)
        done = run(TWISTD, *chat, folder=alone_again.folder)
        self.assertRegex(done.stderr, r"\Achat: [^\n]*another chat\n\Z")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("Traceback", done.stdout)


class PeopleTests(ClusterTestCase):
    """People on one node, and those on others."""

    def test_people_on_different_nodes_are_together(self):
        nodes = [self.node() for _ in range(3)]
        ana = Client(self, nodes[0].address, "ana")
        bob = Client(self, nodes[1].address, "bob")
        cleo = Client(self, nodes[2].address, "cleo")
        for one in (ana, bob):
            one.read_until("-- cleo joined\r\n")
        for one in (ana, bob, cleo):
            self.there(one, "lobby", "ana", "bob", "cleo")

        ana.say("/msg cleo psst")
        cleo.read_until("[ana -> you] psst\r\n")
        ana.read_until("[you -> cleo] psst\r\n")
        cleo.say("/reply what?")
        ana.read_until("[cleo -> you] what?\r\n")
        bob.say("/me waves")
        for one in (ana, cleo):
            self.assertNotIn("psst", one.read_until("* bob waves\r\n"))
        self.assertNotIn("psst", bob.ask("/history", until="waves\r\n"))

        refusal = re.compile("^-- the name ana is taken.*\n", re.M)
        bob.ask("/nick ana", until=refusal)
        bob.ask("/nick robert", until="-- you are robert now\r\n")
        for one in (ana, cleo):
            one.read_until("-- bob is now robert\r\n")
        ana.say("/msg robert hi")
        bob.read_until("[ana -> you] hi\r\n")
        # The old name is free, everywhere.
        dora = Client(self, nodes[2].address, "bob")
        dora.ask("/nick robert", until=re.compile("^-- the name robert is taken.*\n", re.M))
        dora.ask("/join attic", until=in_room("attic"))
        self.there(ana, "attic", "bob")
        dora.ask("/leave attic", until=re.compile("^-- .*attic.*\n", re.M))

        cleo.say("that is all", "/quit good night")
        cleo.read_rest()
        for one in (ana, bob):
            one.read_until("-- cleo left (good night)\r\n")
        bob.close()
        ana.read_until("-- robert left")
        self.there(ana, "lobby", "ana", "bob")
        Client(self, nodes[0].address, "robert")

    def there(self, one: Client, room: str, *names: str) -> None:
        """Ask who is in a room, until those are who are to be there."""
        told = re.compile(f"^-- (.* in #{room}:\r\n--   (.*)|nobody is in .*)\r\n", re.M)

        def look() -> bool:
            found = told.search(one.ask(f"/who {room}", until=told))
            return found is not None and set((found[2] or "").split(", ")) == set(names)

        eventually(look, f"{names} in #{room}")
