"""A server that speaks the machine protocol, in memory, and connections that can be cut anywhere.

It does what ``docs/protocol.md`` says, for one house of people, and only when a test says so: what
is said waits until :meth:`House.tick`, bytes wait until :meth:`Link.up` and :meth:`Link.down`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from chatservice import messages

AT = "2026-01-02T03:04:05.678Z"

EVENT_TYPES = {"say": "said", "do": "did", "private": "private", "topic": "topic"}


def welcome(**changes: Any) -> messages.Welcome:
    """Return a welcome into no room, but for these changes."""
    plain: dict[str, Any] = {
        "name": "ana",
        "token": "t",
        "journal": "j1",
        "since": 0,
        "seq": 0,
        "rooms": [],
        "resumed": False,
        "gap": False,
        "grace": 90,
        "longest": 2000,
        "rate": 5,
        "burst": 20,
    }
    return messages.Welcome(**{**plain, **changes})


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Connects when a test says so."""

    def __init__(self) -> None:
        self.attempts: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connecting: Deferred[IProtocol] = Deferred()
        self.attempts.append((protocolFactory, connecting))
        return connecting

    def succeed(self, house: House | None = None) -> Link:
        factory, connecting = self.attempts.pop()
        protocol = factory.buildProtocol(None)  # type: ignore[arg-type]
        link = Link(protocol, house or House())
        protocol.makeConnection(link)
        if not connecting.called:
            connecting.callback(protocol)
        return link

    def fail(self, error: Exception) -> None:
        self.attempts.pop()[1].errback(Failure(error))


class Link(StringTransport):
    """The client's end of a connection, with the server behind it.

    :ivar sent: the lines that the client has sent and the server has got.
    """

    def __init__(self, protocol: Any, house: House) -> None:
        super().__init__()
        self.protocol = protocol
        self.desk = Desk(house)
        self.broken = False

    def up(self, most: int | None = None) -> None:
        """Bring bytes of the client to the server: all, or some."""
        data = self.value()
        moved = data[:most]
        self.clear()
        self.write(data[len(moved) :])
        if not self.broken:
            self.desk.take(moved)

    def down(self, most: int | None = None) -> None:
        """Bring bytes of the server to the client, if it reads."""
        while self.desk.out and not self.broken and not self.disconnecting:
            if self.producerState != "producing":
                return
            size = len(self.desk.out) if most is None else most
            data, self.desk.out = self.desk.out[:size], self.desk.out[size:]
            self.protocol.dataReceived(data)
            if most is not None:
                break
        if self.desk.closed and not self.desk.out and not self.broken:
            self.cut(ConnectionDone())

    def says(self, *replies: messages.Reply | bytes) -> None:
        """Have the server say something, at once."""
        for reply in replies:
            line = reply if isinstance(reply, bytes) else messages.encode(reply)
            self.protocol.dataReceived(line)

    def got(self) -> list[messages.Request]:
        """Return what was sent since the last time; the server gets nothing of it."""
        data = self.value()
        self.clear()
        assert data.endswith(b"\r\n") or not data, data
        return [messages.request(line) for line in data.split(b"\r\n")[:-1]]

    def cut(self, error: Exception | None = None) -> None:
        """Lose the connection; what is under way is gone."""
        if not self.broken:
            self.broken = True
            self.desk.hang_up()
            self.protocol.connectionLost(Failure(error or ConnectionLost()))


@dataclass
class Entry:
    """Something that is in the journal."""

    id: int
    type: str
    author: Member
    text: str
    room: str | None = None
    to: Member | None = None
    seq: int | None = None

    def event(self) -> messages.Event:
        return messages.Event(
            type=self.type,
            id=self.id,
            at=AT,
            room=self.room,
            author=self.author.name,
            text=self.text,
            session=self.author.token if self.type == "private" else None,
        )


@dataclass(eq=False)
class Member:
    """A session, as the server stores it."""

    token: str
    name: str
    rooms: set[str]
    since: int
    seq: int = 0
    stored: dict[int, Entry] = field(default_factory=dict)
    desk: Desk | None = None
    muted: bool = False
    refused: set[str] = field(default_factory=set)
    known: bool = False
    """Whether its client has it, so that it can come back; else it is gone with the connection."""

    def sees(self, entry: Entry) -> bool:
        return entry.room in self.rooms or self in (entry.to, entry.author)


class House:
    """What outlives the connections: the journal, and the sessions.

    :ivar entries: the journal.
    :ivar pruned: up to which id it is forgotten.
    """

    def __init__(self, journal: str = "j1", head: int = 100) -> None:
        self.journal = journal
        self.head = self.pruned = head
        self.entries: list[Entry] = []
        self.members: dict[str, Member] = {}
        self.drafts: list[Callable[[], None]] = []
        self._tokens = count(1)

    def named(self, name: str) -> Member | None:
        return next((one for one in self.members.values() if one.name == name), None)

    def reader(self, talk: messages.Private) -> Member | None:
        if talk.session is not None:
            return self.members.get(talk.session)
        return self.named(talk.to or "")

    def guest(self, name: str, *rooms: str) -> Member:
        """Add somebody who has no connection."""
        member = Member(f"{self.journal}-t{next(self._tokens)}", name, set(rooms), self.head)
        self.members[member.token] = member
        return member

    def store(self, type: str, author: Member, text: str, **where: Any) -> Entry:
        """Store something now."""
        self.head += 1
        entry = Entry(self.head, type, author, text, **where)
        self.entries.append(entry)
        return entry

    def tick(self) -> None:
        """Store what waits."""
        drafts, self.drafts = self.drafts, []
        for commit in drafts:
            commit()
        for member in self.members.values():
            if member.desk is not None:
                member.desk.read_on()

    def kill(self) -> None:
        """Lose what was not stored."""
        self.drafts.clear()


class Desk:
    """The server's end of a connection."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.member: Member | None = None
        self.got: list[messages.Request] = []
        self.out = b""
        self.closed = False
        self._buffer = b""
        self._since = 0
        self._missing = False
        self._seqs: set[int] = set()
        self._behind = False

    def say(self, reply: messages.Reply) -> None:
        if not self.closed:
            self.out += messages.encode(reply)

    def hang_up(self) -> None:
        self.closed = True
        if self.member is not None and self.member.desk is self:
            self.member.desk = None
            if not self.member.known:
                del self.house.members[self.member.token]

    def take(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if not self.closed:
                request = messages.request(line)
                self.got.append(request)
                self.obey(request)

    def obey(self, request: messages.Request) -> None:
        if isinstance(request, messages.Hello):
            assert self.member is None, "a second hello"
            self.house.drafts.append(lambda: self.welcome(request))
            return
        assert self.member is not None, f"before the welcome: {request}"
        self.member.known = True
        if isinstance(request, messages.Talk):
            self.talk(self.member, request)
        elif isinstance(request, messages.Ping):
            self.say(messages.Pong(ref=request.ref))
        else:
            self.house.drafts.append(lambda: self.answer(request))

    def error(self, request: messages.Request, code: messages.Code) -> None:
        seq = request.seq if isinstance(request, messages.Talk) else None
        text = f"no: {code.value}"
        to, ref = request.type, request.ref
        self.say(messages.Error(code=code.value, text=text, to=to, seq=seq, ref=ref))

    # Coming in

    def welcome(self, hello: messages.Hello) -> None:
        house = self.house
        if self.closed:
            return
        member = house.members.get(hello.token or "")
        resumed = member is not None
        gap = hello.since is not None and (
            not resumed
            or hello.journal != house.journal
            or not house.pruned <= hello.since <= house.head
        )
        if member is None:
            if hello.name is None:
                self.error(hello, messages.Code.UNKNOWN_TOKEN)
                return
            if house.named(hello.name) is not None:
                self.error(hello, messages.Code.NAME_TAKEN)
                return
            rooms = ["lobby"] if hello.rooms is None else hello.rooms
            member = house.guest(hello.name, *rooms)
        if member.desk is not None:
            member.desk.say(messages.Replaced(text="another connection has the session"))
            member.desk.closed = True
        member.desk, self.member = self, member
        self._since, self._missing = house.head, resumed
        if resumed and hello.since is not None:
            self._since = house.pruned if gap else hello.since
        self.say(
            welcome(
                name=member.name,
                token=member.token,
                journal=house.journal,
                since=self._since,
                seq=member.seq,
                rooms=[messages.RoomSeen(room=room, people=2) for room in sorted(member.rooms)],
                resumed=resumed,
                gap=gap,
            )
        )
        self._behind = resumed

    # The stream

    def read_on(self) -> None:
        member = self.member
        for entry in self.house.entries:
            if member is None or entry.id <= self._since:
                continue
            self._since = entry.id
            if entry.author is member and entry.seq is not None:
                to = next(name for name, type in EVENT_TYPES.items() if type == entry.type)
                self.say(messages.Ok(to=to, id=entry.id, at=AT, seq=entry.seq))
            elif member.sees(entry):
                self.say(entry.event())
        if self._behind:
            self._behind = False
            self.say(messages.Live())

    def talk(self, member: Member, talk: messages.Talk) -> None:
        assert talk.seq is not None
        stored = member.stored.get(talk.seq)
        if stored is not None:
            if stored.text != talk.text:
                self.error(talk, messages.Code.SEQ_REUSED)
            elif stored.id <= self._since:
                self.say(messages.Ok(to=talk.type, id=stored.id, at=AT, seq=stored.seq))
        elif talk.seq <= max(member.seq, *self._seqs, 0):
            self.error(talk, messages.Code.SEQ_UNKNOWN)
        elif isinstance(talk, messages.Private) and self.house.reader(talk) is None:
            self.error(talk, messages.Code.NOT_HERE)
        elif member.muted:
            member.refused.add(talk.text)
            self.error(talk, messages.Code.MUTED)
        else:
            self._seqs.add(talk.seq)
            self.house.drafts.append(lambda: self.commit(member, talk))

    def commit(self, member: Member, talk: messages.Talk) -> None:
        assert talk.seq is not None
        to = self.house.reader(talk) if isinstance(talk, messages.Private) else None
        entry = self.house.store(
            EVENT_TYPES[talk.type],
            member,
            talk.text,
            room=getattr(talk, "room", None),
            to=to,
            seq=talk.seq,
        )
        member.stored[talk.seq] = entry
        member.seq = max(member.seq, talk.seq)

    # Answers

    def answer(self, request: messages.Request) -> None:
        member, ref = self.member, request.ref
        assert member is not None
        self.read_on()
        if isinstance(request, messages.Join):
            member.rooms.add(request.room)
            self.say(messages.Ok(to="join", room=request.room, topic="", people=2, ref=ref))
        elif isinstance(request, messages.Leave):
            if request.room in member.rooms:
                member.rooms.remove(request.room)
                self.say(messages.Ok(to="leave", room=request.room, ref=ref))
            else:
                self.error(request, messages.Code.NOT_IN_ROOM)
        elif isinstance(request, messages.Nick):
            member.name = request.name
            self.say(messages.Ok(to="nick", name=request.name, ref=ref))
        elif isinstance(request, messages.Who):
            here = [messages.Person(name=one.name) for one in self.house.members.values()]
            self.say(messages.WhoIs(room=request.room, people=here, count=len(here), ref=ref))
        elif isinstance(request, messages.Names):
            page = request.page
            self.say(messages.NameList(names=["bob"], count=1, page=page, pages=1, ref=ref))
        elif isinstance(request, messages.Rooms):
            self.say(messages.RoomList(rooms=[], count=0, ref=ref))
        elif isinstance(request, messages.LookUp):
            other = self.house.named(request.name)
            if other is None:
                self.error(request, messages.Code.NOT_HERE)
            else:
                rooms = sorted(other.rooms)
                self.say(messages.About(name=other.name, rooms=rooms, since=AT, idle=7, ref=ref))
        elif isinstance(request, messages.Uptime):
            self.say(messages.Up(seconds=60, since=AT, ref=ref))
        elif isinstance(request, messages.History):
            events = [one.event() for one in self.house.entries if one.room == request.room]
            self.say(
                messages.Past(room=request.room, events=events, more=False, gap=False, ref=ref)
            )
        else:
            self.say(messages.Ok(to=request.type, ref=ref))
            if isinstance(request, messages.Quit):
                self.hang_up()
