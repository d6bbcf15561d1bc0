"""Programs on a plain socket: what a connection does with lines that are JSON objects.

Two more states of :class:`.ChatProtocol`; :mod:`chatservice.wire` shows what goes over the wire.

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

from chatservice import wire
from chatservice.chat.requests import do
from chatservice.chat.requests.base import REFUSALS, complaint, refusal
from chatservice.chat.text import decode
from chatservice.protocols.closings import Cause

if TYPE_CHECKING:
    from chatservice.protocols.line import ChatProtocol

_CLOSING: Final[dict[wire.Code | None, Cause]] = {
    wire.Code.BANNED: Cause.BANNED,
    wire.Code.CROWDED: Cause.NAMES,
}
"""Why a connection is closed whose hello is refused so; after others it may try again."""


def longest(characters: int) -> int:
    """Tell how many bytes a line may have whose text may have so many characters."""
    return characters * wire.BYTES_A_CHARACTER + wire.LINE_OVERHEAD


def hello(connection: ChatProtocol, line: bytes) -> None:
    """Let a program in, or back."""
    try:
        request = wire.request(decode(line))
    except wire.BadMessage as error:
        connection.outbox.write(complaint(error))
        return
    if isinstance(request, wire.Ping):
        connection.outbox.write(wire.encode(wire.Pong(ref=request.ref)))
        return
    if not isinstance(request, wire.Hello):
        first = wire.BadMessage(
            wire.Code.HELLO_FIRST,
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
        chat.returns.enter(request, connection.outbox).addCallbacks(
            connection.named, lambda failure: _refused(connection, request, failure)
        )
    )


def _refused(connection: ChatProtocol, request: wire.Hello, failure: Failure) -> None:
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
