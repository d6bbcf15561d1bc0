from __future__ import annotations

import sqlite3
from typing import Any, cast

from twisted.trial import unittest

from chatservice.core.feed import catchup, history
from chatservice.core.feed.catchup import CHUNK, FAR_TURN, RETRY, SLICE, taken
from chatservice.core.members import Cursor
from chatservice.doors.text.view import TEXT, TextView
from chatservice.journal import sqlite_reading
from chatservice.journal.events import SAID, Event
from tests.core.programs import ProgramTestCase, brief
from tests.core.support import DAY, START, House, HouseTestCase, Person, RecordingOutlet

LAST_LINES = "-- the last {} lines of #lobby, times in UTC:"
FORGOTTEN = "-- some lines are missing here: they were forgotten before you could read them"


class TakenTests(unittest.TestCase):
    def taken(self, sent: int, *texts: str) -> tuple[int, bytes]:
        """Which event was the last that was taken, and what was written of it."""
        outlet = RecordingOutlet()
        events = [Event(id, START, "dev", SAID, "bo", t, 0, id) for id, t in enumerate(texts, 11)]
        position = taken(outlet, [*zip(events, map(str.encode, texts), strict=True)], sent, 7)
        return position, bytes(outlet.received)

    def test_if_nothing_was_sent_nothing_was_taken(self) -> None:
        self.assertEqual(self.taken(0, "one", "two"), (7, b""))
        self.assertEqual(self.taken(0), (7, b""))

    def test_whole_events_are_taken(self) -> None:
        self.assertEqual(self.taken(3, "one", "two", "three"), (11, b""))
        self.assertEqual(self.taken(6, "one", "two", "three"), (12, b""))

    def test_the_rest_of_an_event_that_was_cut_is_left_to_the_outlet(self) -> None:
        self.assertEqual(self.taken(1, "one", "two", "three"), (11, b"ne"))
        self.assertEqual(self.taken(4, "one", "two", "three"), (12, b"wo"))
        self.assertEqual(self.taken(10, "one", "two", "three"), (13, b"e"))

    def test_a_character_that_was_cut_is_completed(self) -> None:
        self.assertEqual(self.taken(4, "ä€😀"), (11, "€😀".encode()[2:]))


class CatchingUpTests(HouseTestCase):
    def slow(self, house: House, window: int = 0) -> tuple[Person, Person]:
        """Somebody who reads, and somebody who takes so many bytes from now on."""
        fast, slow = house.gather("fast", "slow")
        fast.read()
        slow.outlet.window = window
        return fast, slow

    def speak(self, house: House, *lines: str) -> None:
        (ana,) = house.gather("ana")
        for line in lines:
            ana.tries(line)

    def test_wherever_a_send_is_cut_nothing_is_lost_or_doubled(self) -> None:
        lines = ["hi", "naïve 😀", "€" * 5, "小林さん"]
        size = sum(len(f"<ana> {line}\r\n".encode()) for line in lines)
        for path, recent in ((None, 0), (self.path, 1)):
            house = self.open(path, recent=recent)
            fast, slow = self.slow(house)
            (ana,) = house.gather("ana")
            slow.outlet.drain()
            house.tick()
            fast.read()
            slow.read()
            for cut in range(size):
                slow.outlet.window = cut
                for line in lines:
                    ana.type(line)
                house.tick()
                self.assertIsNotNone(slow.member.cursor)
                slow.outlet.drain(cut)
                house.tick()
                slow.outlet.drain()
                house.tick()
                whole = fast.read()
                self.assertEqual(len(whole), len(lines))
                self.assertEqual(slow.read(), whole, f"cut after {cut} bytes")
                self.assertIsNone(slow.member.cursor)

    def test_who_reads_bit_by_bit_gets_all(self) -> None:
        for path, recent in ((None, 0), (self.path, 3)):
            house = self.open(path, recent=recent)
            fast, slow = self.slow(house)
            self.speak(house, *(f"naïve {number}" for number in range(40)))
            got: list[str] = []
            rounds = 0
            while slow.member.cursor is not None:
                slow.outlet.drain(7)
                house.tick()
                got += slow.read()
                rounds += 1
            self.assertEqual(got, fast.read())
            self.assertGreater(rounds, 20)

    def test_what_is_not_in_memory_any_more_is_read_from_the_store(self) -> None:
        house = self.open(self.path, recent=4)
        fast, slow = self.slow(house)
        self.speak(house, *(f"line {number}" for number in range(30)))
        house.readings.held = True
        slow.outlet.drain()
        house.tick()
        self.assertEqual(slow.read(), [])
        self.assertEqual(len(house.readings), 1)
        house.readings.finish()
        house.tick()
        self.assertEqual(slow.read(), fast.read())
        self.assertIsNone(slow.member.cursor)

    def test_what_is_said_while_a_reading_is_out_comes_after_it(self) -> None:
        house = self.open(self.path, recent=4)
        fast, slow = self.slow(house)
        self.speak(house, *(f"line {number}" for number in range(10)))
        house.readings.held = True
        slow.outlet.drain()
        house.tick()
        for number in range(10, 20):
            fast.tries(f"line {number}")
        house.readings.release()
        house.tick()
        lines = slow.read()
        self.assertEqual(
            [line.partition("> ")[2] for line in lines if line.startswith("<")],
            [f"line {number}" for number in range(20)],
        )

    def test_a_reading_that_comes_to_a_blocked_outlet_waits_for_it(self) -> None:
        house = self.open(self.path, recent=4)
        fast, slow = self.slow(house)
        self.speak(house, *(f"line {number}" for number in range(10)))
        house.readings.held = True
        slow.outlet.drain(10)
        house.tick()
        slow.type("/rooms")
        self.assertTrue(slow.outlet.blocked)
        house.readings.release()
        house.tick()
        self.assertEqual(slow.read(), ["-- 3  #lobby (you are here)"])
        slow.outlet.drain()
        house.tick()
        self.assertEqual(slow.read(), fast.read())

    def test_a_reading_that_comes_to_a_lost_connection_is_forgotten(self) -> None:
        house = self.open(self.path, recent=4)
        _, slow = self.slow(house)
        self.speak(house, *(f"line {number}" for number in range(10)))
        house.readings.held = True
        slow.outlet.drain()
        house.tick()
        slow.lose()
        house.readings.release()
        house.tick()
        self.assertEqual(slow.read(), [])

    def test_what_was_forgotten_is_told_of(self) -> None:
        house = self.open(recent=16)
        fast, slow = self.slow(house)
        self.speak(house, *(f"line {number}" for number in range(50)))
        slow.outlet.drain()
        house.tick()
        first, *lines = slow.read()
        self.assertEqual(first, FORGOTTEN)
        self.assertEqual(lines, fast.read()[-len(lines) :])
        self.assertEqual(lines[-1], "<ana> line 49")
        self.assertIn(len(lines), (16, 17))

    def test_a_backlog_is_given_in_chunks(self) -> None:
        house = self.open()
        _, slow = self.slow(house)
        line = "x" * 1000
        self.speak(house, *[line] * 200)
        before = slow.outlet.sends
        slow.outlet.drain()
        house.tick()
        chunks = slow.outlet.sends - before
        self.assertEqual(len(slow.read()), 201)
        lines = -(-CHUNK // len(f"<ana> {line}\r\n"))
        self.assertEqual(chunks, -(-200 // lines))

    def near_and_far(self) -> tuple[House, Person, Person]:
        """Two who are ready to read on, one of them far behind; each turn is one step."""
        house = self.open()
        (ana,) = house.gather("ana")
        far, near = house.gather("far", "near")
        far.outlet.window = 0
        ana.tries(*["x" * 1000] * 400)
        near.read()
        near.outlet.window = 0
        ana.tries(*["near"] * 5)
        self.patch(catchup, "SLICE", -1.0)
        far.outlet.drain()
        near.outlet.drain()
        house.chat.readers._steps = 0
        return house, far, near

    def test_who_is_near_the_head_goes_first(self) -> None:
        house, far, near = self.near_and_far()
        house.chat.readers.turn()
        self.assertEqual(near.read(), ["<ana> near"] * 5)
        self.assertEqual(far.read(), [])

    def test_who_is_far_behind_is_not_forgotten_for_those_who_are_near(self) -> None:
        house, far, near = self.near_and_far()
        for _ in range(FAR_TURN):
            # As if one after the other stumbled.
            near.member.cursor = Cursor(near.member, house.chat.past.head - 1)
            house.chat.readers.ready(near.member.cursor)
            house.chat.readers.turn()
        self.assertNotEqual(far.read(), [])

    def test_who_has_caught_up_is_at_the_head_before_the_next_has_its_turn(self) -> None:
        # Else a crowd that catches up, in a busy room, never gets there.
        house = self.open()
        crowd = house.gather(*(f"m{number}" for number in range(20)))
        for person in crowd:
            person.outlet.window = 0
        self.speak(house, "one", "two")
        self.patch(catchup, "SLICE", -1.0)
        for person in crowd:
            person.outlet.drain()
        for turn in range(len(crowd) + 1):
            behind = sum(person.member.cursor is not None for person in crowd)
            self.assertEqual(behind, len(crowd) - turn)
            house.chat.readers.turn()

    def test_no_more_is_rendered_than_is_given(self) -> None:
        rendered: list[int] = []

        class View(TextView):
            def event(self, event: Event, here: bool) -> bytes:
                rendered.append(event.id)
                return super().event(event, here)

        house = self.open()
        slow = Person(house)
        slow.enter("slow", View())
        house.tick()
        slow.outlet.window = 0
        self.speak(house, *["x" * 1000] * 200)
        rendered.clear()
        slow.outlet.drain()
        house.tick()
        self.assertEqual(rendered, sorted(set(rendered)))

    def test_those_who_are_behind_take_turns(self) -> None:
        house = self.open()
        order: list[str] = []

        class Outlet(RecordingOutlet):
            name = ""

            def send(self, data: bytes) -> int:
                order.append(self.name)
                return super().send(data)

        people = []
        for name in ("bo", "cy", "di"):
            outlet = Outlet()
            person = Person(house, outlet)
            person.enter(name)
            house.tick()
            outlet.window, outlet.name = 0, name
            people.append(person)
        self.speak(house, *["x" * 500] * 600)
        order.clear()
        for person in people:
            person.outlet.drain()
        house.tick()
        self.assertEqual(order[:6], ["bo", "cy", "di"] * 2)
        self.assertEqual({order.count(name) for name in order}, {-(-600 * 508 // CHUNK)})

    def test_those_who_are_behind_take_no_more_than_a_slice_of_time(self) -> None:
        house = self.open()

        class Outlet(RecordingOutlet):
            def send(self, data: bytes) -> int:
                if not self.blocked:
                    house.clock.rightNow += 0.6 * SLICE
                return super().send(data)

        people = []
        for name in ("bo", "cy", "di", "ed"):
            person = Person(house, Outlet())
            person.enter(name)
            house.tick()
            person.read()
            person.outlet.window = 0
            people.append(person)
        self.speak(house, "hi")
        for person in people:
            person.outlet.drain()
        served = []
        for _ in range(3):
            house.chat.readers.turn()
            served.append(sum("<ana> hi" in person.read() for person in people))
        self.assertEqual(served, [2, 2, 0])
        for person in people:
            person.type("/history")
        house.tick(0)
        for person in people:
            self.assertEqual(person.read()[-1], "[09:26] <ana> hi")

    def test_who_is_told_something_while_behind_is_told_at_once(self) -> None:
        house = self.open()
        _, slow = self.slow(house, window=3)
        self.speak(house, "hi")
        slow.type("/leave dev")
        slow.outlet.drain()
        house.tick()
        self.assertEqual(slow.read(), ["-- ana joined", "-- you are not in #dev", "<ana> hi"])

    def test_what_happened_before_one_left_is_still_read(self) -> None:
        house = self.open()
        _, slow = self.slow(house)
        self.speak(house, "one")
        self.assertEqual(slow.tries("/leave"), ["-- you left #lobby; /join another"])
        (bo,) = house.gather("bo")
        bo.tries("two")
        slow.outlet.drain()
        house.tick()
        self.assertEqual(slow.read(), ["-- #lobby: ana joined", "#lobby <ana> one"])
        self.assertEqual(slow.member.memberships, [])


class StepsTests(HouseTestCase):
    def test_a_newcomer_has_its_look_back_in_one_step(self) -> None:
        for path, recent in ((None, 100), (self.path, 100)):
            house = self.open(path, recent=recent)
            (ana,) = house.gather("ana")
            for number in range(30):
                ana.tries(f"line {number}")
            steps: list[Cursor] = []
            readers = house.chat.readers

            def step(cursor: Cursor, step: Any = readers._step, steps: Any = steps) -> bool:
                steps.append(cursor)
                return bool(step(cursor))

            self.patch(readers, "_step", step)
            bo = house.arrive("bo")
            house.tick()
            self.assertEqual(len([cursor for cursor in steps if cursor.member is bo.member]), 1)
            self.assertIn(LAST_LINES.format(20), bo.read())
            self.assertIsNone(bo.member.cursor)


class UnavailableStoreTests(HouseTestCase):
    def behind(self) -> tuple[House, Person, Person]:
        """Somebody who is to read from the store."""
        house = self.open(self.path, recent=2)
        ana, slow = house.gather("ana", "slow")
        slow.outlet.window = 0
        for number in range(10):
            ana.tries(f"line {number}")
        return house, ana, slow

    def execute(self, statement: str) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute(statement)
        connection.close()

    def test_a_reading_that_fails_is_tried_again_in_a_while(self) -> None:
        house, _, slow = self.behind()
        self.execute("ALTER TABLE events RENAME TO away")
        slow.outlet.drain()
        house.tick(0)
        house.tick(RETRY / 2)
        self.execute("ALTER TABLE away RENAME TO events")
        self.assertEqual(slow.read(), [])
        house.tick(RETRY / 2)
        self.assertEqual(slow.read(), [f"<ana> line {number}" for number in range(10)])


class MistakeTests(HouseTestCase):
    def test_a_mistake_in_showing_something_to_one_stops_nobody_else(self) -> None:
        class Broken(TextView):
            def event(self, event: Event, here: bool) -> bytes:
                raise ZeroDivisionError

        for path, recent in ((None, 0), (self.path, 2)):
            house = self.open(path, recent=recent)
            ana, bo, cy = house.gather("ana", "bo", "cy")
            bo.outlet.window = cy.outlet.window = 0
            for number in range(10):
                ana.tries(f"line {number}")
            bo.member.view = Broken()
            bo.outlet.drain()
            cy.outlet.drain()
            house.tick()
            # In place of each line stands that it is missing; the log tells of each once.
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 10)
            self.assertEqual(bo.read(), [FORGOTTEN] * 10)
            self.assertEqual(cy.read(), [f"<ana> line {number}" for number in range(10)])
            bo.member.turn_to(bo.member.current, TEXT)
            ana.tries("on")
            self.assertEqual((bo.read(), cy.read()), (["<ana> on"], ["<ana> on"]))

    def test_a_mistake_at_the_head_costs_only_those_who_see_it_so(self) -> None:
        class Fails(TextView):
            fails = 0

            def event(self, event: Event, here: bool) -> bytes:
                type(self).fails -= 1
                if self.fails >= 0:
                    raise ZeroDivisionError
                return super().event(event, here)

        house = self.open(self.path)
        ana, bo, cy, di = house.gather("ana", "bo", "cy", "di")
        house.gather("ed", room="dev")
        for person in (bo, cy):
            person.member.turn_to(person.member.current, Fails(moves=False))
        ana.tries("one")
        for times, shown in ((1, "<ana> two"), (2, FORGOTTEN)):
            for person in (bo, cy, di):
                person.read()
            Fails.fails = times
            ana.tries("two")
            self.assertEqual(di.read(), ["<ana> two"])
            # They read it as cursors; where that fails as well, they are told that it is missing.
            self.assertEqual(bo.read(), [shown])
            self.assertEqual(cy.read(), ["<ana> two"])
            self.flushLoggedErrors(ZeroDivisionError)
        self.assertIsNone(bo.member.cursor)
        ana.tries("three")
        self.assertEqual([p.read() for p in (bo, cy, di)], [["<ana> three"]] * 3)

    def test_an_outlet_that_fails_costs_only_its_owner(self) -> None:
        class Failing(RecordingOutlet):
            fails = 0

            def send(self, data: bytes) -> int:
                self.fails -= 1
                if self.fails >= 0:
                    raise ZeroDivisionError
                return super().send(data)

        house = self.open(self.path)
        bo = Person(house, Failing())
        bo.enter("bo")
        ana, cy = house.gather("ana", "cy")
        bo.read()
        for times in (1, 2):
            cast("Failing", bo.outlet).fails = times
            ana.tries("hi")
            self.assertEqual(cy.read(), ["<ana> hi"])
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), times)
            self.assertEqual(bo.outlet.finished, times == 2)
            if bo.member.cursor is not None:
                # What failed is over: a later look at it does not fail because of that.
                house.chat.readers.ready(bo.member.cursor)
                house.tick()
                self.assertEqual(self.flushLoggedErrors(), [])
            self.assertEqual(bo.read(), ["<ana> hi"] * (2 - times))


class HistoryTests(HouseTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.house = self.open(self.path, recent=5)
        self.ana, self.bo = self.house.gather("ana", "bo")

    def speak(self, *lines: str) -> None:
        self.ana.tries(*lines)
        self.bo.read()

    def days_pass(self, days: int = 1) -> None:
        self.house.moment += round(days * DAY * 1000)

    def test_lines_of_today_have_no_heading(self) -> None:
        self.speak("one", "two")
        self.assertEqual(
            self.bo.tries("/history"),
            [LAST_LINES.format(2), "[09:26] <ana> one", "[09:26] <ana> two"],
        )

    def test_lines_of_other_days_stand_below_their_date(self) -> None:
        self.speak("one", "two")
        self.days_pass()
        self.speak("three")
        self.days_pass(30)
        self.speak("four", "five")
        self.assertEqual(
            self.bo.tries("/history"),
            [
                LAST_LINES.format(5),
                "-- Saturday, 14 March 2026:",
                "[09:26] <ana> one",
                "[09:26] <ana> two",
                "-- Sunday, 15 March 2026:",
                "[09:26] <ana> three",
                "-- Tuesday, 14 April 2026:",
                "[09:26] <ana> four",
                "[09:26] <ana> five",
            ],
        )

    def test_wherever_a_send_is_cut_the_dates_are_right(self) -> None:
        self.speak("one", "two")
        self.days_pass()
        self.speak("three", "four")
        self.days_pass()
        self.speak("five")
        whole = self.bo.tries("/history")
        self.assertEqual(len([line for line in whole if line.endswith("2026:")]), 3)
        for recent in (0, 5):
            house = self.open(self.fresh_copy(recent), recent=recent, moment=self.house.moment)
            (bo,) = house.gather("bo")
            for cut in range(sum(len(line) + 2 for line in whole)):
                bo.outlet.window = cut
                got = bo.tries("/history")
                for _ in range(40):
                    bo.outlet.drain(cut % 50 + 30)
                    house.tick()
                bo.outlet.drain()
                house.tick()
                self.assertEqual(got + bo.read(), whole, f"cut after {cut} bytes")

    def fresh_copy(self, number: int) -> str:
        path = f"{self.path}.{number}"
        with sqlite3.connect(self.path) as source, sqlite3.connect(path) as copy:
            source.backup(copy)
        source.close()
        copy.close()
        return path

    def test_it_is_read_from_the_store_and_from_memory_alike(self) -> None:
        lines = [f"line {number}" for number in range(40)]
        for line in lines:
            self.speak(line)
        for count in (1, 4, 5, 6, 7, 39, 40):
            _, *shown = self.bo.tries(f"/history {count}")
            self.assertEqual([line.partition("> ")[2] for line in shown], lines[-count:])

    def test_what_is_said_meanwhile_comes_after_it(self) -> None:
        for number in range(10):
            self.speak(f"line {number}")
        self.house.readings.held = True
        self.bo.tries("/history 10")
        self.ana.tries("more")
        self.assertEqual(self.bo.read(), [])
        self.house.readings.release()
        self.house.tick()
        header, *lines = self.bo.read()
        self.assertEqual(header, LAST_LINES.format(10))
        self.assertEqual(lines[9:], ["[09:26] <ana> line 9", "<ana> more"])

    def test_several_looks_back_come_one_after_the_other(self) -> None:
        self.speak("one", "two")
        self.assertEqual(
            self.bo.tries("/history 1", "/history 2"),
            [
                "-- the last line of #lobby, times in UTC:",
                "[09:26] <ana> two",
                LAST_LINES.format(2),
                "[09:26] <ana> one",
                "[09:26] <ana> two",
            ],
        )

    def test_who_is_behind_gets_it_before_the_lines_that_it_missed(self) -> None:
        self.bo.outlet.window = 0
        self.speak("one")
        self.bo.type("/history")
        self.speak("two")
        self.bo.outlet.drain()
        self.house.tick()
        self.assertEqual(
            self.bo.read(),
            [
                "-- the last line of #lobby, times in UTC:",
                "[09:26] <ana> one",
                "<ana> one",
                "<ana> two",
            ],
        )

    def test_a_search_through_what_is_hidden_has_others_look_things_up_between(self) -> None:
        self.patch(history, "READ_EVENTS", 4)
        self.patch(sqlite_reading, "READ_EVENTS", 4)
        (cy,) = self.house.gather("cy")
        cy.tries("first")
        self.speak(*(f"line {number}" for number in range(100)))
        self.bo.tries("/ignore ana")
        cy.read()
        self.house.readings.held = True
        self.bo.type("/history")
        self.house.tick()
        cy.type("/history 10")
        got: list[str] = []
        readings = 0
        while len(got) < 11:
            self.house.tick()
            self.house.readings.finish()
            got += cy.read()
            readings += 1
        # Every other reading is for its own search.
        self.assertLess(readings, 16)
        self.assertEqual(self.bo.read(), [])
        self.house.readings.release()
        for _ in range(100):
            self.house.tick()
        self.assertEqual(
            self.bo.read(), ["-- the last line of #lobby, times in UTC:", "[09:26] <cy> first"]
        )

    def test_who_lost_its_connection_gets_none(self) -> None:
        self.speak("one")
        self.bo.type("/join dev", "/history")
        self.bo.lose()
        self.house.tick()
        self.house.tick()
        self.assertEqual(self.bo.read(), [])
        self.assertEqual(self.ana.read(), ["-- bo left"])


class ProgramTests(ProgramTestCase):
    """A program that is behind gets receipts of its own words, and something at the head."""

    def setUp(self) -> None:
        super().setUp()
        (self.ana,) = self.house.gather("ana")
        (self.bot,) = self.gather("bot")

    def test_receipts_come_at_their_place_wherever_it_is_cut(self) -> None:
        assert self.bot.member is not None
        for cut in range(0, 400, 7):
            self.bot.outlet.window = cut
            self.ana.type("one")
            self.bot.ask("say", room="lobby", text="mine")
            self.bot.ask("private", to="ana", text="psst")
            self.ana.type("two")
            self.house.tick()
            self.house.tick()
            while self.bot.member.cursor is not None:
                self.bot.outlet.drain(50)
                self.house.tick()
            self.bot.outlet.drain()
            messages = self.bot.read()
            self.assertEqual(
                brief(messages), ["ana said one", "ok say", "ana said two", "ok private"]
            )
            ids = [message["id"] for message in messages]
            self.assertEqual(ids, sorted(ids))

    def test_at_the_head_something_is_done_once_behind_all_else(self) -> None:
        member = self.bot.member
        assert member is not None
        self.bot.outlet.window = 0
        self.ana.tries("one")
        assert member.cursor is not None
        told: list[list[str]] = []
        member.cursor.at_head = lambda: told.append(brief(self.bot.read()))
        self.house.tick()
        self.assertEqual(told, [])
        self.bot.outlet.drain()
        self.house.tick()
        self.ana.tries("two")
        self.assertEqual(told, [["ana said one"]])
        self.assertEqual(brief(self.bot.read()), ["ana said two"])

    def test_also_for_who_has_nothing_to_read(self) -> None:
        member = self.bot.member
        assert member is not None
        told: list[bool] = []
        self.house.chat.step_back(member, self.house.chat.past.head)
        assert member.cursor is not None
        member.cursor.at_head = lambda: told.append(True)
        self.house.tick()
        self.house.tick()
        self.assertEqual(told, [True])

    def test_a_cursor_that_is_not_the_member_s_any_more_gives_nothing(self) -> None:
        self.bot.outlet.window = 0
        self.ana.tries("one")
        old = self.bot.member
        assert old is not None and old.cursor is not None
        cursor = old.cursor
        bot = self.back(self.bot)
        self.assertEqual(brief(bot.read()), ["welcome", "ana said one", "live"])
        self.house.chat.readers.ready(cursor)
        self.house.tick()
        self.assertEqual(bot.read(), [])


class StoppingTests(HouseTestCase):
    def test_nobody_reads_once_it_is_over(self) -> None:
        house = House()
        ana, slow = house.gather("ana", "slow")
        slow.outlet.window = 0
        ana.tries("hi")
        slow.outlet.drain()
        self.successResultOf(house.stop())
        house.tick()
        self.assertEqual(slow.read(), [])
        self.assertEqual(house.clock.getDelayedCalls(), [])
