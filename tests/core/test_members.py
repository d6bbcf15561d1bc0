from __future__ import annotations

from twisted.trial import unittest

from chatservice.core.members import Cursor, Member, Membership, Room
from chatservice.doors.text.view import TEXT, TextView
from chatservice.journal.events import HOUSE, SAID, Event, inbox
from tests.core.support import START, RecordingOutlet


def said(room: str, id: int, origin: int = 0) -> Event:
    return Event(id, START, room, SAID, "bo", "hi", origin, id)


class MemberTests(unittest.TestCase):
    def setUp(self) -> None:
        self.outlet = RecordingOutlet()
        self.member = Member("ana", self.outlet, TEXT)

    def put_in(self, room: str, since: int | None = 1) -> Membership:
        membership = Membership(self.member, Room(room))
        membership.since = since
        self.member.memberships.append(membership)
        return membership

    def test_sessions_are_told_apart_by_their_origin(self) -> None:
        origins = {Member("ana", self.outlet, TEXT).origin for _ in range(100)}
        self.assertEqual(len(origins), 100)
        self.assertTrue(all(0 <= origin < 2**63 for origin in origins))

    def test_it_is_told_things_as_its_view_shows_them(self) -> None:
        self.member.tell("one", "two")
        self.assertEqual(self.outlet.received, b"-- one\r\n-- two\r\n")

    def test_its_rooms_are_those_it_does_not_leave_in_the_order_of_joining(self) -> None:
        lobby, dev, ops = self.put_in("lobby"), self.put_in("dev"), self.put_in("ops", since=None)
        dev.leaving = True
        self.assertEqual(self.member.rooms(), [lobby, ops])
        self.assertIs(self.member.membership("ops"), ops)
        self.assertIsNone(self.member.membership("dev"))

    def test_who_comes_back_has_a_new_membership(self) -> None:
        old, new = self.put_in("dev"), self.put_in("dev", since=None)
        old.leaving = True
        self.assertIs(self.member.membership("dev"), new)

    def test_it_sees_what_happens_in_its_rooms_but_for_its_own(self) -> None:
        self.put_in("lobby")
        self.put_in("dev", since=20).until = 30
        self.assertTrue(self.member.sees(said("lobby", 5)))
        self.assertTrue(self.member.sees(said("dev", 25)))
        self.assertFalse(self.member.sees(said("dev", 30)))
        self.assertFalse(self.member.sees(said("ops", 25)))
        self.assertFalse(self.member.sees(said("lobby", 5, self.member.origin)))

    def test_it_sees_what_is_for_everybody_and_what_is_for_it_alone(self) -> None:
        self.assertTrue(self.member.sees(said(HOUSE, 5)))
        self.assertTrue(self.member.sees(said(inbox(self.member.origin), 5)))
        for origin in (0, self.member.origin + 1, self.member.origin >> 4):
            self.assertFalse(self.member.sees(said(inbox(origin), 5)))
        self.assertFalse(self.member.sees(said(HOUSE, 5, self.member.origin)))

    def test_it_sees_nothing_of_who_is_hidden(self) -> None:
        self.put_in("lobby")
        self.member.hidden = {7: "x"}
        for room in ("lobby", inbox(self.member.origin)):
            self.assertFalse(self.member.sees(said(room, 5, 7)))
            self.assertTrue(self.member.sees(said(room, 5, 8)))

    def test_it_may_see_things_in_another_way(self) -> None:
        lobby, dev = self.put_in("lobby"), self.put_in("dev")
        self.member.turn_to(lobby)
        view = TextView(moves=False)
        self.member.turn_to(lobby, view)
        self.assertEqual(lobby.room.head, {(view, True): {self.member: None}})
        self.assertEqual(dev.room.head, {(view, False): {self.member: None}})
        self.member.turn_to(dev)
        self.assertIs(self.member.view, view)

    def test_behind_the_head_too(self) -> None:
        lobby = self.put_in("lobby")
        self.member.cursor = cursor = Cursor(self.member, 5)
        self.member.turn_to(lobby, TextView(moves=False))
        self.assertEqual(self.member.view, TextView(moves=False))
        self.assertIs(self.member.cursor, cursor)
        self.assertEqual(lobby.room.head, {})

    def test_it_is_as_it_came(self) -> None:
        member = Member("ana", self.outlet, TEXT, operator=True, now=START, active=7.0)
        self.assertTrue(member.operator)
        self.assertFalse(self.member.operator)
        self.assertEqual((member.since, member.active), (START, 7.0))
        self.assertIsNone(member.away)

    def test_here_is_the_current_room(self) -> None:
        self.assertFalse(self.member.here(said("lobby", 5)))
        self.put_in("dev")
        self.member.turn_to(self.put_in("lobby"))
        self.assertTrue(self.member.here(said("lobby", 5)))
        self.assertFalse(self.member.here(said("dev", 5)))

    def test_at_the_head_it_is_in_the_group_of_each_room_and_has_no_cursor(self) -> None:
        lobby, dev = self.put_in("lobby"), self.put_in("dev")
        self.member.current = dev
        self.member.cursor = Cursor(self.member, 5)
        self.member.attach()
        self.assertIsNone(self.member.cursor)
        self.assertEqual(lobby.room.head, {(TEXT, False): {self.member: None}})
        self.assertEqual(dev.room.head, {(TEXT, True): {self.member: None}})
        self.member.detach()
        self.assertEqual((lobby.room.head, dev.room.head), ({}, {}))

    def test_at_the_head_it_forgets_the_rooms_that_it_left(self) -> None:
        lobby, dev, ops = self.put_in("lobby"), self.put_in("dev"), self.put_in("ops")
        dev.until, ops.leaving = 9, True
        self.member.attach()
        self.assertEqual(self.member.memberships, [lobby, ops])
        self.assertEqual(dev.room.head, {})
        self.assertEqual(ops.room.head, {(TEXT, False): {self.member: None}})

    def test_turning_to_a_room_changes_the_groups(self) -> None:
        lobby, dev = self.put_in("lobby"), self.put_in("dev")
        self.member.turn_to(lobby)
        self.member.turn_to(dev)
        self.assertIs(self.member.current, dev)
        self.assertEqual(lobby.room.head, {(TEXT, False): {self.member: None}})
        self.assertEqual(dev.room.head, {(TEXT, True): {self.member: None}})
        self.member.turn_to(None)
        self.assertEqual(dev.room.head, {(TEXT, False): {self.member: None}})

    def test_turning_to_a_room_does_not_bring_it_to_the_head(self) -> None:
        lobby = self.put_in("lobby")
        self.member.cursor = cursor = Cursor(self.member, 5)
        self.member.turn_to(lobby)
        self.assertIs(self.member.current, lobby)
        self.assertIs(self.member.cursor, cursor)
        self.assertEqual(lobby.room.head, {})

    def test_who_lost_its_connection_is_never_at_the_head(self) -> None:
        lobby = self.put_in("lobby")
        self.member.lost = True
        self.member.turn_to(lobby)
        self.assertEqual(lobby.room.head, {})
