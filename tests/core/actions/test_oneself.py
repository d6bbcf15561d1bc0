from __future__ import annotations

from twisted.internet.defer import Deferred

from chatservice.core.moderation import MUTE, Term
from tests.core.programs import ProgramTestCase, brief, only


class OneselfTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.ana,) = self.house.gather("ana")
        (self.bot,) = self.gather("bot")
        self.ana.read()

    def mute(self, name: str) -> None:
        self.house.chat.standing.apply([Term(name).fact(MUTE, name)])

    def test_nick_gives_another_name_once_it_is_stored(self) -> None:
        self.bot.ask("nick", name="rob", ref="r")
        self.assertEqual(self.bot.read(), [])
        self.house.tick()
        messages = self.bot.read()
        expected = {"type": "ok", "to": "nick", "name": "rob", "ref": "r"}
        self.assertEqual(only(messages, "ok"), expected)
        self.assertIn("bot is rob", brief(messages))
        self.assertEqual(self.ana.read(), ["-- bot is now rob"])

    def test_nick_to_the_name_that_it_has_is_done(self) -> None:
        self.bot.ask("nick", name=" bot ")
        self.assertEqual(only(self.bot.read(), "ok")["name"], "bot")
        self.house.tick()
        self.assertEqual(self.ana.read(), [])
        self.assertEqual(only(self.bot.tries("nick", name="BOT"), "ok")["name"], "BOT")

    def test_nick_that_can_not_be_is_refused(self) -> None:
        for name, code in (("ana", "name_taken"), ("a b", "bad_name"), ("\ud800", "bad_name")):
            error = only(self.bot.tries("nick", name=name), "error")
            self.assertEqual((error["code"], error["to"]), (code, "nick"))
        self.mute("bot")
        self.assertEqual(brief(self.bot.tries("nick", name="rob")), ["error muted"])

    def test_nick_is_void_if_it_is_granted_only_once_one_is_muted(self) -> None:
        waiting: Deferred[None] = Deferred()
        claim = self.house.chat.attendance.claim
        self.patch(
            self.house.chat.attendance,
            "claim",
            lambda name, member: claim(name, member).addCallback(lambda _: waiting),
        )
        self.bot.ask("nick", name="rob")
        self.house.tick()
        self.mute("bot")
        waiting.callback(None)
        self.house.tick()
        self.assertEqual(brief(self.bot.read()), ["error muted"])
        self.assertEqual(self.ana.read(), [])
        self.assertIsNone(self.house.chat.find("rob"))
        self.assertIs(self.house.chat.find("bot"), self.bot.member)

    def test_nick_in_no_room_is_answered_too(self) -> None:
        self.bot.tries("leave", room="lobby")
        self.assertEqual(brief(self.bot.tries("nick", name="rob")), ["ok nick"])

    def test_what_is_asked_for_behind_a_nick_finds_the_new_name(self) -> None:
        self.bot.ask("nick", name="rob")
        self.bot.ask("say", room="lobby", text="hi", seq=1)
        self.bot.ask("who", room="lobby")
        self.house.tick()
        self.house.tick()
        self.assertEqual(self.ana.read(), ["-- bot is now rob", "<rob> hi"])
        people = only(self.bot.read(), "who")["people"]
        self.assertEqual([person["name"] for person in people], ["ana", "rob"])

    def test_a_nick_while_the_journal_refuses_holds_over_a_loss_of_the_connection(self) -> None:
        self.house.refuse()
        self.bot.ask("nick", name="rob")
        self.house.tick()
        self.bot.lose()
        bot = self.back(self.bot)
        self.house.accept()
        self.house.tick(1.0)
        self.house.tick(1.0)
        self.assertIn("bot is rob", brief(bot.read()))
        self.crash()
        self.assertEqual(only(self.back(bot).read(), "welcome")["name"], "rob")

    def test_away_is_told_to_who_writes_and_ends_with_a_word(self) -> None:
        (ok,) = self.bot.tries("away", text="lunch", ref="r")
        self.assertEqual(ok, {"type": "ok", "to": "away", "ref": "r"})
        self.assertTrue(any("lunch" in line for line in self.ana.tries("/msg bot hi")))
        self.mute("bot")
        self.assertEqual(brief(self.bot.tries("away", text="x"))[-1:], ["error muted"])
        self.assertEqual(brief(self.bot.tries("away")), ["ok away"])
        self.assertEqual(brief(self.bot.tries("away", text="a\nb")), ["error bad_field"])

    def test_ping_is_answered_at_once_also_while_the_journal_refuses(self) -> None:
        self.bot.ask("ping", ref="\ud800")
        self.assertEqual(self.bot.read(), [{"type": "pong", "ref": "\ufffd"}])
        self.house.refuse()
        self.bot.tries("say", room="lobby", text="hi", seq=1)
        self.bot.ask("ping")
        self.assertEqual(brief(self.bot.read()), ["pong"])

    def test_a_second_hello_is_an_error(self) -> None:
        error = only(self.bot.tries("hello", name="rob", ref=1), "error")
        self.assertEqual(
            (error["code"], error["to"], error["ref"]), ("welcome_already", "hello", 1)
        )

    def test_quit_is_answered_then_the_rest_is_given_and_the_connection_closed(self) -> None:
        self.bot.ask("say", room="lobby", text="last", seq=1)
        self.bot.ask("quit", text="so\tlong", ref="r")
        self.bot.ask("say", room="lobby", text="too late", seq=2)
        for _ in range(3):
            self.house.tick()
        messages = self.bot.read()
        self.assertEqual(brief(messages)[:2], ["ok say 1", "ok quit"])
        self.assertEqual(only(messages[1:], "ok")["ref"], "r")
        self.assertTrue(self.bot.outlet.finished)
        self.assertEqual(self.ana.read(), ["<bot> last", "-- bot left (so    long)"])
        self.assertEqual(self.stored(), ["last"])

    def test_who_is_muted_leaves_without_a_word(self) -> None:
        self.mute("bot")
        self.bot.tries("quit", text="listen to me")
        self.assertEqual(self.ana.read(), ["-- bot left"])

    def test_a_quit_that_can_not_be_shown_is_refused(self) -> None:
        self.assertEqual(brief(self.bot.tries("quit", text="a\nb")), ["error bad_field"])
        self.assertFalse(self.bot.outlet.finished)
