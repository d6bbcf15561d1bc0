"""Real servers and real peers: what the integration tests are made of.

Nothing here sleeps and hopes: what is waited for is looked for until it is there, or until a
deadline that only something broken exceeds. Everything that is started ends with its test, however
that ends.
"""

from __future__ import annotations

import ctypes
import datetime
import fcntl
import os
import random
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SkipTest, TestCase

from tests.integration.forked import TWISTD, Forked

PATIENCE = 30.0
"""Seconds after which something that takes a moment is taken for broken, on a busy machine too."""

POLL = 0.02
"""Seconds from one look at something that is waited for to the next."""

LOOPBACK = "tcp:0:interface=127.0.0.1"
"""A free port that nobody else can reach."""

UNHURRIED = ("--rate", "0", "--max-per-address", "0")
"""The options of a server that slows nobody down, for tests whose peers all have one address."""

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_RESOURCE = 1, 2, 24
_PR_CAPBSET_DROP = 24

_T = TypeVar("_T")


def folder_for(case: TestCase) -> Path:
    """Make a folder that is gone after the test."""
    folder = Path(tempfile.mkdtemp(prefix="chatservice-test-"))
    case.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


_given: set[int] = set()


def lasting_ports(count: int) -> list[int]:
    """Find ports that are free, and that no connection is given as its own while they are.

    No other process of the same run is given them.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(10_000 + worker, first, workers)
    found: list[int] = []
    for port in random.Random().sample(ports, min(1000, len(ports))):
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            found.append(port)
            _given.add(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} ports below {first} are free")


def program(name: str) -> str:
    """Find a program that may be missing."""
    found = shutil.which(name)
    if found is None:
        raise SkipTest(f"{name} is not installed")
    return found


def eventually(look: Callable[[], _T], what: str, patience: float = PATIENCE) -> _T:
    """Look until there is something to see, and return it."""
    deadline = time.monotonic() + patience
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"in vain waited {patience:g} s for {what}")
        time.sleep(POLL)


def assert_lines(
    case: TestCase, got: Sequence[str], wanted: Sequence[str], what: str = "compared"
) -> None:
    """Compare thousands of lines; what is wrong is told by the first difference."""
    for index, (one, other) in enumerate(zip(got, wanted, strict=False)):
        if one != other:
            case.fail(f"{what}: line {index} of {len(got)} is {one!r}, where {other!r} should be")
    case.assertEqual(len(got), len(wanted), what)


def memory_of(pid: int) -> int:
    """How many bytes of memory a process takes up."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)
    assert found is not None, status
    return int(found[1]) * 1024


class Process:
    """A process that is known by its pid, whoever its parent is; it ends with its test."""

    def __init__(self, case: TestCase, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)
        case.addCleanup(self._end)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        signal.pidfd_send_signal(self._handle, number)

    def wait(self, patience: float = PATIENCE) -> None:
        """Wait until it has ended."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        if not poll.poll(patience * 1000):
            raise AssertionError(f"process {self.pid} did not end in {patience:g} s")

    def _end(self) -> None:
        try:
            self.signal(signal.SIGKILL)
        except ProcessLookupError:
            pass
        else:
            self.wait()
        os.close(self._handle)


class Server:
    """A chat that runs: ``twistd -n chat``, in a folder of its own.

    Its log has to be free of errors when the test is over. Where nothing but its options is special
    it is forked, which costs less.

    :cvar fresh: it is never forked.

    :param listen: endpoints; the first should be one with a port of its choice.
    :param folder: where it runs; the history is there too, under its usual name.
    :param troubles: what may be in the log at an error's level: a regular expression.
    :param command: what to start in place of twistd, with twistd's arguments behind.
    :param pid: with a pid file, as twistd has it by itself.
    """

    fresh = False

    def __init__(
        self,
        case: TestCase,
        *options: str,
        listen: tuple[str, ...] = (LOOPBACK,),
        folder: Path | None = None,
        troubles: str | None = None,
        command: tuple[str | Path, ...] = (TWISTD,),
        pid: bool = False,
        **popen: Any,
    ) -> None:
        self.folder = folder_for(case) if folder is None else folder
        self.history = self.folder / "chat.sqlite"
        self._troubles = troubles
        listening = [word for endpoint in listen for word in ("--listen", endpoint)]
        output, self._output = tempfile.mkstemp(prefix="output-", dir=self.folder)
        words = ["-n", *([] if pid else ["--pidfile="]), "chat", *listening, *options]
        # Who looks after a pid file looks at the command of that process, too.
        usual = command == (TWISTD,) and all(value is None for value in popen.values())
        self._process: Forked | subprocess.Popen[bytes]
        with os.fdopen(output, "wb") as file:
            if usual and not pid and not self.fresh:
                self._process = Forked(words, self.folder, file.fileno())
            else:
                self._process = subprocess.Popen(
                    [*command, *words],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    **popen,
                )
        case.addCleanup(self._end, case)
        self.pid = self._process.pid
        ports = eventually(self._ports, "the server to be ready")
        self.port = ports[0]
        self.ports = ports

    @property
    def log(self) -> str:
        """All that the server has written."""
        return Path(self._output).read_text(encoding="utf-8", errors="replace")

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, if the first of its endpoints is the usual one."""
        return ("127.0.0.1", self.port)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for its end; return its status, the negative number of a signal that ended it."""
        return self._process.wait(patience)

    def stop(self) -> int:
        """Stop it as systemd does."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kill it: it has no time to do anything."""
        self.signal(signal.SIGKILL)
        self.wait()

    def _ports(self) -> list[int]:
        log = self.log
        line = re.search(r"^.* listens on (.*); history: ", log, re.M)
        if line is not None:
            return [int(port) for port in re.findall(r":(\d+)(?:,|$)", line[1])] or [0]
        if self._process.poll() is not None:
            raise AssertionError(f"the server ended with {self._process.returncode}:\n{log}")
        return []

    def _end(self, case: TestCase) -> None:
        if self._process.poll() is None:
            self.kill()
        troubles = troubles_in(self.log)
        if self._troubles is not None:
            troubles = [line for line in troubles if not re.search(self._troubles, line)]
        case.assertEqual(troubles, [], self.log)


class FreshServer(Server):
    """A server that is started as people start it. What is measured of it is true of theirs."""

    fresh = True


def troubles_in(log: str) -> list[str]:
    """List what no log of a healthy server has: lines of an error, and tracebacks."""
    return [
        line
        for line in log.splitlines()
        if re.search(r"#(error|critical)\]|Traceback|Unhandled|[Ee]xception ignored", line)
    ]


class Daemon:
    """A chat in the background, which is known by its pid alone."""

    def __init__(self, case: TestCase, *options: str, folder: Path | None = None) -> None:
        self.folder = folder_for(case) if folder is None else folder
        self.pid_file = self.folder / "twistd.pid"
        self._log_file = self.folder / "twistd.log"
        files = ("--pidfile", self.pid_file.name, "--logfile", self._log_file.name)
        done = run(TWISTD, *files, "chat", "--listen", LOOPBACK, *options, folder=self.folder)
        if (done.returncode, done.stdout, done.stderr) != (0, "", ""):
            raise AssertionError(f"{done}\n{self.log}")
        self.process = Process(case, int(self.pid_file.read_text()))
        ports = re.findall(r" listens on .*:(\d+)\b.*; history: ", self.log)
        self.address = ("127.0.0.1", int(ports[-1]))
        # Before its reactor runs, a signal is not heeded yet: it ends the process without a word.
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.recv(1)

    @property
    def log(self) -> str:
        """All that it, and those before it in this folder, have written."""
        try:
            return self._log_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # Between the moment it is renamed and the next one is opened.
            return ""


def without(*capabilities: int) -> Callable[[], None]:
    """Return what a new process calls, so that not even root has these capabilities in it."""
    prctl = ctypes.CDLL(None).prctl

    def drop() -> None:
        for capability in capabilities:
            prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)

    return drop


def run(
    *command: str | Path,
    folder: Path,
    given: str = "",
    environ: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself; its standard output and error are told apart."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        input=given,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=2 * PATIENCE,
        **options,
    )


def run_forked(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a twistd that ends by itself, as :func:`run` does, at less cost."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        forked = Forked(arguments, folder, output.fileno(), errors.fileno())
        status = forked.wait(2 * PATIENCE)
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return subprocess.CompletedProcess([str(TWISTD), *arguments], status, *said)


class Certificate:
    """A certificate for localhost that nobody but its maker trusts.

    :ivar key: the file of its key.
    :ivar file: the file of the certificate.
    :ivar folder: has one file with both, and nothing else.
    :ivar trusting: for clients who trust it.
    """

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        key_pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.key = folder / "key.pem"
        self.key.write_bytes(key_pem)
        self.file = folder / "certificate.pem"
        self.file.write_bytes(pem)
        self.folder = folder / "certificates"
        self.folder.mkdir()
        (self.folder / "localhost.pem").write_bytes(key_pem + pem)
        self.trusting = ssl.create_default_context(cadata=pem.decode())


class Peer:
    """Something that is read from, with a deadline for everything."""

    _unread = b""
    _ended = False

    def _receive(self, patience: float) -> bytes | None:
        """Return what has come, b"" at the end, None if nothing came in time."""
        raise NotImplementedError

    def _more(self, deadline: float) -> bool:
        """Wait for more; returns whether there was some."""
        data = None if self._ended else self._receive(max(0.0, deadline - time.monotonic()))
        if data:
            self._unread += data
        elif data is not None:
            self._ended = True
        return bool(data)

    def read_until(self, expected: str | re.Pattern[str], patience: float = PATIENCE) -> str:
        """Read up to the first place that is, or matches, what is expected, and return it all."""
        if isinstance(expected, str):
            compiled = re.compile(re.escape(expected).encode())
        else:
            compiled = re.compile(expected.pattern.encode(), expected.flags & ~re.UNICODE)
        deadline = time.monotonic() + patience
        start = 0
        while True:
            found = compiled.search(self._unread, start)
            if found is not None:
                text, self._unread = self._unread[: found.end()], self._unread[found.end() :]
                return text.decode(errors="replace")
            # A match is within a few lines, and those are not long.
            start = max(0, len(self._unread) - 10_000)
            if not self._more(deadline):
                why = "the end came" if self._ended else f"it did not come in {patience:g} s"
                shown = self._unread[-3000:].decode(errors="replace")
                raise AssertionError(f"expected {expected!r}, but {why}; what came: {shown}")

    def read_line(self, patience: float = PATIENCE) -> str:
        """Read a line, without its end."""
        return self.read_until("\n", patience).rstrip("\r\n")

    def read_rest(self, patience: float = PATIENCE) -> str:
        """Read until the other side has closed."""
        deadline = time.monotonic() + patience
        while self._more(deadline):
            pass
        text, self._unread = self._unread.decode(errors="replace"), b""
        if not self._ended:
            raise AssertionError(f"it was not closed in {patience:g} s; what came: {text[-3000:]}")
        return text

    def read_for(self, seconds: float) -> str:
        """Read all that comes in some time, for what has to happen at a certain speed."""
        deadline = time.monotonic() + seconds
        while not self._ended and time.monotonic() < deadline:
            self._more(deadline)
        text, self._unread = self._unread.decode(errors="replace"), b""
        return text


class Client(Peer):
    """Somebody on a plain socket.

    :param address: of a host and a port, or the path of a unix socket.
    :param name: to come in with; without one, nothing is sent and nothing read.
    :param tls: to speak TLS.
    :param first: bytes to be sent before all else, outside of TLS.
    :param window: bytes that the kernel holds for this client to read, about.
    :param source: the address from which to connect.
    """

    def __init__(
        self,
        case: TestCase,
        address: tuple[str, int] | Path,
        name: str | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        first: bytes = b"",
        window: int | None = None,
        source: str | None = None,
    ) -> None:
        if isinstance(address, Path):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.socket = socket.socket(family)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        case.addCleanup(self.close)
        if source is not None:
            self.socket.bind((source, 0))
        if window is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(address) if isinstance(address, Path) else address)
        if first:
            self.socket.sendall(first)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.name = name
        self.welcome = self.enter(name) if name is not None else ""

    def enter(self, name: str) -> str:
        """Give a name, and return what there was to read until one is in a room."""
        self.name = name
        self.say(name)
        welcomed = rf"^-- hello {re.escape(name)}!.*^-- you are in #[^\n]*\n"
        return self.read_until(re.compile(welcomed, re.M | re.S))

    def send(self, data: str | bytes) -> None:
        """Send text or bytes as they are."""
        self.socket.settimeout(PATIENCE)
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def say(self, *lines: str) -> None:
        """Send lines, all at once."""
        self.send("".join(f"{line}\n" for line in lines))

    def ask(self, command: str, until: str | re.Pattern[str]) -> str:
        """Send a command, and return what there is to read up to the end of its answer."""
        self.say(command)
        return self.read_until(until)

    def end(self) -> None:
        """Say that there is nothing more to come; reading goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def reset(self) -> None:
        """Hang up as a machine does that has crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _receive(self, patience: float) -> bytes | None:
        # Zero would make the socket one that doesn't block, to which TLS answers in its own way.
        self.socket.settimeout(max(patience, 0.001))
        try:
            return self.socket.recv(1 << 16)
        except TimeoutError:
            return None
        except ConnectionResetError:
            return b""


class Program(Peer):
    """A program that talks: on pipes, or on a terminal that has it for itself.

    What is typed on a terminal is echoed, as it is to whoever sits there.

    :param folder: where it runs.
    """

    def __init__(
        self,
        case: TestCase,
        *command: str | Path,
        terminal: bool = False,
        folder: Path | None = None,
    ) -> None:
        words = [str(word) for word in command]
        if terminal:
            self._keys, theirs = os.openpty()
            self._screen = self._keys
            self.process = subprocess.Popen(
                words,
                cwd=folder,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                preexec_fn=_take_terminal,
            )
            os.close(theirs)
        else:
            ours_out, theirs_in = os.pipe()
            theirs_out, ours_in = os.pipe()
            self.process = subprocess.Popen(
                words, cwd=folder, stdin=theirs_out, stdout=theirs_in, stderr=theirs_in
            )
            os.close(theirs_out)
            os.close(theirs_in)
            self._keys, self._screen = ours_in, ours_out
        self._open = {self._keys, self._screen}
        case.addCleanup(self._end)

    def type(self, text: str) -> None:
        """Type, or give to the standard input."""
        data = text.encode()
        while data:
            data = data[os.write(self._keys, data) :]

    def echoes(self) -> bool:
        """Whether the terminal shows by itself what is typed, line by line."""
        wanted = termios.ECHO | termios.ICANON
        return termios.tcgetattr(self._keys)[3] & wanted == wanted

    def be_sane(self) -> None:
        """Make the terminal as a shell has it that gets it back."""
        mode = termios.tcgetattr(self._keys)
        mode[3] |= termios.ECHO | termios.ICANON
        termios.tcsetattr(self._keys, termios.TCSANOW, mode)

    def end(self) -> None:
        """Close the standard input, where that is a pipe."""
        self._close(self._keys)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for its end; return its status."""
        return self.process.wait(patience)

    def _receive(self, patience: float) -> bytes | None:
        poll = select.poll()
        poll.register(self._screen, select.POLLIN)
        if not poll.poll(patience * 1000):
            return None
        try:
            return os.read(self._screen, 1 << 16)
        except OSError:
            # So a terminal says that nobody has it open any more.
            return b""

    def _close(self, file: int) -> None:
        if file in self._open:
            self._open.remove(file)
            os.close(file)

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._close(self._keys)
        self._close(self._screen)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def client_through(case: TestCase, proxy: Program, port: int) -> Client:
    """Connect through a proxy, as soon as it listens."""

    def through() -> Client | None:
        try:
            return Client(case, ("127.0.0.1", port))
        except ConnectionRefusedError:
            if proxy.process.poll() is not None:
                raise AssertionError(proxy.read_rest()) from None
            return None

    return eventually(through, "the proxy")
