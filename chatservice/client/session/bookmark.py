"""The parts of a session that outlive a connection: the last id read, and the rooms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from chatservice import messages
from chatservice.clock import Timer

PACE: Final = 1.0
"""Seconds between two saves of the place while only ``since`` changes."""


class Remembered(NamedTuple):
    """The place at which a session resumes, maybe in another process.

    :ivar name: the last name of the session.
    :ivar token: the secret that resumes the session.
    :ivar journal: the journal to which the id ``since`` belongs.
    :ivar since: the id of the last event that was given to the listener.
    """

    name: str
    token: str
    journal: str
    since: int


class Bookmark:
    """The place of a session, saved when it changes: at once, or for ``since`` within a second.

    :ivar name: the name of the session, or the one to ask for.
    :ivar place: None while there is no session.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        name: str | None,
        remembered: Remembered | None,
        keep: Callable[[Remembered], object],
    ) -> None:
        self._keep = keep
        self._soon = Timer(reactor, self._keep_now)
        self.name = name
        self.place = remembered
        if name is None and remembered is not None:
            self.name = remembered.name

    def hello(self, rooms: list[str] | None) -> messages.Hello:
        """Return the hello, with the name and place of the session if they are known."""
        known = {} if self.place is None else self.place._asdict()
        return messages.Hello(**{**known, "name": self.name, "rooms": rooms})

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Store the session of a welcome, and the id after which its events begin."""
        since, before = welcome.since, self.place
        if before is not None and before.journal == welcome.journal and welcome.resumed:
            # After a gap, ids that were given before may belong to other events.
            since = since if welcome.gap else max(since, before.since)
        self._change(Remembered(welcome.name, welcome.token, welcome.journal, since))

    def renamed(self, name: str) -> None:
        """Store the new name of the session."""
        if self.place is not None:
            self._change(self.place._replace(name=name))

    def is_new(self, number: int) -> bool:
        """Return whether the event with this id has not been given yet."""
        return self.place is None or number > self.place.since

    def reached(self, number: int) -> None:
        """Store the id of an event if it is the highest yet."""
        if self.place is not None and self.is_new(number):
            self._change(self.place._replace(since=number))

    def keep_soon(self) -> None:
        """Save the place within a second."""
        if not self._soon.running:
            self._soon.start(PACE)

    def close(self) -> None:
        """Save the place now if a save is due."""
        if self._soon.running:
            self._keep_now()

    def _change(self, now: Remembered) -> None:
        before, self.place, self.name = self.place, now, now.name
        if before is None or before[:3] != now[:3]:
            self._keep_now()
        elif before != now:
            self.keep_soon()

    def _keep_now(self) -> None:
        self._soon.stop()
        if self.place is not None:
            self._keep(self.place)


class RoomsSeen:
    """The rooms of a session, by their names.

    :param wanted: the rooms to be in from the beginning.
    :ivar seen: the rooms that the session is in.
    :ivar heard_of: the names of all rooms in the last list from the server.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = list(wanted)
        self._welcomed = False
        self.seen: dict[str, messages.RoomSeen] = {}
        self.heard_of: list[str] = []

    def to_be_in(self) -> list[str] | None:
        """Return the rooms to ask for in a hello; None for the server's first room."""
        return list(self.seen) if self._welcomed else self._wanted or None

    def welcomed(self, welcome: messages.Welcome) -> list[messages.Join]:
        """Store the rooms of a welcome, and return a join for each wanted room that is missing.

        A session that is older than this process may be in other rooms.
        """
        self.seen.clear()
        self.seen.update((room.room, room) for room in welcome.rooms)
        first, self._welcomed = not self._welcomed, True
        if not (first and welcome.resumed):
            return []
        return [messages.Join(room=room) for room in self._wanted if room not in self.seen]

    def answered(self, reply: messages.Reply) -> None:
        """Update the rooms from an answer: a join, a leave, the people, or the list of rooms."""
        if isinstance(reply, messages.Ok) and reply.room is not None:
            if reply.to == messages.Join.type:
                self.seen[reply.room] = messages.RoomSeen(
                    room=reply.room, people=reply.people or 1, topic=reply.topic or ""
                )
            elif reply.to == messages.Leave.type:
                self.seen.pop(reply.room, None)
        elif isinstance(reply, messages.WhoIs):
            self._change(reply.room, people=reply.count)
        elif isinstance(reply, messages.RoomList):
            self.heard_of[:] = [room.room for room in reply.rooms]
            self.seen.update((room.room, room) for room in reply.rooms if room.room in self.seen)

    def stored(self, talk: messages.Request) -> None:
        """Update the topic of a room if the stored talk of this session set it."""
        if isinstance(talk, messages.Topic):
            self._change(talk.room, topic=talk.text)

    def happened(self, event: messages.Event, own_name: str | None, live: bool) -> None:
        """Update the topic, or the number of people, of the event's room.

        :param live: whether the number of people known so far lacks this event.
        """
        seen = self.seen.get(event.room or "")
        if seen is None:
            return
        if event.type == "topic":
            self._change(seen.room, topic=event.text or "")
        elif event.type in ("joined", "left") and live and event.names is not None:
            count = event.count if event.count is not None else len(event.names)
            others = count - (own_name in event.names)
            people = seen.people + (others if event.type == "joined" else -others)
            self._change(seen.room, people=max(people, 1))

    def _change(self, room: str, **changes: object) -> None:
        if room in self.seen:
            self.seen[room] = replace(self.seen[room], **changes)
