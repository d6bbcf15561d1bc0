"""The commands by which a chat grows do what the documents say, as they are printed there.

At night it is also waited for that a node that was killed is taken for dead.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from chatservice.cluster.peers import IN_REACH, OUT_OF_REACH
from tests.integration.brokers import NATS_SERVER, lasting_ports
from tests.integration.cluster import stored
from tests.integration.environment import CHECKOUT, copy_checkout, environ, environment
from tests.integration.proxy import HOST
from tests.integration.support import (
    PATIENCE,
    Client,
    Peer,
    Process,
    Program,
    Server,
    eventually,
    folder_for,
    program,
    run,
    troubles_in,
)
from tests.profiles import NIGHTLY
from tests.welcome import GREETING

BROKER, *NODES = PORTS = ("4222", "7007", "7008", "7009")
LINES = 12
"""So many may be said at once."""

TROUBLES = r"can't be reached|the history refuses"
"""What nodes write down while they have no broker."""


def blocks(document: str, heading: str, kind: str) -> list[str]:
    """Return the blocks of a kind that are under a heading, which begins with its signs."""
    text = (CHECKOUT / document).read_text("utf-8")
    signs = heading.split(" ")[0]
    section = text.split(f"\n{heading}\n", 1)[1].split(f"\n{signs} ", 1)[0]
    return re.findall(rf"^```{kind}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


class Setting:
    """A folder in which the commands are given, with ports that are free."""

    def __init__(self, case: TestCase) -> None:
        self._case = case
        self.folder = copy_checkout(folder_for(case) / "checkout")
        self._ports = dict(zip(PORTS, lasting_ports(len(PORTS)), strict=True))
        self._environ = environ()
        self._output = self.folder / "output"

    def port(self, port: str) -> int:
        """Return what is in place of a port of the README."""
        return self._ports[port]

    def shell(self, command: str) -> None:
        """Run a command, which may leave something running."""
        for port, ours in self._ports.items():
            command = re.sub(rf"\btcp:{port}\b", f"tcp:{ours}:interface={HOST}", command)
            command = re.sub(rf"\b{port}\b", str(ours), command)
        with self._output.open("ab") as output:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=180,
            )
        self._case.assertEqual(done.returncode, 0, f"{command}\n{self._output.read_text()}")

    def process(self, file: str) -> Process:
        """Return what has noted its pid; it ends with the test."""
        path = self.folder / file
        pid = eventually(lambda: path.exists() and path.read_text().strip(), file)
        return Process(self._case, int(pid))


class Machine(Client):
    """A program that speaks JSON, and remembers the last id that it saw."""

    def __init__(self, case: TestCase, port: int, **hello: Any) -> None:
        super().__init__(case, (HOST, port))
        self.since = 0
        self.send(json.dumps({"type": "hello", **hello}) + "\n")
        self.hello = self.until("welcome")

    def until(self, kind: str) -> dict[str, Any]:
        """Read up to a message of some kind."""
        while True:
            message: dict[str, Any] = json.loads(self.read_line())
            self.since = max(self.since, message.get("id", 0))
            if message["type"] == kind:
                return message


class GrowingTests(TestCase):
    """What the README promises of three nodes is so."""

    timeout = 300

    def test_five_commands_make_three_nodes_of_one_process(self) -> None:
        for name in ("telnet", "nc"):
            program(name)
        (block,) = blocks("README.md", "## Growing", "sh")
        install, broker, *starts = block.splitlines()
        self.assertEqual(len(starts), 3)
        setting = Setting(self)
        (setting.folder / ".venv").symlink_to(environment().folder)
        self.addCleanup(environment().spoil)
        setting.shell(install)
        base = self.one_process(setting)
        (copy,) = re.findall("`(cp .*?)`", (CHECKOUT / "README.md").read_text("utf-8"))
        setting.shell(copy)
        setting.shell(broker)
        broker_process = setting.process("nats.pid")
        nodes = []
        for start, file in zip(starts, ("twistd.pid", "2.pid", "3.pid"), strict=True):
            setting.shell(start)
            nodes.append(setting.process(file))
        ana = self.come("ana", "telnet", setting.port(NODES[0]))
        ana.read_until("<zoe> said before")
        bob = self.come("bob", "nc", setting.port(NODES[1]))
        bob.read_until("<zoe> said before")
        bot = Machine(self, setting.port(NODES[1]), name="bot")
        self.assertEqual(bot.until("ok")["room"], "lobby")
        thief = Client(self, (HOST, setting.port(NODES[2])))
        thief.ask("ana", "-- the name ana is taken")
        carl = self.come("carl", "nc", setting.port(NODES[2]))
        company = carl.read_until(re.compile(r"-- you are in #lobby with .*\n"))
        carl.read_until("-- the topic: growing")
        for name in ("ana", "bob", "bot"):
            self.assertIn(name, re.findall(r"\w+", company))

        people = {"ana": ana, "bob": bob, "carl": carl}
        self.talk(people)

        self.kill_a_node(setting, people, bot, nodes[1], starts[1])
        nodes[1] = setting.process("2.pid")
        self.kill_the_broker(people, broker_process, lambda: setting.shell(broker))
        setting.process("nats.pid")

        self.same_history(setting, base)
        for node in nodes:
            node.signal(signal.SIGTERM)
        for node in nodes:
            node.wait()
        carl.read_until("-- the server is going down")
        for file in ("twistd.log", "2.log", "3.log"):
            log = (setting.folder / file).read_text("utf-8")
            self.assertIn("chatservice is down", log)
            found = [line for line in troubles_in(log) if not re.search(TROUBLES, line)]
            self.assertEqual(found, [])

    def one_process(self, setting: Setting) -> int:
        """Let somebody speak in a process that is alone; return the last id there."""
        twistd = setting.folder / ".venv/bin/twistd"
        server = Server(self, folder=setting.folder, command=(twistd,))
        zoe = Client(self, server.address, "zoe")
        zoe.ask("/topic growing", "-- the topic: growing")
        zoe.say("said before")
        zoe.ask("/quit", "goodbye")
        server.stop()
        return max(event.id for event in stored(server.history))

    def same_history(self, setting: Setting, base: int) -> None:
        """Wait until all have stored the same behind an id."""

        def same() -> bool:
            first, *others = (
                [event for event in stored(setting.folder / name) if event.id > base]
                for name in ("chat.sqlite", "2.sqlite", "3.sqlite")
            )
            return all(other == first for other in others)

        eventually(same, "the same history everywhere")

    def come(self, name: str, how: str, port: int) -> Program:
        """Come in with a program that people have."""
        one = Program(self, program(how), HOST, str(port), terminal=how == "telnet")
        one.read_until(GREETING)
        one.type(f"{name}\n")
        one.read_until(f"-- hello {name}!")
        return one

    def talk(self, people: dict[str, Program]) -> None:
        """Let all speak at once, and see that all are shown that in one order."""
        for name, one in people.items():
            one.type("".join(f"{name} {number}\n" for number in range(LINES)))
        heard = {name: self.hear(name, one, len(people)) for name, one in people.items()}
        for name, lines in heard.items():
            for other, theirs in heard.items():
                both = [
                    [line for line in some if not line.startswith((f"<{name}>", f"<{other}>"))]
                    for some in (lines, theirs)
                ]
                self.assertEqual(*both)

    def hear(self, name: str, one: Peer, speakers: int) -> list[str]:
        """Read all that the others say; what a terminal echoes is not among it."""
        lines: list[str] = []
        while len(lines) < LINES * (speakers - 1):
            line = one.read_line()
            if re.match(r"<\w+> ", line):
                lines.append(line)
        for other in {line.split(">")[0] for line in lines}:
            said = [line for line in lines if line.startswith(other)]
            self.assertEqual(said, [f"{other}> {other[1:]} {n}" for n in range(LINES)], name)
        return lines

    def kill(self, process: Process) -> None:
        """Kill a process; its pid is nobody's then, as twistd sees from the file that is left."""
        process.signal(signal.SIGKILL)
        process.wait()
        eventually(lambda: not Path(f"/proc/{process.pid}").exists(), "it to be gone for good")

    def kill_a_node(
        self,
        setting: Setting,
        people: dict[str, Program],
        bot: Machine,
        node: Process,
        start: str,
    ) -> None:
        """Kill the second node: its program comes back on the third, its people leave."""
        bot.send('{"type":"say","room":"lobby","text":"before it","seq":1}\n')
        self.assertEqual(bot.until("ok")["seq"], 1)
        self.kill(node)
        del people["bob"]
        people["ana"].read_until("<bot> before it")
        people["ana"].type("while the bot was away\n")
        people["carl"].read_until("<ana> while the bot was away")
        token = bot.hello["token"]
        again = Machine(self, setting.port(NODES[2]), name="bot", token=token, since=bot.since)
        self.assertEqual((again.hello["resumed"], again.hello["gap"]), (True, False))
        self.assertEqual(again.until("said")["text"], "while the bot was away")
        # It does not know whether this was stored.
        again.send('{"type":"say","room":"lobby","text":"before it","seq":1}\n')
        again.send('{"type":"say","room":"lobby","text":"behind it","seq":2}\n')
        self.assertNotIn("before it", people["ana"].read_until("<bot> behind it"))
        if NIGHTLY:
            people["carl"].read_until("-- bob left")
            setting.shell(start)
        else:
            # Who was there when it was killed is seen off when it is back, if not before.
            setting.shell(start)
            people["carl"].read_until("-- bob left")

    def kill_the_broker(self, people: dict[str, Program], broker: Process, start: Any) -> None:
        """Kill the only broker: what is said waits until there is one again."""
        self.kill(broker)
        for one in people.values():
            one.read_until(OUT_OF_REACH)
        people["ana"].type("it waited\n")
        people["ana"].type("/uptime\n")
        people["ana"].read_until("-- since ")
        start()
        shown = people["carl"].read_until("<ana> it waited", 2 * PATIENCE)
        people["ana"].read_until(IN_REACH)
        people["ana"].type("it is said once\n")
        shown += people["carl"].read_until("<ana> it is said once")
        self.assertEqual(shown.count("it waited"), 1)


class AccessTests(TestCase):
    """A broker that lets nobody in but nodes is made as the document says, and nodes get in."""

    def test_tls_a_password_and_permissions(self) -> None:
        for name in ("openssl", str(NATS_SERVER)):
            program(name)
        heading = "### TLS and passwords for the brokers"
        *makings, start = blocks("docs/operating.md", heading, "sh")
        access, _ = blocks("docs/operating.md", heading, "nats")
        folder = folder_for(self)
        for making in makings:
            done = run("bash", "-ec", making.replace("10.0.0.1", HOST), folder=folder)
            self.assertEqual(done.returncode, 0, done.stderr)
        (folder / "password").write_text("chat:sesame\n")
        (port,) = lasting_ports(1)
        config = f'listen: "{HOST}:{port}"\njetstream {{ store_dir: "{folder}/store" }}\n{access}'
        (folder / "nats.conf").write_text(config.replace("/etc/nats", str(folder)))
        environ = {**os.environ, "BROKER_PASSWORD": "sesame"}
        broker = subprocess.Popen(
            [NATS_SERVER, "-c", "nats.conf", "-l", "nats.log"], cwd=folder, env=environ
        )
        self.addCleanup(broker.wait)
        self.addCleanup(broker.kill)
        options = start.replace("\\\n", " ").split()[3:]
        self.assertEqual(options.pop(0), "--cluster")
        self.assertRegex(options.pop(0), "^tls://10.0.0.1:4222,")
        cluster = ("--cluster", f"tls://{HOST}:{port}", *options)

        one = Server(self, *cluster, folder=folder)
        two = Server(self, *cluster, "--history", "2.sqlite", folder=folder)
        ana, bob = Client(self, one.address, "ana"), Client(self, two.address, "bob")
        bob.say("hello")
        ana.read_until("<bob> hello")
        two.stop()
        ana.read_until("-- bob left")
        self.assertNotIn("Violation", (folder / "nats.log").read_text())
