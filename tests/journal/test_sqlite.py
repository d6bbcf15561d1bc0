from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from unittest import SkipTest

from chatservice.journal import sqlite
from chatservice.journal.events import (
    ANNOUNCED,
    DID,
    FILE,
    HOUSE,
    JOINED,
    LEFT,
    PRIVATE,
    ROOM,
    SAID,
    Committed,
    Event,
    Fact,
    JournalError,
    JournalUnavailable,
    Revise,
    Revision,
    Stretch,
    inbox,
)
from chatservice.journal.sqlite import MANY_ROWS, SqliteJournal
from tests.journal.support import JournalTestCase, folder_for, run_python, said

OPEN = """
import os, sys
from twisted.internet.defer import maybeDeferred
from chatservice.journal.events import JournalError, JournalUnavailable
from chatservice.journal.events import Draft
from chatservice.journal.sqlite import SqliteJournal

journal = SqliteJournal(sys.argv[1], lambda: 0, maybeDeferred)
draft = Draft("lobby", "said", "ana", "x" * 500, 1, 1)

def start():
    try:
        journal.start()
    except JournalError as error:
        print(error)
    else:
        print("open")
"""

AS_NOBODY = """
if os.geteuid() == 0:
    os.setuid(65534)
start()
"""

# A new child is killed each time it has told of a number of commits; what it told goes to stdout.
KILLED = """
import signal
from chatservice.journal import sqlite

journal.passive_at, journal.truncate_at = 20_000, 100_000

for kill_after in map(int, sys.argv[2:]):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        tell = lambda done: os.write(writing, b"".join(b"%d\\n" % e.id for e in done.events))
        journal.start()
        while True:
            drafts = [draft._replace(text=str(journal.head + n)) for n in (1, 2, 3)]
            journal.commit(drafts).addCallback(tell)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = [pipe.readline() for _ in range(kill_after)]
        os.kill(child, signal.SIGKILL)
        lines += pipe.readlines()
    os.waitpid(child, 0)
    sys.stdout.buffer.write(b"".join(lines))
"""

FULL = """
import resource

told = []
start()

def commit():
    outcome = []
    journal.commit([draft] * 10).addCallback(lambda done: told.extend(done.events)).addCallbacks(
        outcome.append, lambda failure: outcome.append(failure.value)
    )
    return outcome[0]

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
while (refused := commit()) is None:
    pass
before = len(told)
print(type(refused).__name__, commit() is not None, len(told) == before == journal.head)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(commit(), len(told) == before + 10)
print([event.id for event in journal.recent(0)] == list(range(1, before + 11)))
"""

# The kill() is there to be seen in the trace: between the first and the second, the chat runs.
TRACED = """
from concurrent.futures import ThreadPoolExecutor
from twisted.internet.defer import Deferred
from chatservice.journal import sqlite

journal.passive_at, journal.truncate_at = 20_000, 100_000
jobs = []

def in_thread(call, *args):
    jobs.append((Deferred(), call, args))
    return jobs[-1][0]

journal._in_thread = in_thread
start()
with ThreadPoolExecutor(1) as pool:
    os.kill(os.getpid(), 0)
    for _ in range(400):
        journal.commit([draft])
        while jobs:
            done, call, args = jobs.pop()
            done.callback(pool.submit(call, *args).result())
    os.kill(os.getpid(), 0)
"""


class OpeningTests(JournalTestCase):
    def test_the_file_is_for_its_owner_alone(self) -> None:
        self.addCleanup(os.umask, os.umask(0))
        self.commit(self.open(), "a")
        modes = {
            name: stat.S_IMODE(os.stat(os.path.join(self.folder, name)).st_mode)
            for name in os.listdir(self.folder)
        }
        self.assertEqual(modes, dict.fromkeys(("history", "history-wal", "history-shm"), 0o600))

    def test_a_second_process_is_refused(self) -> None:
        self.open()
        in_use = f"the history '{self.path}' is in use by another process"
        self.assertEqual(run_python(OPEN + "start()", self.path), [in_use])

    def test_a_second_journal_in_the_same_process_is_refused(self) -> None:
        first = self.open()
        with self.assertRaisesRegex(
            JournalError, "^the history '.*' is in use by another process$"
        ):
            self.open()
        self.commit(first, "a")

    def test_once_closed_the_file_is_free_again(self) -> None:
        self.close(self.open())
        self.assertEqual(self.open_files(), [])
        self.assertEqual(run_python(OPEN + "start()", self.path), ["open"])

    def test_closing_leaves_one_whole_file(self) -> None:
        journal = self.open()
        self.commit(journal, "a")
        self.close(journal)
        self.assertEqual(os.listdir(self.folder), ["history"])

    def test_a_journal_keeps_its_identity(self) -> None:
        journal = self.open()
        identity = journal.identity
        self.close(journal)
        self.assertEqual(self.open().identity, identity)

    def test_each_journal_is_another(self) -> None:
        journal = self.open()
        identity = journal.identity
        self.close(journal)
        os.unlink(self.path)
        self.assertNotEqual(self.open().identity, identity)

    def test_a_file_whose_making_was_cut_short_is_made(self) -> None:
        for statement in ("SELECT 1", "PRAGMA journal_mode = WAL"):
            self.meddle(statement)
            self.close(self.open())
            os.unlink(self.path)

    def refuses(self, why: str) -> None:
        """Nothing is kept open or locked of what is refused."""
        with self.assertRaises(JournalError) as refusal:
            self.open()
        self.assertEqual(str(refusal.exception), f"the history {self.path!r} can't be {why}")
        self.assertEqual(self.open_files(), [])

    def refuses_unchanged(self, why: str) -> None:
        with open(self.path, "rb") as file:
            before = file.read()
        self.refuses(why)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), before)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_a_database_of_something_else_is_refused(self) -> None:
        self.meddle("CREATE TABLE music (title)")
        self.refuses_unchanged("used: it is a database of something else")

    def test_what_is_no_database_is_refused(self) -> None:
        with open(self.path, "w") as file:
            file.write("Dear diary,\n" * 100)
        self.refuses_unchanged("used: file is not a database")

    def test_a_journal_of_a_newer_version_is_refused(self) -> None:
        self.close(self.open())
        self.meddle("PRAGMA user_version = 99")
        self.refuses_unchanged("used: it was written by a newer version (schema 99)")

    def test_a_folder_is_refused(self) -> None:
        os.mkdir(self.path)
        self.refuses("opened: Is a directory")

    def test_a_file_in_no_folder_is_refused(self) -> None:
        self.path = os.path.join(self.folder, "nowhere", "history")
        self.refuses("opened: No such file or directory")

    def test_a_folder_that_may_not_be_written_to_is_refused(self) -> None:
        self.addCleanup(os.chmod, self.folder, 0o700)
        os.chmod(self.folder, 0o555)
        refused = run_python(OPEN + AS_NOBODY, self.path)
        self.assertEqual(refused, [f"the history '{self.path}' can't be opened: Permission denied"])

    def test_a_file_whose_folder_may_not_be_written_to_is_refused(self) -> None:
        self.close(self.open())
        os.chmod(self.path, 0o666)
        self.addCleanup(os.chmod, self.folder, 0o700)
        os.chmod(self.folder, 0o555)
        (refused,) = run_python(OPEN + AS_NOBODY, self.path)
        self.assertRegex(refused, f"^the history '{self.path}' can't be used: [^\n]+$")

    def test_a_damaged_file_is_refused(self) -> None:
        journal = self.open()
        self.commit(journal, *("x" * 1000 for _ in range(200)))
        self.close(journal)
        with open(self.path, "r+b") as file:
            file.seek(os.stat(self.path).st_size // 2)
            file.write(b"\xff" * 4096 * 3)
        journal = self.open()
        with self.assertRaisesRegex(JournalError, "^the history '.*' can't be read: .* malformed$"):
            journal.recent(0)


class CommitTests(JournalTestCase):
    def test_ids_rise_without_a_gap_over_commits_and_restarts(self) -> None:
        journal = self.open()
        self.commit(journal, "a", "b")
        self.commit(journal)
        self.commit(journal, "c")
        self.close(journal)
        self.commit(self.open(), "d")
        texts = [(event.id, event.text) for event in self.told]
        self.assertEqual(texts, [(1, "a"), (2, "b"), (3, "c"), (4, "d")])

    def test_what_was_told_is_what_is_stored(self) -> None:
        drafts = [said("zoë \U0001f600 'x'", "büro", kind, "İlk") for kind in (SAID, DID, JOINED)]
        journal = self.open()
        self.successResultOf(journal.commit(drafts))
        self.close(journal)
        self.assertEqual(self.told, [Event(n, 1000, *d) for n, d in enumerate(drafts, 1)])
        self.assertEqual(self.open().recent(0), self.told)

    def test_a_commit_may_have_any_number_of_events(self) -> None:
        store = self.open()
        for count in (MANY_ROWS - 1, MANY_ROWS, MANY_ROWS + 1, 3 * MANY_ROWS + 7):
            self.commit(store, *(f"{count}: {number}" for number in range(count)))
        self.assertEqual(store.recent(0), self.told)

    def test_a_commit_returns_what_it_committed(self) -> None:
        fact = Fact("topic", "lobby", "cake")
        committed = self.successResultOf(self.open().commit([said("a")], lambda events: [fact]))
        self.assertEqual(committed, Committed([Event(1, 1000, *said("a"))], [fact]))

    def test_it_stores_all_or_nothing(self) -> None:
        journal = self.open()
        broken = said("b")._replace(text=None)  # type: ignore[arg-type]
        self.failureResultOf(journal.commit([said("a"), broken]), JournalUnavailable)
        self.assertEqual((self.told, journal.recent(0), journal.head), ([], [], 0))
        self.commit(journal, "c")
        self.assertEqual([(event.id, event.text) for event in self.told], [(1, "c")])

    def test_each_line_has_the_time_that_it_was(self) -> None:
        """Also after one for which the clock was a year ahead, and after a restart."""
        journal = self.open()
        for self.now in (1000, 32_000_000_000, 400):
            self.commit(journal, "a")
        self.close(journal)
        journal = self.open()
        self.assertEqual(journal.last_at, 400)
        for self.now in (500, 1001):
            self.commit(journal, "b")
        times = [1000, 32_000_000_000, 400, 500, 1001]
        self.assertEqual([event.at for event in self.told], times)
        self.assertEqual([event.id for event in self.told], [1, 2, 3, 4, 5])

    def test_a_note_concerns_the_file_alone(self) -> None:
        journal = self.open()
        self.successResultOf(journal.note("clock", "wrong"))
        self.assertEqual((self.told, self.facts), ([], []))
        self.close(journal)
        journal = self.open()
        self.assertEqual(journal.facts(), [Fact(FILE, "clock", "wrong")])
        self.successResultOf(journal.note("clock", ""))
        self.assertEqual(journal.facts(), [])
        self.meddler().execute("BEGIN IMMEDIATE")
        self.failureResultOf(journal.note("clock", "wrong"), JournalUnavailable)

    def test_while_somebody_else_writes_it_is_unavailable(self) -> None:
        journal = self.open()
        other = self.meddler()
        other.execute("BEGIN IMMEDIATE")
        self.failureResultOf(journal.commit([said("a")]), JournalUnavailable)
        other.execute("ROLLBACK")
        self.commit(journal, "b")
        self.assertEqual([event.text for event in self.told], ["b"])

    def test_on_a_full_disk_nothing_is_told_until_there_is_room_again(self) -> None:
        outcome = run_python(OPEN + FULL, self.path)
        expected = ["open", "JournalUnavailable True True", "None True", "True"]
        self.assertEqual(outcome, expected)

    def test_a_killed_process_has_stored_all_that_it_told(self) -> None:
        """Each process goes on where the killed one was, so a lost commit is an id twice."""
        kills = [str(random.randint(1, 300)) for _ in range(12)]
        told = [int(id) for id in run_python(OPEN + KILLED, self.path, *kills)]
        self.assertEqual(told, sorted(set(told)))
        stored = {event.id: event.text for event in self.open().recent(0)}
        self.assertEqual(list(stored), list(range(1, len(stored) + 1)))
        self.assertLessEqual(set(told), set(stored))
        self.assertEqual(set(map(str, stored)), set(stored.values()))


class ReplicaTests(JournalTestCase):
    """What a file does that has ids and times from somewhere else."""

    def stores(self, journal: SqliteJournal, *events: Event, facts: Sequence[Fact] = ()) -> None:
        self.successResultOf(journal.store(events, facts))

    def event(self, id: int, text: str = "a", origin: int = 1, seq: int = 1) -> Event:
        return Event(id, 10 * id, "lobby", SAID, "ana", text, origin, seq)

    def test_events_are_stored_as_they_are(self) -> None:
        journal = self.open()
        events = [self.event(id, str(id)) for id in (100, 101, 250)]
        self.stores(journal, *events)
        self.assertEqual((self.told, journal.recent(0)), (events, events))
        self.assertEqual((journal.head, journal.last_at), (250, 2500))

    def test_what_was_before_the_first_never_was_here(self) -> None:
        journal = self.open()
        self.stores(journal, self.event(100))
        self.stores(journal, self.event(200))
        self.assertEqual(journal.floor, 99)
        self.close(journal)
        journal = self.open()
        self.assertEqual((journal.floor, journal.head, journal.last_at), (99, 200, 2000))

    def test_what_holds_is_stored_with_them_or_alone(self) -> None:
        journal = self.open()
        topic = Fact("topic", "lobby", "cake")
        self.stores(journal, self.event(5), facts=[topic])
        self.assertEqual((self.facts, journal.facts()), ([topic], [topic]))
        self.stores(journal, facts=[Fact("topic", "lobby", "")])
        self.assertEqual((journal.facts(), journal.head), ([], 5))

    def test_of_what_is_said_several_times_at_once_the_last_holds(self) -> None:
        journal = self.open()
        for values in (("a", "b"), ("", "c"), ("d", ""), ("e", "", "f")):
            facts = [Fact("topic", "lobby", value) for value in values]
            self.stores(journal, facts=[*facts, Fact("topic", "dev", "x")])
            held = [fact for fact in journal.facts() if fact.name == "lobby"]
            self.assertEqual(held, [fact for fact in facts[-1:] if fact.value])

    def test_all_or_nothing_is_stored(self) -> None:
        journal = self.open()
        self.stores(journal, self.event(5))
        again = journal.store([self.event(6), self.event(5)], [Fact("topic", "lobby", "cake")])
        self.failureResultOf(again, JournalUnavailable)
        self.assertEqual((journal.head, journal.facts()), (5, []))
        self.assertEqual([event.id for event in journal.recent(0)], [5])

    def test_it_waits_for_its_turn_as_a_commit_does(self) -> None:
        journal = self.open()
        self.thread.held = True
        journal.truncate_at = 0
        self.stores(journal, self.event(5))
        waiting = journal.store([self.event(6)], [])
        self.assertNoResult(waiting)
        self.thread.release()
        self.successResultOf(waiting)
        self.assertEqual(journal.head, 6)

    def test_it_is_known_which_numbered_events_are_there(self) -> None:
        journal = self.open()
        self.stores(journal, self.event(5, seq=7), self.event(6, origin=2, seq=-1))
        found = [journal.has(*identity) for identity in ((1, 7), (1, 8), (2, 7), (2, -1))]
        self.assertEqual(found, [True, False, False, False])

    def test_a_file_that_can_not_be_read_does_not_tell(self) -> None:
        journal = self.open()
        self.meddler().execute("DROP TABLE events")
        self.assertRaises(JournalUnavailable, journal.has, 1, 1)

    def test_an_empty_file_can_be_part_of_another_journal(self) -> None:
        journal = self.open()
        journal.belong_to("the chat")
        self.assertEqual(journal.identity, "the chat")
        self.close(journal)
        self.assertEqual(self.open().identity, "the chat")


class ForgettingTests(JournalTestCase):
    def open(self) -> SqliteJournal:
        journal = super().open()
        journal.prune_most = 3
        return journal

    def ten(self) -> sqlite.SqliteJournal:
        """Ten events, one each second from 1 to 10."""
        journal = self.open()
        for self.now in range(1000, 11_000, 1000):
            self.commit(journal, str(self.now))
        return journal

    def test_old_events_are_forgotten_slice_by_slice(self) -> None:
        journal = self.ten()
        floors = []
        while journal.prune(before=9000):
            floors.append(journal.floor)
        self.assertEqual((floors, journal.floor), ([3, 6], 8))
        self.assertEqual([event.id for event in journal.recent(0)], [9, 10])
        stretch = self.successResultOf(journal.after(0, ["lobby"], 10, talk=False))
        self.assertEqual(stretch, Stretch(self.told[8:], 10))

    def test_what_is_young_enough_stays(self) -> None:
        journal = self.ten()
        self.assertFalse(journal.prune(before=1000))
        self.assertEqual((journal.recent(0), journal.floor), (self.told, 0))

    def test_only_what_is_old_goes_wherever_it_stands(self) -> None:
        """Times need not rise with ids: the clock may have been wrong for a line."""
        journal = self.open()
        times = [500_000, 600_000, 70, 610_000, 80, 620_000, 1]
        for self.now in times:
            self.commit(journal, str(self.now))
        while journal.prune(before=1000):
            pass
        kept = [event.at for event in journal.recent(0)]
        # The newest stays whatever its time, so that ids go on rising.
        self.assertEqual(kept, [500_000, 600_000, 610_000, 620_000, 1])
        self.assertEqual((journal.floor, journal.head), (0, 7))
        journal.prune(before=605_000)
        self.assertEqual([event.id for event in journal.recent(0)], [4, 6, 7])
        self.assertEqual(journal.floor, 3)

    def test_the_old_is_found_in_an_index_of_those_alone_who_look_for_it(self) -> None:
        indices = "SELECT count(*) FROM sqlite_master WHERE name = 'aged'"
        self.close(self.open())
        self.assertEqual(self.meddler().execute(indices).fetchone(), (0,))
        for _ in range(2):
            journal = SqliteJournal(self.path, lambda: self.now, self.thread, ages=True)
            journal.start()
            self.successResultOf(journal.stop())
        self.assertEqual(self.meddler().execute(indices).fetchone(), (1,))

    def test_ids_go_on_rising_when_all_was_old(self) -> None:
        journal = self.ten()
        while journal.prune(before=99_000):
            pass
        self.assertEqual(journal.recent(0), self.told[9:])
        self.close(journal)
        journal = self.open()
        self.assertEqual((journal.head, journal.floor), (10, 9))
        self.commit(journal, "next")
        self.assertEqual(self.told[-1].id, 11)

    def test_nothing_is_forgotten_that_could_not_be_removed(self) -> None:
        journal = self.ten()
        self.meddler().execute("BEGIN IMMEDIATE")
        self.assertFalse(journal.prune(before=9000))
        self.assertEqual((journal.recent(0), journal.floor), (self.told, 0))

    def test_forgetting_waits_while_commits_wait(self) -> None:
        journal = self.ten()
        self.thread.held = True
        journal.truncate_at = 0
        self.commit(journal, "eleven")
        self.assertTrue(journal.prune(before=9000))
        self.assertEqual(journal.floor, 0)
        self.thread.run()
        self.assertTrue(journal.prune(before=9000))
        self.assertEqual(journal.floor, 3)

    def test_forgetting_alone_lets_no_log_grow(self) -> None:
        journal = self.ten()
        self.thread.held = True
        journal.truncate_at = 0
        journal.prune(before=9000)
        grown = os.stat(self.path + "-wal").st_size
        self.thread.run()
        self.assertLess(os.stat(self.path + "-wal").st_size, grown)


class CheckpointTests(JournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.thread.held = True

    def open(self) -> SqliteJournal:
        journal = super().open()
        journal.passive_at, journal.truncate_at = 50_000, 200_000
        return journal

    def log_size(self) -> int:
        return os.stat(self.path + "-wal").st_size

    def grow(self, journal: sqlite.SqliteJournal, until: Callable[[], object]) -> None:
        while not until():
            self.commit(journal, "x" * 2000)

    def test_a_long_log_is_checkpointed_in_a_thread_while_commits_go_on(self) -> None:
        journal = self.open()
        self.grow(journal, lambda: self.thread.waiting)
        self.assertGreater(self.log_size(), journal.passive_at)
        self.commit(journal, "meanwhile")
        before = os.stat(self.path).st_size
        self.thread.run()
        self.assertGreater(os.stat(self.path).st_size, before)
        self.commit(journal, "after")
        self.assertEqual(len(self.thread.waiting), 0)
        self.assertEqual(journal.recent(0), self.told)

    def test_a_very_long_log_is_emptied_in_a_thread_while_commits_wait(self) -> None:
        journal = self.open()
        self.grow(journal, lambda: self.log_size() > journal.truncate_at)
        told = len(self.told)
        waiting = journal.commit([said("waits"), said("too")])
        self.assertNoResult(waiting)
        self.assertEqual(len(self.told), told)
        self.thread.run()
        self.successResultOf(waiting)
        self.commit(journal, "after")
        self.assertLess(self.log_size(), journal.passive_at)
        self.assertEqual([e.text for e in self.told[told:]], ["waits", "too", "after"])
        self.assertEqual([e.id for e in self.told], list(range(1, len(self.told) + 1)))
        self.assertEqual(journal.recent(0), self.told)

    def test_the_log_is_emptied_again_and_again(self) -> None:
        journal = self.open()
        self.thread.held = False
        sizes = []
        for _ in range(500):
            self.commit(journal, "x" * 2000)
            sizes.append(self.log_size())
        shrunk = [size for before, size in pairwise(sizes) if size < before]
        self.assertGreater(len(shrunk), 3)
        self.assertLess(max(sizes), journal.truncate_at + journal.passive_at)

    def test_what_waits_is_told_as_refused_if_it_is(self) -> None:
        journal = self.open()
        self.grow(journal, lambda: self.log_size() > journal.truncate_at)
        waiting = journal.commit([said("waits")])
        self.meddler().execute("BEGIN IMMEDIATE")
        self.thread.run()
        self.failureResultOf(waiting, JournalUnavailable)

    def test_after_a_checkpoint_that_failed_commits_go_on(self) -> None:
        journal = self.open()
        self.grow(journal, lambda: self.log_size() > journal.truncate_at)
        waiting = journal.commit([said("waits")])
        # Nobody may write now, so neither may the checkpoint.
        other = self.meddler()
        other.execute("BEGIN IMMEDIATE")
        checkpoint, *_ = self.thread.waiting
        checkpoint[0].addBoth(lambda result: (other.execute("ROLLBACK"), result)[1])
        self.thread.run()
        self.successResultOf(waiting)
        self.assertEqual(journal.recent(0), self.told)

    def test_stopping_waits_for_a_checkpoint(self) -> None:
        journal = self.open()
        self.grow(journal, lambda: self.thread.waiting)
        journal.identity = ""
        stopping = journal.stop()
        self.assertNoResult(stopping)
        self.thread.run()
        self.successResultOf(stopping)
        self.assertEqual(os.listdir(self.folder), ["history"])

    def test_the_reactor_s_thread_makes_no_fsync(self) -> None:
        trace = os.path.join(self.folder, "trace")
        strace = ["strace", "-f", "-o", trace, "-e", "trace=fsync,fdatasync,kill"]
        if shutil.which("strace") is None or subprocess.run([*strace, "true"]).returncode:
            raise SkipTest("there is no strace that may trace")
        self.close(self.open())
        command = [*strace, sys.executable, "-c", OPEN + TRACED, self.path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(trace) as file:
            calls = [line.split(None, 1) for line in file]
        marks = [number for number, (_, call) in enumerate(calls) if call.startswith("kill(")]
        main = calls[marks[0]][0]
        syncs = [pid for pid, call in calls[marks[0] : marks[1]] if "sync(" in call]
        self.assertGreater(len(syncs), 10)
        self.assertNotIn(main, syncs)


class MovedTests(JournalTestCase):
    """The file is not where it was opened, so who starts next would find nothing of it."""

    def setUp(self) -> None:
        super().setUp()
        self.elsewhere = os.path.join(folder_for(self), "elsewhere")

    def refused(self, journal: SqliteJournal) -> str:
        refusal = self.failureResultOf(journal.commit([said("lost")]), JournalUnavailable)
        self.assertEqual(refusal.getErrorMessage(), journal.lost)
        return journal.lost

    def test_what_is_where_it_was_is_not_lost(self) -> None:
        journal = self.journal()
        self.assertEqual(journal.lost, "")
        journal = self.open()
        self.commit(journal, "stored")
        self.assertEqual(journal.lost, "")

    def test_each_of_the_files_is_missed_and_may_come_back(self) -> None:
        journal = self.open()
        for end in ("", "-wal", "-shm"):
            os.rename(self.path + end, self.elsewhere)
            why = f"{self.path}{end} was moved or deleted: put it back"
            self.assertEqual(self.refused(journal), why)
            os.rename(self.elsewhere, self.path + end)
            self.commit(journal, "stored")
        self.assertEqual([event.text for event in self.told], ["stored"] * 3)

    def test_a_file_that_was_deleted(self) -> None:
        journal = self.open()
        os.unlink(self.path)
        self.assertIn("was moved or deleted", self.refused(journal))

    def test_another_file_in_its_place(self) -> None:
        journal = self.open()
        for end in ("", "-wal", "-shm"):
            os.rename(self.path + end, self.elsewhere)
            shutil.copyfile(self.elsewhere, self.path + end)
            why = f"{self.path}{end} is another file now: put the first one back"
            self.assertEqual(self.refused(journal), why)
            os.replace(self.elsewhere, self.path + end)
        self.commit(journal, "stored")

    def test_a_folder_that_is_moved_with_whoever_is_in_it(self) -> None:
        folder = os.path.join(self.folder, "folder")
        os.mkdir(folder)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)
        self.path = "history"
        journal = self.open()
        os.rename(folder, self.elsewhere)
        self.assertIn(f"{folder}/history was moved", self.refused(journal))
        with open(folder, "w"):
            self.assertIn(f"{folder}/history was moved", self.refused(journal))
        os.unlink(folder)
        os.rename(self.elsewhere, folder)
        self.commit(journal, "stored")
        os.chdir("/")
        self.commit(journal, "from elsewhere")

    def test_a_link_to_it_is_followed(self) -> None:
        os.symlink(self.elsewhere, self.path)
        journal = self.open()
        self.commit(journal, "stored")
        self.assertGreater(journal.size, os.stat(self.elsewhere).st_size)
        for moved in (self.path, self.elsewhere, f"{self.elsewhere}-wal"):
            os.rename(moved, f"{moved}.moved")
            self.refused(journal)
            os.rename(f"{moved}.moved", moved)
            self.commit(journal, "stored")

    def test_one_look_at_the_folder_is_enough_while_nothing_is_moved(self) -> None:
        journal = self.open()
        journal.settled = -1
        looked: list[str] = []
        stat = os.stat

        def watched(path: str) -> os.stat_result:
            looked.append(path)
            return stat(path)

        def settle() -> None:
            # As if it had not been touched for long: the next change has another time.
            os.utime(self.folder, (1, 1))
            for _ in range(3):
                self.commit(journal, "stored")
            looked.clear()

        self.patch(sqlite.os, "stat", watched)
        settle()
        self.commit(journal, "stored")
        self.assertEqual(looked, [self.folder, f"{self.path}-wal"])
        for end in ("", "-wal", "-shm"):
            settle()
            os.rename(self.path + end, self.elsewhere)
            self.assertIn(f"{self.path}{end} was moved", self.refused(journal))
            os.rename(self.elsewhere, self.path + end)
            settle()
            os.rename(self.path + end, self.elsewhere)
            shutil.copyfile(self.elsewhere, self.path + end)
            self.assertIn(f"{self.path}{end} is another file", self.refused(journal))
            os.replace(self.elsewhere, self.path + end)
        settle()
        os.rename(self.folder, self.elsewhere)
        self.assertIn(f"{self.path} was moved", self.refused(journal))
        os.rename(self.elsewhere, self.folder)
        self.commit(journal, "stored")

    def test_a_folder_that_has_just_changed_is_not_believed(self) -> None:
        """Two changes may have one time, so the files are looked at for some seconds more."""
        journal = self.open()
        self.commit(journal, "stored", "stored")
        changed = os.stat(self.folder).st_mtime_ns
        os.rename(self.path, self.elsewhere)
        os.utime(self.folder, ns=(changed, changed))
        self.assertIn(f"{self.path} was moved", self.refused(journal))
        os.rename(self.elsewhere, self.path)
        self.commit(journal, "stored")

    def test_what_is_missed_between_commits_is_refused_by_the_next(self) -> None:
        """Also if its file system told nothing of it by the time of the folder."""
        journal = self.open()
        journal.settled = -1
        self.commit(journal, "stored", "stored", "stored")
        changed = os.stat(self.folder).st_mtime_ns
        os.rename(self.path, self.elsewhere)
        os.utime(self.folder, ns=(changed, changed))
        self.assertIn(f"{self.path} was moved", journal.lost)
        self.assertIn(f"{self.path} was moved", self.refused(journal))
        os.rename(self.elsewhere, self.path)

    def test_what_can_not_be_seen_may_be_there(self) -> None:
        journal = self.open()

        def forbidden(path: str) -> None:
            raise PermissionError(path)

        self.patch(sqlite.os, "stat", forbidden)
        self.commit(journal, "stored")

    def test_all_is_in_the_file_that_was_moved_when_it_is_closed(self) -> None:
        """The log may have stayed behind, and a file without it is one all the same."""
        journal = self.open()
        self.commit(journal, "one", "two")
        os.rename(self.path, self.elsewhere)
        self.close(journal)
        os.replace(self.elsewhere, self.path)
        for end in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + end)
        self.assertEqual([event.text for event in self.open().recent(0)], ["one", "two"])

    def test_nothing_is_noted_either(self) -> None:
        journal = self.open()
        os.rename(self.path, self.elsewhere)
        self.failureResultOf(journal.note("a", "b"), JournalUnavailable)
        os.rename(self.elsewhere, self.path)
        self.successResultOf(journal.note("a", "b"))


class FactTests(JournalTestCase):
    topic, lock = Fact("topic", "lobby", "tea"), Fact("lock", "dev", "locked")

    def commit_facts(self, journal: SqliteJournal, *facts: Fact) -> None:
        self.successResultOf(journal.commit([said("x")], lambda events: facts))

    def test_what_holds_outlives_a_restart(self) -> None:
        journal = self.open()
        self.commit_facts(journal, self.topic, self.lock)
        self.assertEqual(self.facts, [self.topic, self.lock])
        self.close(journal)
        self.assertEqual(sorted(self.open().facts()), sorted([self.topic, self.lock]))

    def test_a_fact_takes_the_place_of_the_one_before(self) -> None:
        journal = self.open()
        self.commit_facts(journal, self.topic, self.lock)
        self.commit_facts(journal, self.topic._replace(value="cake"), self.lock._replace(value=""))
        self.assertEqual(journal.facts(), [self.topic._replace(value="cake")])

    def test_facts_alone_are_committed(self) -> None:
        journal = self.open()
        self.successResultOf(journal.commit([], lambda events: [self.topic]))
        self.assertEqual((journal.head, journal.facts()), (0, [self.topic]))

    def test_of_events_and_facts_all_or_none_is_stored(self) -> None:
        journal = self.open()
        self.meddle("ALTER TABLE facts RENAME TO mine")
        self.failureResultOf(
            journal.commit([said("x")], lambda events: [self.topic]), JournalUnavailable
        )
        self.assertEqual((journal.head, self.told, self.facts), (0, [], []))
        self.assertRaises(JournalError, journal.facts)

    def test_what_holds_may_depend_on_the_ids_of_the_events(self) -> None:
        journal = self.open()
        self.commit(journal, "a", "b")

        def joined(events: Sequence[Event]) -> list[Fact]:
            return [Fact("seen", event.text, f"{event.id} {event.at}") for event in events]

        self.successResultOf(journal.commit([said("c"), said("d")], joined))
        expected = [Fact("seen", "c", "3 1000"), Fact("seen", "d", "4 1000")]
        self.assertEqual((self.facts, sorted(journal.facts())), (expected, expected))
        self.close(journal)
        self.assertEqual(sorted(self.open().facts()), expected)

    def test_what_was_refused_holds_once_it_is_tried_again(self) -> None:
        journal = self.open()
        asked: list[list[int]] = []

        def held(events: Sequence[Event]) -> list[Fact]:
            asked.append([event.id for event in events])
            return [self.topic]

        meddler = self.meddler()
        meddler.execute("BEGIN IMMEDIATE")
        self.failureResultOf(journal.commit([said("x")], held), JournalUnavailable)
        self.assertEqual(self.facts, [])
        meddler.execute("ROLLBACK")
        self.assertEqual((journal.head, journal.facts()), (0, []))
        self.successResultOf(journal.commit([said("x")], held))
        self.assertEqual((journal.facts(), self.facts), ([self.topic], [self.topic]))
        self.assertEqual(asked, [[1], [1]])

    def schema(self) -> list[str]:
        return sorted(
            str(sql) for (sql,) in self.meddler().execute("SELECT sql FROM sqlite_master")
        )

    def test_a_file_of_the_first_version_is_brought_up_to_date(self) -> None:
        journal = self.open()
        fresh = self.schema()
        self.commit(journal, "a", "b")
        self.close(journal)
        self.meddle("DROP TABLE facts")
        for index in ("numbered", "rest", "addressed", "talk"):
            self.meddle(f"DROP INDEX {index}")
        kinds = "kind IN ('said', 'did')"
        self.meddle(f"CREATE INDEX talk ON events (room, id) WHERE {kinds}")
        self.meddle("PRAGMA user_version = 1")
        journal = self.open()
        self.assertEqual(journal.recent(0), self.told)
        self.commit_facts(journal, self.topic)
        self.close(journal)
        self.assertEqual(self.open().facts(), [self.topic])
        self.assertEqual(self.schema(), fresh)

    def test_a_file_of_the_third_version_is_brought_up_to_date(self) -> None:
        journal = self.open()
        fresh = self.schema()
        self.successResultOf(journal.commit([said("x")._replace(origin=5, seq=7)]))
        self.commit_facts(journal, self.topic)
        self.close(journal)
        for index in ("numbered", "rest", "addressed"):
            self.meddle(f"DROP INDEX {index}")
        self.meddle("PRAGMA user_version = 3")
        journal = self.open()
        self.assertEqual(self.schema(), fresh)
        self.assertEqual((journal.recent(0), journal.facts()), (self.told, [self.topic]))
        self.assertEqual(self.successResultOf(journal.find(5, 7)), self.told[0])
        (version,) = self.meddler().execute("PRAGMA user_version").fetchone()
        self.assertEqual(version, 5)

    def test_a_file_of_the_fourth_version_is_brought_up_to_date(self) -> None:
        journal = self.open()
        fresh = self.schema()
        drafts = [said("x"), said("", kind=JOINED), said("y", room=HOUSE, kind=ANNOUNCED)]
        self.successResultOf(journal.commit(drafts))
        self.close(journal)
        for index in ("rest", "addressed"):
            self.meddle(f"DROP INDEX {index}")
        self.meddle("PRAGMA user_version = 4")
        journal = self.open()
        self.assertEqual(self.schema(), fresh)
        read = self.successResultOf(journal.after(0, ["lobby"], 3, talk=False))
        self.assertEqual(read, Stretch(self.told, 3))

    def revised(self, revise: Revise) -> SqliteJournal:
        """Open the file as one that may have been written by other rules."""
        journal = SqliteJournal(self.path, lambda: 5000, self.thread, revise=revise)
        self.addCleanup(self.close, journal)
        journal.start()
        return journal

    def test_what_was_written_by_other_rules_is_changed_before_it_is_read(self) -> None:
        journal = self.open()
        drafts = [
            said("x", room="old"),
            said("", room="old", kind=JOINED),
            said("y", room="other"),
            *(said("z", room=inbox(number), kind=PRIVATE) for number in range(3)),
            said("z", room="zoo", kind=LEFT),
        ]
        self.successResultOf(journal.commit(drafts))
        self.commit_facts(journal, self.topic)
        self.close(journal)
        given: list[object] = []
        told = said("renamed", room="new")

        def revise(facts: Sequence[Fact], rooms: Callable[[], Iterable[str]]) -> Revision:
            given.extend((facts, {*rooms()}))
            return Revision([self.topic._replace(value=""), Fact(ROOM, "old", "new")], [told])

        events = [event._replace(room=event.room.replace("old", "new")) for event in self.told]
        journal = self.revised(revise)
        self.assertEqual(given, [[self.topic], {"lobby", "old", "other", "zoo"}])
        head = len(events) + 1
        self.assertEqual(journal.recent(0), [*events, Event(head, 5000, *told)])
        self.assertEqual((journal.head, journal.facts()), (head, [Fact(ROOM, "old", "new")]))
        read = self.successResultOf(journal.after(0, ["new"], head, talk=True))
        self.assertEqual([event.text for event in read.events], ["x", "renamed"])

    def test_what_has_happened_in_a_room_goes_with_its_name(self) -> None:
        journal = self.open()
        self.successResultOf(journal.commit([said("x", room="old"), said("y", room="new")]))
        self.assertEqual(journal.rooms(), ["new", "old"])
        before = self.successResultOf(journal.after(0, ["new"], 2, talk=False))
        self.assertEqual([event.text for event in before.events], ["y"])
        self.commit_facts(journal, Fact(ROOM, "old", "new"))
        after = self.successResultOf(journal.after(0, ["new"], 2, talk=False))
        self.assertEqual([event.text for event in after.events], ["x", "y"])
        self.assertEqual(journal.rooms(), ["lobby", "new"])

    def test_which_rooms_there_are_can_not_be_told_of_a_file_that_is_damaged(self) -> None:
        journal = self.open()
        self.meddle("DROP TABLE events")
        self.assertRaisesRegex(JournalError, "can't be read: no such table", journal.rooms)

    def test_what_can_not_be_revised_is_refused_unchanged(self) -> None:
        journal = self.open()
        self.commit(journal, "a")
        self.close(journal)

        def revise(facts: Sequence[Fact], rooms: Callable[[], Iterable[str]]) -> None:
            raise JournalError("it is of tomorrow")

        with self.assertRaisesRegex(JournalError, "can't be used: it is of tomorrow$"):
            self.revised(revise)
        self.assertEqual(self.open().recent(0), self.told)

    def test_it_is_told_where_it_is_and_how_much_is_in_it(self) -> None:
        journal = self.open()
        self.assertEqual(journal.describe(), f"{self.path} (new: nothing is in it yet)")
        self.commit(journal, "one", "two")
        told = f"{self.path} (2 events, {journal.size / 1e6:.1f} MB)"
        self.assertEqual(journal.describe(), told)
        journal.count_most = 1
        self.assertIn("(more than 1 events, ", journal.describe())
        self.meddle("DROP TABLE events")
        self.assertRaises(JournalError, journal.describe)

    def test_its_size_is_that_of_the_file_and_its_log(self) -> None:
        journal = self.open()
        before = journal.size
        self.commit(journal, "x" * 100_000)
        self.assertGreater(journal.size, before + 100_000)


class NumberTests(JournalTestCase):
    def commit_numbers(self, journal: SqliteJournal, *numbers: tuple[int, int]) -> None:
        """Commit what sessions have said, by origin and number."""
        drafts = [said(f"{o}:{seq}")._replace(origin=o, seq=seq) for o, seq in numbers]
        self.successResultOf(journal.commit(drafts))

    def test_what_a_session_has_numbered_is_found(self) -> None:
        journal = self.open()
        most = (1 << 63) - 1
        self.commit_numbers(journal, (1, 1), (2, 1), (1, -2), (1, 5), (most, (1 << 53) - 1))
        for origin, seq, event in (
            (1, 1, self.told[0]),
            (2, 1, self.told[1]),
            (1, 5, self.told[3]),
            (most, (1 << 53) - 1, self.told[4]),
            (1, 2, None),
            (3, 1, None),
        ):
            self.assertEqual(self.successResultOf(journal.find(origin, seq)), event)

    def test_the_highest_number_of_a_session_is_known(self) -> None:
        journal = self.open()
        self.commit_numbers(journal, (1, 9), (1, 3), (2, 4), (3, -7), (1, -100))
        for _ in range(2):
            self.assertEqual([journal.last_seq(origin) for origin in (1, 2, 3, 4)], [9, 4, 0, 0])
            self.close(journal)
            journal = self.open()

    def test_both_are_looked_up_and_not_searched_for(self) -> None:
        self.open()
        for query in ("SELECT max(seq)", "SELECT * "):
            (plan,) = self.meddler().execute(
                f"EXPLAIN QUERY PLAN {query} FROM events WHERE origin = 1 AND seq > 0"
            )
            self.assertIn("INDEX numbered", plan[-1])

    def test_what_can_not_be_read_is_unavailable(self) -> None:
        journal = self.open()
        self.commit_numbers(journal, (1, 1))
        self.meddle("ALTER TABLE events RENAME TO mine")
        self.failureResultOf(journal.find(1, 1), JournalUnavailable)
        self.assertRaises(JournalError, journal.last_seq, 1)

    def test_a_number_that_was_pruned_is_not_found(self) -> None:
        journal = self.open()
        self.commit_numbers(journal, (1, 1))
        self.now += 100
        self.commit_numbers(journal, (1, 2))
        journal.prune(self.now)
        self.assertIsNone(self.successResultOf(journal.find(1, 1)))
        self.assertEqual(journal.last_seq(1), 2)
