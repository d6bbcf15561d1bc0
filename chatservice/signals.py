"""Signals that Twisted leaves to their default, which is to end the process at once.

SIGHUP has two meanings. Who has a terminal is told by it that the terminal is gone; a daemon is
told by it to open its log again, since that was moved. (credentials(7), logrotate(8).)
"""

from __future__ import annotations

import os
import signal
from typing import Any

from twisted.logger import Logger

from chatservice.logs import LogFile

log = Logger()


class Signals:
    """Takes SIGHUP and SIGUSR1.

    :param log_file: None if the log is no file.
    """

    def __init__(self, reactor: Any, log_file: LogFile | None) -> None:
        self._reactor = reactor
        self._log_file = log_file
        self._before: dict[int, Any] = {}

    def start(self) -> None:
        """Take them from now on."""
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
        """Let them do what they did before."""
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
