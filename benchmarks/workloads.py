"""What is measured: who is there, who says how much, and for how long."""

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
    """What one contestant did with one workload, once.

    :ivar figures: by name, in the units that :mod:`.report` gives with them.
    :ivar wrong: what was not as it should be; ``""`` if everything was verified.
    :ivar stored: whether the history file has every line that was said, and nothing else; None if
        there is no such file.
    """

    figures: dict[str, float] = field(default_factory=dict)
    wrong: str = ""
    stored: bool | None = None

    @property
    def right(self) -> bool:
        """Whether every line was delivered, and stored, as it should be."""
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

    :ivar title: as it stands above its table.
    :ivar contestants: the keys of those that can do it.
    """

    title: str
    contestants: tuple[str, ...]

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """Put the load on a server that has just started; returns figures.

        :raises Wrong: if a line was not delivered as it should be.
        """


def run(workload: Workload, contestant: Contestant, seconds: float) -> Result:
    """Start a server, put a workload on it, and see what was stored."""
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
    """Count the lines in a history file, of a server that was killed."""
    connection = sqlite3.connect(history)
    try:
        count: int = connection.execute(
            "SELECT count(*) FROM events WHERE kind = 'said'"
        ).fetchone()[0]
    finally:
        connection.close()
    return count


def _talk(load: Load, seconds: float) -> dict[str, float]:
    """Let those who have begun to talk go on, measure it, and let everybody hear it to the end."""
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
    """Members of one room, some of whom speak: in a closed loop, or so many lines a second.

    :ivar flight: lines of each speaker that are on the way; the next is said when the member beside
        the speaker has received one.
    :ivar rate: lines a second of all together, instead.
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
        """Let all come in; returns who speaks, evenly spread."""
        members = list(range(self.members))
        load.enter(dict.fromkeys(members, LOBBY))
        speakers = [number * self.members // self.speakers for number in range(self.speakers)]
        load.gather({"lobby": members}, speakers)
        return speakers


@dataclass
class Rooms:
    """Many rooms in which all speak, in turns, one line at a time in each."""

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
    """A member of some of many rooms, in each of which two speak; the latencies are its own.

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
    """Members of one room who say nothing."""

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
        # Until all that there is to read is read.
        while load.read(0.3):
            pass
        began, cpu = time.perf_counter(), load.server.cpu
        memory = load.server.memory() - before
        time.sleep(seconds)
        busy = (load.server.cpu - cpu) / (time.perf_counter() - began)
        return {"memory": memory / self.members, "server": busy}


@dataclass
class Storm:
    """Logins into one room, all at once; it is over when everybody was told of everybody.

    Where who comes in is not told who is there, it is over when everybody was told of those who
    came later.
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
                raise Wrong(f"of {wanted:,} who come in, {wanted - total:,} were told to nobody")
            for number, data in received.items():
                whole, newline, rest[number] = (rest[number] + data).rpartition(b"\n")
                count = load.contestant.told(whole + newline)
                told[number] += count
                total += count
        took = time.perf_counter() - began
        if total > wanted or (listing and set(told.values()) != {self.members - 1}):
            raise Wrong("somebody was told of too many or too few who come in")
        return {"logins": self.members / took, "cpu": (load.server.cpu - cpu) / self.members}


@dataclass
class Sweep:
    """Members of one room of whom few speak, more and more: what a delivered line costs then.

    It goes on to the rate at which the server has no time left.

    :ivar rates: lines a second.
    """

    title: str
    members: int
    speakers: int
    rates: tuple[int, ...]
    contestants: tuple[str, ...]

    def measure(self, load: Load, seconds: float) -> dict[str, float]:
        """See :meth:`Workload.measure`; returns seconds of CPU a delivered line, by rate."""
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
