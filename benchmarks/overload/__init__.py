"""Overload scenarios: how the server treats members that overdo it, and all the others meanwhile.

Each scenario puts its load on a real server, with its history, and checks all bytes received.
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
    """Run the scenarios, and print a table for each.

    :param scale: 1 for the full size; less for fewer members or less time.
    :param only: a part of the titles of the scenarios to run.
    :returns: whether all limits held, and the printed lines.
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
    """Return a result as a Markdown table."""
    lines = [f"### {title}", "", "| what | value | limit | holds |", "|---|---|---|---|"]
    for row in result.rows:
        holds = ("yes" if row.ok else "**no**") if row.limit else ""
        lines.append(f"| {row.what} | {row.value} | {row.limit} | {holds} |")
    return "\n".join([*lines, ""])
