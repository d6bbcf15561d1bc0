from __future__ import annotations

from chatservice.core import directory
from tests.core.support import HouseTestCase, Person


class ListedTests(HouseTestCase):
    def test_rooms_are_sorted_anew_when_people_come_and_go_and_not_when_they_speak(self) -> None:
        self.patch(directory, "MANY", 0)
        house = self.open()
        ana, bo = house.gather("ana", "bo", operator=True)
        listed = house.chat.directory

        def dear(person: Person, *lines: str) -> bool:
            person.tries("/rooms")
            self.assertFalse(listed.dear)
            person.tries(*lines)
            return listed.dear

        for line in (
            "hi",
            "/me waves",
            "/topic x",
            "/lock",
            "/unlock",
            "/nick annie",
            "/msg bo hi",
        ):
            self.assertFalse(dear(ana, line), line)
        for line in ("/join dev", "/leave", "/join ops", "/quit"):
            self.assertTrue(dear(bo, line), line)
        ana.read()
        self.assertEqual(
            ana.tries("/rooms"), ["-- 1  #lobby (you are here)", "-- 1  #operators (yours)"]
        )
