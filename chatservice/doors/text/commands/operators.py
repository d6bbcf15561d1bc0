"""The commands for operators. What they do is told in their room, so the journal has it all."""

from __future__ import annotations

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.moderation import BAN, LOCK, MUTE, Term, because, moment
from chatservice.core.networks import BadAddress, counted, parse_network
from chatservice.core.state import OPERATORS
from chatservice.doors.text.commands.base import (
    CANCEL,
    Command,
    Refused,
    room_name,
    somebody,
    when_of,
)
from chatservice.journal.events import ACTED, ANNOUNCED, HOUSE, Fact
from chatservice.text import durations, wording
from chatservice.text.directions import directed
from chatservice.text.layout import table
from chatservice.text.names import key

BANS_MOST = 1000
MUTES_MOST = 1000
BANS_LISTED = 100

CLOCK_IS_RIGHT = "right"


def _act(chat: Chat, member: Member, text: str, *facts: Fact) -> None:
    """Do what an operator does, once it is stored, and say so to the operators."""
    chat.say(member, OPERATORS, ACTED, text)
    # What is over goes first: it may be what is to hold again.
    over = chat.standing.forget(chat.ticker.waiting()) if chat.wall.believed else []
    for fact in (*over, *facts):
        chat.ticker.batch.hold(fact)
    chat.ticker.batch.then(lambda: member.tell(f"you {text}"))


def _term(chat: Chat, name: str, duration: str, reason: str) -> tuple[Term, str]:
    """Give how long something holds, and that in words."""
    seconds = durations.parse(duration) if duration else None
    until = chat.now() + seconds * 1000 if seconds else 0
    words = f" for {durations.say(seconds)}" if seconds else ""
    return Term(name, until, reason, seconds or 0), words + because(reason)


def _kick(chat: Chat, member: Member, name: str, reason: str) -> None:
    other = somebody(chat, name)
    if other is member:
        raise Refused("that is you: /quit leaves")
    why = because(reason)
    _act(chat, member, f"kicked {directed(other.name)}{why}")
    chat.send_away(other, "kicked", wording.KICKED + why, why)


def _ban(chat: Chat, member: Member, who: str, duration: str, reason: str) -> None:
    network, shown = _meant(chat, who)
    if len(chat.standing.held_bans()) >= BANS_MOST:
        raise Refused(f"there are {BANS_MOST:,} bans already: /unban some first")
    term, words = _term(chat, network, duration, reason)
    _act(chat, member, f"banned {shown}{words}", term.fact(BAN, network))


def _meant(chat: Chat, who: str) -> tuple[str, str]:
    """Find the network that is meant by an address, or by who is here; and how to tell of it.

    A name may look like an address, so what is an address is no name.
    """
    other = None
    try:
        network = str(parse_network(who))
    except BadAddress as error:
        other = chat.find(who)
        if other is None:
            raise Refused(str(error)) from None
        try:
            # All that one person may have, else it would be back from the next address.
            network = str(parse_network(counted(other.outlet.address)))
        except BadAddress:
            raise Refused(f"{other.name} is on this machine") from None
    return network, _short(network) + (f" ({directed(other.name)})" if other is not None else "")


def _short(network: str) -> str:
    """Leave away of a network that it is but one address."""
    return network.removesuffix("/32").removesuffix("/128")


def _bans(chat: Chat, member: Member) -> None:
    terms = chat.standing.held_bans()
    if not terms:
        member.tell("nobody is banned")
        return
    rows = [(_short(term.name), term.summary) for term in terms]
    more = [f"and {len(rows) - BANS_LISTED:,} more"] if len(rows) > BANS_LISTED else []
    member.tell(*table(rows[:BANS_LISTED]), *more)


def _unban(chat: Chat, member: Member, address: str) -> None:
    try:
        network = str(parse_network(address))
    except BadAddress as error:
        raise Refused(str(error)) from None
    if network not in [term.name for term in chat.standing.held_bans()]:
        raise Refused(f"{_short(network)} is not banned: /bans shows who is")
    _act(chat, member, f"unbanned {_short(network)}", Fact(BAN, network, ""))


def _mute(chat: Chat, member: Member, name: str, duration: str, reason: str) -> None:
    other = somebody(chat, name)
    if other.operator:
        raise Refused(f"{other.name} is an operator")
    if len(chat.standing.held_mutes()) >= MUTES_MOST:
        raise Refused(f"{MUTES_MOST:,} names are muted already: /unmute some first")
    term, words = _term(chat, other.name, duration, reason)
    _act(chat, member, f"muted {directed(other.name)}{words}", term.fact(MUTE, key(other.name)))
    chat.ticker.batch.then(lambda: other.tell(f"{wording.MUTED}{term.says}"))


def _unmute(chat: Chat, member: Member, name: str) -> None:
    term = chat.standing.muted(name)
    if term is None:
        raise Refused(f"{name[:24]} is not muted")
    _act(chat, member, f"unmuted {directed(term.name)}", Fact(MUTE, key(name), ""))
    other = chat.find(name)
    if other is not None:
        chat.ticker.batch.then(lambda: other.tell("you may speak again"))


def _announce(chat: Chat, member: Member, text: str) -> None:
    chat.say(member, HOUSE, ANNOUNCED, text)
    _act(chat, member, f"announced: {text}")


def _lock(chat: Chat, member: Member, typed: str) -> None:
    name = room_name(chat, typed)
    if name == OPERATORS:
        raise Refused(f"#{name} is for operators anyway")
    if name in chat.standing.locks:
        raise Refused(f"#{name} is locked already")
    _act(chat, member, f"locked #{name}", Fact(LOCK, name, "locked"))


def _unlock(chat: Chat, member: Member, typed: str) -> None:
    name = room_name(chat, typed)
    if name not in chat.standing.locks:
        raise Refused(f"#{name} is not locked")
    _act(chat, member, f"unlocked #{name}", Fact(LOCK, name, ""))


def _clock(chat: Chat, member: Member, right: str) -> None:
    if right.lower() not in ("", CLOCK_IS_RIGHT):
        raise Refused(f"usage: /clock [{CLOCK_IS_RIGHT}]")
    now = f"it is {moment(chat.now())}"
    doubt = chat.wall.doubt
    if doubt is None:
        member.tell(f"{now}, and nothing speaks against it")
    elif right:
        chat.wall.believe()
        _act(chat, member, "said that the clock is right")
    else:
        left = durations.say(doubt.left)
        member.tell(
            f"{now}, or so says the clock, which jumped",
            f"nothing old is deleted in the next {left}",
            f"/clock {CLOCK_IS_RIGHT} says that it is right",
        )


def _stats(chat: Chat, member: Member) -> None:
    behind = sum(other.cursor is not None for other in chat.members)
    times = sorted(chat.ticker.times) or [0.0]
    median, most = times[len(times) // 2] * 1000, times[-1] * 1000
    rows = [
        ("connections", f"{chat.connections():,}"),
        ("members", f"{len(chat.members):,}"),
        ("behind", f"{behind:,}"),
        ("rooms", f"{len(chat.rooms):,}"),
        ("lines", f"{chat.past.talked:,}"),
        ("ticks", f"{median:.1f} ms, at most {most:.1f}"),
        ("history", f"{chat.journal.size / 1e6:,.1f} MB"),
        *chat.more_stats(),
    ]
    member.tell(*table(rows))


def _shutdown(chat: Chat, member: Member, when: str, reason: str) -> None:
    asked = when_of(when)
    if asked == CANCEL:
        if not chat.call_off():
            raise Refused(f"{chat.called} was not to go down")
        why = because(reason)
        chat.say(member, HOUSE, ANNOUNCED, f"{chat.called} does not go down{why}")
        _act(chat, member, f"called the shutdown of {chat.called} off{why}")
        return
    wait = asked if isinstance(asked, int) else 0
    words = f" in {durations.say(wait)}" if wait else ""
    down = f"{words or ' now'}{because(reason)}"
    chat.say(member, HOUSE, ANNOUNCED, f"{chat.called} goes down{down}")
    _act(chat, member, f"shut {chat.called} down{words}{because(reason)}")
    chat.shut_down(wait, reason)


OPERATING = tuple(
    Command(name, takes, does, example, run, operator=True)
    for name, takes, does, example, run in (
        ("kick", "NAME [REASON]", "send somebody away", "/kick bob calm down", _kick),
        (
            "ban",
            "WHO [DURATION] [REASON]",
            "keep somebody out",
            "/ban 192.0.2.0/24 1h spam",
            _ban,
        ),
        ("bans", "", "list the bans", "/bans", _bans),
        ("unban", "ADDRESS", "take a ban back", "/unban 192.0.2.0/24", _unban),
        (
            "mute",
            "NAME [DURATION] [REASON]",
            "let nobody hear them",
            "/mute bob 10m caps",
            _mute,
        ),
        ("unmute", "NAME", "hear them again", "/unmute bob", _unmute),
        ("announce", "TEXT", "tell everybody", "/announce cake in the lobby", _announce),
        ("lock", "ROOM", "let nobody else in", "/lock dev", _lock),
        ("unlock", "ROOM", "open it again", "/unlock dev", _unlock),
        ("stats", "", "how it is doing", "/stats", _stats),
        ("clock", "[RIGHT]", "is the time right?", f"/clock {CLOCK_IS_RIGHT}", _clock),
        (
            "shutdown",
            "[WHEN [REASON]]",
            "stop the server",
            "/shutdown 60 back in five minutes",
            _shutdown,
        ),
    )
)
