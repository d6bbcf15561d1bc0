"""Checks and error messages that the command lines of the service and the client share."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from twisted.python.usage import Options, UsageError

from chatservice.leftovers import clear_pid_file

NO_TLS: Final = "TLS needs what is not installed here: pip install 'chatservice[tls]'"

_NO_NUMBER: Final = re.compile(r"invalid literal for int\(\) with base (\d+): (.*)")


def why_no_endpoint(error: Exception) -> str:
    """Explain, in words that help to correct it, why Twisted refused an endpoint."""
    if isinstance(error, TypeError):
        return "it has a part too few or too many"
    if isinstance(error, (ImportError, NameError)):
        # Where an import failed, Twisted's own modules lack the imported names.
        return NO_TLS
    no_number = _NO_NUMBER.fullmatch(str(error))
    if no_number is not None:
        kind = "an octal number, like 660," if no_number[1] == "8" else "a number"
        return f"{kind} is wanted where {no_number[2]} is"
    if str(error).startswith("Unknown endpoint type"):
        return f"{error}: write tcp:7007, say"
    if type(error).__module__.startswith("OpenSSL"):
        return "its certificate or key can't be read"
    name = getattr(error, "filename", None)
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{name}: {why}" if name else why


class OneLineOptions(Options):
    """Command-line options that report an error in one line."""

    program: ClassVar[str]
    """The program's name, which begins that line."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the options, and check everything that can be checked before the start.

        A pid file whose service is gone is removed, because twistd would refuse to start.

        :raises SystemExit: with one line that names the error. For a :exc:`UsageError`, twistd
            would print the whole usage first.
        """
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
            if self.parent is not None:
                _check_twistd(self.parent)
        except UsageError as error:
            raise SystemExit(f"{self.program}: {error}") from None


def _check_twistd(options: Mapping[str, Any]) -> None:
    """Check twistd's ``--rundir`` and ``--pidfile``, and remove a pid file left over.

    Twistd itself would report their errors too late, or not in a sentence.

    :raises UsageError: if the folder does not exist, or the pid file can't be replaced.
    """
    folder, pid_file = options.get("rundir"), options.get("pidfile")
    if folder and not os.path.isdir(folder):
        raise UsageError(f"--rundir {folder}: there is no such folder")
    if not pid_file:
        return
    try:
        clear_pid_file(pid_file)
    except OSError as error:
        raise UsageError(f"--pidfile {pid_file}: {error.strerror}") from None
    if not os.access(os.path.dirname(os.path.abspath(pid_file)), os.W_OK | os.X_OK):
        raise UsageError(
            f"--pidfile {pid_file}: nothing can be written there:"
            " give another, or none (--pidfile=)"
        )
