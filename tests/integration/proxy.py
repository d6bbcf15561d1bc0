"""A proxy under the control of a test: passes bytes to a server and back, counts and cuts."""

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
    """A direction: from the client to the server, or back."""

    UP = "up"
    DOWN = "down"


class How(Enum):
    """The way in which both ends of a connection see its end."""

    RESET = "reset"
    END = "end"
    GHOST = "ghost"
    """The client sees a reset; the server sees nothing, and takes the connection for alive."""


class Proxy:
    """A proxy: listens, and connects each client to the server.

    :param port: the server's port; may be changed while there is no connection.
    :ivar passed: bytes passed in each direction, in all connections.
    :ivar cuts: the count of connections cut.
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
        """The endpoint to which a client connects."""
        return TCP4ClientEndpoint(reactor, HOST, self._listening.getHost().port)

    @property
    def address(self) -> str:
        """The host and port to which a client connects, as text."""
        return f"{HOST}:{self._listening.getHost().port}"

    @property
    def connected(self) -> int:
        """The count of clients' connections."""
        return sum(link.client is not None for link in self._links)

    def cut_after(self, way: Way, count: int, how: How) -> Deferred[None]:
        """Cut the connection that brings byte number ``count`` one way, right behind it.

        :return: fires when the connection is cut.
        """
        done: Deferred[None] = Deferred()
        self._limits[way] = self.passed[way] + count, how, done
        return done

    def cut(self, how: How) -> int:
        """Cut all connections now; return their count."""
        there = [link for link in self._links if link.client is not None]
        for link in there:
            link.cut(how)
        return len(there)

    def bury(self) -> None:
        """Reset the server's half of each connection whose client is gone."""
        for link in list(self._links):
            if link.client is None:
                link.close(How.RESET)

    def stop(self) -> Deferred[None]:
        """Close the port and all connections; fires when all are closed."""
        gone: Deferred[None] = Deferred()
        self._gone = gone
        stopped = self._listening.stopListening()
        for link in list(self._links):
            link.close(How.RESET)
        self._look_whether_all_are_gone()
        return gone.addCallback(lambda _: stopped)

    # Calls of the connections

    def made(self, link: _Link) -> None:
        """Add a new connection; cut it if a limit is reached before its first byte."""
        self._links.add(link)
        for way in Way:
            if self._left(way) == 0:
                self._cut(link, way)

    def pass_on(self, link: _Link, way: Way, data: bytes) -> None:
        """Pass bytes on to the other end, up to the limit if there is one."""
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
        """Remove a connection of which both halves are closed."""
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
    """A client's connection, with its own connection to the server."""

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
            # Read no byte before it can be passed on.
            half.transport.pauseProducing()
            endpoint = TCP4ClientEndpoint(reactor, HOST, self._proxy.port)
            factory = Factory.forProtocol(lambda: _Half(self, Way.DOWN))
            factory.noisy = False
            self._connecting = endpoint.connect(factory)
            self._connecting.addBoth(self._connected)

    def _connected(self, result: object) -> None:
        self._connecting = None
        if isinstance(result, Failure):
            # No server listens: end the client's connection at once.
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
    """One end of a link; ``way`` is the direction of the bytes that it receives."""

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
        # Write at once, so that a cut comes after these bytes.
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
