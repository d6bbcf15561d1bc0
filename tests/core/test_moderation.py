from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial import unittest

from chatservice.core.moderation import BAN, LOCK, MUTE, Standing, Term, moment
from chatservice.journal.events import TOPIC, Fact
from tests.core.support import START

HOUR = 3_600_000
DAY = 24 * HOUR


class TermTests(unittest.TestCase):
    def test_it_says_until_when_and_why(self) -> None:
        self.assertEqual(Term("bo").says, "")
        self.assertEqual(Term("bo", 0, "spam").says, ": spam")
        self.assertEqual(Term("bo", START).says, " until 2026-03-14 09:26 UTC")
        self.assertEqual(Term("bo", START, "spam").says, " until 2026-03-14 09:26 UTC: spam")

    def test_it_is_over_from_its_end_on(self) -> None:
        clock = Clock()
        standing = Standing(clock, lambda: START)
        for_ever, short = Term("cy"), Term("bo", START + 60_000, seconds=60)
        standing.apply([for_ever.fact(MUTE, "cy"), short.fact(MUTE, "bo")])
        clock.advance(59.9)
        self.assertIsNotNone(standing.muted("bo"))
        clock.advance(0.1)
        self.assertIsNone(standing.muted("bo"))
        self.assertIsNotNone(standing.muted("cy"))

    def test_as_a_fact_it_is_the_same_but_for_its_end_here(self) -> None:
        term = Term("Bo", START, 'so "it" is, 小林', 60)
        clock = Clock()
        clock.advance(1000)
        standing = Standing(clock, lambda: 0)
        standing.apply([term.fact(MUTE, "bo")])
        self.assertEqual(standing.mutes, {"bo": term._replace(end=1060.0)})
        self.assertIn("小林", term.fact(MUTE, "bo").value)
        self.assertEqual(term.fact(MUTE, "bo"), standing.mutes["bo"].fact(MUTE, "bo"))

    def test_one_that_an_older_version_has_stored_can_be_read(self) -> None:
        standing = Standing(Clock(), lambda: START - 60_000)
        standing.apply([Fact(MUTE, "bo", f'["Bo", {START}, "why"]')])
        self.assertEqual(standing.mutes, {"bo": Term("Bo", START, "why", 0, 60.0)})

    def test_a_moment_is_utc(self) -> None:
        self.assertEqual(moment(0), "1970-01-01 00:00 UTC")
        self.assertEqual(moment(START + 59_999), "2026-03-14 09:26 UTC")


class StandingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.wrong = 0
        self.standing = Standing(self.clock, self.now)

    def now(self) -> int:
        return START + self.wrong + round(self.clock.seconds() * 1000)

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
        self.clock.advance(3599)
        self.assertIsNotNone(self.standing.muted("bo"))
        self.clock.advance(1)
        self.assertIsNone(self.standing.muted("bo"))
        self.assertIsNotNone(self.standing.muted("cy"))

    def test_a_ban_ends_and_a_wider_one_holds(self) -> None:
        self.ban("192.0.2.7/32", START + 1 * HOUR)
        self.ban("192.0.2.0/24", START + 3 * HOUR)
        self.ban("192.0.0.0/16", START + 2 * HOUR)
        for hours, network in ((0, "192.0.2.7/32"), (1, "192.0.2.0/24"), (2, "192.0.2.0/24")):
            self.clock.rightNow = hours * 3600.0
            term = self.standing.banned("192.0.2.7")
            self.assertEqual(None if term is None else term.name, network)
        self.clock.rightNow = 3 * 3600.0
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
        self.clock.advance(3600)
        self.assertIsNone(self.standing.muted("bo"))
        self.assertIsNotNone(self.standing.banned("192.0.2.7"))
        over = [Fact(MUTE, "bo", ""), Fact(BAN, "192.0.2.0/24", "")]
        self.assertEqual(self.standing.forget(), over)
        self.assertEqual(self.standing.forget(), [])
        self.assertEqual(list(self.standing.mutes), ["cy"])
        self.assertEqual(
            [str(network) for network, _ in self.standing.bans.items()], ["192.0.0.0/16"]
        )

    def test_what_waits_to_hold_anew_is_not_forgotten(self) -> None:
        for name in ("bo", "cy"):
            self.mute(name, START + HOUR)
        self.clock.advance(3600)
        waiting = [Term("bo", 0, "", 0).fact(MUTE, "bo")]
        self.assertEqual(self.standing.forget(waiting), [Fact(MUTE, "cy", "")])
        self.assertEqual(list(self.standing.mutes), ["bo"])

    def test_when_the_time_of_day_is_set_a_term_lasts_as_long(self) -> None:
        for name, step in (("bo", -HOUR), ("cy", HOUR), ("di", 40 * DAY)):
            self.mute(name, self.now() + HOUR)
            self.wrong += step
            self.clock.advance(3599)
            self.assertIsNotNone(self.standing.muted(name), step)
            self.assertEqual(self.standing.forget(), [], step)
            self.clock.advance(1)
            self.assertIsNone(self.standing.muted(name), step)
            self.assertEqual(self.standing.forget(), [Fact(MUTE, name, "")], step)

    def test_what_is_said_just_now_lasts_from_now_on_whatever_the_time_is_elsewhere(self) -> None:
        for name, step in (("bo", -DAY), ("cy", DAY)):
            fact = Term(name, self.now() + step + HOUR, "", 3600).fact(MUTE, name)
            self.standing.apply([fact])
            self.clock.advance(3599)
            self.assertIsNotNone(self.standing.muted(name), step)
            self.clock.advance(1)
            self.assertIsNone(self.standing.muted(name), step)

    def test_over_a_restart_the_time_of_day_says_what_is_left(self) -> None:
        for name, left in (("bo", 600), ("cy", 0), ("di", 3600)):
            fact = Term(name, self.now() + left * 1000, "", 3600).fact(MUTE, name)
            self.standing.apply([fact], just_now=False)
            self.clock.advance(left - 1 if left else 0)
            self.assertEqual(self.standing.muted(name) is not None, left > 0, left)
            self.clock.advance(1)
            self.assertIsNone(self.standing.muted(name), left)

    def test_over_a_restart_with_a_clock_that_is_behind_it_lasts_no_longer_than_it_is(self) -> None:
        fact = Term("bo", self.now() + 400 * DAY, "", 3600).fact(MUTE, "bo")
        self.standing.apply([fact], just_now=False)
        self.clock.advance(3600)
        self.assertIsNone(self.standing.muted("bo"))

    def test_what_holds_can_be_listed(self) -> None:
        self.mute("bo", START + HOUR)
        self.mute("cy")
        self.ban("192.0.2.0/24", START + HOUR)
        self.ban("192.0.0.0/16")
        self.clock.advance(3600)
        self.assertEqual([term.name for term in self.standing.held_mutes()], ["cy"])
        self.assertEqual([term.name for term in self.standing.held_bans()], ["192.0.0.0/16"])
