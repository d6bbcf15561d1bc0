from __future__ import annotations

from typing import Any

from chatservice.cluster import lease_lost, neighbours
from chatservice.cluster.entries import ADOPT, BYE, LEASE
from tests.cluster.support import LEASE as SECONDS
from tests.cluster.support import ClusterTestCase, Node
from tests.core.programs import brief
from tests.core.support import Person

LOST = "-- the other nodes can't be reached: what is said now waits, and is shown later"
AGAIN = "-- the other nodes can be reached again: what waited is shown now"
BACK = "-- the others saw you leave, as they could not be reached: you are back"


class ReclaimingTests(ClusterTestCase):
    """A node that was taken for dead brings its members back before anything else."""

    def two(self, **options: Any) -> tuple[Node, Node, Person, Person]:
        """Have ana on one node and bob on another."""
        a, b = self.start(2, **options)
        ana, bob = self.arrive(a, "ana"), self.arrive(b, "bob")
        ana.read()
        return a, b, ana, bob

    def away(self, node: Node, seconds: float = SECONDS + 3, silently: bool = False) -> None:
        """Cut a node off, for longer than its lease."""
        node.line.cut(silently)
        self.cluster.run(seconds)

    def back(self, node: Node) -> None:
        node.line.mend()
        self.cluster.run(5.0)

    def test_who_was_cut_off_for_less_than_a_lease_was_never_gone(self) -> None:
        a, _, ana, bob = self.two()
        self.away(a, SECONDS / 2)
        ana.type("held")
        self.back(a)
        self.assertEqual(ana.read(), [LOST, AGAIN])
        self.assertEqual(bob.read(), ["<ana> held"])
        self.same()

    def test_who_was_shown_to_leave_is_shown_to_join_again(self) -> None:
        a, b, ana, bob = self.two()
        self.away(a)
        self.assertEqual(bob.read(), ["-- ana left"])
        self.assertEqual(b.here(), {"bob": ["lobby"]})
        self.back(a)
        self.assertEqual(bob.read(), ["-- ana joined"])
        self.assertIn(BACK, ana.read())
        self.assertEqual(b.here(), {"ana": ["lobby"], "bob": ["lobby"]})
        self.same()

    def test_they_join_all_their_rooms_again(self) -> None:
        a, b, ana, _ = self.two()
        ana.type("/join dev")
        self.cluster.run()
        self.away(a)
        self.back(a)
        self.assertEqual(b.here()["ana"], ["dev", "lobby"])
        self.same()

    def test_who_left_a_room_meanwhile_leaves_it_under_the_name_that_they_have_then(self) -> None:
        a, b, ana, bob = self.two()
        a.line.cut(silently=True)
        ana.type("held")
        self.cluster.run(SECONDS + 3)
        self.arrive(b, "ana")
        ana.type("/leave lobby")
        self.cluster.run(1.0)
        bob.read()
        self.back(a)
        self.assertEqual(bob.read(), ["-- ana2 joined", "<ana2> held", "-- ana2 left"])
        self.assertEqual(b.rooms(), {"lobby": ["ana", "bob"]})
        self.same()

    def said_meanwhile(self, silently: bool) -> None:
        a, _, ana, bob = self.two()
        a.line.cut(silently)
        ana.type("one")
        self.cluster.run(1.0)
        ana.type("two")
        self.cluster.run(SECONDS + 3)
        self.back(a)
        expected = ["-- ana left", "-- ana joined", "<ana> one", "<ana> two"]
        self.assertEqual(bob.read(), expected)
        self.same()

    def test_what_they_said_meanwhile_is_shown_once_and_after_they_joined(self) -> None:
        self.said_meanwhile(silently=False)

    def test_so_is_what_they_said_while_nobody_knew_that_nothing_gets_through(self) -> None:
        self.said_meanwhile(silently=True)

    def test_they_are_shown_what_was_said_meanwhile(self) -> None:
        a, _, ana, bob = self.two()
        self.away(a)
        bob.type("where is ana?")
        self.cluster.run(1.0)
        self.back(a)
        self.assertIn("<bob> where is ana?", ana.read())
        bob.tries("there")
        self.assertEqual(ana.read(), ["<bob> there"])

    def test_who_was_not_yet_shown_to_leave_is_silently_back(self) -> None:
        self.patch(neighbours, "SEEN_OFF_AT_ONCE", 1)
        a, b = self.start(2)
        people = self.arrive(a, "ana", "cy", "di")
        bob = self.arrive(b, "bob")
        a.line.cut()
        while not any(f.kind == ADOPT for e in self.cluster.shared.published() for f in e.facts):
            self.cluster.advance()
            b.line.pump()
        # That the first of them leaves is on its way, and the others are still to be seen off.
        a.line.mend()
        a.line.pump()
        for _ in range(3):
            a.advance()
            a.line.pump()
        self.cluster.run(3.0)
        left = [move for move in b.moves() if " left " in move]
        self.assertLess(len(left), 3)
        self.assertEqual(
            [move.replace("joined", "left") for move in b.moves()[4 + len(left) :]], left
        )
        self.assertEqual(set(b.here()), {"ana", "cy", "di", "bob"})
        silent = [person for person in people if BACK not in person.read()]
        self.assertEqual(len(silent), 3 - len(left))
        self.assertEqual(len([line for line in bob.read() if "left" in line]), len(left))
        self.same()

    def test_who_has_lost_the_name_gets_another_one(self) -> None:
        a, b, ana, bob = self.two()
        a.line.cut()
        ana.type("held")
        self.cluster.run(SECONDS + 3)
        new = self.arrive(b, "Ana")
        bob.read()
        self.back(a)
        self.assertIn("-- somebody else is ana by now: you are ana2", ana.read())
        self.assertEqual(bob.read(), ["-- ana2 joined", "<ana2> held"])
        self.assertEqual(set(b.here()), {"Ana", "ana2", "bob"})
        new.read()
        ana.tries("/msg Ana hi")
        self.assertEqual(new.read(), ["[ana2 -> you] hi"])
        self.same()

    def test_who_is_muted_stays_so_under_another_name(self) -> None:
        a, b, ana, bob = self.two()
        eve = self.arrive(b, "eve", operator=True)
        eve.type("/mute ana")
        self.cluster.run()
        a.line.cut()
        self.cluster.run(SECONDS + 3)
        self.arrive(b, "Ana")
        self.back(a)
        self.assertIn("-- somebody else is ana by now: you are ana2", ana.read())
        bob.read()
        ana.type("heard?", "/join buy-my-coins.x")
        self.cluster.run()
        self.assertEqual(ana.read(), ["-- you are muted"] * 2)
        self.assertEqual(bob.read(), [])
        self.same()

    def test_it_is_the_first_name_of_a_row_that_is_free(self) -> None:
        a, b, ana, _ = self.two(max_name=4)
        ana.type("/nick anna")
        self.cluster.run()
        self.away(a)
        self.arrive(b, "anna")
        self.arrive(b, "ann2")
        self.back(a)
        self.assertEqual(set(b.here()), {"anna", "ann2", "ann3", "bob"})
        self.same()

    def test_everything_that_waited_goes_out_under_the_new_name(self) -> None:
        a, b, ana, bob = self.two()
        a.line.cut(silently=True)
        ana.type("on its way")
        self.cluster.advance()
        ana.type("behind it")
        self.cluster.run(SECONDS + 4)
        ana.type("last")
        self.arrive(b, "ana")
        self.back(a)
        said = [line for line in bob.read() if line.startswith("<")]
        self.assertEqual(said, ["<ana2> on its way", "<ana2> behind it", "<ana2> last"])
        self.same()

    def test_what_got_into_the_log_before_the_node_was_cut_off_is_not_said_again(self) -> None:
        a, _, ana, bob = self.two()
        ana.type("once")
        self.cluster.advance()
        a.line.arrive()
        self.away(a)
        self.back(a)
        self.assertEqual(a.stored(), ["once"])
        self.assertEqual(bob.read(), ["<ana> once", "-- ana left", "-- ana joined"])
        self.same()

    def test_what_arrives_after_the_node_was_taken_for_dead_is_void(self) -> None:
        a, b, ana, _ = self.two()
        ana.type("late")
        self.cluster.advance()
        late = a.line.lose()
        self.away(a)
        self.cluster.shared.append(b.now(), late)
        self.cluster.run(1.0)
        self.assertEqual(b.stored(), [])
        self.back(a)
        self.assertEqual(b.stored(), ["late"])
        self.same()

    def test_nobody_is_closed_whose_facts_come_back_with_the_adoption(self) -> None:
        a, _, ana, _ = self.two()
        ana.type("/away lunch")
        self.cluster.advance()
        a.line.arrive()
        self.away(a)
        self.back(a)
        self.assertFalse(ana.outlet.finished)
        self.assertEqual(ana.tries("hi")[-1:], ["-- you are back"])
        self.same()

    def test_who_leaves_a_room_meanwhile_is_not_shown_to_leave_twice(self) -> None:
        a, b, ana, _ = self.two()
        a.line.cut()
        self.cluster.run(SECONDS + 3)
        ana.type("/leave lobby")
        self.cluster.run(1.0)
        self.back(a)
        inside = 0
        for move in b.moves():
            if move.startswith("ana "):
                inside += 1 if " joined " in move else -1
                self.assertIn(inside, (0, 1), b.moves())
        self.assertEqual(inside, 0)
        self.same()

    def test_who_quits_meanwhile_is_gone_for_good(self) -> None:
        a, b, ana, _ = self.two()
        a.line.cut()
        ana.type("bye", "/quit")
        self.cluster.run(SECONDS + 3)
        self.back(a)
        self.assertEqual(set(a.here()), {"bob"})
        left = [move for move in b.moves() if move == "ana left lobby"]
        self.assertEqual(len(left), 1)
        self.assertEqual(b.stored(), ["bye"])
        self.assertEqual(set(a.journal.registry.names), {"bob"})
        self.same()

    def test_who_comes_in_meanwhile_is_in_when_the_node_is_back(self) -> None:
        a, b, _, _ = self.two()
        a.line.cut()
        cy = Person(a)  # type: ignore[arg-type]
        cy.enter("cy")
        self.cluster.run(SECONDS + 3)
        self.back(a)
        self.assertEqual(set(b.here()), {"ana", "bob", "cy"})
        self.same()

    def test_programs_are_back_without_a_word_within_their_grace(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bob = self.arrive(b, "bob")
        bot.read()
        a.line.cut()
        bot.ask("say", room="lobby", text="held", seq=1)
        self.cluster.run(SECONDS + 3)
        self.back(a)
        self.assertEqual(bob.read(), ["<bot> held"])
        self.assertEqual([word for word in brief(bot.read()) if word != "notice"], ["ok say 1"])
        self.same()

    def test_a_program_that_has_moved_meanwhile_is_not_brought_back(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bot.read()
        self.away(a)
        again = self.program(b, token=bot.token, since=bot.since)
        self.back(a)
        self.assertEqual(brief(bot.read())[-1], "replaced")
        self.assertFalse(again.outlet.finished)
        self.assertTrue(a.chat.find("bot").remote)
        self.same()

    def test_a_program_that_has_lost_its_name_is_told_the_new_one(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        self.arrive(b, "bob")
        bot.read()
        self.away(a, SECONDS + 30)
        self.arrive(b, "bot")
        self.back(a)
        told = [m for m in bot.read() if m["type"] == "ok"]
        self.assertEqual([m.get("name") for m in told], ["bot2"])
        self.assertEqual(set(b.here()), {"bob", "bot", "bot2"})
        self.same()

    def test_many_are_brought_back_by_several_entries(self) -> None:
        self.patch(lease_lost, "SAID_AT_ONCE", 2)
        a, b = self.start(2)
        self.arrive(a, "ana", "cy", "di", "ed", "fay")
        self.away(a)
        self.back(a)
        self.assertEqual(set(b.here()), {"ana", "cy", "di", "ed", "fay"})
        self.same()

    def test_a_node_may_be_taken_for_dead_again_and_again(self) -> None:
        a, _, ana, bob = self.two()
        for _ in range(3):
            self.away(a)
            ana.type("again")
            self.back(a)
            self.assertEqual(bob.read(), ["-- ana left", "-- ana joined", "<ana> again"])
        self.same()

    def test_a_node_that_is_cut_off_again_while_it_brings_them_back_goes_on_later(self) -> None:
        a, b, ana, _ = self.two()
        ana.type("/join dev")
        self.cluster.run()
        a.line.cut()
        ana.type("held")
        self.cluster.run(SECONDS + 3)
        a.line.mend()
        a.line.pump()
        a.advance()
        a.line.pump()
        a.line.cut()
        self.cluster.run(SECONDS + 3)
        self.back(a)
        self.assertEqual(a.stored(), ["held"])
        self.assertEqual(b.here(), {"ana": ["dev", "lobby"], "bob": ["lobby"]})
        self.same()

    def test_two_nodes_that_took_each_other_for_dead_agree(self) -> None:
        a, b, c = self.start(3)
        self.arrive(a, "ana")
        self.arrive(b, "bob")
        self.arrive(c, "cy")
        self.away(a)
        b.line.cut()
        a.line.mend()
        self.cluster.run(SECONDS + 3)
        self.back(b)
        self.assertEqual(set(c.here()), {"ana", "bob", "cy"})
        self.same()

    def test_all_nodes_may_be_cut_off_at_once_and_nobody_leaves(self) -> None:
        a, b, _, bob = self.two()
        a.line.cut()
        b.line.cut()
        self.cluster.run(3 * SECONDS)
        a.line.mend()
        b.line.mend()
        self.cluster.run(3.0)
        self.assertEqual([move for move in a.moves() if " left " in move], [])
        self.assertEqual(bob.read(), [LOST, AGAIN])
        self.same()

    def test_a_node_that_has_said_goodbye_is_not_deposed(self) -> None:
        a, _, _, _ = self.two()
        a.stop()
        self.cluster.run(3.0)
        kinds = [
            (entry.boot == a.journal.boot, fact.kind)
            for entry in self.cluster.shared.published()
            for fact in entry.facts
            if fact.kind in (BYE, ADOPT, LEASE)
        ]
        self.assertEqual(kinds[-2:], [(True, BYE), (False, ADOPT)])
