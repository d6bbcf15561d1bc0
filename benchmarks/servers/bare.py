"""The barest Twisted server: it greets a connection's first line and ignores all others.

It shows the cost of an idle connection in Twisted itself: the least memory of any server on a
LineReceiver.
"""

import resource
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.protocols.basic import LineReceiver


class Bare(LineReceiver):
    """One connection; only whether it was greeted is known of it."""

    delimiter = b"\n"  # an optional \r before it is stripped here
    MAX_LENGTH = 65536
    greeted = False

    def lineReceived(self, line: bytes) -> None:
        if not self.greeted:
            self.greeted = True
            self.sendLine(b"-- hello %s\r" % line.removesuffix(b"\r"))


class BareFactory(Factory):
    """Makes connections that do not refer to it."""

    def buildProtocol(self, addr: object) -> Bare:
        return Bare()


async def main(reactor: Any) -> None:
    endpoint = TCP4ServerEndpoint(reactor, 0, backlog=4096, interface="127.0.0.1")
    port = await endpoint.listen(BareFactory())
    print(port.getHost().port, flush=True)
    await Deferred()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    react(main)
