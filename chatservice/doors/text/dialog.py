"""The dialog of people, who type lines.

An example, with ``<`` for bytes from the peer and ``>`` for bytes to it::

    < (a connection; the first byte, or 30 ms of silence)
    > -- welcome! what is your name?
    < ana
    > -- hello ana! /help shows what you can do
    > -- you are in #lobby with bob
    < hi
    > <bob> hello ana
    < /quit
    > -- goodbye, ana

The states, and what happens in each of them. A peer in the state "chatting" is a member. In the
state "closing", its input is ignored:

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
from chatservice.core.nicknames import NameTaken
from chatservice.core.refusals import Refusal
from chatservice.doors.dialog import MemberDialog
from chatservice.doors.seam import Connection
from chatservice.doors.text.commands import obey
from chatservice.doors.text.view import TEXT
from chatservice.limits import LOGIN_TRIES
from chatservice.text import names, wording
from chatservice.text.sanitising import typed

BYTES_A_CHARACTER: Final = 4
"""Most bytes of a character in UTF-8."""


@cache  # All connections share one number.
def longest(characters: int) -> int:
    """Return the length limit of a line, in bytes, for lines of this many characters."""
    return BYTES_A_CHARACTER * characters


class PersonDialog(MemberDialog):
    """The dialog of a person. The table in this module's docstring has its states.

    :ivar _tries: the number of refused names so far.
    """

    __slots__ = ("_tries",)

    view = TEXT

    def __init__(self, chat: Chat, connection: Connection) -> None:
        super().__init__(chat, connection)
        self._tries = 0

    @staticmethod
    def recognises(first: bytes) -> bool:
        """See :meth:`.Door.recognises`. Any first bytes may be typed by a person."""
        return True

    @property
    def longest(self) -> int:
        """See :attr:`.Dialog.longest`."""
        return longest(self._chat.limits.max_line)

    def greet(self) -> None:
        """See :meth:`.Dialog.greet`."""
        self.tell(wording.ASK_NAME)

    def outside(self, line: bytes) -> Deferred[None] | None:
        """Claim the name that a line gives. See :meth:`.MemberDialog.outside`."""
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
        """Say a line, or do the command in it. See :meth:`.MemberDialog.inside`."""
        text = typed(line, self._chat.limits.max_line)
        if text is None:
            self.too_long()
            return None
        return obey(self._chat, member, text)
