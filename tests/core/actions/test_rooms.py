from __future__ import annotations

from chatservice.core.actions import rooms
from chatservice.core.moderation import LOCK, MUTE, Term
from chatservice.journal.events import Fact
from tests.core.programs import ProgramTestCase, Said, brief, only


class RoomsTestCase(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.ana,) = self.house.gather("ana", room="dev")
        (self.bot,) = self.gather("bot")
        self.ana.read()


class ComingAndGoingTests(RoomsTestCase):
    def test_who_joins_is_told_of_the_room_and_shown_to_those_in_it(self) -> None:
        self.ana.tries("/topic the plan")
        (ok,) = self.bot.tries("join", room="#Dev", ref=1)
        self.assertEqual(
            ok,
            {
                "type": "ok",
                "to": "join",
                "room": "dev",
                "topic": "the plan",
                "people": 2,
                "ref": 1,
            },
        )
        self.assertEqual(self.ana.read()[-1:], ["-- bot joined"])

    def test_who_is_in_already_is_told_the_same_at_once(self) -> None:
        self.bot.ask("join", room="lobby", ref="r")
        (ok,) = self.bot.read()
        self.assertEqual((ok["room"], ok["people"], ok["ref"]), ("lobby", 2, "r"))
        self.house.tick()
        self.assertEqual(self.ana.read(), [])

    def test_it_is_told_once_it_is_stored(self) -> None:
        self.bot.ask("join", room="dev")
        self.assertEqual(self.bot.read(), [])
        self.house.tick()
        self.assertEqual(brief(self.bot.read()), ["ok join"])

    def test_who_leaves_hears_nothing_more_of_the_room(self) -> None:
        self.bot.tries("join", room="dev")
        self.ana.read()
        (ok,) = self.bot.tries("leave", room="dev", ref="r")
        self.assertEqual(ok, {"type": "ok", "to": "leave", "room": "dev", "ref": "r"})
        self.assertEqual(self.ana.read(), ["-- bot left"])
        self.ana.tries("one")
        self.assertEqual(self.bot.read(), [])
        self.assertEqual(brief(self.bot.tries("leave", room="dev")), ["error not_in_room"])

    def test_who_is_muted_makes_no_new_room(self) -> None:
        self.house.chat.standing.apply([Term("bot").fact(MUTE, "bot")])
        (error,) = self.bot.tries("join", room="buy-my-coins.x", ref=1)
        self.assertEqual((error["code"], error["to"], error["ref"]), ("muted", "join", 1))
        self.assertEqual(brief(self.bot.tries("join", room="dev")), ["ok join"])
        self.assertNotIn("buy-my-coins.x", self.house.chat.rooms)

    def test_who_can_not_come_in_is_told_why(self) -> None:
        self.house.chat.standing.apply([Fact(LOCK, "ops", "locked")])
        for room, code in (
            ("ops", "not_let_in"),
            ("operators", "not_let_in"),
            ("<x>", "bad_name"),
            ("@1", "bad_name"),
            ("\ud800", "bad_name"),
        ):
            error = only(self.bot.tries("join", room=room, ref=2), "error")
            self.assertEqual((error["code"], error["to"], error["ref"]), (code, "join", 2))

    def test_to_come_and_go_and_quit_at_once_is_done_in_order(self) -> None:
        self.bot.ask("join", room="dev")
        self.bot.ask("say", room="dev", text="hi", seq=1)
        self.bot.ask("leave", room="dev")
        self.bot.ask("join", room="dev")
        self.bot.ask("quit", text="bye")
        for _ in range(8):
            self.house.tick()
        answers = [m for m in brief(self.bot.read()) if m.startswith("ok")]
        self.assertEqual(
            sorted(answers), sorted(["ok join", "ok say 1", "ok leave", "ok join", "ok quit"])
        )
        self.assertTrue(self.bot.outlet.finished)
        shown = [line for line in self.ana.read() if not line.startswith("-- #lobby")]
        self.assertEqual(
            shown[:4] + shown[-1:],
            ["-- bot joined", "<bot> hi", "-- bot left", "-- bot joined", "-- bot left (bye)"],
        )

    def test_half_a_character_in_a_ref_comes_back_as_the_one_that_stands_for_it(self) -> None:
        for type in ("join", "who", "history"):
            (answer,) = self.bot.tries(type, room="lobby", ref="\ud800")
            self.assertEqual(answer["ref"], "\ufffd")
        (ok,) = self.bot.tries("join", room="new", ref="\ud800")
        self.assertEqual(ok["ref"], "\ufffd")
        self.assertEqual(brief(self.bot.tries("say", room="new", text="hi", seq=1)), ["ok say 1"])


class LookingTests(RoomsTestCase):
    def test_who_tells_who_is_there_and_who_is_away(self) -> None:
        self.ana.tries("/away lunch")
        (who,) = self.bot.tries("who", room="lobby", ref="r")
        self.assertEqual(
            who,
            {
                "type": "who",
                "room": "lobby",
                "people": [{"name": "ana", "away": "lunch"}, {"name": "bot"}],
                "count": 2,
                "ref": "r",
            },
        )

    def test_a_room_that_is_not_there_has_nobody_in_it(self) -> None:
        for room in ("nowhere", "operators"):
            who = only(self.bot.tries("who", room=room), "who")
            self.assertEqual((who["people"], who["count"]), ([], 0))
        self.assertEqual(brief(self.bot.tries("who", room="a b")), ["error bad_name"])

    def test_of_very_many_only_some_are_named_but_all_counted(self) -> None:
        self.patch(rooms, "PEOPLE_TOLD", 1)
        self.patch(rooms, "ROOMS_TOLD", 1)
        who = only(self.bot.tries("who", room="lobby"), "who")
        self.assertEqual((len(who["people"]), who["count"]), (1, 2))
        listed = only(self.bot.tries("rooms"), "rooms")
        self.assertEqual((len(listed["rooms"]), listed["count"]), (1, 2))

    def test_rooms_tells_of_those_that_one_may_see_the_fullest_first(self) -> None:
        self.house.gather("eve", operator=True)
        self.bot.read()
        self.house.chat.standing.apply([Fact(LOCK, "dev", "locked")])
        self.ana.tries("/topic the plan")
        self.bot.read()
        (listed,) = self.bot.tries("rooms", ref=0)
        self.assertEqual(
            listed,
            {
                "type": "rooms",
                "rooms": [
                    {"room": "lobby", "people": 3, "topic": ""},
                    {"room": "dev", "people": 1, "topic": "the plan", "locked": True},
                ],
                "count": 2,
                "ref": 0,
            },
        )

    def history(self, **fields: object) -> Said:
        return only(self.bot.tries("history", room="lobby", **fields), "history")

    def texts(self, **fields: object) -> list[str]:
        return [event["text"] for event in self.history(**fields)["events"]]

    def test_history_gives_what_was_said_own_words_too_in_one_object(self) -> None:
        (cy,) = self.house.gather("cy")
        cy.tries("one")
        self.bot.tries("say", room="lobby", text="two", seq=1)
        self.bot.tries("topic", room="lobby", text="no talk", seq=2)
        cy.tries("/me three")
        cy.tries("/msg bot private")
        self.bot.read()
        past = self.history(ref="r")
        self.assertEqual(brief(past["events"]), ["cy said one", "bot said two", "cy did three"])
        self.assertEqual((past["more"], past["gap"], past["ref"]), (False, False, "r"))
        self.assertNotIn("id", past)
        ids = [event["id"] for event in past["events"]]
        self.assertEqual(self.texts(limit=1), ["three"])
        self.assertTrue(self.history(limit=2)["more"])
        self.assertEqual(self.texts(before=ids[2]), ["one", "two"])
        self.assertEqual(self.texts(before=ids[2], limit=1), ["two"])
        self.assertEqual(self.texts(before=ids[0]), [])
        self.assertEqual(self.texts(before=0), [])
        self.assertEqual(self.texts(before=(1 << 53) - 1), ["one", "two", "three"])
        self.assertEqual(self.texts(after=0, limit=2), ["one", "two"])
        self.assertTrue(self.history(after=0, limit=2)["more"])
        self.assertEqual(self.texts(after=ids[1]), ["three"])
        self.assertEqual(self.texts(after=ids[2]), [])
        self.assertEqual(self.texts(after=(1 << 53) - 1), [])

    def test_history_is_for_who_is_in_the_room(self) -> None:
        for room, code in (("dev", "not_in_room"), ("<x>", "bad_name")):
            messages = self.bot.tries("history", room=room)
            self.assertEqual(brief(messages), [f"error {code}"])
        messages = self.bot.tries("history", room="lobby", before=1, after=1)
        self.assertEqual(brief(messages), ["error bad_field"])

    def test_history_gives_at_least_one_and_not_too_many(self) -> None:
        self.patch(rooms, "HISTORY_MOST", 3)
        for number in range(5):
            self.bot.tries("say", room="lobby", text=str(number))
        self.assertEqual(self.texts(limit=0), ["4"])
        self.assertEqual(self.texts(limit=1000), ["2", "3", "4"])

    def test_the_next_line_waits_until_the_history_was_read(self) -> None:
        self.restart(recent=2)
        (ana,) = self.house.gather("ana")
        bot = self.back(self.bot)
        for number in range(5):
            ana.tries(f"line {number}")
        bot.read()
        self.house.readings.held = True
        bot.ask("history", room="lobby")
        bot.ask("ping")
        self.house.tick()
        self.assertEqual(bot.read(), [])
        self.house.readings.release()
        self.house.tick()
        self.assertEqual(brief(bot.read()), ["history", "pong"])

    def test_a_history_that_can_not_be_read_is_told_so(self) -> None:
        self.restart(recent=2)
        (ana,) = self.house.gather("ana")
        bot = self.back(self.bot)
        for number in range(5):
            ana.tries(f"line {number}")
        bot.read()
        journal = self.house.journal
        journal._connection.close()  # type: ignore[attr-defined]
        messages = bot.tries("history", room="lobby")
        self.assertEqual(brief(messages), ["error went_wrong"])


class LongAnswersTests(RoomsTestCase):
    """Answers that are made piece by piece, as far as they are read."""

    def talk(self, count: int) -> None:
        for n in range(count):
            self.ana.type(f"line {n}")
            if n % 50 == 0:
                self.house.tick()
        self.house.tick()
        self.bot.tries("join", room="dev")
        self.bot.read()

    def test_one_that_is_not_read_is_not_made_and_nothing_comes_between(self) -> None:
        self.talk(300)
        self.bot.outlet.window = 100
        self.bot.ask("history", room="dev", limit=300, ref=1)
        self.bot.ask("ping", ref=2)
        for _ in range(3):
            self.house.tick()
        self.ana.type("live")
        self.house.tick()
        # Only the first step: its end, and all that is behind, is not made yet.
        self.assertEqual(self.bot.read(), [])
        for _ in range(40):
            self.bot.outlet.drain(4000)
            self.house.tick()
        self.bot.outlet.drain()
        self.house.tick()
        past, *behind = self.bot.read()
        self.assertEqual((past["type"], past["ref"], len(past["events"])), ("history", 1, 300))
        self.assertEqual(sorted(brief(behind)), ["ana said live", "pong"])

    def test_it_counts_as_lines(self) -> None:
        self.talk(300)
        self.bot.tries("history", room="dev", limit=20)
        self.assertLess(self.bot.outlet.charged, 0.5)
        self.bot.tries("history", room="dev", limit=300)
        self.assertGreater(self.bot.outlet.charged, 2.9)

    def test_who_looks_back_by_a_command_is_charged_too(self) -> None:
        self.talk(300)
        self.ana.tries("/history 300")
        self.assertAlmostEqual(self.ana.outlet.charged, 3, 1)
