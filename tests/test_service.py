from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from chatservice import __version__
from chatservice import service as service_module
from chatservice.doors.connection import ChatProtocol
from chatservice.limits import Limits
from chatservice.service import BACKLOG, GARBAGE_AT, ChatService, Starter, StartError
from chatservice.tap import Options, makeService
from tests.integration.support import TWISTD, eventually, run
from tests.journal.support import folder_for, run_python

# A process that may not raise its limit, for it is nobody's.
FEW_FILES = """
import os, resource, sys
from twisted.internet import reactor
from twisted.logger import capturedLogs, formatEvent
from chatservice.tap import Options, makeService

soft, hard, most = map(int, sys.argv[1:])
options = Options()
options.parseOptions(
    ["--history", "none", "--listen", "tcp:0:interface=127.0.0.1", f"--max-connections={most}"]
)
service = makeService(options)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
if os.geteuid() == 0:
    os.setuid(65534)
with capturedLogs() as events:
    service.privilegedStartService()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], service.factory.most)
for event in events:
    if event["log_namespace"] == "chatservice.service":
        print(formatEvent(event))
"""

# The chat on its standard input and output; nobody is given long to leave.
ON_STDIO = """
from twisted.internet import reactor
from chatservice.doors import factory
from chatservice.tap import Options, makeService

factory.CLOSING_TIMEOUT = 0.1
options = Options()
options.parseOptions(["--history", "none", "--listen", "stdio:"])
service = makeService(options)
service.privilegedStartService()
service.startService()
reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
reactor.run()
"""


def make(*arguments: str) -> ChatService:
    options = Options()
    options.parseOptions(["--history", "none", *arguments])
    service = makeService(options)
    assert isinstance(service, ChatService)
    return service


class ServiceTestCase(TestCase):
    def setUp(self) -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)


class StartTests(ServiceTestCase):
    @contextmanager
    def refused(self, why: str) -> Iterator[None]:
        with self.assertRaises(StartError) as refusal:
            yield
        self.assertEqual(str(refusal.exception), f"chat: {why}")

    def test_a_port_in_use_is_named(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as other:
            endpoint = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
            service = make("--listen", endpoint)
            with self.refused(f"address already in use: can't listen on {endpoint}"):
                service.privilegedStartService()

    def test_a_socket_in_no_folder_is_named(self) -> None:
        service = make("--listen", "unix:/nowhere/socket")
        with self.refused("no such file or directory: can't listen on unix:/nowhere/socket"):
            service.privilegedStartService()

    def test_a_history_that_can_not_be_opened_is_named(self) -> None:
        service = make("--history", "/")
        with self.refused("the history '/' can't be opened: Is a directory"):
            service.startService()

    def test_a_start_error_is_the_status_of_the_process(self) -> None:
        raised = "from chatservice.service import StartError; raise StartError('why')"
        done = subprocess.run([sys.executable, "-c", raised], stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr.splitlines()[-1]), (1, "chat: why"))
        self.assertTrue(issubclass(StartError, Exception))


class RunTests(ServiceTestCase):
    @inlineCallbacks
    def test_it_listens_until_it_is_stopped(self) -> Any:
        folder = folder_for(self)
        service = make(
            *("--history", f"{folder}/history", "--listen", f"unix:{folder}/socket"),
            *("--listen", "tcp:0:interface=127.0.0.1"),
        )
        with capturedLogs() as events:
            service.privilegedStartService()
            service.startService()
            yield deferLater(reactor, 0)
            port = service.ports[1].getHost().port
            socket.create_connection(("127.0.0.1", port)).close()
            yield service.stopService()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        said = [formatEvent(e) for e in events if e["log_namespace"] == "chatservice.service"]
        self.assertEqual(
            said[0],
            f"chatservice {__version__} listens on {folder}/socket, 127.0.0.1:{port}; "
            f"history: {folder}/history (new: nothing is in it yet); limits: {Limits()}",
        )
        self.assertEqual(said[1:], ["chatservice is down"])
        self.assertEqual(os.listdir(folder), ["history"])

    @inlineCallbacks
    def test_a_stop_from_inside_has_its_reason(self) -> Any:
        for reason, said in (("new disk", "new disk"), ("", "goodbye")):
            service = make()
            told: list[str] = []
            stop = service.factory.stop
            self.patch(
                service.factory, "stop", lambda w, told=told, stop=stop: told.append(w) or stop(w)
            )
            self.patch(reactor, "stop", lambda told=told: told.append("stop"))
            self.patch(reactor, "callWhenRunning", lambda act, *words: act(*words))
            service.startService()
            service.factory.chat.shutdown(reason)
            self.assertEqual(told, ["stop"])
            yield service.stopService()
            self.assertEqual(told[1:], [f"the server is going down: {said}"])
            service.factory.chat.shutdown("again")
            self.assertEqual(len(told), 2)

    def test_a_stop_before_the_reactor_runs_is_one_when_it_does(self) -> Any:
        service = make()
        waiting: list[Any] = []
        self.patch(reactor, "callWhenRunning", lambda *call: waiting.append(call))
        service.startService()
        service.factory.chat.shutdown("there is a newer log")
        self.assertEqual(waiting[-1], (reactor.stop,))  # type: ignore[attr-defined]
        return service.stopService()

    @inlineCallbacks
    def test_the_chat_knows_how_many_connections_there_are(self) -> Any:
        service = make()
        service.startService()
        self.assertEqual(service.factory.chat.connections(), 0)
        service.factory.connections[ChatProtocol()] = None
        self.assertEqual(service.factory.chat.connections(), 1)
        service.factory.connections.clear()
        yield service.stopService()

    @inlineCallbacks
    def test_signals_are_ignored_while_the_process_stops_and_not_otherwise(self) -> Any:
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        for number, handler in handlers.items():
            self.addCleanup(signal.signal, number, handler)
        service = make()
        service.startService()
        yield service.stopService()
        self.assertEqual({n: signal.getsignal(n) for n in handlers}, handlers)
        service.startService()
        reactor.removeSystemEventTrigger(service._stopping)
        service._going_down()
        self.assertEqual({signal.getsignal(n) for n in handlers}, {signal.SIG_IGN})
        yield service.stopService()

    @inlineCallbacks
    def test_no_garbage_is_looked_for_in_what_stays(self) -> Any:
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        service = make()
        service.startService()
        self.assertGreater(gc.get_freeze_count(), 10_000)
        self.assertEqual(gc.get_threshold()[0], GARBAGE_AT)
        yield service.stopService()

    @inlineCallbacks
    def test_a_burst_of_connections_finds_room_to_wait(self) -> Any:
        service = make("--listen", "tcp:0:interface=127.0.0.1", "--max-connections", "0")
        service.privilegedStartService()
        with open("/proc/sys/net/core/somaxconn") as file:
            most = min(BACKLOG, int(file.read()))
        burst = []
        try:
            # Nobody accepts, for the reactor does not run meanwhile.
            for _ in range(min(most, 200)):
                client = socket.socket()
                burst.append(client)
                client.settimeout(0.5)
                client.connect(("127.0.0.1", service.ports[0].getHost().port))
        finally:
            for client in burst:
                client.close()
            yield service.ports[0].stopListening()

    def test_standard_input_and_output_are_a_connection(self) -> None:
        chat = subprocess.Popen(
            [sys.executable, "-c", ON_STDIO], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.addCleanup(chat.kill)
        assert chat.stdin is not None and chat.stdout is not None
        with chat.stdin, chat.stdout:
            chat.stdin.write(b"ana\n")
            chat.stdin.flush()
            said = [chat.stdout.readline() for _ in range(3)]
            self.assertTrue(said[1].startswith(b"-- hello ana!"), said)
            chat.send_signal(signal.SIGTERM)
            self.assertEqual(chat.stdout.read(), b"-- the server is going down: goodbye\r\n")
            chat.wait(10)


class AnyPort:
    """The reactor, with a free port in place of 7007, which others may use."""

    def __init__(self) -> None:
        self.ports: list[Any] = []

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        assert port == 7007
        free = self.ports[0].getHost().port if self.ports else 0
        listening = reactor.listenTCP(free, factory, backlog, interface)
        self.ports.append(listening)
        return listening


class EverywhereTests(TestCase):
    def everywhere(self) -> list[str]:
        return [description for description, _ in service_module._everywhere(reactor)]

    @inlineCallbacks
    def test_the_port_answers_on_all_addresses(self) -> Any:
        somewhere = AnyPort()
        for _, endpoint in service_module._everywhere(somewhere):
            port = yield endpoint.listen(ServerFactory())
            self.addCleanup(port.stopListening)
        families = [socket.AF_INET]
        if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
            families.append(socket.AF_INET6)
        for family in families:
            loopback = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}[family]
            with socket.socket(family) as client:
                client.settimeout(5)
                client.connect((loopback, somewhere.ports[0].getHost().port))

    def test_without_ipv6_there_is_ipv4(self) -> None:
        self.patch(socket, "AF_INET6", 4711)
        ((description, endpoint),) = service_module._everywhere(reactor)
        self.assertEqual(description, "tcp:7007")
        self.assertIsInstance(endpoint, TCP4ServerEndpoint)

    def test_where_ipv6_sockets_are_for_ipv6_alone_there_are_two(self) -> None:
        # An option of such a socket that is on, as that one is there.
        self.patch(socket, "IPV6_V6ONLY", socket.IPV6_UNICAST_HOPS)
        self.assertEqual(self.everywhere(), ["port 7007", "tcp:7007"])


class OpenFilesTests(TestCase):
    def test_the_limit_is_raised_as_far_as_it_may_be(self) -> None:
        self.assertEqual(run_python(FEW_FILES, "100", "500", "400"), ["500 400"])

    def test_where_it_is_too_low_there_are_fewer_connections(self) -> None:
        lines = run_python(FEW_FILES, "100", "200", "10000")
        why = "the system allows 200 open files: at most 136 connections, not 10000"
        self.assertEqual(lines, ["200 136", why])

    def test_where_it_is_very_low_there_is_one_connection(self) -> None:
        for low in ("64", "40"):
            self.assertEqual(run_python(FEW_FILES, low, low, "10000")[0], f"{low} 1")

    def test_any_number_of_connections_is_what_the_system_allows(self) -> None:
        self.assertEqual(run_python(FEW_FILES, "100", "200", "0"), ["200 136"])


class FailedStartTests(TestCase):
    """A real twistd that can't start says why: to who started it, and in its log."""

    def setUp(self) -> None:
        self.folder = Path(folder_for(self))
        self.busy = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.busy.close)
        endpoint = f"tcp:{self.busy.getsockname()[1]}:interface=127.0.0.1"
        free = ("--listen", "tcp:0:interface=127.0.0.1")
        (self.folder / "taken").mkdir()
        self.failing = {
            ("--history", "none", "--listen", endpoint): (
                f"address already in use: can't listen on {endpoint}"
            ),
            ("--history", "taken", *free): "the history 'taken' can't be opened: Is a directory",
        }

    def start(self, *options: str) -> subprocess.CompletedProcess[str]:
        return run(TWISTD, *options, folder=self.folder)

    def test_one_line_on_standard_error_and_one_in_the_log_file_tell_why(self) -> None:
        for number, (options, why) in enumerate(self.failing.items()):
            log = self.folder / f"log.{number}"
            done = self.start("-n", "--pidfile=", "--logfile", log.name, "chat", *options)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", f"chat: {why}\n"))
            said = [line for line in log.read_text().splitlines() if why in line]
            self.assertEqual(len(said), 1, said)
            self.assertTrue(said[0].endswith(f"the chat can't start: {why}"), said)
            self.assertNotIn("Traceback", log.read_text())

    def test_without_a_log_file_standard_error_has_one_line_too(self) -> None:
        for options, why in self.failing.items():
            done = self.start("-n", "--pidfile=", "chat", *options)
            self.assertEqual((done.returncode, done.stderr), (1, f"chat: {why}\n"))
            self.assertIn(f"the chat can't start: {why}\n", done.stdout)
            self.assertNotIn("Traceback", done.stdout)

    def test_a_daemon_tells_who_started_it(self) -> None:
        for number, (options, why) in enumerate(self.failing.items()):
            log = self.folder / f"log.{number}"
            done = self.start("--pidfile=pid", "--logfile", log.name, "chat", *options)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr.count(why[:60]), 1, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            # The daemon tells its parent first, and is not gone yet when that is.
            reason = f"the chat can't start: {why}\n"
            eventually(lambda log=log, reason=reason: reason in log.read_text(), "the reason")
            eventually(lambda: not (self.folder / "pid").exists(), "the pid file to go")


class StarterTests(TestCase):
    def setUp(self) -> None:
        self.reading, writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        before = os.dup(2)
        os.dup2(writing, 2)
        try:
            self.starter = Starter()
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.close(writing)

    def test_the_reason_is_said_once_and_by_the_daemon(self) -> None:
        before = self.starter._before
        print("chat: the port is in use", file=sys.__stderr__, flush=True)
        print("An error has occurred: b'x.StartError: chat: the po'", file=sys.__stderr__)
        self.starter.close()
        self.assertIs(sys.__stderr__, before)
        # It ends: nobody holds it any more.
        self.assertEqual(os.read(self.reading, 1000), b"chat: the port is in use\n\n")
        self.assertEqual(os.read(self.reading, 1000), b"")

    def test_what_else_went_wrong_is_said(self) -> None:
        print("An error has occurred: b'x.OtherError'", file=sys.__stderr__)
        self.starter.close()
        self.assertEqual(os.read(self.reading, 1000), b"An error has occurred: b'x.OtherError'\n")
