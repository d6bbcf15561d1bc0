"""The workloads that are measured: the members, their lines, and the figures taken."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.contestants import PATIENCE, Contestant
from benchmarks.load import Load
from benchmarks.verify import Wrong

LOBBY = ["lobby"]


@dataclass
class Result:
    """The result of one contestant with one workload, in one round.

    :ivar figures: by name, in the units that :mod:`.report` writes.
    :ivar wrong: the first fault found; ``""`` if everything was verified.
    :ivar stored: whether the history file holds all lines that were said, and no others; None if
        there is no such file.
    """

    figures: dict[str, float] = field(default_factory=dict)
    wrong: str = ""
    stored: bool | None = None

    @property
    def right(self) -> bool:
        """Whether every line was delivered and stored as it should be."""
        return not self.wrong and self.stored is not False

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value:.3g}" for name, value in self.figures.items())
        return (
            "right" * self.right
            + self.wrong
            + "; not what is stored" * (self.stored is False)
            + f"; {figures}"
        )


class Workload(Protocol):
    """A kind of load.

    :ivar title: the title of its table.
    :ivar contestants: the keys of the contestants that support it.
    """

    title: str
    contestants: tuple[str, ...]

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """Put the load on a server that has just started; return figures by name.

        :raises Wrong: if a line was not delivered as it should be.
        """


def run(workload: Workload, contestant: Contestant, seconds: float) -> Result:
    """Start a server, put a workload on it, and check the stored history."""
    result = Result()
    with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder:
        server = contestant.start(Path(folder))
        load = Load(contestant, server)
        try:
            result.figures = workload.measure(load, seconds)
        except Wrong as error:
            result.wrong = str(error)
        finally:
            load.close()
            server.kill()
        history = Path(folder) / "chat.sqlite"
        if history.exists() and not result.wrong:
            result.stored = stored(history) == load.said
    return result


def stored(history: Path) -> int:
    """Count the lines in the history file of a server that was killed."""
    connection = sqlite3.connect(history)
    try:
        count: int = connection.execute(
            "SELECT count(*) FROM events WHERE kind = 'said'"
        ).fetchone()[0]
    finally:
        connection.close()
    return count


def _talk(load: Load, seconds: float) -> dict[str, float]:
    """Measure speakers that have begun to talk; then wait until all lines are received."""
    load.run(seconds / 3)
    measured = load.run(seconds)
    if not measured.delivered:
        raise Wrong("nobody heard anything")
    load.finish()
    return {
        "lines": measured.delivered / measured.seconds,
        "cost": measured.delivered / measured.server_cpu,
        "p50": measured.at(0.5),
        "p99": measured.at(0.99),
        "p999": measured.at(0.999),
        "p90": measured.at(0.9),
        "server": measured.server_cpu / measured.seconds,
        "load": measured.own_cpu / measured.seconds,
    }


@dataclass
class Crowd:
    """Members of one room, some of whom speak: in a closed loop, or at a fixed rate.

    :ivar flight: lines of each speaker in flight; the next is said when the member beside the
        speaker has received one.
    :ivar rate: lines a second of all speakers together, instead of ``flight``.
    """

    title: str
    members: int
    speakers: int
    contestants: tuple[str, ...]
    flight: int = 0
    rate: float = 0.0

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """See :meth:`Workload.measure`."""
        speakers = self.gather(load)
        if self.rate:
            load.every(self.speakers / self.rate, speakers)
        for number in speakers if self.flight else ():
            load.say(number, self.flight)
        figures = _talk(load, seconds)
        one_order = load.contestant.one_order and load.rooms[0].one_order
        return figures | {"one order": one_order}

    def gather(self, load: Load) -> list[int]:
        """Let all members enter; return the speakers, evenly spread."""
        members = list(range(self.members))
        load.enter(dict.fromkeys(members, LOBBY))
        speakers = [number * self.members // self.speakers for number in range(self.speakers)]
        load.gather({"lobby": members}, speakers)
        return speakers


@dataclass
class Rooms:
    """Many rooms in which all speak in turns, one line in flight in each room."""

    title: str
    rooms: int
    members: int
    contestants: tuple[str, ...]

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """See :meth:`Workload.measure`."""
        rooms = _rooms(self.rooms, self.members)
        load.enter({number: [room] for room, members in rooms.items() for number in members})
        for members in rooms.values():
            load.turns.update(zip(members, [*members[1:], members[0]], strict=True))
        load.gather(rooms, range(self.rooms * self.members), sampled=1)
        for members in rooms.values():
            load.say(members[0])
        return _talk(load, seconds)


@dataclass
class Watcher:
    """A member of some of many rooms with two speakers each; only its latencies are taken.

    :ivar rate: lines a second of all together.
    """

    title: str
    rooms: int
    watched: int
    rate: float
    contestants: tuple[str, ...]

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """See :meth:`Workload.measure`."""
        rooms = _rooms(self.rooms, 2)
        load.enter({number: [room] for room, members in rooms.items() for number in members})
        watched = list(rooms)[:: self.rooms // self.watched]
        watcher = 2 * self.rooms
        load.enter({watcher: watched})
        load.gather(rooms, range(watcher), sampled=0)
        load.watch(watcher, watched)
        load.every(watcher / self.rate, range(watcher))
        return _talk(load, seconds)


def _rooms(count: int, members: int) -> dict[str, range]:
    return {f"r{room:05}": range(room * members, (room + 1) * members) for room in range(count)}


@dataclass
class Idle:
    """Silent members of one room."""

    title: str
    members: int
    contestants: tuple[str, ...]

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """See :meth:`Workload.measure`."""
        few = range(self.members, self.members + 20)
        load.enter(dict.fromkeys(few, LOBBY))
        before = load.server.memory()
        members = range(self.members)
        load.enter(dict.fromkeys(members, LOBBY))
        load.settle()
        # Read until no bytes are left.
        while load.read(0.3):
            pass
        began, cpu = time.perf_counter(), load.server.cpu
        memory = load.server.memory() - before
        time.sleep(seconds)
        busy = (load.server.cpu - cpu) / (time.perf_counter() - began)
        return {"memory": memory / self.members, "server": busy}


@dataclass
class Storm:
    """Logins into one room, all at once, until every member was told of all the others.

    If the server does not list the people present to a newcomer, every member need only be told of
    those who came later.
    """

    title: str
    members: int
    contestants: tuple[str, ...]

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """See :meth:`Workload.measure`."""
        began, cpu = time.perf_counter(), load.server.cpu
        for number in range(self.members):
            load.connect(number, LOBBY)
        told = dict.fromkeys(range(self.members), 0)
        rest = dict.fromkeys(told, b"")
        listing = load.contestant.told(b"-- you are in #lobby with ana\r\n")
        wanted = self.members * (self.members - 1) // (1 if listing else 2)
        total = 0
        while total < wanted:
            received = load.read(PATIENCE)
            if not received:
                raise Wrong(f"{wanted - total:,} of {wanted:,} notices of arrivals never came")
            for number, data in received.items():
                whole, newline, rest[number] = (rest[number] + data).rpartition(b"\n")
                count = load.contestant.told(whole + newline)
                told[number] += count
                total += count
        took = time.perf_counter() - began
        if total > wanted or (listing and set(told.values()) != {self.members - 1}):
            raise Wrong("a member was told of too many or too few arrivals")
        return {"logins": self.members / took, "cpu": (load.server.cpu - cpu) / self.members}


@dataclass
class Sweep:
    """One room in which few speak, at rising rates: the cost of a delivered line at each rate.

    The sweep ends at the rate that the server cannot keep up with.

    :ivar rates: lines a second, in rising order.
    """

    title: str
    members: int
    speakers: int
    rates: tuple[int, ...]
    contestants: tuple[str, ...]

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """See :meth:`Workload.measure`; return seconds of CPU per delivered line, by rate."""
        speakers = Crowd("", self.members, self.speakers, ()).gather(load)
        figures = {}
        for rate in self.rates:
            load.every(self.speakers / rate, speakers)
            load.run(seconds / 3)
            measured = load.run(seconds)
            load.finish()
            if measured.delivered < 0.9 * measured.seconds * rate * (self.members - 1):
                break
            figures[str(rate)] = measured.server_cpu / measured.delivered
        return figures
