from __future__ import annotations

import hashlib
import shutil
import tempfile
import unicodedata
from pathlib import Path

from twisted.trial import unittest

from chatservice.text import unicode_data
from chatservice.text.characters import LOOK_ALIKES, category, script_name, scripts
from tests.integration.environment import CHECKOUT, Environment, run
from tests.profiles import NOT_NIGHTLY

WRITTEN = Path(unicode_data.__file__)
DIGEST = "55b5a5068cdf9a7576f8173de789a6625f87e571fc5da0e2ec19ea77c2a4939e"


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

    def test_they_are_what_the_script_writes(self) -> None:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        environment = Environment(Path(folder))
        environment.pip("install", "--requirement", CHECKOUT / "tools" / "unicode_data.txt")
        written = run(environment.bin / "python", CHECKOUT / "tools" / "unicode_data.py")
        self.assertEqual(written, WRITTEN.read_text(encoding="utf-8"))

    test_they_are_what_the_script_writes.skip = NOT_NIGHTLY  # type: ignore[attr-defined]
    test_they_are_what_the_script_writes.timeout = 600  # type: ignore[attr-defined]
