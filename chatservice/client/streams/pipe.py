"""Talk through a pipe: each line is said and stored, or the exit status tells of a failure.

See :mod:`~chatservice.client.streams.program` for the exit status.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.python.failure import Failure

from chatservice import messages
from chatservice.client.stored.state import Entrance
from chatservice.client.streams.backlog import Printed, Tail
from chatservice.client.streams.program import Program, complain
from chatservice.text import wording

JOINT: Final = " ⏎ "
"""The sign between lines that are said as one."""

MAY_WAIT: Final = 16 << 20
"""Bytes in the backlog at which reading pauses; below, the program need not wait for the server."""


class Pipe(Program):
    """Says the lines of a program in one room: the given one, or the server's first.

    Each line is said as a terminal would show it, even if it begins with a slash; empty lines are
    left out. Lines wait here for a connection. Nothing is written to the standard output. The
    client leaves when all lines are stored.

    :param batch: whether to join the lines that wait while another is on its way, up to the
        longest line that the server takes.
    :param tail: the number of last lines to say; None for all lines.
    """

    _may_wait = MAY_WAIT
    _room: str | None = None
    _joining = False
    _longest = 0
    _held: str | None = None

    def __init__(
        self,
        entrance: Entrance,
        name: str,
        rooms: Sequence[str] = (),
        complain: Callable[[str], None] = complain,
        batch: bool = False,
        tail: int | None = None,
    ) -> None:
        backlog = Printed(self.refuse) if tail is None else Tail(self.refuse, tail)
        super().__init__(entrance, name, rooms, complain, backlog, self._say)
        self._batch = batch
        if batch:
            self._window = 1

    def next_line(self) -> str | None:
        """Return the next line, or the next joined lines with ``batch``; None if there is none."""
        text = self._line()
        while text is not None and self._batch:
            more = self._line()
            if more is None:
                break
            if len(text) + len(JOINT) + len(more) > self._longest:
                self._held = more
                break
            text += JOINT + more
        return text

    def _line(self) -> str | None:
        held, self._held = self._held, None
        return super().next_line() if held is None else held

    def _say(self, text: str) -> None:
        if self.session is not None and self._room is not None:
            sent = self.session.talk(messages.Say(room=self._room, text=text))
            self.awaited(sent.answer, _pass, _pass)

    # Replies: see Listener

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Join the room at the first welcome, or take the first room of the session."""
        self._longest = welcome.longest
        if self._room is None and not self._joining and self.session is not None:
            if self._rooms:
                self._joining = True
                self.session.ask(messages.Join(room=self._rooms[0])).addCallbacks(
                    self._joined, self._not_let_in
                )
            elif welcome.rooms:
                self._room = welcome.rooms[0].room
                self.ready = True
            else:
                self.end(1, wording.NOWHERE)
        super().welcomed(welcome)

    def _joined(self, reply: messages.Reply) -> None:
        assert isinstance(reply, messages.Ok)
        self._room = reply.room
        self.ready = True
        self.go_on()

    def _not_let_in(self, failure: Failure) -> None:
        self.end(1, failure.getErrorMessage())

    def noticed(self, text: str) -> None:
        """Write a sentence to the standard error if it tells why lines are not stored yet."""
        super().noticed(text)
        if text.endswith(wording.WAITS) and self._unanswered and not self.ending:
            self.complain(text)

    def name_refused(self, why: str) -> None:
        """End the program, as a pipe has no other name to give."""
        super().name_refused(f"{why}; give another with --name")

    def ended(self, why: str | None) -> None:
        """See :meth:`Program.ended`; after a quit, delete the session's file first."""
        if why is None:
            self.entrance.forget()
        super().ended(why)


def _pass(answer: object) -> None:
    """Ignore the answer to a line; :class:`Program` counts refusals and reports them at the end."""
