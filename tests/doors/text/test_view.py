from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from twisted.trial import unittest

from chatservice.doors.text.view import TEXT, TextView
from chatservice.journal.events import (
    ACTED,
    ANNOUNCED,
    DID,
    HOUSE,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    SAID,
    TOPIC,
    Event,
    inbox,
)
from chatservice.messages import Notice
from chatservice.messages.shown import Sent
from chatservice.text.times import FULL, OFF, SHORT

NOON = int(datetime(2026, 3, 14, 12, 5, 59, tzinfo=timezone.utc).timestamp() * 1000)
HOUR = 3_600_000
DAY = 24 * HOUR


def event(kind: str, author: str = "ana", text: str = "") -> Event:
    return Event(7, NOON, "dev", kind, author, text, 1, 2)


class TextViewTests(unittest.TestCase):
    def test_the_past_of_another_day_is_below_a_line_with_that_day(self) -> None:
        for view, before, heading in (
            (TEXT, NOON - DAY, "-- Saturday, 14 March 2026:\r\n"),
            (TEXT, NOON + HOUR, ""),
            (
                TextView(zone=ZoneInfo("Asia/Tokyo")),
                NOON + 4 * HOUR,
                "-- Saturday, 14 March 2026:\r\n",
            ),
        ):
            shown = view.past(event(SAID, text="hi"), before).decode()
            self.assertEqual(shown.partition("[")[0], heading)

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
            (event(TOPIC, text="the plan"), "-- ana set the topic: the plan"),
            (event(TOPIC), "-- ana took the topic away"),
            (event(ACTED, text="kicked bo"), "-- ana kicked bo"),
        ):
            self.assertEqual(TEXT.event(happened, here=True).decode(), f"{line}\r\n")

    def test_what_happens_in_another_room_is_shown_with_its_name(self) -> None:
        for happened, line in (
            (event(SAID, text="hi"), "#dev <ana> hi"),
            (event(DID, text="waves"), "#dev * ana waves"),
            (event(JOINED, "ana bo"), "-- #dev: ana and bo joined"),
            (event(LEFT, text="good night"), "-- #dev: ana left (good night)"),
            (event(RENAMED, text="anna"), "-- #dev: ana is now anna"),
            (event(TOPIC, text="the plan"), "-- #dev: ana set the topic: the plan"),
            (event(ACTED, text="kicked bo"), "-- #dev: ana kicked bo"),
        ):
            self.assertEqual(TEXT.event(happened, here=False).decode(), f"{line}\r\n")

    def test_the_past_is_shown_with_its_time_in_utc_and_without_the_room(self) -> None:
        self.assertEqual(TEXT.past(event(SAID, text="hi"), NOON), b"[12:05] <ana> hi\r\n")
        self.assertEqual(TEXT.past(event(DID, text="waves"), NOON), b"[12:05] * ana waves\r\n")

    def test_what_is_for_everybody_or_for_one_has_no_room(self) -> None:
        for here in (True, False):
            announced = event(ANNOUNCED, text="cake")._replace(room=HOUSE)
            self.assertEqual(TEXT.event(announced, here), b"-- ana announces: cake\r\n")
            private = event(PRIVATE, text="hi")._replace(room=inbox(255))
            self.assertEqual(private.room, "@ff")
            self.assertEqual(TEXT.event(private, here), b"[ana -> you] hi\r\n")

    def test_who_wrote_privately_sees_to_whom(self) -> None:
        self.assertEqual(
            TEXT.reply(Sent(to="bo", text="na\u00efve")), "[you -> bo] na\u00efve\r\n".encode()
        )

    def test_times_stand_in_front_as_one_wants_them(self) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        for view, stamp in (
            (TextView(), ""),
            (TextView(OFF, berlin), ""),
            (TextView(SHORT), "[12:05] "),
            (TextView(SHORT, berlin), "[13:05] "),
            (TextView(FULL), "[2026-03-14 12:05:59] "),
            (TextView(FULL, berlin), "[2026-03-14 13:05:59] "),
        ):
            for happened, line in (
                (event(SAID, text="hi"), "<ana> hi"),
                (event(JOINED), "-- ana joined"),
                (event(PRIVATE, text="hi"), "[ana -> you] hi"),
            ):
                self.assertEqual(view.event(happened, here=True).decode(), f"{stamp}{line}\r\n")

    def test_the_past_has_a_time_in_any_case(self) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        for view, stamp in (
            (TextView(OFF, berlin), "[13:05]"),
            (TextView(SHORT, berlin), "[13:05]"),
            (TextView(FULL), "[2026-03-14 12:05:59]"),
        ):
            self.assertEqual(
                view.past(event(SAID, text="hi"), NOON).decode(), f"{stamp} <ana> hi\r\n"
            )
            acted = view.past(event(ACTED, text="kicked bo"), NOON)
            self.assertEqual(acted.decode(), f"{stamp} -- ana kicked bo\r\n")

    def test_a_full_time_that_comes_twice_has_its_offset(self) -> None:
        for zone, moment, stamp in (
            ("Europe/Berlin", "2026-10-24T23:59:59", "[2026-10-25 01:59:59]"),
            ("Europe/Berlin", "2026-10-25T00:00:00", "[2026-10-25 02:00:00 +0200]"),
            ("Europe/Berlin", "2026-10-25T00:30:00", "[2026-10-25 02:30:00 +0200]"),
            ("Europe/Berlin", "2026-10-25T01:30:00", "[2026-10-25 02:30:00 +0100]"),
            ("Europe/Berlin", "2026-10-25T01:59:59", "[2026-10-25 02:59:59 +0100]"),
            ("Europe/Berlin", "2026-10-25T02:00:00", "[2026-10-25 03:00:00]"),
            # In spring an hour is left out, and none comes twice.
            ("Europe/Berlin", "2026-03-29T00:59:59", "[2026-03-29 01:59:59]"),
            ("Europe/Berlin", "2026-03-29T01:00:00", "[2026-03-29 03:00:00]"),
            # Here it is half an hour.
            ("Australia/Lord_Howe", "2026-04-04T14:29:59", "[2026-04-05 01:29:59]"),
            ("Australia/Lord_Howe", "2026-04-04T14:30:00", "[2026-04-05 01:30:00 +1100]"),
            ("Australia/Lord_Howe", "2026-04-04T14:59:59", "[2026-04-05 01:59:59 +1100]"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00", "[2026-04-05 01:30:00 +1030]"),
            ("Australia/Lord_Howe", "2026-04-04T15:29:59", "[2026-04-05 01:59:59 +1030]"),
            ("Australia/Lord_Howe", "2026-04-04T15:30:00", "[2026-04-05 02:00:00]"),
            ("UTC", "2026-10-25T00:30:00", "[2026-10-25 00:30:00]"),
        ):
            at = int(datetime.fromisoformat(f"{moment}+00:00").timestamp() * 1000)
            said = event(SAID, text="hi")._replace(at=at)
            view = TextView(FULL, ZoneInfo(zone))
            line = f"{stamp} <ana> hi\r\n"
            self.assertEqual(view.event(said, here=True).decode(), line, (zone, moment))
            self.assertEqual(view.past(said, said.at).decode(), line, (zone, moment))
            short = f"[{stamp[12:17]}] <ana> hi\r\n"
            self.assertEqual(TextView(SHORT, ZoneInfo(zone)).past(said, said.at).decode(), short)
        self.assertEqual(
            TextView(FULL).past(said, said.at).decode(), "[2026-10-25 00:30:00] <ana> hi\r\n"
        )

    def test_coming_and_going_can_be_left_out(self) -> None:
        view = TextView(SHORT, moves=False)
        for kind in (JOINED, LEFT):
            for here in (True, False):
                self.assertEqual(view.event(event(kind, text="bye"), here), b"")
        for kind in (SAID, DID, RENAMED, TOPIC, ANNOUNCED, ACTED, PRIVATE):
            self.assertNotEqual(view.event(event(kind, text="hi"), True), b"")

    def test_equal_views_are_interchangeable(self) -> None:
        self.assertEqual(TextView(SHORT, ZoneInfo("CET")), TextView(SHORT, ZoneInfo("CET")))
        self.assertEqual(hash(TextView()), hash(TEXT))
        self.assertNotEqual(TextView(SHORT), TextView(FULL))
        self.assertNotEqual(TextView(moves=False), TEXT)

    def test_every_line_of_the_services_own_is_marked_as_such(self) -> None:
        for text, line in (("welcome", b"-- welcome"), ("", b"--"), ("to us ", b"-- to us")):
            self.assertEqual(TEXT.reply(Notice(text=text)), line + b"\r\n")

    def test_nobody_can_forge_a_line_of_the_services_own_or_of_somebody_else(self) -> None:
        for text in ("-- bo left", "<bo> hi", "* bo waves", "#ops <bo> hi", "[12:05] <bo> hi"):
            for kind in (SAID, DID, TOPIC, ANNOUNCED, ACTED, PRIVATE, LEFT):
                for here in (True, False):
                    line = TEXT.event(event(kind, text=text), here).decode()
                    before, _, _ = line.partition(text)
                    self.assertIn("ana", before)
