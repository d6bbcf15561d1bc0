"""A history of an older version, with names that are none any more, is one of today."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from twisted.trial.unittest import TestCase

from chatservice.text.names import RULES
from tests.integration.environment import CHECKOUT
from tests.integration.support import TWISTD, Client, Server, folder_for, run

VERSION_4 = CHECKOUT / "tests" / "journal" / "version4.sql"

TOKENS = {
    "ЬоЬ": "pxFRuaiF9obans6pJpcIW2DViZ4jVmFH",
    "007": "PHxWyemAcnN7nLNnuHq6Ib_pi2lRKQbN",
    "bob": "vq0qbTHEjUAev90oYeFtC3MGvH7UaPuX",
    "ana!": "bqrzQgN-ZYevkFolnlptWkSqjsRg6YdP",
    "gone?": "myiIdhi5SGCYQMNcXaKcYgnVlTqy9j0E",
}
"""Whose these are in the history: all but the last were here when it ended, ``ЬоЬ`` since before
``bob``."""

JOURNAL = "9392d8d4978d4c07834b264ff977dc17"
LAST = 20


class Program(Client):
    """One that comes back with its token."""

    def come_back(self, name: str, **hello: Any) -> dict[str, Any]:
        """Say hello as a program that knows its old name, and nothing of a new one."""
        self.tell(type="hello", name=name, token=TOKENS[name], journal=JOURNAL, since=LAST, **hello)
        return self.hear("welcome")

    def tell(self, **message: Any) -> None:
        """Send a message."""
        self.say(json.dumps(message))

    def hear(self, *types: str) -> dict[str, Any]:
        """Return the next message of one of some types."""
        while True:
            message: dict[str, Any] = json.loads(self.read_line())
            if message["type"] in types:
                return message


class UpgradeTests(TestCase):
    def setUp(self) -> None:
        self.folder = folder_for(self)
        self.history = self.folder / "chat.sqlite"
        with closing(sqlite3.connect(self.history)) as connection:
            connection.executescript(VERSION_4.read_text(encoding="utf-8"))

    def test_people_and_rooms_have_names_of_today_with_all_that_was_theirs(self) -> None:
        server = Server(self, folder=self.folder)
        for line in (
            "#what? is #what_ from now on: '?' can't be part of a room's name",
            "007 is called _007 from now on: a name can't begin with a digit",
            "ana! is called ana_ from now on: '!' can't be part of a name",
            "gone? is called gone_ from now on: '?' can't be part of a name",
            "bob is called bob2 from now on: it looks like ЬоЬ, who was in a room first",
        ):
            self.assertIn(line, server.log)
        self.assertNotIn("ЬоЬ is called", server.log)

        bob = Program(self, server.address)
        welcome = bob.come_back("bob")
        self.assertEqual(
            (welcome["name"], welcome["resumed"], welcome["gap"]), ("bob2", True, False)
        )
        self.assertEqual(
            welcome["rooms"],
            [
                {"room": "lobby", "people": 4, "topic": ""},
                {"room": "what_", "people": 2, "topic": "questions", "locked": True},
            ],
        )
        # What he missed: who is called otherwise, and which room.
        told = [bob.hear("renamed", "acted") for _ in range(6)]
        self.assertEqual(
            [(event["type"], event["room"], event.get("name")) for event in told],
            [
                ("acted", "what_", None),
                ("renamed", "lobby", "_007"),
                ("renamed", "what_", "_007"),
                ("renamed", "lobby", "bob2"),
                ("renamed", "what_", "bob2"),
                ("renamed", "lobby", "ana_"),
            ],
        )
        self.assertEqual(
            told[0]["text"],
            "calls this room #what_ from now on, and not #what?: "
            "'?' can't be part of a room's name",
        )

        for old, new in {"ЬоЬ": "ЬоЬ", "007": "_007", "ana!": "ana_", "gone?": "gone_"}.items():
            one = Program(self, server.address)
            self.assertEqual(one.come_back(old)["name"], new)
            if new != old:
                self.assertEqual(
                    one.hear("notice")["text"],
                    f"you are {new} now: {old} can't be your name any more, or is another's",
                )
            one.tell(type="say", room="lobby", text=f"I was {old}", seq=9)
            if old == "ana!":
                self.assertEqual(one.hear("ok", "error")["code"], "muted")
            else:
                one.hear("ok")
                said = bob.hear("said")
                self.assertEqual((said["author"], said["text"]), (new, f"I was {old}"))

        person = Client(self, server.address, "eve")
        person.ask("/join what_", "-- #what_ is locked: nobody can come in now\r\n")
        person.ask("/join what?", "'?' can't be part of a room's name")

    def test_it_is_done_once_and_holds_after_a_crash(self) -> None:
        server = Server(self, folder=self.folder)
        server.kill()
        stored = self.stored()
        again = Server(self, folder=self.folder)
        self.assertNotIn("from now on", again.log)
        again.kill()
        self.assertEqual(self.stored(), stored)
        rooms, names, mutes, rules, said = stored
        self.assertEqual(rooms, {"lobby", "operators", "what_"})
        self.assertEqual(names, {"bob2", "ЬоЬ", "_007", "ana_", "gone_"})
        self.assertEqual(mutes, {"ana_"})
        self.assertEqual(rules, str(RULES))
        # As it was said.
        self.assertEqual(said, [("007", "who?"), ("gone?", "bye")])

    def stored(self) -> tuple[set[str], set[str], set[str], str, list[tuple[str, str]]]:
        with closing(sqlite3.connect(self.history)) as file:
            rooms = {room for (room,) in file.execute("SELECT DISTINCT room FROM events")}
            facts = file.execute("SELECT * FROM facts").fetchall()
            said = file.execute(
                "SELECT author, text FROM events WHERE room = 'what_' AND kind = 'said'"
            ).fetchall()
        return (
            {room for room in rooms if not room.startswith("@")},
            {json.loads(value)["name"] for kind, _, value in facts if kind == "session"},
            {name for kind, name, _ in facts if kind == "mute"},
            next(value for kind, name, value in facts if (kind, name) == ("node", "rules")),
            said,
        )

    def test_a_file_of_newer_rules_is_refused(self) -> None:
        Server(self, folder=self.folder).stop()
        with closing(sqlite3.connect(self.history)) as file, file:
            file.execute("UPDATE facts SET value = '99' WHERE name = 'rules'")
        done = run(TWISTD, "-n", "--pidfile=", "chat", "--listen", "tcp:0", folder=self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(
            done.stderr.rstrip().endswith("it was written by a newer version (rules for names 99)"),
            done,
        )
