from __future__ import annotations

from typing import Any

from chatservice.core import sessions
from chatservice.core.moderation import BAN, LOCK, MUTE, Term
from chatservice.core.presence import MOMENT
from chatservice.core.resume import TEND_EVERY
from chatservice.journal.events import Fact
from tests.core.programs import Program, ProgramTestCase, brief, only
from tests.core.support import DAY

GRACE = 90.0


class ComingInTests(ProgramTestCase):
    def test_a_new_program_is_welcomed_with_all_that_it_needs(self) -> None:
        welcome, ok = self.program("bot", ref="a").read()
        token = welcome.pop("token")
        self.assertRegex(token, "^[A-Za-z0-9_-]{32}$")
        self.assertEqual(
            welcome,
            {
                "type": "welcome",
                "name": "bot",
                "journal": self.house.journal.identity,
                "since": 0,
                "seq": 0,
                "rooms": [{"room": "lobby", "people": 1, "topic": ""}],
                "resumed": False,
                "gap": False,
                "grace": 90,
                "longest": 2000,
                "rate": 5,
                "burst": 20,
                "ref": "a",
            },
        )
        expected = {"type": "ok", "to": "join", "room": "lobby", "topic": "", "people": 1}
        self.assertEqual(ok, expected)

    def test_it_is_welcomed_once_it_is_stored_and_hears_nothing_before(self) -> None:
        program = Program(self.house)
        program.hello("bot")
        self.assertEqual(program.read(), [])
        self.assertEqual(self.query("SELECT * FROM facts"), [])
        self.house.tick()
        self.assertEqual(brief(program.read()), ["welcome", "ok join"])
        self.assertEqual(len(self.query("SELECT * FROM facts WHERE kind = 'session'")), 1)

    def test_people_see_it_come_in_and_it_sees_what_is_said_from_then_on(self) -> None:
        (ana,) = self.house.gather("ana")
        ana.tries("before")
        (bot,) = self.gather("bot")
        self.assertEqual(ana.read(), ["-- bot joined"])
        ana.tries("hello bot")
        self.assertEqual(brief(bot.read()), ["ana said hello bot"])

    def test_it_says_in_which_rooms_it_wants_to_be(self) -> None:
        bot = self.program("bot", rooms=["#Dev", "ops", "dev"])
        welcome, *oks = bot.read()
        self.assertEqual([room["room"] for room in welcome["rooms"]], ["dev", "ops"])
        self.assertEqual([ok["room"] for ok in oks], ["dev", "ops"])
        (nowhere,) = self.program("nowhere", rooms=[]).read()
        self.assertEqual(nowhere["rooms"], [])

    def test_a_room_that_lets_nobody_in_keeps_no_program_out_of_the_others(self) -> None:
        self.house.chat.standing.apply([Fact(LOCK, "ops", "locked")])
        bot = self.program("bot", rooms=["ops", "dev"])
        welcome, error, ok = bot.read()
        self.assertEqual([room["room"] for room in welcome["rooms"]], ["dev"])
        self.assertEqual((error["code"], ok["room"]), ("not_let_in", "dev"))

    def test_who_is_muted_brings_no_new_room(self) -> None:
        self.gather("ana", rooms=["dev"])
        self.house.chat.standing.apply([Term("bot").fact(MUTE, "bot")])
        welcome, error, *rest = self.program("bot", rooms=["buy-my-coins.x", "lobby", "dev"]).read()
        self.assertEqual([room["room"] for room in welcome["rooms"]], ["lobby", "dev"])
        self.assertEqual((error["code"], error["text"]), ("muted", "you are muted"))
        self.assertEqual(brief(rest), ["ok join", "ok join"])
        self.assertNotIn("buy-my-coins.x", self.house.chat.rooms)

    def test_more_rooms_than_it_may_be_in_are_refused_at_once(self) -> None:
        bot = Program(self.house)
        bot.hello("bot", rooms=[f"room{number}" for number in range(21)])
        self.assertEqual(brief(bot.read()), ["error bad_field"])
        bot.hello("bot", rooms=[f"room{number}" for number in range(20)])
        self.house.tick()
        self.assertEqual(len(only(bot.read(), "welcome")["rooms"]), 20)

    def test_a_name_that_is_bad_or_taken_is_refused_and_another_can_be_tried(self) -> None:
        self.house.gather("ana")
        bot = Program(self.house)
        for name, code in (
            ("a b", "bad_name"),
            ("", "bad_name"),
            ("\ud800", "bad_name"),
            ("ANA", "name_taken"),
            ("аna", "bad_name"),
            (None, "bad_field"),
        ):
            bot.hello(name)
            self.assertEqual(brief(bot.read()), [f"error {code}"], name)
        bot.hello("bot", rooms=["<x>"])
        self.assertEqual(brief(bot.read()), ["error bad_name"])
        bot.hello("bot")
        self.house.tick()
        self.assertEqual(only(bot.read(), "welcome")["name"], "bot")

    def test_who_has_another_name_by_now_comes_back_by_the_old_one_and_is_told(self) -> None:
        (bot,) = self.gather("_007")
        session = bot.member.session
        session.was = "007"
        for hello, told in (({"name": "007"}, True), ({}, True), ({"name": "_007"}, False)):
            for leaves in (False, True):
                if leaves:
                    bot.tries("quit")
                bot = self.back(bot, **hello)
                said = bot.read()
                self.assertEqual(only(said, "welcome")["name"], "_007")
                notices = [message["text"] for message in said if message["type"] == "notice"]
                expected = "you are _007 now: 007 can't be your name any more, or is another's"
                self.assertEqual(notices, [expected] if told else [])

    def test_the_old_name_is_forgotten_once_it_has_chosen_one(self) -> None:
        (bot,) = self.gather("_007")
        bot.member.session.was = "007"
        bot.tries("nick", name="bond")
        self.restart()
        bot = self.back(bot, name="james")
        self.assertEqual(brief(bot.read()), ["welcome", "live"])
        bot.tries("quit")
        self.assertEqual(brief(self.back(bot, name="007").read()), ["error bad_name"])

    def test_the_old_name_is_forgotten_once_it_comes_back_by_another(self) -> None:
        (bot,) = self.gather("_007")
        bot.member.session.was = "007"
        bot.tries("quit")
        bot = self.back(bot, name="bond")
        self.assertEqual(brief(bot.read())[0], "welcome")
        self.assertEqual(bot.member.session.was, "")

    def test_the_message_of_the_day_is_for_who_comes_in_and_not_for_who_comes_back(self) -> None:
        self.house = self.open(motd=["Welcome.", "", "Be kind."])
        bot = self.program("bot")
        self.assertEqual(brief(bot.read()), ["welcome", "notice", "notice", "ok join"])
        self.assertEqual(brief(self.back(bot).read()), ["welcome", "live"])

    def test_of_two_who_want_one_name_at_once_the_first_has_it(self) -> None:
        first, second = Program(self.house), Program(self.house)
        first.hello("bot")
        second.hello("bot")
        self.house.tick()
        self.assertEqual(brief(first.read()), ["welcome", "ok join"])
        self.assertEqual(brief(second.read()), ["error name_taken"])

    def test_who_was_lost_before_it_can_know_its_token_does_not_hold_the_name(self) -> None:
        lost = Program(self.house)
        lost.hello("bot")
        lost.lose()
        again = self.program("bot")
        self.assertEqual(brief(again.read()), ["welcome", "ok join"])
        self.assertEqual([member.name for member in self.house.chat.members], ["bot"])

    def test_who_was_welcomed_and_lost_before_it_said_anything_gives_way_too(self) -> None:
        (lost,) = self.gather("bot")
        lost.lose()
        self.assertEqual(brief(self.program("bot").read()), ["welcome", "ok join"])
        # But its token still is good.
        self.assertEqual(brief(self.back(lost).read()), ["error name_taken"])
        self.assertEqual(only(self.back(lost, name="bot2").read(), "welcome")["resumed"], True)

    def test_who_has_said_anything_keeps_its_name_while_it_is_away(self) -> None:
        (bot,) = self.gather("bot")
        bot.tries("ping")
        bot.lose()
        self.assertEqual(brief(self.program("bot").read()), ["error name_taken"])

    def test_it_keeps_its_name_over_a_crash_too(self) -> None:
        (bot,) = self.gather("bot")
        bot.tries("ping")
        self.crash()
        self.assertEqual(brief(self.program("bot").read()), ["error name_taken"])
        self.assertEqual(brief(self.back(bot).read()), ["welcome", "live"])

    def test_who_is_banned_is_refused(self) -> None:
        self.house.chat.standing.apply([Term("192.0.2.1/32").fact(BAN, "192.0.2.1/32")])
        self.assertEqual(brief(self.program("bot").read()), ["error banned"])
        other = self.program("bot", "192.0.2.2")
        self.assertEqual(brief(other.read()), ["welcome", "ok join"])

    def test_who_is_banned_while_it_waits_is_refused_and_closed(self) -> None:
        bot = Program(self.house)
        bot.hello("bot")
        self.house.chat.ticker.batch.hold(Term("192.0.2.1/32").fact(BAN, "192.0.2.1/32"))
        self.house.tick()
        self.house.tick()
        self.assertEqual(brief(bot.read()), ["error banned"])
        self.assertTrue(bot.outlet.finished)
        self.assertEqual(list(self.house.chat.members), [])

    def test_who_is_kicked_while_it_waits_is_told_and_closed(self) -> None:
        (eve,) = self.house.gather("eve", operator=True)
        bot = Program(self.house)
        bot.hello("bot")
        eve.type("/kick bot")
        for _ in range(3):
            self.house.tick()
        self.assertEqual(brief(bot.read()), ["error kicked"])
        self.assertTrue(bot.outlet.finished)

    def test_while_the_journal_refuses_it_waits_and_is_then_welcomed(self) -> None:
        self.house.refuse()
        bot = self.program("bot")
        self.assertNotIn("welcome", brief(bot.read()))
        self.house.accept()
        self.house.tick(1.0)
        self.assertIn("welcome", brief(bot.read()))
        self.assertEqual(brief(bot.tries("say", room="lobby", text="hi", seq=1)), ["ok say 1"])

    def test_who_is_lost_while_the_journal_refuses_can_try_again(self) -> None:
        self.house.refuse()
        lost = self.program("bot")
        lost.lose()
        again = self.program("bot")
        self.house.accept()
        for _ in range(3):
            self.house.tick(1.0)
        self.assertIn("welcome", brief(again.read()))
        self.assertEqual([member.name for member in self.house.chat.members], ["bot"])

    def test_nothing_is_left_of_who_waits_when_the_house_begins_anew(self) -> None:
        self.house.refuse()
        bot = self.program("bot")
        bot.lose()
        self.house.accept()
        self.crash()
        self.assertEqual(brief(self.program("bot").read()), ["welcome", "ok join"])


class ComingBackTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ana, self.bo = self.house.gather("ana", "bo")
        (self.bot,) = self.gather("bot")
        self.bot.tries("ping")
        self.ana.read()

    def test_it_gets_precisely_what_came_after_what_it_has_then_what_comes(self) -> None:
        self.ana.tries("one")
        self.bot.read()
        self.bot.lose()
        self.ana.tries("two")
        self.bo.tries("/msg bot psst")
        bot = self.back(self.bot)
        self.ana.tries("three")
        messages = bot.read()
        self.assertEqual(
            brief(messages),
            ["welcome", "ana said two", "bo private psst", "live", "ana said three"],
        )
        self.assertEqual(messages[0]["since"], self.bot.since)
        self.assertEqual((messages[0]["resumed"], messages[0]["gap"]), (True, False))

    def test_each_since_brings_precisely_what_follows_it(self) -> None:
        start = self.house.chat.past.head
        for number in range(5):
            self.ana.tries(f"line {number}")
            self.bo.tries(f"/msg bot secret {number}")
            self.bo.tries("/msg ana not for the bot")
            self.bot.tries("say", room="lobby", text=f"own {number}", seq=number + 1)
        all_of_it = [message for message in self.bot.read() if "id" in message]
        whole = self.back(self.bot, since=start).read()[1:-1]
        self.assertEqual(len(whole), 15)
        for since in range(start, self.house.chat.past.head + 1):
            messages = self.back(self.bot, since=since).read()
            self.assertEqual(messages[1:-1], [m for m in whole if m["id"] > since])
            self.assertFalse(messages[0]["gap"])
        self.assertEqual(all_of_it, [])

    def test_it_is_the_same_from_the_file_as_from_memory(self) -> None:
        start = self.house.chat.past.head
        for number in range(30):
            self.ana.tries(f"line {number}")
            self.bo.tries(f"/msg bot secret {number}")
            self.bot.tries("private", to="bo", text=f"re {number}", seq=number + 1)
        expected = self.back(self.bot, since=start).read()[1:]
        self.assertEqual(len(expected), 91)
        self.restart(recent=3)
        bot = self.back(self.bot, since=start)
        for _ in range(10):
            self.house.tick()
        self.assertEqual(bot.read()[1:], expected)

    def test_without_since_it_begins_now(self) -> None:
        self.bot.lose()
        self.ana.tries("one")
        messages = self.back(self.bot, since=None).read()
        self.assertEqual(brief(messages), ["welcome", "live"])
        self.assertEqual(messages[0]["since"], self.house.chat.past.head)
        self.assertFalse(messages[0]["gap"])

    def test_within_the_grace_nobody_is_shown_anything(self) -> None:
        for wait in (0.0, 1.0, GRACE - 1):
            self.bot.lose()
            self.house.tick(wait)
            self.bot = self.back(self.bot)
            self.bot.read()
        self.assertEqual(self.ana.read(), [])
        self.assertEqual(self.stored("left"), [])

    def test_the_end_of_the_grace_is_shown_once(self) -> None:
        self.bot.lose()
        self.house.tick(GRACE - 1)
        self.house.tick()
        self.assertEqual(self.ana.read(), [])
        self.house.tick(1.0)
        self.house.tick(3 * GRACE)
        self.assertEqual(self.ana.read(), ["-- bot left"])

    def test_each_absence_has_its_own_grace(self) -> None:
        self.bot.lose()
        self.house.tick(60.0)
        bot = self.back(self.bot)
        bot.lose()
        self.house.tick(60.0)
        self.assertEqual(self.ana.read(), [])
        self.house.tick(40.0)
        self.house.tick()
        self.assertEqual(self.ana.read(), ["-- bot left"])

    def test_who_comes_back_after_the_grace_is_shown_and_gets_what_it_missed(self) -> None:
        self.bot.lose()
        self.ana.tries("one")
        self.house.tick(GRACE)
        self.house.tick()
        self.ana.tries("two")
        self.ana.read()
        bot = self.back(self.bot)
        shown = brief(bot.read())
        self.assertEqual(shown[0], "welcome")
        self.assertEqual(
            [line for line in shown if "said" in line], ["ana said one", "ana said two"]
        )
        self.assertEqual(self.ana.read(), ["-- bot joined"])
        self.ana.tries("three")
        self.assertEqual(brief(bot.read()), ["ana said three"])

    def test_nobody_can_write_privately_to_who_has_left_but_to_who_is_away(self) -> None:
        self.bot.lose()
        self.ana.tries("/msg bot one")
        self.house.tick(GRACE)
        self.house.tick()
        self.assertIn("there is no bot here", self.ana.tries("/msg bot two")[-1])
        self.assertIn("ana private one", brief(self.back(self.bot).read()))

    def test_a_live_connection_is_replaced_and_closed(self) -> None:
        self.ana.tries("one")
        bot = self.back(self.bot, since=self.bot.since)
        self.assertEqual(brief(self.bot.read()), ["ana said one", "replaced"])
        self.assertTrue(self.bot.outlet.finished)
        self.assertEqual(brief(bot.read()), ["welcome", "ana said one", "live"])
        self.assertEqual(self.ana.read(), [])
        self.ana.tries("two")
        self.assertEqual(brief(bot.read()), ["ana said two"])

    def test_who_comes_back_twice_quickly_has_the_last_connection(self) -> None:
        connections = [Program(self.house) for _ in range(4)]
        for connection in connections:
            connection.hello(token=self.bot.token, since=self.bot.since)
        self.ana.tries("one")
        *replaced, last = connections
        for connection in replaced:
            self.assertEqual(brief(connection.read()), ["welcome", "replaced"])
        self.assertEqual(brief(last.read()), ["welcome", "live", "ana said one"])
        self.assertEqual(self.bo.read()[-1:], ["<ana> one"])

    def test_who_comes_back_twice_quickly_after_it_had_left_has_the_last_one_too(self) -> None:
        self.bot.lose()
        self.house.tick(GRACE)
        self.house.tick()
        self.ana.read()
        first, second = Program(self.house), Program(self.house)
        first.hello(token=self.bot.token, since=self.bot.since)
        second.hello(token=self.bot.token, since=self.bot.since)
        for _ in range(3):
            self.house.tick()
        self.assertEqual(brief(first.read()), ["replaced"])
        self.assertEqual(only(second.read(), "welcome")["name"], "bot")
        self.assertFalse(second.outlet.finished)
        self.assertEqual(self.ana.read(), ["-- bot joined"])
        self.ana.tries("one")
        self.assertEqual(brief(second.read()), ["ana said one"])
        self.house.tick(2 * GRACE)
        self.assertEqual(self.ana.read(), [])

    def test_who_is_replaced_before_it_can_read_gets_all_on_the_new_one(self) -> None:
        self.bot.outlet.window = 0
        for number in range(3):
            self.ana.tries(f"line {number}")
        bot = self.back(self.bot)
        self.assertEqual(
            brief(bot.read()),
            ["welcome", "ana said line 0", "ana said line 1", "ana said line 2", "live"],
        )

    def test_what_the_connection_before_asked_for_and_was_not_begun_is_dropped(self) -> None:
        self.bot.ask("join", room="dev")
        self.bot.ask("nick", name="rob")
        bot = self.back(self.bot)
        self.assertEqual(sorted(brief(bot.read())), ["live", "ok join", "welcome"])
        self.assertEqual([member.name for member in self.house.chat.members][-1], "bot")

    def test_but_what_was_asked_for_before_the_connection_was_lost_is_done(self) -> None:
        self.bot.ask("join", room="dev")
        self.bot.ask("nick", name="rob")
        self.bot.lose()
        self.house.tick()
        self.house.tick()
        welcome = only(self.back(self.bot).read(), "welcome")
        self.assertEqual(welcome["name"], "rob")
        self.assertEqual([room["room"] for room in welcome["rooms"]], ["lobby", "dev"])

    def test_a_slow_reader_gets_each_once(self) -> None:
        self.bot.lose()
        for number in range(10):
            self.ana.tries(f"line {number}")
        bot = Program(self.house)
        bot.outlet.window = 400
        bot.hello(token=self.bot.token, since=self.bot.since)
        got = []
        for _ in range(40):
            self.house.tick()
            bot.outlet.drain(50)
            got += brief(bot.read())
        lines = [f"ana said line {number}" for number in range(10)]
        self.assertEqual(got, ["welcome", *lines, "live"])

    def test_who_quits_before_it_has_caught_up_is_closed_behind_it(self) -> None:
        self.bot.lose()
        self.ana.tries("one")
        bot = Program(self.house)
        bot.outlet.window = 0
        bot.hello(token=self.bot.token, since=self.bot.since)
        bot.ask("quit")
        for _ in range(4):
            self.house.tick()
        self.assertFalse(bot.outlet.finished)
        bot.outlet.drain()
        for _ in range(3):
            self.house.tick()
        self.assertIn("ana said one", brief(bot.read()))
        self.assertTrue(bot.outlet.finished)

    def test_over_a_restart_nobody_is_shown_anything_and_nothing_is_missed(self) -> None:
        for again in (self.restart, self.crash):
            self.ana, self.bo = (self.house.arrive(name) for name in ("amy", "ben"))
            self.house.tick()
            self.ana.tries("one")
            again()
            (self.ana,) = self.house.gather("ann")
            bot = self.back(self.bot)
            self.assertIn("amy said one", brief(bot.read()))
            self.assertNotIn("-- bot joined", self.ana.read())
            self.ana.tries("two")
            self.assertEqual(brief(bot.read()), ["ann said two"])
            self.bot = bot
        self.assertEqual(
            [
                names
                for (names,) in self.query("SELECT author FROM events WHERE kind = 'left'")
                if "bot" in names.split()
            ],
            [],
        )

    def test_the_grace_begins_anew_with_a_restart_and_its_end_is_shown_once(self) -> None:
        self.bot.lose()
        self.house.tick(GRACE - 10)
        self.restart()
        (ana,) = self.house.gather("ana")
        self.house.tick(GRACE - 10)
        self.assertEqual(ana.read(), [])
        self.house.tick(20.0)
        self.house.tick()
        self.house.tick(2 * GRACE)
        self.assertEqual(ana.read(), ["-- bot left"])
        self.assertEqual(only(self.back(self.bot).read(), "welcome")["resumed"], True)

    def test_who_had_left_before_a_restart_is_not_here_after_it_but_can_come_back(self) -> None:
        self.bot.tries("quit")
        self.restart()
        self.assertEqual(list(self.house.chat.members), [])
        bot = self.back(self.bot)
        self.assertEqual(only(bot.read(), "welcome")["resumed"], True)

    def test_quit_is_a_leave_at_once(self) -> None:
        self.house.tick(MOMENT)
        self.assertEqual(brief(self.bot.tries("quit", text="so long")), ["ok quit"])
        self.assertTrue(self.bot.outlet.finished)
        self.assertEqual(self.ana.read(), ["-- bot left (so long)"])
        self.house.tick(2 * GRACE)
        self.assertEqual(self.ana.read(), [])

    def test_it_comes_back_to_the_rooms_in_which_it_was(self) -> None:
        self.bot.tries("join", room="dev")
        self.bot.tries("leave", room="lobby")
        for wait in (0.0, GRACE + 1):
            self.bot.lose()
            self.house.tick(wait)
            self.house.tick()
            self.bot = self.back(self.bot)
            welcome = only(self.bot.read(), "welcome")
            self.assertEqual([room["room"] for room in welcome["rooms"]], ["dev"])
        self.restart()
        welcome = only(self.back(self.bot).read(), "welcome")
        self.assertEqual([room["room"] for room in welcome["rooms"]], ["dev"])

    def test_what_was_said_in_a_room_that_it_left_comes_while_it_was_in(self) -> None:
        self.ana.tries("/join dev")
        self.bot.tries("join", room="dev")
        since = self.bot.since
        self.ana.tries("for the bot")
        self.bot.tries("leave", room="dev")
        self.ana.tries("not for the bot")
        self.bot.tries("join", room="dev")
        self.ana.tries("again for the bot")
        for again in (lambda: None, self.restart, self.crash):
            again()
            said = [
                line for line in brief(self.back(self.bot, since=since).read()) if "said" in line
            ]
            self.assertEqual(said, ["ana said for the bot", "ana said again for the bot"])

    def test_a_room_that_was_locked_meanwhile_is_told_until_then(self) -> None:
        self.bot.tries("join", room="dev")
        (eve,) = self.house.gather("eve", operator=True, room="dev")
        self.bot.read()
        self.bot.lose()
        eve.tries("one")
        self.house.tick(GRACE)
        self.house.tick()
        eve.tries("/lock dev", "two")
        bot = self.back(self.bot)
        messages = bot.read()
        self.assertEqual([room["room"] for room in messages[0]["rooms"]], ["lobby"])
        self.assertIn("error not_let_in", brief(messages))
        self.assertIn("eve said one", brief(messages))
        eve.tries("three")
        self.assertNotIn("eve said three", brief(bot.read()))

    def test_who_was_muted_meanwhile_brings_back_no_room_that_has_ended_and_no_new_name(
        self,
    ) -> None:
        self.bot.tries("join", room="buy-my-coins.x")
        self.bot.lose()
        self.house.tick(GRACE)
        self.house.tick()
        self.house.chat.standing.apply([Term("bot").fact(MUTE, "bot")])
        bot = self.back(self.bot, name="rob")
        self.assertEqual(brief(bot.read()), ["error muted"])
        self.assertIsNone(self.house.chat.find("rob"))
        messages = self.back(self.bot, name="Bot").read()
        self.assertEqual([room["room"] for room in messages[0]["rooms"]], ["lobby"])
        self.assertEqual((messages[0]["name"], messages[0]["resumed"]), ("Bot", True))
        self.assertIn("error muted", brief(messages))
        self.assertNotIn("buy-my-coins.x", self.house.chat.rooms)

    def test_within_the_grace_a_lock_does_not_keep_it_out(self) -> None:
        self.bot.lose()
        self.house.chat.standing.apply([Fact(LOCK, "lobby", "locked")])
        self.ana.tries("one")
        self.assertEqual(brief(self.back(self.bot).read()), ["welcome", "ana said one", "live"])

    def test_the_name_of_who_is_away_is_taken_for_people_too(self) -> None:
        self.bot.lose()
        self.assertEqual(self.ana.tries("/nick bot"), ["-- the name bot is taken"])
        self.house.tick(GRACE)
        self.house.tick()
        self.ana.tries("/nick bot")
        self.assertEqual(brief(self.back(self.bot).read()), ["error name_taken"])
        welcome = only(self.back(self.bot, name="bot2").read(), "welcome")
        self.assertEqual((welcome["name"], welcome["resumed"]), ("bot2", True))

    def test_a_new_name_is_kept_over_a_restart(self) -> None:
        self.bot.tries("nick", name="rob")
        self.bot.lose()
        for again in (lambda: None, self.crash):
            again()
            self.assertEqual(only(self.back(self.bot).read(), "welcome")["name"], "rob")

    def test_an_unknown_token_with_a_name_is_a_new_session_with_a_gap(self) -> None:
        messages = self.program("cy", token="x" * 32, since=1).read()
        self.assertEqual((messages[0]["resumed"], messages[0]["gap"]), (False, True))
        self.assertNotEqual(messages[0]["token"], "x" * 32)
        self.assertFalse(only(self.program("di", token="x").read(), "welcome")["gap"])

    def test_an_unknown_token_without_a_name_is_refused(self) -> None:
        for token in ("x", "", "\ud800", "é" * 1000):
            program = self.program(token=token)
            self.assertEqual(brief(program.read()), ["error unknown_token"])
            self.assertFalse(program.outlet.finished)

    def test_a_token_expires_after_its_life_without_use(self) -> None:
        self.bot.tries("quit")
        self.house.tick(7 * DAY - 1)
        self.assertEqual(only(self.back(self.bot).read(), "welcome")["resumed"], True)
        (bot,) = self.gather("rob")
        bot.tries("quit")
        self.house.tick(7 * DAY)
        self.assertEqual(brief(self.back(bot).read()), ["error unknown_token"])

    def test_a_token_lives_as_long_when_the_clock_is_set(self) -> None:
        for step in (-40 * DAY, 40 * DAY):
            (bot,) = self.gather("rob")
            bot.tries("quit")
            self.house.moment += round(step * 1000)
            self.house.tick(7 * DAY - 1)
            back = self.back(bot)
            self.assertEqual(only(back.read(), "welcome")["resumed"], True)
            back.tries("quit")
            self.house.tick(7 * DAY)
            self.assertEqual(brief(self.back(bot).read()), ["error unknown_token"])

    def test_what_has_expired_is_forgotten_in_the_file_too(self) -> None:
        self.bot.tries("quit")
        self.assertEqual(len(self.query("SELECT * FROM facts WHERE kind = 'session'")), 1)
        self.house.tick(7 * DAY)
        self.house.tick(TEND_EVERY)
        self.house.tick()
        self.assertEqual(self.query("SELECT * FROM facts WHERE kind = 'session'"), [])
        self.assertEqual(len(self.house.chat.tokens), 0)

    def test_a_program_that_is_connected_does_not_expire(self) -> None:
        self.house.tick(30 * DAY)
        self.house.tick()
        self.assertEqual(only(self.back(self.bot).read(), "welcome")["resumed"], True)

    def test_only_so_many_who_left_are_remembered(self) -> None:
        self.restart(max_tokens=2)
        programs = self.gather("p1", "p2", "p3", "p4")
        for program in programs[:3]:
            program.tries("quit")
            self.house.tick(1.0)
        self.assertEqual(brief(self.back(programs[0]).read()), ["error unknown_token"])
        for program in programs[1:]:
            self.assertEqual(only(self.back(program).read(), "welcome")["resumed"], True)

    def test_the_token_is_nowhere_in_the_file(self) -> None:
        self.bot.tries("say", room="lobby", text="hi", seq=1)
        self.bot.lose()
        self.back(self.bot).tries("quit")
        content = b""
        for end in ("", "-wal"):
            with open(self.path + end, "rb") as file:
                content += file.read()
        self.assertIn(b"session", content)
        self.assertNotIn(self.bot.token.encode(), content)

    def test_who_was_kicked_while_away_has_left(self) -> None:
        (eve,) = self.house.gather("eve", operator=True)
        self.bot.lose()
        eve.tries("/kick bot enough")
        self.house.tick()
        self.assertIn("-- bot left (kicked: enough)", self.ana.read())
        self.house.tick(2 * GRACE)
        self.assertEqual(self.ana.read()[1:], [])
        self.assertEqual(only(self.back(self.bot).read(), "welcome")["resumed"], True)

    def test_who_is_banned_while_away_has_left_and_can_not_come_back(self) -> None:
        (eve,) = self.house.gather("eve", operator=True)
        bot = self.program("rob", "198.51.100.1")
        bot.tries("ping")
        bot.lose()
        eve.tries("/ban rob")
        self.house.tick()
        self.assertIn("-- rob left (banned)", self.bo.read())
        again = Program(self.house, "198.51.100.1")
        again.hello(token=bot.token)
        self.assertEqual(brief(again.read()), ["error banned"])

    def test_while_the_journal_refuses_who_is_here_can_come_back_at_once(self) -> None:
        self.house.refuse()
        self.bot.ask("say", room="lobby", text="one", seq=1)
        self.house.tick()
        self.bot.lose()
        bot = self.back(self.bot)
        self.assertEqual(only(bot.read(), "welcome")["seq"], 0)
        bot.ask("say", room="lobby", text="one", seq=1)
        self.house.tick(1.0)
        self.house.accept()
        self.house.tick(1.0)
        self.house.tick()
        self.assertIn("ok say 1", brief(bot.read()))
        self.assertEqual(self.stored(), ["one"])

    def test_who_left_while_the_journal_refuses_is_shown_so_once(self) -> None:
        self.house.refuse()
        self.bot.lose()
        self.house.tick(GRACE)
        self.house.tick(1.0)
        bot = self.back(self.bot)
        self.house.accept()
        for _ in range(3):
            self.house.tick(1.0)
        self.assertIn("welcome", brief(bot.read()))
        shown = [line for line in self.ana.read() if "bot" in line]
        self.assertEqual(shown, ["-- bot left", "-- bot joined"])


class GapTests(ProgramTestCase):
    def welcome(self, program: Program, **hello: Any) -> tuple[bool, int]:
        welcome = only(self.back(program, **hello).read(), "welcome")
        return welcome["gap"], welcome["since"]

    def test_an_id_of_another_journal_is_a_gap(self) -> None:
        (bot,) = self.gather("bot")
        head = self.house.chat.past.head
        self.assertEqual(self.welcome(bot, since=0, journal="another"), (True, head))
        identity = self.house.journal.identity
        self.assertEqual(self.welcome(bot, since=1, journal=identity), (False, 1))

    def test_an_id_beyond_the_head_is_a_gap(self) -> None:
        (bot,) = self.gather("bot")
        head = self.house.chat.past.head
        self.assertEqual(self.welcome(bot, since=head + 1), (True, head))
        self.assertEqual(self.welcome(bot, since=(1 << 53) - 1), (True, head))
        self.assertEqual(self.welcome(bot, since=head), (False, head))

    def test_an_id_before_what_was_pruned_is_a_gap(self) -> None:
        self.house = self.open(keep=1, path=f"{self.path}2")
        (ana,) = self.house.gather("ana")
        (bot,) = self.gather("bot")
        ana.tries("old")
        self.house.tick(2 * DAY)
        ana.tries("new")
        self.house.tick(61.0)
        start = self.house.chat.past.start
        self.assertGreater(start, 2)
        for since in range(start):
            self.assertEqual(self.welcome(bot, since=since), (True, start))
        self.assertEqual(self.welcome(bot, since=start), (False, start))
        self.assertEqual(brief(self.back(bot, since=0).read()), ["welcome", "ana said new", "live"])

    def test_what_is_pruned_while_it_waits_to_be_read_is_told_at_its_place(self) -> None:
        self.house = self.open(keep=1, path=f"{self.path}2")
        (ana,) = self.house.gather("ana")
        (bot,) = self.gather("bot")
        bot.lose()
        ana.tries("old")
        slow = Program(self.house)
        slow.outlet.window = 0
        slow.hello(token=bot.token, since=bot.since)
        self.house.tick(2 * DAY)
        ana.tries("new")
        self.house.tick(61.0)
        slow.outlet.drain()
        self.house.tick()
        welcome, notice, *rest = slow.read()
        self.assertFalse(welcome["gap"])
        self.assertTrue(notice["gap"])
        self.assertEqual(brief(rest), ["ana said new", "live"])

    def test_a_house_that_keeps_nothing_gives_what_it_remembers_and_else_a_gap(self) -> None:
        self.house = self.open(recent=16)
        (ana,) = self.house.gather("ana")
        (bot,) = self.gather("bot")
        bot.tries("ping")
        bot.lose()
        ana.tries("one")
        self.assertIn("ana said one", brief(self.back(bot).read()))
        for number in range(40):
            ana.tries(f"line {number}")
        self.assertTrue(self.welcome(bot)[0])
        self.assertFalse(self.welcome(bot, since=self.house.chat.past.start)[0])

    def test_periods_in_too_many_rooms_are_forgotten_as_a_gap(self) -> None:
        self.patch(sessions, "PERIODS_MOST", 3)
        self.house.gather("ana")
        (bot,) = self.gather("bot")
        since = bot.since
        for number in range(5):
            bot.tries("join", room=f"room{number}")
            bot.tries("leave", room=f"room{number}")
        self.assertTrue(self.welcome(bot, since=since)[0])
        forgotten = self.welcome(bot, since=since)[1]
        self.assertEqual(self.welcome(bot, since=forgotten), (False, forgotten))
        self.assertTrue(self.welcome(bot, since=forgotten - 1)[0])
        self.restart()
        self.assertEqual(self.welcome(bot, since=since), (True, forgotten))
