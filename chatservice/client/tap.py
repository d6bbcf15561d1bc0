"""The command line: ``chat-client``, and ``twistd -n chat-client``."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.stdio import StandardIO
from twisted.python.usage import UsageError

from chatservice import __version__
from chatservice.chat.text import decode, safe
from chatservice.client.address import BadAddress, endpoint_at
from chatservice.client.pipe import Pipe
from chatservice.client.stdio import StandardStreams
from chatservice.client.terminal import Terminal
from chatservice.options import OneLineOptions


class Options(OneLineOptions):
    """The options of the client, whichever way it is started."""

    program = "chat-client"
    arguments = "[options] [HOST[:PORT] | ENDPOINT]"
    longdesc = (
        "Talks to a chat: on a terminal until you type /quit or Ctrl-D, through a pipe line by"
        " line. Without an address it is that of localhost:7007. An endpoint is one of Twisted's:"
        " tls:HOST:PORT, tls:HOST:PORT:trustRoots=FOLDER, unix:FILE."
    )

    optParameters = [
        ["name", None, None, "name to come in with [default: you are asked, a pipe's first line]"],
    ]

    def getSynopsis(self) -> str:
        """Say how it is called."""
        if self.parent is not None:
            self.synopsis = self.arguments
            return super().getSynopsis()
        return f"Usage: chat-client {self.arguments}"

    def opt_version(self) -> None:
        """show the version and exit"""
        print(f"chat-client {__version__}")
        raise SystemExit(0)

    def parseArgs(self, address: str = "localhost:7007") -> None:
        """Take the address."""
        self["address"] = address

    def postOptions(self) -> None:
        """Make a name one line; have twistd leave the terminal to the chat.

        :raises UsageError: if twistd is to go to the background.
        """
        if self["name"] is not None:
            self["name"] = safe(decode(os.fsencode(self["name"])))
        if self.parent is None:
            return
        if not self.parent.get("nodaemon", True) and not self.parent.get("debug"):
            raise UsageError("it talks on a terminal, so it can't be a daemon: twistd -n")
        if self.parent.get("logfile", "") is None:
            self.parent["logfile"] = "chat-client.log"
        if self.parent.get("pidfile") == "twistd.pid":
            # A server may run in the same folder, or another client.
            self.parent["pidfile"] = ""


class ChatClient(Service):
    """Talks on the standard streams, and stops the reactor when that is over.

    :ivar status: the exit status, once there is one.
    """

    status: int | None = None

    def __init__(
        self,
        reactor: Any,
        talker: StandardStreams,
        attach: Callable[..., object] = StandardIO,
    ) -> None:
        self.reactor = reactor
        self._talker = talker
        self._attach = attach

    def startService(self) -> None:
        """Begin to talk; from now on Ctrl-C ends that, and all with it."""
        super().startService()  # type: ignore[no-untyped-call]
        # Whoever else has the terminal open, a shell say, does not expect it not to block.
        for stream in (0, 1):
            self.reactor.addSystemEventTrigger(
                "after", "shutdown", os.set_blocking, stream, os.get_blocking(stream)
            )
        self._handler = signal.signal(signal.SIGINT, self._interrupted)
        self._talker.ended.addCallback(self._ended)
        self._attach(self._talker, reactor=self.reactor)

    def stopService(self) -> None:
        """Hang up; what is not sent yet is not waited for."""
        super().stopService()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGINT, self._handler)
        self._talker.end(1)

    def _interrupted(self, number: int, frame: object) -> None:
        self.reactor.callFromThread(self._talker.interrupt)

    def _ended(self, status: int) -> None:
        self.status = status
        if self.running:
            self.reactor.callWhenRunning(self.reactor.stop)


def make_client(options: Options) -> ChatClient:
    """Build the client; what is on the standard input decides how it talks.

    :raises SystemExit: with one line that says what is wrong.
    """
    if sys.__stdin__ is None or sys.__stdout__ is None:
        raise SystemExit("chat-client: it needs a standard input and a standard output")
    from twisted.internet import reactor

    address = options["address"]
    try:
        endpoint = endpoint_at(reactor, address)
    except BadAddress as error:
        raise SystemExit(f"chat-client: {error}") from None
    kind = Terminal if os.isatty(0) else Pipe
    return ChatClient(reactor, kind(reactor, endpoint, address, options["name"]))


def makeService(options: Options) -> ChatClient:
    """Build the client for twistd, which knows no exit status but that of a signal."""
    client = make_client(options)
    atexit.register(_exit, client)
    return client


def _exit(client: ChatClient) -> None:
    if client.status:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(client.status)
