"""Too much of everything: what comes of those who overdo it, and how the others fare meanwhile.

Each scenario puts its load on a real server, with its history, and checks all that is received.
"""

from __future__ import annotations

from benchmarks.overload.disk import StalledDisk
from benchmarks.overload.readers import FullRoom, StoppedReaders
from benchmarks.overload.rounds import Result, Scenario
from benchmarks.overload.writers import Nuisances, Pipe

SCENARIOS: tuple[Scenario, ...] = (
    FullRoom(),
    StoppedReaders(),
    Pipe(),
    Nuisances(),
    StalledDisk(),
)


def run(scale: float, only: str = "") -> tuple[bool, list[str]]:
    """Go through the scenarios, and print a table for each.

    :param scale: 1 for all of it; less for fewer members or less time.
    :param only: a part of the titles of those to go through.
    :returns: whether all held, and the lines that were printed.
    """
    held, lines = True, []
    for scenario in SCENARIOS:
        if only.lower() in scenario.title.lower():
            result = scenario.run(scale)
            lines.append(table(scenario.title, result))
            print(lines[-1], flush=True)
            held = held and result.held
    return held, lines


def table(title: str, result: Result) -> str:
    """Write a result in Markdown."""
    lines = [f"### {title}", "", "| what | value | limit | holds |", "|---|---|---|---|"]
    for row in result.rows:
        holds = ("yes" if row.ok else "**no**") if row.limit else ""
        lines.append(f"| {row.what} | {row.value} | {row.limit} | {holds} |")
    return "\n".join([*lines, ""])
