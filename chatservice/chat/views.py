"""How events look: the text that people read.

A line that somebody said begins with ``<``, what somebody did with ``* ``, a line of another room
than the reader's current one with ``#``, a line of the past with ``[``, and everything that is the
service's own with ``-- ``. What people type never stands at the beginning of a line, so none of
these can be forged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Final, Protocol

from chatservice.journal.events import DID, JOINED, LEFT, RENAMED, SAID, Event

FACES: Final = 20
"""So many names are shown where people come, go or are met; of the rest, the count."""


class View(Protocol):
    """What a member sees of events; equal views share what was rendered."""

    def live(self, event: Event, here: bool) -> bytes:
        """Render an event as it happens, in the reader's current room (``here``) or in another."""

    def past(self, event: Event) -> bytes:
        """Render something that was said or done before."""

    def notice(self, *lines: str) -> bytes:
        """Render what the service has to say."""


class TextView:
    """Lines for people: UTF-8, ending in CR LF."""

    def live(self, event: Event, here: bool) -> bytes:
        """See :meth:`View.live`."""
        room = "" if here else f"#{event.room} "
        if event.kind == SAID:
            return f"{room}<{event.author}> {event.text}\r\n".encode()
        if event.kind == DID:
            return f"{room}* {event.author} {event.text}\r\n".encode()
        where = "" if here else f"#{event.room}: "
        return f"-- {where}{_happened(event)}\r\n".encode()

    def past(self, event: Event) -> bytes:
        """See :meth:`View.past`."""
        return f"[{utc(event.at):%H:%M}] ".encode() + self.live(event, here=True)

    def notice(self, *lines: str) -> bytes:
        """See :meth:`View.notice`."""
        return "".join(f"-- {line}".rstrip() + "\r\n" for line in lines).encode()


TEXT: Final = TextView()


def _happened(event: Event) -> str:
    if event.kind == RENAMED:
        return f"{event.author} is now {event.text}"
    verb = {JOINED: "joined", LEFT: "left"}[event.kind]
    words = f" ({event.text})" if event.text else ""
    return f"{faces(event.author.split(' '))} {verb}{words}"


def faces(names: Sequence[str], total: int = 0) -> str:
    """List names as one would say them: ``ana, bob and cleo``, or twenty ``and 17 more``.

    :param total: how many there are, if ``names`` are only some of them.
    """
    more = max(total, len(names)) - FACES
    if more > 0:
        return f"{', '.join(names[:FACES])} and {more:,} more"
    if len(names) > 1:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return names[0]


def people(count: int) -> str:
    """Count people: ``1 person``, ``3 people``."""
    return "1 person" if count == 1 else f"{count:,} people"


def utc(at: int) -> datetime:
    """Turn the time of an event into a date and time, UTC."""
    return datetime.fromtimestamp(at / 1000, timezone.utc)
