"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import cluster, load, overload, plot, report, selftest
from benchmarks.contestants import Chatservice, Compiled, Contestant, Script
from benchmarks.programs import Programs
from benchmarks.report import OURS
from benchmarks.rivals import Nats, Ngircd, Redis
from benchmarks.workloads import Crowd, Idle, Result, Rooms, Storm, Sweep, Watcher, Workload, run

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
PICTURE = PAGE.with_name("performance.svg")

CONTESTANTS: Mapping[str, Contestant] = {
    OURS: Chatservice(),
    "programs": Programs(),
    "c": Compiled(),
    "textbook": Script("textbook Twisted", "textbook.py"),
    "asyncio": Script("plain asyncio", "asyncio_chat.py", one_order=False),
    "redis": Redis(),
    "nats": Nats(),
    "ngircd": Ngircd(),
    "bare": Script("bare LineReceiver", "bare.py"),
}

ALL = (OURS, "c", "textbook", "asyncio", "redis", "nats", "ngircd")
SOME = (OURS, "c", "textbook", "redis")
WITH_ROOMS = (OURS, "redis", "nats")

WORKLOADS: Mapping[str, Workload] = {
    "100": Crowd("100 members, 10 speak, 8 lines in flight each", 100, 10, ALL, flight=8),
    "1000": Crowd("1,000 members, 20 speak, 4 lines in flight each", 1000, 20, ALL, flight=4),
    "1000x200": Crowd("1,000 members, 200 speak, 1 line in flight each", 1000, 200, ALL, flight=1),
    "steady": Crowd("1,000 members, 50 lines a second", 1000, 50, (*SOME, "nats"), rate=50),
    "talk": Crowd("20 members, all speak, 200 lines a second", 20, 20, ALL, rate=200),
    "programs100": Crowd(
        "100 programs, 10 speak, 8 lines in flight each", 100, 10, ("programs",), flight=8
    ),
    "programs1000": Crowd(
        "1,000 programs, 20 speak, 4 lines in flight each", 1000, 20, ("programs",), flight=4
    ),
    "rooms": Rooms("1,000 rooms of 8, all speak, 1 line in flight each", 1000, 8, WITH_ROOMS),
    "watcher": Watcher(
        "A member of 20 rooms of 1,000, with 2 others each, 1,000 lines a second in all",
        1000,
        20,
        1000.0,
        WITH_ROOMS,
    ),
    "idle5000": Idle("5,000 members who say nothing", 5000, (OURS, "bare", "c", "redis", "nats")),
    "idle10000": Idle(
        "10,000 members who say nothing", 10_000, (OURS, "bare", "c", "redis", "nats")
    ),
    "storm": Storm("2,000 logins into one room, everybody told", 2000, (OURS, "c", "textbook")),
}

SWEEP = Sweep("1,000 members", 1000, 50, (2, 10, 50, 200, 1000, 4000), SOME)

QUICK: Mapping[str, Workload] = {
    "100": Crowd("100 members, 10 speak, 8 lines in flight each", 100, 10, ALL, flight=8),
    "steady": Crowd("100 members, 50 lines a second", 100, 10, SOME, rate=50),
    "talk": Crowd("20 members, all speak, 200 lines a second", 20, 20, ALL, rate=200),
    "programs": Crowd(
        "20 programs, 10 speak, 8 lines in flight each", 20, 10, ("programs",), flight=8
    ),
    "rooms": Rooms("20 rooms of 8, all speak, 1 line in flight each", 20, 8, WITH_ROOMS),
    "watcher": Watcher("A member of 5 rooms of 20", 20, 5, 200.0, WITH_ROOMS),
    "idle": Idle("200 members who say nothing", 200, (OURS, "bare")),
    "storm": Storm("100 logins into one room, everybody told", 100, (OURS, "c", "textbook")),
}
"""Small loads that take seconds: they check correctness, not speed."""


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.description = "Measures the service beside others, and checks every line on the way."
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of all measurements [%(default)s]"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of each [%(default)s]")
    parser.add_argument("--only", default="", help=f"these loads: {', '.join(WORKLOADS)}, plot")
    parser.add_argument("--servers", default="", help=f"these servers: {', '.join(CONTESTANTS)}")
    parser.add_argument("--quick", action="store_true", help="small loads, to check correctness")
    parser.add_argument("--overload", action="store_true", help="the overload scenarios")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the overload, up to 1")
    parser.add_argument("--cluster", action="store_true", help="several nodes as one chat")
    parser.add_argument("--self-test", action="store_true", help="test that the load finds faults")
    parser.add_argument("--write", action="store_true", help=f"write into docs/{PAGE.name}")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run the measurements, and print the results as Markdown.

    :return: 1 if any line was not delivered, or not stored, as it should be; else 0.
    """
    options = _options().parse_args(words)
    load.prepare()
    if options.self_test:
        return 0 if selftest.run() else 1
    if options.overload:
        held, lines = overload.run(options.scale, options.only)
        if options.write:
            report.put(PAGE, "overload", [_about(words), "", *lines])
        return 0 if held else 1
    only = [word for word in options.only.split(",") if word]
    if options.cluster:
        tasks = cluster.QUICK if options.quick else cluster.TASKS
        tasks = {key: tasks[key] for key in tasks if not only or key in only}
        kinds = [key for key in options.servers.split(",") if key] or list(cluster.KINDS)
        right, lines = cluster.run(tasks, kinds, options.rounds, options.seconds, _tell)
        print("\n".join(lines))
        if options.write:
            report.put(PAGE, "cluster", [_about(words), "", *lines])
        return 0 if right else 1
    chosen = QUICK if options.quick else WORKLOADS
    workloads = {key: chosen[key] for key in chosen if not only or key in only}
    servers = [key for key in options.servers.split(",") if key] or list(CONTESTANTS)
    there = {key: CONTESTANTS[key] for key in servers if not CONTESTANTS[key].missing}
    for key in servers:
        if key not in there:
            _tell(f"left out: {CONTESTANTS[key].title}: {CONTESTANTS[key].missing}")
    results = measure(workloads, there, options.rounds, options.seconds)
    titles = {key: contestant.title for key, contestant in CONTESTANTS.items()}
    lines = [_about(words), ""]
    if not options.quick:
        lines += report.floors(workloads, results, titles)
    for key, workload in workloads.items():
        if results[key]:
            lines += report.table(workload, results[key], titles)
    print("\n".join(lines))
    if options.write:
        report.put(PAGE, "figures", lines)
    wrong = [
        r
        for by_key in results.values()
        for rounds in by_key.values()
        for r in rounds
        if not r.right
    ]
    if not options.quick and (not only or "plot" in only):
        wrong += draw(there, options.seconds, options.write)
    return 1 if wrong else 0


def measure(
    workloads: Mapping[str, Workload], there: Mapping[str, Contestant], rounds: int, seconds: float
) -> dict[str, dict[str, list[Result]]]:
    """Measure all, round by round, so that other load on the machine meets every server."""
    results: dict[str, dict[str, list[Result]]] = {key: {} for key in workloads}
    for number in range(1, rounds + 1):
        for key, workload in workloads.items():
            for who in workload.contestants:
                if who in there:
                    began = time.monotonic()
                    result = run(workload, there[who], seconds)
                    results[key].setdefault(who, []).append(result)
                    took = time.monotonic() - began
                    _tell(f"round {number}: {key}, {who}: {result} ({took:.0f} s)")
    return results


def draw(there: Mapping[str, Contestant], seconds: float, write: bool) -> list[Result]:
    """Plot the cost of a line against the load; return the wrong results."""
    series, wrong = {}, []
    for who in SWEEP.contestants:
        if who in there:
            result = run(SWEEP, there[who], seconds)
            _tell(f"plot, {who}: {result}")
            wrong += [] if result.right else [result]
            series[there[who].title] = [(float(x), 1e6 * y) for x, y in result.figures.items()]
    if write:
        title = f"CPU for a line delivered, in a room of {SWEEP.members:,}"
        picture = plot.svg(title, "lines said per second", "µs per delivered line", series)
        PICTURE.write_text(picture, encoding="utf-8")
    return wrong


def _about(words: Sequence[str] | None) -> str:
    command = " ".join(["python -m benchmarks", *(sys.argv[1:] if words is None else words)])
    return f"{report.today()}, {report.machine()}: `{command}`"


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
