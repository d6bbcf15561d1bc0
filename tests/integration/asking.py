"""Clients that send costly requests, and others that measure the server's response meanwhile.

A process runs clients of one kind. Each line on its standard input starts one run; a line of JSON
answers it when the run is over.

    asking.py ask PORT ADDRESS COUNT QUESTIONS READS    each asks all of a JSON list of questions
    asking.py type PORT ADDRESS COUNT LINE…             each types lines
    asking.py again PORT ADDRESS COUNT TIMES ROOM…      resume, each with its own rooms, since 0
    asking.py past PORT ADDRESS SECONDS ROOM            one asks for old history, and times it in ms
    asking.py ping PORT ADDRESS COUNT SECONDS PID       ping, and time each in ms
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from typing import Any

EVERY = 0.22
"""Seconds between two pings of a connection: slow enough for the rate limit."""


class Program:
    """A program's connection, already welcomed."""

    def __init__(self, port: int, address: str, name: str, /, **hello: Any) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(60)
        self.socket.bind((address, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = name
        self.rest = b""
        self.answers: list[dict[str, Any]] = []
        self.asked = 0.0
        self.busy = 0.0
        self.live = False
        self.say(type="hello", **hello)
        while self.rest or not self.answers:
            self.hear()
        self.token = self.answers[0]["token"]
        self.answers.clear()
        self.socket.setblocking(False)

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> int:
        """Read the available bytes; return the count of whole lines."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError(f"{self.name} was closed")
        *lines, self.rest = (self.rest + data).split(b"\r\n")
        # Skip the greeting for people, which a slow start on a busy machine brings.
        said = [json.loads(line) for line in lines if not line.startswith(b"-- ")]
        self.answers += [one for one in said if "ref" in one or one["type"] == "welcome"]
        self.live = self.live or any(one["type"] == "live" for one in said)
        return len(lines)


def _named(port: int, address: str, name: str) -> Program:
    return Program(port, address, name, name=name)


def ask(port: int, address: str, count: int, questions: list[dict[str, Any]], reads: bool) -> None:
    """Ask all questions at once on each of the connections, and check the answers."""
    programs = [_named(port, address, f"asker{n}of{address}") for n in range(count)]
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        told: list[list[Any]] = []
        wrong = []
        with selectors.DefaultSelector() as selector:
            for program in programs:
                program.answers.clear()
                asked = [
                    json.dumps({**question, "ref": ref}) for ref, question in enumerate(questions)
                ]
                program.socket.sendall("\n".join(asked).encode() + b"\n")
                selector.register(program.socket, selectors.EVENT_READ, program)
            while reads and selector.get_map():
                for key, _ in selector.select(60):
                    key.data.hear()
                    if len(key.data.answers) == len(questions):
                        selector.unregister(key.data.socket)
        for program in programs if reads else ():
            if [answer["ref"] for answer in program.answers] != [*range(len(questions))]:
                wrong.append(program.name)
            sizes = [
                next((len(value) for value in answer.values() if isinstance(value, list)), -1)
                for answer in program.answers
            ]
            told.append([program.answers[0]["type"], min(sizes), max(sizes)])
        kinds = sorted(map(list, {tuple(one) for one in told}))
        print(json.dumps({"wrong": wrong, "kinds": kinds}), flush=True)


def busy(pid: int) -> float:
    """Return the processor time of the main thread of a process, in ms."""
    with open(f"/proc/{pid}/task/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e6


def ping(port: int, address: str, count: int, seconds: float, pid: int) -> None:
    """Ping on all connections at even intervals; print the time of each, and the CPU time of the
    process ``pid`` meanwhile.
    """
    programs = [_named(port, address, f"pinger{n}") for n in range(count)]
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        took: list[tuple[float, float]] = []
        begun = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for program in programs:
                selector.register(program.socket, selectors.EVENT_READ, program)
            turn = 0
            while time.monotonic() < begun + seconds or any(p.asked for p in programs):
                now = time.monotonic()
                due = begun + turn * EVERY / count
                if now >= due and now < begun + seconds:
                    program = programs[turn % count]
                    turn += 1
                    if not program.asked:
                        program.asked, program.busy = now, busy(pid)
                        program.say(type="ping", ref=turn)
                    continue
                for key, _ in selector.select(max(0.0, due - now) if now < due else 0.01):
                    key.data.hear()
                    if key.data.asked and key.data.answers:
                        waited = (time.monotonic() - key.data.asked) * 1000
                        took.append((waited, busy(pid) - key.data.busy))
                        key.data.asked = 0.0
                        key.data.answers.clear()
        print(json.dumps(took), flush=True)


def type_lines(port: int, address: str, count: int, lines: list[str]) -> None:
    """Type lines at once as people, and ``/uptime``; print how many lines of history each saw."""
    people = []
    for n in range(count):
        person = socket.socket()
        person.settimeout(60)
        person.bind((address, 0))
        person.connect(("127.0.0.1", port))
        person.sendall(b"person%d\n" % n)
        shown = b""
        while b"you are in #" not in shown:
            shown += person.recv(4096)
        people.append(person)
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        shown_to = dict.fromkeys(people, b"")
        with selectors.DefaultSelector() as selector:
            for person in people:
                person.sendall("\n".join([*lines, "/uptime", ""]).encode())
                selector.register(person, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(60):
                    reader: Any = key.fileobj
                    shown_to[reader] += reader.recv(1 << 20)
                    if b"-- up " in shown_to[reader][-1000:]:
                        selector.unregister(reader)
        print(json.dumps(sorted(shown.count(b"\n[") for shown in shown_to.values())), flush=True)


def again(port: int, address: str, count: int, times: int, rooms: list[str]) -> None:
    """Resume sessions a number of times, each time as if nothing had been read."""
    tokens = {}
    for n in range(count):
        name = f"again{n}of{address}"
        program = Program(port, address, name, name=name, rooms=[f"{room}{n}" for room in rooms])
        tokens[name] = program.token
        program.socket.close()
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        for _ in range(times):
            programs = [
                Program(port, address, name, token=token, since=0) for name, token in tokens.items()
            ]
            with selectors.DefaultSelector() as selector:
                for program in programs:
                    if not program.live:
                        selector.register(program.socket, selectors.EVENT_READ, program)
                while selector.get_map():
                    for key, _ in selector.select(60):
                        key.data.hear()
                        if key.data.live:
                            selector.unregister(key.data.socket)
            for program in programs:
                program.socket.close()
        print(json.dumps("done"), flush=True)


def look_up(port: int, address: str, seconds: float, room: str) -> None:
    """Ask for old history, and print the time of each answer, in ms."""
    program = Program(port, address, "reader", name="reader", rooms=[room])
    program.socket.setblocking(True)
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        took = []
        begun = time.monotonic()
        place = 100
        while time.monotonic() < begun + seconds:
            program.answers.clear()
            place += 1
            asked = time.monotonic()
            program.say(type="history", room=room, before=place, limit=50, ref=place)
            while not program.answers:
                program.hear()
            took.append((time.monotonic() - asked) * 1000)
            time.sleep(max(0.0, asked + EVERY - time.monotonic()))
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "ask":
        ask(int(words[0]), words[1], int(words[2]), json.loads(words[3]), words[4] == "True")
    elif what == "type":
        type_lines(int(words[0]), words[1], int(words[2]), words[3:])
    elif what == "again":
        again(int(words[0]), words[1], int(words[2]), int(words[3]), words[4:])
    elif what == "past":
        look_up(int(words[0]), words[1], float(words[2]), words[3])
    else:
        ping(int(words[0]), words[1], int(words[2]), float(words[3]), int(words[4]))
