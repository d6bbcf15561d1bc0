from __future__ import annotations

import tracemalloc
from itertools import pairwise
from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.doors.telnet import (
    HEADROOM,
    HERE,
    LOST,
    REPEATS_ANSWERED,
    SUBNEGOTIATION_MOST,
    Telnet,
)
from tests.profiles import examples

IAC = b"\xff"
EOF, SUSP, ABORT = (bytes((n,)) for n in range(236, 239))
SE, NOP, DM, BRK, IP, AO, AYT, EC, EL, GA, SB = (bytes((n,)) for n in (240, *range(241, 251)))
WILL, WONT, DO, DONT = (bytes((n,)) for n in range(251, 255))
BINARY, ECHO, SGA, TIMING_MARK, TTYPE, NAWS = (bytes((n,)) for n in (0, 1, 3, 6, 24, 31))

ASK = IAC + DO + BINARY + IAC + WILL + BINARY
NO_ANSWER = b""

# What comes in, the text of it, the answer to it.
STREAMS = {
    "nothing": (b"", b"", NO_ANSWER),
    "plain text": (b"hi\r\n", b"hi\r\n", NO_ANSWER),
    "UTF-8": ("zoë 小林 😀\n".encode(), "zoë 小林 😀\n".encode(), NO_ANSWER),
    "a doubled IAC": (b"a\xff\xffb", b"a\xffb", NO_ANSWER),
    "two doubled IACs": (b"\xff\xff\xff\xff", b"\xff\xff", NO_ANSWER),
    "a doubled IAC before a command's byte": (IAC + IAC + AYT, IAC + AYT, NO_ANSWER),
    "DO": (b"a" + IAC + DO + ECHO + b"b", b"ab", ASK + IAC + WONT + ECHO),
    "WILL": (b"a" + IAC + WILL + NAWS + b"b", b"ab", ASK + IAC + DONT + NAWS),
    "DONT": (b"a" + IAC + DONT + ECHO + b"b", b"ab", ASK),
    "WONT": (b"a" + IAC + WONT + ECHO + b"b", b"ab", ASK),
    "what a telnet client sends first": (
        IAC + DO + SGA + IAC + WILL + TTYPE + IAC + WILL + NAWS + b"ana\r\n",
        b"ana\r\n",
        ASK + IAC + WONT + SGA + IAC + DONT + TTYPE + IAC + DONT + NAWS,
    ),
    "option 255": (IAC + DO + IAC + b"a", b"a", ASK + IAC + WONT + IAC),
    "an option like a newline": (IAC + DO + b"\n", b"", ASK + IAC + WONT + b"\n"),
    "a subnegotiation": (b"a" + IAC + SB + NAWS + b"\0P\0\n" + IAC + SE + b"b", b"ab", ASK),
    "a doubled IAC in it": (b"a" + IAC + SB + NAWS + IAC + IAC + SE + IAC + SE, b"a", ASK),
    "a command in it": (
        IAC + SB + NAWS + b"x" + IAC + DO + ECHO + b"b",
        b"b",
        ASK + IAC + WONT + ECHO,
    ),
    "another in it": (IAC + SB + NAWS + b"x" + IAC + SB + b"y" + IAC + SE + b"b", b"b", ASK),
    "its end without it": (b"a" + IAC + SE + b"b", b"ab", ASK),
    "are you there": (b"a" + IAC + AYT + b"b", b"ab", ASK + HERE),
    "interrupt and timing mark": (
        b"hal" + IAC + IP + IAC + DO + TIMING_MARK + b"lo\r\n",
        b"hallo\r\n",
        ASK + IAC + WONT + TIMING_MARK,
    ),
    "Latin-1": (b"\xff\xe9\xff\n\xff\xf1", b"\xff\xe9\xff\n", ASK),
    **{
        f"command {number}": (b"hal" + IAC + bytes((number,)) + b"lo", b"hallo", ASK)
        for number in range(237, 250)
        if bytes((number,)) not in (AYT, EC, EL)
    },
    "what erases a character": (b"helo" + IAC + EC + b"lo", b"helo\blo", ASK),
    "what erases a line": (b"helo" + IAC + EL + b"hello", b"helo\x15hello", ASK),
    "the end of the input": (b"hi\nho" + IAC + EOF + b"ha\n" + IAC + AYT, b"hi\nho", ASK),
    "what inetutils sends for \N{LATIN CAPITAL LETTER U WITH DIAERESIS}bung": (
        b"\xc3" + IAC + BRK + IAC + DO + TIMING_MARK + b"bung\r\n",
        "\u00dcbung\r\n".encode(),
        ASK + IAC + WONT + TIMING_MARK,
    ),
    "two bytes of one character": (
        b"\xe2" + IAC + BRK + IAC + DO + TIMING_MARK + IAC + SUSP + IAC + DO + TIMING_MARK,
        "\u271a".encode(),
        ASK + (IAC + WONT + TIMING_MARK) * 2,
    ),
    "the end of a long character": (b"\xf0\x9f\x98" + IAC + IP, "\U0001f603".encode(), ASK),
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
    st.sampled_from([b"\xc3", b"\xd1", b"\xe2\x9c", b"\xf0\x9f", IAC + BRK, IAC + AO, IAC + EC]),
    st.builds(lambda size: IAC + SB + b"x" * size, st.integers(100, 140)),
    st.builds(lambda content: IAC + SB + content + IAC + SE, st.binary(max_size=8)),
    st.binary(max_size=8),
)
streams = st.lists(pieces, max_size=60).map(b"".join)


def in_pieces(stream: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """All text and all answers of a stream that is cut at these places."""
    telnet = Telnet()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    text = answers = b""
    for start, end in pairwise(places):
        some, answer = telnet.feed(stream[start:end], text)
        text += some
        answers += answer
    return text, answers


def asked() -> Telnet:
    """A connection on which BINARY was asked for."""
    telnet = Telnet()
    telnet.negotiate()
    return telnet


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


class BinaryTests(unittest.TestCase):
    AGREE = IAC + WILL + BINARY + IAC + DO + BINARY

    def test_it_is_asked_for_once_at_the_first_command_of_any_kind(self) -> None:
        for command in (NOP, AYT, IP, EC, SB, SE, EOF, DO + ECHO, WONT + ECHO):
            telnet = Telnet()
            self.assertEqual(telnet.feed(b"hi" + IAC), (b"hi", b""), command)
            self.assertEqual(telnet.feed(command)[1][: len(ASK)], ASK, command)
            self.assertNotIn(ASK, telnet.feed(IAC + NOP)[1], command)

    def test_what_is_no_command_is_no_sign_of_telnet(self) -> None:
        for text in (b"hi\n", IAC + IAC, IAC + b"\xe9", IAC + b"\n"):
            self.assertEqual(Telnet().feed(text)[1], b"", text)

    def test_who_negotiates_at_once_asks_once(self) -> None:
        telnet = Telnet()
        self.assertEqual(telnet.negotiate(), ASK)
        self.assertEqual(telnet.negotiate(), b"")
        self.assertEqual(telnet.feed(IAC + NOP + self.AGREE), (b"", b""))

    def test_an_answer_is_not_answered(self) -> None:
        for answer in (self.AGREE, IAC + WONT + BINARY + IAC + DONT + BINARY):
            self.assertEqual(asked().feed(answer * 20), (b"", b""), answer)

    def test_a_peer_that_asked_first_hears_what_we_ask_and_nothing_more(self) -> None:
        self.assertEqual(Telnet().feed(IAC + DO + BINARY + IAC + WILL + BINARY), (b"", ASK))

    def test_a_peer_may_end_it_and_begin_it_again(self) -> None:
        telnet = asked()
        telnet.feed(self.AGREE)
        for said, answer in ((WONT, DONT), (DONT, WONT), (WILL, DO), (DO, WILL)):
            self.assertEqual(telnet.feed(IAC + said + BINARY)[1], IAC + answer + BINARY)
            self.assertEqual(telnet.feed(IAC + said + BINARY)[1], b"")

    def test_who_does_that_for_ever_hears_no_more(self) -> None:
        telnet = asked()
        telnet.feed(self.AGREE)
        _, answer = telnet.feed((IAC + WONT + BINARY + IAC + WILL + BINARY) * 1000)
        self.assertEqual(len(answer), 3 * REPEATS_ANSWERED)

    def test_two_of_them_agree(self) -> None:
        one, other = Telnet(), Telnet()
        said = one.negotiate()
        for _ in range(2):
            _, answer = other.feed(said)
            _, said = one.feed(answer)
        self.assertEqual(said, b"")
        # Who ends it hears that it has ended: it was agreed on.
        self.assertEqual(one.feed(IAC + WONT + BINARY)[1], IAC + DONT + BINARY)


class EchoTests(unittest.TestCase):
    """What is typed is hidden where we offer to show it ourselves, and do not."""

    HIDE, SHOW = IAC + WILL + ECHO, IAC + WONT + ECHO

    def test_it_is_asked_for_and_given_back(self) -> None:
        telnet = asked()
        for _ in range(20):
            self.assertEqual(telnet.echo(False), self.HIDE)
            self.assertEqual(telnet.feed(IAC + DO + ECHO), (b"", b""))
            self.assertEqual(telnet.echo(True), self.SHOW)
            self.assertEqual(telnet.feed(IAC + DONT + ECHO), (b"", b""))

    def test_who_refuses_is_not_asked_to_end_it(self) -> None:
        telnet = asked()
        telnet.echo(False)
        self.assertEqual(telnet.feed(IAC + DONT + ECHO), (b"", b""))
        self.assertEqual(telnet.echo(True), b"")

    def test_who_was_not_asked_is_not_asked_to_end_it(self) -> None:
        self.assertEqual(asked().echo(True), b"")

    def test_a_peer_may_end_it_by_itself(self) -> None:
        telnet = asked()
        telnet.echo(False)
        telnet.feed(IAC + DO + ECHO)
        self.assertEqual(telnet.feed(IAC + DONT + ECHO), (b"", self.SHOW))

    def test_who_wants_it_at_another_time_is_refused(self) -> None:
        telnet = asked()
        telnet.echo(False)
        telnet.echo(True)
        self.assertEqual(telnet.feed(IAC + DO + ECHO), (b"", IAC + WONT + ECHO))


def typed(text: str) -> bytes:
    """What BSD's telnet makes of a text before BINARY is agreed on, after experiments with it."""
    keys = {0x83: IP, 0x8F: AO, 0x9A: SUSP, 0x9C: BRK}
    sent = b""
    for byte in text.encode():
        command = keys.get(byte)
        sent += IAC + command + IAC + DO + TIMING_MARK if command else bytes((byte,))
    return sent


class PutBackTests(unittest.TestCase):
    @given(st.text(st.characters(max_codepoint=0x10FFFF, exclude_categories=["Cs"])), st.data())
    @settings(deadline=None, max_examples=500)
    def test_what_was_taken_for_a_key_is_put_back(self, text: str, data: st.DataObject) -> None:
        stream = typed(text)
        cuts = data.draw(st.lists(st.integers(0, len(stream))))
        self.assertEqual(in_pieces(stream, cuts)[0].decode(), text)

    def test_every_character_that_has_such_a_byte_last(self) -> None:
        for point in (*range(0x80, 0x3000), *range(0x1F300, 0x1F700)):
            self.assertEqual(Telnet().feed(typed(chr(point)))[0].decode(), chr(point))

    def test_the_text_before_may_have_passed_by(self) -> None:
        self.assertEqual(Telnet().feed(IAC + IP + b"!", b"...\xd1")[0], b"\x83!")
        self.assertEqual(Telnet().feed(IAC + IP + b"!", b"\xf0\x9f\x98")[0], b"\x83!")

    def test_a_key_that_was_pressed_is_no_part_of_a_character(self) -> None:
        for begun in (
            *(b"", b"a", "\u00e9".encode(), "\U0001f603".encode(), b"\xff", b"\x83"),
            # No character begins so: it would be too long, a surrogate, or beyond the last one.
            *(b"\xe0", b"\xf0", b"\xed\xa0", b"\xf4\x90", b"\xc0", b"\xf5", b"\x80\x80\x80"),
        ):
            self.assertEqual(Telnet().feed(IAC + IP, begun), (b"", ASK), begun)

    def test_other_commands_are_no_part_of_one(self) -> None:
        for command in (NOP, AYT, DM, GA, SE, EOF):
            self.assertEqual(Telnet().feed(b"\xd1" + IAC + command)[0], b"\xd1", command)


class SubnegotiationTests(unittest.TestCase):
    def test_one_without_an_end_is_told_of_and_the_text_goes_on(self) -> None:
        lost = IAC + SB + TTYPE + b"x" * (SUBNEGOTIATION_MOST - 1)
        for end in (b"\n", b"\r\n", b"\r\0"):
            for cuts in ([], [1], [60], list(range(200))):
                # The key erases what is before it in the line; what is behind might be half of
                # a command, and is not said.
                text = in_pieces(b"a" + lost + b"y secret" + end + b"hello\n", cuts)
                self.assertEqual(text, (b"a\x15" + end + b"hello\n", ASK + LOST), cuts)

    def test_one_of_the_greatest_length_is_none(self) -> None:
        content = b"x" * SUBNEGOTIATION_MOST
        telnet = Telnet()
        self.assertEqual(telnet.feed(IAC + SB + content + IAC + SE + b"hi"), (b"hi", ASK))
        self.assertTrue(telnet.idle)

    def test_a_doubled_byte_counts_as_one(self) -> None:
        content = b"x" * (SUBNEGOTIATION_MOST - 1) + IAC + IAC
        self.assertEqual(Telnet().feed(IAC + SB + content + IAC + SE + b"hi"), (b"hi", ASK))
        lost = Telnet().feed(IAC + SB + content + IAC + IAC + b"hi\n")
        self.assertEqual(lost, (b"\x15\n", ASK + LOST))

    def test_it_keeps_nothing(self) -> None:
        telnet = Telnet()
        telnet.feed(IAC + SB + NAWS)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for _ in range(SUBNEGOTIATION_MOST - 1):
            self.assertEqual(telnet.feed(b"x"), (b"", b""))
        kept, _ = tracemalloc.get_traced_memory()
        self.assertLess(kept, 4096)
        self.assertFalse(telnet.idle)

    def test_to_be_told_takes_as_much_as_the_sentence(self) -> None:
        stream = (IAC + SB + b"x" * SUBNEGOTIATION_MOST + b"y") * 1000
        _, answer = Telnet().feed(stream)
        self.assertEqual(answer, ASK + LOST * 1000)
        self.assertLess(len(answer), len(stream))


class EndTests(unittest.TestCase):
    def test_what_comes_after_it_is_ignored(self) -> None:
        telnet = Telnet()
        self.assertEqual(telnet.feed(b"hi\n" + IAC + EOF + IAC + AYT + b"ho"), (b"hi\n", ASK))
        self.assertTrue(telnet.ended)
        self.assertEqual(telnet.feed(b"ha" + IAC + AYT + IAC), (b"", b""))


class RefusalTests(unittest.TestCase):
    def test_an_option_is_refused_a_few_times_and_then_no_more(self) -> None:
        for verb, refusal in ((DO, WONT), (WILL, DONT)):
            _, answer = asked().feed((IAC + verb + ECHO) * 1000)
            self.assertEqual(answer, (IAC + refusal + ECHO) * REPEATS_ANSWERED)

    def test_each_option_and_each_direction_is_counted_for_itself(self) -> None:
        telnet = asked()
        telnet.feed((IAC + DO + ECHO) * 1000)
        self.assertEqual(telnet.feed(IAC + WILL + ECHO), (b"", IAC + DONT + ECHO))
        self.assertEqual(telnet.feed(IAC + DO + SGA), (b"", IAC + WONT + SGA))
        self.assertEqual(telnet.feed(IAC + DO + ECHO), (b"", b""))

    def test_every_other_option_is_refused(self) -> None:
        telnet = asked()
        for option in (bytes((number,)) for number in range(1, 256)):
            self.assertEqual(telnet.feed(IAC + DO + option), (b"", IAC + WONT + option))
            self.assertEqual(telnet.feed(IAC + WILL + option), (b"", IAC + DONT + option))

    def test_a_timing_mark_is_refused_each_time(self) -> None:
        _, answer = asked().feed((IAC + DO + TIMING_MARK) * 1000)
        self.assertEqual(answer, (IAC + WONT + TIMING_MARK) * 1000)

    def test_an_offer_of_a_timing_mark_is_refused_like_any_other(self) -> None:
        _, answer = asked().feed((IAC + WILL + TIMING_MARK) * 1000)
        self.assertEqual(answer, (IAC + DONT + TIMING_MARK) * REPEATS_ANSWERED)

    def test_two_of_them_do_not_talk_for_ever(self) -> None:
        one, other = asked(), asked()
        _, answer = one.feed(IAC + DO + ECHO + IAC + WILL + ECHO)
        self.assertEqual(answer, IAC + WONT + ECHO + IAC + DONT + ECHO)
        self.assertEqual(other.feed(answer), (b"", b""))


class AreYouThereTests(unittest.TestCase):
    def test_a_person_who_asks_now_and_then_is_always_answered(self) -> None:
        telnet = asked()
        for _ in range(100):
            self.assertEqual(telnet.feed(IAC + AYT), (b"", HERE))
            telnet.feed(b"a line of some length" + IAC + NOP + b"\r\n")

    def test_a_flood_is_answered_with_little_more_than_itself(self) -> None:
        flood = (IAC + AYT) * 10_000
        _, answer = asked().feed(flood)
        self.assertGreater(len(answer), len(flood))
        self.assertLessEqual(len(answer), len(flood) + HEADROOM)
        self.assertEqual(answer, HERE * (len(answer) // len(HERE)))

    def test_a_flood_is_answered_the_same_however_it_is_cut(self) -> None:
        flood = (IAC + AYT) * 1000
        for size in (1, 2, 3, 100):
            cuts = list(range(0, len(flood), size))
            self.assertEqual(in_pieces(flood, cuts), Telnet().feed(flood), size)


class CostTests(unittest.TestCase):
    def test_a_flood_of_commands_is_cheap(self) -> None:
        # Takes 5 to 10 ms where this was written; a parser that is not linear takes seconds.
        for command in (
            IAC,
            IAC + DO + ECHO,
            IAC + DO + TIMING_MARK,
            IAC + AYT,
            IAC + SB,
            b"\xe2" + IAC + BRK,
        ):
            flood = command * (65536 // len(command))
            started = process_time()
            asked().feed(flood)
            self.assertLess(process_time() - started, 1, command)
