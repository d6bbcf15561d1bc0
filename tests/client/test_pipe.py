from __future__ import annotations

from OpenSSL.SSL import Error as TLSError
from twisted.internet.error import ConnectionRefusedError
from twisted.trial.unittest import TestCase

from chatservice import wording
from chatservice.client.pipe import Pipe
from tests.client.support import ASK_NAME, TAKEN, Desk, hello


class PipeTests(TestCase):
    def assert_ended(self, desk: Desk, status: int, *complaints: str) -> None:
        desk.written()
        self.assertEqual((desk.statuses, desk.complaints), ([status], list(complaints)))

    def test_all_lines_are_sent_and_the_goodbye_is_waited_for(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.come_in("bot")
        desk.type("hi\nlast")
        desk.end_input()
        self.assertEqual(wire.got(), ["hi", "last", "/quit"])
        wire.says("-- you are in #lobby: no one else yet", "<bob> hi", "-- goodbye, bot")
        self.assertEqual(desk.shown()[1:], ["<bob> hi", "-- goodbye, bot"])
        self.assert_ended(desk, 0)

    def test_who_is_sent_away_is_told_so(self) -> None:
        for words in ("you were kicked: calm down", "you are banned from here"):
            desk = Desk(Pipe, "bot")
            wire = desk.come_in("bot")
            wire.says(f"-- {words}")
            self.assert_ended(desk, 1, f"{words}")

    def test_what_is_not_taken_makes_the_status(self) -> None:
        for words in (
            "there is no ana here: /who shows who is",
            "you are not in #dev: /join it first",
            "you are muted until 2026-03-14 09:26 UTC",
            wording.UNSTORED,
            wording.WENT_WRONG,
        ):
            desk = Desk(Pipe, "bot")
            wire = desk.come_in("bot")
            desk.end_input()
            wire.says(f"-- {words}", "-- goodbye, bot")
            self.assert_ended(desk, 1, f"the server did not take a line: {words}")

    def test_nothing_is_read_before_the_server_has_greeted(self) -> None:
        desk = Desk(Pipe, "bot")
        self.assertFalse(desk.reads)
        wire = desk.endpoint.succeed()
        self.assertEqual((desk.reads, wire.got()), (False, ["bot"]))
        wire.producer.resumeProducing()  # type: ignore[union-attr]
        self.assertFalse(desk.reads)
        wire.says(ASK_NAME, hello("bot"))
        self.assertTrue(desk.reads)

    def test_the_first_line_is_the_name(self) -> None:
        desk = Desk(Pipe)
        wire = desk.endpoint.succeed()
        self.assertTrue(desk.reads)
        desk.type("bot\nhi\nho\n")
        self.assertEqual((desk.reads, wire.got()), (False, ["bot"]))
        wire.says(ASK_NAME, hello("bot"))
        self.assertEqual((desk.reads, wire.got()), (True, ["hi", "ho"]))

    def test_a_name_is_all_there_is(self) -> None:
        desk = Desk(Pipe)
        wire = desk.endpoint.succeed()
        desk.type("bot")
        desk.end_input()
        self.assertEqual(wire.got(), ["bot"])
        wire.says(ASK_NAME, hello("bot"))
        self.assertEqual(wire.got(), ["/quit"])
        wire.says("-- goodbye, bot")
        self.assert_ended(desk, 0)

    def test_there_is_no_name(self) -> None:
        desk = Desk(Pipe)
        wire = desk.endpoint.succeed()
        desk.end_input()
        self.assertTrue(wire.disconnecting)
        why = "there is no name: give one with --name, or as the first line"
        self.assert_ended(desk, 1, why)

    def test_the_name_is_refused(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.endpoint.succeed()
        wire.says(ASK_NAME, TAKEN)
        self.assertEqual(desk.shown(), [ASK_NAME, TAKEN])
        self.assert_ended(desk, 1, "the name was refused: that name is taken")

    def test_the_server_is_not_there(self) -> None:
        desk = Desk(Pipe, "bot")
        desk.endpoint.fail(ConnectionRefusedError(111))
        self.assertEqual(desk.endpoint.attempts, [])
        self.assert_ended(desk, 1, "there is not there: Connection refused")

    def test_the_server_goes_away(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.come_in("bot")
        desk.type("hi\n")
        desk.end_input()
        wire.lose()
        self.assert_ended(desk, 1, "the connection to there was lost: the server closed it")

    def test_the_server_can_not_be_trusted(self) -> None:
        desk = Desk(Pipe, "bot")
        desk.endpoint.succeed().lose(TLSError([("", "", "certificate verify failed")]))
        self.assert_ended(desk, 1, "there can't be trusted: certificate verify failed")

    def test_a_line_is_refused(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.come_in("bot")
        wire.says("-- you are muted, until noon", "-- goodbye, bot")
        self.assert_ended(desk, 1, "the server did not take a line: you are muted, until noon")

    def test_lines_are_refused(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.come_in("bot")
        wire.says("-- there is no /x", "-- usage: /join ROOM", "-- goodbye, bot")
        self.assert_ended(desk, 1, "the server did not take 2 lines: there is no /x")

    def test_what_others_say_is_no_refusal(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.come_in("bot")
        wire.says("<bob> -- usage: /x", "usage: /x", "-- bob joined", "-- goodbye, bot")
        self.assert_ended(desk, 0)

    def test_a_full_connection_pauses_the_input_within_what_was_read(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.come_in("bot")
        send = wire.write

        def write(data: bytes) -> None:
            send(data)
            wire.producer.pauseProducing()  # type: ignore[union-attr]

        self.patch(wire, "write", write)
        desk.type("one\ntwo\nthree")
        self.assertEqual((desk.reads, wire.got()), (False, ["one"]))
        wire.producer.resumeProducing()  # type: ignore[union-attr]
        self.assertEqual((desk.reads, wire.got()), (False, ["two"]))
        wire.producer.resumeProducing()  # type: ignore[union-attr]
        self.assertTrue(desk.reads)
        desk.end_input()
        self.assertEqual(wire.got(), ["three", "/quit"])

    def test_a_full_output_pauses_the_connection(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.come_in("bot")
        desk.streams.producer.pauseProducing()  # type: ignore[union-attr]
        self.assertEqual(wire.producerState, "paused")

    def test_nobody_reads_any_more(self) -> None:
        desk = Desk(Pipe, "bot")
        wire = desk.come_in("bot")
        desk.talker.writeConnectionLost()
        self.assertTrue(wire.disconnecting)
        self.assertEqual(desk.statuses, [1])
        self.assertEqual(desk.complaints, ["nobody reads the standard output any more"])

    def test_interrupted(self) -> None:
        desk = Desk(Pipe, "bot")
        desk.talker.interrupt()
        self.assertEqual((desk.statuses, desk.complaints), ([130], []))
        desk.endpoint.fail(ConnectionRefusedError(111))
        self.assertEqual(desk.complaints, [])
