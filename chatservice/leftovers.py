"""Removal of the pid file and Unix socket of a killed process, so that the next one can start.

A pid file and a lock both name a process by its number. By the next start, another process may have
that number; in a container it is most likely our own. So a running service holds a lock on its pid
file, which ends with the process. A Unix socket is tested by connecting to it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from twisted.logger import Logger

LONGEST: Final = 32
"""Most bytes in a pid file. A longer file is no pid file, and is left alone."""

SLACK: Final = 1.0
"""Seconds by which the kernel's start time of a process may be off: its base is a whole second."""

_TWISTD: Final = {b"twistd", b"twistd3", b"twistd.py"}

log = Logger()


def clear_pid_file(path: str) -> None:
    """Remove a pid file, unless the service that wrote it may still be running.

    :raises OSError: if the file can't be read or removed.
    """
    try:
        with open(path, "rb") as file:
            held = not _lock(file.fileno(), fcntl.LOCK_SH)
            written = os.fstat(file.fileno()).st_mtime
            content = file.read(LONGEST + 1)
    except FileNotFoundError:
        return
    # A power cut may leave the file empty, or full of NULs.
    pid = content.strip(b"\0 \t\r\n")
    if held or len(content) > LONGEST or (pid.isdigit() and _may_run(int(pid), written)):
        return
    os.remove(path)
    log.warn("removed {path}: the service that wrote it is gone", path=path)


def hold_pid_file(path: str) -> None:
    """Lock the pid file until this process ends, as a sign that the process is running."""
    with suppress(OSError):
        _lock(os.open(path, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX)


def clear_socket(path: str) -> None:
    """Remove a Unix socket and Twisted's lock beside it, if no process listens there.

    :raises OSError: if they can't be removed.
    """
    try:
        with socket.socket(socket.AF_UNIX) as probe, suppress(FileNotFoundError):
            probe.setblocking(False)
            probe.connect(path)
            return  # A process listens there.
    except ConnectionRefusedError:
        # A file that is no socket gives the same error.
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
        os.remove(path)
        log.warn("removed {path}: nobody listens there any more", path=path)
    except OSError:
        return
    lock = f"{path}.lock"
    if os.path.islink(lock):
        os.remove(lock)


def _lock(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # The file system may have no locks.
    return True


def _may_run(pid: int, written: float) -> bool:
    """Return whether a running process may be the twistd that wrote its pid file at that time."""
    if pid in (0, os.getpid()):
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return (
            any(os.path.basename(w) in _TWISTD for w in words) and _started(pid) < written + SLACK
        )
    except (OSError, ValueError, IndexError):
        return True  # The process exists, and nothing more can be found out.


def _started(pid: int) -> float:
    """Return when a process began, in seconds since 1970 (proc(5))."""
    # The name of the program, in parentheses, may contain any character.
    _, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    ticks = int(fields.split()[19])
    boot = next(
        line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime ")
    )
    return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
