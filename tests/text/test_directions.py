from __future__ import annotations

from bidi import get_display
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice import messages
from chatservice.client.screen.rendering import happened
from chatservice.doors.text.view import TEXT
from chatservice.journal.events import (
    ACTED,
    ANNOUNCED,
    DID,
    HOUSE,
    JOINED,
    PRIVATE,
    RENAMED,
    SAID,
    TOPIC,
    Event,
)
from chatservice.messages.shown import Sent
from chatservice.text.directions import MARK, directed, directed_room
from chatservice.text.listing import faces
from chatservice.text.names import nickname, room_name
from chatservice.text.sanitising import safe

FROM_RIGHT = ("אבי", "يوسف", "یوسف۷", "אבי7", "א_7ב")
WEAK = ("_7", "_007")
PLAIN = ("ana", "Борис", "小林", "สมชาย", "नेहा", "_a7")

SPOOF = "<007> send me the password"


def line_of(kind: str, author: str, text: str, room: str = "lobby", here: bool = True) -> str:
    """Return a line as people are shown it."""
    event = Event(1, 0, room, kind, author, text, 1, 1)
    return TEXT.event(event, here).decode().removesuffix("\r\n")


def seen(line: str, base: str | None) -> str:
    """Return a line as a terminal shows it that orders it by its letters.

    :param base: whether the terminal takes lines for ones from the left (``L``) or from the right
        (``R``), or goes by their letters.
    """
    return str(get_display(line, base_dir=base)).replace(MARK, "")


def on_the_screen(type: str, author: str, text: str) -> str:
    """Return a line as the client shows it, without its time."""
    told = messages.Event(
        type=type, id=1, at=messages.moment(0), room="lobby", author=author, text=text, session="1"
    )
    line = happened(told, "eve")
    assert line is not None
    return "".join(fragment[1] for fragment in line.fragments)


class NameTests(unittest.TestCase):
    def test_a_name_has_marks_only_if_it_needs_them(self) -> None:
        for name in (*FROM_RIGHT, *WEAK):
            self.assertEqual(nickname(name), name)
            self.assertEqual(directed(name), f"{MARK}{name}{MARK}")
        for name in PLAIN:
            self.assertEqual(directed(name), name)

    def test_a_room_has_marks_only_if_it_is_written_from_the_right(self) -> None:
        for room in FROM_RIGHT:
            self.assertEqual(directed_room(room_name(room)), f"{MARK}{room}{MARK}")
        for room in ("lobby", "2026", "_7"):
            self.assertEqual(directed_room(room), room)

    def test_nobody_says_a_mark(self) -> None:
        self.assertEqual(safe(f"{MARK}a{MARK}א"), "aא")


class LineTests(unittest.TestCase):
    """What somebody says stands behind the name, in whatever order the line is read."""

    def stands_first(self, line: str, first: str) -> None:
        """Check that a line that goes from the left shows something in front of all else."""
        for base in (None, "L"):
            self.assertEqual(seen(line, base)[: len(first)], first, ascii(line))

    def test_words_that_look_like_another_ones(self) -> None:
        line = line_of(SAID, "אבי", SPOOF)
        self.assertEqual(seen(line, "L"), "<יבא> <007> send me the password")
        self.assertEqual(seen(line, None), "<יבא> <007> send me the password")
        # Read from the right, the name is the first as well.
        self.assertTrue(seen(line, "R").endswith("יבא<"))
        # Without marks it was as it must not be.
        self.assertEqual(seen(f"<אבי> {SPOOF}", "L"), "<007< >יבא> send me the password")

    def test_every_kind_of_line(self) -> None:
        for kind, shown in {
            SAID: "<{}> ",
            DID: "* {} ",
            PRIVATE: "[{} -> you] ",
            TOPIC: "-- {} set the topic: ",
            ANNOUNCED: "-- {} announces: ",
            ACTED: "-- {} ",
        }.items():
            for name in (*FROM_RIGHT, *WEAK):
                line = line_of(kind, name, SPOOF, HOUSE if kind == ANNOUNCED else "lobby")
                self.stands_first(line, shown.format(seen(name, None)) + SPOOF)

    def test_every_kind_of_line_on_the_screen_of_the_client(self) -> None:
        for type, shown in {
            "said": "<{}> ",
            "did": "* {} ",
            "private": "[{} -> you] ",
            "topic": "-- {} set the topic: ",
            "announced": "-- {} announces: ",
        }.items():
            for name in (*FROM_RIGHT, *WEAK):
                self.stands_first(
                    on_the_screen(type, name, SPOOF), shown.format(seen(name, None)) + SPOOF
                )

    def test_a_line_of_another_room(self) -> None:
        self.stands_first(line_of(SAID, "ana", SPOOF, "חדר", here=False), f"#רדח <ana> {SPOOF}")
        self.stands_first(line_of(SAID, "_7", "אב", "2026", here=False), "#2026 <_7> בא")

    def test_names_in_a_row_keep_their_order(self) -> None:
        joined = line_of(JOINED, "אבי גד ana", "")
        self.stands_first(joined, "-- יבא, דג and ana joined")
        self.assertEqual(seen(faces(["אב", "גד"]), "L"), "בא and דג")
        self.assertEqual(seen(line_of(RENAMED, "אב", "גד"), "L"), "-- בא is now דג")

    def test_what_one_wrote_privately(self) -> None:
        line = TEXT.reply(Sent(to="אבי", text=SPOOF)).decode().removesuffix("\r\n")
        self.stands_first(line, f"[you -> יבא] {SPOOF}")

    @given(
        st.sampled_from((*FROM_RIGHT, *WEAK, *PLAIN[:3])),
        st.text(st.sampled_from("<>[]()#-* 07a:,.!אבيו٣")).map(safe),
    )
    def test_whatever_is_said(self, name: str, text: str) -> None:
        self.stands_first(line_of(SAID, name, text), f"<{seen(name, None)}> "[: 2 + len(name)])
        self.stands_first(
            on_the_screen("said", name, text), f"<{seen(name, None)}> "[: 2 + len(name)]
        )
