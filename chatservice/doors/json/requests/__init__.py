"""What a program asks for: one table, from the type of a message to what is done.

The same people, rooms and rules as behind the commands that people type; only the answers are
objects (:mod:`chatservice.messages`). What a program says is answered by its receipt, which comes
at its place among the events (:meth:`.JsonView.own`); all else in the order in which it was asked
for.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice import messages
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.doors.json.requests.base import REFUSALS, Asking, complaint, refusal
from chatservice.doors.json.requests.oneself import ONESELF
from chatservice.doors.json.requests.people import PEOPLE
from chatservice.doors.json.requests.rooms import ROOMS
from chatservice.doors.json.requests.talking import TALKING


def do(chat: Chat, member: Member, line: str) -> Deferred[None] | None:
    """Do what a line of a program asks for.

    :returns: a Deferred if the next line has to wait until this one is done.
    """
    assert member.session is not None
    chat.returns.hear(member.session)
    try:
        request = messages.request(line)
    except messages.BadMessage as error:
        member.outlet.write(complaint(error))
        return None
    if not isinstance(
        request, messages.Ping
    ):  # Clients ask by themselves whether anybody is there.
        member.active = chat.clock.seconds()
    asking = _TABLE[type(request)]
    settled = chat.settled(member) if asking.settled else None
    if settled is None:
        return _run(asking, chat, member, request)
    outlet = member.outlet

    def run(_: None) -> Deferred[None] | None:
        # Another connection that has taken the place asks for what it wants itself.
        return _run(asking, chat, member, request) if member.outlet is outlet else None

    return settled.addCallback(run)


def _run(
    asking: Asking, chat: Chat, member: Member, request: messages.Request
) -> Deferred[None] | None:
    def refused(failure: Failure) -> None:
        failure.trap(*REFUSALS)
        assert isinstance(failure.value, Exception)
        member.outlet.write(refusal(failure.value, request))

    if member.gone:
        return None
    try:
        doing = asking.run(chat, member, request)
    except REFUSALS as error:
        member.outlet.write(refusal(error, request))
        return None
    return doing.addErrback(refused) if doing is not None else None


_TABLE: Final[dict[type[messages.Request], Asking]] = {**TALKING, **ROOMS, **PEOPLE, **ONESELF}
