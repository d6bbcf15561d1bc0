"""The line that is typed: what Tab offers, what is pasted, where it is in another size."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from twisted.trial.unittest import TestCase

from chatservice.client.screen.commands import COMMANDS
from chatservice.client.screen.editor import Completing, is_long, lines_of, preview
from tests.client.screen.desk import Desk


class CompletingTests(TestCase):
    def setUp(self) -> None:
        desk = Desk(self)
        desk.come_in("bob", "Bobby", "小林")
        desk.says(desk.event("private", author="zoe", text="hi"))
        self.completing = Completing()
        self.completing.screen = desk.screen

    def assert_offers(self, typed: str, *offered: str) -> None:
        """See what the line would be with each that is offered."""
        document = Document(typed, typed.find("|") if "|" in typed else len(typed))
        if "|" in typed:
            document = Document(typed.replace("|", "", 1), typed.index("|"))
        before = document.text_before_cursor
        completions = self.completing.get_completions(document, CompleteEvent())
        self.assertEqual(
            [before[: len(before) + one.start_position] + one.text for one in completions],
            list(offered),
        )

    def test_names(self) -> None:
        self.assert_offers("bo", "bob: ", "Bobby: ")
        self.assert_offers("BOBB", "Bobby: ")
        self.assert_offers("", "bob: ", "Bobby: ", "小林: ")
        self.assert_offers("hi 小", "hi 小林")
        self.assert_offers("hi @bobb", "hi @Bobby")
        self.assert_offers("bobb| hello", "Bobby")
        self.assert_offers("hi x")

    def test_commands(self) -> None:
        self.assert_offers("/jo", "/join ")
        self.assert_offers("/ROO", "/rooms")
        self.assert_offers("/na", "/names ")
        self.assert_offers("/m", "/me ", "/msg ")
        self.assert_offers("/x")
        self.assert_offers("/x y")
        self.assert_offers("//jo")

    def test_arguments(self) -> None:
        self.assert_offers("/join d", "/join dev")
        self.assert_offers("/join #D", "/join #dev")
        self.assert_offers("/say d", "/say dev ")
        self.assert_offers("/say dev hi bobb", "/say dev hi Bobby")
        self.assert_offers("/msg zo", "/msg zoe ")
        self.assert_offers("/msg zoe bobb", "/msg zoe Bobby")
        self.assert_offers("/me hugs bobb", "/me hugs Bobby")
        self.assert_offers("/bell m", "/bell mentions")
        self.assert_offers("/bell ", "/bell off", "/bell mentions", "/bell all")
        self.assert_offers("/set z", "/set zone ")
        self.assert_offers("/set joins o", "/set joins on", "/set joins off")
        self.assert_offers("/set xyzzy o")
        self.assert_offers("/ignore bobb", "/ignore Bobby")
        self.assert_offers("/help jo", "/help join")
        self.assert_offers("/help /jo", "/help /join")
        self.assert_offers("/history 1")
        self.assert_offers("/names 1")
        self.assert_offers("/j d", "/j dev")
        self.assert_offers("/query zo", "/query zoe ")
        self.assert_offers("/go #L", "/go #lobby")
        self.assert_offers("/go z", "/go zoe")
        self.assert_offers("/go a", "/go all")
        self.assert_offers("/rooms x")
        self.assert_offers("/join dev x")

    def test_each_word_of_a_usage_is_known(self) -> None:
        kinds = {kind for command in COMMANDS.values() for kind in command.kinds}
        self.assertEqual(
            kinds, {"COMMAND", "ROOM", "PAGE", "N", "TEXT", "NAME", "MODE", "WHAT", "TO", "VIEW"}
        )


class PasteTests(TestCase):
    def test_what_is_long(self) -> None:
        self.assertFalse(is_long("x\n" * 5))
        self.assertFalse(is_long("\n" * 50 + "x"))
        self.assertTrue(is_long("x\n" * 6))
        self.assertFalse(is_long("x" * 2000))
        self.assertTrue(is_long("x" * 2001))

    def test_its_lines(self) -> None:
        self.assertEqual(lines_of("a\r\n\r\n \nb\x1b\n"), ["a", "b␛"])

    def test_how_it_begins(self) -> None:
        self.assertEqual(preview(["a"], 80), ["you pasted 1 line, 1 characters:", "  a"])
        lines = ["日本語" * 20, "b", "c", "d", "e"]
        shown = preview(lines, 40)
        self.assertEqual(shown[0], "you pasted 5 lines, 64 characters:")
        self.assertEqual(shown[1], "  " + "日本語" * 5 + "日本")
        self.assertEqual(shown[-1], "  … and 2 more")


TYPED = "long " * 30


class NarrowerTests(TestCase):
    def written(self, redraw: Callable[[Desk], object]) -> str:
        """Return what is written to a terminal that has got narrower, and folds its rows."""
        self.patch(os, "environ", {"TERM": "xterm-256color"})
        desk = Desk(self, columns=100)
        desk.type(TYPED)
        written: list[str] = []
        feed = desk.glass.write

        def write(text: str) -> None:
            written.append(text)
            feed(text)

        desk.cells.resize(desk.cells.lines, 80)
        desk.glass.write = write  # type: ignore[method-assign]
        desk.do(lambda: redraw(desk))
        return "".join(written)

    def test_it_is_found_whatever_draws_it_first(self) -> None:
        told = self.written(lambda _: signal.raise_signal(signal.SIGWINCH))
        untold = self.written(lambda desk: desk.screen._desk.refresh())
        # It had two rows, and the first of them has become two.
        for text in (told, untold):
            self.assertEqual(text.partition("A")[0][-3:], "\x1b[2")
            self.assertIn(TYPED[:60], text)
