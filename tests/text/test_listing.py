from __future__ import annotations

from twisted.trial import unittest

from chatservice.text.listing import DIGITS, FACES, alphabetical, faces, people


class FacesTests(unittest.TestCase):
    def test_names_are_listed_as_one_would_say_them(self) -> None:
        self.assertEqual(faces(["ana"]), "ana")
        self.assertEqual(faces(["ana", "bo"]), "ana and bo")
        self.assertEqual(faces(["ana", "bo", "cy"]), "ana, bo and cy")

    def test_twenty_are_named_and_of_the_rest_the_count(self) -> None:
        names = [f"p{number}" for number in range(37)]
        first = ", ".join(names[:FACES])
        self.assertEqual(FACES, 20)
        self.assertEqual(faces(names[:20]), f"{', '.join(names[:19])} and p19")
        self.assertEqual(faces(names[:21]), f"{first} and 1 more")
        self.assertEqual(faces(names), f"{first} and 17 more")

    def test_the_rest_is_counted_when_only_some_names_are_given(self) -> None:
        names = [f"p{number}" for number in range(21)]
        self.assertEqual(faces(names, 1021), f"{', '.join(names[:20])} and 1,001 more")
        self.assertEqual(faces(["ana", "bo"], 2), "ana and bo")


class CountTests(unittest.TestCase):
    def test_people_are_counted_in_words_that_fit(self) -> None:
        self.assertEqual(people(1), "1 person")
        self.assertEqual(people(2), "2 people")
        self.assertEqual(people(12_345), "12,345 people")


class AlphabetTests(unittest.TestCase):
    def test_names_stand_where_one_looks_for_them(self) -> None:
        wanted = [
            "ana",
            "Änne",
            "Anton",
            "bob",
            "Bob2",
            "bob10",
            "Émile",
            "emma",
            "Zoë",
            "Яна",
            "小林",
        ]
        given = sorted(wanted)
        self.assertEqual(sorted(given, key=alphabetical), wanted)

    def test_a_number_may_be_as_long_as_a_name(self) -> None:
        for digits in (DIGITS, DIGITS + 5, 5000):
            self.assertLess(alphabetical("a" + "9" * digits), alphabetical("b"))

    def test_no_two_names_are_one(self) -> None:
        self.assertNotEqual(alphabetical("ana"), alphabetical("Ana"))
        self.assertNotEqual(alphabetical("a1"), alphabetical("a01"))
