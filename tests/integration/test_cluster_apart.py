"""What a node can't take part in: another log, a newer one, what nobody can use, what is too long.

A run that failed is repeated, as nearly as that is possible, with ``CHAT_SEED`` set to the
number that it printed.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import sys
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from chatservice import messages
from chatservice.cluster.entries import EXPANDED_MOST, VERSION
from chatservice.cluster.peers import APART, ENDS, NOBODY_IN, OUT_OF_REACH, TAKES_PART
from chatservice.core.sessions import PERIODS_MOST
from chatservice.journal.events import JOINED, LEFT, RENAMED, SAID
from tests.integration.brokers import Brokers
from tests.integration.cluster import UNREACHED, Node, same_history, stored
from tests.integration.company import ROOM, ClusterTestCase, all_of
from tests.integration.support import TWISTD, eventually, folder_for
from tests.integration.witness import Direct, Reader

PATIENT = ("--lease", "30")
OTHER_VERSION = Path(__file__).with_name("other_version.py")


def of_version(version: int) -> dict[str, Any]:
    """Return how a node of another version is started."""
    return {"command": (sys.executable, OTHER_VERSION, str(version))}


class OwnBrokerTestCase(ClusterTestCase):
    """Nodes at a broker that may be harmed."""

    troubles = UNREACHED + "|is skipped|can't start|are not stored"
    payload: int | None = None

    def its_brokers(self) -> Brokers:
        return Brokers(self, folder_for(self), 1, self.payload)


class AnotherLogTests(OwnBrokerTestCase):
    """The broker comes back, and has not what it had."""

    GONE = (
        "chat: the brokers have no log of this chat, but this history has followed one:"
        " were their disks lost?"
    )

    async def test_a_broker_that_is_empty_begins_no_other_log_of_the_chat(self):
        nodes = await self.start(2, *PATIENT)
        ana = await Reader.come(nodes[0].port, "ana", [ROOM])
        bob = await Reader.come(nodes[1].port, "bob", [ROOM])
        bot = await Direct.come(nodes[1].port, "bot", [ROOM])
        ana.say("before")
        await bot.until(lambda: bot.saw("before"), "what was before")
        await bob.until(lambda: bob.has("<ana> before"), "what was before")
        store, aside = self.brokers.store(0), self.brokers.store(0).with_name("aside")
        self.brokers.kill(0)
        store.rename(aside)
        await deferToThread(self.brokers.start, 0)
        await all_of([ana, bob], lambda one: one.has(f"-- {APART}"), "to be told")
        ana.say("waits")
        late = Reader("late")
        await late.reach(nodes[0].port)
        late.say("late")
        await late.until(lambda: late.has(f"-- {NOBODY_IN}"), "to be told")
        for node in nodes:
            self.assertEqual(node.log.count("this node takes no part: the brokers have no log"), 1)
        # Another start is no other beginning: it is refused, and leaves the history as it is.
        had = stored(nodes[1].history)
        nodes[1].kill()
        for _ in range(2):
            self.assertEqual(await deferToThread(nodes[1].in_vain), (1, self.GONE))
        self.assertIsNone(self.brokers.stream(self.chat))
        self.assertEqual(stored(nodes[1].history), had)
        self.brokers.kill(0)
        shutil.rmtree(store)
        aside.rename(store)
        await deferToThread(self.brokers.start, 0)
        await ana.until(lambda: ana.has(f"-- {TAKES_PART}"), "to be told again")
        nodes[1] = await deferToThread(nodes[1].again, self)
        again = Direct("bot", [ROOM], token=bot.welcome.token, since=bot.seen[-1].id)
        await again.reach(nodes[1].port)
        await again.until(lambda: again.saw("waits"), "what waited")
        self.assertEqual((again.welcome.resumed, again.welcome.gap), (True, False))
        events = await same_history(self, nodes)
        self.assertEqual([e.text for e in events if e.kind == SAID], ["before", "waits"])
        for one in (ana, late, again):
            await one.hang_up()

    async def test_nodes_do_not_go_on_in_the_log_of_another_chat(self):
        nodes = await self.start(2, *PATIENT)
        ana = await Reader.come(nodes[0].port, "ana", [ROOM])
        bot = await Direct.come(nodes[1].port, "bot", [ROOM])
        for number in range(3):
            ana.say(f"old {number}")
        await bot.until(lambda: bot.saw("old 2"), "what was before")
        ports = [node.port for node in nodes]
        # An empty node is faster than those that have followed the log.
        self.brokers.kill(0)
        shutil.rmtree(self.brokers.store(0))
        for node in nodes:
            node.kill()
        await deferToThread(self.brokers.start, 0)
        (new,) = await self.start(1, *PATIENT)
        zoe = await Reader.come(new.port, "zoe", [ROOM])
        for number in range(60):
            zoe.say(f"new {number}")
        for node in nodes:
            status, why = await deferToThread(node.in_vain)
            self.assertEqual(status, 1)
            self.assertRegex(why, "^chat: the history '.*' is that of another chat$")
        # A program that goes there is told that it misses something.
        moved = Direct("bot", [ROOM], token=bot.welcome.token, since=bot.seen[-1].id)
        await moved.reach(new.port)
        await moved.until(lambda: moved.welcome, "a welcome")
        self.assertEqual((moved.welcome.resumed, moved.welcome.gap), (False, True))
        self.assertNotEqual(moved.welcome.journal, bot.welcome.journal)
        old = [e.text for e in stored(nodes[0].history) if e.kind == SAID]
        self.assertEqual(old, ["old 0", "old 1", "old 2"])
        self.assertEqual(len(set(ports)), 2)
        for one in (zoe, moved):
            await one.hang_up()

    async def test_nodes_that_run_do_not_go_on_in_the_log_of_another_chat(self):
        (node,) = await self.start(1, *PATIENT)
        ana = await Reader.come(node.port, "ana", [ROOM])
        ana.say("old")
        await deferToThread(eventually, lambda: len(stored(node.history)) > 2, "it to be stored")
        self.brokers.kill(0)
        shutil.rmtree(self.brokers.store(0))
        await ana.until(lambda: ana.has(f"-- {OUT_OF_REACH}"), "to be told")
        ana.say("waits")
        await deferToThread(self.brokers.start, 0)
        (new,) = await self.start(1, *PATIENT)
        zoe = await Reader.come(new.port, "zoe", [ROOM])
        zoe.say(*(f"new {number}" for number in range(60)))
        await ana.until(lambda: ana.has(f"-- {APART}"), "to be told")
        bea = await Reader.come(new.port, "bea", [ROOM])
        zoe.say("last")
        await bea.until(lambda: bea.has("<zoe> last"), "the last")
        await deferToThread(eventually, lambda: "is that of another chat" in node.log, "its cause")
        self.assertEqual([e.text for e in stored(node.history) if e.kind == SAID], ["old"])
        said = [e.text for e in stored(new.history) if e.kind == SAID]
        self.assertEqual(said, [*(f"new {number}" for number in range(60)), "last"])
        # What waits is lost with the node, and it says so.
        await deferToThread(node.stop)
        await ana.gone
        self.assertTrue(ana.has("-- the last 1 things said could not be stored"), ana.lines[-4:])
        for one in (zoe, bea):
            await one.hang_up()

    async def test_a_log_from_an_older_copy_that_went_on_is_another_one(self):
        nodes = await self.start(2, *PATIENT)
        ana = await Reader.come(nodes[0].port, "ana", [ROOM])
        ana.say("one")
        await deferToThread(self._has, nodes, "one")
        store, copy = self.brokers.store(0), self.brokers.store(0).with_name("copy")
        nodes[1].kill()
        self.brokers.kill(0)
        shutil.copytree(store, copy)
        await deferToThread(self.brokers.start, 0)
        ana.say("two")
        await deferToThread(self._has, nodes[:1], "two")
        self.brokers.kill(0)
        shutil.rmtree(store)
        copy.rename(store)
        await deferToThread(self.brokers.start, 0)
        await ana.until(lambda: ana.has(f"-- {APART}"), "to be told")
        # The other node has nothing that this log has not, so it goes on; far beyond the first.
        nodes[1] = await deferToThread(nodes[1].again, self)
        zoe = await Reader.come(nodes[1].port, "zoe", [ROOM])
        for number in range(20):
            zoe.say(f"new {number}")
            await deferToThread(self._has, nodes[1:], f"new {number}")
        nodes[0].kill()
        status, why = await deferToThread(nodes[0].in_vain)
        wanted = "chat: the log is another one than this history has followed"
        self.assertEqual((status, why), (1, wanted))
        await zoe.hang_up()

    def _has(self, nodes: list[Node], text: str) -> None:
        """Wait until something is stored by all."""
        for node in nodes:
            eventually(lambda node=node: text in {e.text for e in stored(node.history)}, text)


class BadEntryTests(OwnBrokerTestCase):
    """What is in the log is not what a node writes."""

    async def test_what_no_node_can_use_is_skipped_by_all_for_ever(self):
        nodes = await self.start(2, *PATIENT)
        ana = await Reader.come(nodes[0].port, "ana", [ROOM])
        bob = await Reader.come(nodes[1].port, "bob", [ROOM])
        session = {"origin": 5, "name": "eve", "rooms": {}, "periods": [], "forgotten": 0}
        bad = [
            b"hello",
            self._entry(["ban", "no network", '["eve", 0, "", 0]']),
            self._entry(["session", "e" * 64, json.dumps({**session, "seq": 0, "here": True})]),
            self._entry(["mute", "eve", "{}"]),
            self._entry(["topic", ROOM, "\x1b[2J"]),
            self._entry(["hat", "eve", "red"]),
            self._bomb(),
        ]
        self.brokers.publish(f"{self.chat}.log", *bad)
        ana.say("goes on")
        await bob.until(lambda: bob.has("<ana> goes on"), "what is said behind that")
        for node in nodes:
            count = f"({len(bad)} since the start)"
            await deferToThread(eventually, lambda n=node, c=count: c in n.log, "all to be skipped")
            self.assertIn("a fact of the kind 'ban' is not as a node writes it", node.log)
            self.assertIn(f"it has more than {EXPANDED_MOST:,} bytes", node.log)
            self.assertLess(self._most_memory(node), 400 << 20)
        nodes = [await deferToThread(self._restarted, node) for node in nodes]
        carl = await Reader.come(nodes[0].port, "carl", [ROOM])
        carl.say("and on")
        (new,) = await self.start(1, *PATIENT)
        events = await same_history(self, [*nodes, new])
        self.assertEqual([e.text for e in events if e.kind == SAID], ["goes on", "and on"])
        self.assertEqual(self._facts(nodes[0]), self._facts(nodes[1]))
        await carl.hang_up()

    async def test_a_file_that_has_something_bad_already_starts(self):
        (node,) = await self.start(1, *PATIENT)
        node.kill()
        with closing(sqlite3.connect(node.history)) as file, file:
            file.execute("INSERT INTO facts VALUES ('ban', 'no network', '[1]')")
        node = await deferToThread(node.again, self, troubles=self.troubles + "|can't be used")
        self.assertIn("the history has 1 facts (ban) that can't be used", node.log)
        await (await Reader.come(node.port, "ana", [ROOM])).hang_up()

    def _entry(self, fact: list[str]) -> bytes:
        return json.dumps([VERSION, "", secrets.token_hex(8), 1, [], [fact]]).encode()

    def _bomb(self) -> bytes:
        """Return an entry of 0.8 MB that would be 800 MB."""
        packing = zlib.compressobj(9)
        blanks = b" " * (1 << 20)
        packed = [packing.compress(blanks) for _ in range(800)]
        return b"".join(packed) + packing.flush()

    def _most_memory(self, node: Node) -> int:
        status = Path(f"/proc/{node.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) << 10

    def _restarted(self, node: Node) -> Node:
        node.stop()
        return node.again(self)

    def _facts(self, node: Node) -> list[Any]:
        with closing(sqlite3.connect(node.history)) as file:
            return file.execute(
                "SELECT * FROM facts WHERE kind NOT IN ('node', 'lease') ORDER BY kind, name"
            ).fetchall()


class LargeTests(OwnBrokerTestCase):
    """What nodes have to tell each other is more than the broker takes at once."""

    payload = 4096
    PROGRAMS = 12

    async def test_what_programs_have_left_is_told_however_much_it_is(self):
        nodes = await self.start(2)
        bob = await Reader.come(nodes[1].port, "bob", [ROOM])
        bots = [
            await Direct.come(nodes[0].port, f"bot{number}", [ROOM])
            for number in range(self.PROGRAMS)
        ]
        rooms = {bot: [secrets.token_hex(12) for _ in range(PERIODS_MOST)] for bot in bots}
        for number in range(PERIODS_MOST):
            for bot in bots:
                bot.ask(messages.Join(room=rooms[bot][number]))
            await all_of(bots, lambda one, n=number: rooms[one][n] in one.joined, "a room")
            for bot in bots:
                bot.ask(messages.Leave(room=rooms[bot][number]))
        for bot in bots:
            bot.say(ROOM, f"{bot.name} has been around")
        await all_of(bots, lambda one: one.saw(f"{one.name} has been around"), "a receipt")
        # All are away at once: each is stored anew.
        await gatherResults([bot.hang_up() for bot in bots])
        ana = await Reader.come(nodes[0].port, "ana", [ROOM])
        ana.say("is heard")
        await bob.until(lambda: bob.has("<ana> is heard"), "what is said then")
        await same_history(self, nodes)
        for node in nodes:
            self.assertNotIn("taken for dead", node.log)
            self.assertNotIn("can't be reached", node.log)
        periods = await deferToThread(self._periods, nodes)
        self.assertEqual(periods, [sorted(map(sorted, rooms.values()))] * 2)
        entries = self.brokers.stream(self.chat)
        self.assertLess(entries["state"]["bytes"] / entries["state"]["messages"], self.payload)
        again = Direct("bot0", [ROOM], token=bots[0].welcome.token, since=bots[0].seen[-1].id)
        await again.reach(nodes[1].port)
        await again.until(lambda: again.saw("is heard"), "what was missed")
        self.assertFalse(again.welcome.gap)
        for one in (ana, bob, again):
            await one.hang_up()

    def _periods(self, nodes: list[Node]) -> list[list[list[str]]]:
        """Tell which rooms each program is known to have left, on each node."""

        def of(node: Node) -> list[list[str]]:
            with closing(sqlite3.connect(node.history)) as file:
                rows = file.execute("SELECT value FROM facts WHERE kind = 'session'").fetchall()
            return sorted(sorted(p[0] for p in json.loads(row[0])["periods"]) for row in rows)

        def alike() -> list[list[list[str]]]:
            found = [of(node) for node in nodes]
            return found if found[0] == found[1] else []

        return eventually(alike, "both to know the same")


class VersionTests(OwnBrokerTestCase):
    """Nodes of other versions."""

    async def test_a_node_ends_where_the_log_goes_on_with_what_it_does_not_know(self):
        (node,) = await self.start(1, *PATIENT)
        ana = await Reader.come(node.port, "ana", [ROOM])
        self.brokers.publish(f"{self.chat}.log", b'[99,"","b",1,{"what":"is this"}]')
        await ana.gone
        why = f"the log is of version 99, and this node knows {VERSION}"
        self.assertTrue(ana.has(f"-- {ENDS}"), ana.lines[-3:])
        self.assertTrue(
            ana.has(f"-- the server is going down: this node takes no part any more: {why}")
        )
        self.assertEqual(node.wait(), 0)
        self.assertIn(f"this node takes no part: {why}", node.log)

    async def test_names_have_other_keys_from_the_first_entry_of_a_newer_node_on(self):
        older = await self.start(2)
        bots = [await Direct.come(older[0].port, name, [ROOM]) for name in ("bob", "b0b", "zoe")]
        reader = await Reader.come(older[1].port, "ana", [ROOM])
        newer = await deferToThread(self.node, **of_version(4))
        # Those that know less say so, and end. What they say behind that place is void.
        for node in older:
            self.assertEqual(node.wait(), 0)
            self.assertIn(f"the log is of version 4, and this node knows {VERSION}", node.log)
        await reader.gone
        self.assertTrue(reader.has(f"-- {ENDS}"))
        status, why = await deferToThread(older[0].in_vain)
        self.assertEqual(status, 1)
        self.assertRegex(why, f"^chat: the log is of version 4, and this node knows {VERSION}: ")
        # Programs come back, each with its session; one of two has another name for it.
        again = [
            Direct(bot.name, [ROOM], token=bot.welcome.token, since=bot.welcome.since)
            for bot in bots
        ]
        for one in again:
            await one.reach(newer.port)
            await one.until(lambda one=one: one.welcome, "a welcome")
            self.assertTrue(one.welcome.resumed)
        self.assertEqual([one.welcome.name for one in again], ["bob", "b0b2", "zoe"])
        thief = Reader("BOB")
        await thief.reach(newer.port)
        thief.say("B0B")
        await thief.until(lambda: thief.has("-- the name B0B is taken"), "a refusal")
        upgraded = await deferToThread(older[0].again, self, **of_version(4))
        events = await same_history(self, [newer, upgraded])
        renamed = [(e.author, e.text) for e in events if e.kind == RENAMED]
        self.assertEqual(renamed, [("b0b", "b0b2")])
        left = {name for e in events if e.kind == LEFT for name in e.author.split(" ")}
        self.assertEqual(left, {"ana"})
        for one in (*again, thief):
            await one.hang_up()

    async def test_rooms_of_older_rules_are_called_otherwise_with_all_that_is_theirs(self):
        older = await deferToThread(lambda: [self.node(**of_version(1)) for _ in range(2)])
        bot = await Direct.come(older[0].port, "ana!", ["a!b", ROOM])
        bob = await Reader.come(older[1].port, "bob", ["a!b"])
        bot.say("a!b", "hello")
        await bob.until(lambda: bob.has("<ana!> hello"), "what is said")
        bob.say("/topic cake")
        await bot.until(lambda: bot.saw("cake"), "the topic")
        # Nobody is in this one any more when it gets another name.
        eve = await Reader.come(older[1].port, "eve", ["x?y"])
        eve.say("is over", "/leave")
        await eve.until(lambda: eve.has("-- you left #x?y"), "to have left")
        await eve.hang_up()
        for node in reversed(older):
            await deferToThread(node.stop)
        nodes = [await deferToThread(node.again, self, command=(TWISTD,)) for node in older]
        self.assertIn("#a!b is #a_b from now on: '!' can't be part of a room's name", nodes[1].log)
        self.assertIn("ana! is called ana_ from now on: ", nodes[1].log)
        again = Direct("ana!", [], token=bot.welcome.token, since=bot.seen[-1].id)
        await again.reach(nodes[1].port)
        await again.until(lambda: again.welcome, "a welcome")
        welcome = again.welcome
        self.assertEqual((welcome.name, welcome.resumed, welcome.gap), ("ana_", True, False))
        self.assertEqual(
            [(room.room, room.topic) for room in welcome.rooms], [("a_b", "cake"), (ROOM, "")]
        )
        why = "'!' can't be part of a room's name"
        told = f"calls this room #a_b from now on, and not #a!b: {why}"
        await again.until(lambda: again.saw(told), "to be told")
        zoe = await Reader.come(nodes[0].port, "zoe", ["x_y", "a_b"])
        for line in ("<ana!> hello", "<eve> is over", f"-- the server {told}"):
            await zoe.until(lambda line=line: any(line in one for one in zoe.lines), line)
        again.say("a_b", "goes on")
        await zoe.until(lambda: zoe.has("<ana_> goes on"), "what is said there")
        zoe.say("so it does")
        await again.until(lambda: again.saw("so it does"), "what is said there")
        (new,) = await self.start(1)
        events = await same_history(self, [*nodes, new])
        self.assertEqual({event.room for event in events}, {"lobby", ROOM, "a_b", "x_y"})
        said = [(e.room, e.author, e.text) for e in events if e.kind == SAID]
        self.assertEqual(
            said,
            [
                ("a_b", "ana!", "hello"),
                ("x_y", "eve", "is over"),
                ("a_b", "ana_", "goes on"),
                ("a_b", "zoe", "so it does"),
            ],
        )
        for one in (again, zoe):
            await one.hang_up()

    async def test_who_is_connected_meanwhile_goes_on_in_such_a_room(self):
        older = await self.start(2)
        bots = [await Direct.come(node.port, f"bot{n}", ["a=b"]) for n, node in enumerate(older)]
        bots[0].say("a=b", "before")
        await all_of(bots, lambda one: one.saw("before"), "what is said before")
        newer = [await deferToThread(self.node, **of_version(4)) for _ in range(2)]
        for node in older:
            self.assertEqual(node.wait(), 0)
        again = [
            Direct(bot.name, [], token=bot.welcome.token, since=bot.seen[-1].id) for bot in bots
        ]
        for one, node in zip(again, newer, strict=True):
            await one.reach(node.port)
        for one in again:
            await one.until(lambda one=one: one.welcome, "a welcome")
            self.assertEqual([room.room for room in one.welcome.rooms], ["a_b"])
            self.assertFalse(one.welcome.gap)
        again[0].say("a_b", "after")
        await all_of(again, lambda one: one.saw("after"), "what is said after")
        events = await same_history(self, newer)
        self.assertEqual([(e.room, e.text) for e in events if e.kind == SAID], [
            ("a_b", "before"), ("a_b", "after"),
        ])  # fmt: skip
        self.assertEqual([e.author for e in events if e.kind == LEFT], [])
        for one in again:
            await one.hang_up()

    async def test_from_a_version_that_had_none_all_nodes_are_stopped_first(self):
        older = await deferToThread(lambda: [self.node(**of_version(1)) for _ in range(2)])
        bots = [await Direct.come(older[0].port, name, [ROOM]) for name in ("bob", "zoe")]
        bots[0].say(ROOM, "hello")
        await all_of(bots, lambda one: one.saw("hello"), "it to be said")
        op = await Reader.come(older[1].port, "ana", [ROOM])
        op.say("/topic cake")
        await bots[0].until(lambda: bots[0].saw("cake"), "the topic")
        for node in reversed(older):
            await deferToThread(node.stop)
        nodes = [await deferToThread(node.again, self, command=(TWISTD,)) for node in older]
        again = Direct("zoe", [ROOM], token=bots[1].welcome.token, since=bots[1].seen[-1].id)
        await again.reach(nodes[1].port)
        await again.until(lambda: again.welcome, "a welcome")
        self.assertEqual((again.welcome.resumed, again.welcome.gap), (True, False))
        again.say(ROOM, "goes on")
        await again.until(lambda: again.saw("goes on"), "a receipt")
        # One that was not stopped can do no harm.
        self.brokers.publish(
            f"{self.chat}.log", b'["old",1,[["%s","said","eve","boo",1,-1]],[]]' % ROOM.encode()
        )
        (new,) = await self.start(1)
        events = await same_history(self, [*nodes, new])
        self.assertEqual([e.text for e in events if e.kind == SAID], ["hello", "goes on"])
        joined = {n for e in events if e.kind == JOINED for n in e.author.split(" ")}
        self.assertEqual(joined, {"ana", "bob", "zoe"})
        for node in nodes:
            self.assertIn(f"it is of version 1, and the log of {VERSION}", node.log)
        await again.hang_up()
