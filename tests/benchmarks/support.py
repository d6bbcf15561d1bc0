"""What is said in a room and how each member receives it, for the tests of what checks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from hypothesis import strategies as st

from benchmarks.verify import WORDS, Speaker, Transcript

NOW = 1000.0

Line = tuple[int, int]
"""The number of who says it, and that speaker's count."""


def plain(who: int, words: bytes) -> bytes:
    """Give a line as a chat would send it."""
    return b"<m%05d> %s\r\n" % (who, words)


def ragged(who: int, words: bytes) -> bytes:
    """The same, longer for every other speaker."""
    return (b"#elsewhere " if who % 2 else b"") + plain(who, words)


@dataclass
class Room:
    """Who is in a room, and which lines each of them is to receive, in its order."""

    speakers: list[int]
    streams: dict[int, list[Line]]
    echoes: bool = False
    one_order: bool = True
    sampled: Sequence[int] = ()
    is_ragged: bool = False

    def frame(self, line: Line) -> bytes:
        """Give what is received of a line."""
        return (ragged if self.is_ragged else plain)(line[0], WORDS % line)

    def bytes_for(self, member: int) -> bytes:
        """Give all that a member is to receive."""
        return b"".join(map(self.frame, self.streams[member]))

    @property
    def lines(self) -> set[Line]:
        """All that is said."""
        return {line for stream in self.streams.values() for line in stream}

    @property
    def is_compared(self) -> bool:
        """Whether somebody hears everything, with which the others are compared."""
        return self.one_order and (self.echoes or len(self.streams) > len(self.speakers))

    @property
    def is_in_order(self) -> bool:
        """Whether all receive the lines in one order."""
        everything = max(self.streams.values(), key=len)
        return all(
            stream == [line for line in everything if self.echoes or line[0] != member]
            for member, stream in self.streams.items()
        )


class Hearing:
    """A transcript to which the bytes of a room are given, with everything said at once.

    :ivar heard: of whom a neighbour has heard how many lines.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self.heard: Counter[int] = Counter()
        speakers = {number: Speaker() for number in room.speakers}
        for who, _ in sorted(room.lines):
            speakers[who].said.append(len(speakers[who].said))
        self.transcript = Transcript(
            ragged if room.is_ragged else plain,
            speakers,
            list(room.streams),
            room.echoes,
            room.sampled,
            lambda number: self.heard.update([number]),
            room.one_order,
        )
        self.receive = partial(self.transcript.receive, now=NOW)

    def settle(self) -> None:
        """See :meth:`Transcript.settle`."""
        self.transcript.settle(NOW)

    @property
    def lacking(self) -> list[str]:
        """See :meth:`Transcript.lacking`."""
        return list(self.transcript.lacking())


@st.composite
def rooms(draw: st.DrawFn, least: int = 0) -> Room:
    """Draw a room, where at least so many lines are said."""
    members = list(range(draw(st.integers(2, 6))))
    speakers = draw(st.lists(st.sampled_from(members), min_size=1, unique=True))
    echoes = draw(st.booleans())
    turns = draw(st.lists(st.sampled_from(speakers), min_size=least, max_size=14))
    one_order = draw(st.booleans())
    # A server may keep the order, or not, whatever it has promised.
    keeps = draw(st.booleans())
    streams: dict[int, list[Line]] = {}
    for member in members:
        order = turns if keeps else draw(st.permutations(turns))
        counts: Counter[int] = Counter()
        streams[member] = []
        for who in order:
            if echoes or who != member:
                streams[member].append((who, counts[who]))
            counts[who] += 1
    sampled = draw(st.lists(st.sampled_from(members), unique=True))
    is_ragged = not one_order and draw(st.booleans())
    return Room(speakers, streams, echoes, one_order, sampled, is_ragged)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut at some places, wherever these are."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def pieces(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """Draw how the bytes come in."""
    return st.lists(st.integers(0, len(data)), max_size=8).map(partial(cut, data))


@st.composite
def deliveries(draw: st.DrawFn, streams: dict[int, bytes]) -> list[tuple[int, bytes | memoryview]]:
    """Draw who receives which piece, and when: one may be far ahead of another."""
    left = {member: draw(pieces(data)) for member, data in streams.items()}
    order = [member for member, parts in left.items() for _ in parts]
    if draw(st.booleans()):
        order = draw(st.permutations(order))
    kind = draw(st.sampled_from([bytes, memoryview]))
    return [(member, kind(left[member].pop(0))) for member in order]
