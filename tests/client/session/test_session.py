from __future__ import annotations

from itertools import count
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL.SSL import Error as TLSError
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from chatservice import messages
from chatservice.client.session.bookmark import Remembered
from chatservice.client.session.dialling import LONGEST_PAUSE, SHORT_PAUSE
from chatservice.client.session.outgoing import OVER, WINDOW, Refused, Sent
from chatservice.client.session.session import IDLE, LONGEST, LOOK, PATIENCE, Listener, Session
from chatservice.text import wording
from tests.client.machine import AT, Endpoint, House, Link, Member, welcome
from tests.profiles import examples, size

CUT_EVERY: Final = size(7, 1)
"""Bytes from one place at which a connection is cut to the next."""


class Notes(Listener):
    """A listener that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def welcomed(self, welcome: messages.Welcome) -> None:
        self.told.append(("welcomed", welcome.name, welcome.resumed))

    def caught_up(self) -> None:
        self.told.append("caught up")

    def happened(self, event: messages.Event) -> None:
        self.told.append((event.id, event.text))

    def watch(self, sent: Sent) -> Sent:
        """Note what comes of own talk, unless it is over before."""

        def refused(failure: Failure) -> None:
            error = failure.value.error
            if error.code != OVER:
                self.told.append(("refused", sent.text, error.code))

        def stored(sent: Sent) -> None:
            self.told.append((sent.id, "stored", sent.text))

        sent.answer.addCallbacks(stored, refused)
        return sent

    def noticed(self, text: str) -> None:
        self.told.append(("noticed", text))

    def gapped(self) -> None:
        self.told.append("gap")

    def lost(self, why: str, pause: float) -> None:
        self.told.append(("lost", why))
        self.pause = pause

    def name_refused(self, why: str) -> None:
        self.told.append(("name refused", why))

    def ended(self, why: str | None) -> None:
        self.told.append(("ended", why))

    def since_last(self) -> list[Any]:
        told, self.told = self.told, []
        return told


class SessionTestCase(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.house = House()
        self.notes = Notes()
        self.kept: list[Remembered] = []
        self.session = self.sit("ana")

    def sit(
        self,
        name: str | None,
        rooms: tuple[str, ...] = (),
        remembered: Remembered | None = None,
    ) -> Session:
        seat = Session(
            self.clock,
            self.endpoint,
            "there",
            self.notes,
            name,
            rooms,
            remembered,
            self.kept.append,
        )
        self.session = seat
        return seat

    def link(self) -> Link:
        """Connect, without the server having answered yet."""
        self.now = self.endpoint.succeed(self.house)
        return self.now

    def move(self) -> None:
        """Bring all to where it goes, until nothing is under way."""
        while True:
            self.now.up()
            self.house.tick()
            self.now.down()
            if self.now.broken or self.now.disconnecting or not self.now.value():
                return

    def come_in(self) -> Link:
        self.session.start()
        link = self.link()
        self.move()
        return link

    def come_back(self) -> Link:
        """Lose the connection, and make another."""
        self.now.cut()
        return self.again()

    def again(self) -> Link:
        self.clock.advance(self.notes.pause)
        link = self.link()
        self.move()
        return link

    def say(self, text: str) -> Sent:
        return self.notes.watch(self.session.talk(messages.Say(room="lobby", text=text)))

    def others_say(self, *texts: str) -> None:
        bob = self.house.named("bob") or self.house.guest("bob", "lobby")
        for text in texts:
            self.house.store("said", bob, text, room="lobby")

    def assert_over(self) -> None:
        self.clock.advance(2 * LONGEST_PAUSE)
        self.assertEqual(self.endpoint.attempts, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def texts(self) -> list[str]:
        return [entry.text for entry in self.house.entries]


class ComingInTests(SessionTestCase):
    def test_a_new_session(self) -> None:
        self.session.start()
        link = self.link()
        self.assertEqual(link.got(), [messages.Hello(name="ana")])
        self.assertFalse(self.session.connected)

    def test_welcome(self) -> None:
        self.come_in()
        self.assertTrue(self.session.connected)
        self.assertEqual(self.notes.since_last(), [("welcomed", "ana", False)])
        self.assertEqual(self.kept, [Remembered("ana", "j1-t1", "j1", 100)])
        self.assertEqual(list(self.session.rooms), ["lobby"])
        self.assertEqual(self.session.latency, 0)

    def test_rooms_to_be_in(self) -> None:
        self.sit("ana", ("dev", "ops")).start()
        self.assertEqual(self.link().got(), [messages.Hello(name="ana", rooms=["dev", "ops"])])

    def test_without_a_name_it_waits_for_one(self) -> None:
        seat = self.sit(None)
        seat.start()
        self.assertEqual(self.endpoint.attempts, [])
        seat.introduce("bo")
        self.assertEqual(self.link().got(), [messages.Hello(name="bo")])

    def test_a_name_that_is_taken(self) -> None:
        self.house.guest("ana", "lobby")
        self.come_in()
        self.assertEqual(self.notes.since_last(), [("name refused", "no: name_taken")])
        self.session.introduce("bo")
        self.session.introduce("cy")
        self.move()
        self.assertEqual(self.notes.since_last(), [("welcomed", "bo", False)])
        self.assertEqual(self.session.name, "bo")

    def test_a_connection_that_is_lost_meanwhile_is_made_with_the_name(self) -> None:
        self.house.guest("ana", "lobby")
        self.come_in().cut()
        self.assertEqual(self.notes.since_last(), [("name refused", "no: name_taken")])
        self.assertEqual(self.endpoint.attempts, [])
        self.session.introduce("bo")
        self.link()
        self.move()
        self.assertEqual(self.session.name, "bo")

    def test_what_is_of_no_use_to_try_again(self) -> None:
        for code in (messages.Code.BANNED, messages.Code.BAD_FIELD):
            self.sit("ana").start()
            self.link().says(messages.Error(code=code.value, text="a reason"))
            self.assertEqual(self.notes.since_last(), [("ended", "a reason")])
            self.assertTrue(self.now.disconnecting)
            self.assert_over()

    def test_what_may_be_better_later(self) -> None:
        for code in (messages.Code.CROWDED.value, messages.Code.TOO_SLOW.value, "brand_new"):
            self.sit("ana").start()
            self.link().says(messages.Error(code=code, text="a reason"))
            why = "the connection to there was lost: a reason"
            self.assertEqual(self.notes.since_last(), [("lost", why)])
            self.assertTrue(self.now.disconnecting)
            self.session.stop()

    def test_it_can_not_be_trusted(self) -> None:
        self.session.start()
        self.link().cut(TLSError([("", "", "certificate verify failed")]))
        why = "there can't be trusted: certificate verify failed"
        self.assertEqual(self.notes.since_last(), [("ended", why)])
        self.assert_over()

    def test_it_can_not_be_trusted_before_there_is_a_connection(self) -> None:
        self.session.start()
        self.endpoint.fail(TLSError([("", "", "certificate has expired")]))
        self.assertEqual(
            self.notes.since_last(), [("ended", "there can't be trusted: certificate has expired")]
        )

    def test_a_port_that_talks_tls_is_named(self) -> None:
        for first in (b"\x15\x03\x03\x00\x02\x02\x0a", b"\x16\x03\x01\x00"):
            self.sit("ana").start()
            link = self.link()
            link.says(first)
            self.assertEqual(link.got()[0].type, "hello")
            why = "there talks TLS: write tls:HOST:PORT"
            self.assertEqual(self.notes.since_last(), [("ended", why)])
            self.assert_over()

    def test_a_port_that_talks_no_tls_is_named(self) -> None:
        for reason in ("wrong version number", "tls alert handshake failure"):
            self.sit("ana").start()
            self.link().cut(TLSError([("", "", reason)]))
            why = "there talks no TLS: leave out tls:"
            self.assertEqual(self.notes.since_last(), [("ended", why)])
            self.assert_over()

    def test_tls_that_breaks_later_is_no_matter_of_trust(self) -> None:
        self.come_in().cut(TLSError([("", "", "bad record mac")]))
        self.assertIn(("lost", "the connection to there was lost: bad record mac"), self.notes.told)

    def test_a_server_that_is_not_there_is_tried_after_pauses_that_grow(self) -> None:
        self.session.start()
        pauses = []
        for _ in range(20):
            self.endpoint.fail(ConnectionRefusedError(111))
            self.assertEqual(
                self.notes.since_last(), [("lost", "there is not there: Connection refused")]
            )
            pauses.append(self.notes.pause)
            self.clock.advance(self.notes.pause)
        self.assertLessEqual(pauses[0], 2)
        self.assertGreater(pauses[5], 2 * pauses[0])
        self.assertGreater(pauses[-1], LONGEST_PAUSE / 2)

    def test_the_question_for_a_name_was_answered_before(self) -> None:
        self.session.start()
        self.link().says(f"-- {wording.ASK_NAME}\r\n".encode(), b"-- too many people\r\n")
        self.assertEqual(self.notes.since_last(), [("noticed", "too many people")])

    def test_another_welcome_means_nothing(self) -> None:
        link = self.come_in()
        self.notes.since_last()
        link.says(welcome(name="eve", since=100))
        self.assertEqual((self.notes.since_last(), self.session.name), ([], "ana"))


class ReadingTests(SessionTestCase):
    """What the server says, whatever that is."""

    def setUp(self) -> None:
        super().setUp()
        self.come_in()
        self.notes.since_last()

    def test_events_come_once_and_in_order(self) -> None:
        events = [
            messages.Event(type="said", id=number, at=AT, room="lobby", author="bob", text="hi")
            for number in (101, 103, 103, 102, 104)
        ]
        self.now.says(*events)
        self.assertEqual(self.notes.since_last(), [(101, "hi"), (103, "hi"), (104, "hi")])

    def test_all_that_is_shown_is_safe(self) -> None:
        heard: list[messages.Event] = []
        self.notes.happened = heard.append  # type: ignore[method-assign]
        self.now.says(
            b'{"type":"joined","id":101,"at":"%s","room":"lobby","names":["a\\u001bb\\ud800"],'
            b'"text":"a\\u001bb\\ud800"}\r\n' % AT.encode()
        )
        good = "a\u241bb\ufffd"
        self.assertEqual((heard[0].names, heard[0].text), ([good], good))
        asking = self.session.ask(messages.Who(room="lobby"))
        people = [messages.Person(name="\x07", away="\x07")]
        self.now.says(messages.WhoIs(room="lobby", people=people, count=1, ref=1))
        answer = self.successResultOf(asking)
        assert isinstance(answer, messages.WhoIs)
        self.assertEqual(answer.people, [messages.Person(name="\u2407", away="\u2407")])

    def test_what_is_for_people_is_told(self) -> None:
        self.now.says(
            "-- caf\xe9\x07\n".encode("latin-1"),
            b"\r\n",
            b"more\r\n",
            messages.Notice(text="soon\x07"),
            messages.Error(code="went_wrong", text="that went wrong"),
        )
        texts = ["caf\ufffd\u2407", "more", "soon\u2407", "that went wrong"]
        self.assertEqual(self.notes.since_last(), [("noticed", text) for text in texts])

    def test_who_is_told_as_people_are_not_to_come_back_does_not(self) -> None:
        self.now.says(b"-- you are banned from here: spam\r\n")
        self.assertEqual(self.notes.since_last(), [("ended", "you are banned from here: spam")])

    def test_what_is_not_known_is_ignored(self) -> None:
        self.now.says(
            b'{"type":"brand_new","id":101}\r\n',
            b'{"type":"said","id":"x"}\r\n',
            b'{"type":"said","id":102,"at":"yesterday","text":"hi"}\r\n',
            b'{"type":"history","room":"lobby","more":false,"gap":false,'
            b'"events":[{"type":"said","id":102,"at":"yesterday"}]}\r\n',
            b"{broken\r\n",
            b'{"type":"said","id":102,"at":"%s","text":"hi","more":1}\r\n' % AT.encode(),
            messages.Ok(to="say", id=300, seq=300),
            messages.Pong(ref=3),
            messages.Pong(ref="ping 99"),
        )
        self.assertEqual(self.notes.since_last(), [(102, "hi")])
        self.assertEqual(self.session.latency, 0)

    def test_a_gap(self) -> None:
        self.now.says(messages.Notice(text="something was forgotten", gap=True))
        self.assertEqual(self.notes.since_last(), ["gap"])

    def test_a_line_may_be_long_but_not_endless(self) -> None:
        self.now.protocol.dataReceived(b"{" + b" " * LONGEST)
        self.assertEqual(
            self.notes.since_last(),
            [("lost", "the connection to there was lost: it sent a line without an end")],
        )
        self.assertTrue(self.now.disconnected)

    def test_who_is_paused_is_told_nothing(self) -> None:
        self.assertTrue(verifyObject(IPushProducer, self.session))
        self.others_say("one")
        self.session.pauseProducing()
        self.move()
        self.clock.advance(10 * PATIENCE)
        self.assertEqual(self.notes.since_last(), [])
        self.session.resumeProducing()
        self.move()
        self.assertEqual(self.notes.since_last(), [(101, "one")])
        self.session.stopProducing()

    def test_who_is_paused_is_told_nothing_on_another_connection_either(self) -> None:
        self.session.pauseProducing()
        self.come_back()
        self.clock.advance(10 * PATIENCE)
        self.assertEqual(len(self.notes.since_last()), 1)
        self.assertEqual(self.now.producerState, "paused")
        self.session.resumeProducing()
        self.move()
        self.assertEqual(self.notes.since_last(), [("welcomed", "ana", True), "caught up"])


class TalkingTests(SessionTestCase):
    def test_what_is_said_is_stored_at_its_place(self) -> None:
        self.come_in()
        self.notes.since_last()
        self.others_say("one")
        sent = self.say("hi")
        self.assertEqual(list(self.session.unstored), [sent])
        self.move()
        self.others_say("two")
        self.move()
        self.assertEqual(
            self.notes.since_last(), [(101, "one"), (102, "stored", "hi"), (103, "two")]
        )
        self.assertEqual((sent.id, list(self.session.unstored)), (102, []))

    def test_what_is_said_before_there_is_a_connection(self) -> None:
        self.say("one")
        self.session.start()
        self.say("two")
        self.link()
        self.say("three")
        self.move()
        self.assertEqual(self.texts(), ["one", "two", "three"])

    def test_a_refusal(self) -> None:
        self.come_in()
        self.house.members["j1-t1"].muted = True
        self.say("hi")
        self.move()
        self.assertEqual(self.notes.since_last()[1:], [("refused", "hi", "muted")])
        self.assertEqual(list(self.session.unstored), [])

    def test_all_but_a_window_waits_here(self) -> None:
        self.come_in()
        for number in range(3 * WINDOW):
            self.say(str(number))
        self.now.up()
        self.assertEqual(len(self.now.desk.got), 2 + WINDOW)
        self.assertEqual(len(self.session.unstored), 3 * WINDOW)
        self.move()
        self.assertEqual(self.texts(), [str(number) for number in range(3 * WINDOW)])

    def test_half_a_surrogate_pair_is_for_the_server_to_judge(self) -> None:
        self.come_in()
        self.say("a\ud83d\ude00b\ud800")
        self.move()
        self.assertEqual(self.texts(), ["a\U0001f600b\ufffd"])

    def test_what_the_server_would_not_read_is_refused_here(self) -> None:
        self.come_in()
        self.say("x" * 24_000)
        self.say("\x01" * 12_000)
        asking = self.session.ask(messages.Nick(name="x" * 40_000))
        self.say("hi")
        self.notes.since_last()
        self.clock.advance(0)
        told = [(one[0], one[2]) for one in self.notes.since_last()]
        self.assertEqual(told, [("refused", "too_long")])
        self.failureResultOf(asking, Refused)
        self.move()
        self.assertEqual(self.texts()[-1], "hi")

    def test_a_topic_of_ones_own(self) -> None:
        self.come_in()
        self.notes.watch(self.session.talk(messages.Topic(room="lobby", text="tea")))
        self.move()
        self.assertEqual(self.session.rooms["lobby"].topic, "tea")


class AskingTests(SessionTestCase):
    def test_answers(self) -> None:
        self.come_in()
        asking = self.session.ask(messages.Join(room="dev", ref="mine"))
        self.move()
        self.assertEqual(
            self.successResultOf(asking),
            messages.Ok(to="join", room="dev", topic="", people=2, ref="mine"),
        )
        self.assertEqual(list(self.session.rooms), ["lobby", "dev"])
        asking = self.session.ask(messages.Leave(room="lobby"))
        self.move()
        self.assertEqual(list(self.session.rooms), ["dev"])
        asking = self.session.ask(messages.Leave(room="lobby", ref=7))
        self.move()
        error = self.failureResultOf(asking, Refused).value.error
        self.assertEqual((error.code, error.ref), ("not_in_room", 7))

    def test_another_name(self) -> None:
        self.come_in()
        asking = self.session.ask(messages.Nick(name="bo"))
        self.move()
        self.successResultOf(asking)
        self.assertEqual(self.session.name, "bo")
        self.assertEqual(self.kept[-1].name, "bo")

    def test_they_are_asked_behind_what_was_said_before(self) -> None:
        self.come_in()
        self.say("one")
        self.session.ask(messages.Leave(room="lobby"))
        self.say("two")
        self.now.up()
        self.assertEqual(
            [request.type for request in self.now.desk.got[-3:]], ["say", "leave", "say"]
        )

    def test_they_are_asked_again(self) -> None:
        asking = self.session.ask(messages.Who(room="lobby"))
        self.come_in()
        self.successResultOf(asking)
        asking = self.session.ask(messages.Who(room="lobby"))
        self.now.up()
        self.come_back()
        self.successResultOf(asking)

    def test_they_can_be_cancelled(self) -> None:
        waiting = self.session.ask(messages.Who(room="lobby"))
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.come_in()
        self.assertEqual([request.type for request in self.now.desk.got], ["hello", "ping"])
        asked = self.session.ask(messages.Who(room="lobby"))
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.move()

    def test_at_the_end_they_fail(self) -> None:
        before = self.session.ask(messages.Who(room="lobby"))
        self.session.stop()
        after = self.session.ask(messages.Who(room="lobby"))
        for asking in (before, after):
            self.assertEqual(self.failureResultOf(asking, Refused).value.error.code, OVER)


class RoomsTests(SessionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.come_in()

    def happens(self, **fields: Any) -> None:
        self.house.head += 1
        self.now.says(messages.Event(id=self.house.head, at=AT, **fields))

    def people(self) -> int:
        return self.session.rooms["lobby"].people

    def test_people_come_and_go(self) -> None:
        self.assertEqual(self.people(), 2)
        self.happens(type="joined", room="lobby", names=["cy", "di"], count=5)
        self.assertEqual(self.people(), 7)
        self.happens(type="joined", room="lobby", names=["ana", "ed"])
        self.assertEqual(self.people(), 8)
        self.happens(type="left", room="lobby", names=["cy"])
        self.happens(type="left", room="elsewhere", names=["cy"])
        self.happens(type="announced", text="tea")
        self.assertEqual(self.people(), 7)
        self.happens(type="left", room="lobby", names=["cy"], count=99)
        self.assertEqual(self.people(), 1)

    def test_answers_say_how_many_there_are(self) -> None:
        self.house.guest("bob", "lobby")
        self.session.ask(messages.Who(room="lobby"))
        self.move()
        self.assertEqual(self.people(), 2)
        lobby = messages.RoomSeen(room="lobby", people=9, topic="tea")
        self.now.says(
            messages.RoomList(rooms=[lobby, messages.RoomSeen(room="dev", people=1)], count=2)
        )
        self.assertEqual(self.session.rooms, {"lobby": lobby})

    def test_topics(self) -> None:
        self.happens(type="topic", room="lobby", author="bob", text="tea")
        self.assertEqual(self.session.rooms["lobby"].topic, "tea")
        self.happens(type="topic", room="lobby", author="bob")
        self.assertEqual(self.session.rooms["lobby"].topic, "")


class ResumingTests(SessionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.come_in()
        self.notes.since_last()

    def test_what_was_missed_is_told(self) -> None:
        self.others_say("one")
        self.move()
        self.now.cut()
        self.others_say("two", "three")
        self.again()
        self.assertEqual(
            self.notes.since_last(),
            [
                (101, "one"),
                ("lost", "the connection to there was lost: it broke off"),
                ("welcomed", "ana", True),
                (102, "two"),
                (103, "three"),
                "caught up",
            ],
        )
        self.assertEqual(
            self.now.desk.got[0],
            messages.Hello(name="ana", token="j1-t1", since=101, journal="j1", rooms=["lobby"]),
        )

    def test_the_first_pause_is_short(self) -> None:
        self.now.cut()
        self.assertTrue(SHORT_PAUSE[0] <= self.notes.pause <= SHORT_PAUSE[1])
        self.clock.advance(self.notes.pause)
        self.endpoint.fail(ConnectionRefusedError(111))
        self.assertGreaterEqual(self.notes.pause, 1)

    def test_what_was_not_answered_is_stored_once(self) -> None:
        self.say("one")
        self.say("two")
        self.now.up()
        self.house.tick()
        self.say("three")
        self.others_say("four")
        self.come_back()
        self.assertEqual(
            self.notes.since_last()[1:],
            [
                ("welcomed", "ana", True),
                (101, "stored", "one"),
                (102, "stored", "two"),
                (103, "four"),
                "caught up",
                (104, "stored", "three"),
            ],
        )
        self.assertEqual(self.texts(), ["one", "two", "four", "three"])

    def test_a_connection_that_is_lost_while_it_catches_up(self) -> None:
        self.now.cut()
        self.others_say("one", "two")
        self.clock.advance(self.notes.pause)
        link = self.link()
        link.up()
        self.house.tick()
        link.down(link.desk.out.index(b"two"))
        self.come_back()
        self.assertEqual(self.notes.since_last()[-2:], [(102, "two"), "caught up"])

    def test_an_answer_may_overtake_what_was_missed(self) -> None:
        self.now.cut()
        self.notes.since_last()
        self.clock.advance(self.notes.pause)
        link = self.link()
        link.says(welcome(resumed=True, since=100), messages.Pong(ref="ping 1"))
        self.assertEqual(self.notes.since_last(), [("welcomed", "ana", True)])
        self.assertEqual(self.session.latency, 0)
        link.says(messages.Live(), messages.Live())
        self.assertEqual(self.notes.since_last(), ["caught up"])

    def test_a_refusal_that_was_lost_is_told_in_the_end(self) -> None:
        ana = self.house.members["j1-t1"]
        ana.muted = True
        self.say("one")
        self.now.up()
        ana.muted = False
        self.say("two")
        self.now.up()
        self.house.tick()
        self.come_back()
        told = self.notes.since_last()
        self.assertIn(("refused", "one", "seq_unknown"), told)
        self.assertIn((101, "stored", "two"), told)
        self.assertEqual((self.texts(), list(self.session.unstored)), (["two"], []))

    def test_what_was_stored_and_forgotten_is_stored_all_the_same(self) -> None:
        self.say("one")
        self.now.up()
        self.house.tick()
        self.others_say("two")
        self.house.pruned = 102
        self.house.entries.clear()
        self.come_back()
        told = self.notes.since_last()
        self.assertEqual(told[-3:], ["gap", "caught up", (101, "stored", "one")])
        self.others_say("three")
        self.move()
        self.assertEqual(self.notes.since_last(), [(103, "three")])

    def test_another_journal(self) -> None:
        """As with ``--history none``, when the server was started anew."""
        self.others_say("one")
        self.move()
        self.say("two")
        self.now.up()
        self.house.kill()
        self.house = House("j2", head=7)
        self.come_back()
        told = self.notes.since_last()
        self.assertEqual(told[-3:], [("welcomed", "ana", False), "gap", (8, "stored", "two")])
        self.assertEqual(self.kept[-1][1:3], ("j2-t1", "j2"))

    def test_a_session_that_was_forgotten(self) -> None:
        self.others_say("one")
        self.say("two")
        self.now.up()
        self.house.kill()
        self.house.members.clear()
        self.now.cut()
        sent = self.say("three")
        self.again()
        told = self.notes.since_last()
        self.assertEqual(
            told[-4:],
            [
                ("welcomed", "ana", False),
                "gap",
                ("refused", "two", "seq_unknown"),
                (102, "stored", "three"),
            ],
        )
        self.assertEqual(sent.seq, 1)

    def test_a_session_that_had_left_and_lost_its_name(self) -> None:
        self.now.cut()
        self.clock.advance(self.notes.pause)
        link = self.link()
        link.says(messages.Error(code="name_taken", text="somebody has that name", to="hello"))
        self.assertEqual(self.notes.since_last()[-1], ("name refused", "somebody has that name"))
        link.got()
        self.session.introduce("ana2")
        (hello,) = link.got()
        assert isinstance(hello, messages.Hello)
        self.assertEqual((hello.name, hello.token), ("ana2", "j1-t1"))

    def test_a_session_that_comes_back_under_another_name_and_may_not(self) -> None:
        self.now.cut()
        self.clock.advance(self.notes.pause)
        self.link().says(messages.Error(code="muted", text="you are muted", to="hello"))
        self.assertEqual(self.notes.since_last()[-1], ("name refused", "you are muted"))

    def test_a_token_that_is_not_known(self) -> None:
        self.now.cut()
        self.clock.advance(self.notes.pause)
        link = self.link()
        link.got()
        link.says(messages.Error(code="unknown_token", text="no such session", to="hello"))
        self.assertEqual(link.got(), [messages.Hello(name="ana", rooms=["lobby"])])

    def test_a_server_that_knows_no_token_for_ever_is_asked_after_pauses_that_grow(self) -> None:
        """Only the very first hello has a token, so only the first connection has two."""
        self.now.cut()
        hellos, pauses = [], []
        for _ in range(12):
            pauses.append(self.notes.pause)
            self.clock.advance(self.notes.pause)
            link = self.link()
            for _ in range(50):
                hellos += link.got()
                if link.disconnecting:
                    break
                link.says(messages.Error(code="unknown_token", text="no such session", to="hello"))
        tokens = [one.token for one in hellos if isinstance(one, messages.Hello)]
        self.assertEqual(tokens, ["j1-t1", *[None] * 12])
        self.assert_growing(pauses[1:])

    def test_so_is_one_that_welcomes_and_closes(self) -> None:
        pauses = []
        for _ in range(12):
            self.now.cut()
            pauses.append(self.notes.pause)
            self.again()
        self.assert_growing(pauses[1:])

    def test_a_connection_that_lasts_or_brings_something_makes_pauses_short_again(self) -> None:
        for _ in range(8):
            self.come_back()
        self.assertGreater(self.notes.pause, SHORT_PAUSE[1])
        self.clock.advance(self.notes.pause + 1)
        for _ in range(8):
            self.now.cut()
            self.assertLessEqual(self.notes.pause, SHORT_PAUSE[1])
            self.again()
            self.others_say("hi")
            self.move()

    def assert_growing(self, pauses: list[float]) -> None:
        self.assertGreater(pauses[5], 3 * pauses[0])
        self.assertGreater(pauses[-1], LONGEST_PAUSE / 3)

    def test_being_replaced_is_the_end(self) -> None:
        self.now.says(messages.Replaced(text="another one has it"))
        self.assertEqual(self.notes.since_last(), [("ended", "another one has it")])
        self.assert_over()

    def test_being_kicked_is_the_end(self) -> None:
        for code in ("kicked", "banned"):
            self.now.says(messages.Error(code=code, text="calm down"))
            self.now.says(messages.Notice(text="you hear that no more"))
            self.assertEqual(self.notes.since_last(), [("ended", "calm down")])
            self.assert_over()
            self.sit("bo")
            self.come_in()
            self.notes.since_last()

    def test_being_too_slow_is_not(self) -> None:
        self.now.says(messages.Error(code="too_slow", text="you took nothing for 120 s"))
        why = "the connection to there was lost: you took nothing for 120 s"
        self.assertEqual(self.notes.since_last(), [("lost", why)])
        self.again()
        self.assertTrue(self.session.connected)


class RememberingTests(SessionTestCase):
    def test_a_program_that_was_restarted_goes_on(self) -> None:
        self.come_in()
        self.say("one")
        self.say("two")
        self.others_say("three")
        self.move()
        self.session.stop()
        self.others_say("four")
        self.notes.since_last()
        self.sit(None, (), self.kept[-1])
        sent = self.say("five")
        self.come_in()
        self.assertEqual(sent.seq, 3)
        self.assertEqual(
            self.notes.since_last(),
            [("welcomed", "ana", True), (104, "four"), "caught up", (105, "stored", "five")],
        )

    def test_rooms_that_are_wanted_now_are_joined(self) -> None:
        self.come_in()
        self.session.stop()
        self.sit("ana", ("ops", "lobby", "dev"), self.kept[-1])
        self.notes.watch(self.session.talk(messages.Say(room="ops", text="hi")))
        self.come_in()
        self.assertEqual(
            self.now.desk.got[2:4],
            [messages.Join(room="ops", ref=2), messages.Join(room="dev", ref=1)],
        )
        self.assertEqual(self.now.desk.got[4].type, "say")
        self.assertEqual(set(self.session.rooms), {"ops", "lobby", "dev"})

    def test_a_room_that_is_wanted_and_closed(self) -> None:
        self.come_in()
        self.session.stop()
        self.sit("ana", ("ops",), self.kept[-1]).start()
        self.notes.since_last()
        link = self.link()
        link.says(welcome(resumed=True, since=100))
        link.says(messages.Error(code="not_let_in", text="#ops is locked", to="join", ref=1))
        self.assertEqual(self.notes.since_last()[1:], [("noticed", "#ops is locked")])

    def test_how_far_it_is_is_kept_once_a_second(self) -> None:
        self.come_in()
        self.kept.clear()
        self.others_say("one", "two")
        self.move()
        self.assertEqual(self.kept, [])
        self.clock.advance(1)
        self.assertEqual([one.since for one in self.kept], [102])
        self.clock.advance(5)
        self.others_say("three")
        self.move()
        self.session.stop()
        self.assertEqual([one.since for one in self.kept], [102, 103])
        self.assert_over()

    def test_a_resume_changes_nothing_that_has_to_be_kept(self) -> None:
        self.come_in()
        self.kept.clear()
        self.come_back()
        self.clock.advance(5)
        self.assertEqual(self.kept, [])

    def test_on_demand(self) -> None:
        self.come_in()
        self.kept.clear()
        self.session.keep_soon()
        self.clock.advance(1)
        self.assertEqual(len(self.kept), 1)


class LivenessTests(SessionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.come_in()
        self.notes.since_last()
        self.now.desk.got.clear()

    def pings(self) -> int:
        self.now.up()
        return [request.type for request in self.now.desk.got].count("ping")

    def test_silence_makes_it_ask(self) -> None:
        self.clock.pump([LOOK] * 2)
        self.assertEqual(self.pings(), 0)
        self.clock.advance(IDLE - 2 * LOOK)
        self.assertEqual(self.pings(), 1)
        self.clock.advance(1.5)
        self.now.down()
        self.assertEqual(self.session.latency, 1.5)

    def test_who_has_something_unanswered_asks_sooner(self) -> None:
        self.say("hi")
        self.clock.advance(LOOK)
        self.assertEqual(self.pings(), 1)

    def test_no_answer_is_a_lost_connection(self) -> None:
        self.clock.pump([LOOK] * 6)
        self.assertEqual(self.notes.since_last(), [])
        self.clock.advance(LOOK)
        why = "the connection to there was lost: no answer"
        self.assertEqual(self.notes.since_last(), [("lost", why)])
        self.assertTrue(self.now.disconnected)
        self.again()
        self.assertTrue(self.session.connected)

    def test_whoever_says_something_else_is_there(self) -> None:
        for _ in range(20):
            self.clock.advance(LOOK)
            self.now.says(b"x")
        self.assertEqual(self.notes.since_last(), [])

    def test_a_hello_that_is_not_answered(self) -> None:
        self.now.cut()
        self.clock.advance(self.notes.pause)
        self.link()
        # At the fourth look or the fifth: the pause until then was no round number.
        self.clock.pump([LOOK] * 5)
        why = "the connection to there was lost: no answer"
        self.assertEqual(self.notes.since_last()[1:2], [("lost", why)])

    def test_who_was_asked_for_a_name_is_not_asked_anything(self) -> None:
        self.session.stop()
        self.sit("bob")
        self.house.guest("bob")
        self.come_in()
        self.now.desk.got.clear()
        self.clock.pump([LOOK] * 20)
        self.assertEqual(self.pings(), 0)
        self.assertEqual(self.notes.since_last(), [("name refused", "no: name_taken")])


class LeavingTests(SessionTestCase):
    def test_by_quit(self) -> None:
        self.come_in()
        self.notes.since_last()
        self.say("hi")
        self.session.quit("bye")
        self.session.quit("twice")
        self.move()
        self.assertEqual(self.notes.since_last(), [(101, "stored", "hi"), ("ended", None)])
        self.assertEqual(self.now.desk.got[-1], messages.Quit(text="bye"))
        self.assert_over()

    def test_what_was_said_is_stored_first_over_a_lost_connection(self) -> None:
        self.come_in()
        self.say("hi")
        self.session.quit()
        self.come_back()
        self.assertEqual(self.notes.since_last()[-1], ("ended", None))
        self.assertEqual(self.texts(), ["hi"])

    def test_a_connection_that_is_lost_instead_of_an_answer_will_do(self) -> None:
        self.come_in()
        self.session.quit()
        self.now.cut()
        self.assertEqual(self.notes.since_last()[-1], ("ended", None))
        self.assert_over()

    def test_without_a_connection(self) -> None:
        self.session.start()
        self.endpoint.fail(ConnectionRefusedError(111))
        self.session.quit()
        self.assertEqual(self.notes.since_last()[-1], ("ended", None))
        self.assert_over()

    def test_without_a_connection_and_with_something_to_say(self) -> None:
        self.session.start()
        self.say("hi")
        self.session.quit()
        self.endpoint.fail(ConnectionRefusedError(111))
        self.again()
        self.assertEqual(self.texts(), ["hi"])
        self.assertEqual(self.notes.since_last()[-1], ("ended", None))

    def test_when_the_rest_was_refused_and_the_connection_is_lost(self) -> None:
        self.come_in()
        asking = self.session.ask(messages.Who(room="lobby"))
        self.session.quit()
        self.now.cut()
        self.assertEqual(self.notes.since_last()[-1], ("ended", None))
        self.failureResultOf(asking, Refused)

    def test_without_a_name(self) -> None:
        self.house.guest("ana")
        self.come_in()
        self.session.quit()
        self.assertEqual(self.notes.since_last()[-1], ("ended", None))
        self.assert_over()

    def test_a_name_that_is_refused_meanwhile(self) -> None:
        self.house.guest("ana")
        self.say("hi")
        self.session.start()
        self.session.quit()
        self.link()
        self.move()
        self.assertEqual(self.notes.since_last(), [("ended", "no: name_taken")])

    def test_without_a_word(self) -> None:
        self.come_in()
        self.notes.since_last()
        self.session.stop()
        self.session.stop()
        self.session.quit()
        self.session.keep_soon()
        self.assertTrue(self.now.disconnecting)
        self.assertEqual(self.notes.since_last(), [])
        self.assert_over()

    def test_while_it_connects(self) -> None:
        self.session.start()
        factory, connecting = self.endpoint.attempts[0]
        self.session.stop()
        self.assertTrue(connecting.called)
        self.endpoint.attempts.clear()
        late = factory.buildProtocol(None)  # type: ignore[arg-type]
        link = Link(late, self.house)
        late.makeConnection(link)
        self.assertEqual((link.got(), link.disconnecting), ([], True))
        self.assert_over()


FAR: Final = 1 << 20
"""More bytes than are said."""


class Chatter:
    """Ana, whose connections are cut, and bob, whom she hears."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.house = House()
        self.notes = Notes()
        self.kept: list[Remembered] = []
        self.bob = self.house.guest("bob", "lobby")
        self.ana: Member | None = None
        self.link: Link | None = None
        self.texts = 0
        self.said: list[str] = []
        self.dropped: set[str] = set()
        self.start(None)

    def start(self, remembered: Remembered | None) -> None:
        self.session = Session(
            self.clock,
            self.endpoint,
            "there",
            self.notes,
            "ana",
            ("lobby",),
            remembered,
            self.kept.append,
        )
        self.session.start()

    def text(self) -> str:
        self.texts += 1
        return f"t{self.texts}"

    # Steps

    def connect(self) -> None:
        if self.link is None or self.link.broken or self.link.disconnecting:
            self.cut()
            self.clock.advance(LONGEST_PAUSE + 1)
        if self.endpoint.attempts:
            self.link = self.endpoint.succeed(self.house)

    def say(self) -> None:
        self.said.append(self.text())
        self.notes.watch(self.session.talk(messages.Say(room="lobby", text=self.said[-1])))

    def say_much(self) -> None:
        for _ in range(WINDOW + 6):
            self.say()

    def hear(self) -> None:
        self.house.store("said", self.bob, self.text(), room="lobby")

    def hear_in_private(self) -> None:
        self.house.store("private", self.bob, self.text(), to=self.house.named("ana"))

    def ask(self) -> None:
        self.session.ask(messages.Who(room="lobby")).addErrback(
            lambda failure: failure.trap(Refused)
        )

    def mute(self) -> None:
        ana = self.house.named("ana")
        if ana is not None:
            ana.muted = not ana.muted

    def wait(self) -> None:
        self.clock.advance(LOOK)

    def tick(self) -> None:
        self.house.tick()

    def up(self, share: float = 1) -> None:
        if self.link is not None:
            self.link.up(round(len(self.link.value()) * share))

    def down(self, share: float = 1) -> None:
        if self.link is not None:
            self.link.down(round(len(self.link.desk.out) * share) or None)

    def cut(self) -> None:
        self.confirm()
        if self.link is not None:
            self.link.cut()
            self.link = None

    def confirm(self) -> None:
        """Have the server know that the client has the session: else there would be a gap."""
        if self.link is not None and self.link.desk.member is not None and self.session.connected:
            self.link.desk.member.known = True

    def kill(self) -> None:
        self.house.kill()
        self.cut()

    def pause(self) -> None:
        self.session.pauseProducing()

    def resume(self) -> None:
        self.session.resumeProducing()

    def flow(self) -> None:
        self.connect()
        self.up()
        self.tick()
        self.down()

    def cut_after(self, up: int, down: int) -> bool:
        """Talk, until so many bytes went to the server or so many came from it.

        :return: whether there was not so much to say.
        """
        assert self.link is not None
        for turn in range(12):
            self.say()
            self.hear()
            if turn % 3 == 0:
                self.hear_in_private()
                self.ask()
            size = len(self.link.value())
            self.link.up(min(up, size))
            up -= min(up, size)
            self.tick()
            size = len(self.link.desk.out)
            if down:
                self.link.down(min(down, size))
            down -= min(down, size)
        self.cut()
        return up > 0 and down > 0

    def restart(self) -> None:
        """End the program, which forgets what is not stored, and start it again."""
        self.dropped.update(sent.text for sent in self.session.unstored)
        self.confirm()
        self.session.stop()
        self.cut()
        self.endpoint.attempts.clear()
        self.start(self.kept[-1] if self.kept else None)

    def settle(self) -> None:
        self.resume()
        if self.house.named("ana") is not None:
            self.house.named("ana").muted = False  # type: ignore[union-attr]
        for _ in range(40):
            self.flow()

    def check(self, test: TestCase) -> None:
        """Compare what was told with what is stored, when all has settled."""
        test.assertEqual(list(self.session.unstored), [])
        ana = self.house.named("ana")
        assert ana is not None
        told = self.notes.told
        journal = [entry.text for entry in self.house.entries if entry.author is ana]

        # Each line is in the journal once, or refused; only who was told neither can't know.
        refused = [one[1] for one in told if one[0] == "refused"]
        stored = [one[2] for one in told if one[1:2] == ("stored",)]
        test.assertEqual(len(set(journal)), len(journal))
        test.assertEqual(set(refused) - ana.refused, set())
        test.assertEqual(journal, [text for text in self.said if text in set(journal)])
        test.assertEqual(stored, [text for text in journal if text in set(stored)])
        test.assertEqual(
            sorted(stored + refused),
            sorted(text for text in self.said if text not in self.dropped),
        )

        # Each event is told once, in the one order, in which one's own have their place.
        test.assertEqual(
            [(one[0], one[-1]) for one in told if isinstance(one[0], int)],
            [
                (entry.id, entry.text)
                for entry in self.house.entries
                if ana.sees(entry) and entry.id > ana.since and entry.text not in self.dropped
            ],
        )
        self.session.stop()


_ACTS: Final = (
    "say hear hear_in_private ask mute say_much connect up tick down flow flow"
    " cut kill pause resume wait restart"
)
STEPS: Final = st.one_of(
    st.sampled_from(_ACTS.split()).map(lambda name: (name,)),
    st.tuples(st.sampled_from(["up", "down"]), st.floats(0, 1)),
)


class ExactlyOnceTests(TestCase):
    @settings(max_examples=examples(80), suppress_health_check=list(HealthCheck))
    @given(st.lists(STEPS, min_size=30, max_size=120))
    def test_whatever_is_cut_when(self, steps: list[tuple[Any, ...]]) -> None:
        chatter = Chatter()
        for name, *arguments in steps:
            getattr(chatter, name)(*arguments)
        chatter.settle()
        chatter.check(self)

    def test_cut_at_each_byte(self) -> None:
        for up in (True, False):
            for most in count(step=CUT_EVERY):
                chatter = Chatter()
                chatter.flow()
                left = chatter.cut_after(*((most, FAR) if up else (FAR, most)))
                chatter.settle()
                chatter.check(self)
                if left:
                    break
            self.assertGreater(most, 500)
