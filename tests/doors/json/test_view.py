from __future__ import annotations

import json
from typing import Any

from twisted.trial import unittest

from chatservice import messages
from chatservice.core.sessions import origin_at
from chatservice.doors.json.view import JSON, NAMES_MOST, told
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
from chatservice.messages import Code, Error, Notice
from chatservice.text import wording
from tests.core.support import START

AT = messages.moment(START)


def event(kind: str, author: str, text: str = "", room: str = "dev", seq: int = -1) -> Event:
    return Event(7, START, room, kind, author, text, 1, seq)


class JsonViewTests(unittest.TestCase):
    def read(self, data: bytes) -> dict[str, Any]:
        (line,) = data.splitlines(keepends=True)
        self.assertTrue(line.endswith(b"\r\n"))
        found: dict[str, Any] = json.loads(line)
        return found

    def told(self, *args: Any, **more: Any) -> dict[str, Any]:
        found = self.read(JSON.event(event(*args, **more), here=True))
        self.assertEqual((found.pop("id"), found.pop("at")), (7, "2026-03-14T09:26:00.000Z"))
        return found

    def test_an_event_is_told_with_its_room_wherever_one_is(self) -> None:
        expected = {"type": "said", "room": "dev", "author": "ana", "text": "naïve 😀"}
        self.assertEqual(self.told(SAID, "ana", "naïve 😀"), expected)
        one = event(SAID, "ana", "hi")
        self.assertEqual(JSON.event(one, here=True), JSON.event(one, here=False))
        for kind in (DID, TOPIC, ACTED):
            self.assertEqual(self.told(kind, "ana", "x"), {**expected, "type": kind, "text": "x"})
        self.assertEqual(self.told(TOPIC, "ana", "")["text"], "")

    def test_what_is_private_tells_where_an_answer_goes(self) -> None:
        event = Event(1, 0, inbox(255), PRIVATE, "ana", "psst", 0xABC, -1)
        self.assertEqual(told(event).session, "abc")
        self.assertEqual(origin_at("abc"), 0xABC)
        self.assertIsNone(told(event._replace(room="lobby", kind=SAID)).session)

    def test_what_is_private_or_for_everybody_has_no_room(self) -> None:
        for kind, room in ((PRIVATE, inbox(255)), (ANNOUNCED, HOUSE)):
            told = self.told(kind, "ana", "psst", room=room)
            told.pop("session", None)
            self.assertEqual(told, {"type": kind, "author": "ana", "text": "psst"})

    def test_who_comes_and_goes_is_told_in_one(self) -> None:
        self.assertEqual(
            self.told(JOINED, "ana bo"),
            {"type": "joined", "room": "dev", "names": ["ana", "bo"], "count": 2},
        )
        self.assertEqual(
            self.told(LEFT, "ana", "bye"),
            {"type": "left", "room": "dev", "names": ["ana"], "count": 1, "text": "bye"},
        )

    def test_of_a_crowd_only_some_are_named_but_all_counted(self) -> None:
        told = self.told(JOINED, " ".join(f"p{n}" for n in range(NAMES_MOST + 5)))
        self.assertEqual((len(told["names"]), told["count"]), (NAMES_MOST, NAMES_MOST + 5))

    def test_a_new_name_is_a_name(self) -> None:
        self.assertEqual(
            self.told(RENAMED, "ana", "amy"),
            {"type": "renamed", "room": "dev", "author": "ana", "name": "amy"},
        )

    def test_what_one_said_oneself_is_a_receipt(self) -> None:
        for kind, asked in ((SAID, "say"), (DID, "do"), (PRIVATE, "private"), (TOPIC, "topic")):
            receipt = self.read(JSON.own(event(kind, "bot", "hi", seq=3)))
            self.assertEqual(receipt, {"type": "ok", "to": asked, "id": 7, "at": AT, "seq": 3})
            receipt = self.read(JSON.own(event(kind, "bot", "hi", seq=-3)))
            self.assertEqual(receipt, {"type": "ok", "to": asked, "id": 7, "at": AT})
        self.assertEqual(self.read(JSON.own(event(RENAMED, "bot", "rob")))["type"], "renamed")

    def test_what_the_service_says_is_a_notice_a_line(self) -> None:
        lines = [JSON.reply(Notice(text=text)) for text in ("one", "", "two")]
        self.assertEqual(
            [json.loads(line) for line in lines if line],
            [{"type": "notice", "text": "one"}, {"type": "notice", "text": "two"}],
        )
        self.assertEqual(
            self.read(JSON.reply(Notice(text=wording.FORGOTTEN, gap=True))),
            {"type": "notice", "text": wording.FORGOTTEN, "gap": True},
        )

    def test_a_refusal_has_its_code(self) -> None:
        self.assertEqual(
            self.read(JSON.reply(Error(code=Code.KICKED.value, text="you were kicked"))),
            {"type": "error", "code": "kicked", "text": "you were kicked"},
        )
