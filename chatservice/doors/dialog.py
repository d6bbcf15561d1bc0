"""What all dialogs have in common in which somebody comes in by a name and then is a member."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.outlet import View
from chatservice.doors.seam import Connection
from chatservice.messages import Code, Error, Notice
from chatservice.text import wording

log = Logger()


class MemberDialog:
    """A :class:`.Dialog`. A line is for :meth:`outside` until there is a member, then for
    :meth:`inside`.

    :ivar member: who is in.
    """

    __slots__ = ("_chat", "_connection", "member")

    view: ClassVar[View]
    """How the peer is told something."""

    telnet = True

    def __init__(self, chat: Chat, connection: Connection) -> None:
        self._chat = chat
        self._connection = connection
        self.member: Member | None = None

    def outside(self, line: bytes) -> Deferred[None] | None:
        """Handle a line of somebody who is not in yet: to be overridden.

        :returns: a Deferred if the next line has to wait until this one is handled.
        """

    def inside(self, member: Member, line: bytes) -> Deferred[None] | None:
        """Handle a line of somebody who is in: to be overridden. It returns the same."""

    # What the connection says

    def greet(self) -> None:
        """See :meth:`.Dialog.greet`: whoever is not spoken to first needs nothing."""

    def line(self, number: int, line: bytes) -> None:
        """See :meth:`.Dialog.line`."""
        member, doing = self.member, None
        try:
            if member is None:
                doing = self.outside(line)
            elif not member.gone:  # Else the house has closed meanwhile.
                doing = self.inside(member, line)
        except Exception:
            self._failed(Failure())
        if doing is not None:
            self._connection.wait()
            doing.addErrback(self._failed).addCallback(self._handled, number)
        elif member is not None and member.gone:
            self._connection.ignore()

    def too_long(self) -> None:
        """See :meth:`.Dialog.too_long`."""
        self.tell(wording.TOO_LONG.format(most=self._chat.limits.max_line), code=Code.TOO_LONG)

    def ended(self) -> None:
        """See :meth:`.Dialog.ended`: a member leaves when it has read all there is."""
        if self.member is None:
            self._connection.finish()
        else:
            self._connection.ignore()
            self._chat.attendance.hang_up(self.member)

    def drained(self) -> None:
        """See :meth:`.Dialog.drained`."""
        if self.member is not None:
            self._chat.drained(self.member)

    def lost(self) -> None:
        """See :meth:`.Dialog.lost`: a member has said what came before, unless it is gone."""
        member = self.member
        if member is not None:
            self._chat.attendance.disconnect(member)
        if member is None or member.gone:
            self._connection.ignore()

    def replaced(self) -> None:
        """See :meth:`.Dialog.replaced`."""
        self.member = None

    def tell(self, *lines: str, code: Code | None = None) -> None:
        """See :meth:`.Dialog.tell`."""
        for line in lines:
            told = Notice(text=line) if code is None else Error(code=code.value, text=line)
            self._connection.write(self.view.reply(told))

    # Coming in, and what takes its time

    def come_in(
        self, entering: Deferred[Member], refused: Callable[[Failure], None]
    ) -> Deferred[None]:
        """Wait until somebody is in, or is not let in."""

        def named(member: Member) -> None:
            if not self._connection.closed:
                self.member = member
                self._connection.entered()
            elif member.outlet is self._connection:  # Else another connection has it.
                self._chat.attendance.give_up(member)

        return entering.addCallbacks(named, refused)

    def _handled(self, _: None, number: int) -> None:
        if self.member is not None and self.member.gone:
            self._connection.ignore()
        self._connection.handled(number)

    def _failed(self, failure: Failure) -> None:
        log.failure("a command failed", failure)
        self.tell(wording.WENT_WRONG, code=Code.WENT_WRONG)
