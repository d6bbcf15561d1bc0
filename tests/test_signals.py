from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from chatservice import logs
from chatservice.logs import LogFile, Signals
from tests.journal.support import folder_for


class Reactor:
    """Does at once what it is asked for from elsewhere.

    :ivar stopped: by which signals it was told to stop.
    """

    def __init__(self) -> None:
        self.stopped: list[int] = []

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:
        call(*args)

    def sigTerm(self, number: int) -> None:
        self.stopped.append(number)


class SignalsTests(TestCase):
    """Real signals, to this process."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.terminal = True
        self.patch(logs, "_has_terminal", lambda: self.terminal)
        for number in (signal.SIGHUP, signal.SIGUSR1):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
            signal.signal(number, signal.SIG_DFL)

    def start(self, log_file: LogFile | None = None) -> Signals:
        taken = Signals(self.reactor, log_file)
        taken.start()
        self.addCleanup(taken.stop)
        return taken

    def log_file(self) -> Any:
        log_file: Any = LogFile("log", folder_for(self))
        self.addCleanup(log_file.close)
        return log_file

    def send(self, number: int) -> list[str | None]:
        with capturedLogs() as events:
            os.kill(os.getpid(), number)
        return [formatEvent(event) for event in events]

    def test_who_has_lost_its_terminal_stops(self) -> None:
        self.start()
        self.terminal = False
        self.assertEqual(self.send(signal.SIGHUP), ["the terminal is gone"])
        self.assertEqual(self.reactor.stopped, [signal.SIGHUP])

    def test_who_had_none_or_was_told_to_stay_does_not(self) -> None:
        self.terminal = False
        self.start()
        self.assertEqual(self.send(signal.SIGHUP), ["SIGHUP: the log is no file"])
        self.terminal = True
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.start()
        self.terminal = False
        self.assertEqual(self.send(signal.SIGHUP), ["SIGHUP: the log is no file"])
        self.assertEqual(self.reactor.stopped, [])

    def test_the_log_is_opened_again_or_begun(self) -> None:
        log_file = self.log_file()
        self.start(log_file)
        moved = Path(log_file.path).rename(log_file.path + "-moved")
        self.assertEqual(self.send(signal.SIGHUP), ["the log was opened again"])
        self.assertTrue(os.path.exists(log_file.path))
        self.assertEqual(self.send(signal.SIGUSR1), [])
        self.assertEqual(sorted(os.listdir(moved.parent)), ["log", "log-moved", "log.1"])
        self.assertEqual(self.reactor.stopped, [])

    def test_a_log_that_can_not_be_opened_again_is_told_of(self) -> None:
        log_file = self.log_file()
        self.start(log_file)
        folder = Path(log_file.path).parent
        moved = folder.rename(f"{folder}-moved")
        told = self.send(signal.SIGHUP)
        moved.rename(folder)
        self.assertEqual(told, ["the log can't be opened again: No such file or directory"])

    def test_in_the_end_they_do_what_they_did(self) -> None:
        taken = self.start()
        self.assertNotEqual(signal.getsignal(signal.SIGHUP), signal.SIG_DFL)
        taken.stop()
        for number in (signal.SIGHUP, signal.SIGUSR1):
            self.assertEqual(signal.getsignal(number), signal.SIG_DFL)


class TerminalTests(TestCase):
    def test_a_process_in_a_session_of_its_own_has_none(self) -> None:
        child = os.fork()
        if not child:
            os.setsid()
            os._exit(logs._has_terminal())
        self.assertEqual(os.waitpid(child, 0)[1], 0)
