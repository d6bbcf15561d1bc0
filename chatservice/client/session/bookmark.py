"""The parts of a session that outlive a connection: how far one has read, and the rooms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from chatservice import messages

PACE: Final = 1.0
"""Seconds between two times that it is kept only because more was received."""


class Remembered(NamedTuple):
    """The place at which a session goes on, maybe in another process.

    :ivar name: under which one was known last.
    :ivar token: whose session it is: who has it, has the name.
    :ivar journal: which journal ``since`` is an id of.
    :ivar since: the last id that was given to whoever listens.
    """

    name: str
    token: str
    journal: str
    since: int


class Bookmark:
    """The session as it is now; whatever of it changes is kept, ``since`` a little later.

    :ivar name: the one that it has, or is to have.
    :ivar place: None while there is no session.
    """

    def __init__(
        self,
        reactor: Any,
        name: str | None,
        remembered: Remembered | None,
        keep: Callable[[Remembered], object],
    ) -> None:
        self._reactor = reactor
        self._keep = keep
        self._later: Any = None
        self.name = name
        self.place = remembered
        if name is None and remembered is not None:
            self.name = remembered.name

    def hello(self, rooms: list[str] | None) -> messages.Hello:
        """Introduce oneself, with all that is known."""
        known = {} if self.place is None else self.place._asdict()
        return messages.Hello(**{**known, "name": self.name, "rooms": rooms})

    def welcomed(self, welcome: messages.Welcome) -> None:
        """Note which session it is, and where its stream begins."""
        since, before = welcome.since, self.place
        if before is not None and before.journal == welcome.journal and welcome.resumed:
            # After a gap, ids that were given once may be those of something else.
            since = since if welcome.gap else max(since, before.since)
        self._change(Remembered(welcome.name, welcome.token, welcome.journal, since))

    def renamed(self, name: str) -> None:
        """Note the new name."""
        if self.place is not None:
            self._change(self.place._replace(name=name))

    def is_new(self, number: int) -> bool:
        """Tell whether an event was not given yet."""
        return self.place is None or number > self.place.since

    def reached(self, number: int) -> None:
        """Note the highest id that was received."""
        if self.place is not None and self.is_new(number):
            self._change(self.place._replace(since=number))

    def keep_soon(self) -> None:
        """Keep what is known then, within a second."""
        if self._later is None:
            self._later = self._reactor.callLater(PACE, self._keep_now)

    def close(self) -> None:
        """Keep what is not kept yet."""
        if self._later is not None:
            self._keep_now()

    def _change(self, now: Remembered) -> None:
        before, self.place, self.name = self.place, now, now.name
        if before is None or before[:3] != now[:3]:
            self._keep_now()
        elif before != now:
            self.keep_soon()

    def _keep_now(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None
        if self.place is not None:
            self._keep(self.place)


class RoomsSeen:
    """Rooms by their names.

    :param wanted: to be in from the beginning.
    :ivar seen: in which one is.
    :ivar heard_of: which there were when that was asked last.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = list(wanted)
        self._welcomed = False
        self.seen: dict[str, messages.RoomSeen] = {}
        self.heard_of: list[str] = []

    def to_be_in(self) -> list[str] | None:
        """Give the rooms for a session that may have to begin anew; None for the first there is."""
        return list(self.seen) if self._welcomed else self._wanted or None

    def welcomed(self, welcome: messages.Welcome) -> list[messages.Join]:
        """Note where one is; give the rooms to be joined still.

        A session that was there before this program may be in other rooms than are wanted.
        """
        self.seen.clear()
        self.seen.update((room.room, room) for room in welcome.rooms)
        first, self._welcomed = not self._welcomed, True
        if not (first and welcome.resumed):
            return []
        return [messages.Join(room=room) for room in self._wanted if room not in self.seen]

    def answered(self, reply: messages.Reply) -> None:
        """Note what an answer says."""
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
            self.heard_of = [room.room for room in reply.rooms]
            self.seen.update((room.room, room) for room in reply.rooms if room.room in self.seen)

    def stored(self, talk: messages.Request) -> None:
        """Note what one said oneself, if it is a topic."""
        if isinstance(talk, messages.Topic):
            self._change(talk.room, topic=talk.text)

    def happened(self, event: messages.Event, own_name: str | None, live: bool) -> None:
        """Note what happened.

        :param live: it is not counted in what was said of the rooms before.
        """
        if event.room is None:
            return
        if event.type == "topic":
            self._change(event.room, topic=event.text or "")
        elif event.type in ("joined", "left") and live and event.names is not None:
            count = event.count if event.count is not None else len(event.names)
            others = count - (own_name in event.names)
            seen = self.seen.get(event.room)
            if seen is not None:
                people = seen.people + (others if event.type == "joined" else -others)
                self._change(event.room, people=max(people, 1))

    def _change(self, room: str, **changes: object) -> None:
        if room in self.seen:
            self.seen[room] = replace(self.seen[room], **changes)
