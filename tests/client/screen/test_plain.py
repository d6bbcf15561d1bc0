"""A terminal that can do nothing but print."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.screen.app import Screen
from chatservice.client.session.seat import Seat
from chatservice.client.stored.state import Memory
from tests.client.machine import Endpoint
from tests.client.screen.desk import AT


class PlainTests(TestCase):
    def sit_down(self, name: str | None = "ana") -> None:
        self.patch(os, "environ", {"TERM": "dumb"})
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.screen = Screen(self.clock, "chat.example", Memory(None, self.fail).settings)
        seat = Seat(self.clock, self.endpoint, "chat.example", self.screen, name)
        self.screen.attach(seat)
        self.statuses: list[int] = []
        self.screen.done.addCallback(self.statuses.append)
        self.streams = StringTransport()
        self.plain = self.screen._desk
        self.patch(self.plain, "_attach", lambda protocol, reactor: self.attach(protocol))
        self.screen.start()

    def attach(self, protocol: object) -> None:
        self.plain.makeConnection(self.streams)  # type: ignore[union-attr]

    def come_in(self) -> None:
        self.link = self.endpoint.succeed()
        self.link.got()
        room = messages.RoomSeen(room="lobby", people=2)
        self.link.says(
            messages.Welcome(
                name="ana",
                token="t",
                journal="j",
                since=1,
                seq=0,
                rooms=[room],
                resumed=False,
                gap=False,
                grace=90,
                longest=100,
                rate=0,
                burst=0,
            )
        )
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
        self.plain.dataReceived(f"{line}\n".encode())  # type: ignore[union-attr]

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
        self.come_in()
        self.assertIn("hello ana", self.shown())

    def test_the_end_of_the_input_leaves(self) -> None:
        self.sit_down()
        self.come_in()
        self.plain.readConnectionLost()  # type: ignore[union-attr]
        self.assertIn("quit", [request.type for request in self.link.got()])
        self.link.says(messages.Ok(to="quit"))
        self.link.cut()
        self.assertIn("-- goodbye, ana\n", self.shown())
        self.assertTrue(self.streams.disconnecting)
        self.plain.readConnectionLost()  # type: ignore[union-attr]
        self.plain.connectionLost()  # type: ignore[union-attr]
        self.assertEqual(self.statuses, [0])

    def test_nobody_sees_what_is_said_any_more(self) -> None:
        self.sit_down()
        self.come_in()
        self.plain.writeConnectionLost()  # type: ignore[union-attr]
        self.plain.connectionLost()  # type: ignore[union-attr]
        self.assertEqual(self.statuses, [0])
