"""Printing above the line that is typed: in order, once, and many lines at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import date
from typing import Any, Final, Protocol

from chatservice.client.screen.rendering import QUIET, Line, Text, Times, Weight, day, wrap
from chatservice.client.stored.state import Settings

PAUSE: Final = 1 / 30
"""Seconds from one print to the next, at least: nobody reads faster, and the line that is typed
is drawn anew each time."""

AT_ONCE: Final = 500
"""Lines of one print; with more, what is typed would wait."""

PROMPT: Final = "> "

HELD_MOST: Final = 5000
"""Lines that wait for what is to stand above them."""


class Desk(Protocol):
    """A place to read and type: a terminal, with or without a line that is drawn.

    :ivar echoes: whether what was typed stays where it was typed, and all that is printed does too:
        then there is one view of all.
    """

    echoes: bool

    @property
    def columns(self) -> int | None:
        """Return how wide it is; None if it folds lines itself."""

    def show(self, text: Text, ring: bool) -> None:
        """Print lines, and ring the bell."""

    def turn(self) -> None:
        """Go on at the top of an empty screen; what was on it has scrolled out."""

    def refresh(self) -> None:
        """Draw anew what has changed around the line that is typed."""

    def prompt(self, words: str = PROMPT) -> None:
        """Show other words in front of that line."""

    def close(self) -> None:
        """Give the terminal back."""


class Paper:
    """Collects lines, and has them printed."""

    def __init__(self, reactor: Any, desk: Desk, settings: Settings) -> None:
        self._reactor = reactor
        self._desk = desk
        self._settings = settings
        self._times = Times(settings)
        self._lines: deque[Line] = deque()
        self._held: list[Line] | None = None
        self._day: date | None = None
        self._printed = -PAUSE
        self._later: Any = None
        self._weight = Weight.NONE

    def put(self, *lines: Line) -> None:
        """Print lines soon, behind all others; hold them if something has to come first."""
        if self._held is not None:
            self._held += lines
            if len(self._held) > HELD_MOST:
                self.release()
        else:
            self._append(lines)

    def call(self, weight: Weight) -> None:
        """Ring the bell with the next print, if somebody wants it for something of this weight."""
        self._weight = max(self._weight, weight)
        if self._held is None:
            self._print_soon()

    def hold(self) -> None:
        """Hold all lines that are put from now on."""
        if self._held is None:
            self._held = []

    def release(self, first: Iterable[Line] = ()) -> None:
        """Print these lines, and behind them those that were held."""
        held, self._held = self._held or [], None
        self._append((*first, *held))

    def _append(self, lines: Iterable[Line]) -> None:
        self._lines.extend(lines)
        if self._lines or self._weight:
            self._print_soon()

    def _print_soon(self) -> None:
        if self._later is None:
            pause = self._printed + PAUSE - self._reactor.seconds()
            self._later = self._reactor.callLater(max(0, pause), self._print)

    def turn(self) -> None:
        """Print all that waits now; what comes is printed on an empty screen."""
        self.flush()
        self._desk.turn()

    def flush(self) -> None:
        """Print all that waits, now."""
        self.release()
        while self._lines:
            self._print()

    def _print(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
        columns = self._desk.columns
        text: Text = []
        for _ in range(min(len(self._lines), AT_ONCE)):
            line = self._lines.popleft()
            for shown in self._dated(line):
                text += self._laid_out(shown, columns)
                text.append(("", "\n"))
        ring, self._weight = self._weight.rings(self._settings.bell), Weight.NONE
        self._printed = self._reactor.seconds()
        if text or ring:
            self._desk.show(text, ring)
        if self._lines:
            self._later = self._reactor.callLater(0, self._print)

    def _dated(self, line: Line) -> Iterable[Line]:
        """Give the line, below that of its day if it is the first of it."""
        if line.at is not None:
            of = self._times.local(line.at).date()
            before = self._day or self._times.today().date()
            if of != before:
                yield day(of)
            self._day = of
        yield line

    def _laid_out(self, line: Line, columns: int | None) -> Text:
        fragments = line.fragments
        stamp = self._times.stamp(line.at) if line.timed else ""
        if stamp:
            fragments = [(QUIET, stamp), *fragments]
        return wrap(fragments, columns, line.indent(columns, len(stamp))) if columns else fragments
