"""How events look: the text that people read.

A line that somebody said begins with ``<``, what somebody did with ``* ``, a private line with
``[ana -> ``, a line of another room than the reader's current one with ``#``, a line of the past
with its time, ``[14:02] ``, and everything that is the service's own with ``-- ``. Whoever wants to
see times has them in front of every event. What people type never stands at the beginning of a
line, so none of these can be forged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Final, Protocol

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
from chatservice.messages import Code
from chatservice.text import wording
from chatservice.text.directions import directed, directed_room
from chatservice.text.listing import faces
from chatservice.text.times import FULL, OFF, SHORT, STAMPS


class View(Protocol):
    """What a member sees of events; equal views share what was rendered."""

    def live(self, event: Event, here: bool) -> bytes:
        """Render an event as it happens, in the reader's current room (``here``) or in another."""

    def own(self, event: Event) -> bytes:
        """Render what the reader has said or done itself, at its place among the events."""

    def notice(self, *lines: str) -> bytes:
        """Render what the service has to say."""

    def refusal(self, code: Code, why: str) -> bytes:
        """Render why something is not done, or is over."""

    def gap(self) -> bytes:
        """Render that something which was to be shown here is not there any more."""


_FULL_OF_TWO: Final = "[%Y-%m-%d %H:%M:%S %z] "
"""The full time where clocks are put back, and the same comes twice."""


@dataclass(frozen=True)
class TextView:
    """Lines for people: UTF-8, ending in CR LF.

    :ivar stamps: which times are shown, of :data:`STAMPS`.
    :ivar zone: whose times these are.
    :ivar moves: whether people are shown to come and go.
    """

    stamps: str = OFF
    zone: tzinfo = timezone.utc
    moves: bool = True

    def live(self, event: Event, here: bool) -> bytes:
        """See :meth:`View.live`."""
        if not self.moves and event.kind in (JOINED, LEFT):
            return b""
        line = self._line(event, here or event.room.startswith(HOUSE))
        if self.stamps == OFF:
            return line.encode()
        return (self._stamp(event.at, self.stamps) + line).encode()

    def own(self, event: Event) -> bytes:
        """Render nothing: who types sees it. See :meth:`View.own`."""
        return b""

    def past(self, event: Event) -> bytes:
        """Render something that was said or done before."""
        stamp = self._stamp(event.at, SHORT if self.stamps == OFF else self.stamps)
        return (stamp + self._line(event, True)).encode()

    def _stamp(self, at: int, stamps: str) -> str:
        local = self.local(at)
        if stamps == FULL and _comes_twice(local):
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
        return f"-- {where}{_happened(event)}\r\n"

    def sent(self, name: str, text: str) -> bytes:
        """Render what the reader wrote privately to somebody."""
        return f"[you -> {directed(name)}] {text}\r\n".encode()

    def local(self, at: int) -> datetime:
        """Turn a time, in milliseconds since 1970, into the reader's own."""
        return datetime.fromtimestamp(at / 1000, self.zone)

    @property
    def zone_name(self) -> str:
        """What the reader calls its time zone."""
        return str(self.zone)

    def notice(self, *lines: str) -> bytes:
        """See :meth:`View.notice`."""
        return "".join(f"-- {line}".rstrip() + "\r\n" for line in lines).encode()

    def refusal(self, code: Code, why: str) -> bytes:
        """See :meth:`View.refusal`."""
        return self.notice(why)

    def gap(self) -> bytes:
        """See :meth:`View.gap`."""
        return self.notice(wording.FORGOTTEN)


TEXT: Final = TextView()


def text_view(view: View) -> TextView:
    """Return the view of somebody who reads text: all but programs do."""
    assert isinstance(view, TextView)
    return view


def _comes_twice(local: datetime) -> bool:
    """Tell whether there are two moments of this time of day, before and after a change."""
    return local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()


def _happened(event: Event) -> str:
    if event.kind in (JOINED, LEFT):
        verb = {JOINED: "joined", LEFT: "left"}[event.kind]
        words = f" ({event.text})" if event.text else ""
        return f"{faces(event.author.split(' '))} {verb}{words}"
    author = directed(event.author)
    if event.kind == RENAMED:
        return f"{author} is now {directed(event.text)}"
    if event.kind == TOPIC:
        words = f"set the topic: {event.text}" if event.text else "took the topic away"
        return f"{author} {words}"
    if event.kind == ANNOUNCED:
        return f"{author} announces: {event.text}"
    assert event.kind == ACTED
    return f"{author} {event.text}"
