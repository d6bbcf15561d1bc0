from __future__ import annotations

import math

from OpenSSL.SSL import Error as TLSError
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.trial.unittest import TestCase

from chatservice.client.session.dialling import LONGEST_PAUSE
from tests.client.support import ASK_NAME, TAKEN, TerminalDesk, Wire, hello

NOT_SENT = "there is no connection: that was not sent"
NOT_ANSWERED = "the server has not answered to the name yet: that was not sent"
REFUSED = "there is not there: Connection refused; trying again in {} s"


class TerminalTestCase(TestCase):
    def desk(self, name: str | None = None, *rooms: str) -> TerminalDesk:
        self.ana = TerminalDesk(name, rooms)
        self.addCleanup(self.ana.talker.end, 0)
        return self.ana

    def again(self) -> Wire:
        """Wait for the pause to be over, and let the connection be made."""
        self.pause()
        return self.ana.endpoint.succeed()

    def pause(self) -> float:
        """Let a pause pass, and return its seconds."""
        (call,) = self.ana.clock.getDelayedCalls()
        seconds = call.getTime() - self.ana.clock.seconds()
        self.ana.clock.advance(seconds)
        return seconds

    def assert_ended(self, status: int = 0) -> None:
        self.ana.written()
        self.assertEqual(self.ana.statuses, [status])
        self.ana.clock.advance(2 * LONGEST_PAUSE)
        self.assertEqual(self.ana.endpoint.attempts, [])


class NamingTests(TerminalTestCase):
    def test_the_server_asks_for_a_name(self) -> None:
        desk = self.desk()
        wire = desk.endpoint.succeed()
        wire.says(ASK_NAME)
        self.assertEqual((wire.got(), desk.shown()), ([], [ASK_NAME]))
        desk.type("ana\n")
        wire.says(hello("ana"))
        desk.type("hi\n")
        self.assertEqual(wire.got(), ["ana", "hi"])

    def test_a_name_that_is_known_is_sent(self) -> None:
        wire = self.desk("ana").endpoint.succeed()
        self.assertEqual(wire.got(), ["ana"])

    def test_a_refusal_is_shown_and_another_name_can_be_typed(self) -> None:
        desk = self.desk("ana")
        wire = desk.endpoint.succeed()
        wire.says(ASK_NAME, TAKEN)
        self.assertEqual(desk.shown(), [ASK_NAME, TAKEN])
        desk.type("bob\n")
        self.assertEqual(wire.got(), ["ana", "bob"])

    def test_what_is_typed_before_the_answer_can_not_become_a_name(self) -> None:
        desk = self.desk("ana")
        wire = desk.endpoint.succeed()
        desk.type("hi\n")
        self.assertEqual((wire.got(), desk.complaints), (["ana"], [NOT_ANSWERED]))

    def test_the_rooms_that_one_wants_to_be_in_are_joined(self) -> None:
        desk = self.desk("ana", "ops", "dev")
        wire = desk.endpoint.succeed()
        wire.says(ASK_NAME, hello("ana"))
        self.assertEqual(wire.got(), ["ana", "/join ops", "/join dev"])


class LosingTests(TerminalTestCase):
    def test_a_server_that_is_not_there_is_tried_after_pauses_that_grow(self) -> None:
        desk = self.desk()
        pauses = []
        for _ in range(20):
            desk.endpoint.fail(ConnectionRefusedError(111))
            pauses.append(self.pause())
            self.assertEqual(desk.complaints.pop(), REFUSED.format(math.ceil(pauses[-1])))
        self.assertLessEqual(pauses[0], 2)
        self.assertGreater(pauses[5], 2 * pauses[0])
        self.assertGreater(pauses[-1], LONGEST_PAUSE / 2)

    def test_a_server_that_never_greets_is_no_better(self) -> None:
        desk = self.desk("ana")
        for _ in range(8):
            desk.endpoint.succeed().lose()
            pause = self.pause()
        self.assertGreater(pause, 5)

    def test_nor_is_one_that_greets_and_closes(self) -> None:
        desk = self.desk("ana")
        desk.come_in().lose()
        pauses = []
        for _ in range(20):
            self.again()
            desk.talker.connection.lineReceived(hello("ana").encode())  # type: ignore[union-attr]
            desk.talker.connection.connectionLost()  # type: ignore[union-attr]
            (call,) = desk.clock.getDelayedCalls()
            pauses.append(call.getTime() - desk.clock.seconds())
        self.assertGreater(pauses[-1], LONGEST_PAUSE / 2)

    def test_a_server_that_closes_without_a_word_may_talk_tls(self) -> None:
        desk = self.desk()
        desk.endpoint.succeed().lose()
        (complaint,) = desk.complaints
        hint = "the server closed it without a word (if it talks TLS, write tls:HOST:PORT)"
        self.assertIn(f"the connection to there was lost: {hint}; ", complaint)

    def test_what_is_typed_meanwhile_is_not_sent(self) -> None:
        desk = self.desk()
        desk.type("hi\nho\n")
        self.assertEqual(desk.complaints, [NOT_SENT, NOT_SENT])
        desk.come_in().lose()
        desk.type("hi\n")
        lost = "the connection to there was lost: the server closed it; trying again in 1 s"
        self.assertRegex(desk.complaints[2], rf"\A{lost}\Z")
        self.assertEqual(desk.complaints[3:], [NOT_SENT])

    def test_it_comes_back_under_its_name(self) -> None:
        desk = self.desk()
        desk.come_in("ana").lose(ConnectionLost())
        wire = self.again()
        self.assertEqual(wire.got(), ["ana"])
        wire.says(hello("ana"))
        desk.type("I am back\n")
        self.assertEqual(wire.got(), ["I am back"])

    def test_it_comes_back_under_the_name_that_it_took_later(self) -> None:
        desk = self.desk("ana")
        wire = desk.come_in("ana")
        wire.says("-- you are bob now")
        wire.lose()
        self.assertEqual(self.again().got(), ["bob"])

    def test_a_name_that_was_not_granted_yet_is_tried_again(self) -> None:
        desk = self.desk("ana")
        desk.endpoint.succeed().lose()
        self.assertEqual(self.again().got(), ["ana"])

    def test_a_server_that_can_not_be_trusted_is_the_end(self) -> None:
        desk = self.desk("ana")
        desk.endpoint.succeed().lose(TLSError([("", "", "certificate verify failed")]))
        self.assertEqual(desk.complaints, ["there can't be trusted: certificate verify failed"])
        self.assert_ended(1)

    def test_tls_that_breaks_later_is_no_matter_of_trust(self) -> None:
        desk = self.desk()
        desk.come_in().lose(TLSError([("", "", "bad record mac")]))
        lost = "the connection to there was lost: bad record mac; trying again in "
        self.assertIn(lost, desk.complaints[0])

    def test_the_input_is_read_again_when_a_full_connection_is_lost(self) -> None:
        desk = self.desk()
        wire = desk.come_in()
        wire.producer.pauseProducing()  # type: ignore[union-attr]
        self.assertFalse(desk.reads)
        wire.lose()
        self.assertTrue(desk.reads)

    def test_a_full_output_pauses_whatever_connection_there_is(self) -> None:
        desk = self.desk()
        desk.come_in().lose()
        self.assertIsNone(desk.streams.producer)
        wire = self.again()
        desk.streams.producer.pauseProducing()  # type: ignore[union-attr]
        self.assertEqual(wire.producerState, "paused")


class LeavingTests(TerminalTestCase):
    def test_by_ctrl_d(self) -> None:
        desk = self.desk()
        wire = desk.come_in()
        desk.end_input()
        self.assertEqual(wire.got(), ["/quit"])
        self.assertFalse(desk.streams.disconnecting)
        wire.says("-- goodbye, ana")
        self.assertEqual(desk.shown(), ["-- goodbye, ana"])
        wire.lose()
        self.assert_ended()
        self.assertEqual(desk.complaints, [])

    def test_who_is_sent_away_does_not_come_back_by_itself(self) -> None:
        desk = TerminalDesk("ana")
        wire = desk.come_in("ana")
        wire.says("-- you were kicked: calm down")
        desk.written()
        self.assertEqual(desk.statuses, [1])
        self.assertEqual(desk.shown()[-1], "-- you were kicked: calm down")
        self.assertTrue(wire.disconnecting)

    def test_by_quit(self) -> None:
        for line in ("/quit", "/Quit see you"):
            desk = self.desk()
            wire = desk.come_in()
            desk.type(f"{line}\n")
            self.assertEqual(wire.got(), [line])
            wire.says("-- goodbye, ana")
            self.assertTrue(wire.disconnecting)
            wire.lose()
            self.assert_ended()

    def test_what_only_begins_like_quit_is_for_the_server(self) -> None:
        desk = self.desk()
        wire = desk.come_in()
        desk.type("/quitter\n//quit\n")
        wire.lose()
        self.assertEqual(len(desk.complaints), 1)
        self.assertFalse(desk.streams.disconnecting)

    def test_while_there_is_no_connection(self) -> None:
        for leave in (lambda desk: desk.end_input(), lambda desk: desk.type("/quit\n")):
            desk = self.desk()
            desk.endpoint.fail(ConnectionRefusedError(111))
            leave(desk)
            self.assert_ended()

    def test_while_it_connects(self) -> None:
        desk = self.desk()
        desk.end_input()
        desk.endpoint.attempts.clear()
        self.assert_ended()

    def test_before_there_is_a_name(self) -> None:
        desk = self.desk()
        wire = desk.endpoint.succeed()
        desk.type("/quit\n")
        self.assertEqual((wire.got(), wire.disconnecting), ([], True))
        self.assert_ended()

    def test_a_connection_that_is_lost_instead_of_a_goodbye_will_do(self) -> None:
        desk = self.desk()
        wire = desk.come_in()
        desk.end_input()
        wire.lose()
        self.assert_ended()

    def test_when_nobody_reads_any_more(self) -> None:
        desk = self.desk()
        wire = desk.come_in()
        desk.talker.writeConnectionLost()
        self.assertEqual((desk.statuses, wire.disconnecting), ([0], True))

    def test_a_connection_that_comes_too_late_is_closed(self) -> None:
        desk = self.desk()
        desk.talker.interrupt()
        wire = desk.endpoint.succeed()
        self.assertEqual((wire.got(), wire.disconnecting), ([], True))
