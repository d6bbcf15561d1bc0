"""Twisted's textbook chat: a LineReceiver that sends each line to each of the others.

It stands for most Twisted chats: a line is formatted once, and sendLine() is called for each
reader. The backlog of a slow reader has no bound.
"""

import resource
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import react
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure


class Chat(LineReceiver):
    """One connection: its first line names it, and every later line goes to the others."""

    delimiter = b"\n"  # an optional \r before it is stripped here
    MAX_LENGTH = 65536
    factory: Any  # a ChatFactory
    transport: Any
    name: bytes | None = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def lineReceived(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        if self.name is None:
            self.name = line
            self.factory.clients.add(self)
            self.sendLine(b"-- hello %s\r" % line)
            self.tell_others(b"-- %s joined\r" % line)
        else:
            self.tell_others(b"<%s> %s\r" % (self.name, line))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.name is not None:
            self.factory.clients.remove(self)
            self.tell_others(b"-- %s left\r" % self.name)

    def tell_others(self, line: bytes) -> None:
        for c in self.factory.clients:
            if c is not self:
                c.sendLine(line)


class ChatFactory(Factory):
    """Holds the connections that have a name."""

    protocol = Chat

    def __init__(self) -> None:
        self.clients: set[Chat] = set()


async def main(reactor: Any) -> None:
    endpoint = TCP4ServerEndpoint(reactor, 0, backlog=4096, interface="127.0.0.1")
    port = await endpoint.listen(ChatFactory())
    print(port.getHost().port, flush=True)
    await Deferred()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    react(main)
