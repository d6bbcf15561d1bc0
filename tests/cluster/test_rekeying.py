from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.cluster.entries import PERSON
from chatservice.cluster.rekeying import LONGEST, mutes, settle
from chatservice.core.moderation import Term
from chatservice.journal.events import RENAMED, Fact
from chatservice.text import names


def person(origin: int, name: str, **rooms: int) -> Fact:
    return Fact(PERSON, f"{origin:x}", json.dumps({"origin": origin, "name": name, "rooms": rooms}))


class SettlingTests(TestCase):
    """By the rules of these tests a nought is the letter o."""

    def setUp(self) -> None:
        key = names.key
        self.patch(names, "key", lambda name: key(name).replace("0", "o"))

    def settled(self, *people: Fact) -> dict[int, tuple[str, str]]:
        """Return the names that people have, and their keys."""
        known = {json.loads(one.value)["origin"]: one for one in people}
        return {one.origin: (json.loads(one.fact.value)["name"], one.key) for one in settle(known)}

    def test_who_is_like_nobody_else_is_called_the_same(self) -> None:
        ana, bob = person(1, "ana"), person(2, "b0b")
        self.assertEqual(self.settled(ana, bob), {1: ("ana", "ana"), 2: ("b0b", "bob")})
        self.assertIs(settle({1: ana})[0].fact, ana)

    def test_of_two_with_one_name_it_stays_with_who_was_in_a_room_first(self) -> None:
        for one, other in ((5, 9), (9, 5)):
            people = person(1, "bob", lobby=one, dev=9), person(2, "b0b", lobby=other)
            wanted = {1: ("bob", "bob"), 2: ("b0b2", "bob2")}
            if one > other:
                wanted = {1: ("bob2", "bob2"), 2: ("b0b", "bob")}
            self.assertEqual(self.settled(*people), wanted)

    def test_the_others_are_told_in_each_room(self) -> None:
        first, second = settle({1: person(1, "bob", lobby=1), 2: person(2, "b0b", lobby=2, dev=3)})
        self.assertEqual(first.drafts, [])
        self.assertEqual(
            [tuple(draft) for draft in second.drafts],
            [(room, RENAMED, "b0b", "b0b2", 2, 0) for room in ("dev", "lobby")],
        )

    def test_nobody_loses_a_name_to_who_is_given_another_one(self) -> None:
        people = person(1, "bob", a=1), person(2, "b0b", a=2), person(3, "bob2", a=3)
        settled = self.settled(*people)
        self.assertEqual(settled[3], ("bob2", "bob2"))
        self.assertEqual(settled[2], ("b0b3", "bob3"))

    def test_a_long_name_makes_room_for_the_number(self) -> None:
        name = "o" * LONGEST
        settled = self.settled(person(1, name, a=1), person(2, f"o0{name[2:]}", a=2))
        self.assertEqual(settled[2][0], "o0" + "o" * (LONGEST - 3) + "2")

    def test_who_has_a_name_that_nobody_may_have_by_now_gets_one_like_it(self) -> None:
        settled = self.settled(person(1, "<zoe>"), person(2, "root"), person(3, "<>"))
        self.assertEqual({name for name, _ in settled.values()}, {"zoe2", "root2", "guest2"})

    @given(st.lists(st.text("bo0B", min_size=1, max_size=3), max_size=12), st.randoms())
    def test_whatever_the_order_all_come_to_the_same(
        self, called: list[str], order: random.Random
    ) -> None:
        people = {n: person(n, name, lobby=n % 3) for n, name in enumerate(called)}
        settled = settle(people)
        shuffled = list(people.items())
        order.shuffle(shuffled)
        self.assertEqual(settle(dict(shuffled)), settled)
        keys = [one.key for one in settled]
        self.assertEqual(len(set(keys)), len(people))
        for one in settled:
            self.assertEqual(names.key(json.loads(one.fact.value)["name"]), one.key)


class MuteTests(TestCase):
    def test_a_mute_has_the_key_of_its_name_and_the_longest_one_stays(self) -> None:
        def mute(name: str, *more: Any) -> str:
            return Term(name, *more).fact("mute", "").value

        short, long, good = mute("Eve", 5), mute("EVE", 7), mute("eve", 0)
        self.assertEqual(mutes({"old": short}), {"eve": short})
        self.assertEqual(mutes({"1": short, "2": long}), {"eve": long})
        self.assertEqual(mutes({"1": long, "2": short}), {"eve": long})
        self.assertEqual(mutes({"1": good, "2": long, "3": '["zoe"]'})["eve"], good)
