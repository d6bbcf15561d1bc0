from __future__ import annotations

import tracemalloc
from itertools import pairwise
from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.protocols.telnet import HEADROOM, HERE, REPEATS_ANSWERED, Telnet
from tests.profiles import examples

IAC = b"\xff"
SE, NOP, DM, BRK, IP, AO, AYT, EC, EL, GA, SB = (bytes((n,)) for n in (240, *range(241, 251)))
WILL, WONT, DO, DONT = (bytes((n,)) for n in range(251, 255))
ECHO, SGA, TIMING_MARK, TTYPE, NAWS = (bytes((n,)) for n in (1, 3, 6, 24, 31))

NO_ANSWER = b""

# What comes in, the text of it, the answer to it.
STREAMS = {
    "nothing": (b"", b"", NO_ANSWER),
    "plain text": (b"hi\r\n", b"hi\r\n", NO_ANSWER),
    "UTF-8": ("zoë 小林 😀\n".encode(), "zoë 小林 😀\n".encode(), NO_ANSWER),
    "a doubled IAC": (b"a\xff\xffb", b"a\xffb", NO_ANSWER),
    "two doubled IACs": (b"\xff\xff\xff\xff", b"\xff\xff", NO_ANSWER),
    "a doubled IAC before a command's byte": (IAC + IAC + AYT, IAC + AYT, NO_ANSWER),
    "DO": (b"a" + IAC + DO + ECHO + b"b", b"ab", IAC + WONT + ECHO),
    "WILL": (b"a" + IAC + WILL + NAWS + b"b", b"ab", IAC + DONT + NAWS),
    "DONT": (b"a" + IAC + DONT + ECHO + b"b", b"ab", NO_ANSWER),
    "WONT": (b"a" + IAC + WONT + ECHO + b"b", b"ab", NO_ANSWER),
    "what a telnet client sends first": (
        IAC + DO + SGA + IAC + WILL + TTYPE + IAC + WILL + NAWS + b"ana\r\n",
        b"ana\r\n",
        IAC + WONT + SGA + IAC + DONT + TTYPE + IAC + DONT + NAWS,
    ),
    "option 255": (IAC + DO + IAC + b"a", b"a", IAC + WONT + IAC),
    "an option like a newline": (IAC + DO + b"\n", b"", IAC + WONT + b"\n"),
    "a subnegotiation": (b"a" + IAC + SB + NAWS + b"\0P\0\n" + IAC + SE + b"b", b"ab", NO_ANSWER),
    "a doubled IAC in it": (b"a" + IAC + SB + NAWS + IAC + IAC + SE + IAC + SE, b"a", NO_ANSWER),
    "a command in it": (IAC + SB + NAWS + b"x" + IAC + DO + ECHO + b"b", b"b", IAC + WONT + ECHO),
    "another in it": (IAC + SB + NAWS + b"x" + IAC + SB + b"y" + IAC + SE + b"b", b"b", NO_ANSWER),
    "its end without it": (b"a" + IAC + SE + b"b", b"ab", NO_ANSWER),
    "are you there": (b"a" + IAC + AYT + b"b", b"ab", HERE),
    "interrupt and timing mark": (
        b"hal" + IAC + IP + IAC + DO + TIMING_MARK + b"lo\r\n",
        b"hallo\r\n",
        IAC + WONT + TIMING_MARK,
    ),
    "Latin-1": (b"\xff\xe9\xff\n\xff\xf1", b"\xff\xe9\xff\n", NO_ANSWER),
    **{
        f"command {number}": (b"hal" + IAC + bytes((number,)) + b"lo", b"hallo", NO_ANSWER)
        for number in range(236, 250)
        if number != AYT[0]
    },
    **{
        f"not a command: {number}": (
            b"a" + IAC + bytes((number,)) + b"b",
            b"a" + IAC + bytes((number,)) + b"b",
            NO_ANSWER,
        )
        for number in range(236)
    },
}

pieces = st.one_of(
    st.sampled_from(
        [IAC, SB, SE, AYT, IP, WILL, WONT, DO, DONT, ECHO, TIMING_MARK, b"hi", b"\r\n", b"\0"]
    ),
    st.sampled_from([IAC + AYT, IAC + DO + ECHO, IAC + WILL + ECHO, IAC + DO + TIMING_MARK]),
    st.builds(lambda verb, option: IAC + verb + option, st.sampled_from([WILL, DO]), st.just(SGA)),
    st.builds(lambda content: IAC + SB + content + IAC + SE, st.binary(max_size=8)),
    st.binary(max_size=8),
)
streams = st.lists(pieces, max_size=60).map(b"".join)


def in_pieces(stream: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """All text and all answers of a stream that is cut at these places."""
    telnet = Telnet()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    results = [telnet.feed(stream[start:end]) for start, end in pairwise(places)]
    return b"".join(text for text, _ in results), b"".join(answer for _, answer in results)


class TelnetTests(unittest.TestCase):
    def test_text_is_parted_from_commands(self) -> None:
        for name, (stream, text, answer) in STREAMS.items():
            self.assertEqual(Telnet().feed(stream), (text, answer), name)

    def test_it_makes_no_difference_where_one_cut_falls(self) -> None:
        for name, (stream, text, answer) in STREAMS.items():
            for cut in range(len(stream) + 1):
                self.assertEqual(in_pieces(stream, [cut]), (text, answer), (name, cut))

    def test_one_byte_at_a_time_makes_no_difference(self) -> None:
        for name, (stream, text, answer) in STREAMS.items():
            cuts = list(range(len(stream)))
            self.assertEqual(in_pieces(stream, cuts), (text, answer), name)

    @given(streams, st.lists(st.integers(min_value=0, max_value=300)))
    @settings(max_examples=examples(500))
    def test_it_makes_no_difference_how_a_stream_is_cut(
        self, stream: bytes, cuts: list[int]
    ) -> None:
        whole = Telnet().feed(stream)
        self.assertEqual(in_pieces(stream, cuts), whole)
        self.assertEqual(in_pieces(stream, list(range(len(stream)))), whole)

    @given(st.lists(streams, max_size=8))
    @settings(max_examples=examples(500))
    def test_answers_never_exceed_what_came_by_more_than_the_headroom(
        self, chunks: list[bytes]
    ) -> None:
        telnet = Telnet()
        received = answered = 0
        for chunk in chunks:
            text, answer = telnet.feed(chunk)
            self.assertLessEqual(len(text), received + len(chunk))
            received += len(chunk)
            answered += len(answer)
            self.assertLessEqual(answered, received + HEADROOM)

    @given(st.lists(st.text(max_size=20).map(str.encode), max_size=8))
    def test_text_between_commands_comes_out_whole(self, texts: list[bytes]) -> None:
        for command in (IAC + NOP, IAC + DO + ECHO, IAC + SB + NAWS + b"\0P\0\x18" + IAC + SE):
            self.assertEqual(Telnet().feed(command.join(texts))[0], b"".join(texts))


class IdleTests(unittest.TestCase):
    def test_a_new_one_is_idle(self) -> None:
        self.assertTrue(Telnet().idle)

    def test_it_is_not_idle_before_a_command_has_ended(self) -> None:
        for command in (IAC + NOP, IAC + DO + ECHO, IAC + SB + NAWS + b"xy" + IAC + SE, IAC + IAC):
            telnet = Telnet()
            telnet.feed(b"hi")
            for byte in command[:-1]:
                telnet.feed(bytes((byte,)))
                self.assertFalse(telnet.idle, command)
            telnet.feed(command[-1:])
            self.assertTrue(telnet.idle, command)


class RefusalTests(unittest.TestCase):
    def test_an_option_is_refused_a_few_times_and_then_no_more(self) -> None:
        for verb, refusal in ((DO, WONT), (WILL, DONT)):
            _, answer = Telnet().feed((IAC + verb + ECHO) * 1000)
            self.assertEqual(answer, (IAC + refusal + ECHO) * REPEATS_ANSWERED)

    def test_each_option_and_each_direction_is_counted_for_itself(self) -> None:
        telnet = Telnet()
        telnet.feed((IAC + DO + ECHO) * 1000)
        self.assertEqual(telnet.feed(IAC + WILL + ECHO), (b"", IAC + DONT + ECHO))
        self.assertEqual(telnet.feed(IAC + DO + SGA), (b"", IAC + WONT + SGA))
        self.assertEqual(telnet.feed(IAC + DO + ECHO), (b"", b""))

    def test_every_option_is_refused(self) -> None:
        telnet = Telnet()
        for option in (bytes((number,)) for number in range(256)):
            self.assertEqual(telnet.feed(IAC + DO + option), (b"", IAC + WONT + option))
            self.assertEqual(telnet.feed(IAC + WILL + option), (b"", IAC + DONT + option))

    def test_a_timing_mark_is_refused_each_time(self) -> None:
        _, answer = Telnet().feed((IAC + DO + TIMING_MARK) * 1000)
        self.assertEqual(answer, (IAC + WONT + TIMING_MARK) * 1000)

    def test_an_offer_of_a_timing_mark_is_refused_like_any_other(self) -> None:
        _, answer = Telnet().feed((IAC + WILL + TIMING_MARK) * 1000)
        self.assertEqual(answer, (IAC + DONT + TIMING_MARK) * REPEATS_ANSWERED)

    def test_two_of_them_do_not_talk_for_ever(self) -> None:
        one, other = Telnet(), Telnet()
        _, answer = one.feed(IAC + DO + ECHO + IAC + WILL + ECHO)
        self.assertEqual(answer, IAC + WONT + ECHO + IAC + DONT + ECHO)
        self.assertEqual(other.feed(answer), (b"", b""))


class AreYouThereTests(unittest.TestCase):
    def test_a_person_who_asks_now_and_then_is_always_answered(self) -> None:
        telnet = Telnet()
        for _ in range(100):
            self.assertEqual(telnet.feed(IAC + AYT), (b"", HERE))
            telnet.feed(b"a line of some length" + IAC + NOP + b"\r\n")

    def test_a_flood_is_answered_with_little_more_than_itself(self) -> None:
        flood = (IAC + AYT) * 10_000
        _, answer = Telnet().feed(flood)
        self.assertGreater(len(answer), len(flood))
        self.assertLessEqual(len(answer), len(flood) + HEADROOM)
        self.assertEqual(answer, HERE * (len(answer) // len(HERE)))

    def test_a_flood_is_answered_the_same_however_it_is_cut(self) -> None:
        flood = (IAC + AYT) * 1000
        for size in (1, 2, 3, 100):
            cuts = list(range(0, len(flood), size))
            self.assertEqual(in_pieces(flood, cuts), Telnet().feed(flood), size)


class CostTests(unittest.TestCase):
    def test_a_subnegotiation_without_an_end_keeps_nothing(self) -> None:
        telnet = Telnet()
        telnet.feed(IAC + SB + NAWS)
        chunk = b"x" * 65536
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for _ in range(100):
            self.assertEqual(telnet.feed(chunk), (b"", b""))
        kept, _ = tracemalloc.get_traced_memory()
        self.assertLess(kept, 4096)
        self.assertFalse(telnet.idle)

    def test_a_flood_of_commands_is_cheap(self) -> None:
        # Takes 5 to 10 ms where this was written; a parser that is not linear takes seconds.
        for command in (IAC, IAC + DO + ECHO, IAC + DO + TIMING_MARK, IAC + AYT, IAC + SB):
            flood = command * (65536 // len(command))
            started = process_time()
            Telnet().feed(flood)
            self.assertLess(process_time() - started, 0.2, command)
