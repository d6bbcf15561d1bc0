from __future__ import annotations

from chatservice.core.permissions import check_in_room, check_operator, hidden_room
from chatservice.core.refusals import Refusal
from tests.doors.text.commands.support import OPERATING, CrewTestCase


class PermissionTests(CrewTestCase):
    def test_what_is_for_operators_only_operators_may(self) -> None:
        error = self.assertRaises(Refusal, check_operator, self.ana.member, "x")
        self.assertEqual(str(error), "/x is for operators")
        check_operator(self.eve.member, "x")

    def test_what_is_for_a_room_is_for_who_is_in_one(self) -> None:
        self.assertEqual(check_in_room(self.ana.member), "lobby")
        self.ana.tries("/leave")
        error = self.assertRaises(Refusal, check_in_room, self.ana.member)
        self.assertEqual(str(error), "you are in no room: /join one first")

    def test_who_is_in_the_room_of_operators_only_they_know(self) -> None:
        self.assertEqual(hidden_room(self.ana.member), OPERATING)
        self.assertEqual(hidden_room(self.eve.member), "")
