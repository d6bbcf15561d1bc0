"""What the documents show is so: transcripts are replayed, commands run, against a real server."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import TestCase

from chatservice.journal.sqlite_schema import SCHEMA_VERSION
from tests.integration.support import (
    TWISTD,
    Certificate,
    Client,
    Program,
    Server,
    client_through,
    eventually,
    folder_for,
    lasting_ports,
    program,
    run,
)
from tests.integration.transcripts import (
    PORT,
    blocks_in,
    replay,
    replay_wire,
    scenes_of,
    wire_scenes_of,
)
from tests.welcome import in_room

CHECKOUT = Path(__file__).resolve().parents[2]


def text_of(document: str) -> str:
    """Read a document."""
    return (CHECKOUT / document).read_text("utf-8")


def commands_in(document: str, word: str) -> list[str]:
    """List the commands of a document's shell blocks that have a word in them."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text_of(document), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if word in line.split()]


class TranscriptTests(TestCase):
    """Each scene is played by people on terminals."""

    def assert_replayed(self, document: str) -> None:
        text = text_of(document)
        scenes = scenes_of(text)
        self.assertEqual(sum(len(scene.people) for scene in scenes), blocks_in(text))
        self.assertTrue(scenes)
        for scene in scenes:
            replay(self, scene)

    def test_the_readme(self) -> None:
        self.assert_replayed("README.md")

    def test_using_the_chat(self) -> None:
        self.assert_replayed("docs/using.md")

    def test_operating_the_chat(self) -> None:
        self.assert_replayed("docs/operating.md")


class WireTests(TestCase):
    """What the documents show to go over the wire goes over it, line by line."""

    def assert_replayed(self, document: str, least: int) -> None:
        scenes = wire_scenes_of(text_of(document))
        self.assertGreaterEqual(len(scenes), least)
        for scene in scenes:
            self.assertTrue(scene.lines)
            replay_wire(self, scene)

    def test_the_protocol(self) -> None:
        self.assert_replayed("docs/protocol.md", 10)

    def test_the_readme(self) -> None:
        self.assert_replayed("README.md", 0)


class ScriptTests(TestCase):
    """What the documents pipe into the chat is said there."""

    def assert_said(self, document: str) -> None:
        program("nc")
        server = Server(self)
        bob = Client(self, server.address, "bob")
        (command,) = (line for line in commands_in(document, "nc") if line.startswith("printf "))
        self.pipe(command, server)
        bob.read_until("<bot> the build is green\r\n-- bot left\r\n")

    def pipe(self, command: str, server: Server) -> None:
        path = f"PATH={TWISTD.parent}:/usr/bin:/bin:/usr/local/bin"
        state = f"XDG_STATE_HOME={server.folder}"
        command = re.sub(r"\b(chat\.example|localhost)\b", "127.0.0.1", command)
        if PORT not in command:
            command = command.replace("127.0.0.1", f"127.0.0.1:{PORT}")
        command = command.replace(PORT, str(server.port))
        done = run("env", path, state, "bash", "-c", command, folder=server.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_nc_in_the_readme(self) -> None:
        self.assert_said("README.md")

    def test_nc_in_using(self) -> None:
        self.assert_said("docs/using.md")

    def test_the_client_in_the_readme(self) -> None:
        self.assert_made("README.md", "deploybot", "ops")

    def test_the_client_in_using(self) -> None:
        self.assert_made("docs/using.md", "deploybot", "lobby")

    def assert_made(self, document: str, name: str, room: str) -> None:
        """Have lines said in each way that is shown: joined, and the last ones of many."""
        commands = [line for line in commands_in(document, "chat-client") if "|" in line]
        made = [line.removeprefix("make 2>&1 | ") for line in commands]
        self.assertEqual(["--batch" in made[0], "--tail 20" in made[1]], [True, True])
        joint = " ⏎ " if "--batch" in made[1] else f"\r\n<{name}> "
        last = ["… 30 lines left out", *map(str, range(31, 51))]
        for pipe, said in zip(made, (" ⏎ ".join("12"), joint.join(last)), strict=True):
            server = Server(self)
            bob = Client(self, server.address, "bob")
            if room != "lobby":
                bob.ask(f"/join {room}", in_room(room))
            self.pipe(f"seq {50 if '--tail' in pipe else 2} | LOGNAME={name} {pipe}", server)
            bob.read_until(f"-- {name} joined\r\n<{name}> {said}\r\n-- {name} left\r\n")


class ProgramTests(TestCase):
    """What the documents use is not on each machine; they say what brings it."""

    def packages(self, document: str) -> set[str]:
        """List what a document has one install."""
        return set(
            " ".join(re.findall(r"`apt-get install ([a-z0-9 -]+)`", text_of(document))).split()
        )

    def test_the_packages_bring_the_programs(self) -> None:
        policy = [program("apt-cache"), "show", "--no-all-versions"]
        for document in ("README.md", "docs/using.md"):
            self.assertEqual(self.packages(document), {"telnet", "netcat-openbsd"})
        for package in self.packages("README.md"):
            self.assertEqual(run(*policy, package, folder=CHECKOUT).returncode, 0, package)

    def test_nc_is_one_that_has_what_is_used(self) -> None:
        usage = run(program("nc"), "-h", folder=CHECKOUT)
        self.assertRegex(usage.stdout + usage.stderr, r"OpenBSD|-[A-Za-z]*N")

    def test_the_client_is_found_as_the_documents_say(self) -> None:
        activate = f". {TWISTD.parent.relative_to(TWISTD.parents[2])}/activate"
        for document in ("README.md", "docs/using.md"):
            self.assertIn(". .venv/bin/activate", text_of(document))
        done = run(
            "env",
            "PATH=/usr/bin:/bin",
            "bash",
            "-c",
            f"{activate} && command -v chat-client",
            folder=TWISTD.parents[2],
        )
        self.assertEqual((done.stdout.strip(), done.stderr), (f"{TWISTD.parent}/chat-client", ""))


class BackupTests(TestCase):
    """A backup is made while the service runs, and put back when it does not."""

    def test_the_commands_back_up_and_restore(self) -> None:
        program("sqlite3")
        (backup,) = commands_in("docs/operating.md", "sqlite3")
        self.assertEqual(commands_in("README.md", "sqlite3"), [backup])
        restore = [
            line
            for word in ("rm", "cp", "chmod")
            for line in commands_in("docs/operating.md", word)
        ]
        server = Server(self)
        ana = Client(self, server.address, "ana")
        self.settle(ana, "/topic what was said before")
        self.assertEqual(self.shell(backup, server.folder), "")
        self.settle(ana, "/topic said later")
        server.kill()
        for command in restore:
            self.assertEqual(self.shell(command, server.folder), "")
        self.assertEqual(server.history.stat().st_mode & 0o777, 0o600)
        with closing(sqlite3.connect(server.history)) as history:
            topics = history.execute("SELECT value FROM facts WHERE kind = 'topic'").fetchall()
        self.assertEqual(topics, [("what was said before",)])
        again = Server(self, folder=server.folder)
        bob = Client(self, again.address, "bob")
        self.assertNotIn("said later", bob.ask("/uptime", "-- since "))

    def settle(self, who: Client, command: str) -> None:
        """Have a command done; the next one is answered when that is stored."""
        who.say(command)
        who.ask("/uptime", "-- since ")

    def shell(self, command: str, folder: Path) -> str:
        done = run("bash", "-c", command, folder=folder)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout + done.stderr

    def test_a_file_of_a_newer_version_is_refused_as_the_document_says(self) -> None:
        server = Server(self)
        server.stop()
        with closing(sqlite3.connect(server.history)) as history:
            history.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        done = run(TWISTD, "-n", "--pidfile=", "chat", "--listen", "tcp:0", folder=server.folder)
        self.assertEqual(done.returncode, 1)
        (said,) = re.findall(r"`(it was written by a newer .*?)`", text_of("docs/operating.md"))
        self.assertTrue(done.stderr.rstrip().endswith(said), done)


class EndpointTests(TestCase):
    """The endpoints that the document names can be talked through."""

    def listen(self, word: str) -> str:
        """Return the endpoint of the kind that the document listens on."""
        lines = commands_in("docs/operating.md", "--listen")
        (found,) = re.findall(rf"--listen ({word}:\S+)", "\n".join(lines))
        return str(found)

    def assert_talk(self, ana: Client, bob: Client) -> None:
        ana.enter("ana")
        bob.enter("bob")
        ana.say("hello bob")
        bob.read_until("<ana> hello bob\r\n")

    def test_tls_with_a_certificate_or_a_folder(self) -> None:
        folder = folder_for(self)
        certificate = Certificate(folder)
        for name in ("cert.pem", "chain.pem"):
            shutil.copy(certificate.file, folder / name)
        for word, interface in (("ssl", "127.0.0.1"), ("tls", r"\:\:ffff\:127.0.0.1")):
            endpoint = self.listen(word).replace("7008", "0") + f":interface={interface}"
            server = Server(self, "--history", "none", listen=(endpoint,), folder=folder)
            people = [
                Client(self, server.address, tls=certificate.trusting) for _ in ("ana", "bob")
            ]
            self.assert_talk(*people)

    def test_haproxy(self) -> None:
        haproxy = program("haproxy")
        server = Server(self, listen=(self.listen("haproxy:tcp").replace("7009", "0"),))
        (config,) = re.findall(
            r"^```haproxy\n(.*?)^```$", text_of("docs/operating.md"), re.DOTALL | re.MULTILINE
        )
        (port,) = lasting_ports(1)
        config = config.replace(PORT, str(port)).replace("7009", str(server.port))
        (server.folder / "haproxy.cfg").write_text(config)
        proxy = Program(self, haproxy, "-db", "-f", server.folder / "haproxy.cfg")

        ana, bob = client_through(self, proxy, port), client_through(self, proxy, port)
        self.assert_talk(ana, bob)
        # Without the header, it is nobody whom the service would talk to.
        self.assertEqual(Client(self, server.address, first=b"eve\n").read_rest(), "")


class SignalTests(TestCase):
    """A signal does what the document says."""

    def test_a_new_log_is_begun_where_it_is_a_file(self) -> None:
        folder = folder_for(self)
        command = (TWISTD, "--logfile", "twistd.log")
        server = LoggingServer(self, folder=folder, command=command)
        server.signal(signal.SIGUSR1)
        eventually((folder / "twistd.log.1").exists, "a new log")
        self.assertEqual(server.stop(), -signal.SIGTERM)
        self.assertIn("chatservice is down", (folder / "twistd.log").read_text("utf-8"))

    def test_without_a_file_it_does_nothing(self) -> None:
        server = Server(self)
        server.signal(signal.SIGUSR1)
        eventually(lambda: "SIGUSR1" in server.log, "the signal to be noticed")
        self.assertEqual(server.stop(), -signal.SIGTERM)


class LoggingServer(Server):
    """A server whose log is ``twistd.log`` in its folder."""

    @property
    def log(self) -> str:
        """What it has written since its log was begun."""
        file = self.folder / "twistd.log"
        return file.read_text("utf-8") if file.exists() else ""
