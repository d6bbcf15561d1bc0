from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from chatservice.core.feed.batch import Batch
from chatservice.core.members import Member, Membership, Room
from chatservice.core.nicknames import Claims
from chatservice.core.sessions import Reading, Session
from chatservice.doors.text.view import TEXT
from chatservice.journal.events import JOINED, LEFT, RENAMED, SAID, Draft, Event
from chatservice.text import names
from tests.profiles import examples

HOUSE = 7
NAMES = ("ana", "Ana", "bob", "cleo")
PEOPLE = 3
ROOMS = ("x", "y")


class Nobody:
    """An outlet that leads nowhere."""

    blocked = False

    def send(self, data: bytes) -> int:
        return len(data)

    def write(self, data: bytes) -> None:
        pass

    def finish(self) -> None:
        pass


def member(name: str) -> Member:
    return Member(name, Nobody(), TEXT)


def membership(of: Member, room: str = "x") -> Membership:
    joined = Membership(of, Room(room))
    of.memberships.append(joined)
    return joined


def says(who: Member, room: str = "x") -> Draft:
    return Draft(room, SAID, who.name, "hi", who.origin, 1)


def lines(drafts: Iterable[Draft]) -> list[str]:
    return [f"#{d.room} {d.author} {d.kind} {d.text}".rstrip() for d in drafts]


class BatchTests(TestCase):
    def setUp(self) -> None:
        self.batch = Batch(HOUSE)
        self.ana, self.bob, self.cleo = map(member, ("ana", "bob", "cleo"))

    def take(self) -> Batch:
        """Close the batch, and begin the next."""
        taken = self.batch
        taken.close()
        self.batch = Batch(HOUSE, taken.seq)
        return taken

    def test_all_who_join_are_one_event_before_what_is_said(self) -> None:
        self.batch.add(says(self.ana))
        for who in (self.ana, self.bob, self.cleo):
            self.batch.join(membership(who))
        taken = self.take()
        drafts, presences = taken.drafts, taken.presences
        self.assertEqual(lines(drafts), ["#x ana bob cleo joined", "#x ana said hi"])
        self.assertEqual((drafts[0].origin, list(presences)), (HOUSE, [drafts[0].seq]))

    def test_a_session_is_noted_once_however_often_it_changes(self) -> None:
        session = Session("digest", 1, "bot", 0)
        for _ in range(3):
            self.batch.note(session)
        self.assertEqual(self.batch.count, 1)
        taken = self.take()
        self.assertEqual(taken.facts([]), [session.fact(Reading())])

    def test_a_session_that_was_forgotten_meanwhile_is_not_stored(self) -> None:
        session = Session("digest", 1, "bot", 0)
        self.batch.note(session)
        session.dropped = True
        self.assertEqual(self.take().facts([]), [])

    def test_all_who_leave_are_one_event_behind_what_is_said(self) -> None:
        for who in (self.ana, self.bob):
            self.batch.leave(membership(who))
        self.batch.add(says(self.cleo))
        self.assertEqual(lines(self.take().drafts), ["#x cleo said hi", "#x ana bob left"])

    def test_who_comes_and_goes_at_once_does_both(self) -> None:
        ana = membership(self.ana)
        self.batch.join(ana)
        self.batch.leave(ana)
        self.batch.join(membership(self.bob))
        taken = self.take()
        drafts, presences = taken.drafts, taken.presences
        self.assertEqual(lines(drafts), ["#x ana bob joined", "#x ana left"])
        self.assertEqual(presences[drafts[1].seq].memberships, [ana])

    def test_parting_words_are_an_event_of_their_own(self) -> None:
        self.batch.leave(membership(self.ana))
        self.batch.leave(membership(self.bob), "see you")
        self.batch.leave(membership(self.cleo))
        left = ["#x ana left", "#x bob left see you", "#x cleo left"]
        self.assertEqual(lines(self.take().drafts), left)

    def test_who_comes_back_is_shown_to_leave_first(self) -> None:
        self.batch.leave(membership(self.ana))
        self.batch.join(membership(self.ana))
        self.assertEqual(lines(self.take().drafts), ["#x ana left", "#x ana joined"])

    def test_who_comes_back_under_another_name_is_shown_to_leave_first(self) -> None:
        self.batch.leave(membership(self.ana))
        self.ana.name = "zoe"
        self.batch.join(membership(self.ana))
        self.assertEqual(lines(self.take().drafts), ["#x ana left", "#x zoe joined"])

    def test_who_takes_over_a_name_comes_behind_who_had_it(self) -> None:
        self.batch.leave(membership(self.ana))
        self.batch.join(membership(member("Ana")))
        self.assertEqual(lines(self.take().drafts), ["#x ana left", "#x Ana joined"])

    def test_a_new_name_is_new_from_its_change_on(self) -> None:
        self.batch.add(says(self.ana))
        self.batch.rename(Draft("x", RENAMED, "ana", "zoe", self.ana.origin, 2))
        self.ana.name = "zoe"
        self.batch.add(says(self.ana))
        self.batch.join(membership(member("ana")))
        expected = ["#x ana said hi", "#x ana renamed zoe", "#x ana joined", "#x zoe said hi"]
        self.assertEqual(lines(self.take().drafts), expected)

    def test_who_changes_to_a_name_comes_behind_who_had_it(self) -> None:
        self.batch.leave(membership(self.ana))
        self.batch.rename(Draft("x", RENAMED, "bob", "ana", self.bob.origin, 1))
        self.assertEqual(lines(self.take().drafts), ["#x ana left", "#x bob renamed ana"])

    def test_what_somebody_said_can_be_told_under_another_name(self) -> None:
        for room in ROOMS:
            for who in (self.ana, self.bob):
                self.batch.add(says(who, room))
        self.batch.join(membership(self.ana))
        self.batch.reword(self.ana.origin, "ana2")
        wanted = ["#x ana joined", "#x ana2 said hi", "#x bob said hi"]
        wanted += ["#y ana2 said hi", "#y bob said hi"]
        self.assertEqual(lines(self.take().drafts), wanted)

    def test_who_is_not_shown_in_what_became_of_it_is_told_apart(self) -> None:
        for who in ("ana", "bob", "cleo"):
            self.batch.join(membership(member(who)))
        taken = self.take()
        ((draft,), (presence,)) = taken.drafts, taken.presences.values()
        self.assertEqual(presence.split(Event(1, 0, *draft)), (presence, None))
        there, missing = presence.split(Event(1, 0, *draft._replace(author="ana cleo")))
        assert missing is not None
        self.assertEqual([m.member.name for m in there.memberships], ["ana", "cleo"])
        self.assertEqual([m.member.name for m in missing.memberships], ["bob"])
        self.assertEqual((missing.kind, missing.room), (JOINED, "x"))

    def test_each_room_is_in_one_piece(self) -> None:
        for room in ("y", "x", "y", "x"):
            self.batch.add(says(self.ana, room))
        self.assertEqual([d.room for d in self.take().drafts], ["y", "y", "x", "x"])

    def test_it_counts_what_waits_and_its_characters(self) -> None:
        self.batch.add(says(self.ana))
        self.batch.join(membership(self.ana))
        self.batch.rename(Draft("x", RENAMED, "ana", "zoe", self.ana.origin, 2))
        self.batch.leave(membership(self.bob), "see you")
        self.assertEqual((self.batch.count, self.batch.size), (4, 12))

    def test_each_coming_and_going_has_its_own_identity(self) -> None:
        numbers: set[int] = set()
        for _ in range(3):
            for room in ROOMS:
                self.batch.join(membership(self.ana, room))
                self.batch.leave(membership(self.bob, room))
            numbers.update(self.take().presences)
        self.assertEqual(len(numbers), 12)


class House:
    """People who come, go, speak and change names, as the chat lets them; what the batches say of
    it is checked as somebody would read it.
    """

    def __init__(self, case: TestCase) -> None:
        self.case = case
        self.batch = Batch(HOUSE)
        self.claims = Claims()
        self.rooms = {name: Room(name) for name in ROOMS}
        self.people: dict[int, Member] = {}
        self.shown: dict[str, dict[str, str]] = {room: {} for room in ROOMS}
        """Of each room who is in it, as its lines tell: names by key."""
        self.ticks: deque[list[str]] = deque(maxlen=3)

    def _claim(self, name: str, who: Member) -> bool:
        granted: list[bool] = []
        self.claims.claim(name, who).addCallbacks(
            lambda _: granted.append(True), lambda _: granted.append(False)
        )
        return granted[0]

    def do(self, number: int, what: str, room: str, name: str) -> None:
        who = self.people.get(number)
        if who is None:
            who = member(name)
            if not self._claim(name, who):
                return
            self.people[number] = who
        present = who.membership(room)
        if what == "tick":
            self.tick()
        elif what == "rename":
            self.rename(who, name)
        elif what == "quit" or what == "quit with words":
            del self.people[number]
            self.claims.release(who.name)
            for leaving in who.rooms():
                leaving.leaving = True
                self.batch.leave(leaving, "words" if what == "quit with words" else "")
        elif present is None:
            present = Membership(who, self.rooms[room])
            who.memberships.append(present)
            self.batch.join(present)
        elif what == "leave":
            present.leaving = True
            self.batch.leave(present)
        else:
            self.batch.add(says(who, room))

    def rename(self, who: Member, name: str) -> None:
        if name != who.name and self._claim(name, who):
            old, who.name = who.name, name
            if names.key(old) != names.key(name):
                self.claims.release(old)
            for present in who.rooms():
                draft = Draft(present.room.name, RENAMED, old, name, who.origin, 1)
                self.batch.rename(draft)

    def take(self) -> Batch:
        """Close the batch, and begin the next."""
        taken = self.batch
        taken.close()
        self.batch = Batch(HOUSE, taken.seq)
        return taken

    def tick(self) -> None:
        taken = self.take()
        drafts, presences = taken.drafts, taken.presences
        self.ticks.append(lines(drafts))
        for draft in drafts:
            self.read(draft)
            if draft.origin == HOUSE:
                presence = presences.pop(draft.seq)
                self.case.assertEqual(presence.kind, draft.kind)
                self.move(presence.kind, presence.memberships)
        self.case.assertEqual(presences, {})
        for name, room in self.rooms.items():
            here = {who for who in self.people.values() if who.membership(name)}
            self.case.assertEqual(set(room.members), here, self.ticks)
            shown = {names.key(who.name): who.name for who in here}
            self.case.assertEqual(self.shown[name], shown, self.ticks)

    def read(self, draft: Draft) -> None:
        shown = self.shown[draft.room]
        for name in draft.author.split(" "):
            key = names.key(name)
            if draft.kind == JOINED:
                self.case.assertNotIn(key, shown, self.ticks)
                shown[key] = name
            else:
                self.case.assertEqual(shown.get(key), name, self.ticks)
            if draft.kind in (LEFT, RENAMED):
                del shown[key]
        if draft.kind == RENAMED:
            self.case.assertNotIn(names.key(draft.text), shown, self.ticks)
            shown[names.key(draft.text)] = draft.text

    def move(self, kind: str, memberships: list[Membership]) -> None:
        for present in memberships:
            if kind == JOINED:
                present.room.members[present.member] = None
            else:
                del present.room.members[present.member]


class StoryTests(TestCase):
    @given(
        st.lists(
            st.tuples(
                st.integers(1, PEOPLE),
                st.sampled_from(
                    ("say", "leave", "rename", "say", "leave", "quit", "quit with words", "tick")
                ),
                st.sampled_from(ROOMS),
                st.sampled_from(NAMES),
            ),
            max_size=50,
        )
    )
    @settings(max_examples=examples(300))
    def test_whoever_speaks_is_in_the_room_by_that_name(
        self, story: list[tuple[int, str, str, str]]
    ) -> None:
        house = House(self)
        for event in story:
            house.do(*event)
        house.tick()
