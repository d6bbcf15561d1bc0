"""Refusals: raised when something can't be done; ``str()`` says why, and is fit to be shown."""

from __future__ import annotations

from typing import Final

from chatservice.journal.events import JournalUnavailable
from chatservice.messages import Code
from chatservice.text.names import BadName


class Refusal(Exception):
    """Something that somebody asked for is not done.

    :ivar code: why, in a word that does not change.
    :ivar hint: advice for somebody who types; ``""`` if there is no more to say.
    """

    def __init__(self, code: Code, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.code = code
        self.hint = hint


_BELOW: Final[dict[type[Exception], Code]] = {
    BadName: Code.BAD_NAME,
    JournalUnavailable: Code.WENT_WRONG,
}
"""The errors of parts that know no codes."""

REFUSALS: Final[tuple[type[Exception], ...]] = (Refusal, *_BELOW)
"""The errors that refuse something; any other is a mistake of the service."""


def refusal_of(error: Exception) -> Refusal:
    """Return why something is not done, with its code.

    :param error: one of :data:`REFUSALS`.
    """
    return error if isinstance(error, Refusal) else Refusal(_BELOW[type(error)], str(error))
