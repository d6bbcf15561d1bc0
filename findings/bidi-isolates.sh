#!/bin/sh
# python-bidi 0.6.12: one of its two get_display functions raises an exception at an isolate.
#
# Believed: bidi.get_display and bidi.algorithm.get_display lay a line out alike, by UAX #9. The
# second is the one that older code imports. Isolates (U+2066 to U+2069, Unicode 6.3 of 2013) are
# what UAX #9 recommends to keep a name apart from the words around it.
#
# What happens: the first, which is compiled, knows isolates. The second, in Python, ends with
# "AssertionError: FSI not allowed here" (or LRI, or RLI) at the first of them, whatever else is in the
# line. Where Python runs with -O there is no exception, and the order is another one than the first
# function's. A mark (U+200E) instead of isolates is laid out by both, and alike.
#
# Why it matters to a chat: a client, a bridge or a bot that shows its lines through that function
# loses each line in which a sender put a name in isolates. So names among words are safer with
# marks on both sides, although isolates are the newer and the recommended way.

set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'python-bidi==0.6.12'
cat >"$work/try.py" <<'PYTHON'
import sys

import bidi
import bidi.algorithm

NAME = "\u05d0\u05d1\u05d9"
WORDS = " 007 hello"


def shown(lay_out, line):
    """Return a line as it stands on a screen, without what is invisible, or which error it is."""
    try:
        laid_out = lay_out(line)
    except AssertionError as error:
        return str(error)
    return "".join(c for c in laid_out if c not in "\u200e\u2066\u2067\u2068\u2069")


right = f"<{NAME[::-1]}>{WORDS}"
marked = f"<\u200e{NAME}\u200e>{WORDS}"
isolated = {name: f"<{opening}{NAME}\u2069>{WORDS}" for name, opening in (
    ("LRI", "\u2066"), ("RLI", "\u2067"), ("FSI", "\u2068"))}

assert shown(bidi.get_display, marked) == right, "this has changed: marks, compiled"
assert shown(bidi.algorithm.get_display, marked) == right, "this has changed: marks, Python"
for name, line in isolated.items():
    assert shown(bidi.get_display, line) == right, f"this has changed: {name}, compiled"
    other = shown(bidi.algorithm.get_display, line)
    print(f"{name}, {'python -O' if sys.flags.optimize else 'python'}: {ascii(other)}")
    if sys.flags.optimize:
        assert other != right, f"this has changed: {name}, Python without assertions"
    else:
        assert other == f"{name} not allowed here", f"this has changed: {name}, Python"
PYTHON
"$work/venv/bin/python" "$work/try.py"
"$work/venv/bin/python" -O "$work/try.py"
