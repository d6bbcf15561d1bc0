"""Tells a command from words by the look of the line.

A stray key code (Ctrl-C, Esc, an arrow), a broken byte or a blank before ``/msg bob psst`` must not
make a public line of it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LOOKS_LIKE: Final = "that looks like a command, but does not begin with /: type / (or // to say it)"

# Characters of category Lo or So without a shape: blanks of Braille and of hieroglyphs.
_BLANKS: Final = "\u2800\U00013441\U00013442"

# Everything before the first visible character: blanks, control pictures, replaced bytes and,
# behind the picture of Esc, the rest of a key's sequence: CSI (ECMA-48, section 5.4), SS3, the
# doubled bracket of Linux's function keys, or the character typed with Alt. None of it matches a
# slash.
_UNSEEN: Final = re.compile(
    rf"(?:[\s{_BLANKS}\u2400-\u241a\u241c-\u2426\ufffd]"
    r"|\u241b(?:[\[O]\[?[0-?]*[@-~]?|[!-.0-Z\\-~])?)+"
)

# Characters drawn like a slash (after the confusables of UTS #39), except strokes and letters of
# living scripts: Katakana's no begins many a line. The last two are marks, drawn so on a blank.
_LIKE_A_SLASH: Final = frozenset(
    "\uff0f\u2044\u2215\u2571\u27cb\u29f6\u29f8\u2afb\u2afd\u2e4a\u1735\u2041\u2f03"
    "\u2cc6\u3033\U0001d23a\U0001f67c\u0337\u0338"
)

_NO_WORD: Final = frozenset(c for c in (*_BLANKS, *_LIKE_A_SLASH) if c.isalnum())
"""Characters that count as letters, but do not begin a word."""


class LooksLikeCommand(ValueError):
    """A line looks like a command, but is none; ``str()`` tells its writer so."""


def from_slash(line: str) -> str | None:
    """Return a line from its slash on, if its visible text begins with one; None if it is words.

    :param line: safe to show, as :func:`.sanitising.safe` makes it.
    :raises LooksLikeCommand: if it begins with another character that is drawn like a slash.
    """
    first = line[:1]
    if first.isalnum() and first not in _NO_WORD:
        return None
    place = 0
    while place < len(line):
        unseen = _UNSEEN.match(line, place)
        if unseen is not None:
            place = unseen.end()
        character = line[place : place + 1]
        if character == "/":
            return line[place:]
        if character in _LIKE_A_SLASH:
            raise LooksLikeCommand(LOOKS_LIKE)
        # Skip a mark on an unseen character, or a joiner between two of them.
        if not character or unicodedata.category(character) not in ("Mn", "Me", "Mc", "Cf"):
            return None
        place += 1
    return None
