"""Rules for names of people and rooms, and the key by which two names are compared.

Names are shown inside the service's markup (``<ana> hi``, ``#room <ana> hi``, ``[ana -> you] hi``,
``* ana waves``, ``-- ana, bob and 3 more joined``), and people know each other by them. So no name
may look like that markup, or like somebody else's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from precis_i18n import get_profile
from precis_i18n.profile import Profile

from chatservice.text.characters import LOOK_ALIKES, SHAPES, script_name, scripts
from chatservice.text.sanitising import MARKS_PER_CHARACTER

RULES: Final = 3
"""The version of the rules of :func:`key`. It is stored beside stored keys, since other rules may
give two names the same key."""

KEYED_MOST: Final = 256
"""The most code points of a text that is compared as a name. The time to normalise a text grows
with their square."""

_RESERVED_WORDS: Final = """
    admin administrator all and anonymous anybody anyone chat chatservice console daemon everybody
    everyone help here host info me mod moderator more myself nobody op operator others owner root
    security server service somebody someone staff support sysop system unknown you yourself
"""

RESERVED: Final = frozenset(_RESERVED_WORDS.split())
"""The keys of names that nobody may take: the service's own, and words of its sentences."""

# The service's markup, and characters around or before names in other chats.
FORBIDDEN: Final = frozenset("<>#/,[]()!@:?*{}")
_NOT_FIRST: Final = frozenset("-.")
# Other chats mark ranks and rooms with these.
_NOT_FIRST_OF_PEOPLE: Final = _NOT_FIRST | frozenset("&+~%")

_NEEDED: Final = frozenset("\u0903\u0a83Ꭾꭾᐳᐷᐸᑀᑁᑄᑅᔌノ\u06f0")
"""Characters that look like such a sign, but that living languages need. They may stand in a name
that does not look like a Latin one."""

_CASE_PRESERVED: Final = get_profile("UsernameCasePreserved")
_CASE_MAPPED: Final = get_profile("UsernameCaseMapped")

_ANY_SCRIPT: Final = frozenset(("Zyyy", "Zinh"))
_LATIN: Final = _ANY_SCRIPT | {"Latn"}

# Writing systems that combine several scripts (UTS #39, section 5.1).
_AUGMENTED: Final = {
    "Hani": frozenset(("Jpan", "Hanb", "Kore")),
    "Hira": frozenset(("Jpan",)),
    "Kana": frozenset(("Jpan",)),
    "Bopo": frozenset(("Hanb",)),
    "Hang": frozenset(("Kore",)),
}

# A combining dot above an i looks like the dot that the i has already (Soft_Dotted, UAX #44), so it
# must not tell two names apart. The pattern is for NFD; marks below and through a letter may stand
# between.
_SECOND_DOT: Final = re.compile(
    "([ij\u0249\u0268\u029d\u03f3\u0456\u0458][\u0316-\u0319\u0321-\u0328\u032d-\u0338]*)\u0307+"
)

_JOINERS: Final = re.compile("[\u200c\u200d]")


class BadName(ValueError):
    """A name that no person, or no room, can have.

    ``str()`` gives the reason: a fragment of a sentence in lower case, for the person who asked for
    the name. It holds none of the name's characters outside printable ASCII.
    """


def nickname(text: str, max_length: int = 24) -> str:
    """Check a name that a person wants, and normalise it.

    Enforces the PRECIS profile UsernameCasePreserved (RFC 8265, section 3.4), one script (UTS #39,
    section 5.1: the string is "single script") and the rules of this service: nothing that looks
    like its markup, no digit and no sign of rank in front, no reserved word, no mark without a
    letter, no stack of marks, and no look of a different name.

    :param text: the typed text; white space around it does not count.
    :param max_length: the most code points of a name, after normalisation.
    :return: the name to show. Checking it again changes nothing.
    :raises BadName: if the text is no valid name.
    """
    what = "a name"
    name = _checked(text, max_length, what, _CASE_PRESERVED)
    if unicodedata.category(name[0]) == "Nd":
        raise BadName(f"{what} can't begin with a digit")
    _check_first(name, what, _NOT_FIRST_OF_PEOPLE)
    folded = key(name)
    if folded in RESERVED:
        raise BadName(f"'{folded}' is reserved")
    _check_shape(name, folded)
    return name


def room_name(text: str, max_length: int = 24) -> str:
    """Check the name of a room, and normalise it.

    The rules are those of :func:`nickname`, but it may begin with a digit or a sign, no word is
    reserved and the profile is UsernameCaseMapped (RFC 8265, section 3.3): ``#Dev`` and ``dev`` are
    one room.

    :param text: the typed text, with or without one ``#`` in front.
    :param max_length: the most code points of the name, after normalisation.
    :return: the name in lower case, without ``#``. Checking it again changes nothing.
    :raises BadName: if the text is no valid name.
    """
    what = "a room's name"
    name = _checked(text.strip().removeprefix("#"), max_length, what, _CASE_MAPPED)
    _check_first(name, what, _NOT_FIRST)
    return name


def key(name: str) -> str:
    """Return the key by which two names are compared: names with the same key are one name.

    The key is a compatibility caseless match (Unicode standard, section 3.13, D146) of the
    capitals, which makes ``ı`` and ``i`` one, without joiners and without a second dot on a dotted
    letter; then the skeleton of that (UTS #39, section 4), so that Cyrillic ``асе`` cannot pose as
    ``ace``. A letter that looks like ASCII in only one of its cases counts as that ASCII letter,
    and a bar as an ``i``. ASCII stays as it is: ``ana1`` and ``anal``, ``tom`` and ``torn`` differ.

    Processes with the same :data:`RULES` give a name the same key on every version of Python.

    :param name: a name as :func:`nickname` returned it, or any text to look up among names.
    :return: a string to compare, not to show. It is its own key. A text that has more than
        :data:`KEYED_MOST` code points, before or after normalisation, is its own key too.
    """
    if len(name) > KEYED_MOST:
        return name
    if name.isascii():
        # Most names are their own keys. Both are stored, so share one object.
        return name if name == name.lower() else name.lower()
    folded = _JOINERS.sub("", name)
    for _ in range(2):
        folded = unicodedata.normalize("NFKC", _decomposed(folded).upper().casefold())
        if len(folded) > KEYED_MOST:
            return name
    return _single_dotted(_decomposed(folded).translate(LOOK_ALIKES))


def _checked(text: str, max_length: int, what: str, profile: Profile) -> str:
    """:param what: the word for the thing in error sentences, for example ``a name``."""
    text = text.strip()
    bad_length = BadName(f"{what} has 1 to {max_length} characters")
    # Reject long text before any costly step. NFC shortens typed text at most to a third.
    if not 0 < len(text) <= 4 * max_length:
        raise bad_length
    try:
        name = _single_dotted(profile.enforce(text))
    except UnicodeEncodeError as refusal:
        raise _explained(refusal, what) from None
    if len(name) > max_length:
        raise bad_length
    _check_script(name, what)
    _check_markup(name, what)
    _check_marks(name, what)
    return name


def _explained(refusal: UnicodeEncodeError, what: str) -> BadName:
    """Return the exception that says in words why PRECIS refuses a name."""
    if refusal.reason.endswith("/bidi_rule"):
        try:
            _check_script(refusal.object, what)
        except BadName as better_reason:
            return better_reason
        return BadName(
            f"{what} written from right to left begins with a letter and ends with one or a digit"
        )
    character = refusal.object[refusal.start]
    if character.isspace():
        return BadName(f"{what} has no spaces in it")
    return BadName(f"{_shown(character)} can't be part of {what}")


def _check_script(name: str, what: str) -> None:
    """:raises BadName: unless one script, or one system of scripts, can write the whole name."""
    common: frozenset[str] | None = None
    seen: set[str] = set()
    for character in name:
        written = scripts(character)
        if not written:
            raise BadName(f"{_shown(character)} can't be part of {what}")
        if not _ANY_SCRIPT.isdisjoint(written):
            continue
        augmented = written.union(*(_AUGMENTED.get(script, ()) for script in written))
        common = augmented if common is None else common & augmented
        seen.add(script_name(min(written)))
        # An empty set means at least two names in ``seen``: one script would be common to all.
        if not common:
            raise BadName(f"{what} is written in one script: this one mixes {_listed(seen)}")


def _check_first(name: str, what: str, forbidden: frozenset[str]) -> None:
    """:raises BadName: if the name begins with a forbidden character."""
    if key(name[0])[:1] in forbidden and name[0] not in _NEEDED:
        raise BadName(f"{what} can't begin with {_shown(name[0])}")


def _check_shape(name: str, folded: str) -> None:
    """:raises BadName: if the shown name looks like another one in Latin letters.

    Names are compared without case, but a few letters look like one letter in small and like
    another as capitals: ``νικα`` looks like ``vika``, ``ΝΙΚΑ`` like ``NIKA``. A bar looks like both
    I and l.

    :param folded: the key of the name.
    """
    if name.isascii():
        return
    shape = _shape(name)
    if _unmarked(key(shape)) != _unmarked(folded):
        like = f": this one looks like '{shape}'" if shape.isascii() else ""
        raise BadName(f"a name can't look like another{like}")


def _shape(name: str) -> str:
    """Return the shown look of a name, without marks, if all of it could be Latin.

    :return: the name itself, if it does not look Latin.
    """
    shape = _unmarked(_decomposed(name).translate(SHAPES))
    return shape if all(not _LATIN.isdisjoint(scripts(character)) for character in shape) else name


def is_sign(character: str) -> bool:
    """Return whether a character is, or looks like, one of :data:`FORBIDDEN` and is not needed."""
    return character not in _NEEDED and not FORBIDDEN.isdisjoint(key(character))


def _check_markup(name: str, what: str) -> None:
    """:raises BadName: if the name could be taken for markup, or has no letter and no digit."""
    if not FORBIDDEN.isdisjoint(_decomposed(key(name))):
        _check_signs(name, what)
    if not any(unicodedata.category(character)[0] in "LN" for character in name):
        raise BadName(f"{what} has at least one letter or digit")


def _check_signs(name: str, what: str) -> None:
    """:raises BadName: for the first forbidden sign, or character that looks like one."""
    like_markup = not FORBIDDEN.isdisjoint(_shape(name))
    for character in name:
        if is_sign(character):
            raise BadName(f"{_shown(character)} can't be part of {what}")
        if like_markup and character in _NEEDED:
            raise BadName(f"{_shown(character)} can't be part of {what} that looks like Latin")


def _check_marks(name: str, what: str) -> None:
    """:raises BadName: if a mark or a joiner stands where it changes other text, or is unseen."""
    if unicodedata.category(name[0])[0] == "M":
        raise BadName(f"{what} can't begin with a combining mark")
    marks = 0
    for character, following in zip(name, (*name[1:], ""), strict=True):
        if _JOINERS.match(character):
            # PRECIS checks the character before a joiner, but not always the one behind.
            if following.isascii():
                raise BadName(f"{_shown(character)} can't be part of {what}")
            continue
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        if marks > MARKS_PER_CHARACTER:
            raise BadName(f"{what} has at most {MARKS_PER_CHARACTER} combining marks in a row")


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _unmarked(text: str) -> str:
    """:return: the text in NFD, without combining marks."""
    return "".join(c for c in _decomposed(text) if unicodedata.category(c)[0] != "M")


def _single_dotted(text: str) -> str:
    """:return: the text in NFC, without second dots on dotted letters."""
    return unicodedata.normalize("NFC", _SECOND_DOT.sub(r"\1", _decomposed(text)))


def _shown(character: str) -> str:
    """:return: a character in a form that is safe to show: ``'<'``, ``U+1F600 (grinning face)``."""
    if character.isascii() and character.isprintable():
        return f"'{character}'"
    number = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "").lower()
    return f"{number} ({name})" if name else number


def _listed(words: Iterable[str]) -> str:
    *first, last = sorted(words)
    return f"{', '.join(first)} and {last}"
