"""The view for people: each event and reply as lines of text.

The beginning of a line tells its kind: ``<`` a line that was said, ``* `` an action, ``[ana -> `` a
private line, ``#`` a line from another room than the reader's current one, ``[14:02] `` a line of
the past with its time, and ``-- `` a line of the service itself. Readers can turn on times in front
of every event. Text that people type never begins a line, so none of these can be forged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from functools import partial
from typing import Any, Final

from chatservice.core.answers import AT_ONCE
from chatservice.doors.text import sentences
from chatservice.journal.events import (
    ACTED,
    ANNOUNCED,
    DID,
    HOUSE,
    JOINED,
    LEFT,
    PRIVATE,
    RENAMED,
    SAID,
    TOPIC,
    Event,
)
from chatservice.messages import Reply
from chatservice.text.listing import directed, directed_room, faces
from chatservice.text.times import FULL, OFF, SHORT, STAMPS

_FULL_OF_TWO: Final = "[%Y-%m-%d %H:%M:%S %z] "
"""The format of a full time that occurs twice, because clocks are put back."""


@dataclass(frozen=True)
class TextView:
    """Renders lines for people, in UTF-8, ending in CR LF.

    :ivar stamps: the form of the times that are shown, a key of :data:`STAMPS`.
    :ivar zone: the time zone of these times.
    :ivar moves: whether events of people who come and go are shown.
    """

    stamps: str = OFF
    zone: tzinfo = timezone.utc
    moves: bool = True

    shows_own = False
    greets = True

    def event(self, event: Event, here: bool) -> bytes:
        """See :meth:`.View.event`."""
        if not self.moves and event.kind in (JOINED, LEFT):
            return b""
        line = self._line(event, here or event.room.startswith(HOUSE))
        if self.stamps == OFF:
            return line.encode()
        return (self._stamp(event.at, self.stamps) + line).encode()

    def own(self, event: Event) -> bytes:
        """Render nothing, because a person sees the text while typing it. See :meth:`.View.own`."""
        return b""

    def past(self, event: Event, before: int) -> bytes:
        """Render a past event, and its day first if the day changes. See :meth:`.View.past`."""
        stamp = self._stamp(event.at, SHORT if self.stamps == OFF else self.stamps)
        line = stamp + self._line(event, True)
        day = self._local(event.at).date()
        if day != self._local(before).date():
            line = f"-- {day:%A}, {day.day} {day:%B %Y}:\r\n{line}"
        return line.encode()

    def _stamp(self, at: int, stamps: str) -> str:
        local = self._local(at)
        # When clocks are put back, two moments have the same local time.
        if stamps == FULL and local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
            return local.strftime(_FULL_OF_TWO)
        return local.strftime(STAMPS[stamps])

    def _line(self, event: Event, here: bool) -> str:
        room = "" if here else f"#{directed_room(event.room)} "
        if event.kind == SAID:
            return f"{room}<{directed(event.author)}> {event.text}\r\n"
        if event.kind == DID:
            return f"{room}* {directed(event.author)} {event.text}\r\n"
        if event.kind == PRIVATE:
            return f"[{directed(event.author)} -> you] {event.text}\r\n"
        where = "" if here else f"#{directed_room(event.room)}: "
        return f"-- {where}{_HAPPENED[event.kind](event)}\r\n"

    def _local(self, at: int) -> datetime:
        """Return a time, in milliseconds since 1970, in the reader's time zone."""
        return datetime.fromtimestamp(at / 1000, self.zone)

    def reply(self, reply: Reply) -> bytes:
        """See :meth:`.View.reply`."""
        return sentences.SAID[type(reply)](str(self.zone), reply).encode()

    def parts(self, reply: Reply, things: Iterable[Any]) -> Iterator[bytes]:
        """See :meth:`.View.parts`. The answer is laid out at once, and yielded line by line."""
        if getattr(reply, "count", 0) > AT_ONCE:
            yield b""
        for line in sentences.LISTED[type(reply)](reply, things):
            yield f"-- {line}\r\n".encode()


def _moved(verb: str, event: Event) -> str:
    words = f" ({event.text})" if event.text else ""
    return f"{faces(event.author.split(' '))} {verb}{words}"


def _topic(event: Event) -> str:
    words = f"set the topic: {event.text}" if event.text else "took the topic away"
    return f"{directed(event.author)} {words}"


_HAPPENED: Final[dict[str, Callable[[Event], str]]] = {
    JOINED: partial(_moved, "joined"),
    LEFT: partial(_moved, "left"),
    RENAMED: lambda event: f"{directed(event.author)} is now {directed(event.text)}",
    TOPIC: _topic,
    ANNOUNCED: lambda event: f"{directed(event.author)} announces: {event.text}",
    ACTED: lambda event: f"{directed(event.author)} {event.text}",
}
"""For each kind of event whose line begins with ``-- ``, the function that makes its text."""


TEXT: Final = TextView()
