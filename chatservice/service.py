"""The service: all its parts start, drain and stop in an order."""

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
"""Connections that may wait to be accepted; the kernel takes at most ``net.core.somaxconn``."""

SPARE_FILES = 32 + PARTING_MOST
"""Open files that are not connections that count: ports, the history, the log, who is refused."""

GARBAGE_AT = 20_000
"""So many more objects than before make the collector of garbage look at the new ones."""

log = Logger()


class StartError(SystemExit, Exception):
    """The service can't start: one line, and exit status 1.

    Both bases are wanted. As an :exc:`Exception`, a starting daemon reports it to the process that
    waits for it and removes its pid file; as a :exc:`SystemExit`, it ends the process without a
    traceback. By now twistd writes ``sys.stderr`` to its log, so the line goes to both by itself:
    to the log, and to who starts it (:class:`.Starter`).
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"chat: {why}")
        self.code = 1
        log.critical("the chat can't start: {why}", why=why)
        if sys.__stderr__ is not None:
            print(self, file=sys.__stderr__)


class Starter:
    """The standard error of the process that starts a daemon, for the daemon until it has started.

    After the fork a daemon has no standard error of its own, and its parent shows only the
    beginning of an error, as bytes. So the daemon writes the error here. The text of its parent,
    which names the exception, is dropped.
    """

    def __init__(self) -> None:
        self._before = sys.__stderr__
        self._file = os.dup(2)
        sys.__stderr__ = self  # type: ignore[assignment,misc]

    def write(self, text: str) -> None:
        """Write a text, unless it repeats the exception."""
        if StartError.__name__ not in text:
            os.write(self._file, text.encode(errors="replace"))

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def close(self) -> None:
        """Close the file: the process that started the daemon may wait for its end."""
        sys.__stderr__ = self._before  # type: ignore[misc]
        os.close(self._file)


class ChatService(Service):
    """The chat on its ports.

    :param endpoints: where to listen, each with how it was written; none for port 7007 on all
        addresses, IPv4 and IPv6.
    :param console: whether standard input and output are a member, too.
    :param twistd: its options, which tell where the pid file and the log are.
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
        """Be a part of an application; where its log is a file, it is ours.

        :raises SystemExit: if that can't be opened.
        """
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        if self._twistd and not self._twistd.get("nodaemon"):
            with suppress(OSError):  # Whoever starts it has none either.
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
        """Listen, while the process may still bind any port."""
        if self._twistd.get("pidfile"):
            hold_pid_file(self._twistd["pidfile"])
        self._raise_open_files()
        for description, endpoint in self._endpoints or _everywhere(self._reactor):
            self._listen(description, endpoint)

    def startService(self) -> None:
        """Open the history, as the user that the service runs as; then people can come in."""
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
        # What was made until now stays. To look for garbage in it, again and again, would hold up
        # everybody for some 20 ms. Events are many and in no cycle: not each 700 are a reason.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_AT, *gc.get_threshold()[1:])
        self._stopping = self._reactor.addSystemEventTrigger("before", "shutdown", self._going_down)
        self._signals.start()
        # Only a running reactor handles SIGTERM, which may follow as soon as the log says this.
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
        """Stop accepting, commit and show what was said, tell everyone why, and close."""
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
        """Stop the whole process, unless it stops already."""
        if self.running:
            self._why = why
            self._reactor.callWhenRunning(self._reactor.stop)

    def _going_down(self) -> None:
        """Ignore signals that would stop what stops already: the reactor would call it an error."""
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
            return  # Standard input and output: a connection, not a port.
        self.ports.append(port)
        # The endpoint's own default, 50, makes a burst of connections wait for seconds.
        listener = getattr(port, "socket", None)
        if listener is not None:
            listener.listen(BACKLOG)
            if listener.family in (socket.AF_INET, socket.AF_INET6):
                # Telnet sends its data mark as urgent data, which stays where it was sent. What is
                # accepted inherits this.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)

    def _raise_open_files(self) -> None:
        """Allow as many open files as the system lets us, and say so if they are too few."""
        wanted = self.factory.limits.max_connections
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for most in (hard, max(hard, wanted + SPARE_FILES)):  # The second one as root.
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
                soft = most
        if soft < wanted + SPARE_FILES or not wanted:
            self.factory.most = max(1, soft - SPARE_FILES)  # 0 would be any number
        if soft < wanted + SPARE_FILES:
            log.warn(
                "the system allows {soft} open files: at most {most} connections, not {wanted}",
                soft=soft,
                most=self.factory.most,
                wanted=wanted,
            )


def _everywhere(reactor: Any) -> list[tuple[str, IStreamServerEndpoint]]:
    """Port 7007 on all addresses: one socket for both families where the system has both."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
            both = not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        return [("tcp:7007", TCP4ServerEndpoint(reactor, 7007))]
    six: tuple[str, IStreamServerEndpoint] = ("port 7007", TCP6ServerEndpoint(reactor, 7007))
    return [six] if both else [six, ("tcp:7007", TCP4ServerEndpoint(reactor, 7007))]


def _make_way(description: str, endpoint: Any) -> None:
    """Remove what is left of a Unix socket that was listened on, if it is one."""
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
    # Of Twisted's lock beside a Unix socket.
    return "address already in use" if cause == "Cannot acquire lock" else str(cause)
