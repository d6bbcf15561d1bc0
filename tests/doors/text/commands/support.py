"""Two people and an operator in a house that keeps a history, and what that history holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from chatservice.journal.events import HOUSE
from chatservice.text.layout import COLUMNS, width
from tests.core.support import House, HouseTestCase, Person

OPERATING = "operators"


class CrewTestCase(HouseTestCase):
    """:ivar eve: an operator; ana and bo are none."""

    def setUp(self) -> None:
        super().setUp()
        self.enter()

    def enter(self, **options: Any) -> None:
        self.house = self.open(self.path, **options)
        self.ana, self.bo = self.house.gather("ana", "bo")
        (self.eve,) = self.house.gather("eve", operator=True)
        self.hush()

    def hush(self) -> None:
        """Let all read what there is."""
        for person in (self.ana, self.bo, self.eve):
            person.read()

    def does(self, *lines: str) -> list[str]:
        """Let eve do something; return what she is shown, also of what comes of it."""
        shown = self.eve.tries(*lines)
        for _ in range(2):
            self.house.tick()
        return shown + self.eve.read()

    def come_back(self, **options: Any) -> None:
        """Close the house and open it again; the same people come."""
        self.successResultOf(self.house.stop())
        moment = self.house.now()
        self.enter(moment=moment, **options)

    def newcomer(self, name: str, address: str = "192.0.2.1") -> Person:
        """Somebody who comes in from an address; what they are shown is not read yet."""
        person = Person(self.house)
        person.outlet.address = address
        person.enter(name)
        self.house.tick()
        return person

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the file of the history."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()

    def events(self) -> list[tuple[str, str, str, str]]:
        """Room, kind, author and text of all that happened."""
        return self.query("SELECT room, kind, author, text FROM events ORDER BY id")

    def facts(self) -> list[tuple[str, str]]:
        """Kind and name of all that holds."""
        return self.query("SELECT kind, name FROM facts ORDER BY kind, name")

    def acts(self) -> list[str]:
        """What operators did, as it is stored."""
        return [
            f"{author} {text}"
            for room, kind, author, text in self.events()
            if (room, kind) == (OPERATING, "acted")
        ]

    def addressed(self) -> list[tuple[str, str, str]]:
        """Kind, author and text of what was for everybody, or for one alone."""
        return [event[1:] for event in self.events() if event[0].startswith(HOUSE)]

    def assertNarrow(self, lines: list[str]) -> None:
        self.assertNotEqual(lines, [])
        self.assertEqual([line for line in lines if width(line) > COLUMNS], [])


def behind(house: House, *people: Person) -> None:
    """Let people take nothing from now on."""
    for person in people:
        person.outlet.window = 0


def catch_up(house: House, *people: Person) -> None:
    """Let people read all that they missed."""
    for person in people:
        person.outlet.drain()
    for _ in range(5):
        house.tick()
