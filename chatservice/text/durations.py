"""How long something lasts: as it is typed, ``1h30m``, and as it is told, ``1 hour``."""

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
"""Ten years: a longer time is no duration but a mistake."""

# Each unit by its first letter, the larger ones first.
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

    :param text: what was typed; the larger units come first.
    :return: the seconds, of which there are 1 to :data:`LONGEST`; None if it is no such duration,
        and so for a number without a unit.
    """
    typed = _TYPED.fullmatch(text)
    if typed is None:
        return None
    seconds = sum(int(typed[unit] or 0) * size for unit, size in _UNITS.items())
    return seconds if 0 < seconds <= LONGEST else None


def names_unit(word: str) -> bool:
    """Tell whether a word names a unit of time, like ``minutes`` in ``5 minutes``."""
    return _UNIT.fullmatch(word) is not None


def say(seconds: float) -> str:
    """Tell people how long something lasts: ``3 hours and 20 minutes``, ``2 days``, ``a moment``.

    It is rounded down: only the largest unit that fills counts, and the one below it.
    """
    fitting = [(unit, size) for unit, size in _UNITS.items() if size <= seconds]
    left = int(seconds)
    said = []
    for unit, size in fitting[:2]:
        count, left = divmod(left, size)
        if count:
            said.append(f"{count} {unit}" if count == 1 else f"{count} {unit}s")
    return " and ".join(said) or "a moment"
