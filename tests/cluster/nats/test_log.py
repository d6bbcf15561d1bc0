"""The log on a real broker.

An event loop of their own is run by these tests for as long as they wait for something: whatever
the reactor is, nobody else runs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import zlib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest, TestCase

from chatservice.cluster.log import Founding, LogError, Opening, OtherLog
from chatservice.cluster.nats import log as nats_log
from chatservice.cluster.nats import stream as nats_stream
from chatservice.cluster.nats.log import Brokers, NatsLog
from chatservice.cluster.nats.stream import Stream, _packed, _unpacked
from chatservice.journal.events import Fact
from tests.integration.brokers import NATS_SERVER, lasting_ports
from tests.integration.support import PATIENCE, folder_for

HOST = "127.0.0.1"
TOPIC = Fact("topic", "lobby", "cake for zoë")

_T = TypeVar("_T")


class Follower:
    """Somebody who follows the log.

    :ivar entries: what was read.
    :ivar states: ``""`` for each time that it was connected, and why it was not any more.
    :ivar after: the position after which it wants entries.
    :ivar refuses: why it is not the right log.
    :ivar holds: it takes its time for each entry.
    :ivar fails: it fails to take what has these bytes.
    """

    def __init__(self) -> None:
        self.openings: list[Opening] = []
        self.entries: list[tuple[int, bytes]] = []
        self.times: list[int] = []
        self.states: list[str] = []
        self.after = 0
        self.refuses = ""
        self.error: type[LogError] = LogError
        self.refuses_times = -1
        self.founding: Callable[[], Founding] = lambda: Founding("one", 0, ())
        self.seen = 0
        self.refusals: list[str] = []
        self.holds = False
        self.fails = b"?"
        self.waiting: list[Deferred[None]] = []

    def opened(self, opening: Opening) -> int:
        self.openings.append(opening)
        if self.refuses and self.refuses_times:
            self.refuses_times -= 1
            raise self.error(self.refuses)
        return max([self.after, *(position for position, _ in self.entries)])

    def refused(self, error: LogError) -> None:
        self.refusals.append(str(error))

    def took(self, position: int, at: int, data: bytes) -> Deferred[None] | None:
        self.entries.append((position, data))
        self.times.append(at)
        if data == self.fails:
            raise ValueError("oh no")
        if not self.holds:
            return None
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def connected(self) -> None:
        self.states.append("")

    def disconnected(self, why: str) -> None:
        self.states.append(why)


class NatsLogTestCase(TestCase):
    """A test with one broker, which runs if it is started."""

    def setUp(self) -> None:
        if not NATS_SERVER.exists():
            raise SkipTest("nats-server is not installed")
        self.folder = folder_for(self)
        (self.port,) = lasting_ports(1)
        self.broker: subprocess.Popen[bytes] | None = None
        self.addCleanup(self.kill)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.addCleanup(self.end_loop)
        self.patch(nats_log, "FIRST_TRY", 5.0)
        self.patch(nats_log, "RETRY", 0.05)
        self.patch(nats_log, "LOOK_AGAIN", 0.05)

    def end_loop(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        self.loop.run_until_complete(nats_log.over(tasks, 0))
        self.loop.close()
        asyncio.set_event_loop(None)

    # The broker.

    def start(self, *options: str, jetstream: bool = True) -> None:
        if jetstream:
            options = ("-js", "-sd", str(self.folder / "store"), *options)
        with Path(self.folder / "broker.log").open("ab") as log:
            self.broker = subprocess.Popen(
                [str(NATS_SERVER), "-a", HOST, "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.until(self.listens, "the broker to listen")

    def listens(self) -> bool:
        assert self.broker is not None and self.broker.poll() is None
        try:
            socket.create_connection((HOST, self.port)).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.broker is not None:
            self.broker.kill()
            self.broker.wait()
            self.broker = None

    # The loop.

    def run_(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        task = self.loop.create_task(coroutine)
        self.loop.run_until_complete(nats_log.over({task}, PATIENCE))
        if not task.done() or task.cancelled():
            raise AssertionError(f"in vain waited for {coroutine}")
        return task.result()

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Run until something has happened."""

        async def look() -> bool:
            end = self.loop.time() + PATIENCE
            while not condition():
                if self.loop.time() > end:
                    return False
                await asyncio.sleep(0.005)
            return True

        if not self.loop.run_until_complete(look()):
            self.fail(f"in vain waited for {what}")

    def with_client(self, do: Callable[[JetStreamContext], Coroutine[Any, Any, _T]]) -> _T:
        """Do something as somebody else who may use the broker."""

        async def run() -> _T:
            client = Client()
            await client.connect(f"nats://{HOST}:{self.port}")
            try:
                return await do(client.jetstream())
            finally:
                await client.close()

        return self.run_(run())

    # Nodes.

    def log(self, **more: Any) -> NatsLog:
        """Make a log that is not open yet."""
        made: type[NatsLog] = more.pop("made", NatsLog)
        of = {"urls": [f"nats://{HOST}:{self.port}"], "name": "chat", "replicas": 0, "days": 30}
        log = made(Brokers(**{**of, "access": {}, **more}))
        self.addCleanup(self.close, log)
        return log

    def close(self, log: NatsLog) -> None:
        done: list[None] = []
        log.close().addCallback(done.append)
        self.until(lambda: done, "the log to be closed")

    def node(
        self,
        follower: Follower | None = None,
        identity: str = "one",
        base: int = 0,
        facts: Sequence[Fact] = (),
        **more: Any,
    ) -> tuple[NatsLog, Follower]:
        """Open a log; what it would be founded with tells one node from the other."""
        follower = follower or Follower()
        log = self.log(**more)
        follower.founding = lambda: Founding(identity, base, facts)
        log.open(follower)
        return log, follower

    def entries(self, follower: Follower, *data: str) -> None:
        """Wait until somebody has read all this and no more."""
        self.until(lambda: len(follower.entries) >= len(data), f"{len(data)} entries")
        self.assertEqual([d.decode() for _, d in follower.entries], list(data))

    def say(self, log: NatsLog, *data: str) -> None:
        """Publish, one after the other."""
        for one in data:
            self.run_(log._publish(one.encode(), again=False))


class FoundingTests(NatsLogTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.start()

    def test_the_first_node_founds_the_chat(self) -> None:
        _, follower = self.node(identity="one", base=77, facts=[TOPIC])
        self.assertEqual(follower.openings, [Opening("one", 77, 1, 0, [TOPIC])])
        self.assertEqual(follower.states, [""])

    def test_the_others_find_it(self) -> None:
        log, _ = self.node(identity="one", base=77, facts=[TOPIC])
        self.say(log, "a", "b", "c")
        _, follower = self.node(identity="two")
        self.assertEqual(follower.openings, [Opening("one", 77, 1, 3, [TOPIC])])
        self.entries(follower, "a", "b", "c")

    def test_brokers_can_have_several_chats(self) -> None:
        log, one = self.node(identity="one")
        other, two = self.node(identity="two", name="other")
        self.say(log, "a")
        self.say(other, "b")
        self.entries(one, "a")
        self.entries(two, "b")

    def test_the_log_is_kept_for_so_many_days(self) -> None:
        self.node(days=9)
        info = self.with_client(lambda stream: stream.stream_info("chat"))
        self.assertEqual(info.config.max_age, 9 * 86_400)
        self.assertEqual((info.config.num_replicas, info.config.subjects), (1, ["chat.log"]))

    def test_of_two_who_found_it_at_once_one_does(self) -> None:
        fast = self.log()
        follower = Follower()
        follower.founding = lambda: Founding("fast", 5, ())
        fast._follower, fast._loop = follower, self.loop

        keep = Stream.keep

        async def keep_slowly(stream: Stream, identity: str, state: Sequence[Fact]) -> None:
            """While it is at it, somebody else is faster."""
            await keep(stream, identity, state)
            if identity == "slow":
                await fast._begin()

        self.patch(Stream, "keep", keep_slowly)
        log, follower = self.node(identity="slow")
        self.assertEqual(follower.openings, [Opening("fast", 5, 1, 0, [])])
        self.say(log, "a")
        self.entries(follower, "a")

    def test_a_stream_of_something_else_is_refused(self) -> None:
        self.with_client(lambda stream: stream.add_stream(name="chat", subjects=["music"]))
        with self.assertRaises(LogError) as refusal:
            self.node()
        self.assertEqual(str(refusal.exception), "the stream chat is not one of a chat")

    def test_where_the_subject_is_in_use_there_is_no_log(self) -> None:
        self.patch(nats_log, "FIRST_TRY", 0.5)
        self.with_client(lambda stream: stream.add_stream(name="music", subjects=["chat.log"]))
        attempts: list[None] = []
        follower, log = Follower(), self.log()

        def founding() -> Founding:
            attempts.append(None)
            return Founding("one", 0, ())

        follower.founding = founding
        log.open(follower)
        before = len(attempts)
        self.until(lambda: len(attempts) > before + 1, "it to be tried again")
        self.assertEqual(follower.openings, [])
        self.with_client(lambda stream: stream.delete_stream("music"))
        self.until(lambda: follower.states, "the chat to be founded")

    def test_what_the_follower_refuses_is_refused(self) -> None:
        follower = Follower()
        follower.refuses = "it is another one"
        with self.assertRaises(LogError) as refusal:
            self.node(follower)
        self.assertEqual(str(refusal.exception), "it is another one")

    def test_that_the_log_is_another_one_is_believed_after_a_moment(self) -> None:
        """A broker that stood still may say so until it has heard of the others."""
        self.patch(nats_log, "DOUBT", 0.2)
        follower = Follower()
        follower.refuses, follower.error = "it is another one", OtherLog
        with self.assertRaises(OtherLog):
            self.node(follower)
        self.assertGreater(len(follower.openings), 1)

    def test_what_says_so_for_a_moment_only_is_followed(self) -> None:
        follower = Follower()
        follower.refuses, follower.error, follower.refuses_times = "it is another", OtherLog, 2
        self.node(follower)
        self.assertEqual((len(follower.openings), follower.states), (3, [""]))


class FollowingTests(NatsLogTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.log_, self.follower = self.node()

    def test_what_is_published_comes_back_in_its_place(self) -> None:
        for text in "abc":
            self.log_.publish(text.encode(), again=False)
        self.until(lambda: len(self.follower.entries) == 3, "three entries")
        self.assertEqual(self.follower.entries, [(1, b"a"), (2, b"b"), (3, b"c")])

    def test_it_is_told_when_it_was_published(self) -> None:
        self.say(self.log_, "a")
        self.entries(self.follower, "a")
        message = self.with_client(lambda stream: stream.get_msg("chat", 1))
        assert message.time is not None
        self.assertEqual(self.follower.times[0], int(message.time.timestamp() * 1000))

    def test_all_read_the_same_order(self) -> None:
        other, follower = self.node()
        for number in range(50):
            for name, log in (("x", self.log_), ("y", other)):
                log.publish(f"{name}{number}".encode(), again=False)
        for one in (self.follower, follower):
            self.until(lambda one=one: len(one.entries) == 100, "all to be read")
        self.assertEqual(self.follower.entries, follower.entries)

    def test_one_may_go_on_behind_a_position(self) -> None:
        self.say(self.log_, "a", "b", "c")
        follower = Follower()
        follower.after = 2
        self.node(follower)
        self.until(lambda: follower.entries, "an entry")
        self.assertEqual(follower.entries, [(3, b"c")])

    def test_where_a_log_begins_that_was_trimmed_is_known(self) -> None:
        self.say(self.log_, "a", "b", "c")
        self.with_client(lambda stream: stream.purge_stream("chat", seq=3))
        _, follower = self.node()
        self.assertEqual(follower.openings, [Opening("one", 0, 3, 3, [])])
        self.entries(follower, "c")
        self.with_client(lambda stream: stream.purge_stream("chat"))
        _, follower = self.node()
        self.assertEqual(follower.openings, [Opening("one", 0, 4, 3, [])])

    def test_while_an_entry_is_being_taken_no_other_comes(self) -> None:
        self.follower.holds = True
        self.say(self.log_, "a", "b")
        for count in (1, 2):
            self.until(lambda: len(self.follower.waiting) == count, "an entry")  # noqa: B023
            self.say(self.log_, "c")
            self.assertEqual(len(self.follower.entries), count)
            self.follower.waiting[-1].callback(None)

    def test_one_entry_that_fails_keeps_no_other_from_coming(self) -> None:
        self.follower.fails = b"a"
        self.say(self.log_, "a", "b")
        self.entries(self.follower, "a", "b")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_where_an_entry_is_missing_it_is_read_anew(self) -> None:
        self.say(self.log_, "a")
        self.entries(self.follower, "a")
        self.log_._expected += 1
        self.say(self.log_, "b", "c")
        self.entries(self.follower, "a", "b", "c")
        self.assertEqual([position for position, _ in self.follower.entries], [1, 2, 3])

    def test_one_may_read_it_anew_oneself(self) -> None:
        self.say(self.log_, "a", "b", "c")
        self.entries(self.follower, "a", "b", "c")
        del self.follower.entries[1:]
        self.log_.follow()
        self.entries(self.follower, "a", "b", "c")
        self.say(self.log_, "d")
        self.entries(self.follower, "a", "b", "c", "d")

    def test_what_is_on_its_way_then_comes_only_once(self) -> None:
        for number in range(20):
            self.log_.publish(str(number).encode(), again=False)
        self.log_.follow()
        wanted = [str(number) for number in range(20)]
        self.until(lambda: len(self.follower.entries) >= 20, "all to be read")
        self.say(self.log_, "end")
        self.until(lambda: self.follower.entries[-1][1] == b"end", "the end")
        positions = [position for position, _ in self.follower.entries]
        self.assertEqual(positions[-21:], list(range(1, 22)))
        self.assertEqual([d.decode() for _, d in self.follower.entries[-21:-1]], wanted)

    def test_what_an_older_reading_brings_is_not_taken(self) -> None:
        message = Msg(self.log_._nats, "chat.log", "$JS.ACK.chat.consumer.1.7.1.5000000000.0", b"x")
        self.run_(self.log_._message(self.log_._generation - 1, message))
        self.assertEqual(self.follower.entries, [])

    def test_a_long_log_is_read_as_fast_as_it_is_taken(self) -> None:
        blocks = [os.urandom(60_000) for _ in range(80)]
        for block in blocks:
            self.run_(self.log_._publish(block, again=False))
        _, follower = self.node()
        self.until(lambda: len(follower.entries) == len(blocks), "all to be read")
        self.assertEqual([data for _, data in follower.entries], blocks)

    def test_silence_is_no_entry(self) -> None:
        self.patch(nats_log, "HEARTBEAT", 0.1)
        log, follower = self.node()
        before = log._nats.stats["in_msgs"]
        self.until(lambda: log._nats.stats["in_msgs"] >= before + 3, "heartbeats")
        self.say(log, "a")
        self.entries(follower, "a")

    def test_brokers_of_a_domain_number_them_elsewhere(self) -> None:
        reply = "$JS.ACK.hub.hash.chat.consumer.1.7.1.5000000000.0.token"
        message = Msg(self.log_._nats, "chat.log", reply, b"x")
        self.run_(self.log_._message(self.log_._generation, message))
        self.assertEqual((self.follower.entries, self.follower.times), ([(7, b"x")], [5000]))

    def test_once_closed_nothing_is_told_any_more(self) -> None:
        self.close(self.log_)
        other, follower = self.node()
        self.say(other, "a")
        self.entries(follower, "a")
        self.assertEqual((self.follower.entries, self.follower.states), ([], [""]))

    def test_what_was_never_opened_is_closed_at_once(self) -> None:
        self.successResultOf(self.log().close())


class KeepingTests(NatsLogTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.log_, _ = self.node()

    def state(self) -> Sequence[Fact] | None:
        """What a node that begins now is told."""
        log, follower = self.node()
        self.close(log)
        return follower.openings[0].state

    def done(self) -> None:
        self.until(lambda: not self.log_._tasks, "the attempt to be over")

    def test_what_was_kept_is_told_to_who_begins(self) -> None:
        for topic in ("one", "two"):
            state = [TOPIC, Fact("topic", "dev", topic)]
            self.log_.keep(state)
            self.done()
            self.assertEqual(self.state(), state)

    def test_what_nobody_has_kept_is_not_known(self) -> None:
        self.with_client(lambda stream: stream.delete_object_store("chat-state"))
        self.assertIsNone(self.state())

    def test_that_it_can_not_be_kept_hurts_nobody(self) -> None:
        self.with_client(lambda stream: stream.delete_object_store("chat-state"))
        self.log_.keep([TOPIC])
        self.done()
        self.assertIsNone(self.state())


class OutageTests(NatsLogTestCase):
    def test_who_starts_before_the_brokers_waits_for_them(self) -> None:
        self.patch(nats_log, "FIRST_TRY", 0.2)
        log, follower = self.node()
        log.publish(b"lost", again=False)
        self.assertEqual((follower.openings, follower.states), ([], []))
        self.start()
        self.until(lambda: "" in follower.states, "the brokers to be found")
        self.say(log, "a")
        self.entries(follower, "a")

    def test_a_log_that_is_not_the_right_one_by_then_is_asked_for_again(self) -> None:
        self.patch(nats_log, "FIRST_TRY", 0.2)
        follower = Follower()
        follower.refuses = "it is another one"
        self.node(follower)
        self.start()
        self.until(lambda: len(follower.openings) > 2, "it to be looked at some times")
        self.assertNotIn("", follower.states)
        follower.refuses = ""
        self.until(lambda: "" in follower.states, "it to be the right one")

    def test_who_stops_before_they_are_there_stops(self) -> None:
        self.patch(nats_log, "FIRST_TRY", 0.2)
        log, follower = self.node()
        self.run_(asyncio.sleep(0))
        self.close(log)
        self.start()
        self.assertEqual(follower.openings, [])

    def test_a_broker_that_was_away_is_followed_on(self) -> None:
        self.start()
        log, follower = self.node()
        self.say(log, "a")
        self.entries(follower, "a")
        self.kill()
        self.until(lambda: len(follower.states) == 2, "the loss")
        self.assertEqual(follower.states[1], "the connection to the brokers is lost")
        log.publish(b"lost", again=False)
        self.start()
        self.with_client(lambda stream: stream.publish("chat.log", b"b"))
        self.until(lambda: len(follower.states) == 3, "the connection to be back")
        self.assertEqual(follower.states[2], "")
        self.say(log, "c")
        self.entries(follower, "a", "b", "c")

    def test_what_does_not_work_at_once_then_is_tried_again(self) -> None:
        self.start()
        log, follower = self.node()
        attempts: list[int] = []
        follow = log._follow

        async def fails_twice(position: int) -> None:
            attempts.append(position)
            if len(attempts) < 3:
                raise (asyncio.TimeoutError, Error)[len(attempts) - 1]
            await follow(position)

        self.patch(log, "_follow", fails_twice)
        self.kill()
        self.start()
        self.until(lambda: len(follower.states) == 3, "the connection to be back")
        self.assertEqual(len(attempts), 3)

    def test_a_broker_that_is_silent_is_lost(self) -> None:
        self.patch(nats_log, "PING", 0.1)
        self.start()
        _, follower = self.node()
        assert self.broker is not None
        self.broker.send_signal(signal.SIGSTOP)
        self.until(lambda: len(follower.states) == 2, "the loss")
        self.broker.send_signal(signal.SIGCONT)
        self.until(lambda: len(follower.states) == 3, "the connection to be back")

    def test_what_can_not_be_published_is_nothing_to_fail_of(self) -> None:
        self.start()
        log, follower = self.node()
        self.with_client(lambda stream: stream.delete_stream("chat"))
        log.publish(b"a", again=False)
        self.until(lambda: not log._tasks, "the attempt to be over")
        self.assertEqual(follower.entries, [])

    def test_why_brokers_do_not_take_an_entry_is_told_when_it_is_published_again(self) -> None:
        self.start()
        log, follower = self.node()

        async def no_more(stream: JetStreamContext) -> None:
            info = await stream.stream_info("chat")
            await stream.update_stream(info.config, max_msgs=1, discard=DiscardPolicy.NEW)

        self.with_client(no_more)
        self.say(log, "a")
        self.entries(follower, "a")
        told: list[str] = []

        def observe(event: LogEvent) -> None:
            told.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for _ in range(2):
            log.publish(b"b", again=True)
        self.until(lambda: told and not log._tasks, "the attempt to be over")
        wanted = "the brokers do not take an entry: maximum messages exceeded"
        self.assertEqual((told, len(follower.entries)), ([wanted], 1))

    def test_brokers_without_jetstream_are_refused(self) -> None:
        self.start(jetstream=False)
        with self.assertRaises(LogError) as refusal:
            self.node()
        self.assertTrue(str(refusal.exception).startswith("the brokers have no JetStream"))


class AnotherLogTests(NatsLogTestCase):
    """Each time that the log is found, it is looked at whether it is still the same."""

    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.log_, self.follower = self.node()
        self.say(self.log_, "a")
        self.entries(self.follower, "a")

    def come_back(self, empty: bool = False) -> None:
        self.kill()
        self.until(lambda: len(self.follower.states) == 2, "the loss")
        if empty:
            shutil.rmtree(self.folder / "store")
        self.start()

    def stream_there(self) -> bool:
        async def names(stream: JetStreamContext) -> list[str]:
            return [one.config.name or "" for one in await stream.streams_info()]

        return "chat" in self.with_client(names)

    def refuse_to_found(self) -> None:
        def founding() -> Founding:
            raise LogError("it is gone")

        self.follower.founding = founding

    def test_it_is_opened_anew_without_what_was_kept(self) -> None:
        self.follower.seen = 1
        self.come_back()
        self.until(lambda: len(self.follower.states) == 3, "the connection to be back")
        first, second = self.follower.openings
        at = self.follower.times[0]
        self.assertEqual((first.state, second), ([], Opening("one", 0, 1, 1, None, at)))

    def test_an_entry_that_is_not_there_any_more_tells_nothing(self) -> None:
        self.say(self.log_, "b", "c")
        self.entries(self.follower, "a", "b", "c")
        self.with_client(lambda stream: stream.delete_msg("chat", 2))
        self.with_client(lambda stream: stream.purge_stream("chat", seq=2))
        for seen in (1, 2, 4):
            self.follower.seen = seen
            self.log_.follow()
            count = len(self.follower.openings)
            self.until(lambda c=count: len(self.follower.openings) > c, "a look")
            self.assertEqual(self.follower.openings[-1].at, 0)

    def test_where_that_may_not_be_asked_it_is_followed_all_the_same(self) -> None:
        (self.folder / "rights.conf").write_text(
            "authorization { users: [ { user: a, password: b, permissions: { publish: "
            '{ deny: ["$JS.API.STREAM.MSG.GET.chat"] } } }, { user: c, password: d } ] }\n'
        )
        self.close(self.log_)
        self.kill()
        self.start("-c", str(self.folder / "rights.conf"))
        follower = Follower()
        follower.seen = 1
        self.node(follower, access={"user": "a", "password": "b"})
        self.entries(follower, "a")
        self.assertEqual(follower.openings[-1].at, 0)

    def test_brokers_that_come_back_empty_are_no_other_beginning(self) -> None:
        self.refuse_to_found()
        self.come_back(empty=True)
        self.until(lambda: len(self.follower.refusals) > 2, "it to be looked at some times")
        self.assertEqual(set(self.follower.refusals), {"it is gone"})
        self.log_.publish(b"b", again=False)
        self.assertFalse(self.stream_there())
        self.assertEqual(len(self.follower.states), 2)

    def test_the_right_one_is_followed_when_it_is_there_again(self) -> None:
        self.follower.refuses = "it is another one"
        self.come_back()
        self.until(lambda: len(self.follower.refusals) > 2, "it to be looked at some times")
        self.assertEqual(len(self.follower.states), 2)
        self.follower.refuses = ""
        self.until(lambda: len(self.follower.states) == 3, "it to be followed")
        self.say(self.log_, "b")
        self.entries(self.follower, "a", "b")

    def test_nothing_is_read_of_another_one(self) -> None:
        self.follower.refuses = "it is another one"
        self.come_back()
        self.until(lambda: self.follower.refusals, "it to be looked at")
        self.with_client(lambda stream: stream.publish("chat.log", b"foreign"))
        self.until(lambda: len(self.follower.refusals) > 2, "it to be looked at again")
        self.entries(self.follower, "a")

    def test_nothing_is_published_to_another_one(self) -> None:
        self.follower.refuses = "it is another one"
        self.come_back()
        self.until(lambda: self.follower.refusals, "it to be looked at")
        self.assertEqual(self.log_.largest, 0)
        self.log_.publish(b"b", again=False)
        self.until(lambda: len(self.follower.refusals) > 2, "it to be looked at again")
        info = self.with_client(lambda stream: stream.stream_info("chat"))
        self.assertEqual(info.state.last_seq, 1)

    def test_who_looks_again_by_itself_finds_out_too(self) -> None:
        """The stream was deleted, and the connection was never lost."""
        self.refuse_to_found()
        self.with_client(lambda stream: stream.delete_stream("chat"))
        self.log_.follow()
        self.until(lambda: self.follower.refusals, "it to be looked at")
        self.assertEqual(self.follower.refusals[0], "it is gone")


class LargestTests(NatsLogTestCase):
    """Brokers take so many bytes at once, and no more."""

    def limited(self, payload: int) -> None:
        (self.folder / "limits.conf").write_text(f"max_payload: {payload}\n")
        self.start("-c", str(self.folder / "limits.conf"))

    def test_it_is_what_the_broker_says(self) -> None:
        self.limited(5000)
        log, follower = self.node()
        self.assertEqual(log.largest, 5000)
        data = os.urandom(5000)
        log.publish(data, again=False)
        self.until(lambda: follower.entries, "an entry")
        self.assertEqual(follower.entries, [(1, data)])

    def test_a_stream_may_take_less(self) -> None:
        self.limited(5000)
        self.node()

        async def less(stream: JetStreamContext) -> None:
            info = await stream.stream_info("chat")
            await stream.update_stream(info.config, max_msg_size=2000)

        self.with_client(less)
        log, follower = self.node()
        self.assertEqual(log.largest, 2000)
        log.publish(b"x" * 2000, again=False)
        self.until(lambda: follower.entries, "an entry")

    def test_while_there_is_no_connection_it_is_nothing(self) -> None:
        self.patch(nats_log, "FIRST_TRY", 0.2)
        log, follower = self.node()
        self.assertEqual(log.largest, 0)
        self.start()
        self.until(lambda: "" in follower.states, "the brokers to be found")
        self.assertEqual(log.largest, 1 << 20)
        self.kill()
        self.until(lambda: len(follower.states) == 2, "the loss")
        self.assertEqual(log.largest, 0)

    def test_brokers_that_take_too_little_are_refused(self) -> None:
        self.limited(1000)
        with self.assertRaises(LogError) as refusal:
            self.node()
        wanted = "the brokers take 1000 bytes at once (max_payload): 1,024 are needed"
        self.assertEqual(str(refusal.exception), wanted)

    def test_what_holds_is_kept_where_they_take_little(self) -> None:
        self.limited(1024)
        state = [Fact("topic", os.urandom(50).hex(), "x") for _ in range(200)]
        _, follower = self.node(facts=state)
        self.assertEqual(follower.openings[0].state, state)

    def test_what_is_longer_is_told(self) -> None:
        self.limited(5000)
        log, _ = self.node()
        with capturedLogs() as logged:
            log.publish(b"x" * 5001, again=False)
            self.until(lambda: not log._tasks, "the attempt to be over")
        self.assertEqual(
            [formatEvent(event) for event in logged if event["log_level"].name == "warn"],
            ["the brokers do not take an entry: nats: maximum payload exceeded"],
        )


class KeptTests(TestCase):
    def test_what_was_kept_is_what_it_was(self) -> None:
        self.assertEqual(_unpacked(_packed([TOPIC])), [TOPIC])

    def test_what_is_nothing_of_a_node_is_as_if_nobody_had_kept_anything(self) -> None:
        self.patch(nats_stream, "STATE_MOST", 1000)
        for data in (
            b"",
            b"hello",
            _packed([TOPIC])[:-1],
            _packed([TOPIC] * 1000),
            zlib.compress(b"{"),
            zlib.compress(b"5"),
            zlib.compress(b'[["a","b"]]'),
            zlib.compress(b'[["a","b",5]]'),
            zlib.compress(b"[" * 900),
        ):
            self.assertIsNone(_unpacked(data), data)


class DeafLog(NatsLog):
    """Loses cancellations, as what waits with ``asyncio.wait_for`` may on Python 3.10 and 3.11.

    :ivar deaf: how many it loses.
    :ivar heard: how many came.
    """

    deaf = 1
    heard = 0

    async def _begin(self) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.heard += 1
                if self.heard > self.deaf:
                    raise


class CancellationTests(NatsLogTestCase):
    """Nothing waits for ever because a cancellation was lost."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(nats_log, "FIRST_TRY", 0.1)
        self.patch(nats_log, "BETWEEN_CANCELLATIONS", 0.02)

    def test_a_start_does_not_depend_on_one(self) -> None:
        self.patch(DeafLog, "deaf", 1000)
        log, follower = self.node(made=DeafLog)
        assert isinstance(log, DeafLog)
        self.assertEqual((log.heard, follower.states), (0, []))

    def test_an_attempt_has_an_end_all_the_same(self) -> None:
        class Log(DeafLog):
            attempts = 0

            async def _begin(self) -> None:
                Log.attempts += 1
                await (super() if Log.attempts == 1 else super(DeafLog, self))._begin()

        self.start()
        self.patch(nats_log, "ATTEMPT", 0.3)
        log, follower = self.node(made=Log)
        self.until(lambda: follower.states, "the next attempt")
        self.assertEqual((log._tasks, Log.attempts), (set(), 2))

    def test_neither_does_closing(self) -> None:
        log, _ = self.node(made=DeafLog)
        self.close(log)
        self.assertEqual((log._tasks, log.heard), (set(), 2))

    def test_what_heeds_none_at_all_is_not_waited_for(self) -> None:
        self.patch(DeafLog, "deaf", nats_log.CANCELLATIONS)
        log, _ = self.node(made=DeafLog)
        self.close(log)
        self.assertEqual(log.heard, nats_log.CANCELLATIONS)

    def test_a_client_that_does_not_close_is_left_alone(self) -> None:
        self.start()
        self.patch(nats_log, "TIMEOUT", 0.1)
        log, _ = self.node()
        closing = log._nats.close
        self.patch(log._nats, "close", lambda: asyncio.Event().wait())
        self.close(log)
        self.run_(closing())

    def test_a_start_is_refused_at_once_where_the_brokers_close_the_door(self) -> None:
        """Also if what tries to come in goes on with that."""

        class Log(DeafLog):
            async def _begin(self) -> None:
                await self._failed(Error("Authorization Violation"))
                await super()._begin()

        with self.assertRaises(LogError):
            self.node(made=Log)


class AccessTests(NatsLogTestCase):
    def test_who_is_not_let_in_is_told_so(self) -> None:
        self.patch(nats_log, "FIRST_TRY", 1.0)
        self.start("--auth", "secret")
        for access in ({}, {"token": "guess"}):
            with self.assertRaises(LogError) as refusal:
                self.node(access=access)
            why = str(refusal.exception)
            self.assertTrue(why.startswith("the brokers do not let us in: "), why)
            self.assertNotIn("guess", why)

    def test_who_has_the_token_is_let_in(self) -> None:
        self.start("--auth", "secret")
        _, follower = self.node(access={"token": "secret"})
        self.assertEqual(follower.states, [""])

    def test_so_is_who_has_the_password(self) -> None:
        self.start("--user", "node", "--pass", "secret")
        _, follower = self.node(access={"user": "node", "password": "secret"})
        self.assertEqual(follower.states, [""])
