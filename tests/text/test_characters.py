from __future__ import annotations

import hashlib
import json
import shutil
import string
import tempfile
import unicodedata
from functools import cache
from pathlib import Path

from twisted.trial import unittest

from chatservice.text import unicode_data
from chatservice.text.characters import LOOK_ALIKES, category, script_name, scripts
from chatservice.text.names import BadName, key, nickname
from tests.at_end import at_end
from tests.integration.environment import CHECKOUT, Environment, run
from tests.profiles import NOT_NIGHTLY

WRITTEN = Path(unicode_data.__file__)
DIGEST = "3dc4f42ec8831f8d1662a7b4812203605dab9cbdf380d16c66465c31a21a8d9a"


class TablesTests(unittest.TestCase):
    """The tables are those of Unicode."""

    def test_nobody_has_written_into_them(self) -> None:
        self.assertEqual(hashlib.sha256(WRITTEN.read_bytes()).hexdigest(), DIGEST)

    def test_they_are_small(self) -> None:
        self.assertLess(WRITTEN.stat().st_size, 70_000)

    def test_samples_of_confusables(self) -> None:
        """confusables.txt, with both sides as parts of keys."""
        for source, target in {
            "\u0430": "a",
            "\u0433": "r",
            "\u0455": "s",
            "\u0475": "v",
            "\u03b1": "a",
            "\u03bf": "o",
            "\u0585": "o",
            "\u05e1": "o",
            "\u0647": "o",
            "\u13a0": "d",
            "\ua4d0": "b",
            "\u2ca5": "c",
            "\u4e36": "\\",
            "\u0142": "l\u0338",
            "\u0153": "oe",
            "\u0906": "\u0905\u093e",
            "\u0e15": "\u0e04",
        }.items():
            self.assertEqual(LOOK_ALIKES.get(ord(source)), target, ascii(source))

    def test_samples_of_scripts(self) -> None:
        """Scripts.txt and ScriptExtensions.txt."""
        for character, expected in {
            "a": "Latn",
            "ж": "Cyrl",
            "א": "Hebr",
            "小": "Hani",
            "ー": "Hira Kana",
            "-": "Zyyy",
            "\u0378": "",
            "\u1acf": "",
        }.items():
            self.assertEqual(scripts(character), frozenset(expected.split()))
        self.assertEqual(script_name("Cans"), "Canadian Aboriginal")

    def test_samples_of_categories(self) -> None:
        """UnicodeData.txt."""
        for character, expected in {
            "a": "Ll",
            "\u0301": "Mn",
            "\u0897": "M",
            "\u1acf": "M",
            "\u1add": "M",
            "\u0891": "Cf",
            "\U0001fae9": "So",
            "\u0378": "Cn",
            "\U000e0fff": "Cn",
            "\ue000": "Co",
        }.items():
            self.assertEqual(category(character)[: len(expected)], expected, ascii(character))

    def test_what_python_knows_is_known(self) -> None:
        for code in range(0x110000):
            character = chr(code)
            own = unicodedata.category(character)
            if own == "Cn":
                self.assertFalse(scripts(character), hex(code))
            else:
                self.assertEqual(category(character), own)
            if unicodedata.ucd_3_2_0.category(character) not in ("Cn", "Co", "Cs", "Cc"):
                self.assertTrue(scripts(character), hex(code))


@cache
def sources() -> Environment:
    """Return an environment with the packages that carry Unicode's own files."""
    folder = tempfile.mkdtemp()
    at_end(shutil.rmtree, folder)
    environment = Environment(Path(folder))
    environment.pip("install", "--requirement", CHECKOUT / "tools" / "unicode_data.txt")
    return environment


SKELETONS = """
import icu, json
spoofs = icu.SpoofChecker()
known = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x110000))]
skeletons = ((c, str(spoofs.getSkeleton(0, c))) for c in known)
print(json.dumps({c: skeleton for c, skeleton in skeletons if skeleton != c}))
"""


class SourcesTests(unittest.TestCase):
    """Compared with the packages out of which the tables were made."""

    timeout = 600
    skip = NOT_NIGHTLY

    def test_they_are_what_the_script_writes(self) -> None:
        written = run(sources().bin / "python", CHECKOUT / "tools" / "unicode_data.py")
        self.assertEqual(written, WRITTEN.read_text(encoding="utf-8"))

    def test_no_name_of_look_alikes_is_another_than_the_one_that_it_imitates(self) -> None:
        """By confusables.txt alone, of which these tables have made something.

        What looks like an o is none of a nought: a nought is shown otherwise.
        """
        skeletons: dict[str, str] = json.loads(sources().python(SKELETONS))
        plain: dict[str, str] = {}
        for letter in string.ascii_letters + string.digits.replace("0", ""):
            skeleton = skeletons.get(letter, letter)
            plain[skeleton] = plain.get(skeleton, "") + letter
        tried = 0
        for character, skeleton in skeletons.items():
            letters = plain.get(skeleton, "")
            if character.isascii() or unicodedata.bidirectional(character) in ("R", "AL", "AN"):
                continue
            small = character.lower()
            if "I" in letters and skeletons.get(small, small) != skeleton:
                # A capital of which the small letter is no bar is an I.
                letters = "I"
            for letter in letters:
                for imitated in (letter * 2, f"{letter}_", f"a{letter}e", f"A{letter}E"):
                    name = imitated.replace(letter, character)
                    try:
                        shown = nickname(name)
                    except BadName:
                        continue
                    if not shown.isascii():
                        tried += 1
                        self.assertEqual(key(shown), key(imitated), f"{name!a}: {imitated}")
        self.assertGreater(tried, 300)
