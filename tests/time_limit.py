"""No test hangs: when its time is over, the stacks of all threads are written and it fails.

A test has the seconds of trial's attribute ``timeout``. Trial itself looks at that only while its
reactor runs. So a signal ends what keeps the reactor from running, and for what heeds no signal the
process ends.
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
"""Seconds until it is tried once more to end a test: it may have gone on, with its clean-ups."""

LAST = 60.0
"""Seconds after which the process ends that can't be kept from what it does."""

_stderr = os.dup(2)


def write_stacks_to(file: int) -> None:
    """Write stacks to a file from now on; at first that is the standard error."""
    global _stderr
    os.close(_stderr)
    _stderr = file


def _reactor_runs() -> bool:
    # It is not imported here: whoever runs the tests may choose another one.
    reactor = sys.modules.get("twisted.internet.reactor")
    return bool(getattr(reactor, "running", False))


class TookTooLong(BaseException):
    """A test's time is over.

    It is no ``Exception``: one would be caught in the midst of what is tested, which then goes on
    with half of what it did, and hypothesis would try for minutes to make the example smaller.
    """


@contextmanager
def limit(seconds: float, what: str) -> Iterator[None]:
    """Have what is done here end when its time is over.

    :raises TookTooLong: then; and again if that was caught.
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
        # While the reactor turns, trial ends what waits for a Deferred.
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
            # Of what is no Exception, trial tells nothing if it was a clean-up's.
            if case._passed:
                result.addError(case, sys.exc_info())

    return limited


def install() -> None:
    """Limit every test case of trial's, whoever runs it."""
    SynchronousTestCase.run = _limited(SynchronousTestCase.run)
