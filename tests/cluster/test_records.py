from __future__ import annotations

import json

from chatservice.cluster.entries import PERSON
from chatservice.cluster.records import Person
from chatservice.core.members import Member
from chatservice.core.outlet import Nowhere
from chatservice.core.sessions import Reading
from chatservice.doors.text.view import TEXT
from tests.cluster.support import ClusterTestCase
from tests.core.support import RecordingOutlet


class PersonTests(ClusterTestCase):
    """What is stored of people at plain sockets."""

    def person(self, operator: bool = False) -> tuple[Member, Person]:
        member = Member("ana", RecordingOutlet(), TEXT, operator, 1234)
        return member, Person(member)

    def test_others_are_told_all_that_they_show_of_somebody(self) -> None:
        member, person = self.person(operator=True)
        member.away = "lunch"
        fact = person.fact(Reading({"lobby": 17, "dev": -1}))
        self.assertEqual((fact.kind, fact.name), (PERSON, f"{member.origin:x}"))
        self.assertEqual(
            json.loads(fact.value),
            {
                "origin": member.origin,
                "name": "ana",
                "rooms": {"lobby": 17, "dev": -1},
                "operator": True,
                "away": "lunch",
                "since": 1234,
                "address": "192.0.2.1",
            },
        )

    def test_they_may_be_told_under_the_name_that_they_had(self) -> None:
        _, person = self.person()
        person.name = "di"
        self.assertEqual(json.loads(person.fact(Reading(), "ana").value)["name"], "ana")
        self.assertEqual(json.loads(person.fact(Reading()).value)["name"], "di")

    def test_nothing_is_stored_of_who_is_gone(self) -> None:
        member, person = self.person()
        self.assertEqual(person.gone(), (PERSON, f"{member.origin:x}", ""))
        self.assertTrue(person.dropped)

    def test_what_is_written_to_somebody_elsewhere_is_written_there(self) -> None:
        outlet = Nowhere("192.0.2.7")
        self.assertEqual((outlet.address, outlet.blocked, outlet.closed), ("192.0.2.7", True, True))
        outlet.write(b"hi")
        self.assertEqual(outlet.send(b"hi"), 0)

    def test_the_facts_hold_while_somebody_is_here_and_no_longer(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana", room="dev")
        key = (PERSON, f"{ana.member.origin:x}")
        value = json.loads(b.facts()[key])
        self.assertEqual((value["name"], sorted(value["rooms"])), ("ana", ["dev", "lobby"]))
        self.assertEqual(value["boot"], a.journal.boot)
        ana.type("/quit")
        self.cluster.run()
        self.assertEqual([kind for kind, _ in b.facts() if kind == PERSON], [])
        self.same()

    def test_the_rooms_of_the_facts_begin_where_somebody_is_shown_to_join(self) -> None:
        a, b = self.start(2)
        ana = self.arrive(a, "ana")
        value = json.loads(b.facts()[PERSON, f"{ana.member.origin:x}"])
        (joined,) = b.events()
        self.assertEqual(value["rooms"], {"lobby": joined.id})
