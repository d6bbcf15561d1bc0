"""The line below the one that is typed."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import TestCase

from chatservice.client.screen.rendering import Text
from chatservice.client.screen.status import BAR, STRONG, Other, connected_as, hint, status
from chatservice.text.layout import width

OTHERS = (Other(2, "#dev", 3), Other(3, "#ops", 0), Other(4, "bob", 1))
CONNECTED = connected_as(True)


def plain(text: Text) -> str:
    return "".join(part for _, part in text)


def shown(
    columns: int,
    here: str = "",
    crowd: int | None = None,
    others: Sequence[Other] = (),
    unsent: int = 0,
    connection: tuple[str, str, str] = CONNECTED,
) -> str:
    text = plain(status(here, crowd, others, unsent, connection, columns))
    assert text.startswith(" ") and text.endswith(" "), text
    return text[:-1]


def busy(columns: int) -> str:
    return shown(columns, "#lobby", 12, OTHERS, 2, connected_as(True, 0.012))


class StatusTests(TestCase):
    def test_all_of_it(self) -> None:
        self.assertEqual(
            busy(100),
            " #lobby · 12 people · Alt-2 #dev (3), Alt-3 #ops, Alt-4 bob (1) · 2 unsent"
            " · connected 12 ms",
        )
        self.assertEqual(
            busy(82),
            " #lobby · 12 people · 2 #dev (3), 3 #ops, 4 bob (1) · 2 unsent · connected 12 ms",
        )

    def test_it_is_shortened(self) -> None:
        for columns, words in (
            (66, " #lobby · 2 #dev (3), 3 #ops, 4 bob (1) · 2 unsent · 12 ms"),
            (52, " #lobby · 2 #dev (3), 4 bob (1) · 2 unsent · 12 ms"),
            (44, " #lobby · 2 #dev (3) +1 · 2 unsent · 12 ms"),
            (30, " #lobby · 2 unsent · 12 ms"),
        ):
            self.assertEqual(busy(columns), words)

    def test_it_always_fits(self) -> None:
        many = [Other(n, f"#r{n}", n) for n in range(20)]
        lost = [connected_as(False, pause=pause) for pause in (0, 60)]
        for columns in range(16, 120):
            for text in (
                busy(columns),
                shown(columns, "#" + "小林の部屋" * 4, 10_000, many),
                shown(columns, connection=lost[1]),
                shown(columns, "#" + "x" * 24, unsent=1000, connection=lost[0]),
            ):
                self.assertLess(width(text), columns, text)

    def test_the_connection(self) -> None:
        for connection, words in (
            (connected_as(True), "connected"),
            (connected_as(True, 2.5), "connected 2.5 s"),
            (connected_as(True, 12.3), "connected 12.3 s"),
            (connected_as(False, pause=7), "no connection: trying again in 7 s"),
            (connected_as(False, pause=0), "no connection: trying now"),
            (connected_as(False, 2.5), "no connection: trying now"),
        ):
            self.assertEqual(shown(80, "#x", connection=connection), f" #x · {words}")
        lost = shown(40, "#lobby", 3, OTHERS[:1], 2, connected_as(False, pause=7))
        self.assertEqual(lost, " #lobby · 2 unsent · offline: 7 s")

    def test_what_calls_for_being_looked_at_stands_out(self) -> None:
        text = status("#lobby", 12, OTHERS, 2, CONNECTED, 100)
        strong = [part for style, part in text if style == STRONG]
        self.assertEqual(strong, ["#lobby", "Alt-2 #dev (3)", "Alt-4 bob (1)", "2 unsent"])

    def test_something_else_in_its_place(self) -> None:
        self.assertEqual(hint("/msg NAME TEXT", 10), [(BAR, " /msg NAM ")])
