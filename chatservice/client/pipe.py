"""Talking through a pipe: each line is said and stored, or the exit status says that one was not.

See :mod:`~chatservice.client.program` for what the status is.
"""

from __future__ import annotations

from twisted.python.failure import Failure

from chatservice import wire, wording
from chatservice.chat.text import safe
from chatservice.client.program import Program


class Pipe(Program):
    """What a program writes is said in one room: the one that is given, or the first of the house.

    Each line is said as it is, whatever it begins with; empty ones are left out. Nothing is written
    to the standard output. When all is stored, and so can't be lost any more, it leaves. If there
    was no name, it is the first line.
    """

    NAMELESS = "there is no name: give one with --name, or as the first line"

    _room: str | None = None
    _joining = False

    def typed(self, text: str) -> None:
        """Say a line, or come in with it as the name."""
        if self.seat is None:
            self.come_in(safe(text), self._rooms)
        elif self._room is not None and safe(text):
            self.seat.talk(wire.Say(room=self._room, text=text))
            self.asked()

    def output_ended(self) -> None:
        """Nothing is written anyway."""

    def may_read(self) -> bool:
        """See :meth:`Program.may_read`; what is said needs a room."""
        return super().may_read() and (self.seat is None or self._room is not None)

    def welcomed(self, welcome: wire.Welcome, missed: bool) -> None:
        """Go into the room, unless that was done before."""
        if self._room is None and not self._joining and self.seat is not None:
            if self._rooms:
                self._joining = True
                joining = self.seat.ask(wire.Join(room=self._rooms[0]))
                joining.addCallbacks(self._joined, self._not_let_in)
            elif welcome.rooms:
                self._room = welcome.rooms[0].room
            else:
                self.end(1, wording.NOWHERE)
        super().welcomed(welcome, missed)

    def _joined(self, reply: wire.Reply) -> None:
        assert isinstance(reply, wire.Ok)
        self._room = reply.room
        self.go_on()

    def _not_let_in(self, failure: Failure) -> None:
        self.end(1, failure.getErrorMessage())

    def noticed(self, text: str) -> None:
        """Tell on the standard error what may be why lines are not stored."""
        super().noticed(text)
        if self._unanswered and not self.ending:
            self.complain(text)

    def ended(self, why: str | None) -> None:
        """See :meth:`Program.ended`; who has left politely has no reason to come back."""
        if why is None:
            self.entrance.forget()
        super().ended(why)
