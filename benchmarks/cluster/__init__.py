"""Several nodes as one chat, beside a single process: the cost and the latency of a line.

Every byte received is checked as always. At the end, the files of all nodes must hold the same
lines, which are all lines said.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from math import isnan
from pathlib import Path

from benchmarks import report
from benchmarks.cluster.brokers import Brokers
from benchmarks.cluster.tasks import KINDS, QUICK, TASKS, Kind, Spread, Task
from benchmarks.contestants import PATIENCE, POLL, Chatservice
from benchmarks.verify import Wrong
from benchmarks.workloads import Result

__all__ = ["KINDS", "QUICK", "TASKS", "run"]

FLOOR = 0.5
"""The least share of a single process's lines per CPU-second that one node is to reach."""

ALONE, ONE = "alone", "one"

_SAID = "FROM events WHERE kind = 'said' ORDER BY id"

Results = dict[str, dict[str, list[Result]]]


def run(
    tasks: Mapping[str, Task],
    kinds: Sequence[str],
    rounds: int,
    seconds: float,
    tell: Callable[[str], None],
) -> tuple[bool, list[str]]:
    """Measure all, round by round; return whether all was right, and the tables."""
    if why := Brokers.missing():
        raise SystemExit(f"benchmarks: {why}")
    results: Results = {key: {} for key in tasks}
    for number in range(1, rounds + 1):
        for key, task in tasks.items():
            those = [kind for kind in task.kinds if kind in kinds]
            of_round = {kind: measure(task, KINDS[kind], seconds) for kind in those}
            compare(of_round)
            for kind, result in of_round.items():
                tell(f"round {number}: {key}, {kind}: {result}")
                results[key].setdefault(kind, []).append(result)
    titles = {key: kind.title for key, kind in KINDS.items()}
    lines = floors(tasks, results)
    for key, task in tasks.items():
        lines += report.table(task, results[key], titles, task.columns)
    every = [one for by_kind in results.values() for those in by_kind.values() for one in those]
    return all(one.right for one in every), lines


def measure(task: Task, kind: Kind, seconds: float) -> Result:
    """Start brokers and nodes, put a load on them, and check the history of each."""
    result = Result()
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True)
        home = Path(stack.enter_context(folder))
        brokers = Brokers(home, kind.brokers)
        stack.callback(brokers.kill)
        contestant = Chatservice(*(("--cluster", brokers.urls) if brokers.urls else ()))
        nodes = []
        for number in range(kind.nodes):
            (home / f"node-{number}").mkdir()
            nodes.append(contestant.start(home / f"node-{number}"))
            stack.callback(nodes[-1].kill)
        load = Spread(contestant, nodes, brokers)
        stack.callback(load.close)
        try:
            result.figures = task.measure(load, seconds)
        except Wrong as error:
            result.wrong = str(error)
        else:
            result.stored = stored([node.folder / "chat.sqlite" for node in nodes], load.said)
    return result


def stored(histories: Sequence[Path], said: int) -> bool:
    """Wait, and tell whether all files hold that many lines, the same ones with the same ids."""
    deadline = time.monotonic() + PATIENCE
    seen = []
    for history in histories:
        with closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as connection:
            count = 0
            while count < said and time.monotonic() < deadline:
                (count,) = connection.execute(f"SELECT count(*) {_SAID}").fetchone()
                time.sleep(POLL)
            seen.append(connection.execute(f"SELECT id, room, author, text {_SAID}").fetchall())
    return all(len(lines) == said and lines == seen[0] for lines in seen)


def compare(results: Mapping[str, Result]) -> None:
    """Add to the results of a round their comparison with the single process."""
    alone = results[ALONE].figures if ALONE in results else {}
    for kind, result in results.items():
        figures = result.figures
        if kind == ALONE or not figures:
            continue
        if "cost" in alone:
            figures["ratio"] = figures["cost"] / alone["cost"]
        for which in ("p50", "p99"):
            if f"near {which}" in alone:
                late = figures.get(f"far {which}", figures[f"near {which}"])
                figures[f"more {which}"] = late - alone[f"near {which}"]


def floors(tasks: Mapping[str, Task], results: Results) -> list[str]:
    """Return the table of goals and the ratios reached, as Markdown."""
    lines = [
        "### What is to be reached",
        "",
        "| load | one node beside a single process | wanted | reached | |",
        "|---|---|--:|--:|---|",
    ]
    for key, task in tasks.items():
        ratio = report.middle(results[key].get(ONE, ()), "ratio")
        if not isnan(ratio):
            missed = "" if ratio >= FLOOR else "missed"
            what = "lines per CPU-second"
            lines.append(f"| {task.title} | {what} | ≥ {FLOOR:g} | {ratio:.2f} | {missed} |")
    return [*lines, ""] if len(lines) > 4 else []
