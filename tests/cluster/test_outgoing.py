from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from chatservice.cluster import entries, outgoing
from chatservice.cluster.entries import LEASE, NAME, Entry, Piece, decode
from chatservice.cluster.outgoing import Outgoing, Waiting
from chatservice.journal.events import SAID, Draft, Fact


def said(text: str, origin: int = 1, author: str = "ana") -> Draft:
    return Draft("lobby", SAID, author, text, origin, -1)


def fact(name: str) -> Fact:
    return Fact(NAME, name, "a")


class Published:
    """The part of a log that a node publishes to.

    :ivar entries: all that were published, each with whether it was before.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[Any, bool]] = []

    largest = 1 << 20

    def publish(self, data: bytes, again: bool) -> None:
        self.entries.append((decode(data), again))


class OutgoingTestCase(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.log = Published()
        self.outgoing = Outgoing(self.clock, self.log)
        self.outgoing.begin("north-1")
        self.results: dict[str, Sequence[bool]] = {}

    def start(self) -> None:
        """Let what is said at the beginning be back."""
        self.outgoing.publish()
        self.back()
        self.log.entries.clear()

    def back(self, *effective: bool) -> None:
        """What was published last is back."""
        self.outgoing.back(self.log.entries[-1][0].number, effective)

    def add(self, *texts: str) -> None:
        self.outgoing.add(Waiting([said(text) for text in texts], ()))

    def say(self, *names: str, first: bool = False) -> Deferred[Sequence[bool]]:
        return self.outgoing.say([fact(name) for name in names], first)

    @property
    def published(self) -> list[tuple[int, list[str]]]:
        """The number of each entry, and what is in it."""
        return [
            (entry.number, [d.text for d in entry.drafts] + [f.name for f in entry.facts])
            for entry, _ in self.log.entries
        ]


class OrderTests(OutgoingTestCase):
    def test_that_a_boot_is_there_is_said_before_all_else(self) -> None:
        self.add("a")
        self.outgoing.publish()
        ((entry, _),) = self.log.entries
        wanted = Entry(self.outgoing.boot, 1, [], [Fact(LEASE, self.outgoing.boot, "north-1")])
        self.assertEqual(entry, wanted)

    def test_each_boot_has_another_name(self) -> None:
        boots = set()
        for _ in range(20):
            self.outgoing.begin("north-1")
            boots.add(self.outgoing.boot)
        self.assertEqual(len(boots), 20)

    def test_one_is_on_its_way_and_the_others_wait(self) -> None:
        self.start()
        for text in ("a", "b", "c"):
            self.add(text)
        self.assertEqual(self.published, [(2, ["a"])])
        self.assertFalse(self.outgoing.publish())
        for _ in range(2):
            self.back()
        self.assertEqual(self.published, [(2, ["a"]), (3, ["b"]), (4, ["c"])])

    def test_it_is_told_which_was_published_before(self) -> None:
        self.start()
        self.add("a")
        self.outgoing.repeat()
        self.back()
        self.add("b")
        self.back()
        for _ in range(2):
            self.outgoing.repeat()
        told = [(entry.number, again) for entry, again in self.log.entries]
        self.assertEqual(told, [(2, False), (2, True), (3, False), (0, False), (0, False)])

    def test_what_comes_back_is_done(self) -> None:
        self.start()
        waiting = Waiting([said("a")], [fact("x")])
        done: Deferred[Sequence[bool]] = Deferred()
        waiting.done.append(done)
        self.outgoing.add(waiting)
        self.assertNoResult(done)
        self.back(True)
        self.assertEqual(self.successResultOf(done), (True,))
        self.assertIsNone(self.outgoing.since)

    def test_what_follows_is_published_before_it_is_told_of(self) -> None:
        self.start()
        done = self.say("x")
        self.add("a")
        told: list[list[tuple[int, list[str]]]] = []
        done.addCallback(lambda _: told.append(self.published))
        self.back(True)
        self.assertEqual(told, [[(2, ["x"]), (3, ["a"])]])

    def test_another_one_that_comes_back_does_not_count(self) -> None:
        self.outgoing.back(1, ())
        self.start()
        self.add("a")
        for number in (0, 1, 3):
            self.outgoing.back(number, ())
        self.assertIsNotNone(self.outgoing.since)
        self.outgoing.back(2, ())
        self.assertIsNone(self.outgoing.since)

    @given(st.lists(st.sampled_from(("add", "say", "back", "repeat", "begin")), max_size=60))
    def test_all_is_said_once_and_in_order(self, story: list[str]) -> None:
        self.setUp()
        read: list[str] = []
        numbers: dict[str, int] = {}
        count = 0

        def arrive() -> None:
            """As all nodes do, skip what was there before."""
            if not self.log.entries:
                return
            entry, _ = self.log.entries[-1]
            if entry.number > numbers.get(entry.boot, 0):
                numbers[entry.boot] = entry.number
                read.extend(d.text for d in entry.drafts)
                read.extend(f.name for f in entry.facts if f.kind == NAME)
            if entry.boot == self.outgoing.boot:
                self.outgoing.back(entry.number, [True] * len(entry.facts))

        for step in story:
            if step in ("add", "say"):
                getattr(self, step)(str(count))
                count += 1
            elif step == "back":
                arrive()
            elif step == "repeat" and self.outgoing.since is not None:
                self.outgoing.repeat()
            elif step == "begin" and self.outgoing.since is None:
                self.outgoing.begin("north-1")
        self.outgoing.publish()
        while self.outgoing.since is not None:
            arrive()
        self.assertEqual(read, [str(number) for number in range(count)])


class RepeatTests(OutgoingTestCase):
    def test_what_does_not_come_back_is_published_again_under_the_same_number(self) -> None:
        self.start()
        self.add("a")
        self.clock.advance(5)
        self.outgoing.repeat()
        self.assertEqual(self.log.entries[0][0], self.log.entries[1][0])
        self.assertEqual(self.outgoing.since, 0)

    def test_where_nothing_waits_a_beat_is_published(self) -> None:
        self.start()
        self.outgoing.repeat()
        self.assertEqual(self.log.entries, [(Entry(self.outgoing.boot, 0, [], []), False)])
        self.assertIsNone(self.outgoing.since)

    def test_it_is_known_since_when_something_is_on_its_way(self) -> None:
        self.assertIsNone(self.outgoing.since)
        self.clock.advance(2)
        self.outgoing.publish()
        self.clock.advance(2)
        self.assertEqual(self.outgoing.since, 2)


class SayingTests(OutgoingTestCase):
    def test_what_is_said_while_something_is_on_its_way_is_one_entry(self) -> None:
        self.start()
        for names in (["a"], ["b", "c"], ["d"]):
            self.say(*names)
        self.back(True)
        self.assertEqual(self.published, [(2, ["a"]), (3, ["b", "c", "d"])])

    def test_everybody_is_told_of_their_own(self) -> None:
        self.start()
        self.say("x")
        said = [self.say("a"), self.say("b", "c"), self.say("d")]
        self.back(True)
        self.back(True, False, True, False)
        results = [list(self.successResultOf(one)) for one in said]
        self.assertEqual(results, [[True], [False, True], [False]])

    def test_it_is_said_behind_what_waits_already(self) -> None:
        self.start()
        self.say("a")
        self.add("one")
        self.say("b")
        self.say("c")
        self.add("two")
        for _ in range(3):
            self.back(True, True)
        wanted = [(2, ["a"]), (3, ["one"]), (4, ["b", "c"]), (5, ["two"])]
        self.assertEqual(self.published, wanted)

    def test_what_is_too_much_for_one_entry_is_said_in_several(self) -> None:
        self.patch(outgoing, "MOST_FACTS", 3)
        self.start()
        self.say("x")
        for name in "abcdefg":
            self.say(name)
        for _ in range(3):
            self.back(*[True] * 3)
        self.assertEqual([names for _, names in self.published[1:]], [[*"abc"], [*"def"], ["g"]])


class PieceTests(OutgoingTestCase):
    """What is longer than what can be published at once."""

    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.log.largest = 120
        self.outgoing.mark = "mark"
        self.add("x" * 200)

    @property
    def places(self) -> list[int]:
        return [piece.place for piece, _ in self.log.entries]

    def test_each_has_its_place_and_tells_the_log(self) -> None:
        self.assertEqual(self.places, [0, 1, 2, 3])
        self.assertEqual({piece.mark for piece, _ in self.log.entries}, {"mark"})

    def test_those_that_came_back_are_not_published_again(self) -> None:
        self.clock.advance(5)
        self.assertTrue(self.outgoing.came(2, 1, 4))
        self.assertEqual(self.outgoing.since, 5)
        self.clock.advance(5)
        for number, place in ((2, 1), (1, 2)):
            self.assertFalse(self.outgoing.came(number, place, 4))
        self.assertEqual(self.outgoing.since, 5)
        self.log.entries.clear()
        self.outgoing.repeat()
        self.assertEqual(self.places, [0, 2, 3])

    def test_where_less_can_be_published_by_then_it_is_cut_anew(self) -> None:
        self.outgoing.came(2, 1, 4)
        self.log.entries.clear()
        self.log.largest = 100
        self.outgoing.repeat()
        self.assertEqual(self.places, list(range(len(self.places))))
        self.assertGreater(len(self.places), 4)

    def test_a_late_one_of_another_cutting_makes_all_of_them_begin_anew(self) -> None:
        """As it does in the registry of whoever reads it."""
        self.outgoing.came(2, 1, 4)
        self.assertFalse(self.outgoing.came(2, 2, 5))
        self.log.entries.clear()
        self.outgoing.repeat()
        self.assertEqual(self.places, [0, 1, 2, 3])

    def test_another_boot_publishes_all_of_them(self) -> None:
        self.outgoing.came(2, 1, 4)
        self.log.entries.clear()
        self.outgoing.begin("north-1")
        self.outgoing.publish()
        self.back()
        self.assertEqual(
            [p.place for p, _ in self.log.entries if isinstance(p, Piece)], [0, 1, 2, 3]
        )

    def test_what_waits_for_its_turn_is_no_beat(self) -> None:
        self.outgoing.begin("north-1")
        self.outgoing.reclaiming = True
        self.outgoing.publish()
        self.back()
        self.log.entries.clear()
        self.outgoing.repeat()
        self.assertEqual(self.published, [(0, [])])

    def test_what_can_not_be_published_holds_up_nothing(self) -> None:
        self.patch(entries, "EXPANDED_MOST", 250)
        refused: list[str] = []
        self.setUp_with(lambda waiting, why: refused.append(why))
        self.add("y" * 300)
        self.add("z")
        said = self.say("fact")
        self.back()
        self.assertEqual(self.published[-1], (4, ["fact"]))
        self.assertEqual(refused, ["it has more than 250 bytes"])
        self.assertNoResult(said)

    def setUp_with(self, refused: Callable[[Waiting, str], None]) -> None:
        self.log = Published()
        self.outgoing = Outgoing(self.clock, self.log, refused)
        self.outgoing.begin("north-1")
        self.start()

    def test_while_nothing_can_be_published_nothing_is(self) -> None:
        self.log.entries.clear()
        self.log.largest = 0
        self.outgoing.repeat()
        self.assertEqual(self.log.entries, [])


class NewBootTests(OutgoingTestCase):
    """A boot that was taken for dead is another one from then on."""

    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.add("on its way")
        self.add("waits")
        self.log.entries.clear()
        self.outgoing.begin("north-1")
        self.outgoing.reclaiming = True

    def test_what_waits_is_published_anew_behind_what_is_said_first(self) -> None:
        first = self.say("a", first=True)
        self.say("b", first=True)
        self.back(True, False)
        self.assertEqual(self.successResultOf(first), (False,))
        self.back(True)
        boot = self.outgoing.boot
        self.assertEqual(self.published, [(1, [boot, "a"]), (2, ["b"])])
        self.outgoing.reclaiming = False
        self.outgoing.publish()
        self.back()
        self.assertEqual(self.published[2:], [(3, ["on its way"]), (4, ["waits"])])
        self.assertEqual({entry.boot for entry, _ in self.log.entries}, {boot})

    def test_until_then_what_waits_is_held(self) -> None:
        self.outgoing.publish()
        self.back()
        self.log.entries.clear()
        self.say("c")
        self.add("more")
        self.assertFalse(self.outgoing.publish())
        self.assertEqual(self.published, [])
        self.say("d", first=True)
        self.assertEqual(self.published, [(2, ["d"])])

    def test_what_is_said_first_together_is_one_entry(self) -> None:
        self.outgoing.publish()
        for names in (["a"], ["b", "c"]):
            self.say(*names, first=True)
        self.back()
        self.assertEqual(self.published[1:], [(2, ["a", "b", "c"])])

    def test_what_the_old_one_published_counts_no_more(self) -> None:
        self.outgoing.publish()
        self.outgoing.back(2, ())
        self.back()
        self.outgoing.reclaiming = False
        self.outgoing.publish()
        self.assertEqual(self.published[1:], [(2, ["on its way"])])

    def test_what_was_said_first_is_of_no_use_to_the_next_one(self) -> None:
        dropped = self.say("a", first=True)
        self.outgoing.begin("north-1")
        self.log.entries.clear()
        said = self.say("b", first=True)
        self.assertEqual(self.published, [(1, [self.outgoing.boot, "b"])])
        self.back(True, False)
        self.assertEqual(self.successResultOf(said), (False,))
        self.assertEqual(len(self.published), 1)
        self.outgoing.reclaiming = False
        self.outgoing.publish()
        self.back()
        self.assertEqual(self.published[1:], [(2, ["on its way"]), (3, ["waits"])])
        self.assertNoResult(dropped)


class FirstTests(OutgoingTestCase):
    """What is to be said before all that waits."""

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def first(self, *texts: str) -> None:
        self.outgoing.add(Waiting([said(text) for text in texts], ()), first=True)

    def all_said(self) -> list[list[str]]:
        """Let all come back, and return it in its order."""
        read: list[list[str]] = []
        while self.outgoing.since is not None and len(read) < 20:
            read.append(self.published[-1][1])
            self.back(*[True] * 9)
        return read

    def test_what_is_said_first_is_behind_what_is_on_its_way(self) -> None:
        self.add("on its way")
        self.add("waits")
        self.say("a", first=True)
        self.first("b")
        self.assertEqual(self.all_said(), [["on its way"], ["a"], ["b"], ["waits"]])

    def test_events_are_behind_the_facts_that_were_said_before(self) -> None:
        self.outgoing.reclaiming = True
        self.add("waits")
        for texts in (["a"], ["b", "c"]):
            self.say(texts[0] + "!", first=True)
            self.first(*texts)
        wanted = [["a!"], ["a"], ["b!"], ["b", "c"]]
        self.assertEqual(self.all_said(), wanted)
        self.outgoing.reclaiming = False
        self.outgoing.publish()
        self.assertEqual(self.all_said(), [["waits"]])

    def test_what_is_said_first_when_nothing_waits_is_said_at_once(self) -> None:
        self.first("a")
        self.assertEqual(self.published, [(2, ["a"])])


class RewordTests(OutgoingTestCase):
    def test_what_somebody_said_and_waits_is_told_under_another_name(self) -> None:
        drafts = [said("a"), said("b", 2, "bob"), said("c")]
        self.outgoing.add(Waiting(drafts, ()))
        self.add("d")
        self.outgoing.reword(1, "ana2")
        self.outgoing.publish()
        for _ in range(2):
            self.back()
        authors = [[d.author for d in entry.drafts] for entry, _ in self.log.entries]
        self.assertEqual(authors, [[], ["ana2", "bob", "ana2"], ["ana2"]])
