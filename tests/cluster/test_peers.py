from __future__ import annotations

import os
from typing import Any

from twisted.logger import capturedLogs, formatEvent

from chatservice.cluster import entries
from chatservice.cluster.entries import SEND_AWAY, VERSION
from chatservice.cluster.peers import (
    APART,
    ENDS,
    IN_REACH,
    NOBODY_IN,
    OUT_OF_REACH,
    TAKES_PART,
    UNPUBLISHED,
    WAIT,
)
from chatservice.core.feed import ticker
from chatservice.journal.events import Fact, JournalError
from chatservice.text.wording import STORED_AGAIN, UNSTORED
from tests.cluster.support import GRACE, LEASE, ClusterTestCase, SharedLog
from tests.core.programs import Program, brief, only
from tests.core.support import House, Person


class StartTests(ClusterTestCase):
    """A node begins, with what it has and with what the log has."""

    def test_the_first_node_founds_the_chat(self) -> None:
        a, b = self.start(2)
        shared = self.cluster.shared
        self.assertEqual(shared.identity, a.journal.identity)
        self.assertEqual(b.journal.identity, a.journal.identity)

    def test_ids_go_on_behind_those_of_a_file_with_a_history(self) -> None:
        house = House(self.cluster.path(0))
        (ana,) = house.gather("ana")
        ana.tries("before", "/topic tea")
        ana.tries("/quit")
        self.successResultOf(house.stop())
        a, b = self.start(2)
        before = a.events()
        self.assertEqual(self.cluster.shared.base, before[-1].id)
        self.arrive(b, "bob").type("after")
        self.cluster.run()
        self.assertEqual(a.stored(), ["before", "after"])
        self.assertEqual(b.stored(), ["after"])
        self.assertEqual(b.chat.standing.topics, {"lobby": "tea"})
        self.assertGreater(a.events()[-1].id, before[-1].id)
        self.assertEqual(a.events()[-1], b.events()[-1])

    def test_a_file_of_another_chat_is_refused(self) -> None:
        (a,) = self.start(1)
        self.arrive(a, "ana")
        house = House(self.cluster.path(1))
        house.gather("bob")
        self.successResultOf(house.stop())
        with self.assertRaises(JournalError) as raised:
            self.cluster.start(1)
        self.assertIn("another chat", str(raised.exception))

    def test_a_node_with_a_new_file_has_all_there_was(self) -> None:
        (a,) = self.start(1)
        ana = self.arrive(a, "ana", room="dev")
        ana.type("one", "/topic tea")
        self.program(a, "bot")
        b = self.cluster.start(1)
        self.cluster.run()
        self.same()
        self.assertEqual(b.here(), {"ana": ["dev", "lobby"], "bot": ["lobby"]})
        self.assertEqual(b.chat.standing.topics, {"dev": "tea"})

    def test_a_node_with_a_new_file_knows_who_is_where_when_the_log_was_trimmed(self) -> None:
        (a,) = self.start(1)
        ana = self.arrive(a, "ana", room="dev")
        ana.type("/topic tea", "old")
        bot = self.program(a, "bot")
        bot.read()
        a.line.keep(a.journal.following.facts())
        self.cluster.shared.trim(self.cluster.shared.last)
        ana.type("new")
        self.cluster.run()
        b = self.cluster.start(1)
        self.cluster.run()
        self.assertEqual(b.stored(), ["new"])
        self.assertEqual((b.here(), b.rooms()), (a.here(), a.rooms()))
        self.assertEqual(b.facts(), a.facts())
        self.assertEqual(b.chat.standing.topics, {"dev": "tea"})
        again = self.program(b, token=bot.token)
        self.assertEqual(brief(again.read())[0], "welcome")
        self.arrive(b, "bob").type("/msg ana hi")
        self.cluster.run()
        self.assertIn("[bob -> you] hi", ana.read())

    def test_a_node_that_was_off_while_the_log_was_trimmed_goes_on_with_a_gap(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        ana.type("one")
        self.cluster.run()
        old, new = (self.program(b, name) for name in ("old", "new"))
        old.read()
        self.assertFalse(only(new.read(), "welcome")["gap"])
        b.kill()
        new = self.program(a, token=new.token, since=new.since)
        ana.type("two")
        self.cluster.run(LEASE + 3)
        a.line.keep(a.journal.following.facts())
        self.cluster.shared.trim(self.cluster.shared.last)
        ana.type("three")
        self.cluster.run()
        b = self.cluster.start(1)
        self.cluster.run(2.0)
        self.assertEqual(b.stored(), ["one", "three"])
        self.assertEqual((b.here(), b.facts()), (a.here(), a.facts()))
        # Who has read what is missing here misses nothing.
        new.read()
        for bot, gap in ((old, True), (new, False)):
            again = self.program(b, token=bot.token, since=bot.since)
            self.assertEqual(only(again.read(), "welcome")["gap"], gap)

    def test_programs_that_were_on_a_node_have_their_grace_when_it_begins_again(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bot.read()
        a.kill()
        a = self.cluster.start(0)
        self.cluster.run(2.0)
        self.assertEqual(b.here(), {"bot": ["lobby"]})
        again = self.program(a, token=bot.token, since=bot.since)
        self.assertEqual(brief(again.read()), ["welcome", "live"])
        again.lose()
        self.cluster.run(GRACE + 1, 0.25)
        self.assertEqual(b.moves(), ["bot joined lobby", "bot left lobby"])

    def test_a_node_that_was_killed_has_what_it_had_and_reads_the_rest(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        ana.type("one")
        self.cluster.run()
        b.kill()
        ana.type("two")
        self.cluster.run()
        self.cluster.start(1)
        self.cluster.run(1.0)
        self.same()

    def test_a_program_is_welcome_before_the_brokers_were_ever_reached(self) -> None:
        self.start(1)
        b = self.cluster.start(1, cut=True)
        bot = Program(b)  # type: ignore[arg-type]
        bot.hello("bot")
        self.cluster.run(2.0)
        self.assertEqual([m for m in bot.read() if m["type"] == "welcome"], [])
        b.line.mend()
        self.cluster.run(2.0)
        told = bot.read()
        self.assertFalse(only(told, "welcome")["gap"])
        self.assertEqual([m for m in told if m.get("gap")], [])
        self.same()


class ReachTests(ClusterTestCase):
    """Members are told when the other nodes can't be reached, and what they say waits."""

    def test_all_are_told_when_the_log_is_lost_and_when_it_is_back(self) -> None:
        (a,) = self.start(1)
        ana = self.arrive(a, "ana")
        a.line.cut()
        self.assertEqual(ana.read(), [f"-- {OUT_OF_REACH}"])
        a.line.mend()
        self.cluster.run()
        self.assertEqual(ana.read(), [f"-- {IN_REACH}"])

    def test_a_silent_loss_is_noticed_when_something_does_not_come_back(self) -> None:
        (a,) = self.start(1)
        ana = self.arrive(a, "ana")
        a.line.cut(silently=True)
        ana.type("hi")
        self.cluster.run(2.0)
        self.assertEqual(ana.read(), [])
        self.cluster.run(2.0)
        self.assertEqual(ana.read(), [f"-- {OUT_OF_REACH}"])
        a.line.mend()
        self.cluster.run(4.0)
        self.assertEqual(ana.read(), [f"-- {IN_REACH}"])
        self.assertEqual(a.stored(), ["hi"])

    def test_a_node_s_own_file_that_was_moved_is_not_the_fault_of_the_others(self) -> None:
        a, b = self.start(2)
        ana, bob = self.arrive(a, "ana"), self.arrive(b, "bob")
        self.cluster.run()
        ana.read()
        os.rename(a.path, f"{a.path}.elsewhere")
        with capturedLogs() as events:
            self.cluster.run(1.0)
            self.assertEqual(ana.read(), [f"-- {UNSTORED}"])
            ana.type("waits")
            bob.type("goes on")
            self.cluster.run(2.0)
        why = f"{a.path} was moved or deleted: put it back"
        told = [formatEvent(event) for event in events if why in str(formatEvent(event))]
        self.assertIn(f"this node takes no part: {why}", told)
        self.assertLessEqual(len(told), 3)
        self.assertEqual((ana.read(), b.stored()), ([], ["goes on"]))
        os.rename(f"{a.path}.elsewhere", a.path)
        self.cluster.run(3.0)
        self.assertEqual(ana.read(), [f"-- {STORED_AGAIN}", "<bob> goes on"])
        self.assertEqual(a.stored(), ["goes on", "waits"])
        self.assertEqual(b.stored(), ["goes on", "waits"])

    def test_they_are_told_once_however_often_it_is_lost_again(self) -> None:
        (a,) = self.start(1)
        ana = self.arrive(a, "ana")
        a.line.cut()
        for _ in range(3):
            a.line.mend()
            a.line.cut()
        self.assertEqual(ana.read(), [f"-- {OUT_OF_REACH}"])

    def test_who_comes_in_meanwhile_is_told_to_wait(self) -> None:
        (a,) = self.start(1)
        a.line.cut()
        ana = Person(a)  # type: ignore[arg-type]
        ana.enter("ana")
        self.assertEqual(ana.read(), [f"-- {WAIT}"])

    def test_what_was_said_goes_out_once_in_order(self) -> None:
        a, b = self.start(2)
        ana, bob = self.arrive(a, "ana"), self.arrive(b, "bob")
        a.line.cut()
        for number in range(5):
            ana.type(f"held {number}")
            self.cluster.run(0.5)
        a.line.mend()
        self.cluster.run(3.0)
        self.assertEqual(bob.read(), [f"<ana> held {number}" for number in range(5)])
        self.assertEqual(a.stored(), [f"held {number}" for number in range(5)])

    def test_the_past_can_be_read_meanwhile(self) -> None:
        (a,) = self.start(1)
        ana = self.arrive(a, "ana")
        ana.tries("one")
        a.line.cut()
        ana.read()
        self.assertIn("[09:26] <ana> one", ana.tries("/history"))

    def test_whatever_is_lost_doubled_or_late_is_said_once(self) -> None:
        a, b = self.start(2)
        ana, bob = self.arrive(a, "ana"), self.arrive(b, "bob")
        ana.type("lost")
        self.cluster.advance()
        a.line.lose()
        self.cluster.run(6.0)
        ana.type("doubled")
        self.cluster.advance()
        a.line.double()
        self.cluster.run(1.0)
        ana.type("late")
        self.cluster.advance()
        late = a.line.lose()
        self.cluster.run(6.0)
        self.cluster.shared.append(a.now(), late)
        self.cluster.run(1.0)
        said = [line for line in bob.read() if line.startswith("<")]
        self.assertEqual(said, ["<ana> lost", "<ana> doubled", "<ana> late"])
        self.assertEqual(a.stored(), ["lost", "doubled", "late"])
        self.same()

    def test_a_node_that_stops_says_what_waits_and_goodbye(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        ana.type("last words")
        stopped = a.stop()
        self.cluster.run(2.0)
        self.successResultOf(stopped)
        self.assertEqual(b.stored(), ["last words"])
        self.assertEqual(b.here(), {})

    def test_a_node_that_stops_out_of_reach_says_what_is_lost(self) -> None:
        (a,) = self.start(1)
        ana = self.arrive(a, "ana")
        a.line.cut()
        ana.type("never heard")
        self.cluster.run(0.5)
        ana.read()
        stopped = a.stop()
        self.cluster.run(3.0)
        self.successResultOf(stopped)
        self.assertIn("-- the last 1 things said could not be stored: they are lost", ana.read())


class ApartTests(ClusterTestCase):
    """A node can't take part: it says so, publishes nothing, and keeps what it has."""

    def lose_the_log(self) -> SharedLog:
        """Let the brokers come back with another log of the same name; return the first one."""
        shared = self.cluster.shared
        for node in self.cluster.alive:
            node.line.cut()
            node.line.shared = SharedLog()
            node.line.mend()
        return shared

    def test_members_are_told_and_what_they_say_waits_for_the_right_log(self) -> None:
        a, b = self.start(2)
        ana, bob = self.arrive(a, "ana"), self.arrive(b, "bob")
        ana.read()
        with capturedLogs() as logged:
            shared = self.lose_the_log()
            self.assertEqual(ana.read(), [f"-- {OUT_OF_REACH}", f"-- {APART}"])
            ana.type("waits")
            self.cluster.run(30.0, 0.5)
        told = [str(formatEvent(event)) for event in logged]
        apart = [line for line in told if line.startswith("this node takes no part: ")]
        self.assertEqual(len(apart), 2)
        self.assertEqual(a.line.shared.entries, [])
        self.assertEqual((ana.read(), a.stored()), ([], []))
        self.assertEqual(dict(a.chat.peers.stats())["log"], a.journal.apart)
        for node in (a, b):
            node.line.shared = shared
            node.line.up = False
            node.line.mend()
        self.cluster.run(2.0)
        self.assertEqual(ana.read(), [f"-- {TAKES_PART}"])
        self.assertEqual(bob.read()[-2:], [f"-- {TAKES_PART}", "<ana> waits"])
        self.same()

    def test_nobody_comes_in_meanwhile(self) -> None:
        (a,) = self.start(1)
        self.lose_the_log()
        ana = Person(a)  # type: ignore[arg-type]
        ana.enter("ana")
        self.assertEqual(ana.read(), [f"-- {NOBODY_IN}"])
        self.assertEqual((a.line.sent, a.line.largest), ([], 0))

    def test_whoever_comes_is_told_what_members_were(self) -> None:
        (a,) = self.start(1)
        told = [a.chat.held_up]
        a.line.cut()
        told.append(a.chat.held_up)
        a.line.mend()
        self.cluster.run()
        told.append(a.chat.held_up)
        self.lose_the_log()
        told.append(a.chat.held_up)
        self.assertEqual(told, ["", OUT_OF_REACH, "", APART])
        self.assertEqual(self.cluster.start(1, cut=True).chat.held_up, OUT_OF_REACH)

    def test_a_node_that_is_too_old_ends(self) -> None:
        (a,) = self.start(1)
        ana = self.arrive(a, "ana")
        ended: list[str] = []
        a.chat.shutdown = ended.append
        self.cluster.shared.append(a.now(), b'[%d,"","b",1,[],[]]' % (VERSION + 1))
        self.cluster.run(1.0)
        self.assertEqual(ana.read(), [f"-- {ENDS}"])
        ((why),) = ended
        self.assertTrue(why.startswith("this node takes no part any more: the log is of version"))

    def test_bad_entries_are_counted_for_operators(self) -> None:
        (a,) = self.start(1)
        self.cluster.shared.append(a.now(), b"hello")
        self.cluster.run()
        self.assertEqual(dict(a.chat.peers.stats())["skipped"], "1 entries")


class LargeTests(ClusterTestCase):
    """What is said at once is more than can be published at once."""

    def test_many_whose_grace_is_over_at_once_leave_in_several_commits(self) -> None:
        self.patch(ticker, "HELD_COUNT", 3)
        a, b = self.start(2)
        bots = [self.program(a, f"bot{number}", rooms=["lobby"]) for number in range(9)]
        for bot in bots:
            bot.read()
        a.kill()
        before = self.cluster.shared.last
        self.cluster.run(LEASE + GRACE / 2, 0.25)
        again = self.program(b, token=bots[4].token, since=bots[4].since)
        self.cluster.run(GRACE, 0.25)
        published = self.cluster.shared.published(before)
        left = [draft for entry in published for draft in entry.drafts if draft.kind == "left"]
        gone = [draft.author.split(" ") for draft in left]
        self.assertGreater(len(gone), 2)
        names = {f"bot{number}" for number in range(9)}
        self.assertEqual({name for some in gone for name in some}, names - {"bot4"})
        self.assertEqual(b.here(), {"bot4": ["lobby"]})
        self.assertEqual(brief(again.read())[0], "welcome")

    def test_who_said_what_can_never_be_published_is_told(self) -> None:
        self.patch(entries, "EXPANDED_MOST", 1500)
        a, b = self.start(2)
        ana, bob = self.arrive(a, "ana"), self.arrive(b, "bob")
        ana.read()
        ana.type("x" * 1900)
        self.cluster.run(1.0)
        self.assertEqual(ana.read(), [f"-- {UNPUBLISHED}"])
        ana.type("short")
        self.cluster.run(1.0)
        self.assertEqual((ana.read(), bob.read()), ([], ["<ana> short"]))
        self.same()


class MembersTests(ClusterTestCase):
    """Each node decides for its own members."""

    def test_a_member_elsewhere_is_not_let_go_here(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        (remote,) = b.chat.members
        b.chat.attendance.quit(remote)
        self.cluster.run(1.0)
        self.assertEqual((a.here(), b.here()), ({"ana": ["lobby"]}, {"ana": ["lobby"]}))
        self.assertFalse(ana.outlet.finished)
        self.assertIsNone(b.chat.unwanted(remote))

    def test_sending_away_is_asked_of_the_members_node(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        (remote,) = b.chat.members
        before = self.cluster.shared.last
        b.chat.attendance.send_away(remote, "kicked", "go away", ": enough")
        self.cluster.run(1.0)
        asked = [
            fact
            for entry in self.cluster.shared.published(before)
            for fact in entry.facts
            if fact.kind == SEND_AWAY
        ]
        what = '["kicked","go away",": enough"]'
        self.assertEqual(asked, [Fact(SEND_AWAY, f"{ana.member.origin:x}", what)])
        self.assertIn("-- go away", ana.read())
        self.assertTrue(ana.outlet.finished)
        self.assertEqual((a.here(), b.here()), ({}, {}))
        self.assertEqual([e.text for e in b.events() if e.kind == "left"], ["kicked: enough"])

    def test_asking_for_who_is_gone_by_then_does_nothing(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        (remote,) = b.chat.members
        ana.type("/quit")
        b.chat.attendance.send_away(remote, "kicked", "go away")
        self.cluster.run(1.0)
        self.assertEqual(b.moves(), ["ana joined lobby", "ana left lobby"])

    def test_who_was_muted_elsewhere_makes_no_room_here(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana", room="dev")
        bob = self.arrive(b, "bob")
        eve = self.arrive(a, "eve", operator=True)
        eve.type("/mute bob")
        self.cluster.run()
        bob.read()
        bob.type("/join buy-my-coins.x", "/join dev")
        self.cluster.run()
        self.assertEqual(bob.read()[:1], ["-- you are muted"])
        self.assertEqual(b.here()["bob"], ["dev", "lobby"])
        self.assertIn("-- bob joined", ana.read())
        for node in (a, b):
            self.assertNotIn("buy-my-coins.x", node.chat.rooms)

    def test_an_answer_goes_to_who_wrote_on_another_node_and_to_no_stranger(self) -> None:
        a, b = self.start(2)
        zoe = self.arrive(a, "zoe")
        bot = self.program(b, "bot")
        bot.read()
        zoe.type("/msg bot hi")
        self.cluster.run()
        address = only(bot.read(), "private")["session"]
        zoe.type("/nick zed")
        self.cluster.run()
        bot.ask("private", session=address, text="to you", seq=1)
        self.cluster.run()
        self.assertIn("[bot -> you] to you", zoe.read())
        zoe.type("/quit")
        self.cluster.run()
        stranger = self.arrive(a, "zoe")
        bot.read()
        stranger.read()
        bot.ask("private", session=address, text="secret", seq=2)
        self.cluster.run()
        self.assertEqual(brief(bot.read()), ["error not_here"])
        self.assertEqual(stranger.read(), [])

    def test_everybody_is_listed_on_each_node(self) -> None:
        a, b = self.start(2)
        ana, bob = self.arrive(a, "ana"), self.arrive(b, "bob")
        bob.type("/leave")
        self.program(b, "cy")
        self.cluster.run()
        for person in (ana, bob):
            person.read()
            person.type("/names")
            self.cluster.run()
            self.assertEqual(person.read(), ["-- 3 people here:", "--   ana  bob  cy"])

    def test_operators_are_told_of_the_nodes(self) -> None:
        a, b = self.start(2)
        self.arrive(a, "ana", "bob")
        stats = dict(b.chat.peers.stats())
        self.assertEqual(stats["node"], b.journal.following.node)
        nodes = sorted(node.journal.following.node for node in (a, b))
        self.assertEqual(stats["nodes"], ", ".join(nodes))
        self.assertEqual(stats["members here"], "0")
        b.line.cut()
        self.assertIn("lost", dict(b.chat.peers.stats())["log"])

    def test_a_token_that_was_given_out_a_moment_ago_is_known_elsewhere(self) -> None:
        a, b = self.start(2)
        bot = Program(a)  # type: ignore[arg-type]
        bot.hello("bot")
        for _ in range(6):
            a.line.pump()
            a.advance()
        self.assertEqual(brief(bot.read())[0], "welcome")
        self.assertTrue(b.line.behind)
        again = self.program(b, token=bot.token, since=bot.since)
        self.assertEqual(brief(again.read())[0], "welcome")
        self.same()

    def test_a_token_of_nobody_is_unknown(self) -> None:
        (a,) = self.start(1)
        bot = self.program(a, token="nobody's")
        self.assertEqual(brief(bot.read()), ["error unknown_token"])

    def test_a_token_is_looked_up_when_the_log_is_back(self) -> None:
        a, b = self.start(2)
        bot = self.program(a, "bot")
        bot.read()
        b.line.cut()
        again = self.program(b, token=bot.token, since=bot.since)
        self.assertEqual(again.read(), [])
        b.line.mend()
        self.cluster.run(3.0)
        self.assertEqual(brief(again.read()), ["welcome", "live"])

    def test_an_expired_session_is_forgotten_on_all_nodes(self) -> None:
        a, b = self.start(2, token_life=1)
        bot = self.program(a, "bot")
        bot.read()
        bot.ask("quit")
        self.cluster.run(1.0)
        self.cluster.run(2 * 86_400.0, 3.0 * 3600)
        self.cluster.run(130.0, 1.0)
        self.assertEqual([kind for kind, _ in a.facts() if kind == "session"], [])
        self.assertEqual((len(a.chat.tokens), len(b.chat.tokens)), (0, 0))
        self.same()

    def test_a_receipt_tells_the_time_that_all_nodes_tell(self) -> None:
        a, b = self.start(2)
        b.moment += 8 * 3_600_000
        bot, other = self.program(a, "bot"), self.program(b, "other")
        bot.read()
        other.read()
        bot.ask("say", room="lobby", text="hi", seq=1)
        self.cluster.run(1.0)
        ok = only(bot.read(), "ok")
        self.assertEqual(ok["at"], only(other.read(), "said")["at"])
        again = self.program(b, token=bot.token)
        again.read()
        again.ask("say", room="lobby", text="hi", seq=1)
        self.cluster.run(1.0)
        self.assertEqual(only(again.read(), "ok"), ok)

    def test_nothing_goes_by_the_time_of_day_of_another_node(self) -> None:
        a, b = self.start(2, token_life=1)
        root = self.arrive(a, "root", operator=True)
        bob = self.arrive(b, "bob")
        for step in (-40 * 86_400_000, 80 * 86_400_000):
            b.moment += step
            bot = self.program(a, "bot")
            bot.read()
            bot.ask("quit")
            root.tries("/mute bob 1m")
            self.cluster.run(50.0, 1.0)
            bob.read()
            self.assertIn("-- you are muted", bob.tries("hi")[0], step)
            self.cluster.run(11.0, 1.0)
            self.assertEqual(bob.tries("hi"), [], step)
            ana = self.arrive(b, "ana")
            ana.tries("hi")
            self.assertIn("-- idle   a moment", root.tries("/whois ana"))
            ana.tries("/quit")
            again = self.program(b, token=bot.token)
            self.assertIn("welcome", brief(again.read())[0], step)
            again.ask("quit")
            self.cluster.run(1.0)

    def test_a_room_that_nobody_is_in_any_more_is_gone_with_its_topic(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana", room="dev")
        bob = self.arrive(b, "bob", room="dev")
        ana.type("/topic tea")
        self.cluster.run()
        ana.type("/leave dev")
        self.cluster.run()
        self.assertIn("dev", a.chat.standing.topics)
        bob.type("/leave dev")
        self.cluster.run(1.0)
        for node in (a, b):
            self.assertEqual(node.chat.standing.topics, {})
            self.assertEqual(set(node.chat.rooms), {"lobby"})
        self.same()


class LogTests(ClusterTestCase):
    """The double of the brokers does what it says."""

    def test_it_hands_the_nodes_what_the_first_of_them_founded(self) -> None:
        shared = SharedLog()
        founding: Any = lambda: ("chat", 7, [Fact("topic", "lobby", "tea")])  # noqa: E731
        first = shared.opening(founding)
        other: Any = lambda: ("other", 0, [])  # noqa: E731
        self.assertEqual(shared.opening(other), first)
        self.assertEqual(first[:4], ("chat", 7, 1, 0))

    def test_what_was_trimmed_does_not_come(self) -> None:
        a, b = self.start(2)
        b.line.cut()
        self.arrive(a, "ana").type("one")
        self.cluster.run()
        behind = b.line.behind
        self.cluster.shared.trim(self.cluster.shared.last)
        self.assertGreater(behind, b.line.behind)
        self.assertEqual(b.line.behind, 1)
