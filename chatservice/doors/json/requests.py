"""Handle a line of a program: a request, which is done as everybody's are.

What a program says is answered by its receipt, which comes at its place among the events
(:meth:`.JsonView.own`); all else in the order in which it was asked for.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred

from chatservice import messages
from chatservice.core.actions import perform
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.messages import BadMessage, Code
from chatservice.text import wording
from chatservice.text.sanitising import safe


def complaint(error: BadMessage) -> bytes:
    """Say what is wrong with a line."""
    return messages.encode(
        messages.Error(
            code=error.code.value, text=str(error), to=error.to, seq=error.seq, ref=error.ref
        )
    )


def do(chat: Chat, member: Member, line: str) -> Deferred[None] | None:
    """Do what a line of a program asks for.

    :returns: a Deferred if the next line has to wait until this one is done.
    """
    assert member.session is not None
    chat.returns.hear(member.session)
    try:
        request = messages.request(line)
        # Clients ask by themselves whether anybody is there.
        if not isinstance(request, messages.Ping):
            member.active = chat.clock.seconds()
        request = _fit(chat, request)
    except BadMessage as error:
        member.outlet.write(complaint(error))
        return None
    # What is said finds its order by itself; all else finds done what was asked for before.
    waits = not isinstance(request, (messages.Talk, messages.Ping))
    settled = chat.settled(member) if waits else None
    if settled is None:
        return None if member.gone else perform(chat, member, request)
    outlet = member.outlet

    def go_on(_: None) -> Deferred[None] | None:
        # Another connection that has taken the place asks for what it wants itself.
        meant = member.outlet is outlet and not member.gone
        return perform(chat, member, request) if meant else None

    return settled.addCallback(go_on)


def _fit(chat: Chat, request: messages.Request) -> messages.Request:
    """Return a request with its text, if it has one, as that is to be shown.

    :raises BadMessage: if the text is too long, or no single line.
    """
    text = getattr(request, "text", "")
    if "\n" in text or "\r" in text:
        why = Code.BAD_FIELD, "a text is one line"
    elif len(text) > chat.limits.max_line:
        why = Code.TOO_LONG, wording.TOO_LONG.format(most=chat.limits.max_line)
    else:
        shown = safe(text)
        return request if shown == text else replace(request, text=shown)  # type: ignore[call-arg]
    raise BadMessage(*why, request.type, request.ref, getattr(request, "seq", None))
