"""Dialogs on a line that is no connection: they need nothing of one but what the seam has."""

from __future__ import annotations

from twisted.trial import unittest

from chatservice.core.moderation import BAN, Term
from chatservice.doors.seam import Cause, Dialog
from chatservice.doors.table import DOORS
from chatservice.limits import LOGIN_TRIES
from chatservice.text import wording
from tests.core.support import House, RecordingOutlet
from tests.welcome import ALONE, hello

PROGRAM, PERSON = DOORS


class Line(RecordingOutlet):
    """A connection, as dialogs see it: writes down what it is told, but for what is to be sent."""

    operator = False
    certificate = None

    def __init__(self, places: int = 1) -> None:
        super().__init__()
        self.places = places
        self.told: list[object] = []
        self.given = 0

    def place(self, instead: bool = False) -> bool:
        self.told.append("place instead" if instead else "place")
        return instead or self.places > 0

    def entered(self) -> None:
        self.told.append("entered")

    def wait(self) -> None:
        self.told.append("wait")

    def handled(self, number: int) -> None:
        self.told.append(number)

    def ignore(self) -> None:
        self.told.append("ignore")

    def echo(self, on: bool) -> None:
        self.told.append("echo on" if on else "echo off")

    def finish(self, cause: Cause | None = None) -> None:
        super().finish()
        self.told.append(cause or "finish")

    def give(self, dialog: Dialog, line: bytes) -> None:
        """Give a line to a dialog, unless that ignores them."""
        if "ignore" not in self.told:
            self.given += 1
            dialog.line(self.given, line)

    def read(self) -> list[str]:
        received = self.received.decode()
        self.received.clear()
        return received.splitlines()


class SeamTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House()

    def say(self, line: Line, dialog: Dialog, text: str) -> None:
        line.give(dialog, text.encode())
        self.house.tick()

    def names(self) -> list[str]:
        return [member.name for member in self.house.chat.members]


class PersonTests(SeamTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.line = Line()
        self.dialog = PERSON(self.house.chat, self.line)

    def enter(self) -> None:
        self.say(self.line, self.dialog, "ana")
        self.line.read()
        self.line.told.clear()

    def test_who_is_greeted_and_gives_a_name_is_in(self) -> None:
        self.dialog.greet()
        self.assertEqual(self.line.read(), [f"-- {wording.ASK_NAME}"])
        self.say(self.line, self.dialog, "ana")
        self.assertEqual(self.line.read(), [hello("ana"), ALONE])
        self.assertEqual(self.line.told, ["entered", "wait", 1])

    def test_a_line_that_is_said_is_done_at_once(self) -> None:
        self.enter()
        self.say(self.line, self.dialog, "hi")
        self.assertEqual(self.line.told, [])
        self.assertEqual(self.house.chat.past.head, 2)

    def test_a_command_waits_for_what_was_said_before(self) -> None:
        self.enter()
        self.line.give(self.dialog, b"/join dev")
        self.line.give(self.dialog, b"/who")
        self.assertEqual(self.line.told, ["wait"])
        self.house.tick()
        self.assertEqual(self.line.told, ["wait", 3])

    def test_who_quits_is_heard_no_more(self) -> None:
        self.enter()
        self.say(self.line, self.dialog, "/quit")
        self.assertEqual(self.line.told, ["ignore", "finish"])

    def test_the_last_bad_name_is_the_end(self) -> None:
        for number in range(LOGIN_TRIES):
            self.assertEqual(self.line.told, [], number)
            self.line.give(self.dialog, b"no name")
        self.assertEqual(self.line.told, ["5 bad names"])

    def test_at_the_end_of_the_input_who_is_in_leaves_and_reads_on(self) -> None:
        self.enter()
        self.dialog.ended()
        self.assertEqual(self.line.told, ["ignore"])
        self.house.tick()
        self.assertEqual(self.names(), [])
        self.assertEqual(self.line.told, ["ignore", "finish"])

    def test_at_the_end_of_the_input_who_is_not_in_is_closed(self) -> None:
        self.dialog.ended()
        self.assertEqual(self.line.told, ["finish"])

    def test_of_who_is_lost_what_waits_is_still_said(self) -> None:
        self.enter()
        self.line.lost = True
        self.dialog.lost()
        self.assertEqual(self.line.told, [])
        self.say(self.line, self.dialog, "rest")
        self.assertEqual(self.house.chat.past.head, 2)
        self.dialog.ended()
        self.assertEqual(self.names(), [])

    def test_who_is_lost_without_a_name_gets_none(self) -> None:
        self.line.lost = True
        self.dialog.lost()
        self.assertEqual(self.line.told, ["ignore"])
        self.say(self.line, self.dialog, "ana")
        self.assertEqual(self.names(), [])

    def test_what_waits_of_who_is_gone_is_not_wanted(self) -> None:
        self.enter()
        self.house.chat.ticker.batch.hold(Term("192.0.2.1/32").fact(BAN, "192.0.2.1/32"))
        self.house.chat.ticker.wake()
        self.house.tick()
        self.assertEqual((self.names(), self.line.told), ([], ["finish"]))
        self.line.lost = True
        self.dialog.lost()
        self.assertEqual(self.line.told, ["finish", "ignore"])


class ProgramTests(SeamTestCase):
    def hello(self, line: Line, fields: str) -> Dialog:
        dialog = PROGRAM(self.house.chat, line)
        self.say(line, dialog, f'{{"type":"hello",{fields}}}')
        return dialog

    def test_it_takes_a_place_before_it_comes_in(self) -> None:
        line = Line()
        self.hello(line, '"name":"bot"')
        self.assertEqual(line.told, ["place", "wait", "entered", 1])
        self.assertEqual(self.names(), ["bot"])

    def test_without_a_place_it_does_not_come_in(self) -> None:
        line = Line(places=0)
        self.hello(line, '"name":"bot"')
        self.assertEqual((line.told, line.read(), self.names()), (["place"], [], []))

    def test_with_its_token_it_takes_the_place_of_the_connection_that_it_has(self) -> None:
        line, other = Line(), Line(places=0)
        dialog = self.hello(line, '"name":"bot"')
        line.replaced = dialog.replaced
        (member,) = self.house.chat.members
        token = line.read()[0].partition('"token":"')[2].partition('"')[0]
        self.hello(other, f'"token":"{token}"')
        self.assertEqual(other.told, ["place instead", "entered", "wait", 1])
        self.assertIs(member.outlet, other)
        # What becomes of its first connection is nothing to it any more.
        dialog.lost()
        self.assertFalse(member.lost)
