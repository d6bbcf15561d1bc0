"""The programs that people really have talk through a real server: telnet, nc, a pipe, curl."""

from __future__ import annotations

import re
import socket
import ssl
import tty

from twisted.trial.unittest import SkipTest, TestCase

from tests.integration.support import (
    UNHURRIED,
    Client,
    Peer,
    Program,
    Server,
    assert_lines,
    eventually,
    folder_for,
    memory_of,
    program,
    run,
)
from tests.welcome import GREETING, entered, in_room

IAC = b"\xff"
INTERRUPT = IAC + b"\xf4" + IAC + b"\xfd\x06"
"""What telnet sends for ^C: IP, then DO TIMING-MARK."""

HTTP_ANSWER = "This is a line-based chat, not a web site: try telnet to this port.\n"


def has_ipv6() -> bool:
    """Return whether there is an IPv6 loopback to listen on."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port, of any address."""
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError:
            if family == socket.AF_INET or has_ipv6():
                return False
    return True


class ProgramsTests(TestCase):
    """telnet and nc, as people start them."""

    def setUp(self) -> None:
        self.server = Server(self)
        self.where = ("127.0.0.1", str(self.server.port))

    def telnet(self, name: str) -> Program:
        """Come in with telnet, on a terminal."""
        telnet = Program(self, program("telnet"), *self.where, terminal=True)
        telnet.read_until(GREETING)
        telnet.type(f"{name}\n")
        telnet.read_until(re.compile(f"^{in_room()}[^\n]*\n", re.M))
        return telnet

    def nc(self, name: str) -> Program:
        """Come in with nc, on pipes."""
        nc = Program(self, program("nc"), *self.where)
        nc.read_until(GREETING)
        nc.type(f"{name}\n")
        nc.read_until(re.compile(f"^{in_room()}[^\n]*\n", re.M))
        return nc

    def test_two_telnets_and_two_ncs_talk(self):
        people: dict[str, Program] = {
            "ana": self.telnet("ana"),
            "bob": self.telnet("bob"),
            "cleo": self.nc("cleo"),
            "dan": self.nc("dan"),
        }
        for name, who in people.items():
            who.type(f"hello from {name}: grüße, 你好 👋\n")
            for other, reader in people.items():
                if other != name:
                    heard = reader.read_until(f"<{name}> hello from {name}: grüße, 你好 👋\r\n")
                    self.assertEqual(heard.count(f"<{name}>"), 1)
        for name, who in people.items():
            who.type("/who\n")
            shown = who.read_until("ana, bob, cleo, dan")
            self.assertNotIn(f"<{name}>", shown, "nobody is shown their own lines")

    def test_telnet_ends_when_somebody_quits(self):
        ana, bob = self.telnet("ana"), self.nc("bob")
        ana.read_until("-- bob joined\r\n")
        ana.type("bye\n/quit tea time\n")

        self.assertIn("-- goodbye, ana\r\nConnection closed by foreign host.", ana.read_rest())
        ana.wait()
        bob.read_until("-- ana left (tea time)\r\n")

    def test_telnet_goes_on_after_its_interrupt(self):
        """After ^C telnet shows nothing until the server has answered the timing mark."""
        ana, bob = self.telnet("ana"), self.nc("bob")
        ana.read_until("-- bob joined\r\n")
        ana.type("one\n")
        bob.read_until("<ana> one\r\n")

        ana.type("\x03")
        ana.type("two\n")

        self.assertEqual(bob.read_line(), "<ana> two")
        bob.type("I hear you\n")
        ana.read_until("<bob> I hear you\r\n")

    def test_each_key_of_a_terminal_that_edits_nothing(self):
        """Some programs send each key at once, as they come."""
        bob = self.nc("bob")
        ana = Program(self, program("nc"), *self.where, terminal=True)
        tty.setraw(ana._keys)
        ana.read_until(GREETING)
        ana.type("aña\x7f\x7fna\n")
        ana.read_until(in_room())
        bob.read_until("-- ana joined")
        for key in ("\x03", "\x1a", "\x1b", "\x1b[A", " ", "\x7f"):
            ana.type(f"{key}/msg bob psst\n")
            bob.read_until("[ana -> you] psst")
        ana.type("secret\x15日本\x7fhelo\x7flo two\x17\n")
        bob.read_until("<ana> 日hello\r\n")

    def test_nc_hangs_up_with_its_input(self):
        bob = self.nc("bob")
        ana = Program(self, program("nc"), "-N", *self.where)
        ana.type("ana\nthat is all\n")
        ana.end()

        self.assertIn("-- hello ana!", ana.read_rest())
        self.assertEqual(ana.wait(), 0)
        bob.read_until("-- ana joined\r\n<ana> that is all\r\n-- ana left\r\n")

    def test_a_pipe_gets_all_answers(self):
        done = run(
            program("nc"),
            "-N",
            *self.where,
            folder=self.server.folder,
            given="bot\nthe build is green\n/me waves\n/who\n/nick robot\n"
            "/history\n/history 1\nbye",
        )

        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(
            done.stdout,
            r"^-- welcome! what is your name\?\n"
            r"-- hello bot! /help shows what you can do\n"
            r"-- you are in #lobby: no one else yet\n"
            r"-- 1 person in #lobby:\n"
            r"--   bot\n"
            r"-- you are robot now\n"
            r"-- the last 2 lines of #lobby, times in UTC:\n"
            r"\[\d\d:\d\d\] <bot> the build is green\n"
            r"\[\d\d:\d\d\] \* bot waves\n"
            r"-- the last line of #lobby, times in UTC:\n"
            r"\[\d\d:\d\d\] \* bot waves\n$",
        )
        late = Client(self, self.server.address, "late")
        late.read_until("<robot> bye\r\n")

    def test_a_history_has_as_many_lines_as_it_says_whoever_is_ignored(self):
        server = Server(self, *UNHURRIED, "--recent", "10")
        ana, bob, eve = (Client(self, server.address, name) for name in ("ana", "bob", "eve"))
        eve.say(*(f"from eve {number}" for number in range(22)))
        ana.read_until("<eve> from eve 21\r\n")
        bob.say(*(f"from bob {number}" for number in range(600)))
        ana.read_until("<bob> from bob 599\r\n")
        ana.ask("/ignore bob", "-- you see no more of bob\r\n")
        ana.say("/history", "/leave", "/join lobby")
        shown = ana.read_until(entered("lobby", "bob and eve") + "\r\n")
        shown += ana.read_until("<eve> from eve 21\r\n")
        lines = "".join(rf"\[\d\d:\d\d\] <eve> from eve {number}\r\n" for number in range(2, 22))
        heading = "-- the last 20 lines of #lobby, times in UTC:\r\n"
        self.assertEqual(len(re.findall(heading + lines, shown)), 2, shown)
        self.assertNotIn("<bob>", shown)

    def test_a_pipe_of_hundreds_of_lines_arrives_whole(self):
        server = Server(self, *UNHURRIED)
        bob = Client(self, server.address, "bob")
        lines = [f"line {number}" for number in range(600)]

        done = run(
            program("nc"),
            "-N",
            "127.0.0.1",
            str(server.port),
            folder=server.folder,
            given="\n".join(["ana", *lines, "/history 1000"]),
        )

        shown = re.findall(r"<ana> (.*)\n", done.stdout)
        assert_lines(self, shown, lines)
        heard = bob.read_until("-- ana left\r\n")
        assert_lines(self, re.findall(r"<ana> (.*)\r\n", heard), lines)


class EveryAddressTests(TestCase):
    """Where the server is to be found."""

    def meet(self, *addresses: tuple[str, int]) -> None:
        """Let people on several addresses hear each other."""
        people = [Client(self, address, f"p{n}") for n, address in enumerate(addresses)]
        for speaker in people:
            speaker.say(f"here is {speaker.name}")
            for reader in people:
                if reader is not speaker:
                    reader.read_until(f"<{speaker.name}> here is {speaker.name}\r\n")

    def test_both_families_are_one_house(self):
        if not has_ipv6():
            raise SkipTest("this machine has no IPv6")
        server = Server(self, listen=("tcp:0:interface=127.0.0.1", r"tcp:0:interface=\:\:1"))
        self.meet(("127.0.0.1", server.ports[0]), ("::1", server.ports[1]))

    def test_without_a_word_it_is_port_7007_of_every_address(self):
        if not is_free(7007):
            raise SkipTest("port 7007 is in use on this machine")
        Server(self, listen=())
        addresses = [("127.0.0.1", 7007)]
        if has_ipv6():
            addresses.append(("::1", 7007))
        self.meet(*addresses)


class PeersTests(TestCase):
    """What all kinds of peers may do, byte by byte."""

    def setUp(self) -> None:
        self.server = Server(self)

    def come(self, name: str | None = None) -> Client:
        return Client(self, self.server.address, name)

    def test_who_says_nothing_is_asked_for_a_name(self):
        self.assertEqual(self.come().read_line(), GREETING)

    def test_who_says_nothing_costs_nobody_anything(self):
        silent = [self.come() for _ in range(20)]
        ana, bob = self.come("ana"), self.come("bob")
        ana.say("hello")
        bob.read_until("<ana> hello\r\n")
        for peer in silent:
            peer.close()
        ana.say("still here?")
        self.assertEqual(bob.read_line(), "<ana> still here?")

    def test_one_byte_at_a_time_is_a_line(self):
        bob = self.come("bob")
        ana = self.come()
        for byte in "ana\r\ngrüße, 你好\r\0/me wâves\n".encode():
            ana.send(bytes((byte,)))
        self.assertEqual(bob.read_line(), "-- ana joined")
        self.assertEqual(bob.read_line(), "<ana> grüße, 你好")
        self.assertEqual(bob.read_line(), "* ana wâves")

    def test_an_interrupt_does_not_erase_the_line(self):
        bob, ana = self.come("bob"), self.come("ana")
        ana.send(b"hel" + INTERRUPT + b"lo\n")

        bob.read_until("<ana> hello\r\n")
        answer = ana.ask("/who", until="bob, ana\r\n")
        self.assertNotIn("went wrong", answer)

    def test_what_speaks_late_meets_the_greeting_once(self):
        """Browsers open connections ahead of need, and loaded machines are late."""
        for number, (first, answer) in enumerate(
            ((b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "), (b"\x16\x03\x01", "\x15\x03\x01"))
        ):
            server = Server(self) if number else self.server
            late = Client(self, server.address)
            self.assertEqual(late.read_line(), GREETING)
            late.send(first)
            late.read_until(re.compile(rf"\A{answer}"))
            for _ in range(2):
                late = Client(self, server.address)
                self.assertEqual(late.read_for(0.2), "")
                late.send(first)
                late.read_until(re.compile(rf"\A{answer}"))

    def test_a_program_that_begins_with_a_mark_and_blanks_is_one(self):
        for first in (b"\xef\xbb\xbf", b"\r\n", b"\xef\xbb\xbf \n\t"):
            bot = Client(self, self.server.address, first=first + b'{"type":"ping"}\n')
            # On a machine under load the greeting may be first.
            bot.read_until('{"type":"pong"}\r\n')

    def test_the_timing_mark_after_an_interrupt_is_answered(self):
        ana = self.come("ana")
        ana.send(INTERRUPT)
        received = b""
        while not received.endswith(IAC + b"\xfc\x06"):
            received += ana.socket.recv(100)
        # Before it we ask for BINARY, once: that was the first sign of telnet.
        self.assertEqual(received, IAC + b"\xfd\0" + IAC + b"\xfb\0" + IAC + b"\xfc\x06")

    def test_a_megabyte_without_a_newline_is_one_line_that_is_too_long(self):
        ana, bob = self.come("ana"), self.come("bob")
        ana.read_until("-- bob joined\r\n")
        before = memory_of(self.server.pid)
        ana.send(b"x" * (1 << 20) + b"\nafter it\n")

        self.assertEqual(ana.read_line(), "-- that line was too long: at most 2,000 characters")
        self.assertEqual(bob.read_line(), "<ana> after it")
        bob.say("well")
        self.assertEqual(ana.read_line(), "<bob> well", "it was told once")
        self.assertLess(memory_of(self.server.pid) - before, 16 << 20)

    def test_a_megabyte_of_lines_is_read_no_faster_than_the_rate(self):
        """What it pastes waits on its side, and nobody else does."""
        ana, bob, cleo = self.come("ana"), self.come("bob"), self.come("cleo")
        before = memory_of(self.server.pid)
        ana.socket.settimeout(1)
        with self.assertRaises(TimeoutError):
            for _ in range(64):
                ana.socket.sendall(b"pasted text\n" * (1 << 16))
        bob.say("do you hear me?")
        heard = cleo.read_until("<bob> do you hear me?\r\n")

        self.assertIn("<ana> pasted text\r\n", heard)
        self.assertLess(heard.count("<ana>"), 20 + 5 * 60, "as much as the rate of a minute")
        self.assertLess(memory_of(self.server.pid) - before, 16 << 20)

    def test_a_megabyte_of_lines_arrives_whole_where_there_is_no_rate(self):
        server = Server(self, *UNHURRIED)
        ana = Client(self, server.address, "ana")
        bob = Client(self, server.address, "bob")
        lines = [f"{number:06} {'x' * 93}" for number in range((1 << 20) // 100)]
        ana.say(*lines, "/quit")

        heard = bob.read_until("-- ana left\r\n")
        assert_lines(self, re.findall(r"<ana> (.*)\r\n", heard), lines)

    def test_what_was_said_before_a_crash_is_shown(self):
        bob, ana = self.come("bob"), self.come("ana")
        bob.read_until("-- ana joined\r\n")
        ana.say("my machine")
        self.assertEqual(bob.read_line(), "<ana> my machine")
        ana.say("does odd things")
        self.assertEqual(bob.read_line(), "<ana> does odd things")
        ana.reset()
        self.assertEqual(bob.read_line(), "-- ana left")

    def test_the_last_line_needs_no_end(self):
        bob, ana = self.come("bob"), self.come("ana")
        bob.read_until("-- ana joined\r\n")
        ana.send("a line\nand another")
        ana.end()
        self.assertEqual(bob.read_line(), "<ana> a line")
        self.assertEqual(bob.read_line(), "<ana> and another")
        self.assertEqual(bob.read_line(), "-- ana left")


class OtherProtocolsTests(TestCase):
    """Programs that speak something else are told so, in their own words."""

    def setUp(self) -> None:
        self.server = Server(self)

    def assert_nobody_came(self) -> None:
        who = Client(self, self.server.address, "ana").ask("/who", until="ana\r\n")
        self.assertIn("-- 1 person in #lobby:", who)

    def assert_http_answer(self, peer: Peer) -> None:
        answer = peer.read_rest()
        self.assertTrue(answer.startswith("HTTP/1.1 400 Bad Request\r\n"), answer)
        self.assertTrue(answer.endswith(f"\r\n\r\n{HTTP_ANSWER}"), answer)
        self.assertIn(f"Content-Length: {len(HTTP_ANSWER)}\r\n", answer)

    def test_http_is_answered_in_http(self):
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\n\r\n"
        peer = Client(self, self.server.address, first=request)
        self.assert_http_answer(peer)
        self.assert_nobody_came()

    def test_http_in_two_pieces_is_answered_in_http(self):
        peer = Client(self, self.server.address)
        peer.read_until("name?\r\n")
        peer.send("POST /x HTTP/1.0\r\nContent-Length: 5\r\n\r\nquick")
        self.assert_http_answer(peer)
        self.assert_nobody_came()

    def test_curl_shows_what_to_do_instead(self):
        url = f"http://127.0.0.1:{self.server.port}/"
        command = (program("curl"), "-q", "-sS", "--noproxy", "*", url)

        def shown():
            done = run(*command, folder=folder_for(self))
            return (done.returncode, done.stdout) == (0, HTTP_ANSWER)

        # On a busy machine it may be greeted before it speaks, here and below.
        eventually(shown, "what to do instead")

    def test_tls_gets_an_alert(self):
        def error():
            with self.assertRaises(ssl.SSLError) as caught:
                Client(self, self.server.address, tls=ssl.create_default_context())
            return str(caught.exception).upper().replace(" ", "_")

        eventually(lambda: "HANDSHAKE_FAILURE" in error(), "an alert")
        self.assert_nobody_came()

    def test_openssl_shows_the_alert(self):
        where = f"127.0.0.1:{self.server.port}"
        command = (program("openssl"), "s_client", "-connect", where)

        def shown():
            done = run(*command, folder=folder_for(self))
            return done.returncode and "alert handshake failure" in done.stderr

        eventually(shown, "an alert")

    def test_noise_is_refused_and_nobody_hears_it(self):
        ana = Client(self, self.server.address, "ana")
        peer = Client(self, self.server.address)
        peer.send(bytes(range(256)) * 64 + b"\n" * 10)
        self.assertIn("that was the last try, goodbye", peer.read_rest())
        ana.say("/who")
        self.assertEqual(ana.read_line(), "-- 1 person in #lobby:")
