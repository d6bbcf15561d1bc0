"""The log where it is a file: others may move or empty it, and it does not grow for ever."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from typing import Any, Final

from twisted.python import logfile

KEPT: Final = 10
"""Old logs that are kept, of 1 MB each."""

NAME: Final = "twistd.log"
"""How twistd calls the log of a daemon."""


class LogFile(logfile.LogFile):
    """Twistd's log file, but each line goes to its end, wherever that is by now.

    What twistd opens writes on behind the place where it was, also in a file that was emptied
    (``copytruncate`` of logrotate), and fills it with NULs up to there; and it keeps all old logs.
    """

    def _openFile(self) -> None:
        super()._openFile()  # type: ignore[no-untyped-call]
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        fcntl.fcntl(self._file, fcntl.F_SETFL, flags | os.O_APPEND)

    def write(self, data: bytes) -> None:
        """Write at the end; begin a new file before that if this one is full."""
        super().write(data)  # type: ignore[no-untyped-call]
        self.size = self._file.tell()

    def reopen(self) -> None:
        """Open what is there under the name by now, or begin it.

        :raises OSError: if that can't be; it goes on in the file that was open.
        """
        before = self._file
        self._openFile()
        before.close()


def log_file(twistd: Mapping[str, Any]) -> LogFile | None:
    """Open the log where twistd's options say that it is a file; else return None.

    :raises OSError: if it can't be opened.
    """
    name, in_front = twistd.get("logfile"), twistd.get("nodaemon") or twistd.get("debug")
    if twistd.get("syslog") or twistd.get("logger") or name == "-" or (in_front and not name):
        return None
    opened: LogFile = LogFile.fromFullPath(  # type: ignore[no-untyped-call]
        name or NAME, maxRotatedFiles=KEPT
    )
    return opened
