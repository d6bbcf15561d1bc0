"""The bots of ``docs/bots.md`` do what is said of them, also under a server that is killed."""

from __future__ import annotations

import inspect
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from chatservice.client import Chat, connect
from tests.integration.support import (
    PATIENCE,
    UNHURRIED,
    Client,
    Program,
    Server,
    eventually,
    folder_for,
    lasting_ports,
    program,
)
from tests.integration.transcripts import PORT, Seat, shape

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/bots.md").read_text("utf-8")

LINES = 60
"""So many are said while the server is killed again and again."""

KILLS = 3


class Talker:
    """A program that says lines with numbers, and comes back."""

    def __init__(self, case: TestCase, server: Server) -> None:
        self._case = case
        self.token: str | None = None
        self.since: int | None = None
        self.said: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        self.stored: dict[int, int] = {}
        self.connect(server)

    def connect(self, server: Server) -> None:
        """Come in, or back, and say what is not stored."""
        self.client = Client(self._case, server.address)
        self._send({"type": "hello", "name": "talker", "token": self.token, "since": self.since})
        welcome = self._receive()
        self._case.assertEqual(welcome["gap"], False)
        self.token, self.since = welcome["token"], welcome["since"]
        for message in self.said:
            if message["seq"] > welcome["seq"]:
                self._send(message)

    def say(self, *texts: str) -> None:
        for text in texts:
            message = {"type": "say", "room": "lobby", "text": text, "seq": len(self.said) + 1}
            self.said.append(message)
            self._send(message)

    def _send(self, message: dict[str, Any]) -> None:
        self.client.say(json.dumps({k: value for k, value in message.items() if value is not None}))

    def _receive(self) -> dict[str, Any]:
        # What is for people may come first, on a slow machine.
        line = ""
        while not line.startswith("{"):
            line = self.client.read_line()
        message: dict[str, Any] = json.loads(line)
        return message

    def read(self) -> dict[str, Any]:
        """Read one message."""
        message = self._receive()
        if "id" in message and message["type"] == "ok":
            seq = message["seq"]
            self._case.assertEqual(self.stored.setdefault(seq, message["id"]), message["id"])
        elif "id" in message:
            self.others.append(message)
        self.since = max(self.since or 0, message.get("id", 0))
        return message

    def echoes(self) -> list[str]:
        """List what the bot has said."""
        return [
            one["text"]
            for one in self.others
            if one["type"] == "said" and one["author"] == "parrot"
        ]

    def leavers(self) -> set[str]:
        """List who was seen to leave."""
        return {name for one in self.others if one["type"] == "left" for name in one["names"]}

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask for something, and return the answer."""
        self._send({**request, "ref": "answer"})
        while (message := self.read()).get("ref") != "answer":
            pass
        return message


class BotTests(TestCase):
    """They are run as they stand in the document, but for the address."""

    timeout = 10 * PATIENCE

    def setUp(self) -> None:
        (self.port,) = lasting_ports(1)
        self.folder = folder_for(self)
        for name, code in re.findall(r"^```python\n# (\S+)\n(.*?)^```$", DOCUMENT, re.M | re.S):
            code = code.replace("chat.example:7007", f"127.0.0.1:{self.port}")
            (self.folder / name).write_text(code, "utf-8")
        self.server = self.serve(folder_for(self))

    def serve(self, folder: Path) -> Server:
        endpoint = f"tcp:{self.port}:interface=127.0.0.1"
        return Server(self, *UNHURRIED, listen=(endpoint,), folder=folder)

    def start(self, bot: str) -> Program:
        return Program(self, sys.executable, f"{bot}.py", folder=self.folder)

    def wait_for(self, *names: str) -> None:
        """Wait until bots are in the lobby."""
        witness = Client(self, self.server.address, "witness")

        def seen() -> bool:
            who = witness.ask("/who", re.compile(r"^-- \d.*\n--   .*\n", re.M))
            return all(re.search(rf"\b{name}\b", who) for name in names)

        eventually(seen, f"{names} to be in the lobby")
        witness.ask("/quit", "goodbye")

    def book(self) -> list[str]:
        written = self.folder / "lobby.txt"
        return written.read_text("utf-8").splitlines() if written.exists() else []

    def assert_booked(self, talker: Talker) -> None:
        """Compare what the scribe has written with what the server has stored."""
        past = talker.ask(type="history", room="lobby", limit=1000)["events"]
        wanted = [f"{event['at']} {event['author']} {event['text']}" for event in past]
        eventually(lambda: len(self.book()) >= len(wanted), "all to be written down")
        self.assertEqual(self.book(), wanted)

    def kill_and_restart(self) -> None:
        self.server.kill()
        self.server = self.serve(self.server.folder)

    def test_they_are_about_fifteen_lines_long(self) -> None:
        bots = list(self.folder.glob("*.py"))
        self.assertEqual(len(bots), 2)
        for bot in bots:
            code = re.sub(r"^(?:from|import) .*\n|^\s*\n", "", bot.read_text("utf-8"), flags=re.M)
            self.assertLessEqual(len(code.splitlines()), 20, bot)

    def test_the_parrot_does_what_is_shown(self) -> None:
        program("nc")
        self.start("parrot")
        self.wait_for("parrot")
        (shown,) = re.findall(
            r"^<!-- bot: parrot.py -->\n```console\n(.*?)^```$", DOCUMENT, re.M | re.S
        )
        shown = shown.replace("chat.example", "127.0.0.1").replace(PORT, str(self.port))
        ana = Seat(self, shown.splitlines(), self.folder)

        def played() -> bool:
            ana.go_on()
            return ana.done or not ana.as_wanted(len(ana.lines))

        eventually(played, "the transcript to be played")
        self.assertEqual(list(map(shape, ana.lines)), list(map(shape, ana.wanted)))

    def test_the_server_is_killed_and_nothing_is_lost_or_doubled(self) -> None:
        self.start("parrot")
        self.start("scribe")
        self.wait_for("parrot", "scribe")
        talker = Talker(self, self.server)
        words = [f"word {number}" for number in range(LINES)]
        for kill in range(KILLS):
            mine = words[kill::KILLS]
            talker.say(*(f"!echo {word}" for word in mine))
            stop_at = len(talker.echoes()) + len(mine) // 2
            while len(talker.echoes()) < stop_at:
                talker.read()
            self.kill_and_restart()
            talker.connect(self.server)
        while len(talker.echoes()) < LINES or len(talker.stored) < LINES:
            talker.read()
        self.assertEqual(sorted(talker.stored), list(range(1, LINES + 1)))
        self.assertEqual(
            talker.echoes(), [said["text"].removeprefix("!echo ") for said in talker.said]
        )
        self.assertEqual(talker.leavers() - {"witness"}, set())
        self.assert_booked(talker)

    def test_the_scribe_is_stopped_and_nothing_is_lost_or_doubled(self) -> None:
        scribe = self.start("scribe")
        self.wait_for("scribe")
        talker = Talker(self, self.server)
        talker.say("before")
        self.assert_booked(talker)
        scribe.process.send_signal(signal.SIGTERM)
        scribe.wait()
        self.assertEqual((self.folder / "scribe.json").stat().st_mode & 0o777, 0o600)
        talker.say("meanwhile")
        self.kill_and_restart()
        talker.connect(self.server)
        talker.say("and then")
        self.start("scribe")
        self.assert_booked(talker)
        talker.say("after")
        self.assert_booked(talker)
        self.assertEqual(talker.leavers() - {"witness"}, set())


class TableTests(TestCase):
    """All that the library offers is in the document."""

    def test_everything_is_listed(self) -> None:
        listed = set(re.findall(r"chat\.(\w+)", DOCUMENT.split("## What there is", 1)[1]))
        offered = {name for name in vars(Chat) if not name.startswith("_")}
        self.assertEqual(listed, offered)

    def test_what_connect_takes_is_listed(self) -> None:
        (shown,) = re.findall(r"`await connect\((.*?)\)`", DOCUMENT)
        listed = [word.partition("=")[0] for word in shown.split(", ")]
        self.assertEqual(sorted(listed), sorted(inspect.signature(connect).parameters))
