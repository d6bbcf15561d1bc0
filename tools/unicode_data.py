"""Write chatservice/text/unicode_data.py, the tables of Unicode that the service needs.

    python3 -m venv /tmp/unicode
    /tmp/unicode/bin/pip install -r tools/unicode_data.txt
    /tmp/unicode/bin/python tools/unicode_data.py > chatservice/text/unicode_data.py

It reads packages that carry Unicode's own files: ICU for confusables.txt and DerivedAge.txt,
fonttools for Scripts.txt and ScriptExtensions.txt, and unicodedata2 for UnicodeData.txt.
"""

from __future__ import annotations

import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby

import icu
import unicodedata2 as unicode
from fontTools.unicodedata import Scripts, script_extension, script_name

BASE = (13, 0)
"""The version of Unicode in the oldest supported Python."""

EVERY = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x110000))]

# Default_Ignorable_Code_Point (UAX #44): removed from text, or checked in its context.
_FILLERS = "\u115f\u1160\u3164\uffa0"
_IGNORABLE_MARKS = {
    *"\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f",
    *map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))),
}
_BRAILLE_BLANK = "\u2800"

# Punctuation that PRECIS (RFC 8264, section 9.6) allows in names.
_EXCEPTIONS = "\u00b7\u0375\u05f3\u05f4\u30fb"

_SPOOFS = icu.SpoofChecker()


def age(character: str) -> tuple[int, int]:
    """Return the version that added a character; (99, 0) if ICU does not know it yet."""
    major, minor = map(int, str(icu.Char.charAge(character)).split(".")[:2])
    return (major, minor) if major else (99, 0)


ASSIGNED = [c for c in EVERY if unicode.category(c) not in ("Cn", "Co", "Cc")]
KNOWN = {c for c in ASSIGNED if age(c) <= BASE}


# How characters look


def folded(text: str) -> str:
    """Return a text as :func:`chatservice.text.names.key` folds it before it maps looks."""
    for _ in range(2):
        text = unicode.normalize("NFD", text).upper().casefold()
        text = unicode.normalize("NFKC", text)
    return unicode.normalize("NFD", text)


def prototype(text: str) -> str:
    """Return the look of a text (UTS #39, section 4: the skeleton).

    An m stays an m, though its prototype is r and n.
    """
    return str(_SPOOFS.getSkeleton(0, text)).replace("rn", "m")


def small_capital(character: str) -> str:
    """Return the letter of a small capital, or ``""``; Unicode does not list these as alike."""
    before, _, letter = unicode.name(character, "").rpartition(" ")
    return letter.lower() if before == "LATIN LETTER SMALL CAPITAL" and len(letter) == 1 else ""


def reading(character: str) -> str:
    """Return the look of a character, where a bar is a capital I, as in most scripts.

    A Latin letter that is made of an l and something else keeps the l.
    """
    seen = prototype(character)
    made_of_l = "Latn" in script_extension(character) and seen.strip("l")
    return seen if made_of_l else seen.replace("l", "I")


def look(character: str, small: dict[str, str]) -> str:
    """Return the look of a character in one of its two cases.

    The look is in ASCII if either case looks like ASCII; the case shown most comes first.
    """
    if character in small:
        return small[character]
    seen = reading(character)
    lower = small.get(folded(seen), folded(seen))
    if seen.isascii() or folded(seen) in small:
        return lower
    capital = character.upper()
    if len(capital) == 1 and reading(capital).isascii():
        return reading(capital).casefold()
    return lower


def look_alikes() -> dict[str, str]:
    """Return the look of each character that looks like others, for keys of names."""
    parts = [
        character
        for character in sorted(KNOWN)
        if not character.isascii()
        and (unicode.category(character)[0] in "LMN" or character in _EXCEPTIONS)
        and folded(character) == character
    ]
    small = {part: small_capital(part) for part in parts if small_capital(part)}
    # Another character may be the prototype of a small capital, and look like it.
    for capital, letter in list(small.items()):
        small.setdefault(folded(prototype(capital)), letter)
    looks = {part: look(part, small) for part in parts}
    # A character without any look can be no part of a name.
    looks = {part: as_ for part, as_ in looks.items() if as_ and part != as_}
    for part in looks:
        for _ in range(9):
            again = folded("".join(looks.get(c, c) for c in looks[part]))
            if again == looks[part]:
                break
            looks[part] = again
        else:
            raise AssertionError(f"{part!a} looks like {looks[part]!a}, and on in a circle")
    return {part: as_ for part, as_ in looks.items() if part != as_}


def shapes() -> dict[str, str]:
    """Return the ASCII look of letters and digits as they are shown.

    A letter of one case also counts if it looks like a Latin letter outside ASCII. A bar is an l,
    so its look has another key than the bar; but a capital is an I if its small letter is no bar.
    Right-to-left letters are left out: people do not read them as Latin.
    """
    found = {}
    for letter in sorted(KNOWN):
        if letter.isascii() or unicode.category(letter)[0] not in "LN":
            continue
        if unicode.bidirectional(letter) in ("R", "AL", "AN"):
            continue
        if {unicode.normalize(form, letter) for form in ("NFKC", "NFD")} != {letter}:
            continue
        shape = prototype(letter)
        if "l" not in prototype(folded(letter)):
            shape = shape.replace("l", "I")
        one_case = letter.upper() == letter.lower()
        if not shape:
            continue
        if shape.isascii() or (one_case and is_latin(shape) and not is_latin(letter)):
            found[letter] = shape
    return found


def is_latin(text: str) -> bool:
    """Return whether a text could be all Latin."""
    return all(script_extension(character) & {"Latn", "Zyyy", "Zinh"} for character in text)


# Ranges


def ranges(characters: Iterable[str]) -> str:
    """Write characters as hexadecimal ranges: ``41-5A C0``."""
    codes = sorted(map(ord, characters))
    found = []
    for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0]):
        (_, first), *rest = run
        found.append(f"{first:X}-{rest[-1][1]:X}" if rest else f"{first:X}")
    return " ".join(found)


def scripts() -> dict[str, str]:
    """Return the characters of each script, or set of scripts that share them, as ranges."""
    found = defaultdict(list)
    for character in KNOWN:
        found[" ".join(sorted(script_extension(character)))].append(character)
    return {script: ranges(characters) for script, characters in sorted(found.items())}


def script_names(shared: Iterable[str]) -> dict[str, str]:
    """Return the names of scripts by their codes."""
    return {code: script_name(code) for code in sorted({*" ".join(shared).split()})}


def newer(*categories: str) -> str:
    """Return the characters newer than the base, in categories that begin with some letters."""
    return ranges(
        c for c in ASSIGNED if c not in KNOWN and unicode.category(c).startswith(categories)
    )


def marks() -> str:
    """Return the combining marks, except those ignored by default."""
    return ranges(
        c for c in ASSIGNED if unicode.category(c)[0] == "M" and c not in _IGNORABLE_MARKS
    )


def plain() -> str:
    """Return the characters that are safe to show in any order.

    Beyond the first plane, these are symbols and ideographs; the other scripts there are rare.
    """
    spaces = "\u0020\u00a0\u3000"
    return ranges(
        character
        for character in ASSIGNED
        if character not in _FILLERS and character != _BRAILLE_BLANK
        if unicode.category(character)[0] in "LNPS" or character in spaces
        if character < "\U00010000" or character >= "\U0001f000"
    )


# Writing


def literal(text: str) -> str:
    """Write a string literal, with escapes for invisible and right-to-left characters."""
    return '"' + "".join(map(_shown, text)) + '"'


def _shown(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    plain = unicode.category(character)[0] in "LNPS" and unicode.bidirectional(character) in "LEN"
    if character.isascii() or plain:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def mapping(name: str, values: dict[str, str], doc: str) -> str:
    """Write a dictionary of strings, with long values on several lines."""
    lines = []
    for key, value in values.items():
        parts = textwrap.wrap(value, 84) if " " in value else split(value, 24)
        space = " " if " " in value else ""
        first, *rest = [literal(part + space) for part in parts[:-1]] + [literal(parts[-1])]
        lines += [f"    {literal(key)}: {first}", *(f"        {part}" for part in rest)]
        lines[-1] += ","
    body = "\n".join(lines)
    return f'{name}: Final[dict[str, str]] = {{\n{body}\n}}\n"""{doc}"""\n'


def split(text: str, length: int) -> list[str]:
    """Split a text into pieces of a length."""
    return [text[at : at + length] for at in range(0, len(text), length)]


def listing(name: str, value: str, doc: str) -> str:
    """Write a constant of ranges, on several lines."""
    body = "\n".join(f'    "{line} "' for line in textwrap.wrap(value, 90))
    return f'{name}: Final = (\n{body}\n)\n"""{doc}"""\n'


def grouped(pairs: dict[str, str]) -> dict[str, str]:
    """Group characters by their look; each look gives all characters that have it."""
    groups: dict[str, str] = defaultdict(str)
    for source, target in pairs.items():
        groups[target] += source
    return dict(sorted(groups.items()))


def main() -> None:
    """Write the module to the standard output."""
    looks = look_alikes()
    by_script = scripts()
    version, newest = ".".join(map(str, BASE)), unicode.unidata_version
    said = [
        f'''"""Tables of Unicode that the service needs, written by tools/unicode_data.py.

They are of Unicode {newest}; looks are of Unicode {icu.UNICODE_VERSION}. Ranges are hexadecimal.
"""

# fmt: off
# ruff: noqa: E501

from __future__ import annotations

from typing import Final
''',
        mapping(
            "SCRIPTS",
            by_script,
            f"The characters of Unicode {version}, by the set of their scripts.",
        ),
        mapping("SCRIPT_NAMES", script_names(by_script), "The names of the scripts, by code."),
        mapping("LOOK_ALIKES", grouped(looks), "Characters that look alike, by look in keys."),
        mapping(
            "SHAPES",
            grouped(shapes()),
            "Characters that look like ASCII, or else Latin, as shown, by look.",
        ),
        listing("PLAIN", plain(), "Characters that are safe to show in any order."),
        listing("MARKS", marks(), "Combining marks, except those ignored by default."),
        listing("NEWER_FORMATS", newer("Cf"), f"Format characters newer than Unicode {version}."),
        listing("NEWER", newer("L", "N", "P", "S", "Z"), f"Others newer than Unicode {version}."),
    ]
    sys.stdout.write("\n".join(said))


if __name__ == "__main__":
    assert "Zyyy" in Scripts.VALUES
    main()
