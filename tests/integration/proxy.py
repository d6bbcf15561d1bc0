"""A wire that a test owns: it brings bytes to a server and back, counts them, and is cut."""

from __future__ import annotations

from enum import Enum
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

HOST = "127.0.0.1"


class Way(Enum):
    """From the client to the server, or back."""

    UP = "up"
    DOWN = "down"


class How(Enum):
    """What both ends of a connection see of its end."""

    RESET = "reset"
    END = "end"
    GHOST = "ghost"
    """The client sees a reset, and the server nothing at all: it takes the connection for alive."""


class Proxy:
    """Listens, and connects whoever connects to it with the server.

    :param port: of the server; may be changed while there is no connection.
    :ivar passed: bytes that went through, either way, in all connections.
    :ivar cuts: how many connections were cut.
    """

    def __init__(self, case: TestCase, port: int) -> None:
        self.port = port
        self.passed = dict.fromkeys(Way, 0)
        self.cuts = 0
        self._limits: dict[Way, tuple[int, How, Deferred[None]]] = {}
        self._links: set[_Link] = set()
        self._gone: Deferred[None] | None = None
        self._listening: Any = reactor.listenTCP(0, _Listening(self), interface=HOST)
        case.addCleanup(self.stop)

    @property
    def endpoint(self) -> IStreamClientEndpoint:
        """Where a client connects to."""
        return TCP4ClientEndpoint(reactor, HOST, self._listening.getHost().port)

    @property
    def address(self) -> str:
        """The same in words."""
        return f"{HOST}:{self._listening.getHost().port}"

    @property
    def connected(self) -> int:
        """How many connections of clients there are."""
        return sum(link.client is not None for link in self._links)

    def cut_after(self, way: Way, count: int, how: How) -> Deferred[None]:
        """Cut the connection that brings byte number ``count`` one way, right behind it.

        :return: fires when that is done.
        """
        done: Deferred[None] = Deferred()
        self._limits[way] = self.passed[way] + count, how, done
        return done

    def cut(self, how: How) -> int:
        """Cut all connections now; return how many there were."""
        there = [link for link in self._links if link.client is not None]
        for link in there:
            link.cut(how)
        return len(there)

    def bury(self) -> None:
        """Let the server know of the connections that are none any more."""
        for link in list(self._links):
            if link.client is None:
                link.close(How.RESET)

    def stop(self) -> Deferred[None]:
        """Close everything; fires when all of it is closed."""
        gone: Deferred[None] = Deferred()
        self._gone = gone
        stopped = self._listening.stopListening()
        for link in list(self._links):
            link.close(How.RESET)
        self._look_whether_all_are_gone()
        return gone.addCallback(lambda _: stopped)

    # What the connections tell

    def made(self, link: _Link) -> None:
        """There is a connection, which may have to be cut before its first byte."""
        self._links.add(link)
        for way in Way:
            if self._left(way) == 0:
                self._cut(link, way)

    def pass_on(self, link: _Link, way: Way, data: bytes) -> None:
        """Bring bytes to the other end, or those that still come through."""
        left = self._left(way)
        some = data if left is None else data[:left]
        self.passed[way] += len(some)
        link.write(way, some)
        if left is not None and len(some) == left:
            self._cut(link, way)

    def _left(self, way: Way) -> int | None:
        return self._limits[way][0] - self.passed[way] if way in self._limits else None

    def _cut(self, link: _Link, way: Way) -> None:
        _, how, done = self._limits.pop(way)
        link.cut(how)
        done.callback(None)

    def gone(self, link: _Link) -> None:
        """Both halves of a connection are closed."""
        self._links.discard(link)
        self._look_whether_all_are_gone()

    def _look_whether_all_are_gone(self) -> None:
        if self._gone is not None and not self._gone.called and not self._links:
            self._gone.callback(None)


class _Listening(Factory):
    noisy = False

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def buildProtocol(self, addr: object) -> Protocol:
        return _Half(_Link(self._proxy), Way.UP)


class _Link:
    """A connection of a client, and the one to the server that goes with it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._connecting: Deferred[Any] | None = None
        self.client: _Half | None = None
        self.server: _Half | None = None
        self._cut = False

    def made(self, half: _Half) -> None:
        if half.way is Way.DOWN:
            self.server = half
            if self.client is not None:
                self.client.transport.resumeProducing()
            return
        self.client = half
        self._proxy.made(self)
        if not self._cut:
            # So no byte is read that can't be passed on.
            half.transport.pauseProducing()
            endpoint = TCP4ClientEndpoint(reactor, HOST, self._proxy.port)
            factory = Factory.forProtocol(lambda: _Half(self, Way.DOWN))
            factory.noisy = False
            self._connecting = endpoint.connect(factory)
            self._connecting.addBoth(self._connected)

    def _connected(self, result: object) -> None:
        self._connecting = None
        if isinstance(result, Failure):
            # Nobody is there: the client sees that as a connection that ends at once.
            self.close(How.END)
            self._look()

    def take(self, half: _Half, data: bytes) -> None:
        if not self._cut:
            self._proxy.pass_on(self, half.way, data)

    def write(self, way: Way, data: bytes) -> None:
        half = self.server if way is Way.UP else self.client
        if half is not None:
            half.write(data)

    def cut(self, how: How) -> None:
        self._proxy.cuts += 1
        self._cut = True
        self.close(how)

    def close(self, how: How) -> None:
        self._cut = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self.client is not None:
            self.client.close(how)
        if self.server is not None and how is not How.GHOST:
            self.server.close(how)

    def lost(self, half: _Half) -> None:
        other = self.client if half.way is Way.DOWN else self.server
        if half.way is Way.DOWN:
            self.server = None
        else:
            self.client = None
        if not self._cut and other is not None:
            other.close(How.END)
        self._look()

    def _look(self) -> None:
        if self.client is None and self.server is None and self._connecting is None:
            self._proxy.gone(self)


class _Half(Protocol):
    """One end, where data comes in that goes one way."""

    transport: Any

    def __init__(self, link: _Link, way: Way) -> None:
        self._link = link
        self.way = way

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._link.made(self)

    def dataReceived(self, data: bytes) -> None:
        self._link.take(self, data)

    def write(self, data: bytes) -> None:
        # At once, so that what comes next, a cut, comes behind it.
        if data:
            self.transport.write(data)
            self.transport.doWrite()

    def close(self, how: How) -> None:
        if how is How.END:
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._link.lost(self)
