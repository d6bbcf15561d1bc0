"""What the model knows of each connection: which lines it has to get, and which it got.

The times of the model are *moments*: whenever something is sent or stored, or somebody ignores
somebody, a moment passes. So it can tell what a reader wanted to see when a line went out to it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import date, datetime, timezone
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from chatservice.core.members import Member
from chatservice.journal.events import (
    ACTED,
    ANNOUNCED,
    DID,
    HOUSE,
    PERSONAL,
    PRIVATE,
    RENAMED,
    SAID,
    TALK,
    TOPIC,
    Event,
    inbox,
)
from tests.core.support import House, Person, RecordingOutlet

_HEADER: Final = re.compile(r"-- the last (line|\d+ lines) of #(\w+), times in UTC:")
_ALL_HIDDEN: Final = re.compile(r"-- all recent talk in #(.+) is from people you ignore")
_NOTHING: Final = re.compile(r"-- nothing was said in #(\w+) yet")
_HEADING: Final = re.compile(r"-- \w+day, \d+ \w+ \d{4}:")
_PAST: Final = re.compile(r"\[\d\d:\d\d\] ")
_SENT: Final = "[you -> "
# What is told to the reader alone begins with "you" or "the", which nobody can be called.
_EVENT: Final = re.compile(
    r"-- (#\w+: )?(?!you |the )("
    r"\w+((, \w+)* and \w+)? (joined|left)( \(.*\))?"
    r"|\w+ is now \w+"
    r"|\w+ set the topic: .*"
    r"|\w+ announces: .*"
    r"|\w+ (kicked|muted|unmuted|announced:) .*"
    r")"
)


def talk_line(event: Event) -> str:
    """Somebody's words, as they are to be shown in their room."""
    if event.kind == SAID:
        return f"<{event.author}> {event.text}"
    if event.kind == DID:
        return f"* {event.author} {event.text}"
    return f"-- {event.author} {event.text}"


def past_line(event: Event) -> str:
    """Somebody's words, as they are to be shown later."""
    time = datetime.fromtimestamp(event.at / 1000, timezone.utc)
    return f"[{time.hour:02}:{time.minute:02}] {talk_line(event)}"


def live_line(event: Event, here: bool) -> str:
    """An event, as it is to be shown when it happens."""
    if event.kind == PRIVATE:
        return f"[{event.author} -> you] {event.text}"
    if event.kind == ANNOUNCED:
        return f"-- {event.author} announces: {event.text}"
    if event.kind in (SAID, DID):
        return talk_line(event) if here else f"#{event.room} {talk_line(event)}"
    if event.kind == RENAMED:
        what = f"{event.author} is now {event.text}"
    elif event.kind == TOPIC:
        what = f"{event.author} set the topic: {event.text}"
    elif event.kind == ACTED:
        what = f"{event.author} {event.text}"
    else:
        *some, last = event.author.split(" ")
        who = f"{', '.join(some)} and {last}" if some else last
        what = f"{who} {event.kind}" + (f" ({event.text})" if event.text else "")
    return f"-- {what}" if here else f"-- #{event.room}: {what}"


def day_of(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, timezone.utc).date()


class World(Protocol):
    """Where people are.

    :ivar dead: it was killed, so nobody gets anything any more.
    :ivar moment: the one that passed last.
    """

    house: House
    dead: bool
    moment: int

    def pass_moment(self) -> int:
        """Go on to the next moment, and return it."""

    def stored_at(self, event: Event) -> int:
        """Return the moment at which an event was stored."""

    def fuse(self, what: str) -> None:
        """Tell what happens, in case that the world is to end with it."""

    def told(self, session: Session, line: str) -> None:
        """Tell what the chat told somebody alone."""


class Period:
    """A room that somebody was in, from an event to an event."""

    def __init__(self, room: str, since: int) -> None:
        self.room = room
        self.since = since
        self.until: int | None = None

    def covers(self, event: Event) -> bool:
        return (
            event.room == self.room
            and self.since < event.id
            and (self.until is None or event.id < self.until)
        )


class Block:
    """Lines of the past that somebody is to be shown: the last ``count`` that they see.

    :ivar talk: what was said in the room, by whomever.
    :ivar left: those of it that are still to come, once the heading has.
    :ivar since: the moment at which they were asked for, or the last of them was given.
    """

    def __init__(
        self,
        talk: Sequence[Event],
        count: int,
        room: str,
        upto: int,
        asked: bool,
        today: date,
        since: int,
    ) -> None:
        self.talk = talk
        self.count = count
        self.left: deque[Event] = deque()
        self.room = room
        self.upto = upto
        self.asked = asked
        self.today = today
        self.since = since
        self.last: date | None = None


class Mark(NamedTuple):
    """Where in what a reader received something begins, when it came, and what was current then."""

    offset: int
    moment: int
    current: str


class Outlet(RecordingOutlet):
    """Notes when everything came, and which room was the current one, as far as the model knows."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.marks: list[Mark] = []

    def send(self, data: bytes) -> int:
        world = self.session.world
        if world.dead:
            return len(data)
        self._mark()
        sent = super().send(data)
        if sent:
            world.fuse("send")
        return sent

    def write(self, data: bytes) -> None:
        if self.session.world.dead:
            return
        self._mark()
        super().write(data)
        for line in data.decode(errors="ignore").split("\r\n"):
            self.session.world.told(self.session, line)

    def finish(self) -> None:
        if not self.session.world.dead:
            super().finish()

    def _mark(self) -> None:
        moment = self.session.world.pass_moment()
        self.marks.append(Mark(len(self.received), moment, self.session.current))

    def mark_of(self, offset: int) -> Mark:
        """Return when a line came."""
        return self.marks[bisect_right(self.marks, offset, key=itemgetter(0)) - 1]


class Session(Person):
    """Somebody at a connection, and what the model knows of them.

    :ivar rooms: the rooms that they asked to be in and did not ask to be out of.
    :ivar parting: by room, with which words they asked to be out of it.
    :ivar left: they quit or were kicked, the latter with words; ``seen_off``: without waiting for
        the journal.
    :ivar entered: the last event before they came; ``end``: the last that is surely for them.
    :ivar expected: the events that they are to see as they happen, if they want to.
    :ivar shown: how many of them they may have got over with: more than one number if it can't be
        told yet.
    :ivar last: the moment at which they got the last of them.
    :ivar blocks: the looks into the past that they are still to get.
    :ivar block: the one of which they got a part.
    :ivar ignored: by key of the name, the sessions that they do not want to see.
    :ivar hidden: from which moment on, which sessions these were.
    :ivar confirmations: what they wrote privately, as they are told when it is stored; in the order
        in which they asked for it.
    :ivar answered: how many of these they were told; ``confirmed``: and got.
    :ivar correspondent: whose private line they were shown last.
    :ivar mutings: how often somebody asked that they be muted.
    """

    def __init__(self, world: World, operator: bool) -> None:
        self.world = world
        super().__init__(world.house, Outlet(self))
        self.name = ""
        self.operator = operator
        self.rooms: list[str] = []
        self.current = ""
        self.parting: defaultdict[str, deque[str]] = defaultdict(deque)
        self.left = False
        self.kicked: str | None = None
        self.seen_off = False
        self.entered = 0
        self.end: int | None = None
        self.periods: list[Period] = []
        self.expected: list[Event] = []
        self.shown = [0]
        self.blocks: deque[Block] = deque()
        self.block: Block | None = None
        self.heading = ""
        self.followed = 0
        self.last = 0
        self.ignored: dict[str, set[int]] = {}
        self.hidden: list[tuple[int, frozenset[int]]] = [(0, frozenset())]
        self.confirmations: list[tuple[int, str]] = []
        self.answered = 0
        self.confirmed = 0
        self.correspondent = 0
        self.mutings = 0

    # What they want to see

    def ignore(self, key: str, origin: int) -> None:
        self.ignored.setdefault(key, set()).add(origin)
        self._note_hidden()

    def heed(self, key: str) -> None:
        del self.ignored[key]
        self._note_hidden()

    def follow_name(self, origin: int, old: str, new: str) -> None:
        """Know somebody whom they ignore, or who takes a name that they ignore, by that name."""
        if origin in self.hidden[-1][1]:
            self.ignored[old].remove(origin)
            if not self.ignored[old]:
                del self.ignored[old]
            self.ignore(new, origin)
        elif new in self.ignored:
            self.ignore(new, origin)

    def _note_hidden(self) -> None:
        hidden: frozenset[int] = frozenset().union(*self.ignored.values())
        self.hidden.append((self.world.pass_moment(), hidden))

    def hides(self, event: Event, since: int, until: int) -> bool:
        """Return whether at any moment from one to another they did not want to see an event."""
        first = bisect_right(self.hidden, since, key=itemgetter(0)) - 1
        return any(
            moment <= until and event.origin in hidden and event.kind in PERSONAL
            for moment, hidden in self.hidden[first:]
        )

    def awaits(self, event: Event) -> bool:
        """Return whether an event that has just been stored is for them."""
        if event.origin == self.member.origin:
            return False
        if event.room == HOUSE:
            return event.id > self.entered
        if event.room == inbox(self.member.origin):
            return True
        return any(period.covers(event) for period in self.periods)

    # What they get

    def follow(self) -> None:
        """Compare what came since the last time with what was to come."""
        received = self.outlet.received
        while (end := received.find(b"\r\n", self.followed)) >= 0:
            line = received[self.followed : end].decode()
            self._check(line, self.followed)
            self.followed = end + 2

    def _check(self, line: str, offset: int) -> None:
        outlet = self.outlet
        assert isinstance(outlet, Outlet)
        mark = outlet.mark_of(offset)
        if _PAST.match(line):
            self._check_past(line, mark.moment)
            return
        assert not self.heading, f"{line!r} after {self.heading!r}"
        if header := _HEADER.fullmatch(line):
            count = 1 if header[1] == "line" else int(header[1].removesuffix(" lines"))
            block = self._next_block(mark.moment, header[2], count)
            seen = self._seen(block, mark.moment)
            assert (header[2], count) == (block.room, len(seen)), line
            block.left += seen
            block.since = mark.moment
            self.block = block
        elif nothing := _NOTHING.fullmatch(line):
            block = self._next_block(mark.moment)
            assert block.asked and not block.talk and block.room == nothing[1], line
        elif hidden := _ALL_HIDDEN.fullmatch(line):
            block = self._next_block(mark.moment, hidden[1])
            assert block.asked and block.talk and block.room == hidden[1], line
            assert not self._seen(block, mark.moment), line
        elif _HEADING.fullmatch(line):
            self.heading = line
        elif line.startswith(_SENT):
            assert self.confirmed < len(self.confirmations), f"{line!r} is not stored"
            assert line == self.confirmations[self.confirmed][1]
            self.confirmed += 1
        elif not line.startswith("-- ") or _EVENT.fullmatch(line):
            self._check_live(line, mark)

    def _next_block(self, moment: int, room: str = "", count: int = 0) -> Block:
        """Go on to the look into the past that is told of next.

        Of one that nobody asked for, and that shows nothing, nothing is told.
        """
        self._end_block(moment)
        while True:
            block = self.blocks.popleft()
            may_be_passed = not block.asked and self._shows_nothing(block, moment)
            told = (block.room, len(self._seen(block, moment))) == (room, count)
            if not may_be_passed or (told and count):
                return block

    def _seen(self, block: Block, moment: int) -> list[Event]:
        """Return what a look into the past shows at a moment."""
        return [e for e in block.talk if not self.hides(e, moment, moment)][-block.count :]

    def _shows_nothing(self, block: Block, moment: int) -> bool:
        """Return whether there may have been nothing to show, at some moment until now."""
        return all(self.hides(event, block.since, moment) for event in block.talk)

    def _end_block(self, moment: int) -> None:
        """Of a look into the past, nothing may be left but what they did not want to see."""
        block = self.block
        while block is not None and block.left:
            self._pass_over(block, moment)
        self.block = None

    def _pass_over(self, block: Block, moment: int) -> None:
        event = block.left.popleft()
        assert self.hides(event, block.since, moment), f"{self.name} was not shown {event}"

    def _check_past(self, line: str, moment: int) -> None:
        block = self.block
        assert block is not None and block.left, f"{line!r} out of the blue"
        while self.hides(block.left[0], moment, moment) or line != past_line(block.left[0]):
            self._pass_over(block, moment)
            assert block.left, f"{line!r} out of the blue"
        event = block.left.popleft()
        day = day_of(event.at)
        heading = f"-- {day:%A}, {day.day} {day:%B} {day.year}:"
        if block.last is not None:
            wanted = day != block.last
        else:
            # Today is when the lines are rendered: when they were asked for, or later.
            wanted = day != block.today or (
                bool(self.heading) and day_of(self.house.now()) != block.today
            )
        assert self.heading == (heading if wanted else ""), (self.heading, line, block.last)
        self.heading = ""
        block.last = day
        block.since = moment
        if not block.left:
            self.block = None

    def _check_live(self, line: str, mark: Mark) -> None:
        shown: set[int] = set()
        for count in self.shown:
            for event in self.expected[count:]:
                count += 1
                if (
                    line == live_line(event, mark.current == event.room)
                    and not self.hides(event, mark.moment, mark.moment)
                    and self.world.stored_at(event) < mark.moment
                ):
                    shown.add(count)
                if not self._may_miss(event, mark.moment):
                    break
        coming = [live_line(e, mark.current == e.room) for e in self.expected[self.shown[0] :]]
        assert shown, f"{self.name} was shown {line!r}, not {coming[:3]}"
        self.shown = sorted(shown)
        self._end_block(mark.moment)
        event = self.expected[self.shown[0] - 1]
        for block in self.blocks:
            told = block.asked or not self._shows_nothing(block, mark.moment)
            assert block.upto >= event.id or not told, "the past is late"
        self.last = mark.moment
        if event.kind == PRIVATE:
            self.correspondent = event.origin

    def _may_miss(self, event: Event, moment: int) -> bool:
        """Tell whether, at a moment, they may have got over with an event without seeing it."""
        if self.end is not None and event.id > self.end and event.room.startswith(HOUSE):
            # Who was kicked or quit, and reads slowly, may see more of what is for everybody.
            return True
        return self.hides(event, max(self.last, self.world.stored_at(event)), moment)

    def check_all_came(self) -> None:
        """Having read everything, there is nothing that should still come."""
        now = self.world.moment
        for count in self.shown:
            missing = [
                live_line(event, True)
                for event in self.expected[count:]
                if not self._may_miss(event, now)
            ]
            if not missing:
                break
        assert not missing, f"{self.name} was not shown {missing}"
        self.shown = [len(self.expected)]
        self._end_block(now)
        moment = self.world.pass_moment()
        for block in self.blocks:
            assert not block.asked and self._shows_nothing(block, moment)
        assert self.followed == len(self.outlet.received), "half a line"
        if self.kicked is None and not self.seen_off:
            assert self.confirmed == len(self.confirmations), "they were not told"
        if self.kicked is not None:
            told = f"-- you were {self.kicked}\r\n".encode()
            assert self.outlet.received.count(told) == 1, "they were not told to be kicked"

    def look_back(
        self, log: Sequence[Event], room: str, count: int, upto: int, asked: bool
    ) -> None:
        """Expect a look into the past."""
        talk = [e for e in log if e.room == room and e.kind in TALK and e.id <= upto]
        today = day_of(self.house.now())
        since = self.world.moment if asked else self.world.stored_at(log[-1])
        self.blocks.append(Block(talk, count, room, upto, asked, today, since))


def session_of(member: Member) -> Session:
    """Return who a member of the chat is."""
    outlet = member.outlet
    assert isinstance(outlet, Outlet)
    return outlet.session
