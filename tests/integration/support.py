"""Real servers and real peers, of which the integration tests are built.

Nothing here sleeps and hopes: a wait polls until its condition holds, or until a deadline that only
something broken exceeds. Every process and connection ends with its test, however the test ends.
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
"""Seconds after which a short wait counts as failed, even on a busy machine."""

POLL = 0.02
"""Seconds between two looks at a condition."""

LOOPBACK = "tcp:0:interface=127.0.0.1"
"""An endpoint on a free port, which only this machine can reach."""

UNHURRIED = ("--rate", "0", "--max-per-address", "0")
"""The options of a server without throttling, for tests whose peers all have one address."""

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_RESOURCE = 1, 2, 24
_PR_CAPBSET_DROP = 24

_T = TypeVar("_T")


def folder_for(case: TestCase) -> Path:
    """Make a folder that is removed after the test."""
    folder = Path(tempfile.mkdtemp(prefix="chatservice-test-"))
    case.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


_given: set[int] = set()


def lasting_ports(count: int) -> list[int]:
    """Return free ports below the range from which the kernel takes ports for connections.

    No other worker process of the same run gets the same ports.
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
    """Return the path of a program; skip the test if it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise SkipTest(f"{name} is not installed")
    return found


def eventually(look: Callable[[], _T], what: str, patience: float = PATIENCE) -> _T:
    """Call ``look`` until it returns something true, and return that; fail after ``patience``."""
    deadline = time.monotonic() + patience
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s in vain for {what}")
        time.sleep(POLL)


def assert_lines(
    case: TestCase, got: Sequence[str], wanted: Sequence[str], what: str = "compared"
) -> None:
    """Compare many lines, and fail with the first difference."""
    for index, (one, other) in enumerate(zip(got, wanted, strict=False)):
        if one != other:
            case.fail(f"{what}: line {index} of {len(got)} is {one!r}, where {other!r} should be")
    case.assertEqual(len(got), len(wanted), what)


def memory_of(pid: int) -> int:
    """Return the bytes of memory that a process has resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)
    assert found is not None, status
    return int(found[1]) * 1024


class Process:
    """A process known by its pid, a child or not; it ends with its test."""

    def __init__(self, case: TestCase, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)
        case.addCleanup(self._end)

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        signal.pidfd_send_signal(self._handle, number)

    def wait(self, patience: float = PATIENCE) -> None:
        """Wait until the process has ended."""
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
    """A running chat: ``twistd -n chat``, in a folder of its own.

    Its log must be free of errors when the test is over. The server is forked, which costs less,
    unless something besides its options is special.

    :cvar fresh: whether the server is never forked.

    :param listen: endpoints; the first should choose its own port.
    :param folder: the working folder, which holds the history under its usual name.
    :param troubles: a regular expression of lines that the log may have at an error's level.
    :param command: the command in place of twistd, which gets twistd's arguments.
    :param pid: whether there is a pid file, as twistd has by default.
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
        # A reader of the pid file checks the command of that process, too.
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
        """The output of the server so far."""
        return Path(self._output).read_text(encoding="utf-8", errors="replace")

    @property
    def address(self) -> tuple[str, int]:
        """The host and port of the first endpoint, if that is the usual one."""
        return ("127.0.0.1", self.port)

    def signal(self, number: int) -> None:
        """Send the server a signal."""
        self._process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for the end; return the status, or the negative number of the fatal signal."""
        return self._process.wait(patience)

    def stop(self) -> int:
        """Stop the server with SIGTERM, as systemd does; return its status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kill the server with SIGKILL, which leaves it no time to do anything."""
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
    """A server started as people start it, not forked, so that measurements hold for theirs."""

    fresh = True


def troubles_in(log: str) -> list[str]:
    """List the lines of a log with errors or tracebacks, which a healthy server never writes."""
    return [
        line
        for line in log.splitlines()
        if re.search(r"#(error|critical)\]|Traceback|Unhandled|[Ee]xception ignored", line)
    ]


class Daemon:
    """A daemonised chat, known by its pid alone."""

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
        # Wait until the reactor runs: before that, a signal ends the process at once.
        with socket.create_connection(self.address, PATIENCE) as peer:
            peer.recv(1)

    @property
    def log(self) -> str:
        """The log of this daemon and of earlier ones in the same folder."""
        try:
            return self._log_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # Between renaming the file and opening the next.
            return ""


def without(*capabilities: int) -> Callable[[], None]:
    """Return a ``preexec_fn`` that drops capabilities, even for root."""
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
    """Run a command that ends by itself; capture its standard output and error separately."""
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
    """Run a twistd that ends by itself, like :func:`run`, but forked at less cost."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        forked = Forked(arguments, folder, output.fileno(), errors.fileno())
        status = forked.wait(2 * PATIENCE)
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return subprocess.CompletedProcess([str(TWISTD), *arguments], status, *said)


class Certificate:
    """A self-signed certificate for localhost.

    :ivar key: the file of the key.
    :ivar file: the file of the certificate.
    :ivar folder: a folder with one file that holds both, and nothing else.
    :ivar trusting: the TLS context of a client that trusts the certificate.
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
    """A source of bytes; every read has a deadline."""

    _unread = b""
    _ended = False

    def _receive(self, patience: float) -> bytes | None:
        """Return bytes that have come, b"" at the end, None if nothing came in time."""
        raise NotImplementedError

    def _more(self, deadline: float) -> bool:
        """Wait for more bytes; return whether any came."""
        data = None if self._ended else self._receive(max(0.0, deadline - time.monotonic()))
        if data:
            self._unread += data
        elif data is not None:
            self._ended = True
        return bool(data)

    def read_until(self, expected: str | re.Pattern[str], patience: float = PATIENCE) -> str:
        """Read up to the first match of a text or pattern, and return all that was read."""
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
            # A match spans few lines, and lines are short.
            start = max(0, len(self._unread) - 10_000)
            if not self._more(deadline):
                why = "the end came" if self._ended else f"it did not come in {patience:g} s"
                shown = self._unread[-3000:].decode(errors="replace")
                raise AssertionError(f"expected {expected!r}, but {why}; what came: {shown}")

    def read_line(self, patience: float = PATIENCE) -> str:
        """Read and return a line, without its end."""
        return self.read_until("\n", patience).rstrip("\r\n")

    def read_rest(self, patience: float = PATIENCE) -> str:
        """Read until the other side closes, and return the text."""
        deadline = time.monotonic() + patience
        while self._more(deadline):
            pass
        text, self._unread = self._unread.decode(errors="replace"), b""
        if not self._ended:
            raise AssertionError(f"it was not closed in {patience:g} s; what came: {text[-3000:]}")
        return text

    def read_for(self, seconds: float) -> str:
        """Read for a fixed time, and return the text; for tests of speed."""
        deadline = time.monotonic() + seconds
        while not self._ended and time.monotonic() < deadline:
            self._more(deadline)
        text, self._unread = self._unread.decode(errors="replace"), b""
        return text


class Client(Peer):
    """A client on a plain socket, or on TLS.

    :param address: a host and a port, or the path of a unix socket.
    :param name: the name to enter with; without one, nothing is sent or read.
    :param tls: the context, to speak TLS.
    :param first: bytes to send first, outside of TLS.
    :param window: the size of the receive buffer, in bytes.
    :param source: the local address to connect from.
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
        """Send a name, and return the text up to the notice of the first room."""
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
        """Send a command, and return the text up to the end of its answer."""
        self.say(command)
        return self.read_until(until)

    def end(self) -> None:
        """Close the sending half of the connection; reading goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def reset(self) -> None:
        """Reset the connection, as after the crash of a machine."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _receive(self, patience: float) -> bytes | None:
        # Zero would make the socket non-blocking, and TLS would raise another error.
        self.socket.settimeout(max(patience, 0.001))
        try:
            return self.socket.recv(1 << 16)
        except TimeoutError:
            return None
        except ConnectionResetError:
            return b""


class Program(Peer):
    """An interactive program, on pipes or on a terminal of its own.

    A terminal echoes typed text, as it does for a person.

    :param folder: the working folder.
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
        """Type text, or write it to the standard input."""
        data = text.encode()
        while data:
            data = data[os.write(self._keys, data) :]

    def echoes(self) -> bool:
        """Return whether the terminal echoes, and passes input on line by line."""
        wanted = termios.ECHO | termios.ICANON
        return termios.tcgetattr(self._keys)[3] & wanted == wanted

    def be_sane(self) -> None:
        """Restore echo and line mode, as a shell does when a program ends."""
        mode = termios.tcgetattr(self._keys)
        mode[3] |= termios.ECHO | termios.ICANON
        termios.tcsetattr(self._keys, termios.TCSANOW, mode)

    def end(self) -> None:
        """Close the standard input, if that is a pipe."""
        self._close(self._keys)

    def wait(self, patience: float = PATIENCE) -> int:
        """Wait for the end of the program; return its status."""
        return self.process.wait(patience)

    def _receive(self, patience: float) -> bytes | None:
        poll = select.poll()
        poll.register(self._screen, select.POLLIN)
        if not poll.poll(patience * 1000):
            return None
        try:
            return os.read(self._screen, 1 << 16)
        except OSError:
            # A terminal raises this when no process has it open any more.
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
    """Wait until a proxy listens, and connect through it."""

    def through() -> Client | None:
        try:
            return Client(case, ("127.0.0.1", port))
        except ConnectionRefusedError:
            if proxy.process.poll() is not None:
                raise AssertionError(proxy.read_rest()) from None
            return None

    return eventually(through, "the proxy")
