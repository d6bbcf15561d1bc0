"""Real brokers, with the configuration in ``deploy``."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from twisted.trial.unittest import SkipTest

from tests.integration.proxy import HOST
from tests.integration.support import PATIENCE, eventually, lasting_ports

DEPLOY = Path(__file__).parents[2] / "deploy"
NATS_SERVER = Path(sys.executable).with_name("nats-server")


class Case(Protocol):
    """A test, or another owner of clean-ups."""

    def addCleanup(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call ``f`` at the end."""


class Brokers:
    """Running brokers, which form a cluster if there are several.

    :param folder: the folder of their stores and logs.
    :param payload: the most bytes of a message, for a single broker.
    """

    def __init__(
        self, case: Case, folder: Path, count: int = 3, payload: int | None = None
    ) -> None:
        if not NATS_SERVER.exists():
            raise SkipTest("nats-server is not installed")
        self.count = count
        self._folder = folder
        self._payload = payload
        self._ports = lasting_ports(count)
        self._cluster_ports = lasting_ports(count)
        self._monitors = lasting_ports(count)
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * count
        self._stopped: set[int] = set()
        self._starting = threading.Lock()
        case.addCleanup(self._end)
        self.start_all()

    @property
    def ports(self) -> list[int]:
        """The ports on which the brokers listen for nodes."""
        return list(self._ports)

    @property
    def urls(self) -> str:
        """The URLs of all brokers, as the nodes' ``--cluster`` takes them."""
        return ",".join(f"nats://{HOST}:{port}" for port in self._ports)

    def kill(self, index: int) -> None:
        """Kill a broker with SIGKILL, which leaves it no time to do anything."""
        process = self._processes[index]
        assert process is not None
        process.kill()
        process.wait(PATIENCE)
        self._processes[index] = None
        self._stopped.discard(index)

    def start(self, index: int) -> None:
        """Start a broker again, and wait until it is healthy."""
        self._run(index)
        eventually(lambda: self._ready(index), f"broker {index} to be back")

    def start_all(self) -> None:
        """Start the brokers that do not run, and wait until all are ready."""
        with self._starting:
            for index, process in enumerate(self._processes):
                if process is None:
                    self._run(index)
        for index in range(self.count):
            eventually(lambda index=index: self._ready(index), f"broker {index} to be ready")

    def store(self, index: int) -> Path:
        """Return the folder of a broker's store, to change while the broker is down."""
        return self._folder / f"store-{index}"

    def publish(self, subject: str, *messages: bytes) -> None:
        """Publish messages over a plain socket, as anybody with access to a broker may."""
        with socket.create_connection((HOST, self._ports[0]), PATIENCE) as peer:
            sent = [b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(m), m) for m in messages]
            peer.sendall(b'CONNECT {"verbose":false}\r\n' + b"".join(sent) + b"PING\r\n")
            said = b""
            while b"PONG" not in said:
                more = peer.recv(65536)
                assert more, said
                said += more
            assert b"-ERR" not in said, said

    def stop_signal(self, index: int) -> None:
        """Pause a broker with SIGSTOP: to all others it is just silent."""
        self._signal(index, signal.SIGSTOP)
        self._stopped.add(index)

    def cont(self, index: int) -> None:
        """Resume a paused broker."""
        self._stopped.discard(index)
        self._signal(index, signal.SIGCONT)

    def leader(self, stream: str) -> int:
        """Wait until a stream has a leader, and return the leader's index."""
        return int(eventually(lambda: self.stream(stream), f"a leader of {stream}")["index"])

    def stream(self, name: str) -> dict[str, Any] | None:
        """Return the leader's report on a stream, with its configuration; None without a leader."""
        for index in range(self.count):
            seen = self._stream(index, name)
            leader = (seen or {}).get("cluster", {}).get("leader", "")
            if seen and (self.count == 1 or leader == self._name(index)):
                return {"index": index, **seen}
        return None

    def duplicate_window(self, stream: str) -> float:
        """Return the seconds within which a stream drops duplicates."""
        found = eventually(lambda: self.stream(stream), f"the stream {stream}")
        return float(found["config"]["duplicate_window"] / 1e9)

    def current(self, stream: str) -> bool:
        """Return whether all replicas of a stream are up to date."""
        found = self.stream(stream)
        if not found:
            return False
        replicas = found.get("cluster", {}).get("replicas", [])
        return len(replicas) == self.count - 1 and all(one["current"] for one in replicas)

    def log(self, index: int) -> str:
        """Return the log of a broker."""
        return (self._folder / f"broker-{index}.log").read_text(errors="replace")

    def _name(self, index: int) -> str:
        return f"broker-{index}"

    def _run(self, index: int) -> None:
        store = self.store(index)
        routes = ", ".join(f"nats://{HOST}:{port}" for port in self._cluster_ports)
        environ = {
            "BROKER_NAME": self._name(index),
            "BROKER_LISTEN": f"{HOST}:{self._ports[index]}",
            "BROKER_CLUSTER_LISTEN": f"{HOST}:{self._cluster_ports[index]}",
            "BROKER_ROUTES": f"[{routes}]",
            "BROKER_MONITOR": f"{HOST}:{self._monitors[index]}",
            "BROKER_STORE": str(store),
        }
        if self.count > 1:
            options = ["-c", str(DEPLOY / "nats.conf")]
        else:
            port, monitor = str(self._ports[index]), str(self._monitors[index])
            options = ["-js", "-sd", str(store), "-a", HOST, "-p", port, "-m", monitor]
            if self._payload is not None:
                limits = self._folder / "limits.conf"
                limits.write_text(f"max_payload: {self._payload}\n")
                options += ["-c", str(limits)]
        with (self._folder / f"broker-{index}.log").open("ab") as log:
            self._processes[index] = subprocess.Popen(
                [str(NATS_SERVER), *options],
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _signal(self, index: int, number: int) -> None:
        process = self._processes[index]
        assert process is not None
        process.send_signal(number)

    def _ready(self, index: int) -> bool:
        process = self._processes[index]
        if process is None or process.poll() is not None:
            raise AssertionError(f"broker {index} ended:\n{self.log(index)}")
        health = self._ask(index, "/healthz")
        if not health or health.get("status") != "ok":
            return False
        jetstream = self._ask(index, "/jsz") or {}
        return self.count == 1 or bool(jetstream.get("meta_cluster", {}).get("leader"))

    def _stream(self, index: int, name: str) -> dict[str, Any] | None:
        seen = self._ask(index, "/jsz?streams=1&config=1") or {}
        for account in seen.get("account_details", ()):
            for stream in account.get("stream_detail", ()):
                if stream["name"] == name:
                    return stream
        return None

    def _ask(self, index: int, path: str) -> dict[str, Any] | None:
        if self._processes[index] is None or index in self._stopped:
            return None
        connection = http.client.HTTPConnection(HOST, self._monitors[index], timeout=2)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _end(self) -> None:
        for index, process in enumerate(self._processes):
            if process is not None:
                self.kill(index)
