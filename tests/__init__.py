"""The tests, for pytest as well as for trial: what holds for all of them is set up here."""

import signal

from tests import profiles, time_limit

profiles.load()
time_limit.install()

# What a shell starts in the background ignores SIGINT, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
