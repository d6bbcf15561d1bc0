from __future__ import annotations

import sqlite3
from itertools import pairwise

from chatservice.core.nicknames import NameTaken
from chatservice.core.refusals import Refusal
from chatservice.doors.text.view import TEXT
from chatservice.journal.events import SAID, JournalError
from tests.core.support import House, HouseTestCase, Person, RecordingOutlet
from tests.welcome import entered, hello, in_room

REFUSED = "-- the history can't be written: what is said now waits, and is shown later"
ACCEPTED = "-- the history is written again: what waited is shown now"
GOODBYE = "the server is going down: goodbye"
LAST_LINES = "-- the last {} lines of #lobby, times in UTC:"


class EnteringTests(HouseTestCase):
    def test_who_comes_in_is_greeted_and_lands_in_the_first_room(self) -> None:
        house = self.open(permanent=["hall", "attic"], motd=["welcome to us", "", "be kind"])
        ana = house.arrive("ana")
        self.assertEqual(
            ana.read(),
            [
                "-- welcome to us",
                "--",
                "-- be kind",
                hello("ana"),
            ],
        )
        house.tick()
        self.assertEqual(ana.read(), [entered("hall")])

    def test_nobody_can_come_in_under_a_name_that_is_taken(self) -> None:
        house = self.open()
        house.gather("ana")
        for name in ("ana", "Ana", "ANA"):
            outlet = RecordingOutlet()
            failure = self.failureResultOf(
                house.chat.attendance.enter(name, outlet, TEXT), NameTaken
            )
            self.assertEqual(failure.getErrorMessage(), f"the name {name} is taken")
            self.assertEqual(outlet.received, b"")
        self.assertEqual(len(house.chat.members), 1)

    def test_a_name_is_held_from_the_moment_it_is_given(self) -> None:
        house = self.open()
        house.arrive("ana")
        self.failureResultOf(house.chat.attendance.enter("ana", RecordingOutlet(), TEXT), NameTaken)

    def test_a_name_is_free_from_the_moment_its_holder_quits(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.type("/quit")
        new = house.arrive("ana")
        house.tick()
        self.assertEqual(bo.read(), ["-- ana left", "-- ana joined"])
        self.assertEqual(new.tries("/who")[-2:], ["-- 2 people in #lobby:", "--   bo, ana"])

    def test_who_is_there_is_told_of_who_comes_in(self) -> None:
        house = self.open()
        (ana,) = house.gather("ana")
        bo = house.arrive("bo")
        self.assertEqual(ana.read(), [])
        house.tick()
        self.assertEqual(ana.read(), ["-- bo joined"])
        self.assertEqual(bo.read()[-1], entered("lobby", "ana"))

    def test_all_who_come_in_at_once_are_told_of_in_one_line(self) -> None:
        house = self.open()
        (ana,) = house.gather("ana")
        for number in range(37):
            house.arrive(f"p{number}")
        house.tick()
        listed = ", ".join(f"p{number}" for number in range(20))
        self.assertEqual(ana.read(), [f"-- {listed} and 17 more joined"])

    def test_all_who_leave_at_once_are_told_of_in_one_line(self) -> None:
        house = self.open()
        ana, *others = house.gather("ana", "bo", "cy", "di")
        for other in others:
            other.type("/leave")
        house.tick()
        self.assertEqual(ana.read(), ["-- bo, cy and di left"])

    def test_who_comes_in_is_told_who_is_there(self) -> None:
        house = self.open()
        for number in range(25):
            person = house.arrive(f"p{number}")
            house.tick()
            listed = [f"p{other}" for other in range(number)]
            if number == 0:
                company = ": no one else yet"
            elif number == 1:
                company = " with p0"
            elif number <= 20:
                company = f" with {', '.join(listed[:-1])} and {listed[-1]}"
            else:
                company = f" with {', '.join(listed[:20])} and {number - 20} more"
            self.assertEqual(person.read()[-1], f"{in_room()}{company}")

    def test_who_comes_in_with_others_is_told_of_all_of_them(self) -> None:
        house = self.open()
        people = [house.arrive(f"p{number}") for number in range(25)]
        house.tick()
        for person in people:
            others = [f"p{n}" for n in range(25) if f"p{n}" != person.member.name][:20]
            self.assertEqual(person.read()[-1], entered("lobby", f"{', '.join(others)} and 4 more"))

    def test_who_comes_in_sees_the_last_twenty_things_said_or_done(self) -> None:
        for path, recent in ((None, 0), (self.path, 3)):
            house = self.open(path, recent=recent)
            (ana,) = house.gather("ana")
            for number in range(30):
                ana.tries(f"line {number}")
                ana.tries("/nick anna", "/nick ana")
            ana.tries("/me waves")
            bo = house.arrive("bo")
            house.tick()
            header, *lines = bo.read()[2:]
            self.assertEqual(header, LAST_LINES.format(20))
            self.assertEqual(lines[0], "[09:26] <ana> line 11")
            self.assertEqual(lines[18], "[09:26] <ana> line 29")
            self.assertEqual(lines[19:], ["[09:26] * ana waves"])

    def test_who_comes_back_sees_their_own_lines_too(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.tries("mine", "/leave")
        bo.tries("theirs")
        ana.read()
        self.assertEqual(
            ana.tries("/join lobby"),
            [
                entered("lobby", "bo"),
                LAST_LINES.format(2),
                "[09:26] <ana> mine",
                "[09:26] <bo> theirs",
            ],
        )

    def test_what_is_said_in_the_tick_of_a_joining_is_shown_once(self) -> None:
        house = self.open()
        (ana,) = house.gather("ana")
        ana.type("before")
        bo = house.arrive("bo")
        ana.type("after")
        house.tick()
        self.assertEqual(bo.read()[1:], [entered("lobby", "ana"), "<ana> before", "<ana> after"])


class TalkingTests(HouseTestCase):
    def test_everyone_in_the_room_but_the_speaker_sees_a_line(self) -> None:
        house = self.open()
        ana, bo, cy = house.gather("ana", "bo", "cy")
        self.assertEqual(ana.tries("hi"), [])
        self.assertEqual(bo.read(), ["<ana> hi"])
        self.assertEqual(cy.read(), ["<ana> hi"])

    def test_lines_of_one_tick_come_in_the_order_of_their_being_said(self) -> None:
        house = self.open()
        ana, bo, cy = house.gather("ana", "bo", "cy")
        ana.type("one")
        bo.type("two")
        ana.type("three")
        house.tick()
        self.assertEqual(cy.read(), ["<ana> one", "<bo> two", "<ana> three"])
        self.assertEqual(ana.read(), ["<bo> two"])
        self.assertEqual(bo.read(), ["<ana> one", "<ana> three"])

    def test_what_was_said_is_shown_when_it_is_stored_and_not_before(self) -> None:
        house = self.open(self.path)
        (ana,) = house.gather("ana")
        shown: list[tuple[str, ...]] = []

        class Outlet(RecordingOutlet):
            def send(self, data: bytes) -> int:
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
                    shown.extend(connection.execute("SELECT text FROM events WHERE kind = 'said'"))
                return super().send(data)

        path = self.path
        outlet = Outlet()
        Person(house, outlet).enter("cy")
        house.tick()
        self.assertEqual(shown, [])
        ana.tries("hi")
        self.assertEqual(shown, [("hi",)])

    def test_nobody_outside_of_the_room_sees_a_line(self) -> None:
        house = self.open()
        ana, bo, cy = house.gather("ana", "bo", "cy")
        ana.tries("/join dev", "secret")
        cy.tries("/leave", "/join dev", "/leave")
        bo.read()
        cy.read()
        ana.tries("more")
        self.assertEqual(bo.read(), [])
        self.assertEqual(cy.read(), [])
        self.assertEqual(bo.tries("/history"), ["-- nothing was said in #lobby yet"])

    def test_lines_of_another_room_are_shown_with_its_name(self) -> None:
        house = self.open()
        ana, bo, cy = house.gather("ana", "bo", "cy")
        cy.tries("/join dev")
        ana.tries("/join dev")
        bo.tries("in lobby", "/me waves")
        ana.tries("in dev")
        self.assertEqual(
            cy.read(),
            [
                "-- ana joined",
                "#lobby <bo> in lobby",
                "#lobby * bo waves",
                "<ana> in dev",
            ],
        )
        self.assertEqual(cy.tries("/join lobby"), ["-- you are in #lobby now"])
        bo.tries("in lobby", "/nick bob")
        ana.tries("in dev", "/leave")
        self.assertEqual(
            cy.read(),
            [
                "<bo> in lobby",
                "-- bo is now bob",
                "#dev <ana> in dev",
                "-- #dev: ana left",
            ],
        )

    def test_a_line_goes_to_the_room_that_was_current_when_it_was_typed(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo", room="dev")
        house.chat.say(ana.member, "dev", SAID, "in dev")
        house.chat.places.join(ana.member, "lobby")
        house.chat.say(ana.member, "lobby", SAID, "in lobby")
        house.tick()
        self.assertEqual(sorted(bo.read()), ["#lobby <ana> in lobby", "<ana> in dev"])

    def test_the_name_is_shown_that_one_had_when_one_spoke(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        house.refuse()
        house.tick()
        ana.tries("one", "/nick anna", "two", "/nick ana", "three")
        bo.read()
        house.accept()
        house.tick(1)
        house.tick()
        self.assertEqual(
            [line for line in bo.read() if "history" not in line],
            ["<ana> one", "-- ana is now anna", "<anna> two", "-- anna is now ana", "<ana> three"],
        )

    def test_somebody_in_several_rooms_receives_rising_ids(self) -> None:
        house = self.open(self.path)
        rooms = [f"r{number}" for number in range(6)]
        reader, *people = house.gather("reader", *(f"p{number}" for number in range(6)))
        for room in rooms:
            reader.tries(f"/join {room}")
        for person, room in zip(people, rooms, strict=True):
            person.tries(f"/join {room}")
        reader.read()
        for turn in range(5):
            for person in people:
                person.type(f"{person.member.name} {turn}")
        house.tick()
        said = [line.partition("> ")[2] for line in reader.read()]
        with sqlite3.connect(self.path) as connection:
            ids = dict(connection.execute("SELECT text, id FROM events WHERE kind = 'said'"))
        connection.close()
        self.assertEqual(len(said), 30)
        self.assertTrue(all(ids[one] < ids[other] for one, other in pairwise(said)))

    def test_a_change_of_name_is_told_in_every_room(self) -> None:
        house = self.open()
        ana, bo, cy = house.gather("ana", "bo", "cy")
        ana.tries("/join dev")
        cy.tries("/leave", "/join dev")
        bo.read()
        cy.read()
        self.assertEqual(ana.tries("/nick anna")[-1], "-- you are anna now")
        self.assertEqual(bo.read(), ["-- ana is now anna"])
        self.assertEqual(cy.read(), ["-- ana is now anna"])


class LeavingTests(HouseTestCase):
    def test_who_left_a_room_sees_no_more_of_it(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.tries("/leave")
        ana.read()
        bo.tries("hi")
        self.assertEqual(ana.read(), [])

    def test_what_was_said_before_the_leaving_took_effect_is_seen(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.type("/leave")
        bo.type("hi")
        house.tick()
        self.assertEqual(ana.read(), ["-- you left #lobby; /join another", "#lobby <bo> hi"])
        self.assertEqual(bo.read(), ["-- ana left"])

    def test_who_leaves_and_comes_back_in_one_tick_is_in(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        house.refuse()
        bo.tries("hi")
        ana.tries("/leave", "/nick anna", "/join lobby")
        house.accept()
        house.tick(1)
        house.tick()
        self.assertEqual(bo.read(), [ACCEPTED, "-- ana left", "-- anna joined"])
        ana.read()
        self.assertEqual(ana.tries("/who"), ["-- 2 people in #lobby:", "--   bo, anna"])
        bo.tries("hello")
        self.assertEqual(ana.read(), ["<bo> hello"])

    def test_a_room_vanishes_with_the_last_who_is_in_it(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo", room="dev")
        ana.tries("/leave")
        self.assertEqual(sorted(house.chat.rooms), ["dev", "lobby"])
        bo.tries("/leave")
        self.assertEqual(sorted(house.chat.rooms), ["lobby"])

    def test_a_permanent_room_stays(self) -> None:
        house = self.open(permanent=["lobby", "dev"])
        (ana,) = house.gather("ana", room="dev")
        ana.tries("/quit")
        self.assertEqual(sorted(house.chat.rooms), ["dev", "lobby"])
        self.assertEqual(house.chat.rooms["dev"].population, 0)

    def test_a_room_that_somebody_is_about_to_join_stays(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.tries("/join dev")
        ana.type("/leave")
        bo.type("/join dev")
        house.tick()
        self.assertEqual(list(house.chat.rooms["dev"].members), [bo.member])
        self.assertEqual(house.chat.rooms["dev"].population, 1)

    def test_a_room_that_vanished_can_be_made_again_with_its_past(self) -> None:
        house = self.open()
        (ana,) = house.gather("ana")
        ana.tries("/join dev", "hi", "/leave")
        ana.read()
        self.assertEqual(
            ana.tries("/join dev"),
            [
                entered("dev"),
                "-- the last line of #dev, times in UTC:",
                "[09:26] <ana> hi",
            ],
        )


class QuittingTests(HouseTestCase):
    def test_who_quits_reads_all_that_was_said_until_then(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.outlet.window = 0
        bo.tries("one")
        ana.type("/quit")
        bo.type("two")
        house.tick()
        bo.tries("three")
        self.assertFalse(ana.outlet.finished)
        ana.outlet.drain()
        house.tick()
        self.assertEqual(ana.read(), ["-- goodbye, ana", "<bo> one", "<bo> two"])
        self.assertTrue(ana.outlet.finished)

    def test_who_quits_is_nowhere_any_more(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo", room="dev")
        ana.tries("/quit")
        self.assertEqual(list(house.chat.members), [bo.member])
        for room in house.chat.rooms.values():
            self.assertEqual(list(room.members), [bo.member])
            self.assertEqual([list(group) for group in room.head.values()], [[bo.member]])
        self.assertEqual(ana.member.memberships, [])

    def test_quitting_twice_is_quitting_once(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        house.chat.attendance.quit(ana.member, "bye")
        house.chat.attendance.quit(ana.member)
        house.tick()
        self.assertEqual(bo.read(), ["-- ana left (bye)"])

    def test_who_quits_while_leaving_the_only_room_is_closed_at_once(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        house.chat.places.leave(ana.member.rooms()[0])
        house.chat.attendance.quit(ana.member)
        house.tick()
        self.assertEqual(ana.read(), [])
        self.assertTrue(ana.outlet.finished)
        self.assertEqual(bo.read(), ["-- ana left"])
        self.assertEqual(list(house.chat.rooms["lobby"].members), [bo.member])


class LostConnectionTests(HouseTestCase):
    def test_nothing_is_sent_to_a_connection_that_is_lost(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        house.chat.attendance.disconnect(ana.member)
        ana.outlet.lost = True
        bo.tries("hi")
        self.assertEqual(ana.read(), [])
        self.assertEqual(list(house.chat.rooms["lobby"].members), [ana.member, bo.member])
        self.assertEqual(house.chat.rooms["lobby"].head, {(TEXT, True): {bo.member: None}})

    def test_what_was_typed_before_is_done_before_the_member_leaves(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.type(
            "/join dev", "/history", "/join lobby", "last words", "/nick anna", "/who", "/leave"
        )
        ana.lose()
        for _ in range(5):
            house.tick()
        self.assertEqual(bo.read(), ["<ana> last words", "-- ana is now anna", "-- anna left"])
        self.assertEqual(sorted(house.chat.rooms), ["lobby"])
        self.assertEqual(list(house.chat.members), [bo.member])

    def test_who_is_behind_and_lost_is_not_read_for(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.outlet.window = 0
        bo.tries("hi")
        ana.lose()
        house.chat.drained(ana.member)
        house.tick()
        self.assertIsNone(ana.member.cursor)
        self.assertEqual(ana.read(), [])
        self.assertEqual(bo.read(), ["-- ana left"])

    def test_who_is_lost_in_no_room_is_gone_at_once(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.tries("/leave")
        bo.read()
        ana.lose()
        self.assertEqual(list(house.chat.members), [bo.member])
        house.tick()
        self.assertEqual(bo.read(), [])


class LimitTests(HouseTestCase):
    def test_nobody_can_be_in_more_rooms_than_the_limit(self) -> None:
        house = self.open(max_rooms_per_member=3)
        (ana,) = house.gather("ana")
        house.chat.places.join(ana.member, "one")
        house.chat.places.join(ana.member, "two")
        with self.assertRaisesRegex(Refusal, "^you are in 3 rooms already: /leave one first$"):
            house.chat.places.join(ana.member, "three")
        house.chat.places.join(ana.member, "lobby")
        house.tick()
        self.assertEqual(sorted(house.chat.rooms), ["lobby", "one", "two"])
        self.assertEqual(house.chat.rooms["lobby"].population, 1)

    def test_a_room_that_one_leaves_does_not_count(self) -> None:
        house = self.open(max_rooms_per_member=1)
        (ana,) = house.gather("ana")
        house.chat.places.leave(ana.member.rooms()[0])
        house.chat.places.join(ana.member, "dev")
        house.tick()
        self.assertEqual(ana.read(), [entered("dev")])

    def test_there_can_be_no_more_rooms_than_the_limit(self) -> None:
        house = self.open(max_rooms=2)
        ana, bo = house.gather("ana", "bo")
        self.assertEqual(ana.tries("/join one"), [entered("one")])
        self.assertEqual(bo.tries("/join two"), ["-- there are 2 rooms already"])
        self.assertEqual(bo.tries("/join one"), [entered("one", "ana")])
        self.assertEqual(sorted(house.chat.rooms), ["lobby", "one"])
        self.assertEqual(len(bo.member.memberships), 2)

    def test_a_limit_of_zero_is_none(self) -> None:
        house = self.open(max_rooms_per_member=0, max_rooms=0)
        (ana,) = house.gather("ana")
        for number in range(100):
            house.chat.places.join(ana.member, f"r{number}")
        house.tick()
        self.assertEqual(len(ana.member.rooms()), 101)
        self.assertEqual(len(house.chat.rooms), 101)


class RefusingJournalTests(HouseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.house = self.open(self.path)
        self.ana, self.bo = self.house.gather("ana", "bo")
        self.house.refuse()

    def accept(self) -> None:
        self.house.accept()
        self.house.tick(1)
        self.house.tick()

    def test_everyone_is_told_once_when_it_begins_and_once_when_it_is_over(self) -> None:
        for number in range(5):
            self.ana.type(f"line {number}")
            self.house.tick(1)
        self.assertEqual(self.ana.read(), [REFUSED])
        self.assertEqual(self.bo.read(), [REFUSED])
        self.accept()
        self.assertEqual(self.ana.read(), [ACCEPTED])
        self.assertEqual(self.bo.read().count(ACCEPTED), 1)

    def test_what_was_said_meanwhile_is_shown_later_and_once(self) -> None:
        for number in range(5):
            self.ana.type(f"line {number}")
            self.house.tick(1)
        self.accept()
        self.assertEqual(
            [line for line in self.bo.read() if line not in (REFUSED, ACCEPTED)],
            [f"<ana> line {number}" for number in range(5)],
        )

    def test_what_waited_is_shown_before_it_is_said_that_it_was(self) -> None:
        self.ana.tries("hi")
        self.accept()
        self.assertEqual(self.bo.read(), [REFUSED, "<ana> hi", ACCEPTED])

    def test_who_comes_in_meanwhile_is_in_later(self) -> None:
        self.ana.tries("hi")
        cy = self.house.arrive("cy")
        cy.type("me too")
        self.house.tick()
        self.assertEqual(
            cy.read(),
            [
                hello("cy"),
                "-- nothing can be stored now: when it can, you are in #lobby",
            ],
        )
        self.accept()
        self.assertEqual(self.bo.read()[-2:], ["-- cy joined", "<cy> me too"])
        self.assertIn(entered("lobby", "ana and bo"), cy.read())

    def test_who_quits_meanwhile_is_closed_at_once_and_leaves_later(self) -> None:
        self.ana.tries("hi")
        self.ana.read()
        self.assertEqual(self.ana.tries("/quit"), ["-- goodbye, ana"])
        self.assertTrue(self.ana.outlet.finished)
        self.accept()
        self.assertEqual(self.ana.read(), [])
        self.assertEqual(self.bo.read(), [REFUSED, "<ana> hi", ACCEPTED, "-- ana left"])

    def test_who_quits_meanwhile_still_reads_what_was_stored(self) -> None:
        self.house.accept()
        self.ana.outlet.window = 0
        self.bo.tries("stored")
        self.house.refuse()
        self.bo.tries("waits")
        self.ana.type("/join dev", "/quit")
        self.house.tick()
        self.assertFalse(self.ana.outlet.finished)
        self.accept()
        self.ana.outlet.drain()
        self.house.tick()
        self.assertEqual(
            self.ana.read(),
            [
                REFUSED,
                "-- nothing can be stored now: when it can, you are in #dev",
                "-- goodbye, ana",
                "#lobby <bo> stored",
            ],
        )
        self.assertTrue(self.ana.outlet.finished)
        self.assertEqual(sorted(self.house.chat.rooms), ["lobby"])

    def test_who_quits_in_no_room_need_not_wait(self) -> None:
        self.house.accept()
        self.ana.tries("/leave")
        self.house.refuse()
        self.bo.tries("hi")
        self.ana.tries("/quit")
        self.assertTrue(self.ana.outlet.finished)


class SettledTests(HouseTestCase):
    def test_there_is_nothing_to_wait_for_if_nothing_was_asked(self) -> None:
        house = self.open()
        (ana,) = house.gather("ana")
        self.assertIsNone(house.chat.settled(ana.member))

    def test_one_waits_until_what_one_asked_for_took_effect(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        ana.type("hi")
        settled = house.chat.settled(ana.member)
        assert settled is not None
        self.assertNoResult(settled)
        self.assertIsNone(house.chat.settled(bo.member))
        house.tick()
        self.successResultOf(settled)
        self.assertIsNone(house.chat.settled(ana.member))

    def test_one_does_not_wait_for_a_journal_that_refuses(self) -> None:
        house = self.open(self.path)
        (ana,) = house.gather("ana")
        house.refuse()
        ana.type("hi")
        settled = house.chat.settled(ana.member)
        assert settled is not None
        house.tick()
        self.successResultOf(settled)
        ana.type("there")
        self.assertIsNone(house.chat.settled(ana.member))

    def test_of_which_nothing_has_to_be_stored_it_does_not_wait_for_others(self) -> None:
        house = self.open(self.path)
        (ana,) = house.gather("ana")
        house.refuse()
        ana.type("/leave lobby")
        house.tick()
        ana.type("/nick zoe")
        house.accept()
        house.tick(1.0)
        settled = house.chat.settled(ana.member)
        house.tick(1.0)
        self.assertTrue(settled is None or settled.called)


class RestartTests(HouseTestCase):
    def test_a_journal_that_cannot_be_opened_is_told_of(self) -> None:
        house = self.open(self.path)
        with self.assertRaisesRegex(JournalError, "is in use by another process$"):
            House(self.path)
        self.assertEqual(house.chat.past.head, 0)

    def test_what_was_said_before_is_history(self) -> None:
        for recent in (0, 1, 3):
            house = House(self.path, recent=recent)
            (ana,) = house.gather("ana")
            for number in range(5):
                ana.tries(f"line {number}")
            self.successResultOf(house.stop())
            house = self.open(self.path, recent=recent)
            self.assertGreater(house.chat.past.head, 0)
            bo = house.arrive("bo")
            house.tick()
            self.assertEqual(bo.read()[-1], "[09:26] <ana> line 4")
            _, *lines = bo.tries("/history 5")
            self.assertEqual(lines, [f"[09:26] <ana> line {number}" for number in range(5)])
            bo.tries("hi")
            self.successResultOf(house.stop())

    def test_it_is_over_when_it_is_stopped(self) -> None:
        house = House(self.path, keep=1)
        ana, bo = house.gather("ana", "bo")
        ana.type("hi")
        self.successResultOf(house.stop())
        self.assertEqual(house.clock.getDelayedCalls(), [])
        house.tick()
        self.assertEqual(bo.read(), [])
        self.successResultOf(self.open(self.path).chat.close())


class ClosingTests(HouseTestCase):
    def test_what_waits_is_stored_and_shown_before_everyone_is_told_why(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        ana.type("last words")
        self.assertEqual(self.successResultOf(house.chat.close(GOODBYE)), 0)
        self.assertEqual(bo.read(), ["<ana> last words", f"-- {GOODBYE}"])
        self.assertEqual(ana.read(), [f"-- {GOODBYE}"])

    def test_everyone_is_closed_when_they_have_read_all(self) -> None:
        house = self.open(self.path)
        ana, bo, slow = house.gather("ana", "bo", "slow")
        slow.outlet.window = 3
        ana.tries("one")
        ana.type("two")
        house.chat.close(GOODBYE)
        house.tick()
        self.assertTrue(ana.outlet.finished)
        self.assertTrue(bo.outlet.finished)
        self.assertFalse(slow.outlet.finished)
        slow.outlet.drain()
        house.tick()
        self.assertEqual(sorted(slow.read()), [f"-- {GOODBYE}", "<ana> one", "<ana> two"])
        self.assertTrue(slow.outlet.finished)

    def test_who_reads_from_the_store_is_waited_for_too(self) -> None:
        house = self.open(self.path, recent=1)
        ana, slow = house.gather("ana", "slow")
        slow.outlet.window = 0
        for number in range(5):
            ana.tries(f"line {number}")
        house.readings.held = True
        slow.outlet.drain()
        house.tick()
        house.chat.close()
        house.tick()
        self.assertFalse(slow.outlet.finished)
        house.readings.release()
        house.tick()
        self.assertEqual(slow.read(), [f"<ana> line {number}" for number in range(5)])
        self.assertTrue(slow.outlet.finished)

    def test_nobody_is_shown_to_leave(self) -> None:
        house = self.open(self.path)
        _, bo = house.gather("ana", "bo")
        house.chat.close(GOODBYE)
        house.tick()
        self.assertEqual(bo.read(), [f"-- {GOODBYE}"])
        self.assertEqual(len(house.chat.members), 0)

    def test_who_is_in_no_room_is_closed_too(self) -> None:
        house = self.open()
        (ana,) = house.gather("ana")
        ana.tries("/leave")
        house.chat.close(GOODBYE)
        house.tick()
        self.assertEqual(ana.read(), [f"-- {GOODBYE}"])
        self.assertTrue(ana.outlet.finished)

    def test_who_is_just_coming_or_going_is_closed_too(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        cy = house.arrive("cy")
        ana.type("/leave")
        bo.type("/quit")
        house.chat.close(GOODBYE)
        house.tick()
        self.assertTrue(ana.outlet.finished)
        self.assertTrue(bo.outlet.finished)
        self.assertTrue(cy.outlet.finished)
        self.assertEqual(cy.read()[-1], f"-- {GOODBYE}")

    def test_who_has_lost_the_connection_is_forgotten(self) -> None:
        house = self.open()
        ana, bo = house.gather("ana", "bo")
        house.chat.attendance.disconnect(ana.member)
        ana.outlet.lost = True
        house.chat.close(GOODBYE)
        house.tick()
        self.assertEqual(ana.read(), [])
        self.assertTrue(bo.outlet.finished)

    def test_what_the_journal_does_not_take_is_counted_and_told_of(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        house.refuse()
        ana.tries("one", "two")
        bo.tries("three")
        bo.read()
        self.assertEqual(self.successResultOf(house.chat.close(GOODBYE)), 3)
        house.tick()
        self.assertEqual(
            bo.read(),
            ["-- the last 3 things said could not be stored: they are lost", f"-- {GOODBYE}"],
        )
        self.assertTrue(ana.outlet.finished)
        self.assertTrue(bo.outlet.finished)

    def test_a_journal_that_takes_things_again_is_given_all_that_waits(self) -> None:
        house = self.open(self.path)
        ana, bo = house.gather("ana", "bo")
        house.refuse()
        ana.tries("one")
        ana.tries("two")
        bo.read()
        house.accept()
        self.assertEqual(self.successResultOf(house.chat.close(GOODBYE)), 0)
        self.assertEqual(bo.read(), ["<ana> one", ACCEPTED, "<ana> two", f"-- {GOODBYE}"])

    def test_a_drained_house_can_be_stopped(self) -> None:
        house = House(self.path, keep=3)
        (ana,) = house.gather("ana")
        ana.type("hi")
        house.chat.close(GOODBYE)
        house.tick()
        self.successResultOf(house.stop())
        self.assertEqual(house.clock.getDelayedCalls(), [])
        with sqlite3.connect(self.path) as connection:
            said = connection.execute("SELECT text FROM events WHERE kind = 'said'").fetchall()
        connection.close()
        self.assertEqual(said, [("hi",)])


class ComingAndGoingMeanwhileTests(HouseTestCase):
    """Who comes, or goes, while the journal refuses."""

    def setUp(self) -> None:
        super().setUp()
        self.house = self.open(self.path)
        self.ana, self.bo = self.house.gather("ana", "bo")
        self.house.refuse()
        self.ana.tries("hi")
        self.ana.read()
        self.bo.read()

    def accept(self) -> None:
        self.house.accept()
        self.house.tick(1)
        self.house.tick()

    def in_the_lobby(self) -> list[str]:
        return [member.name for member in self.house.chat.rooms["lobby"].members]

    def nothing_is_left_but(self, *names: str) -> None:
        chat = self.house.chat
        self.assertEqual([member.name for member in chat.members], [*names])
        self.assertEqual(self.in_the_lobby(), [*names])
        self.assertEqual(sorted(chat.rooms), ["lobby"])
        self.assertEqual(chat.rooms["lobby"].population, len(names))
        self.assertEqual(sorted(chat.peers.claims._holders), sorted(names))

    def test_who_comes_is_told_at_once_and_is_in_the_room_when_it_takes_again(self) -> None:
        cy = self.house.arrive("cy")
        told = "-- nothing can be stored now: when it can, you are in #lobby"
        self.assertEqual(cy.read()[-1], told)
        self.assertEqual(self.in_the_lobby(), ["ana", "bo"])
        self.accept()
        self.assertEqual(self.in_the_lobby(), ["ana", "bo", "cy"])
        self.assertIn(entered("lobby", "ana and bo"), cy.read())
        self.assertEqual(self.bo.read(), ["<ana> hi", ACCEPTED, "-- cy joined"])
        self.bo.tries("welcome")
        self.assertEqual(cy.read(), ["<bo> welcome"])

    def test_who_joins_another_room_is_told_too(self) -> None:
        told = "-- nothing can be stored now: when it can, you are in #dev"
        self.assertEqual(self.ana.tries("/join dev"), [told])
        self.accept()
        self.assertIn(entered("dev"), self.ana.read())

    def test_who_comes_when_it_takes_again_is_told_nothing_of_it(self) -> None:
        self.accept()
        cy = self.house.arrive("cy")
        self.house.tick()
        self.assertFalse([line for line in cy.read() if "can't be written" in line])

    def test_who_quits_is_closed_at_once_and_shown_to_leave_when_it_takes_again(self) -> None:
        self.ana.type("/quit bye")
        self.assertEqual(self.ana.read(), ["-- goodbye, ana"])
        self.house.tick(0)
        self.assertTrue(self.ana.outlet.finished)
        self.assertEqual(self.bo.read(), [])
        self.accept()
        self.assertEqual(self.bo.read(), ["<ana> hi", ACCEPTED, "-- ana left (bye)"])
        self.assertEqual(self.ana.read(), [])
        self.nothing_is_left_but("bo")

    def test_who_quits_gives_the_name_back_at_once(self) -> None:
        self.ana.tries("/quit")
        new = self.house.arrive("ana")
        self.accept()
        self.assertEqual(self.bo.read(), ["<ana> hi", ACCEPTED, "-- ana left", "-- ana joined"])
        self.assertIn(entered("lobby", "bo"), new.read())
        self.nothing_is_left_but("bo", "ana")

    def test_who_comes_and_quits_meanwhile_leaves_nothing_behind(self) -> None:
        cy = self.house.arrive("cy")
        cy.type("/join dev", "/quit")
        self.house.tick(0)
        self.assertTrue(cy.outlet.finished)
        self.accept()
        self.assertEqual(self.bo.read(), ["<ana> hi", ACCEPTED, "-- cy joined", "-- cy left"])
        self.nothing_is_left_but("ana", "bo")

    def test_who_comes_and_is_lost_meanwhile_leaves_nothing_behind(self) -> None:
        cy = self.house.arrive("cy")
        cy.lose()
        self.accept()
        self.assertEqual(self.bo.read(), ["<ana> hi", ACCEPTED, "-- cy joined", "-- cy left"])
        self.nothing_is_left_but("ana", "bo")

    def test_who_quits_and_is_lost_before_it_takes_again_leaves_nothing_behind(self) -> None:
        self.ana.tries("/quit")
        self.house.chat.attendance.disconnect(self.ana.member)
        self.ana.outlet.lost = True
        self.accept()
        self.assertEqual(self.bo.read(), ["<ana> hi", ACCEPTED, "-- ana left"])
        self.nothing_is_left_but("bo")


class ShutDownTests(HouseTestCase):
    def test_it_is_done_once_at_the_time_that_was_said_last(self) -> None:
        house = self.open()
        done: list[str] = []
        house.chat.shutdown = done.append
        house.chat.shut_down(5, "one")
        house.chat.shut_down(10, "two")
        house.tick(9)
        self.assertEqual(done, [])
        house.tick(1)
        self.assertEqual(done, ["two"])
        house.chat.shut_down(0, "three")
        house.tick(0)
        self.assertEqual(done, ["two", "three"])

    def test_when_the_house_stops_nothing_is_left_to_be_done(self) -> None:
        house = self.open()
        house.chat.shut_down(5, "")
        self.successResultOf(house.stop())
        self.assertEqual(house.clock.getDelayedCalls(), [])
        house = self.open()
        house.chat.shut_down(0, "")
        house.tick()
        self.successResultOf(house.stop())
        self.assertEqual(house.clock.getDelayedCalls(), [])
