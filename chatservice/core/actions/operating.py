"""The acts of operators. Each is an event in their room, so the journal has them all."""

from __future__ import annotations

from typing import Final

from chatservice.core.actions.meant import room_name, somebody
from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.moderation import BAN, LOCK, MUTE, Term, because, moment
from chatservice.core.networks import BadAddress, counted, parse_network
from chatservice.core.refusals import Refusal
from chatservice.core.state import OPERATORS
from chatservice.journal.events import ACTED, ANNOUNCED, HOUSE, Fact
from chatservice.messages import Code
from chatservice.messages.shown import Bans, Figures, TimeOfDay
from chatservice.messages.typed import (
    Announce,
    Ban,
    Kick,
    ListBans,
    Lock,
    LookAtClock,
    Mute,
    ShutDown,
    Stats,
    Unban,
    Unlock,
    Unmute,
)
from chatservice.text import durations, wording
from chatservice.text.listing import directed
from chatservice.text.names import key

BANS_MOST: Final = 1000
MUTES_MOST: Final = 1000
BANS_LISTED: Final = 100


def _act(chat: Chat, member: Member, text: str, *facts: Fact) -> None:
    """Add an operator's act to the next commit: an event for the operators, and its facts."""
    chat.say(member, OPERATORS, ACTED, text)
    # Terms that are over come first, because a new fact may renew one of them.
    over = chat.standing.forget(chat.ticker.waiting()) if chat.wall.believed else []
    chat.ticker.batch.hold(*over, *facts)
    chat.ticker.batch.then.append(lambda: member.tell(f"you {text}"))


def _term(chat: Chat, name: str, seconds: int | None, reason: str) -> tuple[Term, str]:
    """Return the term of a ban or a mute, and the end of the sentence that announces it."""
    until = chat.now() + seconds * 1000 if seconds else 0
    words = f" for {durations.say(seconds)}" if seconds else ""
    return Term(name, until, reason, seconds or 0), words + because(reason)


def kick(chat: Chat, member: Member, request: Kick) -> None:
    """Kick somebody out of the chat."""
    other = somebody(chat, request.name)
    if other is member:
        raise Refusal(Code.NOT_HERE, "that is you", "/quit leaves")
    why = because(request.reason)
    _act(chat, member, f"kicked {directed(other.name)}{why}")
    chat.attendance.send_away(other, "kicked", wording.KICKED + why, why)


def ban(chat: Chat, member: Member, request: Ban) -> None:
    """Ban an address or a network, or the address of somebody here."""
    network, shown = _meant(chat, request.who)
    if len(chat.standing.held_bans()) >= BANS_MOST:
        raise Refusal(Code.NOT_LET_IN, f"there are {BANS_MOST:,} bans already", "/unban some first")
    term, words = _term(chat, network, request.seconds, request.reason)
    _act(chat, member, f"banned {shown}{words}", term.fact(BAN, network))


def _meant(chat: Chat, who: str) -> tuple[str, str]:
    """Return the network that an address or a member's name means, and how to show it.

    A text that can be both is an address.
    """
    other = None
    try:
        network = str(parse_network(who))
    except BadAddress as error:
        other = chat.find(who)
        if other is None:
            raise Refusal(Code.BAD_FIELD, str(error)) from None
        try:
            # Take all addresses that one person may have, else the next one would not be banned.
            network = str(parse_network(counted(other.outlet.address)))
        except BadAddress:
            raise Refusal(Code.NOT_HERE, f"{other.name} is on this machine") from None
    return network, _short(network) + (f" ({directed(other.name)})" if other is not None else "")


def _short(network: str) -> str:
    """Return a network as text, without the prefix if it is a single address."""
    return network.removesuffix("/32").removesuffix("/128")


def bans(chat: Chat, member: Member, request: ListBans) -> Bans:
    """List the bans."""
    rows = [(_short(term.name), term.summary) for term in chat.standing.held_bans()]
    return Bans(rows=rows[:BANS_LISTED], count=len(rows))


def unban(chat: Chat, member: Member, request: Unban) -> None:
    """End the ban of an address or a network."""
    try:
        network = str(parse_network(request.address))
    except BadAddress as error:
        raise Refusal(Code.BAD_FIELD, str(error)) from None
    if network not in [term.name for term in chat.standing.held_bans()]:
        raise Refusal(Code.NOT_HERE, f"{_short(network)} is not banned", "/bans shows who is")
    _act(chat, member, f"unbanned {_short(network)}", Fact(BAN, network, ""))


def mute(chat: Chat, member: Member, request: Mute) -> None:
    """Mute somebody: others read none of their new words."""
    other = somebody(chat, request.name)
    if other.operator:
        raise Refusal(Code.NOT_HERE, f"{other.name} is an operator")
    if len(chat.standing.held_mutes()) >= MUTES_MOST:
        raise Refusal(
            Code.NOT_LET_IN, f"{MUTES_MOST:,} names are muted already", "/unmute some first"
        )
    term, words = _term(chat, other.name, request.seconds, request.reason)
    _act(chat, member, f"muted {directed(other.name)}{words}", term.fact(MUTE, key(other.name)))
    chat.ticker.batch.then.append(lambda: other.tell(f"{wording.MUTED}{term.says}"))


def unmute(chat: Chat, member: Member, request: Unmute) -> None:
    """End a mute."""
    name = request.name
    term = chat.standing.muted(name)
    if term is None:
        raise Refusal(Code.NOT_HERE, f"{name[:24]} is not muted")
    _act(chat, member, f"unmuted {directed(term.name)}", Fact(MUTE, key(name), ""))
    other = chat.find(name)
    if other is not None:
        chat.ticker.batch.then.append(lambda: other.tell("you may speak again"))


def announce(chat: Chat, member: Member, request: Announce) -> None:
    """Announce a text to everybody."""
    chat.say(member, HOUSE, ANNOUNCED, request.text)
    _act(chat, member, f"announced: {request.text}")


def lock(chat: Chat, member: Member, request: Lock) -> None:
    """Lock a room: nobody else can join it."""
    name = room_name(chat, member, request.room)
    if name == OPERATORS:
        raise Refusal(Code.BAD_FIELD, f"#{name} is for operators anyway")
    if name in chat.standing.locks:
        raise Refusal(Code.BAD_FIELD, f"#{name} is locked already")
    _act(chat, member, f"locked #{name}", Fact(LOCK, name, "locked"))


def unlock(chat: Chat, member: Member, request: Unlock) -> None:
    """Unlock a room."""
    name = room_name(chat, member, request.room)
    if name not in chat.standing.locks:
        raise Refusal(Code.BAD_FIELD, f"#{name} is not locked")
    _act(chat, member, f"unlocked #{name}", Fact(LOCK, name, ""))


def clock(chat: Chat, member: Member, request: LookAtClock) -> TimeOfDay | None:
    """Return whether the clock is trusted, or trust it from now on."""
    doubt = chat.wall.doubt
    if doubt is None or not request.right:
        return TimeOfDay(now=moment(chat.now()), doubted=doubt.left if doubt is not None else None)
    chat.wall.believe()
    _act(chat, member, "said that the clock is right")
    return None


def stats(chat: Chat, member: Member, request: Stats) -> Figures:
    """Return the server's figures, for operators."""
    times = sorted(chat.ticker.times) or [0.0]
    median, most = times[len(times) // 2] * 1000, times[-1] * 1000
    return Figures(
        rows=[
            ("connections", f"{chat.connections():,}"),
            ("members", f"{len(chat.members):,}"),
            ("behind", f"{sum(other.cursor is not None for other in chat.members):,}"),
            ("rooms", f"{len(chat.rooms):,}"),
            ("lines", f"{chat.talked:,}"),
            ("ticks", f"{median:.1f} ms, at most {most:.1f}"),
            ("history", f"{chat.journal.size / 1e6:,.1f} MB"),
            *chat.peers.stats(),
        ]
    )


def shut_down(chat: Chat, member: Member, request: ShutDown) -> None:
    """Shut the server down, now or later, or call that off."""
    why, wait = because(request.reason), request.wait
    if wait is None:
        if not chat.call_off():
            raise Refusal(Code.BAD_FIELD, f"{chat.called} was not to go down")
        chat.say(member, HOUSE, ANNOUNCED, f"{chat.called} does not go down{why}")
        _act(chat, member, f"called the shutdown of {chat.called} off{why}")
        return
    words = f" in {durations.say(wait)}" if wait else ""
    chat.say(member, HOUSE, ANNOUNCED, f"{chat.called} goes down{words or ' now'}{why}")
    _act(chat, member, f"shut {chat.called} down{words}{why}")
    chat.shut_down(wait, request.reason)
