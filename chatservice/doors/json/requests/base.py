"""What a request is: what it is answered with, and what is said when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred

from chatservice import messages
from chatservice.core.chat import Chat
from chatservice.core.members import Member, Membership
from chatservice.core.nicknames import NameTaken
from chatservice.core.refusals import Refusal
from chatservice.journal.base import JournalUnavailable
from chatservice.messages import Code
from chatservice.text import names, wording
from chatservice.text.sanitising import safe

_CODES: Final[dict[type[Exception], Code]] = {
    NameTaken: Code.NAME_TAKEN,
    names.BadName: Code.BAD_NAME,
    JournalUnavailable: Code.WENT_WRONG,
}

REFUSALS: Final[tuple[type[Exception], ...]] = (Refusal, *_CODES)
"""What is raised when something is not done; all else is a mistake of the service."""


def complaint(error: messages.BadMessage) -> bytes:
    """Say what is wrong with a line."""
    return messages.encode(
        messages.Error(
            code=error.code.value, text=str(error), to=error.to, seq=error.seq, ref=error.ref
        )
    )


def refusal(error: Exception, request: messages.Request) -> bytes:
    """Say why something is not done.

    :param error: one of :data:`REFUSALS`.
    """
    code = error.code if isinstance(error, Refusal) else _CODES[type(error)]
    seq = getattr(request, "seq", None)
    return messages.encode(
        messages.Error(code=code.value, text=str(error), to=request.type, seq=seq, ref=request.ref)
    )


class Asking(NamedTuple):
    """A row of the table.

    :ivar settled: finds done what the same program has asked for before.
    """

    run: Callable[[Chat, Member, Any], Deferred[None] | None]
    settled: bool = True


def answer(member: Member, reply: messages.Reply) -> None:
    """Give a program an answer."""
    member.reply(reply)


def one_line(chat: Chat, typed: str) -> str:
    """Return a text as it is to be shown.

    :raises Refusal: if it is too long, or no single line.
    """
    if "\n" in typed or "\r" in typed:
        raise Refusal(Code.BAD_FIELD, "a text is one line")
    if len(typed) > chat.limits.max_line:
        why = wording.TOO_LONG.format(most=chat.limits.max_line)
        raise Refusal(Code.TOO_LONG, why)
    return safe(typed)


def room_name(chat: Chat, typed: str) -> str:
    """Check the name of a room.

    :raises BadName: if it can't be one.
    """
    return names.room_name(typed, chat.limits.max_name)


def membership_in(chat: Chat, member: Member, typed: str) -> Membership:
    """Return how a member is in a room.

    :raises Refusal: if it is not.
    """
    name = room_name(chat, typed)
    membership = member.membership(name)
    if membership is None:
        raise Refusal(Code.NOT_IN_ROOM, f"you are not in #{name}")
    return membership
