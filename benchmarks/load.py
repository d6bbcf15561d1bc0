"""Many connections in one process: who says lines when, and what comes of them.

One thread and one epoll for all. Everything that is received is checked (:mod:`.verify`).
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
"""Bytes that are read of one connection before another has its turn."""
SAMPLED = 8
"""The latencies of at most about so many members of a room are taken."""

_RESET = struct.pack("ii", 1, 0)


class Connection:
    """One member's socket.

    :ivar waiting: what was to be sent and the kernel did not take.
    :ivar checked: bytes that were received and checked.
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
        """Hang up; with a reset, so that no port is kept for a while."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.close()


@dataclass
class Measured:
    """What came of a stretch of time.

    :ivar seconds: how long it was.
    :ivar delivered: lines that were received in it, of all members.
    :ivar server_cpu: seconds of processor time that the server took.
    :ivar own_cpu: the same, of this process.
    :ivar latencies: in seconds, rising.
    """

    seconds: float
    delivered: float
    server_cpu: float
    own_cpu: float
    latencies: list[float] = field(repr=False)

    def at(self, share: float) -> float:
        """The latency that so large a share of all are below, in seconds."""
        if not self.latencies:
            return float("nan")
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


class Load:
    """Connections to one server.

    :param contestant: how the server is spoken to.
    :param patience: seconds of silence after which what is missing is taken for lost.
    :ivar said: how many lines were said.
    :ivar turns: who speaks when a line of another was heard; else it is the same again.
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
        """Hang up everywhere."""
        for connection in self.connections.values():
            connection.close()
        self._epoll.close()

    # Coming in

    def enter(self, members: Mapping[int, Sequence[str]]) -> None:
        """Let members come in, each into some rooms; what they read is not checked."""
        waiting = list(members.items())
        at_once = self.contestant.at_once
        for start in range(0, len(waiting), at_once):
            batch = waiting[start : start + at_once]
            for number, rooms in batch:
                self.connect(number, rooms)
            entered = self.contestant.entered
            self._await({n: entered(name_of(n), rooms) for n, rooms in batch}, "to be let in")

    def connect(self, number: int, rooms: Sequence[str]) -> None:
        """Connect a member, and say that it wants to come in."""
        connection = Connection(number, self.server.port)
        self.connections[number] = connection
        self._by_fd[connection.socket.fileno()] = connection
        self._epoll.register(connection.socket, select.EPOLLIN)
        self._send(connection, self.contestant.enter(name_of(number), rooms))

    def _await(self, tokens: dict[int, bytes], what: str) -> None:
        """Read, whatever comes, until each of some members has received its token."""
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
        """Return what members have received, once there is something, unchecked."""
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
        """From now on, check all that members of rooms receive, of which they are in one each.

        Whatever they receive of their coming in is over then.

        :param speakers: who of them is to speak.
        :param sampled: the latencies of so many members of each room are taken.
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
        """From now on, check all that a member receives that is in many of the rooms gathered.

        :param rooms: in the order in which it came into them: it has turned to the last.
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
        """Read for as long as the server may send more than lines to who came in."""
        end = time.perf_counter() + self.contestant.settling
        while time.perf_counter() < end:
            self.read(0.1)

    def hush(self, rooms: Mapping[str, Sequence[int]]) -> None:
        """Read until nothing of the coming in is on the way: each has heard two last lines.

        Two, since a speaker may not hear its own.
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
        """Read nothing of some members from now on, as if they had stopped."""
        for number in members:
            self._epoll.unregister(self.connections[number].socket)

    def listen(self, members: Sequence[int]) -> None:
        """Read of members again who were ignored."""
        for number in members:
            self._epoll.register(self.connections[number].socket, select.EPOLLIN)

    # Saying and hearing

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
        """Let a member say lines, at once."""
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
        """Let speakers say a line each at an interval, in turns, from now on."""
        now = time.perf_counter()
        for index, number in enumerate(speakers):
            heapq.heappush(self._due, (now + interval * index / len(speakers), number, interval))

    def run(self, seconds: float) -> Measured:
        """Let them talk for a while; what a speaker's neighbour has heard frees it to say more."""
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
        """How many lines were received, by all members."""
        return sum(room.heard_bytes / room.length for room in self.rooms)

    def finish(self) -> None:
        """Let everybody hear what was said.

        :raises Wrong: if somebody does not hear all of it, or hears more, or if there is one order
            for all and somebody hears another.
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
    """What a member is called."""
    return f"m{number:05}"


def prepare() -> None:
    """Keep this process off the processor of the server, if there is another; and undisturbed.

    It may open as many files as the system lets it, and looks for no garbage.
    """
    os.sched_setaffinity(0, PROCESSORS[1:] or PROCESSORS)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.collect()
    gc.freeze()
    gc.disable()
