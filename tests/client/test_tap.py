from __future__ import annotations

import atexit
import getpass
import io
import os
import signal
import sys
from typing import Any, cast
from unittest.mock import patch

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from chatservice import __version__
from chatservice.client import __main__ as command
from chatservice.client import tap
from chatservice.client.screen.app import Screen
from chatservice.client.screen.editor import Editor
from chatservice.client.screen.plain import Plain
from chatservice.client.session.bookmark import Remembered
from chatservice.client.stored.state import Entrance, Memory
from chatservice.client.streams.jsonlines import JsonLines
from chatservice.client.streams.pipe import Pipe
from chatservice.client.tap import ChatClient, Options, make_client, makeService
from tests.integration.support import folder_for


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

        self.assertEqual((options["rooms"], options["new"]), ([], 0))

    def test_with_all(self) -> None:
        options = parse("--name", "ana", "--room", "ops", "--room", "a\nb", "--new", "chat.example")
        self.assertEqual((options["address"], options["name"]), ("chat.example", "ana"))
        self.assertEqual((options["rooms"], options["new"]), (["ops", "a\u240ab"], 1))
        self.assertEqual(parse("::1", "7008")["address"], "[::1]:7008")
        self.assertEqual(parse("--batch", "--tail", "20")["tail"], 20)

    def test_a_name_is_one_line(self) -> None:
        self.assertEqual(parse("--name", "a\nb\udcff")["name"], "a\u240ab\ufffd")

    def test_what_is_wrong_is_one_line(self) -> None:
        for arguments in (("--colour", "red"), ("a", "b"), ("--name",), ("--json", "--plain")):
            with self.assertRaises(SystemExit) as refusal:
                parse(*arguments)
            self.assertRegex(str(refusal.exception), r"\Achat-client: .+\Z")

    def test_help_names_all(self) -> None:
        text = str(Options())
        self.assertIn("Usage: chat-client [options] [HOST[:PORT] | HOST PORT | ENDPOINT]", text)
        for option in ("name=", "room=", "tail=", "batch", "json", "plain", "new", "version"):
            self.assertIn(f"--{option}", text)
        text = " ".join(text.split())
        for words in ("localhost:7007", "tls:HOST:PORT", "0 if everything said is stored"):
            self.assertIn(words, text)

    def test_help_of_the_plugin(self) -> None:
        class Parent:
            subCommand = "chat-client"

            def getSynopsis(self) -> str:
                return "Usage: twistd [options]"

        options = Options()
        options.parent = Parent()
        self.assertEqual(
            options.getSynopsis(),
            "Usage: twistd [options] chat-client [options] [HOST[:PORT] | HOST PORT | ENDPOINT]",
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
    def setUp(self) -> None:
        self.folder = folder_for(self)
        environ = {"TERM": "xterm", "XDG_STATE_HOME": str(self.folder)}
        self.patch(os, "environ", {**os.environ, **environ})
        self.streams_are((), ())

    def streams_are(self, *terminals: Any) -> None:
        self.patch(os, "isatty", lambda stream: stream in terminals)

    def talker(self, *arguments: str) -> Any:
        return make_client(parse("--name", "ana", *arguments, "h:7"))._talker

    def test_what_is_on_the_standard_input_decides(self) -> None:
        self.assertIsInstance(self.talker(), Pipe)
        self.assertIsInstance(self.talker("--plain"), Pipe)
        self.assertIsInstance(self.talker("--json"), JsonLines)
        for terminals in ((0,), (0, 1)):
            self.streams_are(*terminals)
            self.assert_plain("--plain", "--room", "ops")
            self.assertIsInstance(self.talker("--json"), JsonLines)

    def assert_plain(self, *arguments: str) -> None:
        """See that a person reads and types lines, and takes part in the same conversation."""
        talker = self.talker(*arguments)
        self.assertIsInstance(talker, Screen)
        self.assertIsInstance(talker._desk, Plain)

    def test_without_a_screen_a_person_has_lines(self) -> None:
        self.streams_are(0)
        self.assert_plain()
        self.streams_are(0, 1)
        # This reactor can't have one.
        self.assert_plain()
        self.patch(tap, "_is_asyncios", lambda reactor: True)
        for term in ("", "dumb", "unknown"):
            os.environ["TERM"] = term
            self.assert_plain()
        os.environ["TERM"] = "xterm"
        with patch.dict(sys.modules, {"prompt_toolkit": None}):
            self.assert_plain()

    def test_with_the_reactor_of_asyncio_a_person_has_a_screen(self) -> None:
        self.streams_are(0, 1)
        self.patch(tap, "_is_asyncios", lambda reactor: True)
        with create_pipe_input() as keys, create_app_session(keys, DummyOutput()):
            screen = self.talker("--room", "ops")
        self.assertIsInstance(screen, Screen)
        self.assertEqual(screen.session.name, "ana")
        self.assertIsInstance(screen._desk, Editor)
        self.assertEqual([path.name for path in self.folder.glob("*/*")], ["history"])

    def test_the_name_of_a_pipe_is_the_last_one_or_the_login(self) -> None:
        self.patch(os, "environ", {**os.environ, "LOGNAME": "ana-at-work"})
        self.assertEqual(self.name_of_pipe(), "ana-at-work")
        nobody = patch.object(getpass, "getuser", side_effect=KeyError("uid not found: 1234"))
        with nobody, self.assertRaises(SystemExit) as refusal:
            self.name_of_pipe()
        why = "chat-client: there is no name: give one with --name"
        self.assertEqual(str(refusal.exception), why)
        memory = Memory(self.folder / "chatservice", self.fail)
        place = Entrance(None, None, "h:7", memory, person=True)
        place.keep(Remembered("ana", "t", "j", 1))
        place.close()
        self.assertEqual(self.name_of_pipe(), "ana")
        self.assertEqual(self.name_of_pipe("--name", "bot"), "bot")

    def name_of_pipe(self, *arguments: str) -> Any:
        pipe: Any = make_client(parse(*arguments, "h", "7"))._talker
        return pipe._name

    def test_what_is_for_pipes_is_for_nobody_else(self) -> None:
        why = "chat-client: --batch and --tail are for lines that are piped"
        for option in (("--batch",), ("--tail", "5")):
            with self.assertRaises(SystemExit) as refusal:
                parse("--json", *option)
            self.assertEqual(str(refusal.exception), why)
            self.streams_are(0, 1)
            with self.assertRaises(SystemExit) as refusal:
                make_client(parse("--plain", *option))
            self.assertEqual(str(refusal.exception), why)
        for count in ("0", "ten", "-1", "10001", "1" * 5000):
            with self.assertRaises(SystemExit) as refusal:
                parse("--tail", count)
            why = f"chat-client: --tail {count}: N is a number from 1 to 10,000"
            self.assertEqual(str(refusal.exception), why)

    def test_a_pipe_is_in_one_room(self) -> None:
        rooms = ("--room", "ops", "--room", "dev")
        self.assertEqual(self.talker(*rooms[:2])._rooms, ["ops"])
        self.assertEqual(self.talker("--json", *rooms)._rooms, ["ops", "dev"])
        with self.assertRaises(SystemExit) as refusal:
            self.talker(*rooms)
        self.assertEqual(str(refusal.exception), "chat-client: a pipe talks in one room")

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


class Talker:
    """Somebody who can only be told to end."""

    def __init__(self) -> None:
        self.done: Deferred[int] = Deferred()
        self.stopped: Deferred[int] = Deferred()
        self.stops = 0

    def stop(self) -> Deferred[int]:
        self.stops += 1
        return self.stopped

    def interrupt(self) -> None:
        self.done.callback(5)


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
        self.talker = Talker()
        self.calls: list[str] = []
        self.client = ChatClient(
            self.reactor,
            cast("Any", self.talker),
            lambda: self.calls.append("start"),
            lambda: self.calls.append("close"),
        )
        self.handler = signal.getsignal(signal.SIGINT)
        self.addCleanup(signal.signal, signal.SIGINT, self.handler)
        self.patch(os, "get_blocking", lambda stream: stream == 0)


class ServiceTests(ServiceTestCase):
    def test_it_talks_until_that_is_over(self) -> None:
        self.client.startService()
        self.assertEqual((self.calls, self.reactor.stopped), (["start"], 0))
        self.talker.done.callback(3)
        self.assertEqual((self.client.status, self.reactor.stopped), (3, 1))

    def test_the_streams_are_left_as_they_were(self) -> None:
        self.client.startService()
        calls = [
            (function, arguments)
            for function, arguments, _ in self.reactor.triggers.get("after", {}).get("shutdown", [])
        ]
        self.assertEqual(calls[:-1], [(os.set_blocking, (0, True)), (os.set_blocking, (1, False))])
        call, arguments = calls[-1]
        call(*arguments)
        self.assertEqual(self.calls, ["start", "close"])

    def test_an_interrupt_ends_it(self) -> None:
        self.client.startService()
        signal.raise_signal(signal.SIGINT)
        self.assertEqual(self.client.status, 5)
        self.client.stopService()
        self.assertIs(signal.getsignal(signal.SIGINT), self.handler)

    def test_a_stop_from_without_ends_it(self) -> None:
        self.client.startService()
        self.assertIs(self.client.stopService(), self.talker.stopped)
        self.assertEqual(self.talker.stops, 1)
        self.talker.done.callback(0)
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
        self.talker.done.callback(0)
        self.assertEqual(self.exit_status(), 0)

    def test_who_kills_it_gets_no_good_status(self) -> None:
        self.assertEqual(self.exit_status(), 1)
