from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks import cluster
from benchmarks.cluster import KINDS, QUICK, TASKS
from benchmarks.cluster.brokers import Brokers
from benchmarks.workloads import Result
from tests.profiles import NOT_NIGHTLY

CHECKOUT = Path(__file__).resolve().parents[2]

Line = tuple[int, str]


class CommandTests(SynchronousTestCase):
    skip = NOT_NIGHTLY

    def test_lines_are_delivered_and_stored_on_all_nodes_as_they_should_be(self) -> None:
        if why := Brokers.missing():
            raise SkipTest(why)
        words = ["--rounds", "1", "--seconds", "0.2", "--servers", "alone,one,two"]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", "--cluster", "--quick", *words],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for task in QUICK.values():
            _, _, table = done.stdout.partition(f"### {task.title}\n")
            for kind in set(task.kinds) & {"alone", "one", "two"}:
                row = f"| {KINDS[kind].title} | yes, stored | "
                self.assertIn(row, table.partition("###")[0])

    def test_each_task_is_for_kinds_that_there_are(self) -> None:
        for task in (*TASKS.values(), *QUICK.values()):
            self.assertEqual(set(task.kinds) - set(KINDS), set())
            self.assertIn("alone", task.kinds)

    def test_without_brokers_it_says_what_is_missing(self) -> None:
        self.patch(Brokers, "missing", staticmethod(lambda: "there are none"))
        stop = self.assertRaises(SystemExit, cluster.run, TASKS, list(KINDS), 1, 1.0, print)
        self.assertEqual(stop.code, "benchmarks: there are none")


class ComparingTests(SynchronousTestCase):
    def test_a_ratio_is_of_two_of_one_round(self) -> None:
        results = {"alone": Result({"cost": 8.0}), "one": Result({"cost": 6.0})}
        cluster.compare(results)
        self.assertEqual(results["one"].figures["ratio"], 0.75)
        self.assertEqual(results["alone"].figures, {"cost": 8.0})

    def test_a_delay_is_that_of_the_other_node_if_there_is_one(self) -> None:
        near = {"near p50": 0.003, "near p99": 0.005}
        results = {
            "alone": Result({"near p50": 0.001, "near p99": 0.002}),
            "one": Result(dict(near)),
            "two": Result({**near, "far p50": 0.004, "far p99": 0.012}),
        }
        cluster.compare(results)
        for kind, p50, p99 in (("one", 0.002, 0.003), ("two", 0.003, 0.01)):
            self.assertAlmostEqual(results[kind].figures["more p50"], p50)
            self.assertAlmostEqual(results[kind].figures["more p99"], p99)

    def test_where_something_went_wrong_nothing_is_compared(self) -> None:
        for alone, one in (({"cost": 8.0}, {}), ({}, {"cost": 8.0})):
            results = {"alone": Result(alone, wrong="x"), "one": Result(dict(one), wrong="x")}
            cluster.compare(results)
            self.assertEqual(results["one"].figures, one)

    def test_what_is_missed_is_told(self) -> None:
        for ratio, end in ((0.51, "| ≥ 0.5 | 0.51 |  |"), (0.44, "| ≥ 0.5 | 0.44 | missed |")):
            (row,) = cluster.floors(TASKS, self.all_one(ratio))[4:-1]
            self.assertTrue(row.endswith(end), row)
        self.assertEqual(cluster.floors(TASKS, {key: {} for key in TASKS}), [])

    def all_one(self, ratio: float) -> dict[str, dict[str, list[Result]]]:
        results: dict[str, dict[str, list[Result]]] = {key: {} for key in TASKS}
        results["100"]["one"] = [Result({"ratio": ratio})] * 3
        return results


class StoredTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.patch(cluster, "PATIENCE", 0.05)

    def histories(self, *those: Sequence[Line]) -> list[Path]:
        paths = []
        for number, lines in enumerate(those):
            paths.append(self.folder / f"{number}.sqlite")
            with closing(sqlite3.connect(paths[-1])) as connection, connection:
                connection.execute("DROP TABLE IF EXISTS events")
                connection.execute("CREATE TABLE events (id, room, kind, author, text)")
                rows = [(id, "lobby", "said", "m00000", text) for id, text in lines]
                rows.append((0, "lobby", "joined", f"m{number:05}", ""))
                connection.executemany("INSERT INTO events VALUES (?,?,?,?,?)", rows)
        return paths

    def test_all_files_have_to_hold_the_same(self) -> None:
        lines = [(1, "a"), (2, "b")]
        self.assertTrue(cluster.stored(self.histories(lines), 2))
        self.assertTrue(cluster.stored(self.histories(lines, lines), 2))
        for wrong in ([(1, "a")], [(1, "a"), (3, "b")], [(1, "b"), (2, "a")], [*lines, (3, "b")]):
            self.assertFalse(cluster.stored(self.histories(lines, wrong), 2), wrong)

    def test_they_have_to_hold_all_that_was_said(self) -> None:
        lines = [(1, "a"), (2, "b")]
        self.assertFalse(cluster.stored(self.histories(lines, lines), 3))
