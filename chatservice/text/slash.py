"""Whether a line is words or a command: that is decided by the way it looks.

A key that a terminal sends as it is (Ctrl-C, Esc, an arrow), a byte that got lost, a blank: in
front of ``/msg bob psst`` none of these makes it a line for everybody.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LOOKS_LIKE: Final = "that looks like a command, but does not begin with /: type / (or // to say it)"

# Characters of category Lo, or So, that have no shape: blanks of Braille and of hieroglyphs.
_BLANKS: Final = "\u2800\U00013441\U00013442"

# All between the edge and the first thing one sees: blanks, pictures of controls, bytes that were
# no UTF-8 and, behind the picture of Esc, the rest of what a key sends: CSI (ECMA-48, section 5.4),
# SS3, the doubled bracket of Linux's function keys, or the character that was typed with Alt. None
# of it takes the slash.
_UNSEEN: Final = re.compile(
    rf"(?:[\s{_BLANKS}\u2400-\u241a\u241c-\u2426\ufffd]"
    r"|\u241b(?:[\[O]\[?[0-?]*[@-~]?|[!-.0-Z\\-~])?)+"
)

# Characters drawn like a slash (after the confusables of UTS #39), but for strokes and letters of
# scripts in use: Katakana's no begins many a line. The last two are marks, drawn so on a blank.
_LIKE_A_SLASH: Final = frozenset(
    "\uff0f\u2044\u2215\u2571\u27cb\u29f6\u29f8\u2afb\u2afd\u2e4a\u1735\u2041\u2f03"
    "\u2cc6\u3033\U0001d23a\U0001f67c\u0337\u0338"
)

_NO_WORD: Final = frozenset(c for c in (*_BLANKS, *_LIKE_A_SLASH) if c.isalnum())
"""Characters that begin no word though they count as letters."""


class LooksLikeCommand(ValueError):
    """A line is no command, and looks like one; ``str()`` says so to who typed it."""


def from_slash(line: str) -> str | None:
    """Return a line from its slash on, if what it shows begins with one; None if it is words.

    :param line: safe to show, as :func:`.sanitising.safe` makes it.
    :raises LooksLikeCommand: if it begins with something else that is drawn like a slash.
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
        # A mark on what is not seen, or a joiner between two of such.
        if not character or unicodedata.category(character) not in ("Mn", "Me", "Mc", "Cf"):
            return None
        place += 1
    return None
