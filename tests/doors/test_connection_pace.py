from __future__ import annotations

from twisted.internet.testing import StringTransport
from twisted.trial import unittest

from chatservice.doors.connection import COMMANDS_A_LINE, PACE, ChatProtocol
from tests.doors.support import House

IAC, NOP, DO, WILL = b"\xff", b"\xf1", b"\xfd", b"\xfb"
READ = 65536
"""Bytes that one read gives, at most."""


class Paced(ChatProtocol):
    """Writes down when each line came; each counts. It may take its time to give a name."""

    operator = True

    def __init__(self, house: House) -> None:
        self.factory = house.factory
        self.came: list[tuple[float, bytes]] = []
        self.makeConnection(StringTransport())
        self.MAX_LENGTH = 100_000
        self.greet()

    def lineReceived(self, line: bytes) -> None:
        self.came.append((self.factory.clock.seconds(), line))
        self.pace()

    @property
    def held(self) -> bool:
        return bool(self.transport.producerState == "paused")


def numbers(count: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(count))


class RateTests(unittest.TestCase):
    def test_after_the_burst_lines_come_exactly_at_the_rate_and_in_order_and_all(self) -> None:
        # Rates whose intervals are no rounded numbers, so that the times can be compared.
        for rate, burst in ((4, 2), (8, 1), (1, 20), (64, 5)):
            house = House(rate=rate, burst=burst)
            paced = Paced(house)
            paced.dataReceived(numbers(burst + 30))
            self.assertTrue(paced.held)
            house.run(30 / rate, step=1 / rate / 4)
            times = [0.0] * burst + [(number + 1) / rate for number in range(30)]
            self.assertEqual(paced.came, [(t, b"%d" % n) for n, t in enumerate(times)])

    def test_it_is_so_at_any_rate_but_for_less_than_a_line(self) -> None:
        for rate in (3, 5, 7, 1000):
            house = House(rate=rate, burst=3)
            paced = Paced(house)
            paced.dataReceived(numbers(303))
            house.run(300.6 / rate, step=0.1 / rate)
            self.assertEqual([line for _, line in paced.came], numbers(303).split())
            for number, (time, _) in enumerate(paced.came[3:]):
                self.assertLess(abs(time - (number + 1) / rate), 0.6 / rate)

    def test_without_a_burst_nobody_is_ever_held(self) -> None:
        house = House(rate=5, burst=0)
        paced = Paced(house)
        paced.dataReceived(numbers(5000))
        paced.dataReceived(IAC * READ + b"\n")
        paced.dataReceived(numbers(1))
        self.assertEqual(len(paced.came), 5002)
        self.assertFalse(paced.held)

    def test_without_a_rate_nobody_is_ever_held(self) -> None:
        house = House(rate=0, burst=1)
        paced = Paced(house)
        paced.dataReceived(numbers(5000) + IAC * READ + b"\n" + numbers(1))
        self.assertEqual(len(paced.came), 5002)
        self.assertFalse(paced.held)


class CommandsTests(unittest.TestCase):
    """Telnet commands have their price."""

    def test_a_chunk_of_commands_holds_the_connection_as_long_as_its_lines_would(self) -> None:
        for chunk in (IAC * READ, (IAC + NOP) * (READ // 2), (IAC + DO + b"\1") * (READ // 3)):
            house = House(rate=4, burst=20)
            paced = Paced(house)
            price = chunk.count(IAC) / COMMANDS_A_LINE
            paced.dataReceived(chunk + b"\n")
            self.assertEqual(paced.came, [])
            self.assertTrue(paced.held)
            due = (price - 20) / 4
            house.run(due - 0.5)
            self.assertEqual(paced.came, [])
            self.assertTrue(paced.held)
            house.run(1)
            self.assertEqual(len(paced.came), 1)

    def test_more_of_them_hold_it_longer(self) -> None:
        house = House(rate=4, burst=1)
        paced = Paced(house)
        for _ in range(2):
            paced.dataReceived((IAC + NOP) * (10 * COMMANDS_A_LINE))
        paced.dataReceived(b"hi\n")
        house.run(4.75, step=0.25)
        self.assertEqual(paced.came, [])
        house.run(0.25, step=0.25)
        self.assertEqual(paced.came, [(5, b"hi")])

    def test_a_connection_that_floods_is_read_from_no_more(self) -> None:
        house = House(rate=5, burst=20)
        ana = house.enter("ana")
        house.run(10)
        ana.send(IAC * READ)
        self.assertTrue(ana.paused)
        house.run(100)
        self.assertTrue(ana.paused)
        house.run(105)
        self.assertFalse(ana.paused)

    def test_an_ordinary_negotiation_costs_less_than_a_line_and_slows_no_burst(self) -> None:
        negotiation = (IAC + DO + b"\1" + IAC + WILL + b"\3") * 10
        house = House(rate=5, burst=20)
        paced = Paced(house)
        paced.dataReceived(negotiation)
        self.assertFalse(paced.held)
        paced.dataReceived(numbers(19))
        self.assertFalse(paced.held)
        paced.dataReceived(b"19\n")
        self.assertEqual([line for _, line in paced.came], numbers(20).split())

    def test_so_it_is_for_somebody_who_comes_in(self) -> None:
        house = House(rate=5, burst=20)
        bob = house.enter("bob")
        ana = house.connect()
        ana.send((IAC + DO + b"\1" + IAC + WILL + b"\3") * 10)
        house.run(1)
        ana.say("ana", *(str(number) for number in range(19)))
        house.run(0.15)
        said = [line for line in bob.read() if line.startswith("<ana>")]
        self.assertEqual(said, [f"<ana> {number}" for number in range(19)])

    def test_it_goes_on_when_it_was_held_for_another_reason_too(self) -> None:
        house = House(rate=4, burst=1)
        paced = Paced(house)
        paced.dataReceived(b"a\nb\n")
        paced.hold(PACE << 1)
        house.run(10)
        self.assertEqual(paced.came, [(0, b"a")])
        paced.release(PACE << 1)
        self.assertEqual(paced.came, [(0, b"a"), (10, b"b")])
