"""The chat against a model of it: whatever happens, everyone reads exactly what they should.

The model knows nothing of heads, cursors or batches. It reads the file of the history, finds who
was in which room from which event to which, and from that says what each connection has to have
got, byte for byte.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from datetime import date, datetime, timezone
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial import unittest

from chatservice.chat import names
from chatservice.chat.chat import Chat
from chatservice.chat.claims import NameTaken
from chatservice.chat.members import Member
from chatservice.chat.rooms import Membership
from chatservice.journal.base import Committed
from chatservice.journal.events import JOINED, LEFT, RENAMED, SAID, TALK, Draft, Event, Fact
from chatservice.journal.sqlite import SqliteJournal
from tests.chat.support import DAY, START, House, Person, RecordingOutlet

# Some seconds' worth; to look for longer, set the variable to some thousands.
EXAMPLES: Final = int(os.environ.get("CHAT_MODEL_EXAMPLES", "500"))
STEPS: Final = 60
SESSIONS: Final = 5
LIVES: Final = 3
# Hundreds of files are made and closed, and a file system in memory need not wait for a disk.
FOLDER: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

ROOMS: Final = ("lobby", "dev", "ops")
PERMANENT: Final = ("lobby",)
# The first three are one name, and so are the fourth and the fifth.
NAMES: Final = ("ana", "Ana", "ANA", "zoë", "Zoë", "bo", "cy", "di", "ed", "小林")
WORDS: Final = ("hi", "naïve", "wörld €", "😀😀 👋", "小林さん", "-- ana joined", "a" * 300)

_HEADER: Final = re.compile(r"-- the last (line|\d+ lines) of #(\w+), times in UTC:")
_NOTHING: Final = re.compile(r"-- nothing was said in #(\w+) yet")
_HEADING: Final = re.compile(r"-- \w+day, \d+ \w+ \d{4}:")
_PRESENCE: Final = re.compile(r"-- (#\w+: )?\w+((, \w+)* and \w+)? (joined|left)( \(.*\))?")
_RENAMED: Final = re.compile(r"-- (#\w+: )?\w+ is now \w+")
_LOOK_BACK: Final = 20


def talk_line(event: Event) -> str:
    """Somebody's words, as they are to be shown in their room."""
    if event.kind == SAID:
        return f"<{event.author}> {event.text}"
    return f"* {event.author} {event.text}"


def live_line(event: Event, here: bool) -> str:
    """An event, as it is to be shown when it happens."""
    if event.kind in TALK:
        return talk_line(event) if here else f"#{event.room} {talk_line(event)}"
    if event.kind == RENAMED:
        what = f"{event.author} is now {event.text}"
    else:
        *some, last = event.author.split(" ")
        who = f"{', '.join(some)} and {last}" if some else last
        what = f"{who} {event.kind}" + (f" ({event.text})" if event.text else "")
    return f"-- {what}" if here else f"-- #{event.room}: {what}"


def day_of(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, timezone.utc).date()


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
    """Lines of the past that somebody is to be shown."""

    def __init__(self, talk: Sequence[Event], room: str, upto: int, asked: bool, today: date):
        self.left = deque(talk)
        self.length = len(talk)
        self.room = room
        self.upto = upto
        self.asked = asked
        self.today = today
        self.last: date | None = None


class Outlet(RecordingOutlet):
    """Notes which room was the reader's current one, as far as the model knows, at each send."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.marks: list[tuple[int, str]] = []

    def send(self, data: bytes) -> int:
        world = self.session.world
        if world.dead:
            return len(data)
        self.marks.append((len(self.received), self.session.current))
        sent = super().send(data)
        if sent:
            world.fuse("send")
        return sent

    def write(self, data: bytes) -> None:
        if not self.session.world.dead:
            super().write(data)

    def finish(self) -> None:
        if not self.session.world.dead:
            super().finish()

    def current_at(self, offset: int) -> str:
        """Return the room that was the current one when a line was sent."""
        index = bisect_right(self.marks, offset, key=lambda mark: mark[0])
        return self.marks[index - 1][1]


class Session(Person):
    """Somebody at a connection, and what the model knows of them.

    :ivar rooms: the rooms that they asked to be in and did not ask to be out of.
    :ivar left: they quit; ``seen_off``: while the journal refused.
    :ivar expected: the events that they are to see as they happen; ``shown`` of them they saw.
    :ivar blocks: the looks into the past that they are still to get.
    :ivar block: the one of which they got a part.
    """

    def __init__(self, world: Machine) -> None:
        self.world = world
        super().__init__(world.house, Outlet(self))
        self.name = ""
        self.rooms: list[str] = []
        self.current = ""
        self.left = False
        self.seen_off = False
        self.periods: list[Period] = []
        self.expected: list[Event] = []
        self.shown = 0
        self.blocks: deque[Block] = deque()
        self.block: Block | None = None
        self.heading = ""
        self.followed = 0

    def follow(self) -> None:
        """Compare what came since the last time with what was to come."""
        received = self.outlet.received
        while (end := received.find(b"\r\n", self.followed)) >= 0:
            line = received[self.followed : end].decode()
            self._check(line, self.followed)
            self.followed = end + 2

    def _check(self, line: str, offset: int) -> None:
        if line.startswith("["):
            self._check_past(line)
            return
        assert not self.heading, f"{line!r} after {self.heading!r}"
        if header := _HEADER.fullmatch(line):
            block = self._next_block()
            count = 1 if header[1] == "line" else int(header[1].removesuffix(" lines"))
            assert (header[2], count) == (block.room, block.length), line
            self.block = block
        elif nothing := _NOTHING.fullmatch(line):
            block = self._next_block()
            assert block.asked and not block.length and block.room == nothing[1], line
        elif _HEADING.fullmatch(line):
            self.heading = line
        elif not line.startswith("-- ") or _PRESENCE.fullmatch(line) or _RENAMED.fullmatch(line):
            self._check_live(line, offset)

    def _next_block(self) -> Block:
        assert self.block is None, "a look into the past within another"
        while self.blocks[0].length == 0 and not self.blocks[0].asked:
            self.blocks.popleft()
        return self.blocks.popleft()

    def _check_past(self, line: str) -> None:
        block = self.block
        assert block is not None, f"{line!r} out of the blue"
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
        time = datetime.fromtimestamp(event.at / 1000, timezone.utc)
        assert line == f"[{time.hour:02}:{time.minute:02}] {talk_line(event)}", line
        block.last = day
        if not block.left:
            self.block = None

    def _check_live(self, line: str, offset: int) -> None:
        assert self.shown < len(self.expected), f"{self.name} got more than was to come: {line!r}"
        event = self.expected[self.shown]
        outlet = self.outlet
        assert isinstance(outlet, Outlet)
        here = outlet.current_at(offset) == event.room
        assert line == live_line(event, here), f"{line!r} is not {live_line(event, here)!r}"
        assert self.block is None, f"{line!r} within a look into the past"
        for block in self.blocks:
            assert block.upto >= event.id or not (block.length or block.asked), "the past is late"
        self.shown += 1

    def check_all_came(self) -> None:
        """Having read everything, there is nothing that should still come."""
        missing = [live_line(event, True) for event in self.expected[self.shown :]]
        assert not missing, f"{self.name} was not shown {missing}"
        assert self.block is None
        assert not any(block.length or block.asked for block in self.blocks)
        assert self.followed == len(self.outlet.received), "half a line"


class WatchedChat(Chat):
    """Tells the model what is asked of the chat, in the order in which it is asked."""

    world: Machine

    def join(self, member: Member, name: str) -> None:
        super().join(member, name)
        self.world.asked_to_join(_session(member), name)

    def say(self, member: Member, room: str, kind: str, text: str) -> None:
        self.world.asked_to_say(_session(member), kind, text)
        super().say(member, room, kind, text)

    def leave(self, membership: Membership) -> None:
        self.world.asked_to_leave(_session(membership.member), membership.room.name)
        super().leave(membership)

    def rename(self, member: Member, name: str) -> Deferred[None]:
        renaming = super().rename(member, name)
        self.world.asked_to_rename(_session(member), name, renaming)
        return renaming

    def look_back(self, member: Member, room: str, count: int) -> None:
        self.world.asked_to_look_back(_session(member), room, count)
        super().look_back(member, room, count)

    def quit(self, member: Member, words: str = "") -> None:
        self.world.asked_to_quit(_session(member))
        super().quit(member, words)


def _session(member: Member) -> Session:
    outlet = member.outlet
    assert isinstance(outlet, Outlet)
    return outlet.session


class MortalJournal(SqliteJournal):
    """Stops the world, if that is wanted, right before a commit or right after it."""

    world: Machine

    def start(self, committed: Committed) -> None:
        def told(events: Sequence[Event], facts: Sequence[Fact]) -> None:
            self.world.fuse("committed")
            committed(events, facts)

        super().start(told)

    def commit(self, drafts: Sequence[Draft], facts: Sequence[Fact] = ()) -> Deferred[None]:
        self.world.fuse("commit")
        return super().commit(drafts, facts)


class WatchedHouse(House):
    make_chat = WatchedChat
    make_journal = MortalJournal


ANYONE: Final = st.integers(0, SESSIONS - 1)
ANY_ROOM: Final = st.sampled_from(ROOMS)
ANY_WORDS: Final = st.sampled_from(WORDS)
ANY_COUNT: Final = st.integers(1, 30)
ANY_WINDOW: Final = st.none() | st.integers(0, 300)


class Machine(RuleBasedStateMachine):
    """Five sessions, three rooms, and all that can happen to them."""

    flush_errors: Callable[[], list[Failure]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="chat-model-", dir=FOLDER)
        self.lives = 0
        self.dead = False
        self.burning: tuple[str, int] | None = None
        self.sessions: list[Session] = []
        self.leaving: list[Session] = []
        self.log: list[Event] = []
        self.counter = 0
        self._forget_the_living()

    def _forget_the_living(self) -> None:
        """Begin with nobody in the house: nobody holds a name, is in a room or waits for one."""
        self.sessions = []
        self.leaving = []
        self.holders: dict[str, Session] = {}
        self.inside: dict[tuple[str, str], Session] = {}
        self.joining: defaultdict[tuple[str, str], deque[Session]] = defaultdict(deque)
        self.saying: dict[str, tuple[Session, str, str, str]] = {}

    @property
    def path(self) -> str:
        return f"{self.folder.name}/{self.lives}.sqlite"

    @initialize(
        recent=st.integers(3, 20), held=st.booleans(), people=st.integers(0, 4), room=ANY_ROOM
    )
    def opens(self, recent: int, held: bool, people: int, room: str) -> None:
        self.recent = recent
        self._open(START, held)
        for name in NAMES[-people:] if people else ():
            self._enter(name)
            self._who(-1).type(f"/join {room}")
        self.house.tick()

    def _open(self, moment: int, held: bool) -> None:
        self.house = WatchedHouse(self.path, moment=moment, permanent=PERMANENT, recent=self.recent)
        for part in (self.house.chat, self.house.journal):
            assert isinstance(part, WatchedChat | MortalJournal)
            part.world = self
        self.house.readings.held = held
        self.reader = sqlite3.connect(self.path, isolation_level=None)

    def teardown(self) -> None:
        try:
            if hasattr(self, "house"):
                self.everything_drains()
                self.everyone_follows()
        finally:
            if hasattr(self, "house"):
                self.reader.close()
                self.house.stop()
            self.folder.cleanup()

    # What happens

    def _who(self, number: int) -> Session:
        return self.sessions[number % len(self.sessions)]

    def _text(self, words: str) -> str:
        self.counter += 1
        return f"{words} {self.counter}"

    @precondition(lambda self: len(self.sessions) < SESSIONS)
    @rule(name=st.sampled_from(NAMES), slow=st.none() | st.integers(0, 100))
    def enter(self, name: str, slow: int | None) -> None:
        self._enter(name, slow)

    def _enter(self, name: str, slow: int | None = None) -> None:
        session = Session(self)
        session.name = name
        session.outlet.window = slow
        free = names.key(name) not in self.holders
        refused: list[Failure] = []
        if free:
            self.holders[names.key(name)] = session
        session.enter(name).addErrback(refused.append)
        assert bool(refused) is not free
        if free:
            self.sessions.append(session)
        else:
            assert refused[0].check(NameTaken)

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, words=ANY_WORDS, do=st.booleans())
    def say(self, who: int, words: str, do: bool) -> None:
        self._who(who).type("/me " * do + self._text(words))

    @precondition(lambda self: self.sessions)
    @rule(first=ANYONE, number=st.integers(2, 6), words=ANY_WORDS)
    def many_say(self, first: int, number: int, words: str) -> None:
        for who in range(first, first + number):
            self._who(who).type(self._text(words))

    @precondition(lambda self: self.sessions)
    @rule(
        who=ANYONE,
        number=st.integers(1, 6),
        words=ANY_WORDS,
        window=st.integers(0, 120),
        then=ANY_WINDOW,
    )
    def many_say_to_a_slow_reader(
        self, who: int, number: int, words: str, window: int, then: int | None
    ) -> None:
        reader = self._who(who)
        self.gets_slow(who, window)
        self.many_say(who + 1, number, words)
        self.house.tick()
        reader.outlet.drain(then)
        self.house.tick(0.0)

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, count=ANY_COUNT, window=st.integers(0, 200), then=ANY_WINDOW)
    def a_slow_reader_looks_back(self, who: int, count: int, window: int, then: int | None) -> None:
        reader = self._who(who)
        self.gets_slow(who, window)
        self.history(who, count)
        self.house.tick()
        reader.outlet.drain(then)
        self.house.tick(0.0)

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, room=ANY_ROOM)
    def join(self, who: int, room: str) -> None:
        self._who(who).type(f"/join {room}")

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, room=st.sampled_from(("", *ROOMS)))
    def leave(self, who: int, room: str) -> None:
        self._who(who).type(f"/leave {room}")

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, name=st.none() | st.sampled_from(NAMES))
    def comes_back(self, who: int, name: str | None) -> None:
        session = self._who(who)
        room = session.current or PERMANENT[0]
        session.type("/leave", *([f"/nick {name}"] if name else []), f"/join {room}")

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, name=st.sampled_from(NAMES))
    def nick(self, who: int, name: str) -> None:
        self._who(who).type(f"/nick {name}")

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, count=ANY_COUNT)
    def history(self, who: int, count: int) -> None:
        self._who(who).type(f"/history {count}")

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, words=st.sampled_from(("", "", *WORDS)), lost=st.booleans())
    def goes(self, who: int, words: str, lost: bool) -> None:
        session = self._who(who)
        if lost:
            self._lose(session)
        else:
            session.type(f"/quit {words and self._text(words)}")

    @precondition(lambda self: self.sessions)
    @rule(
        who=ANYONE,
        commands=st.lists(
            st.sampled_from(("/history", "/who", "/rooms", "/nick bo", "/nick cy", "/leave"))
            | ANY_ROOM.map("/join {}".format)
            | ANY_WORDS,
            min_size=2,
            max_size=5,
        ),
        lost=st.booleans(),
    )
    def types_ahead(self, who: int, commands: list[str], lost: bool) -> None:
        session = self._who(who)
        for command in commands:
            session.type(command if command.startswith("/") else self._text(command))
        if lost and session in self.sessions:
            self._lose(session)

    def _lose(self, session: Session) -> None:
        self.sessions.remove(session)
        self.leaving.append(session)
        session.lose()

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, window=st.integers(0, 400))
    def gets_slow(self, who: int, window: int) -> None:
        outlet = self._who(who).outlet
        if not outlet.blocked:
            outlet.window = window

    @precondition(lambda self: self.sessions or self.leaving)
    @rule(who=st.integers(0, 9), window=ANY_WINDOW)
    def drains(self, who: int, window: int | None) -> None:
        everyone = self.sessions + [s for s in self.leaving if not s.outlet.lost]
        if everyone:
            everyone[who % len(everyone)].outlet.drain(window)

    @rule(seconds=st.sampled_from((0.0, 0.0, 0.001, 0.1, 1.0)))
    def time_passes(self, seconds: float) -> None:
        self.house.tick(seconds)

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.house.moment += round(days * DAY * 1000)

    @rule()
    def refuses_or_accepts(self) -> None:
        if self.house.refusing:
            self.house.accept()
        else:
            self.house.refuse()

    @rule()
    def readings_take_time(self) -> None:
        self.house.readings.held = True

    @precondition(lambda self: self.house.readings)
    @rule(one=st.booleans())
    def readings_finish(self, one: bool) -> None:
        if one:
            self.house.readings.finish()
        else:
            self.house.readings.release()

    @precondition(lambda self: self.log and self.lives < LIVES and not self.burning)
    @rule(
        when=st.sampled_from(("now", "commit", "committed", "send")),
        after=st.integers(0, 3),
        held=st.booleans(),
    )
    def is_killed(self, when: str, after: int, held: bool) -> None:
        self.burning = (when, after)
        self.held_next = held
        self.fuse("now")

    @rule()
    def everything_drains(self) -> None:
        """Let everyone read all there is; then nobody is behind, and nothing is left over."""
        self.house.accept()
        for _ in range(200):
            self.house.readings.release()
            for session in self.sessions + self.leaving:
                if not session.outlet.lost:
                    session.outlet.drain()
            # A pace, and what that leaves; a journal that refused is tried again in a second.
            self.house.tick(1.0)
            self.house.tick(0.0)
            if self.dead or self._quiet():
                break
        else:
            raise AssertionError("there is no end to it")
        if not self.dead:
            self.everyone_follows()
            self._check_quiet_house()

    def _quiet(self) -> bool:
        return (
            all(session.idle for session in self.sessions + self.leaving)
            and not self.house.readings
            and len(self.house.clock.getDelayedCalls()) == 0
        )

    # What was asked

    def asked_to_join(self, session: Session, room: str) -> None:
        if self.dead:
            return
        if room not in session.rooms:
            session.rooms.append(room)
            self.joining[room, session.name].append(session)
        session.current = room

    def asked_to_leave(self, session: Session, room: str) -> None:
        if self.dead:
            return
        session.rooms.remove(room)
        if session.current == room:
            session.current = session.rooms[-1] if session.rooms else ""

    def asked_to_say(self, session: Session, kind: str, text: str) -> None:
        if session.current:
            self.saying[text] = (session, session.name, kind, session.current)

    def asked_to_rename(self, session: Session, name: str, renaming: Deferred[None]) -> None:
        if self.dead:
            return
        free = self.holders.get(names.key(name), session) is session
        assert isinstance(renaming.result, Failure) is not free
        if free:
            del self.holders[names.key(session.name)]
            self.holders[names.key(name)] = session
            session.name = name

    def asked_to_look_back(self, session: Session, room: str, count: int) -> None:
        if self.dead or session.outlet.lost:
            return
        self.read_log()
        self._look_back(session, room, count, self.log[-1].id if self.log else 0, True)

    def asked_to_quit(self, session: Session) -> None:
        if self.dead or session.left:
            return
        session.left = True
        session.rooms = []
        if self.house.chat.ticker.refusing:
            # Nobody who goes is made to wait for the journal: all that was stored is all there is.
            self.read_log()
            session.seen_off = True
            for period in session.periods:
                period.until = period.until or len(self.log) + 1
        assert self.holders.pop(names.key(session.name)) is session
        if session in self.sessions:
            self.sessions.remove(session)
            self.leaving.append(session)

    # What was stored, and what it means

    def read_log(self) -> None:
        """Take in what is new in the file."""
        head = self.log[-1].id if self.log else 0
        rows = self.reader.execute("SELECT * FROM events WHERE id > ? ORDER BY id", (head,))
        for row in rows.fetchall():
            event = Event(*row)
            head += 1
            assert event.id == head
            assert not self.log or event.at >= self.log[-1].at
            self.log.append(event)
            self._happened(event)

    def _happened(self, event: Event) -> None:
        room = event.room
        if event.kind == JOINED:
            for name in event.author.split(" "):
                session = self.joining[room, name].popleft()
                where = (room, names.key(name))
                assert where not in self.inside, f"two are {name} in #{room}"
                self.inside[where] = session
                if not session.seen_off:
                    session.periods.append(Period(room, event.id))
                    self._look_back(session, room, _LOOK_BACK, event.id, False)
        elif event.kind == LEFT:
            for name in event.author.split(" "):
                session = self.inside.pop((room, names.key(name)))
                for period in session.periods:
                    if period.room == room:
                        period.until = period.until or event.id
        elif event.kind == RENAMED:
            session = self.inside.pop((room, names.key(event.author)))
            where = (room, names.key(event.text))
            assert where not in self.inside, f"two are {event.text} in #{room}"
            self.inside[where] = session
            assert session.member.origin == event.origin
        else:
            session, *asked = self.saying.pop(event.text)
            assert asked == [event.author, event.kind, room], f"{asked} became {event}"
            assert self.inside[room, names.key(event.author)] is session
            assert session.member.origin == event.origin
        for session in self.sessions + self.leaving:
            if session.member.origin != event.origin and any(
                period.covers(event) for period in session.periods
            ):
                session.expected.append(event)

    def _look_back(self, session: Session, room: str, count: int, upto: int, asked: bool) -> None:
        talk = [e for e in self.log if e.room == room and e.kind in TALK and e.id <= upto]
        today = day_of(self.house.now())
        session.blocks.append(Block(talk[-count:], room, upto, asked, today))

    # What is always true

    @invariant()
    def everyone_follows(self) -> None:
        if not hasattr(self, "house"):
            return
        assert self.flush_errors() == []
        assert self.house.failures == []
        self.read_log()
        for session in self.sessions + self.leaving:
            session.follow()
        if self.dead:
            self._restart()
            return
        members = self.house.chat.members
        assert {s.member for s in self.holders.values()} == set(members)
        assert len({names.key(member.name) for member in members}) == len(members)
        for session in self.sessions:
            current = session.member.current
            assert (current.room.name if current else "") == session.current
            assert [m.room.name for m in session.member.rooms()] == session.rooms

    def _check_quiet_house(self) -> None:
        """What is true when nothing waits and everyone has read everything."""
        chat = self.house.chat
        for session in self.sessions:
            session.check_all_came()
            assert session.member.cursor is None, f"{session.name} is behind"
        for session in self.leaving:
            assert session.outlet.lost or session.outlet.finished, f"{session.name} hangs on"
            if not session.outlet.lost:
                session.check_all_came()
        self.leaving = []
        assert not any(self.joining.values()), "a joining is lost"
        assert not self.saying, f"what was said is lost: {self.saying}"
        wanted: dict[str, dict[tuple[Any, bool], set[Member]]] = {room: {} for room in PERMANENT}
        for (room, _), session in self.inside.items():
            assert room in session.rooms
            key = (session.member.view, session.current == room)
            wanted.setdefault(room, {}).setdefault(key, set()).add(session.member)
        for session in self.sessions:
            for room in session.rooms:
                assert self.inside[room, names.key(session.name)] is session
        heads = {
            name: {key: set(group) for key, group in room.head.items()}
            for name, room in chat.rooms.items()
        }
        assert heads == wanted
        for name, there in chat.rooms.items():
            members = {session.member for (room, _), session in self.inside.items() if room == name}
            assert set(there.members) == members
            assert there.population == len(members)
        assert {s.member for s in self.sessions} == set(chat.members)
        assert set(chat._claims._holders) == {names.key(s.name) for s in self.sessions}

    # Dying

    def fuse(self, what: str) -> None:
        """Count down to the moment at which the house is killed."""
        if self.burning is None or self.burning[0] != what or self.dead:
            return
        if self.burning[1] and what != "now":
            self.burning = (what, self.burning[1] - 1)
            return
        # What a killed process leaves is what is in its files.
        self.dead = True
        self.burning = None
        old = self.path
        self.lives += 1
        for suffix in ("", "-wal"):
            shutil.copyfile(old + suffix, self.path + suffix)
        self.reader.close()
        self.reader = sqlite3.connect(self.path, isolation_level=None)

    def _restart(self) -> None:
        """Open the house again on what was left; all that was ever shown is in it."""
        stored = [Event(*row) for row in self.reader.execute("SELECT * FROM events ORDER BY id")]
        assert stored == self.log
        self.reader.close()
        moment = self.house.now()
        self.house.stop()
        self._forget_the_living()
        self.dead = False
        self._open(moment, self.held_next)


class ModelTests(unittest.TestCase):
    def test_everyone_reads_exactly_what_happened_while_they_were_in(self) -> None:
        class WatchedMachine(Machine):
            flush_errors = staticmethod(self.flushLoggedErrors)

        run_state_machine_as_test(
            WatchedMachine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
