"""The chat against a model of it: whatever happens, everyone reads exactly what they should.

The model knows nothing of heads, cursors or batches. It reads the file of the history, finds who
was in which room from which event to which, and from that says what each connection has to have
got, byte for byte.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
)
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial import unittest

from chatservice.core.chat import Chat
from chatservice.core.members import Member, Membership
from chatservice.core.moderation import MUTE
from chatservice.core.nicknames import NameTaken
from chatservice.core.permissions import check_heard
from chatservice.core.state import OPERATORS
from chatservice.journal.events import (
    ACTED,
    ANNOUNCED,
    HOUSE,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    Committed,
    Event,
    inbox,
)
from chatservice.text import names
from tests.core.model import Period, Session, session_of
from tests.core.mortal import PERMANENT, MortalWorld, run
from tests.core.support import DAY, START, assert_rooms_are_listed, watch
from tests.profiles import examples

# Some seconds' worth; to look for longer, set the variable to some thousands.
STEPS: Final = 60
SESSIONS: Final = 5
LIVES: Final = 3
ROOMS: Final = ("lobby", "dev", "ops")
# The first three are one name, and so are the fourth and the fifth.
NAMES: Final = ("ana", "Ana", "ANA", "zoë", "Zoë", "bo", "cy", "di", "ed", "小林")
WORDS: Final = ("hi", "naïve", "wörld €", "😀😀 👋", "小林さん", "-- ana joined", "a" * 300)

_LOOK_BACK: Final = 20


class WatchedChat(Chat):
    """Tells the model what is asked of the chat, in the order in which it is asked."""

    world: Machine

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        watch(self.places, "join", self._join)
        watch(self.places, "leave", self._leave)
        watch(self.attendance, "rename", self._rename)
        watch(self.attendance, "quit", self._quit)

    def _join(self, join: Callable[..., Membership], member: Member, name: str) -> Membership:
        is_new = name not in self.rooms
        membership = join(member, name)
        self.world.asked_to_join(session_of(member), name, is_new)
        return membership

    def _leave(self, leave: Callable[..., None], membership: Membership) -> None:
        self.world.asked_to_leave(session_of(membership.member), membership.room.name)
        leave(membership)

    def _rename(
        self, rename: Callable[..., Deferred[None]], member: Member, name: str
    ) -> Deferred[None]:
        renaming = rename(member, name)
        self.world.asked_to_rename(session_of(member), name, renaming)
        return renaming

    def _quit(self, quit: Callable[..., None], member: Member, words: str = "") -> None:
        self.world.asked_to_quit(session_of(member), words)
        quit(member, words)

    def say(self, member: Member, room: str, kind: str, text: str, seq: int | None = None) -> None:
        check_heard(self.standing, member.name, kind)
        if kind == PRIVATE:
            to = next(other for other in self.members if inbox(other.origin) == room)
            self.world.asked_to_write(session_of(member), session_of(to), text)
        self.world.asked_to_say(session_of(member), room, kind, text)
        super().say(member, room, kind, text, seq)

    def look_back(self, member: Member, room: str, count: int) -> None:
        self.world.asked_to_look_back(session_of(member), room, count)
        super().look_back(member, room, count)


class Saying(NamedTuple):
    """Something that was asked to be said or done, and to be told when it is stored."""

    session: Session
    author: str
    kind: str
    room: str
    text: str
    confirmation: str = ""
    whom: str = ""
    until: int = 0
    length: int = 0


SECONDS: Final = {"1 second": 1, "10 seconds": 10, "1 day": 86_400}
"""How long people are muted, if not for ever."""

ANYONE: Final = st.integers(0, SESSIONS - 1)
ANY_NAME: Final = st.sampled_from(NAMES)
ANY_ROOM: Final = st.sampled_from(ROOMS)
ANY_WORDS: Final = st.sampled_from(WORDS)
ANY_COUNT: Final = st.integers(1, 30)
RARELY: Final = st.sampled_from((False, False, True))
ANY_WINDOW: Final = st.none() | st.integers(0, 300)
ANY_COMMAND: Final = st.one_of(
    st.sampled_from(("/history", "/who", "/rooms", "/nick bo", "/nick cy", "/leave")),
    st.sampled_from((*ROOMS, OPERATORS)).map("/join {}".format),
    st.builds("{} {} {}".format, st.sampled_from(("/msg", "/kick")), ANY_NAME, ANY_WORDS),
    st.builds("{} {}".format, st.sampled_from(("/ignore", "/unignore", "/mute")), ANY_NAME),
    st.builds("{} {}".format, st.sampled_from(("/reply", "/topic", "/announce")), ANY_WORDS),
)
_ENDS_IN_TEXT: Final = re.compile("/(msg|kick|reply|topic|announce) .*")
_MUTED: Final = re.compile(r"(mute|unmute)d (\w+)(?: for (.*))?")
_KICKED: Final = re.compile(r"kicked (\w+)(: .*)?")
_IGNORES: Final = re.compile(r"-- you see (no more of (\w+)|(\w+) again)")


class Machine(MortalWorld):
    """Five sessions, three rooms, and all that can happen to them."""

    make_chat = WatchedChat

    def __init__(self) -> None:
        super().__init__()
        self.moment = 0
        self.commits: list[tuple[int, int]] = []
        # Until when, and until when after a restart: a term begins when it is stored, but what was
        # stored is the end that it would have had if it had begun when it was typed.
        self.muted: dict[str, tuple[int, int]] = {}
        self.terms: set[int] = set()
        self.sessions: list[Session] = []
        self.leaving: list[Session] = []
        self._forget_the_living()

    def _forget_the_living(self) -> None:
        """Begin with nobody in the house: nobody holds a name, is in a room or waits for one."""
        self.sessions = []
        self.leaving = []
        self.holders: dict[str, Session] = {}
        self.inside: dict[tuple[str, str], Session] = {}
        self.joining: defaultdict[tuple[str, str], deque[Session]] = defaultdict(deque)
        self.saying: dict[tuple[int, int], Saying] = {}
        self.addressed: dict[str, str] = {}
        self.replies: set[str] = set()

    @initialize(
        recent=st.integers(3, 20), held=st.booleans(), people=st.integers(0, 4), room=ANY_ROOM
    )
    def opens(self, recent: int, held: bool, people: int, room: str) -> None:
        self.recent = recent
        self._open(START, held)
        for name in NAMES[-people:] if people else ():
            self._enter(name, operator=name == NAMES[-1])
            self._who(-1).type(f"/join {room}")
        self.house.tick()

    def _open(self, moment: int, held: bool) -> None:
        self.open_house(moment, held, recent=self.recent, clock_is_right=True)

    @property
    def connected(self) -> list[Session]:
        return self.sessions + self.leaving

    def comes_to_its_end(self) -> None:
        self.everything_drains()
        self.everyone_follows()

    # What happens

    def _who(self, number: int) -> Session:
        return self.sessions[number % len(self.sessions)]

    def _other(self, session: Session, number: int) -> Session:
        """Find somebody else, if there is somebody else."""
        others = [other for other in self.sessions if other is not session] or [session]
        return others[number % len(others)]

    @precondition(lambda self: len(self.sessions) < SESSIONS)
    @rule(name=ANY_NAME, slow=st.none() | st.integers(0, 100), operator=RARELY)
    def enter(self, name: str, slow: int | None, operator: bool) -> None:
        self._enter(name, slow, operator)

    def _enter(self, name: str, slow: int | None = None, operator: bool = False) -> None:
        self.read_log()
        session = Session(self, operator)
        session.name = name
        session.entered = len(self.log)
        session.outlet.window = slow
        free = names.key(name) not in self.holders
        refused: list[Failure] = []
        if free:
            self.holders[names.key(name)] = session
        session.enter(name, operator=operator).addErrback(refused.append)
        assert bool(refused) is not free
        if free:
            for other in self._present():
                if names.key(name) in other.ignored:
                    other.ignore(names.key(name), session.member.origin)
            self.sessions.append(session)
        else:
            assert refused[0].check(NameTaken)

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, words=ANY_WORDS, do=st.booleans())
    def say(self, who: int, words: str, do: bool) -> None:
        self._who(who).type("/me " * do + self.text(words))

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, to=ANYONE, words=ANY_WORDS)
    def write(self, who: int, to: int, words: str) -> None:
        session = self._who(who)
        self._write(session, self._other(session, to).name, words)

    def _write(self, session: Session, to: str, words: str) -> None:
        text = self.text(words)
        self.addressed[text] = to
        session.type(f"/msg {to} {text}")

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, words=ANY_WORDS)
    def reply(self, who: int, words: str) -> None:
        self._reply(self._who(who), words)

    def _reply(self, session: Session, words: str) -> None:
        text = self.text(words)
        self.replies.add(text)
        session.type(f"/reply {text}")

    @precondition(lambda self: len(self.sessions) > 1)
    @rule(who=ANYONE, whom=ANYONE, name=st.none() | ANY_NAME, renamed=st.booleans())
    def the_ignored_comes_back(self, who: int, whom: int, name: str | None, renamed: bool) -> None:
        """Ignore somebody who goes, and comes again, perhaps by taking back the name."""
        session = self._who(who)
        other = self._other(session, whom)
        session.type(f"/ignore {other.name}")
        other.type("/quit")
        self.house.tick()
        self.house.tick(0.0)
        free = names.key(other.name) not in self.holders
        went = session in self.sessions and other not in self.sessions
        if went and free and not self.dead:
            self._enter(name if renamed and name else other.name)
            self._who(-1).type(f"/nick {other.name}", self.text("hi"))

    @precondition(lambda self: len(self.sessions) > 1)
    @rule(who=ANYONE, first=ANYONE, last=ANYONE, ignores=st.booleans(), words=ANY_WORDS)
    def two_write_and_are_answered(
        self, who: int, first: int, last: int, ignores: bool, words: str
    ) -> None:
        session = self._who(who)
        writers = [self._other(session, first), self._other(session, last)]
        if ignores:
            session.type(f"/ignore {writers[1].name}")
        for writer in writers:
            self._write(writer, session.name, words)
        self.house.tick()
        self._reply(session, words)

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, words=ANY_WORDS)
    def set_topic(self, who: int, words: str) -> None:
        self._who(who).type(f"/topic {self.text(words)}")

    @precondition(lambda self: self.sessions)
    @rule(
        first=ANYONE,
        number=st.integers(2, 6),
        words=ANY_WORDS,
        to=st.none() | ANYONE,
        announced=RARELY,
    )
    def many_say(
        self, first: int, number: int, words: str, to: int | None, announced: bool = False
    ) -> None:
        for who in range(first, first + number):
            session = self._who(who)
            session.type(self.text(words))
            if to is not None:
                self._write(session, self._who(to).name, words)
            if announced and session.operator:
                session.type(f"/announce {self.text(words)}")

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, whom=ANYONE)
    def ignore(self, who: int, whom: int) -> None:
        session = self._who(who)
        session.type(f"/ignore {self._other(session, whom).name}")

    @precondition(lambda self: any(session.ignored for session in self.sessions))
    @rule(who=ANYONE, whom=ANYONE)
    def unignore(self, who: int, whom: int) -> None:
        ignoring = [session for session in self.sessions if session.ignored]
        session = ignoring[who % len(ignoring)]
        session.type(f"/unignore {sorted(session.ignored)[whom % len(session.ignored)]}")

    @precondition(lambda self: any(session.operator for session in self.sessions))
    @rule(
        who=ANYONE,
        whom=ANYONE,
        duration=st.sampled_from(("", "1s", "10s", "1d")),
        back=st.booleans(),
    )
    def mute(self, who: int, whom: int, duration: str, back: bool) -> None:
        operator = self._operator(who)
        if back and self.muted:
            name = sorted(self.muted)[whom % len(self.muted)]
            operator.type(f"/unmute {name}")
        else:
            operator.type(f"/mute {self._other(operator, whom).name} {duration}")

    @precondition(lambda self: any(session.operator for session in self.sessions))
    @rule(
        who=ANYONE,
        whom=ANYONE,
        words=st.sampled_from(("", *WORDS)),
        doing=st.lists(ANY_COMMAND, max_size=2),
    )
    def kick(self, who: int, whom: int, words: str, doing: list[str]) -> None:
        operator = self._operator(who)
        other = self._other(operator, whom)
        for command in doing:
            self._type(other, command)
        operator.type(f"/kick {other.name} {words and self.text(words)}")

    @precondition(lambda self: any(session.operator for session in self.sessions))
    @rule(who=ANYONE, words=ANY_WORDS)
    def announce(self, who: int, words: str) -> None:
        self._operator(who).type(f"/announce {self.text(words)}")

    def _operator(self, number: int) -> Session:
        operators = [session for session in self.sessions if session.operator]
        return operators[number % len(operators)]

    def _present(self) -> list[Session]:
        return [session for session in self.sessions + self.leaving if not session.left]

    @precondition(lambda self: self.sessions)
    @rule(
        who=ANYONE,
        number=st.integers(1, 6),
        words=ANY_WORDS,
        window=st.integers(0, 120),
        then=ANY_WINDOW,
        privately=st.booleans(),
        ignores=st.sampled_from(("", "", "/ignore", "/unignore")),
    )
    def many_say_to_a_slow_reader(
        self,
        who: int,
        number: int,
        words: str,
        window: int,
        then: int | None,
        privately: bool,
        ignores: str,
    ) -> None:
        reader = self._who(who)
        self.gets_slow(who, window)
        self.many_say(who + 1, number, words, who if privately else None)
        self.house.tick()
        if ignores and self.sessions:
            reader.type(f"{ignores} {self._who(who + 1).name}")
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
    @rule(who=ANYONE, name=st.none() | ANY_NAME)
    def comes_back(self, who: int, name: str | None) -> None:
        session = self._who(who)
        room = session.current or PERMANENT[0]
        session.type("/leave", *([f"/nick {name}"] if name else []), f"/join {room}")

    @precondition(lambda self: self.sessions)
    @rule(who=ANYONE, name=ANY_NAME)
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
            session.type(f"/quit {words and self.text(words)}")

    @precondition(lambda self: self.sessions)
    @rule(
        who=ANYONE,
        commands=st.lists(ANY_COMMAND | ANY_WORDS, min_size=2, max_size=5),
        lost=st.booleans(),
    )
    def types_ahead(self, who: int, commands: list[str], lost: bool) -> None:
        session = self._who(who)
        for command in commands:
            self._type(session, command)
        if lost and session in self.sessions:
            self._lose(session)

    def _type(self, session: Session, command: str) -> None:
        is_text = not command.startswith("/") or _ENDS_IN_TEXT.fullmatch(command)
        session.type(self.text(command) if is_text else command)

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
        self.house.tick(days * DAY)

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

    # What was asked

    def asked_to_join(self, session: Session, room: str, is_new: bool) -> None:
        if self.dead:
            return
        if is_new:
            self.read_log()
            assert not self.is_muted(session.name), f"{session.name} is muted and makes #{room}"
        if room not in session.rooms:
            session.rooms.append(room)
            self.joining[room, session.name].append(session)
        session.current = room

    def asked_to_leave(self, session: Session, room: str) -> None:
        if self.dead:
            return
        session.rooms.remove(room)
        session.parting[room].append("")
        if session.current == room:
            session.current = session.rooms[-1] if session.rooms else ""

    def asked_to_write(self, session: Session, to: Session, text: str) -> None:
        if self.dead:
            return
        name = self.addressed.pop(text, None)
        if name is not None:
            assert self.holders[names.key(name)] is to, f"{text!r} is not for {to.name}"
        elif text in self.replies:
            self.read_log()
            session.follow()
            if not session.outlet.lost:
                assert to.member.origin == session.correspondent, f"{text!r} is not for {to.name}"
        confirmation = f"[you -> {to.name}] {text}"
        key = session.member.origin, session.member.seq - 1
        room = inbox(to.member.origin)
        self.saying[key] = Saying(session, session.name, PRIVATE, room, text, confirmation)

    def asked_to_say(self, session: Session, room: str, kind: str, text: str) -> None:
        if self.dead:
            return
        key = session.member.origin, session.member.seq - 1
        if kind in (ACTED, ANNOUNCED):
            assert session.operator and room == (OPERATORS if kind == ACTED else HOUSE)
        else:
            self.read_log()
            assert not self.is_muted(session.name), f"{session.name} is muted and says {text!r}"
            assert room == (self.saying[key].room if kind == PRIVATE else session.current)
        if kind != PRIVATE:
            saying = Saying(session, session.name, kind, room, text)
            self.saying[key] = self._operates(saying) if kind == ACTED else saying

    def _operates(self, saying: Saying) -> Saying:
        """Take in what an operator does."""
        if kicked := _KICKED.fullmatch(saying.text):
            self.holders[names.key(kicked[1])].kicked = f"kicked{kicked[2] or ''}"
        elif (muted := _MUTED.fullmatch(saying.text)) and muted[1] == "mute":
            other = self.holders[names.key(muted[2])]
            assert not other.operator
            other.mutings += 1
            length = SECONDS[muted[3]] * 1000 if muted[3] else 0
            until = self.house.now() + length if length else 0
            self.terms.add(until)
            return saying._replace(whom=muted[2], until=until, length=length)
        return saying

    def is_muted(self, name: str) -> bool:
        until, _ = self.muted.get(names.key(name), (-1, -1))
        return until == 0 or until > self.house.now()

    def told(self, session: Session, line: str) -> None:
        """Take in what the chat told somebody alone."""
        if self.dead:
            return
        if line.startswith("[you -> "):
            session.answered += 1
        elif ignores := _IGNORES.fullmatch(line):
            if ignores[2]:
                other = self.holders[names.key(ignores[2])]
                session.ignore(names.key(other.name), other.member.origin)
            else:
                session.heed(names.key(ignores[3]))
        elif line.startswith("-- you are muted"):
            self.read_log()
            if not self.is_muted(session.name):
                # It was decided when they had another name, or their mute is over or lifted now.
                session.mutings -= 1
                assert session.mutings >= 0, f"{session.name} is taken to be muted"
        elif nobody := re.fullmatch(r"-- there is no (\w+) here: /who .*", line):
            assert names.key(nobody[1]) not in self.holders

    def asked_to_rename(self, session: Session, name: str, renaming: Deferred[None]) -> None:
        if self.dead:
            return
        free = self.holders.get(names.key(name), session) is session
        assert isinstance(renaming.result, Failure) is not free
        if free:
            self.read_log()
            assert not self.is_muted(session.name)
            for other in self._present():
                other.follow_name(session.member.origin, names.key(session.name), names.key(name))
            del self.holders[names.key(session.name)]
            self.holders[names.key(name)] = session
            session.name = name

    def asked_to_look_back(self, session: Session, room: str, count: int) -> None:
        if self.dead or session.outlet.lost:
            return
        self.read_log()
        session.look_back(self.log, room, count, len(self.log), True)

    def asked_to_quit(self, session: Session, words: str) -> None:
        if self.dead or session.left:
            return
        self.read_log()
        session.left = True
        if session.kicked is not None:
            assert words == session.kicked
        else:
            assert not (words and self.is_muted(session.name))
            if not (session.outlet.lost or self.house.chat.ticker.refusing):
                assert session.answered == len(session.confirmations), "told too late"
        for room in session.rooms:
            session.parting[room].append(words)
        if self.house.chat.ticker.refusing or not session.rooms:
            # Nobody who goes is made to wait for the journal, or for what does not concern them:
            # all that was stored is all there is.
            session.seen_off = True
            session.end = len(self.log)
            for period in session.periods:
                period.until = period.until or len(self.log) + 1
        session.rooms = []
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
                if not session.left:
                    session.look_back(self.log, room, _LOOK_BACK, event.id, False)
        elif event.kind == LEFT:
            for name in event.author.split(" "):
                session = self.inside.pop((room, names.key(name)))
                assert event.text == session.parting[room].popleft()
                if session.left and session.end is None:
                    session.end = event.id
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
            saying = self.saying.pop((event.origin, event.seq))
            session = saying.session
            assert saying[1:5] == (event.author, event.kind, room, event.text), f"{event}"
            if not room.startswith(HOUSE) and event.kind != ACTED:
                assert self.inside[room, names.key(event.author)] is session
            if event.kind == PRIVATE:
                session.confirmations.append((-event.seq, saying.confirmation))
                session.confirmations.sort()
            elif event.kind == ACTED and (muted := _MUTED.fullmatch(event.text)):
                end = event.at + saying.length if saying.length else 0
                self.muted[names.key(muted[2])] = end, saying.until
                if muted[1] == "unmute":
                    del self.muted[names.key(muted[2])]
        for session in self.connected:
            if session.awaits(event):
                session.expected.append(event)

    def commits_now(self) -> None:
        self.read_log()

    def stored(self, committed: Committed) -> None:
        """Note when events were stored, and what holds without one."""
        if self.dead:
            return
        events, facts = committed
        if events:
            self.commits.append((events[-1].id, self.pass_moment()))
        told = {(names.key(saying.whom), saying.until) for saying in self.saying.values()}
        for kind, name, value in facts:
            if kind != MUTE or not value:
                continue
            _, until, _, seconds = json.loads(value)
            if (name, until) not in told:
                # Who was muted took that name before it was stored.
                assert until in self.terms
                end = self.house.now() + seconds * 1000 if seconds else 0
                self.muted[name] = end, until

    def stored_at(self, event: Event) -> int:
        return self.commits[bisect_left(self.commits, event.id, key=itemgetter(0))][1]

    def pass_moment(self) -> int:
        self.moment += 1
        return self.moment

    # What is always true

    @invariant()
    def everyone_follows(self) -> None:
        if not hasattr(self, "house"):
            return
        assert self.flush_errors() == []
        assert self.house.failures == []
        assert_rooms_are_listed(self.house.chat)
        self.read_log()
        for session in self.connected:
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

    def check_quiet_house(self) -> None:
        assert not self.house.waiting
        chat = self.house.chat
        for session in self.sessions:
            session.check_all_came()
            assert session.kicked is None, f"{session.name} stays"
            assert session.member.cursor is None, f"{session.name} is behind"
            assert set(session.member.hidden) == session.hidden[-1][1]
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
        assert {name: head for name, head in heads.items() if head or name in wanted} == wanted
        for name, there in chat.rooms.items():
            # A topic outlives a restart, and its room with it.
            assert name in wanted or name in chat.standing.topics, f"#{name} is there for nobody"
            members = {session.member for (room, _), session in self.inside.items() if room == name}
            assert set(there.members) == members
            assert there.population == len(members)
        assert {s.member for s in self.sessions} == set(chat.members)
        assert set(chat.peers.claims._holders) == {names.key(s.name) for s in self.sessions}

    # Dying

    def _restart(self) -> None:
        """Open the house again on what was left; all that was ever shown is in it."""
        self.check_all_is_stored()
        self.reader.close()
        moment = self.house.now()
        self.house.stop()
        self._forget_the_living()
        self.muted = {name: (until, until) for name, (_, until) in self.muted.items()}
        self.dead = False
        self._open(moment, self.held_next)


class ModelTests(unittest.TestCase):
    def test_everyone_reads_exactly_what_happened_while_they_were_in(self) -> None:
        run(self, Machine, examples(150), STEPS)
