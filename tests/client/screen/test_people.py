"""Whom one could mean, and whom one does not want to see."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen import people
from chatservice.client.screen.people import FORMER_MOST, Ignoring, People


def event(type: str = "said", room: str | None = "lobby", **values: Any) -> messages.Event:
    return messages.Event(type=type, id=1, at="2026-03-03T14:02:00.000Z", room=room, **values)


class PeopleTests(TestCase):
    def setUp(self) -> None:
        self.people = People()
        self.people.all_in("lobby", ["cleo", "bob", "ana"])

    def test_who_was_heard_last_comes_first(self) -> None:
        self.assertEqual(self.people.there("lobby"), ["ana", "bob", "cleo"])
        for name in ("bob", "cleo", "bob"):
            self.people.hear(event(author=name, text="hi"))
        self.assertEqual(self.people.there("lobby"), ["bob", "cleo", "ana"])
        self.assertEqual(self.people.there(None), [])

    def test_people_come_and_go(self) -> None:
        self.people.hear(event("joined", names=["dora", "eve"]))
        self.people.hear(event("left", names=["bob", "nobody"]))
        self.people.hear(event("left", room="ops", names=["bob"]))
        self.assertEqual(self.people.there("lobby"), ["ana", "cleo", "dora", "eve"])
        self.people.left("lobby")
        self.assertEqual(self.people.there("lobby"), [])

    def test_people_take_other_names(self) -> None:
        self.people.hear(event(author="bob", text="hi"))
        self.people.hear(event("renamed", author="Bob", name="rob"))
        self.people.hear(event("renamed", author="cleo", name="clea"))
        self.assertEqual(self.people.there("lobby"), ["rob", "ana", "clea"])

    def test_those_elsewhere_are_known_too(self) -> None:
        self.people.hear(event("private", None, author="zoe", text="hi"))
        self.people.all_in("dev", ["ana", "yan"])
        self.assertEqual(self.people.known("lobby"), ["ana", "bob", "cleo", "zoe", "yan"])
        self.assertEqual(self.people.there("lobby"), ["ana", "bob", "cleo"])

    def test_not_everybody_is_remembered_for_ever(self) -> None:
        self.patch(people, "MOST_HEARD", 2)
        for name in ("bob", "cleo", "zoe"):
            self.people.hear(event("private", None, author=name, text="hi"))
        self.people.left("lobby")
        self.assertEqual(self.people.known(None), ["zoe", "cleo"])


def said_by(author: str, id: int, type: str = "said") -> messages.Event:
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
            hidden = [(name, id) for name, id in told if ignoring.hides(said_by(name, id))]
            self.assertEqual(hidden, list(authors))

    def test_a_name_is_compared_as_names_are(self) -> None:
        self.assertTrue(self.ignoring.ignore("Bob"))
        self.assertTrue(self.ignoring.ignore("bob"))
        self.assertEqual(self.ignoring.names, ["Bob"])
        self.assert_hidden(("bob", 1), ("bob", 5), ("bob", 9))
        self.assertTrue(self.ignoring.hides(said_by("BOB", 1, "private")))
        for shown in ("joined", "left", "renamed", "topic", "announced"):
            self.assertFalse(self.ignoring.hides(said_by("bob", 1, shown)))
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
        self.assertFalse(self.ignoring.hides(said_by("p0", 1)))
        self.assertTrue(self.ignoring.hides(said_by("p99", 99)))
