from __future__ import annotations

from chatservice.core.actions.meant import current_room, room_name, somebody
from chatservice.core.refusals import Refusal
from chatservice.text.names import BadName
from chatservice.text.sanitising import safe
from tests.doors.text.commands.support import CrewTestCase


class MeantTests(CrewTestCase):
    def test_somebody_is_found_however_the_name_is_written(self) -> None:
        self.assertIs(somebody(self.house.chat, "ANA"), self.ana.member)

    def test_who_is_not_there_is_told_of_with_the_beginning_of_the_name(self) -> None:
        for typed in ("cy", "x" * 2000, "", "@ff", "\N{ZERO WIDTH JOINER}"):
            error = self.assertRaises(Refusal, somebody, self.house.chat, typed)
            self.assertEqual(
                (str(error), error.hint),
                (f"there is no {safe(typed[:24])} here", "/who shows who is"),
            )

    def test_who_has_left_is_not_found(self) -> None:
        self.bo.tries("/quit")
        self.assertRaises(Refusal, somebody, self.house.chat, "bo")

    def test_the_current_room(self) -> None:
        self.assertEqual(current_room(self.ana.member), "lobby")
        self.ana.tries("/leave")
        self.assertEqual(current_room(self.ana.member), "")

    def test_the_name_of_a_room(self) -> None:
        chat, member = self.house.chat, self.ana.member
        self.assertEqual(room_name(chat, member, "#Dev"), "dev")
        self.assertEqual(room_name(chat, member, "lobby"), "lobby")
        self.ana.tries("/leave")
        for typed in ("@ff", "@", "a b", ""):
            self.assertRaises(BadName, room_name, chat, member, typed)
