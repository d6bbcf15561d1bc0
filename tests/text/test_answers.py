"""How answers look on a terminal of 40 columns, and of 80."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from chatservice.messages import NameList
from chatservice.text import answers
from chatservice.text.layout import width

NAMES = ["ana", "bob", "渡辺さん", "אבי", "moritz-der-grosse", *(f"p{n}" for n in range(95))]


class NamesTests(TestCase):
    def test_one_is_a_person(self) -> None:
        alone = NameList(names=["ana"], count=1, page=1, pages=1)
        self.assertEqual(answers.names(alone), ["1 person here:", "  ana"])

    def test_a_page_tells_the_count_and_where_the_next_is(self) -> None:
        page = NameList(names=["ana", "bob"], count=1702, page=17, pages=18)
        self.assertEqual(
            answers.names(page),
            ["1,702 people here, page 17 of 18:", "  ana  bob", "/names 18 shows the next"],
        )

    def test_the_last_page_has_none_behind_it(self) -> None:
        page = NameList(names=["zoe"], count=101, page=2, pages=2)
        self.assertEqual(answers.names(page), ["101 people here, page 2 of 2:", "  zoe"])

    def test_a_page_that_there_is_not(self) -> None:
        page = NameList(names=[], count=101, page=1000, pages=2)
        self.assertEqual(answers.names(page), ["there is no page 1,000: the last is 2"])

    def test_it_fits_and_stands_in_columns(self) -> None:
        page = NameList(names=NAMES, count=12_345, page=100, pages=124)
        lengths = []
        for columns in (40, 80):
            first, *rows, last = answers.names(page, columns)
            self.assertLessEqual(max(width(f"-- {line}") for line in (first, *rows, last)), columns)
            shown = " ".join(rows).replace("\u200e", "").split()
            self.assertEqual(shown, NAMES)
            lengths.append(len(rows))
        self.assertGreater(lengths[0], lengths[1])
