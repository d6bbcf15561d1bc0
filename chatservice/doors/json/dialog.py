"""The dialog of programs, whose lines are JSON objects.

:mod:`chatservice.messages` defines the objects. The states, and what happens in each of them:

========  ==========================  =====================  =================  ==================
state     a line                      the program is in      the input ends     told to close
========  ==========================  =====================  =================  ==================
hello     enters, or resumes a        ask                    closing            closing
          session; else an error
ask       is a request                closing, if another    is away; closing   closing
                                      connection takes its   when all is read
                                      place
closing   is ignored                  is away                ends the           ends the
                                                             connection         connection in time
========  ==========================  =====================  =================  ==================

Talk is answered by a receipt at its place among the events (:meth:`.JsonView.own`). All other
requests are answered in their order.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.core.actions import not_done, perform
from chatservice.core.members import Member
from chatservice.core.refusals import REFUSALS
from chatservice.core.resume import Arrival
from chatservice.doors.dialog import MemberDialog
from chatservice.doors.json.view import JSON
from chatservice.doors.seam import Cause
from chatservice.messages import BadMessage, Code
from chatservice.text import wording
from chatservice.text.sanitising import safe

_CLOSING: Final[dict[Code | None, Cause]] = {
    Code.BANNED: "banned",
    Code.CROWDED: "too many new names from its address",
}
"""The refusals of a hello that close the connection. After any other, the program may try again."""

_AT_ONCE: Final = (
    messages.Say,
    messages.Do,
    messages.Private,
    messages.Topic,
    messages.Ping,
)
"""Requests that need not wait for earlier ones, because talk keeps its order anyway."""


@cache  # All connections share one number.
def longest(characters: int) -> int:
    """Return the length limit of a line, in bytes, for texts of this many characters."""
    return characters * messages.BYTES_A_CHARACTER + messages.LINE_OVERHEAD


class ProgramDialog(MemberDialog):
    """The dialog of a program. The table in this module's docstring has its states."""

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
        """Handle a hello: let a program in, or resume its session. See :class:`.MemberDialog`."""
        chat, connection = self._chat, self._connection
        try:
            request = messages.request(line)
            if isinstance(request, messages.Ping):
                connection.write(messages.encode(messages.Pong(ref=request.ref)))
                return None
            if not isinstance(request, messages.Hello):
                raise BadMessage(messages.refusal(request, Code.HELLO_FIRST, "say hello first"))
        except BadMessage as bad:
            connection.write(messages.encode(bad.error))
            return None
        if not connection.place(instead=self._replaces(request.token)):
            return None
        if chat.held_up:
            self.tell(chat.held_up)
        return self.come_in(
            chat.returns.enter(Arrival(request, connection, JSON)), partial(self._refused, request)
        )

    def _replaces(self, token: str | None) -> bool:
        """Return whether the session of a token has another connection from the same address."""
        session = None if token is None else self._chat.tokens.find(token)
        member = None if session is None else self._chat.sessions.get(session.origin)
        return (
            member is not None
            and not member.outlet.closed
            and member.outlet.site == self._connection.site
        )

    def _refused(self, request: messages.Hello, failure: Failure) -> None:
        failure.trap(*REFUSALS)
        assert isinstance(failure.value, Exception)
        self._connection.write(JSON.reply(not_done(failure.value, request)))
        cause = _CLOSING.get(getattr(failure.value, "code", None))
        if cause is not None:
            self._connection.finish(cause)

    def inside(self, member: Member, line: bytes) -> Deferred[None] | None:
        """Perform a program's request. See :meth:`.MemberDialog.inside`."""
        chat = self._chat
        assert member.session is not None
        chat.returns.hear(member.session)
        try:
            request = messages.request(line)
            # A ping is sent by the client itself, and is no sign of activity.
            if type(request) is not messages.Ping:
                member.active = chat.clock.seconds()
            request = _fit(request, chat.limits.max_line)
        except BadMessage as bad:
            member.reply(bad.error)
            return None
        settled = None if type(request) in _AT_ONCE else chat.settled(member)
        if settled is None:
            return None if member.gone else perform(chat, member, request)
        outlet = member.outlet

        def go_on(_: None) -> Deferred[None] | None:
            # A connection that has replaced this one makes its own requests.
            meant = member.outlet is outlet and not member.gone
            return perform(chat, member, request) if meant else None

        return settled.addCallback(go_on)


def _fit(request: messages.Request, most: int) -> messages.Request:
    """Return a request with its text, if any, made safe to show.

    :param most: most characters of the text.
    :raises BadMessage: if the text is too long, or has more than one line.
    """
    text = getattr(request, "text", None)
    if text is None:
        return request
    if "\n" in text or "\r" in text:
        raise BadMessage(messages.refusal(request, Code.BAD_FIELD, "a text is one line"))
    if len(text) > most:
        raise BadMessage(
            messages.refusal(request, Code.TOO_LONG, wording.TOO_LONG.format(most=most))
        )
    shown = safe(text)
    return request if shown == text else replace(request, text=shown)
