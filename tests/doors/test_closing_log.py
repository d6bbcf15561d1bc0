from __future__ import annotations

import socket
from typing import get_args

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.stdio import PipeAddress
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial import unittest

from chatservice.doors.closing_log import MINUTE, MOST, Closings, shown
from chatservice.doors.factory import SWEEP
from chatservice.doors.seam import Cause
from chatservice.limits import CLOSING_TIMEOUT, LOGIN_TRIES
from tests.doors.support import Folder, House, fill
from tests.doors.test_factory import HandshakeTestCase


def peer(number: int = 1) -> IPv4Address:
    return IPv4Address("TCP", "192.0.2.1", number)


class LogTestCase(unittest.TestCase):
    def setUp(self) -> None:
        capture = capturedLogs()
        self._events = capture.__enter__()
        self.addCleanup(capture.__exit__, None, None, None)

    def logged(self) -> list[str]:
        """Return what was logged since the last time of connections that were closed."""
        lines = [
            str(formatEvent(event))
            for event in self._events
            if event["log_namespace"] == "chatservice.doors.closing_log"
        ]
        self._events.clear()
        return lines


class ClosingsTests(LogTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.closings = Closings(self.clock)

    def note(self, count: int, cause: Cause = "banned") -> list[str]:
        for number in range(count):
            self.closings.note(cause, peer(number))
        return self.logged()

    def test_there_is_a_line_for_each_with_its_cause_and_address(self) -> None:
        for cause in get_args(Cause):
            self.closings.note(cause, peer())
            self.assertEqual(self.logged(), [f"closed ({cause}): 192.0.2.1:1"])

    def test_many_of_one_cause_are_counted_until_the_minute_is_over(self) -> None:
        self.assertEqual(
            self.note(MOST + 5), [f"closed (banned): 192.0.2.1:{n}" for n in range(MOST)]
        )
        self.clock.advance(MINUTE - 1)
        self.assertEqual(self.note(2), [])
        self.clock.advance(1)
        self.assertEqual(self.logged(), ["closed (banned): 7 more"])
        self.assertEqual(len(self.note(1)), 1)

    def test_as_many_as_may_be_are_not_summed_up(self) -> None:
        self.assertEqual(len(self.note(MOST)), MOST)
        self.clock.advance(MINUTE)
        self.assertEqual(self.logged(), [])

    def test_each_cause_has_a_minute_of_its_own(self) -> None:
        self.note(MOST + 1)
        self.clock.advance(MINUTE / 2)
        self.assertEqual(len(self.note(MOST + 2, "an HTTP request")), MOST)
        self.clock.advance(MINUTE / 2)
        self.assertEqual(self.logged(), ["closed (banned): 1 more"])
        self.clock.advance(MINUTE / 2)
        self.assertEqual(self.logged(), ["closed (an HTTP request): 2 more"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_share_one_timer(self) -> None:
        for cause in get_args(Cause):
            self.note(MOST + 1, cause)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_what_was_counted_is_told_at_the_end(self) -> None:
        self.note(MOST + 3)
        self.note(1, "an HTTP request")
        self.closings.stop()
        self.assertEqual(self.logged(), ["closed (banned): 3 more"])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ShownTests(unittest.TestCase):
    def test_addresses_are_shown_as_they_are_written(self) -> None:
        for address, wanted in (
            (peer(7), "192.0.2.1:7"),
            (IPv6Address("TCP", "2001:db8::1", 7), "[2001:db8::1]:7"),
            (UNIXAddress("/run/chat.sock"), "/run/chat.sock"),
            (UNIXAddress(None), "somebody on this machine"),
            (UNIXAddress(b""), "somebody on this machine"),
            (PipeAddress(), "somebody on this machine"),
        ):
            self.assertEqual(shown(address), wanted)

    def test_what_is_no_address_does_the_log_no_harm(self) -> None:
        self.assertEqual(shown(IPv4Address("TCP", "\x1b[31m", 7)), "\u241b[31m:7")
        self.assertLess(len(shown(IPv4Address("TCP", "x" * 1000, 7))), 100)


class CausesTests(LogTestCase):
    """What people and programs do for which they are closed, and what of it is in the log."""

    def check(self, cause: str, address: str = "192.0.2.1:50000") -> None:
        self.assertEqual(self.logged(), [f"closed ({cause}): {address}"])

    def test_who_gives_no_name(self) -> None:
        house = House(login_timeout=60)
        house.connect()
        house.run(59, step=1)
        self.assertEqual(self.logged(), [])
        house.run(2, step=1)
        self.check("no name in time")

    def test_who_gives_bad_names(self) -> None:
        house = House()
        house.connect().say(*["a secret"] * 5)
        house.run(2)
        self.check(f"{LOGIN_TRIES} bad names")

    def test_who_is_one_too_many(self) -> None:
        house = House(max_connections=1)
        house.connect()
        house.connect("192.0.2.7")
        self.check("too many connections", "192.0.2.7:50000")

    def test_who_is_one_too_many_from_an_address(self) -> None:
        house = House(max_per_address=1)
        house.enter("ana")
        house.connect()
        house.run(1)
        self.check("too many connections from its address")

    def test_who_speaks_http(self) -> None:
        house = House()
        house.connect().send(b"GET /secret HTTP/1.1\r\n\r\n")
        self.check("an HTTP request")

    def test_who_speaks_tls(self) -> None:
        house = House()
        house.connect().send(b"\x16\x03\x01\x02\x00\x01")
        self.check("a TLS hello on a port without TLS")

    def test_who_just_leaves_is_not_logged(self) -> None:
        house = House()
        ana, bob, cleo = house.enter("ana"), house.enter("bob"), house.enter("cleo")
        ana.say("/quit")
        bob.end()
        cleo.lose()
        house.run(10, step=1)
        house.factory.stop("goodbye")
        self.assertEqual(self.logged(), [])

    def test_the_end_tells_of_those_that_were_only_counted(self) -> None:
        house = House(max_connections=1)
        house.connect()
        for _ in range(MOST + 2):
            house.connect()
        self.assertEqual(len(self.logged()), MOST)
        house.factory.stop("goodbye")
        house.run(2 * CLOSING_TIMEOUT, step=1)
        self.assertEqual(self.logged(), ["closed (too many connections): 2 more"])


class HandshakeCauseTests(HandshakeTestCase, LogTestCase):
    def setUp(self) -> None:
        LogTestCase.setUp(self)
        HandshakeTestCase.setUp(self)

    def test_who_shakes_no_hands(self) -> None:
        house = House(handshake_timeout=10)
        self.connect(house)
        house.run(11)
        self.assertEqual(self.logged(), ["closed (no TLS handshake in time): 192.0.2.1:1"])

    def test_who_is_in_a_handshake_when_the_house_closes(self) -> None:
        house = House()
        self.connect(house)
        house.factory.stop("goodbye")
        house.run(1)
        self.assertEqual(self.logged(), [])


class ReadingNothingTests(LogTestCase):
    """Who takes nothing of a real socket."""

    def setUp(self) -> None:
        super().setUp()
        self.house = House(stall_timeout=12)
        self.folder = Folder()
        self.addCleanup(self.folder.remove)

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        ours.setblocking(False)
        self.peer = self.house.enter("ana")
        self.peer.wire.socket = ours  # type: ignore[attr-defined]
        fill(ours)
        return theirs

    def test_who_stalls(self) -> None:
        self.connect()
        self.house.run(11, step=1)
        self.assertEqual(self.logged(), [])
        self.house.run(4, step=1)
        self.assertEqual(self.logged(), ["closed (stalled): 192.0.2.1:50000"])

    def test_who_does_not_read_its_last_lines(self) -> None:
        self.connect()
        self.peer.protocol.part("goodbye")
        self.house.run(CLOSING_TIMEOUT + 2 * SWEEP, step=1)
        self.assertEqual(
            self.logged(), ["closed (did not read its last lines in time): 192.0.2.1:50000"]
        )

    def test_who_does_not_when_the_house_closes(self) -> None:
        self.connect()
        self.house.factory.stop("goodbye")
        self.house.run(CLOSING_TIMEOUT + SWEEP, step=1)
        self.assertEqual(
            self.logged(), ["closed (did not read its last lines in time): 192.0.2.1:50000"]
        )

    def test_who_was_parted_with_for_a_cause_is_logged_once(self) -> None:
        self.connect()
        self.house.factory.note(self.peer.protocol, "no name in time")
        self.peer.protocol.part("goodbye")
        self.house.run(CLOSING_TIMEOUT + 2 * SWEEP, step=1)
        self.assertEqual(self.logged(), ["closed (no name in time): 192.0.2.1:50000"])
