"""The real client on a real terminal, at a real server: what is compared are the cells."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread, deferToThread
from twisted.trial.unittest import TestCase
from wcwidth import wcswidth

from chatservice.client.screen.editor import EDGE
from tests.client.screen.tty import Tty, seen
from tests.integration.proxy import How, Proxy
from tests.integration.support import (
    LOOPBACK,
    PATIENCE,
    UNHURRIED,
    Client,
    Server,
    eventually,
    folder_for,
    lasting_ports,
    program,
)
from tests.integration.test_client import COMMAND
from tests.profiles import size

BATCHES = 5
BATCH = 200
DROPS = size(8, 100)

WORDS = (
    "x",
    "hello",
    "well-known",
    "y" * 90,
    "日本語",
    "한국어",
    "e\u0301a\u0308",
    "नमस्ते",
    "👍",
    "🎉🎉🎉",
    "❤\ufe0f",
    "👩\u200d💻",
    "https://chat.example/" + "z" * 50,
)
KEYS = ("a", "b", "c", " ", "日", "本", "e\u0301", "👍")


class ScreenTestCase(TestCase):
    """A server, and people at terminals."""

    columns, rows = 80, 24

    def setUp(self) -> None:
        self.folder = folder_for(self)

    def serve(self, *options: str, listen: str = LOOPBACK, folder: Path | None = None) -> None:
        self.server = Server(self, *UNHURRIED, *options, listen=(listen,), folder=folder)

    def sit_down(
        self,
        *options: str,
        script: str = 'exec "$@"',
        where: str | None = None,
        **environ: str,
    ) -> Tty:
        """Start the client on a terminal, by a script of the shell."""
        where = where or f"localhost:{self.server.port}"
        return Tty(
            self,
            ("sh", "-c", script, "sh", *COMMAND, *options, where),
            self.columns,
            self.rows,
            {"XDG_STATE_HOME": str(self.folder), **environ},
            self.folder,
        )

    def come_in(self, name: str = "ana", **environ: str) -> Tty:
        tty = self.sit_down("--name", name, **environ)
        tty.until_shown("you are in #lobby")
        return tty

    def lines_of(self, tty: Tty, author: str) -> list[str]:
        """Put the lines that somebody said together again; spaces don't count."""
        lines: list[str] = []
        for row in tty.everything[: self.top_of(tty)]:
            if found := re.match(r"\[\d\d:\d\d\] <(\S+)> ?(.*)", row):
                lines.append(found[2] if found[1] == author else "")
            elif row.startswith("-- "):
                lines.append("")
            elif lines and lines[-1]:
                lines[-1] += row
        return [re.sub(r"\s", "", line) for line in lines if line]

    def top_of(self, tty: Tty) -> int:
        """Find the line that is typed: it begins behind all that was printed."""
        rows = tty.everything
        tops = [y for y, row in enumerate(rows) if row == ">" or row.startswith("> ")]
        return max(tops, default=len(rows))

    def typed_on(self, tty: Tty) -> str:
        """Return the line that is typed, as it is seen."""
        rows = tty.everything[self.top_of(tty) : -1]
        return "".join(row[2:].ljust(self.columns - 2)[: self.columns - 2] for row in rows)

    def until_typed(self, tty: Tty, text: str) -> None:
        """Look until the line that is typed is this one."""
        tty.until(lambda: bare(self.typed_on(tty)) == bare(text), text)

    def until_said(self, tty: Tty, lines: list[str]) -> None:
        """Look until the last of what bob said is there."""
        last = bare(lines[-1])
        tty.until(lambda: self.lines_of(tty, "bob")[-1:] == [last], last)


def bare(text: str) -> str:
    """Leave out spaces, and what pyte does not keep."""
    return re.sub(r"\s", "", seen(text))


class PrivateTests(ScreenTestCase):
    """What is for one person reaches nobody else."""

    def test_an_answer_goes_to_who_wrote_and_to_no_stranger_of_the_name(self) -> None:
        self.serve()
        ana = self.come_in()
        zoe = Client(self, self.server.address, "zoe")
        zoe.say("/msg ana hi")
        ana.until_shown("zoe writes to you: Alt-2 or /go zoe shows it")
        zoe.say("/nick zed")
        ana.until_shown("zoe is now zed")
        ana.type("/reply hi zed\r")
        zoe.read_until("[ana -> you] hi zed\r\n")
        ana.until_shown("[you -> zed] hi zed")
        zoe.say("/quit")
        ana.until_shown("zed left")
        stranger = Client(self, self.server.address, "zed")
        ana.until_shown("zed joined")
        ana.type("/reply secret\r")
        ana.until_shown("who wrote to you last is not here any more; not said: secret")
        ana.type(" /msg zed psst\r")
        self.assertNotIn("secret", stranger.read_until("[ana -> you] psst\r\n"))

    def test_nor_does_one_that_is_typed_while_there_is_no_connection(self) -> None:
        listen = f"tcp:{lasting_ports(1)[0]}:interface=127.0.0.1"
        self.serve(listen=listen)
        ana = self.come_in()
        Client(self, self.server.address, "zoe").say("/msg ana hi")
        ana.until_shown("zoe writes to you")
        ana.type("/go zoe\r")
        ana.until_shown("-- private, with zoe --", "[zoe -> you] hi")
        self.server.kill()
        ana.until_shown("no connection")
        ana.type("secret\r")
        ana.until_shown("… secret", "1 unsent")
        self.serve(listen=listen, folder=self.server.folder)
        stranger = Client(self, self.server.address, "zoe")
        ana.until_shown("who wrote to you last is not here any more; not said: secret")
        stranger.say("/msg ana who are you?")
        ana.until_shown("[zoe -> you] who are you?")
        ana.type("ana\r")
        self.assertNotIn("secret", stranger.read_until("[ana -> you] ana\r\n"))


class CommandTests(ScreenTestCase):
    def test_a_failed_command_is_not_glued_to_the_next_line(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in()
        ana.type("/help keys\r")
        ana.until_shown("there is no /keys")
        self.until_typed(ana, "")
        ana.type("good morning all\r")
        bob.read_until("<ana> good morning all\r\n")
        ana.type("\x1b[A\x1b[A")
        self.until_typed(ana, "/help keys")

    def test_people_and_the_server_can_be_asked_about(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        bob.ask("/join dev", until="-- you are in #dev: no one else yet\r\n")
        bob.ask("/away gone fishing", until="-- you are away until you speak\r\n")
        ana = self.come_in()
        ana.type("/whois bob\r")
        ana.until_shown("-- in     #lobby, #dev", "-- since  20", "-- idle   ", "gone fishing")
        ana.type("/whois zoe\r")
        ana.until_shown("-- there is no zoe here")
        ana.type("/uptime\r")
        ana.until_shown("-- up ")
        ana.until(lambda: ana.cells.rows[-3].startswith("-- since 20"), "since when")

    def test_whoever_is_ignored_stays_so(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in()
        bob.say("hello", "/msg ana psst")
        ana.until_shown("<bob> hello", "bob writes to you")
        ana.type("/ignore bob\r")
        ana.until_shown("-- you see no more of bob")
        bob.say("hidden", "/msg ana secret")
        ana.type("\x04")
        self.assertEqual(ana.status(), 0)
        hidden = "\n".join(ana.everything)
        bob.say("hidden too")
        bob.ask("/nick rob", until="-- you are rob now\r\n")
        bob.say("hidden as rob")
        ana = self.come_in()
        ana.until_shown("-- bob is now rob")
        ana.type("/ignored\r")
        ana.until_shown("-- you ignore:", "--   rob")
        for text in ("hidden", "secret"):
            self.assertNotIn(text, hidden + "\n".join(ana.everything))
        ana.type("/unignore rob\r")
        ana.until_shown("-- you see rob again")
        bob.say("thanks")
        ana.until_shown("<rob> thanks")

    def test_how_one_sees_it_is_remembered(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in()
        ana.type("/set timestamps full\r/set joins off\r/set zone Asia/Tokyo\r")
        ana.until_shown("-- zone        Asia/Tokyo")
        ana.type("\x04")
        self.assertEqual(ana.status(), 0)
        ana = self.come_in()
        cleo = Client(self, self.server.address, "cleo")
        cleo.say("/quit")
        cleo.read_rest()
        bob.say("hi ana")
        shown = re.compile(r"^\[20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\] <bob>", re.M)
        ana.until(lambda: shown.search("\n".join(ana.everything)), "the full time")
        self.assertNotIn("cleo", "\n".join(ana.everything))

    def test_what_is_elsewhere_is_read_where_it_is(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.sit_down("--name", "ana", "--room", "lobby", "--room", "dev")
        ana.until_shown("you are also in #dev")
        bob.ask("/join dev", until="with ana\r\n")
        bob.say("hello", "/msg ana psst")
        ana.until_shown("2 #dev (1)", "bob writes to you")
        self.assertNotIn("hello", "\n".join(ana.everything[:-1]).replace("-- hello ana!", ""))
        ana.type("\x1b2")
        ana.until_shown("-- #dev --", "<bob> hello")
        ana.until(lambda: ana.cells.rows[-1].startswith(" #dev "), "the status of #dev")
        ana.type("in dev\r")
        bob.read_until("<ana> in dev\r\n")
        ana.type("\x1b3")
        ana.until_shown("[bob -> you] psst")
        ana.until_gone("(1)")
        self.assertNotIn("hello", "\n".join(ana.cells.rows))
        ana.type("in private\r")
        bob.read_until("[ana -> you] in private\r\n")
        ana.type("\x1b0")
        ana.until_shown("-- all rooms and private talks --", "#dev <bob> hello")
        ana.until(lambda: ana.cells.rows[-1].startswith(" all, to bob"), "the status of all")


class NarrowCommandTests(CommandTests):
    columns, rows = 40, 16


class TypingTests(ScreenTestCase):
    def test_every_line_is_there_once_and_the_typed_one_is_whole(self) -> None:
        """It is typed while lines come, in each batch and between two of them."""
        dice = random.Random(self.columns)
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in()
        typed, said = "", list[str]()
        for _ in range(BATCHES):
            batch = [
                f"{len(said) + n:04}: " + " ".join(dice.choices(WORDS, k=dice.randrange(12)))
                for n in range(BATCH)
            ]
            for n in range(0, BATCH, 10):
                bob.say(*batch[n : n + 10])
                key = dice.choice(KEYS)
                typed += key
                ana.type(key)
                ana.look(0.001)
            said += batch
            lines = list(map(bare, said))

            def is_whole(lines: list[str] = lines, typed: str = bare(typed)) -> bool:
                return (
                    self.lines_of(ana, "bob") == lines
                    and bare(self.typed_on(ana)) == typed
                    and ana.cells.display[-1].strip().startswith("#lobby")
                )

            # All at one look: between two of them something may be drawn anew.
            ana.until(is_whole, f"each line once, and {typed!r}")
        ana.type("\r")
        bob.read_until(f"<ana> {typed.rstrip()}\r\n")
        ana.until(lambda: self.lines_of(ana, "ana") == [bare(typed)], "the own line")

    def test_two_screens_show_one_order(self) -> None:
        self.serve()
        ana, bob = self.come_in("ana"), self.come_in("bob")
        for n in range(20):
            ana.type(f"from ana {n}\r")
            bob.type(f"from bob {n}\r")
        orders = []
        for tty in (ana, bob):
            tty.until_shown("from ana 19", "from bob 19")
            orders.append(
                [row[8:] for row in tty.everything if re.match(r"\[..:..\] <\S+> from", row)]
            )
        self.assertEqual(len(orders[0]), 40)
        self.assertEqual(orders[0], orders[1])

    def test_the_size_changes_while_one_types(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in()
        said, typed = list[str](), "half a line, 日本語, "
        ana.type(typed)
        for n, columns in enumerate((self.columns - 10, self.columns + 30, self.columns)):
            ana.resize(columns, self.rows)
            self.columns = columns
            ana.type(f"{n}")
            typed += f"{n}"
            said.append(f"at {columns}: " + "word " * 30)
            bob.say(said[-1])
            self.until_said(ana, said)
            self.until_typed(ana, typed)
            # It is folded for the width that there is now.
            rows = [row for row in ana.everything[-12:] if "word" in row]
            self.assertGreater(max(map(len, rows)), columns - 10)
        # What pyte cut off is gone, but nothing is there twice.
        shown = [line[:4] for line in self.lines_of(ana, "bob")]
        self.assertEqual(shown, [bare(line)[:4] for line in said])


class NarrowTypingTests(TypingTests):
    columns, rows = 40, 10


ERASE = b"\x1b[K\x1b[C\x1b[J"
"""How the client erases what it has drawn."""


class Tmux:
    """A terminal that folds what it has no room for, as most do, and keeps what scrolls out."""

    def __init__(self, case: ScreenTestCase, command: Sequence[str | Path]) -> None:
        self._tmux = (program("tmux"), "-L", f"chat-{os.getpid()}-{id(self)}", "-f", os.devnull)
        case.addCleanup(subprocess.run, (*self._tmux, "kill-server"), capture_output=True)
        size = ("-x", str(case.columns), "-y", str(case.rows))
        state = f"XDG_STATE_HOME={case.folder}"
        self._written = case.folder / f"written-{id(self)}"
        self._run("new-session", "-d", *size, "env", state, "TERM=screen-256color", *command)
        self._run("pipe-pane", f"cat >> '{self._written}'")

    def _run(self, *words: str | Path) -> str:
        done = subprocess.run(
            [*self._tmux, *map(str, words)], capture_output=True, check=True, timeout=PATIENCE
        )
        return done.stdout.decode()

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, and wait until the program has drawn again for it.

        A terminal that changes once more while that is on its way may show some of it twice.
        """
        before = self._erased
        self._run("resize-window", "-x", str(columns), "-y", str(rows))
        eventually(lambda: self._erased >= before + 2, "the line to be drawn again")

    @property
    def _erased(self) -> int:
        """How often what was drawn was taken away; twice at each change of size."""
        return self._written.read_bytes().count(ERASE) if self._written.exists() else 0

    @property
    def everything(self) -> list[str]:
        """All rows, also those that have scrolled out."""
        return [row.rstrip() for row in self._run("capture-pane", "-p", "-S", "-").splitlines()]

    def until(self, look: Callable[[list[str]], object], what: str) -> None:
        try:
            eventually(lambda: look(self.everything), what)
        except AssertionError as error:
            raise AssertionError("\n".join((str(error), *self.everything[-60:]))) from None


class ResizeTests(ScreenTestCase):
    """However the size changes, one prompt and one status are there, and every line once."""

    TYPED = ("short", "long " * 30, "日本語、한국어 " * 8)

    def assert_whole(self, tmux: Tmux, columns: int, typed: str) -> None:
        """See that what was typed is there once, folded for so many columns."""
        room = columns - columns // EDGE
        folded = wcswidth(typed) > room

        def is_whole(rows: list[str]) -> bool:
            tops = [y for y, row in enumerate(rows) if row.startswith(">")]
            bars = [y for y, row in enumerate(rows) if row.startswith(" #lobby ·")]
            if len(tops) != 1 or len(bars) != 1:
                return False
            shown = rows[tops[0] : bars[0]]
            widest = max(map(wcswidth, shown))
            return bare("".join(shown).removeprefix(">")) == bare(typed) and (
                room - 3 <= widest <= room or not folded
            )

        tmux.until(is_whole, f"one prompt with {typed!r} at {columns} columns")

    def test_no_copy_of_the_prompt_stays(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        where = f"localhost:{self.server.port}"
        for number, typed in enumerate(self.TYPED):
            tmux = Tmux(self, (*COMMAND, "--name", f"ana{number}", where))
            tmux.until(lambda rows: any("you are in #lobby" in row for row in rows), "the lobby")
            said = [f"{number}-{n}" for n in range(40)]
            bob.say(*said)
            tmux.until(lambda rows: any(said[-1] in row for row in rows), "the last")  # noqa: B023
            tmux.type(typed)
            step = self.columns // 30
            for columns, rows in (
                *((self.columns - step * n, self.rows) for n in range(1, 10)),
                (self.columns, self.rows),
                (self.columns + 20, self.rows + 6),
                *((self.columns, self.rows - 2 * n) for n in range(1, 5)),
                (self.columns, self.rows),
            ):
                tmux.resize(columns, rows)
                self.assert_whole(tmux, columns, typed)

            def are_there(said: list[str] = said) -> bool:
                rows = [row for row in tmux.everything if "> " + said[0][:2] in row]  # noqa: B023
                return [row.partition("> ")[2] for row in rows] == said

            eventually(are_there, f"each line of {said[0]} to {said[-1]} once")

    def test_nor_where_little_was_said_so_far(self) -> None:
        self.serve()
        for number, typed in enumerate(self.TYPED):
            where = f"localhost:{self.server.port}"
            tmux = Tmux(self, (*COMMAND, "--name", f"ana{number}", where))
            tmux.until(lambda rows: any("you are in #lobby" in row for row in rows), "the lobby")
            tmux.type(typed)
            step = self.columns // 8
            for columns in (self.columns - step * n for n in range(1, 4)):
                tmux.resize(columns, self.rows)
                self.assert_whole(tmux, columns, typed)


class NarrowResizeTests(ResizeTests):
    columns, rows = 40, 24


class TerminalTests(ScreenTestCase):
    def test_the_terminal_is_left_as_it_was(self) -> None:
        self.serve()
        for keys, status in (("\x04", 0), ("half\x03\x03", 0), ("/quit\r", 0)):
            ana = self.sit_down(
                "--name", "ana", script='stty -a > before; "$@"; s=$?; stty -a > after; exit $s'
            )
            ana.until_shown("you are in #lobby")
            ana.type(keys)
            self.assertEqual(ana.status(), status)
            states = [(self.folder / name).read_text() for name in ("before", "after")]
            self.assertEqual(states[0], states[1])
            self.assertEqual(ana.cells.rows[-1], "-- goodbye, ana")
            self.assertFalse(ana.cells.cursor.hidden)
            self.assertGreater(ana.written.rfind(b"\x1b[?2004l"), ana.written.rfind(b"\x1b[?2004h"))

    def test_without_colours(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in(NO_COLOR="1")
        bob.say("hello ana")
        ana.until_shown("<bob> hello ana")
        codes = {
            code
            for codes in re.findall(rb"\x1b\[([0-9;]*)m", ana.written)
            for code in codes.split(b";")
        }
        self.assertLessEqual(codes, {b"", b"0", b"1", b"2", b"7"})
        self.assertIn(b"7", codes)

    def test_a_terminal_that_can_only_print(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in(TERM="dumb")
        bob.say("hello ana")
        ana.until_shown("<bob> hello ana")
        ana.type("hello bob\r")
        bob.read_until("<ana> hello bob\r\n")
        ana.type("\x04")
        self.assertEqual(ana.status(), 0)
        self.assertNotIn(b"\x1b", ana.written)

    def test_names_have_colours_that_last(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        colours = []
        for name in ("ana", "cleo"):
            tty = self.come_in(name)
            bob.say(f"hello {name}")
            tty.until_shown(f"<bob> hello {name}")
            y = next(y for y, row in enumerate(tty.cells.display) if f"<bob> hello {name}" in row)
            row = tty.cells.buffer[y]
            self.assertEqual(row[9].data, "b")
            colours.append(row[9].fg)
            # One's own name is marked.
            self.assertTrue(row[20].bold)
            self.assertNotEqual(row[20].bg, "default")
        self.assertEqual(colours[0], colours[1])
        self.assertNotEqual(colours[0], "default")

    def test_the_bell(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in()
        bob.say("hello", "hello ana", "bye")
        ana.until_shown("<bob> bye")
        ana.until(lambda: ana.cells.bells == 1, "the bell")

    def test_a_long_paste_is_asked_about(self) -> None:
        self.serve()
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in()
        ana.paste("\n".join(f"pasted {n}" for n in range(30)))
        ana.until_shown("you pasted 30 lines", "send 30 lines? y/n")
        ana.type("y")
        for n in range(30):
            bob.read_until(f"<ana> pasted {n}\r\n")
        ana.until_shown("<ana> pasted 29")


class ConnectionTests(ScreenTestCase):
    timeout = 120 + 5 * DROPS

    def test_what_is_typed_while_there_is_no_connection_is_sent_later(self) -> None:
        listen = f"tcp:{lasting_ports(1)[0]}:interface=127.0.0.1"
        self.serve(listen=listen)
        folder = self.server.folder
        ana = self.come_in()
        ana.type("before\r")
        ana.until_shown("<ana> before")
        ana.type("half ")
        self.server.kill()
        ana.until_shown("the connection to localhost", "no connection")
        self.assertEqual(self.typed_on(ana).strip(), "half")
        ana.type("a line\r")
        ana.until_shown("… half a line", "1 unsent")
        ana.type("and more")
        self.serve(listen=listen, folder=folder)
        ana.until_shown("connected again", "<ana> half a line")
        ana.until_gone("unsent")
        self.assertEqual(self.typed_on(ana).strip(), "and more")
        self.assertEqual("\n".join(ana.everything).count("half a line"), 1)

    def test_who_is_gone_with_a_server_that_was_killed_is_told(self) -> None:
        listen = f"tcp:{lasting_ports(1)[0]}:interface=127.0.0.1"
        self.serve(listen=listen)
        Client(self, self.server.address, "bob")
        cleo = self.come_in("cleo")
        ana = self.come_in()
        ana.until_shown("you are in #lobby with")
        self.server.kill()
        ana.until_shown("no connection")
        cleo.until_shown("no connection")
        self.serve(listen=listen, folder=self.server.folder)
        for tty in (ana, cleo):
            tty.until_shown("-- bob is not here any more")
            shown = "\n".join(tty.everything)
            self.assertEqual(shown.count("any more"), 1, shown)

    def test_what_was_missed_stands_below_how_much_it_is(self) -> None:
        self.serve("--grace", "90")
        bob = Client(self, self.server.address, "bob")
        ana = self.come_in()
        ana.type("hello\r")
        bob.read_until("<ana> hello\r\n")
        ana.until_shown("<ana> hello")
        ana.process.kill(signal.SIGTERM)
        self.assertEqual(ana.status(), 1)
        bob.say(*(f"missed {n}" for n in range(37)))
        ana = self.come_in()
        ana.until_shown("-- you were away: 37 lines --", "<bob> missed 36")
        rows = ana.everything
        first = rows.index("-- you were away: 37 lines --")
        self.assertIn("<ana> hello", "\n".join(rows[:first]))
        shown = [row[8:] for row in rows[first + 1 : first + 38]]
        self.assertEqual(shown, [f"<bob> missed {n}" for n in range(37)])

    def test_each_line_is_there_once_whatever_happens_to_the_connection(self) -> Deferred[None]:
        self.serve()
        proxy = Proxy(self, self.server.port)
        dice = random.Random(7)
        bob = Client(self, self.server.address, "bob")
        cleo = self.come_in("cleo")
        where = proxy.address

        def scene() -> None:
            ana = self.sit_down("--name", "ana", where=where)
            ana.until_shown("you are in #lobby")
            lines = 0
            for _ in range(DROPS):
                for _ in range(dice.randrange(1, 12)):
                    bob.say(f"from bob {lines}")
                    ana.type(f"from ana {lines}\r")
                    lines += 1
                    ana.look(dice.random() / 10)
                blockingCallFromThread(reactor, proxy.cut, dice.choice(list(How)))
                if dice.random() < 0.5:
                    ana.until_shown("no connection")
                    ana.until_gone("no connection")
            orders = []
            for tty in (ana, cleo):
                tty.until_shown(f"<ana> from ana {lines - 1}", f"<bob> from bob {lines - 1}")
                rows = tty.everything[: self.top_of(tty)]
                orders.append([row[8:] for row in rows if re.match(r"\[..:..\] <\S+> from", row)])
            for name in ("ana", "bob"):
                said = [row for row in orders[1] if row.startswith(f"<{name}> ")]
                self.assertEqual(said, [f"<{name}> from {name} {n}" for n in range(lines)])
            self.assertEqual(orders[0], orders[1])
            self.assertNotIn("missing", "\n".join(ana.everything))
            ana.type("\x04")
            self.assertEqual(ana.status(), 0)

        return deferToThread(scene)

    def test_another_terminal_of_the_same_person_is_somebody_else(self) -> None:
        self.serve()
        self.come_in("ana")
        other = self.sit_down()
        other.until_shown("name:")
        other.type("anna\r")
        other.until_shown("you are in #lobby with ana")

    def test_a_name_that_is_taken(self) -> None:
        self.serve()
        Client(self, self.server.address, "bob")
        tty = self.sit_down("--name", "bob")
        tty.until_shown("the name bob is taken", "name:")
        tty.type("bob\r")
        tty.until(lambda: "\n".join(tty.everything).count("taken") == 2, "a second refusal")
        tty.type("ana\r")
        tty.until_shown("you are in #lobby with bob")

    def test_a_room_of_ones_choice(self) -> None:
        self.serve()
        tty = self.sit_down("--name", "ana", "--room", "ops", "--room", "dev")
        tty.until_shown("you are in #ops", "you are also in #dev")
