"""Whom one could mean."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen import people
from chatservice.client.screen.people import People


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
