#!/bin/sh
# tmux 3.3a: a narrower pane moves its top rows out of reach although there are empty rows below.
#
# Believed: when a terminal gets narrower, a row that is too long is folded into the room that there is; as long as
# there are empty rows at the foot, nothing scrolls out. So a program that counts how many rows its own have become
# can go up to the first of them, and draw them anew.
#
# What happens: the folded rows push as many rows at the top into the history, also if more rows than
# that are empty below the cursor. What is there can't be reached by any sequence but one that deletes the whole
# history. In the same pane with the rows at the foot, what is pushed out is what stands above them.
#
# Why it matters to a chat: a client that keeps the typed line below what is said leaves copies of it in the history of
# a fresh terminal, where little was said so far and the line is near the top. One that begins at the foot of the
# terminal has rows above it that may go.

set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -qq download 'tmux=3.3a-3' 'libutempter0=1.2.1-3' 'libevent-core-2.1-7=2.1.12-stable-8')
for package in "$work"/*.deb; do
    dpkg -x "$package" "$work/root"
done
LD_LIBRARY_PATH=$(find "$work/root" -name 'libutempter.so.0' -printf '%h')
export LD_LIBRARY_PATH
cat >"$work/draw.py" <<'PYTHON'
import sys
import time

top = int(sys.argv[1])  # row of the first of three rows of 75 columns; tells when all is written
print(f"\033[2J\033[{top};1H" + "\r\n".join("abc"[n] * 75 for n in range(3)), end="", flush=True)
open(sys.argv[2], "w").close()
time.sleep(60)
PYTHON
cat >"$work/try.py" <<'PYTHON'
import os
import subprocess
import sys
import time

work = sys.argv[1]
tmux = [f"{work}/root/usr/bin/tmux", "-S", f"{work}/socket", "-f", os.devnull]


def run(*words):
    done = subprocess.run([*tmux, *words], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout


def history(top):
    """Return the rows that are out of reach once a pane of 24 rows has 40 columns in place of 80."""
    drawn = f"{work}/drawn{top}"
    run("new-session", "-d", "-s", f"s{top}", "-x", "80", "-y", "24",
        sys.executable, f"{work}/draw.py", str(top), drawn)
    deadline = time.monotonic() + 20
    while not os.path.exists(drawn) or "c" not in run("capture-pane", "-t", f"s{top}", "-p"):
        assert time.monotonic() < deadline, "nothing was drawn"
        time.sleep(0.05)
    run("resize-window", "-t", f"s{top}", "-x", "40", "-y", "24")
    below = run("capture-pane", "-t", f"s{top}", "-p").split("\n")[:24]
    empty = len(below) - max(n for n, row in enumerate(below) if row.strip()) - 1
    rows = run("capture-pane", "-t", f"s{top}", "-p", "-S", "-100", "-E", "-1")
    return [row for row in rows.split("\n") if row.strip()], empty


version = subprocess.run([tmux[0], "-V"], capture_output=True, text=True, check=True).stdout.strip()
assert version == "tmux 3.3a", version
try:
    lost, empty = history(1)
    print(f"{version}: at the top, {len(lost)} rows are out of reach, {empty} rows below are empty")
    assert lost and lost[0].startswith("aaa") and empty >= 15, "this has changed: at the top"
    lost, empty = history(22)
    print(f"{version}: at the foot, {len(lost)} rows are out of reach")
    assert not lost, "this has changed: at the foot"
finally:
    subprocess.run([*tmux, "kill-server"], check=False)
PYTHON
python3 "$work/try.py" "$work"
