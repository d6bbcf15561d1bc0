"""Nodes of older rules for names, and what becomes of what people did there."""

from __future__ import annotations

import json
from typing import Any

from chatservice.cluster import journal
from chatservice.cluster.entries import UNVERSIONED, decode, encode
from chatservice.core.moderation import LOCK
from chatservice.journal.events import ACTED, RENAMED, ROOM, Event, Fact
from chatservice.text import names
from tests.cluster.support import GRACE, LEASE, ClusterTestCase, Node
from tests.core.programs import Program

OLDER = names.FORBIDDEN - frozenset("!@:?*{}")


def named(node: Node) -> set[str]:
    """Return all rooms that a node knows, in its file and in memory."""
    rooms = {event.room for event in node.events() if not event.room.startswith("@")}
    rooms |= {event.room for event in node.chat.past._events if not event.room.startswith("@")}
    rooms |= node.chat.rooms.keys() | {room.name for room in node.chat.rooms.values()}
    rooms |= node.chat.standing.topics.keys() | node.chat.standing.locks
    return rooms.union(*(session.reading.rooms for session in node.chat.tokens.all()))


class RekeyingTests(ClusterTestCase):
    """Two nodes of older rules, and then nodes of today."""

    def setUp(self) -> None:
        super().setUp()
        newer = names.FORBIDDEN
        self.patch(names, "FORBIDDEN", OLDER)
        self.patch(journal, "RULES", 1)
        # A log that was begun before there were versions.
        self.cluster.shared.identity, self.cluster.shared.state = "the chat", []
        self.older = [self.of_older_rules(number) for number in (0, 1)]
        self.cluster.run()
        a, b = self.older
        self.bot = self.program(a, "ana!", rooms=["a!b", "lobby"])
        self.bot.ask("say", room="a!b", text="hello", seq=1)
        self.bob = self.arrive(b, "bob", room="a!b")
        self.bob.type("/topic cake")
        eve = self.arrive(b, "eve", room="x?y")
        eve.type("is over")
        self.cluster.run()
        eve.type("/leave")
        self.cluster.run()
        b.journal.say([Fact(LOCK, "a!b", "locked")])
        self.cluster.run()
        self.bot.read()
        self.end(newer)

    def of_older_rules(self, number: int) -> Node:
        """Start a node that writes entries as there were before there were versions."""
        node = self.cluster.start(number, cut=True)
        publish = node.line.publish

        def publish_older(data: bytes, again: bool) -> None:
            publish(encode(decode(data)._replace(version=UNVERSIONED)), again)  # type: ignore[arg-type]

        node.line.publish = publish_older  # type: ignore[method-assign]
        node.line.mend()
        return node

    def end(self, newer: frozenset[str]) -> None:
        """Let all nodes of older rules end."""
        self.had = self.older[0].events()
        for node in self.older:
            node.kill()
        self.patch(names, "FORBIDDEN", newer)
        self.patch(journal, "RULES", names.RULES)

    def back(self, node: Node, **hello: Any) -> tuple[Program, list[dict[str, Any]]]:
        """Let the program come back; return what it is told."""
        again = self.program(node, token=self.bot.token, since=self.bot.since, **hello)
        return again, again.read()

    def check(self, *nodes: Node) -> None:
        """Look whether nodes call all rooms alike, and none as none can be called."""
        self.same(*nodes)
        for node in nodes:
            self.assertEqual(named(node), {"lobby", "a_b", "x_y"})
            self.assertEqual(node.chat.standing.topics, {"a_b": "cake"})
            self.assertEqual(node.chat.standing.locks, {"a_b"})

    def renamed(self, node: Node) -> list[Event]:
        return [event for event in node.events() if event.kind in (ACTED, RENAMED)]

    def test_all_nodes_call_rooms_alike_with_what_has_happened_in_them(self) -> None:
        a, b = self.start_again(0, 1)
        self.check(a, b)
        moved = {"a!b": "a_b", "x?y": "x_y"}
        had = [event._replace(room=moved.get(event.room, event.room)) for event in self.had]
        self.assertEqual(b.events()[: len(had)], had)
        self.assertEqual(
            [(event.room, event.kind, event.author) for event in self.renamed(b)],
            [
                ("a_b", ACTED, "the server"),
                ("a_b", RENAMED, "ana!"),
                ("lobby", RENAMED, "ana!"),
                ("x_y", ACTED, "the server"),
            ],
        )

    def start_again(self, *numbers: int) -> list[Node]:
        nodes = [self.cluster.start(number) for number in numbers]
        self.cluster.run(0.5)
        return nodes

    def test_who_was_in_such_a_room_goes_on_there_and_has_missed_nothing(self) -> None:
        a, b = self.start_again(0, 1)
        again, told = self.back(b, name="ana!")
        welcome = told[0]
        self.assertEqual(
            (welcome["name"], welcome["resumed"], welcome["gap"]), ("ana_", True, False)
        )
        self.assertEqual(
            welcome["rooms"],
            [
                {"room": "a_b", "people": 2, "topic": "cake", "locked": True},
                {"room": "lobby", "people": 3, "topic": ""},
            ],
        )
        why = "you are ana_ now: ana! can't be your name any more, or is another's"
        self.assertEqual(told[1], {"type": "notice", "text": why})
        missed = [(m["type"], m.get("room")) for m in told if "id" in m]
        self.assertEqual(missed[:2], [("acted", "a_b"), ("renamed", "a_b")])
        other = self.arrive(a, "op", room="a_b", operator=True)
        self.assertIn("a_b", a.here()["op"])
        again.ask("say", room="a_b", text="goes on", seq=2)
        self.cluster.run()
        self.assertIn("<ana_> goes on", other.read())
        other.type("so it does")
        self.cluster.run()
        said = [(m["room"], m["text"]) for m in again.read() if m["type"] == "said"]
        self.assertEqual(said, [("a_b", "so it does")])
        other.type("/history")
        self.cluster.run()
        self.assertEqual(
            [line.partition("] ")[2] for line in other.read() if "hello" in line], ["<ana!> hello"]
        )

    def test_who_was_away_for_longer_than_the_grace_comes_back_there_too(self) -> None:
        a, b = self.start_again(0, 1)
        self.cluster.run(2 * LEASE + GRACE + 2, 0.5)
        self.assertEqual((a.here(), b.here()), ({}, {}))
        a.journal.say([Fact(LOCK, "a_b", "")])
        self.cluster.run()
        _, told = self.back(b, name="ana!")
        self.assertEqual(
            (told[0]["name"], told[0]["resumed"], told[0]["gap"]), ("ana_", True, False)
        )
        self.cluster.run()
        self.same(a, b)
        self.assertEqual(a.here(), {"ana_": ["a_b", "lobby"]})

    def test_a_node_that_was_away_when_rooms_were_renamed_does_the_same(self) -> None:
        (a,) = self.start_again(0)
        self.arrive(a, "cy", room="a_c").type("meanwhile", "/leave")
        self.cluster.run()
        (b,) = self.start_again(1)
        self.same(a, b)
        self.assertEqual(named(b), {"lobby", "a_b", "x_y", "a_c"})

    def test_a_node_that_begins_with_nothing_reads_the_same(self) -> None:
        (a,) = self.start_again(0)
        (new,) = self.start_again(2)
        self.check(a, new)
        # Once more, by what was kept before the log had its version.
        self.cluster.shared.state = []
        (last,) = self.start_again(3)
        self.check(a, new, last)

    def test_so_does_one_whose_log_does_not_go_back_to_what_the_others_knew(self) -> None:
        (a,) = self.start_again(0)
        first = len(self.cluster.shared.entries) - 3
        self.cluster.shared.trim(first)
        (new,) = self.start_again(2)
        since = new.events()[0].id
        self.assertEqual(new.events(), [event for event in a.events() if event.id >= since])
        self.assertEqual(self.renamed(new), self.renamed(a))
        self.assertEqual(new.facts(), a.facts())

    def test_a_node_that_misses_where_they_were_renamed_has_its_past_renamed(self) -> None:
        (a,) = self.start_again(0)
        self.arrive(a, "cy").type("one", "two")
        self.cluster.run()
        a.journal._next_keep = 0.0
        self.cluster.run()
        self.cluster.shared.trim(len(self.cluster.shared.entries))
        (b,) = self.start_again(1)
        self.assertEqual(named(b), named(a))
        self.assertLess(len(b.events()), len(a.events()))
        self.assertEqual(b.events()[: len(self.had)], a.events()[: len(self.had)])

    def test_a_room_that_one_node_alone_remembers_is_renamed_on_all(self) -> None:
        shared = self.cluster.shared
        shared.state = [Fact(*key, value) for key, value in self.older[0].facts().items()]
        shared.trim(shared.last)
        (a,) = self.start_again(2)
        self.assertNotIn("x_y", named(a))
        # By then, there is another room of that name.
        self.arrive(a, "cy", room="x_y")
        (b,) = self.start_again(1)
        for node in (a, b):
            self.assertEqual(node.facts()[ROOM, "x?y"], "x_y2")
        self.assertIn("x_y2", named(a))
        said = [event.text for event in b.events() if event.room == "x_y2"]
        self.assertIn("is over", said)
        self.assertEqual(a.facts(), b.facts())

    def test_it_is_looked_for_once(self) -> None:
        (a,) = self.start_again(0)
        rules = "SELECT value FROM facts WHERE kind = 'node' AND name = 'rules'"
        self.assertEqual(a.query(rules), [(str(names.RULES),)])
        entries = len(self.cluster.shared.entries)
        a.kill()
        (a,) = self.start_again(0)
        asked = [
            fact
            for entry in self.cluster.shared.published(entries)
            for fact in entry.facts
            if fact.kind == ROOM
        ]
        self.assertEqual(asked, [])
        self.assertEqual(json.loads(a.facts()["session", self.digest(a)])["was"], "ana!")

    def digest(self, node: Node) -> str:
        (digest,) = [name for kind, name in node.facts() if kind == "session"]
        return digest
