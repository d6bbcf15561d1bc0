"""The lines that scripts of other people read, to the letter."""

from __future__ import annotations

from twisted.trial import unittest

from tests.doors.support import House


class WelcomeTests(unittest.TestCase):
    def test_who_comes_in_is_told_so(self) -> None:
        house = House()
        ana, bob, eve = house.connect(), house.connect(), house.connect()
        house.run(1)
        ana.say("ana")
        house.run(1)
        bob.say("bob")
        house.run(1)
        eve.say("eve", "/join dev")
        house.run(1)
        self.assertEqual(
            ana.read(),
            [
                "-- welcome! what is your name?",
                "-- hello ana! /help shows what you can do",
                "-- you are in #lobby: no one else yet",
                "-- bob joined",
                "-- eve joined",
            ],
        )
        self.assertEqual(
            bob.read(),
            [
                "-- welcome! what is your name?",
                "-- hello bob! /help shows what you can do",
                "-- you are in #lobby with ana",
                "-- eve joined",
            ],
        )
        self.assertEqual(
            eve.read(),
            [
                "-- welcome! what is your name?",
                "-- hello eve! /help shows what you can do",
                "-- you are in #lobby with ana and bob",
                "-- you are in #dev: no one else yet",
            ],
        )
