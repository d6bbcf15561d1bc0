"""Nodes that are cut off, killed and started again, against what is promised of them together.

Whatever gets lost, comes twice or late: in the end all nodes have the same in their files and agree
on who is where; every line is stored once, and shown once to each whom it is for.
"""

from __future__ import annotations

import random
import re
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Final
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)
from twisted.python.failure import Failure
from twisted.trial import unittest

from chatservice.cluster.entries import Entry, cut, encode
from chatservice.cluster.journal import ClusterJournal
from chatservice.journal.events import (
    HOUSE,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    SAID,
    Draft,
    Event,
    Fact,
    inbox,
)
from chatservice.messages import Code
from chatservice.text import names
from tests.cluster.support import GRACE, LEASE, Cluster, Node, readable
from tests.core.mortal import run
from tests.core.programs import Program, Said
from tests.core.support import FOLDER, Person
from tests.profiles import NIGHTLY, examples

# Some seconds' worth; to look for longer, set the variable to some thousands.
STEPS: Final = 40
NODES: Final = 3
PARTIES: Final = 5

ROOMS: Final = ("lobby", "dev")
NAMES: Final = ("ana", "Ana", "bo", "cy", "di", "ed")

NONSENSE: Final = (
    b"hello",
    encode(Entry("x", 1, [], [Fact("ban", "no network", "")])),
    encode(Entry("x", 1, [Draft("lobby", SAID, "eve", "boo", 1, -1)], [], mark="another")),
    b'["x",1,[["lobby","said","eve","boo",1,-1]],[]]',
    *cut(Entry("x", 1, [], [Fact("session", str(n) * 50, "{}") for n in range(9)]), 150),
)
"""What is in the log, and no entry of any node."""

_TEXT: Final = re.compile(r"(?<![\w.])t\d+t(?!\w)")
_PAST: Final = re.compile(r"\[\d\d:\d\d\] ")


class Human:
    """Somebody at a plain socket.

    :ivar shown: what they were shown, as it happened.
    """

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self.person = Person(node)  # type: ignore[arg-type]
        self.refused: list[Failure] = []
        self.person.enter(name).addErrback(self.refused.append)
        self.shown: list[str] = []

    @property
    def inside(self) -> bool:
        return hasattr(self.person, "member")

    @property
    def here(self) -> bool:
        """Whether they are in, and were not let go."""
        return self.node.alive and self.inside and not self.person.member.gone

    def read(self) -> None:
        for line in self.person.read():
            if not _PAST.match(line) and not line.startswith("[you -> "):
                self.shown += _TEXT.findall(line)


class Bot:
    """A program, and what it knows.

    :ivar token: ``""`` as long as it has not received it.
    :ivar since: the highest id that it received; :ivar began: after which all is for it.
    :ivar talks: what it says, by number.
    :ivar answers: by number, the id that it was told, or what it was told instead.
    :ivar seen: what it was told of, by id.
    :ivar over: it is out, and knows it.
    """

    def __init__(self, node: Node, name: str, rooms: Sequence[str]) -> None:
        self.token = ""
        self.since = self.began = 0
        self.talks: dict[int, dict[str, Any]] = {}
        self.answers: dict[int, int | str] = {}
        self.seen: dict[int, Said] = {}
        self.over = False
        self.connect(node, name=name, rooms=rooms)

    def connect(self, node: Node, **hello: Any) -> None:
        self.node = node
        self.at = hello.get("since", 0)
        self.ready = False
        self.program = Program(node)  # type: ignore[arg-type]
        self.program.hello(**hello)

    @property
    def connected(self) -> bool:
        return self.node.alive and not self.program.outlet.closed

    def lose(self) -> None:
        """Lose the connection, and what came on it and was not read."""
        if self.node.alive and not self.program.outlet.closed:
            self.program.lose()
        self.program.outlet.lost = True
        self.ready = False

    def back(self, node: Node) -> None:
        self.connect(node, token=self.token, since=self.since)

    def say(self, **talk: Any) -> None:
        seq = len(self.talks) + 1
        self.talks[seq] = {**talk, "seq": seq}
        self.program.ask(**self.talks[seq])

    def read(self) -> None:
        for message in self.program.read():
            self._take(message)

    def _take(self, message: Said) -> None:
        type, id, seq = message["type"], message.get("id"), message.get("seq")
        assert type != "notice" or not message.get("gap"), message
        if type == "welcome":
            if message["gap"]:
                missed = [e for e in self.node.events() if self.since < e.id <= message["since"]]
                assert not missed, message
            assert message["resumed"] is bool(self.token), message
            self.began = self.began or message["since"]
            self.since = max(self.since, message["since"])
            self.token, self.at, self.ready = message["token"], message["since"], True
            for talk in [t for n, t in self.talks.items() if n not in self.answers]:
                self.program.ask(**talk)
        elif type == "error" and message.get("to") == "hello":
            assert message["code"] in (Code.NAME_TAKEN, Code.WENT_WRONG), message
            self.over = not self.token or message["code"] == Code.NAME_TAKEN
            self.program.outlet.lost = True
        elif type == "error" and seq is not None:
            assert message["code"] in (Code.NOT_IN_ROOM, Code.NOT_HERE), message
            assert self.answers.setdefault(seq, message["code"]) == message["code"], message
        elif type == "ok" and seq is not None:
            assert self.answers.setdefault(seq, id) == id, message
        if id is not None:
            if id <= self.at:
                # It is told again what it had said before.
                assert type == "ok" and self.seen[id] == message, (self.at, message)
                return
            self.at = id
            self.since = max(self.since, id)
            assert self.seen.setdefault(id, message) == message, (message, self.seen[id])


class Machine(RuleBasedStateMachine):
    """Three nodes, five people or programs, and all that can happen to them."""

    flush_errors: Callable[[], list[Failure]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="chat-cluster-", dir=FOLDER)
        chance = random.Random(1)
        self.patches = [
            patch.object(secrets, "randbits", chance.getrandbits),
            patch.object(secrets, "token_hex", lambda n: f"{chance.getrandbits(8 * n):0{2 * n}x}"),
            patch.object(secrets, "token_urlsafe", lambda n: f"{chance.getrandbits(8 * n):x}"),
        ]
        for each in self.patches:
            each.start()
        self.humans: list[Human] = []
        self.bots: list[Bot] = []
        self.limbo: list[bytes] = []
        self.counter = 0
        self.registries: dict[int, Any] = {}
        self.settled: dict[str, Node] = {}

    @initialize(
        count=st.integers(2, NODES),
        auto=st.booleans(),
        pace=st.sampled_from((0.1, 0.3)),
        largest=st.sampled_from((1 << 20, 1 << 20, 200)),
    )
    def opens(self, count: int, auto: bool, pace: float, largest: int) -> None:
        self.auto, self.pace = auto, pace
        self.cluster = Cluster(self.folder, largest=largest)
        for number in range(count):
            self._start(number)
        self.cluster.run()
        first = Human(self._node(0), "zed")
        self.cluster.run()
        first.person.type("/quit")
        self.cluster.run()

    def _start(self, number: int, empty: bool = False) -> None:
        node = self.cluster.start(number, empty=empty)
        node.line.came = lambda: self._agreed(node.journal)

    def _agreed(self, journal: ClusterJournal) -> None:
        """All that nodes agree on is the same at the same place."""
        if journal.following._scratch is not None:
            return
        registry = journal.registry
        now = (
            dict(registry.names),
            dict(registry.known),
            {boot: lease.fact(boot) for boot, lease in registry.leases.items()},
            deepcopy(registry._pieces._held),
            dict(registry.standing),
            registry.version,
        )
        assert self.registries.setdefault(journal.following.position, now) == now

    def teardown(self) -> None:
        try:
            if hasattr(self, "cluster") and sys.exc_info()[0] is None:
                self.all_is_well_at_last()
        finally:
            if hasattr(self, "cluster"):
                self.cluster.close()
            for each in self.patches:
                each.stop()
            shutil.rmtree(self.folder)

    def _node(self, which: int) -> Node:
        return self.cluster.alive[which % len(self.cluster.alive)]

    def _then(self) -> None:
        if self.auto:
            self.cluster.run(self.pace)
        for party in (*self.humans, *self.bots):
            if party.node.alive:
                party.read()
        self._nothing_failed()

    def _nothing_failed(self) -> None:
        for human in self.humans:
            outlet = human.person.outlet
            assert not human.here or outlet.lost or not outlet.finished, "closed without a cause"
        failed = self.flush_errors()
        assert not failed, failed[0].getTraceback()
        for node in (*self.cluster.dead, *self.cluster.nodes.values()):
            assert not node.failures, node.failures[0].getTraceback()

    def _text(self) -> str:
        self.counter += 1
        return f"t{self.counter}t"

    # People

    @precondition(lambda self: len(self.humans) + len(self.bots) < PARTIES)
    @rule(which=st.integers(0, 2), name=st.sampled_from(NAMES))
    def a_person_comes(self, which: int, name: str) -> None:
        self.humans.append(Human(self._node(which), name))
        self._then()

    @precondition(lambda self: len(self.humans) + len(self.bots) < PARTIES)
    @rule(
        which=st.integers(0, 2),
        name=st.sampled_from(NAMES),
        rooms=st.lists(st.sampled_from(ROOMS), min_size=1, max_size=2),
    )
    def a_program_comes(self, which: int, name: str, rooms: list[str]) -> None:
        self.bots.append(Bot(self._node(which), name, rooms))
        self._then()

    def _forget_the_gone(self) -> None:
        for human in list(self.humans):
            if human.refused or (human.inside and not human.here) or not human.node.alive:
                human.read()
                self._check_shown(human)
                self.humans.remove(human)

    @precondition(lambda self: any(human.here for human in self.humans))
    @rule(
        who=st.integers(0, PARTIES),
        what=st.sampled_from(
            ("say", "say", "say", "join", "leave", "nick", "msg", "away", "quit", "hang up")
        ),
        room=st.sampled_from(ROOMS),
        name=st.sampled_from(NAMES),
    )
    def a_person_does(self, who: int, what: str, room: str, name: str) -> None:
        here = [human for human in self.humans if human.here]
        human = here[who % len(here)]
        if what == "hang up":
            human.person.lose()
        else:
            human.person.type(
                {
                    "say": self._text(),
                    "join": f"/join {room}",
                    "leave": f"/leave {room}",
                    "nick": f"/nick {name}",
                    "msg": f"/msg {name} {self._text()}",
                    "away": "/away",
                    "quit": "/quit",
                }[what]
            )
        self._then()
        self._forget_the_gone()

    @precondition(lambda self: any(bot.connected and bot.ready for bot in self.bots))
    @rule(
        who=st.integers(0, PARTIES),
        what=st.sampled_from(("say", "say", "say", "join", "leave", "nick", "private", "quit")),
        room=st.sampled_from(ROOMS),
        name=st.sampled_from(NAMES),
    )
    def a_program_does(self, who: int, what: str, room: str, name: str) -> None:
        there = [bot for bot in self.bots if bot.connected and bot.ready]
        bot = there[who % len(there)]
        if what == "say":
            bot.say(type="say", room=room, text=self._text())
        elif what == "private":
            bot.say(type="private", to=name, text=self._text())
        elif what == "nick":
            bot.program.ask("nick", name=name)
        elif what == "quit":
            bot.program.ask("quit")
        else:
            bot.program.ask(what, room=room)
        self._then()

    @precondition(lambda self: any(bot.connected for bot in self.bots))
    @rule(who=st.integers(0, PARTIES))
    def a_program_loses_its_connection(self, who: int) -> None:
        there = [bot for bot in self.bots if bot.connected]
        there[who % len(there)].lose()
        self._then()

    @precondition(lambda self: any(bot.token and not bot.over for bot in self.bots))
    @rule(who=st.integers(0, PARTIES), which=st.integers(0, 2))
    def a_program_comes_back(self, who: int, which: int) -> None:
        """Come back, whether or not the connection before is known to be lost."""
        known = [bot for bot in self.bots if bot.token and not bot.over]
        known[who % len(known)].back(self._node(which))
        self._then()

    # Nodes

    @precondition(lambda self: len(self.cluster.alive) > 1)
    @rule(which=st.integers(0, 2), late=st.booleans())
    def a_node_is_killed(self, which: int, late: bool) -> None:
        node = self._node(which)
        node.kill()
        if late:
            self.limbo += node.line.sent
        self._forget_the_gone()

    @precondition(lambda self: len(self.cluster.alive) < len(self.cluster.nodes))
    @rule(which=st.integers(0, 2), empty=st.booleans())
    def a_node_begins(self, which: int, empty: bool) -> None:
        dead = [number for number, node in self.cluster.nodes.items() if not node.alive]
        self._start(dead[which % len(dead)], empty)
        self._then()

    @rule(which=st.integers(0, 2), silently=st.booleans())
    def a_line_is_cut(self, which: int, silently: bool) -> None:
        self._node(which).line.cut(silently)
        self._then()

    @precondition(lambda self: not all(node.line.passes for node in self.cluster.alive))
    @rule(which=st.integers(0, 2))
    def a_line_is_mended(self, which: int) -> None:
        cut = [node for node in self.cluster.alive if not node.line.passes]
        cut[which % len(cut)].line.mend()
        self._then()

    @precondition(lambda self: any(node.line.sent for node in self.cluster.alive))
    @rule(
        which=st.integers(0, 2),
        what=st.sampled_from(("arrive", "arrive", "arrive", "double", "lose", "delay")),
        last=st.booleans(),
    )
    def something_is_on_its_way(self, which: int, what: str, last: bool) -> None:
        busy = [node for node in self.cluster.alive if node.line.sent]
        line = busy[which % len(busy)].line
        index = -1 if last else 0
        if what == "arrive":
            line.arrive(index)
        elif what == "double":
            line.double(index)
        elif what == "delay":
            self.limbo.append(line.lose(index))
        else:
            line.lose(index)
        self._then()

    @precondition(lambda self: self.limbo)
    @rule(which=st.integers(0, 5))
    def something_arrives_late(self, which: int) -> None:
        data = self.limbo.pop(which % len(self.limbo))
        self.cluster.shared.append(self._node(0).now(), data)
        self._then()

    @rule(which=st.integers(0, 2), largest=st.sampled_from((150, 200, 1 << 20)))
    def brokers_take_less_or_more(self, which: int, largest: int) -> None:
        self._node(which).line.most = largest
        self._then()

    @rule(what=st.sampled_from(NONSENSE))
    def somebody_publishes_nonsense(self, what: bytes) -> None:
        self.cluster.shared.append(self._node(0).now(), what)
        self._then()

    @rule(which=st.integers(0, 2), most=st.integers(1, 4))
    def entries_come(self, which: int, most: int) -> None:
        self._node(which).line.deliver(most)
        self._then()

    @rule(seconds=st.sampled_from((0.05, 0.3, 1.0, LEASE / 2, LEASE)))
    def time_passes(self, seconds: float) -> None:
        """Time passes, and nothing gets anywhere."""
        for _ in range(4):
            self.cluster.advance(seconds / 4)
        self._then()

    @rule(seconds=st.sampled_from((0.05, 0.3, 1.0, LEASE / 2, 2 * LEASE, GRACE + 1)))
    def all_goes_well(self, seconds: float) -> None:
        self.cluster.run(seconds, max(0.05, seconds / 40))
        self._then()

    # What is to be true

    def _check_shown(self, human: Human) -> None:
        assert len(set(human.shown)) == len(human.shown), human.shown

    def all_is_well_at_last(self) -> None:
        """Let all be mended, all come, and all leases be over; then look."""
        for node in self.cluster.alive:
            node.line.mend()
        self.cluster.run(2.0)
        while self.limbo:
            self.something_arrives_late(0)
        for number, node in self.cluster.nodes.items():
            if not node.alive:
                self._start(number)
        self.cluster.run(1.0)
        for bot in self.bots:
            if bot.token and not bot.over and not (bot.ready and bot.connected):
                bot.back(self._node(0))
        self.cluster.run(2 * LEASE + GRACE + 5, 0.25)
        self._then()
        for bot in self.bots:
            if bot.token and not bot.over and not (bot.ready and bot.connected):
                bot.back(self._node(0))
        self.cluster.run(3.0)
        self._then()
        self._all_nodes_are_alike()
        events = self.cluster.alive[0].events()
        self._who_is_where(events)
        self._each_line_once(events)
        for human in self.humans:
            self._read_by(human, events)
        for bot in self.bots:
            if bot.token:
                self._read_by_program(bot, events)

    def _all_nodes_are_alike(self) -> None:
        first, *others = self.cluster.alive
        assert not first.line.behind and not first.journal.unreachable
        for node in others:
            assert not node.line.behind and not node.journal.unreachable
            same(node.events(), first.events())
            same(readable(node.facts()), readable(first.facts()))
            same(node.here(), first.here())
            same(node.rooms(), first.rooms())
            same(populations(node), populations(first))
        for node in self.cluster.alive:
            registry = node.journal.registry
            here = {member.origin: names.key(member.name) for member in node.chat.members}
            held = {claim.origin: name for name, claim in registry.names.items()}
            same(here, held)
            assert len(registry.names) == len(held), registry.names
            for member in node.chat.members:
                assert node.journal.decides(member.origin) is not member.remote
            known = {o for o, k in registry.known.items() if k.who.boot}
            same(known, set(here))

    def _who_is_where(self, events: Sequence[Event]) -> None:
        """Who is told to join was not there, who is told to leave was."""
        inside: dict[str, set[str]] = {room: set() for room in ROOMS}
        staying = {human.person.member.origin for human in self.humans if human.here}
        for event in events:
            there = inside.get(event.room)
            if there is None:
                continue
            if event.kind == JOINED:
                for name in map(names.key, event.author.split(" ")):
                    assert name not in there, event
                    there.add(name)
            elif event.kind == LEFT:
                for name in map(names.key, event.author.split(" ")):
                    assert name in there, event
                    there.remove(name)
            elif event.kind == RENAMED:
                old, new = names.key(event.author), names.key(event.text)
                assert old in there and (old == new or new not in there), event
                there.remove(old)
                there.add(new)
            elif event.kind == SAID and event.origin in staying:
                # What was held of others may come when they were shown to leave already.
                assert names.key(event.author) in there, event
        for node in self.cluster.alive:
            there = {room: {names.key(n) for n in people} for room, people in node.rooms().items()}
            assert there == {room: people for room, people in inside.items() if people}

    def _each_line_once(self, events: Sequence[Event]) -> None:
        texts = Counter(event.text for event in events if event.kind in (SAID, PRIVATE))
        twice = [text for text, count in texts.items() if count > 1]
        assert not twice, twice
        ids = {(event.origin, event.seq): event.id for event in events if event.seq > 0}
        assert len(ids) == sum(event.seq > 0 for event in events)
        by_text = {event.text: event.id for event in events}
        for bot in self.bots:
            for seq, talk in bot.talks.items():
                answer = bot.answers.get(seq)
                if isinstance(answer, int):
                    assert by_text.get(talk["text"]) == answer, talk
                elif isinstance(answer, str):
                    assert talk["text"] not in texts, talk

    def _read_by(self, human: Human, events: Sequence[Event]) -> None:
        self._check_shown(human)
        order = [event.text for event in events if event.kind in (SAID, PRIVATE)]
        place = {text: index for index, text in enumerate(order)}
        shown = [place[text] for text in human.shown if text in place]
        assert len(shown) == len(human.shown), "shown, and not stored"
        assert shown == sorted(shown), human.shown
        if human.here:
            member = human.person.member
            wanted = {
                event.text
                for event in events
                if event.kind in (SAID, PRIVATE)
                and event.origin != member.origin
                and (
                    event.room == inbox(member.origin)
                    or any(m.covers(event) for m in member.memberships)
                )
            }
            assert wanted <= set(human.shown), wanted - set(human.shown)

    def _read_by_program(self, bot: Bot, events: Sequence[Event]) -> None:
        node = self.cluster.alive[0]
        session = node.chat.tokens.find(bot.token)
        assert session is not None
        if bot.over or not bot.ready:
            return
        assert all(seq in bot.answers for seq in bot.talks), bot.talks
        wanted = [
            event
            for event in events
            if event.id > bot.began
            and (
                event.room in (HOUSE, inbox(session.origin))
                # What a program has said has its receipt, also where its join came to nothing.
                or (event.kind in (SAID, PRIVATE) and event.origin == session.origin)
                or any(
                    event.room == room and since < event.id < until
                    for room, since, until in (
                        *session.reading.periods,
                        *((r, s, events[-1].id + 1) for r, s in session.reading.rooms.items()),
                    )
                )
            )
        ]
        same(sorted(bot.seen), [event.id for event in wanted])
        for event in wanted:
            message = bot.seen[event.id]
            if event.kind in (SAID, PRIVATE) and event.origin != session.origin:
                assert message["text"] == event.text, message


def same(one: object, other: object) -> None:
    assert one == other, f"{one} is not {other}"


def populations(node: Node) -> dict[str, int]:
    """Count who is in which room."""
    return {room.name: room.population for room in node.chat.rooms.values()}


class ClusterModelTests(unittest.TestCase):
    def test_all_nodes_tell_the_same_whatever_happens_to_them(self) -> None:
        # For every change the same runs.
        run(self, Machine, examples(50), STEPS, derandomize=not NIGHTLY)
