"""The table of requests: from the type of each request to the function that fulfils it.

A function is called with the chat, the member that asks, and the request. It returns the reply, or
None if the reply comes among the events, or a Deferred of either. A long answer is made by a
coroutine (:data:`.answers.Making`). To refuse, a function raises one of :data:`.REFUSALS`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred

from chatservice import messages
from chatservice.core.actions import oneself, operating, people, rooms, talking
from chatservice.core.answers import Making, told
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.permissions import check_operator
from chatservice.core.refusals import REFUSALS, refusal_of
from chatservice.messages import typed
from chatservice.messages.shown import NotDone

Done = messages.Reply | None
Action = Callable[[Chat, Member, Any], Done | Deferred[Any] | Making]

ACTIONS: Final[dict[type[messages.Request], Action]] = {
    messages.Say: talking.talk,
    messages.Do: talking.talk,
    messages.Private: talking.talk,
    messages.Topic: talking.talk,
    messages.Join: rooms.join,
    messages.Leave: rooms.leave,
    messages.Who: rooms.who,
    messages.Names: people.names,
    messages.Rooms: rooms.rooms,
    messages.History: rooms.history,
    messages.LookUp: people.whois,
    messages.Uptime: people.uptime,
    messages.Nick: oneself.nick,
    messages.Away: oneself.away,
    messages.Ping: oneself.ping,
    messages.Hello: oneself.hello,
    messages.Quit: oneself.quit,
    typed.Answer: talking.answer,
    typed.TopicOf: rooms.topic,
    typed.Ignore: people.ignore,
    typed.Unignore: people.unignore,
    typed.Ignored: people.ignored,
    typed.Kick: operating.kick,
    typed.Ban: operating.ban,
    typed.ListBans: operating.bans,
    typed.Unban: operating.unban,
    typed.Mute: operating.mute,
    typed.Unmute: operating.unmute,
    typed.Announce: operating.announce,
    typed.Lock: operating.lock,
    typed.Unlock: operating.unlock,
    typed.Stats: operating.stats,
    typed.LookAtClock: operating.clock,
    typed.ShutDown: operating.shut_down,
}


def perform(chat: Chat, member: Member, request: messages.Request) -> Deferred[None] | None:
    """Fulfil a member's request, and send the reply or the refusal.

    :returns: a Deferred that fires when that is done; None if it is done already.
    """
    try:
        if request.for_operators:
            check_operator(member, request.type)
        done = ACTIONS[type(request)](chat, member, request)
        if done is not None and isinstance(done, Coroutine):
            done = chat.answers.give(member.outlet, told(member.view, done))
    except REFUSALS as error:
        done = not_done(error, request)
    if isinstance(done, Deferred):
        return Deferred.fromCoroutine(_reply_later(member, request, done))
    if done is not None:
        member.reply(done)
    return None


async def _reply_later(member: Member, request: messages.Request, doing: Deferred[Done]) -> None:
    """Wait for the outcome of a request, and send the reply or the refusal."""
    try:
        done = await doing
    except REFUSALS as error:
        done = not_done(error, request)
    if done is not None:
        member.reply(done)


def not_done(error: Exception, request: messages.Request) -> NotDone:
    """Return the reply for a refused request, with the reason.

    :param error: one of :data:`.REFUSALS`.
    """
    refusal = refusal_of(error)
    return NotDone(error=messages.refusal(request, refusal.code, str(refusal)), hint=refusal.hint)
