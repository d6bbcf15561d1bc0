"""People who talk on a chat of many nodes, and the comparison of what they saw afterwards."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.session.outgoing import Sent
from chatservice.journal.events import LEFT, SAID, Event
from tests.integration.brokers import Brokers
from tests.integration.cluster import (
    Anywhere,
    Node,
    same_history,
    shared_brokers,
    start,
)
from tests.integration.witness import (
    Journal,
    Reader,
    Sitter,
    Watched,
    as_person,
    as_program,
    difference,
)
from tests.profiles import NIGHTLY, seed_of_run

ROOM = "den"
ROOMS = (ROOM, "hall")
ATTIC = "attic"
"""A room that people enter and leave now and then."""


class Talk:
    """A talk of people with sessions: they say numbered lines in bursts, and move between nodes.

    :param ports: the ports of the nodes; a lost connection is made again at the next one.
    :ivar sitters: the people who talk.
    """

    def __init__(
        self, case: TestCase, ports: Sequence[int], count: int, choice: random.Random
    ) -> None:
        self._choice = choice
        self.sitters = [
            Sitter(Anywhere(ports, number % len(ports)), f"s{number}", ROOMS)
            for number in range(count)
        ]
        self._counts = [0] * count
        self._inside = [False] * count
        self._moving = [False] * count
        self._loop = LoopingCall(self._say_some)
        case.addCleanup(self.stop)
        for sitter in self.sitters:
            case.addCleanup(sitter.seat.stop)

    async def begin(self) -> None:
        """Let all people enter, and start the talk."""
        for sitter in self.sitters:
            sitter.seat.start()
        await all_of(self.sitters, lambda one: one.seat.connected, "a welcome")
        self._loop.start(0.05, now=False)

    def stop(self) -> None:
        """Stop the talk."""
        if self._loop.running:
            self._loop.stop()

    async def all_speak(self) -> None:
        """Let each person say a line, and wait until all these are stored."""
        for sitter in self.sitters:
            mark = sitter.say(ROOMS[0], f"{sitter.name} is here {len(sitter.said)}")
            await sitter.until(lambda mark=mark: mark.id is not None, "what it said to be stored")

    async def end(self) -> None:
        """Stop the talk, and wait until everybody has seen all of it."""
        self.stop()
        await all_of(self.sitters, lambda one: not one.seat.unstored, "all to be stored")
        for sitter in self.sitters:
            sitter.say(ROOMS[0], f"{sitter.name} ends")
        ends = [f"{sitter.name} ends" for sitter in self.sitters]
        await all_of(self.sitters, lambda one: all(map(one.saw, ends)), "the ends")

    def _move(self, index: int) -> None:
        """Let a person enter the attic, or leave it."""
        sitter, inside = self.sitters[index], self._inside[index]
        self._moving[index] = True

        def moved(_: messages.Reply) -> None:
            self._inside[index], self._moving[index] = not inside, False

        request = messages.Leave(room=ATTIC) if inside else messages.Join(room=ATTIC)
        asked = sitter.seat.ask(request).addCallback(moved)
        asked.addErrback(lambda failure: sitter.wrong.append(str(failure.value)))

    def _say_some(self) -> None:
        choice = self._choice
        for index, sitter in enumerate(self.sitters):
            if len(sitter.seat.unstored) > 200:
                continue
            if choice.random() < 0.05 and not self._moving[index]:
                self._move(index)
            for _ in range(choice.choice((0, 0, 1, 1, 2, 5))):
                self._counts[index] += 1
                text = f"{sitter.name}.{self._counts[index]}{choice.choice(('', ' ' + 'x' * 300))}"
                others = [other.name for other in self.sitters if other is not sitter]
                if others and choice.random() < 0.1:
                    sitter.talk(messages.Private(to=choice.choice(others), text=text))
                else:
                    there = self._inside[index] and not self._moving[index]
                    sitter.say(choice.choice((*ROOMS, ATTIC) if there else ROOMS), text)


def all_of(watched: Sequence[Watched], ready: Any, what: str, **more: Any) -> Deferred[Any]:
    """Wait until a condition holds for each of several people."""
    return gatherResults(
        [one.until(lambda one=one: ready(one), what, **more) for one in watched],
        consumeErrors=True,
    )


class ClusterTestCase(TestCase):
    """A test with nodes at brokers, and a chat of its own there.

    :cvar troubles: a regular expression of lines that nodes may log at an error's level.
    """

    timeout = 600 if NIGHTLY else 240
    troubles: str | None = None

    def setUp(self) -> None:
        self.choice = random.Random(seed_of_run())
        self.chat = f"chat-{random.Random().randrange(1 << 32)}"
        self.brokers = self.its_brokers()

    def its_brokers(self) -> Brokers:
        """Return the brokers: by default the shared ones, which no test harms."""
        return shared_brokers()

    def start(
        self, count: int, *options: str, urls: str = "", proxied: bool = False
    ) -> Deferred[list[Node]]:
        """Start several nodes at the same time."""
        urls = urls or self.brokers.urls
        more = {"chat": self.chat, "proxied": proxied, "troubles": self.troubles}
        return start(self, count, urls, *options, **more)

    def node(self, *options: str, **more: Any) -> Node:
        """Start a node, and block until it is ready."""
        more.update(chat=self.chat, troubles=self.troubles)
        return Node(self, self.brokers.urls, *options, **more)

    def at_random(self, least: float, most: float) -> Deferred[None]:
        """Wait for a random time, for a failure at an unpredictable moment."""
        return deferLater(reactor, self.choice.uniform(least, most))

    async def company(self, nodes: Sequence[Node], count: int) -> tuple[Talk, list[Reader]]:
        """Start a talk, with a reader at each node."""
        readers = [await Reader.come(n.port, f"r{i}", [ROOM]) for i, n in enumerate(nodes)]
        talk = Talk(self, [node.port for node in nodes], count, self.choice)
        await talk.begin()
        await talk.all_speak()
        return talk, readers

    async def compare(
        self, nodes: Sequence[Node], talk: Talk, readers: Sequence[Reader]
    ) -> list[Event]:
        """End the talk, and compare all views with the stored events; no reader may have left."""
        await talk.end()
        ends = [f"<{sitter.name}> {sitter.name} ends" for sitter in talk.sitters]
        await all_of(readers, lambda one: all(map(one.has, ends)), "the ends")
        events = await same_history(self, nodes)
        self.check_sitters(nodes[0].history, talk.sitters)
        self.check_readers(nodes[0].history, readers)
        left = {name for e in events if e.kind == LEFT for name in e.author.split(" ")}
        self.assertEqual(left & {reader.name for reader in readers}, set())
        for reader in readers:
            await reader.hang_up()
        return events

    def check_sitters(self, history: Path, sitters: Sequence[Sitter]) -> None:
        """Compare the lines that people with sessions said and saw with the stored events.

        Each has said ``NAME ends``, and was present from the beginning to the end.
        """
        journal = Journal(history)
        for sitter in sitters:
            self.assertEqual(sitter.wrong, [], sitter.name)
            said = [sent.request.text for sent in sitter.said]
            wanted = sorted((sent.id or 0, sent.request.text) for sent in sitter.said)
            self.same(f"stored of {sitter.name}", journal.said(said), wanted)
            for where in {_where(sent) for sent in sitter.said}:
                # Only lines of one place are ordered: those elsewhere may overtake them.
                ids = [sent.id for sent in sitter.said if _where(sent) == where]
                self.same(f"the order of {sitter.name} in {where}", ids, sorted(ids))
            origin = journal.origin_of(f"{sitter.name} ends")
            told = as_program(journal.seen_by(sitter.name, origin), origin)
            self.same(f"told to {sitter.name}", sitter.seen, told)
            left = [e for e in journal.moves(LEFT, sitter.name) if e.room != ATTIC]
            self.assertEqual(left, [], sitter.name)

    def check_readers(self, history: Path, readers: Sequence[Reader]) -> None:
        """Compare the talk shown to readers, who were in one room all the time, with the events."""
        said = [e for e in Journal(history).events if e.kind == SAID and e.room == ROOM]
        for reader in readers:
            self.assertEqual(reader.wrong, [], reader.name)
            others = [e for e in said if e.author != reader.name]
            shown = [line for line in reader.shown if line.startswith("<")]
            self.same(f"shown to {reader.name}", shown, as_person(others, 0, ROOM))

    def same(self, what: str, got: list[Any], wanted: list[Any]) -> None:
        """Fail with the first difference of two long lists, if they differ."""
        if found := difference(got, wanted):
            self.fail(f"{what}: {found}")


def _where(sent: Sent) -> str:
    """Return the place of a line: a room, or the name of its receiver."""
    return str(getattr(sent.request, "room", None) or f"to {sent.request.to}")
