"""Properties of characters, the same on every version of Python.

Python has the Unicode of its own year: one knows letters that another does not. What two nodes
decide alike, and what people bring from newer devices, is looked up here.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from chatservice.text import unicode_data


def _spans(ranges: str) -> list[tuple[int, int]]:
    """Read ranges; of each, the first code point and the one after the last."""
    pairs = (span.split("-") for span in ranges.split())
    return [(int(pair[0], 16), int(pair[-1], 16) + 1) for pair in pairs]


def _table(ranges: Mapping[str, str]) -> Callable[[str], str]:
    """Return by what the value of a character is found, or ``""`` if it has none.

    :param ranges: which characters have a value, as :mod:`.unicode_data` writes them.
    """
    spans = sorted((*span, value) for value, of in ranges.items() for span in _spans(of))
    # From each bound on, a value holds.
    bounds: list[int] = []
    values = [""]
    for first, end, value in spans:
        if bounds and bounds[-1] == first:
            values[-1] = value
        else:
            bounds.append(first)
            values.append(value)
        bounds.append(end)
        values.append("")
    return lambda character: values[bisect_right(bounds, ord(character))]


_scripts: Final = _table(unicode_data.SCRIPTS)

newer: Final = _table(
    {"M": unicode_data.MARKS, "Cf": unicode_data.NEWER_FORMATS, "So": unicode_data.NEWER}
)
"""Returns the general category of a character that is newer than this Python: ``M`` for a mark,
``Cf`` for a format character, ``So`` for all else, and ``""`` if the newest Unicode has none."""

LOOK_ALIKES: Final = {
    ord(character): look for look, all_ in unicode_data.LOOK_ALIKES.items() for character in all_
}
"""The look of each character (UTS #39) by code point, as it goes into keys of names: for
``str.translate``."""

SHAPES: Final = {
    ord(character): shape for shape, all_ in unicode_data.SHAPES.items() for character in all_
}
"""The ASCII character that each letter looks like as it is shown, by code point, in scripts whose
capitals and small letters look different."""


def _class(ranges: str, end: int) -> str:
    """Return ranges as in a class of :mod:`re`, of the characters before one."""
    spans = (span for span in _spans(ranges) if span[0] < end)
    return "".join(f"\\U{first:08x}-\\U{last - 1:08x}" for first, last in spans)


PLAIN: Final = _class(unicode_data.PLAIN, 0x110000)
"""Characters that are safe to show in whatever order they come, as in a class of :mod:`re`."""

MARKS: Final = _class(unicode_data.MARKS, 0x10000)
"""Combining marks of the first plane, but those that are ignored by default, in the same way."""


@lru_cache(1024)
def scripts(character: str) -> frozenset[str]:
    """Return the scripts that use a character (UAX #24, Script_Extensions).

    :return: their four letters; none if the oldest Python on which this runs does not know the
        character. What is normalised must be known: the rest two Pythons compare in two ways.
    """
    return frozenset(_scripts(character).split())


def script_name(script: str) -> str:
    """Return what a script is called that :func:`scripts` has given."""
    return unicode_data.SCRIPT_NAMES[script]


def category(character: str) -> str:
    """Return the general category of a character (UAX #44), also if it is :data:`newer`."""
    own = unicodedata.category(character)
    return own if own != "Cn" else newer(character) or own
