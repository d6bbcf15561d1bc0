"""How lines look, and where they are folded."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from prompt_toolkit.output import ColorDepth
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen import rendering
from chatservice.client.screen.mentions import mentions
from chatservice.client.screen.output import QUIET, style_for
from chatservice.client.screen.rendering import PALETTE, Line, Text, Weight, of_name, wrap
from chatservice.text.layout import width

AT = "2026-03-03T14:02:00.000Z"
STAMP = datetime(2026, 3, 3, 14, 2, tzinfo=timezone.utc).astimezone().strftime("[%H:%M] ")


def event(type: str = "said", room: str | None = "lobby", **values: Any) -> messages.Event:
    return messages.Event(type=type, id=1, at=AT, room=room, **values)


def text(line: Line | None) -> str:
    assert line is not None
    return "".join(part for _, part in line.fragments)


def styled(line: Line | None, style: str) -> list[str]:
    """List the parts of a line that have a style."""
    assert line is not None
    return [fragment[1] for fragment in line.fragments if fragment[0] == style]


class EventTests(TestCase):
    def assert_shown(
        self, shown: str, happened: messages.Event, here: str | None = "lobby"
    ) -> None:
        line = rendering.happened(happened, "ana")
        if line is not None and happened.room is not None and happened.room != here:
            line = line.elsewhere(happened.room)
        self.assertEqual(text(line), shown)

    def test_what_is_said_and_done(self) -> None:
        self.assert_shown("<bob> hi", event(author="bob", text="hi"))
        self.assert_shown("* bob waves", event("did", author="bob", text="waves"))
        self.assert_shown("#lobby <bob> hi", event(author="bob", text="hi"), "dev")
        self.assert_shown("#lobby * bob waves", event("did", author="bob", text="waves"), None)
        self.assert_shown("[bob -> you] hi", event("private", None, author="bob", text="hi"))

    def test_what_the_service_tells(self) -> None:
        self.assert_shown("-- bob joined", event("joined", names=["bob"]))
        self.assert_shown("-- #lobby: bob left", event("left", names=["bob"]), "dev")
        self.assert_shown("-- bob left (see you)", event("left", names=["bob"], text="see you"))
        self.assert_shown("-- bob and cleo left", event("left", names=["bob", "cleo"]))
        self.assert_shown("-- bob is now rob", event("renamed", author="bob", name="rob"))
        self.assert_shown("-- bob set the topic: x", event("topic", author="bob", text="x"))
        self.assert_shown("-- bob took the topic away", event("topic", author="bob"))
        self.assert_shown(
            "-- eve announces: stop", event("announced", None, author="eve", text="stop")
        )
        self.assert_shown("-- eve muted bob", event("acted", author="eve", text="muted bob"))

    def test_many_who_come(self) -> None:
        names = [f"n{n}" for n in range(30)]
        first = ", ".join(names[:20])
        self.assert_shown(f"-- {first} and 10 more joined", event("joined", names=names))
        self.assert_shown(
            "-- n0, n1 and 40 more joined", event("joined", names=names[:2], count=42)
        )
        self.assert_shown(
            "-- n0, n1 and 39 more joined", event("joined", names=["ana", "n0", "n1"], count=42)
        )

    def test_ones_own_coming_is_not_shown(self) -> None:
        self.assertIsNone(rendering.happened(event("joined", names=["ana"]), "ana"))
        self.assert_shown("-- bob joined", event("joined", names=["ana", "bob"], count=2))

    def test_who_may_want_to_be_called(self) -> None:
        for happened, weight in (
            (event(author="bob", text="hi"), Weight.TALK),
            (event(author="bob", text="hi ANA!"), Weight.MENTION),
            (event("did", author="bob", text="waves at ana"), Weight.MENTION),
            (event("private", None, author="bob", text="hi"), Weight.MENTION),
            (event("announced", None, author="eve", text="stop"), Weight.TALK),
            (event("joined", names=["bob"]), Weight.NONE),
        ):
            line = rendering.happened(happened, "ana")
            assert line is not None
            self.assertEqual(line.weight, weight, happened)
        self.assertEqual(
            [[weight.rings(bell) for weight in Weight] for bell in ("off", "mentions", "all")],
            [[False, False, False], [False, False, True], [False, True, True]],
        )

    def test_ones_own_name_is_marked(self) -> None:
        line = rendering.happened(event(author="bob", text="Ana, ana and banana"), "ana")
        self.assertEqual(styled(line, "class:mention"), ["Ana", "ana"])
        self.assertEqual(text(line), "<bob> Ana, ana and banana")

    def test_own_words(self) -> None:
        at = datetime(2026, 3, 3, 9, 5)
        for request, shown in (
            (messages.Say(room="lobby", text="I am ana"), "<ana> I am ana"),
            (messages.Say(room="dev", text="hi"), "#dev <ana> hi"),
            (messages.Do(room="lobby", text="waves"), "* ana waves"),
            (messages.Private(to="bob", text="hi"), "[you -> bob] hi"),
            (messages.Topic(room="lobby", text="x"), "-- you set the topic: x"),
            (messages.Topic(room="dev", text=""), "-- #dev: you took the topic away"),
        ):
            line = rendering.sent(request, "ana", at, to="bob")
            if getattr(request, "room", None) == "dev":
                line = line.elsewhere("dev")
            self.assertEqual(text(line), shown)
            self.assertEqual(styled(line, "class:mention"), [])

    def test_the_past(self) -> None:
        self.assertEqual(text(rendering.happened(event(author="ana", text="x"), "ana")), "<ana> x")
        self.assertEqual(
            text(rendering.happened(event("acted", author="eve", text="muted bob"), "ana")),
            "-- eve muted bob",
        )

    def test_answers(self) -> None:
        self.assertEqual(text(rendering.notice("bell: off")), "-- bell: off")
        self.assertEqual(text(rendering.rule("that was it")), "-- that was it --")
        self.assertEqual([rendering.counted(n) for n in (1, 1037)], ["1 line", "1,037 lines"])
        self.assertEqual(text(rendering.day(datetime(2026, 3, 3))), "-- Tuesday, 3 March 2026 --")
        self.assertEqual(
            [text(line) for line in rendering.where_one_is("dev", ["bob"], 1, "x")],
            ["-- you are in #dev with bob", "-- the topic: x"],
        )


class MentionTests(TestCase):
    def assert_found(self, name: str, text: str, *found: str) -> None:
        self.assertEqual([text[a:b] for a, b in mentions(text, name)], list(found), text)

    def test_words(self) -> None:
        self.assert_found("ana", "Ana: ANA's, @ana (ana)", "Ana", "ANA", "ana", "ana")
        self.assert_found("ana", "banana anagram ana_b lana ana2")
        self.assert_found("ana", "")

    def test_case_and_form_make_no_difference(self) -> None:
        self.assert_found("straße", "STRASSE? strasse", "STRASSE", "strasse")
        self.assert_found("josé", "hi JOSE\u0301!", "JOSE\u0301")
        self.assert_found("ana", "ａｎａ", "ａｎａ")

    def test_scripts_without_spaces(self) -> None:
        self.assert_found("小林", "小林さん、おはよう", "小林")
        self.assert_found("ana", "anaさん", "ana")
        self.assert_found("สมชาย", "สวัสดีสมชายครับ", "สมชาย")

    def test_a_part_of_a_longer_name_is_none(self) -> None:
        self.assert_found("ana", "ana-maria: lunch? mary-ana, ana.maria, x.ana ana+1 ana‑maria")
        self.assert_found("maria", "ana-maria: lunch?")
        self.assert_found("ana-maria", "ana-maria: lunch?", "ana-maria")
        self.assert_found("ana", "ana- ana. ana... -ana ana—bob (ana)", *["ana"] * 6)

    def test_nor_is_what_stands_in_an_address(self) -> None:
        self.assert_found(
            "ana", "see https://chat.example/ana?x=ana#ana WWW.example/~ana/ ana", "ana"
        )
        self.assert_found("ana", "git://ana/ana ana@chat.example bob@ana.example")
        self.assert_found("小林", "https://h/小 小林", "小林")

    def test_what_korean_writes_onto_a_name_is_no_part_of_it(self) -> None:
        for said in (
            "민수야",
            "민수가 왔어",
            "민수님께서는",
            "안녕, 민수씨!",
            "민수에게만",
            "민수: 밥?",
        ):
            self.assert_found("민수", said, "민수")
        self.assert_found("민수", "김민수야 민수진 민수진아 민수야-x")
        self.assert_found("수", "수도 수야")
        self.assert_found("ana", "ana야, bob님 ana김", "ana")

    def test_a_long_line(self) -> None:
        self.assert_found("ana", "x" * 300 + " ANA " + "y" * 300, "ANA")
        self.assert_found("민수", "민수" + "이" * 1998)
        self.assert_found("ana", "a" * 1000 + "://" + "a" * 1000)

    def test_signs_in_names(self) -> None:
        self.assert_found("l33t-bot", "hey l33t-bot, stop", "l33t-bot")


class StyleTests(TestCase):
    def test_a_name_has_one_colour(self) -> None:
        self.assertEqual(of_name("Ana"), of_name("ana"))
        self.assertGreater(len({of_name(f"n{n}") for n in range(200)}), 8)

    def test_colours_can_be_read_on_light_and_dark(self) -> None:
        def linear(part: str) -> float:
            value = int(part, 16) / 255
            return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4

        for colour in (*PALETTE, QUIET):
            red, green, blue = (linear(colour[n : n + 2]) for n in (1, 3, 5))
            luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
            self.assertGreaterEqual(1.05 / (luminance + 0.05), 4, colour)
            self.assertGreaterEqual((luminance + 0.05) / 0.05, 4, colour)

    def test_what_stands_out_does_so_without_colours(self) -> None:
        style = style_for(ColorDepth.DEPTH_1_BIT)
        for name in ("mention", "status", "completion-toolbar"):
            self.assertTrue(style.get_attrs_for_style_str(f"class:{name}").reverse, name)
        for depth in ColorDepth:
            look = style_for(depth).get_attrs_for_style_str
            self.assertNotEqual(
                look("class:completion-toolbar.completion"),
                look("class:completion-toolbar.completion.current"),
            )


class WrappingTests(TestCase):
    def rows(self, fragments: Text | str, columns: int, indent: int = 2) -> list[str]:
        if isinstance(fragments, str):
            fragments = [("", fragments)]
        return "".join(part for _, part in wrap(fragments, columns, indent)).split("\n")

    def test_what_fits_stays_as_it_is(self) -> None:
        fragments: Text = [("a", "1234567"), ("b", " 90")]
        self.assertIs(wrap(fragments, 10, 2), fragments)

    def test_between_words(self) -> None:
        self.assertEqual(self.rows("one two three four", 10), ["one two", "  three", "  four"])
        self.assertEqual(self.rows("one two  ", 7), ["one two"])
        self.assertEqual(self.rows("well-known things", 10), ["well-known", "  things"])

    def test_styles_stay_with_their_words(self) -> None:
        wrapped = wrap([("a", "one tw"), ("b", "o three")], 10, 2)
        self.assertEqual(wrapped, [("a", "one tw"), ("b", "o"), ("", "\n  "), ("b", "three")])

    def test_a_word_that_is_too_long_begins_where_it_stands(self) -> None:
        self.assertEqual(
            self.rows("a " + "x" * 25, 12), ["a " + "x" * 10, "  " + "x" * 10, "  xxxxx"]
        )

    def test_wide_characters_are_never_cut(self) -> None:
        rows = self.rows("日本語の文は空白なしで書かれる", 11)
        self.assertEqual("".join(row.strip() for row in rows), "日本語の文は空白なしで書かれる")
        self.assertTrue(all(width(row) <= 11 for row in rows), rows)

    def test_what_is_one_character_to_the_eye_stays_together(self) -> None:
        family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
        for character in (family, "e\u0301", "\U0001f1e9\U0001f1ea", "❤\ufe0f"):
            rows = self.rows(character * 20, 11)
            self.assertEqual("".join(row.strip() for row in rows), character * 20)
            for row in rows:
                self.assertEqual(row.strip().replace(character, ""), "")

    def test_an_address_is_left_whole(self) -> None:
        address = "https://chat.example/" + "x" * 20
        self.assertEqual(self.rows(f"see {address} there", 20), ["see", f"  {address}", "  there"])
        self.assertEqual(self.rows(f"see {address}", 40), ["see", f"  {address}"])

    def test_nothing_that_somebody_wrote_begins_a_row(self) -> None:
        for forged in (
            "x" * 30 + " [14:02] <bob> I agree",
            "x" * 30 + "\u00a0[14:02]\u00a0<bob>\u00a0I\u00a0agree",
            "https://e/" + "x" * 30 + "[14:02]<bob>",
            "https://e/" + "x" * 60 + "-- the server stops",
        ):
            for columns in range(20, 60):
                first, *rows = self.rows(f"<eve> {forged}", columns)
                for row in rows:
                    self.assertTrue(row.startswith("  "), row)
                # What is behind a place where the terminal folds it.
                for row in (first, *rows):
                    self.assertNotRegex(row[columns:], "[^x-]")

    def test_the_indent_is_less_in_a_narrow_terminal(self) -> None:
        line = rendering.happened(event(author="bob", text="hi"), "ana")
        assert line is not None
        self.assertEqual([line.indent(columns, 8) for columns in (40, 59, 60, 80)], [2, 2, 8, 8])
        self.assertEqual(line.indent(80, 0), 2)
        self.assertEqual(rendering.notice("x").indent(80, 0), 3)
        self.assertEqual(self.rows("one two three", 9, 8), ["one two", " three"])
