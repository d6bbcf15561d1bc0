from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import plot, report
from benchmarks.__main__ import CONTESTANTS, WORKLOADS
from benchmarks.report import FLOORS, OURS
from benchmarks.workloads import Result

TITLES = {"c": "bare C epoll", OURS: "chatservice"}


def results(*costs: float, **more: float) -> list[Result]:
    return [Result({"cost": cost, **more}, stored=True) for cost in costs]


class TableTests(SynchronousTestCase):
    def test_it_has_the_median_and_how_far_the_rounds_spread(self) -> None:
        lines = report.table(WORKLOADS["100"], {"c": results(2e6, 8e6, 3e6)}, TITLES)
        self.assertEqual(lines[0], "### 100 members, 10 speak, 8 lines in flight each")
        self.assertEqual(lines[2], "| server | verified | lines per CPU-s |")
        self.assertEqual(lines[4], "| bare C epoll | yes, stored | 3 M (2 M–8 M) |")

    def test_it_tells_what_was_not_right(self) -> None:
        for result, told in (
            (Result(wrong="a line was lost"), "**no**: a line was lost"),
            (Result(stored=False), "**no**: the history has other lines than were said"),
            (Result({"one order": False}), "yes, each its own order"),
            (Result(stored=None), "yes"),
        ):
            row = report.table(WORKLOADS["100"], {"c": [Result(), result]}, TITLES)[4]
            self.assertIn(f"| {told} |", row)

    def test_what_a_contestant_did_not_measure_is_a_dash(self) -> None:
        by_key = {"c": results(2e6), OURS: results(1e6, p50=0.0012)}
        row = report.table(WORKLOADS["100"], by_key, TITLES)[4]
        self.assertEqual(row, "| bare C epoll | yes, stored | 2 M | – |")

    def test_numbers_are_short(self) -> None:
        shown = [report.large(n) for n in (7, 4560, 99_999, 123_456, 1_234_567, 25e6)]
        self.assertEqual(shown, ["7", "4,560", "99,999", "123 k", "1.23 M", "25 M"])


class FloorTests(SynchronousTestCase):
    def floors(self, ours: float) -> list[str]:
        by_key = {"100": {OURS: results(ours), "c": results(10.0)}}
        return report.floors(WORKLOADS, by_key, TITLES)

    def test_a_ratio_is_of_the_medians_of_one_run(self) -> None:
        (row,) = self.floors(8.0)[4:-1]
        self.assertIn("| bare C epoll | ≥ 0.7 | 0.8 |  |", row)

    def test_what_is_missed_is_told(self) -> None:
        (row,) = self.floors(6.9)[4:-1]
        self.assertTrue(row.endswith("| 0.69 | missed |"), row)

    def test_what_was_not_measured_has_no_row(self) -> None:
        self.assertEqual(report.floors(WORKLOADS, {}, TITLES), [])

    def test_each_names_what_there_is(self) -> None:
        for floor in FLOORS:
            takes_part = WORKLOADS[floor.workload].contestants
            self.assertIn(OURS, takes_part)
            self.assertTrue(not floor.than or floor.than in takes_part, floor)
            self.assertTrue(not floor.than or floor.than in CONTESTANTS, floor)


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.page = Path(folder.name) / "page.md"

    def test_what_stood_between_the_marks_is_replaced(self) -> None:
        self.page.write_text("above\n<!-- x -->\nold\n<!-- end of x -->\nbelow\n")
        for _ in range(2):
            report.put(self.page, "x", ["new", ""])
        wanted = "above\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nbelow\n"
        self.assertEqual(self.page.read_text(), wanted)

    def test_a_page_without_marks_stays_as_it_is(self) -> None:
        self.page.write_text("above\n")
        self.assertRaises(SystemExit, report.put, self.page, "x", ["new"])
        self.assertEqual(self.page.read_text(), "above\n")


class PlotTests(SynchronousTestCase):
    def test_each_line_goes_through_its_points_and_is_named(self) -> None:
        picture = plot.svg("a & b", "x", "y", {"one": [(1, 10), (100, 0.5)], "two": [(1, 10)]})
        root = ElementTree.fromstring(picture)
        tags = [element.tag.rpartition("}")[2] for element in root.iter()]
        self.assertEqual(tags.count("polyline"), 2)
        self.assertEqual(tags.count("circle"), 3)
        texts = [element.text for element in root.iter() if element.text]
        self.assertTrue({"a & b", "x", "y", "one", "two"} <= set(texts), texts)

    def test_what_costs_less_is_lower_and_what_is_more_is_to_the_right(self) -> None:
        picture = plot.svg("t", "x", "y", {"one": [(1, 10), (100, 0.5)]})
        first, second = (
            (float(circle.get("cx", "")), float(circle.get("cy", "")))
            for circle in ElementTree.fromstring(picture).iter()
            if circle.tag.endswith("circle")
        )
        self.assertLess(first[0], second[0])
        self.assertLess(first[1], second[1])
