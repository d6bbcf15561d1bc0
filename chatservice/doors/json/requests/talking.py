"""What programs say: stored once for each number, and answered by a receipt at its place."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred

from chatservice import messages
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.refusals import Refusal
from chatservice.core.sessions import origin_at
from chatservice.doors.json.requests.base import Asking, membership_in, one_line, room_name
from chatservice.journal.events import DID, PRIVATE, SAID, TOPIC, Event
from chatservice.messages import Code
from chatservice.text import wording
from chatservice.text.sanitising import safe


def _talk(chat: Chat, member: Member, request: messages.Talk, kind: str) -> Deferred[None] | None:
    """Say something, or tell that it was said already."""
    session, seq = member.session, request.seq
    assert session is not None
    text = one_line(chat, request.text)
    if isinstance(request, messages.Private):
        room = None  # Whoever it is to may have another name by now.
    else:
        assert isinstance(request, (messages.Say, messages.Do, messages.Topic))
        room = room_name(chat, request.room)
    if seq is not None:
        if not seq:
            raise Refusal(Code.BAD_FIELD, "seq is 1 or more")
        if seq in session.unstored:
            if not _same(session.unstored[seq], kind, room, text):
                raise Refusal(Code.SEQ_REUSED, f"seq {seq} is that of something else")
            return None  # Its receipt is still to come.
        if seq <= session.highest:
            found = chat.past.find(session.origin, seq)
            if isinstance(found, Deferred):
                return found.addCallback(
                    lambda event: _again(member, request, kind, room, text, event)
                )
            _again(member, request, kind, room, text, found)
            return None
    if isinstance(request, messages.Private):
        _write(chat, member, request, text)
        return None
    if not text and kind != TOPIC:
        raise Refusal(Code.BAD_FIELD, "there is nothing to see in that text")
    membership = membership_in(chat, member, request.room)
    if kind == TOPIC:
        chat.set_topic(member, membership.room, text, seq)
    else:
        chat.say(member, membership.room.name, kind, text, seq)
    return None


def _same(before: tuple[str, str, str], kind: str, room: str | None, text: str) -> bool:
    return before == (kind, before[1] if room is None else room, text)


def _write(chat: Chat, member: Member, request: messages.Private, text: str) -> None:
    to = _reader(chat, request)
    if to is member:
        raise Refusal(Code.NOT_HERE, "that is you")
    if not text:
        raise Refusal(Code.BAD_FIELD, "there is nothing to see in that text")
    chat.write(member, to, text, request.seq)


def _reader(chat: Chat, request: messages.Private) -> Member:
    """Find who is to read it.

    :raises Refusal: if they are not here, or if a name is given and they have another one by now.
    """
    if request.session is not None:
        origin = origin_at(request.session)
        to = chat.sessions.get(origin) if origin is not None else None
        if to is None:
            raise Refusal(Code.NOT_HERE, wording.NOT_HERE_ANY_MORE)
        if request.to is not None and chat.find(request.to) is not to:
            raise Refusal(Code.NOT_HERE, f"who wrote that is not {safe(request.to[:24])}")
        return to
    if request.to is None:
        raise Refusal(Code.BAD_FIELD, "to is missing")
    found = chat.find(request.to)
    if found is None:
        raise Refusal(Code.NOT_HERE, f"there is no {safe(request.to[:24])} here")
    return found


def _again(
    member: Member,
    request: messages.Talk,
    kind: str,
    room: str | None,
    text: str,
    event: Event | None,
) -> None:
    """Tell the id of what was said before, unless that is still to come among the events."""
    if event is None:
        raise Refusal(
            Code.SEQ_UNKNOWN,
            f"seq {request.seq} is not above the last, and nothing is stored of it",
        )
    if not _same((event.kind, event.room, event.text), kind, room, text):
        raise Refusal(Code.SEQ_REUSED, f"seq {request.seq} is that of something else")
    cursor = member.cursor
    if cursor is None or event.id <= cursor.position or not member.sees(event):
        member.outlet.write(member.view.own(event))


def _say(chat: Chat, member: Member, request: messages.Say) -> Deferred[None] | None:
    return _talk(chat, member, request, SAID)


def _do(chat: Chat, member: Member, request: messages.Do) -> Deferred[None] | None:
    return _talk(chat, member, request, DID)


def _private(chat: Chat, member: Member, request: messages.Private) -> Deferred[None] | None:
    return _talk(chat, member, request, PRIVATE)


def _topic(chat: Chat, member: Member, request: messages.Topic) -> Deferred[None] | None:
    return _talk(chat, member, request, TOPIC)


TALKING: Final[dict[type[messages.Request], Asking]] = {
    messages.Say: Asking(_say, settled=False),
    messages.Do: Asking(_do, settled=False),
    messages.Private: Asking(_private, settled=False),
    messages.Topic: Asking(_topic, settled=False),
}
