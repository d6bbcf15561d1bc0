from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product

from twisted.trial import unittest

from chatservice.core.feed.fanout import deliver, deliver_addressed
from chatservice.core.members import Member, Membership, Room
from chatservice.core.outlet import View
from chatservice.doors.json.view import JSON
from chatservice.doors.text.view import TEXT, TextView
from chatservice.journal.events import ANNOUNCED, HOUSE, PRIVATE, SAID, Event, inbox
from tests.core.programs import ProgramTestCase, brief
from tests.core.support import START, RecordingOutlet

STRANGER = 0


class CountingView(TextView):
    """Counts what it renders."""

    def __init__(self) -> None:
        self.rendered: list[tuple[int, bool]] = []

    def event(self, event: Event, here: bool) -> bytes:
        self.rendered.append((event.id, here))
        return super().event(event, here)


class BlobOutlet(RecordingOutlet):
    """Keeps the objects that it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs: list[bytes] = []

    def send(self, data: bytes) -> int:
        self.blobs.append(data)
        return super().send(data)


def said(*texts: str, origin: int = STRANGER, first: int = 11) -> list[Event]:
    return [
        Event(id, START, "dev", SAID, "bo", text, origin, id)
        for id, text in enumerate(texts, first)
    ]


class RoomTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.room = Room("dev")
        self.stepped_back: list[tuple[Member, int]] = []

    def member(self, view: View = TEXT, here: bool = True, window: int | None = None) -> Member:
        """Somebody at the head of the room."""
        outlet = BlobOutlet()
        outlet.window = window
        member = Member("ana", outlet, view)
        membership = Membership(member, self.room)
        membership.since = 1
        member.memberships.append(membership)
        if here:
            member.current = membership
        member.attach()
        return member

    def deliver(self, events: Sequence[Event]) -> int:
        return deliver(events, self.room.head, self.step_back)

    def step_back(self, member: Member, position: int) -> None:
        self.stepped_back.append((member, position))

    def lines(self, member: Member) -> list[str]:
        assert isinstance(member.outlet, BlobOutlet)
        return member.outlet.received.decode().splitlines()

    def forget(self, member: Member) -> None:
        assert isinstance(member.outlet, BlobOutlet)
        member.outlet.received.clear()

    def blobs(self, member: Member) -> list[bytes]:
        assert isinstance(member.outlet, BlobOutlet)
        return member.outlet.blobs


class DeliverTests(RoomTestCase):
    def test_everyone_gets_the_events_of_a_tick_in_one_send(self) -> None:
        members = [self.member() for _ in range(3)]
        self.assertEqual(self.deliver(said("one", "two")), 3)
        for member in members:
            self.assertEqual(self.blobs(member), [b"<bo> one\r\n<bo> two\r\n"])

    def test_everyone_in_a_group_gets_the_same_object(self) -> None:
        first, *others = [self.member() for _ in range(3)]
        self.deliver(said("one", "two"))
        for other in others:
            self.assertIs(self.blobs(other)[0], self.blobs(first)[0])

    def test_an_event_is_rendered_once_for_all_who_see_it_alike(self) -> None:
        view = CountingView()
        for here in (True, True, True, False, False):
            self.member(view, here)
        self.deliver(said("one", "two"))
        self.assertEqual(sorted(view.rendered), [(11, False), (11, True), (12, False), (12, True)])

    def test_a_view_of_its_own_is_a_group_of_its_own(self) -> None:
        class Loud(TextView):
            def event(self, event: Event, here: bool) -> bytes:
                return super().event(event, here).upper()

        quiet, loud = self.member(), self.member(Loud())
        self.deliver(said("one"))
        self.assertEqual(self.lines(quiet), ["<bo> one"])
        self.assertEqual(self.lines(loud), ["<BO> ONE"])

    def test_who_is_in_another_room_sees_which_it_is(self) -> None:
        elsewhere = self.member(here=False)
        self.deliver(said("one"))
        self.assertEqual(self.lines(elsewhere), ["#dev <bo> one"])

    def test_nobody_is_sent_their_own_lines(self) -> None:
        ana, other = self.member(), self.member()
        theirs, own = said("one", "three"), said("two", origin=ana.origin, first=12)
        self.deliver([theirs[0], own[0], theirs[1]._replace(id=13)])
        self.assertEqual(self.lines(ana), ["<bo> one", "<bo> three"])
        self.assertEqual(self.lines(other), ["<bo> one", "<bo> two", "<bo> three"])

    def test_whoever_speaks_in_whatever_order_each_is_sent_what_it_is_to_see(self) -> None:
        ana, bo, cleo = people = [self.member() for _ in range(3)]
        bo.hidden = {ana.origin: "ana"}
        cleo.hidden = {ana.origin: "ana", bo.origin: "bo"}
        for authors in product([*people, None], repeat=4):
            events = [
                said(f"{number}", origin=author.origin if author else STRANGER, first=number)[0]
                for number, author in enumerate(authors, 11)
            ]
            self.deliver(events)
            for person in people:
                unseen = {person.origin, *person.hidden}
                wanted = [f"<bo> {e.text}" for e in events if e.origin not in unseen]
                self.assertEqual(self.lines(person), wanted)
                self.assertIsNone(person.cursor)
                self.forget(person)

    def test_who_alone_spoke_stays_at_the_head(self) -> None:
        ana = self.member()
        self.deliver(said("one", "two", origin=ana.origin))
        self.assertEqual(self.lines(ana), [])
        self.assertIsNone(ana.cursor)

    def test_who_is_sent_all_stays_at_the_head(self) -> None:
        ana = self.member(window=len(b"<bo> one\r\n"))
        self.deliver(said("one"))
        self.assertIsNone(ana.cursor)
        self.assertEqual(self.room.head, {(TEXT, True): {ana: None}})

    def test_a_short_send_makes_a_cursor_after_the_event_that_was_cut(self) -> None:
        # So many bytes are taken: then the cursor stands there, and these lines are out.
        line = len("<bo> näh\r\n".encode())
        for window, position, lines in (
            (0, 10, 0),
            (1, 11, 1),
            (line - 1, 11, 1),
            (line, 11, 1),
            (line + 6, 12, 2),
            (2 * line, 12, 2),
            (3 * line - 1, 13, 3),
        ):
            ana = self.member(window=window)
            self.deliver(said("näh", "böh", "lüh"))
            assert ana.cursor is not None
            self.assertEqual(ana.cursor.position, position, f"{window} bytes")
            self.assertEqual(self.lines(ana), ["<bo> näh", "<bo> böh", "<bo> lüh"][:lines])

    def test_a_short_send_to_a_speaker_is_counted_without_its_own_lines(self) -> None:
        ana = self.member(window=len(b"<bo> one\r\n") + 1)
        theirs, own = said("one", "three", "four", first=12), said("two", origin=ana.origin)
        self.deliver([*own, *theirs])
        assert ana.cursor is not None
        self.assertEqual(ana.cursor.position, 13)
        self.assertEqual(self.lines(ana), ["<bo> one", "<bo> three"])

    def test_who_takes_nothing_is_behind_all_of_the_tick(self) -> None:
        ana = self.member(window=0)
        own, theirs = said("one", origin=ana.origin), said("two", first=12)
        self.deliver([*own, *theirs])
        assert ana.cursor is not None
        self.assertEqual(ana.cursor.position, 10)

    def test_a_short_send_takes_the_member_out_of_the_head_groups_of_all_rooms(self) -> None:
        ana, bo = self.member(window=3), self.member()
        other = Room("ops")
        membership = Membership(ana, other)
        membership.since = 1
        ana.memberships.append(membership)
        membership.attach()
        self.deliver(said("one"))
        self.assertEqual(self.room.head, {(TEXT, True): {bo: None}})
        self.assertEqual(other.head, {})

    def test_a_room_with_nobody_at_the_head_takes_no_send(self) -> None:
        self.assertEqual(self.deliver(said("one")), 0)


class ReceiptTests(RoomTestCase):
    """A program gets receipts in the place of its own lines."""

    def got(self, member: Member) -> list[str]:
        """What was received: an event by its text, a receipt by its number."""
        messages = [json.loads(line) for line in self.lines(member)]
        return [m["text"] if m["type"] == "said" else f"ok {m['id']}" for m in messages]

    def test_receipts_stand_in_the_place_of_ones_own_lines(self) -> None:
        bot, other = self.member(JSON), self.member(JSON)
        events = [
            *said("one", first=11),
            *said("mine", "mine too", first=12, origin=bot.origin),
            *said("two", first=14),
            *said("mine again", first=15, origin=bot.origin),
        ]
        self.deliver(events)
        self.assertEqual(self.got(bot), ["one", "ok 12", "ok 13", "two", "ok 15"])
        self.assertEqual(self.got(other), [event.text for event in events])

    def test_also_between_lines_of_who_is_hidden(self) -> None:
        bot = self.member(JSON)
        bot.hidden = {77: "x"}
        self.deliver(
            [
                *said("hidden", first=11, origin=77),
                *said("mine", first=12, origin=bot.origin),
                *said("hidden", first=13, origin=77),
                *said("one", first=14),
                *said("hidden", first=15, origin=77),
            ]
        )
        self.assertEqual(self.got(bot), ["ok 12", "one"])

    def test_wherever_a_send_is_cut_the_place_of_each_is_known(self) -> None:
        for hides in (False, True):
            size, cut = 1, 0
            while cut < size:
                bot = self.member(JSON, window=cut)
                bot.hidden = {77: "x"} if hides else {}
                events = [
                    *said("mine", first=11, origin=bot.origin),
                    *said("theirs", first=12, origin=77),
                    *said("one", first=13),
                    *said("mine", first=14, origin=bot.origin),
                    *said("theirs", first=15, origin=77),
                    *said("mine", "mine", first=16, origin=bot.origin),
                ]
                shown = [event for event in events if event.origin not in bot.hidden]
                parts = [
                    JSON.own(e) if e.origin == bot.origin else JSON.event(e, True) for e in shown
                ]
                size = sum(map(len, parts))
                self.deliver(events)
                assert bot.cursor is not None
                told = [e for e in shown if e.id <= bot.cursor.position]
                # The line that was cut is whole, and nothing behind it was sent.
                self.assertEqual(
                    b"".join(parts[: len(told)]), bytes(self.outlet(bot).received), cut
                )
                bot.detach()
                cut += 1

    def outlet(self, member: Member) -> BlobOutlet:
        assert isinstance(member.outlet, BlobOutlet)
        return member.outlet


class MembershipTests(unittest.TestCase):
    def setUp(self) -> None:
        self.room = Room("dev")
        self.member = Member("ana", RecordingOutlet(), TEXT)
        self.membership = Membership(self.member, self.room)

    def test_it_covers_what_happens_between_joining_and_leaving(self) -> None:
        self.membership.since, self.membership.until = 12, 15
        covered = [e.id for e in said(*"abcdefg", first=10) if self.membership.covers(e)]
        self.assertEqual(covered, [13, 14])

    def test_it_covers_all_since_the_joining_until_there_is_a_leaving(self) -> None:
        self.membership.since = 12
        covered = [e.id for e in said(*"abcdefg", first=10) if self.membership.covers(e)]
        self.assertEqual(covered, [13, 14, 15, 16])

    def test_it_covers_nothing_before_the_joining_is_stored(self) -> None:
        self.assertFalse(self.membership.covers(said("a")[0]))

    def test_it_covers_nothing_of_another_room(self) -> None:
        self.membership.since = 1
        self.assertFalse(self.membership.covers(said("a")[0]._replace(room="ops")))

    def test_nobody_is_at_the_head_before_the_joining_is_stored(self) -> None:
        self.membership.attach()
        self.assertEqual(self.room.head, {})

    def test_the_last_to_leave_a_head_group_removes_it(self) -> None:
        other = Member("bo", RecordingOutlet(), TEXT)
        others = Membership(other, self.room)
        self.membership.since = others.since = 1
        self.membership.attach()
        others.attach()
        self.membership.detach()
        self.assertEqual(self.room.head, {(TEXT, False): {other: None}})
        self.membership.detach()
        self.assertEqual(self.room.head, {(TEXT, False): {other: None}})
        others.detach()
        self.assertEqual(self.room.head, {})
        others.detach()
        self.assertEqual(self.room.head, {})

    def test_who_left_and_comes_back_is_still_where_it_was(self) -> None:
        self.membership.since = 1
        self.member.memberships = [self.membership, Membership(self.member, self.room)]
        self.member.turn_to(self.member.memberships[1])
        self.assertEqual(self.room.head, {(TEXT, True): {self.member: None}})


class AddressedTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        (self.ana, self.bo) = self.house.gather("ana", "bo")
        (self.bot, self.cat) = self.gather("bot", "cat")
        self.bot.read()

    def deliver(self, room: str, *events: tuple[str, str, int]) -> int:
        """Deliver events: what kind, what text, of whom."""
        first = self.house.chat.past.head + 1
        return deliver_addressed(
            self.house.chat.sessions,
            room,
            [
                Event(id, START, room, kind, "author", text, origin, id)
                for id, (kind, text, origin) in enumerate(events, first)
            ],
            self.house.chat.step_back,
        )

    def test_what_is_for_everybody_is_shown_to_all_in_their_views(self) -> None:
        for person in (self.ana, self.bo):
            person.read()
        self.assertEqual(self.deliver(HOUSE, (ANNOUNCED, "cake", 7)), 4)
        for person in (self.ana, self.bo):
            self.assertEqual(person.read(), ["-- author announces: cake"])
        for program in (self.bot, self.cat):
            self.assertEqual(brief(program.read()), ["author announced cake"])

    def test_what_is_for_one_is_shown_to_that_one_and_its_receipt_to_the_author(self) -> None:
        assert self.bot.member is not None and self.cat.member is not None
        self.ana.read()
        origin = self.bot.member.origin
        room = inbox(self.ana.member.origin)
        events = ((PRIVATE, "one", origin), (PRIVATE, "two", self.cat.member.origin))
        self.assertEqual(self.deliver(room, *events), 3)
        self.assertEqual(self.ana.read(), ["[author -> you] one", "[author -> you] two"])
        self.assertEqual([m["type"] for m in self.bot.read()], ["ok"])
        self.assertEqual([m["type"] for m in self.cat.read()], ["ok"])
        self.assertEqual(self.bo.read()[-1:], ["-- cat joined"])

    def test_a_person_who_wrote_is_told_nothing_here(self) -> None:
        self.ana.read()
        assert self.bot.member is not None
        sends = self.deliver(inbox(self.bot.member.origin), (PRIVATE, "x", self.ana.member.origin))
        self.assertEqual(sends, 1)
        self.assertEqual(brief(self.bot.read()), ["author private x"])
        self.assertEqual(self.ana.read(), [])

    def test_who_is_behind_or_lost_or_gone_gets_nothing_here(self) -> None:
        assert self.bot.member is not None and self.cat.member is not None
        self.bot.lose()
        self.house.chat.step_back(self.cat.member, self.house.chat.past.head)
        for member in (self.bot.member, self.cat.member):
            self.assertEqual(self.deliver(inbox(member.origin), (PRIVATE, "x", 7)), 0)
        self.assertEqual(self.deliver(inbox(12345), (PRIVATE, "x", 7)), 0)

    def test_an_answer_goes_to_who_wrote_last_but_not_to_who_is_ignored(self) -> None:
        self.ana.tries("/ignore cat")
        self.bot.ask("private", to="ana", text="one", seq=1)
        self.cat.ask("private", to="ana", text="two", seq=1)
        self.house.tick()
        self.assertEqual(self.ana.read()[-1:], ["[bot -> you] one"])
        assert self.bot.member is not None
        self.assertEqual(self.ana.member.correspondent, self.bot.member.origin)
        self.assertIn("ok private 1", brief(self.cat.read()))
