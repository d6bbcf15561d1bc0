from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.error import ConnectionRefusedError
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.streams.jsonlines import JsonLines
from chatservice.client.streams.program import MOST
from chatservice.text import wording
from tests.client.machine import AT, House
from tests.client.support import ProgramDesk
from tests.integration.support import folder_for


class JsonTestCase(TestCase):
    def desk(
        self, name: str | None = "bot", *rooms: str, folder: Path | None = None
    ) -> ProgramDesk:
        self.bot = ProgramDesk(JsonLines, name, rooms, self.house, folder)
        self.addCleanup(self.bot.talker.interrupt)
        return self.bot

    def setUp(self) -> None:
        self.house = House()

    def come_in(self, *rooms: str) -> ProgramDesk:
        """Come in; what was told by then is forgotten."""
        desk = self.desk("bot", *rooms)
        desk.come_in()
        desk.shown()
        return desk

    def ask(self, **request: Any) -> None:
        self.bot.type(json.dumps(request) + "\n")

    def told(self) -> list[dict[str, Any]]:
        """Let all come that is under way, and return what was told since the last time."""
        self.bot.settle()
        return self.shown()

    def shown(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.bot.shown()]

    def assert_ended(self, status: int, *complaints: str) -> None:
        self.bot.written()
        self.assertEqual((self.bot.statuses, self.bot.complaints), ([status], list(complaints)))

    def leave(self) -> list[dict[str, Any]]:
        self.bot.end_input()
        return self.told()


class TalkTests(JsonTestCase):
    def test_what_is_told_is_an_object_a_line(self) -> None:
        desk = self.desk()
        desk.come_in()
        welcome, *rest = self.shown()
        self.assertEqual((welcome["type"], welcome["name"], rest), ("welcome", "bot", []))
        self.house.store("said", self.house.guest("ana"), "hi bot", room="lobby")
        said = {"type": "said", "id": 101, "at": AT, "room": "lobby", "author": "ana"}
        self.assertEqual(self.told(), [{**said, "text": "hi bot"}])
        self.assertEqual(self.leave(), [])
        self.assert_ended(0)

    def test_what_is_talked_is_answered_when_it_is_stored(self) -> None:
        desk = self.come_in()
        self.ask(type="say", room="lobby", text="hi")
        self.ask(type="do", room="lobby", text="waves", ref="r")
        self.ask(type="topic", room="lobby", text="bots", seq=77)
        desk.link.up()
        self.assertEqual(self.shown(), [])
        self.assertEqual(
            self.told(),
            [
                {"type": "ok", "to": "say", "id": 101, "at": AT, "seq": 1},
                {"type": "ok", "to": "do", "id": 102, "at": AT, "seq": 2, "ref": "r"},
                {"type": "ok", "to": "topic", "id": 103, "at": AT, "seq": 77},
            ],
        )
        self.leave()
        self.assert_ended(0)

    def test_what_is_asked_is_answered_to_its_ref(self) -> None:
        self.come_in()
        self.ask(type="join", room="ops", ref=7)
        self.ask(type="who", room="ops", ref="w")
        self.ask(type="ping")
        told = {one.pop("type"): one for one in self.told()}
        self.assertEqual((told["ok"]["room"], told["ok"]["ref"]), ("ops", 7))
        self.assertEqual((told["who"]["ref"], told["pong"]), ("w", {}))
        self.leave()
        self.assert_ended(0)

    def test_all_is_answered_before_it_leaves(self) -> None:
        desk = self.come_in()
        self.ask(type="who", room="lobby")
        self.ask(type="say", room="lobby", text="hi")
        desk.end_input()
        desk.link.cut()
        desk.come_back()
        self.assertEqual(sorted(one["type"] for one in self.shown()), ["ok", "welcome", "who"])
        self.assertEqual(len(self.house.entries), 1)
        self.assert_ended(0, "the connection to there was lost: it broke off; trying again")

    def test_each_event_is_told_once(self) -> None:
        desk = self.come_in()
        ana = self.house.guest("ana")
        for number in range(3):
            self.house.store("said", ana, f"before {number}", room="lobby")
        self.house.tick()
        desk.link.down(most=200)
        desk.link.cut()
        self.house.store("said", ana, "meanwhile", room="lobby")
        desk.come_back()
        told = self.told()
        self.assertEqual([one["id"] for one in told if one["type"] == "said"], [101, 102, 103, 104])
        self.assertEqual([one["resumed"] for one in told if one["type"] == "welcome"], [True])

    def test_its_own_goodbye(self) -> None:
        desk = self.come_in()
        self.ask(type="say", room="lobby", text="hi")
        self.ask(type="quit", text="tea time", ref=1)
        self.ask(type="say", room="lobby", text="too late")
        self.assertFalse(desk.reads)
        *_, last = self.told()
        self.assertEqual(last, {"type": "ok", "to": "quit", "ref": 1})
        self.assertEqual([entry.text for entry in self.house.entries], ["hi"])
        self.assertEqual(desk.link.desk.got[-1], messages.Quit(text="tea time"))
        self.assert_ended(0)

    def test_notices_and_gaps(self) -> None:
        desk = self.come_in()
        desk.link.says(messages.Notice(text="the house is on fire"))
        desk.link.says(messages.Notice(text="forgotten", gap=True))
        self.assertEqual(
            self.shown(),
            [
                {"type": "notice", "text": "the house is on fire"},
                {"type": "notice", "text": wording.FORGOTTEN, "gap": True},
            ],
        )

    def test_a_gap_that_the_welcome_tells_is_not_told_again(self) -> None:
        desk = self.come_in()
        self.house.store("said", self.house.guest("ana"), "hi", room="lobby")
        desk.link.cut()
        self.house.head = self.house.pruned = 200
        desk.come_back()
        (welcome,) = (one for one in self.told() if one["type"] != "said")
        self.assertTrue(welcome["gap"])
        desk.link.says(messages.Notice(text="forgotten", gap=True))
        self.assertEqual([one["type"] for one in self.shown()], ["notice"])


class HelloTests(JsonTestCase):
    def test_with_a_name_the_client_gives_it(self) -> None:
        desk = self.desk("bot", "ops", "dev")
        desk.come_in()
        self.assertEqual(desk.link.desk.got[0], messages.Hello(name="bot", rooms=["ops", "dev"]))
        self.assertNotIn("token", self.shown()[0])

    def test_without_a_name_it_comes_first(self) -> None:
        desk = self.desk(None)
        self.ask(type="say", room="lobby", text="hi", seq=3)
        self.ask(type="hello", ref="h")
        self.assertEqual(
            [(one["code"], one["to"], one.get("seq"), one.get("ref")) for one in self.shown()],
            [("hello_first", "say", 3, None), ("bad_field", "hello", None, "h")],
        )
        self.ask(type="hello", name="bot", rooms=["ops"])
        self.ask(type="hello", name="bot")
        desk.come_in()
        self.assertEqual(desk.link.desk.got[0], messages.Hello(name="bot", rooms=["ops"]))
        welcome, error = self.shown()
        self.assertEqual((welcome["token"], error["code"]), ("j1-t1", "welcome_already"))
        self.leave()
        self.assert_ended(1, "3 lines were not taken: say hello first")

    def test_it_may_have_a_token(self) -> None:
        bot = self.house.guest("bot", "lobby")
        self.house.store("said", self.house.guest("ana"), "hi", room="lobby")
        desk = self.desk(None)
        self.ask(type="hello", name="bot", token=bot.token)
        self.assertEqual([one["code"] for one in self.shown()], ["bad_field"])
        self.ask(type="hello", name="bot", token=bot.token, journal="j1", since=100)
        desk.come_in()
        welcome, said = self.shown()
        self.assertEqual((welcome["resumed"], said["text"]), (True, "hi"))

    def test_there_is_none(self) -> None:
        desk = self.desk(None)
        desk.end_input()
        self.assert_ended(1, "there is no name: give one with --name, or begin with a hello")

    def test_the_name_is_refused(self) -> None:
        self.house.guest("bot")
        self.desk().come_in()
        self.assert_ended(1, "the name was refused: no: name_taken")

    def test_the_server_is_not_there(self) -> None:
        self.desk().endpoint.fail(ConnectionRefusedError(111))
        self.assert_ended(1, "there is not there: Connection refused")


class ErrorTests(JsonTestCase):
    def test_a_line_that_is_no_request_is_answered_and_others_go_on(self) -> None:
        self.come_in()
        for line in ("hi", "[1]", '{"type":"x","ref":1}', '{"type":"say","room":"lobby"}', " "):
            self.bot.type(line + "\n")
        self.ask(type="say", room="lobby", text="hi")
        errors = self.told()
        self.assertEqual(errors.pop()["type"], "ok")
        self.assertEqual(
            [(one["type"], one["code"], one.get("to"), one.get("ref")) for one in errors],
            [
                ("error", "not_json", None, None),
                ("error", "not_json", None, None),
                ("error", "unknown_type", None, 1),
                ("error", "bad_field", "say", None),
            ],
        )
        self.leave()
        self.assert_ended(1, "4 lines were not taken: that is no JSON")

    def test_what_the_server_refuses_is_an_error(self) -> None:
        desk = self.come_in()
        (bot,) = self.house.members.values()
        bot.muted = True
        self.ask(type="say", room="lobby", text="hi", seq=9, ref="s")
        self.ask(type="leave", room="ops", ref="l")
        self.assertEqual(
            [(one["code"], one["to"], one.get("seq"), one["ref"]) for one in self.told()],
            [("muted", "say", 9, "s"), ("not_in_room", "leave", None, "l")],
        )
        desk.end_input()
        desk.settle()
        self.assert_ended(1, "2 lines were not taken: no: muted")

    def test_a_line_without_an_end_is_an_error(self) -> None:
        self.come_in()
        self.bot.type("x" * (1 << 20) + "xx")
        (error,) = self.shown()
        self.assertEqual((error["type"], error["code"]), ("error", "too_long"))
        self.bot.type("\n")
        self.leave()
        self.assert_ended(1, "a line was not taken: a line has more than 1,048,576 bytes")

    def test_what_is_behind_such_a_line_counts(self) -> None:
        self.come_in()
        self.bot.type("x" * (1 << 20) + 'xx\n{"type":"who","room":"lobby"}\n{"type":"rooms"}\n')
        self.bot.settle()
        self.assertEqual([one["type"] for one in self.shown()], ["error", "who", "rooms"])

    def test_who_is_sent_away_is_told_so(self) -> None:
        desk = self.come_in()
        self.ask(type="who", room="lobby", ref=5)
        why = "another connection has the session"
        desk.link.says(messages.Replaced(text=why))
        self.assertEqual(
            self.shown(),
            [
                {"type": "error", "code": "over", "text": why, "to": "who", "ref": 5},
                {"type": "notice", "text": why},
            ],
        )
        self.assert_ended(1, why)


class FlowTests(JsonTestCase):
    def test_too_much_that_is_unanswered_pauses_the_input(self) -> None:
        desk = self.desk()
        self.assertFalse(desk.reads)
        desk.come_in()
        for number in range(2 * MOST):
            self.ask(type="say" if number % 2 else "who", room="lobby", text="hi")
        self.assertFalse(desk.reads)
        desk.settle()
        self.assertTrue(desk.reads)
        self.leave()
        self.assertEqual(len(self.house.entries), MOST)

    def test_a_full_output_pauses_the_connection(self) -> None:
        desk = self.come_in()
        desk.streams.producer.pauseProducing()  # type: ignore[union-attr]
        self.assertEqual(desk.link.producerState, "paused")
        desk.streams.producer.resumeProducing()  # type: ignore[union-attr]
        self.assertEqual(desk.link.producerState, "producing")

    def test_nobody_reads_any_more(self) -> None:
        desk = self.come_in()
        desk.talker.writeConnectionLost()
        self.assertTrue(desk.link.disconnecting)
        self.assertEqual(desk.statuses, [1])
        self.assertEqual(desk.complaints, ["nobody reads the standard output any more"])

    def test_interrupted(self) -> None:
        desk = self.come_in()
        self.ask(type="who", room="lobby")
        desk.talker.interrupt()
        self.assertEqual((desk.statuses, desk.complaints, desk.shown()), ([130], [], []))


class MemoryTests(JsonTestCase):
    def test_it_goes_on_where_it_was(self) -> None:
        folder = folder_for(self)
        ana = self.house.guest("ana")
        for time in ("first", "second"):
            desk = self.desk("bot", folder=folder)
            self.addCleanup(desk.entrance.close)
            self.house.store("said", ana, f"before the {time}", room="lobby")
            desk.come_in()
            self.house.store("said", ana, f"in the {time}", room="lobby")
            desk.settle()
            desk.talker.stop()
            desk.entrance.close()
        texts = [json.loads(line).get("text") for line in desk.shown()]
        self.assertEqual(texts, [None, "before the second", "in the second"])
