from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

from OpenSSL.SSL import Error as TLSError
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client.streams.pipe import JOINT, Pipe
from chatservice.client.streams.program import MOST
from chatservice.text import wording
from tests.client.machine import House, welcome
from tests.client.support import ProgramDesk
from tests.integration.support import folder_for

LOST = "the connection to there was lost: it broke off; trying again"


class PipeTestCase(TestCase):
    def pipe(self, name: str = "bot", *rooms: str, **options: Any) -> ProgramDesk:
        self.desk = ProgramDesk(partial(Pipe, **options), name, rooms)
        self.addCleanup(self.desk.talker.interrupt)
        return self.desk

    def come_in(self, *rooms: str) -> ProgramDesk:
        desk = self.pipe("bot", *rooms)
        desk.come_in()
        return desk

    def assert_ended(self, status: int, *complaints: str) -> None:
        self.desk.written()
        self.assertEqual(self.desk.complaints, list(complaints))
        self.assertEqual((self.desk.statuses, self.desk.shown()), ([status], []))

    def assert_said(self, *texts: str, room: str = "lobby") -> None:
        said = [(one.type, one.room, one.text) for one in self.desk.house.entries]
        self.assertEqual(said, [("said", room, text) for text in texts])


class SayingTests(PipeTestCase):
    def test_it_leaves_when_all_lines_are_stored(self) -> None:
        desk = self.come_in()
        desk.type("hi\nlast")
        desk.end_input()
        desk.link.up()
        self.assertFalse(desk.streams.disconnecting)
        desk.settle()
        self.assert_said("hi", "last")
        self.assertEqual(type(desk.link.desk.got[-1]), messages.Quit)
        self.assert_ended(0)

    def test_lines_are_said_as_they_are_but_for_empty_ones(self) -> None:
        desk = self.come_in()
        desk.type('/quit\n\n \t\n{"type":"say"}\r\n  <b>\n\u200b\n')
        desk.end_input()
        desk.settle()
        self.assert_said("/quit", '{"type":"say"}', "  <b>")
        self.assert_ended(0)

    def test_what_others_say_is_not_shown(self) -> None:
        desk = self.come_in()
        desk.house.store("said", desk.house.guest("ana"), "hi bot", room="lobby")
        desk.settle()
        desk.end_input()
        desk.settle()
        self.assert_ended(0)

    def test_nothing_to_say(self) -> None:
        desk = self.pipe()
        desk.end_input()
        desk.come_in()
        self.assert_said()
        self.assert_ended(0)

    def test_what_is_read_before_it_is_known_where_to_say_it_waits(self) -> None:
        for rooms in ((), ("ops",)):
            desk = self.pipe("bot", *rooms)
            desk.type("hi\n")
            desk.connect()
            desk.type("ho\n")
            desk.end_input()
            desk.settle()
            self.assert_said("hi", "ho", room=rooms[0] if rooms else "lobby")
            self.assert_ended(0)

    def test_what_is_said_is_what_one_would_see(self) -> None:
        desk = self.come_in()
        desk.type("\x1b[32mReceiving\x1b[0m:  50%\rReceiving: 100%\x1b[K, done.\r\n\x1b[0m\nhi")
        desk.end_input()
        desk.settle()
        self.assert_said("Receiving: 100%, done.", "hi")
        self.assert_ended(0)

    def test_only_so_much_is_on_its_way_and_the_rest_waits_here(self) -> None:
        desk = self.come_in()
        lines = [f"line {number}" for number in range(3 * MOST)]
        desk.type("\n".join(lines))
        self.assertTrue(desk.reads)
        desk.link.up()
        self.assertEqual(len(desk.link.desk.got), 2 + MOST)
        desk.end_input()
        desk.settle()
        self.assert_said(*lines)
        self.assert_ended(0)

    def test_the_producer_has_to_wait_at_16_mib(self) -> None:
        desk = self.pipe()
        line = "x" * 1023 + "\n"
        for _ in range(15):
            desk.type(line * 1024)
            self.assertTrue(desk.reads)
        desk.type(line * 1024)
        self.assertFalse(desk.reads)
        desk.come_in()
        self.assertTrue(desk.reads)
        self.assertGreater(len(desk.house.entries), 40 * MOST)


class BatchTests(PipeTestCase):
    """``--batch``, ``--tail``: the server takes 2,000 characters at once."""

    def test_what_waits_is_said_as_one(self) -> None:
        desk = self.pipe(batch=True)
        desk.type("hi\nho\n\nha\n")
        desk.come_in()
        self.assert_said("hi ⏎ ho ⏎ ha")
        desk.type("one\n")
        desk.type("two\nthree\n")
        desk.link.up()
        self.assertEqual([say.text for say in desk.link.desk.got[2:]], ["hi ⏎ ho ⏎ ha", "one"])
        desk.settle()
        self.assert_said("hi ⏎ ho ⏎ ha", "one", "two ⏎ three")
        desk.end_input()
        desk.settle()
        self.assert_ended(0)

    def test_as_much_as_the_server_takes(self) -> None:
        lines = [f"{number:04} " + "x" * (number % 300) for number in range(2000)]
        lines.insert(7, "y" * 2000)
        desk = self.pipe(batch=True)
        desk.type("\n".join(lines))
        desk.end_input()
        desk.come_in()
        for _ in range(10):
            desk.settle()
        said = [one.text for one in desk.house.entries]
        self.assertEqual([line for text in said for line in text.split(JOINT)], lines)
        for text, following in pairwise(said):
            self.assertLessEqual(len(text), 2000)
            self.assertGreater(len(text + JOINT + following.split(JOINT)[0]), 2000)
        self.assert_ended(0)

    def test_a_line_that_is_too_long_is_refused_by_itself(self) -> None:
        desk = self.pipe(batch=True)
        desk.type("a\n" + "x" * 100_000 + "\nb\nc")
        desk.end_input()
        desk.come_in()
        desk.clock.advance(0)
        desk.settle()
        self.assert_said("a", "b ⏎ c")
        why = "that line was too long: at most 2,000 characters"
        self.assert_ended(1, f"a line was not taken: {why}")

    def test_the_last_lines(self) -> None:
        for batch, said in (
            (False, ("… 95 lines left out", "96", "97", "98", "99", "100")),
            (True, ("… 95 lines left out ⏎ 96 ⏎ 97 ⏎ 98 ⏎ 99 ⏎ 100",)),
        ):
            desk = self.pipe(tail=5, batch=batch)
            desk.come_in()
            for number in range(1, 101):
                desk.type(f"{number}\n")
            desk.settle()
            self.assert_said()
            desk.end_input()
            desk.settle()
            self.assert_said(*said)
            self.assert_ended(0)


class RoomTests(PipeTestCase):
    def test_the_room_is_the_one_that_is_given(self) -> None:
        desk = self.come_in("ops")
        desk.type("hi\n")
        desk.end_input()
        desk.settle()
        self.assert_said("hi", room="ops")
        self.assertEqual(desk.link.desk.got[0], messages.Hello(name="bot", rooms=["ops"]))
        self.assert_ended(0)

    def test_the_server_says_what_the_room_is_called(self) -> None:
        desk = self.pipe("bot", "#Ops")
        desk.connect()
        desk.link.up()
        desk.house.tick()
        desk.link.down()
        (ref,) = (one.ref for one in desk.link.got() if isinstance(one, messages.Join))
        desk.link.says(messages.Ok(to="join", room="ops", ref=ref))
        desk.type("hi\n")
        (say,) = desk.link.got()
        self.assertEqual(say, messages.Say(room="ops", text="hi", seq=1))

    def test_a_room_that_does_not_let_it_in(self) -> None:
        desk = self.pipe("bot", "ops")
        desk.connect()
        desk.link.up()
        desk.house.tick()
        desk.link.down()
        (ref,) = (one.ref for one in desk.link.got() if isinstance(one, messages.Join))
        desk.link.says(messages.Error(code="not_let_in", text="#ops is locked", to="join", ref=ref))
        self.assert_ended(1, "#ops is locked")

    def test_it_is_in_no_room(self) -> None:
        desk = self.pipe()
        desk.connect().up()
        desk.house.members.clear()
        desk.link.says(welcome(name="bot", resumed=True))
        self.assert_ended(1, wording.NOWHERE)

    def test_the_connection_is_lost_before_it_is_in_the_room(self) -> None:
        desk = self.pipe("bot", "ops")
        link = desk.connect()
        link.up()
        desk.house.tick()
        link.down()
        link.up()
        link.cut()
        desk.come_back()
        desk.type("hi\n")
        desk.settle()
        self.assert_said("hi", room="ops")


class NameTests(PipeTestCase):
    def test_the_name_is_refused(self) -> None:
        desk = self.pipe()
        desk.house.guest("bot")
        desk.come_in()
        self.assert_ended(1, "the name was refused: no: name_taken; give another with --name")


class RefusalTests(PipeTestCase):
    def test_a_line_is_refused_and_the_others_are_stored(self) -> None:
        desk = self.come_in()
        (bot,) = desk.house.members.values()
        desk.type("hi\n")
        desk.settle()
        bot.muted = True
        desk.type("ho\n")
        desk.settle()
        bot.muted = False
        desk.type("ha\n")
        desk.end_input()
        desk.settle()
        self.assert_said("hi", "ha")
        self.assert_ended(1, "a line was not taken: no: muted")

    def test_many_lines_are_refused(self) -> None:
        desk = self.come_in()
        (bot,) = desk.house.members.values()
        bot.muted = True
        desk.type("hi\n" * 1234)
        for _ in range(40):
            desk.settle()
        desk.end_input()
        desk.settle()
        self.assert_ended(1, "1,234 lines were not taken: no: muted")

    def test_a_line_without_an_end_is_refused_and_what_is_behind_it_is_not(self) -> None:
        for data in (["x" * (1 << 20) + "xx", "xx", "x\nhi\nho"], ["x" * (2 << 20) + "\nhi\nho"]):
            desk = self.come_in()
            for some in data:
                desk.type(some)
            desk.end_input()
            desk.settle()
            self.assert_said("hi", "ho")
            self.assert_ended(1, "a line was not taken: a line has more than 1,048,576 bytes")

    def test_a_line_that_is_too_long_for_the_server_is_refused(self) -> None:
        desk = self.come_in()
        desk.type("x" * 100_000 + "\nhi\n")
        desk.end_input()
        desk.clock.advance(0)
        desk.settle()
        self.assert_said("hi")
        why = "that line was too long: at most 2,000 characters"
        self.assert_ended(1, f"a line was not taken: {why}")


class ConnectionTests(PipeTestCase):
    def test_the_server_is_not_there(self) -> None:
        desk = self.pipe()
        desk.endpoint.fail(ConnectionRefusedError(111))
        self.assert_ended(1, "there is not there: Connection refused")
        self.assertEqual(desk.clock.getDelayedCalls(), [])

    def test_the_server_closes_at_once(self) -> None:
        desk = self.pipe()
        desk.connect().cut(ConnectionDone())
        why = "the server closed it without a word (if it talks TLS, write tls:HOST:PORT)"
        self.assert_ended(1, f"the connection to there was lost: {why}")

    def test_the_server_says_why_it_closes_at_once(self) -> None:
        desk = self.pipe()
        link = desk.connect()
        link.says(b"-- too many people are connected: please try again later\r\n")
        link.cut(ConnectionDone())
        self.assert_ended(1, "too many people are connected: please try again later")

    def test_the_server_can_not_be_trusted(self) -> None:
        desk = self.pipe()
        desk.connect().cut(TLSError([("", "", "certificate verify failed")]))
        self.assert_ended(1, "there can't be trusted: certificate verify failed")

    def test_the_connection_is_lost_and_nothing_else(self) -> None:
        desk = self.come_in()
        lines = [f"line {number}" for number in range(20)]
        desk.type("\n".join(lines))
        desk.link.up(most=300)
        desk.house.tick()
        desk.link.cut()
        for _ in range(2):
            desk.clock.advance(100)
            desk.endpoint.fail(ConnectionRefusedError(111))
        desk.come_back()
        desk.end_input()
        desk.link.up()
        desk.link.cut()
        desk.come_back()
        self.assert_said(*lines)
        self.assert_ended(0, LOST, LOST)

    def test_it_is_lost_when_all_is_stored(self) -> None:
        desk = self.come_in()
        desk.type("hi\n")
        desk.settle()
        desk.link.cut()
        desk.end_input()
        self.assert_said("hi")
        self.assert_ended(0, LOST)

    def test_it_is_lost_instead_of_a_goodbye(self) -> None:
        desk = self.come_in()
        desk.end_input()
        desk.link.cut()
        self.assert_ended(0)

    def test_who_is_sent_away_does_not_come_back(self) -> None:
        desk = self.come_in()
        desk.link.says(messages.Error(code="kicked", text="you were kicked: calm down"))
        self.assert_ended(1, "you were kicked: calm down")
        self.assertEqual(desk.clock.getDelayedCalls(), [])

    def test_why_lines_may_have_to_wait_is_told_and_nothing_else_is(self) -> None:
        desk = self.come_in()
        desk.type("hi\n")
        desk.link.says(messages.Notice(text="welcome to the house"))
        desk.link.says(messages.Notice(text=wording.UNSTORED))
        desk.end_input()
        desk.settle()
        self.assert_ended(0, wording.UNSTORED)

    def test_what_can_not_be_told_any_more_does_not_matter(self) -> None:
        desk = self.come_in()
        desk.link.says(messages.Notice(text="forgotten", gap=True))
        desk.end_input()
        desk.settle()
        self.assert_ended(0)


class EndTests(PipeTestCase):
    def test_nobody_has_to_read_its_output(self) -> None:
        desk = self.come_in()
        desk.talker.writeConnectionLost()
        desk.type("hi")
        desk.end_input()
        desk.settle()
        self.assert_said("hi")
        self.assertEqual((desk.statuses, desk.complaints), ([0], []))

    def test_interrupted(self) -> None:
        desk = self.pipe()
        desk.talker.interrupt()
        self.assertEqual((desk.statuses, desk.complaints), ([130], []))
        desk.link = desk.endpoint.succeed()
        self.assertTrue(desk.link.disconnecting)

    def test_interrupted_while_it_goes_into_the_room(self) -> None:
        desk = self.pipe("bot", "ops")
        desk.connect().up()
        desk.house.tick()
        desk.link.down()
        desk.talker.interrupt()
        self.assertEqual((desk.statuses, desk.complaints), ([130], []))


class MemoryTests(TestCase):
    def setUp(self) -> None:
        self.house = House()
        self.folder = folder_for(self)

    def pipe(self) -> ProgramDesk:
        desk = ProgramDesk(Pipe, "bot", (), self.house, self.folder)
        self.addCleanup(desk.entrance.close)
        desk.come_in()
        desk.type("hi\n")
        return desk

    def test_one_that_was_killed_does_not_stand_in_the_way_of_the_next(self) -> None:
        first = self.pipe()
        first.settle()
        first.entrance.close()
        second = self.pipe()
        second.end_input()
        second.settle()
        second.written()
        self.assertEqual((second.statuses, second.complaints), ([0], []))
        self.assertEqual([entry.seq for entry in self.house.entries], [1, 2])

    def test_of_one_that_has_left_nothing_is_remembered(self) -> None:
        desk = self.pipe()
        desk.settle()
        self.assertEqual(len(list(self.folder.iterdir())), 1)
        desk.end_input()
        desk.settle()
        self.assertEqual(list(self.folder.iterdir()), [])
