"""Every limit of a server, at its edge and beyond it; and what it is to have none."""

from __future__ import annotations

import re
import time

from twisted.trial.unittest import TestCase

from tests.integration.support import (
    LOOPBACK,
    UNHURRIED,
    Certificate,
    Client,
    Server,
    assert_lines,
    eventually,
    folder_for,
)

TOO_MANY = "-- too many people are connected: please try again later\r\n"
TOO_MANY_THERE = "-- too many connections from your address\r\n"
TOO_SLOW = "-- that took too long, goodbye\r\n"


class LinesTests(TestCase):
    """How long a line and a name may be, and how fast lines come."""

    def test_a_line_has_a_longest_length(self):
        server = Server(self, "--max-line", "100")
        ana, bob = Client(self, server.address, "ana"), Client(self, server.address, "bob")
        ana.read_until("-- bob joined\r\n")
        longest = "ü" * 100
        ana.say(longest, longest + "!", "x" * 100_000, "after them")

        self.assertEqual(bob.read_line(), f"<ana> {longest}")
        self.assertEqual(bob.read_line(), "<ana> after them")
        for _ in range(2):
            self.assertEqual(ana.read_line(), "-- that line was too long: at most 100 characters")
        self.assertIn("-- 2 people", ana.ask("/who", until="ana, bob\r\n").splitlines()[0])

    def test_a_name_has_a_longest_length(self):
        server = Server(self, "--max-name", "5")
        ana = Client(self, server.address)
        ana.say("sixsix")
        ana.read_until("-- a name has 1 to 5 characters; another name, please?\r\n")
        ana.enter("fünf5")
        self.assertEqual(ana.ask("/nick sixsix", until="\n"), "-- a name has 1 to 5 characters\r\n")
        self.assertIn("1 to 5", ana.ask("/join sixsix", until="\n"))

    def test_five_names_may_be_tried(self):
        server = Server(self)
        peer = Client(self, server.address)
        peer.say("a b", "<ana>", "admin", "", "/quit", "ana", "hello")
        said = peer.read_rest().splitlines()
        self.assertEqual(len(said), 6, said)
        for line in said[1:5]:
            self.assertTrue(line.endswith("; another name, please?"), line)
        self.assertTrue(said[5].endswith("; that was the last try, goodbye"), said)

        fifth = Client(self, server.address)
        fifth.say("a b", "<ana>", "admin", "", "ana")
        fifth.read_until("-- hello ana!")

    def test_a_paste_is_slowed_down_and_nothing_of_it_is_dropped(self):
        count, rate, burst = 60, 20, 10
        server = Server(self, "--rate", str(rate), "--burst", str(burst))
        ana, bob = Client(self, server.address, "ana"), Client(self, server.address, "bob")
        cleo = Client(self, server.address, "cleo")
        bob.read_until("-- cleo joined\r\n")
        lines = [f"line {number}" for number in range(count)]
        start = time.monotonic()
        ana.say(*lines)
        first = bob.read_until("<ana> line 0\r\n")
        cleo.say("a word between")
        heard = first + bob.read_until(f"<ana> line {count - 1}\r\n")
        took = time.monotonic() - start

        assert_lines(self, re.findall(r"<ana> (.*)\r\n", heard), lines)
        self.assertIn("<cleo> a word between\r\n", heard, "nobody else is slowed down")
        least = (count - burst) / rate
        self.assertGreater(took, 0.9 * least)
        self.assertLess(took, 5 * least + 5)

    def test_no_rate_means_no_waiting(self):
        """At the usual rate this would take more than an hour."""
        server = Server(self, "--rate", "0")
        ana, bob = Client(self, server.address, "ana"), Client(self, server.address, "bob")
        lines = [f"line {number}" for number in range(20_000)]
        ana.say(*lines)
        heard = bob.read_until("line 19999\r\n")
        assert_lines(self, re.findall(r"<ana> (.*)\r\n", heard), lines)


class ConnectionsTests(TestCase):
    """How many may be there."""

    def test_there_may_be_so_many_connections(self):
        server = Server(self, "--max-connections", "3")
        people = [Client(self, server.address, f"p{number}") for number in range(3)]
        for _ in range(2):
            self.assertEqual(Client(self, server.address).read_rest(), TOO_MANY)
        people[0].say("/quit")
        people[0].read_rest()
        people[0].close()

        self.assert_a_place_is_free(server)
        people[1].say("still here")
        people[2].read_until("<p1> still here\r\n")

    def test_there_may_be_so_many_connections_from_one_address(self):
        server = Server(self, "--max-per-address", "3")
        people = [Client(self, server.address, f"p{number}") for number in range(3)]
        for _ in range(2):
            self.assertEqual(Client(self, server.address).read_rest(), TOO_MANY_THERE)
        people[0].reset()

        self.assert_a_place_is_free(server)
        people[1].say("still here")
        people[2].read_until("<p1> still here\r\n")

    def assert_a_place_is_free(self, server: Server) -> None:
        """Who leaves makes room, as soon as the server has noticed."""

        def welcome() -> bool:
            peer = Client(self, server.address)
            answer = peer.read_line()
            peer.close()
            return "welcome" in answer

        self.assertTrue(eventually(welcome, "a free place"))

    def test_no_limit_means_that_more_than_usual_may_come(self):
        server = Server(self, "--max-per-address", "0", "--max-connections", "0")
        people = [Client(self, server.address) for _ in range(100)]
        for peer in people:
            self.assertIn("welcome", peer.read_line())


class TimeoutsTests(TestCase):
    """How long it may take."""

    def test_a_name_has_to_be_given_in_time(self):
        server = Server(self, "--login-timeout", "1")
        ana = Client(self, server.address, "ana")
        silent, typing = Client(self, server.address), Client(self, server.address)
        typing.send("b")
        for peer in (silent, typing):
            self.assertTrue(peer.read_rest().endswith(TOO_SLOW))
        self.assertIn("-- 1 person", ana.ask("/who", until="  ana\r\n"), "who has one may stay")

    def test_no_login_timeout_means_to_wait_for_ever(self):
        server = Server(self, "--login-timeout", "0")
        silent = Client(self, server.address)
        silent.read_until("name?\r\n")
        self.assertEqual(silent.read_for(1.5), "")
        silent.enter("ana")

    def listen(self, certificate: Certificate) -> tuple[str, str]:
        """Return endpoints with TLS, of both kinds."""
        return (
            f"ssl:0:privateKey={certificate.key}:certKey={certificate.file}:interface=127.0.0.1",
            rf"tls:{certificate.folder}:0:interface=\:\:ffff\:127.0.0.1",
        )

    def test_a_handshake_has_to_be_done_in_time(self):
        certificate = Certificate(folder_for(self))
        server = Server(self, "--handshake-timeout", "1", listen=self.listen(certificate))
        for port in server.ports:
            address = ("127.0.0.1", port)
            ana = Client(self, address, f"ana{port}", tls=certificate.trusting)
            silent, half = Client(self, address), Client(self, address)
            half.send(b"\x16\x03\x01")
            self.assertEqual(silent.read_rest(), "")
            self.assertEqual(half.read_rest(), "")
            self.assertIn(f"ana{port}", ana.ask("/who", until=f"ana{port}\r\n"))

    def test_no_handshake_timeout_means_to_wait_for_ever(self):
        certificate = Certificate(folder_for(self))
        server = Server(self, "--handshake-timeout", "0", listen=self.listen(certificate)[:1])
        late = Client(self, server.address)
        self.assertEqual(late.read_for(1.5), "")
        late.socket = certificate.trusting.wrap_socket(late.socket, server_hostname="localhost")
        late.read_until("name?\r\n")
        late.enter("ana")


class StallTests(TestCase):
    """Who takes nothing for too long, and who only takes little."""

    def flood(self, server: Server, speaker: str = "ana") -> list[str]:
        """Say more than a system holds for somebody who doesn't read."""
        ana = Client(self, server.address, speaker)
        bob = Client(self, server.address, f"{speaker}s-friend")
        lines = [f"{number:06} {'x' * 993}" for number in range(4000)]
        ana.say(*lines)
        bob.read_until(f"<{speaker}> {lines[-1]}\r\n")
        ana.close()
        bob.close()
        return lines

    def test_who_takes_nothing_is_given_up(self):
        server = Server(self, *UNHURRIED, "--stall-timeout", "3")
        stalled = Client(self, server.address, "stalled", window=4096)
        witness = Client(self, server.address, "witness")
        start = time.monotonic()
        self.flood(server)

        witness.read_until("-- stalled left\r\n")
        self.assertGreater(time.monotonic() - start, 2.5)
        with self.assertRaises(AssertionError):
            stalled.read_until(f"{3999:06}")

    def test_it_does_not_matter_that_the_talk_goes_on(self):
        """Time runs from the last byte that was taken, not from the last that was sent."""
        server = Server(self, *UNHURRIED, "--stall-timeout", "3")
        Client(self, server.address, "stalled", window=4096)
        witness = Client(self, server.address, "witness")
        self.flood(server)
        ana = Client(self, server.address, "ann")

        def gone() -> bool:
            ana.say("and another thing")
            return "-- stalled left" in witness.read_for(0.1)

        self.assertTrue(eventually(gone, "the stalled reader to be given up"))

    def test_who_takes_little_at_a_time_may_stay(self):
        """And gets all of it, when it reads on as fast as it can."""
        server = Server(self, *UNHURRIED, "--stall-timeout", "3")
        slow = Client(self, server.address, "slow", window=4096)
        lines = self.flood(server)
        end = time.monotonic() + 7
        taken = b""
        while time.monotonic() < end:
            taken += slow.socket.recv(2048)
            time.sleep(0.2)  # So slowly does it read.
        witness = Client(self, server.address, "witness")
        self.assertIn("slow", witness.ask("/who", until=re.compile("^--   .*\r\n", re.M)))

        slow.say("/quit")
        heard = taken.decode() + slow.read_rest()
        assert_lines(self, re.findall(r"<ana> (.*)\r\n", heard), lines)

    def test_who_says_and_hears_nothing_may_stay(self):
        server = Server(self, "--stall-timeout", "1")
        quiet = Client(self, server.address, "quiet")
        self.assertEqual(quiet.read_for(3), "")
        self.assertIn("-- 1 person", quiet.ask("/who", until="  quiet\r\n"))

    def test_no_stall_timeout_means_to_wait_for_ever(self):
        server = Server(self, *UNHURRIED, "--stall-timeout", "0")
        stalled = Client(self, server.address, "stalled", window=4096)
        witness = Client(self, server.address, "witness")
        lines = self.flood(server)
        self.assertNotIn("stalled left", witness.read_for(2.5))
        stalled.say("/quit")
        assert_lines(self, re.findall(r"<ana> (.*)\r\n", stalled.read_rest()), lines)

    def test_a_stall_over_tls_is_one_too(self):
        certificate = Certificate(folder_for(self))
        tls = f"ssl:0:privateKey={certificate.key}:certKey={certificate.file}:interface=127.0.0.1"
        server = Server(self, *UNHURRIED, "--stall-timeout", "3", listen=(LOOPBACK, tls))
        address = ("127.0.0.1", server.ports[1])
        Client(self, address, "stalled", tls=certificate.trusting, window=4096)
        witness = Client(self, server.address, "witness")
        self.flood(server)
        witness.read_until("-- stalled left\r\n")
