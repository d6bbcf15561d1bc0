from __future__ import annotations

from chatservice.core.nicknames import NameTaken
from tests.core.support import HouseTestCase


class PeopleTests(HouseTestCase):
    def test_who_is_here_is_found_by_name(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        self.assertIs(house.chat.find("ANA"), ana.member)
        self.assertIsNone(house.chat.find("cy"))
        bo.tries("/quit")
        self.assertIsNone(house.chat.find("bo"))
        self.assertEqual(list(house.chat.members), [ana.member])

    def test_who_has_claimed_a_name_and_is_no_member_is_not_found(self) -> None:
        house = self.open()
        house.chat.peers.claims.claim("ana", object())
        self.assertIsNone(house.chat.find("ana"))

    def test_a_name_is_held_however_it_is_written_since_and_the_one_before_is_free(self) -> None:
        house = self.open()
        (ana,) = house.gather("ana")
        ana.tries("/nick Ana")
        self.failureResultOf(house.chat.peers.claims.claim("aNA", object()), NameTaken)
        ana.tries("/nick anna")
        self.successResultOf(house.chat.peers.claims.claim("ana", object()))

    def test_an_operator_lands_among_operators_too(self) -> None:
        house = self.open()
        (eve,) = house.gather("eve", operator=True)
        self.assertEqual([m.room.name for m in eve.member.rooms()], ["operators", "lobby"])
        assert eve.member.current is not None
        self.assertEqual(eve.member.current.room.name, "lobby")
        eve.tries("/quit")
        self.assertEqual(list(house.chat.rooms), ["lobby"])
