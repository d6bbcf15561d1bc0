from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.text.durations import LONGEST, names_unit, parse, say

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY


class ParseTests(unittest.TestCase):
    def test_durations(self) -> None:
        for text, seconds in {
            "1s": 1,
            "90s": 90,
            "30m": 30 * MINUTE,
            "12h": 12 * HOUR,
            "7d": 7 * DAY,
            "2w": 2 * WEEK,
            "1h30m": HOUR + 30 * MINUTE,
            "1H30M": HOUR + 30 * MINUTE,
            "1w2d3h4m5s": WEEK + 2 * DAY + 3 * HOUR + 4 * MINUTE + 5,
            "0h05m": 5 * MINUTE,
            "3650d": LONGEST,
        }.items():
            self.assertEqual(parse(text), seconds, text)

    def test_no_durations(self) -> None:
        for text in (
            *(
                "",
                "0",
                "7",
                "0s",
                "0w0d",
                "h",
                "1y",
                "1.5h",
                "-1h",
                "+1h",
                "1 h",
                " 1h",
                "1h ",
                "1h\n",
            ),
            *(
                "1h30",
                "30m1h",
                "1h1h",
                "1hour",
                "1ſ",
                "１h",
                "٣h",
                "3650d1s",
                "522w",
                "9" * 5000 + "s",
            ),
        ):
            self.assertIsNone(parse(text), text)

    @given(st.text("0123456789wdhmsWDHMS ", max_size=12))
    def test_what_is_parsed_is_in_bounds(self, text: str) -> None:
        seconds = parse(text)
        self.assertTrue(seconds is None or 0 < seconds <= LONGEST)

    @given(st.integers(1, LONGEST))
    def test_any_number_of_seconds(self, seconds: int) -> None:
        self.assertEqual(parse(f"{seconds}s"), seconds)


class UnitTests(unittest.TestCase):
    def test_units(self) -> None:
        for word in ("s", "Minutes", "hrs", "day,", "week.", "sec"):
            self.assertTrue(names_unit(word), word)
        for word in ("", "5", "5m", "spam", "months", "so", "days-off"):
            self.assertFalse(names_unit(word), word)


class SayTests(unittest.TestCase):
    def test_words(self) -> None:
        for seconds, words in {
            -5: "a moment",
            0: "a moment",
            0.99: "a moment",
            1: "1 second",
            5.9: "5 seconds",
            59.99: "59 seconds",
            60: "1 minute",
            61: "1 minute and 1 second",
            3 * HOUR + 20 * MINUTE: "3 hours and 20 minutes",
            3 * HOUR + 20 * MINUTE + 59: "3 hours and 20 minutes",
            HOUR + 59: "1 hour",
            2 * DAY: "2 days",
            3 * WEEK + DAY: "3 weeks and 1 day",
            WEEK + 23 * HOUR: "1 week",
            LONGEST: "521 weeks and 3 days",
        }.items():
            self.assertEqual(say(seconds), words, seconds)

    @given(st.integers(1, LONGEST))
    def test_said_is_rounded_down(self, seconds: int) -> None:
        typed = "".join(
            count + unit[0]
            for count, unit in (part.split() for part in say(seconds).split(" and "))
        )
        parsed = parse(typed)
        assert parsed is not None
        self.assertTrue(parsed <= seconds < parsed * 2, typed)
