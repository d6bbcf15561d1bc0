from __future__ import annotations

import io
import sys

from twisted.trial.unittest import TestCase

from chatservice.client.streams.pipe import Pipe
from chatservice.client.streams.program import complain
from tests.client.support import ProgramDesk


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


class StreamsTests(TestCase):
    def setUp(self) -> None:
        self.desk = ProgramDesk(Pipe)
        self.addCleanup(self.desk.talker.interrupt)
        self.desk.come_in()

    def end_input(self) -> None:
        self.desk.end_input()
        self.desk.settle()

    def test_it_ends_when_all_is_written(self) -> None:
        self.end_input()
        self.assertEqual(self.desk.statuses, [])
        self.desk.written()
        self.assertEqual(self.desk.statuses, [0])

    def test_the_first_end_counts(self) -> None:
        self.end_input()
        self.desk.talker.end(3, "again")
        self.desk.talker.readConnectionLost()
        self.desk.written()
        self.assertEqual((self.desk.statuses, self.desk.complaints), ([0], []))

    def test_it_ends_at_once_if_nothing_can_be_written(self) -> None:
        self.desk.talker.writeConnectionLost()
        self.desk.talker.end(2, "unread")
        self.assertEqual((self.desk.statuses, self.desk.complaints), ([2], ["unread"]))

    def test_it_ends_at_once_if_it_is_interrupted(self) -> None:
        self.desk.talker.interrupt()
        self.desk.talker.interrupt()
        self.assertEqual((self.desk.statuses, self.desk.complaints), ([130], []))

    def test_streams_that_break_are_an_end(self) -> None:
        self.desk.talker.connectionLost()
        self.assertEqual(self.desk.statuses, [1])

    def test_a_stop_from_without_is_an_end(self) -> None:
        self.desk.talker.stop()
        self.desk.written()
        self.assertEqual((self.desk.statuses, self.desk.complaints), ([1], []))
