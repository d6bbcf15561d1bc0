"""Nobody pays for what another one asks: the pings of others while some ask for all there is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import TestCase

from chatservice.core.commits import HISTORY_ON_JOINING
from chatservice.journal.events import SAID, TOPIC, Draft, Fact
from chatservice.journal.sqlite import SqliteJournal
from tests.integration.support import FreshServer, eventually, folder_for, memory_of
from tests.profiles import NIGHTLY, size

ASKING: Final = Path(__file__).with_name("asking.py")

PINGERS: Final = 40
SECONDS: Final = size(3.0, 10.0)
ASKERS: Final = 64
"""As many as may come from one address."""

OFTEN, EVER = 20.0, 60.0
"""Milliseconds that a ping may take, 99 times of a hundred and at all. It is time of the server's
processor: how long it waits for one is a matter of what else the machine does."""

ROUNDS: Final = 4
"""How often it is tried until it is so."""

MEBIBYTES: Final = 32
"""All that may wait for those who do not read."""

TIMES: Final = size(4, 20)
"""So many questions each has at once; what they cost is waited for."""

LINES: Final = 1000
MANY: Final = 10_000
LONG_AGO: Final = size(300_000, 3_000_000)
"""Lines that were said before."""
ROOMS: Final = size(1200, 9600)


class Asking:
    """One process of :mod:`tests.integration.asking`."""

    def __init__(self, case: TestCase, *words: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, ASKING, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        case.addCleanup(self.end)
        self.began = self.told()

    def begin(self) -> None:
        """Have it do what it does."""
        assert self._process.stdin is not None
        print("go", file=self._process.stdin, flush=True)

    def told(self) -> Any:
        """Wait for what it tells."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        """End it, and its connections."""
        self._process.kill()
        self._process.communicate()


def percentile(times: Sequence[float], share: float) -> float:
    """Return what so large a share of the times does not exceed."""
    return sorted(times)[int(share * (len(times) - 1))]


def history(folder: Path, rooms: int = 0, lines: int = 0, topic: str = "a topic") -> None:
    """Make a history in which things were said in the lobby, and rooms have topics."""
    journal = SqliteJournal(str(folder / "chat.sqlite"), lambda: 1_700_000_000_000, maybeDeferred)
    journal.start()
    # A room that has a topic is there after a restart, too.
    topics = [Fact(TOPIC, f"room{n}", topic) for n in range(rooms)]
    journal.commit((), lambda events: topics)
    for first in range(1, lines + 1, MANY):
        said = [
            Draft("lobby", SAID, "ana", f"line {n} of many", 1, -n)
            for n in range(first, min(first + MANY, lines + 1))
        ]
        journal.commit(said)
    journal.stop()


class AskingTestCase(TestCase):
    timeout = 300

    def serve(self, *options: str, **filled: Any) -> FreshServer:
        """Start a server with a history."""
        folder = folder_for(self)
        history(folder, **filled)
        return FreshServer(self, *options, folder=folder)


class PingsTests(AskingTestCase):
    """What others notice while some ask, within their rate, for all there is.

    What else runs on the machine can only make it look worse: who waits for a processor reads the
    pong late. So one good round of a few is enough; what is answered has to be right in each.
    """

    def pinged(self, what: str, check: Callable[[Any], None], *words: object) -> None:
        """Let some ask; nobody else may notice.

        :param check: checks what they tell.
        :param words: who asks for what, to the process that does.
        """
        rounds: list[str] = []
        for _ in range(ROUNDS):
            server = self.serve(rooms=ROOMS, lines=LINES)
            pingers = Asking(self, "ping", server.port, "127.0.0.2", PINGERS, SECONDS, server.pid)
            kind, *rest = words
            asker = Asking(self, kind, server.port, "127.0.0.1", *rest)
            asker.begin()
            pingers.begin()
            waited, took = zip(*pingers.told(), strict=True)
            check(asker.told())
            for process in (asker, pingers):
                process.end()
            server.stop()
            often, ever = percentile(took, 0.99), max(took)
            rounds.append(f"{what}: {often:.1f} ms, at most {ever:.1f}")
            if NIGHTLY:
                waits = f"{percentile(waited, 0.99):.1f}, {max(waited):.1f}"
                print(f"{rounds[-1]} (with the waits {waits})")
            if often < OFTEN and ever < EVER:
                return
        self.fail("; ".join(rounds))

    def asked(self, count: int, kind: str, least: int, **question: Any) -> None:
        """Let programs ask the same again and again."""
        questions = json.dumps([{"type": kind, **question}] * TIMES)
        right = {"wrong": [], "kinds": [[kind, least, least]]}

        def check(told: Any) -> None:
            self.assertEqual(told, right)

        self.pinged(f"{count} x {kind}", check, "ask", count, questions, True)

    def typed(self, check: Callable[[Any], None], *lines: str) -> None:
        """Let people type.

        :param check: checks how many lines of the past each was shown.
        """
        self.pinged(f"{ASKERS} x {lines[0]}", check, "type", ASKERS, *lines)

    def test_many_people_who_look_back_hold_nobody_up(self) -> None:
        def check(told: Any) -> None:
            # Some of what they are shown on joining may come behind.
            for shown in told:
                self.assertIn(shown - TIMES * LINES, range(HISTORY_ON_JOINING + 1))

        self.typed(check, *[f"/history {LINES}"] * TIMES)

    def test_many_people_who_look_around_hold_nobody_up(self) -> None:
        self.typed(lambda told: None, *["/rooms", "/who", "/help", "/whois person1"] * 5)

    def test_one_who_asks_for_the_history_holds_nobody_up(self) -> None:
        self.asked(1, "history", LINES, room="lobby", limit=LINES)

    def test_many_of_one_address_who_ask_for_the_history_hold_nobody_up(self) -> None:
        self.asked(ASKERS, "history", LINES, room="lobby", limit=LINES)

    def test_many_of_one_address_who_ask_for_the_rooms_hold_nobody_up(self) -> None:
        self.asked(ASKERS, "rooms", 500)

    def test_many_of_one_address_who_ask_who_is_there_hold_nobody_up(self) -> None:
        self.asked(ASKERS, "who", ASKERS + PINGERS, room="lobby")


class UnreadTests(AskingTestCase):
    """What is kept for those who do not read what they asked for."""

    def test_an_answer_is_made_no_further_than_it_is_read(self) -> None:
        server = self.serve(rooms=500, topic="\N{GRINNING FACE}" * 2000)
        questions = json.dumps([{"type": "rooms"}] * 20)
        askers = [
            Asking(self, "ask", server.port, f"127.0.0.{n}", ASKERS, questions, False)
            for n in range(3, 3 + size(1, 4))
        ]
        before = memory_of(server.pid)
        for asker in askers:
            asker.begin()
            asker.told()
        pingers = Asking(self, "ping", server.port, "127.0.0.2", 1, SECONDS, server.pid)
        pingers.begin()
        self.assertTrue(pingers.told())
        # Each answer would be 4 MB.
        more = (memory_of(server.pid) - before) / (1 << 20)
        if NIGHTLY:
            print(f"{ASKERS * len(askers)} who do not read took up {more:.1f} MiB")
        self.assertLess(more, MEBIBYTES)
        for asker in askers:
            asker.end()
        eventually(
            lambda: memory_of(server.pid) < before + (8 << 20), "the memory to be free again"
        )


class ReadingTests(AskingTestCase):
    """What others wait for while some read the history from its beginning."""

    def test_who_looks_for_what_is_not_there_holds_nobody_up(self) -> None:
        server = self.serve("--rate", "0", lines=LONG_AGO)
        again = Asking(self, "again", server.port, "127.0.0.2", 20, 5, "empty")
        reader = Asking(self, "past", server.port, "127.0.0.3", SECONDS, "lobby")
        reader.begin()
        alone = reader.told()
        reader.begin()
        again.begin()
        took = reader.told()
        again.told()
        usual, middle, most = percentile(alone, 0.5), percentile(took, 0.5), max(took)
        what = f"looking up took {middle:.1f} ms, at most {most:.1f} (alone {usual:.1f})"
        if NIGHTLY:
            print(what)
        self.assertLess(middle, 100 + usual, what)
        self.assertLess(most, 1000 + usual, what)
