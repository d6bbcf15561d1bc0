from __future__ import annotations

from chatservice.core.peers import Trouble
from chatservice.text.wording import STORED_AGAIN, UNSTORED
from tests.core.programs import Program
from tests.core.support import HouseTestCase


class AloneTests(HouseTestCase):
    def test_a_session_is_found_among_those_that_are_known(self) -> None:
        house = self.open()
        bot = Program(house)
        bot.hello("bot")
        house.tick()
        session = bot.member.session
        self.assertIs(self.successResultOf(house.chat.peers.take(lambda: session)), session)
        self.assertIsNone(self.successResultOf(house.chat.peers.take(lambda: None)))

    def test_there_is_trouble_while_the_journal_refuses(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        self.assertEqual(house.chat.held_up, "")
        house.refuse()
        ana.tries("hi")
        self.assertEqual(house.chat.held_up, UNSTORED)
        self.assertEqual(house.chat.peers.trouble(True), Trouble(UNSTORED, STORED_AGAIN))
        house.chat.note_trouble()
        self.assertEqual(bo.read(), [f"-- {UNSTORED}"])
        house.accept()
        house.tick(1)
        self.assertEqual(house.chat.held_up, "")
        self.assertEqual(bo.read(), ["<ana> hi", f"-- {STORED_AGAIN}"])

    def test_each_commit_is_paid_for(self) -> None:
        self.assertEqual(self.open().chat.peers.shown(7, []), 7)

    def test_who_is_elsewhere_is_not_let_go_here(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        bo.member.remote = True
        house.chat.attendance.quit(bo.member)
        house.chat.attendance.send_away(bo.member, "kicked", "you were kicked")
        house.tick()
        self.assertIs(house.chat.find("bo"), bo.member)
        self.assertEqual((ana.read(), bo.read()), ([], []))
