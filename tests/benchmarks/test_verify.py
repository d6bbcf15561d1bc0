"""The check of what is received: it passes what is right, however it comes in, and nothing else."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.verify import BEFORE, WORDS, Wrong
from tests.benchmarks.support import NOW, Hearing, Line, Room, deliveries, plain, rooms
from tests.profiles import examples

# Some seconds' worth; to look for longer, set the variable to some ten thousands.

thorough = settings(max_examples=examples(300))

A0, A1, A2 = [(0, count) for count in range(3)]
B0, B1 = [(1, count) for count in range(2)]


class Drawn(SynchronousTestCase):
    """Rooms, interleavings and cuts at random."""

    @thorough
    @given(rooms(), st.data())
    def test_no_false_alarm(self, room: Room, data: st.DataObject) -> None:
        hearing = Hearing(room)
        due = {member: room.bytes_for(member) for member in room.streams}
        total = sum(map(len, due.values()))
        received = 0
        self.assertEqual(bool(hearing.lacking), total > 0)
        for member, piece in data.draw(deliveries(due)):
            hearing.receive(member, piece)
            received += len(piece)
            if data.draw(st.booleans()):
                hearing.settle()
            if received < total:
                self.assertTrue(hearing.lacking)
        hearing.settle()
        self.assertEqual(hearing.lacking, [])
        self.assertEqual(hearing.transcript.heard_bytes, total)
        if room.is_compared:
            self.assertEqual(hearing.transcript.one_order, room.is_in_order)

    @thorough
    @given(rooms(), st.data())
    def test_what_is_counted(self, room: Room, data: st.DataObject) -> None:
        hearing = Hearing(room)
        for member, piece in data.draw(deliveries({m: room.bytes_for(m) for m in room.streams})):
            hearing.receive(member, piece)
            hearing.settle()
        others = [line for m in room.sampled for line in room.streams[m] if line[0] != m]
        # Each line was said in the second that is its count.
        self.assertEqual(
            sorted(hearing.transcript.latencies), sorted(NOW - count for _, count in others)
        )
        self.assertEqual(hearing.heard, Counter(who for who, _ in room.lines))

    @thorough
    @given(rooms(least=1), st.data())
    def test_each_fault_is_found(self, room: Room, data: st.DataObject) -> None:
        due = {member: room.bytes_for(member) for member in room.streams}
        victim = data.draw(st.sampled_from([m for m in due if due[m]]))
        due[victim] = data.draw(faulty(room, victim))
        hearing = Hearing(room)
        try:
            for member, piece in data.draw(deliveries(due)):
                hearing.receive(member, piece)
                if data.draw(st.booleans()):
                    hearing.settle()
            hearing.settle()
        except Wrong:
            return
        self.assertTrue(hearing.lacking)


@st.composite
def faulty(draw: st.DrawFn, room: Room, victim: int) -> bytes:
    """Draw what a member receives, with one fault in it."""
    stream = room.streams[victim]
    data = room.bytes_for(victim)
    index = draw(st.integers(0, len(stream) - 1))
    line = stream[index]
    kind = draw(st.sampled_from(["lost", "doubled", "swapped", "flipped", "cut", "more"]))
    later = [i for i in range(index + 1, len(stream)) if stream[i][0] == line[0]]
    if kind == "swapped" and later:
        changed = list(stream)
        changed[index], changed[later[0]] = stream[later[0]], line
    elif kind == "doubled":
        changed = [*stream[: index + 1], *stream[index:]]
    elif kind == "flipped":
        place = draw(st.integers(0, len(data) - 1))
        flipped = data[place] ^ draw(st.integers(1, 255))
        return data[:place] + bytes([flipped]) + data[place + 1 :]
    elif kind == "cut":
        start = draw(st.integers(0, len(data) - 1))
        return data[:start] + data[draw(st.integers(start + 1, len(data))) :]
    elif kind == "more":
        start = draw(st.integers(0, len(data)))
        return data[:start] + draw(st.binary(min_size=1, max_size=80)) + data[start:]
    else:
        changed = [*stream[:index], *stream[index + 1 :]]
    return b"".join(map(room.frame, changed))


class Cases(SynchronousTestCase):
    """What the random ones may miss, one by one."""

    def hearing(
        self, streams: dict[int, list[Line]], echoes: bool = False, one_order: bool = True
    ) -> Hearing:
        """Give a room where 0 and 1 speak, and 2 listens."""
        return Hearing(Room([0, 1], streams, echoes, one_order, is_ragged=not one_order))

    def test_a_listener_that_hears_the_last_line_twice(self) -> None:
        hearing = self.hearing({0: [], 1: [A0], 2: [A0]})
        hearing.receive(2, plain(0, WORDS % A0))
        with self.assertRaisesRegex(Wrong, "member 2 heard line 0 of 0, not 1: it was doubled"):
            hearing.receive(2, plain(0, WORDS % A0))

    def test_a_speaker_that_hears_the_last_line_twice(self) -> None:
        hearing = self.hearing({0: [], 1: [A0], 2: [A0]})
        for member in (2, 1, 1):
            hearing.receive(member, plain(0, WORDS % A0))
        hearing.settle()
        self.assertEqual(len(hearing.lacking), 1)
        self.assertIn("member 1 received more", hearing.lacking[0])

    def test_a_piece_too_much_at_the_end(self) -> None:
        for one_order in (True, False):
            hearing = self.hearing({0: [], 1: [A0], 2: [A0]}, one_order=one_order)
            hearing.receive(1, plain(0, WORDS % A0))
            hearing.receive(2, plain(0, WORDS % A0) + b"<m0")
            hearing.settle()
            self.assertEqual(hearing.lacking, ["member 2 received more than was said: b'<m0'"])

    def test_a_line_that_its_own_speaker_hears(self) -> None:
        for one_order in (True, False):
            hearing = self.hearing({0: [B0], 1: [A0], 2: [A0, B0]}, one_order=one_order)
            hearing.receive(2, hearing.room.bytes_for(2))
            with self.assertRaisesRegex(Wrong, "member 0 heard line 0 of its own"):
                hearing.receive(0, hearing.room.bytes_for(2))

    def test_the_last_line_that_its_own_speaker_hears(self) -> None:
        """It is not known yet where in the one order it belongs."""
        hearing = self.hearing({0: [], 1: [A0], 2: [A0]})
        for member in (2, 1, 0):
            hearing.receive(member, plain(0, WORDS % A0))
        hearing.settle()
        self.assertEqual(len(hearing.lacking), 1)
        self.assertIn("member 0 received more", hearing.lacking[0])

    def test_a_line_that_nobody_has_said_yet(self) -> None:
        hearing = self.hearing({0: [], 1: [A0], 2: [A0]})
        with self.assertRaisesRegex(Wrong, "garbled, or said by nobody"):
            hearing.receive(2, plain(0, WORDS % A1))

    def test_a_line_that_somebody_else_has_said(self) -> None:
        hearing = self.hearing({0: [], 1: [A0], 2: [A0]})
        with self.assertRaisesRegex(Wrong, "garbled, or said by nobody"):
            hearing.receive(2, plain(1, WORDS % A0))

    def test_another_order_from_the_middle_of_a_line_on(self) -> None:
        """What had been received of a line is kept when the room goes over to each line."""
        order = [A0, A1, B0, B1, A2]
        other = [A0, B0, A1, B1, A2]
        hearing = self.hearing({0: [B0, B1], 1: [A0, A1, A2], 2: order, 3: other, 4: order})
        received = {member: hearing.room.bytes_for(member) for member in range(5)}
        hearing.receive(1, received[1])
        hearing.receive(2, received[2][:-5])
        hearing.receive(4, received[4][:70])
        hearing.receive(0, received[0][:-7])
        self.assertTrue(hearing.transcript.one_order)
        hearing.receive(3, received[3])
        self.assertFalse(hearing.transcript.one_order)
        hearing.receive(2, received[2][-5:])
        hearing.receive(4, received[4][70:])
        hearing.settle()
        self.assertIn("member 0 never heard line 1 of 1", hearing.lacking)
        hearing.receive(0, received[0][-7:])
        self.assertEqual(hearing.lacking, [])

    def test_a_long_line_that_is_cut_where_a_short_one_ends(self) -> None:
        hearing = self.hearing({0: [B0], 1: [A0], 2: [A0, B0]}, one_order=False)
        data = hearing.room.bytes_for(2)
        short = len(plain(0, WORDS % A0))
        hearing.receive(2, data[: 2 * short])
        self.assertTrue(hearing.lacking)
        hearing.receive(2, data[2 * short :])
        hearing.receive(1, data[:short])
        hearing.receive(0, data[short:])
        self.assertEqual(hearing.lacking, [])

    def test_a_line_from_before_the_start(self) -> None:
        first = plain(0, WORDS % A0)
        before = plain(1, WORDS % (1, BEFORE))
        for told in (before + first, first + before):
            hearing = self.hearing({0: [], 1: [A0], 2: [A0], 3: [A0]})
            for member, data in [(2, first), (3, told), (1, told)]:
                hearing.receive(member, data)
            hearing.settle()
            self.assertEqual(hearing.lacking, [])

    def test_a_lost_line_is_missed_with_the_next(self) -> None:
        for one_order in (True, False):
            hearing = self.hearing({0: [], 1: [A0, A1], 2: [A0, A1]}, one_order=one_order)
            with self.assertRaisesRegex(Wrong, "heard line 1 of 0, not 0: that was lost"):
                hearing.receive(2, plain(0, WORDS % A1))
