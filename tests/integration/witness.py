"""People and programs inside the test's process, their views, and the journal's own view."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import ProcessProtocol, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from chatservice import messages
from chatservice.client import Chat
from chatservice.client.session.dialling import LONGEST_PAUSE
from chatservice.client.session.outgoing import OVER, Refused, Sent
from chatservice.client.session.session import Listener, Session
from chatservice.journal.events import (
    ANNOUNCED,
    DID,
    HOUSE,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    SAID,
    TALK,
    TOPIC,
    Event,
    inbox,
)
from tests.integration.proxy import HOST
from tests.integration.support import PATIENCE, program
from tests.welcome import in_room

WORDS = (*TALK, PRIVATE, TOPIC, ANNOUNCED)
"""The kinds of events that are one person's words."""

OWN = "own"
"""The kind of a receipt: one's own words are stored."""


class Seen(NamedTuple):
    """An event as seen, in its order; of one's own words, only the id and the text are known."""

    id: int
    kind: str
    room: str
    author: str
    text: str


def seen(event: messages.Event) -> Seen:
    """Return an event of the protocol as :class:`Seen`."""
    author = event.author if event.names is None else " ".join(event.names)
    return Seen(
        event.id, event.type, event.room or "", author or "", event.text or event.name or ""
    )


class Watched:
    """A participant whose state tests wait for; a change triggers each check, and nothing polls.

    :ivar patience: seconds after which a wait counts as failed.
    """

    name: str
    patience = PATIENCE

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], object], Deferred[None]]] = []
        self.wrong: list[str] = []

    def until(
        self, ready: Callable[[], object], what: str, patience: float | None = None
    ) -> Deferred[None]:
        """Wait until ``ready`` returns something true; the Deferred fails after ``patience``."""
        patience = self.patience if patience is None else patience
        waiting: Deferred[None] = Deferred()
        if ready():
            waiting.callback(None)
            return waiting
        self._waiting.append((ready, waiting))

        def in_vain(failure: Failure) -> None:
            failure.trap(CancelledError)
            self._waiting = [one for one in self._waiting if one[1] is not waiting]
            raise AssertionError(f"{self.name} waited {patience:g} s in vain for {what}: {self}")

        late = reactor.callLater(patience, waiting.cancel)

        def in_time(result: Any) -> Any:
            if late.active():
                late.cancel()
            return result

        return waiting.addBoth(in_time).addErrback(in_vain)

    def changed(self) -> None:
        """Fire the waits whose conditions hold now."""
        for one in list(self._waiting):
            if one in self._waiting and one[0]():
                self._waiting.remove(one)
                one[1].callback(None)


class Sitter(Watched, Listener):
    """A listener of a :class:`.Session` that records all calls.

    :ivar seen: the events, and receipts of its own words, in order.
    :ivar lost_nameless: the count of connections lost before the first welcome.
    """

    # After many failures, the client backs off up to this long.
    patience = PATIENCE + LONGEST_PAUSE

    def __init__(
        self, endpoint: IStreamClientEndpoint, name: str, rooms: Sequence[str], where: str = "here"
    ) -> None:
        super().__init__()
        self.name = name
        self.seat = Session(reactor, endpoint, where, self, name, rooms)
        self.seen: list[Seen] = []
        self._texts: set[str] = set()
        self.said: list[Sent] = []
        self.welcomes: list[messages.Welcome] = []
        self.losses = 0
        self.lost_nameless = 0
        self.notices: list[str] = []
        self.ends: list[str | None] = []
        self.refused_names = 0

    def __str__(self) -> str:
        return (
            f"{len(self.welcomes)} welcomes, {self.losses} losses, connected {self.seat.connected},"
            f" unstored {list(self.seat.unstored)[:3]}, seen {self.seen[-3:]},"
            f" ended {self.ends}, wrong {self.wrong}"
        )

    def talk(self, request: messages.Talk) -> Sent:
        """Say something."""
        sent = self.seat.talk(request)
        self.said.append(sent)
        sent.answer.addCallbacks(self._stored, self._refused, errbackArgs=(sent,))
        return sent

    def _stored(self, sent: Sent) -> None:
        if sent.id is None or sent not in self.said:
            self.wrong.append(f"stored as {sent.id}: {sent}")
        self._see(Seen(sent.id or 0, OWN, "", "", sent.text))

    def _refused(self, failure: Failure, sent: Sent) -> None:
        if failure.check(Refused) and failure.value.error.code != OVER:
            self.wrong.append(f"refused: {sent}: {failure.value.error}")
            self.changed()

    def say(self, room: str, text: str) -> Sent:
        """Say something in a room."""
        return self.talk(messages.Say(room=room, text=text))

    def saw(self, text: str) -> bool:
        """Return whether words have been seen."""
        return text in self._texts

    def _see(self, one: Seen) -> None:
        self.seen.append(one)
        self._texts.add(one.text)
        self.changed()

    # Calls of the session

    def welcomed(self, welcome: messages.Welcome) -> None:
        self.welcomes.append(welcome)
        self.changed()

    def caught_up(self) -> None:
        self.changed()

    def happened(self, event: messages.Event) -> None:
        self._see(seen(event))

    def noticed(self, text: str) -> None:
        self.notices.append(text)

    def gapped(self) -> None:
        self.wrong.append("a gap")
        self.changed()

    def lost(self, why: str, pause: float) -> None:
        self.losses += 1
        self.lost_nameless += not self.welcomes
        self.changed()

    def name_refused(self, why: str) -> None:
        self.refused_names += 1
        self.changed()

    def ended(self, why: str | None) -> None:
        self.ends.append(why)
        self.changed()


class Speaker(Watched, LineReceiver):
    """A connection to the server without a proxy between.

    :ivar gone: fires when the connection is lost.
    """

    transport: Any
    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.lines: list[str] = []
        self.gone: Deferred[None] = Deferred()

    def reach(self, port: int) -> Deferred[Any]:
        """Connect to a port."""
        return connectProtocol(TCP4ClientEndpoint(reactor, HOST, port), self)

    def connectionMade(self) -> None:
        """Set TCP_NODELAY."""
        self.transport.setTcpNoDelay(True)

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line.decode().removesuffix("\r"))
        self.took(self.lines[-1])
        self.changed()

    def took(self, line: str) -> None:
        """Handle a line."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not reason.check(ConnectionDone):
            self.wrong.append(str(reason.value))
        self.gone.callback(None)
        self.changed()

    def hang_up(self) -> Deferred[None]:
        """Abort the connection; fires when it is closed."""
        self.transport.abortConnection()
        return self.gone


class Direct(Speaker):
    """A program that speaks JSON without the library.

    :param hello: further fields of the hello, for example a token.
    """

    def __init__(self, name: str, rooms: Sequence[str], **hello: Any) -> None:
        super().__init__(name)
        self._hello = messages.Hello(name=name, rooms=list(rooms), **hello)
        self._said: dict[int, str] = {}
        self._seq = 0
        self.seen: list[Seen] = []
        self.welcome: messages.Welcome | None = None
        self.joined: set[str] = set()

    def __str__(self) -> str:
        return f"{self.lines[-3:]}, wrong {self.wrong}"

    @classmethod
    async def come(cls, port: int, name: str, rooms: Sequence[str]) -> Direct:
        """Enter, and join rooms."""
        direct = cls(name, rooms)
        await direct.reach(port)
        await direct.until(lambda: len(direct.joined) == len(rooms), "its rooms")
        return direct

    def connectionMade(self) -> None:
        super().connectionMade()
        self.ask(self._hello)

    def ask(self, request: messages.Request) -> None:
        """Send a request."""
        self.transport.write(messages.encode(request))

    def say(self, room: str, text: str) -> None:
        """Say something in a room."""
        self.ask(messages.Say(room=room, text=text, seq=self._number(text)))

    def private(self, to: str, text: str) -> None:
        """Send a private message."""
        self.ask(messages.Private(to=to, text=text, seq=self._number(text)))

    def _number(self, text: str) -> int:
        self._seq += 1
        self._said[self._seq] = text
        return self._seq

    def quit(self) -> Deferred[None]:
        """Quit; fires when the connection is closed."""
        self.ask(messages.Quit())
        return self.gone

    def took(self, line: str) -> None:
        # Ignore lines for people, for example the question for a name.
        reply = messages.reply(line.encode()) if line.startswith("{") else None
        if isinstance(reply, messages.Event):
            self.seen.append(seen(reply))
        elif isinstance(reply, messages.Welcome):
            self.welcome = reply
            self._seq = reply.seq
        elif isinstance(reply, messages.Ok) and reply.id is not None and reply.seq is not None:
            self.seen.append(Seen(reply.id, OWN, "", "", self._said[reply.seq]))
        elif isinstance(reply, messages.Ok) and reply.to == "join" and reply.room is not None:
            self.joined.add(reply.room)
        elif not isinstance(reply, messages.Live | messages.Ok | None):
            self.wrong.append(line)

    def saw(self, text: str) -> bool:
        """Return whether words have been seen."""
        return any(one.text == text for one in self.seen)


class Reader(Speaker):
    """A person who reads and writes text, as with telnet.

    :ivar begins: the index of the first line after the greetings.
    """

    begins = 0

    def __str__(self) -> str:
        return f"{self.lines[-3:]}, wrong {self.wrong}"

    @classmethod
    async def come(cls, port: int, name: str, rooms: Sequence[str]) -> Reader:
        """Enter, and join rooms; the last one is then the current room."""
        reader = cls(name)
        await reader.reach(port)
        reader.say(name, *(f"/join {room}" for room in rooms))
        for room in rooms:
            mark = in_room(room)
            await reader.until(lambda mark=mark: reader.has(mark), mark)
        reader.begins = len(reader.lines)
        return reader

    def say(self, *lines: str) -> None:
        """Send lines, which are words for the current room or commands."""
        self.transport.write("".join(f"{line}\n" for line in lines).encode())

    def has(self, start: str) -> bool:
        """Return whether a line has come that begins with ``start``."""
        return any(line.startswith(start) for line in self.lines)

    @property
    def shown(self) -> list[str]:
        """The lines that came after the greetings."""
        return self.lines[self.begins :]


class Bot(Watched):
    """A program that uses the library."""

    def __init__(self, chat: Chat) -> None:
        super().__init__()
        self.name = chat.name
        self._chat = chat
        self.seen: list[Seen] = []
        self._texts: set[str] = set()
        self.listening = Deferred.fromCoroutine(self._listen())

    def __str__(self) -> str:
        return f"connected {self._chat.connected}, seen {self.seen[-3:]}, wrong {self.wrong}"

    async def _listen(self) -> None:
        async for event in self._chat:
            self._see(seen(event))

    def _see(self, one: Seen) -> None:
        self.seen.append(one)
        self._texts.add(one.text)
        self.changed()

    def say(self, room: str, text: str) -> None:
        """Say something in a room."""
        self._chat.say(room, text).addCallbacks(
            lambda id: self._see(Seen(id, OWN, "", "", text)),
            lambda failure: self.wrong.append(str(failure.value)),
        )

    def saw(self, text: str) -> bool:
        """Return whether words have been seen."""
        return text in self._texts

    def stop(self) -> Deferred[None]:
        """Stop the library; fires when no more events can come."""
        self._chat.stop()
        return self.listening


class Telnet(Watched, ProcessProtocol):
    """A person who uses telnet."""

    transport: Any

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.lines: list[str] = []
        self._rest = b""
        self._gone: Deferred[None] = Deferred()

    def __str__(self) -> str:
        return str(self.lines[-3:])

    @classmethod
    async def come(cls, case: TestCase, port: int, name: str) -> Telnet:
        """Start telnet, and enter."""
        telnet = cls(name)
        reactor.spawnProcess(telnet, program("telnet"), ["telnet", HOST, str(port)], env=None)
        case.addCleanup(telnet.stop)
        telnet.say("", name)
        await telnet.until(lambda: any("-- you are in #" in x for x in telnet.lines), "a room")
        return telnet

    def say(self, room: str, text: str) -> None:
        """Say something in the current room, whatever ``room`` is."""
        self.transport.write(f"{text}\n".encode())

    def saw(self, text: str) -> bool:
        """Return whether words were seen; own words count as seen, since they are not shown."""
        return text in self._texts or text.startswith(f"{self.name} ")

    @property
    def _texts(self) -> set[str]:
        return {line.partition("> ")[2] for line in self.lines[-100:]}

    def outReceived(self, data: bytes) -> None:
        """Split the output into lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += [line.decode().removesuffix("\r") for line in lines]
        self.changed()

    def processEnded(self, reason: Failure) -> None:
        """Note the end of telnet."""
        self._gone.callback(None)

    def stop(self) -> Deferred[None]:
        """Kill telnet; fires when it has ended."""
        if not self._gone.called:
            self.transport.signalProcess("KILL")
        return self._gone


class Journal:
    """The stored events, limited to those that matter for a test.

    :param after: the id before the first that counts.
    :param upto: the last id that counts.
    :param mark: a text that the room, the author or the text must contain.
    """

    def __init__(
        self, history: Path, after: int = 0, upto: int | None = None, mark: str = ""
    ) -> None:
        self.upto = (1 << 62) if upto is None else upto
        with closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT id, at, room, kind, author, text, origin, seq FROM events"
                " WHERE id > ? AND id <= ? ORDER BY id",
                (after, self.upto),
            )
            self.events = [
                event
                for event in map(Event._make, rows)
                if mark in event.room or mark in event.author or mark in event.text
            ]

    def said(self, texts: Iterable[str]) -> list[tuple[int, str]]:
        """List the ids and texts of stored words, for some texts, in order."""
        wanted = set(texts)
        return [(e.id, e.text) for e in self.events if e.kind in WORDS and e.text in wanted]

    def origin_of(self, text: str) -> int:
        """Return the session that said a text."""
        (origin,) = {event.origin for event in self.events if event.text == text}
        return origin

    def moves(self, kind: str, name: str) -> list[Event]:
        """List the events of one kind, joined or left, that name a person."""
        return [e for e in self.events if e.kind == kind and name in e.author.split(" ")]

    def seen_by(
        self, name: str, origin: int | None = None, after: int = 0, upto: int = 1 << 62
    ) -> list[Event]:
        """List the events that a person sees, with their own words and other actions.

        :param name: the person's first name.
        :param origin: the person's session; None to leave out their own and private events.
        :param after: an id at which the person was in no room yet.
        """
        there: set[str] = set()
        addressed = {HOUSE} if origin is None else {HOUSE, inbox(origin)}
        found = []
        for event in self.events:
            if not after < event.id <= upto:
                continue
            if event.kind in (JOINED, LEFT) and name in event.author.split(" "):
                # People don't see their own joins and leaves.
                (there.add if event.kind == JOINED else there.discard)(event.room)
                continue
            own = event.origin == origin
            if own and event.kind == RENAMED:
                name = event.text
            if event.room in there | addressed or (own and event.kind == PRIVATE):
                found.append(event)
        return found


def as_program(events: Iterable[Event], origin: int) -> list[Seen]:
    """Return events as a program sees them."""
    return [
        Seen(e.id, OWN, "", "", e.text)
        if e.origin == origin and e.kind in WORDS
        else Seen(e.id, e.kind, "" if e.room.startswith(HOUSE) else e.room, e.author, e.text)
        for e in events
    ]


def as_person(events: Iterable[Event], origin: int, room: str) -> list[str]:
    """Return events as the lines shown to a person whose current room is ``room``."""
    return [_line(e, e.room == room) for e in events if e.origin != origin]


def _line(event: Event, here: bool) -> str:
    room = "" if here else f"#{event.room}"
    if event.kind == SAID:
        return f"{room} <{event.author}> {event.text}".strip()
    if event.kind == DID:
        return f"{room} * {event.author} {event.text}".strip()
    if event.kind == PRIVATE:
        return f"[{event.author} -> you] {event.text}"
    where = "" if here else f"{room}: "
    if event.kind == TOPIC:
        return f"-- {where}{event.author} set the topic: {event.text}"
    if event.kind == RENAMED:
        return f"-- {where}{event.author} is now {event.text}"
    names = event.author.split(" ")
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    words = f" ({event.text})" if event.text else ""
    return f"-- {where}{listed} {event.kind}{words}"


def difference(got: Sequence[object], wanted: Sequence[object]) -> str:
    """Describe the first difference of two lists; ``""`` if they are equal."""
    for index in range(max(len(got), len(wanted))):
        one, other = got[index : index + 1], wanted[index : index + 1]
        if one != other:
            return (
                f"number {index} of {len(got)} is {one}, where {other} of {len(wanted)} should be"
            )
    return ""
