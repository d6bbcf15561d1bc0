from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.cluster import entries
from chatservice.cluster import registry as registry_module
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
    UNVERSIONED,
    VERSION,
    VERSIONED,
    BadEntry,
    Entry,
    Piece,
    event_id,
)
from chatservice.cluster.records import Claim, Lease, Outcome
from chatservice.cluster.registry import ENDED, FORGOTTEN_AFTER, NOBODY, Registry
from chatservice.core.moderation import LOCK, MUTE, Term
from chatservice.core.sessions import SESSION
from chatservice.journal.events import (
    ACTED,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    ROOM,
    SAID,
    TOPIC,
    Draft,
    Fact,
)
from chatservice.text import names
from tests.profiles import examples

ANA, BOB, BOT = 0xA, 0xB, 0xC
HOUSE = 7


def name(key: str, origin: int) -> Fact:
    """Claim a name."""
    return Fact(NAME, key, f"{origin:x}")


def free(key: str) -> Fact:
    return Fact(NAME, key, "")


def person(origin: int, called: str, **rooms: int) -> Fact:
    value = {"origin": origin, "name": called, "rooms": rooms}
    value |= {"operator": False, "away": None, "since": 5, "address": "192.0.2.1"}
    return Fact(PERSON, f"{origin:x}", json.dumps(value))


def gone(origin: int) -> Fact:
    return Fact(PERSON, f"{origin:x}", "")


def session(origin: int, called: str, here: bool = True, **more: Any) -> Fact:
    """Somebody with a token, whose digest is made of the origin."""
    value = {"origin": origin, "name": called, "here": here, "rooms": {}}
    value |= {"periods": [], "forgotten": 0, "seq": 0, "seen": 5, "heard": True, **more}
    return Fact(SESSION, f"digest {origin:x}", json.dumps(value))


def forgotten(origin: int) -> Fact:
    return Fact(SESSION, f"digest {origin:x}", "")


def take(origin: int, of: str) -> Fact:
    return Fact(TAKE, f"{origin:x}", of)


def said(origin: int, seq: int = -1, kind: str = SAID) -> Draft:
    return Draft("lobby", kind, "somebody", "hi", origin, seq)


def joined(*those: str, kind: str = JOINED) -> Draft:
    return Draft("lobby", kind, " ".join(those), "", HOUSE, -1)


def raises(outcome: Outcome) -> bool:
    """Return whether the log has a newer version from an entry on."""
    return any(fact.kind == VERSIONED for fact in outcome.facts)


class Log:
    """A log that somebody reads, who keeps what holds.

    :ivar stored: the facts, as a node's file has them.
    """

    def __init__(self, lenient: bool = False) -> None:
        self.registry = Registry(lenient)
        self.position = 0
        self.at = 1_000_000
        self.numbers: dict[str, int] = {}
        self.stored: dict[tuple[str, str], str] = {}

    def has(self, boot: str, *facts: Fact, drafts: Sequence[Draft] = (), number: int = -1) -> Any:
        """Let there be an entry more; a beat is one with the number 0."""
        if number < 0:
            number = self.numbers[boot] = self.numbers.get(boot, 0) + 1
        return self.read(Entry(boot, number, drafts, facts))

    def read(self, entry: Entry) -> Outcome:
        self.position += 1
        self.at += 1000
        first = event_id(0, self.position, 0)
        outcome = self.registry.interpret(entry, self.position, self.at, first)
        for fact in outcome.facts:
            self.stored[fact.kind, fact.name] = fact.value
            if not fact.value:
                del self.stored[fact.kind, fact.name]
        return outcome

    @property
    def facts(self) -> list[Fact]:
        held = {(VERSIONED, ""): str(VERSION), **self.stored}
        return [Fact(kind, key, value) for (kind, key), value in held.items()]

    def adopts(self, heir: str, boot: str, position: int | None = None) -> Any:
        """Let a boot take over from another one, of which nothing was heard since."""
        if position is None:
            position = self.registry.leases[boot].position
        return self.has(heir, Fact(ADOPT, boot, str(position)))


def leases(registry: Registry) -> dict[str, tuple[Any, ...]]:
    return {
        boot: (one.node, one.number, one.position, one.at, one.heir)
        for boot, one in registry.leases.items()
    }


def known(registry: Registry) -> dict[int, tuple[str, str, Fact]]:
    return {origin: tuple(one) for origin, one in registry.known.items()}


class RegistryTestCase(TestCase):
    def setUp(self) -> None:
        self.log = Log()
        self.registry = self.log.registry

    def assert_holds(self, outcome: Outcome, *wanted: bool) -> None:
        self.assertEqual(list(outcome.effective), list(wanted))

    def stored(self, outcome: Outcome) -> list[tuple[str, str, str]]:
        """What is stored of an entry, but that its boot was heard of."""
        return [tuple(fact) for fact in outcome.facts if fact.kind != LEASE]

    def arrive(self, boot: str, origin: int, called: str) -> Outcome:
        outcome = self.log.has(boot, name(called, origin), person(origin, called))
        self.assert_holds(outcome, True, True)
        return outcome


class EntryTests(RegistryTestCase):
    def test_what_has_no_rule_holds_as_it_is_said(self) -> None:
        topic = Fact("topic", "lobby", "cake")
        outcome = self.log.has("b1", topic)
        self.assertEqual((outcome.fresh, list(outcome.effective)), (True, [True]))
        self.assertIn(topic, outcome.facts)

    def test_each_entry_shows_that_its_boot_is_there(self) -> None:
        self.log.has("b1", Fact(LEASE, "b1", "north-1"))
        self.log.has("b1", number=0)
        lease = ["north-1", 1, 2, 1_002_000, ""]
        self.assertEqual(leases(self.registry), {"b1": tuple(lease)})
        self.assertEqual([json.loads(fact.value) for fact in self.log.facts[1:]], [lease])
        self.assertEqual(self.registry.last.position, 2)

    def test_without_entries_nothing_is_known(self) -> None:
        self.assertEqual(self.registry.last.position, 0)
        self.assertIsNone(self.registry.owner_of(ANA))
        self.assertEqual(self.registry.owner("b1"), "b1")

    def test_a_beat_does_nothing_else(self) -> None:
        outcome = self.log.has("b1", Fact("topic", "lobby", "cake"), number=0)
        self.assertFalse(outcome.fresh)
        self.assertEqual(self.stored(outcome), [])

    def test_an_entry_that_comes_twice_takes_effect_once(self) -> None:
        entry = Entry("b1", 1, [said(ANA)], [name("ana", ANA)])
        self.assertTrue(self.log.read(entry).fresh)
        again = self.log.read(entry)
        self.assertEqual((again.fresh, again.drafts, self.stored(again)), (False, [], []))
        self.assertTrue(self.log.has("b1", number=2).fresh)
        self.assertFalse(self.log.read(entry).fresh)

    def test_one_that_comes_twice_shows_that_its_boot_is_there(self) -> None:
        entry = Entry("b1", 1, [], [])
        self.log.read(entry)
        self.log.read(entry)
        self.assertEqual(self.registry.leases["b1"].position, 2)

    def test_each_boot_counts_for_itself(self) -> None:
        self.log.has("b1", number=7)
        self.assertTrue(self.log.has("b2", number=1).fresh)

    def test_to_send_somebody_away_is_asked_and_not_stored(self) -> None:
        asked = Fact(SEND_AWAY, f"{ANA:x}", "[]")
        outcome = self.log.has("b1", asked)
        self.assertEqual((list(outcome.asked), self.stored(outcome)), ([asked], []))
        self.assert_holds(outcome, True)

    def test_of_each_fact_it_is_told_whether_it_took_effect(self) -> None:
        self.log.has("b1", name("ana", ANA))
        topic = Fact("topic", "lobby", "cake")
        outcome = self.log.has("b2", name("ana", BOB), topic, free("ana"), name("bob", BOB))
        self.assert_holds(outcome, False, True, False, True)


class NameTests(RegistryTestCase):
    def test_who_is_first_has_the_name(self) -> None:
        self.assert_holds(self.log.has("b1", name("ana", ANA)), True)
        self.assert_holds(self.log.has("b2", name("ana", BOB)), False)
        self.assert_holds(self.log.has("b1", name("ana", BOB)), False)
        self.assertEqual(self.registry.names, {"ana": Claim(ANA, "b1")})

    def test_to_claim_it_again_is_granted(self) -> None:
        self.log.has("b1", name("ana", ANA))
        self.assert_holds(self.log.has("b1", name("ana", ANA)), True)

    def test_but_not_by_way_of_another_boot(self) -> None:
        self.log.has("b1", name("ana", ANA))
        self.assert_holds(self.log.has("b2", name("ana", ANA)), False)

    def test_it_is_stored_with_whom_it_is_held(self) -> None:
        outcome = self.log.has("b1", name("ana", ANA))
        self.assertEqual(self.stored(outcome), [(NAME, "ana", f"{ANA:x} b1")])

    def test_the_boot_that_holds_it_may_free_it(self) -> None:
        self.log.has("b1", name("ana", ANA))
        self.assert_holds(self.log.has("b2", free("ana")), False)
        outcome = self.log.has("b1", free("ana"))
        self.assertEqual(self.stored(outcome), [(NAME, "ana", "")])
        self.assert_holds(self.log.has("b2", name("ana", BOB)), True)

    def test_what_nobody_holds_can_not_be_freed(self) -> None:
        self.assert_holds(self.log.has("b1", free("ana")), False)

    def test_one_entry_may_free_it_and_claim_it(self) -> None:
        self.log.has("b1", name("ana", ANA))
        self.assert_holds(self.log.has("b1", free("ana"), name("ana", BOB)), True, True)
        self.assertEqual(self.registry.names["ana"], Claim(BOB, "b1"))


class RecordTests(RegistryTestCase):
    def test_who_holds_their_name_is_here(self) -> None:
        outcome = self.arrive("b1", ANA, "ana")
        _, (kind, key, value) = self.stored(outcome)
        self.assertEqual((kind, key), (PERSON, f"{ANA:x}"))
        self.assertEqual(json.loads(value)["boot"], "b1")
        self.assertEqual(self.registry.owner_of(ANA), "b1")

    def test_the_name_is_held_however_it_is_written(self) -> None:
        self.assert_holds(self.log.has("b1", name("ana", ANA), person(ANA, "Ana")), True, True)

    def test_who_does_not_is_not(self) -> None:
        self.log.has("b1", name("ana", ANA))
        for fact in (person(BOB, "ana"), person(BOB, "bob"), session(BOT, "ana")):
            self.assert_holds(self.log.has("b1", fact), False)
        self.assertEqual(self.registry.known, {})

    def test_of_who_is_with_another_boot_one_says_nothing(self) -> None:
        self.arrive("b1", ANA, "ana")
        self.assert_holds(self.log.has("b2", person(ANA, "ana")), False)
        self.assert_holds(self.log.has("b2", gone(ANA)), False)
        self.assertEqual(self.registry.owner_of(ANA), "b1")

    def test_who_has_left_is_not_known(self) -> None:
        self.arrive("b1", ANA, "ana")
        outcome = self.log.has("b1", gone(ANA), free("ana"))
        self.assert_holds(outcome, True, True)
        self.assertEqual((self.registry.known, self.registry.names), ({}, {}))
        self.assert_holds(self.log.has("b1", gone(ANA)), False)

    def test_a_session_that_has_left_is_with_nobody_and_needs_no_name(self) -> None:
        outcome = self.log.has("b1", session(BOT, "bot", here=False))
        ((_, _, value),) = self.stored(outcome)
        self.assertEqual(json.loads(value).get("boot", NOBODY), NOBODY)
        self.assertEqual(self.registry.owner_of(BOT), NOBODY)

    def test_it_comes_back_to_any_boot_once_it_has_its_name(self) -> None:
        self.log.has("b1", session(BOT, "bot", here=False), name("bot", ANA))
        self.assert_holds(self.log.has("b2", session(BOT, "bot")), False)
        self.log.has("b1", free("bot"))
        outcome = self.log.has("b2", name("bot", BOT), session(BOT, "bot"))
        self.assert_holds(outcome, True, True)
        self.assertEqual(self.registry.owner_of(BOT), "b2")

    def test_any_boot_may_forget_it(self) -> None:
        self.log.has("b1", session(BOT, "bot", here=False))
        self.assert_holds(self.log.has("b2", forgotten(BOT)), True)
        self.assert_holds(self.log.has("b2", forgotten(BOT)), False)
        self.assertEqual(self.registry.known, {})

    def test_one_that_is_here_is_forgotten_by_its_boot_alone(self) -> None:
        self.log.has("b1", name("bot", BOT), session(BOT, "bot"))
        self.assert_holds(self.log.has("b2", forgotten(BOT)), False)
        self.assert_holds(self.log.has("b1", forgotten(BOT)), True)

    def test_ids_that_were_not_known_yet_are_those_of_the_entry(self) -> None:
        self.log.has("b1", name("bot", BOT), name("ana", ANA))
        first = event_id(0, 2, 0)
        periods = [["old", 5, -3], ["older", -1, 9]]
        outcome = self.log.has(
            "b1",
            session(BOT, "bot", rooms={"a": -1, "b": 12, "c": 0}, periods=periods, forgotten=-2),
            person(ANA, "ana", lobby=-2),
        )
        bot, ana = (json.loads(value) for _, _, value in self.stored(outcome))
        self.assertEqual(bot["rooms"], {"a": first, "b": 12, "c": 0})
        self.assertEqual(bot["periods"], [["old", 5, first + 2], ["older", first, 9]])
        self.assertEqual(bot["forgotten"], first + 1)
        self.assertEqual(ana["rooms"], {"lobby": first + 1})


class TakeTests(RegistryTestCase):
    def test_who_is_taken_is_with_the_other_boot_and_their_name_too(self) -> None:
        self.arrive("b1", ANA, "ana")
        outcome = self.log.has("b2", take(ANA, "b1"))
        (_, _, claim), (_, _, value) = self.stored(outcome)
        self.assertEqual((claim, json.loads(value)["boot"]), (f"{ANA:x} b2", "b2"))
        self.assertEqual(self.registry.owner_of(ANA), "b2")
        self.assert_holds(self.log.has("b1", free("ana"), person(ANA, "ana")), False, False)

    def test_of_two_who_take_the_first_does(self) -> None:
        self.arrive("b1", ANA, "ana")
        self.assert_holds(self.log.has("b2", take(ANA, "b1")), True)
        self.assert_holds(self.log.has("b3", take(ANA, "b1")), False)
        self.assert_holds(self.log.has("b3", take(ANA, "b2")), True)

    def test_who_can_not_be_taken(self) -> None:
        self.arrive("b1", ANA, "ana")
        self.log.has("b1", session(BOT, "bot", here=False))
        for boot, fact in (
            ("b1", take(ANA, "b1")),
            ("b2", take(ANA, "b3")),
            ("b2", take(BOB, "b1")),
            ("b2", take(BOT, NOBODY)),
        ):
            self.assert_holds(self.log.has(boot, fact), False)

    def test_a_name_that_somebody_else_holds_stays_theirs(self) -> None:
        self.arrive("b1", ANA, "ana")
        self.log.has("b1", free("ana"), name("ana", BOB))
        outcome = self.log.has("b2", take(ANA, "b1"))
        self.assertEqual([kind for kind, _, _ in self.stored(outcome)], [PERSON])
        self.assertEqual(self.registry.names["ana"], Claim(BOB, "b1"))

    def test_so_does_one_that_nobody_holds(self) -> None:
        self.arrive("b1", ANA, "ana")
        self.log.has("b1", free("ana"))
        self.assert_holds(self.log.has("b2", take(ANA, "b1")), True)
        self.assertEqual(self.registry.names, {})

    def test_who_was_adopted_is_taken_from_the_boot_that_is_stored(self) -> None:
        self.arrive("b1", ANA, "ana")
        self.log.adopts("b2", "b1")
        self.assert_holds(self.log.has("b3", take(ANA, "b2")), False)
        self.assert_holds(self.log.has("b3", take(ANA, "b1")), True)
        self.assertEqual(self.registry.owner_of(ANA), "b3")


class AdoptionTests(RegistryTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.arrive("b1", ANA, "ana")

    def test_whoever_was_with_a_silent_boot_is_with_the_one_that_adopts_it(self) -> None:
        outcome = self.log.adopts("b2", "b1")
        self.assert_holds(outcome, True)
        self.assertEqual(self.registry.owner("b1"), "b2")
        self.assertEqual(self.registry.owner_of(ANA), "b2")
        self.assert_holds(self.log.has("b2", gone(ANA), free("ana")), True, True)

    def test_that_it_has_an_heir_is_stored(self) -> None:
        outcome = self.log.adopts("b2", "b1")
        heirs = {fact.name: json.loads(fact.value)[-1] for fact in outcome.facts}
        self.assertEqual(heirs, {"b1": "b2", "b2": ""})

    def test_one_that_was_heard_of_again_is_not_adopted(self) -> None:
        for number in (0, 1, 2):
            position = self.registry.leases["b1"].position
            self.log.has("b1", number=number)
            self.assert_holds(self.log.adopts("b2", "b1", position), False)
        self.assertEqual(self.registry.owner("b1"), "b1")

    def test_nobody_is_adopted_twice(self) -> None:
        position = self.registry.leases["b1"].position
        self.assert_holds(self.log.adopts("b2", "b1", position), True)
        self.assert_holds(self.log.adopts("b3", "b1", position), False)
        self.assertEqual(self.registry.owner("b1"), "b2")

    def test_nobody_adopts_itself_or_whom_nobody_knows(self) -> None:
        self.assert_holds(self.log.adopts("b1", "b1", 2), False)
        self.assert_holds(self.log.has("b1", Fact(ADOPT, "b9", "0")), False)

    def test_of_one_that_was_adopted_nothing_takes_effect(self) -> None:
        self.log.adopts("b2", "b1")
        before = leases(self.registry)
        outcome = self.log.has(
            "b1",
            free("ana"),
            Fact("topic", "lobby", "x"),
            Fact(SEND_AWAY, "a", ""),
            drafts=[said(1)],
        )
        self.assertEqual(outcome, Outcome(fresh=False))
        self.assertEqual(leases(self.registry), before)

    def test_one_that_has_ended_is_adopted_whatever_was_heard_of_it(self) -> None:
        outcome = self.log.has("b1", Fact(BYE, "b1", ""))
        self.assert_holds(outcome, True)
        self.assertEqual(self.stored(outcome), [])
        self.assertFalse(self.log.has("b1").fresh)
        self.assert_holds(self.log.adopts("b2", "b1", 0), True)
        self.assert_holds(self.log.adopts("b3", "b1", 0), False)
        self.assertEqual(self.registry.owner_of(ANA), "b2")

    def test_until_then_nobody_says_anything_of_who_was_with_it(self) -> None:
        self.log.has("b1", Fact(BYE, "b1", ""))
        for fact in (free("ana"), gone(ANA), person(ANA, "ana"), name("ana", ANA)):
            self.assert_holds(self.log.has("b2", fact), False)

    def test_heirs_have_heirs(self) -> None:
        self.log.adopts("b2", "b1")
        self.arrive("b2", BOB, "bob")
        self.log.has("b2", Fact(BYE, "b2", ""))
        self.log.adopts("b3", "b2")
        self.log.has("b4")
        self.log.adopts("b4", "b3")
        self.assertEqual([self.registry.owner(f"b{n}") for n in range(1, 5)], ["b4"] * 4)
        for called, origin in (("ana", ANA), ("bob", BOB)):
            self.assertEqual(self.registry.owner_of(origin), "b4")
            self.assert_holds(self.log.has("b4", name(called, origin)), True)

    def test_what_an_heir_says_again_is_with_it(self) -> None:
        self.log.adopts("b2", "b1")
        self.assert_holds(self.log.has("b2", name("ana", ANA), person(ANA, "ana")), True, True)
        self.assertEqual(self.registry.names["ana"], Claim(ANA, "b2"))
        self.assertEqual(self.registry.known[ANA].who.boot, "b2")

    def test_one_that_was_adopted_comes_back_as_another_and_takes_who_was_with_it(self) -> None:
        self.log.adopts("b2", "b1")
        outcome = self.log.has("b1a", take(ANA, "b1"), name("ana", ANA), person(ANA, "ana"))
        self.assert_holds(outcome, True, True, True)
        self.assertEqual(self.registry.owner_of(ANA), "b1a")

    def test_whom_the_heir_has_shown_to_leave_has_to_come_in_anew(self) -> None:
        self.log.adopts("b2", "b1")
        self.log.has("b2", gone(ANA), free("ana"))
        outcome = self.log.has("b1a", take(ANA, "b1"), name("ana", ANA), person(ANA, "ana"))
        self.assert_holds(outcome, False, True, True)

    def test_whose_name_somebody_else_has_by_then_has_none(self) -> None:
        self.log.adopts("b2", "b1")
        self.log.has("b2", gone(ANA), free("ana"), name("ana", BOB))
        outcome = self.log.has("b1a", take(ANA, "b1"), name("ana", ANA), person(ANA, "ana"))
        self.assert_holds(outcome, False, False, False)


class DraftTests(RegistryTestCase):
    """What becomes of what is said."""

    def setUp(self) -> None:
        super().setUp()
        self.arrive("b1", ANA, "ana")
        self.arrive("b2", BOB, "bob")

    def left_of(self, boot: str, *drafts: Draft) -> list[tuple[int, Draft]]:
        return list(self.log.has(boot, drafts=drafts).drafts)

    def test_who_is_with_the_boot_is_heard(self) -> None:
        drafts = [said(ANA), said(ANA, 0), said(ANA, kind=PRIVATE)]
        self.assertEqual(self.left_of("b1", *drafts), list(enumerate(drafts)))

    def test_so_is_whom_nobody_knows(self) -> None:
        self.assertEqual(self.left_of("b1", said(HOUSE)), [(0, said(HOUSE))])

    def test_who_is_with_another_one_by_then_is_not(self) -> None:
        self.assertEqual(self.left_of("b1", said(BOB), said(ANA)), [(1, said(ANA))])

    def test_what_a_program_has_numbered_is_heard_whoever_says_it(self) -> None:
        self.assertEqual(self.left_of("b1", said(BOB, 1)), [(0, said(BOB, 1))])

    def test_only_who_is_with_the_boot_is_shown_to_come_and_go(self) -> None:
        for kind in (JOINED, LEFT):
            self.assertEqual(
                self.left_of("b1", joined("bob", "Ana", "cleo", kind=kind)),
                [(0, joined("Ana", kind=kind))],
            )

    def test_where_nobody_is_left_nothing_is_shown(self) -> None:
        drafts = [joined("bob"), said(ANA), joined("cleo", kind=LEFT)]
        self.assertEqual(self.left_of("b1", *drafts), [(1, said(ANA))])

    def test_an_heir_shows_those_to_leave_who_were_with_the_other(self) -> None:
        self.log.adopts("b2", "b1")
        left = joined("ana", kind=LEFT)
        self.assertEqual(self.left_of("b2", left, said(ANA)), [(0, left), (1, said(ANA))])

    def test_what_an_entry_says_is_judged_before_its_facts_hold(self) -> None:
        outcome = self.log.has("b1", free("ana"), gone(ANA), drafts=[joined("ana", kind=LEFT)])
        self.assertEqual(len(outcome.drafts), 1)


class LenientTests(RegistryTestCase):
    """What was before the log's beginning is not known."""

    def setUp(self) -> None:
        super().setUp()
        self.log = Log(lenient=True)
        self.registry = self.log.registry

    def test_somebody_of_whom_nothing_is_known_may_come_and_go_and_speak(self) -> None:
        drafts = [joined("ana", kind=LEFT), said(ANA)]
        self.assertEqual(list(self.log.has("b1", drafts=drafts).drafts), list(enumerate(drafts)))
        self.assert_holds(self.log.has("b1", person(ANA, "ana")), True)

    def test_what_is_known_counts(self) -> None:
        self.log.has("b1", name("ana", ANA), person(ANA, "ana"))
        outcome = self.log.has("b2", name("ana", BOB), drafts=[joined("ana"), said(ANA)])
        self.assertEqual((list(outcome.drafts), list(outcome.effective)), ([], [False]))


class ForgettingTests(RegistryTestCase):
    def start(self, boot: str) -> Outcome:
        return self.log.has(boot, Fact(LEASE, boot, "north"))

    def test_a_boot_that_ended_long_ago_is_forgotten_when_another_one_begins(self) -> None:
        self.start("b1")
        self.start("b2")
        self.log.adopts("b2", "b1")
        self.log.position += FORGOTTEN_AFTER
        outcome = self.start("b3")
        self.assertIn(Fact(LEASE, "b1", ""), outcome.facts)
        self.assertEqual(set(self.registry.leases), {"b2", "b3"})
        self.assertNotIn((LEASE, "b1"), self.log.stored)

    def test_not_before_that(self) -> None:
        self.start("b1")
        self.start("b2")
        self.log.adopts("b2", "b1")
        self.log.position += FORGOTTEN_AFTER - 3
        self.start("b3")
        self.assertIn("b1", self.registry.leases)

    def test_nor_while_somebody_is_with_it_or_it_is_an_heir(self) -> None:
        self.arrive("b1", ANA, "ana")
        self.log.has("b2", name("bob", BOB))
        self.start("b3")
        self.log.adopts("b4", "b3")
        for boot in ("b1", "b2", "b4"):
            self.log.adopts("b5", boot)
        self.log.position += 2 * FORGOTTEN_AFTER
        self.start("b6")
        self.assertEqual(set(self.registry.leases), {"b1", "b2", "b4", "b5", "b6"})
        self.start("b7")
        self.assertEqual(set(self.registry.leases), {"b1", "b2", "b5", "b6", "b7"})

    def test_one_that_is_there_is_not_forgotten_however_silent(self) -> None:
        self.start("b1")
        self.log.position += 2 * FORGOTTEN_AFTER
        self.start("b2")
        self.assertEqual(set(self.registry.leases), {"b1", "b2"})


class LoadingTests(RegistryTestCase):
    def test_what_was_stored_is_known_again(self) -> None:
        self.arrive("b1", ANA, "ana")
        self.log.has("b2", name("bot", BOT), session(BOT, "bot"))
        self.log.has("b2", session(BOB, "bob", here=False), Fact("topic", "lobby", "cake"))
        self.log.adopts("b2", "b1")
        again = Registry()
        again.load(self.log.facts)
        self.assertEqual(again.names, self.registry.names)
        self.assertEqual(known(again), known(self.registry))
        self.assertEqual(leases(again), leases(self.registry))
        self.assertEqual(again.last.position, self.registry.last.position)

    def test_of_a_single_process_all_sessions_are_with_nobody(self) -> None:
        """It did not say with which boot they are."""
        registry = Registry()
        registry.load([session(BOT, "bot"), Fact("topic", "lobby", "cake")])
        self.assertEqual(registry.owner_of(BOT), NOBODY)
        self.assertEqual((registry.names, registry.leases), ({}, {}))

    def test_a_lease_is_the_same_after_it_was_stored(self) -> None:
        lease = Lease("zoë-1", 2, 3, 4, "b9")
        registry = Registry()
        registry.load([lease.fact("b1")])
        self.assertEqual(leases(registry), {"b1": ("zoë-1", 2, 3, 4, "b9")})


BOOTS = ("b1", "b2", "b3")
CALLED = ("ana", "Ana", "bob")
PEOPLE = (1, 2)
PROGRAMS = (3, 4)

boots = st.sampled_from(BOOTS)
called = st.sampled_from(CALLED)
origins = st.sampled_from(PEOPLE + PROGRAMS)
ids = st.integers(-3, 9)


def record(origin: int, called: str, here: bool, since: int) -> Fact:
    if origin in PEOPLE:
        return person(origin, called, lobby=since)
    return session(origin, called, here, rooms={"lobby": since}, periods=[["x", 1, since]])


def unknown(origin: int) -> Fact:
    return gone(origin) if origin in PEOPLE else forgotten(origin)


said_facts = st.one_of(
    st.builds(name, st.sampled_from(("ana", "bob")), origins),
    st.builds(free, st.sampled_from(("ana", "bob"))),
    st.builds(record, origins, called, st.booleans(), ids),
    st.builds(unknown, origins),
    st.builds(take, origins, boots),
    st.builds(lambda boot, back: (boot, back), boots, st.integers(0, 2)),  # An adoption.
    st.builds(lambda boot: Fact(LEASE, boot, f"node of {boot}"), boots),
    st.builds(lambda value: Fact("topic", "lobby", value), st.sampled_from(("", "x", "y"))),
    st.just(Fact(SEND_AWAY, "1", "[]")),
)
said_drafts = st.one_of(
    st.builds(said, origins, st.sampled_from((-1, 1))),
    st.builds(
        lambda those, kind: joined(*those, kind=kind),
        st.lists(called, min_size=1),
        st.sampled_from((JOINED, LEFT)),
    ),
)
# Who publishes: which boot, how its number goes on (0: a beat, 1 is as it should be), whether it
# ends, and how many days pass.
turns = st.tuples(
    boots,
    st.sampled_from((0, 1, 1, 1, 1, 1, 2)),
    st.sampled_from((False,) * 15 + (True,)),
    st.sampled_from((0,) * 9 + (40,)),
    st.lists(said_facts, max_size=4),
    st.lists(said_drafts, max_size=2),
)


class AgreementTests(TestCase):
    """Whoever reads the same knows the same."""

    @given(st.lists(turns, max_size=40), st.integers(0, 40))
    @settings(max_examples=examples(200))
    def test_who_was_there_from_the_start_and_who_began_in_the_midst_agree(
        self, story: list[Any], split: int
    ) -> None:
        one, other = Log(), Log()
        for index, turn in enumerate(story):
            if index == split:
                self.restart(other)
            entry = self.entry(one, *turn)
            other.position = one.position
            outcomes = [log.read(entry) for log in (one, other)]
            self.assertEqual(outcomes[0], outcomes[1])
            self.same(one, other)
            self.sound(one.registry)
        self.restart(other)
        self.same(one, other)

    def restart(self, log: Log) -> None:
        log.registry = Registry()
        log.registry.load(log.facts)

    def entry(
        self,
        log: Log,
        boot: str,
        step: int,
        ends: bool,
        days: int,
        facts: Iterable[Any],
        drafts: Sequence[Draft],
    ) -> Entry:
        log.position += days * (FORGOTTEN_AFTER // 30)
        lease = log.registry.leases.get(boot)
        number = step and (lease.number if lease is not None else 0) + step
        said = [self.adoption(log, *fact) if len(fact) == 2 else fact for fact in facts]
        return Entry(boot, number, drafts, [*said, *([Fact(BYE, boot, "")] if ends else [])])

    def adoption(self, log: Log, boot: str, back: int) -> Fact:
        lease = log.registry.leases.get(boot)
        return Fact(ADOPT, boot, str(max(0, (lease.position if lease else 0) - back // 2)))

    def same(self, one: Log, other: Log) -> None:
        self.assertEqual(one.stored, other.stored)
        self.assertEqual(one.registry.names, other.registry.names)
        self.assertEqual(known(one.registry), known(other.registry))
        self.assertEqual(leases(one.registry), leases(other.registry))
        self.assertEqual(one.registry.last.position, other.registry.last.position)

    def sound(self, registry: Registry) -> None:
        """Who is here was granted their name, and whoever is adopted is so by one in the end."""
        for boot, lease in registry.leases.items():
            owner = registry.owner(boot)
            self.assertTrue(owner not in registry.leases or not registry.leases[owner].heir)
            self.assertEqual(owner == boot, not lease.heir)


class PieceTests(RegistryTestCase):
    """An entry that comes in pieces."""

    def setUp(self) -> None:
        super().setUp()
        self.log.has("b1", Fact(LEASE, "b1", "north-1"))

    def piece(self, place: int, of: int = 3, number: int = 2, boot: str = "b1", data: bytes = b""):
        """Let a piece be read; what it does is stored."""
        self.log.position += 1
        piece = Piece(boot, number, place, of, data or b"%d" % place)
        outcome, whole = self.registry.collect(piece, self.log.position, 1)
        for fact in outcome.facts:
            self.log.stored[fact.kind, fact.name] = fact.value
            if not fact.value:
                self.log.stored.pop((fact.kind, fact.name))
        return whole

    @property
    def parts(self) -> list[str]:
        return sorted(name for kind, name in self.log.stored if kind == PART)

    def test_it_is_whole_when_the_last_one_has_come(self) -> None:
        for order in ((0, 1, 2), (2, 1, 0), (1, 1, 0, 1, 2)):
            self.assertEqual([self.piece(place) for place in order[:-1]], [b""] * (len(order) - 1))
            self.assertEqual(self.parts, sorted(f"b1 {place}" for place in {*order[:-1]}))
            self.assertEqual(self.piece(order[-1]), b"012")
            self.assertEqual(self.parts, [])

    def test_so_it_is_after_a_restart_in_the_midst(self) -> None:
        self.piece(0)
        self.piece(2, data=bytes(range(256)))
        again = Registry()
        again.load(self.log.facts)
        self.registry = self.log.registry = again
        self.assertEqual(self.piece(1), b"01" + bytes(range(256)))

    def test_pieces_show_that_a_boot_is_there(self) -> None:
        self.piece(0)
        self.assertEqual(self.registry.leases["b1"].position, self.log.position)
        self.assertEqual(self.registry.leases["b1"].number, 1)

    def test_those_of_two_boots_are_not_mixed(self) -> None:
        self.log.has("b2", Fact(LEASE, "b2", "south-1"))
        for place in (0, 1):
            self.piece(place)
            self.piece(place, boot="b2", data=b"x")
        self.assertEqual(self.piece(2), b"012")
        self.assertEqual(self.piece(2, boot="b2"), b"xx2")

    def test_what_is_cut_anew_begins_anew(self) -> None:
        self.piece(0)
        self.piece(0, of=2, data=b"a")
        self.assertEqual(self.parts, ["b1 0"])
        self.assertEqual(self.piece(1, of=2, data=b"b"), b"ab")
        # Late ones of the first cutting are of no use, and keep nothing from coming.
        self.assertEqual(self.piece(1), b"")
        self.assertEqual(self.piece(0, number=3, of=1), b"0")

    def test_what_was_there_already_is_not_collected_again(self) -> None:
        self.log.has("b1", number=2)
        self.assertEqual([self.piece(place) for place in (0, 1, 2)], [b"", b"", b""])
        self.assertEqual(self.parts, [])

    def test_those_of_a_boot_that_has_ended_are_forgotten(self) -> None:
        for end in ("adopt", "bye"):
            boot = f"b-{end}"
            self.log.has(boot, Fact(LEASE, boot, "south-1"))
            self.piece(0, boot=boot)
            if end == "adopt":
                self.log.adopts("b1", boot)
            else:
                self.log.has(boot, Fact(BYE, boot, ""), number=9)
            self.assertEqual(self.parts, [])
            self.assertEqual(self.piece(1, of=1 + 1, boot=boot), b"")
            self.assertEqual(self.parts, [])

    def test_there_are_no_more_bytes_of_them_than_of_any_entry(self) -> None:
        self.patch(entries, "EXPANDED_MOST", 10)
        self.piece(0, data=b"x" * 6)
        with self.assertRaises(BadEntry):
            self.piece(1, data=b"x" * 5)
        self.piece(1, data=b"x" * 3)
        self.assertEqual(self.piece(2), b"x" * 9 + b"2")


class VersionTests(RegistryTestCase):
    """The log has a newer version from some entry on. There, a nought is the letter o."""

    def setUp(self) -> None:
        super().setUp()
        key = names.key
        self.patch(names, "key", lambda name: key(name).replace("0", "o"))
        self.registry.version = VERSION - 1
        self.old("b1", Fact(LEASE, "b1", "north-1"))
        # As the older rules have it, these are two.
        self.old("b1", name("bob", BOB), person(BOB, "bob", lobby=5))
        self.old("b1", name("b0b", BOT), session(BOT, "b0b", rooms={"lobby": 6}))
        self.old("b1", name("ana", ANA), person(ANA, "Ana", lobby=7))

    def old(self, boot: str, *facts: Fact, drafts: Sequence[Draft] = ()) -> Outcome:
        number = self.log.numbers[boot] = self.log.numbers.get(boot, 0) + 1
        return self.log.read(Entry(boot, number, drafts, facts, version=VERSION - 1))

    def test_until_then_what_was_said_is_believed(self) -> None:
        self.assertEqual(set(self.registry.names), {"bob", "b0b", "ana"})
        self.assertEqual(set(self.registry.known), {ANA, BOB, BOT})
        both = self.old("b1", drafts=[joined("b0b", "bob", "ana")])
        self.assertEqual([draft.author for _, draft in both.drafts], ["b0b bob ana"])

    def test_from_then_on_names_have_other_keys_and_who_shares_one_another_name(self) -> None:
        outcome = self.log.has("b2", Fact(LEASE, "b2", "south-1"), drafts=[said(HOUSE)])
        self.assertTrue(raises(outcome))
        self.assertEqual(self.registry.version, VERSION)
        held = {key: claim.origin for key, claim in self.registry.names.items()}
        self.assertEqual(held, {"bob": BOB, "bob2": BOT, "ana": ANA})
        self.assertEqual(json.loads(self.registry.known[BOT].fact.value)["name"], "b0b2")
        renamed = [(index, d.author, d.text) for index, d in outcome.drafts if d.kind == RENAMED]
        self.assertEqual(renamed, [(1, "b0b", "b0b2")])

    def test_boots_of_before_have_ended_and_say_nothing_more(self) -> None:
        self.log.has("b2", Fact(LEASE, "b2", "south-1"))
        self.assertEqual(self.registry.leases["b1"].heir, ENDED)
        self.assertFalse(self.old("b1", name("eve", 5)).fresh)
        self.log.adopts("b2", "b1", 0)
        self.assertEqual(self.registry.owner_of(BOT), "b2")
        left = self.log.has("b2", gone(BOB), free("bob"), drafts=[joined("bob", kind=LEFT)])
        self.assertEqual(list(left.effective), [True, True])
        self.assertEqual([draft.author for _, draft in left.drafts], ["bob"])

    def test_it_is_stored_so_a_restart_changes_nothing(self) -> None:
        self.log.has("b2", Fact(LEASE, "b2", "south-1"))
        again = Registry()
        again.load(self.log.facts)
        self.assertEqual(again.version, VERSION)
        self.assertEqual(again.names, self.registry.names)
        self.assertEqual(again.known, self.registry.known)
        self.assertEqual(leases(again), leases(self.registry))
        self.assertFalse(raises(self.log.has("b2", number=2)))

    def test_a_beat_does_it_too(self) -> None:
        outcome = self.log.has("b2", number=0)
        self.assertEqual((outcome.fresh, raises(outcome)), (False, True))
        self.assertEqual([draft.text for _, draft in outcome.drafts], ["b0b2"])

    def test_a_piece_does_not(self) -> None:
        with self.assertRaises(BadEntry):
            self.registry.collect(Piece("b2", 1, 0, 2, b"x"), 9, 9)
        self.assertEqual(self.registry.version, VERSION - 1)

    def test_what_has_not_come_in_whole_is_forgotten(self) -> None:
        self.registry.collect(Piece("b1", 9, 0, 2, b"x", version=VERSION - 1), 9, 9)
        outcome = self.log.has("b2", Fact(LEASE, "b2", "south-1"))
        self.assertIn(Fact(PART, "b1 0", ""), outcome.facts)

    def test_mutes_have_other_keys_too(self) -> None:
        self.old("b1", Term("e0e", 5).fact(MUTE, "e0e"), Term("eve").fact(MUTE, "eve"))
        outcome = self.log.has("b2", Fact(LEASE, "b2", "south-1"))
        mutes = [fact for fact in outcome.facts if fact.kind == MUTE]
        self.assertEqual(mutes, [Fact(MUTE, "e0e", ""), Term("e0e", 5).fact(MUTE, "eoe")])
        self.old("b1", Fact(MUTE, "eve", ""))
        mutes = {name for kind, name in self.registry.standing if kind == MUTE}
        self.assertEqual(mutes, {"eoe", "eve"})

    def test_rooms_that_can_not_be_called_so_are_called_otherwise_with_all_that_holds(self) -> None:
        self.old("b1", Fact(TOPIC, "a!b", "cake"), Fact(LOCK, "x?", "locked"))
        self.old("b1", name("cy", 5), session(5, "cy", rooms={"a!b": 3}, periods=[["y*", 1, 2]]))
        self.old("b1", session(6, "gone!", here=False, rooms={"a_b": 8}))
        outcome = self.log.has("b2", Fact(LEASE, "b2", "south-1"), drafts=[said(HOUSE)])
        called = {fact.name: fact.value for fact in outcome.facts if fact.kind == ROOM}
        self.assertEqual(called, {"a!b": "a_b2", "x?": "x_", "y*": "y_"})
        held = {key: self.log.stored[key] for key in self.log.stored if key[0] in (TOPIC, LOCK)}
        self.assertEqual(held, {(TOPIC, "a_b2"): "cake", (LOCK, "x_"): "locked"})
        value = json.loads(self.registry.known[5].fact.value)
        self.assertEqual((value["rooms"], value["periods"]), ({"a_b2": 3}, [["y_", 1, 2]]))
        self.assertEqual(json.loads(self.registry.known[6].fact.value)["name"], "gone_")
        told = [(index, d.room, d.text) for index, d in outcome.drafts if d.kind == ACTED]
        self.assertEqual([room for _, room, _ in told], ["a_b2", "x_", "y_"])
        self.assertEqual(
            told[0][2],
            "calls this room #a_b2 from now on, and not #a!b: '!' can't be part of a room's name",
        )
        self.assertEqual([index for index, _ in outcome.drafts], list(range(5)))

    def test_who_is_said_to_be_here_and_is_with_nobody_holds_no_name(self) -> None:
        """So is a program that was here when a single process stopped, which founded the log."""
        self.registry.load([session(9, "eve", rooms={"lobby": 1})])
        self.registry.version = VERSION - 1
        self.log.has("b2", Fact(LEASE, "b2", "south-1"))
        self.assertNotIn("eve", self.registry.names)

    def test_no_more_is_told_than_there_are_ids_for(self) -> None:
        self.patch(registry_module, "INDEX_BITS", 2)
        for number in range(9):
            self.old("b1", Fact(TOPIC, f"{number}!", "x"))
        outcome = self.log.has("b2", Fact(LEASE, "b2", "south-1"), drafts=[said(HOUSE)])
        self.assertEqual([index for index, _ in outcome.drafts], [0, 1, 2, 3])
        self.assertEqual(sum(fact.kind == ROOM for fact in outcome.facts), 9)

    def test_a_room_of_which_only_the_past_is_left_is_called_otherwise_where_it_is_said(
        self,
    ) -> None:
        self.log.has("b2", Fact(LEASE, "b2", "south-1"))
        self.log.has("b2", name("cy", 5), person(5, "cy", a_b=3))
        asked = Fact(ROOM, "a!b", ""), Fact(ROOM, "fine", ""), Fact(ROOM, "a?b", "")
        outcome = self.log.has("b2", *asked, drafts=[said(5)])
        self.assertEqual(outcome.effective, [True] * 3)
        called = [fact for fact in outcome.facts if fact.kind == ROOM]
        self.assertEqual(called, [Fact(ROOM, "a!b", "a_b2"), Fact(ROOM, "a?b", "a_b3")])
        told = [(index, draft.room) for index, draft in outcome.drafts]
        self.assertEqual(told, [(0, "lobby"), (1, "a_b2"), (2, "a_b3")])
        # Another node has found it too.
        again = self.log.has("b3", Fact(LEASE, "b3", "east-1"), asked[0])
        self.assertEqual(([*again.drafts], [f for f in again.facts if f.kind == ROOM]), ([], []))

    def test_what_an_entry_tells_is_stored_for_who_can_not_know_what_held_there(self) -> None:
        self.old("b1", Fact(TOPIC, "a!b", "cake"))
        position = self.log.position + 1
        outcome = self.log.has("b2", Fact(LEASE, "b2", "south-1"), drafts=[said(HOUSE)])
        told = json.loads(self.log.stored[TOLD, str(position)])
        drafts = {position: [Draft(*draft) for draft in told]}
        self.assertEqual(drafts[position], [draft for _, draft in outcome.drafts[1:]])
        other = Registry(lenient=True, told=drafts)
        other.version = UNVERSIONED
        # By what it knows, the log gets its version earlier; it tells what was told, in its place.
        first = other.interpret(Entry("b2", 1, [], [Fact(ROOM, "z!", "")]), position - 1, 1, 1)
        self.assertEqual((first.drafts, raises(first)), ([], True))
        second = other.interpret(Entry("b2", 2, [said(HOUSE)], []), position, 1, 1)
        self.assertEqual(second.drafts, outcome.drafts)

    def test_whoever_reads_it_comes_to_the_same(self) -> None:
        """Also who begins there with what another one has stored."""
        other = Registry()
        other.load([*self.log.facts[1:], Fact(VERSIONED, "", str(VERSION - 1))])
        entry = Entry("b2", 1, [], [Fact(LEASE, "b2", "south-1")])
        outcomes = [one.interpret(entry, 9, 9, 900) for one in (self.registry, other)]
        self.assertEqual(sorted(outcomes[0].facts), sorted(outcomes[1].facts))
        self.assertEqual(outcomes[0].drafts, outcomes[1].drafts)

    def test_what_does_not_tell_is_of_the_first(self) -> None:
        registry = Registry()
        registry.load([])
        self.assertEqual(registry.version, UNVERSIONED)
