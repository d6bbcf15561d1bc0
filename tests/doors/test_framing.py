from __future__ import annotations

import re
import sys
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial import unittest
from zope.interface import implementer

from chatservice.doors.framing import LineFramer
from chatservice.doors.telnet import LOST, Telnet
from tests.doors.support import reactor, turns
from tests.profiles import examples

LONGEST = 8
TOO_LONG = None

IAC, SB, SE, DO, WILL, NOP = (bytes((n,)) for n in (255, 250, 240, 253, 251, 241))

ASK = IAC + DO + b"\0" + IAC + WILL + b"\0"
BRK, IP, EOF = (bytes((n,)) for n in (243, 244, 236))

pieces = st.one_of(
    st.sampled_from(
        [b"\n", b"\r\n", b"\r\0", b"\r", b"\0", b"\r\r\n", b"\r\r\0", b"\n\0", b"\r\0\0", b"\n\r"]
    ),
    st.sampled_from([b"hi", b"x" * 7, b"x" * 8, b"x" * 9, b"x" * 10, b"x" * 30, "zoë".encode()]),
    st.sampled_from([b"\xe2\x82", b"\x80", b"\xc3", "😀".encode()]),
    st.sampled_from(
        [IAC, IAC + IAC, IAC + NOP, IAC + DO + b"\x01", IAC + WILL + b"\n", IAC + SB + b"\x18\n"]
    ),
    st.just(IAC + SE),
    # What is half a character, and may become a whole one.
    st.sampled_from([b"\xd1", b"\xf0\x9f\x98", IAC + IP, IAC + BRK, b"\xd1" + IAC + IP, IAC + EOF]),
    st.binary(max_size=12),
)
streams = st.lists(pieces, max_size=30).map(b"".join)
cuts = st.lists(st.integers(min_value=0, max_value=200), max_size=20)


def lines_of(stream: bytes) -> list[bytes | None]:
    """What a stream says, read at once and by the book."""
    text, _ = Telnet().feed(stream)
    *lines, rest = re.split(rb"\r\n|\r\0|\n", text)
    if rest:
        lines.append(rest.removesuffix(b"\r"))
    return [line if len(line) <= LONGEST else TOO_LONG for line in lines]


def answers_to(stream: bytes) -> bytes:
    telnet = Telnet()
    _, answers = telnet.feed(stream)
    return answers + LOST if telnet.inside else answers


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(ends)]


class Recorder(LineFramer):
    """Writes down what it is told.

    :ivar did: lines; None for each that was too long.
    :ivar do: called with the number of each line, while it is handled.
    """

    MAX_LENGTH = LONGEST

    def __init__(self) -> None:
        self.did: list[bytes | None] = []
        self.ends: list[int] = []
        self.do: Callable[[int], None] = lambda number: None
        self.makeConnection(StringTransport())

    def lineReceived(self, line: bytes) -> None:
        self.did.append(line)
        self.do(len(self.did) - 1)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.lineReceived(TOO_LONG)  # type: ignore[arg-type]

    @property
    def has_ended(self) -> bool:
        return self._ended

    def input_ended(self) -> None:
        self.ends.append(len(self.did))

    @property
    def reading(self) -> bool:
        return bool(self.transport.producerState == "producing")


def read(chunks: list[bytes]) -> tuple[list[bytes | None], bytes]:
    framer = Recorder()
    for chunk in chunks:
        framer.dataReceived(chunk)
    framer.end_input()
    assert framer.ends == [len(framer.did)]
    return framer.did, framer.transport.value()


class SplittingTests(unittest.TestCase):
    def test_a_line_ends_as_in_a_pipe_as_in_a_file_of_windows_and_as_in_telnet(self) -> None:
        self.assertEqual(read([b"a\nb\r\nc\r\0\n"])[0], [b"a", b"b", b"c", b""])

    def test_a_carriage_return_inside_a_line_is_a_character_like_others(self) -> None:
        self.assertEqual(read([b"a\rb\n\rc\r\r\nd\r\r\0"])[0], [b"a\rb", b"\rc\r", b"d\r"])

    def test_a_nul_ends_no_line(self) -> None:
        self.assertEqual(read([b"a\0b\n\0\0\n"])[0], [b"a\0b", b"\0\0"])

    def test_what_goes_out_ends_as_telnet_wants_it(self) -> None:
        framer = Recorder()
        framer.sendLine(b"hi")
        self.assertEqual(framer.transport.value(), b"hi\r\n")

    def test_a_line_of_the_greatest_length_is_no_longer_than_allowed(self) -> None:
        for end in (b"\n", b"\r\n", b"\r\0"):
            for stream in (b"x" * 8 + end, b"x" * 9 + end):
                for place in range(len(stream) + 1):
                    expected = [b"x" * 8] if stream[8:9] != b"x" else [TOO_LONG]
                    self.assertEqual(read(cut(stream, [place]))[0], expected, (stream, place))

    def test_a_line_that_is_too_long_is_reported_before_it_ends(self) -> None:
        framer = Recorder()
        framer.dataReceived(b"x" * 10)
        self.assertEqual(framer.did, [TOO_LONG])
        for _ in range(10):
            framer.dataReceived(b"x" * 100)
        self.assertEqual(framer.did, [TOO_LONG])

    def test_the_tail_of_a_long_line_is_no_new_line_wherever_it_is_cut(self) -> None:
        for end in (b"\n", b"\r\n", b"\r\0", b"\r\r\0"):
            stream = b"x" * 20 + end + b"hi\n"
            for first in range(len(stream) + 1):
                for second in range(first, len(stream) + 1):
                    self.assertEqual(
                        read(cut(stream, [first, second]))[0],
                        [TOO_LONG, b"hi"],
                        (stream, first, second),
                    )

    @given(streams, cuts)
    @settings(max_examples=examples(1000))
    def test_it_makes_no_difference_how_a_stream_is_cut(
        self, stream: bytes, places: list[int]
    ) -> None:
        expected = lines_of(stream), answers_to(stream)
        self.assertEqual(read([stream]), expected)
        self.assertEqual(read(cut(stream, places)), expected)
        self.assertEqual(read([bytes((byte,)) for byte in stream]), expected)

    @given(st.lists(st.sampled_from([b"x", b"x" * 9, b"\r", b"\0", b"\n"]), max_size=14), cuts)
    @settings(max_examples=examples(1000))
    def test_nor_where_the_ends_of_long_lines_are_cut(
        self, parts: list[bytes], places: list[int]
    ) -> None:
        stream = b"".join(parts)
        self.assertEqual(read(cut(stream, places))[0], lines_of(stream), stream)

    def test_telnet_commands_are_answered_and_are_in_no_line(self) -> None:
        lines, answer = read([b"h" + IAC, DO + b"\x01i\n" + IAC + NOP + b"you\n"])
        self.assertEqual((lines, answer), ([b"hi", b"you"], ASK + IAC + b"\xfc\x01"))


class EndOfInputTests(unittest.TestCase):
    def test_who_speaks_no_telnet_is_answered_none_and_loses_no_line(self) -> None:
        recorder = Recorder()
        recorder.telnet = False
        recorder.dataReceived(IAC + DO + b"\x01\n" + IAC + SB + b"x\nhi\r\nho\r\0")
        self.assertEqual(recorder.did, [IAC + DO + b"\x01", IAC + SB + b"x", b"hi", b"ho"])
        self.assertEqual(recorder.transport.value(), b"")

    def test_the_last_line_needs_no_end(self) -> None:
        self.assertEqual(read([b"a\nb"])[0], [b"a", b"b"])
        self.assertEqual(read([b"a\r"])[0], [b"a"])

    def test_nothing_is_no_line(self) -> None:
        self.assertEqual(read([])[0], [])
        self.assertEqual(read([b"a\n"])[0], [b"a"])

    def test_the_tail_of_a_long_line_is_no_line(self) -> None:
        self.assertEqual(read([b"x" * 20, b"xx"])[0], [TOO_LONG])

    def test_a_last_line_that_is_too_long_is_reported(self) -> None:
        self.assertEqual(read([b"x" * 9])[0], [TOO_LONG])

    def test_it_ends_once(self) -> None:
        framer = Recorder()
        framer.dataReceived(b"a\nb")
        framer.end_input()
        framer.end_input()
        self.assertEqual((framer.did, framer.ends), ([b"a", b"b"], [2]))

    def test_it_ends_when_the_lines_that_waited_were_handled(self) -> None:
        framer = Recorder()
        framer.do = lambda number: framer.hold(1)
        framer.dataReceived(b"a\nb\nc")
        framer.end_input()
        for handled in (1, 2):
            self.assertEqual((len(framer.did), framer.ends), (handled, []))
            framer.release(1)
        self.assertEqual((framer.did, framer.ends), ([b"a", b"b", b"c"], []))
        framer.release(1)
        self.assertEqual(framer.ends, [3])

    def test_a_hold_after_the_end_pauses_nothing(self) -> None:
        framer = Recorder()
        framer.end_input()
        framer.hold(1)
        self.assertTrue(framer.reading)


class HoldTests(unittest.TestCase):
    def test_a_hold_stops_after_the_line_in_which_it_began(self) -> None:
        framer = Recorder()
        framer.do = lambda number: framer.hold(1) if number == 1 else None
        framer.dataReceived(b"a\nb\nc\nd\n")
        self.assertEqual(framer.did, [b"a", b"b"])
        self.assertFalse(framer.reading)
        framer.release(1)
        self.assertEqual(framer.did, [b"a", b"b", b"c", b"d"])
        self.assertTrue(framer.reading)

    def test_it_goes_on_when_the_last_reason_is_gone(self) -> None:
        framer = Recorder()
        framer.hold(1)
        framer.hold(2)
        framer.hold(2)
        framer.dataReceived(b"a\n")
        framer.release(2)
        framer.release(4)
        self.assertEqual((framer.did, framer.reading), ([], False))
        framer.release(1)
        self.assertEqual((framer.did, framer.reading), ([b"a"], True))

    def test_lines_that_come_while_it_is_held_wait_behind_those_that_wait(self) -> None:
        framer = Recorder()
        framer.do = lambda number: framer.hold(1) if number == 0 else None
        framer.dataReceived(b"a\nb\nc")
        framer.dataReceived(b"c\nd\n")
        framer.release(1)
        self.assertEqual(framer.did, [b"a", b"b", b"cc", b"d"])

    def test_a_release_in_the_same_line_holds_up_nothing(self) -> None:
        framer = Recorder()

        def do(number: int) -> None:
            framer.hold(1)
            framer.release(1)

        framer.do = do
        framer.dataReceived(b"a\nb\nc\n")
        self.assertEqual((framer.did, framer.reading), ([b"a", b"b", b"c"], True))

    def test_lines_are_not_handled_inside_one_another(self) -> None:
        framer = Recorder()
        inside: list[int] = []

        def do(number: int) -> None:
            self.assertEqual(inside, [])
            inside.append(number)
            if number == 0:
                framer.dataReceived(b"d\n")
                framer.hold(1)
                framer.release(1)
            inside.pop()

        framer.do = do
        framer.dataReceived(b"a\nb\nc\n")
        self.assertEqual(framer.did, [b"a", b"b", b"c", b"d"])

    def test_lines_that_wait_can_be_dropped(self) -> None:
        framer = Recorder()
        framer.do = lambda number: framer.hold(1) if number == 0 else None
        framer.dataReceived(b"a\nb\nc\nunfini")
        framer.drop_lines()
        framer.release(1)
        framer.dataReceived(b"d\n")
        self.assertEqual(framer.did, [b"a", b"d"])

    def test_lines_can_be_dropped_while_one_is_handled(self) -> None:
        framer = Recorder()
        framer.do = lambda number: framer.drop_lines()
        framer.dataReceived(b"a\nb\nc\nunfini")
        framer.drop_lines()
        framer.dataReceived(b"d\n")
        self.assertEqual(framer.did, [b"a", b"d"])

    @given(
        streams,
        cuts,
        st.lists(
            st.tuples(st.integers(0, 25), st.integers(-7, 7)),
            max_size=20,
        ),
        st.lists(
            st.tuples(st.integers(0, 40), st.integers(-7, 7)),
            max_size=20,
        ),
    )
    @settings(max_examples=examples(500))
    def test_whatever_is_held_and_released_nothing_is_lost_doubled_or_early(
        self,
        stream: bytes,
        places: list[int],
        between: list[tuple[int, int]],
        inside: list[tuple[int, int]],
    ) -> None:
        framer = Recorder()
        held = 0

        def change(reasons: int) -> None:
            nonlocal held
            if reasons > 0:
                held |= reasons
                framer.hold(reasons)
            else:
                held &= ~-reasons
                framer.release(-reasons)

        def do(number: int) -> None:
            self.assertEqual(held, 0)
            for at, reasons in inside:
                if at == number:
                    change(reasons)

        framer.do = do
        for number, chunk in enumerate(cut(stream, places)):
            framer.dataReceived(chunk)
            for at, reasons in between:
                if at == number:
                    change(reasons)
            self.assertEqual(framer.reading, not held or framer.has_ended)
        framer.end_input()
        while not framer.ends:
            self.assertNotEqual(held, 0)
            change(-7)
        self.assertEqual(framer.did, lines_of(stream))
        self.assertEqual(framer.ends, [len(framer.did)])
        self.assertEqual(framer.transport.value(), answers_to(stream))


class LostTests(unittest.TestCase):
    def test_what_a_command_without_an_end_has_taken_is_told_at_the_end(self) -> None:
        for stream, told in ((IAC + SB + b"\x18hi\n", LOST), (IAC + SB + b"\x18" + IAC + SE, b"")):
            framer = Recorder()
            framer.dataReceived(stream)
            framer.end_input()
            self.assertEqual(framer.transport.value(), ASK + told)

    def test_no_end_of_a_line_that_it_has_taken_is_a_line(self) -> None:
        framer = Recorder()
        for packet in (
            IAC + SB + b"\x18" + b"x" * 120 + b"\n",
            b"/msg bob the ",
            b"password\n",
            b"hi\n",
        ):
            framer.dataReceived(packet)
        self.assertEqual(framer.did, [b"\x15", b"hi"])


class CostTests(unittest.TestCase):
    def assert_linear(self, seconds: Callable[[int], float], what: object) -> None:
        """See that twice as much takes twice as long; what else the machine does is noise."""
        ratios: list[float] = []
        while not ratios or ratios[-1] >= 3.2:
            self.assertLess(len(ratios), 10, (what, ratios))
            ratios.append(seconds(2) / seconds(1))

    def test_twice_as_many_lines_in_a_packet_cost_twice_as_much(self) -> None:
        for line in (b"\n", b"\r\n", b"\r\0", b"x" * 30 + b"\n"):

            def seconds(times: int, line: bytes = line) -> float:
                framer = Recorder()
                chunk = line * (times * 32768 // len(line))
                started = process_time()
                framer.dataReceived(chunk)
                return process_time() - started

            self.assert_linear(seconds, line)

    def test_lines_held_one_by_one_cost_twice_as_much_when_they_are_twice_as_many(self) -> None:
        def seconds(times: int) -> float:
            count = times * 16384
            framer = Recorder()
            framer.do = lambda number: framer.hold(1)
            framer.dataReceived(b"\n" * count)
            started = process_time()
            for _ in range(count):
                framer.release(1)
            self.assertEqual(len(framer.did), count)
            return process_time() - started

        self.assert_linear(seconds, "held")

    def test_an_endless_line_takes_no_memory(self) -> None:
        framer = Recorder()
        chunk = b"x" * 65536
        framer.dataReceived(chunk)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for _ in range(100):
            framer.dataReceived(chunk)
        kept, _ = tracemalloc.get_traced_memory()
        self.assertLess(kept, 4096)
        self.assertEqual(framer.did, [TOO_LONG])

    def test_what_is_held_takes_the_memory_of_one_packet(self) -> None:
        framer = Recorder()
        framer.hold(1)
        chunk = b"x" * 7 + b"\n"
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        framer.dataReceived(chunk * 8192)
        kept, _ = tracemalloc.get_traced_memory()
        self.assertLess(kept, 10 * 65536)
        self.assertFalse(framer.reading)

    async def test_while_it_is_held_the_socket_is_not_read(self) -> None:
        @implementer(IPushProducer)
        class Flood(Protocol):
            blocked: Deferred[None]

            def connectionMade(self) -> None:
                self.blocked = Deferred()
                self.transport.registerProducer(self, True)  # type: ignore[union-attr]
                self.resumeProducing()

            def resumeProducing(self) -> None:
                self.going = True
                while self.going:
                    self.transport.write((b"x" * 7 + b"\n") * 8192)  # type: ignore[union-attr]

            def pauseProducing(self) -> None:
                self.going = False

            def stopProducing(self) -> None:
                self.going = False

        class Held(LineFramer):
            received = 0
            lines = 0

            def dataReceived(self, data: bytes) -> None:
                self.received += len(data)
                super().dataReceived(data)

            def lineReceived(self, line: bytes) -> None:
                self.lines += 1
                self.hold(1)
                if not first.called:
                    first.callback(None)

        first: Deferred[None] = Deferred()
        held = Held()
        factory: Factory = Factory.forProtocol(lambda: held)
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        flood = await connectProtocol(client, Flood())
        self.addCleanup(flood.transport.abortConnection)
        await first
        await turns(1)
        received = held.received
        for _ in range(20):
            held.release(1)
            await turns(5)
        self.assertEqual(held.lines, 21)
        self.assertEqual(held.received, received)
        self.assertLessEqual(received, 65536)


class UnsplitTests(unittest.TestCase):
    """What waits behind a hold stays as it came."""

    def kept(self, framer: Recorder, data: bytes) -> int:
        """Feed while it is held; return the bytes that the framer holds for it afterwards."""
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        framer.dataReceived(data)
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return kept

    def test_a_read_of_short_lines_takes_little_more_than_its_own_size(self) -> None:
        data = (b"ab\n" * 22_000)[:65536]
        framer = Recorder()
        framer.hold(1)
        self.assertLess(self.kept(framer, data), 2 * 65536)
        self.assertLess(sys.getsizeof(framer._buffer), 2 * 65536)
        self.assertEqual(framer.did, [])

    def test_so_does_what_is_left_when_a_line_of_it_makes_the_hold(self) -> None:
        data = (b"ab\n" * 22_000)[:65536]
        framer = Recorder()
        framer.do = lambda number: framer.hold(1)
        self.assertLess(self.kept(framer, data), 2 * 65536)
        framer.release(1)
        self.assertEqual(framer.did, [b"ab"] * 2)
        self.assertEqual(framer._buffer, data[6:])

    def test_all_of_it_is_handled_when_it_is_released(self) -> None:
        framer = Recorder()
        framer.hold(1)
        framer.dataReceived(b"ab\n" * 20_000 + b"c")
        framer.release(1)
        self.assertEqual(framer.did, [b"ab"] * 20_000)
        framer.end_input()
        self.assertEqual(framer.did[-1], b"c")
