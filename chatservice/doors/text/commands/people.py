"""The commands about people: oneself, and others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from twisted.internet.defer import Deferred

from chatservice.core.chat import Chat
from chatservice.core.members import Member
from chatservice.core.moderation import moment
from chatservice.core.permissions import hidden_room
from chatservice.core.refusals import Refusal
from chatservice.doors.text.commands.base import Command, somebody
from chatservice.doors.text.view import TextView
from chatservice.messages import Code
from chatservice.text import durations, names, wording
from chatservice.text.directions import directed
from chatservice.text.layout import table
from chatservice.text.times import OFF, STAMPS

ON: Final = "on"

_ZONES: Final = {name.lower(): name for name in (*available_timezones(), "UTC")}
"""Looked up at the start: to look for each that somebody types takes a dozen files."""


def _nick(chat: Chat, member: Member, typed: str) -> Deferred[None] | None:
    name = names.nickname(typed, chat.limits.max_name)
    if name == member.name:
        raise Refusal(Code.BAD_FIELD, f"you are {name} already")
    renamed = chat.rename(member, name)
    return renamed.addCallback(lambda _: member.tell(wording.RENAMED.format(name=name)))


def _whois(chat: Chat, member: Member, name: str) -> None:
    other = somebody(chat, name)
    rooms = [m.room for m in other.rooms() if m.room.name != hidden_room(member)]
    rows = [
        ("in", ", ".join(f"#{room.name}" for room in rooms) or "no room"),
        ("since", moment(other.since)),
        ("idle", durations.say(chat.clock.seconds() - other.active)),
    ]
    if other.away is not None:
        rows.append(("away", other.away or "yes"))
    if member.operator:
        rows.append(("from", other.outlet.address or "this machine"))
        term = chat.standing.muted(other.name)
        if term is not None:
            rows.append(("muted", term.summary))
    operator = " (operator)" if other.operator else ""
    member.tell(f"{directed(other.name)}{operator}", *table(rows))


def _uptime(chat: Chat, member: Member) -> None:
    up = chat.clock.seconds() - chat.started
    member.tell(f"up {durations.say(up)}", f"since {moment(chat.began)}")


def _stamps(view: TextView, value: str) -> TextView:
    if value.lower() not in STAMPS:
        raise Refusal(Code.BAD_FIELD, f"timestamps are {', '.join(STAMPS)}")
    return replace(view, stamps=value.lower())


def _zone(view: TextView, value: str) -> TextView:
    name = _ZONES.get(value.lower())
    if name == "UTC":
        return replace(view, zone=timezone.utc)
    try:
        if name is not None:
            return replace(view, zone=ZoneInfo(name))
    except (ValueError, OSError, KeyError):
        pass  # The files of the system have changed.
    raise Refusal(Code.NOT_HERE, "there is no such time zone: one is Europe/Berlin, or UTC")


def _moves(view: TextView, value: str) -> TextView:
    if value.lower() not in (ON, OFF):
        raise Refusal(Code.BAD_FIELD, f"joins are {ON} or {OFF}")
    return replace(view, moves=value.lower() == ON)


_Setting = tuple[Callable[[TextView, str], TextView], Callable[[TextView], str]]

SETTINGS: Final[dict[str, _Setting]] = {
    "timestamps": (_stamps, lambda view: view.stamps),
    "zone": (_zone, lambda view: view.zone_name),
    "joins": (_moves, lambda view: ON if view.moves else OFF),
}
"""By name: what makes a view one that is set so, and what tells how a view is set."""

_shared = lru_cache(maxsize=1000)(TextView)
"""Equal views are one, so that those who see the same share what is rendered."""


def _set(chat: Chat, member: Member, what: str, value: str) -> None:
    view = member.view
    assert isinstance(view, TextView)
    if what:
        setting = SETTINGS.get(what.lower())
        if setting is None or not value:
            raise Refusal(Code.BAD_FIELD, f"usage: /set [WHAT] [TO], WHAT is {', '.join(SETTINGS)}")
        view = setting[0](view, value)
        view = _shared(view.stamps, view.zone, view.moves)
        member.turn_to(member.current, view)
    rows = [(name, shown(view)) for name, (_, shown) in SETTINGS.items()]
    member.tell(*table(rows))


def _quit(chat: Chat, member: Member, text: str) -> None:
    words = chat.parting_words(member, text)
    member.tell(wording.GOODBYE.format(name=member.name))
    chat.quit(member, words)


PEOPLE = (
    Command("nick", "NAME", "change your name", "/nick anna", _nick),
    Command("whois", "NAME", "about one person", "/whois bob", _whois),
    Command("set", "[WHAT] [TO]", "how you see it", "/set timestamps short", _set),
    Command("uptime", "", "since when it runs", "/uptime", _uptime),
    Command("quit", "[TEXT]", "leave the chat", "/quit see you", _quit),
)
