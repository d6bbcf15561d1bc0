"""The log where it is a file, and the signals by which others have it opened again or rotated.

Others may move or empty the file, and it does not grow for ever. SIGHUP has two meanings: it tells
a process with a terminal that the terminal is gone, and a daemon to open its log again, since that
was moved (credentials(7), logrotate(8)). Twisted leaves SIGHUP and SIGUSR1 to their default, which
is to end the process at once.
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
"""Old logs that are kept, of 1 MB each."""

NAME: Final = "twistd.log"
"""How twistd calls the log of a daemon."""

log = Logger()


class LogFile(logfile.LogFile):
    """Twistd's log file that always appends, also after somebody has moved or emptied the file.

    Twistd's own goes on at the offset where it was. In a file that was emptied (``copytruncate`` of
    logrotate) it leaves NULs up to there. It also keeps all old logs.
    """

    def _openFile(self) -> None:
        super()._openFile()  # type: ignore[no-untyped-call]
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        fcntl.fcntl(self._file, fcntl.F_SETFL, flags | os.O_APPEND)

    def write(self, data: bytes) -> None:
        """Write at the end; begin a new file before that if this one is full."""
        super().write(data)  # type: ignore[no-untyped-call]
        self.size = self._file.tell()

    def reopen(self) -> None:
        """Open the file that has the name now, or create it.

        :raises OSError: if it can't be opened; the log goes on in the file that was open.
        """
        before = self._file
        self._openFile()
        before.close()


def log_file(twistd: Mapping[str, Any]) -> LogFile | None:
    """Open the log where twistd's options say that it is a file; else return None.

    :raises OSError: if it can't be opened.
    """
    name, in_front = twistd.get("logfile"), twistd.get("nodaemon") or twistd.get("debug")
    if twistd.get("syslog") or twistd.get("logger") or name == "-" or (in_front and not name):
        return None
    opened: LogFile = LogFile.fromFullPath(  # type: ignore[no-untyped-call]
        name or NAME, maxRotatedFiles=KEPT
    )
    return opened


class Signals:
    """Handles SIGHUP and SIGUSR1.

    :param log_file: the log file; None if the log is no file.
    """

    def __init__(self, reactor: Any, log_file: LogFile | None) -> None:
        self._reactor = reactor
        self._log_file = log_file
        self._before: dict[int, Any] = {}

    def start(self) -> None:
        """Handle the signals from now on."""
        # A process that nohup has started is not to end with the terminal.
        self._on_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
        for number in (signal.SIGHUP, signal.SIGUSR1):
            self._before[number] = signal.signal(
                number,
                lambda number, frame: self._reactor.callFromThread(
                    self._handle, signal.Signals(number)
                ),
            )

    def stop(self) -> None:
        """Restore the handlers of before."""
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
    """Tell whether this process has a controlling terminal (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
