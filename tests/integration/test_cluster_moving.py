"""Programs go on at another node of a cluster, however they lose theirs.

A run that failed is repeated, as nearly as that is possible, with ``CHAT_SEED`` set to the
number that it printed.
"""

from __future__ import annotations

import signal

from twisted.internet.threads import deferToThread

from chatservice import messages
from chatservice.journal.events import JOINED, LEFT, SAID
from tests.integration.cluster import UNREACHED, Balancer, same_history
from tests.integration.company import ROOM, ClusterTestCase, Talk
from tests.integration.support import program
from tests.integration.witness import OWN, Direct, Reader, difference
from tests.profiles import NIGHTLY


class MovingTests(ClusterTestCase):
    """Programs go on at another node."""

    troubles = UNREACHED if NIGHTLY else None

    async def test_a_program_goes_on_at_another_node_with_its_token(self):
        nodes = await self.start(3)
        ana = await Reader.come(nodes[0].port, "ana", [ROOM])
        bot = await Direct.come(nodes[1].port, "bot", [ROOM])
        lives = [bot]
        for number in range(6):
            mine, theirs = f"bot {number}", f"ana {number}"
            ana.say(*(f"{theirs}.{count}" for count in range(20)))
            old = lives[-1]
            old.say(ROOM, mine)
            since = old.seen[-1].id if old.seen else old.welcome.since
            if self.choice.random() < 0.5:
                await old.until(lambda old=old, mine=mine: old.saw(mine), mine)
                since = old.seen[-1].id
            token = old.welcome.token
            new = Direct("bot", [ROOM], token=token, since=since)
            new._said = {count + 1: f"bot {count}" for count in range(number + 1)}
            await new.reach(nodes[(number + 2) % 3].port)
            await new.until(lambda new=new: new.welcome, "a welcome")
            self.assertTrue(new.welcome.resumed)
            self.assertFalse(new.welcome.gap)
            await old.gone
            kinds = [line for line in old.wrong if not line.startswith('{"type":"replaced"')]
            self.assertEqual((kinds, len(old.wrong)), ([], 1), f"life {number}")
            # What may have got lost is said again, under its number.
            if new.welcome.seq < number + 1:
                new.ask(messages.Say(room=ROOM, text=mine, seq=number + 1))
            new._seq = number + 1
            old.wrong.clear()
            lives.append(new)
        ana.say("ana ends")
        last = lives[-1]
        await last.until(lambda: last.saw("ana ends"), "the end")

        events = await same_history(self, nodes)
        said = [e.text for e in events if e.kind == SAID and e.author == "bot"]
        self.assertEqual(said, [f"bot {number}" for number in range(6)])
        wanted = [(e.id, e.kind, e.text) for e in events if e.kind == SAID and e.author == "ana"]
        # Each life goes on where the one before it was, or before; so it may see some twice.
        seen = {(s.id, s.kind, s.text) for life in lives for s in life.seen if s.author == "ana"}
        self.assertEqual(difference(sorted(seen), wanted), "")
        for life in lives:
            # What is said again, and was stored meanwhile, is answered once more.
            ids = [s.id for s in life.seen if s.kind != OWN]
            self.assertEqual(ids, sorted(set(ids)))
        joined = [e for e in events if e.kind in (JOINED, LEFT) and "bot" in e.author.split(" ")]
        self.assertEqual([e.kind for e in joined], [JOINED])
        await ana.hang_up()
        await last.hang_up()

    async def test_programs_behind_haproxy_outlive_their_node(self):
        program("haproxy")
        nodes = await self.start(3, proxied=True)
        balancer = await deferToThread(Balancer, self, nodes)
        talk = Talk(self, [balancer.port], 3, self.choice)
        await talk.begin()
        await talk.all_speak()
        await deferToThread(nodes[0].kill)
        await talk.all_speak()
        if NIGHTLY:
            # Nobody is told of this; the balancer asks, and then closes what leads there.
            nodes[1].signal(signal.SIGSTOP)
            await talk.all_speak()
            nodes[1].signal(signal.SIGCONT)
            await talk.all_speak()
        await talk.end()
        await same_history(self, nodes[1:])
        self.check_sitters(nodes[1].history, talk.sitters)
        self.assertGreater(sum(one.losses for one in talk.sitters), 0)

    async def test_nodes_are_restarted_one_by_one(self):
        nodes = await self.start(3)
        ports = [node.port for node in nodes]
        talk = Talk(self, ports, 6 if NIGHTLY else 3, self.choice)
        await talk.begin()
        for _ in range(3 if NIGHTLY else 1):
            for index in range(3):
                await talk.all_speak()
                await deferToThread(nodes[index].stop)
                await talk.all_speak()
                nodes[index] = await deferToThread(nodes[index].again, self)
        await self.compare(nodes, talk, [])
