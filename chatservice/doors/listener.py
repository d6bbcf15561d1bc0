"""Where to listen, as an operator writes it: an endpoint of Twisted's, and options behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import ServerFactory
from zope.interface import implementer

from chatservice.doors.factory import ChatFactory
from chatservice.doors.proxy import ProxyFactory

OPTIONS: Final = ("telnet",)
"""The words that may stand behind an endpoint."""

_PARTS: Final = re.compile(rf"(.*?)((?: +(?:{'|'.join(OPTIONS)}))* *)", re.DOTALL)
_OPTION: Final = re.compile("[A-Za-z0-9_=,-]+")
_PROXIED: Final = "haproxy"


@dataclass(frozen=True)
class Listener:
    """What stands in one ``--listen``.

    :ivar endpoint: the endpoint, in Twisted's words.
    :ivar options: which of :data:`OPTIONS` stand behind it.
    """

    endpoint: str
    options: frozenset[str]

    @classmethod
    def parse(cls, description: str) -> Listener:
        """Part an endpoint from its options: the last words, as far as they are known.

        Other words with blanks before them belong to the endpoint: a path may have some.
        """
        found = _PARTS.fullmatch(description)
        assert found is not None
        return cls(found[1], frozenset(found[2].split()))

    def open(self, reactor: Any) -> IStreamServerEndpoint:
        """Make the endpoint; it does not listen yet.

        :param reactor: may be None to try whether it is one.
        :raises ValueError: if it is none, like other exceptions of the parts of an endpoint.
        """
        try:
            return self._open(reactor, self.endpoint)
        except Exception:
            first, *words = self.endpoint.split(" ")
            try:
                self._open(reactor, first)
            except Exception:
                words = []
            for word in words:
                if _OPTION.fullmatch(word) and word not in OPTIONS:
                    raise ValueError(
                        f"'{word}' is no option of a listener: there is {', '.join(OPTIONS)}"
                    ) from None
            raise

    def _open(self, reactor: Any, text: str) -> IStreamServerEndpoint:
        kind, _, rest = text.partition(":")
        proxied = kind.lower() == _PROXIED
        if proxied and rest.partition(":")[0].lower() == "ssl":
            # Twisted would look for the header inside TLS, where no proxy puts it.
            raise ValueError("behind a proxy, TLS is 'tls:'")
        try:
            endpoint: Any = serverFromString(reactor, rest if proxied else text)
        except LookupError:
            raise ValueError("systemd passed no such socket") from None
        if not 0 <= getattr(endpoint, "_port", 0) < 1 << 16:
            raise ValueError("a port is a number from 0 to 65535")
        return _Endpoint(endpoint, "telnet" in self.options, proxied)


@implementer(IStreamServerEndpoint)
@dataclass(frozen=True)
class _Endpoint:
    """An endpoint that listens for a chat."""

    _wrappedEndpoint: Any  # Under the name that Twisted's own wrappers have for it.
    _telnet: bool
    _proxied: bool

    def listen(self, factory: ChatFactory) -> Deferred[IListeningPort]:  # type: ignore[override]
        """See :meth:`.IStreamServerEndpoint.listen`."""
        made: IProtocolFactory = _Negotiating(factory) if self._telnet else factory
        endpoint = self._wrappedEndpoint
        if self._proxied:
            creator = getattr(endpoint, "connectionCreator", None)
            if creator is not None:
                # Only with TLS, which not everybody has installed.
                from twisted.protocols.tls import TLSMemoryBIOFactory

                # The header comes before TLS.
                made = TLSMemoryBIOFactory(creator, False, made, clock=endpoint.clock)
                endpoint = endpoint.endpoint
            made = ProxyFactory(factory, made)
        listening: Deferred[IListeningPort] = endpoint.listen(made)
        return listening


class _Negotiating(ServerFactory):
    """Makes the connections of a listener that speaks telnet."""

    noisy = False

    def __init__(self, factory: ChatFactory) -> None:
        self._factory = factory

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make a connection that asks for telnet's options when it is greeted."""
        protocol: Any = self._factory.buildProtocol(addr)
        protocol.negotiates = True
        return protocol
