"""A load of people: speakers who never stop, and crowds who listen or stall.

A process is one group of speakers or one crowd. The test sends commands as lines on the standard
input; each is answered, when it is done, by a line of JSON on the standard output.

    load.py speakers PORT NAME…             commands: forget, say LINES RATE
    load.py crowd PORT TLS_PORT NAME COUNT  commands: the methods of `Crowd`

Every listener can check a bulk line: it is its speaker's own count, and text that follows from the
count.
"""

import gc
import json
import os
import random
import select
import selectors
import socket
import ssl
import sys
import time
import zlib
from collections.abc import Callable

HOST = "127.0.0.1"
LINE = 1900
"""Characters of a bulk line."""
BEAT = 0.01
"""Seconds from one burst of bulk lines to the next; of probes, on average."""
AT_ONCE = 256 << 10
"""Bytes read from one connection before the next has its turn."""
STALLED = "stalled"
"""The beginning of the name of a crowd that is to stall."""
SMALL = 16 << 10
"""Bytes of the receive buffer of each person in such a crowd."""
PROBER = b"<prober>"
START = b"<prober> the start"
END = b"<prober> the end"


def bulk(number: int) -> bytes:
    """Return the text of a speaker's line of a number."""
    unique = b"%08d %08x " % (number, zlib.crc32(b"%d" % number))
    return (unique * (LINE // len(unique) + 1))[: LINE - 1] + b"."


class Transcript:
    """A compact record of the lines that a person heard, to check them for completeness and order.

    Between the prober's start and end, the lines of each speaker are kept as a checksum, and the
    order of all lines as another.
    """

    def __init__(self) -> None:
        self.heard = 0
        self.wrong: list[str] = []
        self.sums: dict[str, int] = {}
        self.order = 0
        self.lines = 0
        self.ended = False
        self.latencies: list[float] = []
        self._started = False
        self._next: dict[bytes, int] = {}
        self._rest = b""

    def feed(self, data: bytes, now: int) -> None:
        """Add received bytes; ``now`` is the time in nanoseconds."""
        lines = (self._rest + data).split(b"\r\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"<"):
                self._hear(line, now)

    def _hear(self, line: bytes, now: int) -> None:
        if line == START:
            self._started = True
            self.ended = False
            self.sums = {}
            self.order = self.lines = 0
            return
        if line == END:
            self.ended = True
            return
        who, count, words = line.split(b" ", 2)
        number = int(count)
        if number != self._next.get(who, number):
            self.wrong.append(f"{line[:40]!r} came where {self._next[who]} was due")
        self._next[who] = number + 1
        if who == PROBER:
            self.latencies.append((now - int(words)) / 1e6)
        else:
            self.heard += 1
        if self._started and not self.ended:
            name = who.decode()
            self.sums[name] = zlib.crc32(line, self.sums.get(name, 0))
            self.order = zlib.crc32(line[:40], self.order)
            self.lines += 1

    def summary(self) -> dict[str, object]:
        """Return the record as values for JSON."""
        return {
            "lines": self.lines,
            "order": self.order,
            "sums": {name: value for name, value in self.sums.items() if name != PROBER.decode()},
            "wrong": self.wrong[:3],
            "ended": self.ended,
        }


class Person:
    """A person's connection, in the lobby."""

    def __init__(self, port: int, name: str, tls: bool = False, receive: int = 0) -> None:
        plain = socket.socket()
        if receive:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        plain.settimeout(60)
        plain.connect((HOST, port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = _encrypted(plain) if tls else plain
        self.transcript = Transcript()
        self.socket.sendall(name.encode() + b"\n")
        greeting = b""
        while b"-- you are in #lobby" not in greeting:
            data = self.socket.recv(4096)
            if not data:
                raise EOFError(f"{name} was not let in: {greeting!r}")
            greeting += data
        self.transcript.feed(greeting, 0)
        self.socket.setblocking(False)

    def say(self, *lines: bytes) -> None:
        """Send lines, all of them, and discard received bytes meanwhile."""
        data = memoryview(b"\n".join(lines) + b"\n")
        while data:
            select.select([self.socket], [self.socket], [])
            self.ignore()
            try:
                data = data[self.socket.send(data) :]
            except BlockingIOError:
                continue

    def ignore(self) -> None:
        """Discard the available bytes."""
        while self._received(AT_ONCE):
            pass

    def sip(self, most: int) -> None:
        """Read at most ``most`` bytes, and record them."""
        self.transcript.feed(self._received(most), time.monotonic_ns())

    def listen(self) -> None:
        """Read the available bytes, up to :data:`AT_ONCE` or a little more, and record them."""
        left = AT_ONCE
        while left > 0 and (data := self._received(left)):
            self.transcript.feed(data, time.monotonic_ns())
            left -= len(data)
            if left <= 0 and isinstance(self.socket, ssl.SSLSocket):
                # No selector reports bytes that are already decrypted.
                left = self.socket.pending()

    def _received(self, most: int) -> bytes:
        try:
            data = self.socket.recv(most)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""
        if not data:
            raise EOFError("the server closed the connection")
        return data


def _encrypted(plain: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def answer(**what: object) -> None:
    """Print the answer to the last command."""
    print(json.dumps(what), flush=True)


class Speakers:
    """Several people who say bulk lines, in turns, at a common rate.

    The lines of each, as they are shown, are kept as a checksum.
    """

    def __init__(self, port: int, names: list[str]) -> None:
        self.people = {name: Person(port, name) for name in names}
        self.counts = dict.fromkeys(names, 0)
        self.forget()

    def forget(self) -> None:
        """Reset the checksums."""
        self.sums = dict.fromkeys((f"<{name}>" for name in self.people), 0)

    def say(self, lines: int, rate: int) -> None:
        """Say a number of lines, at ``rate`` bytes a second."""
        began = time.monotonic()
        left = lines
        due = 0.0
        while left:
            for name, person in self.people.items():
                due += rate * BEAT / len(self.people) / LINE
                burst = min(left, int(due))
                due -= burst
                left -= burst
                first = self.counts[name]
                self.counts[name] += burst
                texts = [bulk(number) for number in range(first, first + burst)]
                for text in texts:
                    heard = f"<{name}> ".encode() + text
                    self.sums[f"<{name}>"] = zlib.crc32(heard, self.sums[f"<{name}>"])
                if texts:
                    person.say(*texts)
            said = (lines - left) * LINE
            time.sleep(max(0.0, began + said / rate - time.monotonic()))

    def serve(self) -> None:
        """Do commands until the standard input ends."""
        answer(ready=True)
        readable = [person.socket for person in self.people.values()]
        while True:
            ready, _, _ = select.select([sys.stdin, *readable], [], [])
            for person in self.people.values():
                if person.socket in ready:
                    person.ignore()
            if sys.stdin in ready:
                words = sys.stdin.readline().split()
                if not words:
                    return
                if words[0] == "say":
                    self.say(int(words[1]), int(words[2]))
                else:
                    self.forget()
                answer(sums=self.sums)


class Crowd:
    """People who listen or stall, as many on TCP as on TLS, and perhaps a prober.

    The prober says lines that hold the time, from which listeners compute the latency.
    """

    def __init__(self, port: int, tls_port: int, name: str, count: int) -> None:
        self._port = port
        receive = SMALL if name.startswith(STALLED) else 0
        self.people = [
            Person(port if tls == "tcp" else tls_port, f"{name}{tls}{i}", tls == "tls", receive)
            for i in range(count)
            for tls in ("tcp", "tls")
        ]
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)
        self._prober: Person | None = None
        self._probing = False
        self._probes = 0
        self._next = 0.0
        self._sip = 0
        self._done: Callable[[], bool] | None = None

    # Commands of the test

    def listen(self) -> None:
        """Record all lines from now on."""
        for person in self.people:
            self._selector.register(person.socket, selectors.EVENT_READ, person)
        answer()

    def ignore(self) -> None:
        """Stop reading all connections."""
        for person in self.people:
            self._selector.unregister(person.socket)
        answer()

    def sip(self, size: str) -> None:
        """Read this many bytes of each connection per beat while not listening; 0 ends that."""
        self._sip = int(size)
        answer()

    def probe(self) -> None:
        """Let the prober say a line at each beat from now on."""
        if self._prober is None:
            self._prober = Person(self._port, PROBER.decode().strip("<>"))
            self._selector.register(self._prober.socket, selectors.EVENT_READ, self._prober)
        self._probing = True
        self._forget()
        answer()

    def _forget(self) -> None:
        for person in self.people:
            person.transcript.latencies = []

    def hush(self) -> None:
        """Stop the prober; answer with the latencies since the probing began, of TCP and of TLS."""
        self._probing = False
        taken = [person.transcript.latencies for person in self.people]
        tcp, tls = (
            sorted(latency for latencies in taken[kind::2] for latency in latencies)
            for kind in (0, 1)
        )
        answer(tcp=tcp, tls=tls)

    def call(self, mark: str) -> None:
        """Let the prober say the start, or the end."""
        assert self._prober is not None
        self._prober.say((START if mark == "start" else END).removeprefix(PROBER + b" "))
        answer()

    def hear(self, lines: str) -> None:
        """Answer when everybody has heard this many bulk lines."""
        wanted = int(lines)
        self._done = lambda: all(person.transcript.heard >= wanted for person in self.people)

    def finish(self) -> None:
        """Answer with everybody's record, when everybody has heard the end."""
        self._done = lambda: all(person.transcript.ended for person in self.people)

    # The loop

    def serve(self) -> None:
        """Do commands until the standard input ends."""
        answer(ready=True)
        while True:
            busy = self._probing or self._sip
            wait = max(0.0, self._next - time.monotonic()) if busy else None
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    words = sys.stdin.readline().split()
                    if not words:
                        return
                    getattr(self, words[0])(*words[1:])
                else:
                    listens = key.data is not self._prober
                    (key.data.listen if listens else key.data.ignore)()
            if busy and time.monotonic() >= self._next:
                self._beat()
            if self._done is not None and self._done():
                self._done = None
                answer(people=[person.transcript.summary() for person in self.people])

    def _beat(self) -> None:
        # Stay out of step with the speakers: else the latency depends only on the phase.
        self._next = time.monotonic() + random.uniform(0.5, 1.5) * BEAT
        if self._probing and self._prober is not None:
            self._prober.say(b"%d %d" % (self._probes, time.monotonic_ns()))
            self._probes += 1
        if self._sip:
            for person in self.people:
                person.sip(self._sip)


def main(role: str, *arguments: str) -> None:
    """Run speakers, or a crowd."""
    if role == "speakers":
        port, *names = arguments
        Speakers(int(port), names).serve()
    else:
        port, tls_port, name, count = arguments
        if name.startswith(STALLED):
            # A crowd that catches up must not delay the crowds that measure.
            os.nice(3)
        Crowd(int(port), int(tls_port), name, int(count)).serve()


if __name__ == "__main__":
    gc.disable()
    main(*sys.argv[1:])
