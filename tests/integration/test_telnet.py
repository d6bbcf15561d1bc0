"""Telnet programs as people have them, on terminals, with scripts that they know little of.

What each of them sends was found out by typing; ``inetutils`` is what Debian calls ``telnet``.
"""

from __future__ import annotations

import re
import socket

from twisted.trial.unittest import TestCase

from tests.integration.support import LOOPBACK, Client, Program, Server, program
from tests.welcome import GREETING, in_room

SPEAKS_TELNET = f"{LOOPBACK} telnet"

NEGOTIATION = "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\0" * 2
"""What asks for BINARY in both directions, as who knows no telnet sees it."""

ESCAPE, INTERRUPT = "\x1d", "\x03"


class TelnetTestCase(TestCase):
    """A chat with a plain listener and one for telnet; bob is there."""

    def setUp(self) -> None:
        self.server = Server(self, listen=(LOOPBACK, SPEAKS_TELNET))
        self.bob = Client(self, self.server.address, "bob")

    def start(self, *command: str, port: int, name: str = "ana") -> Program:
        """Come in with a program, on a terminal; HOST and PORT stand for where to."""
        where = {"HOST": "127.0.0.1", "PORT": str(port)}
        words = [where.get(word, word) for word in command]
        peer = Program(self, program(words[0]), *words[1:], terminal=True)
        peer.read_until(GREETING)
        peer.type(f"{name}\n")
        peer.read_until(re.compile(f"^{in_room()}[^\n]*\n", re.M))
        self.bob.read_until(f"-- {name} joined\r\n")
        return peer

    def inetutils(self, port: int, name: str = "ana") -> Program:
        return self.start("telnet", "HOST", "PORT", port=port, name=name)

    def assert_heard(self, peer: Program, text: str, name: str = "ana") -> None:
        """What is typed arrives as it was typed."""
        peer.type(f"{text}\n")
        self.assertEqual(self.bob.read_line(), f"<{name}> {text}")

    def assert_hears(self, peer: Program) -> None:
        """What is said is shown, and all that came before has been seen to."""
        self.bob.say("hello")
        peer.read_until("<bob> hello")


class ScriptsTests(TelnetTestCase):
    """Each letter arrives."""

    def test_inetutils_where_telnet_is_spoken_at_once(self) -> None:
        for name in ("ana", "Übung", "Нина"):
            ana = self.inetutils(self.server.ports[1], name)
            for text in ("Übung", "ну", "Н", "Å Åse 😃 ✚ ⚜ Ωχ 小林", "plain"):
                self.assert_heard(ana, text, name)
            self.assert_hears(ana)
            ana.type("/quit\n")
            ana.read_until(f"-- goodbye, {name}")
            self.bob.read_until(f"-- {name} left\r\n")

    def test_inetutils_where_it_is_not_all_but_what_cannot_be_helped(self) -> None:
        ana = self.inetutils(self.server.port)
        self.assert_heard(ana, "Übung ну 😃 ✚ é")
        # That was telnet, so by now it is agreed on that bytes are bytes.
        self.assert_hears(ana)
        self.assert_heard(ana, "Н Å Übung")

    def test_inetutils_on_the_port_of_telnet_itself(self) -> None:
        """There it negotiates by itself; a minus before another port means the same."""
        minus = f"-{self.server.port}"
        ana = self.start("telnet", "--", "HOST", minus, port=self.server.port)
        self.assert_heard(ana, "Н Å Übung ну")

    def test_plink(self) -> None:
        for port in self.server.ports:
            name = f"ana{port}"
            ana = self.start("plink", "-telnet", "-P", "PORT", "HOST", port=port, name=name)
            for text in ("Übung ну Н Å", "plain"):
                self.assert_heard(ana, text, name)
            self.assert_hears(ana)

    def test_busybox(self) -> None:
        for port in self.server.ports:
            name = f"ana{port}"
            ana = self.start("busybox", "telnet", "HOST", "PORT", port=port, name=name)
            for text in ("Übung ну Н Å", "plain"):
                self.assert_heard(ana, text, name)
            self.assert_hears(ana)

    def test_nc_is_sent_no_negotiation_unasked(self) -> None:
        plain, told = [Client(self, ("127.0.0.1", port)) for port in self.server.ports]
        self.assertEqual(plain.read_line(), GREETING)
        self.assertEqual(told.read_line(), f"{NEGOTIATION}{GREETING}")

    def test_programs_and_strangers_meet_no_negotiation(self) -> None:
        """It comes with the greeting, and who speaks first is not greeted."""
        for first, answer in (
            (b'{"type":"ping"}\n', '{"type":"pong"}'),
            (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ):
            peer = Client(self, ("127.0.0.1", self.server.ports[1]), first=first)
            # On a machine under load the greeting may be first.
            told = peer.read_until(answer)
            self.assertEqual(NEGOTIATION in told, "-- welcome!" in told)


class SynchTests(TelnetTestCase):
    """The data mark is urgent data; it stays where it was sent, so it is a command like others."""

    def test_inetutils_with_autosynch(self) -> None:
        for port in self.server.ports:
            ana = self.inetutils(port, f"ana{port}")
            ana.type(ESCAPE)
            ana.read_until("telnet> ")
            ana.type("toggle autosynch\n")
            ana.read_until("Will send interrupt characters in urgent mode.")
            ana.type(INTERRUPT)
            ana.type("/msg bob psst\n")
            self.assertEqual(self.bob.read_line(), f"[ana{port} -> you] psst")

    def test_urgent_data_on_a_socket(self) -> None:
        for way in (0, 1, 2):
            ana = Client(self, self.server.address, f"ana{way}")
            self.bob.read_until("joined\r\n")
            if way == 0:  # As BSD's telnet sends it.
                ana.socket.send(b"\xff\xf4")
                ana.socket.send(b"\xff", socket.MSG_OOB)
                ana.socket.send(b"\xf2")
            elif way == 1:
                ana.socket.send(b"\xff\xf4\xff\xf2", socket.MSG_OOB)
            else:
                ana.socket.send(b"\xff\xf4\xff")
                ana.socket.send(b"\xf2", socket.MSG_OOB)
            ana.say("/msg bob psst")
            self.assertEqual(self.bob.read_line(), f"[ana{way} -> you] psst")


class EndTests(TelnetTestCase):
    """What has no end, and what is one."""

    def test_the_end_of_plinks_input_is_the_end_of_the_input(self) -> None:
        where = ("-telnet", "-P", str(self.server.port), "127.0.0.1")
        plink = Program(self, program("plink"), *where)
        plink.type("ana\nhello bob\n/who\nunfinished")
        plink.end()
        shown = plink.read_rest()
        self.assertIn("-- hello ana!", shown)
        self.assertIn("bob", shown.partition("-- hello ana!")[2])
        self.assertEqual(plink.wait(), 0)
        for line in ("-- ana joined", "<ana> hello bob", "<ana> unfinished", "-- ana left"):
            self.assertEqual(self.bob.read_line(), line)

    def test_what_comes_after_it_is_not_handled(self) -> None:
        ana = Client(self, self.server.address, "ana")
        ana.send(b"one\ntwo\xff\xec\nthree\n")
        ana.say("four")
        self.bob.read_until("<ana> one\r\n<ana> two\r\n-- ana left\r\n")
        self.assertNotIn("three", ana.read_rest())

    def test_who_has_no_name_reads_the_greeting(self) -> None:
        peer = Client(self, self.server.address, first=b"\xff\xec")
        self.assertRegex(peer.read_rest(), f"{re.escape(GREETING)}\r\n\\Z")

    def test_a_subnegotiation_without_an_end_mutes_nobody(self) -> None:
        ana = Client(self, self.server.address, "ana")
        self.bob.read_until("-- ana joined\r\n")
        ana.send(b"\xff\xfa\x18")
        ana.say(*("lost" for _ in range(30)), "here I am")
        ana.read_until("-- a telnet command had no end: some of what you sent was lost\r\n")
        self.bob.read_until("<ana> here I am\r\n")
