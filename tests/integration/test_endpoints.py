"""Every way to listen, with the real thing on the other side; and what is said when it fails."""

from __future__ import annotations

import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from tests.integration.support import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    LOOPBACK,
    PATIENCE,
    TWISTD,
    UNHURRIED,
    Certificate,
    Client,
    Program,
    Server,
    assert_lines,
    client_through,
    eventually,
    folder_for,
    lasting_ports,
    program,
    run,
    run_forked,
    without,
)
from tests.profiles import size
from tests.welcome import GREETING

BURST = 1000

ADOPT = """
import os, sys

os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="chat.socket")
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Becomes a program that finds a listening socket as if systemd had passed it."""

PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


class EndpointsTestCase(TestCase):
    """What holds wherever people come in."""

    talks = 0

    def assert_talk(self, one: Client, other: Client) -> None:
        """They hear each other, and one leaves."""
        self.talks += 1
        one.say(f"hello for the {self.talks}. time")
        other.read_until(f"<{one.name}> hello for the {self.talks}. time\r\n")
        other.say(f"the {self.talks}. answer")
        one.read_until(f"<{other.name}> the {self.talks}. answer\r\n")
        one.say("/quit")
        self.assertEqual(one.read_rest(), f"-- goodbye, {one.name}\r\n")
        other.read_until(f"-- {one.name} left\r\n")


class ListenTests(EndpointsTestCase):
    """Endpoints that people connect to themselves."""

    def test_people_talk_over_tls(self):
        """Both kinds of TLS endpoints, and they are one house with plain TCP."""
        certificate = Certificate(folder_for(self))
        server = Server(
            self,
            listen=(
                f"ssl:0:privateKey={certificate.key}:certKey={certificate.file}"
                ":interface=127.0.0.1",
                rf"tls:{certificate.folder}:0:interface=\:\:ffff\:127.0.0.1",
                LOOPBACK,
            ),
        )
        old, new, plain = [("127.0.0.1", port) for port in server.ports]
        bob = Client(self, plain, "bob")
        self.assert_talk(Client(self, old, "ana", tls=certificate.trusting), bob)
        self.assert_talk(Client(self, new, "ana", tls=certificate.trusting), bob)

        # A client that waits for the greeting before it speaks, and one that does not.
        waits = Client(self, new, tls=certificate.trusting)
        waits.read_until(f"{GREETING}\r\n")
        hurries = Client(self, new, tls=certificate.trusting)
        hurries.say("cleo", "hi")
        bob.read_until("<cleo> hi\r\n")

    def test_a_long_talk_over_tls_arrives_whole(self):
        certificate = Certificate(folder_for(self))
        listen = rf"tls:{certificate.folder}:0:interface=\:\:ffff\:127.0.0.1"
        server = Server(self, *UNHURRIED, listen=(listen,))
        ana = Client(self, server.address, "ana", tls=certificate.trusting)
        bob = Client(self, server.address, "bob", tls=certificate.trusting)
        lines = [f"{number:06} {'x' * 493}" for number in range(4000)]
        for line in lines:
            ana.say(line)
        ana.say("/quit")

        heard = bob.read_until("-- ana left\r\n")
        assert_lines(self, re.findall(r"<ana> (.*)\r\n", heard), lines)

    def test_openssl_is_a_client_too(self):
        """It is one that names no server, where people who use a browser's library do."""
        certificate = Certificate(folder_for(self))
        listen = rf"tls:{certificate.folder}:0:interface=\:\:ffff\:127.0.0.1"
        server = Server(self, listen=(listen,))
        bob = Client(self, server.address, "bob", tls=certificate.trusting)
        where = f"127.0.0.1:{server.port}"
        openssl = program("openssl")
        ana = Program(self, openssl, "s_client", "-quiet", "-noservername", "-connect", where)
        ana.read_until(f"{GREETING}\r\n")
        ana.type("ana\nhello bob\n")
        bob.read_until("<ana> hello bob\r\n")
        ana.type("/quit\n")
        ana.read_until("-- goodbye, ana\r\n")
        bob.read_until("-- ana left\r\n")

    def test_people_talk_over_a_unix_socket(self):
        folder = folder_for(self)
        path = folder / "chat.sock"
        server = Server(self, folder=folder, listen=(f"unix:{path}", LOOPBACK))
        bob = Client(self, path, "bob")
        self.assert_talk(Client(self, path, "ana"), bob)
        self.assert_talk(Client(self, ("127.0.0.1", server.ports[0]), "ana"), bob)
        nc = Program(self, program("nc"), "-N", "-U", path)
        nc.type("cleo\nfrom nc\n")
        nc.end()
        self.assertIn("-- hello cleo!", nc.read_rest())
        bob.read_until("<cleo> from nc\r\n-- cleo left\r\n")

    def test_a_unix_socket_is_gone_when_the_server_is(self):
        folder = folder_for(self)
        path = folder / "chat.sock"
        server = Server(self, folder=folder, listen=(f"unix:{path}",))
        self.assertTrue(path.is_socket())
        server.stop()
        self.assertFalse(path.exists())

    def test_a_unix_socket_that_a_kill_left_behind_is_no_obstacle(self):
        folder = folder_for(self)
        path = folder / "chat.sock"
        Server(self, folder=folder, listen=(f"unix:{path}",)).kill()
        self.assertTrue(path.is_socket())
        Server(self, folder=folder, listen=(f"unix:{path}",))
        Client(self, path, "ana")

    def test_a_burst_of_connections_waits_for_no_retry(self):
        """The kernel takes all of them, even while the server does something else.

        What doesn't fit in the queue is tried again after a second, and then after more.
        """
        most = int(Path("/proc/sys/net/core/somaxconn").read_text())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        count = min(BURST, most, hard - 200)
        if count < 200:
            raise SkipTest(f"this machine takes only {count} connections at once")
        server = Server(self, "--max-per-address", str(BURST))

        server.signal(signal.SIGSTOP)
        start = time.monotonic()
        sockets: dict[int, socket.socket] = {}
        poll = select.poll()
        for _ in range(count):
            peer = socket.socket()
            self.addCleanup(peer.close)
            peer.setblocking(False)
            peer.connect_ex(server.address)
            sockets[peer.fileno()] = peer
            poll.register(peer, select.POLLOUT)
        connecting = set(sockets)
        while connecting and time.monotonic() < start + PATIENCE:
            for file, _ in poll.poll(1000):
                poll.unregister(file)
                connecting.remove(file)
        took = time.monotonic() - start
        server.signal(signal.SIGCONT)

        self.assertEqual(len(connecting), 0)
        self.assertEqual(sum(map(retransmissions, sockets.values())), 0, f"it took {took:.3f} s")
        for peer in sockets.values():
            peer.settimeout(PATIENCE)
            self.assertEqual(peer.recv(100), f"{GREETING}\r\n".encode())
        print(f"{count} connections in {took:.3f} s, greeted in {time.monotonic() - start:.3f} s")


def retransmissions(peer: socket.socket) -> int:
    """How often the kernel sent something of a connection again (``tcpi_total_retrans``)."""
    info = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    (count,) = struct.unpack_from("I", info, 100)
    return int(count)


class ProxyTests(EndpointsTestCase):
    """Behind a proxy that sends the PROXY header."""

    def setUp(self) -> None:
        self.server = Server(
            self, "--max-per-address", "1", listen=("haproxy:tcp:0:interface=127.0.0.1",)
        )

    def v1(self, source: str) -> bytes:
        """Make a header as text."""
        family = "TCP6" if ":" in source else "TCP4"
        return f"PROXY {family} {source} {source} 50000 7007\r\n".encode()

    def v2(self, source: str) -> bytes:
        """Make a header in binary."""
        address = ip_address(source)
        body = address.packed * 2 + struct.pack("!HH", 50000, 7007)
        return PROXY_V2 + bytes((0x21, 0x21 if address.version == 6 else 0x11, 0, len(body))) + body

    def come(self, header: bytes, name: str | None = None) -> Client:
        return Client(self, self.server.address, name, first=header)

    def test_people_talk_whose_proxy_writes_text(self):
        self.assert_talk(self.come(self.v1("127.0.0.11"), "ana"), self.come(self.v1("::1"), "bob"))

    def test_people_talk_whose_proxy_writes_binary(self):
        self.assert_talk(self.come(self.v2("127.0.0.11"), "ana"), self.come(self.v2("::1"), "bob"))

    def test_the_address_that_counts_is_that_of_the_header(self):
        for number, header in enumerate((self.v1, self.v2)):
            one, other = f"127.0.{number}.11", f"127.0.{number}.12"
            ana = self.come(header(one), f"ana{number}")
            refused = self.come(header(one))
            refused.say("bob")
            self.assertEqual(refused.read_rest(), "-- too many connections from your address\r\n")
            self.assert_talk(ana, self.come(header(other), f"cleo{number}"))

    def test_a_silent_person_is_greeted_and_counted_under_its_own_address(self):
        silent = self.come(self.v1("127.0.0.11"))
        self.assertEqual(silent.read_line(), GREETING)
        self.come(self.v1("127.0.0.12"), "bob")
        second = self.come(self.v1("127.0.0.11"))
        self.assertEqual(second.read_rest(), "-- too many connections from your address\r\n")

    def test_a_place_is_free_again_when_somebody_has_left(self):
        ana = self.come(self.v1("127.0.0.11"), "ana")
        ana.say("/quit")
        ana.read_rest()
        ana.close()

        self.assertTrue(eventually(self.try_again, "a free place"))

    def try_again(self) -> bool:
        peer = self.come(self.v1("127.0.0.11") + b"ana\n")
        answer = peer.read_until(re.compile("-- (hello ana|too many).*\n"))
        return "hello ana" in answer

    def test_a_check_of_the_proxy_itself_is_no_trouble(self):
        check = self.come(PROXY_V2 + bytes((0x20, 0, 0, 0)))
        self.assertEqual(check.read_line(), GREETING)
        check.close()
        self.assert_talk(
            self.come(self.v2("127.0.0.11"), "ana"), self.come(self.v2("127.0.0.12"), "bob")
        )

    def test_who_sends_no_header_is_turned_away(self):
        direct = self.come(b"ana\nhello, who is there?\n")
        self.assertEqual(direct.read_rest().replace(f"{GREETING}\r\n", ""), "")
        bob = self.come(self.v1("127.0.0.11"), "bob")
        self.assertNotIn("ana", bob.welcome)

    def test_a_header_in_pieces_and_late_counts_for_whom_it_names(self):
        for number, make in enumerate((self.v1, self.v2)):
            source = f"127.0.{number}.21"
            header = make(source)
            first = Client(self, self.server.address)
            for at in range(0, len(header), 7):
                self.assertEqual(first.read_for(0.04), "")
                first.send(header[at : at + 7])
            self.assertEqual(first.read_line(), GREETING)
            other = self.come(make(f"127.0.{number}.22"))
            self.assertEqual(other.read_line(), GREETING)
            same = self.come(make(source))
            self.assertEqual(same.read_rest(), "-- too many connections from your address\r\n")

    def test_the_header_and_a_line_may_be_one_piece(self):
        for number, make in enumerate((self.v1, self.v2)):
            come = self.come(make(f"127.0.{number}.21") + f"ana{number}\n".encode())
            come.read_until(f"-- hello ana{number}!")

    def test_a_proxy_that_does_not_know_is_the_peer(self):
        """The address is that of the connection; this is how HAProxy speaks for a unix socket."""
        for number, header in enumerate((b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN a b 1 2\r\n")):
            ana = self.come(header, f"ana{number}")
            refused = self.come(header)
            self.assertEqual(refused.read_rest(), "-- too many connections from your address\r\n")
            self.assert_talk(ana, self.come(self.v1(f"127.0.0.3{number}"), f"bob{number}"))
            ana.close()
            eventually(lambda: self.free(b"PROXY UNKNOWN\r\n"), "a free place")

    def free(self, header: bytes) -> bool:
        peer = self.come(header)
        greeted = peer.read_line() == GREETING
        peer.close()
        return greeted

    def test_what_is_no_header_is_closed_at_once(self):
        for header in (
            *(
                b"PROXY",
                b"PROXY TCP4 a b\r\n",
                b"PROXY TCP4 x y 1 2\r\n",
                b"PROXY UDP4 a b 1 2\r\n",
            ),
            *(b"PROXY TCP4 127.0.0.1 127.0.0.1 a b\r\n", b"PROXY " + b"x" * 200, b"PROXIES ana\n"),
            *(b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\r\n\r\n\0\r\nQUIT\r"),
            PROXY_V2 + bytes((0x31, 0x11, 0, 0)),
            PROXY_V2 + bytes((0x21, 0x11, 0, 4)) + b"abcd",
            PROXY_V2 + bytes((0x21, 0x11, 255, 255)),
        ):
            peer = self.come(header)
            peer.end()
            self.assertEqual(peer.read_rest(), "", header)
        self.come(self.v1("127.0.0.11"), "bob")
        self.assertIn("closed (no PROXY header): 127.0.0.1:", self.server.log)

    def test_the_end_of_the_input_passes_through(self):
        bob = self.come(self.v1("127.0.0.12"), "bob")
        ana = self.come(self.v2("127.0.0.11") + b"ana\nthat is all\n/who")
        ana.end()
        self.assertRegex(ana.read_rest(), "(?s)-- hello ana!.*bob")
        bob.read_until("-- ana joined\r\n<ana> that is all\r\n-- ana left\r\n")

    def haproxy(self, *sections: str) -> Program:
        """Start the real one."""
        config = folder_for(self) / "haproxy.cfg"
        config.write_text(
            "defaults\n    mode tcp\n    timeout connect 10s\n    timeout client 1m\n"
            "    timeout server 1m\n" + "".join(sections)
        )
        return Program(self, program("haproxy"), "-db", "-f", config)

    def test_a_real_haproxy_can_take_people_from_a_unix_socket(self):
        folder = folder_for(self)
        chat = folder / "chat.sock"
        server = Server(self, folder=folder, listen=(f"haproxy:unix:{chat}", LOOPBACK))
        bob = Client(self, ("127.0.0.1", server.port), "bob")
        ways = ("send-proxy", "send-proxy-v2")
        proxy = self.haproxy(
            *(
                f"listen {send}\n    bind unix@{folder}/{send}\n    server chat {chat} {send}\n"
                for send in ways
            )
        )
        for send in ways:
            path = folder / send
            eventually(lambda path=path: path.exists() or proxy.process.poll(), "the proxy")
            ana = Client(self, path)
            self.assertEqual(ana.read_line(), GREETING)
            ana.enter("ana")
            self.assert_talk(ana, bob)

    def test_a_real_haproxy_passes_tls_on(self):
        """The header comes before TLS, which is between the person and the service."""
        certificate = Certificate(folder_for(self))
        listen = rf"haproxy:tls:{certificate.folder}:0:interface=\:\:ffff\:127.0.0.1"
        server = Server(self, "--max-per-address", "1", listen=(listen, LOOPBACK))
        bob = Client(self, ("127.0.0.1", server.ports[1]), "bob")
        (port,) = lasting_ports(1)
        proxy = self.haproxy(
            f"listen tls\n    bind 127.0.0.1:{port}\n"
            f"    server chat 127.0.0.1:{server.port} send-proxy-v2\n"
        )
        client_through(self, proxy, port).close()
        silent = Client(self, server.address, tls=certificate.trusting, first=self.v1("127.0.0.9"))
        silent.read_until(f"{GREETING}\r\n")
        many = Client(self, server.address, tls=certificate.trusting, first=self.v2("127.0.0.9"))
        self.assertEqual(many.read_rest(), "-- too many connections from your address\r\n")
        other = Client(self, server.address, tls=certificate.trusting, first=self.v2("127.0.0.8"))
        other.enter("cleo")
        bob.read_until("-- cleo joined\r\n")
        bob.close()
        ana = eventually(lambda: self.through_tls(port, certificate), "a free place")
        ana.enter("ana")
        self.assert_talk(ana, other)

    def through_tls(self, port: int, certificate: Certificate) -> Client | None:
        ana = Client(self, ("127.0.0.1", port), tls=certificate.trusting)
        return ana if ana.read_line() == GREETING else None

    def test_a_real_haproxy_can_stand_in_front(self):
        ports = lasting_ports(2)
        proxy = self.haproxy(
            *(
                f"listen {send}\n    bind 127.0.0.1:{port}\n"
                f"    server chat 127.0.0.1:{self.server.port} {send} check inter 100ms\n"
                for port, send in zip(ports, ("send-proxy", "send-proxy-v2"), strict=True)
            )
        )

        ana = client_through(self, proxy, ports[0])
        ana.read_until(f"{GREETING}\r\n")
        bob = client_through(self, proxy, ports[1])
        # All of this machine is one address, whichever way it came.
        self.assertEqual(bob.read_rest(), "-- too many connections from your address\r\n")
        ana.enter("ana")
        self.assert_talk(ana, self.come(self.v1("127.0.0.11"), "bob"))


class ActivationTests(EndpointsTestCase):
    """With a socket that systemd, or somebody in its place, has opened before."""

    def setUp(self) -> None:
        self.folder = folder_for(self)
        self.socket = socket.socket(socket.AF_INET6)
        self.addCleanup(self.socket.close)
        try:
            self.socket.bind(("::ffff:127.0.0.1", 0))
        except OSError:
            raise SkipTest("this machine has no IPv6") from None
        self.socket.listen(100)
        self.address = ("127.0.0.1", self.socket.getsockname()[1])

    def start(self, endpoint: str = "systemd:domain=INET6:index=0") -> Server:
        return Server(
            self,
            listen=(endpoint,),
            folder=self.folder,
            command=(sys.executable, "-c", ADOPT, str(self.socket.fileno()), TWISTD),
            pass_fds=(self.socket.fileno(),),
        )

    def test_people_talk_on_a_socket_that_was_passed(self):
        early = Client(self, self.address)
        server = self.start()
        self.assertEqual(server.port, self.address[1])
        early.enter("ana")
        self.assert_talk(early, Client(self, self.address, "bob"))

    def test_a_socket_is_found_by_its_name(self):
        self.start("systemd:domain=INET6:name=chat.socket")
        self.assert_talk(Client(self, self.address, "ana"), Client(self, self.address, "bob"))

    def test_nobody_is_refused_during_a_restart(self):
        first = self.start()
        ana = Client(self, self.address, "ana")
        ana.say("before")
        ana.ask("/who", until="ana\r\n")
        ana.close()
        self.assertEqual(first.stop(), -signal.SIGTERM)

        waiting = Client(self, self.address)
        waiting.say("bob")
        self.start()
        waiting.read_until("-- hello bob!")
        waiting.read_until("<ana> before\r\n")

    def test_without_a_socket_it_says_so(self):
        done = run(
            TWISTD,
            *("-n", "--pidfile=", "chat", "--listen", "systemd:domain=INET6:index=0"),
            folder=self.folder,
            environ={"LISTEN_FDS": "", "LISTEN_PID": "", "LISTEN_FDNAMES": ""},
        )
        self.assertEqual(
            done.stderr,
            "chat: --listen systemd:domain=INET6:index=0: systemd passed no such socket\n",
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))


class FailureTests(TestCase):
    """A start that fails says why, in one sentence, and leaves nothing behind."""

    def setUp(self) -> None:
        self.folder = folder_for(self)
        self.taken = socket.socket()
        self.addCleanup(self.taken.close)
        self.taken.bind(("127.0.0.1", 0))
        self.taken.listen()
        self.port = self.taken.getsockname()[1]
        self.in_use = f"tcp:{self.port}:interface=127.0.0.1"

    def start(self, *options: str, daemon: bool = False) -> subprocess.CompletedProcess[str]:
        """Start what can't start."""
        if daemon:
            files = ("--pidfile", "twistd.pid", "--logfile", "twistd.log")
            done = run(TWISTD, *files, "chat", *options, folder=self.folder)
        else:
            done = run_forked("-n", "--pidfile=", "chat", *options, folder=self.folder)
        self.assertNotEqual(done.returncode, 0, done)
        self.assertNotIn("Traceback", done.stdout + done.stderr)
        return done

    def log(self) -> str:
        """What the daemon has written."""
        path = self.folder / "twistd.log"
        return path.read_text() if path.exists() else ""

    def assert_reason_in_foreground(self, why: str, *options: str) -> None:
        """One line on standard error; the log, here on standard output, has it too."""
        done = self.start(*options)
        self.assertEqual(done.stderr, f"chat: {why}\n")
        self.assertEqual(done.stdout.count(why), 1, done)

    def assert_reason_of_daemon(self, why: str, *options: str) -> None:
        """Said to who started it, and written down; nothing is left that runs."""
        done = self.start(*options, daemon=True)
        self.assertEqual((done.returncode, done.stderr), (1, f"chat: {why}\n"))
        self.assertEqual(done.stdout, "")
        # The daemon tells its parent first, and is not gone yet when that is.
        eventually(lambda: f"{why}\n" in self.log(), "the reason in the log")
        eventually(lambda: not (self.folder / "twistd.pid").exists(), "the pid file to go")
        log = self.log()
        self.assertEqual(log.count(why), 1, log)
        self.assertNotIn("Traceback", log)

    def test_a_pid_file_that_can_not_be(self):
        for how in (("-n",), ()):
            done = run(TWISTD, *how, "--pidfile=/nowhere/pid", "chat", folder=self.folder)
            said = "chat: --pidfile /nowhere/pid: nothing can be written there: give another, or"
            self.assertEqual((done.returncode, done.stderr), (1, f"{said} none (--pidfile=)\n"))

    def test_a_folder_to_run_in_that_is_not_there(self):
        for how in (("-n",), ()):
            done = run(TWISTD, *how, "--rundir=/nowhere", "chat", folder=self.folder)
            said = "chat: --rundir /nowhere: there is no such folder\n"
            self.assertEqual((done.returncode, done.stderr), (1, said))

    def test_a_port_in_use(self):
        why = f"address already in use: can't listen on {self.in_use}"
        self.assert_reason_in_foreground(why, "--listen", self.in_use)
        self.assert_reason_of_daemon(why, "--listen", self.in_use)

    def test_the_second_of_two_ports_in_use(self):
        why = f"address already in use: can't listen on {self.in_use}"
        self.assert_reason_in_foreground(why, "--listen", LOOPBACK, "--listen", self.in_use)

    def test_a_unix_socket_where_there_is_no_folder(self):
        why = f"no such file or directory: can't listen on unix:{self.folder}/none/sock"
        self.assert_reason_in_foreground(why, "--listen", f"unix:{self.folder}/none/sock")
        self.assert_reason_of_daemon(why, "--listen", f"unix:{self.folder}/none/sock")

    def test_a_history_that_cannot_be(self):
        options = ("--listen", LOOPBACK, "--history", "none/chat.sqlite")
        why = "the history 'none/chat.sqlite' can't be opened: No such file or directory"
        self.assert_reason_in_foreground(why, *options)
        self.assert_reason_of_daemon(why, *options)

    def test_a_history_that_is_something_else(self):
        (self.folder / "notes.txt").write_text("remember the milk\n" * 1000)
        options = ("--listen", LOOPBACK, "--history", "notes.txt")
        why = "the history 'notes.txt' can't be used: file is not a database"
        self.assert_reason_in_foreground(why, *options)
        self.assert_reason_of_daemon(why, *options)
        self.assertEqual((self.folder / "notes.txt").read_text(), "remember the milk\n" * 1000)

    def test_what_is_wrong_with_an_option_is_all_that_is_said(self):
        certificate = Certificate(self.folder)
        certificate.file.write_text("this is no certificate\n")
        empty = self.folder / "empty"
        empty.mkdir()
        secret = self.folder / "directory.pem"
        secret.mkdir()
        for options, why in (
            (("--listen", "bogus:7007"), r"Unknown endpoint type: 'bogus': .*"),
            (("--listen", "7007x"), r".+"),
            (("--listen", f"tls:{empty}:0"), r".*\.pem file.*"),
            (("--listen", f"tls:{self.folder}/none:0"), r".*\.pem file.*"),
            (("--listen", f"ssl:0:privateKey={self.folder}/none.pem"), r".*No such file.*"),
            (("--listen", f"ssl:0:privateKey={secret}"), r".*[Ii]s a directory.*"),
            (
                (
                    "--listen",
                    f"ssl:0:privateKey={certificate.key}:certKey={certificate.file}",
                ),
                r".+",
            ),
            (("--listen", "tcp:abc"), r"a number is wanted where 'abc' is"),
            (("--rate", "fast"), r".*whole number.*"),
            (("--max-line", "0"), r".*1 or more.*"),
            (("--keep", "-1"), r".*0 or more.*"),
            (("--room", "a/b"), r"'/' can't be part of a room's name"),
            (("--motd", "none.txt"), r".*No such file or directory"),
        ):
            for daemon in size((len(why) % 2 == 0,), (False, True)):
                done = self.start(*options, daemon=daemon)
                said = f"chat: {options[0]}(?: {re.escape(options[1])})?: {why}\n"
                self.assertRegex(done.stderr, re.compile(rf"\A{said}\Z"), options)
                self.assertEqual(done.stdout, "", options)
                self.assertEqual(self.log(), "", options)
                self.assertFalse((self.folder / "twistd.pid").exists(), options)

    def test_a_certificate_that_may_not_be_read(self):
        certificate = Certificate(self.folder)
        certificate.key.chmod(0)
        done = run(
            TWISTD,
            *("-n", "--pidfile=", "chat", "--listen", f"ssl:0:privateKey={certificate.key}"),
            folder=self.folder,
            preexec_fn=without(CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH),
        )
        self.assertRegex(done.stderr, r"\Achat: --listen .*: Permission denied\n\Z")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
