"""The forms of the time that is shown in front of an event."""

from __future__ import annotations

from typing import Final

OFF: Final = "off"
SHORT: Final = "short"
FULL: Final = "full"
STAMPS: Final = {OFF: "", SHORT: "[%H:%M] ", FULL: "[%Y-%m-%d %H:%M:%S] "}
"""The :func:`time.strftime` format in front of an event, by the reader's setting."""
