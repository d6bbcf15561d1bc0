"""The journal of one process: a SQLite file in WAL mode.

A commit is one transaction in the reactor's thread: some ``write()`` calls to the page cache,
which cost less than handing the work to a thread. An fsync must not run in that thread. With
``synchronous=NORMAL`` a commit makes no fsync, but a checkpoint does, and so does the first commit
after the write-ahead log was reset. Checkpoints therefore run in a thread, on a connection of
their own:

- past ``passive_at`` bytes of log, a passive checkpoint, which delays no commit. An open read
  transaction on the log keeps commits from resetting it;
- past ``truncate_at`` bytes, a checkpoint that empties the log, which a passive one never does
  under steady commits. While it runs, and while the thread makes the next small commit, the chat's
  commit waits: its Deferred fires later.

A commit survives a ``kill -9``. A power cut may lose the last moments before it, never the file.
(SQLite, "Write-Ahead Logging", and ``PRAGMA synchronous``.)

A file that was moved or deleted would still take commits, and the next start would find none of
them. So each commit checks that the files are where they were opened. Moving or deleting a file
changes the modification time of its folder (POSIX, ``rename()`` and ``unlink()``), so while that
time stays the same, a commit need not check more.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred
from twisted.logger import Logger

from chatservice.journal.events import (
    FILE,
    ROOM,
    Committed,
    Draft,
    Event,
    Fact,
    Facts,
    JournalError,
    JournalUnavailable,
    Revise,
    no_facts,
)
from chatservice.journal.sqlite_reading import InThread, SqliteReading
from chatservice.journal.sqlite_schema import (
    NUMBERED_ONLY,
    facts_of,
    hold,
    prepare,
    revise,
    rooms_of,
)

MANY_ROWS: Final = 40
"""The most events that one statement inserts: a row then costs half as much as alone. The
connection keeps 128 prepared statements, one for each number of rows."""

_NOTE: Final = "UPDATE journal SET checkpoints = checkpoints + 1"
"""The statement of the smallest commit."""

_T = TypeVar("_T")

log = Logger()


class SqliteJournal(SqliteReading):
    """A journal in a SQLite file, which one process at a time may open.

    :param path: the file; created with mode 0600 if it is missing.
    :param now: returns the time, in milliseconds since 1970.
    :param in_thread: runs readings and checkpoints in a thread.
    :param ages: whether :meth:`prune` will be called. It needs an index by time, which is created
        only then, because it slows down each commit.
    :param revise: returns the changes to a file that was written by older rules.
    """

    largest: int | None = None
    unbroken = 0

    passive_at = 4 << 20
    truncate_at = 64 << 20

    settled = 3.0
    """Seconds after which a new change of a folder certainly gets a new modification time: file
    systems count time in steps, of two seconds at most."""

    prune_most = 500
    """The most events that one call of :meth:`prune` forgets."""

    count_most = 1_000_000
    """The most events that are counted at the start; counting takes a tenth of a second."""

    def __init__(
        self,
        path: str,
        now: Callable[[], int],
        in_thread: InThread,
        ages: bool = False,
        revise: Revise = lambda facts, rooms: None,
    ) -> None:
        super().__init__(in_thread)
        self.path = path
        self.identity = ""
        self.head = 0
        self.floor = 0
        self._now = now
        self._ages = ages
        self._revise = revise
        self.last_at = 0
        self._connections: list[sqlite3.Connection] = []
        self._checkpointing = DeferredLock()
        self._checkpoint: Deferred[None] | None = None
        self._passed = 0
        self._opened: list[tuple[str, os.stat_result]] = []
        self._folder = ""
        self._folder_was: tuple[int, ...] = ()
        self._folder_since = 0.0
        self._all_there = False

    def start(self) -> None:
        """Lock and open the file. See :meth:`.Journal.start`."""
        try:
            self._lock = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"the history {self.path!r} can't be opened: {error.strerror}"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open()
        except OSError:
            os.close(self._lock)
            raise JournalError(f"the history {self.path!r} is in use by another process") from None
        except (JournalError, sqlite3.Error) as error:
            self._close()
            raise JournalError(f"the history {self.path!r} can't be used: {error}") from None

    def _open(self) -> None:
        self._writer = self._connect()
        prepare(self._writer)
        revise(self._writer, self._revise, self._now())
        if self._ages:
            self._writer.execute("CREATE INDEX IF NOT EXISTS aged ON events (at)")
        # The first commit to an empty log makes an fsync: do it now, not with the first line.
        self._writer.execute(_NOTE)
        self._connection = self._connect()
        self._checkpointer = self._connect()
        self._keeper = self._connect()
        # Absolute paths, because the folder may be moved together with the working directory.
        # SQLite keeps the other files beside the target of a link.
        self._log = os.path.realpath(self.path) + "-wal"
        paths = os.path.abspath(self.path), self._log, os.path.realpath(self.path) + "-shm"
        self._opened = [(path, os.stat(path)) for path in paths]
        # A link's target is in another folder, so one folder's time is not enough.
        self._folder = "" if os.path.islink(paths[0]) else os.path.dirname(paths[0])
        self.identity = self._writer.execute("SELECT identity FROM journal").fetchone()[0]
        # min() and max() in one query would read the whole table.
        ends = self._writer.execute(
            "SELECT (SELECT min(id) FROM events), id, at FROM events ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if ends is not None:
            first, self.head, self.last_at = ends
            self.floor = first - 1

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        self._connections.append(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def stop(self) -> Deferred[None]:
        """Move the log into the file and close both. See :meth:`.Journal.stop`."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._all_read()
        await self._checkpointing.acquire()
        self._close()

    def _close(self) -> None:
        if self.lost:
            # On closing, SQLite leaves moved files alone: move the log's commits into the file now.
            with suppress(sqlite3.Error):
                self._keep_log(False)
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        while self._connections:
            with suppress(sqlite3.Error):
                self._connections.pop().close()
        # Last: closing any descriptor of the file drops the locks that SQLite holds on it.
        os.close(self._lock)

    # Committing

    def commit(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        """See :meth:`.Journal.commit`."""
        return self._in_turn(self._commit, drafts, facts)

    def store(self, events: Sequence[Event], facts: Sequence[Fact]) -> Deferred[Committed]:
        """Commit events that have their times, and their ids above :attr:`head`, already."""
        return self._in_turn(self._store, events, facts)

    def note(self, name: str, value: str) -> Deferred[None]:
        """See :meth:`.Journal.note`."""
        return self._in_turn(self._write, (), [Fact(FILE, name, value)])

    def _in_turn(self, write: Callable[..., _T], *args: Any) -> Deferred[_T]:
        """Call ``write`` now, or when the running checkpoint is over."""
        if self._checkpoint is None:
            return maybeDeferred(write, *args)
        written: Deferred[_T] = Deferred()
        self._checkpoint.addCallback(lambda _: maybeDeferred(write, *args).chainDeferred(written))
        return written

    def _commit(self, drafts: Sequence[Draft], facts: Facts) -> Committed:
        at = self._now()
        events = [Event(id, at, *draft) for id, draft in enumerate(drafts, self.head + 1)]
        return self._store(events, facts(events))

    def _store(self, events: Sequence[Event], held: Sequence[Fact]) -> Committed:
        self._write(events, held)
        if events:
            # Ids before the very first event were never stored here.
            self.floor = self.floor if self.head else events[0].id - 1
            self.head = events[-1].id
            self.last_at = events[-1].at
        self._tend()
        return Committed(events, held)

    def _write(self, events: Sequence[Event], held: Sequence[Fact]) -> None:
        lost = "" if self._is_all_there() else self.lost
        if lost:
            raise JournalUnavailable(lost)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for first in range(0, len(events), MANY_ROWS):
                rows = events[first : first + MANY_ROWS]
                values = ",".join(["(?,?,?,?,?,?,?,?)"] * len(rows))
                self._writer.execute(f"INSERT INTO events VALUES {values}", [*chain(*rows)])
            if held:
                hold(self._writer, held)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            raise JournalUnavailable(str(error)) from None
        if any(fact.kind == ROOM for fact in held):
            self._kept.clear()  # The cache has events under the room's old name.

    # Checkpoints

    def _tend(self) -> None:
        """Start a checkpoint if the log has grown enough."""
        try:
            size = os.stat(self._log).st_size
        except OSError:
            return
        if size > self.truncate_at:
            if self._checkpoint is None:
                self._checkpoint = done = Deferred[None]()
                self._run_checkpoint(self._truncate).addBoth(self._truncated, done)
        elif size < self._passed:
            self._passed = 0
        elif size > self._passed + self.passive_at:
            self._passed = size
            self._run_checkpoint(self._pass)

    def _run_checkpoint(self, checkpoint: Callable[[], None]) -> Deferred[None]:
        # After a failure, the next commit that finds the log too long starts another one.
        return self._checkpointing.run(self._in_thread, checkpoint).addErrback(
            lambda failure: log.warn("checkpoint failed: {why}", why=failure.getErrorMessage())
        )

    def _pass(self) -> None:
        self._keep_log(True)
        self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _truncate(self) -> None:
        self._keep_log(False)
        self._checkpointer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        # The first commit to an empty log makes an fsync: do it in this thread.
        self._checkpointer.execute(_NOTE)

    def _keep_log(self, keep: bool) -> None:
        """Hold, or release, a read transaction that keeps commits from resetting the log.

        Without one, the next commit resets a log that was checkpointed to its end.
        """
        if self._keeper.in_transaction:
            self._keeper.execute("COMMIT")
        if keep:
            self._keeper.execute("BEGIN")
            self._keeper.execute("SELECT checkpoints FROM journal").fetchone()

    def _truncated(self, _: None, done: Deferred[None]) -> None:
        self._checkpoint = None
        done.callback(None)

    # Reading

    def recent(self, limit: int) -> list[Event]:
        """See :meth:`.Journal.recent`."""
        with self._readable():
            rows = self._connection.execute(
                "SELECT * FROM events ORDER BY id DESC LIMIT ?", (limit or -1,)
            ).fetchall()
        return [Event(*row) for row in reversed(rows)]

    def facts(self) -> list[Fact]:
        """See :meth:`.Journal.facts`."""
        with self._readable():
            return facts_of(self._writer)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn errors of SQLite in the block into :exc:`.JournalError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(f"the history {self.path!r} can't be read: {error}") from None

    def last_seq(self, origin: int) -> int:
        """See :meth:`.Journal.last_seq`."""
        with self._readable():
            (seq,) = self._writer.execute(
                f"SELECT max(seq) FROM events WHERE origin = ? AND {NUMBERED_ONLY}", (origin,)
            ).fetchone()
        return seq or 0

    def has(self, origin: int, seq: int) -> bool:
        """Return whether a session's event with a number is stored. Blocks, unlike :meth:`find`.

        :raises JournalUnavailable: if the file can't be read.
        """
        try:
            found = self._writer.execute(
                f"SELECT 1 FROM events WHERE origin = ? AND seq = ? AND {NUMBERED_ONLY}",
                (origin, seq),
            ).fetchone()
        except sqlite3.Error as error:
            raise JournalUnavailable(str(error)) from None
        return found is not None

    def belong_to(self, identity: str) -> None:
        """Give an empty journal the identity of the journal that it becomes a part of."""
        self._writer.execute("UPDATE journal SET identity = ?", (identity,))
        self.identity = identity

    def rooms(self) -> list[str]:
        """Return the names of people's rooms that have events. Blocks.

        :raises JournalError: if the file can't be read.
        """
        with self._readable():
            return list(dict.fromkeys(rooms_of(self._writer)))

    @property
    def size(self) -> int:
        """See :attr:`.Journal.size`."""
        size = 0
        for path in (self.path, self._log):
            with suppress(OSError):
                size += os.stat(path).st_size
        return size

    def describe(self) -> str:
        """See :meth:`.Journal.describe`."""
        with self._readable():
            (count,) = self._writer.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM events LIMIT {self.count_most + 1})"
            ).fetchone()
        many = f"more than {self.count_most:,}" if count > self.count_most else f"{count:,}"
        much = f"{many} events, {self.size / 1e6:,.1f} MB" if count else "new: nothing is in it yet"
        return f"{os.path.abspath(self.path)} ({much})"

    @property
    def lost(self) -> str:
        """The sentence about a file that was moved, deleted or replaced; else ``""``.

        See :attr:`.Journal.lost`.
        """
        for path, opened in self._opened:
            try:
                found = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                why = "was moved or deleted: put it back"
            except OSError:
                continue  # The file may be there, but this user can't see it.
            else:
                if found.st_ino == opened.st_ino and found.st_dev == opened.st_dev:
                    continue
                why = "is another file now: put the first one back"
            self._all_there = False
            return f"{path} {why}"
        return ""

    def _is_all_there(self) -> bool:
        """Return whether one look at the folder proves that no file is :attr:`lost`."""
        try:
            found = os.stat(self._folder)
        except OSError:
            return False
        folder = found.st_dev, found.st_ino, found.st_mtime_ns
        if folder != self._folder_was:
            self._folder_was, self._folder_since = folder, time.monotonic()
            self._all_there = False
        elif not self._all_there and time.monotonic() - self._folder_since > self.settled:
            # Checked after the folder's time was read, so any later move changes that time.
            self._all_there = not self.lost
        return self._all_there

    # Forgetting

    def prune(self, before: int) -> bool:
        """See :meth:`.Journal.prune`."""
        if self._checkpoint is not None:
            return True
        # By time, not by id: the clock may have been set, so old events may stand among new ones.
        try:
            forgotten = self._writer.execute(
                "DELETE FROM events WHERE id IN "
                "(SELECT id FROM events WHERE at < ? AND id < ? ORDER BY at, id LIMIT ?)",
                (before, self.head, self.prune_most),
            ).rowcount
            if forgotten:
                (first,) = self._writer.execute("SELECT min(id) FROM events").fetchone()
                self.floor = max(self.floor, first - 1)
                self._tend()
        except sqlite3.Error as error:
            log.warn("old events could not be removed: {why}", why=str(error))
            return False
        return forgotten == self.prune_most
