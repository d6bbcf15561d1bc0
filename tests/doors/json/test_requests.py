from __future__ import annotations

from chatservice import messages
from chatservice.doors.json.requests import complaint
from tests.core.programs import ProgramTestCase, brief


class AskingTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.bot,) = self.gather("bot")

    def test_what_is_no_message_is_answered_and_ends_nothing(self) -> None:
        for line in (
            "hello",
            "",
            "{",
            "[]",
            "\x00",
            "\ufffd" * 100,
            '{"a":' * 5000,
            '{"type":"ping","ref":' + "9" * 20_000 + "}",
            '{"type":"ping","ref":NaN}',
            '{"type":"dance"}',
            '{"type":"\\ud800","ref":"\\ud800"}',
            '{"type":"say","ref":"\\ud800"}',
            '{"type":"leave","room":"\\ud800","ref":"\\ud800"}',
        ):
            self.bot.line(line)
            self.house.tick()
            (message,) = self.bot.read()
            self.assertEqual(message["type"], "error", line[:20])
        self.assertEqual(brief(self.bot.tries("ping")), ["pong"])

    def test_unknown_fields_are_ignored(self) -> None:
        self.assertEqual(brief(self.bot.tries("ping", colour=["red"])), ["pong"])

    def test_a_complaint_tells_all_that_is_known(self) -> None:
        error = messages.BadMessage(messages.Code.BAD_FIELD, "no", "say", "r", 7)
        self.assertEqual(
            messages.reply(complaint(error).decode()),
            messages.Error(code="bad_field", text="no", to="say", seq=7, ref="r"),
        )

    def test_who_asks_is_active(self) -> None:
        assert self.bot.member is not None
        before = self.bot.member.active
        self.house.tick(100.0)
        self.bot.tries("rooms")
        self.assertGreater(self.bot.member.active, before + 90)

    def test_a_first_word_is_stored_once_as_that_it_was_heard(self) -> None:
        before = self.query("SELECT value FROM facts WHERE kind = 'session'")
        self.assertIn('"heard":false', before[0][0])
        self.bot.tries("ping")
        after = self.query("SELECT value FROM facts WHERE kind = 'session'")
        self.assertIn('"heard":true', after[0][0])
        self.bot.ask("ping")
        self.assertEqual(self.house.chat.ticker.batch.count, 0)
