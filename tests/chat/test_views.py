from __future__ import annotations

from datetime import datetime, timezone

from twisted.trial import unittest

from chatservice.chat.views import FACES, TEXT, faces, people
from chatservice.journal.events import DID, JOINED, LEFT, RENAMED, SAID, Event

NOON = int(datetime(2026, 3, 14, 12, 5, 59, tzinfo=timezone.utc).timestamp() * 1000)


def event(kind: str, author: str = "ana", text: str = "") -> Event:
    return Event(7, NOON, "dev", kind, author, text, 1, 2)


class TextViewTests(unittest.TestCase):
    def test_what_happens_in_the_current_room_is_shown_without_its_name(self) -> None:
        for happened, line in (
            (event(SAID, text="hi"), "<ana> hi"),
            (event(SAID, "小林", "naïve 😀"), "<小林> naïve 😀"),
            (event(DID, text="waves"), "* ana waves"),
            (event(JOINED), "-- ana joined"),
            (event(JOINED, "ana bo cy"), "-- ana, bo and cy joined"),
            (event(LEFT), "-- ana left"),
            (event(LEFT, "ana bo"), "-- ana and bo left"),
            (event(LEFT, text="good night"), "-- ana left (good night)"),
            (event(RENAMED, text="anna"), "-- ana is now anna"),
        ):
            self.assertEqual(TEXT.live(happened, here=True).decode(), f"{line}\r\n")

    def test_what_happens_in_another_room_is_shown_with_its_name(self) -> None:
        for happened, line in (
            (event(SAID, text="hi"), "#dev <ana> hi"),
            (event(DID, text="waves"), "#dev * ana waves"),
            (event(JOINED, "ana bo"), "-- #dev: ana and bo joined"),
            (event(LEFT, text="good night"), "-- #dev: ana left (good night)"),
            (event(RENAMED, text="anna"), "-- #dev: ana is now anna"),
        ):
            self.assertEqual(TEXT.live(happened, here=False).decode(), f"{line}\r\n")

    def test_the_past_is_shown_with_its_time_in_utc_and_without_the_room(self) -> None:
        self.assertEqual(TEXT.past(event(SAID, text="hi")), b"[12:05] <ana> hi\r\n")
        self.assertEqual(TEXT.past(event(DID, text="waves")), b"[12:05] * ana waves\r\n")

    def test_every_line_of_the_services_own_is_marked_as_such(self) -> None:
        self.assertEqual(TEXT.notice("welcome", "", "to us "), b"-- welcome\r\n--\r\n-- to us\r\n")
        self.assertEqual(TEXT.notice(), b"")

    def test_nobody_can_forge_a_line_of_the_services_own_or_of_somebody_else(self) -> None:
        for text in ("-- bo left", "<bo> hi", "* bo waves", "#ops <bo> hi", "[12:05] <bo> hi"):
            for kind in (SAID, DID):
                for here in (True, False):
                    line = TEXT.live(event(kind, text=text), here).decode()
                    before, _, _ = line.partition(text)
                    self.assertIn("ana", before)


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

    def test_times_are_utc_to_the_millisecond(self) -> None:
        expected = datetime(2026, 3, 14, 12, 5, 59, 250_000, tzinfo=timezone.utc)
        self.assertEqual(TEXT.local(NOON + 250), expected)
