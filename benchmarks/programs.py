"""Programs as members: speaks the machine protocol, and checks every event delivered.

The bytes of an event hold an id and a time, so they are not known before; but all listeners receive
the same bytes. The first copy of a line is parsed, and other listeners' copies are compared with
it. A speaker receives a receipt in place of each line of its own, so all its copies are parsed.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.contestants import Chatservice
from benchmarks.verify import BEFORE, Speaker, Transcript, Wrong

_SAID = re.compile(
    rb'\{"type":"said","id":(\d+),"at":"[^"]{24}","room":"\w+","author":"m(\d{5})",'
    rb'"text":"(\d{6}) (\d{8}) the quick brown fox jumps"\}\r\n'
)
_STORED = re.compile(rb'\{"type":"ok","to":"say","id":(\d+),"at":"[^"]{24}","seq":(\d+)\}\r\n')
_CALLED = re.compile(rb'\{"type":"ok","to":"say","id":\d+,"at":"[^"]{24}"\}\r\n')
"""The receipt of a line that was said before the start."""


class Events(Transcript):
    """The events of one room, and the position of each program in them.

    See :class:`.Transcript`. Unlike there, a receipt lets its speaker say the next line, and
    :attr:`heard_bytes` counts lines, each of the length 1.
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
        super().__init__(frame, speakers, members, echoes, sampled, heard)
        self.length = 1
        self.one_order = True
        self._ends = array("l")
        self._told = {number: dict.fromkeys(speakers, 0) for number in (-1, *speakers)}
        self._last = dict.fromkeys(self._told, 0)
        self._ids: dict[tuple[int, int], int] = {}

    def receive(self, member: int, data: bytes | memoryview, now: float) -> None:
        """See :meth:`.Transcript.receive`."""
        if not (self._at[member] or self._last.get(member)):
            data = _CALLED.sub(b"", bytes(data))
        if member in self._speakers:
            self._rest[member] = self._take_apart(member, self._rest[member] + data, now)
            return
        at = self._at[member]
        if not self._rest[member] and self._log.startswith(data, at):
            self._move(member, at, at + len(data), now)
            return
        data = self._rest[member] + data
        known = min(len(data), len(self._log) - at)
        if not self._log.startswith(data[:known], at):
            raise Wrong(f"member {member} was told something else: {data[:known][-200:]!r}")
        self._rest[member] = rest = self._take_apart(-1, data[known:], now)
        self._move(member, at, at + len(data) - len(rest), now)

    def _take_apart(self, reader: int, data: bytes, now: float) -> bytes:
        """Check each whole line; return the rest.

        :param reader: a speaker, or -1 for all listeners.
        """
        at = 0
        while data.find(b"\n", at) >= 0:
            said, stored = _SAID.match(data, at), None
            if said is not None:
                who, count = int(said[3]), int(said[4])
            else:
                stored = _STORED.match(data, at)
                if stored is None:
                    raise Wrong(f"garbled, or not to be told: {data[at : at + 200]!r}")
                who, count = reader, int(stored[2]) - 1
            found = said or stored
            assert found is not None
            self._check_order(reader, who, count, int(found[1]), stored is not None)
            at = found.end()
            if reader < 0:
                self._log += found[0]
                self._ends.append(len(self._log))
                self._when.append(self._speakers[who].said[count])
            else:
                self.heard_bytes += 1
                if stored is not None:
                    self._heard(reader)
        return data[at:]

    def _check_order(self, reader: int, who: int, count: int, id: int, own: bool) -> None:
        due = self._told[reader].get(who)
        if count != due or count >= len(self._speakers[who].said) or (who == reader) != own:
            raise Wrong(f"member {reader} was told line {count} of {who}, not {due}")
        if id <= self._last[reader] or self._ids.setdefault((who, count), id) != id:
            raise Wrong(f"line {count} of {who} has the id {id} for {reader}")
        self._told[reader][who] = count + 1
        self._last[reader] = id

    def _move(self, member: int, before: int, after: int, now: float) -> None:
        self._at[member] = after
        first, last = bisect_right(self._ends, before), bisect_right(self._ends, after)
        self.heard_bytes += last - first
        if member in self._sampled:
            self.latencies.extend(now - when for when in self._when[first:last])

    def lacking(self) -> Iterator[str]:
        """See :meth:`.Transcript.lacking`."""
        said = sum(len(speaker.said) for speaker in self._speakers.values())
        for member in self.members:
            if member in self._speakers:
                told = sum(self._told[member].values())
            else:
                told = bisect_right(self._ends, self._at[member])
            if told < said or self._rest[member]:
                yield f"member {member} was told {told} of {said} lines"


class Programs(Chatservice):
    """Our server, with programs as members that number their lines."""

    title = "chatservice, programs"
    transcript: type[Transcript] = Events

    def enter(self, name: str, rooms: Sequence[str]) -> bytes:
        """See :meth:`.Contestant.enter`."""
        return _line(type="hello", name=name, rooms=list(rooms))

    def entered(self, name: str, rooms: Sequence[str]) -> bytes:
        """See :meth:`.Contestant.entered`."""
        return b'"to":"join","room":"%s"' % rooms[-1].encode()

    def say(self, name: str, room: str, words: bytes) -> bytes:
        """See :meth:`.Contestant.say`."""
        count = int(words[7:15])
        number = {} if count == BEFORE else {"seq": count + 1}
        return _line(type="say", room=room, text=words.decode(), **number)

    def heard(self, name: str, room: str, words: bytes) -> bytes:
        """Return the end of an event, without the id and the time."""
        return b'"room":"%s","author":"%s","text":"%s"}\r\n' % (room.encode(), name.encode(), words)


def _line(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
