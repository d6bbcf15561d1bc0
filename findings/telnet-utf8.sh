#!/bin/sh
# Debian's telnet (inetutils-telnet 2.4): it takes the middle of a character for a key.
#
# Believed: a line that is typed into telnet, in line mode and in UTF-8, arrives as it was typed, at least if it
# has no control characters. Every byte of a letter outside ASCII is 0x80 or more.
#
# What happens: as long as BINARY (RFC 856) was not agreed on, the client looks at seven bits of each byte
# when it compares it with its keys. So the second byte of "Ü", 0x9C, is its quit key (0x1C): the server gets
# "c3", then IAC BRK, and no rest of the letter. The second byte of the Cyrillic "у", 0x83, is Ctrl-C: the
# server gets "d1", then IAC IP, IAC DO TIMING-MARK, and the client throws away all that it is told until that is
# answered. On a port other than 23 it negotiates nothing by itself. Once both sides have agreed on BINARY, the same
# words arrive whole.
#
# Why it matters to a chat: people write German and Russian. A server that answers no telnet sees broken letters,
# and commands of which the protocol says that they interrupt; one that negotiates BINARY at the first
# sign of telnet can put back the byte that the command was.
#
# "-" before the port would make the client negotiate at once; without it, it waits for the server.

set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pexpect==4.9.0'
(cd "$work" && apt-get -qq download 'inetutils-telnet=2:2.4-2+deb12u3' && dpkg -x inetutils-telnet_*.deb telnet)
"$work/venv/bin/python" - "$work/telnet/usr/bin/inetutils-telnet" <<'PYTHON'
import re
import socket
import sys

import pexpect

ASK = b"\xff\xfd\x00\xff\xfb\x00"  # IAC DO BINARY, IAC WILL BINARY
AGREED = b"\xff\xfb\x00\xff\xfd\x00"


def typed(word, binary):
    """Return what a server gets of a word that is typed on a terminal."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    port = str(server.getsockname()[1])
    client = pexpect.spawn(sys.argv[1], ["127.0.0.1", port], timeout=10, env={"TERM": "vt100"})
    try:
        peer, _ = server.accept()
        peer.settimeout(10)
        client.expect("Escape character")
        got = b""
        if binary:
            peer.sendall(ASK)
            while not all(answer in got for answer in (AGREED[:3], AGREED[3:])):
                got += peer.recv(1000)
            got = b""
        client.send(word + "\r")
        while b"\n" not in got:
            more = peer.recv(1000)
            assert more, got
            got += more
            if b"\xff\xfd\x06" in more:
                peer.sendall(b"\xff\xfc\x06")  # WONT TIMING-MARK
        return got
    finally:
        client.close(force=True)
        server.close()


for word, broken in (("Übung", b"\xc3\xff\xf3"), ("ну", b"\xd0\xbd\xd1\xff\xf4\xff\xfd\x06")):
    plain, agreed = typed(word, False), typed(word, True)
    print(f"{word} is {word.encode().hex(' ')}: plain {plain.hex(' ')}, with BINARY {agreed.hex(' ')}")
    assert plain.startswith(broken) and word.encode() not in plain, "this has changed"
    assert word.encode() in agreed, "this has changed"
PYTHON
