from __future__ import annotations

import atexit
import io
import os
import signal
import sys
from typing import Any

from twisted.application.service import IService
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from chatservice import __version__
from chatservice.client import __main__ as command
from chatservice.client.pipe import Pipe
from chatservice.client.stdio import StandardStreams
from chatservice.client.tap import ChatClient, Options, make_client, makeService
from chatservice.client.terminal import Terminal
from tests.client.support import Endpoint


def parse(*arguments: str, **parent: Any) -> Options:
    options = Options()
    if parent:
        options.parent = parent
    options.parseOptions(arguments)
    return options


class OptionsTests(TestCase):
    def test_without_any(self) -> None:
        options = parse()
        self.assertEqual((options["address"], options["name"]), ("localhost:7007", None))

    def test_with_all(self) -> None:
        options = parse("--name", "ana", "chat.example")
        self.assertEqual((options["address"], options["name"]), ("chat.example", "ana"))

    def test_a_name_is_one_line(self) -> None:
        self.assertEqual(parse("--name", "a\nb\udcff")["name"], "a\u240ab\ufffd")

    def test_what_is_wrong_is_one_line(self) -> None:
        for arguments in (("--colour", "red"), ("a", "b"), ("--name",)):
            with self.assertRaises(SystemExit) as refusal:
                parse(*arguments)
            self.assertRegex(str(refusal.exception), r"\Achat-client: .+\Z")

    def test_help_names_all(self) -> None:
        text = str(Options())
        self.assertIn("Usage: chat-client [options] [HOST[:PORT] | ENDPOINT]", text)
        for word in ("--name=", "--version", "--help", "localhost:7007", "tls:HOST:PORT"):
            self.assertIn(word, text)

    def test_help_of_the_plugin(self) -> None:
        class Parent:
            subCommand = "chat-client"

            def getSynopsis(self) -> str:
                return "Usage: twistd [options]"

        options = Options()
        options.parent = Parent()
        self.assertEqual(
            options.getSynopsis(),
            "Usage: twistd [options] chat-client [options] [HOST[:PORT] | ENDPOINT]",
        )

    def test_version(self) -> None:
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        with self.assertRaises(SystemExit) as end:
            parse("--version")
        self.assertEqual(
            (end.exception.code, output.getvalue()), (0, f"chat-client {__version__}\n")
        )


class TwistdTests(TestCase):
    """What the plugin asks of twistd."""

    def test_the_terminal_is_left_to_the_chat(self) -> None:
        options = parse(nodaemon=1, debug=False, logfile=None, pidfile="twistd.pid")
        self.assertEqual(options.parent["logfile"], "chat-client.log")
        self.assertEqual(options.parent["pidfile"], "")

    def test_what_was_given_counts(self) -> None:
        options = parse(nodaemon=0, debug=True, logfile="-", pidfile="my.pid")
        self.assertEqual((options.parent["logfile"], options.parent["pidfile"]), ("-", "my.pid"))

    def test_other_runners_do_not_matter(self) -> None:
        self.assertEqual(parse(reactor="default").parent, {"reactor": "default"})

    def test_it_is_no_daemon(self) -> None:
        with self.assertRaises(SystemExit) as refusal:
            parse(nodaemon=0, debug=False)
        why = "chat-client: it talks on a terminal, so it can't be a daemon: twistd -n"
        self.assertEqual(str(refusal.exception), why)


class MakeTests(TestCase):
    def test_what_is_on_the_standard_input_decides(self) -> None:
        for terminal, kind in ((True, Terminal), (False, Pipe)):
            self.patch(os, "isatty", lambda stream, terminal=terminal: terminal)
            self.assertIsInstance(make_client(parse("--name", "ana", "h:7"))._talker, kind)

    def test_a_bad_address_is_one_line(self) -> None:
        with self.assertRaises(SystemExit) as refusal:
            make_client(parse("localhost:0"))
        why = "chat-client: localhost:0: a port is a number from 1 to 65535"
        self.assertEqual(str(refusal.exception), why)

    def test_without_streams_there_is_nothing_to_do(self) -> None:
        for stream in ("__stdin__", "__stdout__"):
            self.patch(sys, stream, None)
            with self.assertRaises(SystemExit) as refusal:
                make_client(parse())
            why = "chat-client: it needs a standard input and a standard output"
            self.assertEqual(str(refusal.exception), why)

    def test_under_twistd_the_status_is_that_of_the_client_too(self) -> None:
        registered: list[tuple[Any, ...]] = []
        statuses: list[int] = []
        self.patch(atexit, "register", lambda *call: registered.append(call))
        self.patch(os, "_exit", statuses.append)
        service = makeService(parse())
        self.assertTrue(verifyObject(IService, service))
        ((call, *arguments),) = registered
        for status in (None, 0, 1):
            service.status = status
            call(*arguments)
        self.assertEqual(statuses, [1])


class Talker(StandardStreams):
    """Somebody who can only be told to end."""

    INTERRUPTED = 5

    def __init__(self, reactor: object) -> None:
        super().__init__(reactor, Endpoint(), "there", None)
        self.ends: list[int] = []

    def end(self, status: int, why: str | None = None) -> None:
        self.ends.append(status)
        self._status = status


class Reactor(MemoryReactorClock):
    """A reactor that notes that it is stopped."""

    stopped = 0

    def stop(self) -> None:
        self.stopped += 1

    def run(self) -> None:
        self.hasRun = True

    def callFromThread(self, call: Any, *arguments: Any) -> None:
        call(*arguments)


class ServiceTestCase(TestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.reactor.running = True
        self.talker = Talker(self.reactor)
        self.attached: list[object] = []
        self.client = ChatClient(self.reactor, self.talker, self.attach)
        self.handler = signal.getsignal(signal.SIGINT)
        self.addCleanup(signal.signal, signal.SIGINT, self.handler)
        self.patch(os, "get_blocking", lambda stream: stream == 0)

    def attach(self, talker: object, reactor: object) -> None:
        self.assertIs(reactor, self.reactor)
        self.attached.append(talker)


class ServiceTests(ServiceTestCase):
    def test_it_talks_until_that_is_over(self) -> None:
        self.client.startService()
        self.assertEqual(self.attached, [self.talker])
        self.assertEqual(self.reactor.stopped, 0)
        self.talker.ended.callback(3)
        self.assertEqual((self.client.status, self.reactor.stopped), (3, 1))

    def test_the_streams_are_left_as_they_were(self) -> None:
        self.client.startService()
        calls = [
            (function, arguments)
            for function, arguments, _ in self.reactor.triggers.get("after", {}).get("shutdown", [])
        ]
        self.assertEqual(calls, [(os.set_blocking, (0, True)), (os.set_blocking, (1, False))])

    def test_an_interrupt_ends_it(self) -> None:
        self.client.startService()
        signal.raise_signal(signal.SIGINT)
        self.assertEqual(self.client.status, 5)
        self.client.stopService()
        self.assertIs(signal.getsignal(signal.SIGINT), self.handler)

    def test_a_stop_from_without_ends_it(self) -> None:
        self.client.startService()
        self.client.stopService()
        self.assertEqual(self.talker.ends, [1])
        self.talker.ended.callback(0)
        self.assertEqual(self.reactor.stopped, 0)


class MainTests(ServiceTestCase):
    def exit_status(self) -> object:
        made: list[Options] = []

        def make(options: Options) -> ChatClient:
            made.append(options)
            return self.client

        self.patch(sys, "argv", ["chat-client", "--name", "ana", "there"])
        self.patch(command, "make_client", make)
        with self.assertRaises(SystemExit) as end:
            command.main()
        self.assertEqual([(one["name"], one["address"]) for one in made], [("ana", "there")])
        self.assertTrue(self.reactor.hasRun)
        return end.exception.code

    def test_its_status_is_that_of_the_client(self) -> None:
        self.talker.ended.callback(0)
        self.assertEqual(self.exit_status(), 0)

    def test_who_kills_it_gets_no_good_status(self) -> None:
        self.assertEqual(self.exit_status(), 1)
