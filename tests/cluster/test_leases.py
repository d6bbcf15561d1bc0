from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from chatservice.cluster.entries import ADOPT
from chatservice.cluster.leases import AT_ONCE, Leases
from chatservice.cluster.records import Lease
from chatservice.cluster.registry import ENDED, Registry
from chatservice.journal.events import Fact

LEASE = 9.0


class LeasesTests(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.registry = Registry()
        self.leases = Leases(self.clock, LEASE)
        for position, boot in enumerate(("mine", "b1", "b2"), 1):
            self.registry.leases[boot] = Lease(f"node of {boot}", 1, position)
            self.leases.heard(boot)

    def over(self) -> list[str]:
        """Which boots are to be adopted now."""
        facts = self.leases.over(self.registry, "mine", "node of mine")
        for kind, boot, position in facts:
            self.assertEqual((kind, position), (ADOPT, str(self.registry.leases[boot].position)))
        return [boot for _, boot, _ in facts]

    def test_who_was_silent_for_the_whole_lease_is_over(self) -> None:
        self.clock.advance(5)
        self.leases.heard("b2")
        self.clock.advance(3.9)
        self.assertEqual(self.over(), [])
        self.clock.advance(0.2)
        self.assertEqual(self.over(), ["b1"])

    def test_that_nothing_was_heard_is_said_with_the_last_position(self) -> None:
        self.clock.advance(LEASE)
        self.assertEqual(
            self.leases.over(self.registry, "mine", "node of mine"),
            [Fact(ADOPT, "b1", "2"), Fact(ADOPT, "b2", "3")],
        )

    def test_oneself_is_never_over(self) -> None:
        self.clock.advance(100)
        self.assertNotIn("mine", self.over())

    def test_if_it_is_in_vain_it_is_tried_again_a_lease_later(self) -> None:
        self.clock.advance(LEASE)
        self.assertEqual(self.over(), ["b1", "b2"])
        self.clock.advance(LEASE - 0.1)
        self.leases.heard("b2")
        self.assertEqual(self.over(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.over(), ["b1"])

    def test_who_was_adopted_by_somebody_else_is_no_matter_any_more(self) -> None:
        self.registry.leases["b1"].heir = "b2"
        self.clock.advance(LEASE)
        self.assertEqual(self.over(), ["b2"])

    def test_silence_is_counted_from_when_one_could_hear(self) -> None:
        self.clock.advance(LEASE + 1)
        self.leases.reached()
        self.assertEqual(self.over(), [])
        self.clock.advance(LEASE - 0.1)
        self.assertEqual(self.over(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.over(), ["b1", "b2"])

    def test_who_is_known_from_before_the_start_has_a_whole_lease(self) -> None:
        self.clock.advance(5)
        again = Leases(self.clock, LEASE)
        self.leases = again
        self.clock.advance(LEASE - 0.1)
        self.assertEqual(self.over(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.over(), ["b1", "b2"])

    def test_who_has_said_goodbye_is_over_in_a_moment(self) -> None:
        self.registry.leases["b1"].heir = ENDED
        due = self.over()
        self.clock.advance(AT_ONCE)
        self.assertEqual(due + self.over(), ["b1"])
        self.assertEqual(self.over(), [])

    def test_what_was_on_this_node_before_is_over_at_once(self) -> None:
        self.registry.leases["b1"].node = "node of mine"
        self.assertEqual(self.over(), ["b1"])
        self.assertEqual(self.over(), [])

    def test_not_all_nodes_adopt_at_the_same_moment(self) -> None:
        self.registry.leases["b1"].heir = ENDED
        moments = set()
        for _ in range(20):
            clock = Clock()
            leases = Leases(clock, LEASE)
            while not leases.over(self.registry, "mine", "node of mine"):
                clock.advance(0.01)
            self.assertLessEqual(clock.seconds(), AT_ONCE + 0.02)
            moments.add(round(clock.seconds(), 2))
        self.assertGreater(len(moments), 3)
