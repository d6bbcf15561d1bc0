"""How events look to programs: an object each, as :mod:`chatservice.messages` has them."""

from __future__ import annotations

from typing import Final

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
from chatservice.text import wording

NAMES_MOST: Final = 500
"""So many names of those who come or go together are told; of the rest, the count."""

_ASKED: Final = {SAID: "say", DID: "do", PRIVATE: "private", TOPIC: "topic"}
"""With what a program asks for what then happens."""


def told(event: Event) -> messages.Event:
    """Return an event as it is told."""
    room = None if event.room.startswith(HOUSE) else event.room
    at = messages.moment(event.at)
    if event.kind in (JOINED, LEFT):
        names = event.author.split(" ")
        return messages.Event(
            type=event.kind,
            id=event.id,
            at=at,
            room=room,
            names=names[:NAMES_MOST],
            count=len(names),
            text=event.text or None,
        )
    if event.kind == RENAMED:
        return messages.Event(
            type=event.kind, id=event.id, at=at, room=room, author=event.author, name=event.text
        )
    return messages.Event(
        type=event.kind,
        id=event.id,
        at=at,
        room=room,
        author=event.author,
        text=event.text,
        session=address_of(event.origin) if event.kind == PRIVATE else None,
    )


class JsonView:
    """Objects for programs. There is but one view of this kind: :data:`JSON`."""

    def live(self, event: Event, here: bool) -> bytes:
        """See :meth:`.View.live`."""
        return messages.encode(told(event))

    def own(self, event: Event) -> bytes:
        """See :meth:`.View.own`: what a program has said is its receipt."""
        asked = _ASKED.get(event.kind)
        if asked is None:
            return self.live(event, True)
        seq = event.seq if event.seq > 0 else None
        return messages.encode(
            messages.Ok(to=asked, id=event.id, at=messages.moment(event.at), seq=seq)
        )

    def notice(self, *lines: str) -> bytes:
        """See :meth:`.View.notice`."""
        return b"".join(messages.encode(messages.Notice(text=line)) for line in lines if line)

    def refusal(self, code: messages.Code, why: str) -> bytes:
        """See :meth:`.View.refusal`."""
        return messages.encode(messages.Error(code=code.value, text=why))

    def gap(self) -> bytes:
        """See :meth:`.View.gap`."""
        return messages.encode(messages.Notice(text=wording.FORGOTTEN, gap=True))


JSON: Final = JsonView()
