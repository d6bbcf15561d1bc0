"""Properties of characters, the same on every version of Python.

Each Python has the Unicode of its own year, so one knows letters that another does not. Two nodes
must still decide alike, and people send characters from newer devices.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from chatservice.text import unicode_data


def _spans(ranges: str) -> list[tuple[int, int]]:
    """Read ranges; each gives its first code point and the one after its last."""
    pairs = (span.split("-") for span in ranges.split())
    return [(int(pair[0], 16), int(pair[-1], 16) + 1) for pair in pairs]


def _table(ranges: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that finds the value of a character; ``""`` if it has none.

    :param ranges: the characters of each value, as :mod:`.unicode_data` writes them.
    """
    spans = sorted((*span, value) for value, of in ranges.items() for span in _spans(of))
    # Each value holds from its bound to the next.
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
"""Returns the general category of a character that is newer than the oldest Python: ``M`` for a
mark, ``Cf`` for a format character, ``So`` for all else; ``""`` if the newest Unicode has none."""

LOOK_ALIKES: Final = {
    ord(character): look for look, all_ in unicode_data.LOOK_ALIKES.items() for character in all_
}
"""The look of each character (UTS #39) in keys of names, by code point, for ``str.translate``."""

SHAPES: Final = {
    ord(character): shape for shape, all_ in unicode_data.SHAPES.items() for character in all_
}
"""The shown look of each letter, in ASCII or other Latin letters, by code point. Case counts here,
since capitals and small letters may look different."""


def _class(ranges: str, end: int) -> str:
    """Return ranges as part of a :mod:`re` character class, up to a code point."""
    spans = (span for span in _spans(ranges) if span[0] < end)
    return "".join(f"\\U{first:08x}-\\U{last - 1:08x}" for first, last in spans)


PLAIN: Final = _class(unicode_data.PLAIN, 0x110000)
"""Characters that are safe to show in any order, as part of a :mod:`re` character class."""

MARKS: Final = _class(unicode_data.MARKS, 0x10000)
"""Combining marks of the first plane, except those ignored by default, in the same form."""


@lru_cache(1024)
def scripts(character: str) -> frozenset[str]:
    """Return the scripts that use a character (UAX #24, Script_Extensions).

    :return: their four-letter codes; none if the oldest supported Python does not know the
        character, since two Pythons would then normalise it differently.
    """
    return frozenset(_scripts(character).split())


def script_name(script: str) -> str:
    """Return the name of a script, by a code from :func:`scripts`."""
    return unicode_data.SCRIPT_NAMES[script]


def category(character: str) -> str:
    """Return the general category of a character (UAX #44), even of a :data:`newer` one."""
    own = unicodedata.category(character)
    return own if own != "Cn" else newer(character) or own
