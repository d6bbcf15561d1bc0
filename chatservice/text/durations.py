"""Durations: read as typed, ``1h30m``, and written for people, ``1 hour``."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    "week": 7 * 24 * 60 * 60,
    "day": 24 * 60 * 60,
    "hour": 60 * 60,
    "minute": 60,
    "second": 1,
}

LONGEST: Final = 10 * 365 * _UNITS["day"]
"""Ten years, in seconds: a longer duration is taken for a mistake."""

# Each unit is typed as its first letter, larger units first.
_TYPED: Final = re.compile(
    "".join(f"(?:(?P<{unit}>[0-9]{{1,9}}){unit[0]})?" for unit in _UNITS),
    re.ASCII | re.IGNORECASE,
)

_UNIT: Final = re.compile(
    r"(?:weeks?|wks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|[wdhms])[.,:;!]?",
    re.IGNORECASE,
)


def parse(text: str) -> int | None:
    """Read a duration: ``90s``, ``30m``, ``12h``, ``7d``, ``2w``, or several, as in ``1h30m``.

    :param text: the typed word; larger units come first.
    :return: the seconds, from 1 to :data:`LONGEST`; None if the word is no such duration, for
        example a number without a unit.
    """
    typed = _TYPED.fullmatch(text)
    if typed is None:
        return None
    seconds = sum(int(typed[unit] or 0) * size for unit, size in _UNITS.items())
    return seconds if 0 < seconds <= LONGEST else None


def names_unit(word: str) -> bool:
    """Return whether a word names a unit of time, like ``minutes`` in ``5 minutes``."""
    return _UNIT.fullmatch(word) is not None


def say(seconds: float) -> str:
    """Write a duration for people: ``3 hours and 20 minutes``, ``2 days``, ``a moment``.

    It is rounded down to the largest unit that fits, and the unit below that.
    """
    fitting = [(unit, size) for unit, size in _UNITS.items() if size <= seconds]
    left = int(seconds)
    said = []
    for unit, size in fitting[:2]:
        count, left = divmod(left, size)
        if count:
            said.append(f"{count} {unit}" if count == 1 else f"{count} {unit}s")
    return " and ".join(said) or "a moment"
