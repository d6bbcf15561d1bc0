"""Nodes of a cluster, ways to connect to them, and their stored histories."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from chatservice.core.rekeying import THE_SERVER
from chatservice.journal.events import JOINED, LEFT, RENAMED, TALK, TOPIC, Event
from tests.at_end import at_end
from tests.integration.brokers import DEPLOY, Brokers, Case, lasting_ports
from tests.integration.proxy import HOST
from tests.integration.support import (
    PATIENCE,
    TWISTD,
    UNHURRIED,
    Client,
    Server,
    eventually,
    folder_for,
    program,
    run,
)
from tests.integration.witness import (
    difference,
)

LEASE = 3.0

UNREACHED = r"can't be reached|takes no part|was taken for dead|the history refuses"
"""The lines that nodes log at an error's level while they can't reach their brokers."""


class _AtExit:
    def addCleanup(self, f: Any, *args: Any, **kwargs: Any) -> None:
        at_end(f, *args, **kwargs)


_shared: list[Brokers] = []


def shared_brokers() -> Brokers:
    """Return the three shared brokers, which no test harms; each test has its own chat there."""
    if not _shared:
        folder = Path(tempfile.mkdtemp(prefix="chatservice-test-"))
        at_end(shutil.rmtree, folder, ignore_errors=True)
        _shared.append(Brokers(_AtExit(), folder))
    return _shared[0]


class Node(Server):
    """A running node: ``twistd -n chat --cluster``, with a folder and a port of its own.

    :param urls: the URLs of the brokers.
    :param chat: the name of the chat at the brokers.
    :param proxied: whether clients of the node send the PROXY header.
    :param env: the environment of the node, if not ours.
    """

    def __init__(
        self,
        case: Case,
        urls: str,
        *options: str,
        chat: str = "chat",
        folder: Path | None = None,
        port: int | None = None,
        proxied: bool = False,
        troubles: str | None = None,
        env: dict[str, str] | None = None,
        command: tuple[str | Path, ...] = (TWISTD,),
    ) -> None:
        port = lasting_ports(1)[0] if port is None else port
        listen = f"{'haproxy:' if proxied else ''}tcp:{port}:interface={HOST}"
        cluster = ("--cluster", urls, "--cluster-name", chat)
        if "--lease" not in options:
            cluster += ("--lease", f"{LEASE:g}")
        self._words = (urls, *options)
        self._more = {
            "chat": chat, "port": port, "proxied": proxied, "troubles": troubles, "env": env,
            "command": command,
        }  # fmt: skip
        super().__init__(
            case,  # type: ignore[arg-type]
            *UNHURRIED,
            *cluster,
            *options,
            listen=(listen,),
            folder=folder,
            troubles=troubles,
            env=env,
            command=command,
        )

    def again(self, case: Case, **more: Any) -> Node:
        """Start the node again, in its folder and with its history."""
        return Node(case, *self._words, folder=self.folder, **{**self._more, **more})

    def in_vain(self) -> tuple[int, str]:
        """Start the node again, which must fail; return its status and its error messages."""
        urls, *options = self._words
        listen = f"tcp:{self._more['port']}:interface={HOST}"
        words = ("--cluster", urls, "--cluster-name", self._more["chat"], "--listen", listen)
        command = self._more["command"]
        done = run(*command, "-n", "--pidfile=", "chat", *words, *options, folder=self.folder)
        said = [line for line in done.stderr.splitlines() if line.startswith("chat: ")]
        return done.returncode, "\n".join(said)


def start(
    case: TestCase, count: int, urls: str, *options: str, **more: Any
) -> Deferred[list[Node]]:
    """Start several nodes at the same time, in threads, while the reactor goes on."""
    starting = [deferToThread(Node, case, urls, *options, **more) for _ in range(count)]
    return gatherResults(starting, consumeErrors=True)


@implementer(IStreamClientEndpoint)
class Anywhere:
    """An endpoint that connects to one node after the other, in turns.

    :param first: the index of the first node.
    """

    def __init__(self, ports: Sequence[int], first: int = 0) -> None:
        self._ports = itertools.cycle([*ports[first:], *ports[:first]])

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect to the next node."""
        return TCP4ClientEndpoint(reactor, HOST, next(self._ports)).connect(protocolFactory)


class Balancer:
    """HAProxy before three nodes, with the configuration in ``deploy``."""

    def __init__(self, case: TestCase, nodes: Sequence[Node]) -> None:
        haproxy = program("haproxy")
        (self.port,) = lasting_ports(1)
        environ = {f"CHAT_NODE_{n}": f"{HOST}:{node.port}" for n, node in enumerate(nodes, 1)}
        environ |= {"CHAT_BIND": f"{HOST}:{self.port}", "CHAT_MAXCONN": "200"}
        log = (folder_for(case) / "haproxy.log").open("wb")
        case.addCleanup(log.close)
        self._process = subprocess.Popen(
            [haproxy, "-db", "-f", str(DEPLOY / "haproxy.cfg")],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        case.addCleanup(self._end)
        eventually(lambda: self._listens(case), "the balancer")

    def _listens(self, case: TestCase) -> bool:
        assert self._process.poll() is None, "haproxy has ended"
        try:
            Client(case, (HOST, self.port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)


def stored(history: Path) -> list[Event]:
    """Return all events in a history file, which a server may still be writing."""
    with closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT id, at, room, kind, author, text, origin, seq FROM events ORDER BY id"
        ).fetchall()
    return [Event._make(row) for row in rows]


def _tips(histories: Sequence[Path]) -> set[Any]:
    tips = set()
    for history in histories:
        with closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as connection:
            tips.add(connection.execute("SELECT count(*), max(id) FROM events").fetchone())
    return tips


def same_history(case: TestCase, nodes: Sequence[Node]) -> Deferred[list[Event]]:
    """Wait until all nodes have stored the same events, and return them."""
    histories = [node.history for node in nodes]

    def read() -> list[list[Event]]:
        return [stored(history) for history in histories]

    def equal() -> list[list[Event]]:
        if len(_tips(histories)) > 1:
            return []
        first, *others = found = read()
        return found if all(other == first for other in others) else []

    def look() -> list[Event]:
        try:
            first, *_ = eventually(equal, "all nodes to have caught up")
        except AssertionError:
            first, *others = read()
            for number, other in enumerate(others, 1):
                if found := difference(other, first):
                    case.fail(
                        f"the history of node {number}, compared with that of node 0: {found}"
                    )
            raise
        check_presence(case, first)
        return first

    return deferToThread(look)


def check_presence(case: TestCase, events: Iterable[Event]) -> None:
    """Check that a name is one person at a time, and that only members of a room speak there.

    :param events: all events, from the beginning.
    """
    rooms: dict[str, dict[str, Event]] = {}
    for event in events:
        there = rooms.setdefault(event.room, {})
        if event.author == THE_SERVER:
            continue
        names = event.author.split(" ")
        if event.kind in (LEFT, RENAMED, TOPIC, *TALK):
            for name in names:
                case.assertIn(name, there, f"not there: {event}")
        if event.kind in (LEFT, RENAMED):
            for name in names:
                del there[name]
        if event.kind in (JOINED, RENAMED):
            for name in names if event.kind == JOINED else [event.text]:
                if name in there:
                    case.fail(f"there already, by {there[name]}: {event}")
                there[name] = event
