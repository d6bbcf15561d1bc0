"""What the command lines of the service and of its client have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from twisted.python.usage import Options, UsageError


class OneLineOptions(Options):
    """Options that say in one line what is wrong with them."""

    program: ClassVar[str]
    """What stands before that line."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the options, and check all that can be checked before anything starts.

        :raises SystemExit: with one line that says what is wrong; of a :exc:`UsageError`, twistd
            would show the whole usage before it.
        """
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
        except UsageError as error:
            raise SystemExit(f"{self.program}: {error}") from None
