"""Programs on a plain socket: what a connection does with lines that are JSON objects.

Two more states of :class:`.ChatProtocol`; :mod:`chatservice.messages` shows what goes over the
wire.

========  ==========================  =====================  =================  ==================
state     a line                      the program is in      the input ends     told to close
========  ==========================  =====================  =================  ==================
hello     comes in, or comes back;    ask                    closing            closing
          all else is an error
ask       is what it asks for         closing, if another    is away; closing   closing
                                      connection takes its   when all is read
                                      place
========  ==========================  =====================  =================  ==================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.python.failure import Failure

from chatservice import messages
from chatservice.core.resume import Arrival
from chatservice.doors.closing_log import Cause
from chatservice.doors.json.requests import do
from chatservice.doors.json.requests.base import REFUSALS, complaint, refusal
from chatservice.doors.json.view import JSON
from chatservice.text.sanitising import decode

if TYPE_CHECKING:
    from chatservice.doors.connection import ChatProtocol

_CLOSING: Final[dict[messages.Code | None, Cause]] = {
    messages.Code.BANNED: Cause.BANNED,
    messages.Code.CROWDED: Cause.NAMES,
}
"""Why a connection is closed whose hello is refused so; after others it may try again."""


def longest(characters: int) -> int:
    """Tell how many bytes a line may have whose text may have so many characters."""
    return characters * messages.BYTES_A_CHARACTER + messages.LINE_OVERHEAD


def hello(connection: ChatProtocol, line: bytes) -> None:
    """Let a program in, or back."""
    try:
        request = messages.request(decode(line))
    except messages.BadMessage as error:
        connection.outbox.write(complaint(error))
        return
    if isinstance(request, messages.Ping):
        connection.outbox.write(messages.encode(messages.Pong(ref=request.ref)))
        return
    if not isinstance(request, messages.Hello):
        first = messages.BadMessage(
            messages.Code.HELLO_FIRST,
            "say hello first",
            request.type,
            request.ref,
            getattr(request, "seq", None),
        )
        connection.outbox.write(complaint(first))
        return
    chat = connection.factory.chat
    if not connection.factory.place(connection, request.token):
        return
    if chat.held_up:
        connection.tell(chat.held_up)
    connection.wait_for(
        chat.returns.enter(Arrival(request, connection.outbox, JSON)).addCallbacks(
            connection.named, lambda failure: _refused(connection, request, failure)
        )
    )


def _refused(connection: ChatProtocol, request: messages.Hello, failure: Failure) -> None:
    failure.trap(*REFUSALS)
    assert isinstance(failure.value, Exception)
    connection.outbox.write(refusal(failure.value, request))
    cause = _CLOSING.get(getattr(failure.value, "code", None))
    if cause is not None:
        connection.factory.note(connection, cause)
        connection.finish()


def ask(connection: ChatProtocol, line: bytes) -> None:
    """Do what a program asks for."""
    connection.chat_with(do, decode(line))
