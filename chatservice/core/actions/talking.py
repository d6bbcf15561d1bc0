"""Talk and private lines. Each number that a program gives to a line is stored only once."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred

from chatservice.core.actions.meant import current_room, room_name, somebody
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.permissions import check_in_room
from chatservice.core.refusals import Refusal
from chatservice.core.sessions import origin_at
from chatservice.journal.events import DID, PRIVATE, SAID, TOPIC, Event, Fact, inbox
from chatservice.messages import Code, Do, Private, Reply, Say, Talk, Topic
from chatservice.messages.shown import IsAway, Sent, TopicIs
from chatservice.messages.typed import Answer
from chatservice.text import wording
from chatservice.text.sanitising import safe

_KINDS: Final[dict[type[Talk], str]] = {Say: SAID, Do: DID, Private: PRIVATE, Topic: TOPIC}


def talk(chat: Chat, member: Member, request: Talk) -> Deferred[None] | Reply | None:
    """Add talk to the next commit, or send the receipt if its number is stored already."""
    kind, seq, room = _KINDS[type(request)], request.seq, None
    if not isinstance(request, Private):  # Its reader may have another name by now.
        assert isinstance(request, (Say, Do, Topic))
        room = room_name(chat, member, request.room)
    if seq is not None:
        session = member.session
        assert session is not None
        if not seq:
            raise Refusal(Code.BAD_FIELD, "seq is 1 or more")
        if seq in session.unstored:
            _check_same(request, kind, room, session.unstored[seq])
            return None  # Its receipt is still to come.
        if seq <= session.highest:
            found = chat.past.find(session.origin, seq)
            if isinstance(found, Deferred):
                return found.addCallback(lambda event: _again(member, request, kind, room, event))
            _again(member, request, kind, room, found)
            return None
    if isinstance(request, Private):
        return _write(chat, member, _reader(chat, request), request.text, seq)
    if not request.text and kind != TOPIC:
        raise Refusal(Code.BAD_FIELD, "there is nothing to see in that text")
    assert room is not None
    if room != current_room(member) and member.membership(room) is None:
        raise Refusal(Code.NOT_IN_ROOM, f"you are not in #{room}", "/join it first")
    chat.say(member, room, kind, request.text, seq)
    if kind == TOPIC:
        chat.ticker.batch.hold(Fact(TOPIC, room, request.text))
        topic = TopicIs(room=room, topic=request.text, new=True)
        chat.ticker.batch.then.append(lambda: member.reply(topic))
    return None


def say_here(chat: Chat, member: Member, text: str) -> None:
    """Say something in the current room.

    Most typed lines are this, so it is done without making a request.
    """
    chat.say(member, check_in_room(member), SAID, text)


def answer(chat: Chat, member: Member, request: Answer) -> Reply | None:
    """Send a private line to the author of the last private line that the member was shown."""
    if not member.correspondent:
        raise Refusal(Code.NOT_HERE, "nobody wrote to you privately yet")
    to = chat.sessions.get(member.correspondent)
    if to is None:
        raise Refusal(Code.NOT_HERE, wording.NOT_HERE_ANY_MORE)
    return _write(chat, member, to, request.text)


def _check_same(request: Talk, kind: str, room: str | None, before: tuple[str, str, str]) -> None:
    """Refuse a number that was used for another line."""
    if before != (kind, before[1] if room is None else room, request.text):
        raise Refusal(Code.SEQ_REUSED, f"seq {request.seq} is that of something else")


def _again(member: Member, request: Talk, kind: str, room: str | None, event: Event | None) -> None:
    """Send the receipt of a stored line again, unless the cursor will still come to that event."""
    if event is None:
        raise Refusal(
            Code.SEQ_UNKNOWN,
            f"seq {request.seq} is not above the last, and nothing is stored of it",
        )
    _check_same(request, kind, room, (event.kind, event.room, event.text))
    cursor = member.cursor
    if cursor is None or event.id <= cursor.position or not member.sees(event):
        member.outlet.write(member.view.own(event))


def _reader(chat: Chat, request: Private) -> Member:
    """Return the member that a private line is for.

    :raises Refusal: if it is not here, or if a name is given and it has another one by now.
    """
    if request.session is None:
        if request.to is None:
            raise Refusal(Code.BAD_FIELD, "to is missing")
        return somebody(chat, request.to)
    origin = origin_at(request.session)
    to = chat.sessions.get(origin) if origin is not None else None
    if to is None:
        raise Refusal(Code.NOT_HERE, wording.NOT_HERE_ANY_MORE)
    if request.to is not None and chat.find(request.to) is not to:
        raise Refusal(Code.NOT_HERE, f"the name of that session is not {safe(request.to[:24])}")
    return to


def _write(
    chat: Chat, member: Member, to: Member, text: str, seq: int | None = None
) -> Reply | None:
    if to is member:
        raise Refusal(Code.NOT_HERE, "that is you")
    if not text:
        raise Refusal(Code.BAD_FIELD, "there is nothing to see in that text")
    chat.say(member, inbox(to.origin), PRIVATE, text, seq)
    sent = Sent(to=to.name, text=text)
    chat.ticker.batch.then.append(lambda: member.reply(sent))
    if to.away is None or member.origin in to.told:
        return None
    to.told |= {member.origin}
    return IsAway(name=to.name, why=to.away)
