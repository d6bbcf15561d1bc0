"""The tables of a journal's SQLite file, and the upgrade of older files."""

from __future__ import annotations

import sqlite3
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import Final

from chatservice.journal.events import HOUSE, ROOM, TALK, Event, Fact, JournalError, Revise

SCHEMA_VERSION: Final = 5
APPLICATION_ID: Final = 0x43484154
"""``CHAT``: marks the file as ours (``PRAGMA application_id``)."""

TALK_ONLY: Final = "(" + " OR ".join(f"kind = '{kind}'" for kind in TALK) + ")"
"""The condition of an index, and of the queries that use it. SQLite uses the index only if both
have the same words. (For a list behind ``IN``, SQLite would build a table at each insertion.)"""

REST_ONLY: Final = f"NOT {TALK_ONLY}"
"""The condition for all other events: each event is in one of the two indexes by room."""

ADDRESSED_ONLY: Final = f"room >= '{HOUSE}' AND room < '{chr(ord(HOUSE) + 1)}'"
"""The condition for events for everybody or for one session. These rooms are many, so the index
finds their events by id."""

NUMBERED_ONLY: Final = "seq > 0"
"""The condition for events that a program has numbered; other events cost that index nothing."""

_SCHEMA: Final = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE IF NOT EXISTS journal (identity TEXT NOT NULL, checkpoints INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    room TEXT NOT NULL,
    kind TEXT NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    origin INTEGER NOT NULL,
    seq INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS talk ON events (room, id) WHERE {TALK_ONLY};
CREATE INDEX IF NOT EXISTS rest ON events (room, id) WHERE {REST_ONLY};
CREATE INDEX IF NOT EXISTS addressed ON events (id) WHERE {ADDRESSED_ONLY};
CREATE INDEX IF NOT EXISTS numbered ON events (origin, seq) WHERE {NUMBERED_ONLY};
"""
"""Creates the tables and indexes that a file lacks; in a new file, all of them."""

_OTHER_TALK: Final = 3
"""The schema version before which the index ``talk`` had another condition."""


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, or upgrade those of an older version.

    :raises JournalError: if the file is no journal, or has a newer version.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise JournalError("it is a database of something else")
    if version > SCHEMA_VERSION:
        raise JournalError(f"it was written by a newer version (schema {version})")
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise JournalError("its file system has no write-ahead log")
    if not tables or version < SCHEMA_VERSION:
        identity = "" if tables else f"INSERT INTO journal VALUES ('{uuid.uuid4().hex}', 0);"
        outdated = "DROP INDEX IF EXISTS talk;" if version < _OTHER_TALK else ""
        connection.executescript(f"BEGIN;{outdated}{_SCHEMA}{identity}COMMIT;")


def revise(connection: sqlite3.Connection, revised: Revise, at: int) -> None:
    """Upgrade a file that was written by older rules, in one transaction.

    :param revised: computes the revision; see :data:`.Revise`.
    :param at: the time of the revision's events, in milliseconds since 1970.
    :raises JournalError: if the file can't be used.
    """
    revision = revised(facts_of(connection), lambda: rooms_of(connection))
    if revision is None:
        return
    connection.execute("BEGIN IMMEDIATE")
    hold(connection, revision.facts)
    (head,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    connection.executemany(
        "INSERT INTO events VALUES (?,?,?,?,?,?,?,?)",
        [Event(id, at, *draft) for id, draft in enumerate(revision.drafts, head + 1)],
    )
    connection.execute("COMMIT")


def facts_of(connection: sqlite3.Connection) -> list[Fact]:
    """Return all facts that the file holds."""
    return [Fact(*row) for row in connection.execute("SELECT * FROM facts")]


def rooms_of(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield the names of people's rooms that have events, each by one step in an index."""
    for only in (TALK_ONLY, REST_ONLY):
        room = ""
        while True:
            (room,) = connection.execute(
                f"SELECT min(room) FROM events WHERE room > ? AND {only}", (room,)
            ).fetchone()
            if room is None:
                break
            if room.startswith(HOUSE):
                room = HOUSE + chr(sys.maxunicode)
            else:
                yield room


def hold(connection: sqlite3.Connection, facts: Sequence[Fact]) -> None:
    """Store facts in place of those with the same kind and name; the last of several counts.

    A fact of the kind :data:`.ROOM` also renames the room of its past events.
    """
    last = {(fact.kind, fact.name): fact for fact in facts}
    connection.executemany(
        "DELETE FROM facts WHERE kind = ? AND name = ?",
        [key for key, fact in last.items() if not fact.value],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO facts VALUES (?,?,?)", [f for f in last.values() if f.value]
    )
    called = [(f.value, f.name) for f in last.values() if f.kind == ROOM and f.value]
    # One of the two indexes has each event.
    for only in (TALK_ONLY, REST_ONLY):
        connection.executemany(f"UPDATE events SET room = ? WHERE room = ? AND {only}", called)
