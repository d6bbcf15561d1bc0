"""Programs at the socket: the bytes that go over the wire, and what becomes of the connection."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial import unittest

from chatservice.core.chat import Chat
from chatservice.core.moderation import BAN, Term
from chatservice.doors.connection import UNNAMED_READ, UNSENT_MOST
from chatservice.doors.factory import ChatFactory
from chatservice.doors.json import dialog
from chatservice.journal.memory import MemoryJournal
from chatservice.journal.sqlite import SqliteJournal
from chatservice.limits import CLOSING_TIMEOUT, Limits
from tests.core.programs import ProgramTestCase
from tests.core.programs import brief as briefly
from tests.core.support import Readings
from tests.doors.support import Certificate, Collector, FullJournal, House, Peer, reactor, until
from tests.profiles import examples
from tests.welcome import GREETING

Said = dict[str, Any]

HTTP = b"GET / HTTP/1.1\r\n\r\n"


def line(type: str, **fields: Any) -> bytes:
    return json.dumps({"type": type, **fields}).encode() + b"\n"


def read(peer: Peer) -> list[Said]:
    """Return what came since the last time, each line of which is an object."""
    data = peer.wire.value()
    peer.wire.clear()
    assert data.endswith(b"\r\n") or not data, data
    return [json.loads(one) for one in data.split(b"\r\n")[:-1]]


SHOWN = {"ok": ("type", "to", "seq"), "error": ("type", "code"), "notice": ("type",)}


def brief(messages: list[Said]) -> list[str]:
    return [
        " ".join(str(m[key]) for key in SHOWN.get(m["type"], ("type", "text")) if key in m)
        for m in messages
    ]


class MachineTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.house = House(rate=0)

    def asks(self, peer: Peer, *lines: bytes) -> list[Said]:
        """Let a peer send lines, and return what came once they are done."""
        peer.send(b"".join(lines))
        self.house.run(0.5)
        return read(peer)

    def enter(self, name: str, address: str = "192.0.2.1") -> tuple[Peer, str]:
        """Let a program in that has said something; return it and its token."""
        peer = self.house.connect(address)
        welcome = self.asks(peer, line("hello", name=name), line("ping"))[0]
        return peer, welcome["token"]

    def back(self, token: str, **hello: Any) -> tuple[Peer, list[Said]]:
        peer = self.house.connect()
        return peer, self.asks(peer, line("hello", token=token, **hello))


class FirstBytesTests(MachineTestCase):
    def test_no_greeting_is_sent_to_who_begins_with_a_brace(self) -> None:
        peer = self.house.connect()
        peer.send(b"{")
        self.assertEqual(peer.hear(10), [])
        peer.send(line("hello", name="bot")[1:])
        self.house.run(0.5)
        self.assertEqual(brief(read(peer)), ["welcome", "ok join"])

    def test_a_first_object_that_comes_byte_by_byte_is_one(self) -> None:
        peer = self.house.connect()
        for number in line("hello", name="bot"):
            peer.send(bytes((number,)))
            self.house.run(0.1)
        self.house.run(0.5)
        self.assertEqual(brief(read(peer)), ["welcome", "ok join"])

    def test_if_the_greeting_was_out_already_the_answer_begins_a_line(self) -> None:
        peer = self.house.connect()
        self.assertEqual(peer.hear(), [GREETING])
        self.assertEqual(brief(self.asks(peer, line("hello", name="bot"))), ["welcome", "ok join"])
        self.assertEqual(brief(self.asks(peer, line("dance"))), ["error unknown_type"])

    def test_after_a_bad_name_a_brace_is_another_bad_name(self) -> None:
        peer = self.house.connect()
        peer.say("a b", '{"type":"hello","name":"bot"}')
        self.assertIn("another name, please?", peer.hear()[-1])

    def test_a_program_is_admitted_once(self) -> None:
        self.house = House(rate=0, max_per_address=1)
        peer, _ = self.enter("bot")
        other = self.house.connect()
        self.assertEqual(brief(self.asks(other, line("hello", name="bot2"))), ["error crowded"])
        self.assertFalse(other.connected and not other.wire.half_closed)
        peer.lose()
        self.house.run(0.5)
        third = self.house.connect()
        self.assertEqual(brief(self.asks(third, line("hello", name="b3")))[0], "welcome")

    def test_who_takes_the_place_of_a_ghost_does_not_count_twice(self) -> None:
        self.house = House(rate=0, max_per_address=3)
        programs = [self.enter(f"bot{number}") for number in range(3)]
        # Their connections are lost, of which nobody here has heard yet.
        for ghost, token in programs:
            peer = self.house.connect()
            answers = self.asks(peer, line("hello", token=token, since=0))
            self.assertEqual(brief(answers)[0], "welcome")
            self.assertTrue(ghost.wire.half_closed)
        refused = self.asks(self.house.connect(), line("hello", name="bot4"))
        self.assertEqual(brief(refused), ["error crowded"])
        away = self.asks(self.house.connect("192.0.2.2"), line("hello", token=token, since=0))
        self.assertEqual(brief(away)[0], "welcome")
        elsewhere = self.asks(self.house.connect(), line("hello", name="bot4"))
        self.assertEqual(brief(elsewhere)[0], "welcome")
        # The place of somebody who is connected from elsewhere is not one here.
        refused = self.asks(self.house.connect(), line("hello", token=token, since=0))
        self.assertEqual(brief(refused), ["error crowded"])

    def test_as_many_may_be_about_to_say_hello(self) -> None:
        self.house = House(rate=0, max_per_address=2)
        self.enter("bot1")
        self.enter("bot2")
        waiting = []
        for _ in range(3):
            waiting.append(self.house.connect())
            waiting[-1].send(b"{")
            self.house.run(0.1)
        self.assertEqual([brief(read(peer)) for peer in waiting], [[], [], ["error crowded"]])

    def test_who_takes_too_many_names_is_closed(self) -> None:
        self.house = House(rate=0, max_per_address=1, names_per_address=1)
        for number, answer in enumerate(("welcome", "welcome", "error crowded")):
            peer = self.house.connect()
            answers = self.asks(peer, line("hello", name=f"bot{number}"))
            self.assertEqual(brief(answers)[0], answer)
            if answer == "welcome":
                self.asks(peer, line("quit"))
            self.assertTrue(peer.wire.half_closed or not peer.connected)

    def test_who_is_banned_is_told_in_its_own_tongue_and_closed(self) -> None:
        self.house.chat.standing.apply([Term("192.0.2.0/24").fact(BAN, "192.0.2.0/24")])
        peer = self.house.connect()
        self.assertEqual(brief(self.asks(peer, line("hello", name="bot"))), ["error banned"])
        self.assertTrue(peer.wire.half_closed or not peer.connected)

    def test_who_was_banned_while_it_tried_names_is_closed(self) -> None:
        peer = self.house.connect()
        self.assertEqual(brief(self.asks(peer, line("hello", name="a b"))), ["error bad_name"])
        self.house.chat.standing.apply([Term("192.0.2.0/24").fact(BAN, "192.0.2.0/24")])
        self.assertEqual(brief(self.asks(peer, line("hello", name="ab"))), ["error banned"])
        self.assertTrue(peer.wire.half_closed)

    def test_who_is_not_named_in_time_is_too_slow(self) -> None:
        peer = self.house.connect()
        self.asks(peer, b"{\n")
        self.house.run(60, step=1)
        self.assertEqual(brief(read(peer)), ["error too_slow"])
        self.assertTrue(peer.wire.half_closed or not peer.connected)

    def test_little_is_read_at_once_until_it_is_welcomed(self) -> None:
        peer = self.house.connect()
        self.asks(peer, b"{}\n")
        self.assertEqual(peer.wire.bufferSize, UNNAMED_READ)
        self.asks(peer, line("hello", name="bot"))
        self.assertFalse(hasattr(peer.wire, "bufferSize"))


class BadLineTests(MachineTestCase):
    BAD = (
        b"\n",
        b"hello\n",
        b"{\n",
        b"{}\n",
        b"[]\n",
        b"\x00\n",
        b"{\x00}\n",
        b"\xff\n",
        b"\xff\xff\n",
        b"{\xff\xfa\n",
        b'{"type":"\xff\xfb\x01"}\n',
        b'{"type":"\xff\xf6"}\n',
        b"\xc0\x80\n",
        b"\x1b[2J\n",
        HTTP,
        b"\x16\x03\x01\n",
        b'{"a":' * 5000 + b"\n",
        b'{"a":' * 100_000 + b"\n",
        b"[" * 28_000 + b"\n",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n",
        b'{"type":"ping","ref":' + b"9" * 1_000_000 + b"}\n",
        b'{"type":"ping","ref":' + b"9" * 20_000 + b"}\n",
        b'{"type":"ping","ref":NaN}\n',
        b'{"type":"say","seq":Infinity,"room":"lobby","text":"x"}\n',
        b'{"type":"hello","token":"\\ud800"}\n',
        b'{"type":"hello","name":"\\ud800"}\n',
        b'{"type":"hello","name":"x y","ref":"\\ud800"}\n',
        b'{"type":"\\ud800","ref":"\\udfff"}\n',
        line("say", room="lobby", text="x" * 40_000),
        line("say", room="lobby"),
        line("dance"),
    )

    def test_none_ends_the_connection_before_the_welcome(self) -> None:
        peer = self.house.connect()
        peer.send(b"{")  # It is a program.
        for bad in self.BAD:
            messages = self.asks(peer, bad)
            self.assertEqual({m["type"] for m in messages}, {"error"}, bad[:30])
        self.assertEqual(brief(self.asks(peer, line("hello", name="bot"))), ["welcome", "ok join"])

    def test_none_ends_the_connection_after_it(self) -> None:
        peer, _ = self.enter("bot")
        for bad in self.BAD:
            messages = self.asks(peer, bad)
            self.assertEqual({m["type"] for m in messages}, {"error"}, bad[:30])
        self.assertEqual(brief(self.asks(peer, line("ping"))), ["pong"])

    def test_a_line_that_is_too_long_is_told_so_once(self) -> None:
        peer, _ = self.enter("bot")
        most = dialog.longest(2000)
        peer.send(b"x" * (most + 2))
        peer.send(b"x" * most)
        self.assertEqual(brief(read(peer)), ["error too_long"])
        self.assertEqual(brief(self.asks(peer, b"\n", line("ping"))), ["pong"])

    def test_the_longest_text_may_be_written_in_the_longest_way(self) -> None:
        peer, _ = self.enter("bot")
        text = json.dumps("😀" * 2000)
        self.assertEqual(len(text), 2 + 2000 * 12)
        said = f'{{"type":"say","room":"lobby","text":{text},"seq":1}}\n'.encode()
        self.assertEqual(brief(self.asks(peer, said)), ["ok say 1"])

    def test_a_surrogate_in_the_hello_s_ref_harms_nobody(self) -> None:
        ana = self.house.enter("ana")
        peer = self.house.connect()
        peer.send(b'{"type":"hello","name":"bot","ref":"\\ud800"}\n')
        ana.say("hi")
        self.house.run(1)
        self.assertEqual(read(peer)[0]["ref"], "\ufffd")
        other = self.house.enter("bo")
        ana.say("ho")
        self.assertIn("<ana> ho", other.hear(0.5))

    @given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(BAD)), max_size=8))
    @example([b"\xff\xfa", b"\r", b"\0"])
    @settings(max_examples=examples(50))
    def test_whatever_comes_a_ping_behind_it_is_answered(self, chunks: list[bytes]) -> None:
        house = House(rate=0)
        peer = house.connect()
        peer.send(line("hello", name="bot"))
        house.run(0.5)
        read(peer)
        for chunk in chunks:
            peer.send(chunk)
            house.run(0.2)
        peer.send(b"\n" + line("ping", ref="the last"))
        house.run(0.5)
        self.assertEqual(read(peer)[-1], {"type": "pong", "ref": "the last"})
        self.assertTrue(peer.connected)
        house.chat.stop()


class AskingTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.bot,) = self.gather("bot")

    def test_what_is_no_message_is_answered_and_ends_nothing(self) -> None:
        for line in (
            "hello",
            "",
            "{",
            "[]",
            "\x00",
            "\ufffd" * 100,
            '{"a":' * 5000,
            '{"type":"ping","ref":' + "9" * 20_000 + "}",
            '{"type":"ping","ref":NaN}',
            '{"type":"dance"}',
            '{"type":"\\ud800","ref":"\\ud800"}',
            '{"type":"say","ref":"\\ud800"}',
            '{"type":"leave","room":"\\ud800","ref":"\\ud800"}',
        ):
            self.bot.line(line)
            self.house.tick()
            (message,) = self.bot.read()
            self.assertEqual(message["type"], "error", line[:20])
        self.assertEqual(briefly(self.bot.tries("ping")), ["pong"])

    def test_unknown_fields_are_ignored(self) -> None:
        self.assertEqual(briefly(self.bot.tries("ping", colour=["red"])), ["pong"])

    def test_who_asks_is_active(self) -> None:
        assert self.bot.member is not None
        before = self.bot.member.active
        self.house.tick(100.0)
        self.bot.tries("rooms")
        self.assertGreater(self.bot.member.active, before + 90)

    def test_a_first_word_is_stored_once_as_that_it_was_heard(self) -> None:
        before = self.query("SELECT value FROM facts WHERE kind = 'session'")
        self.assertIn('"heard":false', before[0][0])
        self.bot.tries("ping")
        after = self.query("SELECT value FROM facts WHERE kind = 'session'")
        self.assertIn('"heard":true', after[0][0])
        self.bot.ask("ping")
        self.assertEqual(self.house.chat.ticker.batch.count, 0)


class HelloTests(MachineTestCase):
    def test_before_hello_a_ping_is_answered_and_all_else_is_an_error(self) -> None:
        peer = self.house.connect()
        messages = self.asks(peer, line("ping", ref=1), line("say", room="a", text="b", ref=2))
        self.assertEqual(brief(messages), ["pong", "error hello_first"])
        self.assertEqual([m["ref"] for m in messages], [1, 2])
        self.assertEqual(brief(self.asks(peer, line("hello", name="bot")))[0], "welcome")

    def test_what_comes_behind_the_hello_waits_for_the_welcome(self) -> None:
        peer = self.house.connect()
        messages = self.asks(
            peer,
            line("hello", name="bot"),
            line("hello", name="bot"),
            line("say", room="lobby", text="hi", seq=1),
            line("quit"),
        )
        self.assertEqual(
            brief(messages), ["welcome", "ok join", "error welcome_already", "ok say 1", "ok quit"]
        )

    def test_it_may_try_as_often_as_it_wants(self) -> None:
        peer = self.house.connect()
        for _ in range(10):
            self.assertEqual(brief(self.asks(peer, line("hello", name="a b"))), ["error bad_name"])
        self.assertEqual(brief(self.asks(peer, line("hello", name="ab")))[0], "welcome")

    def test_while_the_journal_refuses_it_is_told_and_waits(self) -> None:
        journal = FullJournal(lambda: 0)
        self.house = House(journal, rate=0)
        ana = self.house.enter("ana")
        journal.full = True
        ana.say("hi")
        self.house.run(0.5)
        peer = self.house.connect()
        messages = self.asks(peer, line("hello", name="bot"))
        self.assertEqual({m["type"] for m in messages}, {"notice"})
        journal.full = False
        self.house.run(2)
        self.assertIn("welcome", brief(read(peer)))

    def test_who_waits_too_long_is_closed_and_can_try_again(self) -> None:
        journal = FullJournal(lambda: 0)
        self.house = House(journal, rate=0)
        journal.full = True
        peer = self.house.connect()
        self.asks(peer, line("hello", name="bot"))
        self.house.run(60, step=1)
        self.assertEqual(brief(read(peer))[-1], "error too_slow")
        again = self.house.connect()
        self.asks(again, line("hello", name="bot"))
        journal.full = False
        self.house.run(2)
        self.assertIn("welcome", brief(read(again)))
        self.house.run(200, step=1)
        self.assertEqual(self.house.people(), ["bot"])

    def test_who_hangs_up_before_its_welcome_is_away_and_leaves_after_the_grace(self) -> None:
        ana = self.house.enter("ana")
        peer = self.house.connect()
        peer.send(line("hello", name="bot"))
        peer.lose()
        self.assertEqual(ana.hear(0.5), ["-- bot joined"])
        self.house.run(91, step=1)
        self.assertEqual(ana.read(), ["-- bot left"])

    def test_who_is_banned_while_it_waits_is_closed(self) -> None:
        journal = FullJournal(lambda: 0)
        self.house = House(journal, rate=0)
        peer = self.house.connect()
        peer.send(line("hello", name="bot"))
        self.house.chat.ticker.batch.hold(Term("192.0.2.1/32").fact(BAN, "192.0.2.1/32"))
        self.house.run(1)
        self.assertEqual(brief(read(peer)), ["error banned"])
        self.assertTrue(peer.wire.half_closed)
        self.house.run(2 * CLOSING_TIMEOUT, step=1)
        self.assertFalse(peer.connected)
        self.assertEqual(self.house.people(), [])


class TakeoverTests(MachineTestCase):
    def test_a_live_connection_is_told_and_closed(self) -> None:
        ana = self.house.enter("ana")
        first, token = self.enter("bot")
        ana.read()
        read(first)
        _, messages = self.back(token, since=0)
        self.assertEqual(brief(read(first)), ["replaced another connection has your place now"])
        self.assertTrue(first.wire.half_closed or not first.connected)
        self.assertEqual(messages[0]["type"], "welcome")
        # What it still says is nobody's.
        first.send(line("say", room="lobby", text="ghost", seq=1))
        self.assertEqual(ana.hear(5), [])
        first.lose()
        self.house.run(100, step=1)
        self.assertEqual(ana.read(), [])
        self.assertEqual(self.house.people(), ["ana", "bot"])

    def test_a_dead_connection_is_taken_over_without_a_word(self) -> None:
        ana = self.house.enter("ana")
        first, token = self.enter("bot")
        ana.read()
        first.lose()
        self.house.run(50, step=1)
        second, messages = self.back(token, since=0)
        self.assertTrue(messages[0]["resumed"])
        self.house.run(100, step=1)
        self.assertEqual(ana.read(), [])
        self.assertEqual(brief(self.asks(second, line("ping"))), ["pong"])

    def test_lines_that_wait_of_the_connection_before_are_dropped_and_sent_again(self) -> None:
        self.house = House(rate=1, burst=3)
        ana = self.house.enter("ana")
        first = self.house.connect()
        said = [line("say", room="lobby", text=f"line {n}", seq=n) for n in range(1, 9)]
        first.send(line("hello", name="bot") + b"".join(said))
        self.house.run(0.2)
        token = read(first)[0]["token"]
        first.lose()
        self.assertIn(first.protocol, self.house.factory.lingering)
        second, (welcome, *_) = self.back(token, since=0)
        self.assertNotIn(first.protocol, self.house.factory.lingering)
        self.assertEqual(welcome["seq"], 2)
        self.house.run(10)
        self.assertEqual(ana.read(), ["-- bot joined", "<bot> line 1", "<bot> line 2"])
        second.send(b"".join(said))
        self.house.run(10)
        self.assertEqual(ana.read(), [f"<bot> line {n}" for n in range(3, 9)])

    def test_exactly_once_over_any_number_of_losses(self) -> None:
        self.house = House(rate=2, burst=4)
        ana = self.house.connect("192.0.2.9")
        ana.say("ana")
        self.house.run(1)
        ana.read()
        peer = self.house.connect()
        peer.send(line("hello", name="bot"))
        self.house.run(1)
        (welcome, _) = read(peer)
        token, since, stored = welcome["token"], welcome["since"], 0
        oks: dict[int, set[int]] = {}
        rounds = 0
        while stored < 20:
            peer.send(
                b"".join(
                    line("say", room="lobby", text=f"line {n}", seq=n)
                    for n in range(stored + 1, 21)
                )
            )
            self.house.run(1.3)
            if rounds % 3:
                peer.lose()
                self.house.run(0.01 * (rounds % 7))
            else:
                for message in read(peer):
                    since = max(since, message.get("id", 0))
                    if message["type"] == "ok" and message["to"] == "say":
                        oks.setdefault(message["seq"], set()).add(message["id"])
            peer = self.house.connect()
            peer.send(line("hello", token=token, since=since))
            welcome, *messages = read(peer)
            stored = welcome["seq"]
            rounds += 1
            self.assertLess(rounds, 100)
        self.house.run(1)
        for message in messages + read(peer):
            if message["type"] == "ok":
                oks.setdefault(message["seq"], set()).add(message["id"])
        self.house.run(60, step=1)
        self.assertEqual(ana.read()[1:], [f"<bot> line {n}" for n in range(1, 21)])
        self.assertEqual(sorted(oks), list(range(1, 21)))
        self.assertEqual([len(ids) for ids in oks.values()], [1] * 20)

    def test_who_comes_back_while_its_history_is_read_gets_no_answer_twice(self) -> None:
        first, token = self.enter("bot")
        first.send(line("join", room="dev") + line("history", room="dev") + line("ping"))
        second, messages = self.back(token, since=0)
        self.assertIn("welcome", brief(messages))
        self.assertEqual(brief(self.asks(second, line("ping"))), ["pong"])

    def test_a_lost_connection_s_late_end_changes_nothing(self) -> None:
        first, token = self.enter("bot")
        second, _ = self.back(token)
        first.end()
        first.lose()
        self.house.run(200, step=1)
        self.assertEqual(brief(self.asks(second, line("ping"))), ["pong"])
        self.assertEqual(self.house.people(), ["bot"])


class HalfClosedTests(MachineTestCase):
    def test_what_was_sent_before_the_end_is_done_and_answered_then_it_is_closed(self) -> None:
        ana = self.house.enter("ana")
        peer = self.house.connect()
        peer.send(line("hello", name="bot") + line("say", room="lobby", text="hi", seq=1))
        peer.end()
        self.house.run(1)
        self.assertEqual(brief(read(peer)), ["welcome", "ok join", "ok say 1"])
        self.assertFalse(peer.connected)
        self.assertEqual(ana.hear(1), ["-- bot joined", "<bot> hi"])
        self.house.run(91, step=1)
        self.assertEqual(ana.read(), ["-- bot left"])

    def test_a_last_line_without_an_end_is_one_too(self) -> None:
        peer, _ = self.enter("bot")
        peer.send(line("ping")[:-1])
        peer.end()
        self.house.run(1)
        self.assertEqual(brief(read(peer)), ["pong"])
        self.assertFalse(peer.connected)

    def test_the_end_without_a_hello_closes(self) -> None:
        peer = self.house.connect()
        peer.send(b"{")
        peer.end()
        self.house.run(1)
        self.assertEqual(brief(read(peer)), ["error not_json"])
        self.assertFalse(peer.connected)

    def test_with_a_quit_it_has_left(self) -> None:
        ana = self.house.enter("ana")
        peer = self.house.connect()
        peer.send(line("hello", name="bot") + line("quit"))
        peer.end()
        self.house.run(1)
        self.assertEqual(brief(read(peer)), ["welcome", "ok join", "ok quit"])
        self.assertEqual(ana.read(), ["-- bot joined", "-- bot left"])
        self.assertFalse(peer.connected)


class HoldingTests(MachineTestCase):
    def test_a_program_is_read_at_its_rate_and_nothing_is_lost(self) -> None:
        self.house = House(rate=2, burst=3)
        peer = self.house.connect()
        peer.send(line("hello", name="bot") + line("ping") * 10)
        self.house.run(0.1)
        self.assertTrue(peer.paused)
        self.house.run(10)
        self.assertEqual(brief(read(peer)).count("pong"), 10)
        self.assertFalse(peer.paused)

    def test_who_reads_no_answers_is_read_from_no_more(self) -> None:
        peer, _ = self.enter("bot")
        peer.stop_reading()
        for _ in range(200):
            if peer.paused:
                break
            peer.send(line("who", room="lobby", ref="x" * 64) * 10)
        self.assertTrue(peer.paused)
        self.assertGreater(peer.protocol.unsent, UNSENT_MOST)
        peer.read_on()
        self.house.run(1)
        self.assertFalse(peer.paused)

    def test_only_so_many_of_one_address_are_away_at_once(self) -> None:
        self.house = House(rate=0, max_per_address=5)
        tokens = []
        for number in range(100):
            peer, token = self.enter(f"bot{number}")
            tokens.append(token)
            peer.lose()
        self.house.run(1)
        self.assertEqual(self.house.people(), [f"bot{number}" for number in range(95, 100)])
        _, messages = self.back(tokens[0])
        self.assertTrue(messages[0]["resumed"])

    def test_when_the_service_stops_programs_are_told_and_stay_members(self) -> None:
        peer, _ = self.enter("bot")
        self.house.factory.stop("the server restarts")
        self.house.run(1)
        self.assertEqual(brief(read(peer)), ["notice"])


class SecretTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = f"{folder.name}/chat.sqlite"
        self.events: list[LogEvent] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def test_a_token_is_neither_in_the_file_nor_in_the_log(self) -> None:
        house = House(SqliteJournal(self.path, lambda: 0, Readings()), rate=0)
        self.addCleanup(house.chat.stop)
        peer = house.connect(IPv4Address("TCP", "192.0.2.1", 50000))
        peer.send(line("hello", name="bot") + line("say", room="lobby", text="hi", seq=1))
        house.run(1)
        token = read(peer)[0]["token"]
        again = house.connect()
        again.send(line("hello", token=token, since=0) + line("hello", token=token))
        house.run(1)
        again.send(line("quit"))
        house.run(1)
        wrong = house.connect()
        wrong.send(line("hello", token=token + "x", name="a b"))
        house.run(1)
        content = b""
        for end in ("", "-wal"):
            with open(self.path + end, "rb") as file:
                content += file.read()
        self.assertIn(b"bot", content)
        self.assertNotIn(token.encode(), content)
        self.assertNotIn(token, repr(self.events))


class RealConnectionTests(unittest.TestCase):
    """On real sockets: what a member that is away still tells of its connection."""

    timeout = 120

    async def comes_and_goes(self, port: Any, connect: Callable[[Collector], Any]) -> None:
        self.addCleanup(port.stopListening)
        peer = Collector()
        await connect(peer)
        peer.transport.write(line("hello", name="bot") + line("ping"))
        await peer.wait_for(lambda: b"pong" in peer.received)
        token = json.loads(peer.received.split(b"\r\n")[0])["token"]
        peer.transport.abortConnection()
        await peer.closed
        (member,) = self.chat.members
        await until(lambda: member in self.chat.attendance.absences)
        self.assertEqual(member.outlet.address, "127.0.0.1")
        self.assertTrue(member.outlet.closed)
        again = Collector()
        await connect(again)
        again.transport.write(line("hello", token=token, since=0))
        await again.wait_for(lambda: b'"live"' in again.received)
        self.assertNotIn(member, self.chat.attendance.absences)
        again.transport.abortConnection()
        await again.closed
        await until(lambda: member in self.chat.attendance.absences)
        self.chat.ticker.batch.hold(Term("127.0.0.1/32").fact(BAN, "127.0.0.1/32"))
        self.chat.ticker.wake()
        await until(lambda: not self.chat.members)
        refused = Collector()
        await connect(refused)
        refused.transport.write(line("hello", token=token))
        await refused.closed
        self.assertIn(b"banned", refused.received)

    def setUp(self) -> None:
        limits = Limits(max_per_address=0)
        self.chat = Chat(reactor, MemoryJournal(lambda: 0), lambda: 0, limits)
        # What a peer sends at once may take its time on a busy machine.
        self.factory = ChatFactory(reactor, self.chat, limits, silence=1.0)
        self.chat.start()
        self.factory.start()
        self.addCleanup(self.chat.stop)
        self.addCleanup(self.factory.stop)

    async def test_on_tcp(self) -> None:
        port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        await self.comes_and_goes(port, lambda peer: connectProtocol(endpoint, peer))

    async def test_on_tls(self) -> None:
        certificate = Certificate()
        port = reactor.listenSSL(0, self.factory, certificate.server, interface="127.0.0.1")
        tcp = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        endpoint = wrapClientTLS(certificate.client, tcp)
        await self.comes_and_goes(port, lambda peer: connectProtocol(endpoint, peer))
