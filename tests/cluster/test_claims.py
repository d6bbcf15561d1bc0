from __future__ import annotations

from twisted.python.failure import Failure

from chatservice.core.nicknames import NameTaken
from tests.cluster.support import LEASE, ClusterTestCase, Node
from tests.core.support import Person


class ClaimTests(ClusterTestCase):
    """A name is given to whoever's claim stands first in the log."""

    def come(self, node: Node, name: str) -> tuple[Person, list[str]]:
        """Let somebody ask to come in, and note what comes of that."""
        person = Person(node)  # type: ignore[arg-type]
        result: list[str] = []

        def refused(failure: Failure) -> None:
            failure.trap(NameTaken)
            result.append(str(failure.value))

        person.enter(name).addCallbacks(lambda _: result.append("in"), refused)
        return person, result

    def test_nobody_is_in_before_the_claim_is_back_from_the_log(self) -> None:
        (a,) = self.start(1)
        _, result = self.come(a, "ana")
        self.assertEqual((result, a.here()), ([], {}))
        self.cluster.run()
        self.assertEqual((result, a.here()), (["in"], {"ana": ["lobby"]}))

    def test_of_two_nodes_one_grants_a_name(self) -> None:
        a, b = self.start(2)
        _, here = self.come(a, "ana")
        _, there = self.come(b, "Ana")
        b.line.arrive()
        self.cluster.run()
        self.assertEqual((here, there), (["the name ana is taken"], ["in"]))
        self.assertEqual(a.here(), {"Ana": ["lobby"]})
        self.same()

    def test_a_name_that_another_node_has_is_refused_at_once(self) -> None:
        a, b = self.start(2)
        self.arrive(a, "ana")
        _, result = self.come(b, "ana")
        self.assertEqual(result, ["the name ana is taken"])

    def test_a_claim_waits_while_the_log_is_out_of_reach(self) -> None:
        a, b = self.start(2)
        a.line.cut()
        person, result = self.come(a, "ana")
        self.cluster.run(2.0)
        self.assertEqual((result, b.here()), ([], {}))
        self.assertIn("one moment: names are given out when the other nodes", person.read()[0])
        a.line.mend()
        self.cluster.run(2.0)
        self.assertEqual(result, ["in"])
        self.same()

    def test_whoever_was_quicker_elsewhere_has_it(self) -> None:
        a, b = self.start(2)
        a.line.cut()
        _, here = self.come(a, "ana")
        self.cluster.run(1.0)
        _, there = self.come(b, "ana")
        self.cluster.run(1.0)
        a.line.mend()
        self.cluster.run(2.0)
        self.assertEqual((here, there), (["the name ana is taken"], ["in"]))
        self.same()

    def test_a_claim_that_arrives_twice_or_late_counts_once(self) -> None:
        a, b = self.start(2)
        person, result = self.come(a, "ana")
        a.line.double()
        late = a.line.lose()
        self.cluster.run(1.0)
        self.assertEqual(result, ["in"])
        person.type("/quit")
        self.cluster.run(1.0)
        self.cluster.shared.append(a.now(), late)
        self.cluster.run(1.0)
        self.assertEqual(a.journal.registry.names, {})
        self.arrive(b, "ana")
        self.same()

    def test_somebody_may_change_the_capitals_of_their_name_at_once(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        self.assertEqual(ana.tries("/nick Ana")[-1], "-- you are Ana now")
        self.cluster.run()
        self.assertEqual(b.here(), {"Ana": ["lobby"]})

    def test_a_changed_name_is_free_on_all_nodes(self) -> None:
        a, b = self.start(2)
        self.arrive(a, "ana").type("/nick anna")
        self.cluster.run()
        _, old = self.come(b, "ana")
        _, new = self.come(b, "anna")
        self.cluster.run()
        self.assertEqual((old, new), (["in"], ["the name anna is taken"]))
        self.same()

    def test_who_goes_and_comes_again_before_that_is_stored_waits_for_it(self) -> None:
        a, b = self.start(2)
        self.arrive(a, "ana").type("/quit")
        _, at_once = self.come(a, "ana")
        self.cluster.run(1.0)
        self.assertEqual(at_once, ["in"])
        a.chat.attendance.quit(next(iter(a.chat.members)))
        self.cluster.advance()
        _, on_its_way = self.come(a, "ana")
        self.cluster.run(1.0)
        self.assertEqual(on_its_way, ["in"])
        expected = ["ana joined lobby", "ana left lobby"] * 2 + ["ana joined lobby"]
        self.assertEqual(b.moves(), expected)
        self.same()

    def test_two_of_one_node_who_want_one_name_are_one_in_and_one_out(self) -> None:
        (a,) = self.start(1)
        _, first = self.come(a, "ana")
        _, second = self.come(a, "ana")
        self.cluster.run()
        self.assertEqual((first, second), (["in"], ["the name ana is taken"]))

    def test_the_names_of_a_dead_node_are_free_after_its_lease(self) -> None:
        a, b = self.start(2)
        self.arrive(a, "ana")
        a.kill()
        self.cluster.run(LEASE - 2.5)
        _, early = self.come(b, "ana")
        self.assertEqual(early, ["the name ana is taken"])
        self.cluster.run(4.0)
        _, late = self.come(b, "ana")
        self.cluster.run()
        self.assertEqual(late, ["in"])
        self.assertEqual(b.moves(), ["ana joined lobby", "ana left lobby", "ana joined lobby"])

    def test_a_name_that_was_claimed_for_nobody_is_free_when_the_node_is_dead(self) -> None:
        a, b = self.start(2)
        self.come(a, "ana")
        a.line.arrive()
        a.kill()
        self.cluster.run(2 * LEASE)
        self.assertEqual(b.journal.registry.names, {})

    def test_who_has_left_before_a_new_name_is_granted_does_not_hold_it(self) -> None:
        a, _ = self.start(2)
        ana = self.arrive(a, "ana")
        ana.type("/nick di")
        a.chat.attendance.quit(ana.member)
        self.cluster.run(1.0)
        self.assertEqual(a.journal.registry.names, {})
        self.same()

    def test_nobody_loses_a_name_that_is_granted_while_a_dead_node_is_adopted(self) -> None:
        a, b = self.start(2)
        b.kill()
        self.cluster.run(LEASE - 0.5)
        _, result = self.come(a, "ana")
        for _ in range(8):
            # The claim, and that the dead node is adopted, come back together.
            self.cluster.advance(0.25)
        self.cluster.run(1.0)
        self.assertEqual(result, ["in"])
        self.assertEqual(set(a.journal.registry.names), {"ana"})
        self.assertEqual(
            [lease.node for lease in a.journal.registry.leases.values() if not lease.heir],
            [a.journal.following.node],
        )
