"""Printing above the typed line: in order, once, and many lines at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import date, datetime, timezone
from typing import Any, Final, Protocol

from chatservice.client.screen.rendering import QUIET, Line, Text, Times, Weight, day, wrap
from chatservice.client.stored.state import Settings
from chatservice.clock import Timer

PAUSE: Final = 1 / 30
"""Seconds between two prints, at least: nobody reads faster, and each print redraws the typed
line."""

AT_ONCE: Final = 500
"""Lines of one print at most; with more, typing would lag."""

PROMPT: Final = "> "

HELD_MOST: Final = 5000
"""Lines that may be held until the lines above them are known; with more, all are printed."""


class Desk(Protocol):
    """The interface of a terminal, with or without a drawn line.

    :ivar echoes: whether typed and printed lines stay where they are, one below another. Then one
        view shows all rooms and private talks.
    """

    echoes: bool

    @property
    def columns(self) -> int | None:
        """The width of the terminal; None if it folds lines itself."""

    def show(self, text: Text, ring: bool) -> None:
        """Print lines, and ring the bell."""

    def turn(self) -> None:
        """Scroll everything off the screen, and go on at the foot."""

    def refresh(self) -> None:
        """Redraw the rows around the typed line."""

    def prompt(self, words: str = PROMPT) -> None:
        """Show a prompt in front of the typed line."""

    def close(self) -> None:
        """Restore the terminal."""


class Paper:
    """Collects lines, and prints them on a desk, at intervals."""

    def __init__(self, reactor: Any, desk: Desk, settings: Settings) -> None:
        self._reactor = reactor
        self._desk = desk
        self._times = Times(settings)
        self._lines: deque[Line] = deque()
        self._held: list[Line] | None = None
        self._day: date | None = None
        self._printed = -PAUSE
        self._soon = Timer(reactor, self._print)
        self._weight = Weight.NONE

    def put(self, *lines: Line) -> None:
        """Append lines, to be printed soon, or after :meth:`release` while lines are held."""
        if self._held is not None:
            self._held += lines
            if len(self._held) > HELD_MOST:
                self.release()
        else:
            self._append(lines)

    def call(self, weight: Weight) -> None:
        """Ring the bell with the next print, if the settings say so for this weight."""
        self._weight = max(self._weight, weight)
        if self._held is None:
            self._print_soon()

    def hold(self) -> None:
        """Hold all lines that are put from now on, until :meth:`release`."""
        if self._held is None:
            self._held = []

    def release(self, first: Iterable[Line] = ()) -> None:
        """Print these lines, then the lines that were held."""
        held, self._held = self._held or [], None
        self._append((*first, *held))

    def _append(self, lines: Iterable[Line]) -> None:
        self._lines.extend(lines)
        if self._lines or self._weight:
            self._print_soon()

    def _print_soon(self) -> None:
        if not self._soon.running:
            self._soon.start(max(0, self._printed + PAUSE - self._reactor.seconds()))

    def turn(self) -> None:
        """Print all lines that wait, then go on with an empty screen."""
        self.flush()
        self._desk.turn()

    def flush(self) -> None:
        """Print all lines that wait, also those held, now."""
        self.release()
        while self._lines:
            self._print()

    def _print(self) -> None:
        self._soon.stop()
        columns = self._desk.columns
        text: Text = []
        for _ in range(min(len(self._lines), AT_ONCE)):
            for shown in self._dated(self._lines.popleft()):
                text += [*self._laid_out(shown, columns), ("", "\n")]
        ring, self._weight = self._weight.rings(self._times.wanted.bell), Weight.NONE
        self._printed = self._reactor.seconds()
        if text or ring:
            self._desk.show(text, ring)
        if self._lines:
            self._soon.start(0)

    def _dated(self, line: Line) -> Iterable[Line]:
        """Yield the line, after a rule with the date if it is the first line of a day."""
        if line.at is not None:
            of = self._times.local(line.at).date()
            if of != (self._day or self._times.local(datetime.now(timezone.utc)).date()):
                yield day(of)
            self._day = of
        yield line

    def _laid_out(self, line: Line, columns: int | None) -> Text:
        stamp = self._times.stamp(line.at) if line.timed else ""
        fragments = [(QUIET, stamp), *line.fragments] if stamp else line.fragments
        return wrap(fragments, columns, line.indent(columns, len(stamp))) if columns else fragments
