from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial import unittest

from chatservice.core.presence import MOMENT
from chatservice.core.refusals import Refusal
from chatservice.core.shares import BYTES_AN_EVENT, STORED_AT_ONCE, Rate, Shares
from chatservice.limits import Limits
from chatservice.messages import Code
from tests.core.support import House, HouseTestCase, Person
from tests.welcome import entered

ANA, BOB = "192.0.2.1", "192.0.2.2"


class RateTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def test_so_much_may_happen_at_once_and_then_so_much_a_second(self) -> None:
        rate = Rate(self.clock, 2, 3)
        happened = 0
        for _ in range(40):
            while rate.allows("x"):
                rate.count("x")
                happened += 1
            self.clock.advance(0.25)
        self.assertEqual(happened, 3 + 20)

    def test_each_thing_has_its_own(self) -> None:
        rate = Rate(self.clock, 1, 1)
        rate.count("x")
        self.assertFalse(rate.allows("x"))
        self.assertTrue(rate.allows("y"))

    @given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 4)), max_size=30))
    def test_who_waits_as_long_as_it_is_told_is_never_faster(
        self, steps: list[tuple[float, int]]
    ) -> None:
        clock = Clock()
        rate = Rate(clock, 2, 3)
        happened = 0
        for wait, more in steps:
            clock.advance(wait)
            for _ in range(more):
                due = rate.count("x")
                happened += 1
                self.assertTrue(not due or due > clock.seconds())
                clock.advance(max(0.0, due - clock.seconds()))
        self.assertLessEqual(happened, 3 + 2 * clock.seconds() + 1)

    def test_what_is_not_ahead_is_forgotten(self) -> None:
        rate = Rate(self.clock, 1, 1)
        for number in range(100_000):
            rate.count(number)
            self.clock.advance(0.01)
        self.assertLess(len(rate), 3000)

    def test_nought_is_any_number(self) -> None:
        for rate in (Rate(self.clock, 0, 3), Rate(self.clock, 3, 0)):
            self.assertEqual({rate.count("x") for _ in range(1000)}, {0.0})
            self.assertTrue(rate.allows("x"))

    def test_it_can_be_lifted(self) -> None:
        rate = Rate(self.clock, 1, 1)
        rate.count("x")
        rate.lift()
        self.assertTrue(rate.allows("x"))
        self.assertEqual(rate.count("x"), 0.0)


class SharesTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def shares(self, **limits: int) -> Shares:
        return Shares(self.clock, Limits(**limits))

    def test_lines_in_one_room_have_a_rate(self) -> None:
        shares = self.shares(room_rate=10, room_burst=5)
        waits = [shares.said(ANA, "lobby", "hi") for _ in range(25)]
        self.assertEqual(waits[:4], [0.0] * 4)
        self.assertEqual(round(waits[-1]), 2)
        self.assertEqual(shares.said(ANA, "dev", "hi"), 0.0)
        self.assertEqual(shares.said(BOB, "lobby", "hi"), 0.0)

    def test_so_has_what_is_stored(self) -> None:
        shares = self.shares(stored_per_address=1, room_burst=0)
        at_once = STORED_AT_ONCE * 1024
        size = 1024 - BYTES_AN_EVENT
        waits = [
            shares.said(ANA, f"room{n}", "ü" * (size // 2)) for n in range(at_once // 1024 + 10)
        ]
        self.assertEqual(set(waits[: at_once // 1024 - 1]), {0.0})
        self.assertEqual(round(waits[-1]), 10)

    def test_so_have_names(self) -> None:
        shares = self.shares(max_per_address=1, names_per_address=1)
        for _ in range(2):
            shares.check_name(ANA)
            shares.named(ANA)
        self.assertEqual(self.assertRaises(Refusal, shares.check_name, ANA).code, Code.CROWDED)
        shares.check_name(BOB)
        self.clock.advance(60)
        shares.check_name(ANA)

    def test_as_many_names_may_be_given_at_once_as_there_may_be_connections(self) -> None:
        shares = self.shares(max_per_address=40, names_per_address=2)
        for _ in range(42):
            shares.check_name(ANA)
            shares.named(ANA)
        self.assertRaises(Refusal, shares.check_name, ANA)

    def test_rooms_are_counted_until_they_are_gone(self) -> None:
        shares = self.shares(rooms_per_address=2)
        shares.new_room(ANA)
        shares.new_room(ANA)
        self.assertEqual(self.assertRaises(Refusal, shares.new_room, ANA).code, Code.NOT_LET_IN)
        shares.new_room(BOB)
        shares.room_gone(ANA)
        shares.new_room(ANA)

    def test_without_a_rate_of_lines_rooms_have_none(self) -> None:
        shares = self.shares(rate=0, room_rate=1, room_burst=1)
        self.assertEqual({shares.said(ANA, "lobby", "hi") for _ in range(1000)}, {0.0})

    def test_without_a_number_of_connections_nothing_is_counted(self) -> None:
        shares = self.shares(max_per_address=0)
        for address in (ANA, ""):
            for _ in range(5000):
                self.assertTrue(shares.connections.allows(address))
                shares.connections.count(address)
                shares.check_name(address)
                shares.named(address)
                shares.new_room(address)
                self.assertEqual(shares.said(address, "lobby", "x" * 8000), 0.0)

    def test_without_an_address_nothing_is_counted(self) -> None:
        shares = self.shares()
        for _ in range(5000):
            shares.check_name("")
            shares.named("")
            shares.new_room("")
            self.assertEqual(shares.said("", "lobby", "x" * 8000), 0.0)


class MemberTests(HouseTestCase):
    """Whose address says how much."""

    def setUp(self) -> None:
        super().setUp()
        self.house = self.open(room_rate=1, room_burst=5, max_per_address=9, rooms_per_address=2)
        self.ana, self.amy, self.bob = (
            self.come(name, site) for name, site in (("ana", ANA), ("amy", ANA), ("bob", BOB))
        )
        self.house.tick()
        for person in (self.ana, self.amy, self.bob):
            person.read()

    def come(self, name: str, site: str, house: House | None = None) -> Person:
        person = Person(house or self.house)
        person.outlet.site = site
        person.enter(name)
        return person

    def test_who_says_too_much_in_a_room_has_to_wait_and_nobody_else(self) -> None:
        for number in range(9):
            self.ana.type(f"line {number}")
        self.assertGreater(self.ana.outlet.waits_until, self.house.clock.seconds())
        self.amy.type("/say lobby hi")
        self.assertGreater(self.amy.outlet.waits_until, self.house.clock.seconds())
        self.bob.type("hi")
        self.assertEqual(self.bob.outlet.waits_until, 0.0)

    def test_so_it_is_for_each_way_to_be_seen(self) -> None:
        self.ana.type("/join dev")
        self.house.tick()
        for line in ("/me waves", "/msg bob hi", "/topic x", "/nick anna", "/nick ana", "hi"):
            self.ana.outlet.waits_until = 0.0
            for _ in range(9):
                self.ana.type(line)
                self.house.tick()
            if line not in ("/nick anna", "/nick ana"):
                self.assertTrue(self.ana.outlet.waits_until, line)
        for _ in range(9):
            self.ana.outlet.waits_until = 0.0
            self.ana.tries("/leave dev")
            waits = self.ana.outlet.waits_until
            self.ana.tries("/join dev")
        self.assertTrue(waits)

    def test_so_many_rooms_are_of_one_address(self) -> None:
        self.ana.tries("/join one")
        self.amy.tries("/join two")
        self.assertEqual(
            self.ana.tries("/join three"), ["-- there are 2 rooms of your address already"]
        )
        self.bob.tries("/join three")
        self.assertIn(entered("three", "bob"), self.ana.tries("/join three"))
        self.amy.tries("/leave two")
        self.assertIn(entered("four"), self.amy.tries("/join four"))

    def test_names_are_taken_at_a_rate(self) -> None:
        house = self.open(names_per_address=3, max_per_address=1)
        ana = self.come("ana", ANA, house)
        house.tick()
        ana.read()
        for name in ("a1", "a2", "a3"):
            ana.tries(f"/nick {name}")
        refused = ["-- too many new names from your address: please wait a minute"]
        self.assertEqual(ana.tries("/nick a4"), refused)
        self.assertEqual(self.assertRaises(Refusal, self.come, "amy", ANA, house).code, "crowded")
        self.come("bob", BOB, house)
        house.tick(20)
        ana.tries("/nick a4")
        self.assertEqual(ana.member.name, "a4")

    def test_parting_words_are_of_who_has_spoken(self) -> None:
        words = "-- parting words are shown once you have said something, or stayed a moment"
        self.amy.read()
        self.assertEqual(self.ana.tries("/quit BUY COINS"), [words, "-- goodbye, ana"])
        self.assertEqual(self.amy.read(), ["-- ana left"])
        self.bob.tries("/msg amy hi")
        self.assertIn(words, self.bob.tries("/quit BUY COINS"))
        self.amy.read()
        cy = self.come("cy", BOB)
        cy.tries("hi")
        self.amy.read()
        self.assertEqual(cy.tries("/quit see you"), ["-- goodbye, cy"])
        self.assertEqual(self.amy.read(), ["-- cy left (see you)"])

    def test_or_of_who_has_stayed_a_moment(self) -> None:
        self.house.tick(MOMENT)
        self.amy.read()
        self.ana.tries("/quit see you")
        self.assertEqual(self.amy.read(), ["-- ana left (see you)"])
