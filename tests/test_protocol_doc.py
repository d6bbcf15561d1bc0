"""``docs/protocol.md`` is held against the code: messages, fields, codes, numbers, promises."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

from msgspec.structs import asdict
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.session.session import IDLE, PATIENCE
from chatservice.core.actions.rooms import HISTORY_MOST, PEOPLE_TOLD, ROOMS_TOLD
from chatservice.core.feed.history import CHARACTERS_MOST
from chatservice.core.sessions import PERIODS_MOST
from chatservice.core.tokens import TOKEN_BYTES
from chatservice.doors.factory import GREETING_SILENCE
from chatservice.doors.json.dialog import longest
from chatservice.doors.json.view import NAMES_MOST, told
from chatservice.journal.events import ANNOUNCED, HOUSE, JOINED, LEFT, PRIVATE, Event, inbox
from chatservice.limits import CLOSING_TIMEOUT, LOGIN_TRIES, Limits
from chatservice.messages.fields import FIELD_LONGEST, LIST_LONGEST, REF_LONGEST
from chatservice.messages.replies import REPLIES
from tests.doors.support import FullJournal, House
from tests.welcome import GREETING

CHECKOUT = Path(__file__).resolve().parent.parent
DOCUMENT = (CHECKOUT / "docs/protocol.md").read_text("utf-8")

HOURS = 24 * 60 * 60


def section(title: str, level: int = 2) -> str:
    """Return what stands under a heading, up to the next of its level or one above."""
    mark = "#" * level
    return re.split(rf"^#{{1,{level}}} ", DOCUMENT.split(f"\n{mark} {title}\n", 1)[1], flags=re.M)[
        0
    ]


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of all tables in a text, without their heads."""
    lines = text.splitlines()
    found = []
    for line, before in zip(lines, ["", *lines], strict=False):
        if line.startswith("| ") and before.startswith("|"):
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def messages_under(title: str) -> dict[str, str]:
    """Return what stands of each message under a heading, by the types that it has."""
    parts = re.split(r"^### (.*)$", section(title), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def wire_lines() -> list[str]:
    """List all lines that are shown to go over the wire."""
    blocks = re.findall(r"^```wire\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


class TableTests(TestCase):
    """Every message, field and code is in the document, and nothing else."""

    def test_the_tables_are_those_of_the_types(self) -> None:
        tool = runpy.run_path(str(CHECKOUT / "tools/protocol_tables.py"))
        self.assertEqual(tool["written"](DOCUMENT), DOCUMENT, "run tools/protocol_tables.py")

    def test_every_message_is_described_and_each_that_has_fields_has_a_table(self) -> None:
        said = messages_under("What a program says")
        self.assertEqual(re.findall(r"`(\w+)`", " ".join(said)), list(messages.REQUESTS))
        told = messages_under("What the server says")
        described = [title.split("`")[1] for title in told if title.startswith("`")]
        self.assertEqual(sorted(described), sorted(set(REPLIES) - set(messages.EVENTS)))
        for title, text in {**said, **told}.items():
            fields = title not in ("`live`", "Codes")
            self.assertEqual(len(re.findall(r"(?m)^\| field \|", text)), fields, title)

    def test_the_types_of_events_and_what_each_tells(self) -> None:
        cells = [row for row in rows(section("Events", 3)) if len(row) == 3]
        listed = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in cells}
        self.assertEqual(list(listed), list(messages.EVENTS))
        for kind, names in listed.items():
            room = {PRIVATE: inbox(7), ANNOUNCED: HOUSE}.get(kind, "lobby")
            text = "" if kind == JOINED else "words"
            event = told(Event(1, 0, room, kind, "ana", text, 7, -1))
            there = {name for name, value in asdict(event).items() if value is not None}
            self.assertEqual(there - {"type", "id", "at"}, names, kind)
        silent = told(Event(1, 0, "lobby", LEFT, "ana", "", 7, -1))
        self.assertIsNone(silent.text)

    def test_every_code(self) -> None:
        codes = [row[0].strip("`") for row in rows(section("Codes", 3))]
        self.assertEqual(codes, [code.value for code in messages.Code])

    def test_whoever_gets_a_final_code_does_not_come_back(self) -> None:
        final = [row[0].strip("`") for row in rows(section("Codes", 3)) if "come back" in row[2]]
        self.assertEqual(final, [code.value for code in messages.FINAL_CODES])

    def test_who_is_closed_by_a_code_is_shown_to_be(self) -> None:
        closing = {
            row[0].strip("`") for row in rows(section("Codes", 3)) if row[2].startswith("is closed")
        }
        shown = {}
        lines = wire_lines()
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            who, _, what = line.partition(" > ")
            code = what.startswith('{"type":"error"') and json.loads(what)["code"]
            if code:
                shown[code] = following == f"({who} is closed)"
        self.assertEqual({code for code, closed in shown.items() if closed}, closing)
        missing = {code.value for code in messages.Code} - set(shown)
        self.assertEqual(missing, {messages.Code.WENT_WRONG.value})


class NumberTests(TestCase):
    """The numbers in the sentences are those of the code."""

    def test_they_are(self) -> None:
        limits = Limits()
        text = " ".join(DOCUMENT.split())
        self.assertEqual((NAMES_MOST, PEOPLE_TOLD, ROOMS_TOLD), (500, 500, 500))
        self.assertEqual(messages.SEQ_MOST, 2**53 - 1)
        self.assertEqual((LOGIN_TRIES, limits.burst, limits.rate), (5, 20, 5))
        for sentence in (
            f"at most {limits.max_line:,} characters (`--max-line`)",
            f"a name {limits.max_name} (`--max-name`)",
            f"at most {messages.BYTES_A_CHARACTER} bytes for each character",
            f"and {messages.LINE_OVERHEAD:,} more, {longest(limits.max_line):,} in all",
            "Twenty lines are read at once (`--burst`), and then five a second (`--rate`)",
            f"nothing for {GREETING_SILENCE * 1000:g} ms",
            f"has {limits.login_timeout} seconds and five tries",
            f"for at most {limits.stall_timeout} seconds",
            f"is cut off after {CLOSING_TIMEOUT:g} seconds",
            f"It is {len('x' * TOKEN_BYTES) * 4 // 3} characters at random",
            f"in the answer; at most {REF_LONGEST} characters",
            f"has at most {FIELD_LONGEST:,} characters, and a list {LIST_LONGEST} items",
            f"from 1 to {HISTORY_MOST:,}",
            f"At most {CHARACTERS_MOST:,} characters of text",
            f"more than {PERIODS_MOST} rooms",
            f"at most {limits.max_rooms_per_member} (`--max-rooms-per-member`)",
            f"{limits.grace} seconds away (`--grace`)",
            f"for {limits.token_life} days (`--token-life`)",
            f"{limits.max_tokens:,} others left after it (`--max-tokens`)",
            f"there was no `welcome` for {limits.login_timeout} seconds",
            f"say after {IDLE:g} seconds of silence",
            f"if there is no `pong` in {PATIENCE:g} seconds",
        ):
            self.assertIn(sentence, text)


class Machine:
    """A program on a connection in memory, which ignores what is for people."""

    def __init__(self, house: House) -> None:
        self.peer = house.connect()

    def say(self, **message: Any) -> list[dict[str, Any]]:
        self.peer.say(json.dumps(message))
        return self.hear()

    def hear(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.peer.hear() if line.startswith("{")]

    def enter(self, name: str, **more: Any) -> dict[str, Any]:
        return self.say(type="hello", name=name, **more)[0]


class PromiseTests(TestCase):
    """What the document promises and no transcript of it shows."""

    def test_a_line_has_room_for_any_text_however_it_is_escaped(self) -> None:
        house = House(max_line=10)
        bot = Machine(house)
        bot.enter("bot")
        escaped = r"\ud83d\ude00" * 10
        bot.peer.say(f'{{"type":"say","room":"lobby","text":"{escaped}","seq":1}}')
        (ok,) = bot.hear()
        self.assertEqual((ok["type"], ok["seq"]), ("ok", 1))

    def test_a_longer_line_is_dropped_up_to_its_end_and_the_connection_lives(self) -> None:
        house = House(max_line=10)
        bot = Machine(house)
        bot.enter("bot")
        bot.peer.say('{"type":"say","text":"' + "x" * longest(10) + '"}', '{"type":"ping"}')
        self.assertEqual([one.get("code", one["type"]) for one in bot.hear()], ["too_long", "pong"])

    def test_a_program_is_paced_like_a_person(self) -> None:
        house = House(rate=1, burst=2)
        bot = Machine(house)
        bot.enter("bot")
        bot.peer.say(*['{"type":"ping"}'] * 3)
        self.assertEqual(len(bot.hear()), 1)
        house.run(5)
        self.assertEqual(len(bot.hear()), 2)

    def test_a_program_speaks_no_telnet(self) -> None:
        bot = Machine(House())
        bot.enter("bot")
        bot.peer.send(b'\xff\xf6{"type":"ping"}\n{"type":"ping"}\n')
        self.assertEqual([one.get("code", one["type"]) for one in bot.hear()], ["not_json", "pong"])

    def test_a_first_line_that_comes_after_the_question_may_be_an_object(self) -> None:
        house = House()
        bot = Machine(house)
        self.assertEqual(bot.peer.hear(), [GREETING])
        self.assertEqual(bot.enter("bot")["type"], "welcome")

    def test_a_new_session_names_no_more_rooms_than_it_may_be_in(self) -> None:
        bot = Machine(House(max_rooms_per_member=2))
        self.assertEqual(bot.enter("bot", rooms=["a", "b", "c"])["code"], "bad_field")
        self.assertEqual(len(bot.enter("bot", rooms=["a", "b"])["rooms"]), 2)

    def test_fields_that_are_not_known_are_ignored_and_null_is_none(self) -> None:
        bot = Machine(House())
        self.assertEqual(bot.enter("bot", token=None, colour="green")["type"], "welcome")

    def test_what_a_terminal_would_obey_is_replaced(self) -> None:
        house = House()
        bot, other = Machine(house), Machine(house)
        bot.enter("bot")
        other.enter("other")
        bot.say(type="say", room="lobby", text="\x1b[2J  ", seq=1)
        self.assertEqual(other.hear()[-1]["text"], "\u241b[2J")

    def test_a_notice_may_come_before_the_welcome(self) -> None:
        house = House(FullJournal(lambda: 0), motd=["be kind"])
        assert isinstance(house.journal, FullJournal)
        bot, other = Machine(house), Machine(house)
        bot.enter("bot")
        house.journal.full = True
        bot.say(type="say", room="lobby", text="hi", seq=1)
        self.assertEqual({one["type"] for one in other.say(type="hello", name="other")}, {"notice"})
        house.journal.full = False
        house.run(2)
        answers = other.hear()
        types = [one["type"] for one in answers]
        self.assertEqual(answers[types.index("welcome") + 1]["text"], "be kind")

    def test_who_ends_its_half_is_answered_and_away(self) -> None:
        house = House()
        ana = house.enter("ana")
        bot = Machine(house)
        bot.enter("bot")
        ana.read()
        bot.peer.say('{"type":"say","room":"lobby","text":"bye","seq":1}')
        bot.peer.end()
        self.assertEqual([one["type"] for one in bot.hear()], ["ok"])
        self.assertFalse(bot.peer.connected)
        self.assertEqual(ana.hear(), ["<bot> bye"])
        self.assertEqual(house.people(), ["ana", "bot"])

    def test_lines_that_came_whole_before_the_loss_are_said(self) -> None:
        house = House()
        ana = house.enter("ana")
        bot = Machine(house)
        bot.enter("bot")
        ana.read()
        bot.peer.say('{"type":"say","room":"lobby","text":"one","seq":1}')
        bot.peer.lose()
        self.assertEqual(ana.hear(), ["<bot> one"])

    def test_a_name_is_not_held_for_who_may_not_have_heard_of_its_token(self) -> None:
        house = House()
        first, second, third = Machine(house), Machine(house), Machine(house)
        first.enter("bot")
        first.peer.lose()
        self.assertEqual(second.enter("bot")["type"], "welcome")
        second.say(type="ping")
        second.peer.lose()
        self.assertEqual(third.enter("bot")["code"], "name_taken")

    def test_a_session_keeps_private_lines_while_it_is_away_and_its_name_when_it_is_back(
        self,
    ) -> None:
        house = House()
        ana = house.enter("ana")
        bot, again = Machine(house), Machine(house)
        welcome = bot.enter("bot")
        bot.peer.lose()
        ana.say("/msg bot psst")
        house.run(1)
        answers = again.say(type="hello", token=welcome["token"], since=1, name="robot")
        self.assertEqual(answers[0]["name"], "bot")
        self.assertIn("private", [one["type"] for one in answers])

    def test_one_who_has_left_may_come_back_under_another_name(self) -> None:
        house = House()
        bot = Machine(house)
        token = bot.enter("bot")["token"]
        bot.say(type="quit")
        house.enter("bot")
        again = Machine(house)
        self.assertEqual(again.say(type="hello", token=token)[0]["code"], "name_taken")
        self.assertEqual(again.say(type="hello", token=token, name="rob")[0]["name"], "rob")

    def test_a_token_is_good_for_its_days_and_then_unknown(self) -> None:
        for days, wanted in ((1.9, "welcome"), (2.1, "error")):
            house = House(token_life=2)
            bot = Machine(house)
            token = bot.enter("bot")["token"]
            bot.say(type="quit")
            house.run(days * HOURS, step=60)
            self.assertEqual(Machine(house).say(type="hello", token=token)[0]["type"], wanted)

    def test_so_many_that_left_are_remembered(self) -> None:
        house = House(max_tokens=1)
        tokens = []
        for name in ("ana", "bob"):
            one = Machine(house)
            tokens.append(one.enter(name)["token"])
            one.say(type="quit")
        answers = [Machine(house).say(type="hello", token=token)[0] for token in tokens]
        self.assertEqual([one["type"] for one in answers], ["error", "welcome"])

    def test_the_one_that_is_away_longest_has_left_if_there_are_too_many(self) -> None:
        house = House(max_per_address=1)
        for name in ("ana", "bob"):
            one = Machine(house)
            one.enter(name)
            one.say(type="ping")
            one.peer.lose()
            house.run(1)
        self.assertEqual(house.people(), ["bob"])
