"""Nodes to test: real chats on real files, each on a clock and a line that the test moves by hand.

Nothing comes to a node, and nothing of it gets into the log, but what the test lets come.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial import unittest

from chatservice.cluster.entries import Entry, decode
from chatservice.cluster.journal import ClusterJournal
from chatservice.cluster.log import Follower, Founding, LogError, Opening
from chatservice.cluster.peers import Nodes
from chatservice.core.chat import Chat
from chatservice.journal.events import FILE, Event, Fact
from chatservice.journal.sqlite import SqliteJournal
from chatservice.limits import Limits
from tests.core.programs import Program
from tests.core.support import FOLDER, START, Person, Readings, assert_rooms_are_listed

STEP: Final = 0.05
"""Seconds by which the clocks of all nodes go on at once."""

LEASE: Final = 6.0
GRACE: Final = 20


class Appended(NamedTuple):
    """What is in the log, where and since when (milliseconds since 1970)."""

    position: int
    at: int
    data: bytes


class SharedLog:
    """What the brokers keep.

    :ivar entries: all that were ever appended.
    :ivar first: the position of the first that is still there.
    :ivar state: what was kept last; None as long as nothing was.
    :ivar identity: of the chat; ``""`` as long as nobody has founded it.
    """

    def __init__(self) -> None:
        self.entries: list[Appended] = []
        self.first = 1
        self.state: Sequence[Fact] | None = None
        self.identity = ""
        self.base = 0

    @property
    def last(self) -> int:
        """The position of the last entry."""
        return len(self.entries)

    def append(self, at: int, data: bytes) -> None:
        self.entries.append(Appended(self.last + 1, at, data))

    def trim(self, first: int) -> None:
        """Forget what is before a position."""
        self.first = max(self.first, first)

    def opening(self, founding: Callable[[], Founding], seen: int = 0) -> Opening:
        """Tell a node of the log, which it begins if there is none."""
        if not self.identity:
            self.identity, self.base, self.state = founding()
        at = self.entries[seen - 1].at if self.first <= seen <= self.last else 0
        return Opening(self.identity, self.base, self.first, self.last, self.state, at)

    def published(self, since: int = 0) -> list[Entry]:
        """Return the entries behind a position."""
        entries = [decode(entry.data) for entry in self.entries[since:]]
        return [entry for entry in entries if isinstance(entry, Entry)]


class Line:
    """The way of one node to the brokers. It is a :class:`.Log`.

    :param now: the time, in milliseconds since 1970.
    :ivar up: the node is connected; :ivar deaf: and is not told that nothing gets through.
    :ivar most: bytes that may be published at once.
    :ivar refused: the log is not the one that the node has followed.
    :ivar sent: what the node has published and is on its way.
    :ivar position: of the last entry that came to the node.
    :ivar came: told when an entry has come.
    """

    def __init__(self, shared: SharedLog, now: Callable[[], int]) -> None:
        self.shared = shared
        self.up = True
        self.deaf = False
        self.dead = False
        self.sent: list[bytes] = []
        self.position = 0
        self.keeps = True
        self.came: Callable[[], None] = lambda: None
        self._now = now
        self.most = 1 << 20
        self.refused = False
        self._follower: Follower | None = None
        self._found = False
        self._waiting: Deferred[None] | None = None

    # What the node asks for

    @property
    def largest(self) -> int:
        return self.most if self.up and self._found and not self.refused else 0

    def open(self, follower: Follower) -> None:
        self._follower = follower
        if self.up:
            self._begin()

    def _begin(self) -> None:
        assert self._follower is not None
        try:
            opening = self.shared.opening(self._follower.founding, self._follower.seen)
            self.position = self._follower.opened(opening)
        except LogError as error:
            if not self._found:
                raise
            self.refused = True
            self._follower.refused(error)
            return
        self._found, self.refused = True, False
        self._follower.connected()

    def publish(self, data: bytes, again: bool) -> None:
        if self.up and not self.deaf:
            self.sent.append(data)

    def follow(self) -> None:
        self._begin()

    def keep(self, state: Sequence[Fact]) -> None:
        if self.up and not self.deaf and self.keeps:
            self.shared.state = list(state)

    def close(self) -> Deferred[None]:
        self.dead = True
        return succeed(None)

    # What the test does

    @property
    def passes(self) -> bool:
        """Whether anything gets through."""
        return self.up and not self.deaf and not self.dead

    @property
    def behind(self) -> int:
        """How many entries are still to come to the node."""
        return max(0, self.shared.last - max(self.position, self.shared.first - 1))

    def arrive(self, index: int = 0) -> None:
        """Let something that is on its way get into the log."""
        self.shared.append(self._now(), self.sent.pop(index))

    def double(self, index: int = 0) -> None:
        """The same, but it is still on its way."""
        self.shared.append(self._now(), self.sent[index])

    def lose(self, index: int = 0) -> bytes:
        """Let something that is on its way never get there, unless the test sees to it."""
        return self.sent.pop(index)

    def deliver(self, most: int = 1) -> int:
        """Let the next entries come to the node; return how many did."""
        assert self._follower is not None
        came = 0
        while came < most and self.passes and self.behind and self._waiting is None:
            entry = self.shared.entries[max(self.position, self.shared.first - 1)]
            self.position = entry.position
            came += 1
            waiting = self._follower.took(*entry)
            if waiting is not None:
                self._waiting = waiting
                waiting.addCallback(self._go_on)
            else:
                self.came()
        return came

    def _go_on(self, _: None) -> None:
        self._waiting = None
        self.came()

    def pump(self) -> None:
        """Let all arrive that is on its way, and all come that is in the log."""
        if self.passes:
            while self.sent:
                self.arrive()
        self.deliver(1_000_000)

    def cut(self, silently: bool = False) -> None:
        """Let nothing get through; the node is told so, if not silently."""
        if silently:
            self.deaf = True
        elif self.up:
            self.up = False
            if self._found and not self.dead:
                assert self._follower is not None
                self._follower.disconnected("the connection to the brokers is lost")

    def mend(self) -> None:
        """Let everything get through again."""
        self.deaf = False
        if not self.up:
            self.up = True
            if self._follower is not None and not self.dead:
                self._begin()


class Node:
    """One process of the cluster; to people and programs it is like a :class:`.House`.

    :param path: its file.
    :param seconds: what its clock is at.
    :param largest: bytes that it may publish at once.
    """

    def __init__(
        self,
        shared: SharedLog,
        path: str,
        *,
        seconds: float = 0.0,
        lease: float = LEASE,
        cut: bool = False,
        largest: int = 1 << 20,
        permanent: Sequence[str] = ("lobby",),
        motd: Sequence[str] = (),
        keep: int = 0,
        **limits: int,
    ) -> None:
        self.path = path
        self.moment = START
        self.clock = Clock()
        self.clock.rightNow = seconds
        self.failures: list[Failure] = []
        self.readings = Readings()
        self.line = Line(shared, self.now)
        self.line.up = not cut
        self.line.most = largest
        self.replica = SqliteJournal(path, self.now, self.readings)
        self.journal = ClusterJournal(self.clock, self.replica, self.line, lease)
        limits = {"grace": GRACE, **limits}
        self.chat = Chat(
            self.clock,
            self.journal,
            self.now,
            Limits(**limits),
            permanent,
            motd,
            keep,
            peers=lambda chat: Nodes(chat, self.journal),
        )
        self.alive = True
        self.tick: Callable[..., None] = self.advance
        self.chat.start()

    def now(self) -> int:
        return self.moment + round(self.clock.seconds() * 1000)

    def advance(self, seconds: float = STEP) -> None:
        """Let time pass here alone."""
        if self.alive:
            self.clock.advance(seconds)

    def kill(self) -> None:
        """Let it be no more, as after a ``kill -9``. What is on its way may still arrive."""
        if self.alive:
            self.alive = False
            self.line.dead = True
            self.clock.calls.clear()
            self.replica.stop()

    def stop(self) -> Deferred[None]:
        """Stop it in order: it says goodbye, which is to get into the log and come back."""

        def stopped(_: None) -> None:
            self.alive = False

        return self.chat.close("bye").addCallback(lambda _: self.chat.stop()).addCallback(stopped)

    # What it has, and what it knows

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask its file."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()

    def events(self) -> list[Event]:
        """Return all that is stored."""
        return [Event(*row) for row in self.query("SELECT * FROM events ORDER BY id")]

    def stored(self, kind: str = "said") -> list[str]:
        """List what was said, as it is stored."""
        return [event.text for event in self.events() if event.kind == kind]

    def moves(self) -> list[str]:
        """List who came and went, as it is stored."""
        return [
            f"{event.author} {event.kind} {event.room}"
            for event in self.events()
            if event.kind in ("joined", "left")
        ]

    def facts(self) -> dict[tuple[str, str], str]:
        """Return what holds, as it is stored, for all nodes alike."""
        return {
            (kind, name): value
            for kind, name, value in self.query("SELECT * FROM facts")
            if kind != FILE
        }

    def here(self) -> dict[str, list[str]]:
        """List who is here, and in which rooms."""
        return {
            member.name: sorted(membership.room.name for membership in member.rooms())
            for member in self.chat.members
        }

    def rooms(self) -> dict[str, list[str]]:
        """List the rooms in which anybody is, and who."""
        assert_rooms_are_listed(self.chat)
        return {
            room.name: sorted(member.name for member in room.members)
            for room in self.chat.rooms.values()
            if room.members
        }


class Cluster:
    """Some nodes that follow one log.

    :ivar nodes: those that were started last, each under its number.
    """

    def __init__(self, folder: str, **options: Any) -> None:
        self.shared = SharedLog()
        self.seconds = 0.0
        self.nodes: dict[int, Node] = {}
        self.dead: list[Node] = []
        self._folder = folder
        self._options = options
        self._files = 0

    def path(self, number: int) -> str:
        """Return the file that a node has at first."""
        return f"{self._folder}/{number}.sqlite"

    def start(self, number: int = 0, *, empty: bool = False, **options: Any) -> Node:
        """Start a node, with the file that it had before if there is one."""
        before = self.nodes.get(number)
        path = self.path(number) if before is None else before.path
        if empty:
            self._files += 1
            path = f"{self._folder}/empty{self._files}.sqlite"
        if before is not None:
            self.dead.append(before)
        node = Node(self.shared, path, seconds=self.seconds, **{**self._options, **options})
        node.tick = self.run
        self.nodes[number] = node
        return node

    @property
    def alive(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.alive]

    def advance(self, seconds: float = STEP) -> None:
        """Let time pass on all nodes; nothing gets anywhere."""
        self.seconds += seconds
        for node in self.alive:
            node.advance(seconds)

    def pump(self) -> None:
        """Let all get through that can."""
        for node in self.alive:
            node.line.pump()
        for node in self.alive:
            node.line.deliver(1_000_000)

    def run(self, seconds: float = 0.3, step: float = STEP) -> None:
        """Let time pass, and all get through that can."""
        end = self.seconds + seconds - step / 2
        self.pump()
        while self.seconds < end:
            self.advance(step)
            self.pump()

    def close(self) -> None:
        for node in (*self.dead, *self.nodes.values()):
            node.kill()


class ClusterTestCase(unittest.TestCase):
    """A test that has nodes; what people ask of them must not fail."""

    cluster: Cluster

    def setUp(self) -> None:
        folder = tempfile.mkdtemp(prefix="chatservice-cluster-", dir=FOLDER)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.cluster = Cluster(folder)
        self.addCleanup(self._close)

    def _close(self) -> None:
        nodes = (*self.cluster.dead, *self.cluster.nodes.values())
        self.cluster.close()
        self.assertEqual([failure for node in nodes for failure in node.failures], [])

    def start(self, count: int, **options: Any) -> list[Node]:
        """Start nodes, which know of each other."""
        first = len(self.cluster.nodes)
        nodes = [self.cluster.start(first + number, **options) for number in range(count)]
        self.cluster.run()
        return nodes

    def arrive(self, node: Node, *names: str, room: str = "", operator: bool = False) -> Any:
        """Let people in, into one more room if one is named; what they were shown is read."""
        people = [Person(node) for _ in names]  # type: ignore[arg-type]
        for person, name in zip(people, names, strict=True):
            person.enter(name, operator=operator)
        self.cluster.run()
        for person in people:
            if room:
                person.type(f"/join {room}")
        self.cluster.run()
        for person in people:
            person.read()
        return people if len(people) > 1 else people[0]

    def program(self, node: Node, name: str | None = None, **hello: Any) -> Program:
        """Let a program in; its welcome is not read yet."""
        program = Program(node)  # type: ignore[arg-type]
        program.hello(name, **hello)
        self.cluster.run()
        return program

    def same(self, *nodes: Node) -> None:
        """Check that nodes have the same in their files, and know the same."""
        first, *others = nodes or self.cluster.alive
        for other in others:
            self.assertEqual(other.events(), first.events())
            self.assertEqual(readable(other.facts()), readable(first.facts()))
            self.assertEqual(other.here(), first.here())
            self.assertEqual(other.rooms(), first.rooms())


def readable(facts: dict[tuple[str, str], str]) -> dict[tuple[str, str], Any]:
    """Return facts with what they mean, so that a difference is shown where it is."""
    return {
        key: json.loads(value) if value[:1] in ("{", "[") else value for key, value in facts.items()
    }
