"""How the time of an event is shown in front of it."""

from __future__ import annotations

from typing import Final

OFF: Final = "off"
SHORT: Final = "short"
FULL: Final = "full"
STAMPS: Final = {OFF: "", SHORT: "[%H:%M] ", FULL: "[%Y-%m-%d %H:%M:%S] "}
"""How the time stands in front of an event, by what a reader wants to see of it."""
