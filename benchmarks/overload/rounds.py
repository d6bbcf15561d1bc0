"""The common parts of overload scenarios: rounds, rows, and limits."""

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
"""The most rounds, if other load on the machine spoils the latencies."""
MOST = 1.5
"""The factor by which a latency may rise."""
FLOOR = 0.002
"""Latencies below this, in seconds, count as this."""
ROOM = "lobby"


@dataclass
class Row:
    """A row of a table, for one figure.

    :ivar limit: the limit, in words; ``""`` if the figure has none.
    :ivar noisy: whether other load on the machine may have caused a miss of the limit.
    """

    what: str
    value: str
    limit: str = ""
    ok: bool = True
    noisy: bool = False


@dataclass
class Result:
    """The result of a scenario: the rows of all rounds, and whether all limits held in the last."""

    rows: list[Row]
    held: bool


class Scenario(ABC):
    """An overload of one kind, and its effect on the other members.

    :ivar title: the title of its table.
    """

    title: str

    def run(self, scale: float) -> Result:
        """Run the scenario, and repeat it if only latencies were too high.

        :param scale: 1 for the full size; less for fewer members or less time.
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
        """Run one round, with a server of its own.

        :raises Wrong: if a line was not delivered as it should be.
        """


_Load = TypeVar("_Load", bound=Load)


@contextmanager
def serving(
    contestant: Chatservice, kind: Callable[[Chatservice, Server], _Load]
) -> Iterator[tuple[Path, _Load]]:
    """Run a server in a temporary folder, with a load for it; end both afterwards."""
    with tempfile.TemporaryDirectory(prefix="overload-", ignore_cleanup_errors=True) as name:
        server = contestant.start(Path(name))
        load = kind(contestant, server)
        try:
            yield Path(name), load
        finally:
            load.close()
            server.kill()


def crowd(load: Load, members: int, speakers: Sequence[int]) -> None:
    """Let members enter one room, some of them as speakers."""
    everybody = range(members)
    load.enter({number: [ROOM] for number in everybody})
    load.gather({ROOM: everybody}, speakers)


def stored(folder: Path) -> list[tuple[str, str]]:
    """List the speaker and the text of each line in the history file of a folder."""
    with closing(sqlite3.connect(folder / "chat.sqlite")) as connection:
        query = "SELECT author, text FROM events WHERE kind = 'said' ORDER BY id"
        return connection.execute(query).fetchall()


def kept(folder: Path, load: Load) -> Row:
    """Return the row on lines lost: whether all lines said are stored."""
    count = len(stored(folder))
    heard = f"{load.said:,} said, each heard by all others in order; {count:,} in the history"
    return Row("nothing lost", heard, "as many", count == load.said)


def at_99(latencies: list[float]) -> float:
    """Return the 99th percentile of latencies, in seconds."""
    latencies.sort()
    return latencies[int(len(latencies) * 0.99)] if latencies else float("nan")


def p99(what: str, latency: float, quiet: float | None = None) -> Row:
    """Return the row of a latency, with a limit by the latency without the overload."""
    row = Row(f"p99 {what}", f"{latency * 1000:.1f} ms", noisy=True)
    if quiet is not None:
        limit = MOST * max(quiet, FLOOR)
        row.limit, row.ok = f"≤ {limit * 1000:.1f} ms", latency <= limit
    return row


def mib(size: int) -> str:
    """Write a size in bytes as MiB."""
    return f"{size / MIB:.1f} MiB"
