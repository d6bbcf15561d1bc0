"""The chat on a terminal: handles typed lines, and gives the text of the rows around them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.client.screen import commands
from chatservice.client.screen.conversation import Conversation
from chatservice.client.screen.rendering import Text
from chatservice.client.screen.status import Other, connected_as, hint, status
from chatservice.client.session.outgoing import Sent
from chatservice.client.streams.program import complain
from chatservice.text.sanitising import safe

SEEN: Final = 1.0
"""Seconds in which a person who presses keys reads the lines on the screen."""

SLOW: Final = 0.5
"""Seconds after which own talk that is not stored is shown as unsent."""


class Screen(Conversation):
    """The conversation of a person at a terminal, with typing and the status line.

    :ivar done: fires with the exit status when the terminal is restored.
    """

    _touched_at = 0.0

    def start(self, open_desk: Callable[[Screen], Deferred[None]]) -> None:
        """Take over the terminal, and start the session.

        :param open_desk: begins to read typed lines; fires when the terminal is restored.
        """
        self._opened = True
        open_desk(self).addBoth(self._closed)
        self.session.start()
        if self.session.name is None:
            self.ask_name()

    def stop(self, status: int = 1) -> Deferred[int]:
        """Hang up now, without leaving the chat; fires when the terminal is restored."""
        self.session.stop()
        self.end(status)
        if not self._opened:
            self._closed(None)
        return self.done

    def interrupt(self) -> None:
        """Leave the chat after Ctrl-D or Ctrl-C, as a key or a signal."""
        self.quit("")

    # Typing

    def typed(self, text: str) -> None:
        """Handle a typed line, and show the reason if it is refused."""
        if self.naming:
            self._introduced(text)
        elif not text.strip():
            # Enter alone marks all lines as read.
            self.read_until(math.inf)
        else:
            try:
                commands.obey(self, text)
            except commands.Refused as refusal:
                self.tell(str(refusal))

    def _introduced(self, text: str) -> None:
        name = safe(text.strip().partition("\n")[0])
        if name:
            self.naming = False
            self._desk.prompt()
            self.session.introduce(name)

    def touched(self) -> None:
        """Note the time of a pressed key: the person reads the screen."""
        self._touched_at = self.reactor.seconds()

    def turn_page(self, number: int) -> None:
        """Go to the view with a number, if there is one; 0 is the view of all."""
        if not number:
            self.go_everywhere()
        elif number <= len(self.views):
            self.go(self.views[number - 1])

    def hung_up(self) -> None:
        """End the session, as the terminal is gone."""
        if self._status is None:
            self._status = 1 if self.session.unstored else 0
            self.session.stop()
            self._desk.close()

    # Around the typed line

    def status(self, columns: int, typed: str) -> Text:
        """Render the line below the typed line: the status, or the usage of a command.

        :param columns: the width at most.
        :param typed: the text typed so far.
        """
        if self.leaving:
            return hint("leaving: Ctrl-D again leaves at once", columns)
        usage = self.where if self.naming else commands.usage_of(typed)
        if usage is not None:
            return hint(usage, columns)
        self.read_until(min(self._touched_at, self.reactor.seconds() - SEEN))
        connected = self.session.connected
        here = "no room" if connected else ""
        if self.here is not None:
            here = f"all, to {self.here.shown}" if self.together else self.here.shown
        seen = self.rooms.get(self.room or "")
        views = enumerate(self.views, 1)
        pause = None
        if self.again_at is not None:
            pause = max(0, math.ceil(self.again_at - self.reactor.seconds()))
        return status(
            here,
            None if seen is None else seen.people,
            [Other(at, view.shown, view.unread) for at, view in views if view is not self.here],
            len(self.unsent()),
            connected_as(connected, self.session.latency, pause),
            columns,
        )

    def unsent(self) -> list[Sent]:
        """List own talk that is late, or waits for a connection."""
        then = self.reactor.seconds() - SLOW
        return [
            sent
            for sent in self.session.unstored
            if not self.session.connected or self.said_at.get(sent, then) <= then
        ]

    # Completing

    def there(self) -> list[str]:
        """List the others in the room, the last heard first; in a private talk, all others."""
        if self.here is not None and self.here.room is None:
            return self.everybody()
        return self._others(self.people.there(self.room))

    def everybody(self) -> list[str]:
        """List all others known, those in the room first."""
        return self._others(self.people.known(self.room))

    def _others(self, names: list[str]) -> list[str]:
        return [name for name in names if name != self.session.name]

    # The end

    def _closed(self, result: object) -> None:
        """Report the reason for the end, and fire ``done``, as the terminal is restored."""
        if isinstance(result, Failure):
            self.session.stop()
            self._status, self._why = 1, result.getErrorMessage()
        if self._why is not None:
            complain(self._why)
        self.done.callback(1 if self._status is None else self._status)
