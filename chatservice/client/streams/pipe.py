"""Talking through a pipe: each line is said and stored, or the exit status says that one was not.

See :mod:`~chatservice.client.streams.program` for what the status is.
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
"""Bytes of the program that may wait here; then it has to. It need not wait for the server."""


class Pipe(Program):
    """Say the lines of a program in one room: the given one, or the first of the house.

    Each line is said as it would be seen, whatever it begins with; empty ones are left out. Lines
    that can't be said yet wait here. Nothing is written to the standard output. It leaves when all
    lines are stored, and so can't be lost any more.

    :param batch: lines that wait while another is on its way are said as one, as far as the server
        takes it.
    :param tail: so many lines are said, the last ones; None for all.
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
        """Take what is to be said as one."""
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
        """Go into the room, unless that was done before."""
        self._longest = welcome.longest
        if self._room is None and not self._joining and self.session is not None:
            if self._rooms:
                self._joining = True
                joining = self.session.ask(messages.Join(room=self._rooms[0]))
                joining.addCallbacks(self._joined, self._not_let_in)
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
        """Tell on the standard error why lines are not stored; what else is for people is not."""
        super().noticed(text)
        if text.endswith(wording.WAITS) and self._unanswered and not self.ending:
            self.complain(text)

    def name_refused(self, why: str) -> None:
        """End: there is nobody to think of another name now."""
        super().name_refused(f"{why}; give another with --name")

    def ended(self, why: str | None) -> None:
        """See :meth:`Program.ended`; who has left politely has no reason to come back."""
        if why is None:
            self.entrance.forget()
        super().ended(why)


def _pass(answer: object) -> None:
    """Nothing is told of what is stored; of what is refused, it is told at the end."""
