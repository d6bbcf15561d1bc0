"""The line below the one that is typed."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from chatservice.client.screen.status import BAR, STRONG, Other, State, hint, status
from chatservice.client.screen.wrapping import Text
from chatservice.text.layout import width

OTHERS = (Other(2, "#dev", 3), Other(3, "#ops", 0), Other(4, "bob", 1))
BUSY = State(here="#lobby", people=12, others=OTHERS, unsent=2, latency=0.012)


def plain(text: Text) -> str:
    return "".join(part for _, part in text)


def shown(state: State, columns: int) -> str:
    text = plain(status(state, columns))
    assert text.startswith(" ") and text.endswith(" "), text
    return text[:-1]


class StatusTests(TestCase):
    def test_all_of_it(self) -> None:
        self.assertEqual(
            shown(BUSY, 100),
            " #lobby · 12 people · Alt-2 #dev (3), Alt-3 #ops, Alt-4 bob (1) · 2 unsent"
            " · connected 12 ms",
        )
        self.assertEqual(
            shown(BUSY, 82),
            " #lobby · 12 people · 2 #dev (3), 3 #ops, 4 bob (1) · 2 unsent · connected 12 ms",
        )

    def test_it_is_shortened(self) -> None:
        self.assertEqual(
            shown(BUSY, 66), " #lobby · 2 #dev (3), 3 #ops, 4 bob (1) · 2 unsent · 12 ms"
        )
        self.assertEqual(shown(BUSY, 52), " #lobby · 2 #dev (3), 4 bob (1) · 2 unsent · 12 ms")
        self.assertEqual(shown(BUSY, 44), " #lobby · 2 #dev (3) +1 · 2 unsent · 12 ms")
        self.assertEqual(shown(BUSY, 30), " #lobby · 2 unsent · 12 ms")

    def test_all_in_one_view(self) -> None:
        state = State(here="#lobby", together=True, people=2, others=OTHERS[:1])
        self.assertEqual(
            shown(state, 80), " all, to #lobby · 2 people · Alt-2 #dev (3) · connected"
        )
        self.assertEqual(shown(State(together=True), 80), " no room · connected")

    def test_it_always_fits(self) -> None:
        states = [
            BUSY,
            State(
                here="#" + "小林の部屋" * 4,
                people=10_000,
                others=[Other(n, f"#r{n}", n) for n in range(20)],
            ),
            State(connected=False, pause=60),
            State(here="#" + "x" * 24, connected=False, pause=0, unsent=1000),
        ]
        for state in states:
            for columns in range(16, 120):
                self.assertLess(width(shown(state, columns)), columns, state)

    def test_the_connection(self) -> None:
        for state, words in (
            (State(here="#x"), "connected"),
            (State(here="#x", latency=2.5), "connected 2.5 s"),
            (State(here="#x", latency=12.3), "connected 12.3 s"),
            (State(here="#x", connected=False, pause=7), "no connection: trying again in 7 s"),
            (State(here="#x", connected=False, pause=0), "no connection: trying now"),
            (State(here="#x", connected=False), "no connection: trying now"),
        ):
            self.assertEqual(shown(state, 80), f" #x · {words}")
        lost = State(here="#lobby", people=3, others=OTHERS[:1], unsent=2, connected=False, pause=7)
        self.assertEqual(shown(lost, 40), " #lobby · 2 unsent · offline: 7 s")

    def test_nowhere(self) -> None:
        self.assertEqual(shown(State(people=3), 80), " no room · connected")
        self.assertEqual(shown(State(connected=False), 80), " no connection: trying now")

    def test_what_calls_for_being_looked_at_stands_out(self) -> None:
        strong = [part for style, part in status(BUSY, 100) if style == STRONG]
        self.assertEqual(strong, ["#lobby", "Alt-2 #dev (3)", "Alt-4 bob (1)", "2 unsent"])

    def test_something_else_in_its_place(self) -> None:
        self.assertEqual(hint("/msg NAME TEXT", 10), [(BAR, " /msg NAM ")])
