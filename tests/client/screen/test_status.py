"""The line below the one that is typed."""

from __future__ import annotations

from prompt_toolkit.formatted_text.utils import fragment_list_to_text
from twisted.trial.unittest import TestCase

from chatservice.client.screen.status import BAR, STRONG, State, hint, status
from chatservice.text.layout import width

BUSY = State(
    room="lobby", people=12, unread={"bob": 1, "#dev": 3}, unsent=2, connected=True, latency=0.012
)


def shown(state: State, columns: int) -> str:
    text = fragment_list_to_text(status(state, columns))
    assert text.startswith(" ") and text.endswith(" "), text
    return text[:-1]


class StatusTests(TestCase):
    def test_all_of_it(self) -> None:
        self.assertEqual(
            shown(BUSY, 80),
            " #lobby · 12 people · unread: #dev 3, bob 1 · 2 unsent · connected 12 ms",
        )
        self.assertEqual(
            shown(BUSY, 100),
            " #lobby · 12 people · unread elsewhere: #dev 3, bob 1 · 2 unsent · connected 12 ms",
        )

    def test_it_is_shortened(self) -> None:
        self.assertEqual(shown(BUSY, 60), " #lobby · 12 people · #dev 3, bob 1 · 2 unsent · 12 ms")
        self.assertEqual(shown(BUSY, 40), " #lobby · #dev 3 +1 · 2 unsent · 12 ms")
        self.assertEqual(shown(BUSY, 30), " #lobby · 2 unsent · 12 ms")

    def test_it_always_fits(self) -> None:
        states = [
            BUSY,
            State(room="小林の部屋" * 4, people=10_000, unread={f"#r{n}": n for n in range(20)}),
            State(connected=False, pause=60),
            State(room="x" * 24, connected=False, pause=0, unsent=1000),
        ]
        for state in states:
            for columns in range(16, 120):
                self.assertLess(width(shown(state, columns)), columns, state)

    def test_the_connection(self) -> None:
        for state, words in (
            (State(room="x"), "connected"),
            (State(room="x", latency=2.5), "connected 2.5 s"),
            (State(room="x", latency=12.3), "connected 12.3 s"),
            (State(room="x", connected=False, pause=7), "no connection: trying again in 7 s"),
            (State(room="x", connected=False, pause=0), "no connection: trying now"),
            (State(room="x", connected=False), "no connection: trying now"),
        ):
            self.assertEqual(shown(state, 80), f" #x · {words}")
        lost = State(room="lobby", people=3, unread={"#dev": 3}, unsent=2, connected=False, pause=7)
        self.assertEqual(shown(lost, 40), " #lobby · 2 unsent · offline: 7 s")

    def test_nowhere(self) -> None:
        self.assertEqual(shown(State(people=3), 80), " no room · connected")
        self.assertEqual(shown(State(connected=False), 80), " no connection: trying now")

    def test_what_calls_for_being_looked_at_stands_out(self) -> None:
        strong = [part for style, part, *_ in status(BUSY, 100) if style == STRONG]
        self.assertEqual(strong, ["#lobby", "#dev 3, bob 1", "2 unsent"])

    def test_something_else_in_its_place(self) -> None:
        self.assertEqual(hint("/msg NAME TEXT", 10), [(BAR, " /msg NAM ")])
