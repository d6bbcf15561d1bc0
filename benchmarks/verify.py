"""Checks that each line reached every other member of its room exactly once, whole and in order.

Every byte that a member receives is checked. A line holds its speaker's number and that speaker's
own count, and the rest follows from these, so each line has one right text.

Most servers, and ours, deliver the lines of a room to all members in one order. Then the first copy
of a line is checked by itself and added to the room's transcript; the other members' bytes are
compared with the transcript, piece by piece. This keeps checking cheaper than serving, which is to
be measured. If a member receives another order, the room falls back to checking each line for each
member. Each speaker's lines must be in order in both cases.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

WORDS = b"%06d %08d the quick brown fox jumps"
"""The text of a line: the speaker's number, the speaker's own count, and words."""

BEFORE = 99_999_999
"""The count of a line that is said before the start, to know that all before it has come."""

_NUMBERS = re.compile(rb"(\d{6}) (\d{8}) the quick brown fox jumps")


class Wrong(Exception):
    """A line was lost, doubled, garbled or out of order, or a connection ended; see ``str()``."""


class Speaker:
    """A speaker of lines.

    :ivar said: the time of each line, in seconds; the index is the line's count.
    """

    def __init__(self) -> None:
        self.said = array("d")


class Transcript:
    """The lines said in one room, and the position of each member in them.

    :param frame: makes the bytes that a member receives, from a speaker's number and words.
    :param speakers: by number.
    :param members: the numbers of all in the room; a speaker has the same number in both.
    :param echoes: whether a speaker receives its own lines too.
    :param sampled: the members whose latencies are taken.
    :param heard: called with a speaker's number for each of its lines that its neighbour, the next
        of the members, has received.
    :ivar heard_bytes: bytes received and checked, of all members.
    :ivar latencies: seconds from the sending to the receipt of a line, of the sampled members.
    :ivar ahead: speakers that received lines before anybody else; :meth:`settle` checks those.
    :ivar one_order: whether all members received the lines in one order, so far.
    """

    def __init__(
        self,
        frame: Callable[[int, bytes], bytes],
        speakers: dict[int, Speaker],
        members: Sequence[int],
        echoes: bool,
        sampled: Sequence[int],
        heard: Callable[[int], None],
        one_order: bool = True,
    ) -> None:
        self._frame = frame
        self._speakers = speakers
        self.members = members
        self._echoes = echoes
        self._sampled = frozenset(sampled)
        self._heard = heard
        neighbours = dict(zip(members, [*members[1:], members[0]], strict=True))
        self._neighbours = {neighbours[n]: n for n in speakers if n in neighbours}
        lengths = [len(frame(number, WORDS % (0, 0))) for number in speakers]
        self.length, self._longest = min(lengths), max(lengths)
        self.heard_bytes = 0
        self.latencies = array("d")
        self._rest = dict.fromkeys(members, b"")
        # For one order:
        self._log = bytearray()
        self._who = array("l")
        self._when = array("d")
        self._counts: dict[int, int] = {}
        self._own: dict[int, list[int]] = {number: [] for number in speakers}
        self._at = dict.fromkeys(members, 0)
        self.ahead: set[int] = set()
        # For different orders:
        self._next: dict[int, dict[int, int]] = {}
        # One order needs a member that hears all lines, to compare the others with.
        self.one_order = True
        if not one_order or not (echoes or len(members) > len(speakers)):
            self._part()

    # In one order

    def receive(self, member: int, data: bytes | memoryview, now: float) -> None:
        """Check bytes that a member has received.

        :raises Wrong: if they are not the lines that were due.
        """
        self.heard_bytes += len(data)
        if self._next:
            self._apart(member, data, now)
            return
        at = self._at[member]
        listens = self._echoes or member not in self._own
        if listens and not self._rest[member] and self._log.startswith(data, at):
            self._move(member, at, at + len(data), now)
            return
        data = self._rest[member] + data
        self._rest[member] = b""
        taken, position = self._compare(member, data, at)
        if taken < 0:
            taken = 0
        else:
            self._move(member, at, position, now)
            if taken == len(data) or self._extend(member, data[taken:], now):
                return
        self._part()
        self._apart(member, data[taken:], now)

    def _compare(self, member: int, data: bytes, at: int) -> tuple[int, int]:
        """Compare bytes with the transcript, in which a speaker's own lines are skipped.

        :returns: the count of bytes compared, -1 if they differ; and the position behind them.
        """
        own = [] if self._echoes else self._own.get(member, [])
        index = bisect_left(own, at)
        taken = 0
        while True:
            end = own[index] if index < len(own) else len(self._log)
            part = data[taken : taken + end - at]
            if not self._log.startswith(part, at):
                return -1, at
            taken += len(part)
            at += len(part)
            if index < len(own) and at == end:
                at += self.length
                index += 1
            else:
                return taken, at

    def _extend(self, member: int, data: bytes, now: float) -> bool:
        """Add lines that nobody has heard before; return whether they fit the transcript."""
        if member in self._own and not self._echoes:
            # Only other members' bytes show where the speaker's own lines belong.
            self._rest[member] = data
            self.ahead.add(member)
            return True
        whole = len(data) - len(data) % self.length
        for start in range(0, whole, self.length):
            line = data[start : start + self.length]
            who, count, _ = self._read(line, 0)
            due = self._counts.get(who, 0)
            if count != due:
                return False
            self._counts[who] = due + 1
            self._log += line
            self._who.append(who)
            self._when.append(self._speakers[who].said[count])
            own = len(self._log) - self.length
            if not self._echoes:
                self._own[who].append(own)
                if self._at.get(who) == own:
                    self._move(who, own, len(self._log), now)
        self._rest[member] = data[whole:]
        at = self._at[member]
        self._move(member, at, at + whole, now)
        return True

    def settle(self, now: float) -> None:
        """Check the lines that some speakers received before anybody else, now that others have."""
        ahead, self.ahead = self.ahead, set()
        for member in ahead:
            self.receive(member, b"", now)

    def _move(self, member: int, before: int, after: int, now: float) -> None:
        self._at[member] = after
        first, last = before // self.length, after // self.length
        if first == last:
            return
        if member in self._sampled:
            when, who = self._when, self._who
            self.latencies.extend(now - when[i] for i in range(first, last) if who[i] != member)
        neighbour = self._neighbours.get(member)
        if neighbour is not None:
            for _ in range(self._who[first:last].count(neighbour)):
                self._heard(neighbour)

    # In different orders

    def _part(self) -> None:
        """Change to checking each line for each member."""
        counts = dict.fromkeys(self._speakers, 0)
        counted = 0
        for member in sorted(self.members, key=self._at.__getitem__):
            heard = self._at[member] // self.length
            for who in self._who[counted:heard]:
                counts[who] += 1
            counted = heard
            self._next[member] = counts.copy()
            torn = self._at[member] % self.length
            if torn:
                start = self._at[member] - torn
                self._rest[member] = bytes(self._log[start : start + torn]) + self._rest[member]
        if self._who:
            self.one_order = False

    def _apart(self, member: int, data: bytes | memoryview, now: float) -> None:
        data = self._rest[member] + data
        due = self._next[member]
        sampled = member in self._sampled
        at = 0
        while len(data) - at >= self.length:
            who, count, end = self._read(data, at)
            if end > len(data):
                break
            at = end
            if count == BEFORE:
                continue
            own = who == member
            if own and not self._echoes:
                raise Wrong(f"member {member} heard line {count} of its own")
            if count != due[who]:
                was = (
                    "it was doubled, or is late"
                    if count < due[who]
                    else "that was lost, or is late"
                )
                raise Wrong(f"member {member} heard line {count} of {who}, not {due[who]}: {was}")
            due[who] += 1
            if sampled and not own:
                self.latencies.append(now - self._speakers[who].said[count])
            if self._neighbours.get(member) == who:
                self._heard(who)
        self._rest[member] = data[at:]

    # Both

    def _read(self, data: bytes, at: int) -> tuple[int, int, int]:
        """Return the speaker, the count and the end of the line that begins at a position.

        The end is behind the data if the line is not complete.

        :raises Wrong: if nobody said such a line.
        """
        found = _NUMBERS.search(data, at)
        if found is None and len(data) - at < self._longest:
            return 0, 0, len(data) + 1
        if found is not None and int(found[1]) in self._speakers:
            who, count = int(found[1]), int(found[2])
            line = self._frame(who, found[0])
            known = count == BEFORE or count < len(self._speakers[who].said)
            if known and line.startswith(data[at : at + len(line)]):
                return who, count, at + len(line)
        raise Wrong(f"garbled, or said by nobody: {data[at : at + self.length]!r}")

    def lacking(self) -> Iterator[str]:
        """Describe each member that lacks lines, or received too much."""
        for member in self.members:
            if self._next:
                counts = self._next[member]
                for who, speaker in self._speakers.items():
                    if (self._echoes or who != member) and counts[who] < len(speaker.said):
                        yield f"member {member} never heard line {counts[who]} of {who}"
            else:
                said = sum(len(speaker.said) for speaker in self._speakers.values())
                heard = self._at[member] // self.length
                if heard < said:
                    yield f"member {member} heard {heard} of {said} lines"
            rest = self._rest[member]
            if rest:
                yield f"member {member} received more than was said: {rest[: self.length]!r}"
