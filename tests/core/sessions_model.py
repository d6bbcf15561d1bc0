"""What the model of sessions knows of each: where it is, what is for it, and what it got.

A *guest* is a person who reads text. A *seat* is the session of a program, which outlives its
connections, and the house. Each connection of it is a *wire*, of whose bytes the program has
received a prefix only.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple, Protocol, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.core.actions import not_done
from chatservice.core.members import Member
from chatservice.core.refusals import REFUSALS
from chatservice.core.resume import Arrival
from chatservice.doors.json.dialog import ProgramDialog
from chatservice.doors.json.view import JSON
from chatservice.journal.events import (
    DID,
    HOUSE,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    SAID,
    TOPIC,
    Event,
    inbox,
)
from tests.core.model import Period, live_line
from tests.core.support import House, Person, RecordingOutlet

Message = dict[str, Any]

ASKED: Final = {SAID: "say", DID: "do", PRIVATE: "private", TOPIC: "topic"}
"""With what a program asks for what then happens."""

_PAST: Final = re.compile(r"\[\d\d:\d\d\] ")
_HAPPENED: Final = re.compile(
    r"<.*|\* .*|\[\w+ -> you\] .*|#\w+ (<|\* ).*"
    r"|-- (#\w+: )?(?!you |the )("
    r"\w+((, \w+)* and \w+)? (joined|left)( \(.*\))?"
    r"|\w+ is now \w+"
    r"|\w+ (set the topic|announces|announced): .*"
    r")"
)


def told(event: Event, origin: int) -> Message:
    """Write an event as the program is told of it whose session has an origin."""
    time = datetime.fromtimestamp(event.at // 1000, timezone.utc)
    at = f"{time:%Y-%m-%dT%H:%M:%S}.{event.at % 1000:03}Z"
    if event.origin == origin and event.kind in ASKED:
        ok = {"type": "ok", "to": ASKED[event.kind], "id": event.id, "at": at}
        return {**ok, "seq": event.seq} if event.seq > 0 else ok
    message: Message = {"type": event.kind, "id": event.id, "at": at}
    if not event.room.startswith(HOUSE):
        message["room"] = event.room
    if event.kind in (JOINED, LEFT):
        message["names"] = event.author.split(" ")
        message["count"] = len(message["names"])
        return {**message, "text": event.text} if event.text else message
    message["author"] = event.author
    message["name" if event.kind == RENAMED else "text"] = event.text
    if event.kind == PRIVATE:
        message["session"] = f"{event.origin:x}"
    return message


class World(Protocol):
    """Where all of them are.

    :ivar dead: it was killed, so nobody gets anything any more.
    :ivar log: all events, as the file has them.
    """

    house: House
    dead: bool
    log: list[Event]

    def read_log(self) -> None:
        """Take in what is new in the file."""

    def fuse(self, what: str) -> None:
        """Tell what happens, in case that the world is to end with it."""

    def judge(self, call: Callable[..., None], *args: Any) -> None:
        """Call what may find that something is wrong, in the midst of the house."""

    def welcomed(self, wire: Wire, welcome: Message) -> None:
        """Tell that a program is being welcomed."""

    def handles(self, wire: Wire, asked: Message) -> str:
        """Tell that something is about to be done; return what it is to be answered with."""


class Outlet(RecordingOutlet):
    """Takes nothing any more once the world is dead."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.closing: Callable[[], None] = lambda: None
        self.writing: Callable[[bytes], None] = lambda data: None

    def send(self, data: bytes) -> int:
        if self.world.dead:
            return len(data)
        sent = super().send(data)
        if sent:
            self.world.fuse("send")
        return sent

    def write(self, data: bytes) -> None:
        if not self.world.dead:
            super().write(data)
            self.writing(data)

    def finish(self) -> None:
        if not self.world.dead:
            super().finish()
            self.closing()

    def replace(self, last: bytes) -> None:
        if not self.world.dead:
            super().replace(last)


class Party:
    """Who may be in rooms.

    :ivar rooms: those that it asked to be in and did not ask to be out of.
    :ivar parting: by room, with which words it asked to be out of it, and whether what happens
        there is for it all the same.
    :ivar periods: the rooms of which it is to read, from an event to an event.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.origin = 0
        self.rooms: list[str] = []
        self.parting: defaultdict[str, deque[tuple[str, bool]]] = defaultdict(deque)
        self.periods: list[Period] = []

    def open(self, room: str) -> Period | None:
        """Return the period of a room that has not ended."""
        return next((p for p in self.periods if p.room == room and p.until is None), None)

    def begin(self, room: str, id: int) -> None:
        if self.open(room) is None:
            self.periods.append(Period(room, id))

    def end(self, room: str, id: int) -> None:
        period = self.open(room)
        if period is not None:
            period.until = id

    def covers(self, event: Event) -> bool:
        if event.room.startswith(HOUSE):
            return event.room in (HOUSE, inbox(self.origin))
        return any(period.covers(event) for period in self.periods)


class Guest(Party, Person):
    """Somebody who reads text.

    :ivar expected: the events that they are to be shown as they happen; :ivar shown: so many were.
    """

    def __init__(self, world: World, name: str, operator: bool, since: int) -> None:
        Party.__init__(self, name)
        Person.__init__(self, world.house, Outlet(world))
        self.operator = operator
        self.since = since
        self.seen_off = False
        self.expected: list[Event] = []
        self.shown = 0
        self.followed = 0

    def see_off(self, head: int) -> None:
        """Nobody who goes is made to wait for the journal: all that is stored is all there is."""
        self.seen_off = True
        for room in self.rooms:
            self.end(room, head + 1)

    def begin(self, room: str, id: int) -> None:
        if not self.seen_off:
            super().begin(room, id)

    def happened(self, event: Event) -> None:
        if event.origin != self.origin and event.id > self.since and self.covers(event):
            self.expected.append(event)

    def follow(self) -> None:
        """Compare what came since the last time with what was to come."""
        received = self.outlet.received
        while (end := received.find(b"\r\n", self.followed)) >= 0:
            line = received[self.followed : end].decode()
            self.followed = end + 2
            if not _PAST.match(line) and _HAPPENED.fullmatch(line):
                coming = self.expected[self.shown : self.shown + 1]
                lines = {live_line(event, here) for event in coming for here in (True, False)}
                assert line in lines, f"{self.name} was shown {line!r}, not {coming}"
                self.shown += 1

    def check_all_came(self) -> None:
        missing = self.expected[self.shown :]
        assert not missing, f"{self.name} was not shown {missing}"
        assert self.followed == len(self.outlet.received), "half a line"


class Talk(NamedTuple):
    """Something that a program says under a number."""

    kind: str
    to: str
    text: str

    def message(self, seq: int | None) -> Message:
        where = "to" if self.kind == PRIVATE else "room"
        return {"type": ASKED[self.kind], where: self.to, "text": self.text, "seq": seq}


class Seat(Party):
    """The session of a program, and what that program knows.

    What the program knows:

    :ivar token: None as long as it has not received it; and :ivar journal:, :ivar since:.
    :ivar began: the ``since`` of its first welcome.
    :ivar talks: what it says, by number.
    :ivar oks: by number, the id that it was told; :ivar errors: or what it was told instead.
    :ivar wire: its newest connection.
    :ivar prompt: it receives all there is, except when the connection is lost.

    What the model knows:

    :ivar here: it has a place: it came in, did not quit, and its grace is not over.
    :ivar heard: it has shown that it knows the token: True, False, or None if nobody knows whether
        that was stored.
    :ivar noting: that it is heard is to be stored with the next commit.
    :ivar stored: that it came in, or back, is stored.
    :ivar left: that it left is stored.
    :ivar left_rooms: in which it was when it left; :ivar left_as: and how it was called.
    :ivar lost_at: since when it has had no connection; None if it has one, or waits for one.
    :ivar left_at: when it left, in milliseconds since 1970.
    :ivar expires: when its token does then, by the clock of the house.
    :ivar pending: by number, what it said and what waits to be stored: its kind, room and text.
    :ivar accepting: what is to be accepted right now.
    :ivar repeats: of each number, how often it was asked again what is stored.
    :ivar refused: numbers that were refused.
    :ivar asked: numbers that were handled, each with what it was to be answered with.
    :ivar wants: rooms that it asked to be brought into.
    """

    def __init__(self, name: str, prompt: bool) -> None:
        super().__init__(name)
        self.prompt = prompt
        self.token: str | None = None
        self.journal = ""
        self.since = self.began = 0
        self.next = 1
        self.talks: dict[int, Talk] = {}
        self.oks: dict[int, int] = {}
        self.errors: dict[int, str] = {}
        self.wire: Wire | None = None
        self.here = True
        self.heard: bool | None = False
        self.noting = self.stored = self.left = False
        self.left_rooms: list[str] = []
        self.left_as = name
        self.lost_at: float | None = None
        self.left_at = 0
        self.expires = 0.0
        self.pending: dict[int, tuple[str, str, str]] = {}
        self.accepting: tuple[int | None, str, str, str] | None = None
        self.repeats: Counter[int] = Counter()
        self.refused: set[int] = set()
        self.asked: set[tuple[int, str]] = set()
        self.wants: list[str] = []
        self.quits = False

    @property
    def ready(self) -> bool:
        """Whether its program knows that it is welcome, and not that it is not."""
        return self.wire is not None and self.wire.ready and not self.wire.closed

    def sees(self, events: Sequence[Event], after: int) -> Iterator[Event]:
        """Go through those after an id that are for it."""
        for event in events[after:]:
            mine = event.origin == self.origin and event.kind == PRIVATE
            if mine or self.covers(event):
                yield event

    def unanswered(self) -> list[int]:
        return [seq for seq in self.talks if seq not in self.oks and seq not in self.errors]


class Wire:
    """A connection of a program, as it is on the side of the house.

    As at a real one, a line waits while the one before is being done; what came before the
    connection was lost is still done.

    :ivar resumes: it came with a token that is to be good.
    :ivar asked: for each talk that was handled: where the outlet was then, the number, and
        what it is to be answered with.
    :ivar refs: what else was handled.
    :ivar messages: what the outlet took, each with where it begins and ends.
    :ivar arrived: so many bytes of that has the program received.
    :ivar at: the stream is told up to this id.
    :ivar ready: the program has received the welcome; :ivar sent: and has sent again what it said.
    """

    def __init__(self, world: World, seat: Seat, hello: Message, resumes: bool) -> None:
        self.world = world
        self.house = world.house
        self.seat = seat
        self.hello = hello
        self.resumes = resumes
        self.outlet = Outlet(world)
        self.outlet.drained = self._drained
        self.outlet.replaced = self._replaced
        self.outlet.closing = self._closing
        self.outlet.writing = self._writing
        self.head = len(world.log)
        self.member: Member | None = None
        self.failed: str | None = None
        self.replaced = False
        self.quits = False
        self.ended = False
        self.at = 0
        self.asked: list[tuple[int, int, str]] = []
        self.refs: list[str] = []
        self.messages: list[tuple[int, int, Message]] = []
        self.followed = 0
        self.arrived = 0
        self.taken = 0
        self.ready = self.sent = False
        self._welcomed = False
        self._lines: deque[Message | None] = deque()
        self._doing = False

    # The side of the house

    @property
    def closed(self) -> bool:
        return self.outlet.lost or self.outlet.finished

    @property
    def idle(self) -> bool:
        return not self._doing

    def enter(self) -> None:
        request = messages.request(json.dumps({"type": "hello", **self.hello}).encode())
        assert isinstance(request, messages.Hello)

        def refused(failure: Failure) -> None:
            failure.trap(*REFUSALS)
            assert isinstance(failure.value, Exception)
            self.failed = json.loads(JSON.reply(not_done(failure.value, request)))["code"]

        entering = self.house.chat.returns.enter(Arrival(request, self.outlet, JSON))
        self._wait_for(entering.addCallbacks(self._named, refused))

    def _named(self, member: Member) -> None:
        if not self.closed:
            self.member = member
        elif member.outlet is self.outlet:
            self.house.chat.attendance.give_up(member)
            self._lost()

    def ask(self, **asked: Any) -> None:
        """Send a line."""
        if self.ended:
            return
        self._lines.append(asked)
        self._go_on()

    def end(self) -> None:
        """Send no more lines."""
        self.ended = True
        self._lines.append(None)
        self._go_on()

    def _go_on(self) -> None:
        while self._lines and not self._doing and self.member and not self.member.gone:
            line = self._lines.popleft()
            if line is None:
                self.house.chat.attendance.hang_up(self.member)
            else:
                self._ask(line)

    def _ask(self, asked: Message) -> None:
        assert self.member is not None
        seat, seq = self.seat, asked.get("seq")
        mark = len(self.outlet.received)
        wanted = self.world.handles(self, asked)
        dialog = ProgramDialog(self.house.chat, cast(Any, self.outlet))
        doing = maybeDeferred(dialog.inside, self.member, json.dumps(asked).encode())
        if not self.world.dead:
            assert seat.accepting is None, f"{asked} is not accepted"
            if seq is not None:
                self.asked.append((mark, seq, wanted))
                seat.asked.add((seq, wanted))
            elif "ref" in asked:
                self.refs.append(asked["ref"])
        self._wait_for(doing)

    def _wait_for(self, doing: Deferred[None]) -> None:
        self._doing = True
        doing.addErrback(self.house.failures.append).addCallback(lambda _: self._done())

    def _done(self) -> None:
        self._doing = False
        self._go_on()

    def _drained(self) -> None:
        if self.member is not None:
            self.house.chat.drained(self.member)

    def _replaced(self) -> None:
        self.replaced = True
        self.member = None
        self._lines.clear()

    def lose(self, cut: int) -> None:
        """Lose the connection, and so much of a thousand of what is on its way."""
        self.read((len(self.outlet.received) - self.arrived) * cut // 1000)
        if not self.closed:
            self.outlet.lost = True
            if self.member is not None:
                self.house.chat.attendance.disconnect(self.member)
                self._lost()

    def _lost(self) -> None:
        if self.seat.wire is self and self.seat.here:
            self.seat.lost_at = self.house.clock.seconds()

    # What is told

    def follow(self) -> None:
        """Compare what came since the last time with what was to come."""
        self.world.read_log()
        received = self.outlet.received
        while (end := received.find(b"\r\n", self.followed)) >= 0:
            start, self.followed = self.followed, end + 2
            message = json.loads(received[start:end])
            self.messages.append((start, end + 2, message))
            self._check(message)

    def _writing(self, data: bytes) -> None:
        if data.startswith(b'{"type":"welcome"') and not self.closed:
            self.world.judge(self.world.welcomed, self, json.loads(data))

    def _closing(self) -> None:
        self.world.judge(self._is_closed)

    def _is_closed(self) -> None:
        """Take in that it is closed, which is when all was read, or if another has its place."""
        seat = self.seat
        if seat.wire is self:
            assert self.ended or seat.quits or not seat.here, "closed for nothing"
            self.follow()
            if seat.here:
                missing = next(seat.sees(self.world.log, self.at), None)
                assert missing is None, f"{seat.name} was not told {missing}"
                assert not seat.pending or self.house.chat.ticker.refusing
                self._lost()

    def _check(self, message: Message) -> None:
        assert not (self.messages[-2:-1] and self.messages[-2][2]["type"] == "replaced")
        if message["type"] == "welcome":
            assert not self._welcomed
            self._welcomed = True
            self.at = message["since"]
            return
        if message["type"] == "replaced":
            assert self.seat.wire is not self, "replaced by nobody"
            return
        assert self._welcomed or message["type"] == "notice", f"{message} before the welcome"
        if "id" not in message:
            assert not message.get("gap"), "there is no gap"
            return
        seat = self.seat
        coming = next(seat.sees(self.world.log, self.at), None)
        if coming is not None and message == told(coming, seat.origin):
            self.at = coming.id
            return
        # It is the answer to what was asked again.
        seq = message.get("seq", 0)
        stored = self.world.log[message["id"] - 1]
        assert stored.origin == seat.origin and message == told(stored, seat.origin), (
            f"{seat.name} was told {message}, not {coming}"
        )
        assert stored.id <= self.at or stored not in seat.sees(self.world.log, stored.id - 1), (
            f"{message} is not at its place, before {coming}"
        )
        assert seat.repeats[seq] > 0, f"{message} once more"
        seat.repeats[seq] -= 1

    def check_all_came(self) -> None:
        """Having read everything, there is nothing that should still come."""
        seat = self.seat
        missing = next(seat.sees(self.world.log, self.at), None)
        assert missing is None, f"{seat.name} was not told {missing}"
        assert self.followed == len(self.outlet.received), "half a line"
        answers = Counter(m["ref"] for _, _, m in self.messages if "ref" in m)
        assert all(answers[ref] == 1 for ref in self.refs), (self.refs, answers)
        errors = Counter(
            (m["seq"], m["code"]) for _, _, m in self.messages if "seq" in m and "code" in m
        )
        wanted = Counter((seq, code) for _, seq, code in self.asked if code != "ok")
        # What was asked on a connection before may be answered on this.
        assert not wanted - errors and seat.asked >= set(errors), (errors, wanted)
        for mark, seq, code in self.asked:
            assert code != "ok" or any(
                start >= mark and m["type"] == "ok" and m.get("seq") == seq
                for start, _, m in self.messages
            ), f"{seat.name} was not told that {seq} is stored"

    # The side of the program

    def read(self, most: int | None = None) -> None:
        """Let the program receive so many bytes more of what is on its way, or all."""
        self.follow()
        waiting = len(self.outlet.received) - self.arrived
        self.arrived += waiting if most is None else min(most, waiting)
        seat = self.seat
        for _, end, message in self.messages[self.taken :]:
            if end > self.arrived:
                break
            self.taken += 1
            if message["type"] == "welcome":
                if seat.token is None:
                    seat.began = message["since"]
                seat.token, seat.journal = message["token"], message["journal"]
                seat.since = message["since"]
                self.ready = True
            seat.since = max(seat.since, message.get("id", 0))
            seq = message.get("seq")
            if message["type"] == "ok" and seq is not None:
                assert seat.oks.setdefault(seq, message["id"]) == message["id"], message
            elif message.get("code", messages.Code.SEQ_REUSED) != messages.Code.SEQ_REUSED and seq:
                seat.errors[seq] = message["code"]

    def send_unanswered(self) -> None:
        """Send again, in their order, what the program has no answer to."""
        self.sent = True
        for seq in self.seat.unanswered():
            self.ask(**self.seat.talks[seq].message(seq))
