"""What is raised when something can't be done; ``str()`` says why, and is fit to be shown."""

from __future__ import annotations

from chatservice.messages import Code


class Refusal(Exception):
    """What somebody asked for is not done.

    :ivar code: why, in a word that does not change.
    """

    def __init__(self, code: Code, why: str) -> None:
        super().__init__(why)
        self.code = code


class NotLetIn(Refusal):
    """Somebody can't come into a room."""

    def __init__(self, why: str) -> None:
        super().__init__(Code.NOT_LET_IN, why)
