"""What one line costs, whatever it is: no more than some ordinary ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from math import inf
from time import process_time
from typing import Final

from chatservice.text import names
from chatservice.text.sanitising import typed
from tests.core.programs import ProgramTestCase
from tests.core.support import HouseTestCase

MOST: Final = 0.02
"""Seconds that a line may cost: many times what it does, and a fraction of what it could."""

MARKS: Final = "a" + "\u0301" * 6850 + "\u0316" * 6850
"""Two blocks of marks that a normalisation puts in order, one by one."""

WORDS: Final = (
    MARKS[:2000],
    "a" + "\u0301" * 990 + "\u0316" * 990,
    "\ufdfa" * 1990,
    "\u1100\u1161" * 990,
    "Europe/" * 280,
    "0" * 1990,
    "hel" * 660,
    "1.2.3.4/" * 200,
    "a\u200d" * 990,
)


def cost(do: Callable[..., object], *args: object, most: float = MOST, tries: int = 3) -> float:
    """Return the seconds of CPU that a call takes; of one that seems dear, the least of some.

    :param most: so much it may take.
    """
    taken = inf
    for _ in range(tries):
        begun = process_time()
        do(*args)
        taken = min(taken, process_time() - begun)
        if taken < most:
            break
    return taken


def _plain(text: str) -> None:
    for character in text:
        character.isspace()


def slowness() -> float:
    """Return how many times as long as on an idle machine something takes now, about.

    A processor that has other work does less in a second of its time, too. What is compared is what
    an idle one needs for a plain loop over the characters of a line.
    """
    return max(1.0, cost(_plain, "x" * 2000, most=0.0, tries=20) / 0.00002)


class NamesTests(HouseTestCase):
    def test_a_text_that_no_name_is_as_long_as_is_not_normalised(self) -> None:
        self.assertEqual(names.key(MARKS), MARKS)
        self.assertLess(cost(names.key, MARKS, most=MOST / 20), MOST / 20)

    def test_the_longest_that_is_costs_little(self) -> None:
        half = names.KEYED_MOST // 2
        for text in ("\u0301" * half + "\u0316" * half, "\ufdfa" * 2 * half):
            self.assertLess(cost(names.key, text), MOST, text[:1])


class LineTests(HouseTestCase):
    def test_no_line_of_a_person_costs_much(self) -> None:
        house = self.open()
        (ana,) = house.gather("ana", operator=True)
        commands = (
            *("msg", "whois", "ignore", "unignore", "nick", "join", "leave", "who", "say"),
            *("set zone", "set timestamps", "set", "topic", "away", "help", "history", ""),
            *("kick", "ban", "unban", "mute", "unmute", "lock", "unlock", "shutdown"),
        )
        for command in commands:
            for word in WORDS:
                line = f"/{command} {word}"[:2000] if command else f"/{word}"[:2000]
                for whole in (line, f"{line} x"):
                    self.assertLess(cost(ana.type, whole), MOST, whole[:40])
                    for _ in range(4):
                        house.tick()
                    self.assertTrue(ana.idle, whole[:40])

    def test_nothing_that_is_typed_costs_much(self) -> None:
        # What is erased, and what becomes a part of what stays, wide and narrow, as often as a
        # line may have it.
        ends = ("", "a", "\u0301", "a\u0301", "\u4e00", "\u4e00\u0301", "\u00e9", "\u00e9\u0301")
        joins = (
            "\u0301a",
            "\u1100",
            "\u200d",
            "\U0001f1e6",
            "a\u00ad",
            "\u0915\u094d",
            "a ",
            "\u4e00 ",
        )
        pairs = (left + right for left in ends for right in (*ends, *joins))
        texts = (
            *("\b".join(word) for word in WORDS),
            *(word[:1000] + "\b" * 1000 for word in WORDS),
            *(pair + key for pair in pairs for key in "\b\x15\x17"),
            *("a \x17", "\u0301\b", "a\b", "\u4e00 " * 20 + "\x17" * 20, *WORDS),
        )
        for text in texts:
            for length in (2000, 2500):
                line = (text * (4000 // len(text) + 1))[:length].encode()[:8000]
                # To count the branches, as coverage does, takes several times as long.
                most = MOST if sys.gettrace() else MOST / 10
                taken = cost(typed, line, 2000, most=most, tries=20)
                if taken >= most:
                    most *= slowness()
                self.assertLess(taken, most, ascii(text[:4]))


class RequestTests(ProgramTestCase):
    def test_no_request_costs_much(self) -> None:
        (bot,) = self.gather("bot")
        for asked in (
            *({"type": "private", "text": "x", "to": word} for word in (MARKS, *WORDS)),
            *({"type": "private", "text": "x", "session": word} for word in (MARKS, *WORDS)),
            *({"type": "nick", "name": word} for word in (MARKS, *WORDS)),
            *({"type": "say", "text": "x", "room": word} for word in (MARKS, *WORDS)),
            *({"type": "history", "room": word} for word in (MARKS, *WORDS)),
            {"type": "hello", "name": "x", "rooms": ["a"] * 7000},
            {"type": "hello", "token": MARKS},
            {"type": "ping", "ref": MARKS},
            {"type": MARKS},
            {"type": "ping", "x": [1] * 13_000},
            {"type": "ping", "x": dict.fromkeys(map(str, range(2800)), 1)},
        ):
            line = json.dumps(asked, ensure_ascii=False, separators=(",", ":"))
            self.assertLessEqual(len(line.encode()), 28_096)
            self.assertLess(cost(bot.line, line), MOST, line[:60])
        for line in ('{"a":' * 5000, "[" * 28_000, '{"x":' + "9" * 28_000, '{"x":.' + "9" * 28_000):
            self.assertLess(cost(bot.line, line), MOST, line[:60])
