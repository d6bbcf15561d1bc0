#!/bin/sh
# Twisted 26.10.0, twisted.protocols.haproxy: a PROXY header for an unknown peer closes the connection.
#
# Believed: a "haproxy:tcp:…" endpoint (proxyEndpoint) takes every valid header of the PROXY
# protocol, version 1. The specification (section 2.1) has one short form: "PROXY UNKNOWN\r\n", for a
# connection whose addresses the proxy does not know, and says that the receiver must then use those
# of the connection itself and ignore what stands before the line's end. HAProxy sends that line, in
# this form, for what it accepted on a unix socket.
#
# What happens: the parser splits off a second field where there is none, and raises
# InvalidProxyHeader; the wrapper closes the connection without a word. With anything behind
# the word, even one blank, the same header is taken. A header whose first piece is shorter than
# eight bytes is refused as well, though TCP may cut it anywhere.
#
# Why it matters to a chat: whoever comes over the proxy's unix socket (a web frontend, an SSH tunnel on
# the same machine) is cut off at once, and neither side logs why.

set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'Twisted==26.10.0'
"$work/venv/bin/python" - <<'PYTHON'
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory


class Talk(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)


def taken(*pieces):
    """Tell whether a connection lives after these bytes, and what it says to a line behind them."""
    protocol = HAProxyWrappingFactory(Factory.forProtocol(Talk)).buildProtocol(None)
    transport = StringTransportWithDisconnection()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    for piece in pieces:
        protocol.dataReceived(piece)
    if transport.connected:
        protocol.dataReceived(b"hello\n")
    return transport.connected, transport.value()


cases = {
    "full header": ([b"PROXY TCP4 192.0.2.7 192.0.2.8 40000 7007\r\n"], True),
    "UNKNOWN with a field behind it": ([b"PROXY UNKNOWN \r\n"], True),
    "UNKNOWN": ([b"PROXY UNKNOWN\r\n"], False),
    "full header in two pieces, the first of five bytes": (
        [b"PROXY", b" TCP4 192.0.2.7 192.0.2.8 40000 7007\r\n"],
        False,
    ),
}
for what, (pieces, wanted) in cases.items():
    lives, said = taken(*pieces)
    print(f"{what}: {'taken' if lives else 'closed without a word'}")
    assert lives is wanted and said == (b"hello\n" if wanted else b""), "this has changed"
PYTHON
