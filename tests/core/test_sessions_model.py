"""Sessions against a model of them: whoever comes back misses nothing, and is told nothing twice.

The model knows nothing of cursors, facts or receipts. It reads the events in the file of the
history, finds from which to which each session was in which room, and from that says what each
connection has to have been told. Of what a program asks, it says beforehand what will be answered.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Final
from unittest.mock import patch

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

from chatservice.core import sessions
from chatservice.core.chat import Chat
from chatservice.core.members import Member, Membership
from chatservice.core.nicknames import NameTaken
from chatservice.journal.events import (
    DID,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    SAID,
    TOPIC,
    Committed,
    Event,
    inbox,
)
from chatservice.messages import Code
from chatservice.text import names
from tests.core.mortal import PERMANENT, MortalWorld, run
from tests.core.sessions_model import Guest, Message, Party, Seat, Talk, Wire
from tests.core.support import DAY, START, assert_rooms_are_listed, watch
from tests.profiles import examples

# Some seconds' worth; to look for longer, set the variable to some thousands.
STEPS: Final = 50
PARTIES: Final = 5
LIVES: Final = 4
ROOMS: Final = ("lobby", "dev", "ops")
# The first two are one name.
NAMES: Final = ("ana", "Ana", "zoë", "bo", "cy", "di", "小林")
WORDS: Final = ("hi", "naïve", "wörld €", "😀 👋", "-- ana joined", '{"type":"ok"}', "a" * 300)
KINDS: Final = {"say": SAID, "do": DID, "private": PRIVATE, "topic": TOPIC}

GRACE: Final = 20
LIFE_DAYS: Final = 2
PERIODS_MOST: Final = 2
"""Of so many rooms that it left is known when a session left them: few, to see what comes then."""


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
        there = member.membership(name)
        membership = join(member, name)
        if there is None:
            self.world.judge(self.world.asked_to_join, self.world.party_of(member), name)
        return membership

    def _leave(self, leave: Callable[..., None], membership: Membership) -> None:
        party = self.world.party_of(membership.member)
        self.world.judge(self.world.asked_to_leave, party, membership.room.name)
        leave(membership)

    def _rename(
        self, rename: Callable[..., Deferred[None]], member: Member, name: str
    ) -> Deferred[None]:
        party = self.world.party_of(member)
        free = self.world.is_free(name, party)
        renaming = rename(member, name)
        refused = isinstance(renaming.result, Failure)
        self.world.judge(self.world.asked_to_rename, party, name, free, refused)
        return renaming

    def _quit(self, quit: Callable[..., None], member: Member, words: str = "") -> None:
        if not member.gone:
            self.world.judge(self.world.asked_to_quit, self.world.party_of(member), words)
        quit(member, words)

    def say(self, member: Member, room: str, kind: str, text: str, seq: int | None = None) -> None:
        party = self.world.party_of(member)
        self.world.judge(self.world.asked_to_say, party, room, kind, text, seq)
        super().say(member, room, kind, text, seq)


ANYONE: Final = st.integers(0, PARTIES - 1)
ANY_NAME: Final = st.sampled_from(NAMES)
ANY_ROOM: Final = st.sampled_from(ROOMS)
ANY_WORDS: Final = st.sampled_from(WORDS)
ANY_WINDOW: Final = st.none() | st.integers(0, 300)
ANY_CUT: Final = st.sampled_from((0, 1000)) | st.integers(0, 1000)
RARELY: Final = st.sampled_from((False, False, False, True))


class Machine(MortalWorld):
    """Five sessions, three rooms, and all that can happen to them."""

    make_chat = WatchedChat

    def __init__(self) -> None:
        super().__init__()
        self.numbered: dict[tuple[int, int], Event] = {}
        self.problems: list[Exception] = []
        self.seats: list[Seat] = []
        self.wires: list[Wire] = []
        self.parties: dict[int, Party] = {}
        self.entering: Party | None = None
        self._forget_the_living()

    def _forget_the_living(self) -> None:
        self.guests: list[Guest] = []
        self.leaving: list[Guest] = []
        self.holders: dict[str, Party] = {}
        self.joining: defaultdict[tuple[str, str], deque[Party]] = defaultdict(deque)

    @initialize(
        recent=st.integers(2, 20),
        guest=st.booleans(),
        prompt=st.lists(st.booleans(), max_size=3),
        room=ANY_ROOM,
    )
    def opens(self, recent: int, guest: bool, prompt: list[bool], room: str) -> None:
        self.recent = recent
        self.inside: dict[tuple[str, str], Party] = {}
        self._open(START, False)
        if guest:
            self._guest("ed", True)
            self.guests[0].type(f"/join {room}")
        for name, prompts in zip(NAMES[3:], prompt, strict=False):
            seat = Seat(name, prompts)
            self._enter(seat, {"name": name, "rooms": ["lobby", room]})
            self.seats.append(seat)
        self.house.tick()
        for seat in self.seats:
            assert seat.wire is not None
            seat.wire.read()

    def _open(self, moment: int, held: bool) -> None:
        self.open_house(moment, held, recent=self.recent, grace=GRACE, token_life=LIFE_DAYS)

    @property
    def connected(self) -> list[Guest | Wire]:
        return [*self.guests, *self.leaving, *self.wires]

    def judge(self, call: Callable[..., None], *args: Any) -> None:
        """Find what is wrong in the midst of the house, which is to go on until this is told."""
        try:
            call(*args)
        except Exception as error:
            self.problems.append(error)

    # Who is there

    def party_of(self, member: Member) -> Party:
        party = self.parties.get(member.origin)
        if party is None:
            party = self.entering
            assert party is not None
            party.origin = member.origin
            self.parties[member.origin] = party
        return party

    def is_free(self, name: str, party: Party) -> bool | None:
        """Return whether somebody can have a name; None if it can't be known."""
        holder = self.holders.get(names.key(name))
        if holder is None or holder is party:
            return True
        if isinstance(holder, Seat) and (holder.wire is None or holder.wire.closed):
            # It was lost before it can have learned its token.
            return None if holder.heard is None else not holder.heard
        return False

    # Coming

    @precondition(lambda self: len(self.guests) + len(self.seats) < PARTIES)
    @rule(name=ANY_NAME, window=ANY_WINDOW, operator=RARELY)
    def a_guest_comes(self, name: str, window: int | None, operator: bool) -> None:
        self._guest(name, operator, window)

    def _guest(self, name: str, operator: bool, window: int | None = None) -> None:
        self.read_log()
        guest = Guest(self, name, operator, len(self.log))
        guest.outlet.window = window
        free = self.is_free(name, guest)
        refused: list[Failure] = []
        self.entering = guest
        guest.enter(name, operator=operator).addErrback(refused.append)
        self.entering = None
        self._granted(guest, name, free, bool(refused))
        if not refused:
            self.guests.append(guest)
        else:
            assert refused[0].check(NameTaken)

    def _granted(self, party: Party, name: str, free: bool | None, refused: bool) -> None:
        if self.dead:
            return
        assert free is None or refused is not free, f"{name} is {free and 'not '}taken"
        if not refused:
            key = names.key(name)
            assert self.holders.get(key, party) is party
            self.holders[key] = party

    @precondition(lambda self: len(self.guests) + len(self.seats) < PARTIES)
    @rule(
        name=ANY_NAME,
        rooms=st.none() | st.lists(ANY_ROOM, max_size=3),
        window=ANY_WINDOW,
        prompt=st.booleans(),
        bogus=RARELY,
    )
    def a_program_comes(
        self, name: str, rooms: list[str] | None, window: int | None, prompt: bool, bogus: bool
    ) -> None:
        """Come in by name, perhaps with a token that nobody has given."""
        seat = Seat(name, prompt)
        hello: Message = {"name": name}
        if rooms is not None:
            hello["rooms"] = rooms
        if bogus:
            hello["token"] = "bogus"
        if self._enter(seat, hello, window):
            self.seats.append(seat)

    def _enter(self, seat: Seat, hello: Message, window: int | None = None) -> bool:
        """Say hello as a new session."""
        self.read_log()
        name = hello["name"]
        free = self.is_free(name, seat)
        seat.wants = list(dict.fromkeys(hello.get("rooms", PERMANENT)))
        wire = self._hello(seat, hello, window, False)
        self._granted(seat, name, free, wire.failed is not None)
        if wire.failed is not None:
            assert wire.failed == Code.NAME_TAKEN, wire.failed
            return False
        assert not seat.wants
        return True

    def _hello(self, seat: Seat, hello: Message, window: int | None, resumes: bool) -> Wire:
        before, seat.wire = seat.wire, Wire(self, seat, hello, resumes)
        wire = seat.wire
        wire.outlet.window = window
        self.entering = seat
        wire.enter()
        self.entering = None
        if wire.failed is not None:
            seat.wire = before
            return wire
        self.wires.append(wire)
        seat.lost_at = None
        if not seat.origin and not self.dead:
            # It is in no room.
            member = self.house.chat.find(hello["name"])
            assert member is not None
            seat.origin = member.origin
            self.parties[seat.origin] = seat
        return wire

    @precondition(lambda self: any(seat.token for seat in self.seats))
    @rule(
        who=ANYONE,
        back=st.sampled_from((0, 0, 0, 1, 2, 5, 20)),
        how=st.sampled_from(("since", "since", "since", "now", "beyond", "elsewhere")),
        journal=st.booleans(),
        name=st.none() | ANY_NAME,
        window=ANY_WINDOW,
        cut=ANY_CUT,
        silently=st.booleans(),
    )
    def comes_back(
        self,
        who: int,
        back: int,
        how: str,
        journal: bool,
        name: str | None,
        window: int | None,
        cut: int,
        silently: bool,
    ) -> None:
        """Come back, whether or not the house knows that the connection before is lost."""
        seat = self._with_token(who)
        if seat.wire is not None:
            seat.wire.read(len(seat.wire.outlet.received) * cut // 1000)
        self._resume(seat, back, how, journal, name, window)
        if not silently:
            self.house.tick()
            if seat.wire is not None and not self.dead:
                seat.wire.read()
                self._send_unanswered(seat)

    def _with_token(self, who: int) -> Seat:
        known = [seat for seat in self.seats if seat.token is not None]
        return known[who % len(known)]

    def _resume(
        self,
        seat: Seat,
        back: int = 0,
        how: str = "since",
        journal: bool = True,
        name: str | None = None,
        window: int | None = None,
    ) -> None:
        self.read_log()
        hello: Message = {"token": seat.token}
        if how != "now":
            hello["since"] = max(seat.since - back, seat.began)
        if how == "beyond":
            hello["since"] += 1000
        if journal:
            hello["journal"] = seat.journal
        if how == "elsewhere":
            hello["journal"] = "elsewhere"
        if name is not None:
            hello["name"] = name
        if not seat.here and seat.expires <= self.house.clock.seconds():
            self._token_is_unknown(seat, hello, window)
            return
        self._hear(seat)
        if seat.here:
            wire = self._hello(seat, hello, window, True)
            assert wire.failed is None, wire.failed
        else:
            wanted = name or seat.name
            free = self.is_free(wanted, seat)
            seat.wants = seat.left_rooms or list(PERMANENT)
            rooms = list(seat.wants)
            wire = self._hello(seat, hello, window, True)
            self._granted(seat, wanted, free, wire.failed is not None)
            if wire.failed is not None:
                assert wire.failed == Code.NAME_TAKEN, wire.failed
                seat.wants = []
            else:
                assert set(seat.rooms) == set(rooms), (seat.rooms, rooms)
                seat.here = True
                seat.name = wanted

    def _token_is_unknown(self, seat: Seat, hello: Message, window: int | None) -> None:
        """Come back too late: as somebody new, if there is a name, else not at all."""
        self.seats.remove(seat)
        if "name" not in hello:
            wire = Wire(self, seat, hello, False)
            wire.enter()
            assert wire.failed == Code.UNKNOWN_TOKEN, wire.failed
        else:
            other = Seat(hello["name"], seat.prompt)
            if self._enter(other, hello, window):
                self.seats.append(other)

    def welcomed(self, wire: Wire, welcome: Message) -> None:
        """Check a welcome as it is written."""
        self.read_log()
        seat, hello, head = wire.seat, wire.hello, len(self.log)
        assert seat.wire is wire, "the newest connection has the place"
        assert welcome["resumed"] is wire.resumes
        assert welcome["name"] == seat.name
        assert welcome["journal"] == self.house.journal.identity
        assert sorted(room["room"] for room in welcome["rooms"]) == sorted(seat.rooms)
        stored = [seq for origin, seq in self.numbered if origin == seat.origin]
        assert welcome["seq"] == max(stored, default=0)
        seat.stored = True
        since, gap = welcome["since"], welcome["gap"]
        if not wire.resumes:
            assert (since, gap) == (wire.head, "since" in hello)
            return
        assert welcome["token"] == hello["token"]
        if "since" not in hello:
            assert wire.head <= since <= head and not gap
        elif hello["since"] > head or hello.get("journal", seat.journal) != seat.journal:
            assert (since, gap) == (head, True)
        else:
            ended = sorted(period.until for period in seat.periods if period.until is not None)
            least = max(ended[:-PERIODS_MOST], default=0)
            assert (since, gap) == (max(hello["since"], least), hello["since"] < least)

    # What programs ask

    def _ready(self, who: int) -> Seat:
        ready = [seat for seat in self.seats if seat.ready]
        return ready[who % len(ready)]

    def _ask(self, seat: Seat, type: str, **fields: Any) -> None:
        self.counter += 1
        assert seat.wire is not None
        seat.wire.ask(type=type, **fields, ref=f"r{self.counter}")

    def _send_unanswered(self, seat: Seat) -> None:
        if seat.ready and seat.wire is not None:
            seat.wire.send_unanswered()

    @precondition(lambda self: self.seats)
    @rule(
        who=ANYONE,
        type=st.sampled_from(("say", "say", "say", "do", "topic")),
        room=ANY_ROOM,
        words=ANY_WORDS,
        number=st.integers(1, 4),
    )
    def a_program_says(self, who: int, type: str, room: str, words: str, number: int) -> None:
        """Say something; while there is no connection, it is kept until there is one."""
        seat = self.seats[who % len(self.seats)]
        if number > 1 and seat.rooms:
            room = seat.rooms[who % len(seat.rooms)]
        for _ in range(number):
            self._talk(seat, Talk(KINDS[type], room, self.text(words)))

    @precondition(lambda self: self.seats)
    @rule(who=ANYONE, to=ANY_NAME | st.integers(0, PARTIES), words=ANY_WORDS)
    def a_program_writes(self, who: int, to: str | int, words: str) -> None:
        seat = self.seats[who % len(self.seats)]
        self._talk(seat, Talk(PRIVATE, self._whom(to), self.text(words)))

    def _whom(self, to: str | int) -> str:
        if isinstance(to, str) or not self.holders:
            return str(to)
        return list(self.holders.values())[to % len(self.holders)].name

    def _talk(self, seat: Seat, talk: Talk) -> None:
        seq = seat.next
        seat.next += 1
        seat.talks[seq] = talk
        if seat.ready and seat.wire is not None:
            if seat.wire.sent:
                seat.wire.ask(**talk.message(seq))
            else:
                seat.wire.send_unanswered()

    @precondition(lambda self: any(seat.ready for seat in self.seats))
    @rule(who=ANYONE, room=ANY_ROOM, words=ANY_WORDS)
    def says_without_a_number(self, who: int, room: str, words: str) -> None:
        seat = self._ready(who)
        assert seat.wire is not None
        seat.wire.ask(type="say", room=room, text=self.text(words))

    @precondition(lambda self: any(seat.ready and seat.talks for seat in self.seats))
    @rule(
        who=ANYONE,
        back=st.integers(0, 6),
        change=st.sampled_from(("", "", "", "text", "room", "kind")),
    )
    def says_again(self, who: int, back: int, change: str) -> None:
        """Say again what was said, or what has the number of something else."""
        able = [seat for seat in self.seats if seat.ready and seat.talks]
        seat = able[who % len(able)]
        assert seat.wire is not None
        if not seat.wire.sent:
            seat.wire.send_unanswered()
        self.read_log()
        seq = max(seat.next - 1 - back, 1)
        talk = seat.talks[seq]
        if seq in seat.pending or (seat.origin, seq) in self.numbered:
            if change == "text":
                talk = talk._replace(text=talk.text + "!")
            elif change == "room" and talk.kind != PRIVATE:
                talk = talk._replace(to=ROOMS[(ROOMS.index(talk.to) + 1) % len(ROOMS)])
            elif change == "kind" and talk.kind != PRIVATE:
                talk = talk._replace(kind=DID if talk.kind == SAID else SAID)
        seat.wire.ask(**talk.message(seq))

    @precondition(lambda self: any(seat.ready for seat in self.seats))
    @rule(who=ANYONE)
    def sends_unanswered(self, who: int) -> None:
        self._send_unanswered(self._ready(who))

    @precondition(lambda self: any(seat.ready for seat in self.seats))
    @rule(
        who=ANYONE,
        does=st.lists(
            st.tuples(st.sampled_from(("join", "leave", "nick", "say")), ANY_ROOM, ANY_NAME),
            min_size=1,
            max_size=4,
        ),
    )
    def a_program_moves(self, who: int, does: list[tuple[str, str, str]]) -> None:
        seat = self._ready(who)
        for what, room, name in does:
            if what == "nick":
                self._ask(seat, "nick", name=name)
            elif what == "say":
                self._talk(seat, Talk(SAID, room, self.text("moving")))
            else:
                self._ask(seat, what, room=room)

    @precondition(lambda self: any(seat.ready for seat in self.seats))
    @rule(
        who=ANYONE,
        what=st.sampled_from(("who", "rooms", "history", "ping", "away")),
        room=ANY_ROOM,
    )
    def a_program_asks(self, who: int, what: str, room: str) -> None:
        fields = {"room": room} if what in ("who", "history") else {}
        self._ask(self._ready(who), what, **fields)

    @precondition(lambda self: any(seat.ready for seat in self.seats))
    @rule(who=ANYONE, words=st.sampled_from(("", "", *WORDS)))
    def a_program_quits(self, who: int, words: str) -> None:
        self._ask(self._ready(who), "quit", text=words and self.text(words))

    @precondition(lambda self: any(seat.ready for seat in self.seats))
    @rule(who=ANYONE)
    def a_program_ends_its_half(self, who: int) -> None:
        seat = self._ready(who)
        assert seat.wire is not None
        if not seat.wire.ended:
            seat.wire.end()

    @precondition(lambda self: any(seat.wire and not seat.wire.closed for seat in self.seats))
    @rule(who=ANYONE, cut=ANY_CUT, first=st.booleans())
    def a_connection_is_lost(self, who: int, cut: int, first: bool) -> None:
        """Lose a connection, perhaps right behind something that was said."""
        wires = [s.wire for s in self.seats if s.wire is not None and not s.wire.closed]
        wire = wires[who % len(wires)]
        if first:
            self._talk(wire.seat, Talk(SAID, "lobby", self.text("last")))
        wire.lose(cut)

    @precondition(lambda self: any(seat.ready for seat in self.seats))
    @rule(
        who=ANYONE,
        number=st.integers(1, 5),
        words=ANY_WORDS,
        to=st.none() | st.integers(0, PARTIES),
        window=st.integers(0, 400),
        cut=ANY_CUT,
        back=st.sampled_from((0, 0, 1, 3)),
        then=ANY_WINDOW,
        seconds=st.sampled_from((0.0, 0.1, 2.0)),
    )
    def is_lost_while_others_talk(
        self,
        who: int,
        number: int,
        words: str,
        to: int | None,
        window: int,
        cut: int,
        back: int,
        then: int | None,
        seconds: float,
    ) -> None:
        """Read slowly, lose the connection in the midst of a line, and come back, in the midst of
        the next.
        """
        seat = self._ready(who)
        wire = seat.wire
        assert wire is not None
        if not wire.outlet.blocked:
            wire.outlet.window = window
        self._many_say(number, words, to)
        self.house.tick()
        if self.dead:
            return
        wire.lose(cut)
        self._many_say(number, words, to)
        self.house.tick(seconds)
        self._many_say(1, words, None)
        if not self.dead:
            self._resume(seat, back, window=then)
            self.house.tick(0.0)

    def _many_say(self, number: int, words: str, to: int | None) -> None:
        for turn in range(number):
            for seat in self.seats:
                room = seat.rooms[turn % len(seat.rooms)] if seat.rooms else "lobby"
                self._talk(seat, Talk(SAID, room, self.text(words)))
                if to is not None:
                    self._talk(seat, Talk(PRIVATE, self._whom(to), self.text(words)))
            for guest in list(self.guests):
                guest.type(self.text(words))

    def handles(self, wire: Wire, asked: Message) -> str:
        """Say what a program is to be answered with."""
        seat, type = wire.seat, asked["type"]
        if self.dead:
            return ""
        self._hear(seat)
        if type == "join":
            seat.wants.append(asked["room"])
        if type == "quit":
            seat.quits = wire.quits = True
        if type not in KINDS:
            return ""
        self.read_log()
        wanted = self._answer(seat, asked)
        if wanted != "ok" and asked.get("seq") is not None and wanted != Code.SEQ_REUSED:
            seat.refused.add(asked["seq"])
        return wanted

    def _hear(self, seat: Seat) -> None:
        if not seat.heard:
            seat.heard, seat.noting = None, True

    def _answer(self, seat: Seat, asked: Message) -> str:
        kind, seq, text = KINDS[asked["type"]], asked.get("seq"), asked["text"]
        room = asked.get("room")
        before = seat.pending.get(seq)
        if before is None and (seat.origin, seq) in self.numbered:
            event = self.numbered[seat.origin, seq]
            before = event.kind, event.room, event.text
            if before == (kind, room or event.room, text):
                seat.repeats[seq] += 1
        if before is not None:
            return "ok" if before == (kind, room or before[1], text) else Code.SEQ_REUSED.value
        stored = [other for origin, other in self.numbered if origin == seat.origin]
        if seq is not None and seq <= max((*seat.pending, *stored), default=0):
            return Code.SEQ_UNKNOWN.value
        if room is None:
            to = self.holders.get(names.key(asked["to"]), seat)
            if to is seat:
                return Code.NOT_HERE.value
            room = inbox(to.origin)
        elif room not in seat.rooms:
            return Code.NOT_IN_ROOM.value
        seat.accepting = seq, kind, room, text
        return "ok"

    # What guests type

    def _guest_of(self, who: int) -> Guest:
        return self.guests[who % len(self.guests)]

    @precondition(lambda self: self.guests)
    @rule(
        who=ANYONE,
        what=st.sampled_from(("", "", "/me ", "/topic ", "/announce ")),
        words=ANY_WORDS,
        number=st.integers(1, 3),
    )
    def a_guest_says(self, who: int, what: str, words: str, number: int) -> None:
        for _ in range(number):
            self._guest_of(who).type(what + self.text(words))

    @precondition(lambda self: self.guests)
    @rule(who=ANYONE, to=ANY_NAME | st.integers(0, PARTIES), words=ANY_WORDS)
    def a_guest_writes(self, who: int, to: str | int, words: str) -> None:
        self._guest_of(who).type(f"/msg {self._whom(to)} {self.text(words)}")

    @precondition(lambda self: self.guests)
    @rule(
        who=ANYONE,
        lines=st.lists(
            st.sampled_from(
                [
                    *(f"/{what} {room}" for what in ("join", "leave") for room in ROOMS),
                    *(f"/nick {name}" for name in NAMES),
                    "/history 5",
                ]
            ),
            min_size=1,
            max_size=3,
        ),
    )
    def a_guest_moves(self, who: int, lines: list[str]) -> None:
        self._guest_of(who).type(*lines)

    @precondition(lambda self: self.guests)
    @rule(who=ANYONE, words=st.sampled_from(("", "bye")), lost=st.booleans())
    def a_guest_goes(self, who: int, words: str, lost: bool) -> None:
        guest = self._guest_of(who)
        if lost:
            self.guests.remove(guest)
            self.leaving.append(guest)
            guest.lose()
        else:
            guest.type(f"/quit {words and self.text(words)}")

    # What happens to them

    @precondition(lambda self: self.guests or self.wires)
    @rule(who=st.integers(0, 9), window=ANY_WINDOW, drains=st.booleans())
    def windows_change(self, who: int, window: int | None, drains: bool) -> None:
        outlets = [one.outlet for one in (*self.guests, *self.wires) if not one.outlet.closed]
        if outlets:
            outlet = outlets[who % len(outlets)]
            if drains:
                outlet.drain(window)
            elif not outlet.blocked:
                outlet.window = window

    @precondition(lambda self: self.wires)
    @rule(who=st.integers(0, 9), most=st.none() | st.integers(1, 400))
    def a_program_receives(self, who: int, most: int | None) -> None:
        self.wires[who % len(self.wires)].read(most)

    @rule(seconds=st.sampled_from((0.0, 0.0, 0.001, 0.1, 0.1, 1.0, 8.0, 21.0)))
    def time_passes(self, seconds: float) -> None:
        self.house.tick(seconds)

    @rule(days=st.integers(1, 3), then=st.sampled_from((0.0, 61.0)))
    def days_pass(self, days: int, then: float) -> None:
        self.house.tick(days * DAY)
        self.house.tick(then)

    @rule(days=st.sampled_from((1, 3, 30)), then=st.sampled_from((0.0, 61.0)))
    def the_wall_clock_is_set_ahead(self, days: int, then: float) -> None:
        """Which tells of nothing how long it lasts, but after the next start."""
        self.house.moment += round(days * DAY * 1000)
        self.house.tick(then)

    @rule()
    def refuses_or_accepts(self) -> None:
        if self.house.refusing:
            self.house.accept()
        else:
            self.house.refuse()

    @rule(held=st.booleans())
    def readings_take_time(self, held: bool) -> None:
        self.house.readings.held = held

    @precondition(lambda self: self.house.readings)
    @rule(one=st.booleans())
    def readings_finish(self, one: bool) -> None:
        if one:
            self.house.readings.finish()
        else:
            self.house.readings.release()

    @precondition(lambda self: self.lives < LIVES and not self.burning)
    @rule(
        when=st.sampled_from(("now", "commit", "committed", "send")),
        after=st.integers(0, 3),
        held=st.booleans(),
        cut=ANY_CUT,
    )
    def is_killed(self, when: str, after: int, held: bool, cut: int) -> None:
        self.burning = (when, after)
        self.held_next = held
        self.cut_next = cut
        self.fuse("now")

    @precondition(lambda self: self.lives < LIVES and not self.burning)
    @rule(held=st.booleans(), cut=ANY_CUT)
    def is_stopped(self, held: bool, cut: int) -> None:
        """Stop as one should: what was said is stored, and everyone told."""
        self.house.accept()
        for seat in self.seats:
            seat.quits = True
        closed: list[int] = []
        self.house.chat.close("the chat stops").addCallback(closed.append)
        for _ in range(3):
            self.house.tick()
        self.read_log()
        if not self.dead:
            assert closed == [0]
            self.held_next, self.cut_next = held, cut
            self.burning = ("now", 0)
            self.fuse("now")

    def comes_to_its_end(self) -> None:
        """In the end, each program knows of all it said whether it is stored."""
        self.burning = None
        self.everyone_follows()
        self.house.accept()
        for seat in list(self.seats):
            if seat.token is None:
                continue
            if seat.wire is not None:
                seat.wire.read()
            self._resume(seat, name=f"last{self.counter}")
            self.counter += 1
            if seat not in self.seats:
                continue
            self.everything_drains()
            assert seat.wire is not None
            seat.wire.read()
            seat.wire.send_unanswered()
            self.everything_drains()
            seat.wire.read()
            assert seat.unanswered() == []
            for seq, talk in seat.talks.items():
                event = self.numbered.get((seat.origin, seq))
                if event is None:
                    assert seat.errors[seq] and seq in seat.refused, (seq, talk)
                else:
                    assert (event.kind, event.text) == (talk.kind, talk.text)
                    assert seat.oks.get(seq, event.id) == event.id
        self.everything_drains()

    # What was asked

    def asked_to_join(self, party: Party, room: str) -> None:
        if self.dead:
            return
        if isinstance(party, Seat):
            assert room in party.wants, f"{party.name} did not ask to be in #{room}"
            party.wants.remove(room)
        assert room not in party.rooms
        party.rooms.append(room)
        # Who comes in is granted the name before.
        name = party.name
        if party is self.entering and isinstance(party, Seat) and party.wire is not None:
            name = party.wire.hello.get("name", name)
        self.joining[room, name].append(party)

    def asked_to_leave(self, party: Party, room: str) -> None:
        if self.dead:
            return
        party.rooms.remove(room)
        party.parting[room].append(("", False))

    def asked_to_say(self, party: Party, room: str, kind: str, text: str, seq: int | None) -> None:
        if self.dead or not isinstance(party, Seat):
            return
        assert party.accepting == (seq, kind, room, text), f"{text!r} is said once more"
        party.accepting = None
        if seq is not None:
            party.pending[seq] = kind, room, text

    def asked_to_rename(self, party: Party, name: str, free: bool | None, refused: bool) -> None:
        if self.dead:
            return
        old = names.key(party.name)
        self._granted(party, name, free, refused)
        if not refused:
            if old != names.key(name):
                del self.holders[old]
            party.name = name

    def asked_to_quit(self, party: Party, words: str) -> None:
        if self.dead:
            return
        if isinstance(party, Seat):
            lost = party.lost_at
            over = lost is not None and self.house.clock.seconds() >= lost + GRACE
            unheard = (party.wire is None or party.wire.closed) and not party.heard
            assert party.quits or over or unheard, f"{party.name} is made to leave"
            if party.stored:
                party.left_as = party.name
            party.here = party.quits = party.stored = False
            party.left_rooms = list(party.rooms)
            party.left = False
            party.lost_at = None
            party.left_at = self.house.now()
            party.expires = self.house.clock.seconds() + LIFE_DAYS * DAY
        elif party in self.guests:
            self.guests.remove(party)
            self.leaving.append(party)
        if isinstance(party, Guest) and self.house.chat.ticker.refusing:
            self.read_log()
            party.see_off(len(self.log))
        for room in party.rooms:
            party.parting[room].append((words, isinstance(party, Seat)))
        party.rooms = []
        assert self.holders.pop(names.key(party.name)) is party

    # What was stored, and what it means

    def stored(self, committed: Committed) -> None:
        """Take in that something was committed."""
        if self.dead or self.house.chat.ticker.refusing:
            return  # What was refused before is older than what comes now.
        for seat in self.seats:
            if seat.noting:
                seat.heard, seat.noting = True, False

    def read_log(self) -> None:
        """Take in what is new in the file."""
        head = len(self.log)
        rows = self.reader.execute("SELECT * FROM events WHERE id > ? ORDER BY id", (head,))
        for row in rows.fetchall():
            event = Event(*row)
            head += 1
            assert event.id == head
            self.log.append(event)
            self._happened(event)

    def _happened(self, event: Event) -> None:
        room = event.room
        if event.kind == JOINED:
            for name in event.author.split(" "):
                party = self.joining[room, name].popleft()
                where = (room, names.key(name))
                assert where not in self.inside, f"two are {name} in #{room}"
                self.inside[where] = party
                party.begin(room, event.id)
        elif event.kind == LEFT:
            for name in event.author.split(" "):
                party = self.inside.pop((room, names.key(name)))
                words, kept = party.parting[room].popleft()
                assert event.text == words
                if kept:
                    assert isinstance(party, Seat)
                    party.left = True
                else:
                    party.end(room, event.id)
        elif event.kind == RENAMED:
            party = self.inside.pop((room, names.key(event.author)))
            where = (room, names.key(event.text))
            assert where not in self.inside, f"two are {event.text} in #{room}"
            assert party.origin == event.origin
            self.inside[where] = party
        else:
            self._said(event)
        for guest in self.guests + self.leaving:
            guest.happened(event)

    def _said(self, event: Event) -> None:
        party = self.parties[event.origin]
        if isinstance(party, Seat) and event.seq > 0:
            key = event.origin, event.seq
            assert key not in self.numbered, f"{event} is stored twice"
            assert party.pending.pop(event.seq) == (event.kind, event.room, event.text)
            self.numbered[key] = event
            assert event.text == party.talks[event.seq].text

    # What is always true

    @invariant()
    def everyone_follows(self) -> None:
        if not hasattr(self, "house"):
            return
        for problem in self.problems:
            raise problem
        assert self.flush_errors() == []
        assert self.house.failures == []
        assert_rooms_are_listed(self.house.chat)
        self.read_log()
        for one in self.connected:
            one.follow()
        if self.dead:
            self._restart()
            return
        for seat in self.seats:
            if seat.prompt and seat.wire is not None and not seat.wire.outlet.lost:
                seat.wire.read()
            if seat.here and seat.lost_at is not None:
                assert self.house.clock.seconds() < seat.lost_at + GRACE, f"{seat.name} stays"
        # Whose token nobody knows can't come back.
        self.seats = [seat for seat in self.seats if seat.here or seat.token is not None]
        members = {member.origin: member.name for member in self.house.chat.members}
        assert members == {party.origin: party.name for party in self.holders.values()}
        self.wires = [wire for wire in self.wires if not wire.closed]

    def check_quiet_house(self) -> None:
        for guest in self.guests:
            guest.check_all_came()
        for guest in self.leaving:
            assert guest.outlet.closed, f"{guest.name} hangs on"
        self.leaving = []
        assert not any(self.joining.values()), "a joining is lost"
        inside: defaultdict[Party, set[str]] = defaultdict(set)
        for (room, key), party in self.inside.items():
            assert self.holders.get(key) is party, f"{party.name} is still in #{room}"
            inside[party].add(room)
        for party in self.holders.values():
            assert inside[party] == set(party.rooms), (party.name, inside[party], party.rooms)
        for seat in self.seats:
            assert not seat.pending, f"what {seat.name} said is lost: {seat.pending}"
            if not seat.here:
                assert seat.wire is None or seat.wire.closed, f"{seat.name} hangs on"
            elif seat.lost_at is None:
                assert seat.wire is not None and not seat.wire.closed
                seat.wire.check_all_came()
        self._check_privacy()

    def _check_privacy(self) -> None:
        """Nobody but those two has read a private line."""
        for event in self.log:
            if event.kind == PRIVATE:
                number = event.text.rsplit(" ", 1)[1]
                words = event.text.encode()
                for one in (*self.guests, *(s.wire for s in self.seats if s.wire is not None)):
                    party = one if isinstance(one, Guest) else one.seat
                    if party.origin != event.origin and inbox(party.origin) != event.room:
                        found = one.outlet.received.find(b" " + number.encode() + b'"')
                        assert found < 0 or words not in one.outlet.received, event

    # Dying

    def _restart(self) -> None:
        """Open the house again on what was left; all that was ever shown is in it."""
        self.check_all_is_stored()
        moment = self.house.now()
        for number, seat in enumerate(self.seats):
            if seat.wire is not None and not seat.wire.closed:
                waiting = len(seat.wire.outlet.received) - seat.wire.arrived
                seat.wire.read(waiting * ((self.cut_next + 379 * number) % 1001) // 1000)
                seat.wire.outlet.lost = True
        self.house.stop()
        self.reader.close()
        self.wires = []
        self._forget_the_living()
        self.dead = False
        self._open(moment, self.held_next)
        self._take_stock()

    def _take_stock(self) -> None:
        """See who is there after a restart: every program whose coming, and not going, is stored.

        Of who is in no room, the events do not tell.
        """
        inside: defaultdict[Party, dict[str, str]] = defaultdict(dict)
        for (room, key), party in list(self.inside.items()):
            if isinstance(party, Seat):
                inside[party][room] = key
            else:
                del self.inside[room, key]
        facts = self.reader.execute("SELECT value FROM facts WHERE kind = 'session'")
        remembered = {json.loads(value)["origin"] for (value,) in facts}
        for party in self.parties.values():
            member = self.house.chat.sessions.get(party.origin)
            assert member is not None or not inside[party], f"{party.name} is not there any more"
            party.rooms = list(inside[party])
            party.parting.clear()
            if not isinstance(party, Seat):
                assert member is None
                continue
            party.pending = {}
            party.accepting = None
            party.wants = []
            party.quits = party.noting = False
            if member is None:
                assert not party.stored, f"{party.name} is not there any more"
                party.here = False
                party.name = party.left_as
                party.left_rooms = [p.room for p in party.periods if p.until is None]
                left = party.left_at / 1000 + LIFE_DAYS * DAY - self.house.now() / 1000
                if self.house.chat.wall.doubt is not None and party.origin in remembered:
                    # No token expires by a time that is in doubt.
                    left = LIFE_DAYS * DAY
                party.expires = min(LIFE_DAYS * DAY, left)
                continue
            assert party.here or not party.left, f"{party.name} is back"
            party.here = party.stored = True
            party.lost_at = 0.0
            party.name = member.name
            assert set(inside[party].values()) <= {names.key(party.name)}
            assert {membership.room.name for membership in member.rooms()} == set(party.rooms)
            self.holders[names.key(party.name)] = party


class SessionsTests(unittest.TestCase):
    def test_whoever_comes_back_was_told_everything_once(self) -> None:
        with patch.object(sessions, "PERIODS_MOST", PERIODS_MOST):
            run(self, Machine, examples(120), STEPS)
