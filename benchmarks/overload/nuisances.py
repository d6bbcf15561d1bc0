"""A process of nuisance connections, which never give a name.

Its arguments are a port, the count of each kind, and a seed. There are three kinds: silent ones,
ones that send a byte a second, and ones that send as fast as the server reads: noise, floods of
0xFF and floods of newlines, in turns. They connect at a bounded rate; a closed one reconnects.

When its input ends, the process writes its figures, and ends.
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import struct
import sys
import time
from collections import deque

HOST = "127.0.0.1"
RESET = struct.pack("ii", 1, 0)
RATE = 100
"""New connections a second."""
BUFFER = 32 << 10
"""Bytes in the kernel's send buffer of a connection; more are taken only as it is read."""
CHUNK = 4 << 10
SIZE = 1 << 20
LINE = 128
"""Bytes of a line of noise: too many to be granted as a name by chance."""
SILENT, TRICKLE, FLOOD = range(3)


def noise(seed: int) -> bytes:
    """Return random bytes, in lines."""
    source = random.Random(seed)
    endless = bytes.maketrans(b"\r\n", b"??")
    lines = (source.randbytes(LINE - 1).translate(endless) for _ in range(SIZE // LINE))
    return b"".join(line + b"\n" for line in lines)


class Nuisances:
    """All nuisance connections.

    :ivar sent: bytes that the kernel took.
    :ivar connected: the count of connections made.
    """

    def __init__(self, port: int, each: int, seed: int) -> None:
        self.sent = self.connected = 0
        self._port = port
        self._random = random.Random(seed)
        self._floods = (noise(seed), b"\xff" * SIZE, b"\n" * SIZE)
        self._epoll = select.epoll()
        self._sockets: dict[int, tuple[socket.socket, int]] = {}
        # The position of each in its flood.
        self._at: dict[int, int] = {}
        floods = (FLOOD + number % len(self._floods) for number in range(each))
        self._away = deque([*[SILENT] * each, *[TRICKLE] * each, *floods])
        self._trickling: deque[int] = deque()
        self._next = time.monotonic()
        self._next_byte = 0.0

    def run(self) -> None:
        """Serve the connections until the input ends."""
        self._epoll.register(sys.stdin, select.EPOLLIN)
        while True:
            for fd, events in self._epoll.poll(0.01):
                if fd not in self._sockets:
                    return
                self._handle(fd, events)
            now = time.monotonic()
            while self._away and self._next <= now:
                self._connect(self._away.popleft())
                self._next = max(self._next, now - 0.1) + 1 / RATE
            while self._trickling and self._next_byte <= now:
                self._trickle()
                self._next_byte = max(self._next_byte, now - 0.1) + 1 / len(self._trickling)

    def _connect(self, kind: int) -> None:
        peer = socket.socket()
        peer.setblocking(False)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        # Close with a reset, which discards unread bytes: a plain end would complete a line.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.connect_ex((HOST, self._port))
        self.connected += 1
        fd = peer.fileno()
        self._sockets[fd] = (peer, kind)
        self._at[fd] = LINE * self._random.randrange(SIZE // LINE)
        self._epoll.register(fd, select.EPOLLIN | (select.EPOLLOUT if kind >= FLOOD else 0))
        if kind == TRICKLE:
            self._trickling.append(fd)

    def _handle(self, fd: int, events: int) -> None:
        peer, kind = self._sockets[fd]
        try:
            if events & ~select.EPOLLOUT and not peer.recv(1 << 16):
                self._lost(fd)
                return
            if events & select.EPOLLOUT:
                at = self._at[fd]
                sent = peer.send(self._floods[kind - FLOOD][at : at + CHUNK])
                self._at[fd] = (at + sent) % SIZE
                self.sent += sent
        except BlockingIOError:
            pass
        except OSError:
            self._lost(fd)

    def _trickle(self) -> None:
        fd = self._trickling.popleft()
        peer, _ = self._sockets[fd]
        self._trickling.append(fd)
        try:
            self.sent += peer.send(b"?")
        except BlockingIOError:
            pass
        except OSError:
            self._lost(fd)

    def _lost(self, fd: int) -> None:
        peer, kind = self._sockets.pop(fd)
        if kind == TRICKLE:
            self._trickling.remove(fd)
        peer.close()
        self._away.append(kind)


def main() -> None:
    """Run nuisances as the arguments say, and print the figures."""
    port, each, seed = map(int, sys.argv[1:])
    # The measuring process has the same processor, and must go first.
    os.nice(19)
    nuisances = Nuisances(port, each, seed)
    nuisances.run()
    print(json.dumps({"sent": nuisances.sent, "connected": nuisances.connected}), flush=True)


if __name__ == "__main__":
    main()
