"""A journal in a real file, on a clock and a thread that the test moves by hand."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import TestCase

from chatservice.journal.events import SAID, Committed, Draft, Event, Fact, Facts, no_facts
from chatservice.journal.sqlite import SqliteJournal


def folder_for(case: TestCase) -> str:
    """Make a folder that is gone after the test."""
    folder = tempfile.mkdtemp(prefix="chatservice-test-")
    case.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def said(text: str, room: str = "lobby", kind: str = SAID, author: str = "ana") -> Draft:
    """Make a draft."""
    return Draft(room, kind, author, text, 1, 1)


def run_python(script: str, *arguments: str) -> list[str]:
    """Run a script in a process of its own, and return the lines that it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise AssertionError(done.stdout)
    return done.stdout.splitlines()


class Thread:
    """Where a journal reads and checkpoints: at once, or, while :attr:`held`, when told to."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: deque[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = deque()

    def __call__(self, call: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if not self.held:
            return maybeDeferred(call, *args)
        result: Deferred[Any] = Deferred()
        self.waiting.append((result, call, args))
        return result

    def run(self) -> None:
        """Do, in a real thread, what waits."""
        with ThreadPoolExecutor(1) as thread:
            while self.waiting:
                result, call, args = self.waiting.popleft()
                maybeDeferred(thread.submit(call, *args).result).chainDeferred(result)

    def release(self) -> None:
        """Do what waits, and from now on everything at once."""
        self.held = False
        self.run()


class RecordedJournal(SqliteJournal):
    """A journal that tells a test, too, what its commits return.

    :ivar happened: told of it, before whoever has committed it.
    """

    happened: Callable[[Committed], None]

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        return super().commit(drafts, facts).addCallback(self._record)

    def store(self, events: Sequence[Event], facts: Sequence[Fact]) -> Deferred[Committed]:
        return super().store(events, facts).addCallback(self._record)

    def _record(self, committed: Committed) -> Committed:
        self.happened(committed)
        return committed


class JournalTestCase(TestCase):
    """A test of journals in one file.

    :ivar now: the time, in milliseconds since 1970.
    :ivar told: the events that were committed, by all journals of the test, as they said.
    :ivar facts: what holds by that.
    """

    def setUp(self) -> None:
        self.folder = folder_for(self)
        self.path = os.path.join(self.folder, "history")
        self.thread = Thread()
        self.now = 1000
        self.told: list[Event] = []
        self.facts: list[Fact] = []

    def journal(self, path: str | None = None) -> SqliteJournal:
        """Make a journal that is not open yet."""
        journal = RecordedJournal(path or self.path, lambda: self.now, self.thread)
        journal.happened = self._committed
        return journal

    def open(self) -> SqliteJournal:
        """Open the journal; it is closed after the test."""
        journal = self.journal()
        journal.start()
        self.addCleanup(self.close, journal)
        return journal

    def _committed(self, committed: Committed) -> None:
        self.told += committed.events
        self.facts += committed.facts

    def close(self, journal: SqliteJournal) -> None:
        """Close a journal, if it is open."""
        if journal.identity:
            journal.identity = ""
            self.thread.release()
            self.successResultOf(journal.stop())

    def commit(self, journal: SqliteJournal, *texts: str) -> None:
        """Commit things said."""
        self.successResultOf(journal.commit([said(text) for text in texts]))

    def meddler(self) -> sqlite3.Connection:
        """Open the file behind the journal's back, until the end of the test."""
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        self.addCleanup(connection.close)
        return connection

    def meddle(self, statement: str) -> None:
        """Change the file behind the journal's back."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute(statement)

    def fresh(self) -> None:
        """Begin anew: with a file that is not there yet, and nothing told."""
        self.path = os.path.join(tempfile.mkdtemp(dir=self.folder), "history")
        self.told.clear()

    def open_files(self) -> Sequence[str]:
        """List the files of the test's folder that this process has open."""
        links = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{fd}"))
            except OSError:
                continue
        return [link for link in links if link.startswith(self.folder)]
