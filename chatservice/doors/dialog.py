"""What all dialogs have in common in which somebody comes in by a name and then is a member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.outlet import View, notices
from chatservice.doors.seam import Connection
from chatservice.messages import Code, Error
from chatservice.text import wording

State = Callable[[Any, bytes], None]
"""What a dialog does with a line: a function of its class, not a bound method, which would be one
object more for each connection."""

log = Logger()


class MemberDialog:
    """A :class:`.Dialog`. Its state is a function, changed by assignment.

    :param state: the first one, in which nobody is in yet.
    :ivar member: who is in.
    """

    __slots__ = ("_chat", "_connection", "_state", "member")

    view: ClassVar[View]
    """How the peer is told something."""

    telnet = True

    def __init__(self, chat: Chat, connection: Connection, state: State) -> None:
        self._chat = chat
        self._connection = connection
        self._state = state
        self.member: Member | None = None

    # What the connection says

    def greet(self) -> None:
        """See :meth:`.Dialog.greet`: whoever is not spoken to first needs nothing."""

    def line(self, line: bytes) -> None:
        """See :meth:`.Dialog.line`."""
        try:
            self._state(self, line)
        except Exception:
            self._failed(Failure())

    def too_long(self) -> None:
        """See :meth:`.Dialog.too_long`."""
        self.refuse(Code.TOO_LONG, wording.TOO_LONG.format(most=self._chat.limits.max_line))

    def ended(self) -> None:
        """See :meth:`.Dialog.ended`: a member leaves when it has read all there is."""
        if self.member is None:
            self._connection.finish()
        else:
            self._leave()
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
            self._leave()

    def closing(self) -> None:
        """See :meth:`.Dialog.closing`."""
        self._state = MemberDialog._closing

    def replaced(self) -> None:
        """See :meth:`.Dialog.replaced`."""
        self.member = None

    def tell(self, *lines: str) -> None:
        """See :meth:`.Dialog.tell`."""
        self._connection.outbox.write(notices(self.view, *lines))

    def refuse(self, code: Code, why: str) -> None:
        """See :meth:`.Dialog.refuse`."""
        self._connection.outbox.write(self.view.reply(Error(code=code.value, text=why)))

    # Coming in, and going

    def _come_in(
        self,
        entering: Deferred[Member],
        state: State,
        refused: Callable[[Failure], None],
    ) -> None:
        """Take no line until somebody is in, or is not let in.

        :param state: what lines are from then on.
        """

        def named(member: Member) -> None:
            if self._state is MemberDialog._closing:
                if member.outlet is self._connection.outbox:  # Else another connection has it.
                    self._chat.attendance.give_up(member)
                return
            self.member = member
            self._state = state
            self._connection.entered()

        self._wait_for(entering.addCallbacks(named, refused))

    def _obeyed(self, doing: Deferred[None] | None) -> None:
        """Go on behind a line of the member: when all is done that it asked for, if not at once.

        Most lines are done at once, and leave the member in: they need not come here.
        """
        if doing is not None:
            self._wait_for(doing.addCallback(self._obeyed))
        elif self.member is not None and self.member.gone:
            self._leave()

    def _wait_for(self, doing: Deferred[None]) -> None:
        self._connection.wait()
        doing.addErrback(self._failed).addCallback(lambda _: self._connection.go_on())

    def _failed(self, failure: Failure) -> None:
        log.failure("a command failed", failure)
        self.refuse(Code.WENT_WRONG, wording.WENT_WRONG)

    def _leave(self) -> None:
        """Ignore what still comes; a member who is gone is finished when it has read all."""
        self.closing()
        self._connection.ignore()

    def _closing(self, line: bytes) -> None:
        """Ignore what still comes."""
