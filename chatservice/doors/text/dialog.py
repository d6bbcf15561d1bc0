"""People on a plain socket: what a connection does with lines that somebody types.

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

The states, and what each does with what happens:

========  ==========================  =====================  =================  ==================
state     a line                      the name is granted    the input ends     told to close
========  ==========================  =====================  =================  ==================
naming    claims a name; an HTTP      chatting               closing            closing
          request: closing; the
          fifth bad name: closing
chatting  is said, or is a command                           leaves; closing    closing
                                                             when all is read
closing   is ignored                  gives the name back    ends the           ends the
                                                             connection         connection in time
========  ==========================  =====================  =================  ==================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from chatservice.core.nicknames import NameTaken
from chatservice.core.refusals import Refusal
from chatservice.doors.closing_log import Cause
from chatservice.doors.text.commands import obey
from chatservice.doors.text.view import TEXT
from chatservice.limits import LOGIN_TRIES
from chatservice.text import names, wording
from chatservice.text.sanitising import typed

if TYPE_CHECKING:
    from chatservice.doors.connection import ChatProtocol


def naming(connection: ChatProtocol, line: bytes) -> None:
    """Claim a name, unless it is no person who speaks."""
    if not connection.heard and not connection.operator:
        if connection.is_stranger(line):
            return
        connection.heard = bool(line.strip())
    text = _typed(connection, line)
    if text is None:
        return
    factory = connection.factory
    try:
        name = names.nickname(text, factory.limits.max_name)
    except names.BadName as error:
        _ask_again(connection, str(error))
        return

    def taken(failure: Failure) -> None:
        failure.trap(NameTaken)
        _ask_again(connection, failure.getErrorMessage())

    try:
        entering = factory.chat.enter(name, connection.outbox, TEXT, operator=connection.operator)
    except Refusal as error:
        _ask_again(connection, str(error))
        return
    connection.wait_for(entering.addCallbacks(connection.named, taken))


def _ask_again(connection: ChatProtocol, why: str) -> None:
    connection.tries += 1
    if connection.tries < LOGIN_TRIES or connection.operator:
        connection.tell(f"{why}; {wording.ASK_AGAIN}")
    else:
        connection.factory.note(connection, Cause.BAD_NAMES)
        connection.part(f"{why}; that was the last try, goodbye")


def chatting(connection: ChatProtocol, line: bytes) -> None:
    """Say a line, or do what it commands."""
    text = _typed(connection, line)
    if text is not None:
        connection.chat_with(obey, text)


def _typed(connection: ChatProtocol, line: bytes) -> str | None:
    """Return what a person typed, safe to show; None if it was too long, which it is told."""
    text = typed(line, connection.factory.limits.max_line)
    if text is None:
        connection.tell_too_long()
    return text
