"""The rooms that one is in, kept up to date by what the server says."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from chatservice import messages


class RoomsSeen:
    """Rooms by their names.

    :param wanted: to be in from the beginning.
    :ivar seen: in which one is.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = list(wanted)
        self._welcomed = False
        self.seen: dict[str, messages.RoomSeen] = {}

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
