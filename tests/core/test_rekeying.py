from __future__ import annotations

import json
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from chatservice.core.moderation import LOCK, MUTE, Term
from chatservice.core.rekeying import revise, revise_alone
from chatservice.core.sessions import SESSION, Period, Reading, Session
from chatservice.journal.base import JournalError, Revision
from chatservice.journal.events import ACTED, FILE, RENAMED, TOPIC, Draft, Fact
from chatservice.text import names
from chatservice.text.names import RULES, key, nickname, room_name

LONGEST = 24
NOTED = Fact(FILE, "rules", str(RULES))


def session(
    name: str, seen: int = 0, here: bool = True, rooms: tuple[str, ...] = ("lobby",)
) -> Fact:
    """Return what older versions have stored of somebody."""
    one = Session(f"digest of {name}", crc32(name.encode()), name, seen)
    one.here = here
    return one.fact(Reading(dict.fromkeys(rooms, 7), (Period(rooms[0], 1, 5),), 3))


def revised(*facts: Fact, rooms: tuple[str, ...] = ()) -> Revision:
    """Return what has to change; something has to."""
    revision = revise(facts, lambda: rooms, LONGEST)
    assert revision is not None
    return revision


def called(revision: Revision) -> dict[str, str]:
    """Return what people are called from now on, by what they were."""
    values = [json.loads(fact.value) for fact in revision.facts if fact.kind == SESSION]
    return {value["was"]: value["name"] for value in values if "was" in value}


class RulesTests(unittest.TestCase):
    def test_what_needs_no_change_is_but_noted(self) -> None:
        held = [session("ana"), Fact(TOPIC, "dev", "x"), Term("bo").fact(MUTE, "bo")]
        revision = revised(*held, rooms=("lobby", "2026", "dev"))
        self.assertEqual((revision.rooms, revision.drafts), ({}, []))
        changed = [fact for fact in revision.facts if fact not in (*held, Fact(MUTE, "bo", ""))]
        self.assertEqual(changed, [NOTED])

    def test_a_file_of_these_rules_is_left_alone(self) -> None:
        self.assertIsNone(revise([NOTED, session("007")], self.fail, LONGEST))

    def test_a_file_of_newer_rules_is_refused(self) -> None:
        newer = Fact(FILE, "rules", str(RULES + 1))
        with self.assertRaisesRegex(JournalError, "by a newer version .rules for names 3.$"):
            revise([newer], self.fail, LONGEST)

    def test_of_a_node_the_log_decides(self) -> None:
        node = Fact(FILE, "", "host-1234")
        self.assertIsNone(revise_alone([node, session("007")], self.fail, LONGEST))
        self.assertIsNotNone(revise_alone([session("007")], lambda: (), LONGEST))


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
            "7" * LONGEST: "_" + "7" * (LONGEST - 1),
        }.items():
            self.assertEqual(called(revised(session(old))), {old: new})

    def test_who_was_seen_last_keeps_a_name(self) -> None:
        revision = revised(session("bob", 5), session("ЬоЬ", 6), session("вов", 4))
        self.assertEqual(called(revision), {"bob": "bob2", "вов": "вов3"})

    def test_a_name_that_is_one_keeps_it_before_one_that_becomes_it(self) -> None:
        revision = revised(session("a!", 9), session("a_", 1), session("a_2", 1))
        self.assertEqual(called(revision), {"a!": "a_3"})

    def test_who_has_left_holds_no_name(self) -> None:
        self.assertEqual(called(revised(session("bob", 5), session("ЬоЬ", 6, here=False))), {})

    def test_who_is_here_is_shown_to_be_renamed_in_their_rooms(self) -> None:
        here = session("007", rooms=("lobby", "dev"))
        origin = json.loads(here.value)["origin"]
        self.assertEqual(
            revised(here, session("a!", here=False)).drafts,
            [
                Draft("lobby", RENAMED, "007", "_007", origin, -1),
                Draft("dev", RENAMED, "007", "_007", origin, -2),
            ],
        )

    def test_all_else_of_a_session_stays(self) -> None:
        old = session("007", 12)
        (new,) = (fact for fact in revised(old).facts if fact.kind == SESSION)
        self.assertEqual(new.name, old.name)
        value = json.loads(new.value)
        self.assertEqual((value.pop("was"), value.pop("name")), ("007", "_007"))
        self.assertEqual(value | {"name": "007"}, json.loads(old.value))

    def test_a_mute_goes_with_a_name(self) -> None:
        held = [
            session("bob", 2),
            session("ЬоЬ", 1),
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


class RoomTests(unittest.TestCase):
    def test_a_room_is_renamed_wherever_it_is_named(self) -> None:
        revision = revised(
            session("ana", rooms=("what?", "dev")),
            Fact(TOPIC, "what?", "questions"),
            Fact(LOCK, "a*", "locked"),
            rooms=("lobby", "what?"),
        )
        self.assertEqual(revision.rooms, {"what?": "what_", "a*": "a_"})
        facts = {(fact.kind, fact.name): fact.value for fact in revision.facts}
        self.assertEqual(facts[TOPIC, "what?"], "")
        self.assertEqual(facts[TOPIC, "what_"], "questions")
        self.assertEqual((facts[LOCK, "a*"], facts[LOCK, "a_"]), ("", "locked"))
        value = json.loads(facts[SESSION, "digest of ana"])
        self.assertEqual(value["rooms"], {"what_": 7, "dev": 7})
        self.assertEqual(value["periods"], [["what_", 1, 5]])
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
        self.assertEqual(revision.rooms, {"a!": "a_3", "a?": "a_4"})


older_names = st.text(
    st.sampled_from("ab7!?:*@&+~%bобЬвΝνΑא\u05d1x-._"), min_size=1, max_size=LONGEST
)


class AnyFileTests(unittest.TestCase):
    @given(st.lists(older_names, max_size=8, unique=True), st.lists(older_names, max_size=8))
    def test_all_names_can_be_names_and_are_different(
        self, people: list[str], rooms: list[str]
    ) -> None:
        held = [session(name, seen) for seen, name in enumerate(people)]
        revision = revised(*held, rooms=tuple(rooms))
        now = {fact.name: fact for fact in held}
        now |= {fact.name: fact for fact in revision.facts if fact.kind == SESSION}
        called = [json.loads(fact.value)["name"] for fact in now.values()]
        for name in called:
            self.assertEqual(nickname(name), name)
        self.assertEqual(len({*map(key, called)}), len(people))
        renamed = {revision.rooms.get(room, room) for room in rooms}
        self.assertEqual(len(renamed), len({*rooms}))
        for room in renamed:
            self.assertEqual(room_name(room, names.KEYED_MOST), room)
        # Nothing is left to be done.
        again = revised(*now.values(), rooms=tuple(renamed))
        self.assertEqual((again.rooms, again.drafts), ({}, []))
