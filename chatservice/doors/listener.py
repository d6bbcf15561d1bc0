"""The places to listen on, as ``--listen`` gives them: a Twisted endpoint and options behind it."""

from __future__ import annotations

import re
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


def parted(description: str) -> tuple[str, bool]:
    """Separate an endpoint from its options, which are the known words at the end.

    All other words belong to the endpoint, because a path may contain blanks.

    :param description: the text of one ``--listen``.
    :returns: the endpoint, in Twisted's syntax, and whether its connections speak telnet.
    """
    found = _PARTS.fullmatch(description)
    assert found is not None
    return found[1], bool(found[2].strip())


@implementer(IStreamServerEndpoint)
class Listener:
    """An endpoint on which the chat listens, with its PROXY header, TLS and telnet options.

    :param reactor: None only to check the description.
    :param description: the text of one ``--listen``.
    :raises ValueError: if the description is wrong. Twisted's endpoints may raise other exceptions.
    """

    def __init__(self, reactor: Any, description: str) -> None:
        text, self._telnet = parted(description)
        try:
            # Twisted's own wrappers use this name for the inner endpoint.
            self._wrappedEndpoint, self._proxied = _made(reactor, text)
        except Exception:
            first, *words = text.split(" ")
            try:
                _made(reactor, first)
            except Exception:
                words = []
            for word in words:
                if _OPTION.fullmatch(word) and word not in OPTIONS:
                    raise ValueError(
                        f"'{word}' is no option of a listener: there is {', '.join(OPTIONS)}"
                    ) from None
            raise

    def listen(self, factory: ChatFactory) -> Deferred[IListeningPort]:  # type: ignore[override]
        """See :meth:`.IStreamServerEndpoint.listen`."""
        made: IProtocolFactory = _Negotiating(factory) if self._telnet else factory
        endpoint = self._wrappedEndpoint
        if self._proxied:
            creator = getattr(endpoint, "connectionCreator", None)
            if creator is not None:
                # Imported only here, because the TLS packages may not be installed.
                from twisted.protocols.tls import TLSMemoryBIOFactory

                # The PROXY header comes before TLS.
                made = TLSMemoryBIOFactory(creator, False, made, clock=endpoint.clock)
                endpoint = endpoint.endpoint
            made = ProxyFactory(factory, made)
        listening: Deferred[IListeningPort] = endpoint.listen(made)
        return listening


def _made(reactor: Any, text: str) -> tuple[Any, bool]:
    """Return a Twisted endpoint, and whether it is behind a proxy."""
    kind, _, rest = text.partition(":")
    proxied = kind.lower() == "haproxy"
    if proxied and rest.partition(":")[0].lower() == "ssl":
        # Twisted would look for the PROXY header inside TLS, where no proxy puts it.
        raise ValueError("behind a proxy, TLS is 'tls:'")
    try:
        endpoint: Any = serverFromString(reactor, rest if proxied else text)
    except LookupError:
        raise ValueError("systemd passed no such socket") from None
    if not 0 <= getattr(endpoint, "_port", 0) < 1 << 16:
        raise ValueError("a port is a number from 0 to 65535")
    return endpoint, proxied


class _Negotiating(ServerFactory):
    """Makes connections that negotiate telnet's options, for a listener with ``telnet``."""

    noisy = False

    def __init__(self, factory: ChatFactory) -> None:
        self._factory = factory

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make a connection that negotiates telnet's options when it is greeted."""
        protocol: Any = self._factory.buildProtocol(addr)
        protocol.negotiates = True
        return protocol
