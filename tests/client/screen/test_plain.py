"""A terminal that can do nothing but print."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen.app import Screen
from chatservice.client.screen.plain import Plain
from chatservice.client.session.session import Session
from chatservice.client.stored.state import Memory
from tests.client.machine import Endpoint, Link, welcome
from tests.client.screen.desk import AT
from tests.client.support import Streams


class PlainTests(TestCase):
    def sit_down(self, name: str | None = "ana") -> None:
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.plain = Plain(self.clock, lambda protocol, reactor: self.attach())
        self.screen = Screen(
            self.clock,
            "chat.example",
            Memory(None, self.fail).settings,
            self.plain,
            lambda screen: Session(self.clock, self.endpoint, "chat.example", screen, name),
        )
        self.statuses: list[int] = []
        self.screen.done.addCallback(self.statuses.append)
        self.streams = Streams()
        self.screen.start(self.plain.open)

    def attach(self) -> None:
        self.plain.makeConnection(self.streams)

    def come_in(self, link: Link | None = None) -> None:
        self.link = link or self.endpoint.succeed()
        self.link.got()
        room = messages.RoomSeen(room="lobby", people=2)
        self.link.says(welcome(since=1, rooms=[room], longest=100, rate=0, burst=0))
        for request in self.link.got():
            if isinstance(request, (messages.History, messages.Rooms)):
                self.link.says(
                    messages.Error(code="went_wrong", text="no", to=request.type, ref=request.ref)
                )

    def shown(self) -> str:
        self.clock.advance(1)
        text = self.streams.value().decode()
        self.streams.clear()
        self.assertNotIn("\x1b", text)
        return text

    def type(self, line: str) -> None:
        self.plain.dataReceived(f"{line}\n".encode())

    def test_lines_are_shown_and_sent(self) -> None:
        self.sit_down()
        self.come_in()
        self.assertEqual(self.shown(), "-- hello ana! /help shows the commands\n")
        self.link.says(messages.Event(type="joined", id=2, at=AT, room="lobby", names=["bob"]))
        self.link.says(
            messages.Event(type="said", id=3, at=AT, room="lobby", author="bob", text="ana?")
        )
        self.assertRegex(self.shown(), r"\[\d\d:02\] -- bob joined\n\[\d\d:02\] <bob> ana\?\n\a")
        self.type("ho\x7fi")
        self.type("\x1b[A/msg bob psst\x17hi")
        talk = [request for request in self.link.got() if isinstance(request, messages.Talk)]
        for id, request in enumerate(talk, 4):
            self.link.says(messages.Ok(to=request.type, id=id, seq=request.seq))
        # What was typed stands where it was typed.
        self.assertRegex(self.shown(), r"^(-- .* --\n)?\[\d\d:\d\d\] \[you -> bob\] hi\n$")
        self.type("/jion dev")
        self.assertEqual(self.shown(), "-- there is no /jion: did you mean /join?\n")

    def test_a_name_is_asked_for(self) -> None:
        self.sit_down(None)
        self.assertEqual(self.shown(), "name: ")
        self.type("ana")
        self.link = self.endpoint.succeed()
        self.link.says(messages.Error(code="name_taken", text="that name is taken", to="hello"))
        self.assertEqual(self.shown(), "-- that name is taken\nname: ")
        self.type("ana")
        self.come_in(self.link)
        self.assertIn("hello ana", self.shown())

    def test_while_nothing_can_be_written_nothing_is_read_from_the_server(self) -> None:
        self.sit_down()
        self.come_in()
        self.streams.producer.pauseProducing()  # type: ignore[union-attr]
        self.assertEqual(self.link.producerState, "paused")
        self.streams.producer.resumeProducing()  # type: ignore[union-attr]
        self.assertEqual(self.link.producerState, "producing")

    def test_a_line_that_is_too_long_is_not_said(self) -> None:
        self.sit_down()
        self.come_in()
        self.shown()
        self.type("x" * (1 << 20) + "x")
        self.assertEqual(self.shown(), "-- that line was too long, and is not said\n")
        self.type("hi")
        (say,) = [one for one in self.link.got() if isinstance(one, messages.Say)]
        self.assertEqual(say.text, "hi")

    def test_there_is_but_one_view(self) -> None:
        self.sit_down()
        self.come_in()
        self.shown()
        self.link.says(
            messages.Event(type="private", id=2, at=AT, author="bob", text="psst", session="s")
        )
        self.assertIn("[bob -> you] psst", self.shown())
        self.type("/go bob")
        self.type("yes?")
        (private,) = [one for one in self.link.got() if isinstance(one, messages.Private)]
        self.assertEqual((private.session, private.text), ("s", "yes?"))
        self.link.says(messages.Event(type="said", id=3, at=AT, room="lobby", author="x", text="y"))
        shown = self.shown()
        self.assertIn("-- you write to bob now\n", shown)
        self.assertIn("#lobby <x> y\n", shown)
        for together in (False, True):
            self.screen.settings.change(together=together)
            self.type("/go bob")
            self.type("/go all")
            # What is shown on a screen at another time is not chosen here.
            self.assertEqual(self.screen.settings.together, together)
        self.assertTrue(self.shown().endswith("-- there is only one view here, of all\n"))

    def test_the_end_of_the_input_leaves(self) -> None:
        self.sit_down()
        self.come_in()
        self.plain.readConnectionLost()
        self.assertIn("quit", [request.type for request in self.link.got()])
        self.link.says(messages.Ok(to="quit"))
        self.link.cut()
        self.assertIn("-- goodbye, ana\n", self.shown())
        self.assertTrue(self.streams.disconnecting)
        self.plain.readConnectionLost()
        self.plain.connectionLost()
        self.assertEqual(self.statuses, [0])

    def test_nobody_sees_what_is_said_any_more(self) -> None:
        self.sit_down()
        self.come_in()
        self.plain.writeConnectionLost()
        self.assertEqual(self.statuses, [0])
