from __future__ import annotations

import time
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest
from wcwidth import iter_graphemes

from chatservice.text import sanitising as texts
from chatservice.text.sanitising import MARKS_PER_CHARACTER, decode, edited, safe, typed
from tests.profiles import examples, seed_of_run, size

EVERY_CHARACTER = [chr(number) for number in range(0x110000)]

CONTROLS = {chr(number) for number in (*range(0x20), *range(0x7F, 0xA0))}
SELECTORS = {
    *map(chr, (0x180B, 0x180C, 0x180D, 0x180F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
}
JOINERS = {"\u200c", "\u200d"}
TAGS = {chr(number) for number in range(0xE0020, 0xE0080)}

# Default_Ignorable_Code_Point, DerivedCoreProperties.txt of Unicode 16.
DEFAULT_IGNORABLE = {
    *"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\ufeff\uffa0",
    *map(chr, range(0x180B, 0x1810)),
    *map(chr, range(0x200B, 0x2010)),
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2060, 0x2070)),
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xFFF0, 0xFFF9)),
    *map(chr, range(0x1BCA0, 0x1BCA4)),
    *map(chr, range(0x1D173, 0x1D17B)),
    *map(chr, range(0xE0000, 0xE1000)),
}
SOMETIMES_KEPT = JOINERS | SELECTORS | TAGS
NEVER_KEPT = (DEFAULT_IGNORABLE - SOMETIMES_KEPT) | CONTROLS | set("\u2028\u2029\ufff9\ufffa\ufffb")

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"

AS_IT_IS = {
    "English": "Hello, world! #1 <ana> ~/bin $x | \\ `a`",
    "leading spaces": "    return 1",
    "French": "Où êtes‑vous ? « Là-bas »… 5 €",
    "Spanish in NFD": "man\u0303ana",
    "Vietnamese": "Tiếng Việt",
    "Russian": "Привет, как дела?",
    "Greek": "Ἑλένη, τί κάνεις;",
    "Persian with a non-joiner": "می\u200cخواهم بروم",
    "Arabic with vowels": "اَلْعَرَبِيَّةُ ٣",
    "Arabic number sign": "\u0600\u0661\u0662",
    "Hebrew with points": "שָׁלוֹם עֲלֵיכֶם",
    "Hebrew with accents": "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים שּׁ\u05b8\u05a3\u05bd",
    "Greek in NFD": "\u03b1\u0313\u0301\u0345",
    "Vietnamese in NFD": "Tie\u0302\u0301ng Vie\u0323\u0302t",
    "Hindi": "नमस्ते, मैं हिन्दी में लिखती हूँ",
    "half form with a joiner": "क्\u200dष",
    "conjunct with a non-joiner": "क्\u200cष",
    "Bengali with a joiner before a mark": "র\u200d\u09cdয\u09beম",
    "Sinhala with a joiner": "ශ්\u200dරී ලංකා",
    "Thai": "สวัสดีครับ ผู้ที่",
    "Burmese": "မြှို့",
    "Tibetan": "བོད་སྐད་ བསྒྲུབས་ ཧཱུྂ",
    "Japanese": "こんにちは、世界。\u3000カタカナ ｶﾀｶﾅ",
    "Japanese in NFD": "か\u3099",
    "ideograph with a variant": "葛\U000e0100城",
    "Korean": "안녕하세요",
    "Korean in jamo": "\u1112\u1161\u11ab",
    "Mongolian with a variant": "\u1820\u180b\u182d",
    "as many marks as may be, twice": " \u0301".join(["o" + "\u0301" * 5, "\u0301" * 4]),
    "no-break space": "10\u00a0km",
    "emoji": "😀🎉👍🏽",
    "emoji with a selector": "❤️ ☕️ ©️",
    "keycap": "1️⃣ #️⃣",
    "family": "👩\u200d👩\u200d👧\u200d👦",
    "profession with a skin tone": "👩🏽\u200d🚀",
    "selectors around a joiner": "👁️\u200d🗨️ 🏳️\u200d🌈 🏴\u200d☠️",
    "flags": f"🇪🇺 🏴 {ENGLAND}",
    "symbols": "∑ ≠ → ─│┌ ░▒▓ ♔ ♞ \u2801\u2800\u2803",
    "private use": "\ue0b0",
    "newer than some Pythons": "\U0001fae8\U0001fae9\U0001facf \u20c0 \U00010d4a",
    "marks newer than some Pythons": "a\u1acf ب\u0897",
    "replacement character": "\ufffd",
}

CHANGED = {
    "escape sequence": ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
    "carriage return": ("hi\rbob", "hi␍bob"),
    "newlines": ("a\nb\r\n", "a␊b␍␊"),
    "bell, backspace, null, delete": ("\a\b\0\x7f", "␇␈␀␡"),
    "unit separator": ("a\x1f", "a␟"),
    "tab": ("\tif x:\t# y", "    if x:    # y"),
    "C1 controls": ("\x9b31m\x85", "\ufffd31m\ufffd"),
    "direction override": ("a\u202eb\u202cc", "abc"),
    "isolates": ("\u2066a\u2067b\u2068c\u2069", "abc"),
    "direction marks": ("a\u200eb\u200fc\u061cd", "abcd"),
    "zero width": ("a\u200bb\u2060c\ufeffd\u00ade\u034ff", "abcdef"),
    "fillers": ("a\u115f\u1160\u3164\uffa0\u17b4\u17b5b", "ab"),
    "Mongolian vowel separator": ("\u1820\u180e\u1820", "\u1820\u1820"),
    "annotations": ("a\ufff9b\ufffac\ufffbd", "abcd"),
    "musical format": ("a\U0001d173b", "ab"),
    "line and paragraph separator": ("a\u2028b\u2029c", "a b c"),
    "lone surrogates": ("a\ud800b\udfff", "a\ufffdb\ufffd"),
    "noncharacters": ("\ufdd0\uffff\U0010fffe", "\ufffd\ufffd\ufffd"),
    "hidden tags": ("hi\U000e0001\U000e0068\U000e0069\U000e007f", "hi"),
    "tags without an end": (ENGLAND[:-1], "🏴"),
    "too many tags on a flag": ("🏴" + "\U000e0061" * 8 + "\U000e007f", "🏴"),
    "tags after another emoji": ("😀" + ENGLAND[1:], "😀"),
    "joiner in ASCII": ("a\u200db\u200cc", "abc"),
    "joiner between scripts and ASCII": ("aक\u200da", "aकa"),
    "joiner at the start": ("\u200dक", "क"),
    "joiner at the end": ("क\u200d", "क"),
    "joiner before a space": ("क\u200d क", "क क"),
    "joiner after a space": ("क \u200dक", "क क"),
    "two joiners": ("क्\u200d\u200cष", "क्\u200dष"),
    "joiner and what is removed": ("क्\u200d\u200bष", "क्\u200dष"),
    "joiner before a selector": ("❤\u200d\ufe0f❤", "❤\u200d❤"),
    "selector without a base": ("\ufe0fa \ufe0fb", "a b"),
    "selector after a mark": ("e\u0301\ufe0f", "e\u0301"),
    "two selectors": ("❤\ufe0f\ufe0e\U000e0100", "❤\ufe0f"),
    "selector after a flag with tags": (ENGLAND + "\ufe0f", ENGLAND),
    "not assigned": ("a\u0378\u0379b \U0001f8ff", "a\ufffd\ufffdb \ufffd"),
    "not assigned beside an escape": ("\u0378\x1b", "\ufffd␛"),
    "a flood of marks": ("zo" + "\u0301\u0328" * 50 + "k\u0301", "zo\ufffdk\u0301"),
    "one mark too many": ("o" + "\u0301" * 6 + "k", "o\ufffdk"),
    "a flood of enclosing marks": ("o" + "\u20dd" * 9, "o\ufffd"),
    "a flood of marks newer than some Pythons": ("o" + "\u1acf" * 9, "o\ufffd"),
    "a flood on a blank": ("a " + "\u0301" * 9, "a \ufffd"),
    "a flood behind a selector": ("❤\ufe0f" + "\u0301" * 9 + "\ufe0f", "❤\ufffd\ufe0f"),
    "a flood through joiners": ("क" + "\u093c\u200d" * 9 + "क", "क\ufffd\u200dक"),
    "marks newer than some Pythons at the start": ("\u1acfa", "a"),
    "a format character newer than some Pythons": ("a\U00013439b", "ab"),
    "marks at the start": ("\u0301\u0308a", "a"),
    "white space at the end": ("hi \t\u00a0\u3000", "hi"),
}

BLANK = {
    "nothing": "",
    "spaces": "   ",
    "tabs": "\t\t",
    "no-break and ideographic spaces": "\u00a0\u2003\u3000",
    "zero width": "\u200b\u2060\ufeff",
    "joiners": "\u200d\u200c",
    "selectors": "\ufe0f\U000e01ef",
    "fillers": "\u3164\uffa0\u115f",
    "Braille without dots": " \u2800\u2800",
    "marks": "\u0301\u0302 \u0303",
    "tags": "\U000e0061\U000e007f",
}

WHOLE = {
    "a letter": "a",
    "a letter with a mark": "e\u0301",
    "a wide one": "日",
    "emoji": "😀",
    "emoji with a skin tone": "👍🏽",
    "emoji with a selector": "❤\ufe0f",
    "a keycap": "1\ufe0f\u20e3",
    "a family": "👩\u200d👩\u200d👧",
    "a flag": "🇩🇪",
    "a flag of a region": ENGLAND,
    "a syllable": "한",
    "a syllable in jamo": "\u1112\u1161\u11ab",
    "a conjunct": "क्ष",
    "a letter with vowels": "שָׁ",
    "a blank": " ",
    "a wide blank": "\u3000",
    "Braille without dots": "\u2800",
    "a tab": "\t",
    "an escape": "\x1b",
    "a replacement": "\ufffd",
}

EDITED = {
    "BS": ("helo\blo", "hello"),
    "DEL": ("helo\x7flo", "hello"),
    "a word": ("/msg bob  \x17ana psst", "/msg ana psst"),
    "a word and the blanks behind it": ("one two  \t\x17x", "one x"),
    "two words": ("one two\x17\x17x", "x"),
    "a word up to a wide blank": ("一\u3000二\x17x", "一\u3000x"),
    "a word with what is invisible in it": ("one t\u200bwo\u200b\x17x", "one x"),
    "the line": ("secret\x15hi", "hi"),
    "the line and no more": ("\x15hi", "hi"),
    "more than there is": ("a\x7f\x7f\x7f\x17\x15b", "b"),
    "one of two flags": ("🇩🇪🇫🇷\x7f", "🇩🇪"),
    "half of a flag": ("🇩🇪🇫\x7f", "🇩🇪"),
    "what is invisible, with what is before it": ("ab\u200b\u2060\x7fc", "ac"),
    "a mark that comes after what was erased": ("ab\x7f\u0301\x7fc", "c"),
    "the rest of a family": ("a👩x\x7f\u200d👧\x7fb", "ab"),
    "a flag whose end comes after what was erased": ("a🇩x\x7f🇪\x7fb", "ab"),
    "nothing": ("", ""),
    "no key": ("a\x1b[A\x00é", "a\x1b[A\x00é"),
}

# Made of what the rules are about, which plain random text hardly ever holds.
tricky_characters = st.sampled_from(
    "ab1 \t\n\x1b\x9b\u00a0éक्\u093c\u0301\u0302\u20dd\u200b\u200c\u200d\ufe0e\ufe0f\U000e0100"
    "😀❤👩🏽🏴\U000e0061\U000e0067\U000e007f\U000e0001\u202e\u2028\u2800\u3000\u3164\u034f\u0600"
    "\ud800\udc00\ufdd0\uffff\u180b\u180e"
)
any_text = st.one_of(
    st.text(st.one_of(tricky_characters, st.characters(codec=None)), max_size=60),
    st.text(tricky_characters, max_size=200),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=40),
)


def is_mark(character: str) -> bool:
    return bool(unicodedata.category(character).startswith("M"))


def is_visible(character: str) -> bool:
    """Whether a character is one that another can hang on."""
    return unicodedata.category(character) != "Zs" and not is_mark(character)


class SafeTests(unittest.TestCase):
    def test_what_people_write_stays_as_it_is(self) -> None:
        for name, text in AS_IT_IS.items():
            self.assertEqual(ascii(safe(text)), ascii(text), name)

    def test_what_harms_a_terminal_is_changed(self) -> None:
        for name, (text, expected) in CHANGED.items():
            self.assertEqual(ascii(safe(text)), ascii(expected), name)

    def test_a_line_with_nothing_visible_is_empty(self) -> None:
        for name, text in BLANK.items():
            self.assertEqual(safe(text), "", name)

    def test_every_forbidden_character_is_gone(self) -> None:
        for character in sorted(NEVER_KEPT):
            self.assertNotIn(character, safe(f"é{character}é"), ascii(character))

    def test_every_format_character_without_a_shape_is_gone(self) -> None:
        kept = {
            character
            for character in EVERY_CHARACTER
            if unicodedata.category(character) == "Cf" and safe(f"a{character}a") != "aa"
        }
        shaped = {*map(chr, range(0x600, 0x606)), *"\u06dd\u070f\u0890\u0891\u08e2"}
        shaped |= {"\U000110bd", "\U000110cd"}
        # An older Python does not know the newest of them.
        self.assertEqual(kept, {c for c in shaped if unicodedata.category(c) == "Cf"})

    def test_all_other_characters_stay(self) -> None:
        changed = {
            character
            for character in EVERY_CHARACTER
            if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Cn")
            and safe(f"é{character}é") != f"é{character}é"
        }
        self.assertEqual(changed - DEFAULT_IGNORABLE, {"\u2028", "\u2029"})

    def test_plain_text_is_the_same_beside_text_that_is_not(self) -> None:
        # An escape makes the line one that is looked at character by character.
        for start in range(0, 0x110000, size(256, 64)):
            text = "é" + "é".join(EVERY_CHARACTER[start : start + 64])
            self.assertEqual(safe(f"{text}!\x1b"), f"{safe(text + '!')}␛", hex(start))

    @given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
    def test_printable_ascii_loses_only_the_spaces_at_its_end(self, text: str) -> None:
        self.assertEqual(safe(text), text.rstrip(" "))

    @given(any_text)
    @settings(max_examples=examples(500))
    def test_safe_text_stays_as_it_is(self, text: str) -> None:
        self.assertEqual(safe(safe(text)), safe(text))

    @given(any_text)
    @settings(max_examples=examples(500))
    def test_nothing_forbidden_comes_out(self, text: str) -> None:
        shown = safe(text)
        self.assertEqual(NEVER_KEPT.intersection(shown), set())
        self.assertLessEqual(len(shown.splitlines()), 1)
        self.assertEqual(shown, shown.rstrip())
        # Raises an exception for a surrogate.
        shown.encode("utf-8")

    @given(any_text)
    @settings(max_examples=examples(500))
    def test_marks_joiners_and_selectors_stand_only_where_they_belong(self, text: str) -> None:
        shown = safe(text)
        marks = 0
        before = " "
        for place, character in enumerate(shown):
            if character in JOINERS:
                after = shown[place + 1]
                self.assertTrue(before > "\x7f" and after > "\x7f")
                self.assertFalse({before, after} & JOINERS or before.isspace() or after.isspace())
                self.assertNotIn(after, SELECTORS)
            elif character in SELECTORS:
                self.assertTrue(is_visible(before), ascii(shown))
                self.assertNotIn(before, SELECTORS | JOINERS | TAGS)
            elif is_mark(character):
                self.assertGreater(place, 0)
                marks += 1
                self.assertLessEqual(marks, MARKS_PER_CHARACTER)
            else:
                marks = 0
            before = character

    @given(any_text)
    @settings(max_examples=examples(500))
    def test_it_grows_at_most_four_times(self, text: str) -> None:
        shown = safe(text)
        self.assertLessEqual(len(shown), 4 * len(text))
        self.assertLessEqual(
            len(shown.encode("utf-8")), 4 * len(text.encode("utf-8", "surrogatepass"))
        )


class DecodeTests(unittest.TestCase):
    def test_utf8_is_decoded(self) -> None:
        self.assertEqual(decode("zoë 小林".encode()), "zoë 小林")

    def test_what_is_not_utf8_is_replaced(self) -> None:
        self.assertEqual(decode(b"zo\xeb \xff!"), "zo\ufffd \ufffd!")

    def test_controls_are_left_to_others(self) -> None:
        self.assertEqual(decode(b"\x1b[0m "), "\x1b[0m ")


class TypedTests(unittest.TestCase):
    def test_it_is_edited_and_made_safe(self) -> None:
        self.assertEqual(typed(b"helo\x7flo \xe2\x80\xae\x1b ", 20), "hello \u241b")

    def test_it_may_be_a_quarter_longer_until_it_is_edited(self) -> None:
        self.assertEqual(typed(b"xy\x7f" * 6 + b"xx", 16), "x" * 8)
        self.assertEqual(typed(b"xy\x7f" * 6 + b"z\x7f", 16), "x" * 6)
        self.assertIsNone(typed(b"xy\x7f" * 7, 16))
        self.assertEqual(typed(b"x" * 10, 10), "x" * 10)
        self.assertIsNone(typed(b"x" * 11, 10))


class EditedTests(unittest.TestCase):
    def test_a_key_erases_what_is_one_character_to_the_eye(self) -> None:
        for name, character in WHOLE.items():
            for key in "\b\x7f":
                self.assertEqual(edited(f"日{character}{key}b"), "日b", name)
                self.assertEqual(edited(f"{2 * character}{key}"), character, name)

    def test_what_each_key_does(self) -> None:
        for name, (line, expected) in EDITED.items():
            self.assertEqual(ascii(edited(line)), ascii(expected), name)

    @given(any_text)
    @settings(deadline=None)
    def test_without_keys_a_line_stays_as_it_is(self, text: str) -> None:
        for key in "\b\x7f\x15\x17":
            text = text.replace(key, "")
        self.assertEqual(edited(text), text)

    @given(st.text(st.sampled_from("ab \x7f\x15\x17é日🇩e\u0301\u200d👩क्"), max_size=32))
    @settings(deadline=None, max_examples=300)
    def test_keys_do_one_after_the_other_what_they_do_together(self, text: str) -> None:
        left = ""
        for key in text:
            kept = list(iter_graphemes(left))
            if key == "\x15":
                kept = []
            elif key == "\x17":
                while kept and (kept[-1].isspace() or kept[-1][0] == "\u200d"):
                    kept.pop()
                while kept and not kept[-1].isspace():
                    kept.pop()
            elif key == "\x7f":
                while kept and kept.pop()[0] == "\u200d":
                    pass
            left = "".join(kept) if key in "\x15\x17\x7f" else left + key
        self.assertEqual(ascii(edited(text)), ascii(left))

    def test_a_prefix_joins_what_follows_and_is_erased_with_it(self) -> None:
        for code in range(0x80, 0x110000):
            character = chr(code)
            joined = len(list(iter_graphemes(f"{character}a"))) == 1
            self.assertEqual(character in texts._PREPENDING, joined, hex(code))
        for character in texts._PREPENDING:
            self.assertEqual(edited(f"日{character}x\x7fa\x7f"), "日", ascii(character))
            self.assertEqual(edited(f"日{character}b\x7f\x7fa"), "a", ascii(character))

    def test_what_is_typed_behind_very_many_marks_is_another_character(self) -> None:
        many = "a" + 31 * "\u0301"
        self.assertEqual(edited(f"日{many}x\x7f\u0301\x7f"), f"日{many}")
        self.assertEqual(edited(f"日{many[:-1]}x\x7f\u0301\x7f"), "日")
        self.assertEqual(edited(f"日{many}\u0301\x7f"), "日")

    def test_what_is_invisible_is_what_is_taken_out(self) -> None:
        for code in range(size(seed_of_run() % 16, 0), 0x110000, size(16, 1)):
            alone = safe(f"x{chr(code)}x")
            gone = alone == "xx" or chr(code) in JOINERS
            self.assertEqual(
                texts._is_invisible(chr(code)), gone or chr(code) in SELECTORS, hex(code)
            )

    def test_a_hostile_line_takes_no_longer_than_its_length(self) -> None:
        began = time.process_time()
        for line in (
            "\x7f" * 8000,
            "a\x7f" * 4000,
            "a" + "\u0301" * 1000 + "é\x7f" * 2000,
            "👩\u200d\x7f" * 1000,
            "a \x17" * 2600,
            "\u200b" * 2600 + "\x7f",
            "\u200b" * 1300 + "\u200b\x7f" * 1000,
        ):
            for _ in range(5):
                edited(line)
        self.assertLess(time.process_time() - began, 2)
