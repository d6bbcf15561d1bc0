from __future__ import annotations

import json
import random
from collections.abc import Iterable
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.core.moderation import LOCK, MUTE, Term
from chatservice.core.rekeying import STANDING, Settled, call_rooms, revise, settle
from chatservice.core.sessions import SESSION, Period, Reading, Session
from chatservice.journal.events import (
    ACTED,
    FILE,
    RENAMED,
    ROOM,
    TOPIC,
    Draft,
    Fact,
    JournalError,
    Revision,
)
from chatservice.text import names
from chatservice.text.names import RULES, key, nickname, room_name

LONGEST = 24
NOTED = Fact(FILE, "rules", str(RULES))


def session(
    name: str, since: int = 7, here: bool = True, rooms: tuple[str, ...] = ("lobby",)
) -> Fact:
    """Return what older versions have stored of somebody.

    :param since: when they were in a room first.
    """
    one = Session(f"digest of {name}", crc32(name.encode()), name, 12)
    one.here = here
    return one.fact(Reading(dict.fromkeys(rooms, since + 5), (Period(rooms[0], since, 5),), 3))


def person(origin: int, name: str, **rooms: int) -> Fact:
    """Return what is stored of somebody at a plain socket."""
    value = {"origin": origin, "name": name, "rooms": rooms}
    return Fact("person", f"{origin:x}", json.dumps(value))


def revised(*facts: Fact, rooms: tuple[str, ...] = ()) -> Revision:
    """Return what has to change; something has to."""
    revision = revise(facts, lambda: rooms, LONGEST, alone=True)
    assert revision is not None
    return revision


def called(revision: Revision | Settled) -> dict[str, str]:
    """Return what people are called from now on, by what they were."""
    values = [json.loads(fact.value) for fact in revision.facts if fact.kind not in STANDING]
    records = [value for value in values if isinstance(value, dict)]
    return {value["was"]: value["name"] for value in records if "was" in value}


def rooms_of(revision: Revision | Settled) -> dict[str, str]:
    """Return what rooms are called from now on, by what they were."""
    return {fact.name: fact.value for fact in revision.facts if fact.kind == ROOM}


def applied(held: Iterable[Fact], changed: Iterable[Fact]) -> list[Fact]:
    """Return what holds after a change."""
    now = {(fact.kind, fact.name): fact for fact in (*held, *changed)}
    return [fact for fact in now.values() if fact.value]


class RulesTests(unittest.TestCase):
    def test_what_needs_no_change_is_but_noted(self) -> None:
        held = [session("ana"), Fact(TOPIC, "dev", "x"), Term("bo").fact(MUTE, "bo")]
        revision = revised(*held, rooms=("lobby", "2026", "dev"))
        self.assertEqual((revision.facts, revision.drafts), ([NOTED], []))

    def test_a_file_of_these_rules_is_left_alone(self) -> None:
        self.assertIsNone(revise([NOTED, session("007")], self.fail, LONGEST, alone=True))

    def test_a_file_of_newer_rules_is_refused(self) -> None:
        newer = Fact(FILE, "rules", str(RULES + 1))
        with self.assertRaisesRegex(JournalError, f"version .rules for names {RULES + 1}.$"):
            revise([newer], self.fail, LONGEST, alone=True)

    def test_of_a_node_the_log_decides(self) -> None:
        for node in (Fact(FILE, "", "host-1234"), Fact(FILE, "base", "0")):
            self.assertIsNone(revise([node, session("007")], self.fail, LONGEST, alone=False))
        self.assertIsNotNone(revise([session("007")], lambda: (), LONGEST, alone=False))


class PeopleTests(unittest.TestCase):
    def test_a_name_that_is_none_becomes_the_nearest_that_is_one(self) -> None:
        for old, new in {
            "007": "_007",
            "ana!": "ana_",
            "a:b@c": "a_b_c",
            "+ana": "_+ana",
            "гоот": "_гоот",
            "ΝΙΚΑ": "νικα",
            "९क": "_९क",
            "\U00010d4a": "guest",
            "aǃ": "a_",
            "ꓮꓽꓐ": "ꓮ_ꓐ",
            "ꓮꓡꓲꓚꓰ": "guest",
            "7" * LONGEST: "_" + "7" * (LONGEST - 1),
        }.items():
            self.assertEqual(called(revised(session(old))), {old: new})

    def test_who_was_in_a_room_first_keeps_a_name(self) -> None:
        revision = revised(session("bob", 5), session("ЬоЬ", 4), session("вов", 6))
        self.assertEqual(called(revision), {"bob": "bob2", "вов": "вов3"})

    def test_who_has_a_bar_in_front_had_another_name(self) -> None:
        revision = revised(session("Ірина", 5), session("Ӏрина", 6), session("Игорь", 7))
        self.assertEqual(called(revision), {"Ӏрина": "Ӏрина2"})

    def test_who_is_in_no_room_was_in_none_first(self) -> None:
        settled = settle([person(1, "bob"), person(2, "ЬоЬ", lobby=9)], [], [])
        self.assertEqual(settled.holders, {"bob": 2, "bob2": 1})

    def test_a_name_that_is_one_keeps_it_before_one_that_becomes_it(self) -> None:
        revision = revised(session("a!", 1), session("a_", 9), session("a_2", 9))
        self.assertEqual(called(revision), {"a!": "a_3"})

    def test_nobody_loses_a_name_to_who_is_given_another_one(self) -> None:
        revision = revised(session("bob", 1), session("ЬоЬ", 2), session("ЬоЬ2", 3))
        self.assertEqual(called(revision), {"ЬоЬ": "ЬоЬ3"})

    def test_a_long_name_makes_room_for_the_number(self) -> None:
        first = "o" * LONGEST
        second = "о" * LONGEST
        revision = revised(session(first, 1), session(second, 2))
        self.assertEqual(called(revision), {second: "о" * (LONGEST - 1) + "2"})

    def test_people_at_plain_sockets_are_people_too(self) -> None:
        known = [person(1, "ana!", lobby=5), person(2, "bo", lobby=6)]
        settled = settle(known, [], [])
        self.assertEqual(settled.holders, {"ana_": 1, "bo": 2})
        self.assertEqual(called(settled), {"ana!": "ana_"})
        self.assertEqual(settled.drafts, [Draft("lobby", RENAMED, "ana!", "ana_", 1, 0)])

    def test_who_has_left_holds_no_name(self) -> None:
        self.assertEqual(called(revised(session("bob", 5), session("ЬоЬ", 6, here=False))), {})

    def test_who_is_here_is_shown_to_be_renamed_in_their_rooms(self) -> None:
        here = session("007", rooms=("lobby", "dev"))
        origin = json.loads(here.value)["origin"]
        self.assertEqual(
            revised(here, session("a!", here=False)).drafts,
            [
                Draft("dev", RENAMED, "007", "_007", origin, 0),
                Draft("lobby", RENAMED, "007", "_007", origin, 0),
            ],
        )

    def test_all_else_of_a_session_stays(self) -> None:
        old = session("007")
        (new,) = (fact for fact in revised(old).facts if fact.kind == SESSION)
        self.assertEqual(new.name, old.name)
        value = json.loads(new.value)
        self.assertEqual((value.pop("was"), value.pop("name")), ("007", "_007"))
        self.assertEqual(value | {"name": "007"}, json.loads(old.value))

    def test_a_mute_goes_with_a_name(self) -> None:
        held = [
            session("bob", 1),
            session("ЬоЬ", 2),
            Term("ЬоЬ", 0, "spam").fact(MUTE, "ь-key"),
            Term("a!", 9).fact(MUTE, "a!"),
        ]
        facts = [fact for fact in revised(*held).facts if fact.kind == MUTE]
        self.assertEqual(
            {fact.name: json.loads(fact.value)[0] for fact in facts if fact.value},
            {key("ЬоЬ2"): "ЬоЬ2", "a_": "a_"},
        )
        self.assertEqual({fact.name for fact in facts if not fact.value}, {"ь-key", "a!"})

    def test_of_two_mutes_of_one_name_the_longer_one_holds(self) -> None:
        short, long, good = Term("bob", 5), Term("вов", 9), Term("ЬоЬ", 0)
        for terms, left in (([short, long], long), ([long, short], long), ([good, long], good)):
            held = [term.fact(MUTE, f"old {term.name}") for term in terms]
            facts = {fact.name: fact.value for fact in revised(*held).facts if fact.kind == MUTE}
            self.assertEqual(facts["bob"], left.fact(MUTE, "bob").value)

    def test_a_mute_follows_who_is_here_and_not_who_had_the_name_and_has_left(self) -> None:
        left = person(3, "ЬоЬ", lobby=1)
        here = [person(1, "bob", lobby=1), person(2, "ЬоЬ", lobby=2)]
        settled = settle(here, [left], [Term("ЬоЬ", 9).fact(MUTE, "old")])
        mutes = {fact.name: fact.value for fact in settled.facts if fact.kind == MUTE}
        self.assertEqual(mutes, {"old": "", "bob2": Term("ЬоЬ2", 9).fact(MUTE, "").value})

    def test_a_mute_that_needs_no_change_stays_as_it_was_written(self) -> None:
        self.assertEqual(settle([], [], [Fact(MUTE, "zoe", '["zoe"]')]).facts, [])


class RoomTests(unittest.TestCase):
    def test_a_room_is_renamed_wherever_it_is_named(self) -> None:
        revision = revised(
            session("ana", rooms=("what?", "dev")),
            Fact(TOPIC, "what?", "questions"),
            Fact(LOCK, "a*", "locked"),
            rooms=("lobby", "what?"),
        )
        self.assertEqual(rooms_of(revision), {"what?": "what_", "a*": "a_"})
        facts = {(fact.kind, fact.name): fact.value for fact in revision.facts}
        self.assertEqual(facts[TOPIC, "what?"], "")
        self.assertEqual(facts[TOPIC, "what_"], "questions")
        self.assertEqual((facts[LOCK, "a*"], facts[LOCK, "a_"]), ("", "locked"))
        value = json.loads(facts[SESSION, "digest of ana"])
        self.assertEqual(value["rooms"], {"what_": 12, "dev": 12})
        self.assertEqual(value["periods"], [["what_", 7, 5]])
        self.assertNotIn("was", value)

    def test_it_is_told_in_the_room(self) -> None:
        (told,) = revised(rooms=("what?",)).drafts
        self.assertEqual((told.room, told.kind, told.author), ("what_", ACTED, "the server"))
        self.assertEqual(
            told.text,
            "calls this room #what_ from now on, and not #what?: "
            "'?' can't be part of a room's name",
        )

    def test_no_room_becomes_another(self) -> None:
        revision = revised(rooms=("a!", "a?", "a_", "a_2"))
        self.assertEqual(rooms_of(revision), {"a!": "a_3", "a?": "a_4"})

    def test_one_that_was_renamed_before_is_renamed_again_from_its_first_name_on(self) -> None:
        settled = settle([], [], [Fact(ROOM, "a", "b?"), Fact(TOPIC, "b?", "x")])
        self.assertEqual(rooms_of(settled), {"a": "b_", "b?": "b_"})
        self.assertEqual(len(settled.drafts), 1)

    def test_one_of_which_only_the_past_is_left_is_no_other_that_there_is(self) -> None:
        records = [person(1, "ana", a_=5)]
        standing = [Fact(TOPIC, "a_2", "x"), Fact(ROOM, "a?", "a_3")]
        settled = call_rooms(["a!", "a?", "b!", "fine"], records, standing)
        self.assertEqual(settled.facts, [Fact(ROOM, "a!", "a_4"), Fact(ROOM, "b!", "b_")])
        self.assertEqual([draft.room for draft in settled.drafts], ["a_4", "b_"])
        # It is told once.
        again = call_rooms(["a!", "b!"], records, [*standing, *settled.facts])
        self.assertEqual(again, Settled({}, [], [], []))

    def test_of_one_that_is_nothing_but_signs_no_name_is_left(self) -> None:
        revision = revised(rooms=("!?", "?!"))
        self.assertEqual(rooms_of(revision), {"!?": "room", "?!": "room2"})


older_names = st.text(
    st.sampled_from("ab7!?:*@&+~%bобЬвΝνΑא\u05d1x-._"), min_size=1, max_size=LONGEST
)


class AnyFactsTests(unittest.TestCase):
    """Whatever holds, and in whatever order it comes."""

    @given(
        st.lists(older_names, max_size=8, unique=True),
        st.lists(older_names, max_size=4),
        st.lists(older_names, max_size=8),
        st.lists(older_names, max_size=4),
        st.lists(older_names, max_size=4),
        st.randoms(),
    )
    def test_it_is_the_same_and_done_once_and_all_names_are_different(
        self,
        people: list[str],
        gone: list[str],
        rooms: list[str],
        topics: list[str],
        muted: list[str],
        order: random.Random,
    ) -> None:
        here = [
            session(name, since % 3, rooms=tuple(dict.fromkeys((*rooms[since : since + 2], "x!"))))
            for since, name in enumerate(people)
        ]
        # Who has left may have the name of somebody who is here.
        left = [
            Fact("person", f"gone {number}", session(name, number, here=False).value)
            for number, name in enumerate(gone)
        ]
        standing = [Fact(TOPIC, room, f"of {room}") for room in dict.fromkeys(topics)]
        standing += [
            Term(name, number).fact(MUTE, f"key {number}") for number, name in enumerate(muted)
        ]
        settled = settle(here, left, standing, rooms)

        shuffled = [list(facts) for facts in (here, left, standing, rooms)]
        for facts in shuffled:
            order.shuffle(facts)
        self.assertEqual(settle(*shuffled), settled)

        now = applied([*here, *left, *standing], settled.facts)
        records = {fact.name: json.loads(fact.value) for fact in now if fact.kind not in STANDING}
        for value in records.values():
            self.assertEqual(nickname(value["name"]), value["name"])
        keys = {key(records[fact.name]["name"]): records[fact.name]["origin"] for fact in here}
        self.assertEqual((len(keys), keys), (len(people), settled.holders))

        moved = rooms_of(settled)
        old = {*rooms, *topics, *(["x!", *rooms] if people else []), *(["lobby"] if gone else [])}
        self.assertEqual(len({moved.get(room, room) for room in old}), len(old))
        named = {moved.get(room, room) for room in old}
        named |= {fact.name for fact in now if fact.kind == TOPIC}
        named |= {draft.room for draft in settled.drafts}
        for value in records.values():
            named |= {*value["rooms"], *(period[0] for period in value["periods"])}
        for room in named:
            self.assertEqual(room_name(room, names.KEYED_MOST), room)
        topic_of = {fact.name: fact.value for fact in now if fact.kind == TOPIC}
        self.assertEqual(topic_of, {moved.get(room, room): f"of {room}" for room in topics})
        for fact in now:
            if fact.kind == MUTE:
                name = json.loads(fact.value)[0]
                self.assertEqual((nickname(name), key(name)), (name, fact.name))

        again = settle(
            [fact for fact in now if fact.name in {one.name for one in here}],
            [fact for fact in now if fact.name.startswith("gone ")],
            [fact for fact in now if fact.kind in STANDING],
            named,
        )
        self.assertEqual(again, Settled(settled.holders, [], [], []))
