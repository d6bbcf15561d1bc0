"""Replays the transcripts of a document, on real terminals and with a real server.

``<!-- replay: ana, bob -->`` names the people at the ``console`` blocks that follow, one each; the
blocks together are a scene. More settings may stand behind the names, each after a ``;``:

- ``options: --motd motd.txt``: the options of the server. If the first person starts it with
  ``twistd``, the options are those of that command;
- ``chat.example = 127.0.0.1``: a text of the document, and its replacement on this machine.

Lines that begin with ``$ `` are typed at a shell. Lines typed into an interactive program are those
that can't be output of the chat. Each later person sits down when the next line of somebody else's
transcript says that they joined.

``wire`` blocks show the traffic of connections, line by line in the order in which it happens::

    (bot connects)
    bot < {"type":"ping"}
    bot > {"type":"pong"}

``<`` goes to the server and ``>`` comes from it; a line in brackets is one of :data:`_DIRECTIONS`.
``<!-- server: --grace 1 -->`` starts a server, with options, and all blocks up to the next such
comment are one scene. The lines received by a peer are checked if the document shows any of them,
and then all of them are. An object that ends in ``,…}`` has more fields than are shown. Tokens, the
identity of the journal and sessions are replaced by those of the real server, in later lines too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from twisted.trial.unittest import TestCase

from chatservice.text import wording
from tests.integration.support import (
    LOOPBACK,
    PATIENCE,
    TWISTD,
    Client,
    Program,
    Server,
    eventually,
    folder_for,
    program,
    troubles_in,
)
from tests.welcome import in_room

PORT: Final = "7007"
PROMPT: Final = "$ "

_REPLAY: Final = re.compile(r"<!-- replay: (.*?) -->", re.DOTALL)
_BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_TALKING: Final = re.compile(r"\$ (?:telnet|nc|chat-client|twistd)\b[^|;]*")
_SHOWN: Final = re.compile(r"-- |<|\* |\[|#|Trying |Connected |Escape |Connection |chat-client: ")
"""The beginnings of lines that are shown to a person, not typed."""

_LASTS: Final = r"(?:a moment|\d+ (?:second|minute|hour|day)s?(?: and \d+ \w+)?)"
_SHAPES: Final = (
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<date>"),
    (re.compile(r"\b\d\d:\d\d(?::\d\d)?(?!\d)"), "<time>"),
    (re.compile(rf"^(-- idle   |-- up ){_LASTS}$"), r"\1<lasts>"),
    (re.compile(r"^(-- ticks        )[\d.]+ ms, at most [\d.]+$"), r"\1<ms>"),
    (re.compile(r"^(-- history      )[\d.]+ MB$"), r"\1<MB>"),
)
"""The parts of lines that differ between runs, with their replacements."""


class Scene(NamedTuple):
    """The screens of some people at the same time.

    :ivar people: the name and the lines on the screen of each person.
    :ivar options: the options of the server.
    """

    people: list[tuple[str, list[str]]]
    options: list[str]


def scenes_of(text: str) -> list[Scene]:
    """Return the scenes of a document."""
    scenes = []
    found = list(_REPLAY.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    for one, end in zip(found, ends, strict=True):
        names, *rest = (part.strip() for part in one[1].split(";"))
        people = [name.strip() for name in names.split(",")]
        blocks = [block[1] for block in _BLOCK.finditer(text[one.end() : end])]
        options: list[str] = []
        for part in rest:
            if part.startswith("options: "):
                options = shlex.split(part.removeprefix("options: "))
            else:
                shown, _, real = part.partition(" = ")
                blocks = [block.replace(shown, real) for block in blocks]
        if len(people) != len(blocks):
            raise AssertionError(f"{one[0]}: it is followed by {len(blocks)} blocks")
        lines = [block.splitlines() for block in blocks]
        scenes.append(Scene(list(zip(people, lines, strict=True)), options))
    return scenes


def blocks_in(text: str) -> int:
    """Count the transcripts of a document."""
    return len(_BLOCK.findall(text))


def shape(line: str) -> str:
    """Replace the parts of a line that differ between runs."""
    for pattern, instead in _SHAPES:
        line = pattern.sub(instead, line)
    return line


class Seat(Program):
    """A shell on a terminal of its own, at which a person types the lines of a transcript."""

    def __init__(self, case: TestCase, wanted: list[str], folder: Path) -> None:
        self.wanted = wanted
        self._shown = ""
        self._typed = -1
        path = f"PATH={TWISTD.parent}:{os.environ['PATH']}"
        shell = ("bash", "--norc", "--noprofile", "--noediting", "-i")
        state = f"XDG_STATE_HOME={folder}"
        command = ("env", f"PS1={PROMPT}", path, state, "TERM=dumb", "LC_ALL=C.UTF-8", *shell)
        super().__init__(case, *command, terminal=True, folder=folder)

    @property
    def lines(self) -> list[str]:
        """The finished lines on the screen."""
        return self._shown.split("\n")[:-1]

    @property
    def done(self) -> bool:
        """Whether the screen shows the whole transcript, and nothing else."""
        return [shape(line) for line in self.lines] == [shape(line) for line in self.wanted]

    def go_on(self) -> None:
        """Read the output; type the next line if it is this person's turn."""
        # Telnet shows the service's line ends as a terminal does, nc with one more return.
        self._shown = re.sub(r"\r+\n", "\n", self._shown + self.read_for(0.01))
        turn = len(self.lines)
        if not self._typed < turn < len(self.wanted) or not self.as_wanted(turn):
            return
        line, rest = self.wanted[turn], self._shown.rpartition("\n")[2]
        if line.startswith(PROMPT):
            if rest == PROMPT:
                self._type(turn, line.removeprefix(PROMPT))
        elif self._talks(turn) and not rest and not _SHOWN.match(line):
            self._type(turn, line)

    def _type(self, turn: int, line: str) -> None:
        self._typed = turn
        self.type(line + "\n")

    def reached(self, turn: int) -> bool:
        """Return whether the screen shows exactly the lines before a line of the transcript."""
        return len(self.lines) == turn and self.as_wanted(turn)

    def as_wanted(self, turn: int) -> bool:
        """Return whether the screen's lines are the first ``turn`` lines of the transcript."""
        return list(map(shape, self.lines)) == list(map(shape, self.wanted[:turn]))

    def _talks(self, turn: int) -> bool:
        """Return whether an interactive program, not the shell, gets the text typed now."""
        commands = [line for line in self.wanted[:turn] if line.startswith(PROMPT)]
        return bool(commands) and _TALKING.fullmatch(commands[-1]) is not None

    def _end(self) -> None:
        with suppress(OSError, ProcessLookupError):
            running = os.tcgetpgrp(self._keys)
            if running != self.process.pid:
                os.killpg(running, signal.SIGKILL)
        super()._end()


class Stage:
    """A scene of terminals, while it is played."""

    def __init__(self, case: TestCase, scene: Scene) -> None:
        self._case = case
        self._folder = folder_for(case)
        self._waiting = list(scene.people)
        self.seats: list[Seat] = []
        self._port = ""
        for _, lines in scene.people:
            for command in re.findall(r"^\$ (\S+)", "\n".join(lines), re.M):
                if command in ("telnet", "nc", "sqlite3"):
                    program(command)
        starts = scene.people[0][1][0].startswith("$ twistd ")
        if starts:
            case.addCleanup(self._assert_no_trouble)
        else:
            server = Server(case, *scene.options, folder=self._folder)
            self._port = str(server.port)

    def _assert_no_trouble(self) -> None:
        log = (self._folder / "twistd.log").read_text("utf-8")
        self._case.assertEqual(troubles_in(log), [], log)

    def play(self) -> None:
        """Let everybody type and read until all screens are as wanted, or time is over."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._let_in()
            for seat in self.seats:
                seat.go_on()
            if not self._waiting and all(seat.done for seat in self.seats):
                return
            if any(not seat.as_wanted(len(seat.lines)) for seat in self.seats):
                break
        # Report wrong screens first: the others only lack their last lines.
        for seat in sorted(self.seats, key=lambda seat: seat.as_wanted(len(seat.lines))):
            self._case.assertEqual(list(map(shape, seat.lines)), list(map(shape, seat.wanted)))
        self._case.assertEqual(self._waiting, [], "nobody was to see them join")

    def _let_in(self) -> None:
        """Seat the next people, if it is their time."""
        while self._waiting:
            name, lines = self._waiting[0]
            joined = re.compile(rf"-- (#\S+: )?{name} joined")
            turns = []
            for seat in self.seats:
                met = [turn for turn, line in enumerate(seat.wanted) if joined.fullmatch(line)]
                turns += [(seat, turn) for turn in met[:1]]
            if turns:
                ready = all(seat.reached(turn) for seat, turn in turns)
            else:
                ready = all(seat.done for seat in self.seats)
            if not ready:
                return
            self.seats.append(self._sit_down(lines))
            del self._waiting[0]

    def _sit_down(self, lines: list[str]) -> Seat:
        if lines[0].startswith("$ twistd "):
            return Seat(self._case, lines, self._folder)
        if not self._port:
            self._port = eventually(self._logged_port, "the server to be ready")
        return Seat(self._case, [line.replace(PORT, self._port) for line in lines], self._folder)

    def _logged_port(self) -> str:
        log = (self._folder / "twistd.log").read_text("utf-8")
        found = re.search(r" listens on .*:(\d+); history: ", log)
        return found[1] if found is not None else ""


def replay(case: TestCase, scene: Scene) -> None:
    """Play a scene, and compare people's screens with the document."""
    Stage(case, scene).play()


# Traffic of connections

_SERVER: Final = re.compile(r"<!-- server:(.*?)-->")
_WIRE: Final = re.compile(r"^```wire\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_STEP: Final = re.compile(r"(\w+) ([<>]) ?(.*)")
_MORE: Final = re.compile(r",…}$")
_KEPT: Final = ("token", "journal", "session")
"""The fields whose values only the server knows."""

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class WireScene(NamedTuple):
    """The traffic of some connections to one server, which may be restarted meanwhile.

    :ivar options: the options of the server.
    """

    options: list[str]
    lines: list[str]


def wire_scenes_of(text: str) -> list[WireScene]:
    """Return the scenes of a document that show traffic."""
    first, *parts = _SERVER.split(text)
    if _WIRE.search(first):
        raise AssertionError("there is no server yet for the first block")
    return [
        WireScene(shlex.split(options), "".join(_WIRE.findall(part)).splitlines())
        for options, part in zip(parts[::2], parts[1::2], strict=True)
    ]


class WireStage:
    """A scene of traffic, while it is played line by line."""

    def __init__(self, case: TestCase, scene: WireScene) -> None:
        self._case = case
        self._scene = scene
        self._folder = folder_for(case)
        self._known: dict[str, str] = {}
        self._peers: dict[str, Client | Program] = {}
        self._machines: set[str] = set()
        self._new: set[str] = set()
        self._shown = {line.partition(" > ")[0] for line in scene.lines if " > " in line}
        self._start()

    def _start(self) -> None:
        if "--console" not in self._scene.options:
            self._server = Server(self._case, *self._scene.options, folder=self._folder)
            self._address = self._server.address
            return
        command = (str(TWISTD), "-n", "--pidfile=", "chat", "--listen", LOOPBACK)
        self._console = Program(
            self._case, *command, *self._scene.options, terminal=True, folder=self._folder
        )
        log = self._folder / "twistd.log"

        def port() -> int:
            found = log.exists() and re.search(r" listens on .*:(\d+); history: ", log.read_text())
            return int(found[1]) if found else 0

        self._address = ("127.0.0.1", eventually(port, "the server to be ready"))
        self._case.addCleanup(self._assert_no_trouble, log)

    def _assert_no_trouble(self, log: Path) -> None:
        self._case.assertEqual(troubles_in(log.read_text("utf-8")), [])

    def play(self) -> None:
        """Do each line; then check that no bytes are left to read."""
        for line in self._scene.lines:
            step = _STEP.fullmatch(line)
            try:
                if step is None:
                    self._direct(line)
                elif step[2] == "<":
                    self._say(step[1], step[3])
                else:
                    self._hear(step[1], step[3])
            except AssertionError as error:
                raise AssertionError(f"{line}: {error}") from None
        for name, peer in self._peers.items():
            if name in self._machines:
                peer.send('{"type":"ping","ref":"the end"}\n')  # type: ignore[union-attr]
                self._hear(name, '{"type":"pong","ref":"the end"}')
            elif name in self._shown:
                peer.say("/uptime")  # type: ignore[union-attr]
                self._case.assertRegex(peer.read_line(), "^-- up ")

    def _direct(self, line: str) -> None:
        for pattern, do in _DIRECTIONS:
            found = re.fullmatch(pattern, line)
            if found is not None:
                do(self, *found.groups())
                return
        raise AssertionError("that is no direction")

    # Lines in brackets

    def _connect(self, name: str) -> None:
        self._peers[name] = Client(self._case, self._address)
        self._new.add(name)

    def _sit_down(self, name: str) -> None:
        self._peers[name] = self._console

    def _hang_up(self, name: str) -> None:
        self._leave(name).close()

    def _end(self, name: str) -> None:
        peer = self._peers[name]
        assert isinstance(peer, Client)
        peer.end()

    def _is_closed(self, name: str) -> None:
        self._case.assertEqual(self._leave(name).read_rest(), "")

    def _leave(self, name: str) -> Client:
        self._machines.discard(name)
        peer = self._peers.pop(name)
        assert isinstance(peer, Client)
        return peer

    def _kill(self) -> None:
        self._server.kill()
        for name in list(self._peers):
            if name in self._shown:
                self._is_closed(name)
        self._peers.clear()
        self._start()

    # Lines with < and >

    def _say(self, name: str, line: str) -> None:
        for shown, real in self._known.items():
            line = line.replace(shown, real)
        peer = self._peers[name]
        if line.startswith("{"):
            self._machines.add(name)
        if isinstance(peer, Program):
            peer.type(f"{line}\n")
        else:
            peer.send(f"{line}\r\n")
        if name not in self._shown and line == name:
            # Its lines are not checked, but later steps must follow its welcome.
            peer.read_until(in_room())

    def _hear(self, name: str, wanted: str) -> None:
        got = self._peers[name].read_until("\n")
        if name in self._new and wanted.startswith("{") and wording.ASK_NAME in got:
            # This machine took too long from connecting to speaking, so the question came.
            got = self._peers[name].read_until("\n")
        self._new.discard(name)
        self._case.assertTrue(got.endswith("\r\n"), got)
        got = got[:-2]
        if not wanted.startswith("{"):
            self._case.assertEqual(shape(got), shape(wanted))
            return
        shown = json.loads(_MORE.sub("}", wanted))
        heard: dict[str, Any] = json.loads(got)
        if _MORE.search(wanted):
            heard = {key: value for key, value in heard.items() if key in shown}
        for key in _KEPT:
            if isinstance(shown.get(key), str) and isinstance(heard.get(key), str):
                heard[key] = self._as_shown(shown[key], heard[key])
        self._case.assertEqual(timeless(heard), timeless(shown))

    def _as_shown(self, shown: str, real: str) -> str:
        """Return the document's text for a real value; remember the pair if it is new."""
        if shown not in self._known and real not in self._known.values():
            self._known[shown] = real
        return shown if self._known.get(shown) == real else real


_DIRECTIONS: Final[tuple[tuple[str, Callable[..., None]], ...]] = (
    (r"\((\w+) connects\)", WireStage._connect),
    (r"\((\w+) sits at the terminal of the server\)", WireStage._sit_down),
    (r"\((\w+) hangs up\)", WireStage._hang_up),
    (r"\((\w+) ends its half\)", WireStage._end),
    (r"\((\w+) is closed\)", WireStage._is_closed),
    (r"\(the server is killed with kill -9, and starts again\)", WireStage._kill),
)


def timeless(value: Any) -> Any:
    """Replace the times and durations of an object, which differ between runs."""
    if isinstance(value, list):
        return [timeless(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _TIMES.get((key, _is_moment(one)), timeless(one)) for key, one in value.items()}


_TIMES: Final = {("at", True): "<at>", ("since", True): "<at>", ("idle", False): "<seconds>"}


def _is_moment(value: Any) -> bool:
    return _MOMENT.fullmatch(str(value)) is not None


def replay_wire(case: TestCase, scene: WireScene) -> None:
    """Play a scene, and compare the received lines with the document."""
    WireStage(case, scene).play()
