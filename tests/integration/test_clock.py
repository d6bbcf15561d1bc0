"""The wall clock is set while real processes run: nothing that lasts goes by it."""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.client.screen.tty import Tty
from tests.integration.cluster import LEASE
from tests.integration.company import ROOM, ClusterTestCase
from tests.integration.support import Client, Program, Server, folder_for, lasting_ports
from tests.integration.test_client import COMMAND
from tests.integration.wall_clock import WallClock
from tests.integration.witness import Reader

SOON = 4.0
"""Seconds that something takes at most that is done at once, on a busy machine too."""

PAUSES = 12.0
"""Seconds that the client may wait, in all, while a server starts."""

STEPS = (-40, -600, 300, 40 * 86_400)

TIMERS = """
import json, sys, time
if sys.argv[1] == "asyncio":
    from twisted.internet import asyncioreactor
    asyncioreactor.install()
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import TimeoutError
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from chatservice.clock import go_by_monotonic

port, step = map(int, sys.argv[2:])
began, told, asked = time.monotonic(), time.time(), sys.stdin
took = {}

def note(_, name):
    took[name] = time.monotonic() - began

def watch(name, deferred):
    return deferred.addBoth(note, name)

def set_clock():
    print("now", flush=True)
    asked.readline()
    took["wall"] = time.time() - told
    full = TCP4ClientEndpoint(reactor, "127.0.0.1", port, timeout=1)
    return gatherResults([
        watch("after", deferLater(reactor, 1)),
        watch("thread", deferToThread(time.monotonic)),
        watch("connection", full.connect(Factory()).addErrback(lambda f: f.trap(TimeoutError))),
        looping,
        waiting,
    ])

def tick():
    ticks.append(time.monotonic())
    if len(ticks) == 8:
        loop.stop()

ticks = []
waiting = watch("before", deferLater(reactor, 2))
go_by_monotonic(reactor)
loop = LoopingCall(tick)
looping = watch("loop", loop.start(0.25))
deferLater(reactor, 0.5, set_clock).addCallback(
    lambda result: (print(json.dumps(took)), reactor.stop())
)
reactor.run()
"""


class ReactorTests(TestCase):
    """What the service uses of Twisted keeps its times, on either reactor."""

    def assert_times_kept(self, kind: str, step: int) -> None:
        clock = WallClock(self)
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        for _ in range(2):  # With these its queue is full: who else connects has to wait.
            waiting = socket.socket()
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        program = Program(
            self, "env", *clock.words, sys.executable, "-c", TIMERS, kind,
            str(full.getsockname()[1]), str(step),
        )  # fmt: skip
        program.read_until("now\n")
        clock.step(step)
        program.type("\n")
        program.end()
        took = json.loads(program.read_rest())
        self.assertApproximates(took.pop("wall"), step, 5)
        for name, least in (
            ("before", 2), ("after", 1.5), ("thread", 0.5), ("connection", 1.5), ("loop", 1.75)
        ):  # fmt: skip
            self.assertGreaterEqual(took[name], least - 0.01, (name, took))
            self.assertLess(took[name], least + SOON, (name, took))

    def test_on_epoll_the_clock_goes_back(self) -> None:
        self.assert_times_kept("epoll", -600)

    def test_on_epoll_the_clock_goes_ahead(self) -> None:
        self.assert_times_kept("epoll", 600)

    def test_on_asyncio_the_clock_goes_back(self) -> None:
        self.assert_times_kept("asyncio", -600)

    def test_on_asyncio_the_clock_goes_ahead(self) -> None:
        self.assert_times_kept("asyncio", 600)


class ServerTestCase(TestCase):
    def serve(self, *options: str) -> None:
        self.clock = WallClock(self)
        self.server = Server(self, *options, env=self.clock.environ)

    def come(self, name: str | None = None) -> Client:
        return Client(self, self.server.address, name)

    def program(self, **hello: Any) -> tuple[Client, dict[str, Any]]:
        program = self.come()
        program.say(json.dumps({"type": "hello", **hello}))
        return program, json.loads(program.read_line())


class ServerTests(ServerTestCase):
    def test_what_is_done_at_once_is_done_at_once(self) -> None:
        self.serve("--rate", "100")
        ana, bob = self.come("ana"), self.come("bob")
        for step in STEPS:
            ana.say(f"before {step}")
            bob.read_until(f"<ana> before {step}", SOON)
            self.clock.step(step)
            ana.say(f"after {step}")
            bob.read_until(f"<ana> after {step}", SOON)
            newcomer = self.come()
            newcomer.read_until("what is your name?", SOON)
            newcomer.say(f"carl{abs(step)}")
            newcomer.read_until("you are in #lobby", SOON)

    def test_who_is_typing_a_name_has_as_much_time(self) -> None:
        self.serve()
        for step in STEPS:
            slow = self.come()
            slow.read_until("what is your name?", SOON)
            slow.send("da")
            self.clock.step(step)
            self.come(f"other{abs(step)}").say("/quit")
            slow.say(f"ve{abs(step)}")
            slow.read_until(f"hello dave{abs(step)}!", SOON)

    def test_who_gives_no_name_has_no_more_time(self) -> None:
        self.serve("--login-timeout", "2")
        began = time.monotonic()
        silent = self.come()
        silent.read_until("what is your name?", SOON)
        self.clock.step(-600)
        silent.read_rest(2 + SOON)
        self.assertGreater(time.monotonic() - began, 1.9)

    def test_a_clock_that_is_wrong_at_the_start_deletes_nothing(self) -> None:
        self.serve("--keep", "30")
        ana = self.come("ana")
        ana.say("one")
        self.come("bob").read_until("<ana> one", SOON)
        self.server.stop()
        self.clock.step(40 * 86_400)
        for options, kept in (((), True), (("--clock-is-right",), False)):
            server = Server(
                self, "--keep", "30", *options, folder=self.server.folder, env=self.clock.environ
            )
            self.assertIn("the clock may be wrong", server.log)
            newcomer = Client(self, server.address, "cleo")
            newcomer.say("/history 100")
            newcomer.say("/quit")
            self.assertEqual("<ana> one" in newcomer.read_rest(), kept)
            server.stop()

    def test_the_grace_of_a_program_is_as_long(self) -> None:
        self.serve("--grace", "60")
        bob = self.come("bob")
        for step in STEPS:
            name = f"bot{abs(step)}"
            program, welcome = self.program(name=name)
            bob.read_until(f"-- {name} joined", SOON)
            program.close()
            self.clock.step(step)
            self.assertNotIn("left", bob.read_for(1))
            program, again = self.program(token=welcome["token"])
            self.assertTrue(again["resumed"], again)
            program.close()

    def test_the_grace_of_a_program_is_no_longer(self) -> None:
        self.serve("--grace", "2")
        bob = self.come("bob")
        program, _ = self.program(name="bot")
        bob.read_until("-- bot joined", SOON)
        began = time.monotonic()
        program.close()
        self.clock.step(-600)
        bob.read_until("-- bot left", 2 + SOON)
        self.assertGreater(time.monotonic() - began, 1.9)

    def test_a_rate_goes_on(self) -> None:
        self.serve("--rate", "5", "--burst", "1")
        ana, bob = self.come("ana"), self.come("bob")
        for step in STEPS:
            began = time.monotonic()
            ana.say(*(f"{step} is line {number}" for number in range(11)))
            bob.read_until(f"{step} is line 2\r\n", SOON)
            self.clock.step(step)
            bob.read_until(f"{step} is line 10\r\n", 2 + SOON)
            self.assertGreater(time.monotonic() - began, 1.7)


class ClusterTests(ClusterTestCase):
    async def test_a_node_whose_clock_is_set_is_not_taken_for_dead(self):
        clock = WallClock(self)
        near, far = await gatherResults(
            [deferToThread(self.node, env=env) for env in (clock.environ, None)]
        )
        ana = await Reader.come(near.port, "ana", [ROOM])
        bob = await Reader.come(far.port, "bob", [ROOM])
        for step in (60, -60, -60, 40 * 86_400):
            clock.step(step)
            # A lease would be over, and more than one beat due.
            await deferLater(reactor, LEASE * 1.2)
            for one, other in ((ana, bob), (bob, ana)):
                line = f"after {step}"
                one.say(line)
                await other.until(
                    lambda one=one, other=other, line=line: other.has(f"<{one.name}> {line}"),
                    line,
                    patience=SOON,
                )
        for one in (ana, bob):
            self.assertEqual(
                [line for line in one.shown if "left" in line or "reached" in line], []
            )
            await one.hang_up()


class ClientTests(ServerTestCase):
    """The client connects again in its time."""

    def setUp(self) -> None:
        self.folder = folder_for(self)
        self.clock = WallClock(self)
        (self.port,) = lasting_ports(1)
        self.listen = f"tcp:{self.port}:interface=127.0.0.1"
        self.where = f"localhost:{self.port}"
        self.server = Server(self, listen=(self.listen,), folder=self.folder)

    def test_a_program_does(self) -> None:
        state = f"XDG_STATE_HOME={self.folder}"
        client = Program(
            self, "env", state, *self.clock.words, *COMMAND, "--json", "--name", "ana", self.where
        )
        client.read_until('"type":"welcome"')
        self.server.stop()
        self.clock.step(-600)
        self.server = Server(self, listen=(self.listen,), folder=self.folder)
        client.read_until('"type":"welcome"', PAUSES)

    def test_a_person_does(self) -> None:
        environ = {"XDG_STATE_HOME": str(self.folder), **self.clock.environ}
        tty = Tty(self, (*map(str, COMMAND), "--name", "ana", self.where), 80, 24, environ)
        tty.until_shown("you are in #lobby")
        self.server.stop()
        tty.until_shown("was lost")
        self.clock.step(-600)
        self.server = Server(self, listen=(self.listen,), folder=self.folder)
        began = time.monotonic()
        tty.until_shown("connected again")
        self.assertLess(time.monotonic() - began, PAUSES)


class OwnLineTests(ServerTestCase):
    """At a terminal whose clock is wrong, one's own lines are among the others all the same."""

    def test_they_have_the_time_of_the_server(self) -> None:
        for hours in (-8, 8, 30):
            clock = WallClock(self)
            clock.step(hours * 3600)
            self.server = Server(self)
            environ = {"XDG_STATE_HOME": str(folder_for(self)), **clock.environ}
            where = f"localhost:{self.server.port}"
            tty = Tty(self, (*map(str, COMMAND), "--name", "ana", where), 80, 24, environ)
            tty.until_shown("you are in #lobby")
            bob = self.come("bob")
            bob.say("one")
            tty.until_shown("<bob> one")
            tty.type("two\r")
            tty.until_shown("<ana> two")
            bob.say("three")
            tty.until_shown("<bob> three")
            bob.say("/set timestamps short", "/history 3")
            *_, past = bob.read_until("<bob> three").rpartition("times in UTC:\r\n")
            shown = "\n".join(row.rstrip() for row in tty.everything)
            self.assertIn(past.replace("\r\n", "\n"), shown, hours)
