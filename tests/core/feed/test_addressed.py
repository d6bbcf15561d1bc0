from __future__ import annotations

from chatservice.core.feed.addressed import deliver_addressed
from chatservice.journal.events import ANNOUNCED, HOUSE, PRIVATE, Event, inbox
from tests.core.programs import ProgramTestCase, brief
from tests.core.support import START


class AddressedTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.ana, self.bo) = self.house.gather("ana", "bo")
        (self.bot, self.cat) = self.gather("bot", "cat")
        self.bot.read()

    def deliver(self, room: str, *events: tuple[str, str, int]) -> int:
        """Deliver events: what kind, what text, of whom."""
        first = self.house.chat.past.head + 1
        return deliver_addressed(
            self.house.chat.sessions,
            room,
            [
                Event(id, START, room, kind, "author", text, origin, id)
                for id, (kind, text, origin) in enumerate(events, first)
            ],
            self.house.chat.state.step_back,
        )

    def test_what_is_for_everybody_is_shown_to_all_in_their_views(self) -> None:
        for person in (self.ana, self.bo):
            person.read()
        self.assertEqual(self.deliver(HOUSE, (ANNOUNCED, "cake", 7)), 4)
        for person in (self.ana, self.bo):
            self.assertEqual(person.read(), ["-- author announces: cake"])
        for program in (self.bot, self.cat):
            self.assertEqual(brief(program.read()), ["author announced cake"])

    def test_what_is_for_one_is_shown_to_that_one_and_its_receipt_to_the_author(self) -> None:
        assert self.bot.member is not None and self.cat.member is not None
        self.ana.read()
        origin = self.bot.member.origin
        room = inbox(self.ana.member.origin)
        events = ((PRIVATE, "one", origin), (PRIVATE, "two", self.cat.member.origin))
        self.assertEqual(self.deliver(room, *events), 3)
        self.assertEqual(self.ana.read(), ["[author -> you] one", "[author -> you] two"])
        self.assertEqual([m["type"] for m in self.bot.read()], ["ok"])
        self.assertEqual([m["type"] for m in self.cat.read()], ["ok"])
        self.assertEqual(self.bo.read()[-1:], ["-- cat joined"])

    def test_a_person_who_wrote_is_told_nothing_here(self) -> None:
        self.ana.read()
        assert self.bot.member is not None
        sends = self.deliver(inbox(self.bot.member.origin), (PRIVATE, "x", self.ana.member.origin))
        self.assertEqual(sends, 1)
        self.assertEqual(brief(self.bot.read()), ["author private x"])
        self.assertEqual(self.ana.read(), [])

    def test_who_is_behind_or_lost_or_gone_gets_nothing_here(self) -> None:
        assert self.bot.member is not None and self.cat.member is not None
        self.bot.lose()
        self.house.chat.state.step_back(self.cat.member, self.house.chat.past.head)
        for member in (self.bot.member, self.cat.member):
            self.assertEqual(self.deliver(inbox(member.origin), (PRIVATE, "x", 7)), 0)
        self.assertEqual(self.deliver(inbox(12345), (PRIVATE, "x", 7)), 0)

    def test_an_answer_goes_to_who_wrote_last_but_not_to_who_is_ignored(self) -> None:
        self.ana.tries("/ignore cat")
        self.bot.ask("private", to="ana", text="one", seq=1)
        self.cat.ask("private", to="ana", text="two", seq=1)
        self.house.tick()
        self.assertEqual(self.ana.read()[-1:], ["[bot -> you] one"])
        assert self.bot.member is not None
        self.assertEqual(self.ana.member.correspondent, self.bot.member.origin)
        self.assertIn("ok private 1", brief(self.cat.read()))
