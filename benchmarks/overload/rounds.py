"""What the scenarios of an overload have in common: rounds, rows, and limits."""

from __future__ import annotations

import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.contestants import Chatservice, Server
from benchmarks.load import Load
from benchmarks.verify import Wrong

MIB = 1 << 20
ROUNDS = 3
"""How often it is tried until what others do on the machine does not spoil it."""
MOST = 1.5
"""By which factor a latency may rise."""
FLOOR = 0.002
"""Latencies below so many seconds count as so many."""
ROOM = "lobby"


@dataclass
class Row:
    """A figure.

    :ivar limit: what it has to be; ``""`` if it is only told.
    :ivar noisy: whether what else runs on the machine can be to blame if it is not.
    """

    what: str
    value: str
    limit: str = ""
    ok: bool = True
    noisy: bool = False


@dataclass
class Result:
    """What came of a scenario: the rows of all its rounds, and whether all held in the last."""

    rows: list[Row]
    held: bool


class Scenario(ABC):
    """Too much of something, and how others fare meanwhile.

    :ivar title: as it stands above its table.
    """

    title: str

    def run(self, scale: float) -> Result:
        """Measure it, again if only latencies were too high.

        :param scale: 1 for all of it; less for fewer members or less time.
        """
        rows: list[Row] = []
        for number in range(1, ROUNDS + 1):
            try:
                found = self.measure(scale)
            except Wrong as error:
                found = [Row("every line, once and in order", f"no: {error}", "yes", False)]
            bad = [row for row in found if not row.ok]
            again = bool(bad) and all(row.noisy for row in bad)
            if number > 1 or again:
                rows.append(Row(f"*round {number}*", ""))
            rows += found
            if not again:
                break
        return Result(rows, not bad)

    @abstractmethod
    def measure(self, scale: float) -> list[Row]:
        """Do one round, with a server of its own.

        :raises Wrong: if a line was not delivered as it should be.
        """


_Load = TypeVar("_Load", bound=Load)


@contextmanager
def serving(
    contestant: Chatservice, kind: Callable[[Chatservice, Server], _Load]
) -> Iterator[tuple[Path, _Load]]:
    """Start a server, in a folder of its own, and a load of some kind for it; both end."""
    with tempfile.TemporaryDirectory(prefix="overload-", ignore_cleanup_errors=True) as name:
        server = contestant.start(Path(name))
        load = kind(contestant, server)
        try:
            yield Path(name), load
        finally:
            load.close()
            server.kill()


def crowd(load: Load, members: int, speakers: Sequence[int]) -> None:
    """Let members come into one room, where some are to speak."""
    everybody = range(members)
    load.enter({number: [ROOM] for number in everybody})
    load.gather({ROOM: everybody}, speakers)


def stored(folder: Path) -> list[tuple[str, str]]:
    """List who said what, as the history file of a folder has it."""
    with closing(sqlite3.connect(folder / "chat.sqlite")) as connection:
        query = "SELECT author, text FROM events WHERE kind = 'said' ORDER BY id"
        return connection.execute(query).fetchall()


def kept(folder: Path, load: Load) -> Row:
    """Tell whether all that was said is stored, and was heard by everybody it is for."""
    count = len(stored(folder))
    heard = f"{load.said:,} said, each heard by all others in order; {count:,} in the history"
    return Row("nothing lost", heard, "as many", count == load.said)


def at_99(latencies: list[float]) -> float:
    """The latency that 99 % are below, in seconds."""
    latencies.sort()
    return latencies[int(len(latencies) * 0.99)] if latencies else float("nan")


def p99(what: str, latency: float, quiet: float | None = None) -> Row:
    """Tell a latency, and whether it is about what it is without the overload."""
    row = Row(f"p99 {what}", f"{latency * 1000:.1f} ms", noisy=True)
    if quiet is not None:
        limit = MOST * max(quiet, FLOOR)
        row.limit, row.ok = f"≤ {limit * 1000:.1f} ms", latency <= limit
    return row


def mib(size: int) -> str:
    """Tell a size in bytes."""
    return f"{size / MIB:.1f} MiB"
