"""A load of many connections in one process: says lines, and measures their delivery.

One thread and one epoll serve all connections. Every byte received is checked (:mod:`.verify`).
"""

from __future__ import annotations

import gc
import heapq
import os
import resource
import select
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks.contestants import HOST, PATIENCE, PROCESSORS, Contestant, Server
from benchmarks.verify import BEFORE, WORDS, Speaker, Transcript, Wrong

READ = 256 << 10
"""Bytes read from one connection before the next has its turn."""
SAMPLED = 8
"""The members of a room whose latencies are taken, at most, about."""

_RESET = struct.pack("ii", 1, 0)


class Connection:
    """One member's socket.

    :ivar waiting: bytes to send that the kernel has not taken yet.
    :ivar checked: the count of bytes received and checked.
    """

    __slots__ = ("checked", "number", "room", "socket", "waiting")

    def __init__(self, number: int, port: int) -> None:
        self.number = number
        self.waiting = b""
        self.checked = 0
        self.room: Transcript | None = None
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect((HOST, port))
        self.socket.setblocking(False)

    def close(self) -> None:
        """Close with a reset, which frees the port at once."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()


@dataclass
class Measured:
    """The figures of one stretch of time.

    :ivar seconds: the length of the stretch.
    :ivar delivered: lines received by all members together.
    :ivar server_cpu: seconds of processor time used by the server.
    :ivar own_cpu: seconds of processor time used by this process.
    :ivar latencies: in seconds, in rising order.
    """

    seconds: float
    delivered: float
    server_cpu: float
    own_cpu: float
    latencies: list[float] = field(repr=False)

    def at(self, share: float) -> float:
        """Return the latency, in seconds, below which a share of all latencies lie; NaN if none."""
        if not self.latencies:
            return float("nan")
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


class Load:
    """Connections to one server.

    :param contestant: the protocol of the server.
    :param patience: seconds of silence after which a missing line counts as lost.
    :ivar said: the count of lines said.
    :ivar turns: the member to speak next after a line of each member; by default the same one.
    """

    def __init__(self, contestant: Contestant, server: Server, patience: float = PATIENCE) -> None:
        self.contestant = contestant
        self.server = server
        self.patience = patience
        self.connections: dict[int, Connection] = {}
        self.rooms: list[Transcript] = []
        self.speakers: dict[int, Speaker] = {}
        self._by_fd: dict[int, Connection] = {}
        self._rooms_of: dict[int, str] = {}
        self._epoll = select.epoll()
        self._buffer = bytearray(READ)
        self._view = memoryview(self._buffer)
        self._due: list[tuple[float, int, float]] = []
        self._free: deque[int] = deque()
        self.said = 0
        self.turns: dict[int, int] = {}

    def close(self) -> None:
        """Close all connections."""
        for connection in self.connections.values():
            connection.close()
        self._epoll.close()

    # Entering

    def enter(self, members: Mapping[int, Sequence[str]]) -> None:
        """Let members enter, each into some rooms; do not check the bytes they read."""
        waiting = list(members.items())
        at_once = self.contestant.at_once
        for start in range(0, len(waiting), at_once):
            batch = waiting[start : start + at_once]
            for number, rooms in batch:
                self.connect(number, rooms)
            entered = self.contestant.entered
            self._await({n: entered(name_of(n), rooms) for n, rooms in batch}, "to be let in")

    def connect(self, number: int, rooms: Sequence[str]) -> None:
        """Connect a member, and send its request to enter."""
        connection = Connection(number, self.server.port)
        self.connections[number] = connection
        self._by_fd[connection.socket.fileno()] = connection
        self._epoll.register(connection.socket, select.EPOLLIN)
        self._send(connection, self.contestant.enter(name_of(number), rooms))

    def _await(self, tokens: dict[int, bytes], what: str) -> None:
        """Read, unchecked, until each of some members has received its token."""
        tails = dict.fromkeys(tokens, b"")
        deadline = time.perf_counter() + self.patience
        while tokens:
            if time.perf_counter() > deadline:
                raise Wrong(f"{len(tokens)} members wait in vain {what}")
            for number, data in self.read(min(1.0, self.patience)).items():
                token = tokens.get(number)
                if token is not None:
                    seen = tails[number] + data
                    if token in seen:
                        del tokens[number]
                    tails[number] = seen[-len(token) :]

    def read(self, wait: float) -> dict[int, bytes]:
        """Wait for bytes, and return those of each member by number, unchecked."""
        ready = self._epoll.poll(wait)
        return {self._by_fd[fd].number: self._read(self._by_fd[fd]) for fd, _ in ready}

    def _read(self, connection: Connection) -> bytes:
        try:
            data = connection.socket.recv(READ)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise Wrong(f"member {connection.number}: {error.strerror}") from None
        if not data:
            raise Wrong(f"the server hung up on member {connection.number}")
        return data

    def gather(
        self,
        rooms: Mapping[str, Sequence[int]],
        speakers: Sequence[int],
        sampled: int = SAMPLED,
    ) -> None:
        """Start to check all bytes that members of rooms receive; each is in one room.

        First wait until nothing about the entering is still under way.

        :param speakers: the members that are to speak.
        :param sampled: the members of each room whose latencies are taken.
        """
        self.settle()
        self.hush(rooms)
        speaking = set(speakers)
        for room, members in rooms.items():
            own = {number: Speaker() for number in members if number in speaking}
            self.speakers |= own
            self._rooms_of.update(dict.fromkeys(own, room))
            step = -(-len(members) // sampled) if sampled else len(members) + 1
            self._check(
                self.contestant.transcript(
                    partial(self._frame, self.contestant.heard),
                    own,
                    members,
                    self.contestant.echoes,
                    members[step - 1 :: step],
                    self._free.append,
                    self.contestant.one_order,
                )
            )

    def watch(self, member: int, rooms: Sequence[str]) -> None:
        """Start to check all bytes of a member that is in several of the gathered rooms.

        :param rooms: in the order of entering; the last is the member's current room.
        """
        heard = {n: speaker for n, speaker in self.speakers.items() if self._rooms_of[n] in rooms}

        def frame(who: int, words: bytes) -> bytes:
            here = self._rooms_of[who] == rooms[-1]
            contestant = self.contestant
            return self._frame(contestant.heard if here else contestant.elsewhere, who, words)

        only = [member]
        self._check(Transcript(frame, heard, only, True, only, lambda number: None, False))

    def _frame(self, heard: Callable[[str, str, bytes], bytes], who: int, words: bytes) -> bytes:
        return heard(name_of(who), self._rooms_of[who], words)

    def _check(self, transcript: Transcript) -> None:
        for number in transcript.members:
            self.connections[number].room = transcript
        self.rooms.append(transcript)

    def settle(self) -> None:
        """Read until the server sends those who entered nothing but lines."""
        end = time.perf_counter() + self.contestant.settling
        while time.perf_counter() < end:
            self.read(0.1)

    def hush(self, rooms: Mapping[str, Sequence[int]]) -> None:
        """Read until every member has heard two marked lines, which follow all notices of entering.

        Two lines are needed, since a speaker may not hear its own.
        """
        for which in (0, -1):
            tokens: dict[int, bytes] = {}
            for room, members in rooms.items():
                caller = members[which]
                name, words = name_of(caller), WORDS % (caller, BEFORE)
                line = self.contestant.heard(name, room, words)
                tokens |= {m: line for m in members if self.contestant.echoes or m != caller}
                self._send(self.connections[caller], self.contestant.say(name, room, words))
                self.said += 1
            self._await(tokens, "for a line before the start")

    def ignore(self, members: Sequence[int]) -> None:
        """Stop reading the connections of some members, as if they had stalled."""
        for number in members:
            self._epoll.unregister(self.connections[number].socket)

    def listen(self, members: Sequence[int]) -> None:
        """Read the connections of ignored members again."""
        for number in members:
            self._epoll.register(self.connections[number].socket, select.EPOLLIN)

    # Sending and receiving

    def _send(self, connection: Connection, data: bytes) -> None:
        if connection.waiting:
            connection.waiting += data
            return
        try:
            sent = connection.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise Wrong(f"member {connection.number}: {error.strerror}") from None
        if sent < len(data):
            connection.waiting = data[sent:]
            self._epoll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)

    def _flush(self, connection: Connection) -> None:
        data, connection.waiting = connection.waiting, b""
        self._epoll.modify(connection.socket, select.EPOLLIN)
        self._send(connection, data)

    def say(self, number: int, lines: int = 1, when: float | None = None) -> None:
        """Let a member say lines at once; ``when`` is the time that counts, by default now."""
        speaker, room = self.speakers[number], self._rooms_of[number]
        say, name = self.contestant.say, name_of(number)
        when = time.perf_counter() if when is None else when
        said = b""
        for _ in range(lines):
            said += say(name, room, WORDS % (number, len(speaker.said)))
            speaker.said.append(when)
        self.said += lines
        self._send(self.connections[number], said)

    def every(self, interval: float, speakers: Sequence[int]) -> None:
        """Let each speaker say a line per interval, in turns, from now on."""
        now = time.perf_counter()
        for index, number in enumerate(speakers):
            heapq.heappush(self._due, (now + interval * index / len(speakers), number, interval))

    def run(self, seconds: float) -> Measured:
        """Let the speakers talk; a line that a neighbour heard lets its speaker say the next."""
        for room in self.rooms:
            del room.latencies[:]
        before = self.heard
        cpu, own = self.server.cpu, time.process_time()
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            self._turn(True)
        took = time.perf_counter() - began
        latencies = sorted(latency for room in self.rooms for latency in room.latencies)
        return Measured(
            took,
            self.heard - before,
            self.server.cpu - cpu,
            time.process_time() - own,
            latencies,
        )

    @property
    def heard(self) -> float:
        """The lines received by all members together."""
        return sum(room.heard_bytes / room.length for room in self.rooms)

    def finish(self) -> None:
        """Wait until all members have received all lines.

        :raises Wrong: if a member lacks a line, or receives more, or receives another order where
            one order holds for all.
        """
        self._due.clear()
        deadline = time.perf_counter() + self.patience
        while True:
            before = self.heard
            self._turn(False)
            if self.heard > before:
                deadline = time.perf_counter() + self.patience
                continue
            lacking = next((who for room in self.rooms for who in room.lacking()), None)
            if lacking is None:
                break
            if time.perf_counter() > deadline:
                raise Wrong(lacking)
        if self.contestant.one_order and not all(room.one_order for room in self.rooms):
            raise Wrong("members of one room heard its lines in different orders")

    def _turn(self, more: bool) -> None:
        wait = 0.05
        if self._due:
            wait = min(wait, max(0.0, self._due[0][0] - time.perf_counter()))
        buffer, view, clock = self._buffer, self._view, time.perf_counter
        unsettled: set[Transcript] = set()
        for fd, events in self._epoll.poll(wait):
            connection = self._by_fd[fd]
            if events & select.EPOLLOUT:
                self._flush(connection)
            if not events & ~select.EPOLLOUT:
                continue
            try:
                size = connection.socket.recv_into(buffer)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Wrong(f"member {connection.number}: {error.strerror}") from None
            if not size:
                raise Wrong(f"the server hung up on member {connection.number}")
            room = connection.room
            if room is not None:
                connection.checked += size
                room.receive(connection.number, view[:size], clock())
                if room.ahead:
                    unsettled.add(room)
        now = clock()
        for room in unsettled:
            room.settle(now)
        while self._due and self._due[0][0] <= now:
            when, number, interval = heapq.heappop(self._due)
            self.say(number, when=when)
            heapq.heappush(self._due, (when + interval, number, interval))
        freed = Counter(self._free)
        self._free.clear()
        if more and not self._due:
            for number, lines in freed.items():
                self.say(self.turns.get(number, number), lines)


def name_of(number: int) -> str:
    """Return the name of a member."""
    return f"m{number:05}"


def prepare() -> None:
    """Keep this process off the server's processor, if there is another, and undisturbed.

    Raise its limit of open files to the hard limit, and disable garbage collection.
    """
    os.sched_setaffinity(0, PROCESSORS[1:] or PROCESSORS)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    gc.disable()
