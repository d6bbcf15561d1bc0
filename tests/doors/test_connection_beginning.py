"""What a peer is taken for, by what it sends and when."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial import unittest

from chatservice.core.chat import Chat
from chatservice.doors.factory import (
    GREETING_SILENCE,
    MOST_REMEMBERED,
    REMEMBERED,
    STRANGERS_SILENCE,
)
from chatservice.doors.first_bytes import PREAMBLE_MOST
from chatservice.doors.json.dialog import ProgramDialog
from chatservice.doors.seam import Connection
from chatservice.doors.table import DOORS
from tests.doors.support import House, Peer
from tests.welcome import ALONE, GREETING, hello

BOM = b"\xef\xbb\xbf"
PING = b'{"type":"ping"}\n'
PONG = '{"type":"pong"}'
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
NO_NAME = "-- a name has 1 to 24 characters; another name, please?"
NO_SIGNS = "-- '<' can't be part of a name; another name, please?"
ASK = b"\xff\xfd\0\xff\xfb\0"

preambles = st.lists(st.sampled_from([BOM, b" ", b"\t", b"\r\n", b"\n", b"\r\0"]), max_size=9)


class HouseTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House()

    def greeted(self, address: str = "192.0.2.1") -> Peer:
        peer = self.house.connect(address)
        self.assertEqual(peer.hear(), [GREETING])
        return peer


class PreambleTests(HouseTestCase):
    PREAMBLES = (BOM, b"\n", b"\r\n\r\n", b" \t", b"\r\0", BOM + b"\r\n", b"\n" + BOM, b"\n" * 30)

    def test_a_program_that_begins_with_it_is_sent_no_text(self) -> None:
        for preamble in self.PREAMBLES:
            peer = self.house.connect()
            peer.send(preamble + PING)
            self.assertEqual(peer.hear(), [PONG], preamble)

    def test_not_even_byte_by_byte(self) -> None:
        for preamble in self.PREAMBLES:
            peer = self.house.connect()
            for byte in preamble + PING:
                peer.send(bytes((byte,)))
            self.assertEqual(peer.hear(), [PONG], preamble)

    @given(preambles.map(b"".join), st.lists(st.integers(0, 40)))
    @settings(deadline=None)
    def test_however_it_is_cut(self, preamble: bytes, cuts: list[int]) -> None:
        stream = preamble + PING
        places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        peer = House().connect()
        for start, end in pairwise(places):
            peer.send(stream[start:end])
        self.assertEqual(peer.hear(), [PONG])

    def test_one_that_pauses_in_it_is_greeted_but_is_still_a_program(self) -> None:
        for first, second in ((BOM, b""), (b"\xef", b"\xbb\xbf"), (b"", BOM), (b"  ", b"\t\n")):
            peer = self.house.connect()
            peer.send(first)
            self.assertEqual(peer.hear(), [GREETING], first)
            peer.send(second + PING)
            self.assertEqual(peer.hear(), [PONG], first)

    def test_so_is_one_whose_empty_line_was_answered(self) -> None:
        peer = self.house.connect()
        peer.send(b"\n")
        self.assertEqual(peer.hear(), [GREETING, NO_NAME])
        peer.send(b"\r\n  " + PING)
        self.assertEqual(peer.hear(), [PONG])

    def test_who_sends_only_blank_lines_is_a_person(self) -> None:
        peer = self.house.connect()
        peer.send(b"\n \n")
        self.assertEqual(peer.read(), [])
        self.assertEqual(peer.hear(), [GREETING, NO_NAME, NO_NAME])
        peer.send(b"\n\n")
        self.assertEqual(peer.hear(), [NO_NAME, NO_NAME])
        peer.send(b"\n")
        self.assertRegex(peer.hear()[0], "that was the last try, goodbye")

    def test_a_person_who_begins_so_gives_a_name(self) -> None:
        for first, answers in ((b"  ", []), (b"\n", [NO_NAME]), (b"\t\n ", [NO_NAME])):
            house = House()
            peer = house.connect()
            peer.send(first + b"ana\n")
            self.assertEqual(peer.hear(), [GREETING, *answers, hello("ana"), ALONE])

    def test_the_end_of_the_input_ends_it(self) -> None:
        for first, answers in ((b"", []), (b"\n", [NO_NAME]), (b" ", [NO_NAME])):
            peer = self.house.connect()
            peer.send(first)
            peer.end()
            self.assertEqual(peer.read(), [GREETING, *answers])

    def test_http_behind_an_empty_line_is_http(self) -> None:
        peer = self.house.connect()
        peer.send(b"\r\n" + REQUEST)
        self.assertTrue(peer.wire.value().startswith(b"HTTP/1.1 400 "))
        peer = self.greeted("192.0.2.2")
        peer.send(b"\r\n")
        self.assertEqual(peer.hear(), [NO_NAME])
        peer.send(REQUEST[:5])
        peer.send(REQUEST[5:])
        self.assertTrue(peer.wire.value().startswith(b"HTTP/1.1 400 "))

    def test_blanks_without_end_are_a_person_s(self) -> None:
        peer = self.greeted()
        for _ in range(PREAMBLE_MOST + 1):
            peer.send(b" ")
        peer.send(PING)
        self.assertRegex(peer.hear()[0], "another name, please")

    def test_a_name_with_a_brace_in_front_is_none(self) -> None:
        peer = self.greeted()
        peer.say("x y", "{ana", '{"type":"ping"}')
        for answer in peer.hear()[1:]:
            self.assertEqual(answer, "-- '{' can't be part of a name; another name, please?")


class LateTests(HouseTestCase):
    """Who speaks after the greeting is still recognised; the next from there meets none."""

    def test_a_tls_hello_is_recognised(self) -> None:
        peer = self.greeted()
        for byte in TLS_HELLO:
            peer.send(bytes((byte,)))
        self.assertEqual(peer.wire.value(), TLS_ALERT)
        self.assertTrue(peer.wire.half_closed)

    def test_the_next_late_ones_meet_no_greeting(self) -> None:
        for first, answer in ((TLS_HELLO, TLS_ALERT), (REQUEST, b"HTTP/1.1 400 ")):
            self.house = House()
            self.greeted().send(first)
            for delay in (0.2, 1, 4.9):
                peer = self.house.connect()
                self.assertEqual(peer.hear(delay), [])
                peer.send(first)
                self.assertTrue(peer.wire.value().startswith(answer), first)

    def stranger(self, address: str = "192.0.2.1") -> None:
        """Let somebody speak HTTP."""
        peer = self.house.connect(address)
        peer.send(REQUEST)
        peer.lose()

    def test_who_is_silent_there_is_greeted_later(self) -> None:
        self.stranger()
        peer = self.house.connect()
        self.assertEqual(peer.hear(STRANGERS_SILENCE - 0.1), [])
        self.assertEqual(peer.hear(0.2), [GREETING])
        peer.say("ana")
        self.assertEqual(peer.hear(), [hello("ana"), ALONE])

    def test_who_types_there_is_greeted_at_once(self) -> None:
        self.stranger()
        peer = self.house.connect()
        self.assertEqual(peer.hear(0.2), [])
        peer.send(b"an")
        self.assertEqual(peer.hear(0.2), [])
        peer.send(b"a\n")
        self.assertEqual(peer.hear(), [GREETING, hello("ana"), ALONE])

    def test_an_empty_line_is_typed_too(self) -> None:
        self.stranger()
        for pause in (0.0, 0.2):
            peer = self.house.connect()
            self.assertEqual(peer.hear(pause), [])
            peer.send(b"\n")
            self.assertEqual(peer.hear(2 * GREETING_SILENCE), [GREETING, NO_NAME])

    def test_a_program_there_is_sent_no_text(self) -> None:
        self.stranger()
        peer = self.house.connect()
        self.assertEqual(peer.hear(1), [])
        peer.send(PING)
        self.assertEqual(peer.hear(10), [PONG])

    def test_the_end_of_the_input_is_greeted(self) -> None:
        self.stranger()
        peer = self.house.connect()
        self.assertEqual(peer.hear(1), [])
        peer.end()
        self.assertEqual(peer.hear(), [GREETING])

    def test_it_is_forgotten(self) -> None:
        self.stranger()
        self.house.run(REMEMBERED, step=1)
        self.greeted()

    def test_of_too_many_the_oldest_is_forgotten(self) -> None:
        stranger = self.house.connect()
        for number in range(MOST_REMEMBERED + 1):
            host = f"10.0.{number >> 8}.{number & 255}"
            stranger.wire.peerAddr = IPv4Address("TCP", host, 50000)
            self.house.factory.met_stranger(stranger.protocol)
        self.greeted("10.0.0.0")
        self.assertEqual(self.house.connect("10.0.0.1").hear(), [])

    def test_what_comes_of_who_was_refused_makes_nobody_a_stranger(self) -> None:
        house = House(max_per_address=1)
        ana = house.enter("ana")
        refused = house.connect()
        # With a telnet command in it, it is a request only as a line.
        refused.send(b"GET\xff\xf1 / HTTP/1.1\r\n")
        self.assertEqual(refused.hear(), ["-- too many connections from your address"])
        ana.lose()
        house.run(1)
        self.assertEqual(house.connect().hear(), [GREETING])

    def test_others_are_greeted_as_ever(self) -> None:
        self.stranger("2001:db8::1")
        same = self.house.connect("2001:db8::ffff:1")
        self.assertEqual(same.hear(), [])
        self.greeted("2001:db8:0:1::1")
        self.greeted("192.0.2.1")

    def test_without_an_address_nobody_is_remembered(self) -> None:
        for _ in range(2):
            peer = self.house.connect(UNIXAddress(None))
            self.assertEqual(peer.hear(), [GREETING])
            peer.send(REQUEST)

    def test_who_waits_there_is_counted(self) -> None:
        self.house = House(max_per_address=1)
        self.stranger()
        peer = self.house.connect()
        self.assertEqual(peer.hear(0.2), [])
        second = self.house.connect()
        self.assertEqual(second.hear(), ["-- too many connections from your address"])
        peer.lose()
        self.house.run(10)
        self.assertEqual(self.house.connect().hear(10), [GREETING])

    def test_it_may_close_while_it_waits(self) -> None:
        self.stranger()
        peer = self.house.connect()
        self.house.run(1)
        peer.lose()
        self.assertEqual(peer.hear(10), [])


class TelnetListenerTests(HouseTestCase):
    """A listener that speaks telnet at once."""

    def connect(self) -> Peer:
        peer = self.house.connect()
        peer.protocol.negotiates = True
        return peer

    def test_it_negotiates_with_the_greeting(self) -> None:
        peer = self.connect()
        self.house.run(1)
        self.assertEqual(peer.wire.value(), ASK + f"{GREETING}\r\n".encode())

    def test_and_only_once(self) -> None:
        peer = self.connect()
        peer.send(b"\xff\xf1")
        self.house.run(1)
        self.assertEqual(peer.wire.value(), ASK + f"{GREETING}\r\n".encode())

    def test_with_whoever_is_not_greeted_it_does_not(self) -> None:
        for first, answer in ((PING, f"{PONG}\r\n".encode()), (TLS_HELLO, TLS_ALERT)):
            peer = self.connect()
            peer.send(first)
            self.house.run(1)
            self.assertEqual(
                peer.wire.value().replace(b"\r\n", b"\n"), answer.replace(b"\r\n", b"\n")
            )

    def test_with_whoever_is_not_admitted_it_does_not(self) -> None:
        self.house = House(max_per_address=1)
        self.house.enter("ana")
        self.assertEqual(self.connect().hear(), ["-- too many connections from your address"])


class EndOfTelnetTests(HouseTestCase):
    """Telnet can say that the input ends; the connection stays."""

    END = b"\xff\xec"

    def test_what_came_is_handled_and_what_there_is_can_be_read(self) -> None:
        bob, ana = self.house.enter("bob"), self.house.enter("ana")
        bob.read()
        ana.send(b"one\ntwo" + self.END + b"three\n")
        ana.send(b"four\n")
        self.assertEqual(bob.hear(), ["<ana> one", "<ana> two", "-- ana left"])
        # So the last lines arrive, whatever else it sends.
        self.assertTrue(ana.wire.half_closed)
        self.assertTrue(ana.connected)
        ana.end()
        self.house.run(1)
        self.assertFalse(ana.connected)

    def test_what_waits_is_handled_first(self) -> None:
        self.house = House(rate=5, burst=2)
        bob, ana = self.house.enter("bob"), self.house.enter("ana")
        bob.read()
        ana.send(b"1\n2\n3\n4\n5\n6" + self.END)
        self.assertFalse(ana.wire.half_closed)
        said = [f"<ana> {number}" for number in range(1, 7)]
        self.assertEqual(bob.hear(5), [*said, "-- ana left"])
        self.assertTrue(ana.wire.half_closed)

    def test_a_program_knows_no_telnet(self) -> None:
        peer = self.house.connect()
        peer.send(PING)
        peer.send(self.END + b"\n")
        self.assertEqual(json.loads(peer.hear()[-1])["type"], "error")
        self.assertFalse(peer.wire.half_closed)


class LongMarkTests(unittest.TestCase):
    """A door whose peers begin with three bytes of their own, which may come one by one."""

    class Door(ProgramDialog):
        @staticmethod
        def recognises(first: bytes) -> bool | None:  # type: ignore[override]
            return None if len(first) < 3 and b"<<{".startswith(first) else first[:3] == b"<<{"

        def __init__(self, chat: Chat, connection: Connection) -> None:
            super().__init__(chat, connection)
            connection.write(b"come in\r\n")

    def setUp(self) -> None:
        self.house = House(doors=(self.Door, *DOORS))

    def test_byte_by_byte_and_behind_blanks(self) -> None:
        for first in (b"<<{", b"\r\n<<{", BOM + b"\n <<{"):
            peer = self.house.connect()
            for byte in first:
                self.assertEqual(peer.read(), [])
                peer.send(bytes((byte,)))
            self.assertEqual(peer.read(), ["come in"])

    def test_who_has_begun_it_and_is_silent_is_greeted_and_still_recognised(self) -> None:
        peer = self.house.connect()
        peer.send(b"<<")
        self.assertEqual(peer.hear(), [GREETING])
        peer.send(b"{")
        self.assertEqual(peer.read(), ["come in"])

    def test_who_has_begun_it_and_goes_on_otherwise_is_a_person_and_nothing_is_lost(self) -> None:
        peer = self.house.connect()
        peer.send(b"\n<<")
        self.assertEqual(peer.hear(), [GREETING, NO_NAME])
        peer.send(b"\n")
        self.assertEqual(peer.hear(), [NO_SIGNS])

    def test_who_has_begun_it_and_says_no_more_is_a_person(self) -> None:
        peer = self.house.connect()
        peer.send(b"<<")
        peer.end()
        self.assertEqual(peer.hear(), [GREETING, NO_SIGNS])

    def test_at_the_console_there_is_no_such_door(self) -> None:
        peer = self.house.connect()
        peer.protocol.operator = True
        peer.send(b"<<{\n")
        self.assertEqual(peer.hear(), [GREETING, NO_SIGNS])
