"""When something was, as it is shown: in the time zone, and at the length, that somebody wants."""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from chatservice.client.stored.state import Settings
from chatservice.text.times import OFF, STAMPS

LOCAL: Final = "local"
"""The zone of this machine."""

UNKNOWN: Final = "[--:--] "
"""In place of a time that can't be read."""


class Times:
    """Shows times as they are wanted, whatever times they are."""

    def __init__(self, wanted: Settings) -> None:
        self._wanted = wanted

    def local(self, at: datetime) -> datetime:
        """Turn a moment into one of the time zone, if there is such there."""
        try:
            return at.astimezone(_zone(self._wanted.zone))
        except (ValueError, OverflowError, OSError):
            return at  # The first year, or the last one, say.

    def today(self) -> datetime:
        """Return the time that it is."""
        return self.local(datetime.now(timezone.utc))

    def stamp(self, at: datetime | None) -> str:
        """Return what stands in front of what happened then.

        :param at: None if that can't be read.
        """
        if self._wanted.timestamps == OFF:
            return ""
        return UNKNOWN if at is None else self.local(at).strftime(STAMPS[self._wanted.timestamps])


def zone_name(typed: str) -> str | None:
    """Return the name of a time zone that somebody typed; None if there is no such."""
    return LOCAL if typed.lower() == LOCAL else _zones().get(typed.lower())


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in (*available_timezones(), "UTC")}


@lru_cache(maxsize=4)
def _zone(name: str) -> tzinfo | None:
    return None if name == LOCAL else ZoneInfo(name)
