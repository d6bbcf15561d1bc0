from __future__ import annotations

from chatservice.core import rooms
from chatservice.core.members import Room
from tests.core.support import HouseTestCase, Person


class ListedTests(HouseTestCase):
    def test_rooms_are_sorted_anew_when_people_come_and_go_and_not_when_they_speak(self) -> None:
        self.patch(rooms, "MANY", 0)
        house = self.open()
        ana, bo = house.gather("ana", "bo", operator=True)
        listed = house.chat.places

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


class OrderTests(HouseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.house = self.open(permanent=("cellar", "attic", "lobby"))
        self.rooms = self.house.chat.places

    def names(self, most: int = 10, without: str = "") -> tuple[list[str], int]:
        listed, count = self.rooms.first(most, without)
        return [room.name for room in listed], count

    def test_the_fullest_come_first_and_then_by_name(self) -> None:
        self.house.gather("ana", room="lobby")
        self.house.gather("bo", room="lobby")
        self.assertEqual(self.names(), (["cellar", "lobby", "attic"], 3))
        self.assertEqual(self.names(most=1), (["cellar"], 3))

    def test_one_that_is_hidden_does_not_count(self) -> None:
        self.assertEqual(self.names(without="attic"), (["cellar", "lobby"], 2))
        self.assertEqual(self.names(most=1, without="attic"), (["cellar"], 2))
        self.assertEqual(self.names(without="garden"), (["attic", "cellar", "lobby"], 3))

    def test_a_new_room_is_listed_and_one_that_is_gone_is_not(self) -> None:
        self.names()
        ana = self.house.gather("ana", room="annex")[0]
        self.assertIn("annex", self.names()[0])
        ana.tries("/leave annex")
        self.assertNotIn("annex", self.names()[0])

    def test_only_to_sort_many_is_dear(self) -> None:
        self.names()
        for number in range(rooms.MANY):
            self.rooms.by_name[f"room{number}"] = Room(f"room{number}")
        self.assertFalse(self.rooms.dear)
        self.rooms.changed()
        self.assertTrue(self.rooms.dear)
        self.names()
        self.assertFalse(self.rooms.dear)
