"""A time limit for every test: a test over its limit writes the stacks of all threads, and fails.

The limit is trial's attribute ``timeout``, in seconds. Trial itself checks it only while its
reactor runs. So a signal interrupts code that keeps the reactor from running; if even that does not
help, the process ends.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from twisted.trial import util
from twisted.trial.unittest import SynchronousTestCase

from tests.profiles import size

util.DEFAULT_TIMEOUT_DURATION = size(300.0, 3600.0)

AGAIN = 5.0
"""Seconds between attempts to end a test, which may go on with its clean-ups."""

LAST = 60.0
"""Seconds beyond the limit after which the process ends if the test still runs."""

_stderr = os.dup(2)


def write_stacks_to(file: int) -> None:
    """Write stacks to a file descriptor from now on, instead of the standard error."""
    global _stderr
    os.close(_stderr)
    _stderr = file


def _reactor_runs() -> bool:
    # Do not import the reactor here: the test runner may choose another one.
    reactor = sys.modules.get("twisted.internet.reactor")
    return bool(getattr(reactor, "running", False))


class TookTooLong(BaseException):
    """A test has exceeded its time limit.

    It is no ``Exception``: the tested code would catch that in the middle of its work and go on,
    and hypothesis would spend minutes to shrink the example.
    """


@contextmanager
def limit(seconds: float, what: str) -> Iterator[None]:
    """End the body of the ``with`` when its time is over.

    :raises TookTooLong: when the time is over; and again later if that was caught.
    """
    fired = 0
    over = False

    def expire(number: int, frame: FrameType | None) -> None:
        nonlocal fired
        if over:
            return
        fired += 1
        why = f"{what} took more than {seconds:g} s"
        os.write(_stderr, f"\n{why}\n".encode())
        faulthandler.dump_traceback(_stderr)
        # While the reactor runs, trial itself ends a test that waits for a Deferred.
        if fired > 1 or not _reactor_runs():
            raise TookTooLong(why)

    before = signal.signal(signal.SIGALRM, expire)
    faulthandler.dump_traceback_later(seconds + LAST, exit=True, file=_stderr)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)
    if fired:
        raise TookTooLong(what)


def _limited(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def limited(case: SynchronousTestCase, result: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            return run(case, result)
        seconds = util.acquireAttribute(case._parents, "timeout", util.DEFAULT_TIMEOUT_DURATION)
        try:
            with limit(seconds, case.id()):
                run(case, result)
        except TookTooLong:
            # Trial does not report a BaseException of a clean-up.
            if case._passed:
                result.addError(case, sys.exc_info())

    return limited


def install() -> None:
    """Limit the time of every test case of trial's, under any runner."""
    SynchronousTestCase.run = _limited(SynchronousTestCase.run)
