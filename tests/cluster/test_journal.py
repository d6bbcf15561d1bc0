from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from chatservice.cluster import entries, journal, outgoing
from chatservice.cluster.entries import (
    ADOPT,
    BYE,
    LEASE,
    NAME,
    PERSON,
    SEND_AWAY,
    VERSION,
    VERSIONED,
    Entry,
    Piece,
    decode,
    encode,
    event_id,
    mark_of,
)
from chatservice.cluster.journal import (
    LARGEST,
    LOOK_EVERY,
    PATIENCE,
    ClusterJournal,
)
from chatservice.cluster.leases import AT_ONCE
from chatservice.cluster.log import Follower, Founding, LogError, Opening
from chatservice.journal.events import (
    FILE,
    JOINED,
    SAID,
    Committed,
    Draft,
    Event,
    Fact,
    Facts,
    JournalError,
    JournalUnavailable,
    Stretch,
    no_facts,
)
from chatservice.journal.sqlite import SqliteJournal
from tests.journal.support import JournalTestCase

LEASE_SECONDS = 9.0
BEAT = 3.0
KEEP_EVERY = 60.0
CHAT = "the chat"
BASE = 1000


def said(text: str, origin: int = 1, seq: int = -1, author: str = "ana") -> Draft:
    return Draft("lobby", SAID, author, text, origin, seq)


def texts_of(committed: Committed) -> list[str]:
    return [event.text for event in committed.events]


def topic(value: str) -> Fact:
    return Fact("topic", "lobby", value)


NEW = Fact(VERSIONED, "", str(VERSION))


class Log:
    """A log in memory, whose entries come when the test lets them.

    :ivar published: what was published and is not in the log yet, each with whether it was before;
        :ivar sent: the same as bytes.
    :ivar entries: the bytes of the entries, at the positions from 1 on.
    :ivar followed: after which positions it was to be followed anew.
    :ivar kept: what was to be kept.
    """

    def __init__(self) -> None:
        self.largest = 0
        self.sent: list[bytes] = []
        self.published: list[tuple[Entry | Piece, bool]] = []
        self.entries: list[bytes] = []
        self.followed: list[int] = []
        self.kept: list[Sequence[Fact]] = []
        self.state: Sequence[Fact] | None = [NEW]
        self.identity = CHAT
        self.fails: str | None = None
        self.closed = False
        self.read = 0

    def open(self, follower: Follower) -> None:
        if self.fails is not None:
            raise LogError(self.fails)
        self.follower = follower

    def find(self) -> None:
        """Let the brokers be there for the first time."""
        opening = Opening(self.identity, BASE, 1, len(self.entries), self.state)
        self.read = self.follower.opened(opening)
        self.largest = 1 << 20
        self.follower.connected()

    def publish(self, data: bytes, again: bool) -> None:
        self.published.append((decode(data), again))
        self.sent.append(data)

    def append(self, entry: Entry) -> None:
        self.entries.append(encode(entry))

    def take(self) -> list[Entry]:
        """Let what was published be in the log; return it."""
        entries = [entry for entry, _ in self.published]
        self.entries += self.sent[len(self.sent) - len(entries) :]
        self.published.clear()
        self.sent.clear()
        return entries

    def deliver(self) -> None:
        """Let what is in the log be read."""
        while self.read < len(self.entries):
            self.read += 1
            self.follower.took(self.read, self.read * 1000, self.entries[self.read - 1])

    def follow(self) -> None:
        self.followed.append(self.read)

    def keep(self, state: Sequence[Fact]) -> None:
        self.kept.append(state)

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


class ClusterJournalTestCase(JournalTestCase):
    """A node's journal.

    :ivar heard: what its listener was told, but of what happened.
    :ivar others: the texts of that.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.log = Log()
        self.heard: list[object] = []
        self.others: list[str] = []
        self.file = SqliteJournal(self.path, lambda: self.now, self.thread)
        self.node = ClusterJournal(self.clock, self.file, self.log, LEASE_SECONDS)
        self.node.listener = self
        self.node.start()
        self.running = True
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Stop, if that did not happen yet."""
        if self.running:
            self.running = False
            self.node.unreachable = "the test is over"
            self.thread.release()
            self.successResultOf(self.node.stop())

    def commits(self, drafts: Sequence[Draft], facts: Facts = no_facts) -> Deferred[Committed]:
        """Commit something, and be told of what comes back."""

        def back(committed: Committed) -> Committed:
            self._committed(committed)
            return committed

        return self.node.commit(drafts, facts).addCallback(back)

    # What a listener is told.

    def happened(self, committed: Committed) -> None:
        self.others += [event.text for event in committed.events]
        self._committed(committed)

    def begun(self, floor: int) -> None:
        self.heard.append(("begun", floor))

    def reached(self, why: str) -> None:
        self.heard.append(("reached", why))

    def ended(self, why: str) -> None:
        self.heard.append(("ended", why))

    def unpublished(self, drafts: Sequence[Draft], why: str) -> None:
        self.heard.append(("unpublished", [draft.text for draft in drafts]))

    def deposed(self) -> None:
        self.heard.append("deposed")

    def asked(self, fact: Fact) -> None:
        self.heard.append(("asked", fact))

    # What happens.

    def connect(self) -> None:
        """Let the node follow the log, and be within reach."""
        self.node.follow()
        self.log.find()
        self.turn()
        self.heard.clear()

    def turn(self, *others: Entry) -> list[Entry]:
        """Let what was published, and what others say, be in the log, and be read and stored."""
        entries = self.log.take()
        for entry in others:
            self.log.append(entry)
        self.log.deliver()
        self.clock.advance(0)
        return entries

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        steps = round(seconds / LOOK_EVERY)
        self.clock.pump([LOOK_EVERY] * steps)

    def lose(self, why: str = "lost") -> None:
        self.log.follower.disconnected(why)

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.told]

    @property
    def out(self) -> list[tuple[int, list[str]]]:
        """What is on its way: numbers, and what is in it."""
        return [
            (entry.number, [d.text for d in entry.drafts] + [f.name for f in entry.facts])
            for entry, _ in self.log.published
        ]


class StartTests(ClusterJournalTestCase):
    def test_before_the_log_is_found_it_is_out_of_reach(self) -> None:
        self.node.follow()
        self.assertEqual(self.node.unreachable, "the brokers were not reached yet")
        self.failureResultOf(self.commits([said("a")]), JournalUnavailable)
        self.advance(10)
        told = [("reached", "the brokers were not reached yet")]
        self.assertEqual((self.log.published, self.heard), ([], told))

    def test_when_it_is_found_it_is_told_where_it_begins(self) -> None:
        self.node.follow()
        self.log.find()
        self.assertEqual(self.heard[1:], [("begun", event_id(BASE, 1, 0) - 1)])
        self.assertEqual(self.node.identity, CHAT)

    def test_it_is_within_reach_when_the_first_that_it_published_is_back(self) -> None:
        self.node.follow()
        self.log.find()
        ((entry, _),) = self.log.published
        self.assertEqual(entry.facts, [Fact(LEASE, self.node.boot, self.node.following.node)])
        self.assertNotEqual(self.node.unreachable, "")
        self.turn()
        self.assertEqual((self.node.unreachable, self.heard[2:]), ("", [("reached", "")]))
        self.assertEqual(self.node.registry.leases[self.node.boot].node, self.node.following.node)

    def test_all_that_is_in_the_log_is_read_before_that(self) -> None:
        for number in (1, 2, 3):
            self.log.append(Entry("b1", number, [said(str(number))], []))
        self.node.follow()
        self.log.find()
        self.log.deliver()
        self.clock.advance(0)
        self.assertNotEqual(self.node.unreachable, "")
        self.turn()
        self.assertEqual((self.node.unreachable, self.texts), ("", ["1", "2", "3"]))

    def test_what_the_file_has_can_found_a_chat(self) -> None:
        self.successResultOf(self.file.commit([said("old")], lambda events: [topic("cake")]))
        self.node.follow()
        founding = self.log.follower.founding()
        self.assertEqual(founding, Founding(self.file.identity, 1, [topic("cake"), NEW]))

    def test_a_log_that_can_not_be_its_own_is_an_error(self) -> None:
        self.log.fails = "the brokers have no JetStream"
        with self.assertRaises(JournalError) as refusal:
            self.node.follow()
        self.running = False
        self.assertEqual(str(refusal.exception), "the brokers have no JetStream")
        self.assertEqual(self.open_files(), [])

    def test_so_is_one_in_which_a_newer_node_is_met_at_once(self) -> None:
        begin = self.log.open

        def begin_and_read(follower: Any) -> None:
            begin(follower)
            self.log.find()
            self.log.entries.append(b'[%d,"","b1",1,[],[]]' % (VERSION + 1))
            self.turn()

        self.patch(self.log, "open", begin_and_read)
        with self.assertRaises(JournalError) as refusal:
            self.node.follow()
        self.running = False
        self.assertTrue(str(refusal.exception).startswith("the log is of version"))

    def test_so_is_one_of_another_chat(self) -> None:
        self.successResultOf(self.file.commit([said("old")]))
        self.node.follow()
        self.assertRaises(LogError, self.log.find)

    def test_a_commit_is_limited(self) -> None:
        self.assertEqual(self.node.largest, LARGEST)


class ReadingTests(ClusterJournalTestCase):
    def test_what_is_read_comes_from_the_file(self) -> None:
        self.connect()
        self.turn(Entry("b1", 1, [said("a", 7, 1), said("b", 7, 2)], [topic("cake")]))
        node, events = self.node, self.told
        head = events[-1].id
        self.assertEqual(node.head, head)
        # There may have been entries before the first event: the log has been read from its start.
        self.assertLess(node.floor, events[0].id - 1)
        self.assertEqual(node.recent(1), events[1:])
        self.assertIn(topic("cake"), node.facts())
        self.assertEqual(node.last_seq(7), 2)
        self.assertGreater(node.size, 0)
        stretch = self.successResultOf(node.after(0, ["lobby"], head, talk=True))
        self.assertEqual(stretch, Stretch(events, head))
        self.assertEqual(self.successResultOf(node.locate("lobby", head, 1)).reached, head - 1)
        self.assertEqual(self.successResultOf(node.find(7, 1)), events[0])
        self.assertFalse(node.prune(0))


class CommitTests(ClusterJournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.connect()

    def test_what_is_committed_has_happened_when_it_is_back(self) -> None:
        committed = self.commits([said("a"), said("b")], lambda events: [topic("cake")])
        self.assertNoResult(committed)
        self.assertEqual(self.told, [])
        self.turn()
        self.successResultOf(committed)
        self.assertEqual(self.texts, ["a", "b"])
        self.assertIn(topic("cake"), self.node.facts())

    def test_facts_tell_the_ids_of_their_events_by_their_place(self) -> None:
        events: list[Event] = []

        def facts(of: Sequence[Event]) -> list[Fact]:
            events.extend(of)
            return []

        joins = [
            Draft("lobby", JOINED, name, "", 7, -number)
            for number, name in ((1, "ana"), (2, "bob"))
        ]
        self.commits([joins[0], said("a"), joins[1]], facts)
        self.assertEqual([(event.id, event.author) for event in events], [(-1, "ana"), (-3, "bob")])

    def test_its_place_is_behind_what_others_have_said(self) -> None:
        self.log.append(Entry("b1", 1, [said("first")], []))
        self.commits([said("second")])
        self.turn()
        self.assertEqual(self.texts, ["first", "second"])

    def test_one_commit_follows_the_other(self) -> None:
        for text in "abc":
            committed = self.commits([said(text)])
            self.turn()
            self.successResultOf(committed)
        self.assertEqual(self.texts, ["a", "b", "c"])

    def test_what_does_not_come_back_is_published_again_and_counts_once(self) -> None:
        committed = self.commits([said("a")])
        self.advance(PATIENCE + LOOK_EVERY)
        self.assertEqual(len({entry.number for entry, _ in self.log.published}), 1)
        first, *others = [again for _, again in self.log.published]
        self.assertEqual((first, set(others)), (False, {True}))
        self.assertNoResult(committed)
        self.turn()
        self.successResultOf(committed)
        self.assertEqual(self.texts, ["a"])

    def test_what_was_published_comes_back_when_the_log_is_within_reach_again(self) -> None:
        committed = self.cut_off()
        self.failureResultOf(self.node.commit([said("b")]), JournalUnavailable)
        self.log.follower.connected()
        self.turn()
        self.assertEqual(texts_of(self.successResultOf(committed)), ["a"])
        self.commits([said("b")])
        self.turn()
        self.assertEqual((self.texts, self.others), (["a", "b"], []))

    def test_what_comes_back_is_told_to_who_has_committed_it_and_to_nobody_else(self) -> None:
        committed = self.commits([said("mine")])
        self.log.append(Entry("b1", 1, [said("before")], []))
        self.log.take()
        self.turn(Entry("b1", 2, [said("behind")], [topic("cake")]))
        self.turn(Entry("b1", 3, [said("later")], []))
        stored = self.successResultOf(committed)
        # It is stored in one go, and shown so.
        self.assertEqual(texts_of(stored), ["before", "mine", "behind"])
        self.assertIn(topic("cake"), stored.facts)
        self.assertEqual(self.others, ["later"])

    def test_it_is_told_before_what_follows_an_entry(self) -> None:
        fact = Fact(SEND_AWAY, "a", '["kicked", "you were kicked", ""]')
        order: list[str] = []
        self.asked = lambda fact: order.append("asked")  # type: ignore[method-assign]
        self.commits([said("mine")]).addCallback(lambda _: order.append("shown"))
        self.log.append(Entry("b1", 1, [], [fact, Fact(PERSON, "a", "")]))
        self.turn()
        self.assertEqual(order, ["shown", "asked"])

    def cut_off(self) -> Deferred[Committed]:
        committed = self.commits([said("a")])
        self.lose()
        self.assertNoResult(committed)
        return committed

    def test_while_it_is_still_on_its_way_it_is_waited_for(self) -> None:
        """The brokers are back, but that entry is not."""
        self.log.append(Entry(self.node.boot, 0, [], []))
        committed = self.cut_off()
        self.log.follower.connected()
        self.log.deliver()
        self.clock.advance(0)
        self.assertEqual(self.node.unreachable, "")
        self.assertNoResult(committed)
        self.turn()
        self.successResultOf(committed)
        self.assertEqual(self.texts, ["a"])

    def test_what_is_said_beside_it_has_its_own_place(self) -> None:
        self.commits([said("a")])
        done = self.node.say([Fact(NAME, "ana", "a"), Fact(NAME, "ana", "b")])
        self.assertEqual(self.out, [(2, ["a"])])
        self.turn()
        self.turn()
        self.assertEqual(list(self.successResultOf(done)), [True, False])

    def test_what_waits_is_told_under_another_name(self) -> None:
        self.cut_off()
        self.node.outgoing.reword(1, "ana2")
        self.log.published.clear()
        self.log.follower.connected()
        self.turn()
        self.assertEqual([event.author for event in self.told], ["ana2"])

    def test_how_long_it_takes_to_show_sets_the_pace(self) -> None:
        self.turn(Entry("b1", 1, [said("a")], []))
        self.node.following.pace.spent(1000)
        self.turn(Entry("b1", 2, [said("b")], []))
        self.assertEqual(self.texts, ["a"])
        self.clock.advance(0.05)
        self.clock.advance(0.01)
        self.assertEqual(self.texts, ["a", "b"])


class ReachTests(ClusterJournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.connect()

    def test_a_lost_connection_is_told_once(self) -> None:
        for why in ("the cable", "the switch"):
            self.lose(why)
        self.assertEqual(self.heard, [("reached", "the cable")])
        self.assertEqual(self.node.unreachable, "the cable")
        self.failureResultOf(self.commits([said("a")]), JournalUnavailable)

    def test_while_it_is_lost_nothing_is_published(self) -> None:
        self.lose()
        self.advance(60)
        self.assertEqual(self.log.published, [])
        self.assertEqual(self.log.followed, [])

    def test_it_is_there_again_when_something_of_ones_own_is_back(self) -> None:
        self.lose()
        self.turn(Entry("b1", 1, [said("missed")], []))
        self.log.follower.connected()
        self.assertEqual(self.heard, [("reached", "lost")])
        self.turn()
        self.assertEqual(self.heard[1:], [("reached", "")])
        self.assertEqual(self.texts, ["missed"])

    def test_something_that_is_back_only_after_the_loss_is_none(self) -> None:
        self.commits([said("a")])
        self.lose()
        self.turn()
        self.assertEqual(self.node.unreachable, "lost")

    def test_brokers_that_do_not_answer_are_out_of_reach(self) -> None:
        self.commits([said("a")])
        self.advance(PATIENCE)
        self.assertEqual(self.node.unreachable, "")
        self.advance(LOOK_EVERY)
        self.assertEqual(self.heard, [("reached", "the brokers do not answer")])

    def test_so_they_are_if_it_is_a_beat_that_they_do_not_answer(self) -> None:
        self.advance(BEAT + PATIENCE + 2 * LOOK_EVERY)
        self.assertEqual(self.heard, [("reached", "the brokers do not answer")])
        self.turn()
        self.assertEqual(self.heard[1:], [("reached", "")])

    def test_where_nothing_is_heard_at_all_the_log_is_followed_anew(self) -> None:
        self.turn(Entry("b1", 1, [], []))
        self.commits([said("a")])
        self.advance(PATIENCE + LOOK_EVERY)
        self.assertEqual(self.log.followed, [len(self.log.entries)])
        self.advance(PATIENCE)
        self.assertEqual(len(self.log.followed), 1)
        self.advance(2 * LOOK_EVERY)
        self.assertEqual(len(self.log.followed), 2)

    def test_where_others_are_heard_it_is_only_published_anew(self) -> None:
        self.commits([said("a")])
        for number in range(1, 12):
            self.advance(LOOK_EVERY)
            self.log.append(Entry("b1", number, [], []))
            self.log.deliver()
        self.assertEqual(self.log.followed, [])
        self.assertEqual(self.out[0], (2, ["a"]))
        self.assertEqual(len(set(map(str, self.out))), 1)
        self.assertGreater(len(self.out), 1)


class ApartTests(ClusterJournalTestCase):
    """The log that there is can't be followed: the node takes no part."""

    def setUp(self) -> None:
        super().setUp()
        self.connect()

    def test_nothing_is_published_and_what_is_said_waits(self) -> None:
        waiting = self.commits([said("before")])
        self.log.published.clear()
        self.log.follower.refused(LogError("it is another one"))
        self.assertNoResult(waiting)
        self.assertEqual(self.node.apart, "it is another one")
        self.assertEqual(self.heard, [("reached", "it is another one")])
        committed = self.commits([said("before")])
        self.failureResultOf(committed, JournalUnavailable)
        self.advance(30)
        self.assertEqual(self.log.published, [])

    def test_it_is_told_once_for_each_cause(self) -> None:
        for why in ("it is gone", "it is gone", "it is another one", "it is another one"):
            self.log.follower.refused(LogError(why))
        self.assertEqual(self.heard, [("reached", "it is gone"), ("reached", "it is another one")])

    def test_so_it_is_where_the_connection_was_lost_before(self) -> None:
        self.lose()
        self.log.follower.refused(LogError("it is gone"))
        self.lose("lost again")
        self.assertEqual(self.heard, [("reached", "lost"), ("reached", "it is gone")])
        self.assertEqual(self.node.apart, "it is gone")

    def test_when_the_right_one_is_back_all_goes_on(self) -> None:
        waiting = self.commits([said("a")])
        self.log.published.clear()
        self.log.follower.refused(LogError("it is gone"))
        self.assertNoResult(waiting)
        self.log.find()
        self.turn()
        self.successResultOf(waiting)
        self.assertEqual((self.node.apart, self.node.unreachable), ("", ""))
        self.assertEqual(self.texts, ["a"])
        self.assertEqual(self.heard[-1], ("reached", ""))

    def test_one_that_is_found_again_is_looked_at_again(self) -> None:
        self.lose()
        self.log.identity = "another chat"
        self.assertRaises(LogError, self.log.find)
        self.log.identity = CHAT
        self.log.find()
        self.turn()
        self.assertEqual(self.node.unreachable, "")

    def test_what_a_newer_node_writes_is_the_end(self) -> None:
        self.log.entries.append(b'[%d,"","b1",1,[],[]]' % (VERSION + 1))
        self.log.append(Entry("b1", 2, [said("behind it")], []))
        self.turn()
        why = self.node.apart
        self.assertTrue(why.startswith(f"the log is of version {VERSION + 1}"), why)
        self.assertEqual(self.heard, [("reached", why), ("ended", why)])
        self.log.find()
        self.turn()
        self.advance(30)
        self.assertEqual((self.texts, self.log.published), ([], []))
        self.assertEqual((self.node.ended, self.node.apart), (True, why))

    def test_so_it_is_where_the_file_knows_it_already(self) -> None:
        self.stop()
        with closing(sqlite3.connect(self.path)) as file, file:
            file.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, '', ?)", (VERSIONED, str(VERSION + 1))
            )
        node = ClusterJournal(self.clock, self.journal(), self.log, LEASE_SECONDS)
        with self.assertRaises(JournalError) as refusal:
            node.start()
        self.assertTrue(str(refusal.exception).startswith("the log is of version"))
        self.assertEqual(self.open_files(), [])


class LargeTests(ClusterJournalTestCase):
    """What is committed is longer than what can be published at once."""

    def setUp(self) -> None:
        super().setUp()
        self.connect()
        self.log.largest = 150

    def pieces(self) -> list[int]:
        return [one.place for one, _ in self.log.published if isinstance(one, Piece)]

    def test_it_has_happened_when_all_pieces_are_back(self) -> None:
        committed = self.commits([said("x" * 300, seq=-7)])
        self.assertEqual(self.pieces(), [0, 1, 2, 3])
        for _ in range(3):
            self.log.entries.append(self.log.sent.pop(0))
            self.log.published.pop(0)
        self.turn()
        self.successResultOf(committed)
        self.assertEqual(self.texts, ["x" * 300])

    def test_only_what_is_missing_is_published_again(self) -> None:
        self.commits([said("x" * 300)])
        first, *_ = self.log.sent
        self.log.published.clear()
        self.log.entries.append(first)
        self.log.deliver()
        self.clock.advance(0)
        self.advance(1)
        self.assertEqual(self.pieces(), [1, 2, 3])

    def test_as_long_as_pieces_come_back_the_log_is_within_reach(self) -> None:
        self.commits([said("x" * 300)])
        for piece in list(self.log.sent):
            self.advance(2)
            self.log.entries.append(piece)
            self.log.deliver()
            self.clock.advance(0)
        self.assertEqual((self.heard, self.texts), ([], ["x" * 300]))

    def test_what_is_too_much_in_any_pieces_is_dropped_and_that_is_told(self) -> None:
        self.patch(entries, "EXPANDED_MOST", 1000)
        committed = self.commits([said("x" * 2000)], lambda events: [topic("y")])
        self.successResultOf(committed)
        self.assertEqual(self.heard, [("unpublished", ["x" * 2000])])
        again = self.commits([said("next")])
        self.turn()
        self.successResultOf(again)
        self.assertEqual(self.texts, ["next"])

    def test_facts_that_need_no_event_are_said_in_several_entries(self) -> None:
        self.patch(outgoing, "FACTS_MOST", 10)
        facts = [Fact("topic", room, "12345678") for room in "abc"]
        committed = self.commits([said("first")], lambda events: facts)
        held = []
        while self.log.published:
            held += [[fact.name for fact in entry.facts] for entry in self.turn()]
        self.successResultOf(committed)
        self.assertEqual(held, [["a"], ["b"], ["c"]])


class BeatTests(ClusterJournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.connect()

    def test_a_node_that_has_nothing_to_say_shows_that_it_is_there(self) -> None:
        beats = []
        for _ in range(4):
            self.advance(BEAT)
            beats += self.turn()
        mark = mark_of(CHAT, BASE)
        self.assertEqual(beats, [Entry(self.node.boot, 0, [], [], mark)] * 4)

    def test_no_beat_is_one_that_was_published_before(self) -> None:
        self.advance(BEAT)
        self.assertEqual([again for _, again in self.log.published], [False])

    def test_three_times_in_a_lease_it_is_heard_of(self) -> None:
        self.assertEqual(BEAT * 3, LEASE_SECONDS)
        self.advance(BEAT - LOOK_EVERY)
        self.assertEqual(self.log.published, [])

    def test_while_something_is_on_its_way_no_beat_is_needed(self) -> None:
        self.commits([said("a")])
        self.advance(BEAT)
        self.assertEqual({number for number, _ in self.out}, {2})


class AdoptionTests(ClusterJournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.connect()
        self.turn(Entry("b1", 1, [], [Fact(LEASE, "b1", "south")]))

    def adoptions(self, seconds: float) -> list[str]:
        """Let time pass, and return who is adopted meanwhile."""
        adopted = []
        for _ in range(round(seconds / LOOK_EVERY)):
            self.advance(LOOK_EVERY)
            for entry in self.turn():
                adopted += [fact.name for fact in entry.facts if fact.kind == ADOPT]
        return adopted

    def test_who_is_silent_for_a_lease_is_adopted_once(self) -> None:
        self.assertEqual(self.adoptions(LEASE_SECONDS - LOOK_EVERY), [])
        self.assertEqual(self.adoptions(3 * LEASE_SECONDS), ["b1"])
        self.assertEqual(self.node.registry.owner("b1"), self.node.boot)

    def test_who_is_heard_of_is_not(self) -> None:
        for _ in range(5):
            self.assertEqual(self.adoptions(LEASE_SECONDS / 2), [])
            self.turn(Entry("b1", 0, [], []))

    def test_who_says_goodbye_is_adopted_in_a_moment(self) -> None:
        self.turn(Entry("b1", 2, [], [Fact(BYE, "b1", "")]))
        self.assertEqual(self.adoptions(AT_ONCE + 4 * LOOK_EVERY), ["b1"])

    def test_while_the_brokers_are_out_of_reach_nobody_is(self) -> None:
        self.lose()
        self.advance(3 * LEASE_SECONDS)
        self.log.follower.connected()
        self.turn()
        self.assertEqual(self.adoptions(LEASE_SECONDS - LOOK_EVERY), [])
        self.assertEqual(self.adoptions(2 * LOOK_EVERY), ["b1"])

    def test_what_this_node_was_before_its_start_is_adopted_at_once(self) -> None:
        node = self.node.following.node
        self.turn(Entry("b0", 1, [], [Fact(LEASE, "b0", node)]))
        self.assertEqual(self.adoptions(LOOK_EVERY), ["b0"])


class DeposedTests(ClusterJournalTestCase):
    """This node was taken for dead."""

    def setUp(self) -> None:
        super().setUp()
        self.connect()
        self.old = self.node.boot

    def depose(self, *before: Entry) -> None:
        """Let others take this node for dead, behind what they say before."""
        for entry in before:
            self.log.append(entry)
        position = self.node.registry.leases[self.old].position
        for index, data in enumerate(self.log.entries, 1):
            if decode(data).boot == self.old:
                position = index
        adopts = Entry("b1", 90 + position, [], [Fact(ADOPT, self.old, str(position))])
        self.log.append(adopts)
        self.log.deliver()
        self.clock.advance(0)

    def test_it_is_told_and_is_another_boot(self) -> None:
        self.depose()
        self.assertEqual(self.heard, ["deposed"])
        self.assertNotEqual(self.node.boot, self.old)
        self.assertEqual(self.out, [(1, [self.node.boot])])
        self.turn()
        self.assertEqual(self.node.registry.owner(self.old), "b1")
        self.assertEqual(self.node.registry.owner(self.node.boot), self.node.boot)

    def test_what_waits_goes_out_when_all_is_said_that_is_to_be_said_first(self) -> None:
        committed = self.commits([said("waits")])
        self.log.published.clear()
        self.depose()
        first = self.node.say([Fact(NAME, "ana", "a")], first=True)
        for _ in range(2):
            self.turn()
        self.successResultOf(first)
        self.assertEqual((self.out, self.texts), ([], []))
        self.assertNoResult(committed)
        self.node.reclaimed()
        self.turn()
        self.successResultOf(committed)
        self.assertEqual(self.texts, ["waits"])

    def test_what_happens_first_happens_before_that(self) -> None:
        committed = self.commits([said("waits")])
        self.depose()
        self.turn()
        first = self.node.commit([said("first")], lambda events: [topic("cake")], first=True)
        first.addCallback(self._committed)
        self.node.reclaimed()
        for _ in range(2):
            self.turn()
        self.successResultOf(committed)
        self.assertEqual(self.texts, ["first", "waits"])
        self.assertIn(topic("cake"), self.node.facts())

    def test_until_then_it_is_still_heard_of(self) -> None:
        self.depose()
        self.turn()
        self.commits([said("waits")])
        self.advance(BEAT)
        beats = self.turn()
        self.assertEqual([(e.boot, e.number) for e in beats], [(self.node.boot, 0)])
        self.assertEqual(self.texts, [])

    def test_what_the_old_one_had_on_its_way_is_said_once(self) -> None:
        committed = self.commits([said("late")])
        self.depose()
        self.turn()  # The entry of the old one gets there behind the adoption.
        self.assertEqual(self.texts, [])
        self.node.reclaimed()
        self.turn()
        self.turn()
        self.successResultOf(committed)
        self.assertEqual(self.texts, ["late"])

    def test_what_it_said_before_it_was_taken_for_dead_is_said_once(self) -> None:
        """Cut off as it was, it reads in one go what happened meanwhile: its own words too."""
        committed = self.commits([said("early")])
        self.log.append(Entry("b1", 1, [said("somebody")], []))
        self.log.take()
        self.depose(Entry("b1", 2, [said("else")], []))
        self.assertEqual(self.texts, ["somebody", "early", "else"])
        self.successResultOf(committed)
        self.node.reclaimed()
        for _ in range(3):
            self.turn()
        self.assertEqual(self.texts, ["somebody", "early", "else"])
        self.assertEqual(self.heard, ["deposed"])

    def test_it_may_happen_again(self) -> None:
        self.depose()
        self.turn()
        self.old = self.node.boot
        self.depose()
        self.assertEqual(self.heard, ["deposed", "deposed"])
        self.turn()
        self.node.reclaimed()
        self.commits([said("a")])
        self.turn()
        self.assertEqual(self.texts, ["a"])


class AskedTests(ClusterJournalTestCase):
    def test_what_is_asked_of_the_nodes_of_members_is_told(self) -> None:
        self.connect()
        fact = Fact(SEND_AWAY, "a", '["kicked", "you were kicked", ""]')
        self.turn(Entry("b1", 1, [], [fact, Fact(PERSON, "a", "")]))
        self.assertEqual(self.heard, [("asked", fact)])


class KeepingTests(ClusterJournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(journal, "KEEP_EVERY", KEEP_EVERY)
        self.patch(random, "uniform", lambda low, high: (low + high) / 2)
        self.patch(journal.random, "uniform", lambda least, most: 1.0)

    def test_what_holds_is_kept_now_and_then(self) -> None:
        self.connect()
        self.turn(Entry("b1", 1, [], [topic("cake")]))
        self.spend(KEEP_EVERY - 10)
        self.assertEqual(self.log.kept, [])
        self.spend(20)
        (state,) = self.log.kept
        self.assertIn(topic("cake"), state)
        self.assertNotIn(FILE, {fact.kind for fact in state})
        self.spend(KEEP_EVERY)
        self.assertEqual(len(self.log.kept), 2)

    def test_where_nobody_has_kept_it_it_is_kept_at_once(self) -> None:
        self.log.state = None
        self.connect()
        self.advance(LOOK_EVERY)
        self.assertEqual(len(self.log.kept), 1)

    def test_what_can_not_be_kept_now_is_kept_when_the_brokers_are_back(self) -> None:
        self.connect()
        self.lose()
        self.spend(2 * KEEP_EVERY)
        self.assertEqual(self.log.kept, [])
        self.log.follower.connected()
        self.turn()
        self.advance(LOOK_EVERY)
        self.assertEqual(len(self.log.kept), 1)

    def spend(self, seconds: float) -> None:
        """Let a long time pass, in which the node is heard of."""
        for _ in range(round(seconds / 2)):
            self.clock.advance(2)
            self.turn(Entry("b1", 0, [], []))


class StopTests(ClusterJournalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.connect()

    def test_the_node_says_goodbye(self) -> None:
        self.running = False
        stopped = self.node.stop()
        self.assertEqual([f.kind for e, _ in self.log.published for f in e.facts], [BYE])
        self.assertNoResult(stopped)
        self.turn()
        self.successResultOf(stopped)
        self.stopped()
        self.assertEqual(self.heard, [])

    def stopped(self) -> None:
        self.assertTrue(self.log.closed)
        self.assertEqual(self.open_files(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_does_not_wait_for_long(self) -> None:
        self.running = False
        stopped = self.node.stop()
        self.clock.advance(PATIENCE - 0.1)
        self.assertNoResult(stopped)
        self.clock.advance(0.2)
        self.successResultOf(stopped)
        self.stopped()

    def test_while_the_brokers_are_out_of_reach_it_says_nothing(self) -> None:
        self.running = False
        self.lose()
        self.successResultOf(self.node.stop())
        self.assertEqual(self.log.published, [])
        self.stopped()

    def test_a_node_that_never_followed_stops_too(self) -> None:
        self.path += "-2"
        other = ClusterJournal(self.clock, self.journal(), Log(), LEASE_SECONDS)
        other.start()
        self.successResultOf(other.stop())
