"""What is said to a program whose line is none, or whose request is not done."""

from __future__ import annotations

from chatservice import messages
from chatservice.core.actions import not_done
from chatservice.core.refusals import REFUSALS as REFUSALS
from chatservice.doors.json.view import JSON


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
    return JSON.reply(not_done(error, request))
