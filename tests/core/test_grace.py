from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial import unittest

from chatservice.core.grace import Absences
from chatservice.core.members import Member
from chatservice.core.outlet import NOWHERE
from chatservice.doors.json.view import JSON
from chatservice.limits import Limits
from tests.core.support import RecordingOutlet


class AbsencesTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.over: list[str] = []
        self.make()

    def make(self, **limits: int) -> None:
        self.absences = Absences(
            self.clock, Limits(**limits), lambda member: self.over.append(member.name)
        )
        self.addCleanup(self.absences.stop)

    def add(self, name: str, address: str = "192.0.2.1") -> Member:
        outlet = RecordingOutlet()
        outlet.address = address
        member = Member(name, outlet, JSON)
        self.absences.add(member)
        return member

    def test_an_absence_is_over_after_the_grace(self) -> None:
        member = self.add("bot")
        self.assertIn(member, self.absences)
        self.clock.advance(89.9)
        self.assertEqual(self.over, [])
        self.clock.advance(0.1)
        self.assertEqual(self.over, ["bot"])
        self.assertNotIn(member, self.absences)

    def test_who_is_back_is_not_away(self) -> None:
        member = self.add("bot")
        self.absences.discard(member)
        self.absences.discard(member)
        self.clock.advance(1000)
        self.assertEqual(self.over, [])

    def test_each_absence_is_a_new_one(self) -> None:
        member = self.add("bot")
        self.clock.advance(60)
        self.absences.discard(member)
        self.absences.add(member)
        self.clock.advance(60)
        self.assertEqual(self.over, [])
        self.clock.advance(30)
        self.assertEqual(self.over, ["bot"])

    def test_of_too_many_of_one_address_the_one_away_longest_is_over(self) -> None:
        self.make(max_per_address=2)
        self.add("a1")
        self.add("b1", "192.0.2.2")
        second = self.add("a2")
        self.add("a3")
        self.assertEqual(self.over, ["a1"])
        self.absences.discard(second)
        self.add("a4")
        self.assertEqual(self.over, ["a1"])
        self.add("a5")
        self.assertEqual(self.over, ["a1", "a3"])

    def test_addresses_of_one_site_are_one(self) -> None:
        self.make(max_per_address=1)
        self.add("a1", "2001:db8::1")
        self.add("a2", "2001:db8::2")
        self.add("b1", "2001:db8:1::1")
        self.assertEqual(self.over, ["a1"])

    def test_who_has_no_address_is_counted_in_all_alone(self) -> None:
        self.make(max_per_address=1, max_connections=3)
        for name in ("a", "b", "c"):
            self.absences.add(Member(name, NOWHERE, JSON))
        self.assertEqual(self.over, [])
        self.absences.add(Member("d", NOWHERE, JSON))
        self.assertEqual(self.over, ["a"])

    def test_without_limits_any_number_may_be_away(self) -> None:
        self.make(max_per_address=0, max_connections=0)
        for number in range(100):
            self.add(str(number))
        self.assertEqual(self.over, [])

    def test_when_it_stops_nobody_s_absence_is_over(self) -> None:
        self.add("bot")
        self.absences.stop()
        self.clock.advance(1000)
        self.assertEqual(self.over, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
