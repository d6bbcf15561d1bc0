"""The view for programs: each event and reply as a JSON object of :mod:`chatservice.messages`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from chatservice import messages
from chatservice.core.sessions import address_of
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
)

NAMES_MOST: Final = 500
"""Most names in an event of people who come or go together. Its count includes all of them."""

_ASKED: Final = {SAID: "say", DID: "do", PRIVATE: "private", TOPIC: "topic"}
"""The type of the request that causes each kind of event."""


def told(event: Event) -> messages.Event:
    """Convert an event of the journal into the message that programs receive."""
    id, at, room, kind, author, text, origin, _ = event
    come_or_gone = kind in (JOINED, LEFT)
    names = author.split(" ") if come_or_gone else None
    return messages.Event(
        type=kind,
        id=id,
        at=messages.moment(at),
        room=None if room.startswith(HOUSE) else room,
        author=None if come_or_gone else author,
        text=None if kind == RENAMED or (come_or_gone and not text) else text,
        names=None if names is None else names[:NAMES_MOST],
        count=None if names is None else len(names),
        name=text if kind == RENAMED else None,
        session=address_of(origin) if kind == PRIVATE else None,
    )


class JsonView:
    """Renders JSON objects for programs. The only instance is :data:`JSON`."""

    shows_own = True
    greets = False

    def event(self, event: Event, here: bool) -> bytes:
        """See :meth:`.View.event`."""
        return messages.encode(told(event))

    def own(self, event: Event) -> bytes:
        """See :meth:`.View.own`. A program receives its own words as a receipt."""
        asked = _ASKED.get(event.kind)
        if asked is None:
            return self.event(event, True)
        return messages.encode(
            messages.Ok(
                to=asked,
                id=event.id,
                at=messages.moment(event.at),
                seq=event.seq if event.seq > 0 else None,
            )
        )

    def past(self, event: Event, before: int) -> bytes:
        """See :meth:`.View.past`."""
        return self.event(event, True)

    def reply(self, reply: messages.Reply) -> bytes:
        """See :meth:`.View.reply`. Empty lines, which only help the eye, are left out."""
        wire = reply.wire()
        if wire is None or (isinstance(wire, messages.Notice) and not wire.text):
            return b""
        return messages.encode(wire)

    def parts(self, reply: messages.Reply, things: Iterable[Any]) -> Iterator[bytes]:
        """See :meth:`.View.parts`."""
        wire = reply.wire()
        assert wire is not None
        if isinstance(wire, messages.Past):
            things = map(told, things)
        return messages.in_parts(wire, things)


JSON: Final = JsonView()
