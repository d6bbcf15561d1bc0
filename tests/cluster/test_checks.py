from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from chatservice.cluster.checks import check, sound
from chatservice.cluster.entries import (
    ADOPT,
    BYE,
    LEASE,
    NAME,
    PART,
    PERSON,
    SEND_AWAY,
    TAKE,
    TOLD,
    VERSIONED,
    BadEntry,
    Entry,
)
from chatservice.cluster.registry import Registry
from chatservice.core.moderation import BAN, MUTE, Standing, Term
from chatservice.core.sessions import Reading, Session
from chatservice.journal.events import FILE, JOINED, ROOM, SAID, TOPIC, Draft, Fact

PERSON_IS: dict[str, Any] = {
    "origin": 10,
    "name": "ana",
    "rooms": {"lobby": -1},
    "operator": False,
    "away": None,
    "since": 5,
    "address": "192.0.2.1",
}
SESSION_IS: dict[str, Any] = {
    "origin": 10,
    "name": "bot",
    "rooms": {"lobby": 7},
    "periods": [["dev", 1, -2]],
    "forgotten": 0,
    "seq": 3,
    "seen": 5,
    "here": True,
    "heard": False,
}


def person(**other: Any) -> Fact:
    return Fact(PERSON, "a", json.dumps({**PERSON_IS, **other}))


def session(**other: Any) -> Fact:
    value = {key: value for key, value in {**SESSION_IS, **other}.items() if value != "missing"}
    return Fact("session", "digest", json.dumps(value))


GOOD = (
    Fact(TOPIC, "lobby", "tea & cake"),
    Fact(TOPIC, "lobby", ""),
    Fact("lock", "lobby", "locked"),
    Term("eve", 5, "for fun", 60).fact(MUTE, "eve"),
    Fact(MUTE, "eve", '["eve"]'),
    Fact(MUTE, "eve", ""),
    Term("192.0.2.7").fact(BAN, "192.0.2.7"),
    Fact(BAN, "192.0.2.0/24", ""),
    Fact(NAME, "ana", "a"),
    Fact(NAME, "ana", ""),
    person(),
    person(away="for tea"),
    Fact(PERSON, "a", ""),
    session(),
    Fact("session", "digest", ""),
    Fact(LEASE, "b1", "north-1"),
    Fact(TAKE, "a", "b1"),
    Fact(ADOPT, "b1", "7"),
    Fact(BYE, "b1", ""),
    Fact(SEND_AWAY, "a", '["kicked", "you were kicked", ""]'),
    Fact(ROOM, "what?", ""),
)

BAD = (
    Fact("hat", "ana", "red"),
    Fact(PART, "b1 0", "1 2 aGk="),
    Fact(VERSIONED, "", "7"),
    Fact(FILE, "", "north"),
    Fact(TOPIC, "lobby", "\x1b[2J"),
    Fact(TOPIC, "lob\nby", "tea"),
    Fact(TOPIC, "lobby", "tea\u2028cake"),
    Fact(MUTE, "eve", '["e\u202eve"]'),
    Fact(BAN, "no network", ""),
    Fact(BAN, "0.0.0.0/0", '["all", 0, "", 0]'),
    Fact(BAN, "192.0.2.7", "{"),
    Fact(BAN, "192.0.2.7", "{}"),
    Fact(BAN, "192.0.2.7", "[]"),
    Fact(BAN, "192.0.2.7", '["eve", "soon", "", 0]'),
    Fact(BAN, "192.0.2.7", '["eve", 0, "", 0, 1e400]'),
    Fact(MUTE, "eve", '["eve", -1, "", 0]'),
    Fact(MUTE, "eve", '["eve", 1e99, "", 0]'),
    Fact(MUTE, "eve", '["eve", 999999999999999999, "", 0]'),
    Fact(MUTE, "eve", '[["eve"], 0, "", 0]'),
    Fact(NAME, "ana", "nobody"),
    Fact(NAME, "ana", "zz"),
    Fact(TAKE, "somebody", "b1"),
    Fact(PERSON, "a", "hello"),
    Fact(PERSON, "a", '{"origin":10}'),
    Fact(PERSON, "zoë", ""),
    Fact("session", "x", '{"origin":10,"name":"ana","here":false}'),
    Fact(NAME, "ana", "-a"),
    Fact(NAME, "ana", "8000000000000000"),
    Fact(PERSON, "b", person().value),
    Fact(PERSON, "x", ""),
    person(name=""),
    person(name="ana bob"),
    person(name="a\x07"),
    person(name="a\u202eb"),
    person(away="\u2066tea"),
    person(rooms=["lobby"]),
    person(rooms={"lobby": None}),
    person(rooms={"lobby": 1 << 63}),
    person(since="now"),
    person(away=5),
    Fact(PERSON, "a", "[]"),
    Fact(PERSON, "a", "[" * 100_000),
    session(seen="missing"),
    session(periods="missing"),
    session(periods=[["dev", 1]]),
    session(periods=[["dev", 1, "2"]]),
    session(here=1),
    session(name="b\u2029t"),
    session(rooms={"lob\u2069by": 7}),
    session(seq=-1),
    session(seq=True),
    session(origin=-1),
    Fact(TAKE, "", "b1"),
    Fact(SEND_AWAY, "a", "[]"),
    Fact(SEND_AWAY, "a", '["hung", "you were hung", ""]'),
    Fact(ROOM, "", ""),
    Fact(ROOM, "what?", "what_"),
    Fact(ROOM, "wh\x1bat?", ""),
    Fact(ROOM, "?" * 257, ""),
    Fact(TOLD, "7", "[]"),
)


class CheckTests(TestCase):
    def test_what_nodes_write_passes(self) -> None:
        check(Entry("b1", 1, [Draft("lobby", SAID, "ana", "hi zoë", 1, -1)], GOOD))
        real = Session("digest", 10, "bot", 5)
        real.reading = Reading({"lobby": 5}).joined("dev", -1).left("dev", -2)
        check(Entry("b1", 1, [], [real.fact(real.reading)]))

    def test_all_else_is_no_entry(self) -> None:
        for fact in BAD:
            with self.assertRaises(BadEntry, msg=fact):
                check(Entry("b1", 1, [], [*GOOD, fact]))

    def test_so_are_events_of_no_kind_or_that_nobody_may_be_shown(self) -> None:
        good = Draft("lobby", JOINED, "ana", "", 1, -1)
        for bad in (
            {"kind": "danced"},
            {"text": "\x1b[2J"},
            {"author": "a\r"},
            {"room": "\x00"},
            {"text": "a\u2028b"},
            {"text": "a\u202eb"},
        ):
            with self.assertRaises(BadEntry, msg=bad):
                check(Entry("b1", 1, [good, good._replace(**bad)], []))

    def test_no_reason_tells_more_than_a_kind(self) -> None:
        with self.assertRaises(BadEntry) as refusal:
            check(Entry("b1", 1, [], [Fact("x" * 1000, "secret", "secret")]))
        why = f"a fact of the kind {'x' * 20!r} is not as a node writes it"
        self.assertEqual(str(refusal.exception), why)

    @given(st.sampled_from(GOOD), st.text(max_size=30) | st.sampled_from([f.value for f in GOOD]))
    def test_what_passes_can_be_used(self, fact: Fact, value: str) -> None:
        fact = fact._replace(value=value)
        try:
            check(Entry("b1", 1, [], [fact]))
        except BadEntry:
            return
        Standing(Clock(), lambda: 0).apply([fact])
        outcome = Registry(lenient=True).interpret(Entry("b1", 1, [], [fact]), 1, 1, 1)
        self.assertEqual(sound(outcome.facts), outcome.facts)
        Registry().load(outcome.facts)
        for one in outcome.facts:
            if one.kind == "session" and one.value:
                Session.load(one)


class SoundTests(TestCase):
    def test_what_is_stored_is_told_from_what_can_not_be_used(self) -> None:
        good = [
            Fact(NAME, "ana", "a b1"),
            Fact(LEASE, "b1", '["north", 1, 2, 3, ""]'),
            Fact(PART, "b1 0", "1 2 aGk="),
            Fact(VERSIONED, "", "2"),
            Fact(FILE, "floor", "7"),
            session(boot="b1"),
        ]
        bad = [
            Fact(NAME, "ana", "a"),
            Fact(LEASE, "b1", "north"),
            Fact(PART, "b1", "1 2 aGk="),
            Fact(VERSIONED, "", "two"),
            Fact(BAN, "no network", "[]"),
            Fact("hat", "", ""),
        ]
        told: list[str] = []
        globalLogPublisher.addObserver(observer := lambda event: told.append(formatEvent(event)))
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.assertEqual(sound([*good, *bad], "the file"), good)
        why = "6 facts (ban, hat, lease, name, part, version) that can't be used"
        self.assertEqual(told, [f"the file has {why}"])
        self.assertEqual(sound([*good, *bad]), good)
        self.assertEqual(len(told), 1)
