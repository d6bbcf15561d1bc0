"""People on a plain socket: what is done with lines that somebody types.

What goes over the wire, ``<`` from the peer and ``>`` to it::

    < (a connection; the first byte, or 30 ms of silence)
    > -- welcome! what is your name?
    < ana
    > -- hello ana! /help shows what you can do
    > -- you are in #lobby with bob
    < hi
    > <bob> hello ana
    < /quit
    > -- goodbye, ana

The states, and what each does with what happens. Who is in has a member; closing is what a
connection is that ignores what comes:

========  ==========================  =====================  =================  ==================
state     a line                      the name is granted    the input ends     told to close
========  ==========================  =====================  =================  ==================
naming    claims a name; the fifth    chatting               closing            closing
          bad name: closing
chatting  is said, or is a command                           leaves; closing    closing
                                                             when all is read
closing   is ignored                  gives the name back    ends the           ends the
                                                             connection         connection in time
========  ==========================  =====================  =================  ==================
"""

from __future__ import annotations

from functools import cache
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.peers import NameTaken
from chatservice.core.refusals import Refusal
from chatservice.doors.dialog import MemberDialog
from chatservice.doors.seam import Connection
from chatservice.doors.text.commands import obey
from chatservice.doors.text.view import TEXT
from chatservice.limits import LOGIN_TRIES
from chatservice.text import names, wording
from chatservice.text.sanitising import typed

BYTES_A_CHARACTER: Final = 4
"""Bytes that a character may have in UTF-8."""


@cache  # One number for all connections.
def longest(characters: int) -> int:
    """Tell how many bytes a line may have of so many characters."""
    return BYTES_A_CHARACTER * characters


class PersonDialog(MemberDialog):
    """The dialog of a person: see the table above.

    :ivar tries: names that were given and can't be had.
    """

    __slots__ = ("_tries",)

    view = TEXT

    def __init__(self, chat: Chat, connection: Connection) -> None:
        super().__init__(chat, connection)
        self._tries = 0

    @staticmethod
    def recognises(first: bytes) -> bool:
        """See :meth:`.Door.recognises`: all that is nothing else is what somebody types."""
        return True

    @property
    def longest(self) -> int:
        """See :attr:`.Dialog.longest`."""
        return longest(self._chat.limits.max_line)

    def greet(self) -> None:
        """See :meth:`.Dialog.greet`."""
        self.tell(wording.ASK_NAME)

    def outside(self, line: bytes) -> Deferred[None] | None:
        """Claim a name. See :meth:`.MemberDialog.outside`."""
        chat, connection = self._chat, self._connection
        text = typed(line, chat.limits.max_line)
        if text is None:
            self.too_long()
            return None
        try:
            entering = chat.attendance.enter(
                names.nickname(text, chat.limits.max_name),
                connection,
                TEXT,
                operator=connection.operator,
            )
        except (names.BadName, Refusal) as error:
            self._ask_again(str(error))
            return None
        return self.come_in(entering, self._taken)

    def _taken(self, failure: Failure) -> None:
        failure.trap(NameTaken)
        self._ask_again(failure.getErrorMessage())

    def _ask_again(self, why: str) -> None:
        self._tries += 1
        if self._tries < LOGIN_TRIES or self._connection.operator:
            self.tell(f"{why}; {wording.ASK_AGAIN}")
        else:
            self.tell(f"{why}; that was the last try, goodbye")
            self._connection.finish("5 bad names")

    def inside(self, member: Member, line: bytes) -> Deferred[None] | None:
        """Say a line, or do what it commands. See :meth:`.MemberDialog.inside`."""
        text = typed(line, self._chat.limits.max_line)
        if text is None:
            self.too_long()
            return None
        return obey(self._chat, member, text)
