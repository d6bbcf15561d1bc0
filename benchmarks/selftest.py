"""A test of the load itself: it must detect each fault of a server, and none in a right one.

:mod:`.servers.faulty` commits each fault once, towards one member of twenty.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import SERVERS, Lines, Server
from benchmarks.load import Load, name_of
from benchmarks.verify import Wrong

MEMBERS = range(20)
SPEAKERS = MEMBERS[::4]
FLIGHT = 4
BEFORE = 50
"""Lines that the victim receives correctly before the fault."""
STRETCH = 0.02
PATIENCE = 10.0
SHORT = 0.5
"""Seconds of silence after which the load gives up, for faults that are silence."""

VICTIMS = {"a listener": 6, "a speaker": 8, "everybody": 0}
EITHER = ("a listener", "a speaker")

FAULTS: dict[str, tuple[str, Sequence[str]]] = {
    "none": ("nothing wrong", ["everybody"]),
    "lost": ("a line lost", EITHER),
    "doubled": ("a line doubled", EITHER),
    "swapped": ("two lines of one speaker exchanged", EITHER),
    "crossed": ("two lines of different speakers exchanged", EITHER),
    "garbled": ("one byte changed", EITHER),
    "cut": ("a line cut short", EITHER),
    "joined": ("two lines run together", EITHER),
    "echoed": ("a line echoed to its speaker", ["a speaker"]),
    "hung up": ("the connection closed", EITHER),
    "deaf": ("nothing more told", EITHER),
    "silent": ("nothing more told", ["everybody"]),
}
"""Each fault in words and its possible victims, by the server's name for it."""


class Faulty(Lines):
    """The server that commits one fault."""

    title = "faulty"

    def __init__(self, fault: str, victim: int, one_order: bool) -> None:
        self.one_order = one_order
        self._words = [fault, name_of(victim), str(BEFORE)]

    def start(self, folder: Path) -> Server:
        """See :meth:`.Contestant.start`."""
        server = Server([sys.executable, SERVERS / "faulty.py", *self._words], folder)
        return server.await_port(r"^(\d+)$")


@dataclass(frozen=True)
class Fault:
    """One fault, and one load that has to find it.

    :ivar name: the server's name for the fault.
    :ivar victim: the key of the victim in :data:`VICTIMS`.
    :ivar one_order: whether the server promises one order for all.
    """

    name: str
    victim: str
    one_order: bool

    @property
    def is_wrong(self) -> bool:
        """Whether the load must report something."""
        return self.name != "none" and (self.name != "crossed" or self.one_order)

    def __str__(self) -> str:
        promise = "one order" if self.one_order else "each line"
        return f"{FAULTS[self.name][0]}, {self.victim}, {promise}"

    def find(self) -> str:
        """Run a load on a server with this fault; return the load's finding, "" for none.

        :raises RuntimeError: if the server did not commit the fault.
        """
        contestant = Faulty(self.name, VICTIMS[self.victim], self.one_order)
        found = ""
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            server = contestant.start(Path(folder))
            load = Load(contestant, server, SHORT if self.name in ("deaf", "silent") else PATIENCE)
            try:
                _talk(load)
            except Wrong as error:
                found = str(error)
            finally:
                load.close()
                server.kill()
            if not _is_committed(server):
                raise RuntimeError(f"not committed: {self}: {found or server.output}")
        return found


def _talk(load: Load) -> None:
    load.enter({number: ["lobby"] for number in MEMBERS})
    load.gather({"lobby": MEMBERS}, SPEAKERS)
    for number in SPEAKERS:
        load.say(number, FLIGHT)
    deadline = time.monotonic() + PATIENCE
    while not _is_committed(load.server) and time.monotonic() < deadline:
        load.run(STRETCH)
    load.run(STRETCH)
    load.finish()


def _is_committed(server: Server) -> bool:
    return "committed" in server.output


def faults() -> Iterator[Fault]:
    """Yield each fault, for each victim, with each kind of load."""
    for name, (_, victims) in FAULTS.items():
        for victim in victims:
            for one_order in (True, False):
                yield Fault(name, victim, one_order)


def run() -> bool:
    """Run each fault, and print the findings; return whether all are as they should be."""
    good = True
    for fault in faults():
        try:
            found = fault.find()
            right = bool(found) == fault.is_wrong
        except RuntimeError as error:
            found, right = str(error), False
        good = good and right
        print(f"{'ok' if right else 'NOT OK'}: {fault}: {found or 'nothing found'}", flush=True)
    return good
