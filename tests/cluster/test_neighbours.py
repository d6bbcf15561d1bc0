from __future__ import annotations

from chatservice.cluster import neighbours
from tests.cluster.support import GRACE, LEASE, ClusterTestCase, Node
from tests.core.programs import brief, only
from tests.core.support import Person
from tests.welcome import entered


class NeighbourTests(ClusterTestCase):
    """People on other nodes are like people on this one."""

    def two(self) -> tuple[Node, Node, Person, Person]:
        """Have ana on one node and bob on another."""
        a, b = self.start(2)
        ana, bob = self.arrive(a, "ana"), self.arrive(b, "bob")
        ana.read()
        return a, b, ana, bob

    def test_what_one_says_another_is_shown_and_in_one_order(self) -> None:
        a, b, ana, bob = self.two()
        ana.type("one")
        bob.type("two")
        self.cluster.advance()
        b.line.arrive()
        self.cluster.run()
        self.assertEqual(ana.read(), ["<bob> two"])
        self.assertEqual(bob.read(), ["<ana> one"])
        self.same()
        self.assertEqual(a.stored(), ["two", "one"])

    def test_nothing_is_shown_before_it_is_back_from_the_log(self) -> None:
        a, _, ana, bob = self.two()
        other = self.arrive(a, "cy")
        ana.type("hi")
        self.cluster.advance()
        self.assertEqual(other.read() + bob.read()[1:], [])
        self.cluster.run()
        self.assertEqual((other.read(), bob.read()), (["<ana> hi"], ["<ana> hi"]))

    def test_who_comes_in_is_shown_who_is_there_and_what_was_said(self) -> None:
        _, b, ana, bob = self.two()
        ana.type("early")
        self.cluster.run()
        cy = Person(b)  # type: ignore[arg-type]
        cy.enter("cy")
        self.cluster.run()
        lines = cy.read()
        self.assertIn(entered("lobby", "ana and bob"), lines)
        self.assertIn("[09:26] <ana> early", lines)
        self.assertEqual(ana.read(), ["-- cy joined"])
        self.assertEqual(bob.read(), ["<ana> early", "-- cy joined"])

    def test_who_lists_everybody(self) -> None:
        _, _, ana, bob = self.two()
        self.assertEqual(ana.tries("/who"), bob.tries("/who"))
        self.assertIn("bob", ana.tries("/who")[-1])

    def test_a_room_that_one_of_another_node_leaves_last_counts_no_more(self) -> None:
        a, _, ana, bob = self.two()
        ana.type("/join den")
        self.cluster.run()
        bob.type("/join den")
        self.cluster.run()
        ana.type("/leave den")
        self.cluster.run()
        a.chat.rooms["den"].made_from = "192.0.2.1"
        a.chat.shares._rooms["192.0.2.1"] += 1
        bob.type("/leave den")
        self.cluster.run()
        self.assertNotIn("den", a.chat.rooms)
        self.assertEqual(a.chat.shares._rooms, {})

    def test_who_says_that_it_may_be_stale_while_the_log_is_out_of_reach(self) -> None:
        a, _, ana, _ = self.two()
        a.line.cut()
        ana.read()
        stale = "-- the other nodes can't be reached: who is there may have changed"
        self.assertIn(stale, ana.tries("/who"))
        a.line.mend()
        self.cluster.run(2.0)
        ana.read()
        self.assertNotIn(stale, ana.tries("/who"))

    def test_whois_tells_of_somebody_elsewhere(self) -> None:
        _, _, ana, bob = self.two()
        ana.type("/join dev", "/away lunch")
        self.cluster.run()
        told = "\n".join(bob.tries("/whois ana"))
        for part in ("ana", "#lobby, #dev", "2026-03-14 09:26 UTC", "lunch"):
            self.assertIn(part, told)

    def test_an_operator_is_told_where_somebody_elsewhere_comes_from(self) -> None:
        a, b = self.start(2)
        self.arrive(a, "ana")
        root = self.arrive(b, "root", operator=True)
        self.assertIn("192.0.2.1", "\n".join(root.tries("/whois ana")))

    def test_private_lines_go_to_other_nodes_and_back(self) -> None:
        _, _, ana, bob = self.two()
        sent = ana.tries("/msg bob psst")
        self.assertEqual(sent, ["[you -> bob] psst"])
        self.assertEqual(bob.read(), ["[ana -> you] psst"])
        bob.tries("/reply yes?")
        self.assertEqual(ana.read(), ["[bob -> you] yes?"])
        self.same()

    def test_who_writes_to_somebody_away_elsewhere_is_told_so(self) -> None:
        _, _, ana, bob = self.two()
        bob.type("/away lunch")
        self.cluster.run()
        self.assertIn("-- bob is away: lunch", ana.tries("/msg bob psst"))
        bob.read()
        bob.tries("I am back")
        self.assertNotIn("away", "".join(ana.tries("/msg bob psst")))
        self.same()

    def test_who_is_ignored_is_ignored_on_other_nodes_under_each_name(self) -> None:
        _, _, ana, bob = self.two()
        bob.tries("/ignore ana")
        ana.tries("one", "/msg bob two", "/nick anna", "three")
        self.assertEqual([line for line in bob.read() if "one" in line or "three" in line], [])
        bob.tries("/unignore anna")
        ana.tries("four")
        self.assertEqual(bob.read()[-1], "<anna> four")

    def test_who_is_ignored_by_name_is_recognised_when_they_come_elsewhere(self) -> None:
        a, _, ana, bob = self.two()
        bob.tries("/ignore ana")
        ana.type("/quit")
        self.cluster.run()
        bob.read()
        self.arrive(a, "ana").tries("it is me again")
        self.assertNotIn("<ana> it is me again", bob.read())

    def test_a_new_name_and_new_rooms_are_known_everywhere(self) -> None:
        a, b, ana, bob = self.two()
        ana.type("/join dev", "/nick anna", "/leave lobby")
        self.cluster.run(1.0)
        self.assertEqual(b.here(), {"anna": ["dev"], "bob": ["lobby"]})
        self.assertEqual(b.rooms(), {"dev": ["anna"], "lobby": ["bob"]})
        self.assertEqual(bob.read(), ["-- ana is now anna", "-- anna left"])
        self.same()
        ana.type("/leave dev")
        self.cluster.run()
        self.assertNotIn("dev", b.chat.rooms)
        self.assertNotIn("dev", a.chat.rooms)

    def test_an_operator_sends_somebody_away_who_is_elsewhere(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        root = self.arrive(b, "root", operator=True)
        root.tries("/kick ana enough")
        self.cluster.run(1.0)
        self.assertTrue(ana.outlet.finished)
        self.assertIn("enough", "\n".join(ana.read()))
        self.assertEqual(set(a.here()), {"root"})
        self.assertEqual(b.moves()[-1], "ana left lobby")
        self.same()

    def test_a_ban_holds_on_all_nodes(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        root = self.arrive(b, "root", operator=True)
        root.tries("/ban 192.0.2.1")
        self.cluster.run(1.0)
        self.assertTrue(ana.outlet.finished)
        self.assertEqual(set(a.here()), {"root"})
        late = Person(a)  # type: ignore[arg-type]
        late.enter("late")
        self.cluster.run()
        self.assertEqual(set(b.here()), {"root"})
        self.same()

    def test_topics_and_mutes_hold_on_all_nodes(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        root = self.arrive(b, "root", operator=True)
        root.tries("/topic tea at five", "/mute ana")
        self.assertEqual(a.chat.standing.topics, {"lobby": "tea at five"})
        ana.read()
        self.assertIn("muted", "".join(ana.tries("hi")))
        self.assertEqual(a.stored(), [])


class ProgramNeighbourTests(ClusterTestCase):
    """Programs may go on on any node."""

    def test_a_program_that_comes_back_on_another_node_misses_nothing(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        bot = self.program(a, "bot")
        bot.read()
        ana.tries("one")
        bot.read()
        bot.lose()
        ana.tries("two")
        again = self.program(b, token=bot.token, since=bot.since)
        ana.tries("three")
        self.assertEqual(brief(again.read()), ["welcome", "ana said two", "live", "ana said three"])
        self.assertEqual(ana.read()[-1:], [])
        self.assertEqual(a.moves(), ["ana joined lobby", "bot joined lobby"])
        self.same()

    def test_its_connection_to_the_node_before_is_closed(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bot.read()
        again = self.program(b, token=bot.token, since=bot.since)
        self.assertEqual(brief(bot.read()), ["replaced"])
        self.assertTrue(bot.outlet.finished)
        again.read()
        back = self.program(a, token=bot.token, since=again.since)
        self.assertEqual(brief(again.read()), ["replaced"])
        self.assertEqual(brief(back.read()), ["welcome", "live"])
        self.same()

    def test_what_it_says_on_two_nodes_is_stored_once(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bot.read()
        a.line.cut()
        bot.ask("say", room="lobby", text="once", seq=1)
        self.cluster.run(1.0)
        again = self.program(b, token=bot.token, since=bot.since)
        again.ask("say", room="lobby", text="once", seq=1)
        self.cluster.run(1.0)
        a.line.mend()
        self.cluster.run(3.0)
        self.assertEqual(a.stored(), ["once"])
        self.assertEqual(brief(again.read()), ["welcome", "live", "ok say 1"])
        self.same()

    def test_what_was_stored_before_it_moved_is_answered_with_its_id(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bot.read()
        bot.ask("say", room="lobby", text="once", seq=1)
        self.cluster.run(1.0)
        (event,) = [event for event in b.events() if event.seq == 1]
        bot.lose()
        again = self.program(b, token=bot.token, since=bot.since)
        again.ask("say", room="lobby", text="once", seq=1)
        self.cluster.run(1.0)
        oks = [m["id"] for m in again.read() if m["type"] == "ok"]
        self.assertEqual(set(oks), {event.id})
        self.assertEqual(b.stored(), ["once"])

    def test_one_that_never_came_back_from_leaving_is_new_to_nobody(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot", rooms=["lobby", "dev"])
        bot.read()
        bot.lose()
        self.cluster.run(GRACE + 1, 0.25)
        self.assertEqual((a.here(), b.here()), ({}, {}))
        again = self.program(b, token=bot.token, since=bot.since)
        welcome = only(again.read(), "welcome")
        self.assertTrue(welcome["resumed"])
        self.assertEqual(a.here(), {"bot": ["dev", "lobby"]})
        self.same()

    def test_a_session_that_comes_back_twice_before_it_is_granted_is_one_member(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bot.read()
        bot.ask("quit")
        self.cluster.run()
        a.line.cut()
        first = self.program(a, token=bot.token)
        second = self.program(a, token=bot.token)
        a.line.mend()
        self.cluster.run(3.0)
        self.assertEqual((a.rooms(), b.rooms()), ({"lobby": ["bot"]}, {"lobby": ["bot"]}))
        self.assertEqual(brief(first.read()), ["replaced"])
        self.assertEqual(brief(second.read())[0], "welcome")
        self.same()

    def test_one_that_says_nothing_after_it_came_back_is_there_on_all_nodes(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bot.read()
        bot.lose()
        self.cluster.run(GRACE + 1, 0.25)
        self.program(a, token=bot.token, since=bot.since)
        self.assertEqual(b.here(), {"bot": ["lobby"]})
        self.same()

    def test_what_it_asked_for_where_it_was_before_is_void(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot", rooms=["lobby", "dev"])
        bot.read()
        a.line.cut()
        bot.ask("leave", room="dev")
        bot.ask("join", room="den")
        self.cluster.run(1.0)
        self.program(b, token=bot.token, since=bot.since)
        a.line.mend()
        self.cluster.run(3.0)
        self.assertEqual(a.here(), {"bot": ["dev", "lobby"]})
        self.assertEqual(set(a.chat.rooms), set(b.chat.rooms))
        self.same()

    def test_programs_of_a_dead_node_keep_their_place_for_a_grace(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(b, "ana")
        bot = self.program(a, "bot")
        bot.read()
        ana.read()
        a.kill()
        self.cluster.run(LEASE + GRACE / 2, 0.25)
        self.assertEqual(ana.read(), [])
        again = self.program(b, token=bot.token, since=bot.since)
        self.assertEqual(brief(again.read()), ["welcome", "live"])
        again.lose()
        self.cluster.run(GRACE + 1, 0.25)
        self.assertEqual(ana.read(), ["-- bot left"])

    def test_programs_of_a_dead_node_leave_when_their_grace_is_over(self) -> None:
        a, b, c = self.start(3)
        self.program(a, "bot")
        a.kill()
        self.cluster.run(LEASE + GRACE + 3, 0.25)
        self.assertEqual(b.moves(), ["bot joined lobby", "bot left lobby"])
        self.assertEqual(c.here(), {})
        self.same()


class AdoptionTests(ClusterTestCase):
    """People whose node is dead leave, once."""

    def test_people_of_a_dead_node_are_shown_to_leave_once(self) -> None:
        a, b, c = self.start(3)
        self.arrive(a, "ana", "bob")
        cy = self.arrive(c, "cy")
        a.kill()
        self.cluster.run(LEASE + 3)
        (line,) = cy.read()
        self.assertIn(line, ("-- ana and bob left", "-- bob and ana left"))
        self.assertEqual(b.here(), {"cy": ["lobby"]})
        self.same()

    def test_they_leave_at_once_when_their_node_has_said_goodbye(self) -> None:
        a, b = self.start(2)
        self.arrive(a, "ana")
        bob = self.arrive(b, "bob")
        a.stop()
        self.cluster.run(2.0)
        self.assertFalse(a.alive)
        self.assertEqual(bob.read(), ["-- ana left"])

    def test_who_had_only_just_come_leaves_too(self) -> None:
        a, b = self.start(2)
        ana = Person(a)  # type: ignore[arg-type]
        ana.enter("ana")
        a.line.arrive()
        a.line.deliver()
        a.advance(0.01)
        a.advance(0.01)
        a.line.arrive()
        a.kill()
        self.cluster.run(2 * LEASE)
        self.assertEqual(b.moves(), ["ana joined lobby", "ana left lobby"])
        self.assertEqual((b.here(), b.journal.registry.names), ({}, {}))

    def test_many_leave_in_several_commits(self) -> None:
        self.patch(neighbours, "SEEN_OFF_AT_ONCE", 2)
        a, b = self.start(2)
        self.arrive(a, "ana", "bob", "cy", "di", "ed")
        a.kill()
        self.cluster.run(LEASE + 4)
        self.assertEqual(b.here(), {})
        left = [move for move in b.moves() if " left " in move]
        self.assertEqual(len(left), 3)

    def test_a_node_that_begins_again_sees_off_those_it_had(self) -> None:
        a, b = self.start(2)
        self.arrive(a, "ana")
        bob = self.arrive(b, "bob")
        a.kill()
        self.cluster.start(0)
        self.cluster.run(2.0)
        self.assertEqual(bob.read(), ["-- ana left"])
        self.same()
