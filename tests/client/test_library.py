from __future__ import annotations

import subprocess
import sys
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import TestCase

from chatservice import client, messages
from chatservice.client import Chat, ChatError, Event, Remembered, connect
from chatservice.client.library import FULL, HALF_EMPTY
from tests.client.machine import Endpoint, House, Link, Member


class Reactor(MemoryReactorClock):
    """A reactor that has as many triggers as it should."""

    def addSystemEventTrigger(self, phase: str, event: str, call: Any, *args: Any) -> Any:
        super().addSystemEventTrigger(phase, event, call, *args)
        return phase, event

    def removeSystemEventTrigger(self, triggerID: Any) -> None:
        phase, event = triggerID
        self.triggers[phase][event].pop()


class LibraryTestCase(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.house = House()
        self.bob = self.house.guest("bob", "lobby")
        self.kept: list[Remembered] = []
        self.logged: list[str] = []
        globalLogPublisher.addObserver(self.note)
        self.addCleanup(globalLogPublisher.removeObserver, self.note)

    def note(self, event: Any) -> None:
        if event.get("log_level") in (LogLevel.info, LogLevel.warn) and "log_format" in event:
            self.logged.append(event["log_format"].format_map(event))

    def connecting(self, **options: Any) -> Deferred[Chat]:
        return connect(self.endpoint, "echo", reactor=self.clock, keep=self.kept.append, **options)

    def chat(self, **options: Any) -> Chat:
        connecting = self.connecting(**options)
        self.link = self.endpoint.succeed(self.house)
        self.move()
        return self.successResultOf(connecting)

    def move(self) -> None:
        """Bring all to where it goes, until nothing is under way."""
        link: Link = self.link
        while True:
            link.up()
            self.house.tick()
            link.down()
            if link.broken or link.disconnecting or not link.value():
                return

    def again(self) -> None:
        """Lose the connection, and make another."""
        self.link.cut()
        self.clock.advance(1)
        self.link = self.endpoint.succeed(self.house)
        self.move()

    def others_say(self, *texts: str) -> None:
        for text in texts:
            self.house.store("said", self.bob, text, room="lobby")

    def next(self, chat: Chat) -> Deferred[Event]:
        return Deferred.fromCoroutine(chat.__anext__())

    def echo(self) -> Member:
        member = self.house.named("echo")
        assert member is not None
        return member

    def texts(self) -> list[str]:
        return [entry.text for entry in self.house.entries]


class BotTests(LibraryTestCase):
    """A bot as the documentation has it."""

    async def bot(self) -> str:
        chat = await self.connecting(rooms=["lobby"])
        async for event in chat:
            if event.type == "said" and event.text is not None and event.room is not None:
                if event.text == "!quit":
                    await chat.quit("bye")
                elif event.text.startswith("!echo "):
                    await chat.say(event.room, event.text.removeprefix("!echo "))
        return "over"

    def test_it_answers_once_whatever_happens_to_its_connections(self) -> None:
        running = Deferred.fromCoroutine(self.bot())
        self.link = self.endpoint.succeed(self.house)
        self.move()
        self.others_say("!echo one", "nothing", "!echo two")
        self.move()
        self.others_say("!echo three")
        self.link.up()
        self.house.tick()
        self.again()
        self.others_say("!echo four")
        self.again()
        self.link.up()
        self.house.tick()
        self.again()
        self.assertEqual(
            [text for text in self.texts() if text[0] not in "!n"],
            [
                "one",
                "two",
                "three",
                "four",
            ],
        )
        self.assertNoResult(running)
        self.others_say("!quit")
        self.move()
        self.assertEqual(self.successResultOf(running), "over")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_is_told_why_it_is_over(self) -> None:
        running = Deferred.fromCoroutine(self.bot())
        self.link = self.endpoint.succeed(self.house)
        self.move()
        self.others_say("!echo one")
        self.house.tick()
        self.link.down()
        self.link.says(messages.Error(code="kicked", text="you were kicked"))
        error = self.failureResultOf(running, ChatError)
        self.assertEqual(str(error.value), "you were kicked")


class ConnectTests(LibraryTestCase):
    def test_welcome(self) -> None:
        chat = self.chat(rooms=("dev", "lobby"))
        self.assertEqual((chat.name, set(chat.rooms)), ("echo", {"dev", "lobby"}))
        self.assertTrue(chat.connected)
        self.link.cut()
        self.assertFalse(chat.connected)
        chat.stop()

    def test_it_waits_until_the_server_is_there(self) -> None:
        connecting = self.connecting()
        self.endpoint.fail(ConnectionRefusedError(111))
        self.clock.advance(2)
        self.assertNoResult(connecting)
        self.link = self.endpoint.succeed(self.house)
        self.move()
        self.successResultOf(connecting).stop()
        self.assertRegex(
            self.logged[0],
            r"the server is not there: Connection refused; trying again in (1\.\d|2\.0) s",
        )

    def test_unless_it_is_not_patient(self) -> None:
        connecting = self.connecting(patient=False)
        self.endpoint.fail(ConnectionRefusedError(111))
        error = self.failureResultOf(connecting, ChatError)
        self.assertEqual(str(error.value), "the server is not there: Connection refused")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_is_not_patient_comes_back_all_the_same(self) -> None:
        chat = self.chat(patient=False)
        self.again()
        self.assertTrue(chat.connected)
        chat.stop()

    def test_a_name_that_is_refused(self) -> None:
        self.house.guest("echo")
        connecting = self.connecting()
        self.link = self.endpoint.succeed(self.house)
        self.move()
        error = self.failureResultOf(connecting, ChatError)
        self.assertEqual(str(error.value), "the name was refused: no: name_taken")
        self.assertTrue(self.link.disconnecting)

    def test_an_address_that_is_none(self) -> None:
        error = self.failureResultOf(connect("there:0", "echo", reactor=self.clock), ChatError)
        self.assertEqual(str(error.value), "there:0: a port is a number from 1 to 65535")

    def test_an_address(self) -> None:
        reactor = Reactor()
        connecting = connect("unix:/chat", "echo", reactor=reactor)
        self.assertEqual(reactor.unixClients[0][0], "/chat")
        ((stop, _, _),) = reactor.triggers["before"]["shutdown"]
        stop()
        self.failureResultOf(connecting, ChatError)

    def test_the_shutdown_of_the_reactor_is_the_end(self) -> None:
        self.clock = reactor = Reactor()
        chat = self.chat()
        self.assertEqual(len(reactor.triggers["before"]["shutdown"]), 1)
        chat.stop()
        self.assertEqual(reactor.triggers["before"]["shutdown"], [])

    def test_it_can_be_given_up(self) -> None:
        connecting = self.connecting()
        connecting.cancel()
        self.failureResultOf(connecting, ChatError, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class AskingTests(LibraryTestCase):
    def test_talk_fires_when_it_is_stored(self) -> None:
        chat = self.chat()
        talks = [
            chat.say("lobby", "hi"),
            chat.do("lobby", "waves"),
            chat.private("bob", "psst"),
            chat.set_topic("lobby", "tea"),
        ]
        self.link.up()
        self.house.tick()
        for talk in talks:
            self.assertNoResult(talk)
        self.link.down()
        self.assertEqual([self.successResultOf(talk) for talk in talks], [101, 102, 103, 104])
        self.assertEqual(
            [entry.type for entry in self.house.entries], ["said", "did", "private", "topic"]
        )
        self.assertEqual(chat.rooms["lobby"].topic, "tea")
        chat.stop()

    def test_an_answer_goes_to_who_wrote(self) -> None:
        chat = self.chat()
        zoe = self.house.guest("zoe")
        self.house.store("private", zoe, "psst", to=self.house.named("echo"))
        self.move()
        event = self.successResultOf(Deferred.fromCoroutine(chat.__anext__()))
        zoe.name = "zed"
        answer = chat.reply(event, "yes")
        self.move()
        self.assertEqual(self.successResultOf(answer), self.house.head)
        self.assertIs(self.house.entries[-1].to, zoe)
        del self.house.members[zoe.token]
        self.house.guest("zoe")
        answer = chat.reply(event, "secret")
        self.move()
        self.assertEqual(self.failureResultOf(answer, ChatError).value.code, "not_here")
        self.failureResultOf(chat.reply(replace(event, session=None), "whom?"), ChatError)
        chat.stop()

    def test_a_refusal(self) -> None:
        chat = self.chat()
        self.move()
        self.echo().muted = True
        talk = chat.say("lobby", "hi")
        self.move()
        error = self.failureResultOf(talk, ChatError)
        self.assertEqual((str(error.value), error.value.code), ("no: muted", "muted"))
        leaving = chat.leave("dev")
        self.move()
        error = self.failureResultOf(leaving, ChatError)
        self.assertEqual(error.value.code, "not_in_room")
        chat.stop()

    def test_answers(self) -> None:
        chat = self.chat()
        asking: list[Deferred[Any]] = [
            chat.join("dev"),
            chat.leave("lobby"),
            chat.nick("echo2"),
            chat.away("tea"),
            chat.who("lobby"),
            chat.list_names(2),
            chat.list_rooms(),
            chat.history("lobby", before=200, limit=5),
            chat.whois("bob"),
            chat.uptime(),
        ]
        self.move()
        joined, *others, who, names, rooms, past, bob, up = [
            self.successResultOf(one) for one in asking
        ]
        self.assertEqual((bob.name, bob.rooms, up.seconds), ("bob", ["lobby"], 60))
        self.assertEqual(joined, messages.RoomSeen(room="dev", people=2))
        self.assertEqual(others, [None, "echo2", None])
        self.assertEqual([person.name for person in who.people], ["bob", "echo2"])
        self.assertEqual((names.names, names.page), (["bob"], 2))
        self.assertEqual((rooms.rooms, past.events), ([], []))
        self.assertEqual((chat.name, list(chat.rooms)), ("echo2", ["dev"]))
        chat.stop()

    def test_an_answer_of_another_kind(self) -> None:
        chat = self.chat()
        asking = chat.who("lobby")
        self.link.says(messages.Ok(to="who", ref=1))
        error = self.failureResultOf(asking, ChatError)
        self.assertEqual(str(error.value), "the answer to who was ok")
        chat.stop()

    def test_when_it_is_over_all_fail(self) -> None:
        chat = self.chat()
        before: list[Deferred[Any]] = [chat.say("lobby", "hi"), chat.who("lobby")]
        chat.stop()
        after: list[Deferred[Any]] = [chat.say("lobby", "hi"), chat.who("lobby")]
        for asking in before + after:
            error = self.failureResultOf(asking, ChatError)
            self.assertEqual(str(error.value), "the chat is over")
        self.successResultOf(chat.quit())


class EventsTests(LibraryTestCase):
    def test_they_wait(self) -> None:
        chat = self.chat()
        first = self.next(chat)
        self.assertNoResult(first)
        self.others_say("one", "two")
        self.move()
        self.assertEqual(self.successResultOf(first).text, "one")
        self.assertEqual(self.successResultOf(self.next(chat)).text, "two")
        chat.stop()

    def test_waiting_can_be_given_up(self) -> None:
        chat = self.chat()
        waiting = self.next(chat)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.others_say("one")
        self.move()
        self.assertEqual(self.successResultOf(self.next(chat)).text, "one")
        chat.stop()

    def test_what_had_come_is_given_before_the_end(self) -> None:
        chat = self.chat()
        self.others_say("one")
        self.move()
        chat.stop()
        self.assertEqual(self.successResultOf(self.next(chat)).text, "one")
        self.failureResultOf(self.next(chat), StopAsyncIteration)

    def test_who_waits_at_the_end(self) -> None:
        chat = self.chat()
        waiting = [self.next(chat), self.next(chat)]
        leaving = chat.quit("bye")
        self.move()
        self.successResultOf(leaving)
        for one in waiting:
            self.failureResultOf(one, StopAsyncIteration)
        self.assertEqual(self.link.desk.got[-1], messages.Quit(text="bye"))

    def test_another_connection_that_has_the_place(self) -> None:
        chat = self.chat()
        waiting, leaving = self.next(chat), chat.quit()
        self.link.says(messages.Replaced(text="another connection has your place now"))
        for one in (waiting, leaving, self.next(chat)):
            error = self.failureResultOf(one, ChatError)  # type: ignore[arg-type]
            self.assertEqual(str(error.value), "another connection has your place now")

    def test_a_name_that_was_lost_for_good(self) -> None:
        chat = self.chat()
        self.link.cut()
        self.clock.advance(1)
        self.endpoint.succeed().says(messages.Error(code="name_taken", text="that name is taken"))
        error = self.failureResultOf(self.next(chat), ChatError)
        self.assertEqual(str(error.value), "the name was refused: that name is taken")

    def test_what_is_for_people_is_logged(self) -> None:
        chat = self.chat()
        self.link.says(messages.Notice(text="soon {x}"), messages.Notice(text="", gap=True))
        self.assertEqual(
            self.logged,
            [
                "the server says: soon {x}",
                "something that was missed can't be told any more",
            ],
        )
        self.assertEqual(chat.gaps, 1)
        chat.stop()


class PressureTests(LibraryTestCase):
    def fill(self, count: int) -> None:
        self.others_say(*map(str, range(count)))
        self.house.tick()
        while self.link.desk.out and self.link.producerState == "producing":
            self.link.down(1 << 14)

    def test_who_does_not_iterate_is_waited_for(self) -> None:
        chat = self.chat()
        self.fill(3 * FULL)
        self.assertEqual(self.link.producerState, "paused")
        self.assertTrue(self.link.desk.out)
        events = []
        for _ in range(FULL - HALF_EMPTY):
            self.assertEqual(self.link.producerState, "paused")
            events.append(self.successResultOf(self.next(chat)))
        self.successResultOf(self.next(chat))
        self.assertEqual(self.link.producerState, "producing")
        self.assertEqual([event.text for event in events], [str(n) for n in range(len(events))])
        chat.stop()

    def test_but_not_while_something_is_awaited(self) -> None:
        chat = self.chat()
        self.fill(2 * FULL)
        for ask in (
            lambda: chat.say("lobby", "hi"),
            lambda: chat.who("lobby"),
            lambda: chat.quit(),
        ):
            self.assertEqual(self.link.producerState, "paused")
            asking: Deferred[Any] = ask()  # type: ignore[no-untyped-call]
            self.move()
            self.successResultOf(asking)
        self.assertEqual(self.successResultOf(self.next(chat)).text, "0")


class RememberingTests(LibraryTestCase):
    def test_it_goes_on_with_the_event_that_it_was_at(self) -> None:
        chat = self.chat()
        self.others_say("one", "two", "three")
        self.move()
        self.successResultOf(self.next(chat))
        self.successResultOf(self.next(chat))
        self.clock.advance(1)
        self.assertEqual(self.kept[-1], Remembered("echo", "j1-t2", "j1", 101))
        chat.stop()
        chat = self.chat(remembered=self.kept[-1])
        self.assertEqual(self.successResultOf(self.next(chat)).text, "two")
        self.assertEqual(self.successResultOf(self.next(chat)).text, "three")
        waiting = self.next(chat)
        self.clock.advance(1)
        self.assertEqual(self.kept[-1].since, 103)
        chat.stop()
        self.failureResultOf(waiting, StopAsyncIteration)

    def test_an_event_that_was_waited_for_is_one_that_it_is_at(self) -> None:
        chat = self.chat()
        waiting = self.next(chat)
        self.others_say("one")
        self.move()
        self.successResultOf(waiting)
        self.clock.advance(1)
        self.assertEqual(self.kept[-1].since, 100)
        chat.stop()

    def test_nothing_need_be_kept(self) -> None:
        connecting = connect(self.endpoint, "echo", reactor=self.clock)
        self.link = self.endpoint.succeed(self.house)
        self.move()
        self.successResultOf(connecting).stop()
        self.assertEqual(self.kept, [])


class PackageTests(TestCase):
    def test_all_that_is_named_is_there(self) -> None:
        for name in client.__all__:
            self.assertTrue(hasattr(client, name), name)

    def test_it_leaves_the_choice_of_a_reactor(self) -> None:
        code = (
            "import sys, chatservice.client;"
            "assert 'twisted.internet.reactor' not in sys.modules;"
            "from twisted.internet import asyncioreactor; asyncioreactor.install();"
            "from twisted.internet import reactor; print(type(reactor).__name__)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.strip(), "AsyncioSelectorReactor")

    def test_without_a_reactor_it_is_that_of_the_process(self) -> None:
        connecting = connect("unix:/nobody/is/there", "echo", patient=False)
        return self.assertFailure(connecting, ChatError)  # type: ignore[no-any-return, return-value]
