from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial import unittest

from chatservice.core.sessions import Period, Reading, Session
from chatservice.core.tokens import Tokens, digest
from chatservice.journal.events import Fact
from chatservice.limits import Limits
from tests.core.support import START

DAY = 86_400


class TokensTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.wrong = 0
        self.tokens = self.make()

    def now(self) -> int:
        return START + self.wrong + round(self.clock.seconds() * 1000)

    def make(self, life: int = 7, most: int = 3) -> Tokens:
        return Tokens(self.clock, self.now, Limits(token_life=life, max_tokens=most))

    def issue(self, name: str = "bot") -> tuple[str, Session]:
        """A session that has come in."""
        token, session = self.tokens.issue(name)
        self.tokens.here(session)
        return token, session


class TokensTests(TokensTestCase):
    def test_each_token_is_random_and_another(self) -> None:
        tokens = {self.issue()[0] for _ in range(100)}
        self.assertEqual(len(tokens), 100)
        self.assertEqual({len(token) for token in tokens}, {32})
        self.assertEqual(len({s.origin for s in self.tokens.all()}), 100)

    def test_a_session_is_found_by_its_token_once_it_is_here(self) -> None:
        token, session = self.tokens.issue("bot")
        self.assertIsNone(self.tokens.find(token))
        self.assertEqual(len(self.tokens), 0)
        self.tokens.here(session)
        self.assertIs(self.tokens.find(token), session)
        self.assertIs(self.tokens.of(session.origin), session)
        self.assertIsNone(self.tokens.find(token.swapcase()))
        self.assertIsNone(self.tokens.of(session.origin + 1))

    def test_a_session_does_not_hold_its_token(self) -> None:
        token, session = self.issue()
        self.assertEqual(session.digest, digest(token))
        self.assertNotIn(token, repr(session.fact(Reading())))

    def test_whatever_is_given_for_a_token_has_a_digest(self) -> None:
        for token in ("", "\ud800", "x" * 100_000, "naïve"):
            self.assertEqual(len(digest(token)), 64)
            self.assertIsNone(self.tokens.find(token))

    def test_a_token_expires_only_when_its_session_has_left(self) -> None:
        token, session = self.issue()
        self.clock.advance(100 * DAY)
        self.assertIs(self.tokens.find(token), session)
        self.tokens.left(session)
        self.clock.advance(7 * DAY - 1)
        self.assertIs(self.tokens.find(token), session)
        self.assertEqual(self.tokens.forget_expired(), [])
        self.clock.advance(1)
        self.assertIsNone(self.tokens.find(token))
        self.assertEqual(self.tokens.forget_expired(), [Fact("session", session.digest, "")])
        self.assertTrue(session.dropped)
        self.assertEqual(len(self.tokens), 0)
        self.assertIsNone(self.tokens.of(session.origin))

    def test_to_come_back_begins_its_life_anew(self) -> None:
        token, session = self.issue()
        self.tokens.left(session)
        self.clock.advance(6 * DAY)
        self.tokens.here(session)
        self.tokens.left(session)
        self.clock.advance(6 * DAY)
        self.assertIs(self.tokens.find(token), session)

    def test_of_too_many_that_left_those_that_left_first_are_forgotten(self) -> None:
        sessions = [self.issue()[1] for _ in range(6)]
        for session in sessions[:3]:
            self.assertEqual(self.tokens.left(session), [])
        self.tokens.here(sessions[0])
        self.assertEqual(self.tokens.left(sessions[3]), [])
        facts = self.tokens.left(sessions[0])
        self.assertEqual([fact.name for fact in facts], [sessions[1].digest])
        self.assertEqual(len(self.tokens), 5)

    def test_what_was_stored_is_taken_up_in_the_order_in_which_it_left(self) -> None:
        here, *away = [self.issue()[1] for _ in range(4)]
        facts = [Fact("topic", "lobby", "cake"), here.fact(Reading())]
        for session in away:
            self.clock.advance(1)
            self.tokens.left(session)
            facts.insert(1, session.fact(Reading()))
        again = self.make(most=2)
        (restored,) = again.restore(facts)
        self.assertEqual(restored.digest, here.digest)
        self.assertEqual(len(again), 4)
        forgotten = again.left(restored)
        self.assertEqual([fact.name for fact in forgotten], [one.digest for one in away[:2]])

    def test_when_the_time_of_day_is_set_a_token_lives_as_long(self) -> None:
        for step in (-40 * DAY, 40 * DAY, -60):
            token, session = self.issue()
            self.tokens.left(session)
            self.wrong += step * 1000
            self.clock.advance(7 * DAY - 1)
            self.assertIs(self.tokens.find(token), session, step)
            self.assertEqual(self.tokens.forget_expired(), [], step)
            self.clock.advance(1)
            self.assertIsNone(self.tokens.find(token), step)
            self.assertEqual(len(self.tokens.forget_expired()), 1, step)

    def restored(self, passed: int, in_doubt: bool = False) -> tuple[Tokens, str]:
        """What is there after a restart that takes so many seconds, by the time of day."""
        token, session = self.issue()
        self.tokens.left(session)
        self.wrong += passed * 1000
        again = self.make()
        again.in_doubt = in_doubt
        self.assertEqual(again.restore([session.fact(Reading())]), [])
        return again, token

    def test_over_a_restart_the_time_of_day_says_what_is_left(self) -> None:
        again, token = self.restored(6 * DAY)
        self.clock.advance(1 * DAY - 1)
        self.assertIsNotNone(again.find(token))
        self.clock.advance(1)
        self.assertIsNone(again.find(token))
        again, token = self.restored(8 * DAY)
        self.assertIsNone(again.find(token))

    def test_over_a_restart_with_a_clock_that_is_behind_none_lives_longer(self) -> None:
        again, token = self.restored(-400 * DAY)
        self.clock.advance(7 * DAY - 1)
        self.assertIsNotNone(again.find(token))
        self.clock.advance(1)
        self.assertIsNone(again.find(token))

    def test_while_the_time_of_day_is_in_doubt_what_was_stored_has_not_expired(self) -> None:
        again, token = self.restored(400 * DAY, in_doubt=True)
        self.assertEqual(again.forget_expired(), [])
        self.assertIsNotNone(again.find(token))
        self.clock.advance(7 * DAY)
        self.assertEqual(len(again.forget_expired()), 1)

    def test_numbers_that_no_fact_tells_are_known(self) -> None:
        _, session = self.issue()
        self.issue()
        self.assertEqual(list(self.tokens.unnoted()), [])
        session.seq = 7
        self.assertEqual(list(self.tokens.unnoted()), [session])
        session.fact(Reading())
        self.assertEqual(list(self.tokens.unnoted()), [])


class LearningTests(TokensTestCase):
    """What other processes have stored of sessions."""

    def fact(self, session: Session, reading: Reading | None = None, **more: object) -> Fact:
        """Return what another process has stored of a session that is like this one."""
        told = Session(session.digest, session.origin, session.name, session.seen)
        for name, value in more.items():
            setattr(told, name, value)
        return told.fact(reading or Reading())

    def test_one_that_was_not_known_is_known_from_then_on(self) -> None:
        token, session = self.tokens.issue("bot")
        reading = Reading({"lobby": 7}, (Period("dev", 1, 2),), 1)
        learnt = self.tokens.learn(self.fact(session, reading, seq=5, heard=True), here=True)
        self.assertIs(self.tokens.find(token), learnt)
        self.assertIs(self.tokens.of(session.origin), learnt)
        self.assertEqual((learnt.name, learnt.reading, learnt.here), ("bot", reading, True))
        self.assertEqual((learnt.seq, learnt.noted, learnt.heard), (5, 5, True))

    def test_one_that_is_known_stays_the_same_and_is_as_it_is_told(self) -> None:
        _, session = self.issue()
        reading = Reading({"lobby": 7})
        fact = self.fact(session, reading, name="robot", seen=2000, seq=5, heard=True)
        self.assertIs(self.tokens.learn(fact, here=True), session)
        self.assertEqual((session.name, session.reading), ("robot", reading))
        self.assertEqual((session.seen, session.seq, session.noted), (2000, 5, 5))
        self.assertTrue(session.heard)

    def test_a_higher_number_that_is_known_here_stays(self) -> None:
        _, session = self.issue()
        session.seq = 9
        self.tokens.learn(self.fact(session, seq=5), here=True)
        self.assertEqual((session.seq, session.noted), (9, 5))
        self.assertEqual(list(self.tokens.unnoted()), [session])

    def test_whether_it_is_here_is_as_it_is_said(self) -> None:
        _, session = self.issue()
        self.tokens.learn(self.fact(session), here=False)
        self.assertFalse(session.here)
        self.clock.advance(7 * DAY)
        self.assertEqual(len(self.tokens.forget_expired()), 1)

    def test_what_was_stored_just_now_has_its_whole_life_whatever_the_time_is_elsewhere(
        self,
    ) -> None:
        for step in (-40 * DAY, 40 * DAY):
            token, session = self.issue()
            seen = self.now() + step * 1000
            self.tokens.learn(self.fact(session, seen=seen), here=False)
            self.clock.advance(7 * DAY - 1)
            self.assertIsNotNone(self.tokens.find(token), step)
            self.clock.advance(1)
            self.assertIsNone(self.tokens.find(token), step)

    def test_of_what_is_read_later_the_time_of_day_says_what_is_left(self) -> None:
        token, session = self.issue()
        seen = self.now() - 6 * DAY * 1000
        self.tokens.learn(self.fact(session, seen=seen), here=False, just_now=False)
        self.clock.advance(1 * DAY - 1)
        self.assertIsNotNone(self.tokens.find(token))
        self.clock.advance(1)
        self.assertIsNone(self.tokens.find(token))

    def test_one_that_comes_back_elsewhere_does_not_expire(self) -> None:
        token, session = self.issue()
        self.tokens.left(session)
        self.tokens.learn(self.fact(session), here=True)
        self.clock.advance(100 * DAY)
        self.assertEqual(self.tokens.forget_expired(), [])
        self.assertIs(self.tokens.find(token), session)

    def test_in_which_rooms_it_was_is_as_it_was_told_once_it_was_elsewhere(self) -> None:
        for was_here, here, wanted in (
            (True, True, None),
            (True, False, None),
            (False, True, None),
            (False, False, ["lobby"]),
        ):
            _, session = self.issue()
            if not was_here:
                self.tokens.left(session)
            session.rooms = ["lobby"]
            self.tokens.learn(self.fact(session), here=here)
            self.assertEqual(session.rooms, wanted, (was_here, here))

    def test_one_that_was_forgotten_elsewhere_is_forgotten(self) -> None:
        token, session = self.issue()
        self.assertIs(self.tokens.drop(session.digest), session)
        self.assertTrue(session.dropped)
        self.assertIsNone(self.tokens.find(token))
        self.assertIsNone(self.tokens.of(session.origin))
        self.assertIsNone(self.tokens.drop(session.digest))
