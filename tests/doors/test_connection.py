from __future__ import annotations

import gc
import re
import socket
import ssl
import struct
import sys
import unicodedata
import weakref
from collections.abc import Callable, Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    serverFromString,
    wrapClientTLS,
)
from twisted.internet.error import ConnectionClosed, ConnectionDone, ConnectionLost
from twisted.protocols.haproxy import proxyEndpoint
from twisted.python.failure import Failure
from twisted.trial import unittest

from chatservice.core.chat import Chat
from chatservice.doors.connection import UNNAMED_READ, UNSENT_MOST
from chatservice.doors.factory import ChatFactory
from chatservice.doors.framing import LineFramer
from chatservice.journal.memory import MemoryJournal
from chatservice.limits import LOGIN_TRIES, Limits
from chatservice.text.listing import MARK, directed
from chatservice.text.sanitising import edited, safe
from chatservice.text.slash import LOOKS_LIKE
from tests.doors.support import (
    NOON,
    Certificate,
    Collector,
    Folder,
    FullJournal,
    House,
    Peer,
    reactor,
    until,
)
from tests.profiles import examples
from tests.welcome import ALONE, GREETING, entered, hello

NASTY = "\x1b[2J\x07\x9b1m\u202e\u2066\u200b\u200e\ufeff\u2028\x00\x7f\r"

texts = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="<>*-#[]/ ab\r\0\t\x1b\u202e\u200b\u2028\x85", max_size=40),
    st.sampled_from(
        [
            "-- bob left",
            "<bob> hi",
            "* bob waves",
            "#lobby <bob> hi",
            "[12:00] <bob> hi",
            "x\r-- bob left",
            "x\u2028<bob> hi",
            "x\x85<bob> hi",
            "x\r\0<bob> hi",
            "x\x1b[1G<bob> hi",
            "x\x08\x08\x08<bob> hi",
            ") and -- bob left",
        ]
    ),
)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def in_one_line(text: str) -> bytes:
    """A text without what would end the line, or edit it."""
    return encoded(re.sub("\r\0+", "\r", re.sub("[\n\b\x7f\x15\x17]", "", text)))


commands = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b"\r\0",
        b"\n/me ",
        b"\n/join dev\n",
        b"\n/quit ",
        b"\n/nick x\n",
        b"\n/leave\n",
    ]
)


def http_answer(data: bytes) -> bytes:
    """Check an answer to HTTP, of which there is exactly one, and return what was said before."""
    before, start, answer = data.partition(b"HTTP/1.1 400 ")
    assert start, data
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"^Content-Length: (\d+)\r?$", head, re.MULTILINE)
    assert length is not None
    assert len(body) == int(length[1]), body
    assert b"HTTP/1.1" not in body
    return before


class GreetingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House()

    def test_who_says_nothing_is_greeted_after_a_moment(self) -> None:
        peer = self.house.connect()
        self.assertEqual(peer.hear(0.029), [])
        self.assertEqual(peer.hear(0.001), [GREETING])
        self.assertEqual(peer.hear(10), [])

    def test_a_first_line_is_greeted_at_once_and_once(self) -> None:
        peer = self.house.connect()
        peer.say("ana")
        self.assertEqual(peer.read()[:2], [GREETING, hello("ana")])
        self.assertEqual(peer.hear(10), [ALONE])

    def test_half_a_line_is_greeted_after_a_moment(self) -> None:
        peer = self.house.connect()
        peer.send(b"an")
        self.assertEqual(peer.hear(0.02), [])
        self.assertEqual(peer.hear(0.02), [GREETING])
        peer.send(b"a\n")
        self.assertEqual(peer.read()[0], hello("ana"))

    def test_the_end_of_the_input_is_greeted_at_once(self) -> None:
        peer = self.house.connect()
        peer.end()
        self.assertEqual(peer.read(), [GREETING])

    def test_telnet_commands_are_answered_before_the_greeting(self) -> None:
        peer = self.house.connect()
        peer.send(b"\xff\xfd\x01")
        self.assertEqual(peer.wire.value(), b"\xff\xfd\0\xff\xfb\0\xff\xfc\x01")
        peer.wire.clear()
        self.assertEqual(peer.hear(), [GREETING])

    def test_an_empty_packet_says_nothing(self) -> None:
        peer = self.house.connect()
        peer.send(b"")
        self.assertEqual(peer.read(), [])


class NamingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House()

    def greeted(self) -> Peer:
        peer = self.house.connect()
        self.assertEqual(peer.hear(), [GREETING])
        return peer

    def test_who_gives_a_name_is_in(self) -> None:
        peer = self.greeted()
        peer.say("ana")
        self.assertEqual(peer.hear(), [hello("ana"), ALONE])
        self.assertEqual(self.house.people(), ["ana"])

    def test_the_message_of_the_day_comes_before_anything_else(self) -> None:
        self.house = House(motd=["Welcome.", "Be kind."])
        peer = self.greeted()
        peer.say("ana")
        self.assertEqual(peer.hear(), ["-- Welcome.", "-- Be kind.", hello("ana"), ALONE])

    def test_keys_edit_a_name_too(self) -> None:
        peer = self.house.connect()
        peer.say("bob\x15an\u00ef\bna")
        self.assertIn(hello("anna"), peer.hear(1))

    def test_a_bad_name_is_refused_with_the_reason_and_asked_for_again(self) -> None:
        peer = self.greeted()
        peer.say("<ana>")
        self.assertEqual(peer.hear(), ["-- '<' can't be part of a name; another name, please?"])
        peer.say("")
        self.assertEqual(peer.hear(), ["-- a name has 1 to 24 characters; another name, please?"])
        peer.say("ana")
        self.assertEqual(peer.hear()[0], hello("ana"))

    def test_little_is_read_at_once_until_there_is_a_name(self) -> None:
        peer = self.greeted()
        self.assertEqual(peer.wire.bufferSize, UNNAMED_READ)
        peer.say("x y")
        self.assertEqual(peer.wire.bufferSize, UNNAMED_READ)
        peer.say("ana")
        peer.hear()
        self.assertFalse(hasattr(peer.wire, "bufferSize"))

    def test_the_fifth_refusal_is_the_last(self) -> None:
        peer = self.greeted()
        for number in range(1, LOGIN_TRIES + 1):
            self.assertFalse(peer.wire.half_closed)
            peer.say("x y")
            (line,) = peer.hear()
            last = "that was the last try, goodbye"
            self.assertEqual(
                line.split("; ")[1], last if number == 5 else "another name, please?", number
            )
        self.assertTrue(peer.wire.half_closed)
        peer.say("ana")
        self.assertEqual(peer.hear(), [])
        self.assertEqual(self.house.people(), [])

    def test_after_the_last_try_in_a_packet_nothing_of_it_counts(self) -> None:
        peer = self.greeted()
        peer.say("", "", "", "", "", "ana", "bob")
        self.assertEqual(len(peer.hear()), 5)
        self.assertEqual(self.house.people(), [])

    def test_a_name_that_is_held_is_refused_however_it_is_written(self) -> None:
        self.house.enter("ana")
        peer = self.greeted()
        for name in ("ana", "ANA", "aNa", " ana "):
            peer.say(name)
            self.assertEqual(
                peer.hear(), [f"-- the name {name.strip()} is taken; another name, please?"]
            )
        peer.say("anna")
        self.assertEqual(peer.hear()[0], hello("anna"))

    def test_of_two_who_ask_for_a_name_at_once_exactly_one_has_it(self) -> None:
        one, other = self.greeted(), self.greeted()
        other.say("ana")
        one.say("Ana")
        self.assertEqual(other.hear()[0], hello("ana"))
        self.assertEqual(one.hear(), ["-- the name Ana is taken; another name, please?"])
        self.assertEqual(self.house.people(), ["ana"])
        one.say("bob")
        self.assertEqual(one.hear()[0], hello("bob"))

    def test_a_name_is_free_when_its_holder_is_gone(self) -> None:
        ana = self.house.enter("ana")
        ana.lose()
        peer = self.greeted()
        peer.say("Ana")
        self.assertEqual(peer.hear()[0], hello("Ana"))

    def test_a_line_in_the_packet_of_the_name_is_said(self) -> None:
        bob = self.house.enter("bob")
        peer = self.greeted()
        peer.say("ana", "hi", "all")
        self.assertEqual(bob.hear(), ["-- ana joined", "<ana> hi", "<ana> all"])

    def test_a_line_that_is_too_long_is_no_try(self) -> None:
        peer = self.greeted()
        for _ in range(LOGIN_TRIES + 1):
            peer.say("x" * 2001)
        lines = peer.hear(3)
        self.assertEqual(lines, ["-- that line was too long: at most 2,000 characters"] * 6)
        peer.say("ana")
        self.assertEqual(peer.hear()[0], hello("ana"))

    def test_an_error_of_ours_is_written_down_and_costs_no_connection(self) -> None:
        def enter(*_: object, operator: bool) -> Deferred[None]:
            raise ZeroDivisionError

        self.patch(self.house.chat.attendance, "enter", enter)
        peer = self.greeted()
        peer.say("ana")
        self.assertEqual(peer.hear(), ["-- that went wrong on our side, and was written down"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        del self.house.chat.attendance.enter
        peer.say("ana")
        self.assertEqual(peer.hear(), [hello("ana"), ALONE])

    def test_so_is_one_that_comes_later(self) -> None:
        entering: Deferred[None] = Deferred()
        self.patch(self.house.chat.attendance, "enter", lambda *_, operator: entering)
        peer = self.greeted()
        peer.say("ana", "ben")
        self.assertEqual((peer.hear(), peer.paused), ([], True))
        del self.house.chat.attendance.enter
        entering.errback(ZeroDivisionError())
        self.assertEqual(
            peer.hear(),
            ["-- that went wrong on our side, and was written down", hello("ben"), ALONE],
        )
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_name_that_is_granted_after_the_connection_closed_is_given_back(self) -> None:
        for close in (Peer.lose, lambda peer: peer.protocol.part("goodbye")):
            gate: Deferred[None] = Deferred()
            claim = self.house.chat.peers.claims.claim
            self.patch(
                self.house.chat.peers.claims,
                "claim",
                lambda *args, gate=gate, claim=claim: gate.addCallback(lambda _: claim(*args)),
            )
            peer = self.greeted()
            peer.say("ana", "hi")
            close(peer)
            gate.callback(None)
            self.house.run(1)
            self.assertEqual(self.house.people(), [])
            del self.house.chat.peers.claims.claim
            ana = self.house.enter("ana")
            ana.say("/quit")
            self.house.run(1)


class ChattingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House(rate=0)
        self.ana = self.house.enter("ana")
        self.bob = self.house.enter("bob")
        self.ana.read()

    def test_what_one_says_the_others_see(self) -> None:
        self.ana.say("hi bob")
        self.assertEqual(self.bob.hear(), ["<ana> hi bob"])
        self.assertEqual(self.ana.read(), [])

    def test_an_empty_line_says_nothing(self) -> None:
        self.ana.say("", "   ", "\u200b", "\t")
        self.assertEqual((self.bob.hear(), self.ana.read()), ([], []))

    def test_two_slashes_say_one(self) -> None:
        self.ana.say("//help me", "//", "///")
        self.assertEqual(self.bob.hear(), ["<ana> /help me", "<ana> /", "<ana> //"])
        self.assertEqual(self.ana.read(), [])

    def test_what_shows_to_begin_with_a_slash_is_for_nobody_else(self) -> None:
        cleo = self.house.enter("cleo")
        self.bob.hear()
        typed = [
            *(
                b"\x03",
                b"\x1a",
                b"\x1b",
                b"\x1b[A",
                b"\x1bOA",
                b"\x1b[1;5C",
                b"\0",
                b"\xfe",
                b" ",
                b"\t",
            ),
            *(
                text.encode()
                for text in ("\u00a0", "\u3000", "\u2800", "\ufeff", "\u200b", "\u2009")
            ),
        ]
        for before in typed:
            self.ana.send(before + b"/msg bob psst\n" + before + b"/xyzzy\n")
            self.assertEqual(self.bob.hear(), ["[ana -> you] psst"], before)
            self.assertEqual(
                self.ana.read()[-1], "-- there is no /xyzzy: /help shows what there is"
            )
        self.ana.say("\uff0fmsg bob psst", " \u2215msg bob psst")
        self.assertEqual(self.ana.hear(), [f"-- {LOOKS_LIKE}"] * 2)
        self.assertEqual((self.bob.read(), cleo.read()[2:]), ([], []))

    def test_keys_edit_a_line_where_the_terminal_does_not(self) -> None:
        self.ana.say(
            "helo\x7flo", "e\u0301日\b\b👍🏽!", "/msg bob \x17\x17hi", "psst\x15", "psst \x15hi"
        )
        self.assertEqual(self.bob.hear(), ["<ana> hello", "<ana> 👍🏽!", "<ana> hi", "<ana> hi"])
        self.assertEqual(self.ana.read(), [])

    def test_what_was_erased_does_not_count(self) -> None:
        most = self.house.limits.max_line
        self.ana.say("x" * most + "y\x7f", "\x7f" * most + "\x7fhi", "y" + "x" * most)
        self.assertEqual(self.bob.hear(), [f"<ana> {'x' * most}", "<ana> hi"])
        self.assertEqual(self.ana.read(), ["-- that line was too long: at most 2,000 characters"])

    def test_commands_are_answered_and_not_said(self) -> None:
        self.ana.say("/who", "/WHO lobby", "/nonsense", "/who a b")
        self.assertEqual(
            self.ana.hear(),
            [
                *["-- 2 people in #lobby:", "--   ana, bob"] * 2,
                "-- there is no /nonsense: /help shows what there is",
                "-- usage: /who [ROOM]",
            ],
        )
        self.assertEqual(self.bob.read(), [])

    def test_help_shows_every_command(self) -> None:
        self.ana.say("/help")
        *lines, _ = self.ana.hear()
        for command in ("/help", "/who", "/join", "/nick", "/quit", "//TEXT"):
            self.assertEqual(len([line for line in lines if f" {command} " in line]), 1, command)

    def test_a_line_after_a_command_that_waits_comes_after_it(self) -> None:
        self.ana.say("/join dev", "/who", "hi", "/leave", "bye")
        self.assertEqual(
            self.ana.hear(1),
            [
                entered("dev"),
                "-- 1 person in #dev:",
                "--   ana",
                "-- you left #dev and are in #lobby now",
            ],
        )
        self.assertEqual(self.bob.read(), ["<ana> bye"])

    def test_a_line_that_is_too_long_is_refused_once_and_the_connection_lives(self) -> None:
        refusal = "-- that line was too long: at most 2,000 characters"
        for line in ("x" * 2001, "x" * 8001, "x" * 100_000, "😀" * 2001):
            self.ana.say(line, "hi")
            self.assertEqual((self.ana.hear(), self.bob.read()), ([refusal], ["<ana> hi"]))
        for line in ("x" * 2000, "😀" * 2000, "\u0939" * 2000):
            self.ana.say(line)
            self.assertEqual((self.ana.hear(), self.bob.read()), ([], [f"<ana> {line}"]))

    def test_answers_come_in_the_order_of_their_commands(self) -> None:
        self.ana.say("hi")
        self.ana.hear()
        self.ana.say("/history", "/rooms", "/history 1", "/leave")
        self.assertEqual(
            [line.partition(" <")[0][-20:] for line in self.ana.hear()],
            [
                "lobby, times in UTC:",
                "[22:13]",
                "lobby (you are here)",
                "lobby, times in UTC:",
                "[22:13]",
                "lobby; /join another",
            ],
        )

    def test_a_long_line_that_comes_byte_by_byte_is_refused_once(self) -> None:
        house = House(rate=0, max_line=10)
        ana = house.enter("ana")
        for byte in b"x" * 200 + b"\r\0hi\n":
            ana.send(bytes((byte,)))
        ana.say("/who")
        self.assertEqual(
            ana.hear(),
            [
                "-- that line was too long: at most 10 characters",
                "-- 1 person in #lobby:",
                "--   ana",
            ],
        )

    def test_what_is_not_utf_8_is_replaced(self) -> None:
        self.ana.send(b"caf\xe9 \xe2\x82\xac \xc3\n")
        self.assertEqual(self.bob.hear(), ["<ana> caf\ufffd € \ufffd"])

    def test_a_character_that_is_cut_into_packets_is_whole(self) -> None:
        for byte in "zoë 😀\n".encode():
            self.ana.send(bytes((byte,)))
        self.assertEqual(self.bob.hear(), ["<ana> zoë 😀"])

    def test_nothing_that_a_terminal_obeys_comes_through_in_any_field(self) -> None:
        cleo = self.house.enter("cleo")
        for peer in (self.ana, self.bob, cleo):
            peer.read()
        shown = "\u241b[2J\u2407\ufffd1m \u240d"
        self.assertEqual(safe(edited(NASTY)), shown)
        self.ana.say(f"say {NASTY}.", f"/me {NASTY}.", f"/nick x{NASTY}", f"/join {NASTY}.")
        self.ana.say(f"/{NASTY}", f"/who {NASTY}", f"/leave {NASTY}", f"/history {NASTY}")
        self.ana.say(f"/quit {NASTY}.")
        self.assertEqual(
            self.bob.hear(1),
            [f"<ana> say {shown}.", f"* ana {shown}.", f"-- ana left ({shown}.)"],
        )
        self.assertEqual(cleo.read(), ["<ana> say " + shown + ".", *self.seen_by(shown)])
        for line in self.ana.read():
            self.assertEqual(line, safe(line))
            self.assertTrue(line.startswith("-- "), line)

    def seen_by(self, shown: str) -> list[str]:
        return [f"* ana {shown}.", f"-- ana left ({shown}.)"]

    def test_the_history_that_somebody_asks_for_is_safe_too(self) -> None:
        self.ana.say(f"say {NASTY}.")
        self.bob.hear()
        self.bob.say("/history")
        lines = self.bob.hear()
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertEqual(line, safe(line))

    def test_a_command_that_fails_is_written_down_and_costs_no_connection(self) -> None:
        def say(*_: object) -> None:
            raise ZeroDivisionError

        self.patch(self.house.chat, "say", say)
        self.ana.say("hi")
        self.assertEqual(self.ana.hear(), ["-- that went wrong on our side, and was written down"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        del self.house.chat.say
        self.ana.say("hi again")
        self.assertEqual(self.bob.hear(), ["<ana> hi again"])

    def test_who_quits_reads_all_and_is_closed(self) -> None:
        self.ana.say("hi")
        self.bob.hear()
        self.bob.say("one last thing")
        self.ana.say("/quit see you")
        self.assertEqual(self.ana.hear(), ["-- goodbye, ana", "<bob> one last thing"])
        self.assertTrue(self.ana.wire.half_closed)
        self.assertEqual(self.bob.read(), ["-- ana left (see you)"])
        self.ana.end()
        self.house.run()
        self.assertFalse(self.ana.connected)

    def test_lines_after_quit_are_ignored(self) -> None:
        self.ana.say("/quit", "one more", "/me waves", "/nick x")
        self.ana.say("and another")
        self.house.run(1)
        self.ana.say("and another")
        self.assertEqual(self.bob.hear(), ["-- ana left"])

    def test_who_quits_while_behind_reads_all_first(self) -> None:
        self.ana.stop_reading()
        self.bob.say(*(f"line {number}" for number in range(100)))
        self.house.run(1)
        self.ana.say("/quit")
        self.house.run(1)
        self.assertEqual(self.bob.read(), ["-- ana left"])
        self.assertFalse(self.ana.wire.half_closed)
        self.ana.read_on()
        lines = self.ana.hear(1)
        self.assertEqual(
            [line for line in lines if line.startswith("<")],
            [f"<bob> line {number}" for number in range(100)],
        )
        self.assertTrue(self.ana.wire.half_closed)

    def test_who_quits_and_ends_its_input_while_behind_reads_all_first(self) -> None:
        self.ana.stop_reading()
        self.bob.say(*(f"line {number}" for number in range(100)))
        self.house.run(1)
        self.ana.say("/quit")
        self.house.run(1)
        self.ana.end()
        self.house.run(10)
        self.assertTrue(self.ana.connected)
        self.ana.read_on()
        lines = self.ana.hear(1)
        self.assertEqual(
            [line for line in lines if line.startswith("<")],
            [f"<bob> line {number}" for number in range(100)],
        )
        self.assertFalse(self.ana.connected)

    def test_lines_that_come_after_it_was_closed_are_ignored(self) -> None:
        self.ana.protocol.part("enough")
        self.ana.say("hi", "/help", "x" * 9000)
        self.ana.send(b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(self.ana.hear(0.5), ["-- enough"])
        self.assertEqual([line for line in self.bob.read() if line.startswith("<")], [])

    def test_what_comes_after_it_was_closed_costs_no_work(self) -> None:
        self.ana.protocol.part("enough")
        self.patch(LineFramer, "dataReceived", lambda *_: self.fail("it was looked at"))
        self.ana.send(b"\n" * 65536)
        self.ana.send(b"\xff" * 65536)


class ForgeryTests(unittest.TestCase):
    """Nobody can make a line that looks like another's, or like the service's own."""

    def watched(self) -> tuple[House, Peer, Peer]:
        house = House(rate=0)
        bob = house.enter("bob")
        mallory = house.enter("mallory")
        bob.read()
        return house, mallory, bob

    def check(self, line: str) -> None:
        self.assertEqual(line, safe(line))
        self.assertTrue(all(unicodedata.category(c) not in ("Cc", "Zl", "Zp") for c in line), line)

    @given(st.lists(texts, max_size=6))
    @settings(max_examples=examples(150))
    @example(["\r\r\0\0<bob> hi", "\r\n\0-- bob left"])
    @example(["x\r-- bob left", "x\u2028-- bob left", "x\x0b\x0c\x1c\x1d\x1e\x85-- bob left"])
    def test_each_line_that_is_said_is_one_line_of_the_speaker(self, said: list[str]) -> None:
        _, mallory, bob = self.watched()
        for text in said:
            mallory.send(b"//" + in_one_line(text) + b"\n")
        received = bob.hear()
        self.assertEqual(len(received), len(said))
        for line in received:
            self.check(line)
            self.assertTrue(line.startswith("<mallory> /"), line)

    @given(st.lists(texts, max_size=6))
    @settings(max_examples=examples(150))
    def test_each_thing_that_is_done_is_one_line_of_the_doer(self, done: list[str]) -> None:
        _, mallory, bob = self.watched()
        for text in done:
            mallory.send(b"/me x" + in_one_line(text) + b"\n")
        received = bob.hear(2)
        self.assertEqual(len(received), len(done))
        for line in received:
            self.check(line)
            self.assertTrue(line.startswith("* mallory x"), line)

    @given(texts)
    @settings(max_examples=examples(150))
    def test_parting_words_stay_in_their_brackets(self, words: str) -> None:
        _, mallory, bob = self.watched()
        mallory.say("hi")
        bob.hear()
        mallory.send(b"/quit x" + in_one_line(words) + b"\n")
        (line,) = bob.hear()
        self.check(line)
        self.assertTrue(line.startswith("-- mallory left (x"), line)
        self.assertTrue(line.endswith(")"), line)

    @given(st.one_of(texts, st.text(min_size=1, max_size=8)))
    @settings(max_examples=examples(150))
    def test_a_change_of_name_is_told_as_such_or_refused(self, name: str) -> None:
        house, mallory, bob = self.watched()
        mallory.send(b"/nick " + in_one_line(name) + b"\n")
        received = bob.hear()
        now = next(person for person in house.people() if person != "bob")
        expected = [f"-- mallory is now {directed(now)}"] if now != "mallory" else []
        self.assertEqual(received, expected)
        mallory.say("hi")
        self.assertEqual(bob.hear(), [f"<{directed(now)}> hi"])
        for answer in mallory.read():
            self.check(answer.replace(MARK, ""))
            self.assertTrue(answer.startswith("-- "), answer)

    @given(st.lists(st.one_of(st.binary(max_size=60), texts.map(encoded), commands), max_size=12))
    @settings(max_examples=examples(300))
    def test_whatever_bytes_come_each_line_that_others_see_is_marked_as_the_senders(
        self, chunks: list[bytes]
    ) -> None:
        _, mallory, bob = self.watched()
        for chunk in chunks:
            mallory.send(chunk)
        mallory.send(b"\n")
        for line in bob.hear(1):
            self.check(line)
            self.assertRegex(line, "^(<[^<> ]+> |\\* [^<> ]+ |-- [^ ]+ (left|joined|is now))")
            self.assertNotRegex(line, "^(<bob>|\\* bob|-- bob)")
        for line in re.split(
            rb"\r\n",
            re.sub(
                rb"\xff..|-- yes, the chat is here\r\n", b"", mallory.wire.value(), flags=re.DOTALL
            ),
        ):
            self.assertTrue(line.startswith((b"-- ", b"[")) or not line, line)


class OtherProtocolsTests(unittest.TestCase):
    REQUEST = b"GET /index.html HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"

    def setUp(self) -> None:
        self.house = House()

    def test_a_browser_is_told_once_what_this_is_and_is_not_greeted(self) -> None:
        for request in (self.REQUEST, b"POST / HTTP/1.0\r\n\r\nname=ana\n", b"PRI * HTTP/2.0\r\n"):
            peer = self.house.connect()
            peer.send(request)
            self.house.run(1)
            self.assertEqual(http_answer(peer.wire.value()), b"")
            self.assertTrue(peer.wire.half_closed)
        self.assertEqual(self.house.people(), [])

    def test_so_is_one_that_sends_its_request_byte_by_byte(self) -> None:
        peer = self.house.connect()
        for byte in self.REQUEST:
            peer.send(bytes((byte,)))
        self.house.run(1)
        self.assertEqual(http_answer(peer.wire.value()), b"")

    def test_and_one_that_sends_it_late_is_told_after_the_greeting(self) -> None:
        for size in (1, 7, 1000):
            peer = self.house.connect(f"192.0.2.{size % 256}")
            self.assertEqual(peer.hear(), [GREETING])
            for start in range(0, len(self.REQUEST), size):
                peer.send(self.REQUEST[start : start + size])
            self.house.run(1)
            self.assertEqual(http_answer(peer.wire.value()), b"")
            self.assertTrue(peer.wire.half_closed)

    def test_who_was_asked_for_another_name_already_speaks_no_http(self) -> None:
        peer = self.house.connect()
        peer.say("x y")
        peer.read()
        peer.send(b"GET / HTTP/1.1\r\n")
        self.assertRegex(peer.hear()[0], "another name, please")

    def test_a_line_that_only_looks_a_bit_like_http_is_a_line(self) -> None:
        for line in ("GET up", "get / HTTP/1.1", "GO / HTTP/1.1", "x GET / HTTP/1.1"):
            peer = self.house.connect()
            peer.say(line)
            self.assertEqual(peer.hear()[0], GREETING)

    def test_a_request_whose_answer_was_given_keeps_the_connection_no_longer(self) -> None:
        for chatter in (self.REQUEST, b"\x16\x03\x01", b"x", b"hello\n"):
            for first in (self.REQUEST, b"\x16\x03\x01"):
                peer = self.house.connect()
                peer.send(first)
                sent = peer.wire.value()
                for _ in range(20):
                    self.house.run(0.5)
                    if peer.connected:
                        peer.send(chatter)
                self.assertFalse(peer.connected, (first, chatter))
                self.assertEqual(peer.wire.value(), sent)

    def test_a_tls_client_is_told_in_its_own_words(self) -> None:
        for size in (1, 5, 200):
            peer = self.house.connect()
            hello = b"\x16\x03\x01\x02\x00\x01\x00" + b"\n" * 100
            for start in range(0, len(hello), size):
                peer.send(hello[start : start + size])
            self.house.run(1)
            self.assertEqual(peer.wire.value(), b"\x15\x03\x01\x00\x02\x02\x28")
            self.assertTrue(peer.wire.half_closed)


class HalfClosedTests(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House()
        self.ana = self.house.enter("ana")

    def test_all_that_came_is_handled_and_answered_before_it_is_closed(self) -> None:
        peer = self.house.connect()
        peer.say("bob", "hi", "/who", "bye")
        peer.end()
        self.assertEqual(
            peer.hear(),
            [
                GREETING,
                hello("bob"),
                entered("lobby", "ana"),
                "-- 2 people in #lobby:",
                "--   ana, bob",
            ],
        )
        self.assertEqual(self.ana.read(), ["-- bob joined", "<bob> hi", "<bob> bye", "-- bob left"])
        self.assertFalse(peer.connected)
        self.assertFalse(peer.wire.aborted)

    def test_a_last_line_without_its_end_counts(self) -> None:
        peer = self.house.connect()
        peer.send(b"bob\nhi\nbye")
        peer.end()
        self.house.run(1)
        self.assertEqual(self.ana.read(), ["-- bob joined", "<bob> hi", "<bob> bye", "-- bob left"])

    def test_a_name_alone_without_its_end_counts(self) -> None:
        peer = self.house.connect()
        peer.send(b"bob")
        peer.end()
        self.house.run(1)
        self.assertEqual(peer.read()[:2], [GREETING, hello("bob")])
        self.assertEqual(self.ana.read(), ["-- bob joined", "-- bob left"])
        self.assertFalse(peer.connected)

    def test_who_never_gives_a_name_is_closed(self) -> None:
        for said in ((), ("x y",)):
            peer = self.house.connect()
            peer.say(*said)
            peer.end()
            self.house.run()
            self.assertFalse(peer.connected)
            self.assertEqual(peer.read()[0], GREETING)

    def test_who_gives_bad_names_too_fast_is_refused_to_the_last(self) -> None:
        self.house = House(rate=5, burst=1)
        peer = self.house.connect()
        peer.say(*["x y"] * (LOGIN_TRIES + 3))
        peer.end()
        lines = peer.hear(0.9)
        self.assertEqual(len(lines), 1 + LOGIN_TRIES)
        self.assertRegex(lines[-1], "; that was the last try, goodbye$")
        self.assertFalse(peer.connected)

    def test_who_is_too_fast_is_heard_to_the_end_at_its_pace(self) -> None:
        peer = self.house.connect()
        peer.say("bob", *(f"line {number}" for number in range(30)), "/quit done")
        peer.end()
        self.house.run(20)
        self.assertEqual(
            self.ana.read(),
            [
                "-- bob joined",
                *(f"<bob> line {number}" for number in range(30)),
                "-- bob left (done)",
            ],
        )
        self.assertFalse(peer.connected)

    def test_what_there_is_to_read_is_delivered_first(self) -> None:
        self.ana.say(*(f"line {number}" for number in range(20)))
        self.house.run(10)
        peer = self.house.connect()
        peer.say("bob", "/history", "/quit")
        self.house.run()
        peer.stop_reading()
        peer.end()
        self.house.run(10)
        self.assertTrue(peer.connected)
        peer.read_on()
        self.house.run(1)
        text = peer.wire.value().decode()
        self.assertEqual(text.count("<ana> line 19\r\n"), 2)
        self.assertIn("goodbye, bob", text)
        self.assertFalse(peer.connected)

    def test_who_ends_its_input_after_it_was_closed_is_gone(self) -> None:
        self.ana.protocol.part("enough")
        self.assertTrue(self.ana.connected)
        self.ana.end()
        self.house.run()
        self.assertFalse(self.ana.connected)


class PaceTests(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House(rate=5, burst=20)
        self.bob = self.house.enter("bob")
        self.ana = self.house.enter("ana")
        self.house.run(10)
        self.bob.read()

    def spoken(self) -> list[str]:
        return [line for line in self.bob.read() if line.startswith("<ana>")]

    def test_a_burst_is_taken_at_once_and_then_so_many_a_second_and_none_is_lost(self) -> None:
        lines = [f"<ana> {number}" for number in range(40)]
        self.ana.say(*(str(number) for number in range(40)))
        self.house.run(0.15)
        heard = self.spoken()
        self.assertEqual(heard, lines[:20])
        self.assertTrue(self.ana.paused)
        for _ in range(20):
            self.house.run(0.2)
            new = self.spoken()
            self.assertEqual(len(new), 1)
            heard += new
        self.assertEqual(heard, lines)
        self.house.run(1)
        self.assertFalse(self.ana.paused)

    def test_it_holds_for_any_rate_and_burst(self) -> None:
        for rate in (1, 3, 5, 7, 10, 30):
            for burst in (1, 2, 3, 10, 20, 60):
                for start in (0.0, 12345.678, 1.7e9):
                    house = House(rate=rate, burst=burst)
                    house.clock.rightNow = start
                    ana = house.enter("ana")
                    house.run(burst / rate + 1, step=1)
                    before = house.chat.past.head
                    ana.say(*(str(number) for number in range(burst + 10)))
                    house.run(0.9 / rate, step=0.9 / rate)
                    house.chat.ticker.tick()
                    spoken = house.chat.past.head - before
                    self.assertEqual(spoken, burst, (rate, burst, start))

    def test_a_steady_speaker_below_the_rate_is_never_held(self) -> None:
        for _ in range(100):
            self.ana.say("hi")
            self.assertFalse(self.ana.paused)
            self.house.run(0.21, step=0.21)
        self.assertEqual(len(self.spoken()), 100)

    def test_the_pace_is_each_ones_own(self) -> None:
        self.ana.say(*"x" * 100)
        self.bob.say("hi")
        self.assertEqual([line for line in self.ana.hear() if line.startswith("<")], ["<bob> hi"])

    def test_lines_that_are_refused_count_too(self) -> None:
        self.ana.say(*["y" * 2001] * 30)
        self.assertEqual(len(self.ana.hear(0.1)), 20)

    def test_without_a_rate_all_is_taken_at_once(self) -> None:
        house = House(rate=0)
        bob, ana = house.enter("bob"), house.enter("ana")
        bob.read()
        ana.say(*(str(number) for number in range(500)))
        self.assertEqual(bob.hear(), [f"<ana> {number}" for number in range(500)])


class UnreadTests(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House(rate=0)
        self.ana = self.house.enter("ana")

    def test_who_does_not_read_its_answers_is_read_from_no_more_until_it_does(self) -> None:
        self.ana.stop_reading()
        self.ana.say(*["/help"] * 1000)
        self.house.run(1)
        self.assertTrue(self.ana.paused)
        answers = self.ana.wire.value()
        self.assertGreater(len(answers), UNSENT_MOST)
        self.assertLess(len(answers), UNSENT_MOST + 2000)
        rounds = 0
        while self.ana.paused:
            self.ana.read_on()
            self.ana.stop_reading()
            rounds += 1
            self.assertLess(rounds, 1000)
        help_lines = self.ana.wire.value().count(b"//TEXT")
        self.assertEqual(help_lines, 1000)

    def test_nor_is_who_does_not_read_the_answers_to_telnet_commands(self) -> None:
        self.ana.stop_reading()
        asked = 0
        while not self.ana.paused:
            self.ana.send(b"\xff\xfd\x06" * 1000)
            asked += 1000
            self.assertLess(3 * asked, 3 * UNSENT_MOST)
        answers = self.ana.wire.value()
        self.assertGreater(len(answers), UNSENT_MOST)
        self.ana.read_on()
        self.assertFalse(self.ana.paused)
        self.assertEqual(self.ana.wire.value(), b"\xff\xfd\0\xff\xfb\0" + b"\xff\xfc\x06" * asked)

    def test_nor_is_who_has_no_name_yet(self) -> None:
        peer = self.house.connect()
        peer.stop_reading()
        peer.send(b"\xff\xfd\x06" * 30_000 + b"cleo\n")
        self.house.run(1)
        self.assertTrue(peer.paused)
        self.assertEqual(self.house.people(), ["ana"])
        peer.read_on()
        self.assertFalse(peer.paused)
        self.house.run(1)
        self.assertEqual(self.house.people(), ["ana", "cleo"])

    def test_what_others_say_does_not_count(self) -> None:
        bob = self.house.enter("bob")
        self.ana.stop_reading()
        bob.say(*["x" * 1000] * 200)
        self.house.run(1)
        self.ana.say("hi")
        self.assertFalse(self.ana.paused)
        self.assertEqual(bob.hear(), ["<ana> hi"])


class CloggedTests(unittest.TestCase):
    def setUp(self) -> None:
        self.journal = FullJournal(lambda: NOON)
        self.house = House(self.journal, rate=0)
        self.ana = self.house.enter("ana")
        self.bob = self.house.enter("bob")
        self.ana.read()
        self.journal.full = True

    def clog(self) -> list[str]:
        lines = [f"line {number}" for number in range(1500)]
        self.ana.say("first")
        self.house.run()
        self.ana.say(*lines)
        return ["<ana> first", *(f"<ana> {line}" for line in lines)]

    def test_nobody_is_read_from_while_too_much_waits_and_nothing_is_lost(self) -> None:
        expected = self.clog()
        self.bob.say("hi", "hi again")
        self.house.run(5)
        self.assertTrue(self.ana.paused)
        self.assertTrue(self.bob.paused)
        self.assertLess(self.house.chat.ticker.batch.count, 1100)
        self.journal.full = False
        self.house.run(5)
        self.assertFalse(self.ana.paused)
        self.assertFalse(self.bob.paused)
        self.assertEqual([line for line in self.bob.read() if line[0] == "<"], expected)
        heard = [line for line in self.ana.read() if line[0] == "<"]
        self.assertEqual(heard, ["<bob> hi", "<bob> hi again"])

    def test_who_is_lost_meanwhile_is_forgotten_in_time_and_what_waited_is_not_said(self) -> None:
        self.flushLoggedErrors()
        expected = self.clog()
        self.ana.lose()
        self.house.run(121, step=1)
        self.assertEqual(self.house.people(), ["bob"])
        self.journal.full = False
        self.house.run(5)
        lines = [line for line in self.bob.read() if not line.startswith("-- the history")]
        said = len(lines) - 1
        self.assertGreaterEqual(said, 1000)
        self.assertLess(said, len(expected))
        self.assertEqual(lines, [*expected[:said], "-- ana left"])


class LostTests(unittest.TestCase):
    def test_lines_that_wait_are_said_at_their_pace_and_then_the_member_leaves(self) -> None:
        house = House()
        bob, ana = house.enter("bob"), house.enter("ana")
        house.run(10)
        bob.read()
        ana.say(*(str(number) for number in range(30)))
        ana.send(b"and the last")
        ana.lose()
        house.run(0.15)
        heard = bob.read()
        self.assertEqual(heard, [f"<ana> {number}" for number in range(20)])
        house.run(1)
        self.assertEqual(len(bob.read()), 5)
        house.run(1.4)
        self.assertEqual(bob.read()[-3:], ["<ana> 29", "<ana> and the last", "-- ana left"])
        self.assertEqual(house.people(), ["bob"])

    def test_at_most_for_the_stall_timeout(self) -> None:
        house = House(stall_timeout=3)
        bob, ana = house.enter("bob"), house.enter("ana")
        house.run(10)
        bob.read()
        ana.say(*(str(number) for number in range(500)))
        ana.lose()
        house.run(2.5)
        self.assertEqual(house.people(), ["bob", "ana"])
        house.run(1)
        self.assertEqual(house.people(), ["bob"])
        lines = bob.hear(100)
        self.assertEqual(lines[-1], "-- ana left")
        self.assertLess(len(lines), 40)

    def test_lines_behind_answers_that_were_not_read_are_said(self) -> None:
        house = House(rate=0)
        bob, ana = house.enter("bob"), house.enter("ana")
        bob.read()
        ana.stop_reading()
        ana.say(*["/help"] * 1000, "bye")
        house.run(1)
        self.assertTrue(ana.paused)
        self.assertEqual(bob.read(), [])
        ana.lose()
        self.assertEqual(bob.hear(1), ["<ana> bye", "-- ana left"])

    def test_nothing_holds_on_to_a_connection_whose_lines_were_said(self) -> None:
        house = House(rate=5, burst=1)
        ana = house.enter("ana")
        ana.say(*"abc")
        ana.lose()
        gone = weakref.ref(ana.protocol)
        del ana
        house.run(5)
        gc.collect()
        self.assertIsNone(gone())

    def test_a_command_that_waits_does_no_harm_whatever_it_is(self) -> None:
        for command in (
            *("/history", "/who", "/help", "/rooms", "/join dev", "/leave", "/me x", "/nick cleo"),
            *("/quit", "/nonsense", "/join bad name", "//x", "x", ""),
        ):
            house = House(rate=5, burst=1)
            bob = house.enter("bob")
            for again in ("", "\n/who"):
                ana = house.enter("ana")
                ana.say("hi", f"{command}{again}", f"{command}{again}", command)
                ana.lose()
                house.run(5)
                self.assertEqual(house.people(), ["bob"], command)
                self.assertRegex(bob.read()[-1], "^-- (ana|cleo) left$", command)

    def test_a_failing_command_that_waits_costs_nobody_else_anything(self) -> None:
        house = House(rate=5, burst=1)
        bob, ana, cleo = (house.enter(name) for name in ("bob", "ana", "cleo"))
        bob.read()

        def look_back(*_: object) -> None:
            raise ZeroDivisionError

        self.patch(house.chat, "look_back", look_back)
        ana.say("1", "/history", "2")
        cleo.say("a", "b", "c")
        ana.lose()
        house.run(5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(
            sorted(bob.read()),
            ["-- ana left", *(f"<ana> {n}" for n in "12"), *(f"<cleo> {n}" for n in "abc")],
        )
        self.assertEqual(house.people(), ["bob", "cleo"])

    def test_a_command_that_waited_for_the_journal_when_it_was_lost_does_no_harm(self) -> None:
        house = House()
        bob, ana = house.enter("bob"), house.enter("ana")
        bob.read()
        ana.say("hi", "/history", "/me waves", "/nick cleo")
        ana.lose()
        self.assertEqual(
            bob.hear(1), ["<ana> hi", "* ana waves", "-- ana is now cleo", "-- cleo left"]
        )

    def states(self) -> dict[str, Callable[[House, Peer, Peer], None]]:
        def named(house: House, peer: Peer, *said: str) -> None:
            peer.say("ana", *said)
            house.run(1)

        def behind(house: House, peer: Peer, bob: Peer) -> None:
            named(house, peer, "/join dev", "/join ops")
            peer.stop_reading()
            bob.say(*"abc")
            house.run(1)
            peer.say("/history")

        def unread(house: House, peer: Peer, bob: Peer) -> None:
            named(house, peer)
            peer.stop_reading()
            peer.say(*["/help"] * 200)
            house.run(1)

        def gone_and_behind(house: House, peer: Peer, bob: Peer) -> None:
            behind(house, peer, bob)
            peer.say("/quit")
            house.run(1)

        def left_without_end(house: House, peer: Peer, bob: Peer) -> None:
            named(house, peer)
            peer.stop_reading()
            peer.end()

        def fast_and_ended(house: House, peer: Peer, bob: Peer) -> None:
            named(house, peer, *"x" * 60)
            peer.end()

        return {
            "just connected": lambda house, peer, bob: None,
            "a part of a line": lambda house, peer, bob: peer.send(b"an"),
            "a command begun": lambda house, peer, bob: peer.send(b"\xff\xfa"),
            "greeted": lambda house, peer, bob: house.run(1),
            "a name refused": lambda house, peer, bob: peer.say("x y"),
            "the last name refused": lambda house, peer, bob: peer.say(*["x y"] * 5),
            "http": lambda house, peer, bob: peer.send(b"GET / HTTP/1.1\r\n"),
            "tls": lambda house, peer, bob: peer.send(b"\x16\x03\x01"),
            "named, not yet in a room": lambda house, peer, bob: peer.say("ana"),
            "chatting": lambda house, peer, bob: named(house, peer),
            "a part of a message": lambda house, peer, bob: peer.send(b"ana\nhi"),
            "in three rooms": lambda h, peer, b: named(h, peer, "/join dev", "/join ops"),
            "joining": lambda house, peer, bob: peer.say("ana", "/join dev"),
            "in no room": lambda house, peer, bob: named(house, peer, "/leave"),
            "leaving": lambda house, peer, bob: peer.say("ana", "/leave"),
            "renamed": lambda house, peer, bob: named(house, peer, "/nick cleo"),
            "a command waits": lambda house, peer, bob: peer.say("ana", "hi", "/who", "/nick al"),
            "too fast": lambda house, peer, bob: peer.say("ana", *"x" * 60),
            "behind": behind,
            "not reading": unread,
            "quitting": lambda house, peer, bob: peer.say("ana", "/quit"),
            "gone": lambda house, peer, bob: named(house, peer, "/quit"),
            "gone and talking": lambda h, peer, b: named(h, peer, "/quit", *"x" * 60),
            "gone and behind": gone_and_behind,
            "half closed": lambda house, peer, bob: peer.end(),
            "half closed, not reading": left_without_end,
            "half closed, too fast": fast_and_ended,
            "told to go": lambda house, peer, bob: peer.protocol.part("go"),
        }

    def test_a_connection_that_is_lost_in_any_state_leaves_no_trace(self) -> None:
        for state, bring in self.states().items():
            house = House(max_per_address=1, stall_timeout=60)
            bob = house.enter("bob", "198.51.100.1")
            house.run(10)
            peer = house.connect()
            bring(house, peer, bob)
            peer.lose()
            house.run(70, step=0.2)
            self.assertEqual(house.people(), ["bob"], state)
            self.assertEqual(list(house.factory.connections), [bob.protocol], state)
            counted = house.factory._places + house.factory._waiting
            self.assertEqual(counted, {"198.51.100.1": 1}, state)
            self.assertEqual(list(house.chat.rooms), ["lobby"], state)
            lobby = house.chat.rooms["lobby"]
            self.assertEqual((len(lobby.members), lobby.population), (1, 1), state)
            self.assertEqual([len(group) for group in lobby.head.values()], [1], state)
            # A look at the connections, at the journal and at the sessions; and that strangers are
            # remembered.
            calls = 4 if state in ("http", "tls") else 3
            self.assertEqual(len(house.clock.getDelayedCalls()), calls, state)
            for name in ("ana", "cleo", "al"):
                again = house.connect()
                again.say(name)
                self.assertEqual(again.hear()[1], hello(name), state)
                again.say("/quit")
                again.end()
                house.run(1)
            bob.lose()
            stopped = house.factory.stop("bye")
            house.chat.stop()
            self.successResultOf(stopped)
            self.assertEqual(house.clock.getDelayedCalls(), [], state)

    def test_it_is_no_matter_when_it_is_lost_in_a_conversation(self) -> None:
        script = (
            b"ana\nhi\n/join dev\n/me waves\n/nick cleo\n/history\n/who\nmore\n/leave\n/quit x\n"
        )
        for length in range(len(script) + 1):
            house = House(rate=0)
            peer = house.connect()
            peer.send(script[:length])
            if length % 3:
                house.run(0.01 * (length % 7))
            peer.lose()
            house.run(1)
            self.assertEqual(house.people(), [], length)
            self.assertEqual(list(house.chat.rooms), ["lobby"], length)
            self.assertEqual(house.chat.rooms["lobby"].population, 0, length)
            self.assertFalse(house.chat.rooms["lobby"].head, length)


class RealConnectionTests(unittest.TestCase):
    """With the real reactor and real sockets."""

    timeout = 120

    def setUp(self) -> None:
        limits = Limits(rate=0)
        self.journal = MemoryJournal(lambda: NOON)
        self.chat = Chat(reactor, self.journal, lambda: NOON, limits)
        # What a peer sends at once may take its time on a busy machine.
        self.factory = ChatFactory(reactor, self.chat, limits, silence=1.0)
        self.chat.start()
        self.factory.start()

    async def tearDown(self) -> None:
        await self.factory.stop("the server is going down")
        await self.chat.stop()

    async def listen(self) -> int:
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self.factory)
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    async def connect(self, port: int) -> Collector:
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        collector: Collector = await connectProtocol(client, Collector())
        return collector

    async def test_a_script_that_half_closes_is_heard_answered_and_closed(self) -> None:
        port = await self.listen()
        ana = await self.connect(port)
        ana.transport.write(b"ana\n")
        await ana.wait_for(lambda: b"you are in" in ana.received)
        ana.received.clear()
        bob = await self.connect(port)
        bob.transport.write(b"bob\nhi\n/who\nbye")
        bob.transport.loseWriteConnection()
        await bob.closed
        self.assertTrue(bob.received.endswith(b"-- 2 people in #lobby:\r\n--   ana, bob\r\n"))
        await ana.wait_for(lambda: b"left" in ana.received)
        self.assertEqual(ana.received, b"-- bob joined\r\n<bob> hi\r\n<bob> bye\r\n-- bob left\r\n")
        ana.transport.loseConnection()
        await ana.closed

    async def test_a_slow_script_that_quits_reads_all_its_history(self) -> None:
        port = await self.listen()
        ana = await self.connect(port)
        ana.transport.write(b"ana\n" + b"x" * 1900 + b"\n" + (b"y" * 1900 + b"\n") * 999)
        await until(lambda: self.journal.head > 1000)
        bob = Collector()
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), bob)
        bob.transport.pauseProducing()
        bob.transport.write(b"bob\n/history 1000\n/quit\n")
        bob.transport.loseWriteConnection()
        await ana.wait_for(lambda: b"bob joined" in ana.received)
        bob.transport.resumeProducing()
        await bob.closed
        await ana.wait_for(lambda: b"bob left" in ana.received)
        self.assertEqual(bob.received.count(b"] <ana> "), 1020)
        self.assertEqual(bob.received.count(b"goodbye, bob"), 1)
        ana.transport.loseConnection()
        await ana.closed

    async def test_a_browser_gets_a_whole_answer_and_the_end_of_it(self) -> None:
        browser = await self.connect(await self.listen())
        browser.transport.write(OtherProtocolsTests.REQUEST + b"x" * 100_000)
        await browser.wait_for(lambda: b"telnet" in browser.received)
        browser.transport.loseConnection()
        await browser.closed
        self.assertEqual(http_answer(bytes(browser.received)), b"")

    async def test_a_tls_client_at_the_wrong_port_understands_the_answer(self) -> None:
        port = await self.listen()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="here")
        self.assertRaises(ssl.SSLWantReadError, client.do_handshake)
        peer = await self.connect(port)
        peer.transport.write(outgoing.read())
        await peer.wait_for(lambda: len(peer.received) >= 7)
        incoming.write(bytes(peer.received))
        error = self.assertRaises(ssl.SSLError, client.do_handshake)
        self.assertIn("HANDSHAKE_FAILURE", str(error).upper().replace(" ", "_"))
        peer.transport.loseConnection()
        await peer.closed

    async def test_of_many_who_ask_for_one_name_at_once_one_has_it(self) -> None:
        port = await self.listen()
        peers = [await self.connect(port) for _ in range(20)]
        for peer in peers:
            peer.transport.write(b"ana\n")
        await DeferredList(
            [peer.wait_for(lambda p=peer: p.received.count(b"\n") >= 2) for peer in peers]
        )
        self.assertEqual(sum(b"-- hello ana!" in peer.received for peer in peers), 1)
        self.assertEqual(sum(b"is taken" in peer.received for peer in peers), 19)
        for peer in peers:
            peer.transport.loseConnection()
            await peer.closed

    async def test_it_is_the_same_on_a_unix_socket(self) -> None:
        folder = Folder()
        self.addCleanup(folder.remove)
        path = folder.path("socket")
        endpoint = serverFromString(reactor, f"unix:{path}")
        port = await endpoint.listen(self.factory)
        self.addCleanup(port.stopListening)
        bob = Collector()
        await connectProtocol(UNIXClientEndpoint(reactor, path), bob)
        bob.transport.write(b"bob\n/who\n/quit\n")
        bob.transport.loseWriteConnection()
        await bob.closed
        self.assertEqual(
            bytes(bob.received).decode().split("\r\n"),
            [
                GREETING,
                hello("bob"),
                ALONE,
                "-- 1 person in #lobby:",
                "--   bob",
                "-- goodbye, bob",
                "",
            ],
        )

    async def test_it_is_the_same_over_tls(self) -> None:
        certificate = Certificate()
        port = reactor.listenSSL(0, self.factory, certificate.server, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        tcp = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        silent, bob = Collector(), Collector()
        for peer in (silent, bob):
            await connectProtocol(wrapClientTLS(certificate.client, tcp), peer)
        await silent.wait_for(lambda: bool(silent.received))
        self.assertEqual(bytes(silent.received).decode(), GREETING + "\r\n")
        bob.transport.write(b"bob\n/who\n/quit\n")
        await bob.closed
        self.assertIn(b"--   bob\r\n-- goodbye, bob\r\n", bob.received)
        silent.transport.loseConnection()
        await silent.closed

    async def test_a_script_behind_a_proxy_that_half_closes_gets_all_its_answers(self) -> None:
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port = await proxyEndpoint(endpoint).listen(self.factory)
        self.addCleanup(port.stopListening)
        ana = await self.connect(port.getHost().port)
        ana.transport.write(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nana\n/who\n")
        ana.transport.loseWriteConnection()
        await ana.closed
        answers = [GREETING, hello("ana"), ALONE, "-- 1 person in #lobby:", "--   ana"]
        self.assertEqual(ana.received.decode().splitlines(), answers)
        self.assertEqual(self.factory.connections, {})

    async def reset(self, writes_first: bool) -> None:
        """Look at what others hear of somebody whose connection is reset within a line."""
        port = await self.listen()
        bob = await self.connect(port)
        bob.transport.write(b"bob\n")
        await bob.wait_for(lambda: b"you are in" in bob.received)
        bob.received.clear()
        with socket.create_connection(("127.0.0.1", port)) as ana:
            ana.sendall(b"ana\none\ntwo\nrm -rf /impor")
            await bob.wait_for(lambda: b"two" in bob.received)
            (hers,) = (
                connection
                for connection in self.factory.connections
                if connection is self.chat.find("ana").outlet  # type: ignore[union-attr]
            )
            ana.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if writes_first:
            # So whoever reads is told of an end, not of a reset.
            hers.send(b"hi")
            self.assertTrue(hers.broken)
        await bob.wait_for(lambda: b"left" in bob.received)
        self.assertEqual(
            bob.received, b"-- ana joined\r\n<ana> one\r\n<ana> two\r\n-- ana left\r\n"
        )
        bob.transport.loseConnection()
        await bob.closed

    async def test_of_a_connection_that_is_reset_only_finished_lines_are_said(self) -> None:
        await self.reset(writes_first=False)

    async def test_nor_is_more_said_if_a_write_finds_that_out(self) -> None:
        await self.reset(writes_first=True)


class ResetTests(unittest.TestCase):
    def heard(self, error: type[ConnectionClosed]) -> list[str]:
        """Lose a connection whose lines wait for their pace, and return what others hear."""
        house = House(rate=5, burst=1)
        bob, ana = house.enter("bob"), house.enter("ana")
        house.run(5)
        bob.read()
        ana.say(*"abcd")
        ana.send(b"rm -rf /impor")
        ana.wire.connected = False
        ana.protocol.connectionLost(Failure(error()))
        house.run(5)
        return bob.read()

    def test_finished_lines_that_wait_are_said_and_the_unfinished_one_is_not(self) -> None:
        said = [f"<ana> {letter}" for letter in "abcd"]
        self.assertEqual(self.heard(ConnectionLost), [*said, "-- ana left"])

    def test_what_ends_in_order_ends_its_last_line(self) -> None:
        said = [f"<ana> {letter}" for letter in [*"abcd", "rm -rf /impor"]]
        self.assertEqual(self.heard(ConnectionDone), [*said, "-- ana left"])


class SizeTests(unittest.TestCase):
    def test_of_many_that_come_at_once_none_has_a_dictionary_of_its_own(self) -> None:
        if sys.version_info < (3, 11):
            raise unittest.SkipTest("they had dictionaries then")
        house = House(rate=0)
        peers = [house.connect(f"192.0.2.{number}") for number in range(100)]
        house.run(0.1)
        for number, peer in enumerate(peers):
            peer.say(f"ana{number}", "hi")
        house.run(1)
        self.assert_shared(peers)
        # One that closes sets an attribute that no other has; the others set what they need, too.
        peers.pop().end()
        for peer in peers:
            peer.send(b"\xff\xf1")
            peer.protocol.wait_until(house.clock.seconds() + 1)
            peer.stop_reading()
            peer.say("/who")
        house.run(2)
        self.assert_shared(peers)

    def assert_shared(self, peers: Sequence[Peer]) -> None:
        for peer in peers:
            held = gc.get_referents(peer.protocol)
            self.assertEqual([each for each in held if type(each) is dict], [])
