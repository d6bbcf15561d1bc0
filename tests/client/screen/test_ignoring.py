from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen.ignoring import FORMER_MOST, Ignoring


def event(author: str, id: int, type: str = "said") -> messages.Event:
    return messages.Event(type=type, id=id, at="", author=author)


class IgnoringTests(TestCase):
    def setUp(self) -> None:
        self.kept: dict[str, Any] = {}
        self.ignoring = Ignoring({}, self.keep)

    def keep(self, ignored: dict[str, Any]) -> None:
        self.kept = ignored

    def assert_hidden(self, *authors: tuple[str, int]) -> None:
        """See that of some people, at some times, these alone are hidden."""
        for ignoring in (self.ignoring, Ignoring(self.kept, self.fail)):
            told = [(name, id) for name in ("bob", "rob", "ana") for id in (1, 5, 9)]
            hidden = [(name, id) for name, id in told if ignoring.hides(event(name, id))]
            self.assertEqual(hidden, list(authors))

    def test_a_name_is_compared_as_names_are(self) -> None:
        self.assertTrue(self.ignoring.ignore("Bob"))
        self.assertTrue(self.ignoring.ignore("bob"))
        self.assertEqual(self.ignoring.names, ["Bob"])
        self.assert_hidden(("bob", 1), ("bob", 5), ("bob", 9))
        self.assertTrue(self.ignoring.hides(event("BOB", 1, "private")))
        for shown in ("joined", "left", "renamed", "topic", "announced"):
            self.assertFalse(self.ignoring.hides(event("bob", 1, shown)))
        self.assertEqual(self.ignoring.heed("BOB"), "Bob")
        self.assertIsNone(self.ignoring.heed("bob"))
        self.assert_hidden()

    def test_a_change_of_name_is_followed_and_the_past_is_hidden_under_the_old_one(self) -> None:
        self.ignoring.ignore("bob")
        self.ignoring.renamed("ana", "anna", 4)
        self.ignoring.renamed("bob", "rob", 5)
        self.assertEqual(self.ignoring.names, ["rob"])
        self.assert_hidden(("bob", 1), ("bob", 5), ("rob", 1), ("rob", 5), ("rob", 9))
        self.ignoring.ignore("bob")
        self.assert_hidden(*((name, id) for name in ("bob", "rob") for id in (1, 5, 9)))
        self.ignoring.heed("bob")
        self.ignoring.heed("rob")
        self.assert_hidden()

    def test_not_every_name_that_somebody_had_is_remembered(self) -> None:
        self.ignoring.ignore("p0")
        for number in range(100):
            self.ignoring.renamed(f"p{number}", f"p{number + 1}", number + 1)
        self.assertEqual(len(self.kept["p100"]), FORMER_MOST)
        self.assertFalse(self.ignoring.hides(event("p0", 1)))
        self.assertTrue(self.ignoring.hides(event("p99", 99)))
