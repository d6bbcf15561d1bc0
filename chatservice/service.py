"""The Twisted service: starts, drains and stops all parts of the chat in order."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, UNIXServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorCore, IStreamServerEndpoint
from twisted.logger import ILogObserver, Logger, textFileLogObserver
from twisted.python.failure import Failure

from chatservice import __version__
from chatservice.doors.closing_log import shown
from chatservice.doors.console import open_console
from chatservice.doors.factory import PARTING_MOST, ChatFactory
from chatservice.journal.events import JournalError
from chatservice.leftovers import clear_socket, hold_pid_file
from chatservice.logs import NAME, Signals, log_file

BACKLOG = 4096
"""Connections that may wait to be accepted. The kernel caps this at ``net.core.somaxconn``."""

SPARE_FILES = 32 + PARTING_MOST
"""Open files besides the counted connections: ports, history, log and refused connections."""

GARBAGE_AT = 20_000
"""Growth in the number of objects that makes the garbage collector examine the new ones."""

log = Logger()


class StartError(SystemExit, Exception):
    """The service can't start. It ends with one line and exit status 1.

    Both base classes are needed. Because this is an :exc:`Exception`, a starting daemon reports it
    to the waiting parent process and removes its pid file. Because it is a :exc:`SystemExit`, the
    process ends without a traceback. Twistd has already redirected ``sys.stderr`` to its log, so
    the line is written both to the log and to the original standard error (:class:`.Starter`).
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"chat: {why}")
        self.code = 1
        log.critical("the chat can't start: {why}", why=why)
        if sys.__stderr__ is not None:
            print(self, file=sys.__stderr__)


class Starter:
    """The parent process's standard error, which a daemon uses until it has started.

    After the fork, a daemon has no standard error of its own, and the parent shows only the
    beginning of an error, as bytes. So the daemon writes its error here. The parent's text, which
    names the exception, is dropped.
    """

    def __init__(self) -> None:
        self._before = sys.__stderr__
        self._file = os.dup(2)
        sys.__stderr__ = self  # type: ignore[assignment,misc]

    def write(self, text: str) -> None:
        """Write a text to the parent's standard error, unless it names the exception."""
        if StartError.__name__ not in text:
            os.write(self._file, text.encode(errors="replace"))

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""

    def close(self) -> None:
        """Close the file, because a program may read the parent's standard error to its end."""
        sys.__stderr__ = self._before  # type: ignore[misc]
        os.close(self._file)


class ChatService(Service):
    """The chat and the ports on which it listens.

    :param endpoints: pairs of an endpoint's description and the endpoint; empty for port 7007 on
        all addresses, IPv4 and IPv6.
    :param console: whether standard input and output are a member too.
    :param twistd: twistd's options, which name the pid file and the log.
    """

    name = "chat"

    def __init__(
        self,
        reactor: IReactorCore,
        factory: ChatFactory,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        console: bool = False,
        twistd: Mapping[str, Any] | None = None,
    ) -> None:
        self._reactor = reactor
        self.factory = factory
        self._endpoints = endpoints
        self._console = console
        self._twistd = twistd or {}
        self._signals = Signals(reactor, None)
        self._starter: Starter | None = None
        self._why = ""
        self._stopping: Any = None
        self.ports: list[IListeningPort] = []

    def setServiceParent(self, parent: Any) -> None:
        """Join a Twisted application, and replace its log file by ours if it has one.

        :raises SystemExit: if the log file can't be opened.
        """
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        if self._twistd and not self._twistd.get("nodaemon"):
            with suppress(OSError):  # The parent process may have no standard error.
                self._starter = Starter()
        try:
            file = log_file(self._twistd)
        except OSError as error:
            raise SystemExit(
                f"chat: --logfile {self._twistd['logfile'] or NAME}: {error.strerror}"
            ) from None
        if file is not None:
            parent.setComponent(ILogObserver, textFileLogObserver(cast(IO[str], file)))
            self._signals = Signals(self._reactor, file)

    def privilegedStartService(self) -> None:
        """Listen on all endpoints, while the process still has the privilege to bind any port."""
        if self._twistd.get("pidfile"):
            hold_pid_file(self._twistd["pidfile"])
        self._raise_open_files()
        for description, endpoint in self._endpoints or _everywhere(self._reactor):
            self._listen(description, endpoint)

    def startService(self) -> None:
        """Open the history as the user that the service runs as, then accept people."""
        super().startService()  # type: ignore[no-untyped-call]
        chat = self.factory.chat
        chat.shutdown = self._shut_down
        chat.connections = lambda: len(self.factory.connections)
        try:
            chat.start()
            history = chat.journal.describe()
        except JournalError as error:
            raise StartError(str(error)) from None
        self.factory.start()
        # The objects made so far stay. Each search for garbage among them would delay everybody
        # by some 20 ms. Events are many and in no cycle, so 700 new ones are no reason to search.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_AT, *gc.get_threshold()[1:])
        self._stopping = self._reactor.addSystemEventTrigger("before", "shutdown", self._going_down)
        self._signals.start()
        # Only a running reactor handles SIGTERM, which may follow as soon as the log has this line.
        self._reactor.callWhenRunning(self._ready, history)

    def _ready(self, history: str) -> None:
        if not self.running:
            return
        log.info(
            "chatservice {version} listens on {ports}; history: {history}; limits: {limits}",
            version=__version__,
            ports=", ".join(shown(port.getHost()) for port in self.ports),
            history=history,
            limits=self.factory.limits,
        )
        if self._starter is not None:
            self._starter.close()
        if self._console:
            open_console(self._reactor, self.factory)

    def stopService(self) -> Deferred[None]:
        """Stop accepting, commit and deliver all events, tell everyone why, and close."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._stopping is not None:
            self._reactor.removeSystemEventTrigger(self._stopping)
            self._stopping = None
            self._signals.stop()
        for port in self.ports:
            await maybeDeferred(port.stopListening)
        await self.factory.stop(f"the server is going down: {self._why or 'goodbye'}")
        await self.factory.chat.stop()
        log.info("chatservice is down")

    def _shut_down(self, why: str) -> None:
        """Stop the whole process, unless it is already stopping."""
        if self.running:
            self._why = why
            self._reactor.callWhenRunning(self._reactor.stop)

    def _going_down(self) -> None:
        """Ignore further stop signals, because a second stop is an error for the reactor."""
        self._stopping = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _listen(self, description: str, endpoint: IStreamServerEndpoint) -> None:
        _make_way(description, endpoint)
        failures: list[Failure] = []
        endpoint.listen(self.factory).addCallbacks(self._listening, failures.append)
        for failure in failures:
            raise StartError(f"{_reason(failure.value)}: can't listen on {description}") from None

    def _listening(self, port: IListeningPort) -> None:
        if not IListeningPort.providedBy(port):
            return  # Standard input and output are a connection, not a port.
        self.ports.append(port)
        # With the endpoint's default backlog of 50, a burst of connections would wait for seconds.
        listener = getattr(port, "socket", None)
        if listener is not None:
            listener.listen(BACKLOG)
            if listener.family in (socket.AF_INET, socket.AF_INET6):
                # Telnet sends its data mark as urgent data, which must stay at its place in the
                # stream. Accepted connections inherit this option.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)

    def _raise_open_files(self) -> None:
        """Raise the limit of open files as far as allowed, and log a warning if it is too low."""
        wanted = self.factory.limits.max_connections
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for most in (hard, max(hard, wanted + SPARE_FILES)):  # Only root can set the second one.
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
                soft = most
        if soft < wanted + SPARE_FILES or not wanted:
            self.factory.most = max(1, soft - SPARE_FILES)  # 0 would mean no limit
        if soft < wanted + SPARE_FILES:
            log.warn(
                "the system allows {soft} open files: at most {most} connections, not {wanted}",
                soft=soft,
                most=self.factory.most,
                wanted=wanted,
            )


def _everywhere(reactor: Any) -> list[tuple[str, IStreamServerEndpoint]]:
    """Return endpoints for port 7007 on all addresses: one for IPv4 and IPv6 where possible."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
            both = not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        return [("tcp:7007", TCP4ServerEndpoint(reactor, 7007))]
    six: tuple[str, IStreamServerEndpoint] = ("port 7007", TCP6ServerEndpoint(reactor, 7007))
    return [six] if both else [six, ("tcp:7007", TCP4ServerEndpoint(reactor, 7007))]


def _make_way(description: str, endpoint: Any) -> None:
    """Remove the leftover of an earlier process, if the endpoint is a Unix socket."""
    while hasattr(endpoint, "_wrappedEndpoint"):
        endpoint = endpoint._wrappedEndpoint
    if isinstance(endpoint, UNIXServerEndpoint):
        try:
            clear_socket(endpoint._address)
        except OSError as error:
            raise StartError(f"{_reason(error)}: can't listen on {description}") from None


def _reason(error: BaseException | None) -> str:
    cause = error.socketError if isinstance(error, CannotListenError) else error
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    # Twisted gives this text if another process holds the lock beside a Unix socket.
    return "address already in use" if cause == "Cannot acquire lock" else str(cause)
