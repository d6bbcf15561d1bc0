#!/bin/sh
# Twisted 26.10.0: timers go by the wall clock, on the asyncio reactor too.
#
# Believed: callLater(0.5, …) is called half a second later, whatever the time of day is set to meanwhile; at
# the latest on the asyncio reactor, whose event loop counts by a monotonic clock.
#
# What happens: reactor.seconds() is time.time() on both. A timer is due at a time of day, and the
# reactor works out from the time of day how long to sleep. Set the clock back by five seconds, and the timer
# comes five seconds late, on the asyncio reactor as well, while the loop's own call_later() is in
# time. Set it forward, and on the default reactor all timers are due at once.
#
# Why it matters to a chat: one correction by NTP holds up every line that waits for its tick, keeps
# newcomers without a greeting, or ends every grace and lease at once. A service has to give its reactor
# a monotonic clock by itself.
#
# The clock is set for one process alone, by libfaketime 0.9.10 (Debian's packages).

set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'Twisted==26.10.0'
(cd "$work" && apt-get -qq download libfaketime=0.9.10-2.1 && dpkg -x libfaketime_*.deb fake)
cat >"$work/late.py" <<'PYTHON'
import os
import sys
import time

if sys.argv[1] == "asyncio":
    from twisted.internet import asyncioreactor

    asyncioreactor.install()
from twisted.internet import reactor

late = {}


def note(what, due):
    late[what] = round(time.monotonic() - due, 1)
    if len(late) == (2 if sys.argv[1] == "asyncio" else 1):
        reactor.stop()


def begin():
    due = time.monotonic() + 0.5
    reactor.callLater(0.5, note, "callLater", due)
    if sys.argv[1] == "asyncio":
        import asyncio

        asyncio.get_event_loop().call_later(0.5, note, "call_later", due)
    stamp = os.environ["FAKETIME_TIMESTAMP_FILE"]
    with open(stamp + ".new", "w") as file:
        file.write(sys.argv[2])
    os.rename(stamp + ".new", stamp)


reactor.callWhenRunning(begin)
reactor.run()
print(late.get("callLater"), late.get("call_later"))
PYTHON

run() { # reactor, by how many seconds the clock is set while the timer runs
    echo "+0" >"$work/stamp"
    FAKETIME_TIMESTAMP_FILE="$work/stamp" FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 \
        LD_PRELOAD=$(find "$work/fake" -name 'libfaketimeMT.so.1') \
        timeout 30 "$work/venv/bin/python" "$work/late.py" "$1" "$2"
}

for reactor in default asyncio; do
    for set in -5 +5; do
        # shellcheck disable=SC2046  # two words
        set -- $(run "$reactor" "$set") "$set"
        echo "$reactor reactor, clock set by $3 s: callLater late by $1 s, the loop's own timer by $2 s"
        "$work/venv/bin/python" - "$reactor" "$@" <<'PYTHON'
import sys

reactor, ours, loop, step = sys.argv[1:]
wanted = 5 if step == "-5" else -0.5
assert abs(float(ours) - wanted) < 1, "this has changed"
assert loop == "None" or abs(float(loop)) < 1, "this has changed"
PYTHON
    done
done
