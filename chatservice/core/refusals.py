"""Refusals: exceptions for requests that are refused; ``str()`` is the reason, fit to be shown."""

from __future__ import annotations

from typing import Final

from chatservice.journal.events import JournalUnavailable
from chatservice.messages import Code
from chatservice.text.names import BadName


class Refusal(Exception):
    """The refusal of a request; ``str()`` is the reason.

    :ivar code: the reason as a word that never changes.
    :ivar hint: advice for people who type; ``""`` if there is none.
    """

    def __init__(self, code: Code, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.code = code
        self.hint = hint


_BELOW: Final[dict[type[Exception], Code]] = {
    BadName: Code.BAD_NAME,
    JournalUnavailable: Code.WENT_WRONG,
}
"""The codes for errors of parts that know no codes."""

REFUSALS: Final[tuple[type[Exception], ...]] = (Refusal, *_BELOW)
"""The errors that refuse a request; any other error is a bug of the service."""


def refusal_of(error: Exception) -> Refusal:
    """Return an error as a refusal with a code.

    :param error: one of :data:`REFUSALS`.
    """
    return error if isinstance(error, Refusal) else Refusal(_BELOW[type(error)], str(error))
