"""What anyone saw is stored, once and in order, however suddenly the server ends.

The moments of the kills are random: a run that failed is repeated, as nearly as that is possible,
with ``CHAT_SEED`` set to the number that it printed.
"""

from __future__ import annotations

import random
import re
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.support import (
    UNHURRIED,
    Client,
    Server,
    assert_lines,
    eventually,
    folder_for,
)
from tests.profiles import seed_of_run, size
from tests.welcome import in_room

ROUNDS = size(6, 100)
WRITERS = 4
READERS = 4
ROOMS = ("lobby", "den")
LONGEST_FLOOD = 0.8
"""Seconds after which a server is killed at the latest, from when the flood has reached readers."""

LINE = re.compile(rb"^(?:#\w+ )?<w\d+> (\S+)(?: x+)?\r\n", re.M)


class Flood:
    """One life of a server: people who write and people who read, until it is killed.

    :ivar sent: the lines of each writer, in the order in which they were said.
    """

    def __init__(self, case: TestCase, server: Server, number: int, choice: random.Random) -> None:
        self._over = False
        self._received = [bytearray() for _ in range(READERS)]
        self.sent: list[list[str]] = [[] for _ in range(WRITERS)]
        readers = [Client(case, server.address, f"r{number}") for number in range(READERS)]
        for reader in readers:
            # A member of two rooms, whose lines have one order.
            reader.ask(f"/join {ROOMS[1]}", until=in_room("den"))
        writers = [Client(case, server.address, f"w{writer}") for writer in range(WRITERS)]
        for writer in writers[::2]:
            writer.ask(f"/join {ROOMS[1]}", until=in_room("den"))
        self._threads = [
            threading.Thread(target=self._read, args=(reader, into))
            for reader, into in zip(readers, self._received, strict=True)
        ]
        for index, writer in enumerate(writers):
            tag = f"{number}.{index}"
            own = random.Random(choice.random())
            arguments = (writer, tag, own, self.sent[index])
            self._threads.append(threading.Thread(target=self._write, args=arguments))
        for thread in self._threads:
            thread.start()
        case.addCleanup(self.end)

    def _write(self, peer: Client, tag: str, choice: random.Random, sent: list[str]) -> None:
        while not self._over:
            count = choice.choice((1, 1, 5, 40))
            words = [f"{tag}.{len(sent) + more}" for more in range(count)]
            padding = "x" * choice.choice((0, 10, 300))
            sent += words
            try:
                peer.say(*(f"{word} {padding}" for word in words))
            except OSError:
                return

    def _read(self, peer: Client, into: bytearray) -> None:
        try:
            while data := peer.socket.recv(1 << 16):
                into += data
        except OSError:
            return

    def reached_everyone(self) -> bool:
        """Whether every reader has seen something."""
        return all(LINE.search(bytes(received[:100_000])) for received in self._received)

    def end(self) -> None:
        """Let the threads end; the server is no more."""
        self._over = True
        for thread in self._threads:
            thread.join()

    def seen(self) -> list[list[str]]:
        """List the lines that came, whole, to each reader."""
        return [
            [word.decode() for word in LINE.findall(bytes(received))] for received in self._received
        ]


def stored(history: Path, number: int) -> list[str]:
    """Read which lines of a round are in the history, in the order of their ids."""
    with closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT text FROM events WHERE kind = 'said' AND text GLOB ? ORDER BY id",
            (f"{number}.*",),
        ).fetchall()
    return [text.partition(" ")[0] for (text,) in rows]


def room_of_last(history: Path) -> str:
    """Find the room in which something was said last."""
    with closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as connection:
        (room,) = connection.execute(
            "SELECT room FROM events WHERE kind = 'said' ORDER BY id DESC LIMIT 1"
        ).fetchone()
    return room


class KillTests(TestCase):
    """Killed, as by ``kill -9`` or the kernel when it has no memory left."""

    timeout = 600

    def test_what_anyone_saw_is_stored_once_and_in_order(self):
        seed = seed_of_run()
        choice = random.Random(seed)
        folder = folder_for(self)
        options = (*UNHURRIED, *(word for room in ROOMS for word in ("--room", room)))
        server = Server(self, *options, folder=folder)
        total = 0
        for number in range(ROUNDS):
            flood = Flood(self, server, number, choice)
            eventually(flood.reached_everyone, "the flood to reach everyone")
            # Nothing is waited for: it is to die at a random moment.
            time.sleep(choice.uniform(0, LONGEST_FLOOD))
            server.kill()
            flood.end()

            server = Server(self, *options, folder=folder)
            lines = stored(server.history, number)
            total += len(lines)
            self.check(flood, lines, f"round {number} of seed {seed}")
            late = Client(self, server.address, "late")
            # It may have died before anything was said in the other room.
            late.say(f"/join {room_of_last(server.history)}")
            self.assertRegex(late.ask("/history 1", until=re.compile("^\\[.*\n", re.M)), "<w")
            late.close()
        print(f"{total:,} lines were stored in {ROUNDS} rounds")

    def check(self, flood: Flood, lines: list[str], which: str) -> None:
        """Compare what was sent, what was stored and what was seen."""
        self.assertEqual(len(lines), len(set(lines)), f"stored twice, {which}")
        for index, sent in enumerate(flood.sent):
            own = [line for line in lines if line.split(".")[1] == str(index)]
            assert_lines(self, own, sent[: len(own)], f"writer {index} in {which}")
        for index, seen in enumerate(flood.seen()):
            # A reader who was in both rooms before anyone spoke has seen all, up to some line.
            self.assertTrue(seen, f"reader {index} in {which}")
            assert_lines(self, seen, lines[: len(seen)], f"reader {index} in {which}")

    def test_who_comes_back_finds_their_own_name_free(self):
        folder = folder_for(self)
        first = Server(self, folder=folder)
        ana = Client(self, first.address, "ana")
        ana.say("see you soon")
        ana.ask("/who", until="  ana\r\n")
        first.kill()
        self.assertEqual(ana.read_rest(), "")

        again = Client(self, Server(self, folder=folder).address, "ana")
        again.read_until("<ana> see you soon\r\n")
        self.assertIn("-- 1 person in #lobby:", again.ask("/who", until="  ana\r\n"))
