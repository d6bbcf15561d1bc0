"""The log file, and the signals that reopen it (SIGHUP) or rotate it (SIGUSR1).

Other programs may move or empty the file, and its size is bounded. SIGHUP has two meanings: it
tells a process with a terminal that the terminal is gone, and tells a daemon that its log was moved
and has to be opened again (credentials(7), logrotate(8)). Twisted does not handle SIGHUP and
SIGUSR1, and their default is to end the process at once.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Mapping
from typing import Any, Final

from twisted.logger import Logger
from twisted.python import logfile

KEPT: Final = 10
"""Old log files that are kept, of 1 MB each."""

NAME: Final = "twistd.log"
"""Twistd's name for the log file of a daemon."""

log = Logger()


class LogFile(logfile.LogFile):
    """A log file that always appends, even after another program has emptied it.

    Twistd's own log file continues at its old offset. In a file that logrotate's ``copytruncate``
    has emptied, that leaves NULs up to the offset. It also keeps all old logs.
    """

    def _openFile(self) -> None:
        super()._openFile()  # type: ignore[no-untyped-call]
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        fcntl.fcntl(self._file, fcntl.F_SETFL, flags | os.O_APPEND)

    def write(self, data: bytes) -> None:
        """Append to the file, after rotating it if it is full."""
        super().write(data)  # type: ignore[no-untyped-call]
        self.size = self._file.tell()

    def reopen(self) -> None:
        """Open the file that now has the log's name, or create it.

        :raises OSError: if it can't be opened. The log then continues in the old file.
        """
        before = self._file
        self._openFile()
        before.close()


def log_file(twistd: Mapping[str, Any]) -> LogFile | None:
    """Open the log file, or return None if twistd's options send the log elsewhere.

    :raises OSError: if the file can't be opened.
    """
    name, in_front = twistd.get("logfile"), twistd.get("nodaemon") or twistd.get("debug")
    if twistd.get("syslog") or twistd.get("logger") or name == "-" or (in_front and not name):
        return None
    opened: LogFile = LogFile.fromFullPath(  # type: ignore[no-untyped-call]
        name or NAME, maxRotatedFiles=KEPT
    )
    return opened


class Signals:
    """Handles SIGHUP (reopen the log, or stop without a terminal) and SIGUSR1 (rotate the log).

    :param log_file: the log file; None if the log is no file.
    """

    def __init__(self, reactor: Any, log_file: LogFile | None) -> None:
        self._reactor = reactor
        self._log_file = log_file
        self._before: dict[int, Any] = {}

    def start(self) -> None:
        """Install the signal handlers."""
        # A process that nohup has started must not end with the terminal.
        self._on_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
        for number in (signal.SIGHUP, signal.SIGUSR1):
            self._before[number] = signal.signal(
                number,
                lambda number, frame: self._reactor.callFromThread(
                    self._handle, signal.Signals(number)
                ),
            )

    def stop(self) -> None:
        """Restore the previous signal handlers."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _handle(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP and self._on_terminal and not _has_terminal():
            log.info("the terminal is gone")
            self._reactor.sigTerm(number)
        elif self._log_file is None:
            log.info("{signal}: the log is no file", signal=number.name)
        elif number == signal.SIGHUP:
            try:
                self._log_file.reopen()
            except OSError as error:
                log.critical("the log can't be opened again: {why}", why=error.strerror)
            else:
                log.info("the log was opened again")
        else:
            self._log_file.rotate()  # type: ignore[no-untyped-call]


def _has_terminal() -> bool:
    """Return whether this process has a controlling terminal (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
