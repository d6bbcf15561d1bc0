"""Which of a peer's first lines is a person's, and which a program's."""

from __future__ import annotations

import json

from twisted.trial import unittest

from tests.doors.support import House
from tests.welcome import ALONE, GREETING, hello

HELLO = '{"type":"hello","name":"bot"}'


class PersonOrProgramTests(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House()

    def test_who_begins_with_anything_but_a_brace_is_a_person(self) -> None:
        for first in ("ana", "[1]", "-- {", "x\ufeff{}", "\u00a0{"):
            peer = self.house.connect()
            peer.say(first)
            self.assertEqual(peer.read()[0], GREETING, first)

    def test_a_person_is_a_person_for_good(self) -> None:
        ana = self.house.enter("ana")
        bo = self.house.enter("bo")
        bo.say(HELLO)
        self.assertEqual(ana.hear()[-1], f"<bo> {HELLO}")

    def test_in_a_later_line_a_brace_is_part_of_a_name(self) -> None:
        peer = self.house.connect()
        peer.say("a b", HELLO, "ana")
        self.assertEqual(peer.hear()[-2:], [hello("ana"), ALONE])

    def test_who_was_greeted_may_still_be_a_program(self) -> None:
        peer = self.house.connect()
        self.assertEqual(peer.hear(), [GREETING])
        peer.say(HELLO)
        self.assertEqual([json.loads(m)["type"] for m in peer.hear()], ["welcome", "ok"])

    def test_people_and_programs_meet(self) -> None:
        ana = self.house.enter("ana")
        peer = self.house.connect()
        peer.say(HELLO)
        self.assertEqual(ana.hear(), ["-- bot joined"])
        peer.hear()
        ana.say("hi")
        peer.say('{"type":"say","room":"lobby","text":"hello ana"}')
        self.assertEqual(ana.hear(), ["<bot> hello ana"])
        self.assertEqual([json.loads(m)["type"] for m in peer.hear()], ["said", "ok"])
