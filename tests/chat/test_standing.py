from __future__ import annotations

from twisted.trial import unittest

from chatservice.chat.standing import BAN, LOCK, MUTE, Standing, Term, moment
from chatservice.journal.events import TOPIC, Fact
from tests.chat.support import START

HOUR = 3_600_000


class TermTests(unittest.TestCase):
    def test_it_says_until_when_and_why(self) -> None:
        self.assertEqual(Term("bo").says, "")
        self.assertEqual(Term("bo", 0, "spam").says, ": spam")
        self.assertEqual(Term("bo", START).says, " until 2026-03-14 09:26 UTC")
        self.assertEqual(Term("bo", START, "spam").says, " until 2026-03-14 09:26 UTC: spam")

    def test_it_is_over_from_its_end_on(self) -> None:
        self.assertFalse(Term("bo", START).over(START - 1))
        self.assertTrue(Term("bo", START).over(START))
        self.assertFalse(Term("bo").over(START))

    def test_as_a_fact_it_is_the_same(self) -> None:
        term = Term("Bo", START, 'so "it" is, 小林')
        standing = Standing(lambda: 0)
        standing.apply([term.fact(MUTE, "bo")])
        self.assertEqual(standing.mutes, {"bo": term})
        self.assertIn("小林", term.fact(MUTE, "bo").value)

    def test_a_moment_is_utc(self) -> None:
        self.assertEqual(moment(0), "1970-01-01 00:00 UTC")
        self.assertEqual(moment(START + 59_999), "2026-03-14 09:26 UTC")


class StandingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.now = START
        self.standing = Standing(lambda: self.now)

    def mute(self, name: str, until: int = 0) -> None:
        self.standing.apply([Term(name, until).fact(MUTE, name)])

    def ban(self, network: str, until: int = 0) -> None:
        self.standing.apply([Term(network, until).fact(BAN, network)])

    def test_at_first_nothing_holds(self) -> None:
        self.assertIsNone(self.standing.muted("bo"))
        self.assertIsNone(self.standing.banned("192.0.2.1"))
        self.assertEqual(self.standing.forget(), [])
        self.assertEqual((self.standing.topics, self.standing.locks), ({}, set()))

    def test_what_has_no_value_holds_no_more(self) -> None:
        facts = [
            Fact(TOPIC, "dev", "the plan"),
            Fact(LOCK, "dev", "locked"),
            Term("bo").fact(MUTE, "bo"),
            Term("192.0.2.0/24").fact(BAN, "192.0.2.0/24"),
        ]
        gone = [Fact(kind, name, "") for kind, name, _ in facts]
        for _ in range(2):
            self.standing.apply(facts)
            self.assertEqual(self.standing.topics, {"dev": "the plan"})
            self.assertEqual(self.standing.locks, {"dev"})
            self.assertEqual(list(self.standing.mutes), ["bo"])
            self.assertEqual(len(self.standing.bans), 1)
        for _ in range(2):
            self.standing.apply(gone)
            self.assertEqual((self.standing.topics, self.standing.locks), ({}, set()))
            self.assertEqual((self.standing.mutes, len(self.standing.bans)), ({}, 0))

    def test_the_last_of_several_holds(self) -> None:
        self.standing.apply([Fact(TOPIC, "dev", text) for text in ("one", "", "two")])
        self.assertEqual(self.standing.topics, {"dev": "two"})
        self.ban("192.0.2.0/24", START + 1)
        self.ban("192.0.2.0/24")
        self.assertEqual(self.standing.banned("192.0.2.1"), Term("192.0.2.0/24"))
        self.assertEqual(len(self.standing.bans), 1)

    def test_what_the_house_does_not_know_is_left_alone(self) -> None:
        self.standing.apply([Fact("a later version", "dev", "x")])
        self.assertEqual(self.standing.topics, {})

    def test_names_are_compared_as_names_are(self) -> None:
        self.mute("bo")
        for name in ("bo", "BO", "bо"):
            self.assertIsNotNone(self.standing.muted(name), ascii(name))
        self.assertIsNone(self.standing.muted("bob"))

    def test_a_mute_ends(self) -> None:
        self.mute("bo", START + HOUR)
        self.mute("cy")
        self.now += HOUR - 1
        self.assertIsNotNone(self.standing.muted("bo"))
        self.now += 1
        self.assertIsNone(self.standing.muted("bo"))
        self.assertIsNotNone(self.standing.muted("cy"))

    def test_a_ban_ends_and_a_wider_one_holds(self) -> None:
        self.ban("192.0.2.7/32", START + 1 * HOUR)
        self.ban("192.0.2.0/24", START + 3 * HOUR)
        self.ban("192.0.0.0/16", START + 2 * HOUR)
        for hours, network in ((0, "192.0.2.7/32"), (1, "192.0.2.0/24"), (2, "192.0.2.0/24")):
            self.now = START + hours * HOUR
            term = self.standing.banned("192.0.2.7")
            self.assertEqual(None if term is None else term.name, network)
        self.now = START + 3 * HOUR
        self.assertIsNone(self.standing.banned("192.0.2.7"))

    def test_what_is_no_address_is_not_banned(self) -> None:
        self.ban("192.0.2.0/24")
        for host in ("", "/run/chat.sock", "example.org", "::1"):
            self.assertIsNone(self.standing.banned(host))

    def test_what_is_over_is_forgotten_once(self) -> None:
        self.mute("bo", START + HOUR)
        self.mute("cy")
        self.ban("192.0.2.0/24", START + HOUR)
        self.ban("192.0.0.0/16")
        self.assertEqual(self.standing.forget(), [])
        self.now += HOUR
        self.assertIsNone(self.standing.muted("bo"))
        self.assertIsNotNone(self.standing.banned("192.0.2.7"))
        over = [Fact(MUTE, "bo", ""), Fact(BAN, "192.0.2.0/24", "")]
        self.assertEqual(self.standing.forget(), over)
        self.assertEqual(self.standing.forget(), [])
        self.assertEqual(list(self.standing.mutes), ["cy"])
        self.assertEqual(
            [str(network) for network, _ in self.standing.bans.items()], ["192.0.0.0/16"]
        )
