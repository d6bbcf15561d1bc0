"""A chat that commits one fault, once, to test whether a load finds it::

    python faulty.py FAULT VICTIM LINES

VICTIM is the name of the member that the fault hits, after LINES correct lines. `committed` is
printed just before the fault. With the fault `none` the chat is right, and all members receive
everything in one order. The chat does not announce who comes and goes.
"""

import asyncio
import sys
from collections.abc import Callable

Line = tuple[bytes, bytes]
"""The speaker's name, and the line as members receive it."""


def as_it_is(held: list[Line]) -> bytes:
    return _told(held)


def lost(held: list[Line]) -> bytes:
    return b""


def doubled(held: list[Line]) -> bytes:
    return _told(held * 2)


def swapped(held: list[Line]) -> bytes | None:
    """Exchange two lines of one speaker; lines between them keep their places."""
    if len(held) == 1 or held[0][0] != held[-1][0]:
        return None
    return _told([held[-1], *held[1:-1], held[0]])


def crossed(held: list[Line]) -> bytes | None:
    """Exchange two lines of different speakers, one right after the other."""
    if len(held) == 1 or held[-2][0] == held[-1][0]:
        return None
    return _told([*held[:-2], held[-1], held[-2]])


def garbled(held: list[Line]) -> bytes:
    """Change one byte of the words."""
    line = bytearray(_told(held))
    line[-5] ^= 1
    return bytes(line)


def cut(held: list[Line]) -> bytes:
    """Leave out the end of the words."""
    return _told(held)[:-7] + b"\r\n"


def joined(held: list[Line]) -> bytes:
    """Leave out the line end, so that the line runs into the next."""
    return _told(held).removesuffix(b"\r\n")


def _told(lines: list[Line]) -> bytes:
    return b"".join(line for _, line in lines)


TELLING: dict[str, Callable[[list[Line]], bytes | None]] = {
    "none": as_it_is,
    "lost": lost,
    "doubled": doubled,
    "swapped": swapped,
    "crossed": crossed,
    "garbled": garbled,
    "cut": cut,
    "joined": joined,
}
"""Functions that return the bytes to send for held lines, or None to wait for one more."""

OTHERS = ("echoed", "hung up", "deaf", "silent")
"""Other faults: the victim receives its own line, is closed, or goes deaf; or all go deaf."""


class Chat(asyncio.Protocol):
    """One connection: its first line names it, and every later line goes to the others."""

    transport: asyncio.Transport

    def __init__(self, room: "Room") -> None:
        self.room = room
        self.name = b""
        self.deaf = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self.name:
                self.room.say(self, line.removesuffix(b"\r"))
            else:
                self.name = line.removesuffix(b"\r")
                self.room.members.append(self)
                self.transport.write(b"-- hello %s\r\n" % self.name)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.room.members:
            self.room.members.remove(self)


class Room:
    """All members, and the fault for one of them."""

    def __init__(self, fault: str, victim: bytes, lines: int) -> None:
        self.members: list[Chat] = []
        self._fault = fault
        self._victim = victim
        self._before = lines
        self._held: list[Line] = []
        self._committed = False

    def say(self, speaker: Chat, words: bytes) -> None:
        line = b"<%s> %s\r\n" % (speaker.name, words)
        for member in list(self.members):
            if member.deaf:
                continue
            if member.name == self._victim and not self._committed:
                self._tell_victim(member, speaker, line)
            elif member is not speaker:
                member.transport.write(line)

    def _tell_victim(self, victim: Chat, speaker: Chat, line: bytes) -> None:
        own = victim is speaker
        if self._before or own != (self._fault == "echoed"):
            if not own:
                self._before = max(self._before - 1, 0)
                victim.transport.write(line)
            return
        instead: bytes | None = line
        if self._fault in TELLING:
            self._held.append((speaker.name, line))
            instead = TELLING[self._fault](self._held)
        if instead is not None:
            # Print this first, since the victim may end this process at once.
            print("committed", flush=True)
            self._committed = True
            self._commit(victim, instead)

    def _commit(self, victim: Chat, instead: bytes) -> None:
        if self._fault == "hung up":
            victim.transport.close()
        elif self._fault in ("deaf", "silent"):
            for member in self.members if self._fault == "silent" else [victim]:
                member.deaf = True
        else:
            victim.transport.write(instead)


async def main(fault: str, victim: str, lines: str) -> None:
    if fault not in (*TELLING, *OTHERS):
        sys.exit(f"there is no such fault: {fault}")
    room = Room(fault, victim.encode(), int(lines))
    server = await asyncio.get_running_loop().create_server(lambda: Chat(room), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
