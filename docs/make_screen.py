"""Make docs/chat-client.svg: a picture of the real client, at the real server, on a real terminal.

    .venv/bin/python docs/make_screen.py

It needs what the tests need: pexpect and pyte.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import pexpect
import pyte

COLUMNS, ROWS = 80, 18
PATIENCE = 30.0
PICTURE = Path(__file__).with_name("chat-client.svg")

SIZE = 14
WIDTH = 8.43  # Of a cell: what most monospaced fonts have at this size.
HEIGHT = 19
EDGE = 14

BACKGROUND = "#14161b"
FOREGROUND = "#d6d8dc"
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Noto Sans Mono CJK JP', monospace"


def svg(screen: pyte.Screen) -> str:
    """Draw a screen, cell by cell."""
    rows = max(y for y, row in enumerate(screen.display) if row.strip()) + 1
    width, height = COLUMNS * WIDTH + 2 * EDGE, rows * HEIGHT + 2 * EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}"'
        f' viewBox="0 0 {width:.0f} {height}">',
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
        f'<g font-family="{FONTS}" font-size="{SIZE}" fill="{FOREGROUND}" xml:space="preserve">',
    ]
    for y in range(rows):
        for x, text, cells, cell in _runs(screen, y):
            parts += _drawn(x, y, text, cells, cell)
    left, top = EDGE + screen.cursor.x * WIDTH, EDGE + screen.cursor.y * HEIGHT
    parts.append(
        f'<rect x="{left:.1f}" y="{top + 1:.1f}" width="{WIDTH}" height="{HEIGHT - 2}"'
        f' fill="{FOREGROUND}" fill-opacity="0.75"/>'
    )
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _runs(screen: pyte.Screen, y: int) -> Iterator[tuple[int, str, int, pyte.screens.Char]]:
    """Give the parts of a row that look alike; a wide character is one by itself."""
    row = screen.buffer[y]
    x = 0
    while x < COLUMNS:
        cell = row[x]
        start, text = x, cell.data
        x += 1
        if x < COLUMNS and row[x].data == "":
            x += 1
        else:
            while (
                x < COLUMNS
                and row[x]._replace(data="") == cell._replace(data="")
                and row[x].data != ""
                and (x + 1 == COLUMNS or row[x + 1].data != "")
            ):
                text += row[x].data
                x += 1
        yield start, text, x - start, cell


def _drawn(x: int, y: int, text: str, cells: int, cell: pyte.screens.Char) -> list[str]:
    front, back = _colour(cell.fg, FOREGROUND), _colour(cell.bg, BACKGROUND)
    if cell.reverse:
        front, back = back, front
    left, top = EDGE + x * WIDTH, EDGE + y * HEIGHT
    parts = []
    if back != BACKGROUND:
        parts.append(
            f'<rect x="{left:.1f}" y="{top}" width="{cells * WIDTH:.1f}" height="{HEIGHT}"'
            f' fill="{back}"/>'
        )
    words = text.rstrip()
    if words.strip():
        # Spaces at the beginning are not drawn, whatever is thought of them.
        skipped = len(words) - len(words.lstrip())
        left += skipped * WIDTH
        length = (cells - skipped - (len(text) - len(words))) * WIDTH
        weight = ' font-weight="bold"' if cell.bold else ""
        fill = f' fill="{front}"' if front != FOREGROUND else ""
        parts.append(
            f'<text x="{left:.1f}" y="{top + SIZE:.1f}" textLength="{length:.1f}"{fill}{weight}>'
            f"{escape(words.lstrip())}</text>"
        )
    return parts


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return f"#{name}" if re.fullmatch("[0-9a-f]{6}", name) else name


class Terminal:
    """The client on a terminal."""

    def __init__(self, port: int, name: str, folder: Path, *options: str) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        state = folder / f"state of {name}"
        environ = {**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(state)}
        for name_of_setting in ("NO_COLOR", "PROMPT_TOOLKIT_COLOR_DEPTH"):
            environ.pop(name_of_setting, None)
        client = Path(sys.executable).with_name("chat-client")
        self._process = pexpect.spawn(
            str(client),
            ["--name", name, *options, f"localhost:{port}"],
            dimensions=(ROWS, COLUMNS),
            env=environ,
            cwd=str(folder),
        )
        self._process.delaybeforesend = None
        self.wait_for("you are in #")

    def type(self, text: str) -> None:
        """Type, or enter a line that ends with a carriage return."""
        self._process.send(text.encode())

    def wait_for(self, text: str) -> None:
        """Look until a text is on the screen."""
        self.look(lambda: text in "\n".join(self.screen.display), text)

    def look(self, seen: Callable[[], bool], what: str) -> None:
        """Look until something is on the screen."""
        deadline = time.monotonic() + PATIENCE
        while not seen():
            try:
                self._stream.feed(self._process.read_nonblocking(1 << 16, 0.1))
            except pexpect.TIMEOUT:
                if time.monotonic() > deadline:
                    raise SystemExit("\n".join([*self.screen.display, f"no {what}"])) from None

    def leave(self) -> None:
        """End."""
        self._process.close(force=True)


def play(port: int, folder: Path) -> pyte.Screen:
    """Have people talk, and return the screen of one of them."""
    bob = Terminal(port, "bob", folder)
    kobayashi = Terminal(port, "小林", folder)
    cleo = Terminal(port, "cleo", folder)
    ana = None
    others = (bob, kobayashi, cleo)
    try:
        bob.type("/topic the release is on Friday\r")
        bob.wait_for("you set the topic")
        for who, text in (
            (bob, "good morning! the build is red since last night"),
            (kobayashi, "おはようございます ☕ テストが一つ失敗しています"),
        ):
            who.type(f"{text}\r")
            who.wait_for(text[:5])
        cleo.type("/join dev\r")
        cleo.wait_for("you are in #dev")
        ana = Terminal(port, "ana", folder, "--room", "lobby", "--room", "dev")
        for who, text, shown in (
            (bob, "ana: can you look at it? https://ci.example/1234 has the log", "1234"),
            (ana, "on it, give me ten minutes", "on it"),
            (kobayashi, "/me makes more coffee", "makes more"),
            (cleo, "the fix is in, please review", "#dev (1)"),
            (bob, "/msg ana lunch at one?", "bob writes"),
            (kobayashi, "ありがとう、Ana 👍", "👍"),
        ):
            who.type(f"{text}\r")
            ana.wait_for(shown)
        ana.type("green again, it was a clock in the te")
        ana.wait_for("in the te")
        ana.wait_for("bob (1)")
        return ana.screen
    finally:
        for who in (*others, *filter(None, [ana])):
            who.leave()


def main() -> None:
    """Make the picture."""
    twistd = Path(sys.executable).with_name("twistd")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        listen = f"tcp:{port}:interface=127.0.0.1"
        server = subprocess.Popen(
            [twistd, "-n", "--pidfile=", "chat", "--listen", listen, "--history", "none"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for_port(port)
            PICTURE.write_text(svg(play(port, Path(folder))), encoding="utf-8")
        finally:
            server.terminate()
            server.wait()


def wait_for_port(port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main()
