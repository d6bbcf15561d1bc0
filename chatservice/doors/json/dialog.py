"""Programs on a plain socket: what is done with lines that are JSON objects.

:mod:`chatservice.messages` shows what goes over the wire. The states, and what each does with what
happens:

========  ==========================  =====================  =================  ==================
state     a line                      the program is in      the input ends     told to close
========  ==========================  =====================  =================  ==================
hello     comes in, or comes back;    ask                    closing            closing
          all else is an error
ask       is what it asks for         closing, if another    is away; closing   closing
                                      connection takes its   when all is read
                                      place
closing   is ignored                  is away                ends the           ends the
                                                             connection         connection in time
========  ==========================  =====================  =================  ==================
"""

from __future__ import annotations

from functools import cache, partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.core.actions import not_done
from chatservice.core.members import Member
from chatservice.core.refusals import REFUSALS
from chatservice.core.resume import Arrival
from chatservice.doors.dialog import MemberDialog
from chatservice.doors.json.requests import complaint, do
from chatservice.doors.json.view import JSON
from chatservice.doors.seam import Cause
from chatservice.text.sanitising import decode

_CLOSING: Final[dict[messages.Code | None, Cause]] = {
    messages.Code.BANNED: "banned",
    messages.Code.CROWDED: "too many new names from its address",
}
"""Why a connection is closed whose hello is refused so; after others it may try again."""


@cache  # One number for all connections.
def longest(characters: int) -> int:
    """Tell how many bytes a line may have whose text may have so many characters."""
    return characters * messages.BYTES_A_CHARACTER + messages.LINE_OVERHEAD


class ProgramDialog(MemberDialog):
    """The dialog of a program: see the table above."""

    __slots__ = ()

    view = JSON
    telnet = False

    @staticmethod
    def recognises(first: bytes) -> bool:
        """See :meth:`.Door.recognises`."""
        return first.startswith(messages.OPENING)

    @property
    def longest(self) -> int:
        """See :attr:`.Dialog.longest`."""
        return longest(self._chat.limits.max_line)

    def outside(self, line: bytes) -> Deferred[None] | None:
        """Let a program in, or back. See :meth:`.MemberDialog.outside`."""
        chat, connection = self._chat, self._connection
        try:
            request = messages.request(decode(line))
        except messages.BadMessage as error:
            connection.write(complaint(error))
            return None
        if isinstance(request, messages.Ping):
            connection.write(messages.encode(messages.Pong(ref=request.ref)))
            return None
        if not isinstance(request, messages.Hello):
            first = messages.BadMessage(
                messages.Code.HELLO_FIRST,
                "say hello first",
                request.type,
                request.ref,
                getattr(request, "seq", None),
            )
            connection.write(complaint(first))
            return None
        if not connection.place(instead=self._replaces(request.token)):
            return None
        if chat.held_up:
            self.tell(chat.held_up)
        entering = chat.returns.enter(Arrival(request, connection, JSON))
        return self.come_in(entering, partial(self._refused, request))

    def _replaces(self, token: str | None) -> bool:
        """Tell whether who has a token has another connection of the same address."""
        session = None if token is None else self._chat.tokens.find(token)
        member = None if session is None else self._chat.sessions.get(session.origin)
        if member is None or member.outlet.closed:
            return False
        return member.outlet.site == self._connection.site

    def _refused(self, request: messages.Hello, failure: Failure) -> None:
        failure.trap(*REFUSALS)
        assert isinstance(failure.value, Exception)
        self._connection.write(JSON.reply(not_done(failure.value, request)))
        cause = _CLOSING.get(getattr(failure.value, "code", None))
        if cause is not None:
            self._connection.finish(cause)

    def inside(self, member: Member, line: bytes) -> Deferred[None] | None:
        """Do what a program asks for. See :meth:`.MemberDialog.inside`."""
        return do(self._chat, member, decode(line))
