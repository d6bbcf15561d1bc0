from __future__ import annotations

import time

from twisted.trial import unittest

from chatservice.core.ignoring import MOST, SESSIONS_MOST, heed, ignore, recognise
from chatservice.core.members import Member
from chatservice.doors.text.view import TEXT
from tests.core.support import RecordingOutlet


class IgnoringTests(unittest.TestCase):
    def setUp(self) -> None:
        self.ana, self.bo, self.cy = map(self.member, ("ana", "bo", "cy"))
        self.people = [self.ana, self.bo, self.cy]

    def member(self, name: str) -> Member:
        return Member(name, RecordingOutlet(), TEXT)

    def rename(self, member: Member, name: str) -> None:
        """As the chat does it."""
        member.name = name
        recognise(member, self.people)

    def come(self, name: str) -> Member:
        member = self.member(name)
        recognise(member, self.people)
        self.people.append(member)
        return member

    def ignored(self) -> list[str]:
        return sorted(one.name for one in (self.ana.ignored or {}).values())

    def hides(self, member: Member) -> bool:
        return member.origin in self.ana.hidden

    def test_only_who_is_ignored_is_hidden_and_only_from_who_ignores(self) -> None:
        ignore(self.ana, self.bo)
        self.assertEqual(set(self.ana.hidden), {self.bo.origin})
        self.assertEqual((set(self.bo.hidden), set(self.cy.hidden)), (set(), set()))
        self.assertEqual(self.ignored(), ["bo"])

    def test_to_ignore_somebody_again_changes_nothing(self) -> None:
        ignore(self.ana, self.bo)
        ignore(self.ana, self.bo)
        self.assertEqual((self.ignored(), set(self.ana.hidden)), (["bo"], {self.bo.origin}))

    def test_who_is_heeded_is_not_hidden(self) -> None:
        ignore(self.ana, self.bo)
        ignore(self.ana, self.cy)
        self.assertEqual(heed(self.ana, "BO"), "bo")
        self.assertEqual((self.ignored(), set(self.ana.hidden)), (["cy"], {self.cy.origin}))
        self.assertIsNone(heed(self.ana, "bo"))
        self.assertEqual(heed(self.ana, "cy"), "cy")
        self.assertIsNone(self.ana.ignored)
        self.assertEqual(set(self.ana.hidden), set())
        self.assertIsNone(heed(self.ana, "cy"))

    def test_of_somebody_who_comes_back_again_and_again_only_so_much_is_known(self) -> None:
        ignore(self.ana, self.bo)
        for _ in range(3 * SESSIONS_MOST):
            self.assertTrue(self.hides(self.come("bo")))
            self.assertLessEqual(len(self.ana.hidden), SESSIONS_MOST)

    def test_it_follows_a_change_of_name(self) -> None:
        ignore(self.ana, self.bo)
        self.rename(self.bo, "rob")
        self.assertEqual((self.ignored(), self.hides(self.bo)), (["rob"], True))
        self.assertFalse(self.hides(self.come("bo")))
        self.rename(self.bo, "ROB")
        self.assertEqual((self.ignored(), self.hides(self.bo)), (["ROB"], True))
        self.assertEqual(heed(self.ana, "rob"), "ROB")
        self.assertFalse(self.hides(self.bo))

    def test_a_change_of_name_of_who_is_not_ignored_changes_nothing(self) -> None:
        ignore(self.ana, self.bo)
        self.rename(self.cy, "cyd")
        self.assertEqual((self.ignored(), set(self.ana.hidden)), (["bo"], {self.bo.origin}))

    def test_it_outlives_a_session(self) -> None:
        ignore(self.ana, self.bo)
        self.people.remove(self.bo)
        back = self.come("Bo")
        self.assertTrue(self.hides(back))
        self.assertEqual(self.ignored(), ["Bo"])

    def test_when_heeded_also_what_was_said_in_sessions_that_are_over_is_seen(self) -> None:
        ignore(self.ana, self.bo)
        self.people.remove(self.bo)
        back = self.come("bo")
        self.assertEqual(set(self.ana.hidden), {self.bo.origin, back.origin})
        heed(self.ana, "bo")
        self.assertEqual(set(self.ana.hidden), set())

    def test_who_takes_the_name_later_is_hidden(self) -> None:
        ignore(self.ana, self.bo)
        self.people.remove(self.bo)
        self.rename(self.cy, "bo")
        self.assertTrue(self.hides(self.cy))

    def test_who_gives_the_name_up_does_not_take_it_from_who_had_it(self) -> None:
        ignore(self.ana, self.bo)
        self.people.remove(self.bo)
        self.rename(self.cy, "bo")
        self.rename(self.cy, "cy")
        self.assertEqual(self.ignored(), ["bo", "cy"])
        self.assertTrue(self.hides(self.come("bo")))
        heed(self.ana, "cy")
        self.assertFalse(self.hides(self.cy))
        self.assertTrue(self.hides(self.bo))

    def test_who_takes_the_name_of_another_who_is_ignored(self) -> None:
        ignore(self.ana, self.bo)
        ignore(self.ana, self.cy)
        self.people.remove(self.bo)
        self.rename(self.cy, "bo")
        self.assertEqual(self.ignored(), ["bo"])
        self.assertEqual(set(self.ana.hidden), {self.bo.origin, self.cy.origin})
        heed(self.ana, "bo")
        self.assertEqual(set(self.ana.hidden), set())

    def test_who_comes_back_under_another_name_is_hidden_under_that(self) -> None:
        ignore(self.ana, self.bo)
        self.bo.name = "rob"
        self.people.remove(self.bo)
        back = self.member("rob")
        back.origin = self.bo.origin
        recognise(back, self.people)
        self.people.append(back)
        self.assertEqual((self.ignored(), self.hides(back)), (["rob"], True))
        self.rename(back, "robin")
        self.assertEqual((self.ignored(), self.hides(back)), (["robin"], True))

    def test_of_two_names_a_session_is_hidden_under_the_one_it_has(self) -> None:
        ignore(self.ana, self.bo)
        ignore(self.ana, self.cy)
        self.people.remove(self.bo)
        self.rename(self.cy, "bo")
        heed(self.ana, "cy")
        self.assertTrue(self.hides(self.cy))

    def test_however_often_they_change_their_names_there_are_not_too_many(self) -> None:
        for number in range(MOST):
            other = self.come(f"other{number}")
            ignore(self.ana, other)
        for number in range(2 * MOST):
            again = self.come("other0" if number == 0 else f"new{number - 1}")
            self.assertTrue(self.hides(again))
            self.rename(again, f"new{number}")
            self.assertTrue(self.hides(again))
            self.assertLessEqual(len(self.ignored()), MOST)
        self.assertIn(f"new{number}", self.ignored())
        self.assertEqual(set(self.ana.hidden.values()), set(self.ana.ignored or {}))

    def test_a_change_of_name_costs_little_however_much_is_ignored(self) -> None:
        for number in range(MOST):
            ignore(self.ana, self.come(f"other{number}"))
            for _ in range(SESSIONS_MOST - 1):
                self.people = [self.ana]
                other = self.come(f"other{number}")
        took = []
        for number in range(200):
            began = time.process_time()
            self.rename(other, f"new{number % 3}")
            took.append(time.process_time() - began)
        self.assertLess(sorted(took)[100], 0.001)
