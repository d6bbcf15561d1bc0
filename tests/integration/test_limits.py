"""Every limit of a server, at its edge and beyond it; and what it is to have none."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from threading import Thread

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
from tests.profiles import size

TOO_MANY = "-- too many people are connected: please try again later\r\n"
TOO_MANY_THERE = "-- too many connections from your address\r\n"
TOO_FAST = "-- too many new connections from your address: please wait a minute\r\n"
WAITS = "-- much is said from your address: what you say waits for its turn\r\n"
TOO_SLOW = "-- that took too long, goodbye\r\n"


COUNT = size(5_000, 20_000)
"""Lines that are said at once where there is no rate."""


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
        """At the usual rate this would take a quarter of an hour."""
        server = Server(self, "--rate", "0")
        ana, bob = Client(self, server.address, "ana"), Client(self, server.address, "bob")
        lines = [f"line {number}" for number in range(COUNT)]
        ana.say(*lines)
        heard = bob.read_until(f"line {COUNT - 1}\r\n")
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


FLOOD = "127.0.0.2"
"""The address from which too much comes."""


class SharesTests(TestCase):
    """What one address may do, while somebody at another one talks as ever."""

    def start(self, *options: str) -> tuple[Server, Client]:
        server = Server(self, *options)
        return server, Client(self, server.address, "witness")

    def flooder(self, server: Server, name: str | None = None) -> Client:
        return Client(self, server.address, name, source=FLOOD)

    others = 0

    def talks(self, server: Server, witness: Client) -> str:
        """Somebody else comes, speaks and is heard at once; return what was heard until then."""
        self.others += 1
        other = Client(self, server.address, "other", source=f"127.0.1.{self.others}")
        began = time.monotonic()
        other.say("I am heard")
        heard = witness.read_until("<other> I am heard\r\n")
        self.assertLess(time.monotonic() - began, 1)
        other.say("/quit")
        other.read_rest()
        return heard

    def program(self, server: Server, **hello: object) -> tuple[Client, dict[str, object]]:
        program = self.flooder(server)
        program.say(json.dumps({"type": "hello", **hello}))
        return program, json.loads(program.read_line())

    def test_who_comes_and_goes_again_and_again_is_not_seen_each_time(self):
        server, witness = self.start("--connects-per-address", "30", "--max-per-address", "10")
        answers = []
        for number in range(150):
            peer = self.flooder(server)
            peer.say(f"f{number}", "/quit BUY COINS")
            answers.append(peer.read_rest())
        heard = self.talks(server, witness) + witness.read_for(0.5)
        self.assertLessEqual(heard.count("left"), 50)
        self.assertNotIn("BUY COINS", heard)
        refused = [answer for answer in answers if answer == TOO_FAST]
        self.assertGreater(len(refused), 75)
        self.assertIn("goodbye, f0", answers[0])
        self.assertIn("closed (too many new connections from its address): 127.0.0.2", server.log)

    def test_who_is_refused_takes_no_place(self):
        server, witness = self.start(
            "--max-connections", "100", "--connects-per-address", "1", "--max-per-address", "3"
        )
        kept = []
        for _ in range(20):
            for _ in range(25):
                peer = self.flooder(server)
                kept.append(peer)  # None of them hangs up.
                peer.send("x\n")
            self.talks(server, witness)
        self.assertNotIn("too many connections:", server.log)

    def test_one_address_says_so_much_in_a_room_and_none_of_it_is_lost(self):
        server, witness = self.start("--room-rate", "25", "--room-burst", "20", "--rate", "1000")
        peers = [self.flooder(server, f"f{number}") for number in range(10)]
        began = time.monotonic()
        for peer in peers:
            peer.say(*(f"line {number} of {peer.name}" for number in range(12)))
        heard = self.talks(server, witness)
        heard += witness.read_for(2 - (time.monotonic() - began))
        waited = time.monotonic() - began
        self.assertLessEqual(heard.count("line"), 20 + len(peers) + 25 * (waited + 0.2))
        for peer in peers:
            if f"line 11 of {peer.name}\r\n" not in heard:
                heard += witness.read_until(f"line 11 of {peer.name}\r\n")
        self.assertGreater(time.monotonic() - began, (120 - 20 - len(peers)) / 25 - 0.5)
        for peer in peers:
            lines = re.findall(rf"<{peer.name}> line (\d+) of", heard)
            self.assertEqual(lines, [str(number) for number in range(12)])
        told = [peer.read_for(0.1).count(WAITS) for peer in peers]
        self.assertEqual((max(told), told.count(1) >= len(peers) - 2), (1, True), "once")

    def test_one_address_has_so_much_stored(self):
        server, witness = self.start("--stored-per-address", "64", "--rate", "0")
        peer = self.flooder(server, "f")
        peer.say("/join elsewhere")
        count = 1000
        began = time.monotonic()
        sending = Thread(
            target=peer.say, args=[f"{number:05}" + "x" * 1900 for number in range(count)]
        )
        sending.start()
        self.addCleanup(sending.join)
        self.talks(server, witness)
        time.sleep(max(0.0, began + 2 - time.monotonic()))  # So long is it let go on.
        with closing(sqlite3.connect(f"file:{server.history}?mode=ro", uri=True)) as history:
            (stored,) = history.execute("SELECT sum(length(text)) FROM events").fetchone()
        seconds = time.monotonic() - began
        self.assertLessEqual(stored, (64 << 10) * (16 + seconds))
        self.assertGreaterEqual(stored, (64 << 10) * 15)
        peer.close()

    def test_who_comes_back_behind_one_address_takes_the_place_of_a_ghost(self):
        server, _ = self.start("--max-per-address", "40")
        ghosts = [self.program(server, name=f"bot{number}") for number in range(40)]
        for ghost, welcome in ghosts:
            _, again = self.program(server, token=welcome["token"], since=0)
            self.assertEqual((again["type"], again["name"]), ("welcome", welcome["name"]))
            self.assertIn('"replaced"', ghost.read_rest())
        self.assertEqual(self.program(server, name="bot40")[1]["code"], "crowded")

    def test_one_address_pushes_nobody_out_of_memory(self):
        server, _ = self.start("--max-tokens", "20", "--tokens-per-address", "5")
        ana = Client(self, server.address)
        ana.say('{"type":"hello","name":"ana"}', '{"type":"quit"}')
        token = json.loads(ana.read_line())["token"]
        ana.read_rest()
        tokens = []
        for number in range(30):
            peer, welcome = self.program(server, name=f"f{number}")
            peer.say('{"type":"quit"}')
            peer.read_rest()
            tokens.append(welcome["token"])
        back = Client(self, server.address)
        back.say(json.dumps({"type": "hello", "token": token}))
        self.assertEqual(json.loads(back.read_line())["type"], "welcome")
        self.assertEqual(self.program(server, token=tokens[-6])[1]["code"], "unknown_token")
        self.assertEqual(self.program(server, token=tokens[-5])[1]["type"], "welcome")

    def test_without_a_number_of_connections_nothing_of_an_address_is_counted(self):
        server, witness = self.start(*UNHURRIED, "--connects-per-address", "1")
        for number in range(30):
            peer = self.flooder(server, f"f{number}")
            peer.say(*["x" * 1900] * 30, "/quit")
            self.assertNotIn(WAITS, peer.read_rest())
        self.talks(server, witness)


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
