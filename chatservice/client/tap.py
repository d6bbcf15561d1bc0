"""The command line: ``chat-client``, and ``twistd -n chat-client``.

The exit status is

0
    when a person has left, or when all that a program said is stored;
1
    when the server was not there, or refused the client or a line;
130
    when a program was interrupted.
"""

from __future__ import annotations

import atexit
import getpass
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.python.usage import UsageError

from chatservice import __version__
from chatservice.client.address import BadAddress, endpoint_at, joined
from chatservice.client.screen.app import Screen
from chatservice.client.screen.plain import Plain
from chatservice.client.stored.state import Entrance, Memory, server_at, state_folder
from chatservice.client.streams.jsonlines import JsonLines
from chatservice.client.streams.pipe import Pipe
from chatservice.client.streams.program import Program, complain
from chatservice.clock import go_by_monotonic
from chatservice.options import OneLineOptions
from chatservice.text.sanitising import decode, safe

_FOR_LINES: Final = "--batch and --tail are for lines that are piped"

_TAIL_MOST: Final = 10_000


class Options(OneLineOptions):
    """The options of the client, for ``chat-client`` and for twistd."""

    program = "chat-client"
    arguments = "[options] [HOST[:PORT] | HOST PORT | ENDPOINT]"
    longdesc = (
        "Talk to a chat. On a terminal, /quit or Ctrl-D leaves. Lines piped in are said one by one."
        " The default address is localhost:7007. ENDPOINT is one of Twisted's: tls:HOST:PORT,"
        " tls:HOST:PORT:trustRoots=FOLDER, unix:FILE. Exit status: 0 if everything said is stored,"
        " 1 if not, with a sentence that says why, 130 if interrupted."
    )

    optParameters = [
        [
            "name",
            None,
            None,
            "your name [default: your last one; else you are asked, or in a pipe your login]",
        ],
        ["tail", None, None, "in a pipe, say only the last N lines, and how many were left out"],
    ]
    optFlags = [
        ["batch", None, "in a pipe, join waiting lines, as many as one message can hold"],
        ["json", None, "read and write the JSON objects of the machine protocol, one a line"],
        ["plain", None, "on a terminal, print lines one below another, and nothing else"],
        ["new", None, "forget your last session and start a new one"],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["rooms"] = []

    def getSynopsis(self) -> str:
        """Return the usage line, as twistd or ``chat-client`` shows it."""
        if self.parent is not None:
            self.synopsis = self.arguments
            return super().getSynopsis()
        return f"Usage: chat-client {self.arguments}"

    def opt_version(self) -> None:
        """show the version and exit"""
        print(f"chat-client {__version__}")
        raise SystemExit(0)

    def opt_room(self, room: str) -> None:
        """room to join [default: the server's first]; may be repeated, but not in a pipe"""
        self["rooms"].append(_line(room))

    def parseArgs(self, address: str = "localhost:7007", port: str | None = None) -> None:
        """Store the address.

        :raises UsageError: if two words are given that are not a host and a port.
        """
        try:
            self["address"] = address if port is None else joined(address, port)
        except BadAddress as error:
            raise UsageError(str(error)) from None

    def postOptions(self) -> None:
        """Check the options, and keep twistd's log off the terminal.

        :raises UsageError: if options don't fit together, or twistd would be a daemon.
        """
        if self["name"] is not None:
            self["name"] = _line(self["name"])
        if self["json"] and self["plain"]:
            raise UsageError("--plain is for people, and --json for programs")
        if self["json"] and (self["batch"] or self["tail"] is not None):
            raise UsageError(_FOR_LINES)
        if self["tail"] is not None:
            if not re.fullmatch("[0-9]{1,5}", self["tail"]) or not (
                0 < int(self["tail"]) <= _TAIL_MOST
            ):
                raise UsageError(f"--tail {self['tail']}: N is a number from 1 to {_TAIL_MOST:,}")
            self["tail"] = int(self["tail"])
        if self.parent is None:
            return
        if not self.parent.get("nodaemon", True) and not self.parent.get("debug"):
            raise UsageError("it talks on a terminal, so it can't be a daemon: twistd -n")
        if self.parent.get("logfile", "") is None:
            self.parent["logfile"] = "chat-client.log"
        if self.parent.get("pidfile") == "twistd.pid":
            # A server may run in the same folder, or another client.
            self.parent["pidfile"] = ""


def _line(argument: str) -> str:
    return safe(decode(os.fsencode(argument)))


class ChatClient(Service):
    """Runs a person or a program at the standard streams, then stops the reactor.

    :param start: called when the reactor runs, to begin.
    :param close: called after the shutdown of the reactor.
    :ivar status: the exit status; None until there is one.
    """

    status: int | None = None

    def __init__(
        self,
        reactor: Any,
        talker: Screen | Program,
        start: Callable[[], object],
        close: Callable[[], object],
    ) -> None:
        self.reactor = reactor
        self._talker = talker
        self._start = start
        self._close = close

    def startService(self) -> None:
        """Begin to talk; from now on Ctrl-C interrupts the person or program."""
        super().startService()  # type: ignore[no-untyped-call]
        # Programs that share the terminal, such as the shell, expect it to block.
        for stream in (0, 1):
            self._at_end(os.set_blocking, stream, os.get_blocking(stream))
        self._at_end(self._close)
        self._handler = signal.signal(
            signal.SIGINT,
            lambda number, frame: self.reactor.callFromThread(self._talker.interrupt),
        )
        self._talker.done.addCallback(self._ended)
        self.reactor.callWhenRunning(self._start)

    def stopService(self) -> Deferred[int] | None:
        """Hang up, without waiting for unsent lines."""
        super().stopService()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGINT, self._handler)
        return self._talker.stop()

    def _at_end(self, call: Callable[..., object], *arguments: object) -> None:
        self.reactor.addSystemEventTrigger("after", "shutdown", call, *arguments)

    def _ended(self, status: int) -> int:
        self.status = status
        if self.running:
            self.reactor.callWhenRunning(self.reactor.stop)
        return status


def make_client(options: Options) -> ChatClient:
    """Build the client that fits the options and the standard streams.

    :raises SystemExit: with one line that says what is wrong.
    """
    if sys.__stdin__ is None or sys.__stdout__ is None:
        raise SystemExit("chat-client: it needs a standard input and a standard output")
    person = not options["json"] and os.isatty(0)
    drawn = person and not options["plain"] and _has_screen()
    if drawn:
        from twisted.internet import asyncioreactor

        if "twisted.internet.reactor" not in sys.modules:
            asyncioreactor.install()
    from twisted.internet import reactor

    go_by_monotonic(reactor)
    address = options["address"]
    try:
        endpoint = endpoint_at(reactor, address)
    except BadAddress as error:
        raise SystemExit(f"chat-client: {error}") from None
    name, rooms = options["name"], options["rooms"]
    if person and (options["batch"] or options["tail"] is not None):
        raise SystemExit(f"chat-client: {_FOR_LINES}")
    if not (person or options["json"]) and len(rooms) > 1:
        raise SystemExit("chat-client: a pipe talks in one room")
    memory = Memory(state_folder(), complain)
    entrance = Entrance(reactor, endpoint, address, memory, person, bool(options["new"]))
    if person:
        desk: Plain | Editor = Plain(reactor)
        if drawn and isinstance(reactor, asyncioreactor.AsyncioSelectorReactor):
            from chatservice.client.screen.editor import Editor

            desk = Editor(memory.history())
        screen = Screen(
            reactor,
            address,
            memory.settings,
            desk,
            lambda listener: entrance.session(listener, name, rooms),
            rooms[0] if rooms else None,
        )
        memory.tell = screen.noticed
        return ChatClient(reactor, screen, lambda: screen.start(desk.open), entrance.close)
    program: JsonLines | Pipe
    if options["json"]:
        program = JsonLines(entrance, name, rooms)
    else:
        name = name or memory.name_at(server_at(address)) or _login()
        program = Pipe(entrance, name, rooms, batch=bool(options["batch"]), tail=options["tail"])
    return ChatClient(
        reactor, program, lambda: StandardIO(program, reactor=reactor), entrance.close
    )


def _login() -> str:
    try:
        return _line(getpass.getuser())
    except (KeyError, OSError):
        raise SystemExit("chat-client: there is no name: give one with --name") from None


def _has_screen() -> bool:
    """Return whether the terminal can draw, and prompt_toolkit is installed."""
    term = os.environ.get("TERM", "").lower()
    return (
        os.isatty(1)
        and term not in ("", "dumb", "unknown")
        and importlib.util.find_spec("prompt_toolkit") is not None
    )


def makeService(options: Options) -> ChatClient:
    """Build the client for twistd.

    The status is set at exit: twistd itself exits with 0, or by a signal.
    """
    client = make_client(options)
    atexit.register(_exit, client)
    return client


def _exit(client: ChatClient) -> None:
    if client.status:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(client.status)
