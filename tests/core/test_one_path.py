"""There is one way to show an event, and one way to read it: whatever breaks there, breaks for all
who read, however they came to read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from chatservice.core.feed.history import Past
from chatservice.doors.text.view import TextView
from chatservice.journal.events import Event, Stretch
from tests.core.support import HouseTestCase


class OnePathTests(HouseTestCase):
    def readings_of(self, line: str) -> dict[str, list[str]]:
        """What is read of a line that somebody says, by how one comes to read it."""
        house = self.open(self.path, recent=8)
        ana, live, slow, late = house.gather("ana", "live", "slow", "late")
        slow.outlet.window = late.outlet.window = 0
        ana.tries(line)
        slow.outlet.drain()
        house.tick()
        read = {
            "live": live.read(),
            "catching up from memory": slow.read(),
            "history from memory": live.tries("/history")[1:],
        }
        for _ in range(5):
            ana.tries("/nick anna", "/nick ana")
        late.outlet.drain()
        house.tick()
        read["catching up from the store"] = [
            text for text in late.read() if " is now " not in text
        ]
        live.read()
        read["history from the store"] = live.tries("/history")[1:]
        (new,) = [house.arrive("new")]
        house.tick()
        read["history on joining"] = new.read()[3:]
        return read

    def test_everyone_reads_the_same(self) -> None:
        for how, lines in self.readings_of("hi").items():
            self.assertEqual([line.removeprefix("[09:26] ") for line in lines], ["<ana> hi"], how)

    def test_everyone_is_shown_an_event_by_the_same_code(self) -> None:
        line = TextView._line

        def marked(self: TextView, event: Event, here: bool) -> str:
            return line(self, event._replace(text=f"{event.text}, marked"), here)

        self.patch(TextView, "_line", marked)
        for how, lines in self.readings_of("hi").items():
            self.assertEqual(
                [line.removeprefix("[09:26] ") for line in lines], ["<ana> hi, marked"], how
            )

    def test_everyone_who_does_not_read_at_the_head_reads_by_the_same_code(self) -> None:
        read = Past.read

        def forgetful(self: Past, *args: Any, **options: Any) -> Stretch | Deferred[Stretch]:
            def forget(stretch: Stretch) -> Stretch:
                return Stretch(without(stretch.events), stretch.reached)

            result = read(self, *args, **options)
            return result.addCallback(forget) if isinstance(result, Deferred) else forget(result)

        def without(events: Sequence[Event]) -> list[Event]:
            return [event for event in events if event.text != "hi"]

        self.patch(Past, "read", forgetful)
        readings = self.readings_of("hi")
        self.assertEqual(readings.pop("live"), ["<ana> hi"])
        for how, lines in readings.items():
            self.assertEqual(lines, [], how)
