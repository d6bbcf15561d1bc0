from __future__ import annotations

import io
import sys

from twisted.trial.unittest import TestCase

from chatservice.client.streams.stdio import StandardStreams, complain
from tests.client.support import Desk


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


class ComplainTests(TestCase):
    def test_a_sentence_is_a_line(self) -> None:
        error = io.StringIO()
        self.patch(sys, "__stderr__", error)
        complain("no")
        self.assertEqual(error.getvalue(), "chat-client: no\n")

    def test_nobody_has_to_read_it(self) -> None:
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        for error in (None, Closed()):
            self.patch(sys, "__stderr__", error)
            complain("no")
        self.assertEqual(out.getvalue(), "")


class Echo(StandardStreams):
    """Says what is typed."""

    INTERRUPTED = 7

    def typed(self, text: str) -> None:
        self.show(text)

    def input_ended(self) -> None:
        self.end(0, "all read")

    def output_ended(self) -> None:
        self.end(2, "unread")

    def hang_up(self) -> None:
        """There is no connection."""


class StandardStreamsTests(TestCase):
    def setUp(self) -> None:
        self.desk = Desk()
        self.desk.sit_down(Echo(self.desk.complaints.append))

    def test_lines_of_all_kinds(self) -> None:
        self.desk.type("a\n\nb\r\nc")
        self.desk.talker.dataReceived(b"\xff\n")
        self.assertEqual(self.desk.shown(), ["a", "", "b", "c\ufffd"])

    def test_the_last_line_counts_without_an_end(self) -> None:
        self.desk.type("a")
        self.desk.end_input()
        self.assertEqual(self.desk.shown(), ["a"])
        self.assertEqual(self.desk.complaints, ["all read"])

    def test_it_ends_when_all_is_written(self) -> None:
        self.desk.end_input()
        self.assertEqual(self.desk.statuses, [])
        self.desk.written()
        self.assertEqual(self.desk.statuses, [0])

    def test_the_first_end_counts(self) -> None:
        self.desk.end_input()
        self.desk.talker.end(3, "again")
        self.desk.talker.readConnectionLost()
        self.desk.written()
        self.assertEqual((self.desk.statuses, self.desk.complaints), ([0], ["all read"]))

    def test_it_ends_at_once_if_nothing_can_be_written(self) -> None:
        self.desk.talker.writeConnectionLost()
        self.assertEqual((self.desk.statuses, self.desk.complaints), ([2], ["unread"]))

    def test_it_ends_at_once_if_it_is_interrupted(self) -> None:
        self.desk.talker.interrupt()
        self.desk.talker.interrupt()
        self.assertEqual((self.desk.statuses, self.desk.complaints), ([7], []))

    def test_a_line_is_not_endless(self) -> None:
        self.desk.type("x" * (1 << 20) + "xx")
        self.desk.written()
        self.assertEqual(self.desk.complaints, ["a line has more than 1,048,576 bytes"])
        self.assertEqual(self.desk.statuses, [1])

    def test_streams_that_break_are_an_end(self) -> None:
        self.desk.talker.connectionLost()
        self.assertEqual(self.desk.statuses, [1])

    def test_a_stop_from_without_is_an_end(self) -> None:
        self.desk.talker.stop()
        self.desk.written()
        self.assertEqual((self.desk.statuses, self.desk.complaints), ([1], []))

    def test_what_it_does_is_to_be_said_by_who_inherits(self) -> None:
        streams = StandardStreams()
        calls = (streams.input_ended, streams.output_ended, streams.hang_up)
        for do in (lambda: streams.typed("a"), *calls):
            self.assertRaises(NotImplementedError, do)
