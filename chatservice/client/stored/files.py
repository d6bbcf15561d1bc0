"""Small files of JSON that are whole or not there, and that one process has at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
"""Of the files; those of another are left alone."""


def read(path: Path) -> dict[str, Any] | None:
    """Read a file; None if it is of another version.

    :raises OSError: if it can't be read.
    :raises ValueError: if it is torn.
    """
    try:
        found = json.loads(path.read_bytes())
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(path)
    return found if found.get("version") == VERSION else None


def write(path: Path, record: dict[str, Any]) -> int:
    """Write a file for this user alone, and put it whole in its place.

    :return: the file, open, and locked as by :func:`lock`.
    :raises OSError: if it can't be written; what was there before is there still.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        # Before it is in its place, so there is no moment at which another could lock it.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        data = json.dumps({"version": VERSION, **record}).encode() + b"\n"
        if os.write(file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        new.replace(path)
    except OSError:
        os.close(file)
        new.unlink(missing_ok=True)
        raise
    return file


def lock(path: Path) -> int:
    """Open a file and lock it, until it is closed.

    :raises BlockingIOError: if another process has it.
    :raises OSError: if it can't be locked.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had the lock may have put another file there meanwhile.
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except OSError:
            os.close(file)
            raise
        os.close(file)
