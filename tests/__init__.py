"""The tests, for pytest and for trial; this file sets up what all of them share."""

import signal

from tests import profiles, time_limit

profiles.load()
time_limit.install()

# A background job of a shell ignores SIGINT, and every process of the tests would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
