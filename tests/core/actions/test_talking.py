from __future__ import annotations

from typing import Any

from chatservice import messages
from chatservice.core.moderation import MUTE, Term
from chatservice.limits import Limits
from tests.core.programs import Program, ProgramTestCase, Said, brief, only

MOST = Limits().max_line


class TalkingTestCase(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.ana,) = self.house.gather("ana")
        (self.bot,) = self.gather("bot")
        self.ana.read()

    def says(self, text: str, seq: int | None = None, room: str = "lobby") -> list[str]:
        return brief(self.bot.tries("say", room=room, text=text, seq=seq))


class SayingTests(TalkingTestCase):
    def test_people_see_what_a_program_says_as_if_it_were_one_of_them(self) -> None:
        (ok,) = self.bot.tries("say", room="lobby", text="hi", seq=1)
        stored = {"id": self.house.chat.past.head, "at": messages.moment(self.house.now() - 100)}
        self.assertEqual(ok, {"type": "ok", "to": "say", **stored, "seq": 1})
        self.assertEqual(self.ana.read(), ["<bot> hi"])
        (ok,) = self.bot.tries("do", room="lobby", text="waves", seq=2)
        self.assertEqual((ok["to"], ok["seq"]), ("do", 2))
        self.assertEqual(self.ana.read(), ["* bot waves"])
        (ok,) = self.bot.tries("private", to="ANA", text="psst", seq=3)
        self.assertEqual((ok["to"], ok["seq"]), ("private", 3))
        self.assertEqual(self.ana.read(), ["[bot -> you] psst"])
        (ok,) = self.bot.tries("topic", room="lobby", text="cake", seq=4)
        self.assertEqual((ok["to"], ok["seq"]), ("topic", 4))
        self.assertEqual(self.ana.read(), ["-- bot set the topic: cake"])
        self.bot.tries("topic", room="lobby", text="", seq=5)
        self.assertEqual(self.ana.read(), ["-- bot took the topic away"])

    def test_a_text_is_never_a_command(self) -> None:
        for text in ("/quit", "//quit", " /msg ana psst", "\uff0fmsg ana psst"):
            self.assertIn("ok say", self.says(text))
            self.assertEqual(self.ana.read(), [f"<bot> {text}"])

    def test_without_a_seq_it_is_answered_by_id_and_time_alone(self) -> None:
        (ok,) = self.bot.tries("say", room="lobby", text="hi")
        self.assertEqual(list(ok), ["type", "to", "id", "at"])
        self.assertEqual(ok["id"], self.house.chat.past.head)

    def test_a_receipt_tells_the_time_that_the_others_are_told(self) -> None:
        (other,) = self.gather("other")
        self.bot.read()
        for kind, more in (("say", {}), ("do", {}), ("topic", {}), ("say", {"seq": 7})):
            (ok,) = self.bot.tries(kind, room="lobby", text=kind, **more)
            (event,) = other.read()
            self.assertEqual((ok["id"], ok["at"]), (event["id"], event["at"]))

    def test_no_answer_comes_before_it_is_committed(self) -> None:
        self.bot.ask("say", room="lobby", text="hi", seq=1)
        self.assertEqual(self.bot.read(), [])
        self.house.tick()
        self.assertEqual(self.stored(), ["hi"])
        self.assertEqual(brief(self.bot.read()), ["ok say 1"])

    def test_receipts_stand_at_their_place_in_the_one_order(self) -> None:
        (other,) = self.gather("other")
        self.bot.read()
        self.ana.read()
        for number in range(3):
            self.ana.type(f"line {number}")
            self.bot.ask("say", room="lobby", text=f"own {number}", seq=2 * number + 1)
            self.bot.ask("private", to="ana", text=f"psst {number}", seq=2 * number + 2)
            self.ana.type(f"/msg bot re {number}")
        for _ in range(8):
            self.house.tick()
        messages = self.bot.read()
        ids = [message["id"] for message in messages]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertEqual(len(ids), 12)
        rows = self.query("SELECT id, seq FROM events WHERE seq > 0 ORDER BY id")
        oks = [(m["id"], m["seq"]) for m in messages if m["type"] == "ok"]
        self.assertEqual(oks, rows)
        theirs = other.read()
        self.assertEqual([m["id"] for m in theirs], [m["id"] for m in theirs if m["id"] in ids])
        self.assertEqual(len(theirs), 6)

    def test_what_is_said_is_made_safe_to_show(self) -> None:
        self.says("a\x1b[2Jb\u202e\x00\ud800c", 1)
        self.assertEqual(self.ana.read(), ["<bot> a␛[2Jb␀\ufffdc"])
        self.assertEqual(self.says("a\x1b[2Jb\u202e\x00\ud800c", 1), ["ok say 1"])

    def test_what_can_not_be_said_is_refused_and_its_seq_counts_for_nothing(self) -> None:
        for text, code in (
            ("a\nb", "bad_field"),
            ("a\rb", "bad_field"),
            ("", "bad_field"),
            ("\u200b \u202e", "bad_field"),
            ("x" * (MOST + 1), "too_long"),
        ):
            self.assertEqual(self.says(text, 1), [f"error {code}"], text[:9])
        self.assertEqual(self.says("x" * MOST, 1), ["ok say 1"])
        self.assertEqual(self.stored(), ["x" * MOST])

    def test_one_speaks_only_where_one_is(self) -> None:
        for room, code in (("dev", "not_in_room"), ("", "bad_name"), ("\udfff", "bad_name")):
            self.assertEqual(self.says("hi", 1, room), [f"error {code}"])
        error = only(self.bot.tries("topic", room="dev", text="x", seq=1, ref="r"), "error")
        self.assertEqual((error["to"], error["seq"], error["ref"]), ("topic", 1, "r"))

    def test_a_room_is_found_however_its_name_is_written(self) -> None:
        self.assertEqual(self.says("hi", 1, "#LOBBY"), ["ok say 1"])

    def test_private_lines_go_to_others_who_are_here(self) -> None:
        for to in ("nobody", "bot", "", "\ud800"):
            messages = self.bot.tries("private", to=to, text="hi", seq=1)
            self.assertEqual(brief(messages), ["error not_here"], to)
        messages = self.bot.tries("private", to="ana", text="", seq=1)
        self.assertEqual(brief(messages), ["error bad_field"])

    def address_of_ana(self) -> str:
        """Let ana write to the bot; return where an answer goes."""
        private = only(self.ana_writes(), "private")
        self.ana.read()
        address = private["session"]
        assert isinstance(address, str)
        return address

    def ana_writes(self) -> list[Said]:
        self.ana.tries("/msg bot hi")
        return self.bot.read()

    def answers(self, **fields: Any) -> list[Said]:
        return self.bot.tries("private", text="secret", **fields)

    def test_an_answer_goes_to_who_wrote_whatever_they_are_called_by_now(self) -> None:
        address = self.address_of_ana()
        self.ana.tries("/nick anna")
        self.ana.read()
        self.assertIn("ok private 1", brief(self.answers(session=address, seq=1)))
        self.assertEqual(self.ana.read(), ["[bot -> you] secret"])
        self.assertEqual(self.address_of_ana(), address)

    def test_an_answer_reaches_no_stranger_of_the_same_name(self) -> None:
        address = self.address_of_ana()
        self.ana.tries("/quit")
        (stranger,) = self.house.gather("ana")
        self.bot.read()
        error = only(self.answers(session=address, ref=7), "error")
        self.assertEqual((error["code"], error["to"], error["ref"]), ("not_here", "private", 7))
        self.assertEqual(error["text"], "who wrote to you last is not here any more")
        self.assertEqual(brief(self.answers(session=address, to="ana", seq=1)), ["error not_here"])
        self.assertEqual(stranger.read(), [])
        self.assertNotIn("secret", self.stored("private"))

    def test_with_a_name_beside_it_an_answer_goes_to_who_has_that(self) -> None:
        address = self.address_of_ana()
        self.assertEqual(brief(self.answers(session=address, to="ANA")), ["ok private"])
        self.assertEqual(self.ana.read(), ["[bot -> you] secret"])
        self.ana.tries("/nick anna")
        self.bot.read()
        error = only(self.answers(session=address, to="ana"), "error")
        self.assertEqual(
            (error["code"], error["text"]), ("not_here", "the name of that session is not ana")
        )
        self.assertEqual(self.ana.read(), [])

    def test_an_address_that_is_none_is_nobodys(self) -> None:
        (other,) = self.gather("other")
        self.bot.read()
        for address in (
            "",
            "0",
            "ana",
            "f" * 16,
            "f" * 17,
            "-1",
            " 1",
            "1_0",
            "\u0661",
            "@1",
            "\ud800",
        ):
            messages = self.answers(session=address, seq=1)
            self.assertEqual(brief(messages), ["error not_here"], ascii(address))
        self.assertEqual(brief(self.answers(seq=1)), ["error bad_field"])
        own = f"{self.bot.member.origin:x}"
        self.assertEqual(only(self.answers(session=own), "error")["text"], "that is you")
        self.assertEqual(other.read(), [])

    def test_an_answer_goes_to_a_program_also_when_it_has_come_back(self) -> None:
        (other,) = self.gather("other")
        self.bot.read()
        other.tries("private", to="bot", text="hi")
        address = only(self.bot.read(), "private")["session"]
        for again in (lambda: None, self.restart, self.crash):
            again()
            if self.bot.house is not self.house:
                self.bot = self.back(self.bot)
            self.bot.read()
            self.assertIn("ok private", brief(self.answers(session=address)))
            other = self.back(other)
            self.assertIn("bot private secret", brief(other.read()))
        other.tries("quit")
        self.bot.read()
        self.assertEqual(brief(self.answers(session=address)), ["error not_here"])
        other = self.back(other)
        other.read()
        self.bot.read()
        self.assertIn("ok private", brief(self.answers(session=address)))
        self.assertIn("bot private secret", brief(other.read()))

    def test_who_is_muted_is_told_and_may_go_on_with_the_same_seq_later(self) -> None:
        self.house.chat.standing.apply([Term("bot").fact(MUTE, "bot")])
        self.assertEqual(self.says("hi", 1), ["error muted"])
        for type, fields in (("private", {"to": "ana"}), ("topic", {"room": "lobby"})):
            messages = self.bot.tries(type, text="hi", seq=1, **fields)
            self.assertEqual(brief(messages), ["error muted"])
        self.house.chat.standing.mutes.clear()
        self.assertEqual(self.says("hi", 1), ["ok say 1"])

    def test_who_is_ignored_is_not_seen_by_programs_and_people_alike(self) -> None:
        (cy,) = self.house.gather("cy")
        self.bot.read()
        self.ana.tries("/ignore bot")
        self.ana.type("one")
        self.bot.ask("say", room="lobby", text="two", seq=1)
        cy.type("three")
        self.house.tick()
        self.assertEqual(self.ana.read()[-1:], ["<cy> three"])
        self.assertNotIn("<bot> two", self.ana.read())
        self.assertEqual(brief(self.bot.read()), ["ana said one", "ok say 1", "cy said three"])

    def test_who_speaks_is_not_away_any_more(self) -> None:
        self.bot.tries("away", text="lunch")
        self.assertEqual(self.says("hi", 1), ["notice", "ok say 1"])


class ExactlyOnceTests(TalkingTestCase):
    def test_the_same_again_is_stored_once_and_answered_with_the_same_id(self) -> None:
        (first,) = self.bot.tries("say", room="lobby", text="hi", seq=1)
        self.ana.tries("between")
        for _ in range(3):
            self.assertEqual(self.bot.tries("say", room="lobby", text="hi", seq=1)[-1], first)
        self.assertEqual(self.stored(), ["hi", "between"])

    def test_it_is_the_same_for_all_that_is_said(self) -> None:
        said = [
            ("say", {"room": "lobby", "text": "hi"}),
            ("do", {"room": "lobby", "text": "hi"}),
            ("private", {"to": "ana", "text": "hi"}),
            ("topic", {"room": "lobby", "text": "hi"}),
            ("topic", {"room": "lobby", "text": ""}),
        ]

        def say(bot: Program) -> list[Said]:
            return [
                only(bot.tries(type, seq=seq, **fields), "ok")
                for seq, (type, fields) in enumerate(said, 1)
            ]

        first = say(self.bot)
        self.assertEqual(say(self.bot), first)
        self.restart()
        self.house.gather("ana")
        bot = self.back(self.bot, since=None)
        bot.read()
        self.assertEqual(say(bot), first)
        self.assertEqual(len(self.query("SELECT * FROM events WHERE seq > 0")), len(said))

    def test_also_from_the_file_when_memory_has_forgotten_it(self) -> None:
        (first,) = self.bot.tries("say", room="lobby", text="hi", seq=1)
        self.restart(recent=2)
        (ana,) = self.house.gather("ana")
        for number in range(10):
            ana.tries(f"line {number}")
        bot = self.back(self.bot, since=None)
        bot.read()
        self.assertEqual(bot.tries("say", room="lobby", text="hi", seq=1), [first])
        error = bot.tries("say", room="lobby", text="ho", seq=1)
        self.assertEqual(brief(error), ["error seq_reused"])

    def test_after_a_crash(self) -> None:
        (first,) = self.bot.tries("say", room="lobby", text="hi", seq=1)
        self.crash()
        bot = self.back(self.bot)
        self.assertEqual(only(bot.read(), "welcome")["seq"], 1)
        self.assertEqual(bot.tries("say", room="lobby", text="hi", seq=1), [first])
        self.assertEqual(brief(bot.tries("say", room="lobby", text="ho", seq=2)), ["ok say 2"])
        self.assertEqual(self.stored(), ["hi", "ho"])

    def test_while_the_first_is_not_committed_yet(self) -> None:
        for _ in range(3):
            self.bot.ask("say", room="lobby", text="hi", seq=1)
        self.house.tick()
        self.house.tick()
        self.assertEqual(brief(self.bot.read()), ["ok say 1"])
        self.assertEqual(self.stored(), ["hi"])

    def test_while_the_journal_refuses(self) -> None:
        self.house.refuse()
        self.bot.ask("say", room="lobby", text="hi", seq=1)
        self.house.tick()
        for _ in range(3):
            self.bot.ask("say", room="lobby", text="hi", seq=1)
            self.bot.ask("say", room="lobby", text="ho", seq=2)
            self.house.tick(1.0)
        self.assertNotIn("ok say 1", brief(self.bot.read()))
        self.house.accept()
        self.house.tick(1.0)
        self.house.tick()
        oks = [line for line in brief(self.bot.read()) if line.startswith("ok")]
        self.assertEqual(oks, ["ok say 1", "ok say 2"])
        self.assertEqual(self.stored(), ["hi", "ho"])

    def test_what_was_lost_while_the_journal_refused_can_be_said_again(self) -> None:
        self.house.refuse()
        self.bot.ask("say", room="lobby", text="hi", seq=1)
        self.house.tick()
        self.house.accept()
        self.crash()
        bot = self.back(self.bot)
        self.assertEqual(only(bot.read(), "welcome")["seq"], 0)
        self.assertEqual(brief(bot.tries("say", room="lobby", text="hi", seq=1)), ["ok say 1"])
        self.assertEqual(self.stored(), ["hi"])

    def test_another_text_kind_or_room_under_the_same_seq_is_an_error(self) -> None:
        self.bot.tries("join", room="dev")
        others = (
            ("say", {"room": "lobby", "text": "hi "}, "ok say 1"),  # What is stored is the same.
            ("say", {"room": "#Lobby", "text": "hi"}, "ok say 1"),
            ("say", {"room": " lobby", "text": "hi"}, "ok say 1"),
            ("say", {"room": "lobby", "text": "ho"}, "error seq_reused"),
            ("say", {"room": "dev", "text": "hi"}, "error seq_reused"),
            ("do", {"room": "lobby", "text": "hi"}, "error seq_reused"),
            ("private", {"to": "ana", "text": "hi"}, "error seq_reused"),
            ("topic", {"room": "lobby", "text": "hi"}, "error seq_reused"),
        )
        self.bot.ask("say", room="lobby", text="hi", seq=1)
        for type, fields, expected in others:
            self.bot.ask(type, seq=1, **fields)
            told = brief(self.bot.read())
            self.assertEqual(told, [expected] if expected.startswith("error") else [], fields)
        self.house.tick()
        self.assertEqual(brief(self.bot.read()), ["ok say 1"])
        for type, fields, expected in others:
            self.assertEqual(brief(self.bot.tries(type, seq=1, **fields)), [expected], fields)
        self.assertEqual(self.stored(), ["hi"])

    def test_a_private_line_is_the_same_under_the_other_s_new_name(self) -> None:
        (ok,) = self.bot.tries("private", to="ana", text="psst", seq=1)
        self.ana.tries("/nick amy")
        self.bot.read()
        self.assertEqual(self.bot.tries("private", to="ana", text="psst", seq=1), [ok])

    def test_a_seq_may_skip_but_not_go_back(self) -> None:
        self.assertEqual(self.says("ten", 10), ["ok say 10"])
        self.assertEqual(self.says("nine", 9), ["error seq_unknown"])
        self.assertEqual(self.says("eleven", 11), ["ok say 11"])
        self.assertEqual(self.says("most", (1 << 53) - 1), [f"ok say {(1 << 53) - 1}"])
        self.assertEqual(self.stored(), ["ten", "eleven", "most"])

    def test_a_seq_is_a_number_from_1(self) -> None:
        for seq in (0, -1, 1 << 53, "1", True, 1.5, [1]):
            messages = self.bot.tries("say", room="lobby", text="hi", seq=seq)
            self.assertEqual(brief(messages), ["error bad_field"], seq)

    def test_each_session_has_its_own_numbers(self) -> None:
        (other,) = self.gather("other")
        self.says("hi", 1)
        other.read()
        messages = other.tries("say", room="lobby", text="ho", seq=1)
        self.assertEqual(brief(messages), ["ok say 1"])
        self.assertEqual(self.stored(), ["hi", "ho"])

    def test_a_repeated_line_that_is_still_to_come_is_answered_at_its_place_alone(self) -> None:
        since = self.bot.since
        self.ana.tries("one")
        self.says("hi", 1)
        bot = Program(self.house)
        bot.hello(token=self.bot.token, since=since)
        bot.ask("say", room="lobby", text="hi", seq=1)
        self.house.tick()
        self.assertEqual(brief(bot.read()), ["welcome", "ana said one", "ok say 1", "live"])
        bot = Program(self.house)
        bot.hello(token=self.bot.token)
        bot.ask("say", room="lobby", text="hi", seq=1)
        self.house.tick()
        self.assertEqual(sorted(brief(bot.read())), ["live", "ok say 1", "welcome"])

    def test_the_welcome_tells_the_highest_seq_that_is_stored(self) -> None:
        self.says("hi", 7)
        self.bot.ask("say", room="lobby", text="ho", seq=8)
        bot = Program(self.house)
        bot.hello(token=self.bot.token, since=self.bot.since)
        self.assertEqual(only(bot.read(), "welcome")["seq"], 7)
        self.house.tick()
        self.assertEqual(brief(bot.read())[0], "ok say 8")
        bot.tries("quit")
        self.assertEqual(only(self.back(bot).read(), "welcome")["seq"], 8)

    def test_the_highest_seq_is_known_when_its_event_was_pruned(self) -> None:
        self.house = self.open(keep=1, path=f"{self.path}2")
        (ana,) = self.house.gather("ana")
        (bot,) = self.gather("bot")
        bot.tries("say", room="lobby", text="hi", seq=3)
        self.house.tick(2 * 86400.0)
        ana.tries("new")
        self.house.tick(61.0)
        self.house.tick(61.0)
        self.successResultOf(self.house.stop())
        self.house = self.open(f"{self.path}2", moment=self.house.now(), keep=1)
        again = self.back(bot)
        self.assertEqual(only(again.read(), "welcome")["seq"], 3)
        messages = again.tries("say", room="lobby", text="hi", seq=3)
        self.assertEqual(brief(messages), ["error seq_unknown"])
