from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.cluster import pieces
from chatservice.cluster.entries import PART, BadEntry, Piece
from chatservice.cluster.pieces import Pieces
from chatservice.journal.events import Fact


class PiecesTests(TestCase):
    @given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6), st.randoms())
    def test_in_whatever_order_and_with_whatever_restarts_all_are_one(
        self, parts: list[bytes], chance: random.Random
    ) -> None:
        order = list(range(len(parts)))
        chance.shuffle(order)
        held, stored = Pieces(), {}
        for index, place in enumerate(order):
            if chance.random() < 0.5:
                held = Pieces()
                for name, value in stored.items():
                    held.load(Fact(PART, name, value))
            facts, whole = held.add(Piece("b 1", 7, place, len(parts), parts[place]))
            stored.update({fact.name: fact.value for fact in facts})
            stored = {name: value for name, value in stored.items() if value}
            self.assertEqual({fact.name: fact.value for fact in held.facts()}, stored)
            self.assertEqual(bool(whole), index == len(order) - 1)
        self.assertEqual((whole, stored), (b"".join(parts), {}))

    def test_too_much_is_refused_before_anything_changes(self) -> None:
        self.patch(pieces, "EXPANDED_MOST", 10)
        held = Pieces()
        held.add(Piece("b1", 7, 0, 3, b"x" * 6))
        before = held.facts()
        self.assertRaises(BadEntry, held.check, Piece("b1", 7, 1, 3, b"x" * 5))
        held.check(Piece("b1", 7, 0, 3, b"x" * 10))
        held.check(Piece("b1", 8, 0, 3, b"x" * 10))
        self.assertEqual(held.facts(), before)

    def test_what_is_dropped_is_forgotten(self) -> None:
        held = Pieces()
        held.add(Piece("b1", 7, 0, 3, b"x"))
        self.assertEqual(held.drop("b1"), [Fact(PART, "b1 0", "")])
        self.assertEqual((held.drop("b1"), held.facts()), ([], []))
