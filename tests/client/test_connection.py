from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from chatservice.client.connection import (
    LONGEST,
    Connection,
    ConnectionFactory,
    TalksTLS,
    reason_of,
    wrong_with,
)
from chatservice.cluster.peers import OUT_OF_REACH
from chatservice.text import wording
from tests.client.support import ASK_NAME, TAKEN, Wire, hello


class Notes:
    """A talker that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.lines: list[str] = []

    def reached(self, connection: Connection) -> None:
        self.told.append("reached")

    def heard(self, text: str) -> None:
        self.lines.append(text)

    def greeted(self) -> None:
        self.told.append("greeted")

    def name_refused(self, why: str) -> None:
        self.told.append(why)

    def parted(self) -> None:
        self.told.append("parted")

    def lost(self, failure: Failure) -> None:
        self.told.append(failure.type)


class ConnectionTests(TestCase):
    def setUp(self) -> None:
        self.notes = Notes()
        self.connection = ConnectionFactory(self.notes).buildProtocol(None)
        self.wire = Wire(self.connection)
        self.connection.makeConnection(self.wire)

    def test_a_talk(self) -> None:
        self.connection.introduce("ana")
        self.wire.says(ASK_NAME)
        self.assertTrue(self.connection.asking)
        self.wire.says(hello("ana"))
        self.assertEqual((self.connection.name, self.connection.asking), ("ana", False))
        self.connection.send("hi")
        self.connection.send("/quit")
        self.wire.says("-- goodbye, ana")
        self.wire.lose()
        self.assertEqual(self.wire.got(), ["ana", "hi", "/quit"])
        self.assertEqual(self.notes.told, ["reached", "greeted", "parted", ConnectionDone])
        self.assertEqual(self.notes.lines, [ASK_NAME, hello("ana"), "-- goodbye, ana"])

    def test_a_name_is_refused(self) -> None:
        self.connection.introduce("ana")
        self.wire.says(ASK_NAME, TAKEN)
        self.assertEqual(self.notes.told, ["reached", "that name is taken"])
        self.assertEqual((self.connection.name, self.connection.asking), (None, False))

    def test_whatever_else_the_server_says_is_an_answer_too(self) -> None:
        self.connection.introduce("ana")
        self.wire.says("-- what is the password?")
        self.assertFalse(self.connection.asking)
        self.assertEqual(self.notes.told, ["reached"])

    def test_the_name_changes(self) -> None:
        self.wire.says(hello("ana"), "-- you are in #dev now", "-- you are bob now")
        self.assertEqual(self.connection.name, "bob")

    def test_what_others_say_means_nothing(self) -> None:
        self.wire.says("<bob> -- hello ana! /help shows what you can do", "* bob x")
        self.assertIsNone(self.connection.name)
        self.wire.says(hello("ana"), "<bob> -- goodbye, ana", "<bob> -- you are cleo now")
        self.assertEqual(self.notes.told, ["reached", "greeted"])
        self.assertEqual(self.connection.name, "ana")

    def test_what_only_begins_so_means_nothing(self) -> None:
        self.wire.says("-- hello everybody! here is the news", "-- goodbye, ana")
        self.wire.says(hello("ana"), "-- goodbye, ana and all", hello("bob"))
        self.assertEqual(self.notes.told, ["reached", "greeted"])
        self.assertEqual(self.connection.name, "ana")

    def test_a_server_that_talks_tls_is_found_out(self) -> None:
        for first in (b"\x15\x03\x03\x00\x02\x02\x0a", b"\x16\x03\x01\n-- x\n"):
            self.setUp()
            self.connection.dataReceived(first)
            self.assertTrue(self.wire.disconnecting)
            self.wire.lose()
            self.assertEqual((self.notes.lines, self.notes.told[-1]), ([], TalksTLS))

    def test_what_is_heard_is_safe(self) -> None:
        self.connection.dataReceived(b"\x1b[2J\xff\r\n\x07\nend\r")
        self.assertEqual(self.notes.lines, ["\u241b[2J\ufffd", "\u2407"])

    def test_a_line_may_be_long_but_not_endless(self) -> None:
        self.connection.dataReceived(b"x" * LONGEST + b"\n")
        self.assertEqual(len(self.notes.lines[0]), LONGEST)
        self.assertFalse(self.wire.disconnecting)
        self.connection.dataReceived(b"x" * (LONGEST + 1))
        self.assertTrue(self.wire.disconnecting)

    def test_one_line_is_one_line_for_the_server_too(self) -> None:
        self.connection.send("a\r\0/quit")
        self.assertEqual(self.wire.value(), "a\r\u2400/quit\n".encode())


class ReasonTests(TestCase):
    def test_each_is_a_few_words(self) -> None:
        for error, words in (
            (ConnectionDone(), "the server closed it"),
            (ConnectionLost(), "it broke off"),
            (DNSLookupError("no results"), "there is no such host"),
            (TimeoutError(), "no answer"),
            (ConnectionRefusedError(111), "Connection refused"),
            (ConnectError(113, "x"), "No route to host"),
            (ValueError("what it says"), "what it says"),
            (TLSError([("SSL routines", "", "wrong version number")]), "wrong version number"),
            (TLSError([]), "its certificate is for another host"),
            (VerificationError(errors=[]), "its certificate is for another host"),
        ):
            self.assertEqual(reason_of(Failure(error)), words)
        hint = " without a word (if it talks TLS, write tls:HOST:PORT)"
        self.assertEqual(reason_of(Failure(ConnectionLost()), silent=True), f"it broke off{hint}")

    def test_what_is_wrong_with_a_server(self) -> None:
        other = "can't be trusted: its certificate is for another host"
        expired = "can't be trusted: certificate has expired"
        for error, wrong in (
            (TLSError([]), other),
            (VerificationError(errors=[]), other),
            (TLSError([("SSL routines", "", "certificate has expired")]), expired),
            (ConnectionLost(), None),
            (TalksTLS(), "talks TLS: write tls:HOST:PORT"),
        ):
            self.assertEqual(wrong_with(Failure(error)), wrong)
        for reason in (
            "wrong version number",
            "packet length too long",
            "tls alert handshake failure",
            "tlsv1 alert protocol version",
        ):
            failure = Failure(TLSError([("SSL routines", "", reason)]))
            self.assertEqual(wrong_with(failure), "talks no TLS: leave out tls:")


class WordingTests(TestCase):
    def test_why_lines_wait_is_recognised(self) -> None:
        for sentence in (wording.UNSTORED, OUT_OF_REACH):
            self.assertTrue(sentence.endswith(wording.WAITS))

    def test_no_answer_to_a_name_is_taken_for_a_greeting(self) -> None:
        self.assertNotIn("{name}", wording.ASK_NAME + wording.ASK_AGAIN)
