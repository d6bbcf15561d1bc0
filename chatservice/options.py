"""What the command lines of the service and of its client have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from twisted.python.usage import Options, UsageError

from chatservice.leftovers import clear_pid_file


class OneLineOptions(Options):
    """Options that say in one line what is wrong with them."""

    program: ClassVar[str]
    """What stands before that line."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the options, and check all that can be checked before anything starts.

        A pid file that twistd would take for that of a running service, and is not, is removed.

        :raises SystemExit: with one line that says what is wrong; of a :exc:`UsageError`, twistd
            would show the whole usage before it.
        """
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
            pid_file = self.parent.get("pidfile") if self.parent is not None else None
            if pid_file:
                _make_way(pid_file)
        except UsageError as error:
            raise SystemExit(f"{self.program}: {error}") from None


def _make_way(pid_file: str) -> None:
    try:
        clear_pid_file(pid_file)
    except OSError as error:
        raise UsageError(f"--pidfile {pid_file}: {error.strerror}") from None
