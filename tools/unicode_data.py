"""Write chatservice/text/unicode_data.py: what the service has to know of Unicode.

    python3 -m venv /tmp/unicode
    /tmp/unicode/bin/pip install -r tools/unicode_data.txt
    /tmp/unicode/bin/python tools/unicode_data.py > chatservice/text/unicode_data.py

It asks packages that carry Unicode's own files: ICU for confusables.txt and DerivedAge.txt,
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
"""The version of Unicode that the oldest Python knows on which the service runs."""

EVERY = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x110000))]

# Default_Ignorable_Code_Point (UAX #44) is removed from text, or looked at where it stands.
_FILLERS = "\u115f\u1160\u3164\uffa0"
_IGNORABLE_MARKS = {
    *"\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f",
    *map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))),
}
_BRAILLE_BLANK = "\u2800"

# PRECIS (RFC 8264, section 9.6) lets these be a part of names, though they are punctuation.
_EXCEPTIONS = "\u00b7\u0375\u05f3\u05f4\u30fb"

_SPOOFS = icu.SpoofChecker()


def age(character: str) -> tuple[int, int]:
    """Return since which version there is a character, even if ICU does not know it yet."""
    major, minor = map(int, str(icu.Char.charAge(character)).split(".")[:2])
    return (major, minor) if major else (99, 0)


ASSIGNED = [c for c in EVERY if unicode.category(c) not in ("Cn", "Co", "Cc")]
KNOWN = {c for c in ASSIGNED if age(c) <= BASE}


# How characters look


def folded(text: str) -> str:
    """Return what :func:`chatservice.text.names.key` makes of a text before it looks at looks."""
    for _ in range(2):
        text = unicode.normalize("NFD", text).upper().casefold()
        text = unicode.normalize("NFKC", text)
    return unicode.normalize("NFD", text)


def prototype(text: str) -> str:
    """Return what a text looks like (UTS #39, section 4: the skeleton).

    An m is an m, and not the r and n of which its prototype is made.
    """
    return str(_SPOOFS.getSkeleton(0, text)).replace("rn", "m")


def small_capital(character: str) -> str:
    """Return the letter that is made small; Unicode does not say that these look alike."""
    before, _, letter = unicode.name(character, "").rpartition(" ")
    return letter.lower() if before == "LATIN LETTER SMALL CAPITAL" and len(letter) == 1 else ""


def reading(character: str) -> str:
    """Return what a character looks like, if a bar is a capital I, as it is in most scripts.

    But a Latin letter that is made of an l and of something else has an l.
    """
    seen = prototype(character)
    made_of_l = "Latn" in script_extension(character) and seen.strip("l")
    return seen if made_of_l else seen.replace("l", "I")


def look(character: str, small: dict[str, str]) -> str:
    """Return what a character looks like in one of its two cases.

    In ASCII, if it looks like anything there in the case that is shown most, or in the other.
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
    """Return what each character looks like that looks like others, as parts of keys of names."""
    parts = [
        character
        for character in sorted(KNOWN)
        if not character.isascii()
        and (unicode.category(character)[0] in "LMN" or character in _EXCEPTIONS)
        and folded(character) == character
    ]
    small = {part: small_capital(part) for part in parts if small_capital(part)}
    # Others may look like a small capital, whose prototype another one is.
    for capital, letter in list(small.items()):
        small.setdefault(folded(prototype(capital)), letter)
    looks = {part: look(part, small) for part in parts}
    # What looks like nothing at all is no part of a name.
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
    """Return what letters and digits look like in ASCII as they are shown.

    Where there is but one case, what looks like any other Latin letter is among them. A bar is an
    l, so what it looks like has another key than it has; but a capital is an I if its small letter
    is no bar. What is written from right to left is left out: who reads it does not read Latin.
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
    """Tell whether all of a text could be part of a Latin one."""
    return all(script_extension(character) & {"Latn", "Zyyy", "Zinh"} for character in text)


# Ranges


def ranges(characters: Iterable[str]) -> str:
    """Write down characters: ``41-5A C0``."""
    codes = sorted(map(ord, characters))
    found = []
    for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0]):
        (_, first), *rest = run
        found.append(f"{first:X}-{rest[-1][1]:X}" if rest else f"{first:X}")
    return " ".join(found)


def scripts() -> dict[str, str]:
    """Return the characters of each script, or of all scripts that share them."""
    found = defaultdict(list)
    for character in KNOWN:
        found[" ".join(sorted(script_extension(character)))].append(character)
    return {script: ranges(characters) for script, characters in sorted(found.items())}


def script_names(shared: Iterable[str]) -> dict[str, str]:
    """Return what the scripts are called."""
    return {code: script_name(code) for code in sorted({*" ".join(shared).split()})}


def newer(*categories: str) -> str:
    """Return the characters that are newer than the base, by the first letters of categories."""
    return ranges(
        c for c in ASSIGNED if c not in KNOWN and unicode.category(c).startswith(categories)
    )


def marks() -> str:
    """Return the combining marks, but those that are ignored by default."""
    return ranges(
        c for c in ASSIGNED if unicode.category(c)[0] == "M" and c not in _IGNORABLE_MARKS
    )


def plain() -> str:
    """Return the characters that are safe to show in whatever order they come.

    Beyond the first plane, these are symbols and ideographs: the other scripts there are rare.
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
    """Write a string, with escapes for what can't be seen or is written from right to left."""
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
    """Write a dictionary of strings, its long values in many lines."""
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
    """Cut a text into pieces of a length."""
    return [text[at : at + length] for at in range(0, len(text), length)]


def listing(name: str, value: str, doc: str) -> str:
    """Write ranges."""
    body = "\n".join(f'    "{line} "' for line in textwrap.wrap(value, 90))
    return f'{name}: Final = (\n{body}\n)\n"""{doc}"""\n'


def grouped(pairs: dict[str, str]) -> dict[str, str]:
    """Return by what it is that others look like: all of these."""
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
        f'''"""What the service has to know of Unicode, as tools/unicode_data.py has written it.

It is of Unicode {newest}; looks are of Unicode {icu.UNICODE_VERSION}. Ranges are hexadecimal.
"""

# fmt: off
# ruff: noqa: E501

from __future__ import annotations

from typing import Final
''',
        mapping(
            "SCRIPTS",
            by_script,
            f"The characters of Unicode {version}, by all the scripts to which they belong.",
        ),
        mapping("SCRIPT_NAMES", script_names(by_script), "What the scripts are called."),
        mapping("LOOK_ALIKES", grouped(looks), "What stands for all that look like it, in keys."),
        mapping(
            "SHAPES",
            grouped(shapes()),
            "What looks like ASCII, or else Latin, as it is shown.",
        ),
        listing("PLAIN", plain(), "What is safe to show in whatever order it comes."),
        listing("MARKS", marks(), "Combining marks, but those that are ignored by default."),
        listing("NEWER_FORMATS", newer("Cf"), f"Format characters that Unicode {version} has not."),
        listing("NEWER", newer("L", "N", "P", "S", "Z"), f"What else Unicode {version} has not."),
    ]
    sys.stdout.write("\n".join(said))


if __name__ == "__main__":
    assert "Zyyy" in Scripts.VALUES
    main()
