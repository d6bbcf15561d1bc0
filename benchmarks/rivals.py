"""Other servers: how to start each, and the bytes that members send and receive.

Each class is for one server: Redis 7.0, nats-server 2.9 and ngIRCd 26.1, as in Debian 12.
"""

from __future__ import annotations

import shutil
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contestants import HOST, Server
from benchmarks.verify import Transcript


def _signed(name: str, text: bytes) -> bytes:
    """Put the speaker's name before the text, for a server that does not send it."""
    return b"<%b> %b" % (name.encode(), text)


class Rival(ABC):
    """Another project's server, on a free port.

    :cvar program: the name of its program.
    """

    title: str
    program: str
    echoes = False
    one_order = True
    at_once = 256
    settling = 0.0
    transcript: type[Transcript] = Transcript

    @property
    def missing(self) -> str:
        """See :attr:`.Contestant.missing`."""
        return "" if shutil.which(self.program) else f"{self.program} is not installed"

    def start(self, folder: Path) -> Server:
        """See :meth:`.Contestant.start`."""
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        return Server(self.command(folder, port), folder).await_listening(port)

    @staticmethod
    @abstractmethod
    def command(folder: Path, port: int) -> list[str]:
        """Write the settings to the folder, and return the command that starts the server."""

    @staticmethod
    @abstractmethod
    def heard(name: str, room: str, words: bytes) -> bytes:
        """See :meth:`.Contestant.heard`."""

    def elsewhere(self, name: str, room: str, words: bytes) -> bytes:
        """See :meth:`.Contestant.elsewhere`."""
        return self.heard(name, room, words)

    def told(self, data: bytes) -> int:
        """See :meth:`.Contestant.told`."""
        return data.count(b" JOIN :#")


class Redis(Rival):
    """Redis: a room is a channel of its publish/subscribe, in RESP3.

    Only RESP3 lets one connection both subscribe and publish. ``CLIENT REPLY OFF`` silences the
    answers to ``PUBLISH``, and leaves the messages.
    """

    title = "Redis"
    program = "redis-server"
    echoes = True

    @staticmethod
    def command(folder: Path, port: int) -> list[str]:
        """Write the settings to the folder, and return the command that starts the server."""
        config = folder / "redis.conf"
        config.write_text(
            f"""\
bind 127.0.0.1
port {port}
dir "{folder}"
daemonize no
save ""
appendonly no
maxclients 20000
tcp-backlog 4096
timeout 0
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit pubsub 0 0 0
"""
        )
        return [Redis.program, str(config)]

    @staticmethod
    def enter(name: str, rooms: Sequence[str]) -> bytes:
        """Return the bytes to send to enter the rooms."""
        return f"HELLO 3\r\nCLIENT REPLY OFF\r\nSUBSCRIBE {' '.join(rooms)}\r\n".encode()

    @staticmethod
    def entered(name: str, rooms: Sequence[str]) -> bytes:
        """Return the end of the answer to :meth:`enter`."""
        room = rooms[-1]
        return f">3\r\n$9\r\nsubscribe\r\n${len(room)}\r\n{room}\r\n:{len(rooms)}\r\n".encode()

    @staticmethod
    def say(name: str, room: str, words: bytes) -> bytes:
        """Return the bytes to send to say a line."""
        to, line = room.encode(), _signed(name, words)
        head = b"*3\r\n$7\r\nPUBLISH\r\n"
        return head + b"$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(to), to, len(line), line)

    @staticmethod
    def heard(name: str, room: str, words: bytes) -> bytes:
        """Return the bytes that every member of the room receives, the speaker too."""
        to, line = room.encode(), _signed(name, words)
        head = b">3\r\n$7\r\nmessage\r\n"
        return head + b"$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(to), to, len(line), line)


class Nats(Rival):
    """NATS: a room is a subject.

    The server sends ``PING`` once to each connection, 2.0 to 2.4 seconds after it entered, and
    no setting prevents it. The ``PING`` needs no answer, but must be read before any line is
    checked. Lines said at the same time reach members in different orders.
    """

    title = "NATS"
    program = "nats-server"
    one_order = False
    settling = 2.6

    @staticmethod
    def command(folder: Path, port: int) -> list[str]:
        """Write the settings to the folder, and return the command that starts the server."""
        config = folder / "nats.conf"
        config.write_text(
            f"""\
host: "127.0.0.1"
port: {port}
max_connections: 20000
max_pending: 64GB
write_deadline: "1h"
ping_interval: "24h"
ping_max: 1000
"""
        )
        return [Nats.program, "-c", str(config)]

    @staticmethod
    def enter(name: str, rooms: Sequence[str]) -> bytes:
        """Return the bytes to send to enter the rooms; the room is also the subscription's id."""
        connect = 'CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\n'
        return (connect + "".join(f"SUB {room} {room}\r\n" for room in rooms) + "PING\r\n").encode()

    @staticmethod
    def entered(name: str, rooms: Sequence[str]) -> bytes:
        """Return the end of the answer to :meth:`enter`."""
        return b"PONG\r\n"

    @staticmethod
    def say(name: str, room: str, words: bytes) -> bytes:
        """Return the bytes to send to say a line."""
        line = _signed(name, words)
        return b"PUB %b %d\r\n%b\r\n" % (room.encode(), len(line), line)

    @staticmethod
    def heard(name: str, room: str, words: bytes) -> bytes:
        """Return the bytes that every other member of the room receives."""
        to, line = room.encode(), _signed(name, words)
        return b"MSG %b %b %d\r\n%b\r\n" % (to, to, len(line), line)


class Ngircd(Rival):
    """ngIRCd: a room is an IRC channel.

    The server listens with a backlog of 10, so at most eight connections are made before the first
    of them has entered. It closes a connection with 32 KiB unread beyond the kernel's buffers. A
    text must not end in a space, which the server strips.
    """

    title = "ngIRCd"
    program = "ngircd"
    at_once = 8

    @staticmethod
    def command(folder: Path, port: int) -> list[str]:
        """Write the settings to the folder, and return the command that starts the server."""
        config = folder / "ngircd.conf"
        config.write_text(
            f"""\
[Global]
Name = irc.example.net
Info = Benchmark
AdminInfo1 = Benchmark
Listen = 127.0.0.1
Ports = {port}
MotdFile = /dev/null

[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 31
MaxPenaltyTime = 0
PingTimeout = 86400
PongTimeout = 86400

[Options]
DNS = no
Ident = no
PAM = no
"""
        )
        return [Ngircd.program, "-n", "-f", str(config)]

    @staticmethod
    def enter(name: str, rooms: Sequence[str]) -> bytes:
        """Return the bytes to send to enter the rooms."""
        joins = "".join(f"JOIN #{room}\r\n" for room in rooms)
        return f"NICK {name}\r\nUSER u 0 * :{name}\r\n{joins}".encode()

    @staticmethod
    def entered(name: str, rooms: Sequence[str]) -> bytes:
        """Return the end of the answer to :meth:`enter`."""
        return f" 366 {name} #{rooms[-1]} :End of NAMES list\r\n".encode()

    @staticmethod
    def say(name: str, room: str, words: bytes) -> bytes:
        """Return the bytes to send to say a line."""
        return b"PRIVMSG #%b :%b\r\n" % (room.encode(), words)

    @staticmethod
    def heard(name: str, room: str, words: bytes) -> bytes:
        """Return the bytes that every other member of the room receives."""
        return b":%b!~u@127.0.0.1 PRIVMSG #%b :%b\r\n" % (name.encode(), room.encode(), words)
