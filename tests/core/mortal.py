"""What the models have in common: a house that may be killed at any moment, and comes to rest."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, Protocol

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.core.chat import Chat
from chatservice.journal.events import Committed, Draft, Event, Facts, no_facts
from chatservice.journal.sqlite import SqliteJournal
from tests.core.support import FOLDER, House, RecordingOutlet

PERMANENT: Final = ("lobby",)


class MortalJournal(SqliteJournal):
    """Stops the world, if that is wanted, right before a commit or right after it."""

    world: MortalWorld

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        self.world.commits_now()
        self.world.fuse("commit")
        return super().commit(drafts, facts).addCallback(self._committed)

    def _committed(self, committed: Committed) -> Committed:
        self.world.stored(committed)
        self.world.fuse("committed")
        return committed


class Connected(Protocol):
    """Whatever has an outlet in the house."""

    outlet: RecordingOutlet

    @property
    def idle(self) -> bool:
        """Whether all that it asked for is done."""


class MortalWorld(RuleBasedStateMachine):
    """A house with a file, which may be killed and opened again on what is left."""

    flush_errors: Callable[[], list[Failure]]
    make_chat: ClassVar[type[Chat]]
    house: House

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="chat-model-", dir=FOLDER)
        self.lives = 0
        self.dead = False
        self.burning: tuple[str, int] | None = None
        self.log: list[Event] = []
        self.counter = 0

    @property
    def path(self) -> str:
        return f"{self.folder.name}/{self.lives}.sqlite"

    @property
    def connected(self) -> Iterable[Connected]:
        """All who are connected, or were and may still have something to read."""
        raise NotImplementedError

    def open_house(self, moment: int, held: bool, **options: Any) -> None:
        class WatchedHouse(House):
            make_chat = self.make_chat
            make_journal = MortalJournal

        self.house = WatchedHouse(self.path, moment=moment, permanent=PERMANENT, **options)
        for part in (self.house.chat, self.house.journal):
            part.world = self  # type: ignore[union-attr]
        self.house.readings.held = held
        self.reader = sqlite3.connect(self.path, isolation_level=None)

    def teardown(self) -> None:
        try:
            if hasattr(self, "house") and sys.exc_info()[0] is None:
                self.comes_to_its_end()
        finally:
            if hasattr(self, "house"):
                self.house.stop()
                self.reader.close()
            self.folder.cleanup()

    def text(self, words: str) -> str:
        """Return words that nobody has said before."""
        self.counter += 1
        return f"{words} {self.counter}"

    # What each model adds

    def comes_to_its_end(self) -> None:
        """Do what is to be true at the end of each story."""
        raise NotImplementedError

    def commits_now(self) -> None:
        """Hear that something is about to be committed."""

    def stored(self, committed: Committed) -> None:
        """Hear that something was committed, and nobody was shown it yet."""
        raise NotImplementedError

    def everyone_follows(self) -> None:
        """Check what is always true."""
        raise NotImplementedError

    def check_quiet_house(self) -> None:
        """Check what is true when nothing waits and everyone has read everything."""
        raise NotImplementedError

    # Coming to rest

    @rule()
    def everything_drains(self) -> None:
        """Let everyone read all there is; then nobody is behind, and nothing is left over."""
        self.house.accept()
        for _ in range(200):
            self.house.readings.release()
            for one in self.connected:
                if not one.outlet.lost:
                    one.outlet.drain()
            # A pace, and what that leaves; a journal that refused is tried again in a second.
            self.house.tick(1.0)
            self.house.tick(0.0)
            if self.dead or self.is_quiet():
                break
        else:
            self.everyone_follows()
            raise AssertionError("there is no end to it")
        if not self.dead:
            self.everyone_follows()
            self.check_quiet_house()

    def is_quiet(self) -> bool:
        # Who is away has a grace, which is later.
        soon = self.house.clock.seconds() + 1.5
        return (
            all(one.idle for one in self.connected)
            and not self.house.readings
            and all(call.getTime() > soon for call in self.house.waiting)
        )

    # Dying

    def fuse(self, what: str) -> None:
        """Count down to the moment at which the house is killed."""
        if self.burning is None or self.burning[0] != what or self.dead:
            return
        if self.burning[1] and what != "now":
            self.burning = (what, self.burning[1] - 1)
            return
        # What a killed process leaves is what is in its files.
        self.dead = True
        self.burning = None
        old = self.path
        self.lives += 1
        for suffix in ("", "-wal"):
            shutil.copyfile(old + suffix, self.path + suffix)
        self.reader.close()
        self.reader = sqlite3.connect(self.path, isolation_level=None)

    def check_all_is_stored(self) -> None:
        """Check that all that was ever shown is in the file that was left."""
        stored = [Event(*row) for row in self.reader.execute("SELECT * FROM events ORDER BY id")]
        assert stored == self.log


def run(
    test: Any, machine: type[RuleBasedStateMachine], stories: int, steps: int, **more: Any
) -> None:
    """Tell a number of stories, in each of which so many things happen.

    :param more: other settings of hypothesis.
    """

    class WatchedMachine(machine):  # type: ignore[misc,valid-type]
        flush_errors = staticmethod(test.flushLoggedErrors)

    run_state_machine_as_test(
        WatchedMachine,
        settings=settings(
            max_examples=stories,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
            **more,
        ),
    )
