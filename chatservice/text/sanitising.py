"""Makes typed lines safe to show on other people's terminals.

A line that one person types is printed on everybody's terminal, and a terminal obeys control
sequences in it. So every line passes through :func:`safe` once, on its way in. A line from a
terminal that sends each key at once passes through :func:`edited` first. :func:`typed` does both.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from wcwidth import iter_graphemes

from chatservice.text import characters

MARKS_PER_CHARACTER: Final = 5
"""The most combining marks that may be stacked on one character.

Burmese and the Hebrew of the Bible need that many, Tibetan and Thai four, Greek and Vietnamese
three. More are a flood, which runs into other lines on a terminal. (UTS #39, section 5.4, finds
more than four nonspacing marks suspicious.)
"""

_REPLACEMENT: Final = "\ufffd"

# Letters, ideographs, punctuation, symbols and emoji that are safe in any order: no marks, nothing
# invisible. Most lines of most scripts hold only these, or these with a few marks, and need no
# check of each character.
_PLAIN: Final = re.compile(f"[{characters.PLAIN}]*")
_MARKED: Final = re.compile(f"[{characters.PLAIN}][{characters.PLAIN}{characters.MARKS}]*")
_FLOOD: Final = re.compile(f"[{characters.MARKS}]{{{MARKS_PER_CHARACTER + 1}}}")

# Characters of Default_Ignorable_Code_Point (UAX #44) that their category does not show: fillers,
# the grapheme joiner, inherent vowels, and code points reserved for such. Category Cf is handled
# later.
_FILLERS: Final = (
    *((0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180E, 0x180E), (0x2065, 0x2065)),
    *((0x3164, 0x3164), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8)),
    *((0xE0000, 0xE0000), (0xE0002, 0xE001F), (0xE0080, 0xE00FF), (0xE01F0, 0xE0FFF)),
)
_INVISIBLE: Final = re.compile(
    "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _FILLERS) + "]+"
)

_VISUALISED: Final[dict[int, str]] = {
    **{control: chr(0x2400 + control) for control in range(0x20)},
    0x09: "    ",
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT),
    **dict.fromkeys((0x2028, 0x2029), " "),
    **dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT),
    **dict.fromkeys(range(0xFDD0, 0xFDF0), _REPLACEMENT),
    **dict.fromkeys(range(0xFFFE, 0x110000, 0x10000), _REPLACEMENT),
    **dict.fromkeys(range(0xFFFF, 0x110000, 0x10000), _REPLACEMENT),
}

# A flag of a region (UTS #51, emoji_tag_sequence) is one character to the eye. The longest
# unicode_subdivision_id (UTS #35) bounds its length, so that a flag cannot carry hidden text.
_CHARACTER: Final = re.compile(
    "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,7}\U000e007f|.", re.DOTALL
)

_JOINERS: Final = frozenset("\u200c\u200d")

# Variation_Selector (UAX #44).
_SELECTORS: Final = frozenset(
    map(chr, (0x180B, 0x180C, 0x180D, 0x180F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)

# Prepended_Concatenation_Mark (UAX #44): visible, though of category Cf.
_PREPENDED: Final = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)

# Grapheme_Cluster_Break=Prepend (UAX #29): the next code point belongs to the same character, even
# if it is ASCII.
_PREPENDING: Final = _PREPENDED.union(
    "\u0d4e\U000111c2\U000111c3\U000113d1\U0001193f\U00011941\U00011a84\U00011a85\U00011a86"
    "\U00011a87\U00011a88\U00011a89\U00011d46\U00011f02"
)

_UNSEEN: Final = _SELECTORS.union(
    chr(code) for first, last in _FILLERS for code in range(first, last + 1)
)

_BRAILLE_BLANK: Final = "\u2800"


_EDITING: Final = re.compile("([\b\x7f\x17])")
_ERASE_LINE: Final = "\x15"
_ERASE_WORD: Final = "\x17"

_LONGEST: Final = 32
"""Code points at which a character is complete: those typed behind it begin another one. People
write shorter characters (UAX #15, section 13, has at most 30 marks in a row)."""


def decode(line: bytes) -> str:
    """Decode a line; bytes that are not UTF-8 become U+FFFD (Unicode standard, section 3.9).

    :param line: the bytes of one line, without its end.
    :return: the text, which is not yet safe to show.
    """
    return line.decode("utf-8", "replace")


def typed(line: bytes, most: int) -> str | None:
    """Return the text of a typed line, edited and safe to show; None if it was too long.

    :param line: the bytes of one line, without its end.
    :param most: the most characters of the text; a quarter more are allowed before it is edited.
    """
    text = decode(line)
    if len(text) <= most + most // 4 and not text.isprintable():
        text = edited(text)
    return safe(text) if len(text) <= most else None


def edited(text: str) -> str:
    """Apply the editing keys in a line, which the sender's terminal has not applied.

    BS and DEL erase the character before, Ctrl-W (0x17) the blanks and the word before, and Ctrl-U
    (0x15) all. A character is one to the eye: an extended grapheme cluster (UAX #29), with the
    invisible characters behind it.

    :param text: one decoded line.
    :return: the edited text. The time is linear in the length of ``text``.
    """
    text = text[text.rfind(_ERASE_LINE) + 1 :]
    if not _EDITING.search(text):
        return text
    pieces = iter(_EDITING.split(text))
    first = next(pieces)
    kept = list(first if first.isascii() else iter_graphemes(first))
    for key, run in zip(pieces, pieces, strict=True):
        if key == _ERASE_WORD:
            while kept and ((last := kept[-1]).isspace() or (last > "~" and _is_invisible(last))):
                kept.pop()
            while kept and not kept[-1].isspace():
                kept.pop()
        else:
            while kept and (erased := kept.pop()) > "~" and _is_invisible(erased):
                pass
        if not run:
            continue
        if not kept or (run[0] <= "~" and kept[-1][-1] not in _PREPENDING):
            kept += run if len(run) == 1 or run.isascii() else iter_graphemes(run)
        elif len(kept[-1]) < _LONGEST:
            # The new text may extend the last character.
            kept += iter_graphemes(kept.pop() + run)
        else:
            kept += iter_graphemes(run)
    return "".join(kept)


def _is_invisible(character: str) -> bool:
    """Return whether :func:`safe` would remove a character that stands alone."""
    first = character[0]
    if characters.category(first) == "Cf":
        return first not in _PREPENDED
    return first in _UNSEEN


def safe(text: str) -> str:
    """Make one line safe to show on any terminal, and keep all ordinary text.

    * C0 controls and DEL become their control pictures (U+2400 and on), so no escape sequence,
      carriage return or newline is left; a tab becomes four spaces, for pasted code.
    * C1 controls, lone surrogates, noncharacters and unassigned code points become U+FFFD; line
      and paragraph separators become a space.
    * Direction overrides and other invisible characters are removed (Default_Ignorable_Code_Point
      of UAX #44, and category Cf except the visible signs).
    * A joiner (U+200C, U+200D) stays between two visible characters outside ASCII, a variation
      selector directly after a visible character, tags in the flag of a region (UTS #51).
    * At most :data:`MARKS_PER_CHARACTER` combining marks stay on one character; more become one
      U+FFFD together. Marks at the beginning of the line are removed, since they would change the
      text shown before it.
    * White space at the end is removed.

    Making safe text safe again changes nothing.

    :param text: one decoded line.
    :return: the line to show, ``""`` if nothing in it is visible. It is at most four times as long
        as ``text``, both in characters and in bytes of UTF-8.
    """
    if (text.isascii() and text.isprintable()) or _PLAIN.fullmatch(text):
        return text.rstrip()
    if _MARKED.fullmatch(text) and not _FLOOD.search(text):
        return text.rstrip()
    return _in_context(_INVISIBLE.sub("", text).translate(_VISUALISED)).rstrip()


def _in_context(text: str) -> str:
    """Drop marks, joiners, selectors and format characters where they do not belong.

    ``base`` is the place in ``kept`` behind the character that carries the current marks.
    """
    kept: list[str] = []
    anything_visible = False
    waiting_joiner = ""
    joinable = selectable = False
    marks = base = 0
    category_of, newer = unicodedata.category, characters.newer
    # Few lines have a flag with tags, and the search for flags takes a fifth of the time.
    for character in _CHARACTER.findall(text) if "\U000e007f" in text else text:
        if character in _JOINERS:
            if joinable and not waiting_joiner:
                waiting_joiner = character
            continue
        if character in _SELECTORS:
            if selectable and not waiting_joiner:
                kept.append(character)
                selectable = False
            continue
        category = category_of(character[0])
        if category == "Cn":
            category = newer(character)
            if not category:
                character, category = _REPLACEMENT, "So"
        if category == "Cf" and character not in _PREPENDED:
            continue
        if category[0] == "M":
            if not kept:
                continue
            marks += 1
            if marks > MARKS_PER_CHARACTER:
                waiting_joiner = ""
                if marks == MARKS_PER_CHARACTER + 1:
                    kept[base:] = _REPLACEMENT
                    joinable = selectable = anything_visible = True
                continue
            joinable, selectable = True, False
        else:
            marks = base = 0
            if category == "Zs":
                joinable = selectable = False
            else:
                joinable, selectable = not character.isascii(), len(character) == 1
                if not anything_visible:
                    anything_visible = character != _BRAILLE_BLANK
        if waiting_joiner:
            if joinable:
                kept.append(waiting_joiner)
            waiting_joiner = ""
        kept.append(character)
        base = base or len(kept)
    return "".join(kept) if anything_visible else ""
