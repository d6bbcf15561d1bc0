from __future__ import annotations

from chatservice.core.moderation import BAN, LOCK, MUTE, Term
from chatservice.core.sessions import Reading, Session
from chatservice.journal.events import ANNOUNCED, HOUSE, PRIVATE, ROOM, TOPIC, Draft, Fact, inbox
from tests.core.support import HouseTestCase, Person


class FactsTests(HouseTestCase):
    """What holds is changed by a commit, whoever asked for it."""

    def test_what_holds_is_there_after_a_restart(self) -> None:
        house = self.open(self.path)
        for fact in (
            Fact(TOPIC, "dev", "the plan"),
            Fact(LOCK, "ops", "locked"),
            Term("bo").fact(MUTE, "bo"),
            Term("198.51.100.0/24").fact(BAN, "198.51.100.0/24"),
        ):
            house.chat.ticker.batch.hold(fact)
        house.chat.ticker.wake()
        self.assertEqual(house.chat.standing.topics, {})
        house.tick()
        self.successResultOf(house.stop())
        for _ in range(2):
            house = self.open(self.path)
            standing = house.chat.standing
            self.assertEqual(standing.topics, {"dev": "the plan"})
            self.assertEqual(standing.locks, {"ops"})
            self.assertIsNotNone(standing.muted("bo"))
            self.assertIsNotNone(standing.banned("198.51.100.1"))
            self.assertEqual(sorted(house.chat.rooms), ["dev", "lobby"])
            self.successResultOf(house.stop())

    def test_a_house_without_a_history_has_them_while_it_is_open(self) -> None:
        house = self.open()
        ana, _ = house.gather("ana", "bo", room="dev")
        ana.tries("/topic the plan")
        self.assertEqual(house.chat.standing.topics, {"dev": "the plan"})

    def test_a_fact_alone_is_committed(self) -> None:
        house = self.open(self.path)
        (ana,) = house.gather("ana")
        house.chat.ticker.batch.hold(Term("192.0.2.1/32").fact(BAN, "192.0.2.1/32"))
        house.chat.ticker.wake()
        house.tick()
        self.assertEqual(ana.read(), ["-- you are banned from here"])

    def test_who_is_in_a_room_that_is_called_otherwise_goes_on_there(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo", room="old")
        ana.tries("before", "/topic the plan")
        session = Session("digest", 1, "bot", 0)
        session.reading = Reading({"old": 5})
        assert ana.member is not None
        ana.member.record = session
        bo.read()
        held = [Fact(ROOM, "old", "new"), Fact(TOPIC, "old", ""), Fact(TOPIC, "new", "the plan")]
        for fact in held:
            house.chat.ticker.batch.hold(fact)
        house.chat.ticker.wake()
        house.tick()
        self.assertEqual(sorted(house.chat.rooms), ["lobby", "new"])
        self.assertEqual(session.reading, Reading({"new": 5}))
        ana.tries("after")
        self.assertEqual(bo.read(), ["<ana> after"])
        lines = [line.partition("] ")[2] for line in bo.tries("/history")]
        self.assertEqual(lines[1:], ["<ana> before", "<ana> after"])
        self.assertEqual(bo.tries("/topic"), ["-- the topic: the plan"])

    def test_a_room_that_is_called_as_one_that_somebody_comes_into_is_that_one(self) -> None:
        house = self.open(self.path)
        house.gather("ana", room="new")
        there = house.chat.places.room("new")
        house.chat.places.room("old")
        house.chat.ticker.batch.hold(Fact(ROOM, "old", "new"))
        house.chat.ticker.wake()
        house.tick()
        self.assertEqual(sorted(house.chat.rooms), ["lobby", "new"])
        self.assertIs(house.chat.places.room("new"), there)

    def test_a_ban_that_ends_sends_nobody_away(self) -> None:
        house = self.open(self.path)
        (ana,) = house.gather("ana")
        house.chat.ticker.batch.hold(Fact(BAN, "192.0.2.1/32", ""))
        house.chat.ticker.wake()
        house.tick()
        self.assertFalse(ana.outlet.finished)

    def test_who_is_banned_while_they_join_is_in_no_room_afterwards(self) -> None:
        house = self.open(self.path)
        (ana,) = house.gather("ana")
        (eve,) = house.gather("eve", operator=True)
        ana.type("/join dev")
        eve.type("/ban ana")
        for _ in range(4):
            house.tick()
        self.assertEqual(sorted(house.chat.rooms), ["lobby", "operators"])
        self.assertEqual(list(house.chat.rooms["lobby"].members), [eve.member])
        self.assertTrue(ana.outlet.finished)


class AddressedTests(HouseTestCase):
    """What is for everybody, or for one session."""

    def send(self, person: Person, room: str, kind: str, text: str) -> None:
        person.house.chat.say(person.member, room, kind, text)

    def test_what_is_for_a_session_that_is_over_is_for_nobody(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        self.send(ana, inbox(7), PRIVATE, "hi")
        self.send(ana, inbox(bo.member.origin), PRIVATE, "ho")
        house.tick()
        self.assertEqual(bo.read(), ["[ana -> you] ho"])
        self.assertEqual(bo.member.correspondent, ana.member.origin)

    def test_each_gets_all_of_a_tick_in_one_piece(self) -> None:
        house = self.open(self.path)
        ana, bo, cy = house.gather("ana", "bo", "cy")
        sends = bo.outlet.sends
        for number in range(5):
            self.send(ana, HOUSE, ANNOUNCED, str(number))
        house.tick()
        self.assertEqual(bo.outlet.sends, sends + 1)
        told = [f"-- ana announces: {number}" for number in range(5)]
        self.assertEqual((bo.read(), cy.read()), (told, told))
        self.assertEqual(ana.read(), [])

    def test_equal_views_share_what_is_rendered(self) -> None:
        house = self.open(self.path)
        ana, bo, cy = house.gather("ana", "bo", "cy")
        cy.tries("/set timestamps short")
        bo.read()
        cy.read()
        self.send(ana, HOUSE, ANNOUNCED, "cake")
        house.tick()
        self.assertEqual(bo.read(), ["-- ana announces: cake"])
        self.assertEqual(cy.read(), ["[09:26] -- ana announces: cake"])

    def test_who_wrote_last_and_is_not_hidden_is_the_correspondent(self) -> None:
        house = self.open(self.path)
        ana, bo, cy = house.gather("ana", "bo", "cy")
        ana.tries("/ignore cy")
        bo.type("/msg ana one")
        cy.type("/msg ana two")
        house.tick()
        self.assertEqual(ana.member.correspondent, bo.member.origin)
        cy.tries("/msg ana three")
        self.assertEqual(ana.member.correspondent, bo.member.origin)

    def test_who_comes_in_the_same_tick_reads_it_once(self) -> None:
        house = self.open(self.path)
        (ana,) = house.gather("ana")
        cy = house.arrive("cy")
        self.send(ana, HOUSE, ANNOUNCED, "cake")
        ana.type("/msg cy hi")
        for _ in range(3):
            house.tick()
        lines = cy.read()
        self.assertEqual(lines.count("-- ana announces: cake"), 1)
        self.assertEqual(lines.count("[ana -> you] hi"), 1)

    def test_an_event_of_another_time_is_read_by_nobody(self) -> None:
        """Sessions have new origins, so what was private stays so after a restart."""
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        ana.tries("/msg bo hi")
        origin = bo.member.origin
        self.successResultOf(house.stop())
        house = self.open(self.path, recent=1)
        (back,) = house.gather("bo")
        self.assertNotEqual(back.member.origin, origin)
        self.assertNotIn("hi", bytes(back.outlet.received).decode().split())


class MistakeTests(HouseTestCase):
    def test_a_mistake_in_what_holds_stops_nobody_from_going_on(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        facts = [Fact(BAN, "nonsense", "x")]
        said = [Draft("lobby", "said", "x", "y", 1, 1)]
        house.journal.commit(said, lambda events: facts).addCallback(house.chat.commits.show, {})
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        ana.tries("hi")
        self.assertIn("<ana> hi", bo.read())
