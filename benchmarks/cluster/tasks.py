"""The loads on nodes of one chat: members at each node, their lines, and the figures taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from benchmarks import report
from benchmarks.cluster.brokers import Brokers
from benchmarks.contestants import Chatservice, Server
from benchmarks.load import Load
from benchmarks.report import Column
from benchmarks.verify import Wrong
from benchmarks.workloads import LOBBY, Crowd


class Kind(NamedTuple):
    """A number of nodes and of brokers; a single process has no broker."""

    title: str
    nodes: int
    brokers: int


KINDS: Mapping[str, Kind] = {
    "alone": Kind("a single process", 1, 0),
    "one": Kind("one node, one broker", 1, 1),
    "two": Kind("two nodes, one broker", 2, 1),
    "three": Kind("three nodes, one broker", 3, 1),
    "replicated": Kind("three nodes, three brokers", 3, 3),
}


class Spread(Load):
    """Connections to several nodes.

    :ivar place: returns the index of the node for a member's number.
    """

    def __init__(self, contestant: Chatservice, nodes: Sequence[Server], brokers: Brokers) -> None:
        super().__init__(contestant, nodes[0])
        self.nodes = nodes
        self.brokers = brokers
        self.place: Callable[[int], int] = lambda number: 0

    def connect(self, number: int, rooms: Sequence[str]) -> None:
        """See :meth:`.Load.connect`."""
        self.server = self.nodes[self.place(number)]
        super().connect(number, rooms)

    @contextmanager
    def metered(self) -> Iterator[list[float]]:
        """Yield a list; at the end it gets the CPU seconds of the brokers, then of each node."""
        parts: Sequence[Brokers | Server] = (self.brokers, *self.nodes)
        before = [part.cpu for part in parts]
        taken: list[float] = []
        yield taken
        taken += [part.cpu - cpu for part, cpu in zip(parts, before, strict=True)]


class Task(Protocol):
    """A load on nodes.

    :ivar kinds: the keys of the kinds that support it.
    :ivar columns: the columns of its table.
    """

    kinds: Sequence[str]
    columns: Sequence[Column]

    @property
    def title(self) -> str:
        """The title of the table."""

    def measure(self, load: Spread, seconds: float) -> dict[str, float]:
        """Put the load on nodes that have just started; return figures by name.

        :raises Wrong: if a line was not delivered as it should be.
        """


@dataclass
class Saturation:
    """A room of members on all nodes, in which many speak as fast as they are heard."""

    crowd: Crowd
    kinds: Sequence[str] = tuple(KINDS)
    columns: Sequence[Column] = (
        Column("lines/s", "lines", report.large),
        Column("lines per CPU-s of the nodes", "cost", report.large, spread=True),
        Column("beside the single process", "ratio", "{:.2f}".format, spread=True),
        Column("lines per CPU-s, with the brokers'", "all", report.large),
        Column("p50 ms", "p50", report.milliseconds),
        Column("p99 ms", "p99", report.milliseconds),
        Column("nodes' CPU", "server", report.percent),
        Column("brokers' CPU", "brokers", report.percent),
        Column("load's CPU", "load", report.percent),
    )

    @property
    def title(self) -> str:
        """See :attr:`Task.title`."""
        return self.crowd.title

    def measure(self, load: Spread, seconds: float) -> dict[str, float]:
        """See :meth:`Task.measure`."""
        load.place = lambda number: number * len(load.nodes) // self.crowd.members
        for number in self.crowd.gather(load):
            load.say(number, self.crowd.flight)
        load.run(seconds / 3)
        with load.metered() as taken:
            measured = load.run(seconds)
        if not measured.delivered:
            raise Wrong("nobody heard anything")
        load.finish()
        brokers, nodes = taken[0], sum(taken[1:])
        return {
            "lines": measured.delivered / measured.seconds,
            "cost": measured.delivered / nodes,
            "all": measured.delivered / (nodes + brokers),
            "p50": measured.at(0.5),
            "p99": measured.at(0.99),
            "server": nodes / measured.seconds,
            "brokers": brokers / measured.seconds,
            "load": measured.own_cpu / measured.seconds,
        }


@dataclass
class Quiet:
    """Two rooms with one slow speaker each: one to members at its node, one to members elsewhere.

    :ivar members: the members of each room.
    :ivar rate: lines a second of both rooms together.
    """

    members: int
    rate: float
    kinds: Sequence[str] = tuple(KINDS)
    columns: Sequence[Column] = (
        Column("p50 ms, same node", "near p50", report.milliseconds, spread=True),
        Column("p99 ms, same node", "near p99", report.milliseconds, spread=True),
        Column("p50 ms, other node", "far p50", report.milliseconds, spread=True),
        Column("p99 ms, other node", "far p99", report.milliseconds, spread=True),
        Column("p50 more, ms", "more p50", report.milliseconds),
        Column("p99 more, ms", "more p99", report.milliseconds),
    )

    @property
    def title(self) -> str:
        """See :attr:`Task.title`."""
        return f"Two rooms of {self.members}, {self.rate:.0f} lines a second"

    def measure(self, load: Spread, seconds: float) -> dict[str, float]:
        """See :meth:`Task.measure`."""
        size, others = self.members, len(load.nodes) - 1
        rooms = {"near": range(size), "far": range(size, 2 * size)}
        # All of the second room but its speaker, the first, are at other nodes, if there are any.
        load.place = lambda number: 1 + number % others if others and number > size else 0
        load.enter({number: [room] for room, members in rooms.items() for number in members})
        speakers = [members[0] for members in rooms.values()]
        load.gather(rooms, speakers, size)
        load.every(len(speakers) / self.rate, speakers)
        load.run(seconds / 3)
        load.run(4 * seconds)
        figures = {}
        for name, room in zip(rooms, load.rooms, strict=True):
            if others or name == "near":
                latencies = sorted(room.latencies)
                if not latencies:
                    raise Wrong("nobody heard anything")
                figures[f"{name} p50"] = latencies[len(latencies) // 2]
                figures[f"{name} p99"] = latencies[len(latencies) * 99 // 100]
        load.finish()
        return figures


@dataclass
class Away:
    """All members are at the first of two nodes: the cost of their activity at the second.

    :ivar members: the number of logins.
    :ivar rate: lines a second when they are said one by one, each as an entry of its own.
    """

    members: int
    rate: float
    kinds: Sequence[str] = ("alone", "two")
    columns: Sequence[Column] = (
        Column("a login", "login", report.microseconds),
        Column("elsewhere", "login elsewhere", report.microseconds),
        Column("broker", "login broker", report.microseconds),
        Column("a member", "memory", report.kibibytes),
        Column("elsewhere", "memory elsewhere", report.kibibytes),
        Column("a line said alone", "single", report.microseconds),
        Column("elsewhere", "single elsewhere", report.microseconds),
        Column("broker", "single broker", report.microseconds),
        Column("a line of many", "many", report.microseconds),
        Column("elsewhere", "many elsewhere", report.microseconds),
        Column("broker", "many broker", report.microseconds),
    )

    @property
    def title(self) -> str:
        """See :attr:`Task.title`."""
        return f"{self.members:,} members at one node, CPU µs and memory there and elsewhere"

    def measure(self, load: Spread, seconds: float) -> dict[str, float]:
        """See :meth:`Task.measure`."""
        talk = range(self.members, self.members + 20)
        watch = range(talk.stop, talk.stop + 2)
        load.place = lambda number: len(load.nodes) - 1 if number in watch else 0
        # A watcher hears a line only after its node has read every entry before it.
        caught_up = {"watch": watch}
        load.enter({number: ["talk"] for number in talk} | {number: ["watch"] for number in watch})
        load.hush(caught_up)
        before = [node.memory() for node in load.nodes]
        with load.metered() as logins:
            load.enter(dict.fromkeys(range(self.members), LOBBY))
            load.hush(caught_up)
        after = [node.memory() for node in load.nodes]
        speakers = talk[::2]
        load.gather({"talk": talk}, speakers)
        counts = [float(self.members)]
        costs = [logins]
        for one_by_one in (True, False):
            said = load.said
            with load.metered() as lines:
                if one_by_one:
                    load.every(len(speakers) / self.rate, speakers)
                else:
                    for number in speakers:
                        load.say(number, 8)
                load.run(seconds)
                load.finish()
                load.hush(caught_up)
            counts.append(load.said - said)
            costs.append(lines)
        figures = {}
        places = ["broker", "", "elsewhere"][: 1 + len(load.nodes)]
        for what, count, taken in zip(("login", "single", "many"), counts, costs, strict=True):
            for where, cpu in zip(places, taken, strict=True):
                if where != "broker" or len(load.nodes) > 1:
                    figures[f"{what} {where}".rstrip()] = cpu / count
        for where, more, less in zip(places[1:], after, before, strict=True):
            figures[f"memory {where}".rstrip()] = (more - less) / self.members
        return figures


TASKS: Mapping[str, Task] = {
    "100": Saturation(Crowd("100 members, 10 speak, 8 lines in flight each", 100, 10, (), 8)),
    "1000": Saturation(Crowd("1,000 members, 200 speak, 1 line in flight each", 1000, 200, (), 1)),
    "quiet": Quiet(10, 40),
    "away": Away(2000, 200),
}

QUICK: Mapping[str, Task] = {
    "100": Saturation(Crowd("30 members, 10 speak, 4 lines in flight each", 30, 10, (), 4)),
    "quiet": Quiet(5, 40, ("alone", "two", "replicated")),
    "away": Away(40, 100),
}
"""Small loads that take seconds: they check correctness, not speed."""
