"""Why there is no connection, in a few words."""

from __future__ import annotations

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

from chatservice.client.session.dialling import TalksTLS, reason_of, wrong_with
from chatservice.cluster.peers import OUT_OF_REACH
from chatservice.text import wording


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
