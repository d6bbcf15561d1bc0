"""Tables of results: the median of each figure, and its spread."""

from __future__ import annotations

import platform
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from math import isnan
from pathlib import Path
from statistics import median
from typing import NamedTuple, Protocol

from benchmarks.contestants import PROCESSORS
from benchmarks.workloads import Result, Workload

Results = Mapping[str, Mapping[str, Sequence[Result]]]
"""The results of all rounds, by the keys of workload and contestant."""


def large(number: float) -> str:
    """Write a number in three digits: ``12.3 M``, ``4,560``."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= 100 * size or (unit == "M" and number >= size):
            return (
                f"{number / size:.3g} {unit}"
                if number < 1000 * size
                else f"{number / size:,.0f} {unit}"
            )
    return f"{number:,.0f}"


def milliseconds(seconds: float) -> str:
    """Write a time in milliseconds, in three digits."""
    return f"{seconds * 1e3:.3g}"


def microseconds(seconds: float) -> str:
    """Write a time in microseconds, in three digits."""
    return f"{seconds * 1e6:.3g}"


def percent(share: float) -> str:
    """Write a share as percent."""
    return f"{share:.0%}"


def kibibytes(number: float) -> str:
    """Write a size in KiB."""
    return f"{number / 1024:.2f} KiB"


class Column(NamedTuple):
    """A column of a table, for one figure.

    :ivar spread: whether the least and the most are shown too.
    """

    title: str
    figure: str
    write: Callable[[float], str]
    spread: bool = False


COLUMNS = (
    Column("lines/s", "lines", large),
    Column("lines per CPU-s", "cost", large, spread=True),
    Column("p50 ms", "p50", milliseconds),
    Column("p90 ms", "p90", milliseconds),
    Column("p99 ms", "p99", milliseconds),
    Column("p99.9 ms", "p999", milliseconds),
    Column("a connection", "memory", kibibytes, spread=True),
    Column("logins/s", "logins", large, spread=True),
    Column("CPU µs a login", "cpu", microseconds),
    Column("server's CPU", "server", percent),
    Column("load's CPU", "load", percent),
)


def middle(results: Sequence[Result], figure: str) -> float:
    """Return the median of a figure; NaN if no result has it."""
    values = [result.figures[figure] for result in results if figure in result.figures]
    return median(values) if values else float("nan")


class Titled(Protocol):
    """A workload with a title for its table."""

    @property
    def title(self) -> str: ...


def table(
    workload: Titled,
    results: Mapping[str, Sequence[Result]],
    titles: Mapping[str, str],
    columns: Sequence[Column] = COLUMNS,
) -> list[str]:
    """Return the results of a workload as a Markdown table, one row per contestant.

    :param columns: only those are shown for which any result has a figure.
    """
    columns = [
        c for c in columns if any(c.figure in r.figures for rs in results.values() for r in rs)
    ]
    rows = [["server", "verified", *(column.title for column in columns)]]
    for key, rounds in results.items():
        cells = [titles[key], _verified(rounds)]
        for column in columns:
            values = [
                result.figures[column.figure]
                for result in rounds
                if column.figure in result.figures
            ]
            cells.append(_cell(column, values))
        rows.append(cells)
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---|---|" + "--:|" * len(columns))
    return [f"### {workload.title}", "", *lines, ""]


def _cell(column: Column, values: list[float]) -> str:
    values = [value for value in values if not isnan(value)]
    if not values:
        return "–"
    written = column.write(median(values))
    if column.spread and len(values) > 1:
        written += f" ({column.write(min(values))}–{column.write(max(values))})"
    return written


def _verified(rounds: Sequence[Result]) -> str:
    wrong = [result for result in rounds if result.wrong or result.stored is False]
    if wrong:
        return f"**no**: {wrong[0].wrong or 'the history has other lines than were said'}"
    words = ["yes"]
    if any(result.figures.get("one order") == 0 for result in rounds):
        words.append("each its own order")
    if all(result.stored for result in rounds):
        words.append("stored")
    return ", ".join(words)


class Floor(NamedTuple):
    """A goal: a bound on the ratio of two figures, or on a figure by itself.

    :ivar than: the contestant to compare with; ``""`` for none.
    :ivar most: whether ``bound`` is an upper bound; else it is a lower one.
    """

    workload: str
    figure: str
    than: str
    bound: float
    most: bool = False

    def holds(self, ratio: float) -> bool:
        """Return whether a ratio keeps the bound."""
        return ratio <= self.bound if self.most else ratio >= self.bound


OURS = "chatservice"

FLOORS = (
    *(
        Floor(name, "cost", "c", share)
        for name, share in (("100", 0.7), ("1000", 0.9), ("1000x200", 0.9))
    ),
    *(Floor(name, "lines", "c", 0.6) for name in ("100", "1000", "1000x200")),
    *(
        Floor(name, "cost", "redis", times)
        for name, times in (("100", 1.1), ("1000", 2.0), ("1000x200", 4.0))
    ),
    *(
        Floor(name, "cost", "textbook", times)
        for name, times in (("100", 4.0), ("1000", 6.0), ("1000x200", 6.0))
    ),
    Floor("steady", "server", "c", 0.8, most=True),
    Floor("steady", "server", "textbook", 0.5, most=True),
    Floor("steady", "p99", "", 0.1, most=True),
    Floor("talk", "p50", "textbook", 2.0, most=True),
    Floor("talk", "p90", "textbook", 2.0, most=True),
    Floor("idle10000", "memory", "bare", 4.0, most=True),
    Floor("idle5000", "memory", "bare", 4.0, most=True),
    Floor("storm", "logins", "", 3000.0),
)

_NAMES = {
    "cost": "lines per CPU-second",
    "lines": "lines per second",
    "server": "CPU",
    "p50": "p50",
    "p90": "p90",
    "p99": "p99, in seconds",
    "memory": "memory of a connection",
    "logins": "logins per second",
}


def floors(
    workloads: Mapping[str, Workload], results: Results, titles: Mapping[str, str]
) -> list[str]:
    """Return the table of goals and the figures reached, as Markdown."""
    lines = ["| load | figure | beside | wanted | reached | |", "|---|---|---|--:|--:|---|"]
    for floor in FLOORS:
        rounds = results.get(floor.workload, {})
        ours = middle(rounds.get(OURS, ()), floor.figure)
        ratio = ours / middle(rounds.get(floor.than, ()), floor.figure) if floor.than else ours
        if isnan(ratio):
            continue
        sign = "≤" if floor.most else "≥"
        lines.append(
            f"| {workloads[floor.workload].title} | {_NAMES[floor.figure]} "
            f"| {titles.get(floor.than, '–')} | {sign} {_short(floor.bound)} | {_short(ratio)} "
            f"| {'' if floor.holds(ratio) else 'missed'} |"
        )
    return ["### What is to be reached", "", *lines, ""] if len(lines) > 2 else []


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def machine() -> str:
    """Describe the machine and the versions of the software."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", info, re.M)
    return (
        f"{model[1] if model else platform.machine()}, {len(PROCESSORS)} processors, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}, "
        f"Twisted {version('twisted')}, SQLite {sqlite3.sqlite_version}"
    )


def today() -> str:
    """Return the date, in UTC."""
    return f"{datetime.now(timezone.utc):%Y-%m-%d}"


def put(page: Path, mark: str, lines: Sequence[str]) -> None:
    """Replace the text between two marks of a page by lines."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        raise SystemExit(f"benchmarks: {page} has no {begin} … {end}")
    page.write_text("\n".join([before + begin, "", *lines, end + after]), encoding="utf-8")
