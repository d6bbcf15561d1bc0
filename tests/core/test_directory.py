from __future__ import annotations

from twisted.trial import unittest

from chatservice.core.directory import MANY, Directory
from chatservice.core.members import Member, Room
from chatservice.core.outlet import NOWHERE
from chatservice.doors.text.view import TEXT


class DirectoryTests(unittest.TestCase):
    def setUp(self) -> None:
        self.rooms = {name: Room(name) for name in ("cellar", "attic", "lobby")}
        self.directory = Directory(self.rooms)

    def names(self, most: int = 10, without: str = "") -> tuple[list[str], int]:
        rooms, count = self.directory.first(most, without)
        return [room.name for room in rooms], count

    def test_the_fullest_come_first_and_then_by_name(self) -> None:
        self.rooms["lobby"].members[Member("ana", NOWHERE, TEXT)] = None
        self.assertEqual(self.names(), (["lobby", "attic", "cellar"], 3))
        self.assertEqual(self.names(most=1), (["lobby"], 3))

    def test_one_that_is_hidden_does_not_count(self) -> None:
        self.assertEqual(self.names(without="attic"), (["cellar", "lobby"], 2))
        self.assertEqual(self.names(most=1, without="attic"), (["cellar"], 2))
        self.assertEqual(self.names(without="garden"), (["attic", "cellar", "lobby"], 3))

    def test_they_are_sorted_anew_when_people_or_rooms_came_or_went(self) -> None:
        self.names()
        self.rooms["lobby"].members[Member("ana", NOWHERE, TEXT)] = None
        self.directory.changed()
        self.assertEqual(self.names()[0][0], "lobby")
        self.rooms["annex"] = Room("annex")
        self.directory.changed()
        self.assertIn("annex", self.names()[0])
        del self.rooms["annex"]
        self.directory.changed()
        self.assertNotIn("annex", self.names()[0])

    def test_only_to_sort_many_is_dear(self) -> None:
        self.assertFalse(self.directory.dear)
        self.rooms.update((f"room{n}", Room(f"room{n}")) for n in range(MANY))
        self.assertTrue(self.directory.dear)
        self.names()
        self.assertFalse(self.directory.dear)
        self.directory.changed()
        self.assertTrue(self.directory.dear)
