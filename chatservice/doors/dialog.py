"""The base class of the dialogs in which a peer comes in under a name and becomes a member."""

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
    """A :class:`.Dialog` that may get a member in the course of it.

    Lines go to :meth:`outside` until there is a member, and then to :meth:`inside`.

    :ivar member: the member of this connection; None before it is in.
    """

    __slots__ = ("_chat", "_connection", "member")

    view: ClassVar[View]
    """The form in which the peer is sent replies."""

    telnet = True

    def __init__(self, chat: Chat, connection: Connection) -> None:
        self._chat = chat
        self._connection = connection
        self.member: Member | None = None

    def outside(self, line: bytes) -> Deferred[None] | None:
        """Handle a line from a peer that is not in yet: to be overridden.

        :returns: a Deferred if the next line has to wait until this one is handled.
        """

    def inside(self, member: Member, line: bytes) -> Deferred[None] | None:
        """Handle a line from a member: to be overridden. Return the same as :meth:`outside`."""

    # Called by the connection

    def greet(self) -> None:
        """See :meth:`.Dialog.greet`. The default is to send nothing."""

    def line(self, number: int, line: bytes) -> None:
        """See :meth:`.Dialog.line`."""
        member, doing = self.member, None
        try:
            if member is None:
                doing = self.outside(line)
            elif not member.gone:  # Else the service has closed meanwhile.
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
        """See :meth:`.Dialog.ended`. A member leaves once it has read all its events."""
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
        """See :meth:`.Dialog.lost`. Lines of a member that came before are still handled."""
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

    # Coming in, and lines that take time

    def come_in(
        self, entering: Deferred[Member], refused: Callable[[Failure], None]
    ) -> Deferred[None]:
        """Wait until the peer is in as a member, or its name is refused.

        :param refused: called with the failure if the peer is not let in.
        """

        def named(member: Member) -> None:
            if not self._connection.closed:
                self.member = member
                self._connection.entered()
            elif member.outlet is self._connection:  # Else another connection has the member.
                self._chat.attendance.give_up(member)

        return entering.addCallbacks(named, refused)

    def _handled(self, _: None, number: int) -> None:
        if self.member is not None and self.member.gone:
            self._connection.ignore()
        self._connection.handled(number)

    def _failed(self, failure: Failure) -> None:
        log.failure("a command failed", failure)
        self.tell(wording.WENT_WRONG, code=Code.WENT_WRONG)
