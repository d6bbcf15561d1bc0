"""How a daemon that can't start says why, to who starts it."""

from __future__ import annotations

import os
import sys


class Starter:
    """The standard error of who starts a daemon, in place of ours until it has started.

    Once it has forked, a daemon has none. And its parent tells no more than the beginning of what
    went wrong, as the bytes that it was passed: so the daemon says it here, and its parent nothing.

    :param name: of the exception by which the start ends, whose text is said here.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._before = sys.__stderr__
        self._file = os.dup(2)
        sys.__stderr__ = self  # type: ignore[assignment,misc]

    def write(self, text: str) -> None:
        """Say something, unless it was said."""
        if self._name not in text:
            os.write(self._file, text.encode(errors="replace"))

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def close(self) -> None:
        """Let go of it: who has started the daemon may wait for that."""
        sys.__stderr__ = self._before  # type: ignore[misc]
        os.close(self._file)
